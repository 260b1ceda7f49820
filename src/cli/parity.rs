//! `gradus parity`: does this device compute right? Every kernel against its twin in `f64`, or a whole plan in lockstep.

use super::args::Parity;
use super::config::Config;
use super::{assemble, print, say};
use crate::error::{Error, Result};
use crate::exec::{Device, OpenDevice};
use crate::kernel::KernelInfo;
use crate::kernels;
use crate::parity::{LockstepRow, Outcome, check_kernel, lockstep};
use serde_json::json;
use std::process::ExitCode;

pub(super) fn parity(args: &Parity) -> Result<ExitCode> {
    let kernels = wanted(&args.kernels)?;
    let devices = devices(args)?;
    let mut good = true;
    for device in &devices {
        if !args.json {
            print(&format!("device: {}", device.info()))?;
        }
        good &= match &args.plan {
            Some(config) => {
                let config = Config::open(config, &[])?;
                let data = assemble::prepare(&config)?;
                let mut first = assemble::trainer(&config, &data)?.build_on(device.clone())?.first_step(&data.train)?;
                let rows = lockstep(&mut *first.executor, first.program, &first.table)?;
                lockstep_table(&rows, device, args.json)?
            }
            None => kernels_table(&kernels, device, args.json)?,
        };
    }
    if !good {
        say("parity failed: this device does not compute what the reference does; train with --device cpu and report the lines above");
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The devices to compare: the named one, all, or the first adapter of any kind, else the CPU path.
fn devices(args: &Parity) -> Result<Vec<OpenDevice>> {
    if let Some(name) = &args.device {
        return Ok(vec![Device::parse(name).open()?]);
    }
    let mut found = adapters()?;
    if args.all_devices {
        found.push(Device::Cpu.open()?);
    } else {
        found.truncate(1);
    }
    if found.is_empty() {
        found.push(Device::Auto.open()?);
    }
    Ok(found)
}

#[cfg(feature = "gpu")]
fn adapters() -> Result<Vec<OpenDevice>> {
    crate::exec::gpu::adapters().into_iter().map(|(info, _)| Device::Named(info.name).open()).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Result<Vec<OpenDevice>> {
    Ok(Vec::new())
}

fn wanted(names: &[String]) -> Result<Vec<&'static KernelInfo>> {
    if names.is_empty() {
        return Ok(kernels::all().collect());
    }
    let find = |name: &String| {
        kernels::named(name).ok_or_else(|| {
            let all: Vec<_> = kernels::all().map(|k| k.name).collect();
            Error::input(format!("there is no kernel `{name}`: there are {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn kernels_table(kernels: &[&'static KernelInfo], device: &OpenDevice, as_json: bool) -> Result<bool> {
    let mut good = true;
    if !as_json {
        print(&format!("{:22} {:>5}  {:>9}  {:>9}  {:>9}  {:>7}", "kernel", "cases", "worst abs", "worst rel", "worst ulp", "allowed"))?;
    }
    for kernel in kernels {
        let outcome = check_kernel(kernel, device)?;
        let pass = outcome.mismatch.is_none();
        good &= pass;
        if as_json {
            print(&outcome_json(&outcome, device).to_string())?;
            continue;
        }
        let share = if pass { format!("{:.0} %", 100.0 * outcome.worst_share) } else { "FAILED".into() };
        print(&format!(
            "{:22} {:>5}  {:>9.1e}  {:>9.1e}  {:>9.1e}  {share:>7}",
            outcome.kernel, outcome.cases, outcome.worst_abs, outcome.worst_rel, outcome.worst_ulp
        ))?;
        if let Some(mismatch) = &outcome.mismatch {
            print(&format!("    {mismatch}"))?;
        }
    }
    Ok(good)
}

fn outcome_json(outcome: &Outcome, device: &OpenDevice) -> serde_json::Value {
    json!({
        "kernel": outcome.kernel,
        "adapter": device.info().name,
        "cases": outcome.cases,
        "worst_abs": outcome.worst_abs,
        "worst_rel": outcome.worst_rel,
        "worst_ulp": outcome.worst_ulp,
        "tolerance": if outcome.worst_share.is_finite() { json!(outcome.worst_share) } else { json!(null) },
        "at": outcome.worst_at,
        "pass": outcome.mismatch.is_none(),
        "mismatch": outcome.mismatch.as_ref().map(ToString::to_string),
    })
}

/// Prints the dispatches of a plan in lockstep; whether all were close enough.
pub(super) fn lockstep_table(rows: &[LockstepRow], device: &OpenDevice, as_json: bool) -> Result<bool> {
    for row in rows {
        let pass = row.passes();
        if as_json {
            let LockstepRow { kernel, label, worst, buffer } = row;
            let adapter = &device.info().name;
            print(
                &json!({"kernel": kernel, "label": label, "adapter": adapter, "worst": worst, "buffer": buffer, "pass": pass}).to_string(),
            )?;
        } else {
            let verdict = if pass { "" } else { "  DIFFERS" };
            print(&format!("{:22} {:28} worst {:.1e}{verdict}", row.kernel, row.label, row.worst))?;
        }
    }
    if let Some(row) = rows.iter().find(|row| !row.passes()) {
        say(&format!("the first dispatch that differs: {} of {}, in `{}`", row.kernel, row.label, row.buffer));
        return Ok(false);
    }
    Ok(true)
}
