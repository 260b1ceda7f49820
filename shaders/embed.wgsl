// embed:          y[m, r, j] = W[m, at + x[m, r, c]·stride + e], or x[m, r, c] of a number     x [members, rows, inputs], y [members, rows, width]
// embed_gradient: ∂C/∂W[m, v, e] = Σᵣ g[m, r, first + e] over the rows with x[m, r, c] = v, r upwards                  g [members, rows, width]
// Rows are padded with zeros to groups of four. A code x is a whole number that the table has a row for: the host has looked.
struct Embed { rows: u32, inputs4: u32, width: u32, width4: u32, members: u32, arena4: u32, vectors: u32 }
struct EmbedGradient { rows: u32, inputs4: u32, width4: u32, members: u32, arena4: u32, total4: u32, tables: u32 }

@group(0) @binding(0) var<uniform> p: Embed;
@group(0) @binding(0) var<uniform> q: EmbedGradient;
// a column of y: [c, where its table begins in the arena, stride of the table's rows or 0 for a number, e]
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> params: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

// a table: [where it ends among the `total4`, c, first, elements of a vector], [groups of four to a vector, where it begins in the arena, 0, 0]
@group(0) @binding(2) var<storage, read> tables: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;

fn embedded(m: u32, row: u32, j: u32) -> f32 {
    if j >= p.width { return 0.0; }
    let place = places[j];
    let value = x[row * 4u * p.inputs4 + place.x];
    if place.z == 0u { return value; }
    return params[m * 4u * p.arena4 + place.y + u32(value) * place.z + place.w];
}

@compute @workgroup_size(64)
fn embed(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 64u);
    let m = id.z;
    let r = i / p.width4;
    if r >= current_step(m).rows { return; }
    let row = m * p.rows + r;
    let j = 4u * (i % p.width4);
    y[row * p.width4 + j / 4u] = vec4<f32>(embedded(m, row, j), embedded(m, row, j + 1u), embedded(m, row, j + 2u), embedded(m, row, j + 3u));
}

// what a row of the batch adds to element `e` and the three behind it of the vector `code`
fn share(row: u32, table: vec4<u32>, code: u32, e: u32) -> vec4<f32> {
    if u32(x[row * 4u * q.inputs4 + table.y]) != code { return vec4<f32>(); }
    let at = row * 4u * q.width4 + table.z + e;
    let last = at + table.w - e - 1u;
    let four = vec4<f32>(g[at], g[min(at + 1u, last)], g[min(at + 2u, last)], g[min(at + 3u, last)]);
    return select(vec4<f32>(), four, vec4<u32>(e, e + 1u, e + 2u, e + 3u) < vec4<u32>(table.w));
}

// Two rows an iteration: a batch of 65,536 stays under the limit of loops.
@compute @workgroup_size(64)
fn embed_gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 64u);
    if i >= q.total4 { return; }
    let m = id.z;
    var before = 0u;
    var n = 0u;
    for (var k = 0u; k + 1u < q.tables; k += 1u) {
        if i >= tables[2u * k].x {
            before = tables[2u * k].x;
            n = k + 1u;
        }
    }
    let table = tables[2u * n];
    let lies = tables[2u * n + 1u];
    let code = (i - before) / lies.x;
    let e = 4u * ((i - before) % lies.x);
    let first = m * q.rows;
    let live = current_step(m).rows;
    var sum = vec4<f32>();
    for (var r = 0u; r < live; r += 2u) {
        sum += share(first + r, table, code, e);
        if r + 1u < live { sum += share(first + r + 1u, table, code, e); }
    }
    grads[m * q.arena4 + lies.y + i - before] = sum;
}
