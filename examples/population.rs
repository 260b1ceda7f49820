//! Several models of one shape side by side, in the same dispatches: two seeds at each of four rates.
//! `cargo run --release --example population`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Split};
use gradus::train::{Member, Stop};
use gradus::{Adam, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 40 };

    let (train, valid, test) = Split { valid: 0.2, test: 0.2, ..Split::default() }.apply(&Dataset::moons(1000, 7))?;

    // each member has its own initial weights, its own order of the rows (both from its seed) and its own rate
    let mut members = Vec::new();
    for lr in [1e-4, 1e-3, 1e-2, 1e-1] {
        for seed in [1, 2] {
            members.push(Member { seed, lr: Some(lr) });
        }
    }
    let model = Model::input(2).dense(32).relu().dense(32).relu().dense(2);
    let mut training =
        Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).batch(32).members(members.clone()).build(Device::Auto)?;
    // early stopping judges each member by its own validation loss
    let report = training.fit(&train, &valid, Stop::after(epochs).patience(10))?;
    let scores = training.evaluate(&test)?;

    println!("{} models on {} in {:.1} s", members.len(), training.device(), report.seconds);
    println!("  rate  seed  epochs  best  test loss  accuracy");
    for ((member, outcome), scores) in members.iter().zip(&report.members).zip(&scores) {
        println!(
            "{:6.0e}  {:4}  {:6}  {:4}  {:9.4}  {:8.3}",
            member.lr.unwrap_or_default(),
            member.seed,
            outcome.epochs.len(),
            outcome.best_epoch,
            scores.loss,
            scores.get("accuracy").unwrap_or(f64::NAN)
        );
    }
    Ok(())
}
