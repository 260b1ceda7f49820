// C[i, j] = Σₖ L[i, k] · R[k, j], a tile of HIGH × WIDE a workgroup, ROWS × COLS an invocation, 16 k at a time through workgroup memory.
// The kernel says what L and R are by `left` and `right`, which load blocks of 4 × 4 (a column of the matrix is one k; beyond the end of
// k, L is zero and R finite), what of L's place does not depend on k by `left_at`, how many live rows there are for a z of the grid by
// `live_rows`, how many groups of four k for a tile by `terms4`, and what becomes of a sum by `store`, which knows the edges. In the tiles called half, what is brought is rounded to f16
// (NARROW) and widened again for the sum, which is f32.

// Where an invocation's block lies: which four of the tile's rows or columns, and which four of the 16 k. Neighbours take neighbours in
// memory, which are along k where a row of the matrix is a row of the tile, and across it where a row is one k.
fn along(n: u32, width4: u32) -> vec2<u32> { return vec2<u32>(n / 4u, n % 4u); }
fn across(n: u32, width4: u32) -> vec2<u32> { return vec2<u32>(n % width4, n / width4); }

fn place(lane: u32, high: u32, wide: u32) -> vec2<u32> {
    if lane < high { return LEFT(lane, high / 4u); }
    return vec2<u32>(high / 4u, 0u) + RIGHT(lane - high, wide / 4u);
}

fn bring(member: u32, live: u32, corner: vec2<u32>, at: vec2<u32>, high: u32, start: vec4<u32>, k4: u32) -> mat4x4<f32> {
    if at.x < high / 4u { return left(live, start, k4 + at.y); }
    return right(member, live, corner.x + at.x - high / 4u, k4 + at.y);
}

// tile begin
// [16 k, HIGH/4 of L and then WIDE/4 of R]. Whole vectors only: drivers have been wrong about stores into a part of one.
var<workgroup> blocks_KIND_HIGHxWIDE: array<vec4<CELL>, BOTHu * 4u>;
?half ?sums var<workgroup> sums_KIND_HIGHxWIDE: array<vec4<f32>, BOTHu>;

// HIGH + WIDE blocks of 4 × 4 make 16 k: one for each invocation to bring. It fetches the next while it computes with this one.
@compute @workgroup_size(ACROSS, DOWN)
fn NAME_KIND_HIGHxWIDE(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) own: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let live = live_rows(group.z);
    let corner = vec2<u32>(group.x * (WIDEu / 4u), group.y * (HIGHu / 4u));
    // the same for the whole workgroup, and 0 where it has no live row: all of it comes to each barrier
    let count = terms4(live, 4u * corner.y);
    let at = place(lane, HIGHu, WIDEu);
    ?scaled // the loss is scaled where its slope is rounded: L is, and the sums are brought back
    ?scaled let scale = scale_of(group.z);
    ?scaled let up = select(1.0, scale.x, at.x < HIGHu / 4u);
    let start = left_at(group.z, live, corner.y + at.x);
    var next = bring(group.z, live, corner, at, HIGHu, start, 0u);
    var x{h}_{q} = vec4<f32>();
    var y{h}_{q} = vec4<f32>();
    var z{h}_{q} = vec4<f32>();
    var w{h}_{q} = vec4<f32>();
    ?sums var brought = vec4<f32>();
    for (var k4 = 0u; k4 < count; k4 += 4u) {
        // the exclusive or spreads what neighbours store at once over all banks of the memory
        let to = 4u * at.y * (BOTHu / 4u) + (at.x ^ (2u * at.y));
        blocks_KIND_HIGHxWIDE[to] = NARROW(next[0]);
        blocks_KIND_HIGHxWIDE[to + BOTHu / 4u] = NARROW(next[1]);
        blocks_KIND_HIGHxWIDE[to + 2u * (BOTHu / 4u)] = NARROW(next[2]);
        blocks_KIND_HIGHxWIDE[to + 3u * (BOTHu / 4u)] = NARROW(next[3]);
        ?sums brought += next[0] + next[1] + next[2] + next[3];
        workgroupBarrier();
        next = bring(group.z, live, corner, at, HIGHu, start, k4 + 4u);
        for (var c = 0u; c < 4u; c += 1u) {
            let from_l = c * BOTHu + (own.y ^ (2u * c));
            let from_r = c * BOTHu + HIGHu / 4u + (own.x ^ (2u * c));
            // four begin
            {
                let l{h} = WIDEN(blocks_KIND_HIGHxWIDE[from_l + {k}u * (BOTHu / 4u) + {h}u * DOWNu]);
                let r{q} = WIDEN(blocks_KIND_HIGHxWIDE[from_r + {k}u * (BOTHu / 4u) + {q}u * ACROSSu]);
                x{h}_{q} += l{h}.x * r{q};
                y{h}_{q} += l{h}.y * r{q};
                z{h}_{q} += l{h}.z * r{q};
                w{h}_{q} += l{h}.w * r{q};
            }
            // four end
        }
        workgroupBarrier();
    }
    ?scaled x{h}_{q} *= scale.y;
    ?scaled y{h}_{q} *= scale.y;
    ?scaled z{h}_{q} *= scale.y;
    ?scaled w{h}_{q} *= scale.y;
    let row = 4u * (corner.y + own.y);
    let column = corner.x + own.x;
    store(group.z, live, row + 4u * {h}u * DOWNu, column + {q}u * ACROSSu, x{h}_{q});
    store(group.z, live, row + 4u * {h}u * DOWNu + 1u, column + {q}u * ACROSSu, y{h}_{q});
    store(group.z, live, row + 4u * {h}u * DOWNu + 2u, column + {q}u * ACROSSu, z{h}_{q});
    store(group.z, live, row + 4u * {h}u * DOWNu + 3u, column + {q}u * ACROSSu, w{h}_{q});
    // Σₖ L rides along: of each four k, its bringer has the sum
    ?sums SUMS_KIND_HIGHxWIDE[at.y * (BOTHu / 4u) + at.x] = brought;
    ?sums workgroupBarrier();
    ?sums if group.x == 0u && lane < HIGHu / 4u {
        ?sums let first = SUMS_KIND_HIGHxWIDE[lane] + SUMS_KIND_HIGHxWIDE[lane + BOTHu / 4u];
        ?sums let second = SUMS_KIND_HIGHxWIDE[lane + 2u * (BOTHu / 4u)] + SUMS_KIND_HIGHxWIDE[lane + 3u * (BOTHu / 4u)];
        ?sums store_sums(group.z, corner.y + lane, first + second);
    ?sums }
}

// tile end
