//! GFLOP/s and GB/s of the kernels that take the time, each variant, with the share of what the device reaches at its best:
//! `cargo bench --bench kernels -- [--device llvmpipe] [--batch 128] [--only dense_forward] [--json]`
//!
//! Bytes are those of the elements read and written, once each. The ceilings are measured first: the best large matrix product, and c = a + b.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::bench::{Ceilings, Single};
use gradus::exec::DeviceType;
use gradus::kernel::{Kernel, Params as _};
use gradus::kernels::dense_delta::DenseDelta;
use gradus::kernels::dense_forward::DenseForward;
use gradus::kernels::dense_gradient::DenseGradient;
use gradus::kernels::norm::NormPartials;
use gradus::kernels::update::{Adam, Sgd};
use gradus::kernels::{finish::SCALARS, named};
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
    let jobs: Vec<Job> = jobs(arguments.batch)?.into_iter().filter(|job| job.label.contains(&arguments.only)).collect();
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
        for variant in device.variants(job.single.kernel) {
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

fn jobs(rows: u32) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let batch = rows as usize;
    let mut add = |label: String, name: &str, words: Vec<u32>, buffers: Vec<usize>, moved: usize| -> Result<()> {
        let kernel = named(name).ok_or_else(|| Error::input(format!("there is no kernel `{name}`")))?;
        jobs.push(Job { label, single: Single { kernel, words, buffers, rows: batch, variant: None }, moved });
        Ok(())
    };
    // the layers of the MNIST job, and the largest of the wide one
    for (inputs, outputs) in [(784u32, 256u32), (256, 128), (128, 10), (1024, 4096)] {
        let (inputs4, outputs4) = (inputs.div_ceil(4), outputs.div_ceil(4));
        let (i, o) = (4 * inputs4 as usize, 4 * outputs4 as usize);
        let (weight, arena) = (o * i, o * i + o.next_multiple_of(64));
        let (arena4, bias4, members) = (arena as u32 / 4, weight as u32 / 4, 1);
        let forward = DenseForward { rows, inputs4, outputs, outputs4, members, arena4, weight4: 0, bias4, has_bias: 1, kind: 1 };
        let shape = format!("{inputs}x{outputs}");
        let (x, a, weights) = (batch * i, batch * o, weight + o);
        add(format!("dense_forward {shape}"), DenseForward::NAME, forward.words(), vec![x, arena, a], x + weights + a)?;
        let delta = DenseDelta { rows, inputs4, outputs, outputs4, members, arena4, weight4: 0, kind: 1 };
        add(format!("dense_delta {shape}"), DenseDelta::NAME, delta.words(), vec![a, arena, x, x], a + weight + 2 * x)?;
        let whole = DenseGradient {
            rows,
            inputs4,
            outputs,
            outputs4,
            members,
            arena4,
            weight4: 0,
            bias4,
            has_bias: 1,
            parts: 1,
            part_rows: rows,
            slice4: 0,
        };
        add(format!("dense_gradient {shape}"), DenseGradient::NAME, whole.words(), vec![a, x, arena], a + x + weights)?;
    }
    let arena: usize = 235_264;
    let (arena4, members) = (arena as u32 / 4, 1);
    let partials = arena.div_ceil(4096);
    let norm = NormPartials { arena4, chunks: partials as u32, first: 0, partials: partials as u32, members, limit: 0.0 };
    add("norm_partials".into(), NormPartials::NAME, norm.words(), vec![arena, partials], arena + partials)?;
    // gradients are read, weights and states read and written
    let sgd = Sgd { arena4, members, h0: 0.0, h1: 0.0, h2: 0.0, l2: 0.0, decoupled: 0.0 };
    add("sgd".into(), Sgd::NAME, sgd.words(), vec![SCALARS, arena, arena, 4], 3 * arena)?;
    let adam = Adam { arena4, members, h0: 0.9, h1: 0.999, h2: 1e-8, l2: 0.0, decoupled: 0.0 };
    add("adam".into(), Adam::NAME, adam.words(), vec![SCALARS, arena, arena, 4, arena, arena], 7 * arena)?;
    let numbers = 1 << 20;
    let sum = Single::sum(numbers);
    jobs.push(Job { label: "add".into(), moved: 3 * numbers, single: sum });
    Ok(jobs)
}
