//! `[output] tensorboard = true`: losses, metrics, rate, gradients and weights of a run, for TensorBoard.

use crate::error::{Error, Result};
use crate::flow::{Flow, LayerFlow};
use crate::tensorboard::EventFile;
use crate::train::{EpochRecord, Event, WeightsNow};
use std::path::{Path, PathBuf};

/// The folder in the run folder.
const FOLDER: &str = "tensorboard";

/// The event file while it is written. Unless [`Scalars::keep`] is called, it is taken away again.
pub(super) struct Scalars {
    folder: PathBuf,
    file: EventFile,
    kept: bool,
    /// What went wrong while writing: told when training is done, which it does not stop.
    fault: Option<Error>,
}

impl Scalars {
    pub(super) fn create(run: &Path) -> Result<Self> {
        let folder = run.join(FOLDER);
        let file = EventFile::create(&folder).map_err(|e| Error::io(&folder, e))?;
        Ok(Scalars { folder, file, kept: false, fault: None })
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

    /// The run is done: the file stays, and those of the run that it replaces go.
    pub(super) fn keep(mut self) -> Result<()> {
        self.kept = true;
        if let Some(e) = self.fault.take() {
            return Err(e);
        }
        self.file.flush().map_err(|e| Error::io(self.file.path(), e))?;
        clear(&self.folder, Some(self.file.path()))
    }
}

impl Drop for Scalars {
    fn drop(&mut self) {
        if !self.kept {
            // what cannot be taken away cannot be told from here
            let _ = std::fs::remove_file(self.file.path());
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

/// Takes away the event files that a run before left in its folder, for one that writes none.
pub(super) fn clear_run(run: &Path) -> Result<()> {
    let folder = run.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    clear(&folder, None)?;
    // where other files are in it, it stays
    let _ = std::fs::remove_dir(&folder);
    Ok(())
}

fn clear(folder: &Path, but: Option<&Path>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.out.tfevents."));
        if ours && Some(path.as_path()) != but {
            std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}
