//! How a list of dispatches is told which step it is at: by a cursor on the device, which the last of them moves on, as the executor does,
//! or by a dynamic offset from the host: `cargo bench --bench replay -- [--device llvmpipe] [--dispatches 10] [--steps 256] [--rounds 21]`
//!
//! Both run the same tiny dispatches (64 invocations add a number of the step's row to theirs), all steps in one pass and one submission, in turns.
//! The medians are microseconds a step: of the host, to encode and submit, and of all, until the device is done.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

mod adapter;

use clap::Parser;
use gradus::bench::Summary;
use gradus::exec::gpu::wgpu;
use gradus::{Error, Result};
use std::time::Instant;

#[derive(Parser)]
#[command(about = "A cursor on the device against dynamic offsets")]
struct Arguments {
    /// Part of an adapter's name; the first that there is unless told.
    #[arg(long, default_value = "")]
    device: String,
    /// Dispatches of a step, that which ends it included.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    dispatches: u32,
    /// Steps of a submission.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    steps: u32,
    /// Rounds that count.
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// From one row of a table to the next: the alignment of dynamic offsets that every adapter grants.
const ROW_BYTES: u32 = 256;
const NUMBERS: u64 = 64;

const CURSOR: &str = "
struct Table { cursor: u32, rows: array<u32> }
@group(0) @binding(0) var<storage, read> table: Table;
@group(0) @binding(0) var<storage, read_write> moved: Table;
@group(0) @binding(1) var<storage, read_write> numbers: array<u32>;

@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) { numbers[id.x] += table.rows[64u * table.cursor]; }

@compute @workgroup_size(64)
fn finish(@builtin(global_invocation_id) id: vec3<u32>) {
    numbers[id.x] += moved.rows[64u * moved.cursor];
    workgroupBarrier();
    if id.x == 0u { moved.cursor += 1u; }
}
";

const OFFSET: &str = "
@group(0) @binding(0) var<uniform> row: vec4<u32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<u32>;

@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) { numbers[id.x] += row.x; }
";

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

/// An adapter at work.
struct Bench {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

/// One way to replay: what a step encodes, and its buffers.
struct Way {
    name: &'static str,
    /// For each dispatch of a step the pipeline and its bindings.
    dispatches: Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>,
    dynamic: bool,
    table: wgpu::Buffer,
    numbers: wgpu::Buffer,
}

fn run(arguments: &Arguments) -> Result<()> {
    let bench = Bench::open(&arguments.device)?;
    let Arguments { dispatches, steps, rounds, .. } = *arguments;
    println!("{dispatches} dispatches a step, {steps} steps a submission, {rounds} rounds");
    let ways = [bench.cursor(arguments), bench.offset(arguments)];
    let mut times = vec![(Vec::new(), Vec::new()); ways.len()];
    for round in 0..=rounds {
        for (way, (host, all)) in ways.iter().zip(&mut times) {
            let [encoded, done] = bench.replay(way, steps)?;
            // the first round warms up
            if round > 0 {
                host.push(1e6 * encoded / f64::from(steps));
                all.push(1e6 * done / f64::from(steps));
            }
        }
    }
    println!("{:16} {:>14} {:>14} {:>8}", "the step is told", "host, µs/step", "all, µs/step", "spread");
    for (way, (host, all)) in ways.iter().zip(&times) {
        // steps count from 1: each round, every dispatch adds 1 + 2 + .. to each number
        let wanted = (rounds + 1).wrapping_mul(dispatches).wrapping_mul(steps * (steps + 1) / 2);
        let found = bench.read(&way.numbers)?;
        if found.iter().any(|&number| number != wanted) {
            return Err(Error::Device(format!("{}: {} where {wanted} should be", way.name, found[0])));
        }
        let (Some(host), Some(all)) = (Summary::of(host), Summary::of(all)) else { continue };
        println!("{:16} {:>14.2} {:>14.2} {:>6.0} %", way.name, host.median, all.median, 100.0 * all.spread());
    }
    Ok(())
}

impl Bench {
    fn open(name: &str) -> Result<Self> {
        let adapter = adapter::find(name)?;
        println!("{}, {}", adapter.get_info().name, adapter.get_info().driver_info);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).map_err(failed)?;
        Ok(Bench { device, queue })
    }

    /// A table whose row n holds n + 1, `head` words behind its start, and the numbers.
    fn buffers(&self, steps: u32, head: usize, usage: wgpu::BufferUsages) -> (wgpu::Buffer, wgpu::Buffer) {
        let row = ROW_BYTES as usize / 4;
        let mut words = vec![0u32; head + row * (steps as usize + 1)];
        (0..steps as usize).for_each(|step| words[head + row * step] = step as u32 + 1);
        let make = |size: u64, usage| {
            let usage = usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
            self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let table = make(4 * words.len() as u64, usage);
        self.queue.write_buffer(&table, 0, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
        (table, make(4 * NUMBERS, wgpu::BufferUsages::STORAGE))
    }

    fn pipeline(&self, text: &'static str, entry: &str, layout: Option<&wgpu::BindGroupLayout>) -> wgpu::ComputePipeline {
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let layout = layout.map(|layout| {
            let descriptor = wgpu::PipelineLayoutDescriptor { label: None, bind_group_layouts: &[Some(layout)], immediate_size: 0 };
            self.device.create_pipeline_layout(&descriptor)
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: layout.as_ref(),
            module: &module,
            entry_point: Some(entry),
            compilation_options: Default::default(),
            cache: None,
        })
    }

    fn group(&self, layout: &wgpu::BindGroupLayout, table: wgpu::BindingResource<'_>, numbers: &wgpu::Buffer) -> wgpu::BindGroup {
        let entries = [
            wgpu::BindGroupEntry { binding: 0, resource: table },
            wgpu::BindGroupEntry { binding: 1, resource: numbers.as_entire_binding() },
        ];
        self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }

    /// By a cursor at the head of the table, which the last dispatch moves on.
    fn cursor(&self, arguments: &Arguments) -> Way {
        let (table, numbers) = self.buffers(arguments.steps, 1, wgpu::BufferUsages::STORAGE);
        let dispatches = (1..=arguments.dispatches).map(|n| {
            let pipeline = self.pipeline(CURSOR, if n == arguments.dispatches { "finish" } else { "add" }, None);
            let group = self.group(&pipeline.get_bind_group_layout(0), table.as_entire_binding(), &numbers);
            (pipeline, group)
        });
        Way { name: "by a cursor", dispatches: dispatches.collect(), dynamic: false, table, numbers }
    }

    /// By the offset of the step's row, given with the bindings.
    fn offset(&self, arguments: &Arguments) -> Way {
        let (table, numbers) = self.buffers(arguments.steps, 0, wgpu::BufferUsages::UNIFORM);
        let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let writable = wgpu::BufferBindingType::Storage { read_only: false };
        let entries = [entry(0, wgpu::BufferBindingType::Uniform, true), entry(1, writable, false)];
        let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let row = wgpu::BufferBinding { buffer: &table, offset: 0, size: wgpu::BufferSize::new(16) };
        let dispatches = (0..arguments.dispatches).map(|_| {
            let group = self.group(&layout, wgpu::BindingResource::Buffer(row.clone()), &numbers);
            (self.pipeline(OFFSET, "add", Some(&layout)), group)
        });
        Way { name: "by an offset", dispatches: dispatches.collect(), dynamic: true, table: table.clone(), numbers }
    }

    /// Seconds until all steps are handed over, and until they are done.
    fn replay(&self, way: &Way, steps: u32) -> Result<[f64; 2]> {
        if !way.dynamic {
            self.queue.write_buffer(&way.table, 0, &0u32.to_le_bytes());
            self.queue.submit([]);
            self.wait()?;
        }
        let began = Instant::now();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for step in 0..steps {
            let offset = [step * ROW_BYTES];
            for (pipeline, group) in &way.dispatches {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, if way.dynamic { &offset } else { &[] });
                pass.dispatch_workgroups(1, 1, 1);
            }
        }
        drop(pass);
        self.queue.submit([encoder.finish()]);
        let encoded = began.elapsed().as_secs_f64();
        self.wait()?;
        Ok([encoded, began.elapsed().as_secs_f64()])
    }

    fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(failed).map(drop)
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: buffer.size(), usage, mapped_at_creation: false };
        let result = self.device.create_buffer(&descriptor);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &result, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        result.map_async(wgpu::MapMode::Read, .., drop);
        self.wait()?;
        let view = result.get_mapped_range(..).map_err(failed)?;
        Ok(view.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Device(error.to_string())
}
