//! Which device: what was asked for, what there is, and what was taken and why.

use super::{Executor, Limits, WholeSteps, cpu::Cpu};
use crate::error::{Error, Result};
use crate::kernel::{KernelInfo, Variant};
use crate::parallel::Threads;
use crate::plan::{Dispatch, Plan, ProgramId};
use crate::precision::Precision;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the user asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Device {
    /// A real GPU, else the CPU path. Never an adapter of type CPU: a software driver is ten times slower than the CPU path.
    #[default]
    Auto,
    /// The CPU path.
    Cpu,
    /// A backend (`vulkan`, `metal`, `dx12`) or part of an adapter's name; an error if there is none.
    Named(String),
}

impl Device {
    /// Reads `auto`, `cpu`, `vulkan`, `metal`, `dx12` or part of an adapter's name.
    ///
    /// ```
    /// use gradus::Device;
    /// assert_eq!(Device::parse("cpu"), Device::Cpu);
    /// assert_eq!(Device::parse("llvmpipe"), Device::Named("llvmpipe".into()));
    /// ```
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "auto" | "" => Device::Auto,
            "cpu" => Device::Cpu,
            _ => Device::Named(text.to_string()),
        }
    }

    /// Finds the device. [`crate::Error::NoDevice`] when a named one is absent; the message lists what there is and what to do.
    pub fn open(&self) -> Result<OpenDevice> {
        let began = Instant::now();
        let device = self.find()?;
        Ok(OpenDevice { opened_in: began.elapsed(), ..device })
    }

    fn find(&self) -> Result<OpenDevice> {
        match self {
            Device::Cpu => Ok(OpenDevice::cpu("the CPU path was asked for")),
            #[cfg(feature = "gpu")]
            Device::Auto => super::gpu::open_best(),
            #[cfg(feature = "gpu")]
            Device::Named(name) => super::gpu::open_named(name),
            #[cfg(not(feature = "gpu"))]
            Device::Auto => Ok(OpenDevice::cpu("this build has no GPU support")),
            #[cfg(not(feature = "gpu"))]
            Device::Named(name) => Err(Error::NoDevice(format!(
                "the device `{name}` was asked for, but this build has no GPU support: build with the feature `gpu`, or use --device cpu"
            ))),
        }
    }
}

/// What kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceType {
    /// The CPU path of this crate.
    Cpu,
    /// A driver that computes on the CPU (lavapipe, SwiftShader, WARP).
    Software,
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// An adapter that does not say.
    Other,
}

impl DeviceType {
    /// Whether it is a processor made for this, and not a program that stands in for one.
    pub fn is_gpu(self) -> bool {
        !matches!(self, DeviceType::Cpu | DeviceType::Software)
    }

    /// The word for it in messages and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            DeviceType::Cpu => "cpu",
            DeviceType::Software => "software",
            DeviceType::Discrete => "discrete",
            DeviceType::Integrated => "integrated",
            DeviceType::Virtual => "virtual",
            DeviceType::Other => "other",
        }
    }
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The adapter's name.
    pub name: String,
    /// `cpu`, `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// Its kind.
    pub kind: DeviceType,
    /// The driver and its version.
    pub driver: String,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DeviceType::Cpu => write!(f, "{}", self.name),
            kind => write!(f, "{} ({}, {}, {})", self.name, self.backend, kind.name(), self.driver),
        }
    }
}

/// A device that was found, ready to make executors.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    info: DeviceInfo,
    why: String,
    how: How,
    limits: Limits,
    opened_in: Duration,
}

#[derive(Debug, Clone)]
enum How {
    /// On these threads; on the caller's alone where there are none.
    Cpu(Option<Arc<Threads>>),
    #[cfg(feature = "gpu")]
    Gpu(super::gpu::Context),
}

impl OpenDevice {
    /// The CPU path, and the reason why.
    pub(crate) fn cpu(why: &str) -> Self {
        let info = DeviceInfo { name: "CPU path".into(), backend: "cpu".into(), kind: DeviceType::Cpu, driver: String::new() };
        OpenDevice {
            info,
            why: why.to_string(),
            how: How::Cpu(Threads::new(0).map(Arc::new)),
            limits: Limits::CPU,
            opened_in: Duration::ZERO,
        }
    }

    /// Computes on so many threads, where it is the CPU path; unless told, on as many as the process may use, or as the environment's
    /// `RAYON_NUM_THREADS` says. Results are the same for any number, to the bit.
    ///
    /// ```
    /// use gradus::Device;
    /// let device = Device::Cpu.open()?.with_threads(1);
    /// assert_eq!(device.info().backend, "cpu");
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn with_threads(self, threads: usize) -> Self {
        match self.how {
            How::Cpu(_) => OpenDevice { how: How::Cpu(Threads::new(threads).map(Arc::new)), ..self },
            #[cfg(feature = "gpu")]
            How::Gpu(_) => self,
        }
    }

    /// How many threads compute; on a GPU none.
    pub fn threads(&self) -> usize {
        match &self.how {
            How::Cpu(threads) => threads.as_ref().map_or(1, |threads| threads.count()),
            #[cfg(feature = "gpu")]
            How::Gpu(_) => 0,
        }
    }

    /// A GPU, and the reason why.
    #[cfg(feature = "gpu")]
    pub(crate) fn gpu(context: super::gpu::Context, why: &str) -> Self {
        OpenDevice {
            info: context.info().clone(),
            why: why.to_string(),
            limits: context.limits(),
            how: How::Gpu(context),
            opened_in: Duration::ZERO,
        }
    }

    /// What the device says of itself.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Why it was taken.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What the device can hold.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The same device, of whose memory no more than so many bytes may be used: data that do not fit are streamed, and what does not fit even so is
    /// refused before anything is made.
    pub fn with_memory(self, bytes: u64) -> Self {
        OpenDevice { limits: Limits { memory: Some(bytes), ..self.limits }, ..self }
    }

    /// The same device, of whose buffers no more than so many bytes are bound at once: data and parameters that are larger are cut.
    pub fn with_binding(self, bytes: u64) -> Self {
        OpenDevice { limits: Limits { binding: bytes.min(self.limits.binding), ..self.limits }, ..self }
    }

    /// The same device, taken for one that so many workgroups keep busy: where a layer's weight gradient is fewer, the rows of a large batch are
    /// cut into parts for it, whose sums are added in a fixed order.
    pub fn with_workgroups(self, workgroups: usize) -> Self {
        OpenDevice { limits: Limits { workgroups, ..self.limits }, ..self }
    }

    /// The same device, where the first layer's products look their rows up in the data, or where these are gathered into a batch before. Results are the
    /// same, to the bit.
    pub fn with_fused_gather(self, fused_gather: bool) -> Self {
        OpenDevice { limits: Limits { fused_gather, ..self.limits }, ..self }
    }

    /// The same device, where steps of training that are little work are always done whole, many in one dispatch by a workgroup a member, or never. Unless
    /// told, a real GPU does them so where many are expected. Results are the same, to the bit, unless the driver's compiler makes other
    /// instructions of the same text in another place.
    pub fn with_whole_steps(self, whole_steps: bool) -> Self {
        let whole_steps = if whole_steps { WholeSteps::Always } else { WholeSteps::Never };
        OpenDevice { limits: Limits { whole_steps, ..self.limits }, ..self }
    }

    /// The same device, of which so many steps are expected in all: what takes long to compile is made where it pays.
    pub fn expecting(self, steps: u64) -> Self {
        OpenDevice { limits: Limits { expected: steps, ..self.limits }, ..self }
    }

    /// The same device, for which variants of kernels are chosen as for one of this kind: what a real GPU would run can be tried on a software driver.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only a GPU has variants and precisions to ask for"))]
    pub fn taken_for(self, kind: DeviceType) -> Self {
        match self.how {
            How::Cpu(_) => self,
            #[cfg(feature = "gpu")]
            How::Gpu(context) => {
                let context = context.taken_for(kind);
                let Limits { workgroups, fused_gather, whole_steps, .. } = context.limits();
                OpenDevice { limits: Limits { workgroups, fused_gather, whole_steps, ..self.limits }, how: How::Gpu(context), ..self }
            }
        }
    }

    /// The same device, to which no more than so many steps are handed over at once, at least one: the cure where a driver's watchdog resets a device
    /// that is busy for too long. Results are the same, to the bit. (The CPU path has no watchdog.)
    pub fn with_submission(self, steps: usize) -> Self {
        OpenDevice { limits: Limits { submission: steps.max(1), ..self.limits }, ..self }
    }

    /// Exactly how many bytes an executor for a plan takes: the plan's buffers, and what the executor itself needs for uniforms and for the way of
    /// bytes to the device and back. (Of the host's memory, on the CPU path.)
    pub fn memory(&self, plan: &Plan) -> u64 {
        match &self.how {
            How::Cpu(_) => plan.memory(),
            #[cfg(feature = "gpu")]
            How::Gpu(_) => plan.memory() + super::gpu::own_bytes(plan),
        }
    }

    /// The variants of a kernel that this device can run for a uniform. The CPU path has but the one twin.
    pub fn variants(&self, kernel: &KernelInfo, words: &[u32]) -> Vec<&'static Variant> {
        let suited = kernel.variants.iter().filter(|variant| kernel.suits(words, variant));
        match &self.how {
            How::Cpu(_) => suited.take(1).collect(),
            #[cfg(feature = "gpu")]
            How::Gpu(context) => suited.filter(|variant| context.runs(variant)).collect(),
        }
    }

    /// The entry point that the device runs for a dispatch: that of the variant it chooses. On the CPU path, the kernel's name.
    pub fn entry(&self, dispatch: &Dispatch) -> &'static str {
        match &self.how {
            How::Cpu(_) => dispatch.kernel.name,
            #[cfg(feature = "gpu")]
            How::Gpu(context) => context.variant(dispatch).entry,
        }
    }

    /// The one shader that the device does steps of a program with, many in one dispatch by a workgroup a member, where it does them whole. The CPU path
    /// launches nothing.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only a GPU launches dispatches"))]
    pub fn whole_steps(&self, plan: &Plan, program: ProgramId) -> Option<String> {
        match &self.how {
            How::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            How::Gpu(_) if !self.limits.wants_whole_steps() => None,
            #[cfg(feature = "gpu")]
            How::Gpu(context) => context.whole_text(plan, plan.program(program)),
        }
    }

    /// The variants that this device chooses for a plan's dispatches and that must be tried on it before: they rest on a feature that drivers may get
    /// wrong, and were not tried on this device yet. None on the CPU path.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only a GPU has variants and precisions to ask for"))]
    pub(crate) fn untried(&self, plan: &Plan) -> Vec<(&'static KernelInfo, &'static Variant)> {
        match &self.how {
            How::Cpu(_) => Vec::new(),
            #[cfg(feature = "gpu")]
            How::Gpu(context) => {
                let mut all: Vec<(&'static KernelInfo, &'static Variant)> = Vec::new();
                for dispatch in plan.programs.iter().flat_map(|program| &program.dispatches) {
                    let variant = context.variant(dispatch);
                    let known = context.trial(variant.entry).is_some() || all.iter().any(|(_, other)| other.entry == variant.entry);
                    if variant.family.is_optional() && !known {
                        all.push((dispatch.kernel, variant));
                    }
                }
                all
            }
        }
    }

    /// Remembers how a variant's trial on this device ended. One that failed is not chosen again.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only a GPU has variants and precisions to ask for"))]
    pub(crate) fn tried(&self, variant: &'static Variant, passed: bool) {
        match &self.how {
            How::Cpu(_) => {}
            #[cfg(feature = "gpu")]
            How::Gpu(context) => context.tried(variant.entry, passed),
        }
    }

    /// An error where the device can't train in a precision. The CPU path can in any.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "only a GPU has variants and precisions to ask for"))]
    pub fn check_precision(&self, precision: Precision) -> Result<()> {
        match &self.how {
            #[cfg(feature = "gpu")]
            How::Gpu(context) if precision == Precision::Mixed && !context.has_f16() => Err(Error::input(format!(
                "[train] precision = \"mixed\" needs shaders that know f16, which {} does not offer: use precision = \"full\", another adapter \
                 (`gradus devices` says which have f16), or --device cpu, which rounds in the same way",
                self.info
            ))),
            _ => Ok(()),
        }
    }

    /// How long it took to find and open it; nothing for the application's own device.
    pub fn opened_in(&self) -> Duration {
        self.opened_in
    }

    /// An executor for a plan: all buffers, pipelines and bindings are made here, and none later.
    ///
    /// [`crate::Error::Device`] when the adapter can't hold the plan: the message has the numbers.
    pub fn executor(&self, plan: Plan) -> Result<Box<dyn Executor>> {
        self.limits.check(&plan, self.memory(&plan), &self.info.name)?;
        match &self.how {
            How::Cpu(threads) => Ok(Box::new(Cpu::<f32>::new(plan).on(threads.clone()))),
            #[cfg(feature = "gpu")]
            How::Gpu(context) => Ok(Box::new(super::gpu::Gpu::new(context.clone(), plan, &self.limits)?)),
        }
    }
}
