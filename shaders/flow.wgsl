// What a layer's gradients, errors and activations came to in a step, for the diagnosis of a run; only run in steps that are looked at.
// flow_columns: columns[m, c] = Σ over live rows and the four columns of group c of (a, a², δ²; outside; units outside in all rows)
// flow_chunks:  chunks[m, i] = (Σ g², Σ w², Σ (w − before)², 0) over chunk i of 4,096 elements of the layer's weight
// flow_layer:   flow[slot, m, layer] = (Σ a, Σ a², Σ δ², outside), (units outside, Σ g², Σ w², Σ Δw²)
// a is outside when a ≤ low or a ≥ high: a unit of relu that is off, one of a sigmoid that is flat.
struct Flow {
    rows: u32, width: u32, width4: u32, members: u32, arena4: u32, weight4: u32, length4: u32, chunks: u32, layer: u32, layers: u32,
    low: f32, high: f32,
}

@group(0) @binding(0) var<uniform> p: Flow;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> columns_out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> chunks_out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> columns: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> chunks: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> flow: array<vec4<f32>>;

var<workgroup> tree: array<array<vec4<f32>, 2>, 64>;

fn sum(lane: u32, one: vec4<f32>, two: vec4<f32>) -> array<vec4<f32>, 2> {
    tree[lane] = array<vec4<f32>, 2>(one, two);
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if lane < width {
            tree[lane][0] += tree[lane + width][0];
            tree[lane][1] += tree[lane + width][1];
        }
        workgroupBarrier();
    }
    return tree[0];
}

@compute @workgroup_size(64)
fn flow_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let c = group.x + group.y * groups.x;
    if c >= p.width4 { return; }
    let rows = current_step(group.z).rows;
    let real = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c < vec4<u32>(p.width);
    var one = vec4<f32>();
    var outside = vec4<f32>();
    for (var r = lane; r < rows; r += 64u) {
        let at = (group.z * p.rows + r) * p.width4 + c;
        let x = a[at];
        let d = delta[at];
        one += vec4<f32>(dot(x, vec4<f32>(1.0)), dot(x, x), dot(d, d), 0.0);
        outside += select(vec4<f32>(), vec4<f32>(1.0), (x <= vec4<f32>(p.low)) | (x >= vec4<f32>(p.high)));
    }
    let total = sum(lane, one, outside);
    if lane != 0u { return; }
    let counted = select(vec4<f32>(), total[1], real);
    let units = select(vec4<f32>(), vec4<f32>(1.0), real & (total[1] == vec4<f32>(f32(rows))));
    let at = 2u * (group.z * p.width4 + c);
    columns_out[at] = vec4<f32>(total[0].xyz, dot(counted, vec4<f32>(1.0)));
    columns_out[at + 1u] = vec4<f32>(dot(units, vec4<f32>(1.0)), 0.0, 0.0, 0.0);
}

@compute @workgroup_size(64)
fn flow_chunks(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunk = group.x + group.y * groups.x;
    if chunk >= p.chunks { return; }
    var one = vec4<f32>();
    for (var k = lane; k < 1024u; k += 64u) {
        let i = chunk * 1024u + k;
        if i < p.length4 {
            let at = group.z * p.arena4 + p.weight4 + i;
            let g = grads[at];
            let w = params[at];
            let moved = w - before[at];
            one += vec4<f32>(dot(g, g), dot(w, w), dot(moved, moved), 0.0);
        }
    }
    let total = sum(lane, one, vec4<f32>());
    if lane == 0u { chunks_out[group.z * p.chunks + chunk] = total[0]; }
}

@compute @workgroup_size(64)
fn flow_layer(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.z;
    var one = vec4<f32>();
    var two = vec4<f32>();
    for (var c = lane; c < p.width4; c += 64u) {
        one += columns[2u * (m * p.width4 + c)];
        two.x += columns[2u * (m * p.width4 + c) + 1u].x;
    }
    for (var i = lane; i < p.chunks; i += 64u) {
        let part = chunks[m * p.chunks + i];
        two += vec4<f32>(0.0, part.x, part.y, part.z);
    }
    let total = sum(lane, one, two);
    if lane != 0u { return; }
    let at = 2u * ((current_step(m).slot * p.members + m) * p.layers + p.layer);
    flow[at] = total[0];
    flow[at + 1u] = total[1];
}
