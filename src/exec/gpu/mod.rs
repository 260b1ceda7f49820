//! The GPU executor: the same list of dispatches, bound once, replayed. The only place that names wgpu.

mod adapters;
mod choose;
mod clock;
mod compose;
mod extras;
mod liberties;
mod pipeline;
mod staging;
mod whole;

pub use adapters::{Context, adapters, offers, open_best, open_named};
pub use extras::Extras;
pub use wgpu;

use super::{DeviceTime, Executor, Limits};
use crate::error::{Error, Result};
use crate::exec::limits::largest;
use crate::kernel::Step;
use crate::plan::{Buf, Plan, ProgramId};
use clock::Clock;
use pipeline::Pipelines;
use staging::Staging;
use std::ops::Range;
use whole::{Doubt, Whole};

/// Uniforms lie at multiples of so many bytes: the largest alignment that an adapter may ask for.
const UNIFORM_ALIGN: u64 = 256;
/// The buffer through which results come back; larger reads go through it in parts.
const READ_BYTES: u64 = 1 << 20;
/// The buffers through which bytes go to the device, and the fewest bytes of one: it holds a table of steps. Larger writes go in parts.
const UPLOADS: usize = 4;
const UPLOAD_BYTES: u64 = 1 << 18;
/// As many for what is filled again and again while the device works, each of which holds one filling: one is filled while the other is copied.
const STREAM_UPLOADS: usize = 2;
/// Most floating-point operations of one submission to a real GPU: a fraction of a second on a slow one, so that neither the
/// display nor a watchdog has to wait.
const SUBMIT_FLOPS: u64 = 20_000_000_000;

/// A dispatch, bound.
struct BoundDispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 3],
    entry: &'static str,
    writes: u32,
}

impl BoundDispatch {
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// A program, bound.
struct BoundProgram {
    dispatches: Vec<BoundDispatch>,
    /// All of them as one shader, where that is faster.
    whole: Option<Whole>,
    /// What is still to be found out of that shader.
    doubt: Doubt,
}

impl BoundProgram {
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, steps: usize) {
        match &self.whole {
            Some(whole) => whole.encode(pass, steps),
            None => (0..steps).flat_map(|_| &self.dispatches).for_each(|dispatch| dispatch.encode(pass)),
        }
    }
}

/// The GPU executor.
pub struct Gpu {
    context: Context,
    plan: Plan,
    buffers: Vec<wgpu::Buffer>,
    programs: Vec<BoundProgram>,
    submit_steps: Vec<usize>,
    read: wgpu::Buffer,
    uploads: Staging,
    stream: Option<Staging>,
    clock: Option<Clock>,
}

/// Exactly how many bytes an executor for a plan takes beside the plan's buffers.
pub(super) fn own_bytes(plan: &Plan) -> u64 {
    uniform_bytes(plan) + READ_BYTES + UPLOADS as u64 * upload_bytes(plan) + STREAM_UPLOADS as u64 * stream_bytes(plan)
}

fn uniform_bytes(plan: &Plan) -> u64 {
    let all = plan.programs.iter().flat_map(|p| &p.dispatches);
    all.map(|d| (4 * d.words.len() as u64).next_multiple_of(UNIFORM_ALIGN)).sum::<u64>() + whole::COUNTS_BYTES
}

fn upload_bytes(plan: &Plan) -> u64 {
    (4 * plan.buffer(Plan::STEPS).len as u64).max(UPLOAD_BYTES)
}

fn stream_bytes(plan: &Plan) -> u64 {
    plan.buffers.iter().filter(|b| b.streamed).map(|b| 4 * b.len as u64).max().unwrap_or(0)
}

impl Gpu {
    /// Creates everything the plan needs: buffers, pipelines, bind groups; what limits say is how it is run. [`Error::Device`] when there is not
    /// enough memory left.
    pub fn new(context: Context, plan: Plan, limits: &Limits) -> Result<Self> {
        let device = context.device().clone();
        let buffer = |label: &str, size: u64, usage: wgpu::BufferUsages| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let (buffers, read, mut uploads, stream) = granted(&context, &plan, || {
            let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
            let buffers: Vec<_> = plan.buffers.iter().map(|b| buffer(&b.name, b.len as u64 * 4, storage)).collect();
            let read = buffer("read", READ_BYTES, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            let uploads = Staging::new(&context, "uploads", UPLOADS, upload_bytes(&plan));
            let stream = match stream_bytes(&plan) {
                0 => None,
                bytes => Some(Staging::new(&context, "stream", STREAM_UPLOADS, bytes)),
            };
            Ok((buffers, read, uploads, stream))
        })?;
        let programs = granted(&context, &plan, || {
            for (b, buffer) in plan.buffers.iter().zip(&buffers).filter(|(b, _)| !b.start.is_empty()) {
                uploads.write(&context, buffer, 0, bytemuck::cast_slice(&b.start))?;
            }
            bind(&context, &plan, limits.wants_whole_steps(), &buffers, &mut uploads)
        })?;
        let submit_steps = (0..plan.programs.len()).map(|p| context.submit_steps(plan.flops(ProgramId(p)), limits.submission)).collect();
        Ok(Gpu { context, plan, buffers, programs, submit_steps, read, uploads, stream, clock: None })
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("gradus") })
    }

    fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.context.queue().submit([encoder.finish()]);
    }

    fn write_bytes(&mut self, buf: Buf, at: usize, bytes: &[u8]) -> Result<()> {
        self.context.fault()?;
        let staging = match &mut self.stream {
            Some(stream) if self.plan.buffer(buf).streamed => stream,
            _ => &mut self.uploads,
        };
        staging.write(&self.context, &self.buffers[buf.0], at as u64 * 4, bytes)
    }

    fn read_bytes(&mut self, buffer: &wgpu::Buffer, mut at: u64, mut left: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(left as usize);
        while left > 0 {
            let part = left.min(READ_BYTES);
            let mut encoder = self.encoder();
            encoder.copy_buffer_to_buffer(buffer, at, &self.read, 0, part);
            self.submit(encoder);
            let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
            // a receiver that is gone needs no answer
            self.read.map_async(wgpu::MapMode::Read, 0..part, move |result| drop(sender.send(result)));
            self.context.wait(None)?;
            match pollster::block_on(receiver.receive()) {
                Some(Ok(())) => {}
                _ => return Err(self.context.failure("it gave no result back")),
            }
            let view = self.read.get_mapped_range(0..part).map_err(|e| self.context.failure(e))?;
            bytes.extend_from_slice(&view);
            drop(view);
            self.read.unmap();
            (at, left) = (at + part, left - part);
        }
        self.context.fault()?;
        Ok(bytes)
    }
}

/// What the device grants of what is made on it for a plan. An error where it has not the memory, or refuses something else.
fn granted<T>(context: &Context, plan: &Plan, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let out_of_memory = context.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let invalid = context.device().push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    let (invalid, out_of_memory) = (pollster::block_on(invalid.pop()), pollster::block_on(out_of_memory.pop()));
    // what is made of what there was no memory for is refused, too
    match (out_of_memory, invalid) {
        (Some(error), _) => Err(Error::Device(format!(
            "{} has no {} bytes left ({error}): {}. Data that do not fit are streamed where [device] memory says how much may be used",
            context.info().name,
            plan.memory() + own_bytes(plan),
            largest(plan)
        ))),
        (None, Some(error)) => Err(Error::Device(format!("{} refused the plan: {error}", context.info().name))),
        (None, None) => made,
    }
}

/// Makes the pipelines and bind groups of all programs; where whole steps are wanted, programs that are small enough become one shader.
fn bind(context: &Context, plan: &Plan, whole_steps: bool, buffers: &[wgpu::Buffer], uploads: &mut Staging) -> Result<Vec<BoundProgram>> {
    let device = context.device();
    let all: Vec<_> = plan.programs.iter().flat_map(|p| &p.dispatches).collect();
    let mut uniforms = whole::counts();
    for dispatch in &all {
        uniforms.extend_from_slice(bytemuck::cast_slice(&dispatch.words));
        uniforms.resize(uniforms.len().next_multiple_of(UNIFORM_ALIGN as usize), 0);
    }
    let uniform = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("uniforms"),
        size: uniform_bytes(plan),
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    uploads.write(context, &uniform, 0, &uniforms)?;

    let pipelines = Pipelines::of(context, plan)?;
    let mut offset = whole::COUNTS_BYTES;
    let mut programs = Vec::new();
    for program in &plan.programs {
        let mut bound = Vec::new();
        for dispatch in &program.dispatches {
            let grid = (dispatch.kernel.grid)(&dispatch.words);
            let variant = context.variant(dispatch);
            let made = &pipelines[variant.entry];
            let size = dispatch.words.len() as u64 * 4;
            let own = wgpu::BufferBinding { buffer: &uniform, offset, size: wgpu::BufferSize::new(size) };
            let mut entries = Vec::new();
            for &(binding, _) in &made.bindings {
                let resource = match binding {
                    0 => wgpu::BindingResource::Buffer(own.clone()),
                    1 => buffers[Plan::STEPS.0].as_entire_binding(),
                    n => buffers[dispatch.args[n as usize - 2].0].as_entire_binding(),
                };
                entries.push(wgpu::BindGroupEntry { binding, resource });
            }
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&dispatch.label),
                layout: &made.layout,
                entries: &entries,
            });
            let workgroups = made.workgroups(grid).ok_or_else(|| {
                Error::Device(format!(
                    "{} ({}) needs a grid of {grid:?}, more than {} can count: use a smaller batch or narrower layers",
                    dispatch.kernel.name,
                    dispatch.label,
                    context.info().name
                ))
            })?;
            let written = made.bindings.iter().filter(|&&(binding, written)| written && binding > 1);
            let writes = written.fold(0, |bits, &(binding, _)| bits | 1 << (binding - 2));
            bound.push(BoundDispatch { pipeline: made.pipeline.clone(), group, workgroups, entry: variant.entry, writes });
            offset += size.next_multiple_of(UNIFORM_ALIGN);
        }
        let text = if whole_steps { context.whole(plan, program) } else { None };
        // a driver that refuses it has the kernels one by one
        let (whole, doubt) = match text.map(|text| Whole::new(context, plan, &text, buffers, &uniform)) {
            None => (None, Doubt::NONE),
            Some(Ok(whole)) => (Some(whole), Doubt::Tried(0)),
            Some(Err(refusal)) => (None, Doubt::Refused(refusal.to_string())),
        };
        programs.push(BoundProgram { dispatches: bound, whole, doubt });
    }
    Ok(programs)
}

impl Executor for Gpu {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn write_words(&mut self, buf: Buf, at: usize, words: &[u32]) -> Result<()> {
        self.write_bytes(buf, at, bytemuck::cast_slice(words))
    }

    fn write(&mut self, buf: Buf, at: usize, values: &[f32]) -> Result<()> {
        self.write_bytes(buf, at, bytemuck::cast_slice(values))
    }

    fn read_words(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<u32>> {
        let bytes = self.read_bytes(&self.buffers[buf.0].clone(), at as u64 * 4, len as u64 * 4)?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn read(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f32>> {
        Ok(self.read_words(buf, at, len)?.into_iter().map(f32::from_bits).collect())
    }

    fn copy(&mut self, from: Buf, to: Buf, at: usize, len: usize) -> Result<()> {
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(&self.buffers[from.0], at as u64 * 4, &self.buffers[to.0], at as u64 * 4, len as u64 * 4);
        self.submit(encoder);
        Ok(())
    }

    fn run(&mut self, program: ProgramId, table: &[u32]) -> Result<()> {
        self.write_words(Plan::STEPS, 0, table)?;
        let mut left = Step::rows_in(table, self.plan.members);
        while left > 0 {
            let steps = left.min(self.submit_steps[program.0]);
            let mut encoder = self.encoder();
            self.programs[program.0].encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), steps);
            self.submit(encoder);
            left -= steps;
        }
        Ok(())
    }

    fn try_whole(&mut self, program: ProgramId, table: &[u32]) -> Result<Option<String>> {
        self.try_whole_steps(program, table)
    }

    fn run_one(&mut self, program: ProgramId, dispatch: usize, table: &[u32]) -> Result<()> {
        self.write_words(Plan::STEPS, 0, table)?;
        let mut encoder = self.encoder();
        let bound = &self.programs[program.0].dispatches[dispatch];
        bound.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.submit(encoder);
        Ok(())
    }

    fn run_timed(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()> {
        self.run_by_the_clock(program, table, timed)
    }

    fn times(&mut self) -> Result<Vec<DeviceTime>> {
        self.read_clock()
    }
}
