//! A loss that knows the trade: what is predicted too low costs ten times as much as what is predicted too high. As an expression, whose slope
//! is derived, and as a type that brings its WGSL and its twin. `cargo run --release --example custom_loss`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::kernel::Real;
use gradus::loss::LossFormula;
use gradus::train::Stop;
use gradus::{Dataset, Device, Loss, Model, Schedule, Trainer};

/// `|p − t|`, ten times over where p is below t.
struct Careful;

impl LossFormula for Careful {
    const NAME: &'static str = "careful";
    const DOC: &'static str = "|p − t|, ten times over where p is below t";
    const WGSL: &'static str = "abs(p - t) * select(1.0, 10.0, p < t)";
    const WGSL_SLOPE: &'static str = "select(1.0, -10.0, p < t)";
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        (p - t).abs() * T::of(if p < t { 10.0 } else { 1.0 })
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        T::of(if p < t { -10.0 } else { 1.0 })
    }
}

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 200 };
    let (train, valid) = Dataset::sine(800, 7).split(0.75);

    let written = Loss::expression("abs(p - t)*(1 + 9*(t > p))")?;
    println!("the slope of {} is {}", written.name(), written.slope_text().unwrap_or_default());
    for loss in [Loss::mae(), written, Loss::of::<Careful>(None)?] {
        let name = loss.name().to_string();
        let model = Model::input(1).dense(32).tanh().dense(32).tanh().dense(1);
        // both of the user's own are compared with their twins and with finite differences before the first step
        let mut training = Trainer::new(model, loss).schedule(Schedule::cosine(1e-2)).batch(32).build(Device::Auto)?;
        training.fit(&train, &valid, Stop::after(epochs))?;
        let predicted = training.predict(0, &valid)?;
        let gradus::data::Targets::Values { of, .. } = valid.table().targets() else { continue };
        let low = valid.rows().iter().zip(&predicted).filter(|&(&row, &p)| p < of[row as usize]).count();
        println!("{name:32} predicts {:3.0} % too low", 100.0 * low as f64 / valid.len() as f64);
    }
    Ok(())
}
