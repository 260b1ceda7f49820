// layer_norm:          y = x̂·γ + β,  x̂ = (x − mean)·inv,  row_stats[m, r] = (mean, inv),  inv = 1/√(var + ε), var the biased variance of the row
// layer_norm_delta:    δ = inv·(ĝ − mean(ĝ) − x̂·mean(ĝ·x̂)),  ĝ = g·γ, means over the row
// layer_norm_gradient: ∂γ = Σᵣ g·x̂,  ∂β = Σᵣ g, over the live rows
// x [members, rows, 4·width4], of which `width` columns count. One workgroup for a row (for a group of four columns in the last), a
// fixed tree over its 64 lanes.
struct LayerNorm { rows: u32, width: u32, width4: u32, members: u32, arena4: u32, scale4: u32, shift4: u32, epsilon: f32 }

@group(0) @binding(0) var<uniform> p: LayerNorm;

@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> made: array<vec2<f32>>;

@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> scales: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> row_stats: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> delta: array<vec4<f32>>;

@group(0) @binding(4) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;

var<workgroup> first: array<vec4<f32>, 64>;
var<workgroup> second: array<vec4<f32>, 64>;

// leaves Σ a in first[0] and Σ b in second[0], for every lane to read
fn add_up(lane: u32, a: vec4<f32>, b: vec4<f32>) {
    // what the last sum left may still be read
    workgroupBarrier();
    first[lane] = a;
    second[lane] = b;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width /= 2u) {
        if lane < width {
            first[lane] += first[lane + width];
            second[lane] += second[lane + width];
        }
        workgroupBarrier();
    }
}

fn across(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// the padding of a row counts for nothing and stays zero
fn inside(group: u32, v: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(), v, vec4<u32>(0u, 1u, 2u, 3u) + 4u * group < vec4<u32>(p.width));
}

@compute @workgroup_size(64)
fn layer_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = group.x + group.y * groups.x;
    if r >= current_step(group.z).rows { return; }
    let row = group.z * p.rows + r;
    let start = row * p.width4;
    let n = f32(p.width);
    var sum = vec4<f32>();
    for (var c = lane; c < p.width4; c += 64u) { sum += x[start + c]; }
    add_up(lane, sum, vec4<f32>());
    let near = across(first[0]) / n;
    // the second pass; `drift` is what the rounding of the mean left over: see batch_norm.wgsl
    var drift = vec4<f32>();
    var squares = vec4<f32>();
    for (var c = lane; c < p.width4; c += 64u) {
        let d = inside(c, x[start + c] - near);
        drift += d;
        squares += d * d;
    }
    add_up(lane, drift, squares);
    let left = across(first[0]) / n;
    let difference = across(second[0]) / n - left * left;
    let inv = inverseSqrt(select(difference, 0.0, difference < 0.0) + p.epsilon);
    for (var c = lane; c < p.width4; c += 64u) {
        let scale = params[group.z * p.arena4 + p.scale4 + c];
        let shift = params[group.z * p.arena4 + p.shift4 + c];
        y[start + c] = inside(c, x[start + c] - near - left) * inv * scale + shift;
    }
    if lane == 0u { made[row] = vec2<f32>(near + left, inv); }
}

@compute @workgroup_size(64)
fn layer_norm_delta(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let r = group.x + group.y * groups.x;
    if r >= current_step(group.z).rows { return; }
    let row = group.z * p.rows + r;
    let start = row * p.width4;
    let scale = group.z * p.arena4 + p.scale4;
    let stats = row_stats[row];
    var sum = vec4<f32>();
    var products = vec4<f32>();
    for (var c = lane; c < p.width4; c += 64u) {
        let slope = g[start + c] * scales[scale + c];
        sum += slope;
        products += slope * inside(c, (input[start + c] - stats.x) * stats.y);
    }
    add_up(lane, sum, products);
    let mean = across(first[0]) / f32(p.width);
    let product = across(second[0]) / f32(p.width);
    for (var c = lane; c < p.width4; c += 64u) {
        let normal = (input[start + c] - stats.x) * stats.y;
        delta[start + c] = inside(c, stats.y * (g[start + c] * scales[scale + c] - mean - normal * product));
    }
}

@compute @workgroup_size(64)
fn layer_norm_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group.x + group.y * groups.x;
    if column >= p.width4 { return; }
    let rows = current_step(group.z).rows;
    var scale = vec4<f32>();
    var shift = vec4<f32>();
    for (var r = lane; r < rows; r += 64u) {
        let row = group.z * p.rows + r;
        let at = row * p.width4 + column;
        let stats = moments[row];
        scale += g[at] * ((input[at] - stats.x) * stats.y);
        shift += g[at];
    }
    add_up(lane, scale, shift);
    if lane != 0u { return; }
    // the padding of g is zero, and so that of the gradients
    grads[group.z * p.arena4 + p.scale4 + column] = first[0];
    grads[group.z * p.arena4 + p.shift4 + column] = second[0];
}
