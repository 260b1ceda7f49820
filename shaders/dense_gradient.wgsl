// ∂C/∂W[m, n, k] = Σᵣ δ[m, r, n] · x[m, r, k]   and   ∂C/∂b[m, n] = Σᵣ δ[m, r, n]        δ [members, rows, out], x [members, rows, in]
// Where the rows are cut into parts, there is a z for each part of each member, and its sum goes to a slice of its own.
// Two rows an iteration: a batch of 65,536 stays under the limit of loops. The bias gradient rides along in the first column.
// x is a batch or the whole of the data, as in dense_forward.wgsl.
struct DenseGradient {
    rows: u32, inputs4: u32, outputs: u32, outputs4: u32, members: u32, arena4: u32, weight4: u32, bias4: u32, has_bias: u32,
    parts: u32, part_rows: u32, slice4: u32, half: u32,
    ?data order_stride: u32, scale: f32,
}

@group(0) @binding(0) var<uniform> p: DenseGradient;
@group(0) @binding(2) var<storage, read> delta: array<vec4<f32>>;
?numbers @group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
?bytes @group(0) @binding(3) var<storage, read> x: array<u32>;
@group(0) @binding(4) var<storage, read_write> grads: array<vec4<f32>>;
?batch @group(0) @binding(5) var<storage, read> scaling: array<vec4<f32>>;
?data @group(0) @binding(5) var<storage, read> order: array<u32>;
?data @group(0) @binding(6) var<storage, read> scaling: array<vec4<f32>>;

// The first row of the part in δ (and x), where its slice begins, and where in the order its rows are.
var<private> first: u32;
var<private> slice: u32;
?data var<private> entry: u32;

fn live_rows(z: u32) -> u32 {
    let member = z / p.parts;
    let part = z % p.parts;
    let before = part * p.part_rows;
    first = member * p.rows + before;
    slice = member * p.arena4 + part * p.slice4;
    let step = current_step(member);
    ?data entry = member * p.order_stride + step.start + before;
    return clamp(step.rows, before, before + p.part_rows) - before;
}

// Where a row of the part begins.
?batch fn row_at(row: u32) -> u32 { return (first + row) * p.inputs4; }
?data fn row_at(row: u32) -> u32 { return order[entry + row] * p.inputs4; }

?numbers fn load(i: u32) -> vec4<f32> { return x[i]; }
?bytes fn load(i: u32) -> vec4<f32> { return vec4<f32>(unpack4xU8(x[i])) * p.scale; }

// What the loss is scaled by, and what brings a sum back, where operands are rounded.
fn scale_of(z: u32) -> vec2<f32> { return scaling[z / p.parts].xy; }

fn store(z: u32, live: u32, row: u32, group: u32, sum: vec4<f32>) {
    if row < p.outputs && group < p.inputs4 { grads[slice + p.weight4 + row * p.inputs4 + group] = sum; }
}

// the bias gradient; δ's padding is zero, and so is its
fn store_sums(z: u32, group: u32, sum: vec4<f32>) {
    if p.has_bias != 0u && group < p.outputs4 { grads[slice + p.bias4 + group] = sum; }
}

// For the tiles of many invocations: L = δᵀ and R = x, both across k, which runs over the rows of the part. Of a part without a live row
// they are loaded and of no account.
fn terms4(live: u32, row: u32) -> u32 { return (live + 3u) / 4u; }

// Groups of four rows of the result that there are.
fn high4(live: u32) -> u32 { return p.outputs4; }

fn left_at(z: u32, live: u32, i4: u32) -> vec4<u32> { return vec4<u32>(first * p.outputs4 + min(i4, p.outputs4 - 1u)); }

fn left(live: u32, column: vec4<u32>, k4: u32) -> mat4x4<f32> {
    let row = vec4<u32>(0u, 1u, 2u, 3u) + 4u * k4;
    let counts = select(vec4<f32>(), vec4<f32>(1.0), row < vec4<u32>(live));
    let at = min(row, vec4<u32>(max(live, 1u) - 1u)) * p.outputs4 + column;
    return mat4x4<f32>(delta[at.x] * counts.x, delta[at.y] * counts.y, delta[at.z] * counts.z, delta[at.w] * counts.w);
}

fn right(z: u32, live: u32, j4: u32, k4: u32) -> mat4x4<f32> {
    let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * k4, vec4<u32>(max(live, 1u) - 1u));
    let at = vec4<u32>(row_at(row.x), row_at(row.y), row_at(row.z), row_at(row.w)) + min(j4, p.inputs4 - 1u);
    return mat4x4<f32>(load(at.x), load(at.y), load(at.z), load(at.w));
}

// tile begin
@compute @workgroup_size(8, 8)
fn NAME_ROWSxCOLS(@builtin(global_invocation_id) id: vec3<u32>) {
    let live = live_rows(id.z);
    let row4 = id.y * (ROWSu / 4u);
    let group = id.x * (COLSu / 4u);
    if row4 >= p.outputs4 || group >= p.inputs4 { return; }
    let dh{h} = first * p.outputs4 + min(row4 + {h}u, p.outputs4 - 1u);
    let xq{q} = min(group + {q}u, p.inputs4 - 1u);
    var x{h}_{q} = vec4<f32>();
    var y{h}_{q} = vec4<f32>();
    var z{h}_{q} = vec4<f32>();
    var w{h}_{q} = vec4<f32>();
    var b{h} = vec4<f32>();
    for (var r = 0u; r < live; r += 2u) {
        let d{h} = delta[dh{h} + r * p.outputs4];
        let x_row = row_at(r);
        let a{q} = load(x_row + xq{q});
        x{h}_{q} += d{h}.x * a{q};
        y{h}_{q} += d{h}.y * a{q};
        z{h}_{q} += d{h}.z * a{q};
        w{h}_{q} += d{h}.w * a{q};
        b{h} += d{h};
        // an odd batch: the last row is read again and counts nothing
        let next = min(r + 1u, live - 1u);
        let counts = select(0.0, 1.0, r + 1u < live);
        let e{h} = delta[dh{h} + next * p.outputs4] * counts;
        let x_next = row_at(next);
        let c{q} = load(x_next + xq{q});
        x{h}_{q} += e{h}.x * c{q};
        y{h}_{q} += e{h}.y * c{q};
        z{h}_{q} += e{h}.z * c{q};
        w{h}_{q} += e{h}.w * c{q};
        b{h} += e{h};
    }
    store(id.z, live, 4u * (row4 + {h}u), group + {q}u, x{h}_{q});
    store(id.z, live, 4u * (row4 + {h}u) + 1u, group + {q}u, y{h}_{q});
    store(id.z, live, 4u * (row4 + {h}u) + 2u, group + {q}u, z{h}_{q});
    store(id.z, live, 4u * (row4 + {h}u) + 3u, group + {q}u, w{h}_{q});
    if id.x == 0u { store_sums(id.z, row4 + {h}u, b{h}); }
}

// tile end
