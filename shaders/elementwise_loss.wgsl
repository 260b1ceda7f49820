// loss[m, r] = 1/k · Σⱼ ℓ(pⱼ − tⱼ)   and   g[m, r, j] = ℓ'(pⱼ − tⱼ) / (rows · k)        t = values[order[m, start + r], :], k outputs
// The functions `loss_value` and `loss_slope` are written by Rust from the table of losses.
struct ElementwiseLoss { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, kind: u32 }

@group(0) @binding(0) var<uniform> p: ElementwiseLoss;
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> g: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(64)
fn elementwise_loss(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let truth = order[id.z * p.order_stride + step.start + r] * p.outputs;
    var sum = 0.0;
    for (var j = 0u; j < p.outputs; j += 1u) {
        let e = predictions[first + j] - values[truth + j];
        sum += loss_value(p.kind, e);
        g[first + j] = loss_slope(p.kind, e) / (f32(step.rows) * f32(p.outputs));
    }
    loss[id.z * p.rows + r] = sum / f32(p.outputs);
}
