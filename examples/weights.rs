//! Rows and classes that weigh more than others, and gradients accumulated over several batches. `cargo run --release --example weights`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Features, Table, Targets};
use gradus::rng::{Purpose, Rng};
use gradus::train::{ClassWeights, Stop};
use gradus::{Adam, Dataset, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 60 };

    // faults are one part in twenty, and overlap with what is sound
    let mut rng = Rng::new(7, Purpose::Synthetic, 0);
    let (mut x, mut of) = (Vec::new(), Vec::new());
    for row in 0..2000 {
        let fault = row % 20 == 0;
        x.extend([(rng.normal() + if fault { 1.5 } else { 0.0 }) as f32, rng.normal() as f32]);
        of.push(u32::from(fault));
    }
    let targets = Targets::Classes { of, names: vec!["sound".into(), "fault".into()] };
    let data = Dataset::new(Table::new(Features::F32(x), vec!["a".into(), "b".into()], targets)?);
    let (train, valid) = data.split(0.5);

    for (name, weights) in [
        ("all alike", ClassWeights::None),
        ("balanced", ClassWeights::Balanced),
        ("by hand", ClassWeights::Named(vec![("fault".into(), 5.0)])),
    ] {
        let trainer = Trainer::new(Model::input(2).dense(16).relu().dense(2), Loss::cross_entropy());
        // 4 batches of 32 make one update: exactly the gradient of 128 rows
        let mut training = trainer.optimizer(Adam::new().lr(5e-3)).batch(32).accumulate(4).class_weights(weights).build(Device::Auto)?;
        training.fit(&train, &valid, Stop::after(epochs))?;
        let z = training.predict(0, &valid)?;
        let Targets::Classes { of, .. } = valid.table().targets() else { continue };
        let found = valid.rows().iter().zip(z.chunks(2)).filter(|&(&row, z)| of[row as usize] == 1 && z[1] > z[0]).count();
        let faults = valid.rows().iter().filter(|&&row| of[row as usize] == 1).count();
        println!("{name:10} finds {found:2} of {faults} faults");
    }
    Ok(())
}
