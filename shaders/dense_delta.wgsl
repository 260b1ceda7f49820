// g[m, r, k] = ( Σₙ δ[m, r, n] · W[m, n, k] ) · σ'(z[m, r, k]), the slope taken from a or z        δ [members, rows, out], W [members, out, in]
// Rows are padded with zeros to groups of four: δ's zeros make the columns beyond `outputs` harmless.
struct DenseDelta {
    rows: u32, inputs4: u32, outputs: u32, outputs4: u32, members: u32, arena4: u32, weight4: u32, kind: u32, half: u32,
}

@group(0) @binding(0) var<uniform> p: DenseDelta;
@group(0) @binding(2) var<storage, read> delta: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> g: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> scaling: array<vec4<f32>>;

fn store(member: u32, live: u32, row: u32, group: u32, sum: vec4<f32>) {
    if row >= live || group >= p.inputs4 { return; }
    let at = (member * p.rows + row) * p.inputs4 + group;
    g[at] = sum * slope(p.kind, source[at]);
}

// What the loss is scaled by, and what brings a sum back, where operands are rounded.
fn scale_of(member: u32) -> vec2<f32> { return scaling[member].xy; }

fn live_rows(member: u32) -> u32 { return current_step(member).rows; }

// For the tiles of many invocations: L = δ along k, R = W across it; k runs over the layer's outputs.
fn terms4(live: u32, row: u32) -> u32 { return select(0u, p.outputs4, row < live); }

// Groups of four rows of the result that there are.
fn high4(live: u32) -> u32 { return (live + 3u) / 4u; }

fn left_at(member: u32, live: u32, i4: u32) -> vec4<u32> {
    let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * i4, vec4<u32>(live - 1u));
    return (row + member * p.rows) * p.outputs4;
}

fn left(live: u32, start: vec4<u32>, k4: u32) -> mat4x4<f32> {
    if k4 >= p.outputs4 { return mat4x4<f32>(); }
    let at = start + k4;
    return transpose(mat4x4<f32>(delta[at.x], delta[at.y], delta[at.z], delta[at.w]));
}

fn right(member: u32, live: u32, j4: u32, k4: u32) -> mat4x4<f32> {
    let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * k4, vec4<u32>(p.outputs - 1u));
    let at = row * p.inputs4 + member * p.arena4 + p.weight4 + min(j4, p.inputs4 - 1u);
    return mat4x4<f32>(params[at.x], params[at.y], params[at.z], params[at.w]);
}

// tile begin
@compute @workgroup_size(8, 8)
fn NAME_ROWSxCOLS(@builtin(global_invocation_id) id: vec3<u32>) {
    let live = current_step(id.z).rows;
    let row = id.y * ROWSu;
    let group = id.x * (COLSu / 4u);
    if row >= live || group >= p.inputs4 { return; }
    let di{i} = (id.z * p.rows + min(row + {i}u, live - 1u)) * p.outputs4;
    let wq{q} = id.z * p.arena4 + p.weight4 + min(group + {q}u, p.inputs4 - 1u);
    let last = (p.outputs - 1u) * p.inputs4;
    var s{i}_{q} = vec4<f32>();
    for (var n = 0u; n < p.outputs4; n += 1u) {
        let d{i} = delta[di{i} + n];
        let n0 = min((4u * n) * p.inputs4, last);
        let n1 = min((4u * n + 1u) * p.inputs4, last);
        let n2 = min((4u * n + 2u) * p.inputs4, last);
        let n3 = min((4u * n + 3u) * p.inputs4, last);
        let x{q} = params[wq{q} + n0];
        s{i}_{q} += d{i}.x * x{q};
        let y{q} = params[wq{q} + n1];
        s{i}_{q} += d{i}.y * y{q};
        let z{q} = params[wq{q} + n2];
        s{i}_{q} += d{i}.z * z{q};
        let w{q} = params[wq{q} + n3];
        s{i}_{q} += d{i}.w * w{q};
    }
    store(id.z, live, row + {i}u, group + {q}u, s{i}_{q});
}

// tile end
