// batch_stats:         stats[m] = (mean, 1/√(var + ε), var·n/(n − 1)) of each column of x [members, rows, 4·width4], n live rows, var biased
// batch_norm:          y = (x − mean)·inv·γ + β
// batch_norm_gradient: ∂γ = Σᵣ g·x̂,  ∂β = Σᵣ g,  x̂ = (x − mean)·inv
// batch_norm_delta:    δ = γ·inv·(g − (∂β + x̂·∂γ)/n)
// Sums over rows: one workgroup for a group of four columns of a member, a fixed tree over its 64 lanes.
struct BatchStats { rows: u32, width4: u32, members: u32, epsilon: f32 }
struct BatchNorm { rows: u32, width4: u32, members: u32, arena4: u32, scale4: u32, shift4: u32 }

@group(0) @binding(0) var<uniform> s: BatchStats;
@group(0) @binding(0) var<uniform> p: BatchNorm;

@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> made: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> grads: array<vec4<f32>>;

@group(0) @binding(4) var<storage, read> scales: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> moments: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> delta: array<vec4<f32>>;

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

@compute @workgroup_size(64)
fn batch_stats(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group.x + group.y * groups.x;
    if column >= s.width4 { return; }
    let rows = current_step(group.z).rows;
    let n = f32(rows);
    let start = group.z * s.rows * s.width4 + column;
    var sum = vec4<f32>();
    for (var r = lane; r < rows; r += 64u) { sum += x[start + r * s.width4]; }
    add_up(lane, sum, vec4<f32>());
    let near = first[0] / n;
    // the second pass; `drift` is what the rounding of the mean left over: at 1000 ± 0.01 that counts (Chan, Golub and LeVeque 1983)
    var drift = vec4<f32>();
    var squares = vec4<f32>();
    for (var r = lane; r < rows; r += 64u) {
        let d = x[start + r * s.width4] - near;
        drift += d;
        squares += d * d;
    }
    add_up(lane, drift, squares);
    if lane != 0u { return; }
    let difference = second[0] - first[0] * first[0] / n;
    // equal numbers: rounding may leave less than nothing. Not max: what is not finite must stay so
    let square = select(difference, vec4<f32>(), difference < vec4<f32>());
    let at = 3u * group.z * s.width4 + column;
    made[at] = near + first[0] / n;
    made[at + s.width4] = inverseSqrt(square / n + s.epsilon);
    made[at + 2u * s.width4] = square / max(n - 1.0, 1.0);
}

@compute @workgroup_size(256)
fn batch_norm(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    if i >= current_step(id.z).rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    let column = i % p.width4;
    let stat = 3u * id.z * p.width4 + column;
    let scale = params[id.z * p.arena4 + p.scale4 + column];
    let shift = params[id.z * p.arena4 + p.shift4 + column];
    y[at] = (x[at] - stats[stat]) * stats[stat + p.width4] * scale + shift;
}

@compute @workgroup_size(64)
fn batch_norm_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group.x + group.y * groups.x;
    if column >= p.width4 { return; }
    let rows = current_step(group.z).rows;
    let start = group.z * p.rows * p.width4 + column;
    let stat = 3u * group.z * p.width4 + column;
    let mean = stats[stat];
    let inv = stats[stat + p.width4];
    var scale = vec4<f32>();
    var shift = vec4<f32>();
    for (var r = lane; r < rows; r += 64u) {
        let at = start + r * p.width4;
        scale += g[at] * ((input[at] - mean) * inv);
        shift += g[at];
    }
    add_up(lane, scale, shift);
    if lane != 0u { return; }
    grads[group.z * p.arena4 + p.scale4 + column] = first[0];
    grads[group.z * p.arena4 + p.shift4 + column] = second[0];
}

@compute @workgroup_size(256)
fn batch_norm_delta(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 256u);
    let rows = current_step(id.z).rows;
    if i >= rows * p.width4 { return; }
    let at = id.z * p.rows * p.width4 + i;
    let column = i % p.width4;
    let stat = 3u * id.z * p.width4 + column;
    let inv = moments[stat + p.width4];
    let normal = (input[at] - moments[stat]) * inv;
    let scale = id.z * p.arena4 + p.scale4 + column;
    let shift = id.z * p.arena4 + p.shift4 + column;
    delta[at] = scales[scale] * inv * (g[at] - (sums[shift] + normal * sums[scale]) / f32(rows));
}
