//! The trainer: a builder, and the loop over epochs.

use super::batches::{Remainder, batches, order};
use super::early_stop::Stop;
use super::ledger::Ledger;
use super::report::{Event, Report};
use super::session::{Session, Setup};
use crate::clip::Clip;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::{Device, DeviceInfo, Executor, OpenDevice};
use crate::kernel::{Rate, Step};
use crate::loss::Loss;
use crate::metrics::Scores;
use crate::model::{Compiled, Model, Weights};
use crate::optim::{Adam, Optimizer};
use crate::plan::ProgramId;
use crate::schedule::{Position, Schedule};
use std::sync::Arc;
use std::time::Instant;

/// One of the models that are trained side by side: what it has of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The seed of its initial weights and of the order of its rows.
    pub seed: u64,
    /// Its rate, in place of the schedule's.
    pub lr: Option<f64>,
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
/// let report = Trainer::new(model, Loss::CrossEntropy)
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
    model: Model,
    loss: Loss,
    optimizer: Optimizer,
    schedule: Option<Schedule>,
    clip: Clip,
    batch: usize,
    members: Vec<Member>,
    shuffle: bool,
    remainder: Remainder,
    weights: Option<Weights>,
}

impl Trainer {
    /// With Adam at its defaults, batches of 64, shuffled, seed 0.
    pub fn new(model: Model, loss: Loss) -> Self {
        Trainer {
            model,
            loss,
            optimizer: Adam::new().into(),
            schedule: None,
            clip: Clip::None,
            batch: 64,
            members: vec![Member { seed: 0, lr: None }],
            shuffle: true,
            remainder: Remainder::Keep,
            weights: None,
        }
    }

    /// Sets the optimizer. Its rate holds when there is no schedule.
    pub fn optimizer(self, optimizer: impl Into<Optimizer>) -> Self {
        Trainer { optimizer: optimizer.into(), ..self }
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

    /// Checks everything that can be checked without data, and finds the device.
    pub fn build(self, device: Device) -> Result<Training> {
        self.build_on(device.open()?)
    }

    /// The same on a device that is open already, for example the application's own.
    pub fn build_on(self, device: OpenDevice) -> Result<Training> {
        self.model.check()?;
        for layer in self.model.layers() {
            if let crate::model::Layer::Dense { init, .. } = layer {
                init.check()?;
            }
        }
        self.optimizer.rule().check()?;
        self.clip.check()?;
        self.schedule_of(&Member { seed: 0, lr: None }).check()?;
        if self.batch == 0 {
            return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, or --set train.batch=64"));
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
        Ok(Training { trainer: self, device, session: None })
    }

    /// What a member of this seed starts from.
    fn initial(&self, seed: u64) -> Weights {
        self.weights.clone().unwrap_or_else(|| Weights::initial(&self.model, seed))
    }

    fn schedule_of(&self, member: &Member) -> Schedule {
        let schedule = self.schedule.unwrap_or_else(|| Schedule::fixed(self.optimizer.rule().lr()));
        member.lr.map_or(schedule, |lr| schedule.with_lr(lr))
    }
}

/// A checked trainer on a device.
pub struct Training {
    trainer: Trainer,
    device: OpenDevice,
    session: Option<Session>,
}

/// A training run right before its first step: everything compiled and uploaded.
pub struct FirstStep {
    /// The plan and its parts.
    pub compiled: Compiled,
    /// The executor, its buffers filled.
    pub executor: Box<dyn Executor>,
    /// The program of a step of training.
    pub program: ProgramId,
    /// The table with that one step.
    pub table: Vec<u32>,
}

impl Training {
    /// The device.
    pub fn device(&self) -> &DeviceInfo {
        self.device.info()
    }

    fn open(&self, data: &Dataset, longest: usize, train: bool) -> Result<Session> {
        let Trainer { model, loss, optimizer, clip, batch, members, .. } = &self.trainer;
        let optimizer = train.then_some(optimizer);
        let setup = Setup { model, loss: *loss, optimizer, clip: *clip, batch: *batch, members: members.len() };
        Session::open(&self.device, &setup, data.table(), longest)
    }

    /// Trains, and tells nothing until the end. See [`Training::fit_with`].
    pub fn fit(&mut self, train: &Dataset, valid: &Dataset, stop: Stop) -> Result<Report> {
        self.fit_with(train, valid, stop, |_| {})
    }

    /// Trains on `train`, judges by `valid` (which may be empty) after each epoch, and tells `events` how it goes. Both must be views
    /// of one table.
    ///
    /// [`Error::NonFinite`] when a loss or gradient is not finite: the step is not applied; the message names epoch, step and layer.
    pub fn fit_with(&mut self, train: &Dataset, valid: &Dataset, stop: Stop, mut events: impl FnMut(&Event<'_>)) -> Result<Report> {
        let began = Instant::now();
        stop.check()?;
        if train.is_empty() {
            return Err(Error::input("there are no rows to train on: check [data] split"));
        }
        if !valid.is_empty() && !Arc::ptr_eq(train.table(), valid.table()) {
            return Err(Error::input("training and validation rows must be views of one table: use Dataset::split"));
        }
        if let Some(early) = &stop.early
            && early.monitor.needs_validation()
            && valid.is_empty()
        {
            return Err(Error::input(format!(
                "early stopping watches {}, but there are no validation rows: set [data] split",
                early.monitor
            )));
        }
        let sizes = batches(train.len(), self.trainer.batch.min(train.len()), self.trainer.remainder);
        let mut session = self.open(train, train.len().max(valid.len()), true)?;
        let program = session.compiled.train.ok_or_else(no_program)?;
        for (member, Member { seed, .. }) in self.trainer.members.iter().enumerate() {
            session.set_weights(member, &self.trainer.initial(*seed))?;
        }
        session.reset()?;

        let mut ledger = Ledger::new(self.trainer.members.len(), &stop, began);
        let mut start_seconds = None;
        for epoch in 0..stop.epochs {
            let epoch_began = Instant::now();
            for (member, Member { seed, .. }) in self.trainer.members.iter().enumerate() {
                session.set_order(member, &order(train.rows(), *seed, epoch, self.trainer.shuffle))?;
            }
            let rates = |slot: usize| {
                let at = Position { epoch, step: epoch * sizes.len() + slot, epochs: stop.epochs, steps_per_epoch: sizes.len() };
                self.trainer.members.iter().map(|member| rate_of(&self.trainer, member, at)).collect::<Vec<Rate>>()
            };
            session.run(program, &sizes, rates, |done| {
                start_seconds.get_or_insert_with(|| began.elapsed().as_secs_f64());
                let rows = sizes[..done].iter().sum();
                events(&Event::Progress { epoch: epoch + 1, step: done, steps: sizes.len(), rows });
            })?;
            let log = session.read_epoch(sizes.len())?;
            let seconds = epoch_began.elapsed().as_secs_f64();
            if let Some((member, step)) = ledger.fault(&log) {
                let start = sizes[..step].iter().sum();
                let what = session.find_fault(member, start, sizes[step], &rates(step))?;
                return Err(Error::NonFinite { epoch: epoch + 1, step: step + 1, member, members: self.trainer.members.len(), what });
            }
            let scores = if valid.is_empty() { None } else { Some(session.evaluate(valid)?) };
            let lr = rates(sizes.len() - 1);
            ledger.epoch(epoch, &sizes, &log, scores, &lr, &mut session)?;
            ledger.trained(sizes.iter().sum::<usize>() * self.trainer.members.len(), seconds);
            events(&Event::Epoch { records: &ledger.latest(), samples_per_second: ledger.last_rate });
            if ledger.all_stopped() {
                break;
            }
        }
        let report = ledger.report(&mut session, start_seconds.unwrap_or_default())?;
        self.session = Some(session);
        Ok(report)
    }

    /// Loss and metrics of a data set, for each member, with the weights as they are now.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        self.with_data(data, |session| session.evaluate(data))
    }

    /// What a member makes of a data set, row by row: logits of a classifier, numbers of a regression.
    pub fn predict(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        self.with_data(data, |session| session.predict(member, data))
    }

    /// Runs something on the session that was trained, or, for rows that are not resident in it, on one opened for them.
    fn with_data<R>(&mut self, data: &Dataset, act: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
        if data.is_empty() {
            return Err(Error::input("the data set is empty: it needs at least one row"));
        }
        if let Some(session) = self.session.as_mut().filter(|session| session.holds(data)) {
            return act(session);
        }
        let mut other = self.open(data, data.len(), false)?;
        for member in 0..self.trainer.members.len() {
            let weights = match &mut self.session {
                Some(session) => session.weights(member)?,
                None => self.trainer.initial(self.trainer.members[member].seed),
            };
            other.set_weights(member, &weights)?;
        }
        act(&mut other)
    }

    /// Compiles for a data set and uploads everything that the first step needs, for [`crate::parity::lockstep`].
    pub fn first_step(&self, train: &Dataset) -> Result<FirstStep> {
        let mut session = self.open(train, train.len(), true)?;
        for (member, Member { seed, .. }) in self.trainer.members.iter().enumerate() {
            session.set_weights(member, &self.trainer.initial(*seed))?;
            session.set_order(member, &order(train.rows(), *seed, 0, self.trainer.shuffle))?;
        }
        let program = session.compiled.train.ok_or_else(no_program)?;
        let mut table = Step::table(self.trainer.members.len());
        let at = Position { epoch: 0, step: 0, epochs: 1, steps_per_epoch: 1 };
        let rates: Vec<Rate> = self.trainer.members.iter().map(|member| rate_of(&self.trainer, member, at)).collect();
        Step::push(&mut table, self.trainer.batch.min(train.len()), 0, 0, 0, &rates);
        let (executor, compiled) = session.into_parts();
        Ok(FirstStep { compiled, executor, program, table })
    }
}

/// A session that was opened to train has one.
fn no_program() -> Error {
    Error::input("the plan has no program to train")
}

/// A member's rate at a position, with what the optimizer works out for that step.
fn rate_of(trainer: &Trainer, member: &Member, at: Position) -> Rate {
    let [c1, c2] = trainer.optimizer.rule().corrections(at.step as u64 + 1);
    [trainer.schedule_of(member).rate(at) as f32, c1 as f32, c2 as f32, 0.0]
}
