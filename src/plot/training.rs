//! How a run went: losses, learning rates, the search for one, and how fast it was.

use super::axis::{place, short};
use super::lines::{Chart, Draw, Mark, Series, lines, lines_with};
use super::palette::{BLUE, GREY, Stroke};
use super::panel::Look;

/// What [`loss_curves`] draws.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LossCurves<'a> {
    /// Above the diagram.
    pub title: &'a str,
    /// The training loss of epoch 1, 2, ...
    pub training: &'a [f64],
    /// The validation loss of epoch 1, 2, ...; empty without validation, NaN for an epoch without.
    pub validation: &'a [f64],
    /// The epoch with the best weights, from 1.
    pub best: Option<usize>,
    /// The epoch in which training stopped early, from 1.
    pub stopped: Option<usize>,
    /// A logarithmic axis for the loss.
    pub log_y: bool,
}

/// Training and validation loss by epoch, with the best epoch and the early stop marked.
pub fn loss_curves(curves: &LossCurves) -> String {
    let mut chart = Chart { log_y: curves.log_y, ..Chart::new(curves.title, "epoch", "loss") };
    for (name, values) in [("training", curves.training), ("validation", curves.validation)] {
        if !values.is_empty() {
            chart = chart.series(Series::counted(name, values));
        }
    }
    for (name, epoch) in [("best", curves.best), ("stopped", curves.stopped)] {
        if let Some(epoch) = epoch {
            chart = chart.mark(Mark::new(epoch as f64, format!("{name}, epoch {epoch}")));
        }
    }
    lines(&chart)
}

/// Several schedules side by side: the learning rate over `unit` ("step" or "epoch").
pub fn schedules(title: &str, unit: &str, schedules: &[Series], log_y: bool) -> String {
    lines(&Chart { series: schedules.to_vec(), log_y, ..Chart::new(title, unit, "learning rate") })
}

/// The search for a learning rate (Smith 2017): the loss of each step as faint points, smoothed as a line, over the rate on a logarithmic
/// axis. Each mark's label gets its rate: `steepest` becomes `steepest 3.2e-3`.
///
/// Losses that explode leave through the top: the axis ends as far above the loss of the start as the lowest smoothed loss is below it.
pub fn lr_finder(title: &str, rates: &[f64], losses: &[f64], smoothed: &[f64], marks: &[Mark]) -> String {
    let points = |values: &[f64]| rates.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>();
    let finite: Vec<f64> = smoothed.iter().copied().filter(|v| place(*v, false).is_some()).collect();
    let lowest = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = finite.first().map(|start| 2.0 * start - lowest).filter(|highest| *highest > lowest);
    let chart = Chart {
        log_x: true,
        highest,
        series: vec![Series::new("loss of the step", points(losses)).drawn(Draw::Points), Series::new("smoothed", points(smoothed))],
        marks: marks.iter().map(|m| Mark::new(m.x, format!("{} {}", m.label, short(m.x)))).collect(),
        ..Chart::new(title, "learning rate", "loss")
    };
    lines_with(&chart, &[Look::Points(Stroke::solid(GREY, 1.0)), Look::Line(Stroke::solid(BLUE, 2.0))])
}

/// What was measured of a batch size: samples a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Rows of a batch.
    pub batch: usize,
    /// In the middle round.
    pub median: f64,
    /// In the slowest.
    pub min: f64,
    /// In the fastest.
    pub max: f64,
}

/// Throughput over batch size, on an axis of powers of two: the median as a line, the slowest and the fastest round as thin ones.
pub fn throughput(title: &str, rates: &[Rate]) -> String {
    let line = |name: &str, of: fn(&Rate) -> f64| Series::new(name, rates.iter().map(|rate| (rate.batch as f64, of(rate))));
    let chart = Chart { log_x: true, powers_of_two: true, ..Chart::new(title, "batch", "samples a second") }
        .series(line("median", |rate| rate.median).drawn(Draw::Both))
        .series(line("fastest round", |rate| rate.max))
        .series(line("slowest round", |rate| rate.min));
    let thin = |dashes: &'static [f64]| Look::Line(Stroke::solid(GREY, 1.0).dashed(dashes));
    lines_with(&chart, &[Look::Both(Stroke::solid(BLUE, 2.0)), thin(&[4.0, 3.0]), thin(&[1.0, 3.0])])
}
