// C[i, j] = Σₖ L[i, k] · R[k, j], a tile of HIGH × WIDE a workgroup, ROWS × COLS an invocation, DEEP groups of four k at a time through workgroup memory.
// The kernel says what L and R are by `left` and `right`, which load blocks of 4 × 4 (a column of the matrix is one k; beyond the end of
// k, L is zero and R finite), what of L's place does not depend on k by `left_at`, how many live rows there are for a z of the grid by
// `live_rows`, how many groups of four k for a tile by `terms4`, and what becomes of a sum by `store`, which knows the edges. In the tiles called half, what is brought is rounded to f16
// (NARROW) and widened again for the sum, which is f32.
// Where a tile has fewer invocations than a workgroup, four slices of them share the k out among themselves: a GPU hides the waiting for memory
// behind the many loads that are under way at once.

// Where an invocation's block lies: which four of the tile's rows or columns, and which four k. Neighbours take neighbours in
// memory, which are along k where a row of the matrix is a row of the tile, and across it where a row is one k.
fn along(n: u32, width4: u32, deep: u32) -> vec2<u32> { return vec2<u32>(n / deep, n % deep); }
fn across(n: u32, width4: u32, deep: u32) -> vec2<u32> { return vec2<u32>(n % width4, n / width4); }

fn place(lane: u32, high: u32, wide: u32, deep: u32) -> vec2<u32> {
    let lefts = high / 4u * deep;
    if lane < lefts { return LEFT(lane, high / 4u, deep); }
    return vec2<u32>(high / 4u, 0u) + RIGHT(lane - lefts, wide / 4u, deep);
}

fn bring(member: u32, live: u32, corner: vec2<u32>, at: vec2<u32>, high: u32, start: vec4<u32>, k4: u32) -> mat4x4<f32> {
    if at.x < high / 4u { return left(live, start, k4 + at.y); }
    return right(member, live, corner.x + at.x - high / 4u, k4 + at.y);
}

// tile begin
// [4 · DEEP k, HIGH/4 of L and then WIDE/4 of R]. Whole vectors only: drivers have been wrong about stores into a part of one.
var<workgroup> blocks_KIND_HIGHxWIDE: array<vec4<CELL>, BOTHu * DEEPu>;
?half ?sums var<workgroup> sums_KIND_HIGHxWIDE: array<vec4<f32>, BOTHu>;

// HIGH + WIDE columns and rows of 4 · DEEP k: a block of 4 × 4 for each invocation to bring. It fetches the next while it computes with this one.
@compute @workgroup_size(ACROSS, DOWN, SLICES)
fn NAME_KIND_HIGHxWIDE(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) own: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let live = live_rows(group.z);
    let corner = vec2<u32>(group.x * (WIDEu / 4u), group.y * (HIGHu / 4u));
    // the same for the whole workgroup, and 0 where it has no live row: all of it comes to each barrier
    let count = terms4(live, 4u * corner.y);
    let at = place(lane, HIGHu, WIDEu, DEEPu);
    ?scaled // the loss is scaled where its slope is rounded: L is, and the sums are brought back
    ?scaled let scale = scale_of(group.z);
    ?scaled let up = select(1.0, scale.x, at.x < HIGHu / 4u);
    let start = left_at(group.z, live, corner.y + at.x);
    var next = bring(group.z, live, corner, at, HIGHu, start, 0u);
    // four begin
    var s{k}_{h}_{q} = vec4<f32>();
    // four end
    ?sums var brought = vec4<f32>();
    for (var k4 = 0u; k4 < count; k4 += DEEPu) {
        // the exclusive or spreads what neighbours store at once over all banks of the memory
        let to = at.y * BOTHu + (at.x ^ (STIRu * at.y % 8u));
        // four begin
        blocks_KIND_HIGHxWIDE[to + {k}u * (BOTHu / 4u)] = NARROW(next[{k}]);
        // four end
        ?sums brought += next[0] + next[1] + next[2] + next[3];
        workgroupBarrier();
        next = bring(group.z, live, corner, at, HIGHu, start, k4 + DEEPu);
        for (var c = own.z; c < DEEPu; c += SLICESu) {
            let from_l = c * BOTHu + (own.y ^ (STIRu * c % 8u));
            let from_r = c * BOTHu + HIGHu / 4u + (own.x ^ (STIRu * c % 8u));
            // four begin
            {
                let l{h} = WIDEN(blocks_KIND_HIGHxWIDE[from_l + {k}u * (BOTHu / 4u) + {h}u * DOWNu]);
                let r{q} = WIDEN(blocks_KIND_HIGHxWIDE[from_r + {k}u * (BOTHu / 4u) + {q}u * ACROSSu]);
                s0_{h}_{q} += l{h}.x * r{q};
                s1_{h}_{q} += l{h}.y * r{q};
                s2_{h}_{q} += l{h}.z * r{q};
                s3_{h}_{q} += l{h}.w * r{q};
            }
            // four end
        }
        workgroupBarrier();
    }
    let row = 4u * (corner.y + own.y);
    let column = corner.x + own.x;
    // four begin
    ?scaled s{k}_{h}_{q} *= scale.y;
    ?whole store(group.z, live, row + 4u * {h}u * DOWNu + {k}u, column + {q}u * ACROSSu, s{k}_{h}_{q});
    ?sliced blocks_KIND_HIGHxWIDE[({h}u * QUADSu + {q}u) * SLICESu * PLANEu + lane] = s{k}_{h}_{q};
    ?sliced workgroupBarrier();
    ?sliced if own.z == {k}u {
        ?sliced // in a loop, as drivers take long to compile what becomes of a sum, activations and all, as often as there are sums
        ?sliced for (var n = 0u; n < ROWSu * COLSu / 16u; n += 1u) {
            ?sliced let base = n * SLICESu * PLANEu + lane % PLANEu;
            ?sliced let low = blocks_KIND_HIGHxWIDE[base] + blocks_KIND_HIGHxWIDE[base + PLANEu];
            ?sliced let top = blocks_KIND_HIGHxWIDE[base + 2u * PLANEu] + blocks_KIND_HIGHxWIDE[base + 3u * PLANEu];
            ?sliced store(group.z, live, row + n / QUADSu * 4u * DOWNu + {k}u, column + n % QUADSu * ACROSSu, low + top);
        ?sliced }
    ?sliced }
    ?sliced workgroupBarrier();
    // four end
    // Σₖ L rides along: of each four k, its bringer has the sum
    ?sums SUMS_KIND_HIGHxWIDE[at.y * (BOTHu / 4u) + at.x] = brought;
    ?sums workgroupBarrier();
    ?sums if group.x == 0u && lane < HIGHu / 4u {
        ?sums var total = SUMS_KIND_HIGHxWIDE[lane];
        ?sums for (var y = 1u; y < DEEPu; y += 1u) { total += SUMS_KIND_HIGHxWIDE[lane + y * (BOTHu / 4u)]; }
        ?sums store_sums(group.z, corner.y + lane, total);
    ?sums }
}

// tile end
