//! An activation of one's own: as an expression, whose slope is derived. `cargo run --release --example custom_activation`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::train::Stop;
use gradus::{Activation, Dataset, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 80 };
    let (train, valid) = Dataset::spirals(3, 900, 7).split(0.8);

    // a sine on a slope: Liu, Hartwig and Ueda 2020 call it snake
    let snake = Activation::expression("z + sin(z)^2")?;
    for activation in [Activation::named("relu").unwrap_or(Activation::identity()), snake] {
        let name = activation.name().to_string();
        let model = Model::input(2).dense(32).activation(activation.clone()).dense(32).activation(activation).dense(3);
        let mut training = Trainer::new(model, Loss::cross_entropy()).schedule(Schedule::cosine(5e-3)).batch(32).build(Device::Auto)?;
        training.fit(&train, &valid, Stop::after(epochs))?;
        let accuracy = training.evaluate(&valid)?[0].get("accuracy").unwrap_or(f64::NAN);
        println!("{name:16} accuracy {accuracy:.3}");
    }
    Ok(())
}
