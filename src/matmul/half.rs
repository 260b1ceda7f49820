//! Operands rounded to `f16`, as the devices' tiles of halves round them.

use super::Matrix;
use half::f16;
use half::slice::HalfFloatSliceExt as _;
use std::cell::Cell;

thread_local! {
    /// Room for the two rounded operands of a product; taken while in use.
    static ROOM: Cell<[Vec<f32>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Calls `act` with `f16(up·A)` and `f16(B)`: to the nearest, ties to even, infinite beyond 65,504.
pub(crate) fn with_halves(a: Matrix<'_, f32>, b: Matrix<'_, f32>, up: f32, act: impl FnOnce(Matrix<'_, f32>, Matrix<'_, f32>)) {
    let [mut left, mut right] = ROOM.take();
    left.clear();
    left.extend(a.cells().iter().map(|&x| up * x));
    right.clear();
    right.extend_from_slice(b.cells());
    round(&mut left);
    round(&mut right);
    act(a.over(&left), b.over(&right));
    ROOM.set([left, right]);
}

/// Rounds each number to the nearest `f16`.
fn round(cells: &mut [f32]) {
    let mut halves = [f16::ZERO; 64];
    for chunk in cells.chunks_mut(halves.len()) {
        let halves = &mut halves[..chunk.len()];
        halves.convert_from_f32_slice(chunk);
        halves.convert_to_f32_slice(chunk);
    }
}

/// The same for the truth, whose operands are numbers in `f32` (and a scale that is a power of two).
pub(crate) fn round_wide(x: f64) -> f64 {
    f16::from_f32(x as f32).to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_half_and_ties_to_even() {
        // neighbours of 1 are 2⁻¹⁰ apart, the largest is 65,504 = (2 − 2⁻¹⁰)·2¹⁵ with 32 to the next, the smallest is 2⁻²⁴
        let ulp = 2f32.powi(-10);
        for (x, wanted) in [
            (1.0 + 0.5 * ulp, 1.0),
            (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
            (-1.0 - 0.51 * ulp, -1.0 - ulp),
            (65_519.996, 65_504.0),
            (65_520.0, f32::INFINITY),
            (-1e9, f32::NEG_INFINITY),
            (2f32.powi(-24), 2f32.powi(-24)),
            (2f32.powi(-25), 0.0),
            (1.01 * 2f32.powi(-25), 2f32.powi(-24)),
        ] {
            let mut cells = [x];
            round(&mut cells);
            assert_eq!((cells[0], round_wide(x.into())), (wanted, wanted.into()), "{x}");
        }
    }
}
