//! Many steps of training in one dispatch, a workgroup a member, against the ordinary plan, for a net that fits a workgroup: 64-32-10 on the digits, batch 32,
//! ReLU, Adam 1e-3, norm clip 1.0:
//! `cargo bench --bench whole_steps -- [--device llvmpipe] [--members 1,16,64] [--steps 1,16,64,256] [--only rows] [--rounds 7]`
//!
//! Both do the same 256 steps a round from the same start, by turns on one device; the medians are microseconds a step of all members. Before anything is
//! timed, what dispatches of 1 and of 20 steps and a whole round leave (losses, norms, first moments, weights) is compared with the CPU path.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

#[path = "../adapter/mod.rs"]
mod adapter;
mod job;
mod shape;
mod whole;

use clap::Parser;
use gradus::bench::Summary;
use gradus::exec::OpenDevice;
use gradus::exec::gpu::wgpu;
use gradus::{Error, Result};
use job::{Job, ROUND};
use shape::{SHAPES, Shape};
use whole::{Way, Whole};

#[derive(Parser)]
#[command(about = "Many steps of training in one dispatch against the ordinary plan")]
struct Arguments {
    /// Part of an adapter's name; the first that there is unless told.
    #[arg(long, default_value = "")]
    device: String,
    /// Models side by side.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_parser = clap::value_parser!(u32).range(1..=4096))]
    members: Vec<u32>,
    /// Steps of a dispatch: powers of two up to 256.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256], value_parser = clap::value_parser!(u32).range(1..=256))]
    steps: Vec<u32>,
    /// Only shapes of the kernel whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Rounds that count.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(steps) = arguments.steps.iter().find(|steps| !steps.is_power_of_two()) {
        return Err(Error::input(format!("a round of {ROUND} steps is not made of dispatches of {steps}: set powers of two with --steps")));
    }
    let bench = Bench::open(&arguments.device)?;
    let shapes: Vec<&Shape> = SHAPES.iter().filter(|shape| shape.name.contains(&arguments.only) && bench.runs(shape)).collect();
    if shapes.is_empty() {
        return Err(Error::input(format!(
            "no shape that runs here has `{}` in its name: leave --only out to see them all",
            arguments.only
        )));
    }
    println!("{}, {} steps a round, {} rounds", bench.open.info(), ROUND, arguments.rounds);
    let head = ["members", "shape", "made, s", "steps", "whole, µs/step", "spread", "plan, µs/step", "spread", "plan / whole"];
    println!(
        "{:>7} {:12} {:>8} {:>5} {:>14} {:>8} {:>13} {:>8} {:>12}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8]
    );
    for &members in &arguments.members {
        compare(&bench, arguments, &shapes, &Job::new(members as usize)?)?;
    }
    Ok(())
}

/// Checks all shapes, times them and the plan by turns, and prints a line for each shape and number of steps.
fn compare(bench: &Bench, arguments: &Arguments, shapes: &[&Shape], job: &Job) -> Result<()> {
    let mut plan = job.trainer.clone().build_on(bench.open.clone())?.first_step(&job.data)?;
    let (first, some, round) = (job.truth(1)?, job.truth(20)?, job.truth(ROUND)?);
    let mut ways: Vec<(Way, Vec<f64>)> = Vec::new();
    for shape in shapes {
        let whole = Whole::new(bench, job, shape)?;
        for (steps, truth) in [(1, &first), (20, &some)] {
            whole.check(bench, job, &whole.way(bench, steps)?, 1, truth)?;
        }
        for &steps in &arguments.steps {
            let way = whole.way(bench, steps)?;
            whole.check(bench, job, &way, ROUND / steps as usize, &round)?;
            ways.push((way, Vec::new()));
        }
    }
    let mut ordinary = Vec::new();
    for turn in 0..=arguments.rounds {
        // the first round warms up
        let keep = |times: &mut Vec<f64>, seconds: f64| {
            if turn > 0 {
                times.push(1e6 * seconds / ROUND as f64);
            }
        };
        keep(&mut ordinary, job.time_plan(bench, &mut plan)?);
        for (way, times) in &mut ways {
            keep(times, way.time(bench, job)?);
        }
    }
    let Some(plan) = Summary::of(&ordinary) else { return Ok(()) };
    for (way, times) in &ways {
        let Some(whole) = Summary::of(times) else { continue };
        println!(
            "{:>7} {:12} {:>8.2} {:>5} {:>14.1} {:>6.0} % {:>13.1} {:>6.0} % {:>12.2}",
            job.members,
            way.whole.shape.name,
            way.whole.made,
            way.steps,
            whole.median,
            100.0 * whole.spread(),
            plan.median,
            100.0 * plan.spread(),
            plan.median / whole.median
        );
    }
    Ok(())
}

/// An adapter at work, for both.
struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
    open: OpenDevice,
    /// The size of subgroups, where all have the same.
    lanes: Option<u32>,
}

impl Bench {
    /// With what the library asks for, so that the plan is the one that it would run.
    fn open(name: &str) -> Result<Self> {
        let adapter = adapter::find(name)?;
        let (offered, info) = (adapter.limits(), adapter.get_info());
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
        let same = info.subgroup_min_size == info.subgroup_max_size && device.features().contains(wgpu::Features::SUBGROUP);
        let open = OpenDevice::from_wgpu(device.clone(), queue.clone());
        Ok(Bench { device, queue, open, lanes: same.then_some(info.subgroup_max_size) })
    }

    /// Whether the adapter has the subgroups that a shape is made for.
    fn runs(&self, shape: &Shape) -> bool {
        shape.lanes.is_none() || shape.lanes == self.lanes
    }

    /// What is made or handed over, or what the device has against it: what is said to nobody the library hears.
    fn granted<T>(&self, make: impl FnOnce() -> T) -> Result<T> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        match pollster::block_on(scope.pop()) {
            None => Ok(made),
            Some(error) => Err(failed(error)),
        }
    }

    fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let usage = usage | wgpu::BufferUsages::COPY_DST;
        self.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size: bytes, usage, mapped_at_creation: false })
    }

    fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, values: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
    }

    fn wait(&self) -> Result<()> {
        self.queue.submit([]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(failed).map(drop)
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<f32>> {
        let result = self.buffer("read", buffer.size(), wgpu::BufferUsages::MAP_READ);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &result, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        result.map_async(wgpu::MapMode::Read, .., drop);
        self.wait()?;
        let view = result.get_mapped_range(..).map_err(failed)?;
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Device(error.to_string())
}
