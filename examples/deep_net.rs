//! Twenty layers: a plain sigmoid net whose gradients vanish, and one with residual blocks and batch normalisation that learns. The diagnosis
//! says why. `cargo run --release --example deep_net`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::train::{Event, Stop};
use gradus::{Dataset, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 2 } else { 60 };
    let (train, valid) = Dataset::spirals(3, 600, 7).split(0.8);

    let plain = (0..20).fold(Model::input(2), |model, _| model.dense(16).sigmoid()).dense(3);
    let block = |f: Model| f.batch_norm().relu().dense(16);
    let cured = (0..20).fold(Model::input(2).dense(16), |model, _| model.residual(block)).batch_norm().relu().dense(3);

    for (name, model) in [("plain sigmoid", plain), ("residual, batch norm, relu", cured)] {
        println!("{name}");
        let schedule = Schedule::cosine(5e-3).warmup(0.1);
        let mut training = Trainer::new(model, Loss::cross_entropy()).schedule(schedule).batch(64).seed(7).build(Device::Auto)?;
        let mut said = false;
        let report = training.fit_with(&train, &valid, Stop::after(epochs), |event| {
            if let (Event::Diagnosis { flow, found, .. }, false) = (event, said) {
                found.iter().for_each(|diagnosis| println!("  step {}: {diagnosis}", flow.step));
                said = true;
            }
        })?;
        let first = &report.first().flow[0].layers;
        println!(
            "  in the first step the gradients of the first layer are {:.0e} of the last's",
            first[0].gradient / first[first.len() - 1].gradient
        );
        println!("  accuracy {:.3}", training.evaluate(&valid)?[0].get("accuracy").unwrap_or(f64::NAN));
    }
    Ok(())
}
