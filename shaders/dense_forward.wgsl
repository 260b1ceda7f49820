// a[m, r, n] = σ( Σₖ x[m, r, k] · W[m, n, k] + b[m, n] )        x [members, rows, in], W [members, out, in], b [members, out]
// Rows of x, W and a are padded with zeros to groups of four, so that k runs over groups. In the direct tiles each invocation makes ROWS
// rows by COLS columns in registers: no workgroup memory, which software drivers emulate slowly. Behind them come the tiles of
// dense_shared.wgsl or dense_subgroup.wgsl.
// x is a batch, or it is the whole of the data (lines marked `?data`), as numbers or as bytes: then the order says which rows are meant.
struct DenseForward {
    rows: u32, inputs4: u32, outputs: u32, outputs4: u32, members: u32, arena4: u32, weight4: u32, bias4: u32, has_bias: u32,
    kind: u32, half: u32,
    ?data order_stride: u32, scale: f32,
}

@group(0) @binding(0) var<uniform> p: DenseForward;
?numbers @group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
?bytes @group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> a: array<vec4<f32>>;
?data @group(0) @binding(5) var<storage, read> order: array<u32>;

?data // Where in the order the rows of the batch are.
?data var<private> entry: u32;

// bias, activation, and zeros in the padding of the row
fn store(member: u32, live: u32, row: u32, group: u32, sum: vec4<f32>) {
    if row >= live || group >= p.outputs4 { return; }
    let column = vec4<u32>(0u, 1u, 2u, 3u) + 4u * group;
    let b = select(vec4<f32>(), params[member * p.arena4 + p.bias4 + group], vec4<bool>(p.has_bias != 0u));
    let value = select(vec4<f32>(), activate(p.kind, sum + b), column < vec4<u32>(p.outputs));
    a[(member * p.rows + row) * p.outputs4 + group] = value;
}

fn live_rows(member: u32) -> u32 {
    let step = current_step(member);
    ?data entry = member * p.order_stride + step.start;
    return step.rows;
}

// Where a row of the batch begins.
?batch fn row_at(member: u32, row: u32) -> u32 { return (member * p.rows + row) * p.inputs4; }
?data fn row_at(member: u32, row: u32) -> u32 { return order[entry + row] * p.inputs4; }

?numbers fn load(i: u32) -> vec4<f32> { return x[i]; }
?bytes fn load(i: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(x[i])) * p.scale; }

// For the tiles of many invocations: L = x and R = Wᵀ, both along k. What is beyond the end is taken from the last row and not stored.
fn terms4(live: u32, row: u32) -> u32 { return select(0u, p.inputs4, row < live); }

// Groups of four rows of the result that there are.
fn high4(live: u32) -> u32 { return (live + 3u) / 4u; }

fn left_at(member: u32, live: u32, i4: u32) -> vec4<u32> {
    let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * i4, vec4<u32>(live - 1u));
    return vec4<u32>(row_at(member, row.x), row_at(member, row.y), row_at(member, row.z), row_at(member, row.w));
}

fn left(live: u32, start: vec4<u32>, k4: u32) -> mat4x4<f32> {
    if k4 >= p.inputs4 { return mat4x4<f32>(); }
    let at = start + k4;
    return transpose(mat4x4<f32>(load(at.x), load(at.y), load(at.z), load(at.w)));
}

fn right(member: u32, live: u32, j4: u32, k4: u32) -> mat4x4<f32> {
    let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * j4, vec4<u32>(p.outputs - 1u));
    let at = row * p.inputs4 + member * p.arena4 + p.weight4 + min(k4, p.inputs4 - 1u);
    return transpose(mat4x4<f32>(params[at.x], params[at.y], params[at.z], params[at.w]));
}

// tile begin
@compute @workgroup_size(8, 8)
fn NAME_ROWSxCOLS(@builtin(global_invocation_id) id: vec3<u32>) {
    let live = live_rows(id.z);
    let row = id.y * ROWSu;
    let col = id.x * COLSu;
    if row >= live || col >= p.outputs { return; }
    // rows and columns beyond the end are computed from the last one and not stored
    let xi{i} = row_at(id.z, min(row + {i}u, live - 1u));
    let wj{j} = id.z * p.arena4 + p.weight4 + min(col + {j}u, p.outputs - 1u) * p.inputs4;
    var s{i}_{j} = 0.0;
    for (var k = 0u; k < p.inputs4; k += 1u) {
        let x{i} = load(xi{i} + k);
        let w{j} = params[wj{j} + k];
        s{i}_{j} += dot(x{i}, w{j});
    }
    let group = col / 4u;
    store(id.z, live, row + {i}u, group + {q}u, vec4<f32>(s{i}_{q0}, s{i}_{q1}, s{i}_{q2}, s{i}_{q3}));
}

// tile end
