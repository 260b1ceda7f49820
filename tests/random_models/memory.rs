//! What the plans of random models take of a device's memory.

#[cfg(feature = "gpu")]
#[path = "../devices/own.rs"]
mod own;

use super::{first_step, hold};
use gradus::exec::{DeviceType, OpenDevice};
use gradus::plan::Plan;

/// How many bytes an executor for a plan takes, and how many of them may be there beside those that were told.
fn taken(device: &OpenDevice, plan: &Plan) -> Option<(u64, u64)> {
    match device.info().kind {
        DeviceType::Cpu => {
            let mut executor = None;
            let taken = allocation_counter::measure(|| executor = device.executor(plan.clone()).ok()).bytes_current as u64;
            // beside the numbers there are the plan, a place in a list for a buffer, for a dispatch, and for each of its arguments
            let copy = allocation_counter::measure(|| drop(plan.clone())).bytes_total;
            let dispatches = plan.programs.iter().flat_map(|program| &program.dispatches);
            let lists = 64 * plan.buffers.len() + dispatches.map(|d| 64 + 8 * d.args.len()).sum::<usize>() + 4096;
            Some((taken, copy + lists as u64))
        }
        _ => on_adapter(device, plan),
    }
}

#[cfg(not(feature = "gpu"))]
fn on_adapter(_: &OpenDevice, _: &Plan) -> Option<(u64, u64)> {
    None
}

/// As wgpu's own counters say it of a device that nobody else uses.
#[cfg(feature = "gpu")]
fn on_adapter(device: &OpenDevice, plan: &Plan) -> Option<(u64, u64)> {
    use gradus::exec::gpu::wgpu;
    use std::sync::{LazyLock, Once};
    static COUNTED: LazyLock<Vec<(wgpu::Device, OpenDevice)>> = LazyLock::new(|| {
        // all that it has: the plan may be of a model in mixed precision
        own::own_devices(wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP)
    });
    let (counted, open) = COUNTED.iter().find(|(_, open)| open.info() == device.info()).expect("the same adapters");
    let read = || {
        counted.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let counters = counted.get_internal_counters().hal;
        (counters.buffers.read(), counters.buffer_memory.read())
    };
    // what a device itself begins with goes with its first submissions
    static FIRST: Once = Once::new();
    FIRST.call_once(|| drop(open.executor(plan.clone()).unwrap()));
    // what the last one had may be given back a poll later
    let mut before = read();
    while read() != before {
        before = read();
    }
    let _executor = open.executor(plan.clone()).unwrap();
    let after = read();
    assert!(after.0 > before.0, "nothing is counted: the feature `counters` is off");
    // a driver rounds a buffer's size up to its own alignment
    Some(((after.1 - before.1) as u64, 256 * (after.0 - before.0) as u64))
}

#[test]
fn the_memory_that_a_random_plan_takes_is_what_was_told() {
    hold("the memory that is told is what is taken", |random, device| {
        let first = first_step(random, device)?;
        let plan = first.compiled.plan;
        drop(first.executor);
        let device = device.clone().with_binding(u64::MAX);
        let told_bytes = device.memory(&plan);
        let largest = plan.buffers.iter().map(|buffer| 4 * buffer.len as u64).max().unwrap_or_default();
        for (limited, fits) in [
            (device.clone().with_memory(told_bytes), true),
            (device.clone().with_memory(told_bytes - 1), false),
            (device.clone().with_binding(largest), true),
            (device.clone().with_binding(largest - 1), false),
        ] {
            if limited.executor(plan.clone()).is_ok() != fits {
                return Err(format!("of {told_bytes} bytes, {largest} in the largest buffer, {:?} allow {}", limited.limits(), !fits));
            }
        }
        let Some((taken, more)) = taken(&device, &plan) else { return Ok(()) };
        match (told_bytes..=told_bytes + more).contains(&taken) {
            true => Ok(()),
            false => Err(format!("{told_bytes} bytes were told, {taken} are taken, where {more} more may be")),
        }
    });
}
