//! Before its first use on a device, a variant that rests on an optional feature of adapters computes a small case.

use super::{Mismatch, Outcome, check_case, truth_of};
use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::formula::Formulas;
use crate::kernel::{Case, Family, KernelInfo, Variant};
use crate::plan::Plan;

/// A variant of a kernel, or a shader composed of many, that a device got wrong when it was tried, and is not used there.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    /// Its entry point.
    pub(crate) entry: &'static str,
    /// What was wrong.
    pub(crate) what: String,
}

/// Tries the variants that a device would run for a plan and that rest on optional features of adapters, each once a device. What it gets wrong is
/// not used: another variant takes its place, and it is told. An error where none can: nothing takes the place of the shared tiles of halves.
pub(crate) fn try_variants(device: &OpenDevice, plan: &Plan) -> Result<Vec<Wrong>> {
    let mut all = Vec::new();
    // what takes the place of a variant may have to be tried, too
    while let Some((kernel, variant)) = device.untried(plan).first().copied() {
        let what = match try_variant(kernel, variant, &plan.formulas, device) {
            Ok(None) => {
                device.tried(variant, true);
                continue;
            }
            Ok(Some(mismatch)) => mismatch.to_string(),
            Err(Error::Device(refusal)) => refusal,
            Err(error) => return Err(error),
        };
        if let Family::SharedHalf(_) = variant.family {
            return Err(Error::Device(format!(
                "{} gets products of f16 wrong ({what}): use precision = \"full\", a newer driver, or --device cpu",
                device.info()
            )));
        }
        device.tried(variant, false);
        all.push(Wrong { entry: variant.entry, what });
    }
    Ok(all)
}

/// Tries a variant on a device with the formulas of a plan: the first result that is too far from the twin in `f64`, if any. The pipeline is the
/// one that the plan uses, so that no shader is compiled for the trial alone.
fn try_variant(
    kernel: &'static KernelInfo,
    variant: &'static Variant,
    formulas: &Formulas,
    device: &OpenDevice,
) -> Result<Option<Mismatch>> {
    let Some(case) = (kernel.trial)(variant.family.is_half()) else { return Ok(None) };
    let case = Case { formulas: formulas.clone(), ..case };
    let (truth, bounds) = truth_of(kernel, &case)?;
    let mut outcome = Outcome { kernel: kernel.name, ..Outcome::default() };
    // what the run may use of the device's memory is no bound for a trial, which is gone before it
    check_case(kernel, &case, variant, &truth, bounds.as_deref(), &device.clone().with_memory(u64::MAX), &mut outcome)?;
    Ok(outcome.mismatch)
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::*;
    use crate::exec::gpu::adapters;
    use crate::exec::{Device, DeviceType};
    use crate::kernel::{Kernel as _, Params as _, Part, Row, Step};
    use crate::kernels::dense_forward::DenseForward;
    use crate::plan::{Buf, Builder, Kind, Program, ProgramId};

    /// Lanes take what lane 0 has, and operands are not the ones that were brought.
    fn wrong(variants: &[Variant]) -> String {
        DenseForward::wgsl_of(variants).replace("], 1u);", "], 0u);").replace("vec4<f16>(next[0])", "vec4<f16>(next[1])")
    }

    /// Tensor cores get operands that are not the ones that were brought.
    fn wrong_matrices(variants: &[Variant]) -> String {
        DenseForward::wgsl_of(variants).replace("vec4<f16>(next0[0])", "vec4<f16>(next0[1])")
    }

    static WRONG_MATRICES: KernelInfo = KernelInfo::of::<DenseForward>().doctored(wrong_matrices);
    static WRONG: KernelInfo = KernelInfo::of::<DenseForward>().doctored(wrong);
    static RIGHT: KernelInfo = KernelInfo::of::<DenseForward>();

    fn plan(kernel: &'static KernelInfo, half: u32) -> Plan {
        let layer = DenseForward {
            rows: 8,
            inputs4: 8,
            outputs: 32,
            outputs4: 8,
            members: 1,
            arena4: 512,
            weight4: 0,
            bias4: 256,
            has_bias: 1,
            kind: 0,
            half,
        };
        let mut builder = Builder::new(1, 3);
        let args = [("x", 256), ("params", 2048), ("a", 256)].map(|(name, len)| builder.buffer(name, Kind::F32, len));
        builder.program(Program::TRAIN);
        builder.dispatch_words(kernel, layer.words(), &args, "layer");
        builder.finish().expect("a plan of one dispatch")
    }

    #[test]
    fn a_variant_that_a_device_gets_wrong_is_not_used() {
        for (info, _) in adapters() {
            // a device each: what it got wrong is remembered
            let [device, other, third] = [(); 3].map(|()| Device::Named(info.name.clone()).open().unwrap());
            let entry = |device: &OpenDevice, plan: &Plan| device.entry(&plan.programs[0].dispatches[0]);
            let (bad, good) = (plan(&WRONG, 0), plan(&RIGHT, 0));
            let optional = entry(&device, &good).contains("subgroup");
            let found = try_variants(&device, &bad).unwrap();
            assert_eq!(found.len(), usize::from(optional), "{info}: {found:?}");
            assert!(!entry(&device, &bad).contains("subgroup"), "{info}");
            assert!(found.iter().all(|wrong| wrong.entry == "dense_forward_subgroup_8" && wrong.what.contains("should be")), "{found:?}");
            assert!(try_variants(&other, &good).unwrap().is_empty(), "{info}: what is right stays");
            assert_eq!(entry(&other, &good).contains("subgroup"), optional, "{info}");
            assert!(other.untried(&good).is_empty(), "{info}: once a device");
            // a plan that asks for it by name has it all the same
            if optional {
                let mut asking = bad.clone();
                asking.programs[0].dispatches[0].variant = WRONG.variants.iter().find(|v| v.entry == "dense_forward_subgroup_8");
                assert_eq!(try_variants(&third, &asking).unwrap().len(), 1, "{info}");
            }
        }
    }

    /// Right alone, where every invocation begins anew; a shader that calls it more than once finds what it left behind.
    fn forgetful(variants: &[Variant]) -> String {
        let text = DenseForward::wgsl_of(variants)
            .replace("fn live_rows(member: u32) -> u32 {", "fn live_rows(member: u32) -> u32 { calls += 1u;");
        text.replace("activate(p.kind, sum + b)", "activate(p.kind, f32(calls) * sum + b)") + "\nvar<private> calls: u32;\n"
    }

    static FORGETFUL: KernelInfo = KernelInfo::of::<DenseForward>().doctored(forgetful);

    #[test]
    fn steps_that_a_device_does_wrong_whole_are_done_kernel_by_kernel() {
        let table = |steps: usize| {
            let mut table = Step::table(1);
            (0..steps).for_each(|_| {
                Step::push(&mut table, &Row { rows: 8, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[[0.0; 4]] })
            });
            table
        };
        for (info, _) in adapters() {
            let device = Device::Named(info.name.clone()).open().unwrap().taken_for(DeviceType::Discrete).with_whole_steps(true);
            let tried = |kernel: &'static KernelInfo, steps: &[usize]| -> Vec<Option<String>> {
                let plan = plan(kernel, 0);
                assert!(device.whole_steps(&plan, ProgramId(0)).is_some(), "{info}");
                let [x, params, a] = [1, 2, 3].map(Buf);
                let mut executor = device.executor(plan).unwrap();
                executor.write(x, 0, &[1.0; 256]).unwrap();
                executor.write(params, 0, &[0.5; 2048]).unwrap();
                executor.write(a, 0, &[7.0; 256]).unwrap();
                let told = steps.iter().map(|&steps| executor.try_whole(ProgramId(0), &table(steps)).unwrap()).collect();
                assert_eq!(executor.read(a, 0, 256).unwrap(), [7.0; 256], "{info}: what was there is there again");
                // 8 · 4 products of 1 and 0.5, and a bias of 0.5
                executor.run(ProgramId(0), &table(3)).unwrap();
                assert_eq!(executor.read(a, 0, 256).unwrap(), [16.5; 256], "{info}");
                told
            };
            assert_eq!(tried(&RIGHT, &[1, 2]), [None, None], "{info}");
            // in one step nothing is left behind yet; what was told is not told again
            let told = tried(&FORGETFUL, &[1, 2, 2]);
            assert!(matches!(&told[..], [None, Some(what), None] if what == "a[0] is 3.25e1, should be 1.65e1"), "{info}: {told:?}");
        }
    }

    #[test]
    fn halves_take_the_place_of_tensor_cores_that_a_device_gets_wrong() {
        for (info, _) in adapters() {
            let device = Device::Named(info.name.clone()).open().unwrap().taken_for(DeviceType::Discrete);
            let (bad, good) = (plan(&WRONG_MATRICES, 1), plan(&RIGHT, 1));
            let entry = |plan: &Plan| device.entry(&plan.programs[0].dispatches[0]);
            if !entry(&good).contains("cooperative") {
                continue;
            }
            let found = try_variants(&device, &bad).unwrap();
            let entries: Vec<_> = found.iter().map(|wrong| wrong.entry).collect();
            assert_eq!((entries.len(), entries[0].contains("cooperative_")), (1, true), "{info}: {found:?}");
            assert!(found[0].what.contains("should be"), "{found:?}");
            assert_eq!(entry(&bad), "dense_forward_half_32x32", "{info}");
            assert_eq!(device.untried(&bad).len(), 0, "{info}: it was tried, too");
            let other = Device::Named(info.name.clone()).open().unwrap().taken_for(DeviceType::Discrete);
            assert!(try_variants(&other, &good).unwrap().is_empty(), "{info}: what is right stays");
            assert!(other.entry(&good.programs[0].dispatches[0]).contains("cooperative"), "{info}");
        }
    }

    #[test]
    fn halves_that_a_device_gets_wrong_are_refused_by_name() {
        for (info, _) in adapters() {
            let device = Device::Named(info.name.clone()).open().unwrap();
            if device.check_precision(crate::precision::Precision::Mixed).is_err() {
                continue;
            }
            let message = try_variants(&device, &plan(&WRONG, 1)).unwrap_err().to_string();
            assert!(message.contains(&info.driver) && message.contains("precision = \"full\""), "{message}");
            let again = try_variants(&device, &plan(&WRONG, 1));
            assert!(again.is_err(), "{info}: and again, not passed over");
            assert!(try_variants(&device, &plan(&RIGHT, 1)).unwrap().is_empty());
        }
    }
}
