// loss[m, r] = w/k · Σⱼ ½(sⱼ + (μⱼ − tⱼ)²·e^−sⱼ)        μⱼ = predictions[m, r, j], sⱼ = predictions[m, r, k + j], t = values[order[m, start + r], :]
// g = its slope by μ and s, times w/(W·k); w the row's weight, W the batch's.
struct GaussianNll { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, weighted: u32 }

@group(0) @binding(0) var<uniform> p: GaussianNll;
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> g: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read> weights: array<f32>;

@compute @workgroup_size(64)
fn gaussian_nll(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let row = order[id.z * p.order_stride + step.start + r];
    var w = 1.0;
    if p.weighted != 0u { w = weights[row]; }
    let scale = w / (step.total * f32(p.outputs));
    var sum = 0.0;
    for (var j = 0u; j < p.outputs; j += 1u) {
        let s = predictions[first + p.outputs + j];
        let e = predictions[first + j] - values[row * p.outputs + j];
        let inverse = exp(-s);
        sum += 0.5 * (s + e * e * inverse);
        g[first + j] = e * inverse * scale;
        g[first + p.outputs + j] = 0.5 * (1.0 - e * e * inverse) * scale;
    }
    loss[id.z * p.rows + r] = w * sum / f32(p.outputs);
}
