//! Every kernel of the table against its twin in `f64`: on the CPU path in `f32`, and on every adapter there is.

#![expect(clippy::print_stdout, reason = "the worst errors are worth seeing with --nocapture")]

use gradus::exec::OpenDevice;
use gradus::kernels;
use gradus::{Device, parity};

fn check(device: &OpenDevice) {
    let mut faults = Vec::new();
    for kernel in kernels::all() {
        let outcome = parity::check_kernel(kernel, device).expect("the device runs the cases");
        println!(
            "{:24} {:3} cases, worst {:.1e} abs, {:.1e} rel, {:.1} ulp, {:.2} of what is allowed, at {}",
            outcome.kernel, outcome.cases, outcome.worst_abs, outcome.worst_rel, outcome.worst_ulp, outcome.worst_share, outcome.worst_at
        );
        faults.extend(outcome.mismatch.map(|m| m.to_string()));
    }
    assert!(faults.is_empty(), "{}:\n{}", device.info(), faults.join("\n"));
}

#[test]
fn the_cpu_path_agrees_with_the_truth() {
    check(&Device::Cpu.open().unwrap());
}

#[test]
fn every_kernel_has_at_least_four_cases_and_one_with_a_short_batch() {
    for kernel in kernels::all() {
        let cases = (kernel.cases)();
        assert!(cases.len() >= 4, "{} has {} cases", kernel.name, cases.len());
        assert!(cases.iter().any(|c| c.members == 3), "{} has no case with three members", kernel.name);
        let batched = (kernel.cases)().iter().any(|c| c.steps.windows(2).any(|w| w[0].rows != w[1].rows));
        // a kernel over an arena does not ask how many rows are live
        let text = kernel.wgsl(&kernels::formulas()).replace("p.rows", "");
        let arena = !text.contains(".rows") && !text.contains("row_of(");
        assert!(batched || arena, "{} has no case with a short batch", kernel.name);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn every_adapter_agrees_with_the_truth() {
    let adapters = gradus::exec::gpu::adapters();
    assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    for (info, _) in adapters {
        println!("{info}");
        check(&Device::Named(info.name).open().unwrap());
    }
}
