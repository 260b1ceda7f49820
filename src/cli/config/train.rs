//! `[loss]`, `[clip]`, `[train]`, `[early_stopping]`: what is minimised, how often, and when to stop.

use super::data::{Data, Task};
use super::document::Document;
use super::keys::{Key, Later};
use super::section::{ABOVE_ZERO, NOT_NEGATIVE, Section};
use super::write::{self, Pairs};
use crate::error::Result;

/// What the training makes small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// `cross_entropy` for classification, `mse` for regression.
    Auto,
    /// The mean of (p − t)².
    Mse,
    /// The mean of |p − t|.
    Mae,
    /// The mean over rows of −Σ y·log softmax(z).
    CrossEntropy,
}

const LOSSES: &[(&str, Loss)] = &[("auto", Loss::Auto), ("mse", Loss::Mse), ("mae", Loss::Mae), ("cross_entropy", Loss::CrossEntropy)];
const LATER_LOSSES: &[&str] = &["huber", "binary_cross_entropy", "expr"];

pub(super) const LOSS_KEYS: [Key; 1] = [Key::new("type", "\"auto\"", "which loss")];
const LATER_LOSS_KEYS: [Later; 2] = [Later { name: "expr", only: None }, Later { name: "delta", only: None }];

impl Loss {
    /// Reads the section; `task` is what is known of the data.
    pub(super) fn read(document: &Document, task: Task) -> Result<Self> {
        let section = Section::open(document, "loss", LOSS_KEYS.iter().collect(), &LATER_LOSS_KEYS)?;
        let loss = section.word("type", LOSSES, LATER_LOSSES)?;
        if (loss, task) == (Loss::CrossEntropy, Task::Regression) {
            let message = "cross_entropy is for classification, and the data are a regression: take auto, mse or mae";
            return Err(section.fault("type", message));
        }
        Ok(loss)
    }

    pub(super) fn pairs(&self) -> Pairs {
        vec![("type", write::word(LOSSES, self))]
    }
}

/// Bounds on the gradients, each off unless given. When both are on, the values are clamped first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clip {
    /// Every element of a gradient is clamped to ± this.
    pub value: Option<f64>,
    /// All gradients, as one vector, are made no longer than this.
    pub norm: Option<f64>,
}

pub(super) const CLIP_KEYS: [Key; 2] = [
    Key::optional("norm", "1.0", "how long all gradients, as one vector, may be"),
    Key::optional("value", "0.5", "how large an element of a gradient may be"),
];

impl Clip {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "clip", CLIP_KEYS.iter().collect(), &[])?;
        Ok(Clip { value: section.optional_number("value", &ABOVE_ZERO)?, norm: section.optional_number("norm", &ABOVE_ZERO)? })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let pairs = [("value", self.value), ("norm", self.norm)];
        pairs.into_iter().filter_map(|(key, bound)| Some((key, write::number(bound?)))).collect()
    }
}

/// How long the training goes on, and with which batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Train {
    /// How often the training rows are passed over, 50 unless given.
    pub epochs: usize,
    /// How many rows a step takes, 64 unless given.
    pub batch: usize,
    /// Whether each epoch has an order of its own; true unless given.
    pub shuffle: bool,
    /// What becomes of the rows that do not fill a batch; kept unless given.
    pub remainder: Remainder,
}

/// What becomes of the last rows of an epoch when they do not fill a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remainder {
    /// They make a smaller batch.
    Keep,
    /// They are left out.
    Drop,
}

const REMAINDERS: &[(&str, Remainder)] = &[("keep", Remainder::Keep), ("drop", Remainder::Drop)];

pub(super) const TRAIN_KEYS: [Key; 4] = [
    Key::new("epochs", "50", "how often the training rows are passed over"),
    Key::new("batch", "64", "how many rows a step takes"),
    Key::new("shuffle", "true", "whether each epoch has an order of its own"),
    Key::new("remainder", "\"keep\"", "what becomes of rows that do not fill a batch: keep or drop"),
];
const LATER_TRAIN_KEYS: [Later; 2] =
    [Later { name: "accumulate", only: Some("1") }, Later { name: "on_nonfinite", only: Some("\"error\"") }];

impl Train {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "train", TRAIN_KEYS.iter().collect(), &LATER_TRAIN_KEYS)?;
        Ok(Train {
            epochs: section.count("epochs", 1..=u32::MAX.into())? as usize,
            batch: section.count("batch", 1..=u32::MAX.into())? as usize,
            shuffle: section.boolean("shuffle")?,
            remainder: section.word("remainder", REMAINDERS, &[])?,
        })
    }

    pub(super) fn pairs(&self) -> Pairs {
        vec![
            ("epochs", self.epochs.to_string()),
            ("batch", self.batch.to_string()),
            ("shuffle", self.shuffle.to_string()),
            ("remainder", write::word(REMAINDERS, &self.remainder)),
        ]
    }
}

/// Stops when a number no longer gets better. Only where the config has the section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// The number that is watched; the validation loss unless given.
    pub monitor: Monitor,
    /// Which way is better; what suits the monitor unless given.
    pub mode: Mode,
    /// How many epochs without improvement end the training, 10 unless given.
    pub patience: usize,
    /// By how much a value must be better to count, 0 unless given.
    pub min_delta: f64,
    /// The first epoch (from 0) whose value counts, 0 unless given.
    pub start_epoch: usize,
    /// Whether the best weights come back at the end; true unless given.
    pub restore_best: bool,
}

/// A number that is known after each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Monitor {
    /// The loss on the validation rows, after the epoch.
    ValLoss,
    /// The loss on the training rows, while it trains.
    TrainLoss,
    /// The share of the validation rows whose class is right.
    ValAccuracy,
}

impl Monitor {
    /// Whether the number is taken from the validation rows.
    pub fn needs_validation(self) -> bool {
        matches!(self, Monitor::ValLoss | Monitor::ValAccuracy)
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Down for a loss, up for an accuracy.
    Auto,
    /// Down.
    Min,
    /// Up.
    Max,
}

const MONITORS: &[(&str, Monitor)] =
    &[("val_loss", Monitor::ValLoss), ("train_loss", Monitor::TrainLoss), ("val_accuracy", Monitor::ValAccuracy)];
const MODES: &[(&str, Mode)] = &[("auto", Mode::Auto), ("min", Mode::Min), ("max", Mode::Max)];

pub(super) const EARLY_STOPPING_KEYS: [Key; 6] = [
    Key::new("monitor", "\"val_loss\"", "the number that is watched"),
    Key::new("mode", "\"auto\"", "which way is better: auto, min or max"),
    Key::new("patience", "10", "how many epochs without improvement end the training"),
    Key::new("min_delta", "0.0", "by how much a value must be better to count"),
    Key::new("start_epoch", "0", "the first epoch whose value counts, from 0"),
    Key::new("restore_best", "true", "whether the best weights come back at the end"),
];
const LATER_EARLY_STOPPING_KEYS: [Later; 1] = [Later { name: "stop_at", only: None }];

impl EarlyStopping {
    /// Whether a larger value is better, with `auto` resolved.
    pub fn larger_is_better(&self) -> bool {
        match self.mode {
            Mode::Auto => self.monitor == Monitor::ValAccuracy,
            Mode::Min => false,
            Mode::Max => true,
        }
    }

    /// Reads the section, where there is one; `data` is what it may watch.
    pub(super) fn read(document: &Document, data: &Data) -> Result<Option<Self>> {
        if document.root.get("early_stopping").is_none() {
            return Ok(None);
        }
        let section = Section::open(document, "early_stopping", EARLY_STOPPING_KEYS.iter().collect(), &LATER_EARLY_STOPPING_KEYS)?;
        let stopping = EarlyStopping {
            monitor: section.word("monitor", MONITORS, &[])?,
            mode: section.word("mode", MODES, &[])?,
            patience: section.count("patience", 1..=u32::MAX.into())? as usize,
            min_delta: section.number("min_delta", &NOT_NEGATIVE)?,
            start_epoch: section.count("start_epoch", 0..=u32::MAX.into())? as usize,
            restore_best: section.boolean("restore_best")?,
        };
        if stopping.monitor.needs_validation() && data.split.valid == 0.0 {
            let message =
                "early stopping watches the validation rows, and there are none: set [data] split.valid above 0, or watch train_loss";
            return Err(section.fault("monitor", message));
        }
        if stopping.monitor == Monitor::ValAccuracy && data.known_task() == Task::Regression {
            return Err(section.fault("monitor", "a regression has no val_accuracy: watch val_loss or train_loss"));
        }
        Ok(Some(stopping))
    }

    pub(super) fn pairs(&self) -> Pairs {
        vec![
            ("monitor", write::word(MONITORS, &self.monitor)),
            ("mode", write::word(MODES, &self.mode)),
            ("patience", self.patience.to_string()),
            ("min_delta", write::number(self.min_delta)),
            ("start_epoch", self.start_epoch.to_string()),
            ("restore_best", self.restore_best.to_string()),
        ]
    }
}
