// batch[m, r, :] = features[order[m, start + r] − first, :]        features [count, width], order [members, rows of data]
// Rows are `width4` groups of four; bytes are four to a word, worth `scale` each. Rows that are not among the `count` from `first` on are
// in another buffer, and are left alone.
struct Gather { width4: u32, rows: u32, order_stride: u32, members: u32, first: u32, count: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Gather;
@group(0) @binding(2) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bytes: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> batch: array<vec4<f32>>;

struct Place { live: bool, source: u32, target_index: u32 }

fn place(i: u32, member: u32) -> Place {
    let step = current_step(member);
    let r = i / p.width4;
    if r >= step.rows { return Place(false, 0u, 0u); }
    let c = i % p.width4;
    // below `first` it wraps, and is too large
    let source = order[member * p.order_stride + step.start + r] - p.first;
    return Place(source < p.count, source * p.width4 + c, (member * p.rows + r) * p.width4 + c);
}

@compute @workgroup_size(256)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(flat_index(id, groups, 256u), id.z);
    if !at.live { return; }
    batch[at.target_index] = features[at.source];
}

@compute @workgroup_size(256)
fn gather_bytes(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(flat_index(id, groups, 256u), id.z);
    if !at.live { return; }
    batch[at.target_index] = vec4<f32>(unpack4xU8(bytes[at.source])) * p.scale;
}
