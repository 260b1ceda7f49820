//! What the screen shows: the numbers of a training so far.

use crate::metrics;
use crate::train::{EpochRecord, Event};

/// A training so far, for [`draw`](super::draw).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub(super) title: String,
    pub(super) epochs: usize,
    /// Epochs that are done, and the share of the next one that was handed over.
    pub(super) done: usize,
    pub(super) within: f64,
    pub(super) train: Vec<f64>,
    pub(super) valid: Vec<f64>,
    /// The first of the validation set's metrics.
    pub(super) metric: Option<(&'static str, Vec<f64>)>,
    pub(super) rates: Vec<f64>,
    pub(super) norms: Vec<f64>,
    /// Each layer with its typical gradient, at the last look.
    pub(super) flow: Vec<(String, f64)>,
    pub(super) samples_per_second: f64,
    /// What there was to say, the newest last.
    pub(super) messages: Vec<String>,
    /// Someone wants it to stop after the step.
    pub(super) stopping: bool,
    /// The keys are explained.
    pub(super) help: bool,
}

impl History {
    /// Of a training of so many epochs that has not begun. The title names the run and the device.
    pub fn new(title: impl Into<String>, epochs: usize) -> Self {
        History { title: title.into(), epochs, ..History::default() }
    }

    /// Takes an event in.
    pub fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Progress { epoch, step, steps, .. } => {
                self.done = epoch - 1;
                self.within = *step as f64 / (*steps).max(1) as f64;
            }
            Event::Look { member: 0, flow } => {
                self.flow = flow.layers.iter().map(|layer| (layer.label.clone(), layer.gradient)).collect();
            }
            Event::Epoch { records, samples_per_second, .. } => {
                if let Some(record) = records.first() {
                    self.epoch(record, *samples_per_second);
                }
            }
            _ => {}
        }
    }

    /// Takes an epoch in.
    pub fn epoch(&mut self, record: &EpochRecord, samples_per_second: f64) {
        (self.done, self.within) = (record.epoch, 0.0);
        self.train.push(record.train_loss);
        self.rates.push(record.lr);
        self.norms.push(record.grad_norm);
        self.samples_per_second = samples_per_second;
        if let Some(valid) = &record.valid {
            self.valid.push(valid.loss);
            // the metric that says most without knowing the data: a share
            let known = ["accuracy", "r2"].into_iter().find_map(|name| valid.get(name).zip(metrics::named(name)));
            if let Some((value, metric)) = known {
                self.metric.get_or_insert((metric.name, Vec::new())).1.push(value);
            }
        }
    }

    /// Says something below the charts.
    pub fn say(&mut self, message: impl Into<String>) {
        self.messages.push(message.into());
    }

    /// Which share of all epochs is done.
    pub(super) fn share(&self) -> f64 {
        ((self.done as f64 + self.within) / self.epochs.max(1) as f64).clamp(0.0, 1.0)
    }
}
