//! All optimizers on one job, each at a rate that suits it. `cargo run --release --example optimizers`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::optim::Optimizer;
use gradus::train::Stop;
use gradus::{Dataset, Device, Loss, Model, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 2 } else { 30 };
    let (train, valid) = Dataset::spirals(3, 900, 7).split(0.8);
    let model = Model::input(2).dense(64).relu().dense(64).relu().dense(3);

    println!("optimizer  rate    train loss  accuracy");
    for optimizer in Optimizer::all() {
        let optimizer = match optimizer.name() {
            "sgd" => optimizer.lr(0.5),
            "momentum" | "nesterov" => optimizer.lr(0.1),
            "adagrad" => optimizer.lr(0.05),
            "lion" => optimizer.lr(2e-3),
            _ => optimizer.lr(5e-3),
        };
        let mut training = Trainer::new(model.clone(), Loss::cross_entropy()).optimizer(optimizer).batch(32).seed(7).build(Device::Auto)?;
        let report = training.fit(&train, &valid, Stop::after(epochs))?;
        let loss = report.first().epochs.last().map_or(f64::NAN, |epoch| epoch.train_loss);
        let accuracy = training.evaluate(&valid)?[0].get("accuracy").unwrap_or(f64::NAN);
        println!("{:9}  {:<6}  {loss:10.4}  {accuracy:8.3}", optimizer.name(), optimizer.rate());
    }
    Ok(())
}
