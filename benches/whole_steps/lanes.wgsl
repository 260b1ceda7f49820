// The steps of direct.wgsl for software drivers whose subgroups are of eight lanes, eight neighbours of a workgroup each: to them a load costs many times what
// a sum does, and a shuffle from a lane that is known no more than one. So each lane loads a part, and the others get it by a shuffle; loss and δ₁ are made
// where z is, a row a lane.
// A workgroup is SIZE / 8 subgroups. Each makes HIGH rows × 16 units of a₁, and owns UNITS units × 32 inputs of W₁, of which a lane has four inputs; the first
// owns W₂ and b₂.
override STEPS: u32;

@group(0) @binding(0) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> classes: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> params: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> log_: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> table: array<u32>;

// a₁ [32, 32]
var<workgroup> a: array<f32, 1024>;
// δ₁ [32, 32], and δ₂ with the row's loss behind it [32, 16], in groups of four
var<workgroup> d1: array<vec4<f32>, 256>;
var<workgroup> d2: array<vec4<f32>, 128>;
// W₂ [10, 32] from 0, b₂ from 80, b₁ from 83, in groups of four
var<workgroup> small: array<vec4<f32>, 91>;
// the squares of each subgroup, and the loss
var<workgroup> sums: array<f32, 9>;

fn not_finite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u; }

fn a4(at: u32) -> vec4<f32> { return vec4<f32>(a[at], a[at + 1u], a[at + 2u], a[at + 3u]); }

@compute @workgroup_size(SIZE)
fn whole_steps(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let m = group.x;
    let base = m * ARENA4;
    let lane = index % 8u;
    let sub = index / 8u;
    // the block of W₁, and b₁ of its units
    let ub = UNITSu * (sub / 2u);
    let cb = 8u * (sub % 2u) + lane;
    let at{u} = base + 16u * (ub + {u}u) + cb;
    var w{u} = params[at{u}];
    var m{u} = first[at{u}];
    var v{u} = second[at{u}];
    let has_bias = sub % 2u == 0u && lane < UNITSu / 4u;
    let at_bias = base + B1 + ub / 4u + min(lane, UNITSu / 4u - 1u);
    var wb = params[at_bias];
    var mb = first[at_bias];
    var vb = second[at_bias];
    if has_bias { small[83u + ub / 4u + lane] = wb; }
    // W₂ and b₂
    let has2 = sub == 0u;
    let has3 = sub == 0u && lane < 3u;
    let ao{j} = base + W2 + 8u * {j}u + lane;
    var wo{j} = params[ao{j}];
    var mo{j} = first[ao{j}];
    var vo{j} = second[ao{j}];
    if has2 { small[8u * {j}u + lane] = wo{j}; }
    let ac = base + B2 + min(lane, 2u);
    var wc = params[ac];
    var mc = first[ac];
    var vc = second[ac];
    if has3 { small[80u + lane] = wc; }
    let cursor = table[2u + m];
    for (var n = 0u; n < STEPS; n += 1u) {
        let row = table[1] + (cursor + n) * table[0];
        let last = table[row] - 1u;
        let start = m * ORDER + table[row + 1u];
        let rate = row + 5u + 4u * m;
        workgroupBarrier();
        storageBarrier();

        // a₁: lanes are units
        {
            let r0 = HIGHu * (sub / 2u);
            let u0 = 16u * (sub % 2u) + lane;
            let from{t} = 16u * order[start + min(r0 + 8u * {t}u + lane, last)];
            let left = base + 16u * u0;
            var p{r} = 0.0;
            var q{r} = 0.0;
            for (var k4 = 0u; k4 < 16u; k4 += 1u) {
                let wp = params[left + k4];
                let wq = params[left + 128u + k4];
                let x{t} = features[from{t} + k4];
                let s{r} = subgroupShuffle(x{r/8}, {r%8}u);
                p{r} += dot(s{r}, wp);
                q{r} += dot(s{r}, wq);
            }
            let bp = small[83u + u0 / 4u][u0 % 4u];
            let bq = small[85u + u0 / 4u][u0 % 4u];
            a[32u * (r0 + {r}u) + u0] = max(p{r} + bp, 0.0);
            a[32u * (r0 + {r}u) + u0 + 8u] = max(q{r} + bq, 0.0);
        }
        workgroupBarrier();

        // z, loss, δ₂ and δ₁: lanes are rows
        {
            let o{j} = small[8u * {j}u + lane];
            let b{y} = small[80u + {y}u];
            for (var r = index; r < 32u; r += SIZEu) {
                let h{k} = a4(32u * r + 4u * {k}u);
                var z{j} = b{j/4}[{j%4}];
                z{j} += dot(h{k}, subgroupShuffle(o{j}, {k}u));
                let y = classes[order[start + min(r, last)]];
                let scale = select(0.0, 1.0 / bitcast<f32>(table[rate + 3u]), r <= last);
                var top = z0;
                top = max(top, z{j});
                var sum = 0.0;
                var own = 0.0;
                own += select(0.0, z{j} - top, y == {j}u);
                z{j} = exp(z{j} - top);
                sum += z{j};
                z{j} = (z{j} / sum - select(0.0, 1.0, y == {j}u)) * scale;
                d2[4u * r] = vec4<f32>(z0, z1, z2, z3);
                d2[4u * r + 1u] = vec4<f32>(z4, z5, z6, z7);
                d2[4u * r + 2u] = vec4<f32>(z8, z9, 0.0, 0.0);
                d2[4u * r + 3u] = vec4<f32>(select(0.0, log(sum) - own, r <= last), 0.0, 0.0, 0.0);
                var e{k} = vec4<f32>();
                e{k} += z{j} * subgroupShuffle(o{j}, {k}u);
                d1[8u * r + {k}u] = select(vec4<f32>(), e{k}, h{k} > vec4<f32>());
            }
        }
        workgroupBarrier();

        // ∂W₁, eight rows at a time; ∂b₁ rides along
        var g{u} = vec4<f32>();
        var gb{f} = vec4<f32>();
        for (var r = 0u; r < 32u; r += 8u) {
            let source = 16u * order[start + min(r + lane, last)];
            let n{f} = d1[8u * (r + lane) + ub / 4u + {f}u];
            let x{i} = features[subgroupShuffle(source, {i}u) + cb];
            g{u} += subgroupShuffle(n{u/4}[{u%4}], {i}u) * x{i};
            gb{f} += n{f};
        }
        var all{f} = vec4<f32>();
        all{f} += subgroupShuffle(gb{f}, {i}u);
        var gb = all0;
        gb = select(gb, all{f}, vec4<bool>(lane == {f}u));

        // ∂W₂, two rows at a time; ∂b₂ and the loss ride along
        var go{j} = vec4<f32>();
        var gc = vec4<f32>();
        for (var r = select(32u, 0u, has2); r < 32u; r += 2u) {
            let d = d2[4u * r + lane];
            let h0 = a4(32u * r + 4u * lane);
            let h1 = a4(32u * r + 32u + 4u * lane);
            go{j} += subgroupShuffle(d[{j%4}], {j/4}u) * h0;
            go{j} += subgroupShuffle(d[{j%4}], {j/4}u + 4u) * h1;
            gc += d;
        }
        gc += subgroupShuffleXor(gc, 4u);
        if has2 && lane == 3u { sums[8] = gc.x; }

        // the norm
        var squares = 0.0;
        squares += dot(g{u}, g{u});
        squares += dot(go{j}, go{j});
        squares += select(0.0, dot(gb, gb), has_bias);
        squares += select(0.0, dot(gc, gc), has3);
        var own_sum = 0.0;
        own_sum += subgroupShuffle(squares, {i}u);
        if lane == 0u { sums[sub] = own_sum; }
        workgroupBarrier();
        var total = 0.0;
        total += sums[{s}];
        let norm = sqrt(total);
        let sound = !not_finite(norm) && !not_finite(sums[8]);
        if index == 0u {
            let flag = select(0.0, 1.0, sound);
            log_[table[row + 2u] * MEMBERS + m] = vec4<f32>(sums[8], norm, flag, flag);
        }

        // Adam; a step that is not sound is not applied
        if sound {
            let coef = min(1.0, MAX_NORM / (norm + 1e-6));
            let lr = bitcast<f32>(table[rate]) * bitcast<f32>(table[rate + 1u]);
            let c2 = bitcast<f32>(table[rate + 2u]);
            m{u} = BETA1 * m{u} + (1.0 - BETA1) * (coef * g{u});
            v{u} = BETA2 * v{u} + (1.0 - BETA2) * (coef * g{u}) * (coef * g{u});
            w{u} -= lr * m{u} / (sqrt(v{u}) * c2 + EPSILON);
            params[at{u}] = w{u};
            mb = BETA1 * mb + (1.0 - BETA1) * (coef * gb);
            vb = BETA2 * vb + (1.0 - BETA2) * (coef * gb) * (coef * gb);
            wb -= lr * mb / (sqrt(vb) * c2 + EPSILON);
            if has_bias { small[83u + ub / 4u + lane] = wb; }
            mo{j} = BETA1 * mo{j} + (1.0 - BETA1) * (coef * go{j});
            vo{j} = BETA2 * vo{j} + (1.0 - BETA2) * (coef * go{j}) * (coef * go{j});
            wo{j} -= lr * mo{j} / (sqrt(vo{j}) * c2 + EPSILON);
            if has2 { small[8u * {j}u + lane] = wo{j}; }
            mc = BETA1 * mc + (1.0 - BETA1) * (coef * gc);
            vc = BETA2 * vc + (1.0 - BETA2) * (coef * gc) * (coef * gc);
            wc -= lr * mc / (sqrt(vc) * c2 + EPSILON);
            if has3 { small[80u + lane] = wc; }
        }
    }
    first[at{u}] = m{u};
    second[at{u}] = v{u};
    if has_bias { params[at_bias] = wb; first[at_bias] = mb; second[at_bias] = vb; }
    if has2 { params[ao{j}] = wo{j}; first[ao{j}] = mo{j}; second[ao{j}] = vo{j}; }
    if has3 { params[ac] = wc; first[ac] = mc; second[ac] = vc; }
    // nobody reads the cursor once the first step has begun
    if index == 0u { table[2u + m] = cursor + STEPS; }
}
