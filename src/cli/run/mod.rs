//! The run folder: `config.toml` and `manifest.json`, there from the start, `metrics.csv`, `flow.csv`, `model.safetensors`; read by `eval` and
//! `predict`.

mod folder;

pub(super) use folder::{Begun, commit, create, give_up};

use crate::checkpoint::{Folder, write_whole};
use crate::cli::config::Config;
use crate::cli::events::EVENTS;
use crate::cli::profile::TRACE;
use crate::cli::report::REPORT;
use crate::cli::scalars;
use crate::data::Preprocessor;
use crate::error::{Error, Place, Result};
use crate::flow::{Flow, LayerFlow};
use crate::model::Weights;
use crate::train::EpochRecord;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

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
pub(in crate::cli) fn checkpoints(folder: &Path) -> Folder {
    Folder::new(folder.join(CHECKPOINTS))
}

/// Whether there is something to go on from.
pub(in crate::cli) fn has_checkpoints(folder: &Path) -> bool {
    checkpoints(folder).numbers().is_ok_and(|numbers| !numbers.is_empty())
}

/// Whether a run has begun there.
pub(in crate::cli) fn is_run(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file() && folder.join(CONFIG).is_file()
}

/// Whether a run has begun there, and was not ended.
pub(in crate::cli) fn is_unfinished(folder: &Path) -> bool {
    read_manifest(folder).is_ok_and(|manifest| manifest["gradus"].is_string() && manifest["result"].is_null())
        || folder.join(BEFORE).join(MANIFEST).is_file()
}

/// Writes the config as it was resolved.
pub(in crate::cli) fn write_config(folder: &Path, config: &Config) -> Result<()> {
    write(&folder.join(CONFIG), &config.to_toml())
}

/// Writes one line an epoch.
pub(in crate::cli) fn write_metrics(folder: &Path, epochs: &[EpochRecord]) -> Result<()> {
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
pub(in crate::cli) fn write_flow(folder: &Path, flows: &[Flow]) -> Result<()> {
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
pub(in crate::cli) fn write_model(folder: &Path, weights: &Weights) -> Result<()> {
    write_whole(folder.join(MODEL), &weights.to_safetensors()?)
}

/// Writes what must be known to use the model and to repeat the run.
pub(in crate::cli) fn write_manifest(folder: &Path, manifest: &Value) -> Result<()> {
    write(&folder.join(MANIFEST), &format!("{manifest:#}\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_whole(path, text.as_bytes())
}

/// A run as it was written.
pub(in crate::cli) struct Run {
    pub(in crate::cli) config: Config,
    pub(in crate::cli) manifest: Value,
    pub(in crate::cli) preprocess: Preprocessor,
    /// What the classes weighed in the loss, where not all alike.
    pub(in crate::cli) class_weights: Option<Vec<f32>>,
    pub(in crate::cli) weights: Weights,
}

/// Reads what was written down of a run, finished or not.
pub(in crate::cli) fn read_manifest(folder: &Path) -> Result<Value> {
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
pub(in crate::cli) fn read_config(folder: &Path, sets: &[String]) -> Result<Config> {
    Config::load(folder.join(CONFIG), sets)
}

/// Reads a run folder. Errors when it is not one: the message names the file.
pub(in crate::cli) fn open(folder: &Path) -> Result<Run> {
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
