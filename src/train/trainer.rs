//! The trainer: a builder that says how to train, checked before anything is trained.

use super::batches::{Remainder, batches, order, without_single};
use super::beats::Beat;
use super::{ClassWeights, Training};
use crate::clip::Clip;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::{Device, OpenDevice};
use crate::loss::Loss;
use crate::model::{Model, Weights};
use crate::optim::{Adam, Optimizer};
use crate::precision::Precision;
use crate::schedule::Schedule;

/// One of the models that are trained side by side: what it has of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The seed of its initial weights and of the order of its rows.
    pub seed: u64,
    /// Its rate, in place of the schedule's.
    pub lr: Option<f64>,
}

/// What happens when a loss or a gradient is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNonFinite {
    /// The step is not applied, and training ends with an error that names epoch, step and layer.
    #[default]
    Error,
    /// The step is not applied, and training goes on; an error when a whole epoch is skipped so.
    Skip,
    /// The epoch begins anew, from the weights that it began with, at half the rate; an error after ten times.
    Rollback,
}

/// When the flow of gradients is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Looks {
    /// Never.
    Never,
    /// In the very first step, and in the last of each epoch.
    #[default]
    EachEpoch,
    /// In each update whose number, from 0, so many divide.
    Every(usize),
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    /// Nothing that costs anything.
    #[default]
    Nothing,
    /// The first step as well: it is waited for, once. See [`StartTimes`](super::StartTimes).
    Start,
    /// That, what the host does, and each dispatch of some of the steps: see [`Profile`](crate::profile::Profile). Weights and losses are
    /// the same, to the bit; training is somewhat slower.
    Steps,
}

/// Says how to train: a builder, checked by [`Trainer::build`].
///
/// ```
/// use gradus::train::Stop;
/// use gradus::{Adam, Clip, Dataset, Device, Loss, Model, Schedule, Trainer};
///
/// # fn main() -> gradus::Result<()> {
/// let (train, valid) = Dataset::spirals(3, 300, 7).split(0.8);
/// let model = Model::input(2).dense(32).relu().dense(3);
/// let report = Trainer::new(model, Loss::cross_entropy())
///     .optimizer(Adam::new())
///     .schedule(Schedule::cosine(1e-2).warmup(0.05))
///     .clip(Clip::Norm(1.0))
///     .batch(64)
///     .seed(7)
///     .build(Device::Cpu)?
///     .fit(&train, &valid, Stop::after(20).patience(5))?;
/// assert!(report.first().epochs.last().unwrap().train_loss < report.first().epochs[0].train_loss);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Trainer {
    pub(super) model: Model,
    pub(super) loss: Loss,
    pub(super) optimizer: Optimizer,
    pub(super) schedule: Option<Schedule>,
    pub(super) clip: Clip,
    pub(super) batch: usize,
    pub(super) members: Vec<Member>,
    pub(super) shuffle: bool,
    pub(super) remainder: Remainder,
    pub(super) weights: Option<Weights>,
    pub(super) class_weights: ClassWeights,
    pub(super) accumulate: usize,
    pub(super) on_nonfinite: OnNonFinite,
    pub(super) looks: Looks,
    pub(super) timing: Timing,
    pub(super) precision: Precision,
}

impl Trainer {
    /// With Adam at its defaults, batches of 64, shuffled, seed 0.
    pub fn new(model: Model, loss: Loss) -> Self {
        Trainer {
            model,
            loss,
            optimizer: Adam::new(),
            schedule: None,
            clip: Clip::None,
            batch: 64,
            members: vec![Member { seed: 0, lr: None }],
            shuffle: true,
            remainder: Remainder::Keep,
            weights: None,
            class_weights: ClassWeights::None,
            accumulate: 1,
            on_nonfinite: OnNonFinite::Error,
            looks: Looks::EachEpoch,
            timing: Timing::Nothing,
            precision: Precision::Full,
        }
    }

    /// Sets the optimizer. Its rate holds when there is no schedule.
    pub fn optimizer(self, optimizer: Optimizer) -> Self {
        Trainer { optimizer, ..self }
    }

    /// Sets the schedule of the rate.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Trainer { schedule: Some(schedule), ..self }
    }

    /// Clips gradients.
    pub fn clip(self, clip: Clip) -> Self {
        Trainer { clip, ..self }
    }

    /// Rows of a batch.
    pub fn batch(self, batch: usize) -> Self {
        Trainer { batch, ..self }
    }

    /// The seed of initial weights and order.
    pub fn seed(self, seed: u64) -> Self {
        Trainer { members: vec![Member { seed, lr: None }], ..self }
    }

    /// Trains several models of this shape side by side, in the same dispatches.
    pub fn members(self, members: impl Into<Vec<Member>>) -> Self {
        Trainer { members: members.into(), ..self }
    }

    /// Whether the rows are put in a new order each epoch.
    pub fn shuffle(self, shuffle: bool) -> Self {
        Trainer { shuffle, ..self }
    }

    /// What happens to the rows that do not fill the last batch.
    pub fn remainder(self, remainder: Remainder) -> Self {
        Trainer { remainder, ..self }
    }

    /// Starts from these weights, not from seeded ones.
    pub fn weights(self, weights: Weights) -> Self {
        Trainer { weights: Some(weights), ..self }
    }

    /// What the classes weigh in the loss. (What rows weigh is said by their table.)
    pub fn class_weights(self, class_weights: ClassWeights) -> Self {
        Trainer { class_weights, ..self }
    }

    /// Adds up the gradients of so many batches before each update: that is, exactly, the gradient of one batch as large as all of them.
    /// (Where the model has batch normalisation, each batch still has its own statistics, as in PyTorch.)
    pub fn accumulate(self, batches: usize) -> Self {
        Trainer { accumulate: batches, ..self }
    }

    /// What happens when a value is not finite.
    pub fn on_nonfinite(self, on_nonfinite: OnNonFinite) -> Self {
        Trainer { on_nonfinite, ..self }
    }

    /// When the flow of gradients is looked at.
    pub fn looks(self, looks: Looks) -> Self {
        Trainer { looks, ..self }
    }

    /// In which precision the products of a step of training are made. [`Precision::Mixed`] is an error on an adapter without `f16`, and brings no
    /// speed on the CPU path, which imitates it.
    ///
    /// ```
    /// use gradus::train::Stop;
    /// use gradus::{Dataset, Device, Loss, Model, Precision, Trainer};
    ///
    /// # fn main() -> gradus::Result<()> {
    /// let (train, valid) = Dataset::digits().split(0.8);
    /// let model = Model::input(64).dense(32).relu().dense(10);
    /// let trainer = Trainer::new(model, Loss::cross_entropy()).precision(Precision::Mixed);
    /// let report = trainer.build(Device::Cpu)?.fit(&train, &valid, Stop::after(2))?;
    /// assert_eq!(report.first().epochs[1].loss_scale, Some(65_536.0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn precision(self, precision: Precision) -> Self {
        Trainer { precision, ..self }
    }

    /// What is timed while it trains. [`Timing::Steps`] is an error where the device has no timestamps.
    ///
    /// ```
    /// use gradus::train::{Stop, Timing};
    /// use gradus::{Dataset, Device, Loss, Model, Trainer};
    ///
    /// # fn main() -> gradus::Result<()> {
    /// let (train, valid) = Dataset::digits().split(0.8);
    /// let model = Model::input(64).dense(32).relu().dense(10);
    /// let trainer = Trainer::new(model, Loss::cross_entropy()).timing(Timing::Steps);
    /// let report = trainer.build(Device::Cpu)?.fit(&train, &valid, Stop::after(2))?;
    /// let profile = report.profile.expect("it was asked for");
    /// let slowest = profile.dispatches.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)).expect("a step has dispatches");
    /// println!("{} ({}) takes {:.0} % of a step", slowest.entry, slowest.label, 100.0 * slowest.share);
    /// std::fs::write(std::env::temp_dir().join("trace.json"), profile.to_chrome_trace()).expect("there is room");
    /// # Ok(())
    /// # }
    /// ```
    pub fn timing(self, timing: Timing) -> Self {
        Trainer { timing, ..self }
    }

    /// Checks everything that can be checked without data, and finds the device.
    pub fn build(self, device: Device) -> Result<Training> {
        self.build_on(device.open()?)
    }

    /// The same on a device that is open already, for example the application's own.
    pub fn build_on(self, device: OpenDevice) -> Result<Training> {
        self.model.check()?;
        device.check_precision(self.precision)?;
        self.optimizer.check()?;
        self.clip.check()?;
        self.schedule_of(&Member { seed: 0, lr: None }).check()?;
        if self.batch == 0 {
            return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, or --set train.batch=64"));
        }
        if self.accumulate == 0 {
            return Err(Error::input("accumulate must be at least 1 (got 0): set [train] accumulate"));
        }
        if self.looks == Looks::Every(0) {
            return Err(Error::input("the flow of gradients can be looked at every 1, 2, … steps, not every 0"));
        }
        if self.members.is_empty() {
            return Err(Error::input("there must be at least one member to train"));
        }
        for member in &self.members {
            self.schedule_of(member).check()?;
        }
        if let Some(weights) = &self.weights {
            weights.check(&self.model)?;
        }
        Ok(Training::new(self, device))
    }

    /// What a member of this seed starts from.
    pub(super) fn initial(&self, seed: u64) -> Weights {
        self.weights.clone().unwrap_or_else(|| Weights::initial(&self.model, seed))
    }

    pub(super) fn schedule_of(&self, member: &Member) -> Schedule {
        let schedule = self.schedule.clone().unwrap_or_else(|| Schedule::fixed(self.optimizer.rate()));
        match member.lr {
            Some(lr) => schedule.with_lr(lr),
            None => schedule,
        }
    }

    pub(super) fn seeds(&self) -> Vec<u64> {
        self.members.iter().map(|member| member.seed).collect()
    }

    /// The sizes of an epoch's batches.
    pub(super) fn sizes(&self, rows: usize) -> Vec<usize> {
        let sizes = batches(rows, self.batch.min(rows), self.remainder);
        if self.model.has_batch_norm() { without_single(sizes) } else { sizes }
    }

    /// The rows of an epoch in each member's order.
    pub(super) fn orders(&self, data: &Dataset, epoch: usize) -> Vec<Vec<u32>> {
        self.members.iter().map(|member| order(data.rows(), member.seed, epoch, self.shuffle)).collect()
    }

    /// The steps of an epoch, counted from 0, that are looked at: those that end an update.
    pub(super) fn looked_at(&self, beats: &[Beat], epoch: usize) -> Vec<usize> {
        let updates = beats.last().map_or(0, |beat| beat.update + 1);
        let wanted = |beat: &Beat| match self.looks {
            Looks::Never => false,
            Looks::EachEpoch => beat.update + 1 == updates || (epoch == 0 && beat.update == 0),
            Looks::Every(every) => (epoch * updates + beat.update).is_multiple_of(every),
        };
        (0..beats.len()).filter(|&i| beats[i].part.last && wanted(&beats[i])).collect()
    }
}
