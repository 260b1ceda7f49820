//! Which learning rate to begin with: one short sweep, its curve in the terminal, and training at the suggestion, at a tenth and at ten times it.
//! `cargo run --release --example lr_finder`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::lr_find::{Settings, sketch, suggest};
use gradus::train::Stop;
use gradus::{Adam, Dataset, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 1 } else { 3 };
    let (train, valid) = Dataset::digits().split(0.8);
    let model = Model::input(64).dense(128).relu().dense(10);
    let trainer = |lr: f64| Trainer::new(model.clone(), Loss::cross_entropy()).optimizer(Adam::new().lr(lr)).batch(32).seed(7);

    let curve = trainer(1e-3).build(Device::Auto)?.lr_find(&train, &Settings::default())?;
    println!("{}", sketch(&curve, 72, 14));
    let found = suggest(&curve).map_err(|none| gradus::Error::input(none.to_string()))?;
    println!("steepest {:.1e}, valley {:.1e}, minimum/10 {:.1e}", found.steepest, found.valley.unwrap_or(f64::NAN), found.minimum_tenth);

    for (name, lr) in [("a tenth", found.steepest / 10.0), ("the suggestion", found.steepest), ("ten times", 10.0 * found.steepest)] {
        let mut training = trainer(lr).build(Device::Auto)?;
        training.fit(&train, &valid, Stop::after(epochs))?;
        println!("{name:14} {lr:.1e}: validation loss {:.3}", training.evaluate(&valid)?[0].loss);
    }
    Ok(())
}
