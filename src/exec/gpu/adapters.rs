//! Adapters: which there are, which one is taken, and what it can hold.

use super::Extras;
use super::choose::{Adapter, choose, fits_a_workgroup};
use super::liberties::experimental;
use super::pipeline::Pipelines;
use super::whole::Text;
use crate::error::{Error, Result};
use crate::exec::{DeviceInfo, DeviceType, Limits, OpenDevice, WholeSteps};
use crate::kernel::Variant;
use crate::plan::{Dispatch, Plan, Program};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An open device, its queue, the pipelines made on it, and the first fault it reported. Clones are the same device.
#[derive(Debug, Clone)]
pub struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: DeviceInfo,
    extras: Extras,
    pipelines: Arc<Pipelines>,
    trials: Arc<Mutex<HashMap<&'static str, bool>>>,
    fault: Arc<Mutex<Option<String>>>,
}

impl Context {
    /// Wraps a device and its queue, and listens for its faults.
    pub fn new(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Context::on(None, device, queue)
    }

    /// The same, where the adapter is known that the device was opened on.
    fn on(adapter: Option<&wgpu::Adapter>, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let fault = Arc::new(Mutex::new(None::<String>));
        let seen = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(format!("the device reported: {error}"));
        }));
        let seen = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            // what else was reported is only what came of it; nobody asks after a device that is dropped at the end
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(lost(reason, &message));
        });
        let info = describe(&device.adapter_info());
        let extras = Extras::granted(&device, adapter);
        Context { device, queue, info, extras, pipelines: Arc::default(), trials: Arc::default(), fault }
    }

    /// The same device, for which it is chosen as for one of this kind.
    pub(crate) fn taken_for(self, kind: DeviceType) -> Self {
        Context { info: DeviceInfo { kind, ..self.info }, ..self }
    }

    /// What the adapter says of itself.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// What the device has beyond the core of WebGPU.
    pub fn extras(&self) -> &Extras {
        &self.extras
    }

    /// Whether the device has all of these features.
    pub fn has(&self, features: wgpu::Features) -> bool {
        self.extras.has(features)
    }

    /// Whether its shaders know `f16`.
    pub(crate) fn has_f16(&self) -> bool {
        self.extras.f16()
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The pipelines that were made on the device.
    pub(super) fn pipelines(&self) -> &Pipelines {
        &self.pipelines
    }

    /// The first fault that was recorded.
    fn recorded(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first fault, as an error; that the device is gone, where it is.
    fn first_fault(&self) -> Option<Error> {
        // that it is gone is told when it is polled; whether that succeeds says nothing more
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.recorded().map(|message| Error::Device(format!("{}: {message}", self.info.name)))
    }

    /// An error where something went wrong.
    pub(super) fn fault(&self) -> Result<()> {
        match self.recorded() {
            None => Ok(()),
            Some(_) => self.first_fault().map_or(Ok(()), Err),
        }
    }

    /// What a call that failed is told as: the first fault, where there is one, or else what the call says. It may know that the device is gone before
    /// anybody is told.
    pub(super) fn failure(&self, what: impl std::fmt::Display) -> Error {
        self.first_fault().unwrap_or_else(|| Error::Device(format!("{}: {what}", self.info.name)))
    }

    /// Waits until the device has done all work, or that of a submission and those before it.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let waited = self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: None });
        waited.map(drop).map_err(|error| self.failure(format!("it stopped answering: {error}")))
    }

    /// Whether the device can run a variant of a kernel.
    pub(crate) fn runs(&self, variant: &Variant) -> bool {
        Adapter::from(self).runs(variant)
    }

    /// The variant of its kernel that this adapter runs for a dispatch.
    pub(crate) fn variant(&self, dispatch: &Dispatch) -> &'static Variant {
        dispatch.variant.unwrap_or_else(|| choose(dispatch.kernel, &dispatch.words, &self.into()))
    }

    /// A program as one shader, where a step of it is so little work that one workgroup should do it all, and it can be one.
    pub(super) fn whole(&self, plan: &Plan, program: &Program) -> Option<Text> {
        if fits_a_workgroup(plan, program) { Text::of(self, plan, program) } else { None }
    }

    /// Its WGSL.
    pub(crate) fn whole_text(&self, plan: &Plan, program: &Program) -> Option<String> {
        self.whole(plan, program).map(Text::into_wgsl)
    }

    /// How a variant's trial on this device ended, by its entry point; `None` where there was none yet.
    pub(crate) fn trial(&self, entry: &'static str) -> Option<bool> {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner).get(entry).copied()
    }

    /// The entry points whose trial failed.
    pub(super) fn wrong(&self) -> Vec<&'static str> {
        let trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.iter().filter(|(_, passed)| !**passed).map(|(entry, _)| *entry).collect()
    }

    /// Remembers how a variant's trial ended. One that failed is not chosen again.
    pub(crate) fn tried(&self, entry: &'static str, passed: bool) {
        self.trials.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, passed);
    }

    /// How many steps of so many operations go into one submission, of which `most` may.
    pub(super) fn submit_steps(&self, flops: u64, most: usize) -> usize {
        match self.info.kind {
            DeviceType::Software => most,
            _ => ((super::SUBMIT_FLOPS / flops.max(1)) as usize).clamp(1, most),
        }
    }

    /// What it can hold.
    pub(crate) fn limits(&self) -> Limits {
        let limits = self.device.limits();
        Limits {
            binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            workgroups: super::choose::workgroups(self.info.kind),
            fused_gather: super::choose::fuses_gather(self.info.kind),
            whole_steps: if self.info.kind.is_gpu() { WholeSteps::IfMany } else { WholeSteps::Never },
            ..Limits::CPU
        }
    }
}

/// What is told of a device that is gone.
fn lost(reason: wgpu::DeviceLostReason, message: &str) -> String {
    match reason {
        wgpu::DeviceLostReason::Destroyed => "the device was destroyed while it was in use: train on one that is kept".to_string(),
        wgpu::DeviceLostReason::Unknown => format!(
            "the device was lost ({message}): where its driver reset it because it was busy for too long, hand over fewer steps at once \
             ([device] submission = 16) or use a smaller batch; otherwise run again, or with --device cpu"
        ),
    }
}

fn describe(info: &wgpu::AdapterInfo) -> DeviceInfo {
    let kind = match info.device_type {
        wgpu::DeviceType::Cpu => DeviceType::Software,
        wgpu::DeviceType::DiscreteGpu => DeviceType::Discrete,
        wgpu::DeviceType::IntegratedGpu => DeviceType::Integrated,
        wgpu::DeviceType::VirtualGpu => DeviceType::Virtual,
        wgpu::DeviceType::Other => DeviceType::Other,
    };
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_string();
    DeviceInfo { name: info.name.clone(), backend: info.backend.to_str().to_string(), kind, driver }
}

/// All adapters, in the order in which `auto` would take them, as far as wgpu's own variables (`WGPU_BACKEND`,
/// `WGPU_ADAPTER_NAME`, `WGPU_POWER_PREF`) let them through.
fn all() -> Vec<wgpu::Adapter> {
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() });
    let mut found = pollster::block_on(instance.enumerate_adapters(backends));
    if let Ok(name) = std::env::var("WGPU_ADAPTER_NAME") {
        found.retain(|a| a.get_info().name.to_lowercase().contains(&name.to_lowercase()));
    }
    let frugal = wgpu::PowerPreference::from_env() == Some(wgpu::PowerPreference::LowPower);
    found.sort_by_key(|a| match describe(&a.get_info()).kind {
        DeviceType::Discrete => 1 + u8::from(frugal),
        DeviceType::Integrated => 2 - u8::from(frugal),
        DeviceType::Virtual => 3,
        DeviceType::Other => 4,
        DeviceType::Software | DeviceType::Cpu => 5,
    });
    found
}

/// What the adapters say of themselves, with their limits, in the order in which `auto` would take them.
pub fn adapters() -> Vec<(DeviceInfo, wgpu::Limits)> {
    offers().into_iter().map(|(info, limits, _)| (info, limits)).collect()
}

/// The same, with what each adapter offers beyond the core of WebGPU.
pub fn offers() -> Vec<(DeviceInfo, wgpu::Limits, Extras)> {
    all().iter().map(|a| (describe(&a.get_info()), a.limits(), Extras::offered(a))).collect()
}

/// What whole steps may use where it is offered: buffers, and bytes of workgroup memory.
const WHOLE_BUFFERS: u32 = 64;
const WHOLE_WORKGROUP: u32 = 32 << 10;

fn open(adapter: &wgpu::Adapter) -> Result<Context> {
    let offered = adapter.limits();
    let buffers = offered.max_storage_buffers_per_shader_stage.min(WHOLE_BUFFERS);
    // WebGPU's defaults, but for memory, of which all is welcome, and for what a shader of whole steps binds and exchanges; nothing else needs more
    let limits = wgpu::Limits {
        max_storage_buffers_per_shader_stage: buffers,
        max_buffers_and_acceleration_structures_per_shader_stage: offered
            .max_buffers_and_acceleration_structures_per_shader_stage
            .min(buffers + 20),
        max_compute_workgroup_storage_size: offered.max_compute_workgroup_storage_size.min(WHOLE_WORKGROUP),
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        ..wgpu::Limits::default()
    };
    let with = |extras: wgpu::Features, experimental_features| {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("gradus"),
            required_features: adapter.features() & extras,
            required_limits: limits.clone(),
            experimental_features,
            ..Default::default()
        };
        pollster::block_on(adapter.request_device(&descriptor))
    };
    // what is experimental is no reason not to open a device
    let mut opened = with(Extras::WANTED | Extras::EXPERIMENTAL, experimental());
    if opened.is_err() {
        opened = with(Extras::WANTED, wgpu::ExperimentalFeatures::disabled());
    }
    match opened {
        Ok((device, queue)) => Ok(Context::on(Some(adapter), device, queue)),
        Err(error) => Err(Error::Device(format!("{} could not be opened: {error}", adapter.get_info().name))),
    }
}

/// The best real GPU, else the CPU path.
pub fn open_best() -> Result<OpenDevice> {
    let found = all();
    let mut software = None;
    let mut failed = None;
    for adapter in &found {
        let info = describe(&adapter.get_info());
        if info.kind == DeviceType::Software {
            software.get_or_insert(info.name);
            continue;
        }
        match open(adapter) {
            Ok(context) => return Ok(OpenDevice::gpu(context, "the best GPU found")),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Ok(OpenDevice::cpu(&match (failed, software) {
        (Some(error), _) => error.to_string(),
        (None, Some(name)) => format!("no GPU found, and {name} is a software driver, slower than the CPU path"),
        (None, None) => "no GPU found".to_string(),
    }))
}

/// The first adapter of a backend, or whose name contains the text.
pub fn open_named(name: &str) -> Result<OpenDevice> {
    let found = all();
    let wanted = name.to_lowercase();
    let matches = |a: &&wgpu::Adapter| {
        let info = describe(&a.get_info());
        info.backend == wanted || info.name.to_lowercase().contains(&wanted)
    };
    match found.iter().find(matches) {
        Some(adapter) => Ok(OpenDevice::gpu(open(adapter)?, "it was asked for")),
        None => {
            let names: Vec<_> = found.iter().map(|a| describe(&a.get_info())).map(|i| format!("{} ({})", i.name, i.backend)).collect();
            let there = if names.is_empty() { "no adapter was found at all".into() } else { format!("found: {}", names.join(", ")) };
            Err(Error::NoDevice(format!(
                "no device `{name}` here ({there}): install its driver, or use --device cpu or --device auto{}",
                if names.is_empty() && cfg!(target_os = "linux") { "; on Linux check `vulkaninfo --summary`" } else { "" }
            )))
        }
    }
}

impl OpenDevice {
    /// A `wgpu` device that the application has already. Its handlers for errors that nobody catches and for the loss of the device are set: validation
    /// errors of the application's own calls are then seen by its error scopes only.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        OpenDevice::gpu(Context::new(device, queue), "the application's own device")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_reset_it_is_told_what_shortens_the_work() {
        let told = lost(wgpu::DeviceLostReason::Unknown, "VK_ERROR_DEVICE_LOST");
        assert!(
            told.contains("VK_ERROR_DEVICE_LOST") && told.contains("[device] submission = 16") && told.contains("--device cpu"),
            "{told}"
        );
        assert!(!lost(wgpu::DeviceLostReason::Destroyed, "").contains("submission"));
    }

    #[test]
    fn no_more_steps_are_handed_over_at_once_than_are_asked_for() {
        for (info, _) in adapters() {
            let context = open(all().iter().find(|a| describe(&a.get_info()) == info).expect("it was there")).expect("it opens");
            assert_eq!(context.submit_steps(1, 256), 256);
            assert_eq!(context.submit_steps(1, 3), 3);
        }
    }
}
