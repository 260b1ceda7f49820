//! A trainer on a device: what it goes on from, where it keeps checkpoints, and the call that trains.

use super::early_stop::{Monitor, Stop};
use super::fit::Fit;
use super::keeping::Checkpoints;
use super::rates::Rates;
use super::report::{Event, Report};
use super::session::{Session, Setup};
use super::trainer::{Looks, Member, OnNonFinite, Timing, Trainer};
use super::{check, identity, weights};
use crate::checkpoint::Checkpoint;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::{DeviceInfo, OpenDevice, Record};
use crate::loss::Loss;
use crate::model::Model;
use crate::plan::ProgramId;
use crate::profile::Profile;
use crate::schedule::Schedule;
use std::sync::Arc;
use std::time::Instant;

/// A checked trainer on a device.
pub struct Training {
    trainer: Trainer,
    pub(super) device: OpenDevice,
    pub(super) session: Option<Session>,
    /// The weights of the classes, as the rows that were trained on gave them.
    class_weights: Option<Option<Vec<f32>>>,
    /// Where what is done is written down, while it trains and time is taken.
    record: Option<Record>,
    checkpoints: Option<Checkpoints>,
    /// What the next training goes on from, and whether what is safe to differ may.
    from: Option<(Checkpoint, bool)>,
}

impl Training {
    pub(super) fn new(trainer: Trainer, device: OpenDevice) -> Self {
        Training { trainer, device, session: None, class_weights: None, record: None, checkpoints: None, from: None }
    }

    /// The device.
    pub fn device(&self) -> &DeviceInfo {
        self.device.info()
    }

    /// Has checkpoints written while it trains.
    pub fn keep_checkpoints(&mut self, checkpoints: Checkpoints) {
        self.checkpoints = Some(checkpoints);
    }

    /// Has the next training go on from a checkpoint, to the same bits as the one that was never stopped: on the same device, by the same rows and
    /// the same trainer. Otherwise it is refused, with what differs named.
    pub fn resume(&mut self, checkpoint: Checkpoint) {
        self.from = Some((checkpoint, false));
    }

    /// The same, where device, version, epochs, early stopping, schedule, clipping and the optimizer's numbers may differ: it goes on from that state,
    /// but not to the bits that it would have had. What else differs is refused.
    pub fn resume_even_so(&mut self, checkpoint: Checkpoint) {
        self.from = Some((checkpoint, true));
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.trainer.model
    }

    /// The loss.
    pub fn loss(&self) -> &Loss {
        &self.trainer.loss
    }

    /// The schedule of the first member.
    pub fn schedule(&self) -> Schedule {
        self.trainer.schedule_of(&self.trainer.members[0])
    }

    /// How often an epoch over these rows updates the weights.
    pub fn updates(&self, train: &Dataset) -> usize {
        self.trainer.sizes(train.len()).len().div_ceil(self.trainer.accumulate)
    }

    /// The sizes of an epoch's batches over these rows. With batch normalisation, a last batch of one row joins the one before it.
    pub fn batches(&self, train: &Dataset) -> Vec<usize> {
        self.trainer.sizes(train.len())
    }

    pub(super) fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Opens a session for a data set; to train on it, where `sizes` are those of the batches.
    pub(super) fn open(&self, data: &Dataset, longest: usize, sizes: Option<&[usize]>, snapshot: bool) -> Result<Session> {
        let trainer = &self.trainer;
        trainer.model.check_codes(data.table())?;
        let largest = sizes.and_then(|sizes| sizes.iter().copied().max());
        let looks = match (trainer.looks, sizes) {
            (Looks::Never, _) | (_, None) => 0,
            (Looks::EachEpoch, _) => 2,
            (Looks::Every(every), Some(sizes)) => sizes.len() / every + 1,
        };
        let setup = Setup {
            model: &trainer.model,
            loss: &trainer.loss,
            optimizer: sizes.map(|_| &trainer.optimizer),
            clip: trainer.clip,
            batch: largest.unwrap_or(trainer.batch),
            steps: sizes.map_or(0, <[usize]>::len),
            seeds: trainer.seeds(),
            class_weights: match &self.class_weights {
                Some(known) => known.clone(),
                None => trainer.class_weights.resolve(data.table(), data.rows())?,
            },
            accumulate: trainer.accumulate > 1,
            sticky: trainer.on_nonfinite != OnNonFinite::Skip,
            snapshot: snapshot || trainer.on_nonfinite == OnNonFinite::Rollback,
            looks,
            precision: trainer.precision,
            clocked: trainer.timing != Timing::Nothing,
            record: sizes.and(self.record.as_ref()),
        };
        Session::open(&self.device, &setup, data.table(), longest)
    }

    /// Opens a session to train in, with the members' initial weights.
    pub(super) fn open_to_train(&self, train: &Dataset, longest: usize, sizes: &[usize], snapshot: bool) -> Result<(Session, ProgramId)> {
        let mut session = self.open(train, longest, Some(sizes), snapshot)?;
        weights::check(session.row_weights(), train)?;
        let program = session.compiled.train.ok_or_else(no_program)?;
        for (member, Member { seed, .. }) in self.trainer.members.iter().enumerate() {
            session.set_weights(member, &self.trainer.initial(*seed))?;
        }
        session.reset()?;
        Ok((session, program))
    }

    /// Compares formulas of the user's own with their twins on this device, and their slopes with finite differences.
    pub(super) fn check_formulas(&self) -> Result<()> {
        check::formulas(&self.device, &self.trainer.model, &self.trainer.loss)
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
        check_rows(train, valid, &stop)?;
        // what a plateau is told by: what early stopping watches, else the loss of rows that are not trained on, where there are any
        let unheard = if valid.is_empty() { Monitor::TrainLoss } else { Monitor::ValidLoss };
        let monitor = stop.watched().next().unwrap_or(&unheard).clone();
        self.class_weights = Some(self.trainer.class_weights.resolve(train.table(), train.rows())?);
        self.record = (self.trainer.timing == Timing::Steps).then(Record::new);
        let rates = Rates::new(&self.trainer, monitor, stop.epochs, self.updates(train))?;
        self.check_formulas()?;
        let sizes = self.trainer.sizes(train.len());
        self.device = self.device.clone().expecting((stop.epochs * sizes.len()) as u64);
        let (session, program) = self.open_to_train(train, train.len().max(valid.len()), &sizes, false)?;
        if !valid.is_empty() {
            weights::check(session.row_weights(), valid)?;
        }

        let mut fit = Fit::new(&self.trainer, [train, valid], &stop, &sizes, (session, program), rates, began);
        let from = self.from.take();
        if self.checkpoints.is_some() || from.is_some() {
            let told = self.checkpoints.as_ref().map(|checkpoints| checkpoints.about.clone()).unwrap_or_default();
            let about = identity::of(&self.trainer, &stop, self.device.info(), [train, valid], &told);
            if let Some((checkpoint, force)) = &from {
                identity::check(&checkpoint.about, &about, *force)?;
                events(&fit.resume(checkpoint)?);
            }
            if let Some(checkpoints) = &self.checkpoints {
                fit.keep(checkpoints, about, from.as_ref().map(|(checkpoint, _)| checkpoint.number))?;
            }
        }
        drop(from);
        let (session, mut report) = fit.run(&mut events)?;
        if let Some(record) = self.record.take() {
            let (host, dispatches) = record.close();
            report.profile = Some(Profile::new(&self.device.info().to_string(), &session.compiled, began, &host, &dispatches));
        }
        self.session = Some(session);
        Ok(report)
    }
}

/// An error where it can not be trained on these rows, or not judged by those.
fn check_rows(train: &Dataset, valid: &Dataset, stop: &Stop) -> Result<()> {
    stop.check()?;
    if train.is_empty() {
        return Err(Error::input("there are no rows to train on: check [data] split"));
    }
    if !valid.is_empty() && !Arc::ptr_eq(train.table(), valid.table()) {
        return Err(Error::input("training and validation rows must be views of one table: use Dataset::split"));
    }
    match stop.watched().find(|monitor| monitor.needs_validation() && valid.is_empty()) {
        Some(monitor) => Err(Error::input(format!("early stopping watches {monitor}, but there are no validation rows: set [data] split"))),
        None => Ok(()),
    }
}

/// A session that was opened to train has one.
fn no_program() -> Error {
    Error::input("the plan has no program to train")
}
