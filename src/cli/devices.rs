//! `gradus devices`: which adapters there are, their limits, and which one `auto` takes.

use super::args::Devices;
use super::print;
use super::train::device_json;
use crate::error::Result;
use crate::exec::{Device, DeviceInfo};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) fn devices(args: &Devices) -> Result<ExitCode> {
    let auto = Device::Auto.open()?;
    let found = adapters();
    if args.json {
        let list: Vec<Value> = found
            .iter()
            .map(|(info, limits, extras)| {
                let mut device = device_json(info);
                limits.iter().for_each(|(name, value)| device[*name] = json!(value));
                extras.iter().for_each(|(name, there)| device[*name] = json!(there));
                device
            })
            .collect();
        print(&json!({"adapters": list, "auto": device_json(auto.info()), "why": auto.why()}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (info, limits, extras) in &found {
        print(&info.to_string())?;
        for (name, value) in limits {
            print(&format!("    {name}: {}", super::progress::thousands(*value as f64)))?;
        }
        for (name, there) in extras {
            print(&format!("    {name}: {there}"))?;
        }
    }
    print("CPU path (always there)")?;
    print(&format!("auto takes: {} ({})", auto.info(), auto.why()))?;
    Ok(ExitCode::SUCCESS)
}

/// An adapter, its limits, and what it offers beyond the core of WebGPU.
type Found = (DeviceInfo, Vec<(&'static str, u64)>, Vec<(&'static str, String)>);

#[cfg(feature = "gpu")]
fn adapters() -> Vec<Found> {
    let found = crate::exec::gpu::offers().into_iter().map(|(info, limits, extras)| {
        let numbers = vec![
            ("bytes of a buffer", limits.max_buffer_size),
            ("bytes of a binding", limits.max_storage_buffer_binding_size),
            ("bytes of workgroup memory", limits.max_compute_workgroup_storage_size.into()),
            ("invocations of a workgroup", limits.max_compute_invocations_per_workgroup.into()),
            ("storage buffers of a stage", limits.max_storage_buffers_per_shader_stage.into()),
        ];
        (info, numbers, extras.list().to_vec())
    });
    found.collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Found> {
    Vec::new()
}
