// softmax:       a[m, r, c] = exp(z[m, r, c] − top) / Σⱼ exp(z[m, r, j] − top), top the largest of the row, so that no exponential overflows
// softmax_slope: δ[m, r, c] = a[m, r, c] · (g[m, r, c] − Σⱼ g[m, r, j]·a[m, r, j])
// One invocation a row of `width4` groups of four, of which `width` columns count.
struct Softmax { rows: u32, width: u32, width4: u32, members: u32 }

@group(0) @binding(0) var<uniform> p: Softmax;
@group(0) @binding(2) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> delta: array<vec4<f32>>;

fn inside(group: u32) -> vec4<bool> { return vec4<u32>(0u, 1u, 2u, 3u) + 4u * group < vec4<u32>(p.width); }

@compute @workgroup_size(64)
fn softmax(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    if r >= current_step(id.z).rows { return; }
    let start = (id.z * p.rows + r) * p.width4;
    var tops = vec4<f32>(z[start].x);
    for (var c = 0u; c < p.width4; c += 1u) { tops = max(tops, select(tops, z[start + c], inside(c))); }
    let top = max(max(tops.x, tops.y), max(tops.z, tops.w));
    var sums = vec4<f32>();
    for (var c = 0u; c < p.width4; c += 1u) {
        // the padding has no share: exp(0 − top) is not zero
        let e = select(vec4<f32>(), exp(z[start + c] - top), inside(c));
        output[start + c] = e;
        sums += e;
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
    for (var c = 0u; c < p.width4; c += 1u) { output[start + c] /= sum; }
}

@compute @workgroup_size(64)
fn softmax_slope(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    if r >= current_step(id.z).rows { return; }
    let start = (id.z * p.rows + r) * p.width4;
    var sum = 0.0;
    for (var c = 0u; c < p.width4; c += 1u) { sum += dot(g[start + c], a[start + c]); }
    // the padding of a is zero, and so that of δ
    for (var c = 0u; c < p.width4; c += 1u) { delta[start + c] = a[start + c] * (g[start + c] - sum); }
}
