//! When to stop, and which weights to keep.

use crate::error::{Error, Result};

/// Which number is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Monitor {
    /// The loss of the training set, taken while it trains.
    TrainLoss,
    /// The loss of the validation set.
    ValidLoss,
    /// A metric of the validation set, by name.
    Valid(String),
}

impl Monitor {
    /// Reads `train_loss`, `val_loss` or `val_…` with the name of a metric.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "train_loss" => Some(Monitor::TrainLoss),
            "val_loss" => Some(Monitor::ValidLoss),
            _ => text.strip_prefix("val_").map(|name| Monitor::Valid(name.to_string())),
        }
    }

    /// Whether it needs validation data.
    pub fn needs_validation(&self) -> bool {
        *self != Monitor::TrainLoss
    }
}

impl std::fmt::Display for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Monitor::TrainLoss => f.write_str("train_loss"),
            Monitor::ValidLoss => f.write_str("val_loss"),
            Monitor::Valid(name) => write!(f, "val_{name}"),
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Larger for `accuracy` and `r2`, smaller for all else.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// Early stopping: improvement is strict, `current < best − min_delta`; training stops when `patience` epochs in a row brought none.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlyStopping {
    /// The number that is watched.
    pub monitor: Monitor,
    /// Which way is better.
    pub mode: Mode,
    /// Epochs without improvement until the end.
    pub patience: usize,
    /// How much better counts as better.
    pub min_delta: f64,
    /// Epochs at the start that are not judged.
    pub start_epoch: usize,
    /// Whether the best weights come back at the end.
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping { monitor: Monitor::ValidLoss, mode: Mode::Auto, patience: 10, min_delta: 0.0, start_epoch: 0, restore_best: true }
    }
}

/// When training ends.
///
/// ```
/// use gradus::train::Stop;
/// let stop = Stop::after(50).patience(5);
/// assert_eq!(stop.early.unwrap().patience, 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Epochs at most.
    pub epochs: usize,
    /// Early stopping; `None` for never.
    pub early: Option<EarlyStopping>,
}

impl Stop {
    /// After so many epochs.
    pub fn after(epochs: usize) -> Self {
        Stop { epochs, early: None }
    }

    /// Or when the validation loss has not improved for so many epochs; the best weights then come back.
    pub fn patience(self, patience: usize) -> Self {
        self.early(EarlyStopping { patience, ..EarlyStopping::default() })
    }

    /// Or by these rules.
    pub fn early(self, early: EarlyStopping) -> Self {
        Stop { early: Some(early), ..self }
    }

    /// An error when a number makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::input("epochs must be at least 1 (got 0): set [train] epochs"));
        }
        match &self.early {
            Some(early) if early.patience == 0 => Err(Error::input("patience must be at least 1 (got 0): set [early_stopping] patience")),
            Some(early) if !(early.min_delta.is_finite() && early.min_delta >= 0.0) => {
                Err(Error::input(format!("min_delta must not be negative (got {}): set [early_stopping] min_delta", early.min_delta)))
            }
            _ => Ok(()),
        }
    }
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All epochs were done.
    MaxEpochs,
    /// The patience of early stopping ran out.
    Patience,
}

impl Reason {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reason::MaxEpochs => "max_epochs",
            Reason::Patience => "patience",
        }
    }
}

/// The counters of early stopping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watch {
    /// The best value so far and its epoch, from 0.
    best: Option<(f64, usize)>,
    wait: usize,
}

/// What an epoch meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) improved: bool,
    pub(crate) stop: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Watch { best: None, wait: 0 }
    }

    /// The epoch, from 0, of the best value; `None` before there was one.
    pub(crate) fn best_epoch(&self) -> Option<usize> {
        self.best.map(|(_, epoch)| epoch)
    }

    /// Judges epoch `epoch` (from 0) by the watched number.
    pub(crate) fn judge(&mut self, rules: &EarlyStopping, epoch: usize, value: f64) -> Verdict {
        if epoch < rules.start_epoch {
            return Verdict { improved: false, stop: false };
        }
        let larger = match (rules.mode, &rules.monitor) {
            (Mode::Max, _) => true,
            (Mode::Auto, Monitor::Valid(name)) => ["accuracy", "r2"].contains(&name.as_str()),
            _ => false,
        };
        let value = if larger { -value } else { value };
        // what is not finite is never better, not even than nothing
        if value.is_finite() && self.best.is_none_or(|(best, _)| value < best - rules.min_delta) {
            *self = Watch { best: Some((value, epoch)), wait: 0 };
            return Verdict { improved: true, stop: false };
        }
        self.wait += 1;
        Verdict { improved: false, stop: self.wait >= rules.patience }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rules: &EarlyStopping, values: &[f64]) -> (Vec<bool>, Option<usize>, Option<usize>) {
        let mut watch = Watch::new();
        let mut improved = Vec::new();
        for (epoch, &value) in values.iter().enumerate() {
            let verdict = watch.judge(rules, epoch, value);
            improved.push(verdict.improved);
            if verdict.stop {
                return (improved, Some(epoch), watch.best_epoch());
            }
        }
        (improved, None, watch.best_epoch())
    }

    #[test]
    fn it_stops_after_patience_epochs_without_strict_improvement() {
        let rules = EarlyStopping { patience: 2, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[3.0, 2.0, 2.0, 1.0, 1.0, 1.0]), (vec![true, true, false, true, false, false], Some(5), Some(3)));
    }

    #[test]
    fn small_improvements_do_not_count() {
        let rules = EarlyStopping { patience: 2, min_delta: 0.5, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[3.0, 2.75, 2.625]), (vec![true, false, false], Some(2), Some(0)));
    }

    #[test]
    fn accuracy_is_better_when_larger() {
        let rules = EarlyStopping { monitor: Monitor::Valid("accuracy".into()), patience: 1, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[0.5, 0.75, 0.625]), (vec![true, true, false], Some(2), Some(1)));
    }

    #[test]
    fn epochs_before_the_start_are_not_judged() {
        let rules = EarlyStopping { start_epoch: 2, patience: 1, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[0.0, 0.0, 3.0, 2.0, 2.5]), (vec![false, false, true, true, false], Some(4), Some(3)));
    }

    #[test]
    fn a_value_that_is_not_finite_is_never_the_best() {
        let rules = EarlyStopping { patience: 3, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[f64::INFINITY, f64::NAN, 1.0, 2.0]), (vec![false, false, true, false], None, Some(2)));
        assert_eq!(run(&rules, &[f64::NAN; 5]), (vec![false; 3], Some(2), None));
    }
}
