//! A whole plan on a device, dispatch by dispatch, each beside the twin in `f64` that starts from the same buffers.

use crate::error::{Error, Result};
use crate::exec::{Executor, cpu::Cpu};
use crate::kernel::Cells;
use crate::plan::{Buf, Buffer, Kind, Plan, ProgramId};

/// One dispatch of a plan in lockstep: how far the device was from the twin in `f64` that started from the same buffers.
#[derive(Debug, Clone)]
pub struct LockstepRow {
    /// The kernel.
    pub kernel: &'static str,
    /// What it is for.
    pub label: String,
    /// The largest error, relative to the largest number of its buffer, or of what it was made of: where sums cancel, what is left of them is
    /// smaller than what rounding leaves. How large that is, is told by how far the twin's results move when its inputs do by a rounding.
    pub worst: f64,
    /// The buffer it was in.
    pub buffer: String,
}

impl LockstepRow {
    /// Whether the device was close enough: 1e-5 of that, a hundred roundings. A NaN is not.
    pub fn passes(&self) -> bool {
        self.worst <= 1e-5
    }
}

/// By how much of itself a number of `f32` is off at most, when it was rounded.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// From one number of `f16` to the next: operands that are rounded to `f16` do not move by less.
const HALF: f64 = 1.0 / (1 << 10) as f64;

/// A dispatch that has what is larger may have been on the way to it by what is no number of `f32`: a power that is divided by the number of rows, and
/// times 0 where a row does not count.
const LARGE: f64 = f32::MAX as f64 / (1 << 20) as f64;
/// In how many ways inputs are moved, at most, until a result is found to depend on them enough: where two terms cancel, they must move apart.
const WAYS: u32 = 8;

/// A number of an input, up or down by a rounding; which of the two is as good as random. Whole numbers are what they are: codes, counts and flags are
/// exact.
fn nearby(value: f32, [way, arg, at]: [u32; 3], rounding: f64) -> f64 {
    let value = f64::from(value);
    let mixed = (at ^ (arg << 24) ^ (way << 28)).wrapping_mul(0x9e37_79b9);
    match (value.fract() == 0.0, (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b) >> 31) {
        (true, _) => value,
        (false, 0) => value * (1.0 + rounding),
        (false, _) => value * (1.0 - rounding),
    }
}

/// The largest error of a buffer beyond `floor`, relative to the largest number of it or of what it was made of: `moved` is what comes of inputs that
/// are off by `rounding`. Where the twin has what is no number of `f32`, a device may have any that is not finite, as WGSL promises none; where a
/// rounding decides whether it does, anything.
fn worst(got: &[f32], [wanted, moved]: [&[f64]; 2], rounding: f64, floor: f64, overflows: bool) -> f64 {
    let fits = |x: f64| x.abs() <= f64::from(f32::MAX);
    let made_of = wanted.iter().zip(moved).map(|(wanted, moved)| (wanted - moved).abs() / rounding);
    let size = wanted.iter().map(|x| x.abs()).chain(made_of).filter(|&x| fits(x)).fold(f64::from(f32::MIN_POSITIVE), f64::max);
    let error = |((&got, &wanted), &moved): ((&f32, &f64), &f64)| {
        let apart = (f64::from(got) - wanted).abs();
        match (fits(wanted), fits(moved)) {
            (true, true) if !got.is_finite() && overflows => 0.0,
            (true, true) if apart <= floor => 0.0,
            (true, true) => apart / size,
            (false, false) if got.is_finite() => f64::NAN,
            _ => 0.0,
        }
    };
    let errors = got.iter().zip(wanted).zip(moved).map(error);
    errors.fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

/// The largest error of a dispatch's buffers, and the number of the argument that has it.
fn largest(got: &[Cells<f32>], wanted: &[Cells<f64>], moved: &[Cells<f64>], rounding: f64, floor: f64) -> (f64, usize) {
    let is_large = |cells: &Cells<f64>| matches!(cells, Cells::Real(values) if values.iter().any(|x| x.is_nan() || x.abs() > LARGE));
    let (mut largest, overflows) = ((0.0, 0), wanted.iter().any(is_large));
    for (arg, ((got, wanted), moved)) in got.iter().zip(wanted).zip(moved).enumerate() {
        let worst = match (got, wanted, moved) {
            (Cells::Real(got), Cells::Real(wanted), Cells::Real(moved)) => worst(got, [wanted, moved], rounding, floor, overflows),
            // of words there is no rounding
            (Cells::Word(got), Cells::Word(wanted), _) if got == wanted => 0.0,
            _ => f64::INFINITY,
        };
        if worst > largest.0 || worst.is_nan() {
            largest = (worst, arg);
        }
    }
    largest
}

/// Runs a program's dispatches one at a time on a device, each followed by the twin in `f64` from the same buffers.
/// The executor comes with its buffers filled; `table` is one step.
pub fn lockstep(executor: &mut dyn Executor, program: ProgramId, table: &[u32]) -> Result<Vec<LockstepRow>> {
    let plan = executor.plan().clone();
    let mut judge = Cpu::<f64>::new(plan.clone());
    let mut rows = Vec::new();
    executor.write_words(Plan::STEPS, 0, table)?;
    for (number, dispatch) in plan.program(program).dispatches.iter().enumerate() {
        let read = |executor: &mut dyn Executor| -> Result<Vec<Cells<f32>>> {
            let cells = |&buf: &Buf| match plan.buffer(buf) {
                Buffer { kind: Kind::F32, len, .. } => executor.read(buf, 0, *len).map(Cells::Real),
                Buffer { kind: Kind::U32, len, .. } => executor.read_words(buf, 0, *len).map(Cells::Word),
            };
            dispatch.args.iter().map(cells).collect()
        };
        let inputs = read(executor)?;
        executor.run_one(program, number, table)?;
        let got = read(executor)?;
        let rounding = if (dispatch.kernel.half)(&dispatch.words) { HALF } else { ROUNDING };
        let mut judged = |way: Option<u32>| -> Result<Vec<Cells<f64>>> {
            for (arg, (&buf, cells)) in (0..).zip(dispatch.args.iter().zip(&inputs)) {
                match (cells, way) {
                    (Cells::Real(values), Some(way)) => {
                        (0..).zip(values).for_each(|(at, &value)| judge.set(buf, at as usize, nearby(value, [way, arg, at], rounding)));
                    }
                    (Cells::Real(values), None) => judge.write(buf, 0, values)?,
                    (Cells::Word(words), _) => judge.write_words(buf, 0, words)?,
                }
            }
            judge.run_one(program, number, table)?;
            let cells = |(&buf, cells): (&Buf, &Cells<f32>)| match cells {
                Cells::Real(_) => Ok(Cells::Real(judge.values(buf))),
                Cells::Word(words) => judge.read_words(buf, 0, words.len()).map(Cells::Word),
            };
            dispatch.args.iter().zip(&inputs).map(cells).collect()
        };
        let floor = (dispatch.kernel.floor)(&dispatch.words, &plan.formulas);
        let wanted = judged(None)?;
        for way in 0..WAYS {
            let (worst, arg) = largest(&got, &wanted, &judged(Some(way))?, rounding, floor);
            let buffer = plan.buffer(dispatch.args[arg]).name.clone();
            let row = LockstepRow { kernel: dispatch.kernel.name, label: dispatch.label.clone(), worst, buffer };
            if row.passes() || way + 1 == WAYS {
                rows.push(row);
                break;
            }
        }
    }
    match rows.is_empty() {
        true => Err(Error::input("the program has no dispatch to compare")),
        false => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounding_leaves_of_a_sum_that_cancels_is_small_beside_what_was_summed() {
        // 0.3 − 0.3: left is a rounding of 0.3, and that is how far the sum moves when one of the two does
        let rounding = 0.3 * ROUNDING;
        let passes = |got: f64, wanted: f64, moved: f64| {
            let row = LockstepRow {
                kernel: "",
                label: String::new(),
                worst: worst(&[got as f32], [&[wanted], &[moved]], ROUNDING, 0.0, wanted.abs() > LARGE),
                buffer: String::new(),
            };
            row.passes()
        };
        assert!(passes(rounding, 0.0, rounding));
        assert!(!passes(rounding, 0.0, 0.0), "a sum of zeros is 0");
        assert!(!passes(1e-4, 0.0, rounding), "more than a hundred roundings");
        assert_eq!(worst(&[3e-5], [&[2e-5], &[2e-5]], ROUNDING, 2e-5, false), 0.0, "what a formula may be off");
        assert!(passes(1.0 + 1e-6, 1.0, 1.0) && !passes(1.0 + 1e-4, 1.0, 1.0));
        let (none, over) = (f64::NAN, f64::INFINITY);
        assert!(!passes(none, 1.0, 1.0) && !passes(over, 1.0, 1.0) && !passes(1.0, none, none) && !passes(1.0, over, over));
        assert!(passes(none, over, over) && passes(over, none, none) && passes(over, 1.0, over), "an overflow is one");
        assert!(passes(over, 1e39, 1e39) && !passes(1e38, 1e39, 1e39), "in f64 there is room for it");
        assert!(passes(over, 1e36, 1e36) && !passes(over, 1e30, 1e30) && !passes(1e36, 2e36, 2e36), "and for what it is made of");
    }

    #[test]
    fn whole_numbers_do_not_move_and_others_move_apart() {
        assert_eq!([0.0, 1.0, -3.0, 65_536.0].map(|value| nearby(value, [0, 0, 1], HALF)), [0.0, 1.0, -3.0, 65_536.0]);
        let up = |way: u32, arg: u32, at: u32| nearby(0.3, [way, arg, at], ROUNDING) > f64::from(0.3f32);
        // neighbours, rows of any width, the same place of two arguments: in some way they go different ways
        for (from, to) in [([0, 7], [0, 8]), ([0, 3], [0, 67]), ([0, 5], [0, 305]), ([0, 9], [1, 9]), ([1, 0], [4, 0])] {
            assert!((0..WAYS).any(|way| up(way, from[0], from[1]) != up(way, to[0], to[1])), "{from:?} {to:?}");
        }
    }
}
