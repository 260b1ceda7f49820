// An optimizer's update over the arenas: w ← rule(w, g), with g = coef · gradient + λ·w (l2) and w ← w − α·λ·w first (decoupled), where
// the weight decays. All of a step's scalars are read from what `finish` left. The statements of the rule and its hyper-parameters are put
// in by Rust from the table of optimizers. Padding has g = 0 and stays zero.
struct Update { arena4: u32, members: u32, h0: f32, h1: f32, h2: f32, l2: f32, decoupled: f32 }

@group(0) @binding(0) var<uniform> p: Update;
@group(0) @binding(2) var<storage, read> scalars: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> decays: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> second: array<vec4<f32>>;

@compute @workgroup_size(256)
fn update(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    // a step that is not applied leaves everything as it was
    if i >= p.arena4 || scalars[2u * id.z + 1u].x == 0.0 { return; }
    let s = scalars[2u * id.z];
    let lr = s.y;
    let c1 = s.z;
    let c2 = s.w;
    let at = id.z * p.arena4 + i;
    var w = params[at];
    var g = s.x * grads[at];
    if p.l2 != 0.0 || p.decoupled != 0.0 {
        g += p.l2 * decays[i] * w;
        w -= lr * p.decoupled * decays[i] * w;
    }
    // rule
    params[at] = w;
}
