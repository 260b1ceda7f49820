// a[m, r, c] = σ(z[m, r, c])   and   δ[m, r, c] = g[m, r, c] · σ'(z[m, r, c]), the slope taken from a or z
// The functions `activate` and `slope` are written by Rust from the plan's activations. Rows are `width4` groups of four.
struct Activate { rows: u32, width: u32, width4: u32, members: u32, kind: u32 }

@group(0) @binding(0) var<uniform> p: Activate;
@group(0) @binding(2) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> delta: array<vec4<f32>>;

@compute @workgroup_size(256)
fn activation(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    let step = current_step(id.z);
    if i >= step.rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    // the padding of a row stays zero: the sigmoid of zero is not
    let column = vec4<u32>(0u, 1u, 2u, 3u) + 4u * (i % p.width4);
    output[at] = select(vec4<f32>(), activate(p.kind, input[at]), column < vec4<u32>(p.width));
}

@compute @workgroup_size(256)
fn activation_slope(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    let step = current_step(id.z);
    if i >= step.rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    delta[at] = input[at] * slope(p.kind, source[at]);
}
