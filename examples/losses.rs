//! What each loss makes of the same noisy numbers, one in twenty of which is far too high. `cargo run --release --example losses`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::data::{Features, Table, Targets};
use gradus::rng::{Purpose, Rng};
use gradus::train::Stop;
use gradus::{Dataset, Device, Loss, Model, Schedule, Trainer};

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 150 };

    let mut rng = Rng::new(7, Purpose::Synthetic, 0);
    let x: Vec<f32> = (0..800).map(|_| (6.0 * rng.unit() - 3.0) as f32).collect();
    let y = x.iter().enumerate().map(|(i, x)| x.sin() + (0.2 * rng.normal()) as f32 + if i % 20 == 0 { 5.0 } else { 0.0 }).collect();
    let targets = Targets::Values { of: y, names: vec!["y".into()] };
    let data = Dataset::new(Table::new(Features::F32(x.clone()), vec!["x".into()], targets)?);

    println!("loss               off from sin x, on average    predicted above the target");
    let named = |name: &str| Loss::named(name).unwrap_or(Loss::mse());
    for loss in
        [named("mse"), named("mae"), named("huber").with_parameter(0.5)?, named("quantile").with_parameter(0.9)?, named("gaussian_nll")]
    {
        let (name, parameter) = (loss.name().to_string(), loss.parameter().map(|p| p.to_string()).unwrap_or_default());
        let outputs = loss.outputs(None, 1);
        let model = Model::input(1).dense(32).tanh().dense(32).tanh().dense(outputs);
        let mut training = Trainer::new(model, loss).schedule(Schedule::cosine(1e-2)).batch(32).seed(7).build(Device::Auto)?;
        training.fit(&data, &data.view(Vec::new()), Stop::after(epochs))?;
        // of gaussian_nll the first output is the mean, the second the logarithm of the variance
        let p: Vec<f32> = training.predict(0, &data)?.chunks(outputs).map(|row| row[0]).collect();
        let off = p.iter().zip(&x).map(|(p, x)| f64::from((p - x.sin()).abs())).sum::<f64>() / p.len() as f64;
        let Targets::Values { of, .. } = data.table().targets() else { continue };
        let above = p.iter().zip(of).filter(|(p, t)| p > t).count();
        println!("{name:13} {parameter:4}  {off:27.3}  {:26.0} %", 100.0 * above as f64 / p.len() as f64);
    }
    Ok(())
}
