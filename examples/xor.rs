//! The smallest problem that needs a hidden layer: exclusive or. `cargo run --release --example xor`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Features, Table, Targets};
use gradus::train::Stop;
use gradus::{Adam, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();

    // a table from code: features row after row, a class a row
    let features = Features::F32(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    let targets = Targets::Classes { of: vec![0, 1, 1, 0], names: vec!["same".into(), "different".into()] };
    let data = Dataset::new(Table::new(features, vec!["a".into(), "b".into()], targets)?);
    // four rows are all there is: nothing is left to validate with
    let none = data.view(Vec::new());

    let model = Model::input(2).dense(8).tanh().dense(2);
    let mut training = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new().lr(0.05)).batch(4).seed(7).build(Device::Auto)?;
    let report = training.fit(&data, &none, Stop::after(if quick { 5 } else { 200 }))?;
    println!("on {}: loss {:.4}", training.device(), report.first().epochs.last().map_or(f64::NAN, |e| e.train_loss));

    // a classifier's predictions are logits: the largest is the answer
    for (logits, [a, b]) in training.predict(0, &data)?.chunks(2).zip([[0, 0], [0, 1], [1, 0], [1, 1]]) {
        println!("{a} xor {b} = {}", u8::from(logits[1] > logits[0]));
    }
    Ok(())
}
