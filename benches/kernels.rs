//! GFLOP/s and GB/s of the kernels that take the time, each variant, with the share of what the device reaches at its best:
//! `cargo bench --bench kernels -- [--device llvmpipe] [--batch 128] [--only dense_forward] [--half] [--json]`
//!
//! Bytes are those of the elements read and written, once each. The ceilings are measured first: the best of a large layer's
//! three products in any variant, and c = a + b.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::bench::{Ceilings, Single};
use gradus::exec::DeviceType;
use gradus::kernels::dense_layer::DenseLayer;
use gradus::kernels::finish::SCALARS;
use gradus::kernels::norm::NormPartials;
use gradus::kernels::update::{Adam, Sgd};
use gradus::{Device, Error, Result};
use serde_json::json;

#[derive(Parser)]
#[command(about = "GFLOP/s and GB/s of each kernel and variant, and the share of the device's ceiling")]
struct Arguments {
    /// auto, cpu, vulkan, metal, dx12, or part of an adapter's name.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Rows of a batch.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Only jobs whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Products of operands that are rounded to f16, as mixed precision has them; an adapter's tensor cores are among their variants.
    #[arg(long)]
    half: bool,
    /// One JSON line a result.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A kernel at a shape.
struct Job {
    label: String,
    single: Single,
    /// Elements read and written.
    moved: usize,
}

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let device = Device::parse(&arguments.device).open()?;
    let jobs: Vec<Job> = jobs(arguments.batch, arguments.half).into_iter().filter(|job| job.label.contains(&arguments.only)).collect();
    if jobs.is_empty() {
        return Err(Error::input(format!("no job has `{}` in its name: leave --only out to see them all", arguments.only)));
    }
    let best = Ceilings::measure_best(&device)?;
    let Ceilings { flops, bytes, launch } = best;
    if !arguments.json {
        println!("{} at batch {}", device.info(), arguments.batch);
        println!("at its best: {:.1} GFLOP/s, {:.1} GB/s, {:.2} µs a dispatch", 1e-9 * flops, 1e-9 * bytes, 1e6 * launch);
        println!("{:26} {:22} {:>10} {:>9} {:>8} {:>8}  of", "job", "variant", "µs", "GFLOP/s", "GB/s", "share");
    }
    for job in &jobs {
        for variant in device.variants(job.single.kernel, &job.single.words) {
            // the CPU path has one twin for all
            let entry = if device.info().kind == DeviceType::Cpu { job.single.kernel.name } else { variant.entry };
            let single = Single { variant: Some(variant), ..job.single.clone() };
            let seconds = match single.seconds(&device) {
                Ok(seconds) => seconds.median,
                Err(error) => {
                    eprintln!("{}, {}: {error}", job.label, entry);
                    continue;
                }
            };
            let (flops, bytes) = (single.flops(), 4 * job.moved as u64);
            let (share, bound) = best.share(flops, bytes, seconds);
            let (gflops, gbytes, micros) = (1e-9 * flops as f64 / seconds, 1e-9 * bytes as f64 / seconds, 1e6 * seconds);
            if arguments.json {
                let line = json!({
                    "job": job.label, "batch": arguments.batch, "kernel": single.kernel.name, "variant": entry, "us": micros,
                    "gflops": gflops, "gbytes": gbytes, "share": share, "of": bound.name(), "device": device.info().name,
                    "ceiling_gflops": 1e-9 * best.flops, "ceiling_gbytes": 1e-9 * best.bytes, "launch_us": 1e6 * launch,
                });
                println!("{line}");
            } else {
                let share = format!("{:.0} %", 100.0 * share);
                println!("{:26} {:22} {micros:>10.1} {gflops:>9.2} {gbytes:>8.2} {share:>8}  {}", job.label, entry, bound.name());
            }
        }
    }
    Ok(())
}

fn jobs(rows: u32, half: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    let batch = rows as usize;
    let mut add = |label: String, single: Single, moved: usize| jobs.push(Job { label, single, moved });
    // the layers of the MNIST job and of the wide one
    for (inputs, outputs) in [(784u32, 256u32), (256, 128), (128, 10), (1024, 4096), (4096, 4096), (4096, 1024)] {
        let layer = DenseLayer { kind: 1, half, ..DenseLayer::alone([rows, inputs, outputs], 1) };
        let (x, a, weight, arena) = (layer.x(), layer.a(), layer.weight(), layer.arena());
        let shape = format!("{inputs}x{outputs}");
        // the scale of the loss, behind the operands of what goes back
        let with = |buffers: &[usize]| buffers.iter().copied().chain(half.then_some(4)).collect::<Vec<_>>();
        add(format!("dense_forward {shape}"), Single::of(&layer.forward(), vec![x, arena, a], batch), x + arena + a);
        add(format!("dense_delta {shape}"), Single::of(&layer.delta(), with(&[a, arena, x, x]), batch), a + weight + 2 * x);
        add(format!("dense_gradient {shape}"), Single::of(&layer.gradient(), with(&[a, x, arena]), batch), a + x + arena);
    }
    let arena: usize = 235_264;
    let (arena4, members) = (arena as u32 / 4, 1);
    let partials = arena.div_ceil(4096);
    let norm = NormPartials { arena4, chunks: partials as u32, first: 0, partials: partials as u32, members, limit: 0.0 };
    add("norm_partials".into(), Single::of(&norm, vec![arena, partials], batch), arena + partials);
    // gradients are read, weights and states read and written
    let sgd = Sgd { arena4, members, h0: 0.0, h1: 0.0, h2: 0.0, l2: 0.0, decoupled: 0.0 };
    add("sgd".into(), Single::of(&sgd, vec![SCALARS, arena, arena, 4], batch), 3 * arena);
    let adam = Adam { arena4, members, h0: 0.9, h1: 0.999, h2: 1e-8, l2: 0.0, decoupled: 0.0 };
    add("adam".into(), Single::of(&adam, vec![SCALARS, arena, arena, 4, arena, arena], batch), 7 * arena);
    let numbers = 1 << 20;
    add("add".into(), Single::sum(numbers), 3 * numbers);
    jobs
}
