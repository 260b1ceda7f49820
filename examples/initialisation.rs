//! How the weights start decides what reaches the first layer of a deep net: its activations, its gradients, and what it learns.
//! `cargo run --release --example initialisation`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::model::{Dist, Fan, Init};
use gradus::train::Stop;
use gradus::{Dataset, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 2 } else { 60 };
    let (train, valid) = Dataset::spirals(3, 600, 7).split(0.8);
    let model = (0..10).fold(Model::input(2), |model, _| model.dense(32).relu()).dense(3);

    println!("ten hidden layers of relu    deviation, layer 1 and 10    gradient, first by last    accuracy");
    for (name, init) in [
        ("auto: he before relu", Init::Auto),
        ("he, uniform, by outputs", Init::he().fan(Fan::Out).dist(Dist::Uniform)),
        ("xavier", Init::xavier()),
        ("orthogonal, gain √2", Init::Orthogonal { gain: std::f64::consts::SQRT_2 }),
        ("normal 0.1", Init::Normal { std: 0.1 }),
        ("normal 1: too large", Init::Normal { std: 1.0 }),
        ("zeros: all units alike", Init::Zeros),
    ] {
        let trainer = Trainer::new(model.clone().init(init), Loss::cross_entropy()).schedule(Schedule::cosine(3e-3)).batch(64).seed(7);
        let mut training = trainer.build(Device::Auto)?;
        let report = training.fit(&train, &valid, Stop::after(epochs))?;
        let first = &report.first().flow[0].layers;
        let ratio = first[0].gradient / first[10].gradient;
        let accuracy = training.evaluate(&valid)?[0].get("accuracy").unwrap_or(f64::NAN);
        println!("{name:27}  {:11.1e} {:11.1e}      {ratio:23.1e}  {accuracy:10.3}", first[0].deviation, first[9].deviation);
    }
    Ok(())
}
