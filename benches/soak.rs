//! 100,000 steps with a checkpoint every 1,000: the host's memory stays flat, nothing is allocated on the device after the first epoch, and a training
//! that is killed on the way goes on to the same weights: `cargo bench --bench soak -- [--device llvmpipe] [--steps 100000]`
//!
//! A line every tenth of the way; exit code 1 when memory grew by more than the report's own 4 bytes a step and 4 MiB, when anything was created, or when
//! the weights differ. The host's memory is known on Linux only.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::checkpoint::{Checkpoint, Folder, Found};
use gradus::train::{Checkpoints, Event, Every, Stop};
use gradus::{Clip, Dataset, Error, Loss, Model, Result, Trainer};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

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
    /// Trains into this folder, to be killed.
    #[arg(long, hide = true)]
    killed: Option<PathBuf>,
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
    if let Some(folder) = &arguments.killed {
        // this process ends by being killed
        return fit(arguments, folder, None).map(|_| true);
    }
    let own = tempfile::tempdir().map_err(|e| Error::io("a folder for checkpoints", e))?;
    let [straight, killed] = ["straight", "killed"].map(|name| own.path().join(name));
    let (wanted, readings, steps) = fit(arguments, &straight, None)?;
    let mut faults = memory::faults(&readings, steps);

    let total = (readings.len() * steps) as u64;
    let found = kill(arguments, &killed, total / 2)?;
    let from = found.checkpoint.number;
    let (hash, readings, _) = fit(arguments, &killed, Some(found.checkpoint))?;
    faults.extend(memory::faults(&readings, steps));
    if hash != wanted {
        faults.push(format!("killed, it went on from step {from} to the weights {hash}, not to {wanted}"));
    } else {
        println!("killed, it went on from step {from} of {total} to the same weights, {hash}");
    }
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{}", if faults.is_empty() { "flat" } else { "NOT flat" });
    Ok(faults.is_empty())
}

/// Trains, from a checkpoint if there is one: the hash of the weights, a reading an epoch, and the steps of an epoch.
fn fit(arguments: &Arguments, folder: &Path, from: Option<Checkpoint>) -> Result<(String, Vec<Reading>, usize)> {
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
    training.keep_checkpoints(Checkpoints::new(folder).every(Every::Steps(1000)));
    if let Some(checkpoint) = from {
        training.resume(checkpoint);
    }
    let mut written = 0;
    let report = training.fit_with(&train, &none, Stop::after(epochs), |event| match event {
        Event::Epoch { records, samples_per_second, .. } => {
            readings.push(watched.read());
            let done = records[0].epoch;
            if (done * 10) % epochs < 10 || readings.len() == 1 {
                let reading = &readings[readings.len() - 1];
                let host = reading.host_bytes.map_or("unknown".into(), |bytes| format!("{:.1}", bytes as f64 / 1_048_576.0));
                println!("{:>9}  {host:>10}  {samples_per_second:>14.0}  {}", done * steps, reading.device());
            }
        }
        Event::Checkpoint { .. } => written += 1,
        _ => {}
    })?;
    println!("{written} checkpoints written");
    Ok((report.first().weights_hash.clone(), readings, steps))
}

/// Trains in a process of its own and kills it once it has a checkpoint of this step or a later one: the newest that it left.
fn kill(arguments: &Arguments, folder: &Path, step: u64) -> Result<Found> {
    let gone = |e| Error::io("a process for the training", e);
    let mut command = Command::new(std::env::current_exe().map_err(gone)?);
    command.args(["--device", &arguments.device, "--steps", &arguments.steps.to_string(), "--killed"]).arg(folder);
    let mut child = command.stdout(Stdio::null()).spawn().map_err(gone)?;
    let kept = Folder::new(folder);
    while kept.numbers()?.last().is_none_or(|&last| last < step) {
        if child.try_wait().map_err(gone)?.is_some() {
            return Err(Error::input("the training ended before it was killed"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().and_then(|()| child.wait()).map_err(gone)?;
    let found = kept.newest()?.ok_or_else(|| Error::input("the training left no checkpoint"))?;
    match found.refused.into_iter().next() {
        Some(refused) => Err(refused),
        None => Ok(Found { refused: Vec::new(), ..found }),
    }
}
