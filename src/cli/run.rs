//! The run folder: `config.toml`, `manifest.json`, `metrics.csv`, `flow.csv`, `model.safetensors`; written once, read by `eval` and `predict`.

use super::config::Config;
use crate::data::{Scaler, Table, Targets};
use crate::error::{Error, Place, Result};
use crate::flow::{Flow, LayerFlow};
use crate::model::Weights;
use crate::train::EpochRecord;
use serde_json::{Map, Value, json};
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

/// How data become features and outputs become answers: what the manifest keeps of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Preprocess {
    /// The features by name.
    pub(super) features: Vec<String>,
    /// The target's column, where it has a name.
    pub(super) target: String,
    /// The classes; `None` for a regression.
    pub(super) classes: Option<Vec<String>>,
    /// The targets of a regression.
    pub(super) values: Vec<String>,
    /// How features are scaled.
    pub(super) scaler: Option<Scaler>,
    /// The column with the weights of the rows, where there is one.
    pub(super) weight: Option<String>,
    /// What the classes weighed in the loss, where not all alike.
    pub(super) class_weights: Option<Vec<f32>>,
}

impl Preprocess {
    pub(super) fn new(table: &Table, target: String, scaler: Option<Scaler>) -> Self {
        let (classes, values) = match table.targets() {
            Targets::Classes { names, .. } => (Some(names.clone()), Vec::new()),
            Targets::Values { names, .. } => (None, names.clone()),
        };
        Preprocess { features: table.names().to_vec(), target, classes, values, scaler, weight: None, class_weights: None }
    }

    /// Targets of this kind, none of them.
    pub(super) fn targets(&self) -> Targets {
        match &self.classes {
            Some(names) => Targets::Classes { of: Vec::new(), names: names.clone() },
            None => Targets::Values { of: Vec::new(), names: self.values.clone() },
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("features".into(), json!(self.features));
        map.insert("target".into(), json!(self.target));
        match &self.classes {
            Some(classes) => map.insert("classes".into(), json!(classes)),
            None => map.insert("values".into(), json!(self.values)),
        };
        if let Some(Scaler { shift, scale }) = &self.scaler {
            map.insert("scaler".into(), json!({"formula": "(x - shift) * scale", "shift": shift, "scale": scale}));
        }
        if let Some(weight) = &self.weight {
            map.insert("weight".into(), json!(weight));
        }
        if let Some(weights) = &self.class_weights {
            map.insert("class_weights".into(), json!(weights));
        }
        Value::Object(map)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let words = |value: &Value| value.as_array()?.iter().map(|v| v.as_str().map(str::to_string)).collect::<Option<Vec<_>>>();
        let numbers = |value: &Value| value.as_array()?.iter().map(|v| v.as_f64().map(|x| x as f32)).collect::<Option<Vec<_>>>();
        let scaler = match value.get("scaler") {
            Some(scaler) => Some(Scaler { shift: numbers(&scaler["shift"])?, scale: numbers(&scaler["scale"])? }),
            None => None,
        };
        let classes = match value.get("classes") {
            Some(classes) => Some(words(classes)?),
            None => None,
        };
        Some(Preprocess {
            features: words(&value["features"])?,
            target: value["target"].as_str()?.to_string(),
            values: if classes.is_some() { Vec::new() } else { words(&value["values"])? },
            classes,
            scaler,
            weight: value["weight"].as_str().map(str::to_string),
            class_weights: numbers(&value["class_weights"]),
        })
    }
}

/// A run as it was written.
pub(super) struct Run {
    pub(super) config: Config,
    pub(super) manifest: Value,
    pub(super) preprocess: Preprocess,
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
    let preprocess = Preprocess::from_json(&manifest["preprocess"])
        .ok_or_else(|| Error::at(Place::file(&path), "`preprocess` is not as `gradus train` writes it: train again"))?;
    Ok(Run { config: Config::load(folder.join(CONFIG), &[])?, preprocess, weights: Weights::load(folder.join(MODEL))?, manifest })
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
