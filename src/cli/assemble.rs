//! From a config to what the library takes: data, model, trainer.

use super::config::{self, BuiltIn, Column, Columns as Selected, Config, Source};
use super::run::{Preprocess, Run};
use crate::Clip;
use crate::data::{
    self, Columns, CsvOptions, Dataset, Scaler, Scaling, Select, Split, Table, TargetColumn, Targets, column_name, read_csv, read_csv_for,
    read_idx_folder, read_idx_images, read_idx_pair,
};
use crate::error::{Error, Place, Result};
use crate::kernels::activation::Activation;
use crate::loss::Loss;
use crate::model::{Dist, Fan, Init, Layer, Model, Weights};
use crate::optim::{Adam, Momentum, Optimizer, Sgd};
use crate::schedule::{Schedule, Shape, Unit, Warmup};
use crate::train::{EarlyStopping, Mode, Monitor, Remainder, Stop, Trainer};
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
    let wanted = &config.data.split;
    let split = Split {
        valid: wanted.valid,
        test: if own_test.is_some() { 0.0 } else { wanted.test },
        stratify: wanted.stratify,
        seed: config.seed,
    };
    let (train, valid, mut test) = split.apply(&Dataset::new(table))?;
    let scaler = Scaler::fit(scaling(config), &train)?;
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
    Ok(Prepared { train, valid, test, scaler, hash })
}

fn read(config: &Config) -> Result<(Table, Option<Table>)> {
    let synthetic = |data: Dataset| (data.table().as_ref().clone(), None);
    match &config.data.source {
        Source::BuiltIn(BuiltIn::Digits) => Ok(synthetic(Dataset::digits())),
        Source::BuiltIn(BuiltIn::Spirals) => Ok(synthetic(Dataset::spirals(SPIRALS, SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Moons) => Ok(synthetic(Dataset::moons(SYNTHETIC_ROWS, config.seed))),
        Source::BuiltIn(BuiltIn::Sine) => Ok(synthetic(Dataset::sine(SYNTHETIC_ROWS, config.seed))),
        Source::Table { path, test, target, features } => {
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
                task: match config.data.task {
                    config::Task::Auto => data::Task::Auto,
                    config::Task::Classification => data::Task::Classification,
                    config::Task::Regression => data::Task::Regression,
                },
                ..CsvOptions::new(word(target))
            };
            let table = read_csv(path, &options)?;
            let Some(test) = test else { return Ok((table, None)) };
            let wanted = Preprocess::new(&table, column_name(path, &word(target))?, None);
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
    Columns { features: preprocess.features.clone(), target: with_target.then_some(target), delimiter: None }
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
    let model = model(&run.config, table.width(), run.preprocess.outputs());
    run.weights.check(&model)?;
    let loss = match run.preprocess.classes {
        Some(_) => Loss::CrossEntropy,
        None if run.config.loss == config::Loss::Mae => Loss::Mae,
        None => Loss::Mse,
    };
    Ok(Trainer::new(model, loss).batch(run.config.train.batch.max(EVAL_BATCH)).weights(run.weights.clone()))
}

/// Rows of a batch when nothing is learned: more at a time is faster.
const EVAL_BATCH: usize = 512;

fn scaling(config: &Config) -> Scaling {
    match config.data.scale {
        config::Scale::None => Scaling::None,
        config::Scale::Standard => Scaling::Standard,
        config::Scale::MinMax => Scaling::MinMax,
        config::Scale::Robust => Scaling::Robust,
        config::Scale::Bytes => Scaling::Bytes,
    }
}

/// The model for so many features and outputs.
pub(super) fn model(config: &Config, inputs: usize, outputs: usize) -> Model {
    let mut model = Model::input(inputs);
    for layer in config.model.layers() {
        model = match layer {
            config::Layer::Dense { units, activation: after, init: start, bias } => {
                model.layer(Layer::Dense { outputs: units, bias, init: init(start) }).activation(activation(after))
            }
            config::Layer::Activation(alone) => model.activation(activation(alone)),
        };
    }
    model.layer(Layer::Dense { outputs, bias: true, init: init(config.model.init) })
}

fn activation(activation: config::Activation) -> Activation {
    let named = |name| Activation::named(name).unwrap_or(Activation::IDENTITY);
    match activation {
        config::Activation::Identity => Activation::IDENTITY,
        config::Activation::Relu => named("relu"),
        config::Activation::LeakyRelu { slope } => named("leaky_relu").with_parameter(slope as f32),
        config::Activation::Sigmoid => named("sigmoid"),
        config::Activation::Tanh => named("tanh"),
    }
}

fn init(init: config::Init) -> Init {
    let fan = |fan| match fan {
        config::Fan::In => Fan::In,
        config::Fan::Out => Fan::Out,
        config::Fan::Avg => Fan::Avg,
    };
    let dist = |dist| match dist {
        config::Dist::Normal => Dist::Normal,
        config::Dist::Uniform => Dist::Uniform,
    };
    match init {
        config::Init::Auto => Init::Auto,
        config::Init::He { fan: f, dist: d } => Init::He { fan: fan(f), dist: dist(d) },
        config::Init::Xavier { fan: f, dist: d } => Init::Xavier { fan: fan(f), dist: dist(d) },
        config::Init::Normal { std } => Init::Normal { std },
        config::Init::Zeros => Init::Zeros,
    }
}

/// The loss for the targets.
pub(super) fn loss(config: &Config, targets: &Targets) -> Loss {
    match config.loss {
        config::Loss::Auto => Loss::for_targets(targets),
        config::Loss::Mse => Loss::Mse,
        config::Loss::Mae => Loss::Mae,
        config::Loss::CrossEntropy => Loss::CrossEntropy,
    }
}

/// The trainer for a table's features and targets.
pub(super) fn trainer(config: &Config, table: &Table) -> Result<Trainer> {
    let model = model(config, table.width(), table.targets().outputs());
    let optimizer: Optimizer = match config.optimizer {
        config::Optimizer::Sgd { lr } => Sgd::new().lr(lr).into(),
        config::Optimizer::Momentum { lr, momentum } => Momentum::new().lr(lr).beta(momentum).into(),
        config::Optimizer::Adam { lr, beta1, beta2, epsilon } => Adam::new().lr(lr).betas(beta1, beta2).epsilon(epsilon).into(),
    };
    let loss = loss(config, table.targets());
    loss.check(table.targets()).map_err(|e| config.error("loss.type", e.to_string()))?;
    let mut trainer = Trainer::new(model.clone(), loss)
        .optimizer(optimizer)
        .schedule(schedule(config))
        .clip(Clip::new(config.clip.value, config.clip.norm))
        .batch(config.train.batch)
        .seed(config.seed)
        .shuffle(config.train.shuffle)
        .remainder(match config.train.remainder {
            config::Remainder::Keep => Remainder::Keep,
            config::Remainder::Drop => Remainder::Drop,
        });
    if let Some(from) = &config.model.from {
        let weights = Weights::load(from)?;
        weights.check(&model).map_err(|e| config.error("model.from", format!("{}: {e}", from.display())))?;
        trainer = trainer.weights(weights);
    }
    Ok(trainer)
}

fn schedule(config: &Config) -> Schedule {
    let shape = match config.schedule.shape {
        config::Shape::Fixed => Shape::Fixed,
        config::Shape::Step { drop, every } => Shape::Step { drop, every: every as usize },
        config::Shape::Exponential { rate } => Shape::Exponential { rate },
        config::Shape::Cosine { min } => Shape::Cosine { min },
    };
    let warmup = match config.schedule.warmup {
        config::Warmup::None => Warmup::None,
        config::Warmup::Share(share) => Warmup::Share(share),
        config::Warmup::Count(count) => Warmup::Count(count as usize),
    };
    let unit = match config.schedule.unit {
        config::Unit::Epoch => Unit::Epoch,
        config::Unit::Step => Unit::Step,
    };
    Schedule::new(config.optimizer.lr(), shape).warmup_of(warmup).unit(unit)
}

/// When to stop.
pub(super) fn stop(config: &Config) -> Stop {
    let early = config.early_stopping.map(|early| EarlyStopping {
        monitor: match early.monitor {
            config::Monitor::TrainLoss => Monitor::TrainLoss,
            config::Monitor::ValLoss => Monitor::ValidLoss,
            config::Monitor::ValAccuracy => Monitor::Valid("accuracy".into()),
        },
        mode: match early.mode {
            config::Mode::Auto => Mode::Auto,
            config::Mode::Min => Mode::Min,
            config::Mode::Max => Mode::Max,
        },
        patience: early.patience,
        min_delta: early.min_delta,
        start_epoch: early.start_epoch,
        restore_best: early.restore_best,
    });
    Stop { epochs: config.train.epochs, early }
}
