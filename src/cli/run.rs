//! The run folder: `config.toml` and `manifest.json`, there from the start, `metrics.csv`, `flow.csv`, `model.safetensors`; read by `eval` and
//! `predict`. What a run that it replaces had left waits in it until the new one has something to put there.

use super::config::Config;
use super::events::EVENTS;
use super::profile::TRACE;
use super::report::REPORT;
use super::scalars;
use crate::checkpoint::{Folder, is_unfinished_file, write_whole};
use crate::data::Preprocessor;
use crate::error::{Error, Place, Result};
use crate::flow::{Flow, LayerFlow};
use crate::model::Weights;
use crate::train::EpochRecord;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A folder for a new run: the one that was asked for, else the first free `runs/NAME-N`.
///
/// Errors when it is there already and is not to be replaced. Only a folder that looks like a run is ever replaced.
pub(super) fn create(wanted: Option<&Path>, name: &str, overwrite: bool) -> Result<PathBuf> {
    let make = |path: &Path| std::fs::create_dir(path);
    if let Some(path) = wanted {
        if overwrite && path.join(BEFORE).join(MANIFEST).is_file() {
            // of a run that was killed while it replaced another
            give_up(path);
        }
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        return match make(path) {
            Ok(()) => Ok(path.to_path_buf()),
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io(path, e)),
            Err(_) if path.is_file() => Err(Error::input(format!("{} is a file: name a folder with --out", path.display()))),
            Err(_) if !overwrite && is_empty(path) => Ok(path.to_path_buf()),
            Err(_) if !overwrite => {
                Err(Error::input(format!("{} is there already: name another folder with --out, or add --overwrite", path.display())))
            }
            Err(_) if path.join(MANIFEST).is_file() || is_empty(path) => set_aside(path).map(|()| path.to_path_buf()),
            Err(_) => Err(Error::input(format!("{} holds no run, so it is not replaced: name another folder with --out", path.display()))),
        };
    }
    std::fs::create_dir_all("runs").map_err(|e| Error::io("runs", e))?;
    for number in 1u32.. {
        let path = PathBuf::from(format!("runs/{name}-{number}"));
        match make(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io(path, e)),
        }
    }
    Err(Error::input("there is no free name left in runs/"))
}

/// Whether there is nothing in a folder, or only what a kill left half written.
fn is_empty(path: &Path) -> bool {
    let half = |entry: std::io::Result<std::fs::DirEntry>| entry.is_ok_and(|entry| is_unfinished_file(entry.path()));
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(half))
}

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";
const METRICS: &str = "metrics.csv";
const FLOW: &str = "flow.csv";
const MODEL: &str = "model.safetensors";
const CHECKPOINTS: &str = "checkpoints";
/// All that a run leaves in its folder, but for what a person asked for while it trained.
const ALL: [&str; 10] = [CONFIG, MANIFEST, METRICS, FLOW, MODEL, CHECKPOINTS, EVENTS, REPORT, TRACE, scalars::FOLDER];
/// Where the run that is being replaced waits.
const BEFORE: &str = "before";

/// The checkpoints of a run.
pub(super) fn checkpoints(folder: &Path) -> Folder {
    Folder::new(folder.join(CHECKPOINTS))
}

/// Whether there is something to go on from.
pub(super) fn has_checkpoints(folder: &Path) -> bool {
    checkpoints(folder).numbers().is_ok_and(|numbers| !numbers.is_empty())
}

/// Whether a run has begun there.
pub(super) fn is_run(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file() && folder.join(CONFIG).is_file()
}

/// Whether a run has begun there, and was not ended.
pub(super) fn is_unfinished(folder: &Path) -> bool {
    read_manifest(folder).is_ok_and(|manifest| manifest["gradus"].is_string() && manifest["result"].is_null())
        || folder.join(BEFORE).join(MANIFEST).is_file()
}

/// Puts what a run left aside, until the one that replaces it has something to put there.
fn set_aside(folder: &Path) -> Result<()> {
    let before = folder.join(BEFORE);
    if before.is_dir() {
        // of a run that was killed, before it had something to put there or after that
        give_up(folder);
    }
    std::fs::create_dir_all(&before).map_err(|e| Error::io(&before, e))?;
    move_all(folder, &before)
}

fn move_all(from: &Path, to: &Path) -> Result<()> {
    for name in ALL {
        match std::fs::rename(from.join(name), to.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(from.join(name), e)),
            _ => {}
        }
    }
    Ok(())
}

/// The new run has something to put there: what it replaces goes.
pub(super) fn commit(folder: &Path) {
    let before = folder.join(BEFORE);
    if before.is_dir() {
        // what cannot be taken away is in nobody's way
        let _ = std::fs::remove_dir_all(before);
    }
}

/// A run in its folder: when it goes without having been finished, it is given up.
pub(super) struct Begun<'a>(pub(super) &'a Path);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        give_up(self.0);
    }
}

/// Leaves the folder of a run that is given up as it was before it; one that has checkpoints, or is finished, stays as it is. What cannot be put back
/// cannot be told from here.
pub(super) fn give_up(folder: &Path) {
    if has_checkpoints(folder) || read_manifest(folder).is_ok_and(|manifest| !manifest["result"].is_null()) {
        return commit(folder);
    }
    for name in ALL {
        let path = folder.join(name);
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    let before = folder.join(BEFORE);
    if before.is_dir() {
        let _ = move_all(&before, folder);
        let _ = std::fs::remove_dir(before);
    }
    // an empty folder is of no use to anyone, and a name that is taken is in the way
    let _ = std::fs::remove_dir(folder);
}

/// Writes the config as it was resolved.
pub(super) fn write_config(folder: &Path, config: &Config) -> Result<()> {
    write(&folder.join(CONFIG), &config.to_toml())
}

/// Writes one line an epoch.
pub(super) fn write_metrics(folder: &Path, epochs: &[EpochRecord]) -> Result<()> {
    let path = folder.join(METRICS);
    let names: Vec<_> = epochs.first().and_then(|e| e.valid.as_ref()).map(|v| v.metrics.iter().map(|m| m.0).collect()).unwrap_or_default();
    let mut text = String::from("epoch,steps,lr,train_loss,grad_norm");
    let skips = epochs.iter().any(|e| e.skipped > 0);
    if skips {
        text += ",skipped";
    }
    let scaled = epochs.iter().any(|e| e.loss_scale.is_some());
    if scaled {
        text += ",loss_scale";
    }
    if epochs.iter().any(|e| e.valid.is_some()) {
        text += ",val_loss";
        names.iter().for_each(|name| text += &format!(",val_{name}"));
    }
    text += ",seconds\n";
    for epoch in epochs {
        text += &format!("{},{},{:e},{},{}", epoch.epoch, epoch.steps, epoch.lr as f32, epoch.train_loss, epoch.grad_norm);
        if skips {
            text += &format!(",{}", epoch.skipped);
        }
        if scaled {
            text += &format!(",{}", epoch.loss_scale.unwrap_or(1.0));
        }
        if let Some(valid) = &epoch.valid {
            text += &format!(",{}", valid.loss);
            valid.metrics.iter().for_each(|(_, value)| text += &format!(",{value}"));
        }
        text += &format!(",{:.3}\n", epoch.seconds);
    }
    write(&path, &text)
}

/// Writes one line a layer for each look at the flow of gradients; no file where there was none.
pub(super) fn write_flow(folder: &Path, flows: &[Flow]) -> Result<()> {
    let path = folder.join(FLOW);
    if flows.is_empty() {
        // of the run that this one replaces
        return match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
            _ => Ok(()),
        };
    }
    let mut text = String::from("epoch,step,layer,gradient,error,moved,mean,deviation,dead,saturated\n");
    for flow in flows {
        for layer in &flow.layers {
            let LayerFlow { label, gradient, error, moved, mean, deviation, dead, saturated, .. } = layer;
            text += &format!(
                "{},{},{label},{gradient:e},{error:e},{moved:e},{mean:e},{deviation:e},{dead},{saturated}\n",
                flow.epoch, flow.step
            );
        }
    }
    write(&path, &text)
}

/// Writes the weights.
pub(super) fn write_model(folder: &Path, weights: &Weights) -> Result<()> {
    write_whole(folder.join(MODEL), &weights.to_safetensors()?)
}

/// Writes what must be known to use the model and to repeat the run.
pub(super) fn write_manifest(folder: &Path, manifest: &Value) -> Result<()> {
    write(&folder.join(MANIFEST), &format!("{manifest:#}\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_whole(path, text.as_bytes())
}

/// A run as it was written.
pub(super) struct Run {
    pub(super) config: Config,
    pub(super) manifest: Value,
    pub(super) preprocess: Preprocessor,
    /// What the classes weighed in the loss, where not all alike.
    pub(super) class_weights: Option<Vec<f32>>,
    pub(super) weights: Weights,
}

/// Reads what was written down of a run, finished or not.
pub(super) fn read_manifest(folder: &Path) -> Result<Value> {
    let path = folder.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::input(format!("{} has no {MANIFEST}: it is not a finished run of `gradus train`", folder.display())));
        }
        read => read.map_err(|e| Error::io(&path, e))?,
    };
    serde_json::from_str(&text)
        .map_err(|e| Error::at(Place::at(&path, e.line() as u64, e.column() as u64), format!("{e}: the manifest is damaged; train again")))
}

/// The config of a run, finished or not.
pub(super) fn read_config(folder: &Path, sets: &[String]) -> Result<Config> {
    Config::load(folder.join(CONFIG), sets)
}

/// Reads a run folder. Errors when it is not one: the message names the file.
pub(super) fn open(folder: &Path) -> Result<Run> {
    if !folder.is_dir() {
        return Err(Error::input(format!("there is no run folder {}: name one that `gradus train` made", folder.display())));
    }
    let path = folder.join(MANIFEST);
    let manifest = read_manifest(folder)?;
    if manifest["result"].is_null() {
        let folder = folder.display();
        return Err(Error::input(format!("{folder} is not a finished run: go on with it, `gradus train --resume {folder}`")));
    }
    let part = |key: &str, e: serde_json::Error| {
        Error::at(Place::file(&path), format!("`{key}` is not as `gradus train` writes it ({e}): train again"))
    };
    let preprocess = Preprocessor::deserialize(&manifest["preprocess"]).map_err(|e| part("preprocess", e))?;
    preprocess.check().map_err(|e| Error::at(Place::file(&path), format!("{e}: train again")))?;
    let class_weights = Deserialize::deserialize(&manifest["class_weights"]).map_err(|e| part("class_weights", e))?;
    let config = Config::load(folder.join(CONFIG), &[])?;
    let targets = preprocess.no_targets();
    config.loss.for_targets(&targets).check(&targets).map_err(|e| config.error("loss.type", e.to_string()))?;
    Ok(Run { config, preprocess, class_weights, weights: Weights::load(folder.join(MODEL))?, manifest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_replaced_comes_back_unless_the_new_one_has_a_checkpoint() {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("run");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [(CONFIG, "old"), (MANIFEST, "{\"result\":{}}"), ("mine.txt", "mine")] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let begin = || {
            assert_eq!(create(Some(&folder), "run", true).unwrap(), folder);
            assert_eq!((read(CONFIG), read("mine.txt").as_deref()), (None, Some("mine")));
            for (name, text) in [(CONFIG, "new"), (MANIFEST, "{\"result\":null}"), (EVENTS, "")] {
                std::fs::write(folder.join(name), text).unwrap();
            }
        };
        begin();
        give_up(&folder);
        assert_eq!((read(CONFIG).as_deref(), read(EVENTS), folder.join(BEFORE).exists()), (Some("old"), None, false));
        // killed before it had anything to keep: the next one puts the old one aside, not what was left of that
        begin();
        begin();
        give_up(&folder);
        assert_eq!(read(CONFIG).as_deref(), Some("old"));
        begin();
        std::fs::create_dir(folder.join(CHECKPOINTS)).unwrap();
        std::fs::write(checkpoints(&folder).file(1), "").unwrap();
        give_up(&folder);
        assert_eq!((read(CONFIG).as_deref(), read(EVENTS).is_some(), folder.join(BEFORE).exists()), (Some("new"), true, false));
    }

    #[test]
    fn skipped_steps_have_a_column_where_there_were_any() {
        let folder = tempfile::tempdir().unwrap();
        let record = |epoch, skipped| EpochRecord {
            epoch,
            steps: 4 * epoch,
            lr: 0.5,
            train_loss: 0.25,
            grad_norm: 2.0,
            skipped,
            loss_scale: None,
            valid: None,
            seconds: 1.5,
        };
        let written = |epochs: &[EpochRecord]| {
            write_metrics(folder.path(), epochs).unwrap();
            std::fs::read_to_string(folder.path().join(METRICS)).unwrap()
        };
        assert_eq!(written(&[record(1, 0)]), "epoch,steps,lr,train_loss,grad_norm,seconds\n1,4,5e-1,0.25,2,1.500\n");
        let wanted = "epoch,steps,lr,train_loss,grad_norm,skipped,seconds\n1,4,5e-1,0.25,2,0,1.500\n2,8,5e-1,0.25,2,3,1.500\n";
        assert_eq!(written(&[record(1, 0), record(2, 3)]), wanted);
    }
}
