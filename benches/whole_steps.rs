//! Many steps of training in one dispatch, a workgroup a member, against the ordinary plan, for a net that fits a workgroup: 64-32-10 on the digits, batch 32,
//! ReLU, Adam 1e-3, norm clip 1.0:
//! `cargo bench --bench whole_steps -- [--device llvmpipe] [--members 1,16,64] [--steps 1,16,64,256] [--sizes 64,128,256] [--keep rows,weights] [--rounds 7]`
//!
//! Both do the same 256 steps a round from the same start, by turns on one device; the medians are microseconds a step, for all members. Before anything is timed,
//! what the whole steps leave (first moments after one step, weights after 20 and after a dispatch) is compared with the CPU path.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::bench::Summary;
use gradus::data::{Dataset, Features, Table, Targets};
use gradus::exec::gpu::wgpu;
use gradus::exec::{Executor, OpenDevice};
use gradus::kernel::{Part, Row, Step};
use gradus::model::Compiled;
use gradus::plan::{Buf, MAX_LOOPS};
use gradus::train::{FirstStep, Looks, Member};
use gradus::{Adam, Clip, Device, Error, Loss, Model, Result, Trainer};
use std::time::Instant;

#[derive(Parser)]
#[command(about = "Many steps in one dispatch against the ordinary plan")]
struct Arguments {
    /// Part of an adapter's name; the first that there is unless told.
    #[arg(long, default_value = "")]
    device: String,
    /// Models side by side.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_parser = clap::value_parser!(u32).range(1..=4096))]
    members: Vec<u32>,
    /// Steps of a dispatch.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256], value_parser = clap::value_parser!(u32).range(1..=256))]
    steps: Vec<u32>,
    /// Invocations of a workgroup.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 256])]
    sizes: Vec<u32>,
    /// What lies in workgroup memory besides the rest: the batch's rows, or the first layer's weights.
    #[arg(long, value_delimiter = ',', default_values = ["rows", "weights"])]
    keep: Vec<Keep>,
    /// Rounds that count.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Keep {
    Rows,
    Weights,
}

impl Keep {
    fn name(self) -> &'static str {
        match self {
            Keep::Rows => "rows",
            Keep::Weights => "weights",
        }
    }
}

/// Steps of a round, which is an epoch of the data.
const ROUND: usize = 256;
const BATCH: usize = 32;
/// The largest norm of the gradients.
const MAX_NORM: f32 = 1.0;

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let bench = Bench::open(&arguments.device)?;
    let head = ["members", "size", "keeps", "steps", "whole, µs/step", "spread", "plan, µs/step", "spread", "plan / whole"];
    println!(
        "{:>7} {:>5} {:>8} {:>6} {:>15} {:>7} {:>14} {:>7} {:>13}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8]
    );
    for &members in &arguments.members {
        let job = Job::new(members as usize)?;
        let mut plan = job.trainer.clone().build_on(bench.open.clone())?.first_step(&job.data)?;
        let mut ways = Vec::new();
        for (&size, &keep) in arguments.sizes.iter().flat_map(|size| arguments.keep.iter().map(move |keep| (size, keep))) {
            let made = Whole::new(&bench, &job, size, keep)?;
            for steps in [1, 20].iter().chain(&arguments.steps).copied() {
                made.check(&bench, &job, steps)?;
            }
            arguments.steps.iter().try_for_each(|&steps| {
                made.pipeline(&bench, steps).map(|pipeline| ways.push((made.clone(), steps, pipeline, Vec::new())))
            })?;
        }
        let mut ordinary = Vec::new();
        for round in 0..=arguments.rounds {
            // the first round warms up
            let keep = |times: &mut Vec<f64>, seconds: f64| {
                if round > 0 {
                    times.push(1e6 * seconds / ROUND as f64)
                }
            };
            keep(&mut ordinary, job.time_plan(&bench, &mut plan)?);
            for (made, steps, pipeline, times) in &mut ways {
                keep(times, made.time(&bench, &job, *steps, pipeline)?);
            }
        }
        let Some(plan) = Summary::of(&ordinary) else { continue };
        for (made, steps, _, times) in &ways {
            let Some(whole) = Summary::of(times) else { continue };
            println!(
                "{members:>7} {:>5} {:>8} {steps:>6} {:>15.1} {:>5.0} % {:>14.1} {:>5.0} % {:>13.2}",
                made.size,
                made.keep.name(),
                whole.median,
                100.0 * whole.spread(),
                plan.median,
                100.0 * plan.spread(),
                plan.median / whole.median
            );
        }
    }
    Ok(())
}

/// What is trained, its start, and how the CPU path fares with it.
struct Job {
    members: usize,
    data: Dataset,
    trainer: Trainer,
    /// The CPU path, at the start, and its arenas there.
    compiled: Compiled,
    start: Vec<f32>,
    features: Vec<f32>,
    classes: Vec<u32>,
    order: Vec<u32>,
}

impl Job {
    fn new(members: usize) -> Result<Self> {
        let data = digits(ROUND * BATCH)?;
        let model = Model::input(64).dense(32).relu().dense(10);
        let own: Vec<_> = (0..members as u64).map(|seed| Member { seed, lr: None }).collect();
        let trainer =
            Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(MAX_NORM.into())).batch(BATCH).members(own).looks(Looks::Never);
        let FirstStep { compiled, mut executor, .. } = trainer.clone().build(Device::Cpu)?.first_step(&data)?;
        let classes = compiled.classes.ok_or_else(|| Error::input("the digits have no classes"))?;
        let all = |buf: Buf| (buf, 0, compiled.plan.buffer(buf).len);
        let (params, features, order) = (all(compiled.params[0]), all(compiled.features[0]), all(compiled.order));
        let classes = all(classes);
        Ok(Job {
            start: executor.read(params.0, params.1, params.2)?,
            features: executor.read(features.0, features.1, features.2)?,
            classes: executor.read_words(classes.0, classes.1, classes.2)?,
            order: executor.read_words(order.0, order.1, order.2)?,
            members,
            data,
            trainer,
            compiled,
        })
    }

    /// The table of the first steps of the epoch.
    fn table(&self, steps: usize) -> Vec<u32> {
        let adam = Adam::new();
        let mut table = Step::table(self.members);
        for step in 0..steps {
            let [c1, c2] = adam.corrections(step as u64 + 1);
            let rates = vec![[adam.rate() as f32, c1 as f32, c2 as f32, BATCH as f32]; self.members];
            let row = Row { rows: BATCH, start: step * BATCH, slot: step, number: step as u32, part: Part::WHOLE, rates: &rates };
            Step::push(&mut table, &row);
        }
        table
    }

    /// Back to the start.
    fn reset(&self, executor: &mut dyn Executor, compiled: &Compiled) -> Result<()> {
        let zeros = vec![0.0; self.start.len()];
        executor.write(compiled.params[0], 0, &self.start)?;
        compiled.states.iter().try_for_each(|state| executor.write(state[0], 0, &zeros))
    }

    /// Parameters, first moments and losses that the CPU path has after so many steps.
    fn truth(&self, steps: usize) -> Result<[Vec<f32>; 3]> {
        let FirstStep { compiled, mut executor, program, .. } = self.trainer.clone().build(Device::Cpu)?.first_step(&self.data)?;
        executor.run(program, &self.table(steps))?;
        let mut read = |buf, len| executor.read(buf, 0, len);
        Ok([
            read(compiled.params[0], self.start.len())?,
            read(compiled.states[0][0], self.start.len())?,
            read(compiled.log, 4 * steps * self.members)?,
        ])
    }

    /// Seconds of a round by the ordinary plan.
    fn time_plan(&self, bench: &Bench, plan: &mut FirstStep) -> Result<f64> {
        self.reset(&mut *plan.executor, &plan.compiled)?;
        let table = self.table(ROUND);
        bench.wait()?;
        let began = Instant::now();
        plan.executor.run(plan.program, &table)?;
        bench.wait()?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// As many rows as are asked for: the digits again and again.
fn digits(rows: usize) -> Result<Dataset> {
    let all = Dataset::digits();
    let table = all.table();
    let (Features::F32(values), Targets::Classes { of, names }) = (table.features(), table.targets()) else {
        return Err(Error::input("the digits are not numbers with classes"));
    };
    let width = table.width();
    let features = (0..rows).flat_map(|row| &values[row % of.len() * width..][..width]).copied().collect();
    let targets = Targets::Classes { of: (0..rows).map(|row| of[row % of.len()]).collect(), names: names.clone() };
    Ok(Dataset::new(Table::new(Features::F32(features), table.names().to_vec(), targets)?))
}

/// An adapter at work, for both.
struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    open: OpenDevice,
}

impl Bench {
    /// With what the library asks for.
    fn open(name: &str) -> Result<Self> {
        let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
        let is_meant = |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&name.to_lowercase());
        let adapter = found.into_iter().find(is_meant).ok_or_else(|| Error::NoDevice(format!("there is no adapter `{name}`")))?;
        let offered = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            required_features: adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16),
            required_limits: wgpu::Limits {
                max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
                max_buffer_size: offered.max_buffer_size,
                ..wgpu::Limits::default()
            },
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(failed)?;
        let open = OpenDevice::from_wgpu(device.clone(), queue.clone());
        println!("{}", open.info());
        Ok(Bench { device, queue, open })
    }

    /// What is made or handed over, or what the device has against it: the library listens for what is said to nobody.
    fn granted<T>(&self, make: impl FnOnce() -> T) -> Result<T> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        match pollster::block_on(scope.pop()) {
            None => Ok(made),
            Some(error) => Err(failed(error)),
        }
    }

    fn buffer(&self, label: &str, len: usize) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        self.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size: 4 * len as u64, usage, mapped_at_creation: false })
    }

    fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, values: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
    }

    fn wait(&self) -> Result<()> {
        self.queue.submit([]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(failed).map(drop)
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let result =
            self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size: buffer.size(), usage, mapped_at_creation: false });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &result, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        result.map_async(wgpu::MapMode::Read, .., drop);
        self.wait()?;
        let view = result.get_mapped_range(..).map_err(failed)?;
        Ok(view.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

/// The whole steps of a shape, with their buffers.
#[derive(Clone)]
struct Whole {
    size: u32,
    keep: Keep,
    loops: u64,
    module: wgpu::ShaderModule,
    /// In the order of the bindings.
    buffers: Vec<wgpu::Buffer>,
}

/// Where the buffers are that are written again and again.
const PARAMS: usize = 3;
const FIRST: usize = 4;
const SECOND: usize = 5;
const LOG: usize = 6;
const TABLE: usize = 7;

impl Whole {
    fn new(bench: &Bench, job: &Job, size: u32, keep: Keep) -> Result<Self> {
        // for each invocation of a workgroup: units and groups of four inputs of its block of W₁, what else it owns
        let (units, cols, extras) = match size {
            64 => (4, 2, 2),
            128 => (4, 1, 1),
            256 => (2, 1, 1),
            _ => return Err(Error::input(format!("a workgroup has 64, 128 or 256 invocations (got {size}): set them with --sizes"))),
        };
        let text = fill(job, size, keep, [units, cols, extras]);
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let module =
            bench.granted(|| bench.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("whole_steps"), source }))?;
        let turns = |count: u32| u64::from(count.div_ceil(size));
        let gathered = if keep == Keep::Rows { turns(512) } else { 0 };
        // rows brought, a₁, z, ∂W₂, δ₁, ∂W₁, the norm
        let loops = 1 + gathered + 16 + 9 * turns(96) + 32 * u64::from(extras) + turns(256) + 32 + u64::from(size / 16) + 16;
        let arena = job.start.len();
        let lengths = [
            ("features", job.features.len()),
            ("classes", job.classes.len()),
            ("order", job.order.len()),
            ("params", arena),
            ("first", arena),
            ("second", arena),
            ("log", 4 * ROUND * job.members),
            ("table", job.table(ROUND).len()),
        ];
        let buffers: Vec<_> = lengths.iter().map(|&(label, len)| bench.buffer(label, len)).collect();
        bench.write(&buffers[0], &job.features);
        bench.write(&buffers[1], &job.classes);
        bench.write(&buffers[2], &job.order);
        Ok(Whole { size, keep, loops, module, buffers })
    }

    fn pipeline(&self, bench: &Bench, steps: u32) -> Result<wgpu::ComputePipeline> {
        let loops = u64::from(steps) * self.loops;
        if loops > MAX_LOOPS {
            return Err(Error::input(format!(
                "{steps} steps of {} loop {loops} times in one invocation, the limit is {MAX_LOOPS}: set fewer with --steps",
                self.size
            )));
        }
        let constants = [("STEPS", f64::from(steps))];
        let compilation_options = wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() };
        let descriptor = wgpu::ComputePipelineDescriptor {
            label: Some("whole_steps"),
            layout: None,
            module: &self.module,
            entry_point: Some("whole_steps"),
            compilation_options,
            cache: None,
        };
        bench.granted(|| bench.device.create_compute_pipeline(&descriptor))
    }

    /// Back to the start, with a table of so many steps.
    fn reset(&self, bench: &Bench, job: &Job, table: &[u32]) -> Result<()> {
        let zeros = vec![0.0f32; job.start.len()];
        bench.write(&self.buffers[PARAMS], &job.start);
        bench.write(&self.buffers[FIRST], &zeros);
        bench.write(&self.buffers[SECOND], &zeros);
        bench.write(&self.buffers[TABLE], table);
        bench.wait()
    }

    /// So many dispatches of the pipeline in one submission.
    fn submit(&self, bench: &Bench, job: &Job, pipeline: &wgpu::ComputePipeline, dispatches: usize) {
        let bindings = self.buffers.iter().enumerate();
        let entries: Vec<_> = bindings.map(|(n, b)| wgpu::BindGroupEntry { binding: n as u32, resource: b.as_entire_binding() }).collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group = bench.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
        let mut encoder = bench.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        (0..dispatches).for_each(|_| pass.dispatch_workgroups(job.members as u32, 1, 1));
        drop(pass);
        bench.queue.submit([encoder.finish()]);
    }

    /// Seconds of a round. As with the plan, the table of steps is uploaded in it.
    fn time(&self, bench: &Bench, job: &Job, steps: u32, pipeline: &wgpu::ComputePipeline) -> Result<f64> {
        let table = job.table(ROUND);
        self.reset(bench, job, &table)?;
        let began = Instant::now();
        bench.write(&self.buffers[TABLE], &table);
        self.submit(bench, job, pipeline, ROUND / steps as usize);
        bench.wait()?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// An error where one dispatch of so many steps leaves something else than the CPU path does.
    fn check(&self, bench: &Bench, job: &Job, steps: u32) -> Result<()> {
        let count = steps as usize;
        let [params, moments, log] = job.truth(count)?;
        self.reset(bench, job, &job.table(count))?;
        let pipeline = self.pipeline(bench, steps)?;
        bench.granted(|| self.submit(bench, job, &pipeline, 1))?;
        let moved = |values: &[f32]| values.iter().zip(&job.start).map(|(a, b)| a - b).collect::<Vec<_>>();
        let found = bench.read(&self.buffers[PARAMS])?;
        let losses = |log: &[f32]| log.chunks(4).take(count * job.members).flat_map(|sums| [sums[0], sums[1]]).collect::<Vec<_>>();
        let mut compared = vec![
            ("the losses and norms", distance(&losses(&bench.read(&self.buffers[LOG])?), &losses(&log)), 1e-4),
            ("the first moments", distance(&bench.read(&self.buffers[FIRST])?, &moments), if steps == 1 { 1e-5 } else { 1e-2 }),
        ];
        // of the first step Adam makes ±α of the smallest gradient there is, rounding or not: there the moments tell
        compared.push(("the way of the weights", distance(&moved(&found), &moved(&params)), if steps == 1 { 1e-1 } else { 1e-2 }));
        match compared.iter().find(|(_, off, most)| off.is_nan() || off > most) {
            None => Ok(()),
            Some((what, off, most)) => Err(Error::Wrong(format!(
                "{} invocations that keep {}, {} members: after a dispatch of {steps} steps {what} are off from the CPU path's by {off:.1e} of their norm, where {most:.0e} \
                 is rounding: nothing is timed",
                self.size,
                self.keep.name(),
                job.members
            ))),
        }
    }
}

/// ‖a − b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |of: &mut dyn Iterator<Item = f64>| of.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b))) / norm(&mut b.iter().map(|&b| f64::from(b)))
}

/// The text of the kernel for a shape: marked lines kept or left out, lines repeated for each `{u}`, `{c}`, `{e}`, `{d}`, `{j}` in them, words filled in.
fn fill(job: &Job, size: u32, keep: Keep, [units, cols, extras]: [u32; 3]) -> String {
    let at = |name: &str| job.compiled.tensors.iter().find(|tensor| tensor.name == name).map_or(0, |tensor| tensor.offset as u32 / 4);
    let words = [("SIZE", size), ("UNITS", units), ("COLS", cols), ("DOWN", 256 / size)];
    let mut out = String::new();
    for line in include_str!("whole_steps.wgsl").lines() {
        let line = match line.trim_start().strip_prefix('?').and_then(|rest| rest.split_once(' ')) {
            Some((mark, rest)) if mark == keep.name() || mark == units.to_string() => rest,
            Some(_) => continue,
            None => line,
        };
        let mut lines = vec![line.to_string()];
        for (hole, count) in [("{u}", units), ("{c}", cols), ("{e}", extras), ("{d}", 256 / size), ("{j}", 10)] {
            if line.contains(hole) {
                lines = lines.iter().flat_map(|line| (0..count).map(move |n| line.replace(hole, &n.to_string()))).collect();
            }
        }
        for line in lines {
            out += &words.iter().fold(line, |line, (word, value)| line.replace(word, &value.to_string()));
            out.push('\n');
        }
    }
    // behind the text, so that line numbers in messages are nearly the file's
    let places = [
        ("ARENA4", job.compiled.arena as u32 / 4),
        ("B1", at("0.bias")),
        ("W2", at("2.weight")),
        ("B2", at("2.bias")),
        ("NONE", u32::MAX),
        ("ORDER", (job.order.len() / job.members) as u32),
        ("MEMBERS", job.members as u32),
    ];
    let numbers = [("MAX_NORM", MAX_NORM), ("BETA1", 0.9), ("BETA2", 0.999), ("EPSILON", 1e-8)];
    places.iter().for_each(|(name, value)| out += &format!("const {name} = {value}u;\n"));
    numbers.iter().for_each(|(name, value)| out += &format!("const {name} = {value:?}f;\n"));
    out
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Device(error.to_string())
}
