//! A random model: what was drawn of it, made to fit together, and the data, the trainer and the device that follow from it.

use gradus::data::{Codes, Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::loss::Takes;
use gradus::metrics::{METRICS, MetricInfo, Needs};
use gradus::model::{Init, Layer};
use gradus::optim::Optimizer;
use gradus::rng::{Purpose, Rng};
use gradus::train::{ClassWeights, EarlyStopping, Looks, Member, Monitor, OnNonFinite, Remainder, Stop};
use gradus::{Clip, Dataset, Loss, Model, Precision, Schedule, Trainer};
use std::fmt;

/// What goes in.
#[derive(Debug, Clone)]
pub(crate) enum Inputs {
    Numbers(usize),
    Bytes(usize),
    /// Numbers, some of which are codes.
    Codes {
        width: usize,
        codes: Vec<Codes>,
    },
}

/// What is to come out: so many classes, or so many numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    Classes(usize),
    Values(usize),
}

impl Goal {
    /// What a class is called.
    pub(crate) fn class(number: usize) -> String {
        format!("class {number}")
    }
}

/// What early stopping watches, as the number of a monitor that there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) metric: usize,
    pub(crate) patience: usize,
    pub(crate) restore_best: bool,
}

/// Where everything lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// As it comes.
    Plain,
    /// On a device that so many workgroups keep busy: gradients of large batches are made in parts.
    Parts(usize),
    /// With one byte less than it takes: the data are streamed where that helps.
    Streamed,
    /// With no more bound at once than this share of the largest buffer: it is cut where that can be.
    Cut(f64),
}

/// A random model.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    pub(crate) seed: u64,
    pub(crate) rows: usize,
    pub(crate) valid: usize,
    pub(crate) inputs: Inputs,
    pub(crate) layers: Vec<Layer>,
    /// What comes behind the layer that brings the width of the outputs.
    pub(crate) tail: Vec<Layer>,
    /// How that layer starts.
    pub(crate) init: Init,
    pub(crate) loss: Loss,
    pub(crate) goal: Goal,
    pub(crate) weighted: bool,
    pub(crate) units: bool,
    pub(crate) class_weights: ClassWeights,
    pub(crate) optimizer: Optimizer,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) clip: Clip,
    pub(crate) precision: Precision,
    pub(crate) batch: usize,
    pub(crate) accumulate: usize,
    pub(crate) shuffle: bool,
    pub(crate) remainder: Remainder,
    pub(crate) members: Vec<Member>,
    pub(crate) on_nonfinite: OnNonFinite,
    pub(crate) looks: Looks,
    pub(crate) epochs: usize,
    pub(crate) watched: Option<Watched>,
    pub(crate) place: Place,
    /// Whether a dense first layer looks its rows up in the data.
    pub(crate) fused_gather: bool,
    /// After which share of the training it is stopped.
    pub(crate) stop: f64,
}

/// The most batches of an epoch.
const BATCHES: usize = 12;

impl Random {
    /// Draws are independent of each other; here they are made into something that can be trained. Nothing is thrown away.
    pub(crate) fn made_to_fit(mut self) -> Self {
        let classes = |count: usize| Goal::Classes(count.max(2));
        self.goal = match (self.loss.takes(), self.goal) {
            (Takes::Classes, Goal::Values(count) | Goal::Classes(count)) => classes(count),
            (Takes::Numbers, Goal::Classes(count)) => Goal::Values(count),
            (_, Goal::Classes(count)) => classes(count),
            (_, values) => values,
        };
        if !matches!(self.loss.takes(), Takes::Classes | Takes::ZeroOne) {
            self.loss = self.loss.label_smoothing(0.0);
        }
        match (self.goal, &mut self.class_weights) {
            (Goal::Values(_), weights) => *weights = ClassWeights::None,
            (Goal::Classes(count), ClassWeights::Given(weights)) => weights.truncate(count),
            // each class must be there to be weighed
            (Goal::Classes(count), ClassWeights::Balanced) => self.rows = self.rows.max(count),
            _ => {}
        }
        if matches!(self.place, Place::Streamed | Place::Cut(_)) {
            // what it takes is worked out from the rows to train on
            self.valid = self.valid.min(self.rows);
        }
        self.units &= matches!(self.goal, Goal::Values(_));
        self.layers.iter_mut().for_each(give_something_to_do);
        if let Place::Parts(_) = self.place {
            // no fewer are cut into parts
            (self.rows, self.batch) = (self.rows + 256, self.batch + 256);
        }
        if self.model().has_batch_norm() {
            (self.rows, self.batch) = (self.rows.max(2), self.batch.max(2));
        }
        self.batch = self.batch.max(self.rows / BATCHES);
        // phases need an epoch each
        self.epochs = self.epochs.max(if self.schedule.as_ref().is_some_and(|s| s.shape().name() == "phases") { 2 } else { 1 });
        let rate = self.optimizer.rate();
        self.schedule = self.schedule.map(|schedule| schedule.with_lr(rate));
        self.members.iter_mut().for_each(|member| member.lr = member.lr.map(|share| share * self.optimizer.info().lr));
        self
    }

    pub(crate) fn width(&self) -> usize {
        match self.inputs {
            Inputs::Numbers(width) | Inputs::Bytes(width) | Inputs::Codes { width, .. } => width,
        }
    }

    pub(crate) fn model(&self) -> Model {
        let codes = if let Inputs::Codes { codes, .. } = &self.inputs { codes.clone() } else { Vec::new() };
        let (classes, columns) = match self.goal {
            Goal::Classes(count) => (Some(count), count),
            Goal::Values(count) => (None, count),
        };
        let outputs = Layer::Dense { outputs: self.loss.outputs(classes, columns), bias: true, init: self.init };
        let layers = self.layers.iter().chain([&outputs]).chain(&self.tail).cloned();
        layers.fold(Model::input(self.width()).embedding(codes), Model::layer)
    }

    /// The rows to train on, and those to judge by.
    pub(crate) fn data(&self) -> (Dataset, Dataset) {
        let (rows, mut rng) = (self.rows + self.valid, Rng::new(self.seed, Purpose::Synthetic, 0));
        // in an order that is not the table's
        let order = rng.permutation(rows);
        let whole = Dataset::new(self.table(rows, &order, &mut rng));
        (whole.view(order[..self.rows].to_vec()), whole.view(order[self.rows..].to_vec()))
    }

    fn table(&self, rows: usize, order: &[u32], rng: &mut Rng) -> Table {
        let width = self.width();
        let features = match &self.inputs {
            Inputs::Numbers(_) => Features::F32((0..rows * width).map(|_| rng.normal() as f32).collect()),
            Inputs::Bytes(_) => Features::Bytes { data: (0..rows * width).map(|_| rng.below(256) as u8).collect(), scale: 1.0 / 255.0 },
            Inputs::Codes { codes, .. } => {
                let cell = |at: usize| match codes.iter().find(|codes| codes.column == at % width) {
                    Some(codes) => rng.below(codes.count as u64) as f32,
                    None => rng.normal() as f32,
                };
                Features::F32((0..rows * width).map(cell).collect())
            }
        };
        let targets = match self.goal {
            Goal::Classes(count) => {
                let mut of: Vec<u32> = (0..rows).map(|_| rng.below(count as u64) as u32).collect();
                // the rows to train on have them all, where there are enough of them
                order[..self.rows].iter().take(count).enumerate().for_each(|(class, &row)| of[row as usize] = class as u32);
                Targets::Classes { of, names: (0..count).map(Goal::class).collect() }
            }
            Goal::Values(columns) => {
                let cell = |_| match (self.loss.takes(), self.loss.name()) {
                    (Takes::ZeroOne, _) => rng.unit() as f32,
                    (Takes::PlusMinus, _) => rng.below(2) as f32 * 2.0 - 1.0,
                    (_, "poisson") => rng.below(4) as f32,
                    _ => rng.normal() as f32,
                };
                Targets::Values { of: (0..rows * columns).map(cell).collect(), names: (0..columns).map(|i| format!("y{i}")).collect() }
            }
        };
        let mut table = Table::new(features, (0..width).map(|i| format!("x{i}")).collect(), targets).expect("a table of what fits");
        if self.weighted {
            let mut weights: Vec<f32> = (0..rows).map(|_| [0.0, 0.5, 1.0, 2.0][rng.below(4) as usize]).collect();
            // neither part weighs nothing in all
            for row in [order[0], order[self.rows % rows]] {
                weights[row as usize] = 1.0;
            }
            table = table.with_weights(weights).expect("weights of rows");
        }
        if let (true, Goal::Values(columns)) = (self.units, self.goal) {
            table = table.with_units((0..columns).map(|i| 0.5 + i as f32).collect()).expect("units of targets");
        }
        table
    }

    fn trainer(&self) -> Trainer {
        let trainer = Trainer::new(self.model(), self.loss.clone())
            .optimizer(self.optimizer)
            .clip(self.clip)
            .precision(self.precision)
            .batch(self.batch)
            .accumulate(self.accumulate)
            .shuffle(self.shuffle)
            .remainder(self.remainder)
            .class_weights(self.class_weights.clone())
            .members(self.members.clone())
            .on_nonfinite(self.on_nonfinite)
            .looks(self.looks);
        match &self.schedule {
            Some(schedule) => trainer.schedule(schedule.clone()),
            None => trainer,
        }
    }

    /// The same, in mixed precision only where the device has it.
    pub(crate) fn trainer_on(&self, device: &OpenDevice) -> Trainer {
        match device.check_precision(self.precision) {
            Ok(()) => self.trainer(),
            Err(_) => self.trainer().precision(Precision::Full),
        }
    }

    /// When it ends unless it is interrupted.
    pub(crate) fn stop(&self) -> Stop {
        let Some(Watched { metric, patience, restore_best }) = self.watched else { return Stop::after(self.epochs) };
        let has = |metric: &&MetricInfo| match self.goal {
            // of five classes and fewer all are among the five largest
            Goal::Classes(count) => metric.needs != Needs::Sums && (count > 5 || metric.name != "top5_accuracy"),
            Goal::Values(_) => metric.needs == Needs::Sums,
        };
        let mut monitors = vec![Monitor::TrainLoss];
        if self.valid > 0 {
            let metrics = METRICS.iter().filter(has).map(|metric| Monitor::Valid(metric.name.to_string()));
            monitors.extend([Monitor::ValidLoss].into_iter().chain(metrics));
        }
        let monitor = monitors[metric % monitors.len()].clone();
        Stop::after(self.epochs).early(EarlyStopping { monitor, patience, restore_best, ..EarlyStopping::default() })
    }

    /// The device on which everything lies where it was drawn to.
    pub(crate) fn placed(&self, device: &OpenDevice, train: &Dataset) -> gradus::Result<OpenDevice> {
        let device = &device.clone().with_fused_gather(self.fused_gather);
        let plan = |device: &OpenDevice| Ok(self.trainer_on(device).build_on(device.clone())?.first_step(train)?.compiled);
        Ok(match self.place {
            Place::Plain => device.clone(),
            Place::Parts(workgroups) => device.clone().with_workgroups(workgroups),
            Place::Streamed => {
                let tight = device.clone().with_memory(device.memory(&plan(device)?.plan) - 1);
                if plan(&tight).is_ok() { tight } else { device.clone() }
            }
            Place::Cut(share) => {
                let largest = plan(device)?.plan.buffers.iter().map(|buffer| 4 * buffer.len as u64).max().unwrap_or_default();
                let cut = device.clone().with_binding((share * largest as f64) as u64);
                if plan(&cut).is_ok() { cut } else { device.clone() }
            }
        })
    }
}

/// A residual block must have a layer that does something.
fn give_something_to_do(layer: &mut Layer) {
    let Layer::Residual { layers, .. } = layer else { return };
    layers.iter_mut().for_each(give_something_to_do);
    let idle = |layer: &Layer| matches!(layer, Layer::Dropout { .. }) || matches!(layer, Layer::Activation(a) if a.is_identity());
    if layers.iter().all(idle) {
        layers.push(Layer::Dense { outputs: 2, bias: true, init: Init::Auto });
    }
}

/// In one line, much as a config says it.
impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Random { seed, rows, valid, goal, batch, accumulate, shuffle, epochs, place, stop, .. } = self;
        write!(f, "seed {seed}, {rows} + {valid} rows of {:?}, goal {goal:?}", self.inputs)?;
        write!(f, "{}{}", if self.weighted { ", weighted" } else { "" }, if self.units { ", units" } else { "" })?;
        write!(f, "; layers {}", words(self.model().layers()))?;
        write!(f, "; loss {} {:?} smoothing {}", self.loss.name(), self.loss.parameter(), self.loss.smoothing())?;
        let keys = self.optimizer.info().keys.iter().map(|key| format!(" {} {:?}", key.name, self.optimizer.get(key.name)));
        write!(f, "; optimizer {} lr {}{}", self.optimizer.name(), self.optimizer.rate(), keys.collect::<String>())?;
        write!(f, " l2 {} decay {}", self.optimizer.l2_rate(), self.optimizer.weight_decay_rate())?;
        write!(f, " of {:?} average {:?}", self.optimizer.decaying(), self.optimizer.averaging())?;
        if let Some(schedule) = &self.schedule {
            write!(f, "; schedule {schedule:?}")?;
        }
        write!(f, "; clip {:?}, {}, batch {batch} by {accumulate}, shuffle {shuffle}", self.clip, self.precision.name())?;
        write!(f, ", remainder {:?}, class weights {:?}", self.remainder, self.class_weights)?;
        write!(f, ", on_nonfinite {:?}, looks {:?}, members {:?}", self.on_nonfinite, self.looks, self.members)?;
        write!(
            f,
            "; {epochs} epochs, early {:?}, place {place:?}, fused gather {}, stopped at {stop}",
            self.stop().early,
            self.fused_gather
        )
    }
}

fn words(layers: &[Layer]) -> String {
    let word = |layer: &Layer| match layer {
        Layer::Dense { outputs, bias, init } => format!("dense {outputs}{} {init:?}", if *bias { "" } else { " without bias" }),
        Layer::Activation(activation) => format!("{} {:?}", activation.name(), activation.parameter()),
        Layer::Residual { layers, init } => format!("residual ({}) {init:?}", words(layers)),
        other => format!("{other:?}"),
    };
    layers.iter().map(word).collect::<Vec<_>>().join(", ")
}
