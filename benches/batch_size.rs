//! Samples a second over batch sizes, one JSON line a result:
//! `cargo bench --bench batch_size -- [--data data/mnist] [--device cpu] [--batches 32,128,1024] [--rows 12800] [--epochs 4] [--job mnist|digits]`
//!
//! mnist: 784-256-128-10, ReLU, Adam 1e-3, norm clip 1.0, shuffled. digits: 64-32-10 on the built-in digits, otherwise the same.
//! The figure is the median epoch without the first, validation not counted.
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Table, read_idx_folder};
use gradus::train::Stop;
use gradus::{Adam, Clip, Device, Loss, Model, Trainer};

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

fn run() -> gradus::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let get = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).cloned().unwrap_or_else(|| default.to_string())
    };
    let number = |name: &str, default: &str| {
        let text = get(name, default);
        text.parse::<usize>().map_err(|_| gradus::Error::input(format!("{name} takes a whole number (got {text})")))
    };
    let (rows, epochs) = (number("--rows", "12800")?, number("--epochs", "4")?);
    let job = get("--job", "mnist");
    let (train, test) = match job.as_str() {
        "digits" => Dataset::digits().split(0.8),
        _ => {
            let (train, test): (Table, Option<Table>) = read_idx_folder(get("--data", "data/mnist"))?;
            let train = Dataset::new(train);
            (train.view((0..rows.min(train.len()) as u32).collect()), Dataset::new(test.unwrap_or_else(|| train.table().as_ref().clone())))
        }
    };
    let model = match job.as_str() {
        "digits" => Model::input(64).dense(32).relu().dense(10),
        _ => Model::input(784).dense(256).relu().dense(128).relu().dense(10),
    };
    for batch in get("--batches", "32,128,1024").split(',') {
        let batch = batch.parse().map_err(|_| gradus::Error::input(format!("--batches takes whole numbers (got {batch})")))?;
        let mut training = Trainer::new(model.clone(), Loss::cross_entropy())
            .optimizer(Adam::new())
            .clip(Clip::Norm(1.0))
            .batch(batch)
            .build(Device::parse(&get("--device", "cpu")))?;
        let none = train.view(Vec::new());
        let mut rates = Vec::new();
        let report = training.fit_with(&train, &none, Stop::after(epochs), |event| {
            if let gradus::train::Event::Epoch { samples_per_second, .. } = event {
                rates.push(*samples_per_second);
            }
        })?;
        let accuracy = training.evaluate(&test)?[0].get("accuracy").unwrap_or(f64::NAN);
        let mut counted = rates.split_off(1.min(rates.len() - 1));
        counted.sort_by(f64::total_cmp);
        println!(
            "{{\"peer\":\"gradus\",\"device\":\"{}\",\"job\":\"{job}\",\"batch\":{batch},\"samples_per_s\":{:.0},\"us_per_step\":{:.1},\"accuracy\":{accuracy:.4},\"seconds\":{:.2},\"first_step_s\":{:.3},\"weights_hash\":\"{}\"}}",
            training.device().name,
            counted[counted.len() / 2],
            1e6 * batch as f64 / counted[counted.len() / 2],
            report.seconds,
            report.start_seconds,
            report.first().weights_hash
        );
    }
    Ok(())
}
