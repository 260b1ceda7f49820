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

/// A number of an input, up or down by a rounding. Whole numbers are what they are: codes, counts and flags are exact.
fn nearby(value: f32, at: usize) -> f64 {
    let value = f64::from(value);
    match value.fract() == 0.0 {
        true => value,
        // neighbours go different ways, and so do rows of any width
        false if (at as u32).wrapping_mul(0x9e37_79b9) >> 31 == 0 => value * (1.0 + ROUNDING),
        false => value * (1.0 - ROUNDING),
    }
}

/// The largest error of a buffer beyond `floor`, relative to the largest number of it or of what it was made of. Where the twin overflows, a device
/// may have any number that is not finite, as WGSL promises none; where a rounding decides whether it does, anything.
fn worst(got: &[f32], wanted: &[f64], moved: &[f64], floor: f64) -> f64 {
    let made_of = wanted.iter().zip(moved).map(|(wanted, moved)| (wanted - moved).abs() / ROUNDING);
    let size = wanted.iter().map(|x| x.abs()).chain(made_of).filter(|x| x.is_finite()).fold(f64::from(f32::MIN_POSITIVE), f64::max);
    let error = |((&got, &wanted), &moved): ((&f32, &f64), &f64)| {
        let apart = (f64::from(got) - wanted).abs();
        match (wanted.is_finite(), moved.is_finite()) {
            (true, true) if apart <= floor => 0.0,
            (true, true) => apart / size,
            (false, false) if got.is_finite() => f64::NAN,
            _ => 0.0,
        }
    };
    let errors = got.iter().zip(wanted).zip(moved).map(error);
    errors.fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

/// Runs a program's dispatches one at a time on a device, each followed by the twin in `f64` from the same buffers.
/// The executor comes with its buffers filled; `table` is one step.
pub fn lockstep(executor: &mut dyn Executor, program: ProgramId, table: &[u32]) -> Result<Vec<LockstepRow>> {
    let plan = executor.plan().clone();
    let mut judge = Cpu::<f64>::new(plan.clone());
    let mut rows = Vec::new();
    executor.write_words(Plan::STEPS, 0, table)?;
    for (number, dispatch) in plan.program(program).dispatches.iter().enumerate() {
        let mut inputs = Vec::new();
        for &buf in &dispatch.args {
            let len = plan.buffer(buf).len;
            inputs.push(match plan.buffer(buf).kind {
                Kind::F32 => Cells::Real(executor.read(buf, 0, len)?),
                Kind::U32 => Cells::Word(executor.read_words(buf, 0, len)?),
            });
        }
        executor.run_one(program, number, table)?;
        let mut judged = |moved: bool| -> Result<Vec<Vec<f64>>> {
            for (&buf, cells) in dispatch.args.iter().zip(&inputs) {
                match cells {
                    Cells::Real(values) if moved => {
                        values.iter().enumerate().for_each(|(at, &value)| judge.set(buf, at, nearby(value, at)))
                    }
                    Cells::Real(values) => judge.write(buf, 0, values)?,
                    Cells::Word(words) => judge.write_words(buf, 0, words)?,
                }
            }
            judge.run_one(program, number, table)?;
            let numbers = |&buf: &Buf| if plan.buffer(buf).kind == Kind::F32 { judge.values(buf) } else { Vec::new() };
            Ok(dispatch.args.iter().map(numbers).collect())
        };
        let (moved, truth) = (judged(true)?, judged(false)?);
        let floor = (dispatch.kernel.floor)(&dispatch.words, &plan.formulas);
        let mut row = LockstepRow { kernel: dispatch.kernel.name, label: dispatch.label.clone(), worst: 0.0, buffer: String::new() };
        for ((&buf, wanted), moved) in dispatch.args.iter().zip(&truth).zip(&moved) {
            let Buffer { kind, len, .. } = *plan.buffer(buf);
            let worst = match kind {
                Kind::F32 => worst(&executor.read(buf, 0, len)?, wanted, moved, floor),
                // of words there is no rounding
                Kind::U32 if executor.read_words(buf, 0, len)? == judge.read_words(buf, 0, len)? => 0.0,
                Kind::U32 => f64::INFINITY,
            };
            if worst > row.worst || worst.is_nan() {
                row.worst = worst;
                row.buffer = plan.buffer(buf).name.clone();
            }
        }
        rows.push(row);
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
                worst: worst(&[got as f32], &[wanted], &[moved], 0.0),
                buffer: String::new(),
            };
            row.passes()
        };
        assert!(passes(rounding, 0.0, rounding));
        assert!(!passes(rounding, 0.0, 0.0), "a sum of zeros is 0");
        assert!(!passes(1e-4, 0.0, rounding), "more than a hundred roundings");
        assert_eq!(worst(&[3e-5], &[2e-5], &[2e-5], 2e-5), 0.0, "what a formula may be off");
        assert!(passes(1.0 + 1e-6, 1.0, 1.0) && !passes(1.0 + 1e-4, 1.0, 1.0));
        let (none, over) = (f64::NAN, f64::INFINITY);
        assert!(!passes(none, 1.0, 1.0) && !passes(over, 1.0, 1.0) && !passes(1.0, none, none) && !passes(1.0, over, over));
        assert!(passes(none, over, over) && passes(over, none, none) && passes(over, 1.0, over), "an overflow is one");
    }

    #[test]
    fn whole_numbers_do_not_move() {
        assert_eq!([0.0, 1.0, -3.0, 65_536.0].map(|value| nearby(value, 1)), [0.0, 1.0, -3.0, 65_536.0]);
        let moved: Vec<bool> = (0..64).map(|at| nearby(0.3, at) > f64::from(0.3f32)).collect();
        assert!(moved.contains(&true) && moved.contains(&false));
    }
}
