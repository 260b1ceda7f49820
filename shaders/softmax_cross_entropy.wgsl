// loss[m, r] = log Σⱼ exp(z[m, r, j]) − z[m, r, y]   and   δ[m, r, j] = (softmax(z)ⱼ − [j = y]) / rows        y = classes[order[m, start + r]]
// By log-sum-exp: the largest logit is taken off first, so that no exponential overflows.
struct SoftmaxCrossEntropy { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32 }

@group(0) @binding(0) var<uniform> p: SoftmaxCrossEntropy;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> classes: array<u32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(64)
fn softmax_cross_entropy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let y = classes[order[id.z * p.order_stride + step.start + r]];
    var top = logits[first];
    for (var j = 1u; j < p.outputs; j += 1u) { top = max(top, logits[first + j]); }
    var sum = 0.0;
    for (var j = 0u; j < p.outputs; j += 1u) { sum += exp(logits[first + j] - top); }
    for (var j = 0u; j < p.outputs; j += 1u) {
        let share = exp(logits[first + j] - top) / sum;
        delta[first + j] = (share - select(0.0, 1.0, j == y)) / f32(step.rows);
    }
    loss[id.z * p.rows + r] = log(sum) + (top - logits[first + y]);
}
