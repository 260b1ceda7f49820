
// ---- common.wgsl: appended to every kernel -------------------------------------------------------------------
// Binding 0 is the kernel's uniform, 1 the table of steps, 2 and on the kernel's buffers.
// The table: [words of a row, first row, a cursor for each member, then the rows]. A row: [rows, start, slot, number, part, then four
// numbers a member: rate, c1, c2, weight of the batch]. Part: bit 0 the first of an accumulated batch, bit 1 the last.
@group(0) @binding(1) var<storage, read> steps: array<u32>;

struct Step { rows: u32, start: u32, slot: u32, number: u32, part: u32, total: f32 }

fn current_step(member: u32) -> Step {
    let row = steps[1] + steps[2u + member] * steps[0];
    let total = bitcast<f32>(steps[row + 8u + 4u * member]);
    return Step(steps[row], steps[row + 1u], steps[row + 2u], steps[row + 3u], steps[row + 4u], total);
}

// A 1-D grid folded into x and y: no dimension may have more than 65,535 workgroups.
fn flat_index(id: vec3<u32>, groups: vec3<u32>, size: u32) -> u32 {
    return id.x + id.y * groups.x * size;
}

// Drivers may assume that NaN and infinity do not occur, so the bits are asked.
fn not_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}
