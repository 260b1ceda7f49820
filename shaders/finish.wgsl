// finish: ends a step of training. Adds up the partial squares and the losses of the rows, by fixed trees, and writes
//         log[slot, m] = (Σ loss, ‖g‖, sound, apply),  scalars[m] = (coef, lr, c1, c2, apply, sound, spoilt, 0),
//         coef = min(1, max_norm / (‖g‖ + 1e-6)), 1 where ‖g‖ is not finite. A norm or loss that is not finite sets state[m] = slot + 1; that step is not sound,
//         nor, if sticky, is any later one. A batch with a part that is not sound is spoilt; one that is not is applied at its last part.
// finish_scaled: the same where the loss is scaled. scaling[m] = (scale, 1 / scale, good batches in a row, 0): a spoilt batch halves the scale,
//         and is no fault while the half is at least floor; `interval` good ones in a row double it. In the log a step whose loss alone is
//         finite counts as sound.
// tally:  ends a step of evaluation: log[slot, m] = (Σ loss, Σ stats.x, Σ stats.y, Σ stats.z).
// All move the member's cursor on. One workgroup a member.
struct Finish { rows: u32, partials: u32, members: u32, max_norm: f32, sticky: u32 }
struct FinishScaled { rows: u32, partials: u32, members: u32, max_norm: f32, sticky: u32, interval: u32, floor: f32 }

@group(0) @binding(0) var<uniform> p: Finish;
@group(0) @binding(0) var<uniform> q: FinishScaled;
@group(0) @binding(2) var<storage, read_write> table: array<u32>;
@group(0) @binding(3) var<storage, read> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> log_: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> partials: array<f32>;
@group(0) @binding(5) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> scalars: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> state: array<u32>;
@group(0) @binding(8) var<storage, read_write> scaling: array<vec4<f32>>;

var<workgroup> tree: array<vec4<f32>, 256>;

// the table is bound for writing here, so the common part's read-only binding of it is of no use
fn row_of(member: u32) -> u32 { return table[1] + table[2u + member] * table[0]; }

fn sum(lane: u32, value: vec4<f32>) -> vec4<f32> {
    tree[lane] = value;
    workgroupBarrier();
    for (var width = 128u; width > 0u; width /= 2u) {
        if lane < width { tree[lane] += tree[lane + width]; }
        workgroupBarrier();
    }
    return tree[0];
}

// drivers differ in what min makes of a NaN
fn clip_factor(norm: f32, max_norm: f32) -> f32 {
    return select(1.0, min(1.0, max_norm / (norm + 1e-6)), max_norm > 0.0 && !not_finite(norm));
}

@compute @workgroup_size(256)
fn finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.z;
    let row = row_of(m);
    let rows = table[row];
    var mine = vec4<f32>();
    for (var r = lane; r < rows; r += 256u) { mine.x += loss[m * p.rows + r]; }
    for (var c = lane; c < p.partials; c += 256u) { mine.y += partials[m * p.partials + c]; }
    let total = sum(lane, mine);
    if lane != 0u { return; }
    let slot = table[row + 2u];
    let norm = sqrt(total.y);
    var sound = !not_finite(total.x) && !not_finite(norm);
    if !sound && state[m] == 0u { state[m] = slot + 1u; }
    if p.sticky != 0u { sound = state[m] == 0u; }
    let part = table[row + 4u];
    let spoilt = !sound || ((part & 1u) == 0u && scalars[2u * m + 1u].z != 0.0);
    let apply = (part & 2u) != 0u && !spoilt;
    let coef = clip_factor(norm, p.max_norm);
    let rate = row + 5u + 4u * m;
    scalars[2u * m] = vec4<f32>(coef, bitcast<f32>(table[rate]), bitcast<f32>(table[rate + 1u]), bitcast<f32>(table[rate + 2u]));
    scalars[2u * m + 1u] = vec4<f32>(select(0.0, 1.0, apply), select(0.0, 1.0, sound), select(0.0, 1.0, spoilt), 0.0);
    log_[slot * p.members + m] = vec4<f32>(total.x, norm, select(0.0, 1.0, sound), select(0.0, 1.0, apply));
    table[2u + m] += 1u;
}

// what becomes of the scale at the end of a batch; beyond 2¹²⁰ it does not grow, as its inverse must be a number, too
fn rescaled(scale: vec4<f32>, spoilt: bool) -> vec4<f32> {
    let half = vec4<f32>(0.5 * scale.x, 2.0 * scale.y, 0.0, 0.0);
    if spoilt { return select(vec4<f32>(scale.xy, 0.0, 0.0), half, vec4<bool>(half.x >= q.floor)); }
    let good = scale.z + 1.0;
    if good < f32(q.interval) { return vec4<f32>(scale.xy, good, 0.0); }
    let grows = vec4<bool>(scale.x < 1.329228e36);
    return select(vec4<f32>(scale.xy, 0.0, 0.0), vec4<f32>(2.0 * scale.x, 0.5 * scale.y, 0.0, 0.0), grows);
}

@compute @workgroup_size(256)
fn finish_scaled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.z;
    let row = row_of(m);
    let rows = table[row];
    var mine = vec4<f32>();
    for (var r = lane; r < rows; r += 256u) { mine.x += loss[m * q.rows + r]; }
    for (var c = lane; c < q.partials; c += 256u) { mine.y += partials[m * q.partials + c]; }
    let total = sum(lane, mine);
    if lane != 0u { return; }
    let slot = table[row + 2u];
    let norm = sqrt(total.y);
    let finite = !not_finite(total.x) && !not_finite(norm);
    // what a smaller scale may mend is no fault
    let mendable = 0.5 * scaling[m].x >= q.floor;
    if !finite && !mendable && state[m] == 0u { state[m] = slot + 1u; }
    let going = q.sticky == 0u || state[m] == 0u;
    let sound = finite && going;
    let part = table[row + 4u];
    let last = (part & 2u) != 0u;
    let spoilt = !sound || ((part & 1u) == 0u && scalars[2u * m + 1u].z != 0.0);
    let apply = last && !spoilt;
    if last { scaling[m] = rescaled(scaling[m], spoilt); }
    let coef = clip_factor(norm, q.max_norm);
    let rate = row + 5u + 4u * m;
    scalars[2u * m] = vec4<f32>(coef, bitcast<f32>(table[rate]), bitcast<f32>(table[rate + 1u]), bitcast<f32>(table[rate + 2u]));
    scalars[2u * m + 1u] = vec4<f32>(select(0.0, 1.0, apply), select(0.0, 1.0, sound), select(0.0, 1.0, spoilt), 0.0);
    let counts = going && !not_finite(total.x) && (finite || mendable);
    log_[slot * q.members + m] = vec4<f32>(total.x, norm, select(0.0, 1.0, counts), select(0.0, 1.0, apply));
    table[2u + m] += 1u;
}

@compute @workgroup_size(256)
fn tally(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.z;
    let row = row_of(m);
    let rows = table[row];
    var mine = vec4<f32>();
    for (var r = lane; r < rows; r += 256u) {
        let at = m * p.rows + r;
        mine += vec4<f32>(loss[at], stats[at].xyz);
    }
    let total = sum(lane, mine);
    if lane != 0u { return; }
    log_[table[row + 2u] * p.members + m] = total;
    table[2u + m] += 1u;
}
