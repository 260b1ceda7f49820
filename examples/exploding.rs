//! A rate that is far too high, and what is done about it: an error that names the layer, a rollback at half the rate, clipping.
//! `cargo run --release --example exploding`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::train::{Event, OnNonFinite, Stop};
use gradus::{Clip, Dataset, Device, Loss, Model, Sgd, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 2 } else { 60 };
    let (train, valid) = Dataset::sine(400, 7).split(0.8);
    let model = Model::input(1).dense(32).relu().dense(32).relu().dense(1);
    let trainer = Trainer::new(model, Loss::mse()).optimizer(Sgd::new().lr(2.0)).batch(32).seed(7);

    for (name, trainer) in [
        ("as it is", trainer.clone()),
        ("skip", trainer.clone().on_nonfinite(OnNonFinite::Skip)),
        ("rollback", trainer.clone().on_nonfinite(OnNonFinite::Rollback)),
        ("norm clipped to 0.05", trainer.clone().clip(Clip::Norm(0.05))),
        ("values clipped to 0.01", trainer.clone().clip(Clip::Value(0.01))),
    ] {
        let mut training = trainer.build(Device::Auto)?;
        let mut rate = 1.0;
        let result = training.fit_with(&train, &valid, Stop::after(epochs), |event| {
            if let Event::Rollback { factor, .. } = event {
                rate = *factor;
            }
        });
        match result {
            Ok(report) => {
                let (last, loss) = (report.first().epochs.last(), training.evaluate(&valid)?[0].loss);
                let skipped: usize = report.first().epochs.iter().map(|epoch| epoch.skipped).sum();
                let norm = last.map_or(f64::NAN, |epoch| epoch.grad_norm);
                println!("{name}: validation loss {loss:.3}, norm of the gradients {norm:.2}, {skipped} steps skipped, rate times {rate}");
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    Ok(())
}
