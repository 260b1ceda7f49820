// clip_value:    g ← clamp(g, −v, v), over the arena of gradients
// norm_partials: partials[m, first + c] = Σ g², over chunk c of 4,096 elements of member m's part of the arena, by a fixed tree
struct Norm { arena4: u32, chunks: u32, first: u32, partials: u32, members: u32, limit: f32 }

@group(0) @binding(0) var<uniform> p: Norm;
@group(0) @binding(2) var<storage, read_write> clipped: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

var<workgroup> tree: array<f32, 256>;

@compute @workgroup_size(256)
fn clip_value(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    // of gradients that are accumulated, the sum is clipped
    if i >= p.arena4 || (current_step(id.z).part & 2u) == 0u { return; }
    let at = id.z * p.arena4 + i;
    let g = clipped[at];
    // two selects, not clamp: what is not finite must stay so, and be found
    let low = select(g, vec4<f32>(-p.limit), g < vec4<f32>(-p.limit));
    clipped[at] = select(low, vec4<f32>(p.limit), low > vec4<f32>(p.limit));
}

@compute @workgroup_size(256)
fn norm_partials(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunk = group.x + group.y * groups.x;
    if chunk >= p.chunks { return; }
    var sum = 0.0;
    for (var k = 0u; k < 4u; k += 1u) {
        let i = chunk * 1024u + k * 256u + lane;
        if i < p.arena4 {
            let g = grads[group.z * p.arena4 + i];
            sum += dot(g, g);
        }
    }
    tree[lane] = sum;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width /= 2u) {
        if lane < width { tree[lane] += tree[lane + width]; }
        workgroupBarrier();
    }
    if lane == 0u { partials[group.z * p.partials + p.first + chunk] = tree[0]; }
}
