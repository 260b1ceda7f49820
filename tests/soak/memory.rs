//! What a training holds at a moment: memory of the process, and what was created on the device.

#[cfg(feature = "gpu")]
#[path = "../devices/own.rs"]
mod own;

use gradus::exec::OpenDevice;
use gradus::{Device, Result};

/// A device, and the counters behind it where it is an adapter.
pub(super) struct Watched {
    pub(super) device: OpenDevice,
    #[cfg(feature = "gpu")]
    adapter: Option<wgpu::Device>,
}

/// Memory and counters at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Resident memory of the process; known on Linux.
    pub(super) host_bytes: Option<u64>,
    /// Names and counts of what there is on the device.
    pub(super) counts: Vec<(&'static str, isize)>,
}

impl Watched {
    /// The CPU path, or the first adapter of a backend, or whose name contains the text.
    pub(super) fn named(name: &str) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if name != "cpu" {
            let wanted = name.to_lowercase();
            let matches = |w: &Watched| w.device.info().backend == wanted || w.device.info().name.to_lowercase().contains(&wanted);
            let found = Self::adapters().into_iter().find(matches);
            // of what is not there, the message of whoever looks for devices
            return found.map_or_else(|| Device::Named(name.into()).open().map(|device| Watched { device, adapter: None }), Ok);
        }
        Ok(Watched {
            device: Device::parse(name).open()?,
            #[cfg(feature = "gpu")]
            adapter: None,
        })
    }

    /// All adapters that can be opened.
    #[cfg(feature = "gpu")]
    pub(super) fn adapters() -> Vec<Self> {
        let watch = |(adapter, device)| Watched { device, adapter: Some(adapter) };
        own::own_devices(wgpu::Features::empty()).into_iter().map(watch).collect()
    }

    /// What there is now.
    pub(super) fn read(&self) -> Reading {
        Reading { host_bytes: resident(), counts: self.counts() }
    }

    #[cfg(feature = "gpu")]
    fn counts(&self) -> Vec<(&'static str, isize)> {
        let Some(device) = &self.adapter else { return Vec::new() };
        // all but command encoders, which are made for each submission and given back, and the fences behind them
        let hal = device.get_internal_counters().hal;
        vec![
            ("buffers", hal.buffers.read()),
            ("bytes in buffers", hal.buffer_memory.read()),
            ("allocations", hal.memory_allocations.read()),
            ("bind groups", hal.bind_groups.read()),
            ("bind group layouts", hal.bind_group_layouts.read()),
            ("pipeline layouts", hal.pipeline_layouts.read()),
            ("pipelines", hal.compute_pipelines.read()),
            ("shader modules", hal.shader_modules.read()),
        ]
    }

    #[cfg(not(feature = "gpu"))]
    fn counts(&self) -> Vec<(&'static str, isize)> {
        Vec::new()
    }
}

impl Reading {
    /// The counts in a line.
    pub(super) fn device(&self) -> String {
        self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }
}

/// Pages of the process that are in memory, times 4 KiB: the second word of statm.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(4096 * text.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

/// How much the process may grow beside what the report keeps of each step.
const SLACK: u64 = 4 << 20;

/// What grew from the end of the first tenth (of at least one epoch) to the end, one reading an epoch of so many steps.
pub(super) fn faults(readings: &[Reading], steps: usize) -> Vec<String> {
    let settled = readings.len() / 10;
    let (Some(before), Some(after)) = (readings.get(settled), readings.last()) else { return vec!["no epoch was trained".into()] };
    let mut faults = Vec::new();
    // a loss of 4 bytes a step, in a vector that doubles; a record of an epoch and its look at the flow of gradients
    let kept = ((readings.len() - settled) * (8 * steps + 2048)) as u64;
    if let (Some(before), Some(after)) = (before.host_bytes, after.host_bytes)
        && after > before + kept + SLACK
    {
        faults.push(format!("the host's memory grew from {before} to {after} bytes, by more than the report's {kept} and {SLACK}"));
    }
    for (epoch, reading) in readings.iter().enumerate().skip(1) {
        for ((what, now), (_, first)) in reading.counts.iter().zip(&readings[0].counts) {
            if now > first {
                faults.push(format!("{first} {what} after the first epoch, {now} after epoch {}", epoch + 1));
                return faults;
            }
        }
    }
    faults
}
