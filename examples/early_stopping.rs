//! When training ends: patience with the best weights restored, a value that is good enough, a time limit. And what is measured at the end.
//! `cargo run --release --example early_stopping`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::Split;
use gradus::train::{EarlyStopping, Monitor, Stop};
use gradus::{Adam, Dataset, Device, Loss, Model, Trainer};
use std::time::Duration;

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let most = if quick { 5 } else { 300 };
    let (train, valid, test) = Split { valid: 0.2, test: 0.2, ..Split::default() }.apply(&Dataset::moons(400, 7))?;

    let accurate = EarlyStopping { monitor: Monitor::Valid("accuracy".into()), patience: 20, min_delta: 0.005, ..EarlyStopping::default() };
    let stops = [
        ("patience on the loss", Stop::after(most).patience(10)),
        ("patience on the accuracy", Stop::after(most).early(accurate)),
        ("good enough", Stop::after(most).stop_at("val_accuracy", 0.95)),
        ("a second", Stop::after(100_000).within(Duration::from_secs(1))),
    ];
    for (name, stop) in stops {
        let model = Model::input(2).dense(64).relu().dropout(0.2).dense(64).relu().dense(2);
        let mut training =
            Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new().lr(5e-3)).batch(32).seed(7).build(Device::Auto)?;
        let report = training.fit(&train, &valid, stop)?;
        let member = report.first();
        let scores = training.evaluate(&test)?.remove(0);
        let metrics: Vec<_> = scores.metrics.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        println!(
            "{name}: stopped by {} after {} epochs, weights of epoch {}",
            member.stopped.name(),
            member.epochs.len(),
            member.best_epoch
        );
        println!("    test: loss {:.3}, {}", scores.loss, metrics.join(", "));
    }
    Ok(())
}
