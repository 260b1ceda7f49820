//! Whole steps on a device: their buffers and pipelines, what they leave beside the CPU path, how long they take.

use super::Bench;
use super::job::{Job, Left, ROUND};
use super::shape::Shape;
use gradus::exec::gpu::wgpu;
use gradus::plan::MAX_LOOPS;
use gradus::{Error, Result};
use std::time::Instant;

/// A shape of the kernel with its buffers.
#[derive(Clone)]
pub(crate) struct Whole {
    pub(crate) shape: Shape,
    module: wgpu::ShaderModule,
    /// In the order of the bindings.
    buffers: [wgpu::Buffer; 8],
    /// Seconds from the text to the end of the first step: software drivers compile a kernel when it first runs.
    pub(crate) made: f64,
}

/// So many of its steps in a dispatch.
pub(crate) struct Way {
    pub(crate) whole: Whole,
    pub(crate) steps: u32,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Whole {
    pub(crate) fn new(bench: &Bench, job: &Job, shape: &Shape) -> Result<Self> {
        let arena = job.start.len();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffers = [
            ("features", job.features.len()),
            ("classes", job.classes.len()),
            ("order", job.order.len()),
            ("params", arena),
            ("first", arena),
            ("second", arena),
            ("log", 4 * ROUND * job.members),
            ("table", job.table(ROUND).len()),
        ]
        .map(|(label, len)| bench.buffer(label, 4 * len as u64, usage));
        bench.write(&buffers[0], &job.features);
        bench.write(&buffers[1], &job.classes);
        bench.write(&buffers[2], &job.order);
        let began = Instant::now();
        let source = wgpu::ShaderSource::Wgsl(shape.wgsl(job).into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(shape.name), source };
        let module = bench.granted(|| bench.device.create_shader_module(descriptor))?;
        let mut whole = Whole { shape: *shape, module, buffers, made: 0.0 };
        let way = whole.way(bench, 1)?;
        whole.reset(bench, job, &job.table(1))?;
        bench.granted(|| way.submit(bench, job, 1))?;
        bench.wait()?;
        whole.made = began.elapsed().as_secs_f64();
        Ok(whole)
    }

    /// An error where so many steps in a dispatch are more than every driver loops.
    pub(crate) fn way(&self, bench: &Bench, steps: u32) -> Result<Way> {
        let loops = u64::from(steps) * self.shape.loops;
        if loops > MAX_LOOPS {
            return Err(Error::input(format!(
                "{steps} steps of {} loop {loops} times in one invocation, the limit is {MAX_LOOPS}: set fewer with --steps",
                self.shape.name
            )));
        }
        let constants = [("STEPS", f64::from(steps))];
        let descriptor = wgpu::ComputePipelineDescriptor {
            label: Some(self.shape.name),
            layout: None,
            module: &self.module,
            entry_point: Some("whole_steps"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        };
        bench.granted(|| {
            let pipeline = bench.device.create_compute_pipeline(&descriptor);
            let bound = self.buffers.iter().zip(0..);
            let entries: Vec<_> = bound.map(|(b, binding)| wgpu::BindGroupEntry { binding, resource: b.as_entire_binding() }).collect();
            let layout = pipeline.get_bind_group_layout(0);
            let group = bench.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
            Way { whole: self.clone(), steps, pipeline, group }
        })
    }

    /// Back to the start, with this table of steps.
    fn reset(&self, bench: &Bench, job: &Job, table: &[u32]) -> Result<()> {
        let [.., params, first, second, _, steps] = &self.buffers;
        let zeros = vec![0.0f32; job.start.len()];
        bench.write(params, &job.start);
        bench.write(first, &zeros);
        bench.write(second, &zeros);
        bench.write(steps, table);
        bench.wait()
    }

    /// An error where so many dispatches leave something else than the same steps on the CPU path.
    pub(crate) fn check(&self, bench: &Bench, job: &Job, way: &Way, dispatches: usize, truth: &Left) -> Result<()> {
        let count = way.steps as usize * dispatches;
        self.reset(bench, job, &job.table(count))?;
        way.submit(bench, job, dispatches);
        let [.., params, first, _, log, _] = &self.buffers;
        let found = Left { params: bench.read(params)?, moments: bench.read(first)?, log: bench.read(log)?[..truth.log.len()].to_vec() };
        // Of a gradient that is rounding Adam makes a step of α as of any other, so the way of the weights is no measure in the first step; later it is
        // one, as such gradients are few.
        let (moments, way_of_weights) = if count == 1 { (1e-5, 1e-1) } else { (1e-2, 1e-2) };
        let compared = [
            ("losses and norms", distance(&found.log, &truth.log), 1e-4),
            ("first moments", distance(&found.moments, &truth.moments), moments),
            ("way of the weights", distance(&moved(&found, job), &moved(truth, job)), way_of_weights),
        ];
        match compared.iter().find(|(_, off, most)| off.is_nan() || off > most) {
            None => Ok(()),
            Some((what, off, most)) => Err(Error::Wrong(format!(
                "{}, {} members: after {count} steps, {} in a dispatch, the {what} are off from the CPU path's by {off:.1e} of their norm, where {most:.0e} is \
                 rounding: nothing is timed",
                self.shape.name, job.members, way.steps
            ))),
        }
    }
}

impl Way {
    /// So many dispatches in one submission.
    fn submit(&self, bench: &Bench, job: &Job, dispatches: usize) {
        let mut encoder = bench.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        (0..dispatches).for_each(|_| pass.dispatch_workgroups(job.members as u32, 1, 1));
        drop(pass);
        bench.queue.submit([encoder.finish()]);
    }

    /// Seconds of a round. As with the plan, the table of steps is uploaded in it.
    pub(crate) fn time(&self, bench: &Bench, job: &Job) -> Result<f64> {
        let table = job.table(ROUND);
        self.whole.reset(bench, job, &table)?;
        let began = Instant::now();
        bench.write(&self.whole.buffers[7], &table);
        self.submit(bench, job, ROUND / self.steps as usize);
        bench.wait()?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// How far the weights have come.
fn moved(left: &Left, job: &Job) -> Vec<f32> {
    left.params.iter().zip(&job.start).map(|(w, start)| w - start).collect()
}

/// ‖a − b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |v: f64| v * v;
    let apart: f64 = a.iter().zip(b).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    (apart / b.iter().map(|&b| square(b.into())).sum::<f64>()).sqrt()
}
