//! 100,000 steps: the host's memory stays flat, and nothing is allocated on the device after the first epoch:
//! `cargo bench --bench soak -- [--device llvmpipe] [--steps 100000]`
//!
//! A line every tenth of the way; exit code 1 when memory grew by more than the report's own 4 bytes a step and 4 MiB, or anything was created.
//! The host's memory is known on Linux only.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::train::{Event, Stop};
use gradus::{Clip, Dataset, Loss, Model, Result, Trainer};
use std::process::ExitCode;

#[path = "../tests/soak/memory.rs"]
mod memory;

use memory::{Reading, Watched};

#[derive(Parser)]
#[command(about = "Many steps with flat memory and no allocation on the device")]
struct Arguments {
    /// cpu, vulkan, metal, dx12, or part of an adapter's name.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Steps.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    steps: u32,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code().into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    const BATCH: usize = 32;
    let watched = Watched::named(&arguments.device)?;
    let (train, none) = Dataset::digits().split(1.0);
    // batches of an epoch; the last one is short
    let steps = train.len().div_ceil(BATCH);
    let epochs = (arguments.steps as usize).div_ceil(steps);
    let model = Model::input(64).dense(32).relu().dense(10);
    let trainer = Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(BATCH);
    let mut readings: Vec<Reading> = Vec::with_capacity(epochs);
    println!("{}: {} steps in {epochs} epochs", watched.device.info(), epochs * steps);
    println!("{:>9}  {:>10}  {:>14}  on the device", "step", "host MiB", "samples/s");
    let mut training = trainer.build_on(watched.device.clone())?;
    training.fit_with(&train, &none, Stop::after(epochs), |event| {
        if let Event::Epoch { samples_per_second, .. } = event {
            readings.push(watched.read());
            let done = readings.len();
            if (done * 10) % epochs < 10 || done == 1 {
                let reading = &readings[done - 1];
                let host = reading.host_bytes.map_or("unknown".into(), |bytes| format!("{:.1}", bytes as f64 / 1_048_576.0));
                println!("{:>9}  {host:>10}  {samples_per_second:>14.0}  {}", done * steps, reading.device());
            }
        }
    })?;
    let faults = memory::faults(&readings, steps);
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{}", if faults.is_empty() { "flat" } else { "NOT flat" });
    Ok(faults.is_empty())
}
