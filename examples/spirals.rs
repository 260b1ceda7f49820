//! Three arms of a spiral, told apart by two hidden layers; what each epoch brings is printed as it comes.
//! `cargo run --release --example spirals`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Split};
use gradus::train::{Event, Stop};
use gradus::{Adam, Clip, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 100 };

    let data = Dataset::spirals(3, 1200, 7);
    let (train, valid, test) = Split { valid: 0.15, test: 0.15, stratify: true, seed: 7 }.apply(&data)?;

    let model = Model::input(2).dense(64).relu().dense(64).relu().dense(3);
    let mut training = Trainer::new(model, Loss::cross_entropy())
        .optimizer(Adam::new())
        // a cosine from 5e-3 down to 0 over the run, after a linear warm-up of its first 5 %
        .schedule(Schedule::cosine(5e-3).warmup(0.05))
        .clip(Clip::Norm(1.0))
        .batch(32)
        .seed(7)
        .build(Device::Auto)?;
    println!("on {}", training.device());

    // at most so many epochs, fewer when the validation loss has not improved for 20; the best weights come back
    let report = training.fit_with(&train, &valid, Stop::after(epochs).patience(20), |event| {
        let Event::Epoch { records, .. } = event else { return };
        let record = &records[0];
        if let Some(valid) = record.valid.as_ref().filter(|_| quick || record.epoch % 10 == 0) {
            println!("epoch {:3}  loss {:.4}  validation {:.4}", record.epoch, record.train_loss, valid.loss);
        }
    })?;

    let accuracy = training.evaluate(&test)?[0].get("accuracy").unwrap_or(f64::NAN);
    let first = report.first();
    println!("stopped by {} with the weights of epoch {}: test accuracy {accuracy:.3}", first.stopped.name(), first.best_epoch);
    Ok(())
}
