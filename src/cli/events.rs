//! `events.jsonl` of a run: what happens while it trains, one JSON object a line, each written as soon as it is known, so that another program can
//! follow it.

use crate::checkpoint::write_whole;
use crate::error::{Error, Result};
use crate::train::{EpochRecord, Event};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file in the run folder.
pub(super) const EVENTS: &str = "events.jsonl";
/// How often progress within an epoch is told.
const SELDOM: Duration = Duration::from_secs(1);

/// The file while it is written.
pub(super) struct Journal {
    path: PathBuf,
    /// Nothing until a run that goes on does so: it may still be refused.
    file: Option<File>,
    told: Instant,
    /// What went wrong while writing: told when training is done, which it does not stop.
    fault: Option<Error>,
}

impl Journal {
    /// Opens it, for a run that begins.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let journal = Journal::resume(folder);
        let file = File::create(&journal.path).map_err(|e| Error::io(&journal.path, e))?;
        Ok(Journal { file: Some(file), ..journal })
    }

    /// For a run that goes on: once it does, what was told of later steps is taken away, to be told anew.
    pub(super) fn resume(folder: &Path) -> Self {
        Journal { path: folder.join(EVENTS), file: None, told: Instant::now(), fault: None }
    }

    fn go_on(&mut self, epoch: usize, step: usize) -> Result<()> {
        let text = match std::fs::read_to_string(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|e| Error::io(&self.path, e))?,
        };
        write_whole(&self.path, until(&text, epoch as u64, step as u64).as_bytes())?;
        self.file = Some(File::options().append(true).open(&self.path).map_err(|e| Error::io(&self.path, e))?);
        self.say("resumed", json!({"epoch": epoch, "step": step}));
        Ok(())
    }

    /// Writes a line: the kind of event, and what `more`, an object, says.
    pub(super) fn say(&mut self, kind: &str, more: Value) {
        let Some(file) = &mut self.file else { return };
        let mut line = Map::from_iter([("event".to_string(), json!(kind))]);
        if let Value::Object(more) = more {
            line.extend(more);
        }
        // one call a line: whoever follows the file never sees half of one
        if let Err(e) = file.write_all(format!("{}\n", Value::Object(line)).as_bytes()) {
            self.fault.get_or_insert(Error::io(&self.path, e));
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
            Event::Resumed { epoch, step } => {
                if let Err(e) = self.go_on(*epoch, *step) {
                    self.fault.get_or_insert(e);
                }
            }
            Event::NoCheckpoint { error } => self.say("no_checkpoint", json!({"error": error.to_string()})),
            _ => {}
        }
    }

    /// The run is done. An error when a line could not be written.
    pub(super) fn close(self) -> Result<()> {
        self.fault.map_or(Ok(()), Err)
    }
}

/// The lines of a file up to a place in the training. Half a line, which a kill left, is none.
fn until(text: &str, epoch: u64, step: u64) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let Ok(told) = serde_json::from_str::<Value>(line) else { continue };
        let before = told["epoch"]
            .as_u64()
            .is_none_or(|of| of < epoch || (of == epoch && told["event"] == "progress" && told["step"].as_u64() <= Some(step)));
        // a training that ended goes on now
        if before && told["event"] != "end" {
            kept += line;
            kept.push('\n');
        }
    }
    kept
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
    fn a_line_is_there_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path()).unwrap();
        journal.say("start", json!({"seed": 7}));
        assert_eq!(std::fs::read_to_string(folder.path().join(EVENTS)).unwrap(), "{\"event\":\"start\",\"seed\":7}\n");
        journal.close().unwrap();
    }

    #[test]
    fn a_run_that_goes_on_tells_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let line = |kind: &str, epoch: u64, step: u64| format!("{}\n", json!({"event": kind, "epoch": epoch, "step": step}));
        let lines = [line("epoch", 1, 0), line("progress", 2, 3), line("progress", 2, 4), line("diagnosis", 2, 4), line("epoch", 2, 8)];
        let start = "{\"event\":\"start\",\"epochs\":9}\n";
        let all = format!("{start}{}{}{{\"event\":\"en", lines.concat(), "{\"event\":\"end\"}\n");
        std::fs::write(folder.path().join(EVENTS), all).unwrap();
        let read = || std::fs::read_to_string(folder.path().join(EVENTS)).unwrap();
        let before = read();
        let mut journal = Journal::resume(folder.path());
        journal.say("end", json!({"error": "refused"}));
        assert_eq!(read(), before, "one that is refused leaves it alone");
        journal.on(&Event::Resumed { epoch: 2, step: 3 });
        let wanted = format!("{start}{}{}{}", lines[0], lines[1], line("resumed", 2, 3));
        assert_eq!(read(), wanted);
        journal.close().unwrap();
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
