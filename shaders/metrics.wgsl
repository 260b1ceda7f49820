// hits:   stats[m, r] = ([argmaxⱼ z[m, r, j] = y], 0, 0, 0)
// errors: stats[m, r] = (Σⱼ e², Σⱼ |e|, 0, 0), e = p − t
// One record a row; `tally` adds them up.
struct Metric { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32 }

@group(0) @binding(0) var<uniform> p: Metric;
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> classes: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec4<f32>>;

@compute @workgroup_size(64)
fn hits(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    var best = 0u;
    // the first of equals wins, as in NumPy
    for (var j = 1u; j < p.outputs; j += 1u) {
        if predictions[first + j] > predictions[first + best] { best = j; }
    }
    let y = classes[order[id.z * p.order_stride + step.start + r]];
    stats[id.z * p.rows + r] = vec4<f32>(select(0.0, 1.0, best == y), 0.0, 0.0, 0.0);
}

@compute @workgroup_size(64)
fn errors(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let truth = order[id.z * p.order_stride + step.start + r] * p.outputs;
    var sums = vec4<f32>();
    for (var j = 0u; j < p.outputs; j += 1u) {
        let e = predictions[first + j] - values[truth + j];
        sums += vec4<f32>(e * e, abs(e), 0.0, 0.0);
    }
    stats[id.z * p.rows + r] = sums;
}
