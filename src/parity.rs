//! Does this device compute right? Every kernel's cases on the device and in the twin, compared; a whole plan in lockstep.

use crate::error::Result;
use crate::exec::{Executor, OpenDevice, cpu::Cpu};
use crate::kernel::{Case, CaseData, CaseStep, KernelInfo, Row, Step, Variant};
use crate::plan::{Buf, Builder, Kind, Plan, ProgramId};

mod lockstep;
mod trial;

pub use lockstep::{LockstepRow, lockstep};
pub(crate) use trial::{Wrong, try_variants};

/// Words after the end of each buffer that no kernel may touch.
const GUARD: usize = 64;
const GUARD_WORD: u32 = 0x5afe_c0de;

/// Where a result was too far from the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The kernel.
    pub kernel: &'static str,
    /// The case.
    pub case: String,
    /// The buffer.
    pub buffer: String,
    /// The element.
    pub index: usize,
    /// What the device has.
    pub got: f64,
    /// What the twin in `f64` has.
    pub wanted: f64,
    /// How far they may be apart.
    pub allowed: f64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mismatch { kernel, case, buffer, index, got, wanted, allowed } = self;
        write!(f, "{kernel}, case {case}: {buffer}[{index}] is {got:e}, should be {wanted:e} within {allowed:e}")
    }
}

/// The worst errors of a kernel over all its cases and variants.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The kernel.
    pub kernel: &'static str,
    /// How many cases were run, each variant counted.
    pub cases: usize,
    /// The largest absolute error.
    pub worst_abs: f64,
    /// The largest error relative to the true value, of those above the absolute floor.
    pub worst_rel: f64,
    /// The largest error in units in the last place of the true value, of those above the absolute floor.
    pub worst_ulp: f64,
    /// The largest share of what was allowed: at most 1 when all is well.
    pub worst_share: f64,
    /// Where the worst share was.
    pub worst_at: String,
    /// The first result that was too far off.
    pub mismatch: Option<Mismatch>,
}

/// Runs all cases of a kernel, with each of its variants, on a device, and compares every buffer with the twin in `f64`.
pub fn check_kernel(kernel: &'static KernelInfo, device: &OpenDevice) -> Result<Outcome> {
    check_cases(kernel, (kernel.cases)(), device)
}

fn check_cases(kernel: &'static KernelInfo, cases: Vec<Case>, device: &OpenDevice) -> Result<Outcome> {
    let mut outcome = Outcome { kernel: kernel.name, ..Outcome::default() };
    for case in cases {
        let (truth, bounds) = truth_of(kernel, &case)?;
        for variant in device.variants(kernel, &case.words) {
            check_case(kernel, &case, variant, &truth, bounds.as_deref(), device, &mut outcome)?;
            outcome.cases += 1;
        }
    }
    Ok(outcome)
}

/// Formulas of a user's own on a device, against their twins.
pub mod check_formula {
    use super::{Outcome, check_cases, named_row};
    use crate::error::{Error, Result};
    use crate::exec::OpenDevice;
    use crate::formula::{FORMULA_FLOOR, Formulas, PointLoss, Pointwise};
    use crate::kernel::Kernel as _;
    use crate::kernels::activation::{self, Activate, ActivateSlope};
    use crate::kernels::elementwise_loss::{self, ElementwiseLoss};
    use std::sync::Arc;

    /// An error when the device makes something else of a loss than its twin does: it says where and by how much.
    pub fn loss(device: &OpenDevice, name: &str, formula: &Arc<dyn PointLoss>) -> Result<()> {
        let formulas = Formulas { activations: Vec::new(), losses: vec![Arc::clone(formula)] };
        let mut cases = elementwise_loss::cases_of(0, name, 8.0, &formulas);
        cases.truncate(3);
        cases.iter_mut().for_each(|case| case.tolerance.absolute = FORMULA_FLOOR);
        judge(name, check_cases(named_row(ElementwiseLoss::NAME), cases, device)?)
    }

    /// The same for an activation.
    pub fn activation(device: &OpenDevice, name: &str, formula: &Arc<dyn Pointwise>) -> Result<()> {
        let formulas = Formulas { activations: vec![Arc::clone(formula)], losses: Vec::new() };
        let mut cases = activation::ordinary_cases_of(1, name, &formulas);
        cases.iter_mut().for_each(|case| case.tolerance.absolute = FORMULA_FLOOR);
        let (slope, value): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.args.len() == 3);
        judge(name, check_cases(named_row(Activate::NAME), value, device)?)?;
        judge(name, check_cases(named_row(ActivateSlope::NAME), slope, device)?)
    }

    fn judge(name: &str, outcome: Outcome) -> Result<()> {
        match outcome.mismatch {
            None => Ok(()),
            Some(mismatch) => Err(Error::input(format!("`{name}` is not the same on this device as in the reference: {mismatch}"))),
        }
    }
}

fn named_row(name: &str) -> &'static KernelInfo {
    crate::kernels::named(name).expect("it is in the table")
}

/// The buffers' contents after each step.
type Snapshots = Vec<Vec<Vec<f64>>>;

/// What the twin in `f64` makes of a case, and for dot products the sum of absolute products behind each number.
fn truth_of(kernel: &'static KernelInfo, case: &Case) -> Result<(Snapshots, Option<Snapshots>)> {
    let variant = &kernel.variants[0];
    let truth = snapshots(case, &mut set_up(kernel, case, &case.words, variant, false, |plan| Ok(Box::new(Cpu::<f64>::new(plan))))?)?;
    let Some(dot) = &case.tolerance.dot else { return Ok((truth, None)) };
    let mut absolute = set_up(kernel, case, &dot.words, variant, true, |plan| Ok(Box::new(Cpu::<f64>::new(plan))))?;
    Ok((truth, Some(snapshots(case, &mut absolute)?)))
}

struct Ready {
    executor: Box<dyn Executor>,
    program: ProgramId,
    args: Vec<Buf>,
}

/// An executor for a case alone: its buffers, each with a guard behind it, and one dispatch.
fn set_up(
    kernel: &'static KernelInfo,
    case: &Case,
    words: &[u32],
    variant: &'static Variant,
    absolute: bool,
    open: impl FnOnce(Plan) -> Result<Box<dyn Executor>>,
) -> Result<Ready> {
    let mut builder = Builder::new(case.members, 1);
    builder.formulas(&case.formulas);
    let mut args = Vec::new();
    for arg in &case.args {
        args.push(match &arg.data {
            CaseData::F32(values) => builder.buffer(arg.name, Kind::F32, values.len() + GUARD),
            CaseData::U32(words) => builder.buffer(arg.name, Kind::U32, words.len() + GUARD),
            CaseData::Steps => Plan::STEPS,
        });
    }
    let program = builder.program("case");
    builder.dispatch_words(kernel, words.to_vec(), &args, case.name.clone());
    let mut plan = builder.finish()?;
    plan.programs[0].dispatches[0].variant = Some(variant);
    let mut executor = open(plan)?;
    for (arg, &buf) in case.args.iter().zip(&args) {
        match &arg.data {
            CaseData::F32(values) => {
                let value = |v: &f32| if absolute { v.abs() } else { *v };
                executor.write(buf, 0, &values.iter().map(value).chain([f32::from_bits(GUARD_WORD); GUARD]).collect::<Vec<_>>())?;
            }
            CaseData::U32(words) => {
                executor.write_words(buf, 0, &words.iter().copied().chain([GUARD_WORD; GUARD]).collect::<Vec<_>>())?;
            }
            CaseData::Steps => {}
        }
    }
    Ok(Ready { executor, program, args })
}

/// Runs a case's steps and reads all buffers after each.
fn snapshots(case: &Case, ready: &mut Ready) -> Result<Snapshots> {
    let mut all = Vec::new();
    for step in &case.steps {
        let mut table = Step::table(case.members);
        let CaseStep { rows, start, slot, part, ref rates } = *step;
        Step::push(&mut table, &Row { rows, start, slot, number: 0, part, rates });
        ready.executor.run(ready.program, &table)?;
        let mut buffers = Vec::new();
        for (arg, &buf) in case.args.iter().zip(&ready.args) {
            buffers.push(match &arg.data {
                CaseData::F32(values) => ready.executor.read_wide(buf, 0, values.len() + GUARD)?,
                CaseData::U32(words) => wide(ready.executor.read_words(buf, 0, words.len() + GUARD)?),
                CaseData::Steps => wide(ready.executor.read_words(buf, 0, table.len())?),
            });
        }
        all.push(buffers);
    }
    Ok(all)
}

fn wide(words: Vec<u32>) -> Vec<f64> {
    words.into_iter().map(f64::from).collect()
}

fn check_case(
    kernel: &'static KernelInfo,
    case: &Case,
    variant: &'static Variant,
    truth: &Snapshots,
    bounds: Option<&[Vec<Vec<f64>>]>,
    device: &OpenDevice,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut ready = set_up(kernel, case, &case.words, variant, false, |plan| device.executor(plan))?;
    let got = snapshots(case, &mut ready)?;
    for (step, (got, truth)) in got.iter().zip(truth).enumerate() {
        for (arg, (got, truth)) in got.iter().zip(truth).enumerate() {
            let exact = !matches!(case.args[arg].data, CaseData::F32(_));
            for (index, (&got, &wanted)) in got.iter().zip(truth).enumerate() {
                if got == wanted || (got.is_nan() && wanted.is_nan()) {
                    continue;
                }
                let mut allowed = 0.0;
                if !exact && wanted.is_finite() {
                    allowed = case.tolerance.absolute.max(case.tolerance.ulp * ulp(wanted));
                    if let (Some(dot), Some(bounds)) = (&case.tolerance.dot, bounds) {
                        allowed = allowed.max(dot.factor * (dot.terms as f64).sqrt() * 2f64.powi(-24) * bounds[step][arg][index]);
                    }
                }
                let error = (got - wanted).abs();
                let share = if error <= allowed { error / allowed } else { f64::INFINITY };
                outcome.worst_abs = outcome.worst_abs.max(error);
                if wanted != 0.0 && error > case.tolerance.absolute {
                    outcome.worst_rel = outcome.worst_rel.max(error / wanted.abs());
                    outcome.worst_ulp = outcome.worst_ulp.max(error / ulp(wanted));
                }
                let place = || format!("{} ({}), step {step}, {}[{index}]", case.name, variant.entry, case.args[arg].name);
                if share > outcome.worst_share {
                    outcome.worst_share = share;
                    outcome.worst_at = place();
                }
                if share > 1.0 && outcome.mismatch.is_none() {
                    outcome.mismatch = Some(Mismatch {
                        kernel: kernel.name,
                        case: format!("{} ({}), step {step}", case.name, variant.entry),
                        buffer: case.args[arg].name.to_string(),
                        index,
                        got,
                        wanted,
                        allowed,
                    });
                }
            }
        }
    }
    Ok(())
}

/// The distance between neighbouring `f32` at the size of `x`.
fn ulp(x: f64) -> f64 {
    let exponent = (x.abs().max(f64::from(f32::MIN_POSITIVE))).log2().floor();
    2f64.powf(exponent - 23.0)
}
