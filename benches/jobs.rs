//! The three jobs that others are measured by, one JSON line a result, so that rounds can take turns with theirs:
//! `cargo bench --bench jobs -- [--jobs mnist,wide,tiny] [--device cpu] [--threads 1] [--data data/mnist] [--batches 32,128,1024] [--rows 12800] [--epochs 3] [--members 1,64] [--fused-gather true] [--whole-steps true]`
//!
//! mnist: 784-256-128-10, ReLU, Adam 1e-3, norm clip 1.0, shuffled, whole batches: median epoch after a warm-up epoch, accuracy on the test set.
//! wide: 1024-4096-4096-1024, ReLU, MSE, Adam, batch 256, no clipping, random data: median step of `--steps` after two. Others time `--steps-a-look 10` on a GPU.
//! tiny: 64-32-10 on 1,437 of the digits, batch 32, otherwise as mnist: `--tiny-epochs` epochs after a warm-up epoch, with so many `--members` side by side.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use clap::Parser;
use gradus::bench::Summary;
use gradus::data::{Dataset, Features, Table, Targets, read_idx_folder};
use gradus::exec::OpenDevice;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Looks, Member, Remainder, StartTimes, Stop, Timing};
use gradus::{Adam, Clip, Device, Loss, Model, Result, Trainer};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Parser)]
#[command(about = "The jobs that others are measured by, one JSON line a result")]
struct Arguments {
    /// Which jobs.
    #[arg(long, value_delimiter = ',', default_values = ["mnist", "wide", "tiny"])]
    jobs: Vec<Job>,
    /// auto, cpu, vulkan, metal, dx12, or part of an adapter's name.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Threads of the CPU path [default: as many as there are].
    #[arg(long)]
    threads: Option<usize>,
    /// What the lines call us.
    #[arg(long)]
    peer: Option<String>,
    /// The folder of MNIST's files (scripts/get-mnist).
    #[arg(long, default_value = "data/mnist")]
    data: PathBuf,
    /// Batch sizes of mnist.
    #[arg(long, value_delimiter = ',', default_values_t = [32, 128, 1024])]
    batches: Vec<usize>,
    /// Rows of mnist.
    #[arg(long, default_value_t = 12_800)]
    rows: usize,
    /// Epochs of mnist that count.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Steps of wide that count.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Steps of wide between two looks at the clock.
    #[arg(long, default_value_t = 1)]
    steps_a_look: usize,
    /// Epochs of tiny that count.
    #[arg(long, default_value_t = 100)]
    tiny_epochs: usize,
    /// Models side by side in tiny.
    #[arg(long, value_delimiter = ',', default_values_t = [1])]
    members: Vec<u64>,
    /// Whether the first layer's products look their rows up in the data [default: what the device is better off with].
    #[arg(long)]
    fused_gather: Option<bool>,
    /// Whether small steps are done whole by a workgroup a member [default: on a GPU, where 30,000 steps are expected].
    #[arg(long)]
    whole_steps: Option<bool>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Job {
    Mnist,
    Wide,
    #[value(alias = "digits")]
    Tiny,
}

fn main() {
    if let Err(error) = run(&Arguments::parse()) {
        eprintln!("error: {error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut device = Device::parse(&arguments.device).open()?;
    if let Some(threads) = arguments.threads {
        device = device.with_threads(threads);
    }
    if let Some(fused) = arguments.fused_gather {
        device = device.with_fused_gather(fused);
    }
    if let Some(whole) = arguments.whole_steps {
        device = device.with_whole_steps(whole);
    }
    for job in &arguments.jobs {
        match job {
            Job::Mnist => mnist(arguments, &device)?,
            Job::Wide => wide(arguments, &device)?,
            Job::Tiny => tiny(arguments, &device)?,
        }
    }
    Ok(())
}

/// Epochs as they were timed, each by the wall, and what was learnt.
struct Trained {
    seconds: Vec<f64>,
    accuracy: Option<f64>,
    first_step: f64,
    start: StartTimes,
    hash: String,
}

/// Trains for so many epochs after a warm-up epoch.
fn train(trainer: Trainer, device: &OpenDevice, train: &Dataset, test: Option<&Dataset>, epochs: usize) -> Result<Trained> {
    if epochs == 0 {
        return Err(gradus::Error::input("at least 1 epoch or step must count (got 0): set --epochs, --steps or --tiny-epochs"));
    }
    let mut training = trainer.remainder(Remainder::Drop).looks(Looks::Never).timing(Timing::Start).build_on(device.clone())?;
    let mut seconds = Vec::new();
    let mut began = Instant::now();
    let report = training.fit_with(train, &train.view(Vec::new()), Stop::after(epochs + 1), |event| {
        if let gradus::train::Event::Epoch { .. } = event {
            seconds.push(began.elapsed().as_secs_f64());
            began = Instant::now();
        }
    })?;
    let accuracy = match test {
        Some(test) => training.evaluate(test)?[0].get("accuracy"),
        None => None,
    };
    let hash = report.first().weights_hash.clone();
    Ok(Trained { seconds, accuracy, first_step: report.start_seconds, start: report.start, hash })
}

fn median(values: &[f64]) -> f64 {
    Summary::of(values).map_or(f64::NAN, |summary| summary.median)
}

/// A line with the fields that all peers print, and ours.
fn line(
    arguments: &Arguments,
    device: &OpenDevice,
    job: &str,
    batch: usize,
    seconds_per_step: f64,
    gflops: Option<f64>,
    trained: &Trained,
) {
    let timed = &trained.seconds[1..];
    let name = arguments.peer.clone().unwrap_or_else(|| match device.threads() {
        0 => format!("gradus-{}", device.info().backend),
        threads => format!("gradus-{}-{threads}t", device.info().backend),
    });
    let StartTimes { device: device_s, plan, pipelines, upload, first_step } = trained.start;
    let line = json!({
        "peer": name,
        "version": env!("CARGO_PKG_VERSION"),
        "job": job,
        "batch": batch,
        "samples_per_s": batch as f64 / seconds_per_step,
        "gflops": gflops,
        "accuracy": trained.accuracy,
        "seconds": trained.seconds.iter().sum::<f64>(),
        "note": format!("epochs={} warmup_epoch_s={:.3}", timed.len(), trained.seconds[0]),
        "us_per_step": 1e6 * seconds_per_step,
        "spread": Summary::of(timed).map(|summary| summary.spread()),
        "first_step_s": trained.first_step,
        "start_s": {"device": device_s, "plan": plan, "pipelines": pipelines, "upload": upload, "first_step": first_step},
        "device": device.info().name,
        "weights_hash": trained.hash,
    });
    println!("{line}");
}

fn mnist(arguments: &Arguments, device: &OpenDevice) -> Result<()> {
    let (table, test): (Table, Option<Table>) = read_idx_folder(&arguments.data)?;
    let (all, test) = (Dataset::new(table), test.map(Dataset::new));
    let rows = all.view((0..arguments.rows.min(all.len()) as u32).collect());
    for &batch in &arguments.batches {
        gradus::bench::check_batch(batch, rows.len())?;
        let model = Model::input(784).dense(256).relu().dense(128).relu().dense(10);
        let trainer = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(1.0)).batch(batch);
        let trained = train(trainer, device, &rows, test.as_ref(), arguments.epochs)?;
        let seconds = median(&trained.seconds[1..]) / (rows.len() / batch) as f64;
        line(arguments, device, "mnist", batch, seconds, None, &trained);
    }
    Ok(())
}

fn wide(arguments: &Arguments, device: &OpenDevice) -> Result<()> {
    const BATCH: usize = 256;
    let looks = arguments.steps_a_look.max(1);
    let mut rng = Rng::new(7, Purpose::Synthetic, 0);
    let mut normal = |count: usize| (0..count).map(|_| rng.normal() as f32).collect::<Vec<_>>();
    let (x, y) = (normal(looks * BATCH * 1024), normal(looks * BATCH * 1024));
    let names = |letter: &str| (0..1024).map(|i| format!("{letter}{i}")).collect::<Vec<_>>();
    let targets = Targets::Values { of: y, names: names("y") };
    let data = Dataset::new(Table::new(Features::F32(x), names("x"), targets)?);
    let model = Model::input(1024).dense(4096).relu().dense(4096).relu().dense(1024);
    let flops = 6.0 * model.parameters() as f64 * BATCH as f64;
    // an epoch is the steps between two looks; the first two are not counted
    let mut trained = train(Trainer::new(model, Loss::mse()).batch(BATCH), device, &data, None, arguments.steps + 1)?;
    trained.seconds.remove(1);
    let seconds = median(&trained.seconds[1..]) / looks as f64;
    line(arguments, device, "wide", BATCH, seconds, Some(1e-9 * flops / seconds), &trained);
    Ok(())
}

fn tiny(arguments: &Arguments, device: &OpenDevice) -> Result<()> {
    const BATCH: usize = 32;
    let digits = Dataset::digits();
    let (rows, rest) = digits.split(1437.0 / digits.len() as f64);
    let model = Model::input(64).dense(32).relu().dense(10);
    for &count in &arguments.members {
        let members: Vec<_> = (0..count).map(|seed| Member { seed, lr: None }).collect();
        let trainer = Trainer::new(model.clone(), Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(BATCH).members(members);
        let trained = train(trainer, device, &rows, Some(&rest), arguments.tiny_epochs)?;
        // all epochs together, as the peers have it
        let timed = &trained.seconds[1..];
        let seconds = timed.iter().sum::<f64>() / (timed.len() * (rows.len() / BATCH)) as f64;
        let name = if count == 1 { "tiny".into() } else { format!("tiny x {count}") };
        line(arguments, device, &name, BATCH * count as usize, seconds, None, &trained);
    }
    Ok(())
}
