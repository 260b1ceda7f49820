// Over the arenas, with g = coef · gradient, all of a step's scalars read from what `finish` left:
// sgd:      w ← w − α·g
// momentum: v ← β·v + g;  w ← w − α·v
// adam:     m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  w ← w − α·(m/c₁) / (√(v/c₂) + ε),  cᵢ = 1 − βᵢᵗ from the host
// Padding has g = 0 and stays zero.
struct Update { arena4: u32, members: u32, beta1: f32, beta2: f32, epsilon: f32 }

@group(0) @binding(0) var<uniform> p: Update;
@group(0) @binding(2) var<storage, read> scalars: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> second: array<vec4<f32>>;

// a step that is not applied leaves everything as it was
fn live(i: u32, member: u32) -> bool {
    return i < p.arena4 && scalars[2u * member + 1u].x != 0.0;
}

@compute @workgroup_size(256)
fn sgd(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if !live(i, id.z) { return; }
    let s = scalars[2u * id.z];
    let at = id.z * p.arena4 + i;
    params[at] -= s.y * (s.x * grads[at]);
}

@compute @workgroup_size(256)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if !live(i, id.z) { return; }
    let s = scalars[2u * id.z];
    let at = id.z * p.arena4 + i;
    let v = p.beta1 * first[at] + s.x * grads[at];
    first[at] = v;
    params[at] -= s.y * v;
}

@compute @workgroup_size(256)
fn adam(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if !live(i, id.z) { return; }
    let s = scalars[2u * id.z];
    let at = id.z * p.arena4 + i;
    let g = s.x * grads[at];
    let m = p.beta1 * first[at] + (1.0 - p.beta1) * g;
    let v = p.beta2 * second[at] + (1.0 - p.beta2) * g * g;
    first[at] = m;
    second[at] = v;
    params[at] -= s.y * (m / s.z) / (sqrt(v / s.w) + p.epsilon);
}
