//! The diagrams of a run, drawn from Rust: loss curves, the flow of gradients, the learning-rate finder. They go to `target/diagrams`.
//! `cargo run --release --example diagrams`
#![expect(clippy::print_stdout, reason = "the result goes to stdout")]

use gradus::lr_find::{Settings, suggest};
use gradus::plot::{LossCurves, Mark, Series, gradient_flow, loss_curves, lr_finder};
use gradus::train::Stop;
use gradus::{Adam, Dataset, Device, Error, Loss, Model, Trainer};
use std::path::Path;

fn main() -> gradus::Result<()> {
    let quick = std::env::var_os("GRADUS_EXAMPLE_QUICK").is_some();
    let epochs = if quick { 3 } else { 60 };
    let folder = Path::new("target/diagrams");
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let draw = |name: &str, svg: String| {
        let path = folder.join(name);
        println!("{}", path.display());
        std::fs::write(&path, svg).map_err(|e| Error::io(&path, e))
    };

    let (train, valid) = Dataset::digits().split(0.8);
    let model = Model::input(64).dense(128).relu().dense(64).relu().dense(10);
    let mut training = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).batch(32).build(Device::Auto)?;
    let curve = training.lr_find(&train, &Settings::default())?;
    let marks: Vec<Mark> = suggest(&curve).map(|s| vec![Mark::new(s.steepest, "steepest")]).unwrap_or_default();
    draw("lr_finder.svg", lr_finder("digits", &curve.rates, &curve.losses, &curve.smoothed, &marks))?;

    let report = training.fit(&train, &valid, Stop::after(epochs).patience(5))?;
    let member = report.first();
    let losses: Vec<f64> = member.epochs.iter().map(|epoch| epoch.train_loss).collect();
    let valid_losses: Vec<f64> = member.epochs.iter().map(|epoch| epoch.valid.as_ref().map_or(f64::NAN, |scores| scores.loss)).collect();
    let (best, stopped) = (Some(member.best_epoch), Some(member.epochs.len()));
    draw(
        "loss.svg",
        loss_curves(&LossCurves { title: "digits", training: &losses, validation: &valid_losses, best, stopped, log_y: true }),
    )?;

    let layers = member.flow[0]
        .layers
        .iter()
        .enumerate()
        .map(|(n, layer)| Series::new(layer.label.clone(), member.flow.iter().map(|flow| (flow.step as f64, flow.layers[n].gradient))));
    draw("gradient_flow.svg", gradient_flow("digits: the typical gradient of each layer", "step", &layers.collect::<Vec<_>>()))
}
