//! `events.jsonl` of a run: what happens while it trains, one JSON object a line, each written as soon as it is known, so that another program can
//! follow it.

use crate::error::{Error, Result};
use crate::train::{EpochRecord, Event};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file in the run folder.
pub(super) const EVENTS: &str = "events.jsonl";
/// Where the file of a run that is being replaced waits until the new one is done.
const BEFORE: &str = "events.jsonl.before";
/// How often progress within an epoch is told.
const SELDOM: Duration = Duration::from_secs(1);

/// The file while it is written. Unless [`Journal::keep`] is called, all is as it was before.
pub(super) struct Journal {
    path: PathBuf,
    before: Option<PathBuf>,
    file: File,
    told: Instant,
    kept: bool,
    /// What went wrong while writing: told when training is done, which it does not stop.
    fault: Option<std::io::Error>,
}

impl Journal {
    /// Opens it. What an older run left there is put aside until the new one is kept.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let (path, before) = (folder.join(EVENTS), folder.join(BEFORE));
        let before = match std::fs::rename(&path, &before) {
            Ok(()) => Some(before),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io(&path, e)),
        };
        let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Journal { path, before, file, told: Instant::now(), kept: false, fault: None })
    }

    /// Writes a line: the kind of event, and what `more`, an object, says.
    pub(super) fn say(&mut self, kind: &str, more: Value) {
        let mut line = Map::from_iter([("event".to_string(), json!(kind))]);
        if let Value::Object(more) = more {
            line.extend(more);
        }
        // one call a line: whoever follows the file never sees half of one
        if let Err(e) = self.file.write_all(format!("{}\n", Value::Object(line)).as_bytes()) {
            self.fault.get_or_insert(e);
        }
    }

    /// Writes an event of the training; progress at most once a second.
    pub(super) fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Progress { epoch, step, steps, rows } if self.told.elapsed() >= SELDOM => {
                self.told = Instant::now();
                self.say("progress", json!({"epoch": epoch, "step": step, "steps": steps, "rows": rows}));
            }
            Event::Epoch { records, samples_per_second, .. } => {
                self.told = Instant::now();
                if let Some(record) = records.first() {
                    self.say("epoch", epoch(record, *samples_per_second));
                }
            }
            Event::Diagnosis { flow, found, .. } => {
                for diagnosis in *found {
                    let (trouble, message) = (diagnosis.trouble.name(), &diagnosis.message);
                    self.say("diagnosis", json!({"epoch": flow.epoch, "step": flow.step, "trouble": trouble, "message": message}));
                }
            }
            Event::Rollback { epoch, factor, what, .. } => {
                self.say("rollback", json!({"epoch": epoch, "factor": factor, "what": what}));
            }
            _ => {}
        }
    }

    /// The run is done, and the file stays.
    pub(super) fn keep(mut self) -> Result<()> {
        self.kept = true;
        if let Some(e) = self.fault.take() {
            return Err(Error::io(&self.path, e));
        }
        match &self.before {
            Some(before) => std::fs::remove_file(before).map_err(|e| Error::io(before, e)),
            None => Ok(()),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.kept {
            undo(self.path.parent().unwrap_or(Path::new("")));
        }
    }
}

/// Leaves the events of a run folder as they were before the training that is given up. Who follows the file has it open, and has read its last line;
/// what cannot be put back cannot be told from here.
pub(super) fn undo(folder: &Path) {
    let (path, before) = (folder.join(EVENTS), folder.join(BEFORE));
    let _ = if before.exists() { std::fs::rename(before, path) } else { std::fs::remove_file(path) };
}

/// An epoch with all its metrics.
fn epoch(record: &EpochRecord, samples_per_second: f64) -> Value {
    let EpochRecord { epoch, steps, lr, train_loss, grad_norm, skipped, loss_scale, valid, seconds } = record;
    let metrics = valid.iter().flat_map(|valid| &valid.metrics).map(|(name, value)| (format!("val_{name}"), json!(value)));
    let mut told = json!({
        "epoch": epoch,
        "steps": steps,
        "lr": lr,
        "train_loss": train_loss,
        "val_loss": valid.as_ref().map(|valid| valid.loss),
        "grad_norm": grad_norm,
        "skipped": skipped,
        "metrics": Map::from_iter(metrics),
        "seconds": seconds,
        "samples_per_second": samples_per_second,
    });
    if let Some(scale) = loss_scale {
        told["loss_scale"] = json!(scale);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_not_kept_leaves_all_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(EVENTS);
        drop(Journal::create(folder.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::write(&path, "old\n").unwrap();
        let mut journal = Journal::create(folder.path()).unwrap();
        journal.say("start", json!({"seed": 7}));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"event\":\"start\",\"seed\":7}\n", "a line is there at once");
        drop(journal);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
        let mut journal = Journal::create(folder.path()).unwrap();
        journal.say("end", json!({}));
        journal.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"event\":\"end\"}\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_epoch_has_its_metrics_and_what_is_not_a_number_is_null() {
        let record = EpochRecord {
            epoch: 2,
            steps: 8,
            lr: 0.5,
            train_loss: f64::NAN,
            grad_norm: 2.0,
            skipped: 1,
            loss_scale: None,
            valid: Some(crate::metrics::Scores { loss: 0.25, metrics: vec![("accuracy", 0.75)], confusion: None }),
            seconds: 1.5,
        };
        let wanted = json!({"epoch": 2, "steps": 8, "lr": 0.5, "train_loss": null, "val_loss": 0.25, "grad_norm": 2.0, "skipped": 1,
            "metrics": {"val_accuracy": 0.75}, "seconds": 1.5, "samples_per_second": 100.0});
        assert_eq!(epoch(&record, 100.0), wanted);
    }
}
