//! From a config to what the library takes: data, model, trainer.

use super::config::{BuiltIn, Column, Columns as Selected, Config, Source};
use super::run::Run;
use crate::data::{
    Dataset, Fit, Preprocessor, Scaler, Select, Split, Table, TableOptions, Targets, open_table, read_columns, read_idx_folder,
    read_idx_images, read_idx_pair, table_format,
};
use crate::error::{Error, Place, Result};
use crate::loss::Loss;
use crate::model::{Layer, Model, Weights};
use crate::train::{ClassWeights, Stop, Trainer};
use std::path::Path;
use std::sync::Arc;

/// The data of a config, split, and made into inputs of a model.
pub(super) struct Prepared {
    /// Rows to train on.
    pub(super) train: Dataset,
    /// Rows to judge by after each epoch.
    pub(super) valid: Dataset,
    /// Rows to judge by at the end.
    pub(super) test: Dataset,
    /// What became of the columns.
    pub(super) preprocess: Preprocessor,
    /// What the classes weigh in the loss, where not all alike.
    pub(super) class_weights: Option<Vec<f32>>,
    /// The hash of the data as they were read.
    pub(super) hash: String,
}

/// Rows of a synthetic data set.
const SYNTHETIC_ROWS: usize = 1200;
const SPIRALS: usize = 3;

/// Reads the data of a config, splits them, and makes inputs of them by what the training rows say.
pub(super) fn prepare(config: &Config) -> Result<Prepared> {
    config.check_files()?;
    let Parts { train, valid, test, preprocess, hash } = match &config.data.source {
        Source::Table { path, test, .. } => columns(config, path, test.as_deref())?,
        _ => numbers(config)?,
    };
    let class_weights = config.data.class_weights.resolve(train.table(), train.rows());
    let class_weights = class_weights.map_err(|e| config.error("data.class_weights", e.to_string()))?;
    Ok(Prepared { train, valid, test, preprocess, class_weights, hash })
}

struct Parts {
    train: Dataset,
    valid: Dataset,
    test: Dataset,
    preprocess: Preprocessor,
    hash: String,
}

/// The columns of a file, each made into inputs as its kind asks for.
fn columns(config: &Config, path: &Path, own_test: Option<&Path>) -> Result<Parts> {
    let columns = read_columns(&mut *open_table(path)?, &options(config))?;
    check_targets(config, &columns.targets)?;
    let hash = columns.hash();
    let [train, valid, test] = split(config, own_test.is_some()).rows(&columns.targets, columns.features.rows())?;
    let data = &config.data;
    let fit = Fit { scale: data.scale, categorical: data.categorical, missing: data.missing, target: data.target_scale };
    let preprocess = Preprocessor::fit(&columns, &train, &fit)?;
    let whole = Dataset::new(preprocess.table(columns)?);
    let test = match own_test {
        Some(path) => Dataset::new(read_known(&preprocess, path, true)?),
        None => whole.view(test),
    };
    Ok(Parts { train: whole.view(train), valid: whole.view(valid), test, preprocess, hash })
}

/// A table of numbers and nothing else: images, and what is built in.
fn numbers(config: &Config) -> Result<Parts> {
    let (table, own_test) = read(config)?;
    let hash = table.hash();
    check_targets(config, table.targets())?;
    let (train, valid, test) = split(config, own_test.is_some()).apply(&Dataset::new(table))?;
    let scaler = Scaler::fit(config.data.scale, &train)?;
    let target = match config.data.source {
        Source::BuiltIn(BuiltIn::Sine | BuiltIn::Friedman) => "y",
        Source::BuiltIn(BuiltIn::Iris) => "species",
        _ => "class",
    };
    let preprocess = Preprocessor::of_numbers(train.table(), target, scaler.as_ref());
    let scale = |table: &Table| match &scaler {
        Some(scaler) => scaler.apply_table(table),
        None => Ok(table.clone()),
    };
    let table = Arc::new(scale(train.table())?);
    let (train, valid) = (train.with_table(&table), valid.with_table(&table));
    let test = match own_test {
        Some(own) => Dataset::new(scale(&own)?),
        None => test.with_table(&table),
    };
    Ok(Parts { train, valid, test, preprocess, hash })
}

fn check_targets(config: &Config, targets: &Targets) -> Result<()> {
    Loss::for_targets(targets).check(targets).map_err(|e| config.error("data.target", e.to_string()))
}

fn split(config: &Config, own_test: bool) -> Split {
    let wanted = config.data.split;
    Split { test: if own_test { 0.0 } else { wanted.test }, ..wanted }
}

fn read(config: &Config) -> Result<(Table, Option<Table>)> {
    let synthetic = |data: Dataset| (data.table().as_ref().clone(), None);
    match &config.data.source {
        Source::BuiltIn(BuiltIn::Digits) => Ok(synthetic(Dataset::digits())),
        Source::BuiltIn(BuiltIn::Iris) => Ok(synthetic(Dataset::iris())),
        Source::BuiltIn(BuiltIn::Friedman) => Ok(synthetic(Dataset::friedman(SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Spirals) => Ok(synthetic(Dataset::spirals(SPIRALS, SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Moons) => Ok(synthetic(Dataset::moons(SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Sine) => Ok(synthetic(Dataset::sine(SYNTHETIC_ROWS, config.seed))),
        Source::Table { .. } => Err(config.error("data.path", "a file of columns is not read as numbers alone")),
        Source::Idx { images, labels, test } => {
            let table = read_idx_pair(images, labels)?;
            let Targets::Classes { names, .. } = table.targets() else { return Ok((table, None)) };
            let test = test.as_ref().map(|(images, labels)| read_idx_pair(images, labels)?.with_classes(names)).transpose()?;
            Ok((table, test))
        }
        Source::IdxFolder(folder) => read_idx_folder(folder),
    }
}

/// What the columns of the config's file are for.
fn options(config: &Config) -> TableOptions {
    let Source::Table { target, features, weight, .. } = &config.data.source else { return TableOptions::default() };
    let words = |columns: &[Column]| columns.iter().map(word).collect::<Vec<_>>();
    TableOptions {
        target: words(target),
        features: match features {
            Selected::All => Select::All,
            Selected::Only(columns) => Select::Only(words(columns)),
            Selected::Except(columns) => Select::Exclude(words(columns)),
        },
        task: config.data.task,
        weight: weight.as_ref().map(word),
        types: config.data.types.iter().cloned().collect(),
        missing: config.data.missing,
    }
}

fn word(column: &Column) -> String {
    match column {
        Column::Name(name) => name.clone(),
        Column::Index(index) => index.to_string(),
    }
}

/// All rows of a file of columns, made into inputs as those of the training were.
fn read_known(preprocess: &Preprocessor, path: &Path, with_target: bool) -> Result<Table> {
    let mut file = open_table(path)?;
    let wanted = preprocess.wanted(&*file, with_target)?;
    preprocess.apply(file.read_all(&wanted)?)
}

/// Data to judge a trained model by, all of them.
pub(super) fn new_table(preprocess: &Preprocessor, path: &Path) -> Result<Table> {
    if table_format(path).is_some() {
        return read_known(preprocess, path, true);
    }
    let mut whole = None;
    new_data(preprocess, path, true, &mut |table| {
        whole = Some(table);
        Ok(())
    })?;
    whole.ok_or_else(|| Error::at(Place::file(path), "there are no rows"))
}

/// Data that a trained model has not seen, a part at a time: a file of columns, a folder of idx files, or idx images.
pub(super) fn new_data(preprocess: &Preprocessor, path: &Path, with_target: bool, each: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
    let name = path.to_string_lossy().to_lowercase();
    let images = if path.is_dir() {
        let (train, test) = read_idx_folder(path)?;
        test.unwrap_or(train)
    } else if name.contains("idx") && table_format(path).is_none() {
        if with_target {
            let message = "images alone have no classes to judge by: name the folder that holds images and labels";
            return Err(Error::at(Place::file(path), message));
        }
        read_idx_images(path)?
    } else {
        let mut file = open_table(path)?;
        let wanted = preprocess.wanted(&*file, with_target)?;
        return file.read(&wanted, &mut |frame| each(preprocess.apply(frame)?));
    };
    let Some(scaler) = preprocess.scaler().filter(|scaler| scaler.shift.len() == images.width()) else {
        let message = format!("{} features, but the model was trained on {}", images.width(), preprocess.features.len());
        return Err(Error::at(Place::file(path), message));
    };
    let images = match preprocess.no_targets() {
        Targets::Classes { names, .. } if !images.targets().is_none() => images.with_classes(&names)?,
        _ => images,
    };
    each(scaler.apply_table(&images)?)
}

/// A trainer that holds a run's model with its weights.
pub(super) fn trained(run: &Run) -> Result<Trainer> {
    let targets = run.preprocess.no_targets();
    let loss = loss(&run.config, &targets);
    let model = model(&run.config, &run.preprocess, outputs(&loss, &targets));
    run.weights.check(&model)?;
    let class_weights = match &run.class_weights {
        Some(weights) => ClassWeights::Given(weights.iter().map(|&w| f64::from(w)).collect()),
        None => ClassWeights::None,
    };
    Ok(Trainer::new(model, loss).class_weights(class_weights).batch(run.config.train.batch.max(EVAL_BATCH)).weights(run.weights.clone()))
}

/// Rows of a batch when nothing is learned: more at a time is faster.
const EVAL_BATCH: usize = 512;

/// The model for the inputs that columns are made into, and so many outputs.
pub(super) fn model(config: &Config, preprocess: &Preprocessor, outputs: usize) -> Model {
    let inputs = Model::input(preprocess.inputs()).embedding(preprocess.codes());
    let hidden = config.model.layers().into_iter().fold(inputs, Model::layer);
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

/// The trainer for the inputs and targets that are prepared.
pub(super) fn trainer(config: &Config, data: &Prepared) -> Result<Trainer> {
    let targets = data.train.table().targets();
    loss(config, targets).check(targets).map_err(|e| config.error("loss.type", e.to_string()))?;
    config.trainer(&data.preprocess)
}

impl Config {
    /// The trainer that the config describes, for data of which a preprocessor makes inputs and targets.
    ///
    /// Errors where the file with the initial weights cannot be read, or is of another model.
    pub fn trainer(&self, preprocess: &Preprocessor) -> Result<Trainer> {
        let targets = preprocess.no_targets();
        let loss = loss(self, &targets);
        let model = model(self, preprocess, outputs(&loss, &targets));
        let mut trainer = Trainer::new(model.clone(), loss)
            .optimizer(self.optimizer)
            .schedule(self.schedule.rates().clone())
            .clip(self.clip)
            .batch(self.train.batch)
            .seed(self.seed)
            .shuffle(self.train.shuffle)
            .remainder(self.train.remainder)
            .class_weights(self.data.class_weights.clone())
            .accumulate(self.train.accumulate)
            .on_nonfinite(self.train.on_nonfinite)
            .looks(self.train.diagnose)
            .precision(self.train.precision);
        if let Some(from) = &self.model.from {
            let weights = Weights::load(from)?;
            weights.check(&model).map_err(|e| self.error("model.from", format!("{}: {e}", from.display())))?;
            trainer = trainer.weights(weights);
        }
        Ok(trainer)
    }
}

/// When to stop.
pub(super) fn stop(config: &Config) -> Stop {
    let (early, at, time) = (config.early_stopping.clone(), config.stop_at.clone(), config.train.time());
    Stop { early, at, time, ..Stop::after(config.train.epochs) }
}
