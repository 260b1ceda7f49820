// loss[m, r] = w·Σⱼ qⱼ·(log Σᵢ exp zᵢ − zⱼ)   and   δ[m, r, j] = w·(softmax(z)ⱼ·Σᵢ qᵢ − qⱼ) / W        y = classes[order[m, start + r]]
// with qⱼ = (1 − ε)·c_y·[j = y] + ε/k·cⱼ, c the classes' weights, w the row's, W the batch's.
// By log-sum-exp: the largest logit is taken off first, so that no exponential overflows.
struct SoftmaxCrossEntropy {
    rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, smoothing: f32, weighted: u32,
}

@group(0) @binding(0) var<uniform> p: SoftmaxCrossEntropy;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> classes: array<u32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read> weights: array<f32>;
@group(0) @binding(8) var<storage, read> class_weights: array<f32>;

@compute @workgroup_size(64)
fn softmax_cross_entropy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let row = order[id.z * p.order_stride + step.start + r];
    let y = classes[row];
    var w = 1.0;
    if p.weighted != 0u { w = weights[row]; }
    let own = (1.0 - p.smoothing) * class_weights[y];
    let spread = p.smoothing / f32(p.outputs);
    var top = logits[first];
    for (var j = 1u; j < p.outputs; j += 1u) { top = max(top, logits[first + j]); }
    var sum = 0.0;
    var all_classes = 0.0;
    var value = 0.0;
    for (var j = 0u; j < p.outputs; j += 1u) {
        let z = logits[first + j] - top;
        sum += exp(z);
        all_classes += class_weights[j];
        value -= spread * class_weights[j] * z;
    }
    let scale = w / step.total;
    let share = (own + spread * all_classes) / sum;
    for (var j = 0u; j < p.outputs; j += 1u) {
        let truth = select(0.0, own, j == y) + spread * class_weights[j];
        delta[first + j] = (exp(logits[first + j] - top) * share - truth) * scale;
    }
    value += own * (top - logits[first + y]) + (own + spread * all_classes) * log(sum);
    loss[id.z * p.rows + r] = w * value;
}
