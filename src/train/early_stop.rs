//! When to stop, and which weights to keep.

use crate::error::{Error, Result};
use crate::metrics::{self, larger_is_better};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

    /// Whether all rows must be ranked for it.
    pub(crate) fn ranks(&self) -> bool {
        matches!(self, Monitor::Valid(name) if metrics::named(name).is_some_and(|metric| metric.needs == metrics::Needs::Scores))
    }

    /// Whether a larger value is a better one.
    pub fn larger_is_better(&self) -> bool {
        matches!(self, Monitor::Valid(name) if larger_is_better(name))
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
    /// What suits the number: larger for accuracy and its kin, smaller for losses and errors.
    #[default]
    Auto,
    /// Smaller is better.
    Min,
    /// Larger is better.
    Max,
}

/// Early stopping: improvement is strict, `current < best − min_delta`; training stops when `patience` epochs in a row brought none.
///
/// Keras's `EarlyStopping` has patience 0 and leaves the last weights unless told otherwise; Lightning's has patience 3 and leaves the best ones to its
/// checkpoints. PyTorch has none.
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
    /// Training has diverged when the number is worse than this; it then stops at once.
    pub divergence: Option<f64>,
    /// Whether it stops at once when the number is not finite.
    pub check_finite: bool,
}

impl EarlyStopping {
    /// Whether a larger value is better, with `auto` resolved.
    pub fn larger_is_better(&self) -> bool {
        match self.mode {
            Mode::Auto => self.monitor.larger_is_better(),
            Mode::Min => false,
            Mode::Max => true,
        }
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping {
            monitor: Monitor::ValidLoss,
            mode: Mode::Auto,
            patience: 10,
            min_delta: 0.0,
            start_epoch: 0,
            restore_best: true,
            divergence: None,
            check_finite: true,
        }
    }
}

/// Training is done when a number is at least this good.
#[derive(Debug, Clone, PartialEq)]
pub struct StopAt {
    /// The number.
    pub monitor: Monitor,
    /// How good it must be.
    pub value: f64,
}

/// When training ends.
///
/// ```
/// use gradus::train::Stop;
/// let stop = Stop::after(50).patience(5).within(std::time::Duration::from_secs(600));
/// assert_eq!(stop.early.unwrap().patience, 5);
/// ```
#[derive(Debug, Clone)]
pub struct Stop {
    /// Epochs at most.
    pub epochs: usize,
    /// Early stopping; `None` for never.
    pub early: Option<EarlyStopping>,
    /// A value that is good enough.
    pub at: Option<StopAt>,
    /// The longest time: no epoch is begun after it.
    pub time: Option<Duration>,
    /// Set from another thread, it ends training after the step that runs; where checkpoints are kept, with one of that moment.
    pub interrupt: Option<Arc<AtomicBool>>,
}

impl Stop {
    /// After so many epochs.
    pub fn after(epochs: usize) -> Self {
        Stop { epochs, early: None, at: None, time: None, interrupt: None }
    }

    /// What is watched: by early stopping, and for the value that is good enough.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Monitor> {
        self.early.iter().map(|early| &early.monitor).chain(self.at.iter().map(|at| &at.monitor))
    }

    /// Or when the validation loss has not improved for so many epochs; the best weights then come back.
    pub fn patience(self, patience: usize) -> Self {
        self.early(EarlyStopping { patience, ..EarlyStopping::default() })
    }

    /// Or by these rules.
    pub fn early(self, early: EarlyStopping) -> Self {
        Stop { early: Some(early), ..self }
    }

    /// Or when a number is at least this good: `stop_at("val_accuracy", 0.98)`. A name that there is not is refused after the first epoch.
    pub fn stop_at(self, monitor: &str, value: f64) -> Self {
        let monitor = Monitor::parse(monitor).unwrap_or_else(|| Monitor::Valid(monitor.to_string()));
        Stop { at: Some(StopAt { monitor, value }), ..self }
    }

    /// Or when so much time has passed.
    pub fn within(self, time: Duration) -> Self {
        Stop { time: Some(time), ..self }
    }

    /// Or when another thread says so: after the step that runs, of which a checkpoint is written where they are kept.
    pub fn when(self, interrupt: Arc<AtomicBool>) -> Self {
        Stop { interrupt: Some(interrupt), ..self }
    }

    /// Whether another thread says so.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Whether so much time was all that there was.
    pub(crate) fn time_is_over(&self, elapsed: Duration) -> bool {
        self.time.is_some_and(|time| elapsed >= time)
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
            Some(EarlyStopping { divergence: Some(bound), .. }) if !bound.is_finite() => {
                Err(Error::input(format!("divergence must be a number (got {bound}): set [early_stopping] divergence")))
            }
            _ if self.at.as_ref().is_some_and(|at| !at.value.is_finite()) => {
                Err(Error::input("the value to stop at must be a number: set [early_stopping] stop_at"))
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
    /// The number to stop at was reached.
    Threshold,
    /// The watched number was worse than what counts as diverged.
    Diverged,
    /// The watched number was not finite.
    NonFinite,
    /// Someone interrupted it.
    Interrupted,
    /// The time was over.
    Time,
}

impl Reason {
    const ALL: [Reason; 7] =
        [Reason::MaxEpochs, Reason::Patience, Reason::Threshold, Reason::Diverged, Reason::NonFinite, Reason::Interrupted, Reason::Time];

    /// The reason of a word.
    pub fn named(name: &str) -> Option<Self> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reason::MaxEpochs => "max_epochs",
            Reason::Patience => "patience",
            Reason::Threshold => "threshold",
            Reason::Diverged => "diverged",
            Reason::NonFinite => "non_finite",
            Reason::Interrupted => "interrupted",
            Reason::Time => "time",
        }
    }
}

/// The counters of early stopping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watch {
    /// The best value so far and its epoch, from 0.
    pub(super) best: Option<(f64, usize)>,
    pub(super) wait: usize,
}

/// What an epoch meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) improved: bool,
    pub(crate) stop: Option<Reason>,
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
        if rules.check_finite && !value.is_finite() {
            return Verdict { improved: false, stop: Some(Reason::NonFinite) };
        }
        let larger = rules.larger_is_better();
        if rules.divergence.is_some_and(|bound| if larger { value < bound } else { value > bound }) {
            return Verdict { improved: false, stop: Some(Reason::Diverged) };
        }
        if epoch < rules.start_epoch {
            return Verdict { improved: false, stop: None };
        }
        let value = if larger { -value } else { value };
        // what is not finite is never better, not even than nothing
        if value.is_finite() && self.best.is_none_or(|(best, _)| value < best - rules.min_delta) {
            *self = Watch { best: Some((value, epoch)), wait: 0 };
            return Verdict { improved: true, stop: None };
        }
        self.wait += 1;
        Verdict { improved: false, stop: (self.wait >= rules.patience).then_some(Reason::Patience) }
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
            if verdict.stop.is_some() {
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
        let rules = EarlyStopping { patience: 3, check_finite: false, ..EarlyStopping::default() };
        assert_eq!(run(&rules, &[f64::INFINITY, f64::NAN, 1.0, 2.0]), (vec![false, false, true, false], None, Some(2)));
        assert_eq!(run(&rules, &[f64::NAN; 5]), (vec![false; 3], Some(2), None));
    }

    #[test]
    fn what_is_not_finite_or_too_bad_stops_at_once() {
        let judge = |rules: &EarlyStopping, value| Watch::new().judge(rules, 0, value).stop;
        let rules = EarlyStopping { divergence: Some(10.0), start_epoch: 5, ..EarlyStopping::default() };
        assert_eq!(judge(&rules, f64::NAN), Some(Reason::NonFinite));
        assert_eq!((judge(&rules, 10.5), judge(&rules, 10.0)), (Some(Reason::Diverged), None));
        let rules = EarlyStopping { monitor: Monitor::Valid("accuracy".into()), divergence: Some(0.2), ..EarlyStopping::default() };
        assert_eq!((judge(&rules, 0.1), judge(&rules, 0.3)), (Some(Reason::Diverged), None));
    }

    #[test]
    fn time_and_another_thread_are_asked() {
        let flag = Arc::new(AtomicBool::new(false));
        let stop = Stop::after(3).within(Duration::from_secs(2)).when(Arc::clone(&flag));
        assert_eq!([1, 2].map(|seconds| stop.time_is_over(Duration::from_secs(seconds))), [false, true]);
        assert!(!stop.is_interrupted() && !Stop::after(3).is_interrupted() && !Stop::after(3).time_is_over(Duration::MAX));
        flag.store(true, Ordering::Relaxed);
        assert!(stop.is_interrupted());
    }

    #[test]
    fn a_reason_is_known_by_its_word() {
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.name()), Some(reason));
        }
        assert_eq!(Reason::named("whim"), None);
    }
}
