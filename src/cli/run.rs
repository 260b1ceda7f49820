//! The run folder: `config.toml`, `manifest.json`, `metrics.csv`, `flow.csv`, `model.safetensors`; written once, read by `eval` and `predict`.

use super::config::Config;
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
            // the files are replaced when the new run has something to put there: until then the old run is whole
            Err(_) if path.join(MANIFEST).is_file() || is_empty(path) => Ok(path.to_path_buf()),
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

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";
const METRICS: &str = "metrics.csv";
const FLOW: &str = "flow.csv";
const MODEL: &str = "model.safetensors";

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
    weights.save(folder.join(MODEL))
}

/// Writes what must be known to use the model and to repeat the run.
pub(super) fn write_manifest(folder: &Path, manifest: &Value) -> Result<()> {
    write(&folder.join(MANIFEST), &format!("{manifest:#}\n"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::io(path, e))
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

/// Reads a run folder. Errors when it is not one: the message names the file.
pub(super) fn open(folder: &Path) -> Result<Run> {
    if !folder.is_dir() {
        return Err(Error::input(format!("there is no run folder {}: name one that `gradus train` made", folder.display())));
    }
    let path = folder.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::input(format!("{} has no {MANIFEST}: it is not a finished run of `gradus train`", folder.display())));
        }
        read => read.map_err(|e| Error::io(&path, e))?,
    };
    let manifest: Value = serde_json::from_str(&text).map_err(|e| {
        Error::at(Place::at(&path, e.line() as u64, e.column() as u64), format!("{e}: the manifest is damaged; train again"))
    })?;
    let part = |key: &str, e: serde_json::Error| {
        Error::at(Place::file(&path), format!("`{key}` is not as `gradus train` writes it ({e}): train again"))
    };
    let preprocess = Preprocessor::deserialize(&manifest["preprocess"]).map_err(|e| part("preprocess", e))?;
    let class_weights = Deserialize::deserialize(&manifest["class_weights"]).map_err(|e| part("class_weights", e))?;
    Ok(Run {
        config: Config::load(folder.join(CONFIG), &[])?,
        preprocess,
        class_weights,
        weights: Weights::load(folder.join(MODEL))?,
        manifest,
    })
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
