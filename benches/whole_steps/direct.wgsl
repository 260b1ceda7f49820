// STEPS steps of training 64-32-10 (ReLU, mean softmax cross-entropy, norm clip, Adam) in one dispatch: a workgroup of SIZE a member.
//     a₁ = relu(x·W₁ᵀ + b₁)   z = a₁·W₂ᵀ + b₂   δ₂ = (softmax(z) − y) / W   δ₁ = (δ₂·W₂) ⊙ [a₁ > 0]   ∂W = δᵀ·a   ∂b = Σ δ
// features [n, 64], classes [n], order [members, ORDER], params and Adam's states [members, ARENA4] as the plan's arenas lie, log [slots, members],
// the table of steps as in common.wgsl.
//
// An invocation owns a block of W₁, UNITS units × COLS groups of four inputs, and EXTRAS groups of four of what else is learned: weights, states and
// gradients of these stay in its registers for all steps, and only the weights are written, for the others to read. W₂ and the biases are in
// workgroup memory. Of x and W₁ one is too, whichever `?rows` or `?weights` says, and the other in storage: both are more than 16 KiB.
override STEPS: u32;

@group(0) @binding(0) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> classes: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> log_: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> table: array<u32>;

// rows of x and of W₁ are 17 groups of four apart: 16 would put a column into one bank
?rows var<workgroup> x: array<vec4<f32>, 544>;
?weights var<workgroup> w1: array<vec4<f32>, 544>;
?weights var<workgroup> sources: array<u32, 32>;
// a₁ [32, 32], then δ₁ in its place
var<workgroup> a: array<vec4<f32>, 256>;
// z [32, 12], then δ₂; then what is summed up
var<workgroup> d2: array<f32, 384>;
// W₂ [10, 32] from 0, b₁ from 80, b₂ from 96, in groups of four
var<workgroup> small: array<vec4<f32>, 99>;
var<workgroup> losses: array<f32, 32>;

// where in d2 the gradient of b₁, the sums of sums, and what all need to know of the step are
const BIAS = 256u;
const SUMS = 288u;
const TOLD = 320u;

?rows fn load_x(r: u32, c4: u32) -> vec4<f32> { return x[17u * r + c4]; }
?rows fn load_w(m: u32, u: u32, c4: u32) -> vec4<f32> { return params[m * ARENA4 + 16u * u + c4]; }
?weights fn load_x(r: u32, c4: u32) -> vec4<f32> { return features[sources[r] + c4]; }
?weights fn load_w(m: u32, u: u32, c4: u32) -> vec4<f32> { return w1[17u * u + c4]; }

fn not_finite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u; }

// Where group e of what is not W₁ lies in the arena; beyond the last there is none.
fn place(e: u32) -> u32 {
    if e < 80u { return W2 + e; }
    if e < 88u { return B1 + e - 80u; }
    if e < 96u || e > 98u { return NONE; }
    return B2 + e - 96u;
}

// Brings the rows of a step.
fn gather(m: u32, row: u32, lane: u32) {
    let start = m * ORDER + table[row + 1u];
    let last = table[row] - 1u;
    ?rows for (var i = lane; i < 512u; i += SIZEu) { x[17u * (i / 16u) + i % 16u] = features[16u * order[start + min(i / 16u, last)] + i % 16u]; }
    ?weights if lane < 32u { sources[lane] = 16u * order[start + min(lane, last)]; }
}

@compute @workgroup_size(SIZE)
fn whole_steps(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let m = group.x;
    let base = m * ARENA4;
    let cb = lane % (16u / COLSu);
    let ub = UNITSu * (lane / (16u / COLSu));
    // the block of W₁
    let at{u}_{c} = base + 16u * (ub + {u}u) + cb + {c}u * (16u / COLSu);
    var w{u}_{c} = params[at{u}_{c}];
    var m{u}_{c} = first[at{u}_{c}];
    var v{u}_{c} = second[at{u}_{c}];
    ?weights w1[17u * (ub + {u}u) + cb + {c}u * (16u / COLSu)] = w{u}_{c};
    // what else is owned
    let e{e} = lane + {e}u * SIZEu;
    let there{e} = place(e{e}) != NONE;
    let pe{e} = base + select(0u, place(e{e}), there{e});
    var we{e} = params[pe{e}];
    var me{e} = first[pe{e}];
    var ve{e} = second[pe{e}];
    if there{e} { small[e{e}] = we{e}; }
    let cursor = table[2u + m];
    gather(m, table[1] + cursor * table[0], lane);
    for (var n = 0u; n < STEPS; n += 1u) {
        let row = table[1] + (cursor + n) * table[0];
        let live = table[row];
        let rate = row + 5u + 4u * m;
        workgroupBarrier();
        ?rows storageBarrier();

        // a₁: a tile of DOWN rows × four units
        {
            let u4 = lane % 8u;
            let r0 = DOWNu * (lane / 8u);
            let bias = small[80u + u4];
            var z{d} = bias;
            for (var k4 = 0u; k4 < 16u; k4 += 1u) {
                let wx = load_w(m, 4u * u4, k4);
                let wy = load_w(m, 4u * u4 + 1u, k4);
                let wz = load_w(m, 4u * u4 + 2u, k4);
                let ww = load_w(m, 4u * u4 + 3u, k4);
                let x{d} = load_x(r0 + {d}u, k4);
                z{d} += vec4<f32>(dot(x{d}, wx), dot(x{d}, wy), dot(x{d}, wz), dot(x{d}, ww));
            }
            a[8u * (r0 + {d}u) + u4] = max(z{d}, vec4<f32>());
        }
        workgroupBarrier();

        // z: a row × four outputs; of those beyond the last, anything
        for (var i = lane; i < 96u; i += SIZEu) {
            let r = i / 3u;
            let j4 = i % 3u;
            let j = min(vec4<u32>(4u * j4) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(9u)) * 8u;
            var z = small[96u + j4];
            for (var k4 = 0u; k4 < 8u; k4 += 1u) {
                let h = a[8u * r + k4];
                z += vec4<f32>(dot(h, small[j.x + k4]), dot(h, small[j.y + k4]), dot(h, small[j.z + k4]), dot(h, small[j.w + k4]));
            }
            d2[12u * r + 4u * j4] = z.x;
            d2[12u * r + 4u * j4 + 1u] = z.y;
            d2[12u * r + 4u * j4 + 2u] = z.z;
            d2[12u * r + 4u * j4 + 3u] = z.w;
        }
        workgroupBarrier();

        // loss and δ₂, an invocation a row
        if lane < 32u {
            let at = 12u * lane;
            let y = classes[order[m * ORDER + table[row + 1u] + min(lane, live - 1u)]];
            let scale = select(0.0, 1.0 / bitcast<f32>(table[rate + 3u]), lane < live);
            let own = d2[at + y];
            var top = d2[at];
            top = max(top, d2[at + {j}u]);
            let z{j} = exp(d2[at + {j}u] - top);
            var sum = 0.0;
            sum += z{j};
            d2[at + {j}u] = (z{j} / sum - select(0.0, 1.0, y == {j}u)) * scale;
            d2[at + 10u] = 0.0;
            d2[at + 11u] = 0.0;
            losses[lane] = select(0.0, top - own + log(sum), lane < live);
        }
        workgroupBarrier();

        // ∂W₂ and ∂b₂
        var ge{e} = vec4<f32>();
        if e{e} < 80u { ge{e} = gradient2(e{e} / 8u, e{e} % 8u); }
        if e{e} > 95u && there{e} { ge{e} = sums2(4u * (e{e} - 96u)); }
        workgroupBarrier();

        // δ₁
        for (var i = lane; i < 256u; i += SIZEu) {
            let at = 12u * (i / 8u);
            let u4 = i % 8u;
            var sum = vec4<f32>();
            sum += d2[at + {j}u] * small[8u * {j}u + u4];
            a[i] = select(vec4<f32>(), sum, a[i] > vec4<f32>());
        }
        workgroupBarrier();

        // ∂W₁; ∂b₁ rides along
        var g{u}_{c} = vec4<f32>();
        var own{u} = 0.0;
        for (var r = 0u; r < 32u; r += 1u) {
            ?4 let d = a[8u * r + ub / 4u];
            ?2 let both = a[8u * r + ub / 4u];
            ?2 let d = select(both.xy, both.zw, (ub & 2u) != 0u);
            let x{c} = load_x(r, cb + {c}u * (16u / COLSu));
            g{u}_{c} += d[{u}] * x{c};
            own{u} += d[{u}];
        }
        // the norm: the sum of each invocation, of sixteen of these, of all
        var squares = 0.0;
        squares += dot(g{u}_{c}, g{u}_{c});
        squares += dot(ge{e}, ge{e});
        if cb == 0u {
            squares += own{u} * own{u};
            d2[BIAS + ub + {u}u] = own{u};
        }
        d2[lane] = squares;
        workgroupBarrier();
        if lane < 16u {
            var sum = 0.0;
            for (var i = lane; i < SIZEu; i += 16u) { sum += d2[i]; }
            d2[SUMS + lane] = sum;
            d2[SUMS + 16u + lane] = losses[lane] + losses[16u + lane];
        }
        workgroupBarrier();
        if lane == 0u {
            var sum = 0.0;
            var loss = 0.0;
            for (var i = 0u; i < 16u; i += 1u) {
                sum += d2[SUMS + i];
                loss += d2[SUMS + 16u + i];
            }
            let norm = sqrt(sum);
            let sound = select(0.0, 1.0, !not_finite(norm) && !not_finite(loss));
            d2[TOLD] = min(1.0, MAX_NORM / (norm + 1e-6));
            d2[TOLD + 1u] = bitcast<f32>(table[rate]) * bitcast<f32>(table[rate + 1u]);
            d2[TOLD + 2u] = bitcast<f32>(table[rate + 2u]);
            d2[TOLD + 3u] = sound;
            log_[table[row + 2u] * MEMBERS + m] = vec4<f32>(loss, norm, sound, sound);
        }
        workgroupBarrier();

        // Adam; a step that is not sound is not applied
        let coef = d2[TOLD];
        let lr = d2[TOLD + 1u];
        let c2 = d2[TOLD + 2u];
        if d2[TOLD + 3u] != 0.0 {
            if e{e} > 79u && e{e} < 88u { ge{e} = bias1(4u * (e{e} - 80u)); }
            m{u}_{c} = BETA1 * m{u}_{c} + (1.0 - BETA1) * coef * g{u}_{c};
            v{u}_{c} = BETA2 * v{u}_{c} + (1.0 - BETA2) * (coef * g{u}_{c}) * (coef * g{u}_{c});
            w{u}_{c} -= lr * m{u}_{c} / (sqrt(v{u}_{c}) * c2 + EPSILON);
            ?rows params[at{u}_{c}] = w{u}_{c};
            ?weights w1[17u * (ub + {u}u) + cb + {c}u * (16u / COLSu)] = w{u}_{c};
            me{e} = BETA1 * me{e} + (1.0 - BETA1) * coef * ge{e};
            ve{e} = BETA2 * ve{e} + (1.0 - BETA2) * (coef * ge{e}) * (coef * ge{e});
            we{e} -= lr * me{e} / (sqrt(ve{e}) * c2 + EPSILON);
            if there{e} { small[e{e}] = we{e}; }
        }
        if n + 1u < STEPS { gather(m, row + table[0], lane); }
    }
    ?weights params[at{u}_{c}] = w{u}_{c};
    first[at{u}_{c}] = m{u}_{c};
    second[at{u}_{c}] = v{u}_{c};
    if there{e} { params[pe{e}] = we{e}; first[pe{e}] = me{e}; second[pe{e}] = ve{e}; }
    // nobody reads the cursor once the first step has begun
    if lane == 0u { table[2u + m] = cursor + STEPS; }
}

fn gradient2(j: u32, k4: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var r = 0u; r < 32u; r += 1u) { sum += d2[12u * r + j] * a[8u * r + k4]; }
    return sum;
}

fn sums2(j: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var r = 0u; r < 32u; r += 1u) {
        let at = 12u * r + j;
        sum += vec4<f32>(d2[at], d2[at + 1u], d2[at + 2u], d2[at + 3u]);
    }
    return sum;
}

fn bias1(u: u32) -> vec4<f32> {
    return vec4<f32>(d2[BIAS + u], d2[BIAS + u + 1u], d2[BIAS + u + 2u], d2[BIAS + u + 3u]);
}
