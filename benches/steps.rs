//! Microseconds of a step at small shapes, where launching dispatches is what takes the time, and how much of it the host works:
//! `cargo bench --bench steps -- [--device llvmpipe] [--only digits] [--steps 256] [--rounds 7] [--json]`
//!
//! The host's share is the processor's time of the thread that trains (order drawn and uploaded, tables made, steps encoded and submitted; not
//! where it waits for the device), over the whole epoch. On the CPU path the host does all.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::bench::{Ceilings, Length, Settings, throughput};
use gradus::data::{Dataset, Features, Table, Targets};
use gradus::exec::DeviceType;
use gradus::rng::{Purpose, Rng};
use gradus::train::Looks;
use gradus::{Clip, Device, Error, Loss, Model, Result, Trainer};
use serde_json::json;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Microseconds of a step at small shapes, and the host's share of it")]
struct Arguments {
    /// auto, cpu, vulkan, metal, dx12, or part of an adapter's name.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Only shapes whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Steps of an epoch.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Rounds that count, each of one epoch.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Whether small steps are done whole by a workgroup a member [default: on a GPU, where 30,000 steps are expected].
    #[arg(long)]
    whole_steps: Option<bool>,
    /// One JSON line a result.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Name, layers, batch.
const SHAPES: [(&str, &[usize], usize); 9] = [
    ("xor 2-8-2", &[2, 8, 2], 4),
    ("iris 4-16-3", &[4, 16, 3], 16),
    ("digits 64-32-10", &[64, 32, 10], 32),
    ("digits 64-64-64-10", &[64, 64, 64, 10], 32),
    ("digits 64-128-10", &[64, 128, 10], 32),
    ("digits 64-256-10", &[64, 256, 10], 64),
    ("deep 16-8x16-4", &[16, 16, 16, 16, 16, 16, 16, 16, 16, 4], 32),
    ("mnist 784-256-128-10", &[784, 256, 128, 10], 32),
    ("mnist 784-256-128-10", &[784, 256, 128, 10], 128),
];

/// How long a GPU works before it is timed.
const WARM: Duration = Duration::from_millis(500);

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut device = Device::parse(&arguments.device).open()?;
    if let Some(whole) = arguments.whole_steps {
        device = device.with_whole_steps(whole);
    }
    let shapes: Vec<_> = SHAPES.iter().filter(|shape| shape.0.contains(&arguments.only)).collect();
    if shapes.is_empty() {
        return Err(Error::input(format!("no shape has `{}` in its name: leave --only out to see them all", arguments.only)));
    }
    let launch = Ceilings::measure(&device)?.launch;
    if !arguments.json {
        println!("{}, {} steps an epoch, {:.2} µs an idle dispatch", device.info(), arguments.steps, 1e6 * launch);
        let head = ["dispatches", "µs/step", "spread", "µs/dispatch", "host µs", "host"];
        println!(
            "{:22} {:>5} {:>10} {:>9} {:>8} {:>11} {:>8} {:>6}",
            "shape", "batch", head[0], head[1], head[2], head[3], head[4], head[5]
        );
    }
    for &&(name, layers, batch) in &shapes {
        let data = random(layers[0], layers[layers.len() - 1], batch * arguments.steps as usize)?;
        let (hidden, last) = layers[1..].split_at(layers.len() - 2);
        let model = hidden.iter().fold(Model::input(layers[0]), |model, &units| model.dense(units).relu()).dense(last[0]);
        let trainer = Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(batch).looks(Looks::Never);
        let first = trainer.clone().build_on(device.clone())?.first_step(&data)?;
        let kernels = first.compiled.plan.program(first.program).dispatches.len();
        // done whole, a step has not a dispatch of its own
        let dispatches = if device.whole_steps(&first.compiled.plan, first.program).is_some() { 0 } else { kernels };
        drop(first);
        let settings = Settings { rounds: arguments.rounds, length: Length::Epochs(1) };
        // a GPU that had nothing to do runs slowly at first
        let began = Instant::now();
        while device.info().kind.is_gpu() && began.elapsed() < WARM {
            throughput(&trainer, &device, &data, batch, &settings)?;
        }
        let measured = throughput(&trainer, &device, &data, batch, &settings)?;
        let (micros, spread) = (measured.microseconds_per_step(), measured.samples_per_second().spread());
        let host = (device.info().kind != DeviceType::Cpu).then(|| measured.host_share());
        if arguments.json {
            let line = json!({
                "shape": name, "batch": batch, "dispatches": dispatches, "us_per_step": micros, "spread": spread,
                "us_per_dispatch": (dispatches > 0).then(|| micros / dispatches as f64), "host_us_per_step": host.map(|share| share * micros), "host_share": host,
                "launch_us": 1e6 * launch, "device": device.info().name,
            });
            println!("{line}");
        } else {
            let [host_micros, share] = match host {
                Some(share) => [format!("{:.1}", share * micros), format!("{:.0} %", 100.0 * share)],
                None => ["", ""].map(String::from),
            };
            let each = if dispatches > 0 { format!("{:.2}", micros / dispatches as f64) } else { String::new() };
            let (spread, dispatches) =
                (format!("{:.0} %", 100.0 * spread), if dispatches > 0 { dispatches.to_string() } else { "whole".into() });
            println!("{name:22} {batch:>5} {dispatches:>10} {micros:>9.1} {spread:>8} {each:>11} {host_micros:>8} {share:>6}");
        }
    }
    Ok(())
}

/// Rows drawn from a normal distribution, in classes by turns.
fn random(inputs: usize, classes: usize, rows: usize) -> Result<Dataset> {
    let mut rng = Rng::new(7, Purpose::Synthetic, 0);
    let features = (0..rows * inputs).map(|_| rng.normal() as f32).collect();
    let names = |letter: char, count: usize| (0..count).map(|i| format!("{letter}{i}")).collect::<Vec<_>>();
    let targets = Targets::Classes { of: (0..rows).map(|row| (row % classes) as u32).collect(), names: names('c', classes) };
    Ok(Dataset::new(Table::new(Features::F32(features), names('x', inputs), targets)?))
}
