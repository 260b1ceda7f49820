//! Handwritten digits (UCI, 1,797 of 8 × 8 pixels, inside the crate): split, scaled, trained, tested, saved.
//! `cargo run --release --example digits`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Scaler, Scaling, Split};
use gradus::model::Weights;
use gradus::train::Stop;
use gradus::{Adam, Clip, Device, Loss, Model, Schedule, Trainer};
use std::sync::Arc;

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 2 } else { 40 };

    let digits = Dataset::digits();
    let (mut train, mut valid, mut test) = Split { valid: 0.15, test: 0.2, stratify: true, seed: 7 }.apply(&digits)?;
    // the scaling is fitted on the rows for training only; the table is scaled once, and the three views move over to it
    if let Some(scaler) = Scaler::fit(Scaling::MinMax, &train)? {
        let scaled = Arc::new(scaler.apply_table(digits.table())?);
        [train, valid, test] = [train, valid, test].map(|part| part.with_table(&scaled));
    }

    let model = Model::input(64).dense(256).relu().dense(128).relu().dense(10);
    let mut training = Trainer::new(model.clone(), Loss::cross_entropy())
        .optimizer(Adam::new())
        .schedule(Schedule::cosine(1e-3).warmup(0.05))
        .clip(Clip::Norm(1.0))
        .batch(32)
        .seed(7)
        .build(Device::Auto)?;
    let report = training.fit(&train, &valid, Stop::after(epochs).patience(20))?;
    let accuracy = training.evaluate(&test)?[0].get("accuracy").unwrap_or(f64::NAN);
    println!("on {}: test accuracy {accuracy:.4} after {:.1} s", training.device(), report.seconds);

    // PyTorch reads this file with `nn.Sequential(…).load_state_dict(safetensors.torch.load_file(path))`
    let path = std::env::temp_dir().join(format!("gradus-digits-{}.safetensors", std::process::id()));
    report.first().weights.save(&path)?;
    let again = Weights::load(&path)?;
    again.check(&model)?;
    println!("weights {} saved to {} and read back: {}", report.first().weights_hash, path.display(), again.hash());
    Ok(())
}
