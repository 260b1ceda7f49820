//! The progress bar on stderr: epoch, loss, rate, samples a second, time left. None where stderr is not a terminal.

use crate::train::{EpochRecord, Event};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// The bar of a training run.
pub(super) struct Progress {
    bar: ProgressBar,
    epochs: usize,
    said: String,
}

impl Progress {
    /// For so many epochs; hidden when `quiet`.
    pub(super) fn new(epochs: usize, quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(epochs as u64 * PARTS), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}  {eta} left") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Progress { bar, epochs, said: String::new() }
    }

    /// Shows an event.
    pub(super) fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Progress { epoch, step, steps, .. } => {
                self.bar.set_position((*epoch as u64 - 1) * PARTS + (*step as u64 * PARTS) / (*steps as u64).max(1));
                self.bar.set_message(format!("epoch {epoch}/{}{}", self.epochs, self.said));
            }
            Event::Epoch { records, samples_per_second, .. } => {
                if let Some(record) = records.first() {
                    self.said = describe(record, *samples_per_second);
                    self.bar.set_message(format!("epoch {}/{}{}", record.epoch, self.epochs, self.said));
                }
            }
            Event::Look { .. } | Event::Diagnosis { .. } | Event::Rollback { .. } | Event::Distrust { .. } => {}
            Event::Resumed { .. } | Event::Checkpoint { .. } | Event::NoCheckpoint { .. } => {}
        }
    }

    /// Says something while the bar is out of the way.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Ticks of an epoch.
const PARTS: u64 = 100;

fn describe(record: &EpochRecord, samples_per_second: f64) -> String {
    let valid = record.valid.as_ref().map(|scores| {
        let first = scores.metrics.first().map(|(name, value)| format!(" val_{name} {value:.4}")).unwrap_or_default();
        format!("  val_loss {:.4}{first}", scores.loss)
    });
    let rate = thousands(samples_per_second);
    format!("  loss {:.4}{}  lr {:.2e}  {rate} samples/s", record.train_loss, valid.unwrap_or_default(), record.lr)
}

/// A whole number with separators: 12,345.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

/// A number with four digits that count.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() { "–".to_string() } else { value.to_string() };
    }
    match size {
        0.0 => "0".to_string(),
        _ if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => {
            let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{value:.digits$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (value, wanted) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1234567.0, "1,234,567"), (-1234.0, "-1,234")] {
            assert_eq!(thousands(value), wanted);
        }
    }

    #[test]
    fn numbers_have_four_digits_that_count() {
        let table = [
            (0.0, "0"),
            (0.98765432, "0.9877"),
            (12.3456, "12.35"),
            (1234.56, "1235"),
            (40.0, "40"),
            (0.000123456, "1.235e-4"),
            (-0.05, "-0.05000"),
            (f64::NAN, "–"),
        ];
        for (value, wanted) in table {
            assert_eq!(number(value), wanted);
        }
    }
}
