//! A regression: y = sin x with noise, judged by R². `cargo run --release --example regression`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Dataset, Features, Table, Targets};
use gradus::train::Stop;
use gradus::{Adam, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 100 };

    let (train, test) = Dataset::sine(1000, 7).split(0.8);
    let model = Model::input(1).dense(32).tanh().dense(32).tanh().dense(1);
    let mut training =
        Trainer::new(model, Loss::mse()).optimizer(Adam::new()).schedule(Schedule::cosine(5e-3)).batch(32).seed(7).build(Device::Auto)?;
    // the test rows are not looked at while it trains: an empty view takes the place of validation
    let report = training.fit(&train, &train.view(Vec::new()), Stop::after(epochs))?;
    println!("on {}: {epochs} epochs in {:.1} s", training.device(), report.seconds);

    // R² is 1 for a perfect fit; the noise of this set (σ = 0.05) leaves about 0.995
    let scores = training.evaluate(&test)?.remove(0);
    for (name, value) in &scores.metrics {
        println!("test {name:4} {value:.4}");
    }

    // new points: a table without targets
    let points = [-1.5, 0.0, 0.5, 3.0];
    let new = Dataset::new(Table::new(Features::F32(points.into()), vec!["x".into()], Targets::none())?);
    for (x, y) in points.iter().zip(training.predict(0, &new)?) {
        println!("sin {x:4.1} = {:7.4}, predicted {y:7.4}", x.sin());
    }
    Ok(())
}
