// accumulate: sum ← sum + g, or sum ← g in the first part of a batch, over the arena of gradients
// average:    average ← average + (1 − decay)·(w − average), over the arena of parameters, after a step that was applied
struct Average { arena4: u32, members: u32, decay: f32 }

@group(0) @binding(0) var<uniform> p: Average;
@group(0) @binding(2) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> scalars: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> moving: array<vec4<f32>>;

@compute @workgroup_size(256)
fn accumulate(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if i >= p.arena4 { return; }
    let at = id.z * p.arena4 + i;
    if (current_step(id.z).part & 1u) != 0u {
        sum[at] = grads[at];
    } else {
        sum[at] += grads[at];
    }
}

@compute @workgroup_size(256)
fn average(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if i >= p.arena4 || scalars[2u * id.z + 1u].x == 0.0 { return; }
    let at = id.z * p.arena4 + i;
    moving[at] += (1.0 - p.decay) * (params[at] - moving[at]);
}
