// C[i, j] = Σₖ L[i, k] · R[k, j] by tensor cores: a tile of HIGH × WIDE a workgroup, 16 k at a time, in matrices of SIZE × SIZE that the LANES of
// a subgroup load and multiply together. The operands are those of dense_shared.wgsl, brought by its functions and rounded to f16 as its halves
// are; the sums are f32. Each subgroup makes a part of the tile, TALL × BROAD, and keeps its sums in matrices. What becomes of a sum is in no
// matrix's power, so they go through workgroup memory once more, one a turn, to `store`.

// tile begin
// [16 k, HIGH of L and then WIDE of R]: L by columns, R by rows. Scalars, for a matrix is loaded from nothing else in MSL. A k lies PITCH from the
// next: a multiple of 16 bytes, as Vulkan asks, and 16 bytes off a power of two, so that the k of a matrix lie in different banks.
var<workgroup> operands_SIZE_LANES_HIGHxWIDE: array<f16, 16u * PITCHu>;
// [subgroup, SIZE, SIZE]
var<workgroup> sums_SIZE_LANES_HIGHxWIDE: array<f32, PARTSu * SIZEu * SIZEu>;

// BRINGS blocks of 4 × 4 for each invocation to bring. They are in one row, of whole subgroups, as Vulkan asks for. Which subgroup one is in only the
// built-in value knows: no language promises that they are cut in the order of the index.
@compute @workgroup_size(INVOCATIONS)
fn NAME_cooperative_SIZE_LANES_HIGHxWIDE(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) part: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let live = live_rows(group.z);
    let corner = vec2<u32>(group.x * (WIDEu / 4u), group.y * (HIGHu / 4u));
    // the same for the whole workgroup, and 0 where it has no live row: all of it comes to each barrier and to each matrix
    let count = terms4(live, 4u * corner.y);
    let at{b} = place(index + {b}u * INVOCATIONSu, HIGHu, WIDEu, 4u);
    ?scaled // the loss is scaled where its slope is rounded: L is, and the sums are brought back
    ?scaled let scale = scale_of(group.z);
    ?scaled let up{b} = select(1.0, scale.x, at{b}.x < HIGHu / 4u);
    let start{b} = left_at(group.z, live, corner.y + at{b}.x);
    var next{b} = bring(group.z, live, corner, at{b}, HIGHu, start{b}, 0u);
    ?sums var brought = vec4<f32>();
    let top = part / BESIDEu * TALLu;
    let aside = part % BESIDEu * BROADu;
    // sums begin as zeros that are loaded: what a matrix is that nothing was put into, not every language says
    let own = part * (SIZEu * SIZEu);
    for (var n = lane; n < SIZEu * SIZEu; n += LANESu) { sums_SIZE_LANES_HIGHxWIDE[own + n] = 0.0; }
    workgroupBarrier();
    var s{i}_{j} = coopLoadT<coop_matSIZExSIZE<f32, C>>(&sums_SIZE_LANES_HIGHxWIDE[own], SIZEu);
    for (var k4 = 0u; k4 < count; k4 += 4u) {
        ?sums brought += next0[0] + next0[1] + next0[2] + next0[3];
        ?scaled next{b} = next{b} * up{b};
        let to{b} = 4u * at{b}.y * PITCHu + 4u * at{b}.x;
        // four begin
        let n{b}_{k} = vec4<f16>(next{b}[{k}]);
        operands_SIZE_LANES_HIGHxWIDE[to{b} + {k}u * PITCHu] = n{b}_{k}.x;
        operands_SIZE_LANES_HIGHxWIDE[to{b} + {k}u * PITCHu + 1u] = n{b}_{k}.y;
        operands_SIZE_LANES_HIGHxWIDE[to{b} + {k}u * PITCHu + 2u] = n{b}_{k}.z;
        operands_SIZE_LANES_HIGHxWIDE[to{b} + {k}u * PITCHu + 3u] = n{b}_{k}.w;
        // four end
        workgroupBarrier();
        next{b} = bring(group.z, live, corner, at{b}, HIGHu, start{b}, k4 + 4u);
        for (var k = 0u; k < 16u; k += SIZEu) {
            let l{i} = coopLoad<coop_matSIZExSIZE<f16, A>>(&operands_SIZE_LANES_HIGHxWIDE[k * PITCHu + top + {i}u * SIZEu], PITCHu);
            let r{j} = coopLoadT<coop_matSIZExSIZE<f16, B>>(&operands_SIZE_LANES_HIGHxWIDE[k * PITCHu + HIGHu + aside + {j}u * SIZEu], PITCHu);
            s{i}_{j} = coopMultiplyAdd(l{i}, r{j}, s{i}_{j});
        }
        workgroupBarrier();
    }
    for (var turn = 0u; turn < TURNSu; turn += 1u) {
        if turn == {i}u * ABREASTu + {j}u { coopStoreT(s{i}_{j}, &sums_SIZE_LANES_HIGHxWIDE[own], SIZEu); }
        workgroupBarrier();
        let row = 4u * corner.y + top + turn / ABREASTu * SIZEu;
        let column = corner.x + (aside + turn % ABREASTu * SIZEu) / 4u;
        for (var n = lane; n < SIZEu * SIZEu / 4u; n += LANESu) {
            let at = own + 4u * n;
            var sum = vec4<f32>(
                sums_SIZE_LANES_HIGHxWIDE[at],
                sums_SIZE_LANES_HIGHxWIDE[at + 1u],
                sums_SIZE_LANES_HIGHxWIDE[at + 2u],
                sums_SIZE_LANES_HIGHxWIDE[at + 3u],
            );
            ?scaled sum *= scale.y;
            store(group.z, live, row + n / (SIZEu / 4u), column + n % (SIZEu / 4u), sum);
        }
        workgroupBarrier();
    }
    // Σₖ L rides along: of each four k, its bringer has the sum. L is among what is brought first
    ?sums let slot = 4u * (at0.y * (HIGHu / 4u) + at0.x);
    ?sums if at0.x < HIGHu / 4u {
        ?sums sums_SIZE_LANES_HIGHxWIDE[slot] = brought.x;
        ?sums sums_SIZE_LANES_HIGHxWIDE[slot + 1u] = brought.y;
        ?sums sums_SIZE_LANES_HIGHxWIDE[slot + 2u] = brought.z;
        ?sums sums_SIZE_LANES_HIGHxWIDE[slot + 3u] = brought.w;
    ?sums }
    ?sums workgroupBarrier();
    ?sums if group.x == 0u && index < HIGHu / 4u {
        ?sums var sum = vec4<f32>();
        ?sums for (var n = 4u * index; n < 4u * HIGHu; n += HIGHu) {
            ?sums let first = vec2<f32>(sums_SIZE_LANES_HIGHxWIDE[n], sums_SIZE_LANES_HIGHxWIDE[n + 1u]);
            ?sums sum += vec4<f32>(first, sums_SIZE_LANES_HIGHxWIDE[n + 2u], sums_SIZE_LANES_HIGHxWIDE[n + 3u]);
        ?sums }
        ?sums store_sums(group.z, corner.y + index, sum);
    ?sums }
}

// tile end
