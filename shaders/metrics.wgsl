// hits:      stats[m, r] = ([argmaxⱼ z[m, r, j] = y], [y is among the `top` largest], 0, 0)
// confusion: counts[m, y, p] += 1, p the class that the row is taken for: the argmax, or of one output whether it is above 0
// errors:    stats[m, r] = (Σⱼ e², Σⱼ |e|, 0, 0), e = (link(p) − t)·units[j]
// One record a row; `tally` adds them up. The counts are whole numbers, so that the order of the atomics does not matter.
struct Hits { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, top: u32 }
struct Confusion { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, classes: u32 }
struct Errors { rows: u32, outputs: u32, stride: u32, order_stride: u32, members: u32, link: u32 }

@group(0) @binding(0) var<uniform> p: Hits;
@group(0) @binding(0) var<uniform> of_confusion: Confusion;
@group(0) @binding(0) var<uniform> of_errors: Errors;
@group(0) @binding(2) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> classes: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read> units: array<f32>;

// the first of equals wins, as in NumPy
fn class_of(first: u32, outputs: u32) -> u32 {
    if outputs == 1u { return select(0u, 1u, predictions[first] > 0.0); }
    var best = 0u;
    for (var j = 1u; j < outputs; j += 1u) {
        if predictions[first + j] > predictions[first + best] { best = j; }
    }
    return best;
}

@compute @workgroup_size(64)
fn hits(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let first = (id.z * p.rows + r) * p.stride;
    let y = classes[order[id.z * p.order_stride + step.start + r]];
    let hit = select(0.0, 1.0, class_of(first, p.outputs) == y);
    // those before y are larger, or as large with a higher number, as in scikit-learn's top_k_accuracy_score; what is not finite is among none;
    // with one output, two places hold both classes
    var before = 0u;
    var finite = true;
    if p.outputs > 1u {
        let own = predictions[first + y];
        finite = !not_finite(own);
        for (var j = 0u; j < p.outputs; j += 1u) {
            let z = predictions[first + j];
            if z > own || (z == own && j > y) { before += 1u; }
        }
    }
    let among = select(select(0.0, 1.0, finite && before < p.top), hit, p.outputs == 1u && p.top == 1u);
    stats[id.z * p.rows + r] = vec4<f32>(hit, among, 0.0, 0.0);
}

@compute @workgroup_size(64)
fn confusion(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let q = of_confusion;
    let y = classes[order[id.z * q.order_stride + step.start + r]];
    let taken = class_of((id.z * q.rows + r) * q.stride, q.outputs);
    atomicAdd(&counts[(id.z * q.classes + y) * q.classes + taken], 1u);
}

@compute @workgroup_size(64)
fn errors(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let r = flat_index(id, groups, 64u);
    let step = current_step(id.z);
    if r >= step.rows { return; }
    let q = of_errors;
    let first = (id.z * q.rows + r) * q.stride;
    let truth = order[id.z * q.order_stride + step.start + r] * q.outputs;
    var sums = vec4<f32>();
    for (var j = 0u; j < q.outputs; j += 1u) {
        var answer = predictions[first + j];
        if q.link == 1u {
            // two-sided: the exponential is only taken of what is not positive
            let e = exp(-abs(answer));
            answer = select(e, 1.0, answer >= 0.0) / (1.0 + e);
        } else if q.link == 2u {
            answer = exp(answer);
        }
        let e = (answer - values[truth + j]) * units[j];
        sums += vec4<f32>(e * e, abs(e), 0.0, 0.0);
    }
    stats[id.z * q.rows + r] = sums;
}
