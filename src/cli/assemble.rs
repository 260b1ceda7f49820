//! From a config to what the library takes: data, model, trainer.

use super::config::{BuiltIn, Column, Columns as Selected, Config, Source};
use super::run::{Preprocess, Run};
use crate::data::{
    Columns, CsvOptions, Dataset, Scaler, Select, Split, Table, TargetColumn, Targets, column_name, read_csv, read_csv_for,
    read_idx_folder, read_idx_images, read_idx_pair,
};
use crate::error::{Error, Place, Result};
use crate::loss::Loss;
use crate::model::{Layer, Model, Weights};
use crate::train::{ClassWeights, Stop, Trainer};
use std::path::Path;
use std::sync::Arc;

/// The data of a config, split and scaled.
pub(super) struct Prepared {
    /// Rows to train on.
    pub(super) train: Dataset,
    /// Rows to judge by after each epoch.
    pub(super) valid: Dataset,
    /// Rows to judge by at the end.
    pub(super) test: Dataset,
    /// How features were scaled.
    pub(super) scaler: Option<Scaler>,
    /// What the classes weigh in the loss, where not all alike.
    pub(super) class_weights: Option<Vec<f32>>,
    /// The hash of the table as it was read.
    pub(super) hash: String,
}

/// Rows of a synthetic data set.
const SYNTHETIC_ROWS: usize = 1200;
const SPIRALS: usize = 3;

/// Reads the data of a config, splits them, and scales them by what the training rows say.
pub(super) fn prepare(config: &Config) -> Result<Prepared> {
    config.check_files()?;
    let (table, own_test) = read(config)?;
    let hash = table.hash();
    Loss::for_targets(table.targets()).check(table.targets()).map_err(|e| config.error("data.target", e.to_string()))?;
    let wanted = config.data.split;
    let split = Split { test: if own_test.is_some() { 0.0 } else { wanted.test }, ..wanted };
    let (train, valid, mut test) = split.apply(&Dataset::new(table))?;
    let class_weights = config.data.class_weights.resolve(train.table(), train.rows());
    let class_weights = class_weights.map_err(|e| config.error("data.class_weights", e.to_string()))?;
    let scaler = Scaler::fit(config.data.scale, &train)?;
    let scale = |table: &Table| match &scaler {
        Some(scaler) => scaler.apply_table(table),
        None => Ok(table.clone()),
    };
    let table = Arc::new(scale(train.table())?);
    let (train, valid) = (train.with_table(&table), valid.with_table(&table));
    test = match own_test {
        Some(own) => Dataset::new(scale(&own)?),
        None => test.with_table(&table),
    };
    Ok(Prepared { train, valid, test, scaler, class_weights, hash })
}

fn read(config: &Config) -> Result<(Table, Option<Table>)> {
    let synthetic = |data: Dataset| (data.table().as_ref().clone(), None);
    match &config.data.source {
        Source::BuiltIn(BuiltIn::Digits) => Ok(synthetic(Dataset::digits())),
        Source::BuiltIn(BuiltIn::Spirals) => Ok(synthetic(Dataset::spirals(SPIRALS, SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Moons) => Ok(synthetic(Dataset::moons(SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Sine) => Ok(synthetic(Dataset::sine(SYNTHETIC_ROWS, config.seed))),
        Source::Table { path, test, target, features, weight } => {
            let [target] = target.as_slice() else {
                return Err(config.error("data.target", "several targets are not in this version: name one column"));
            };
            let words = |columns: &[Column]| columns.iter().map(word).collect::<Vec<_>>();
            let options = CsvOptions {
                features: match features {
                    Selected::All => Select::All,
                    Selected::Only(columns) => Select::Only(words(columns)),
                    Selected::Except(columns) => Select::Exclude(words(columns)),
                },
                task: config.data.task,
                weight: weight.as_ref().map(word),
                ..CsvOptions::new(word(target))
            };
            let table = read_csv(path, &options)?;
            let Some(test) = test else { return Ok((table, None)) };
            let wanted = Preprocess::new(&table, column_name(path, &word(target))?, None);
            let wanted = Preprocess { weight: weight_name(config)?, ..wanted };
            let test = read_csv_for(test, &columns(&wanted, true))?;
            Ok((table, Some(test)))
        }
        Source::Idx { images, labels, test } => {
            let table = read_idx_pair(images, labels)?;
            let Targets::Classes { names, .. } = table.targets() else { return Ok((table, None)) };
            let test = test.as_ref().map(|(images, labels)| read_idx_pair(images, labels)?.with_classes(names)).transpose()?;
            Ok((table, test))
        }
        Source::IdxFolder(folder) => read_idx_folder(folder),
    }
}

fn word(column: &Column) -> String {
    match column {
        Column::Name(name) => name.clone(),
        Column::Index(index) => index.to_string(),
    }
}

/// The columns that a model wants of another file.
fn columns(preprocess: &Preprocess, with_target: bool) -> Columns {
    let target = TargetColumn { name: preprocess.target.clone(), classes: preprocess.classes.clone() };
    let weight = preprocess.weight.clone().filter(|_| with_target);
    Columns { features: preprocess.features.clone(), target: with_target.then_some(target), weight, delimiter: None }
}

/// What the column with the weights of the rows is called, where there is one.
pub(super) fn weight_name(config: &Config) -> Result<Option<String>> {
    match &config.data.source {
        Source::Table { path, weight: Some(column), .. } => column_name(path, &word(column)).map(Some),
        _ => Ok(None),
    }
}

/// What the target is called.
pub(super) fn target_name(config: &Config) -> Result<String> {
    match &config.data.source {
        Source::Table { path, target, .. } => match target.first() {
            Some(column) => column_name(path, &word(column)),
            None => Ok("target".into()),
        },
        Source::BuiltIn(BuiltIn::Sine) => Ok("y".into()),
        _ => Ok("class".into()),
    }
}

/// Data that a trained model has not seen, scaled as its training data were: a csv or tsv file, a folder of idx files, or idx images.
pub(super) fn new_data(preprocess: &Preprocess, path: &Path, with_target: bool) -> Result<Table> {
    let name = path.to_string_lossy().to_lowercase();
    let table = if path.is_dir() {
        let (train, test) = read_idx_folder(path)?;
        test.unwrap_or(train)
    } else if name.contains("idx") && !name.ends_with(".csv") {
        if with_target {
            let message = "images alone have no classes to judge by: name the folder that holds images and labels";
            return Err(Error::at(Place::file(path), message));
        }
        read_idx_images(path)?
    } else {
        read_csv_for(path, &columns(preprocess, with_target))?
    };
    if table.width() != preprocess.features.len() {
        let message = format!("{} features, but the model was trained on {}", table.width(), preprocess.features.len());
        return Err(Error::at(Place::file(path), message));
    }
    let table = match &preprocess.classes {
        Some(classes) if !table.targets().is_none() => table.with_classes(classes)?,
        _ => table,
    };
    match &preprocess.scaler {
        Some(scaler) => scaler.apply_table(&table),
        None => Ok(table),
    }
}

/// A trainer that holds a run's model with its weights.
pub(super) fn trained(run: &Run, table: &Table) -> Result<Trainer> {
    let loss = loss(&run.config, &run.preprocess.targets());
    let model = model(&run.config, table.width(), outputs(&loss, &run.preprocess.targets()));
    run.weights.check(&model)?;
    let class_weights = match (&run.preprocess.class_weights, table.targets()) {
        (Some(weights), Targets::Classes { .. }) => ClassWeights::Given(weights.iter().map(|&w| f64::from(w)).collect()),
        _ => ClassWeights::None,
    };
    Ok(Trainer::new(model, loss).class_weights(class_weights).batch(run.config.train.batch.max(EVAL_BATCH)).weights(run.weights.clone()))
}

/// Rows of a batch when nothing is learned: more at a time is faster.
const EVAL_BATCH: usize = 512;

/// The model for so many features and outputs.
pub(super) fn model(config: &Config, inputs: usize, outputs: usize) -> Model {
    let hidden = config.model.layers().into_iter().fold(Model::input(inputs), Model::layer);
    hidden.layer(Layer::Dense { outputs, bias: true, init: config.model.init })
}

/// The loss for the targets.
pub(super) fn loss(config: &Config, targets: &Targets) -> Loss {
    config.loss.for_targets(targets)
}

/// How many outputs the model needs for the loss and the targets.
pub(super) fn outputs(loss: &Loss, targets: &Targets) -> usize {
    match targets {
        Targets::Classes { names, .. } => loss.outputs(Some(names.len()), 0),
        Targets::Values { names, .. } => loss.outputs(None, names.len()),
    }
}

/// The trainer for a table's features and targets.
pub(super) fn trainer(config: &Config, table: &Table) -> Result<Trainer> {
    let loss = loss(config, table.targets());
    loss.check(table.targets()).map_err(|e| config.error("loss.type", e.to_string()))?;
    let model = model(config, table.width(), outputs(&loss, table.targets()));
    let mut trainer = Trainer::new(model.clone(), loss)
        .optimizer(config.optimizer)
        .schedule(config.schedule.rates().clone())
        .clip(config.clip)
        .batch(config.train.batch)
        .seed(config.seed)
        .shuffle(config.train.shuffle)
        .remainder(config.train.remainder)
        .class_weights(config.data.class_weights.clone())
        .accumulate(config.train.accumulate)
        .on_nonfinite(config.train.on_nonfinite)
        .looks(config.train.diagnose);
    if let Some(from) = &config.model.from {
        let weights = Weights::load(from)?;
        weights.check(&model).map_err(|e| config.error("model.from", format!("{}: {e}", from.display())))?;
        trainer = trainer.weights(weights);
    }
    Ok(trainer)
}

/// When to stop.
pub(super) fn stop(config: &Config) -> Stop {
    let (early, at, time) = (config.early_stopping.clone(), config.stop_at.clone(), config.train.time());
    Stop { early, at, time, ..Stop::after(config.train.epochs) }
}
