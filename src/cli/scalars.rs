//! `[output] tensorboard = true`: losses, metrics, rate, gradients and weights of a run, for TensorBoard.

use crate::error::{Error, Result};
use crate::flow::{Flow, LayerFlow};
use crate::tensorboard::EventFile;
use crate::train::{EpochRecord, Event, WeightsNow};
use std::path::Path;

/// The folder in the run folder.
pub(super) const FOLDER: &str = "tensorboard";

/// The event file while it is written. A run that goes on has one more: TensorBoard reads them in their order.
pub(super) struct Scalars {
    file: EventFile,
    /// What went wrong while writing: told when training is done, which it does not stop.
    fault: Option<Error>,
}

impl Scalars {
    pub(super) fn create(run: &Path) -> Result<Self> {
        let folder = run.join(FOLDER);
        let file = EventFile::create(&folder).map_err(|e| Error::io(&folder, e))?;
        Ok(Scalars { file, fault: None })
    }

    /// Writes what an event says. Steps are updates of the weights.
    pub(super) fn on(&mut self, event: &Event<'_>) {
        let written = match event {
            Event::Epoch { records, samples_per_second, weights } => {
                records.first().map_or(Ok(()), |record| self.epoch(record, *samples_per_second, weights))
            }
            Event::Look { member: 0, flow } => self.look(flow),
            _ => Ok(()),
        };
        if let Err(e) = written {
            self.fault.get_or_insert(e);
        }
    }

    fn epoch(&mut self, record: &EpochRecord, samples_per_second: f64, weights: &WeightsNow<'_>) -> Result<()> {
        let step = record.steps as u64;
        let own = [
            ("loss/train", record.train_loss),
            ("rate/learning_rate", record.lr),
            ("gradient/norm", record.grad_norm),
            ("speed/samples_per_second", samples_per_second),
        ];
        let mut scalars: Vec<_> = own.map(|(tag, value)| (tag.to_string(), value)).to_vec();
        if let Some(valid) = &record.valid {
            scalars.push(("loss/val".to_string(), valid.loss));
            scalars.extend(valid.metrics.iter().map(|(name, value)| (format!("metrics/val_{name}"), *value)));
        }
        let weights = weights.read(0)?;
        let tensors: Vec<_> = weights.iter().map(|(name, _, values)| (format!("weights/{name}"), values)).collect();
        let written = self.file.scalars(step, &scalars).and_then(|()| self.file.histograms(step, &tensors));
        written.and_then(|()| self.file.flush()).map_err(|e| Error::io(self.file.path(), e))
    }

    /// Gradients stay on the device: what is read back of them, layer by layer, are these numbers.
    fn look(&mut self, flow: &Flow) -> Result<()> {
        let layer = |LayerFlow { label, gradient, error, moved, mean, deviation, dead, saturated, .. }: &LayerFlow| {
            let all = [
                ("gradient", *gradient),
                ("error", *error),
                ("moved", *moved),
                ("activation_mean", *mean),
                ("activation_deviation", *deviation),
                ("dead", *dead),
                ("saturated", *saturated),
            ];
            all.map(|(name, value)| (format!("flow_{name}/{label}"), value))
        };
        let scalars: Vec<_> = flow.layers.iter().flat_map(layer).collect();
        self.file.scalars(flow.step as u64, &scalars).map_err(|e| Error::io(self.file.path(), e))
    }

    /// The run is done. An error when something could not be written.
    pub(super) fn close(mut self) -> Result<()> {
        match self.fault.take() {
            Some(e) => Err(e),
            None => self.file.flush().map_err(|e| Error::io(self.file.path(), e)),
        }
    }
}
