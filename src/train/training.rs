//! Training: the loop over epochs.

use super::beats::{Beat, beats};
use super::books::{self, At, Course};
use super::early_stop::{EarlyStopping, Monitor, Stop};
use super::epoch::{Pace, Steps};
use super::keeping::{Checkpoints, Keeper};
use super::ledger::Ledger;
use super::now::WeightsNow;
use super::report::{Event, Report};
use super::session::{Session, Setup};
use super::trainer::{Looks, Member, OnNonFinite, Timing, Trainer};
use super::{check, identity, weights};
use crate::checkpoint::Checkpoint;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::{DeviceInfo, OpenDevice, Record};
use crate::flow::Flow;
use crate::loss::Loss;
use crate::model::Model;
use crate::parity::Wrong;
use crate::plan::ProgramId;
use crate::profile::Profile;
use crate::schedule::{Plateau, Position, Schedule};
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

/// How often a rollback is tried.
const ROLLBACKS: usize = 10;

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
        // what ranks all rows is worked out after each epoch only where it is watched
        let ranked = stop.watched().any(Monitor::ranks);
        // what a plateau is told by: what early stopping watches, else the loss of rows that are not trained on, where there are any
        let unheard = if valid.is_empty() { Monitor::TrainLoss } else { Monitor::ValidLoss };
        let monitor = stop.watched().next().unwrap_or(&unheard).clone();
        self.class_weights = Some(self.trainer.class_weights.resolve(train.table(), train.rows())?);
        self.record = (self.trainer.timing == Timing::Steps).then(Record::new);
        let trainer = &self.trainer;
        let members = trainer.members.len();
        let sizes = trainer.sizes(train.len());
        let schedules: Vec<Schedule> = trainer.members.iter().map(|member| trainer.schedule_of(member)).collect();
        let updates = sizes.len().div_ceil(trainer.accumulate);
        schedules.iter().try_for_each(|schedule| schedule.check_for(stop.epochs, updates))?;
        self.check_formulas()?;
        let (mut session, program) = self.open_to_train(train, train.len().max(valid.len()), &sizes, false)?;
        if !valid.is_empty() {
            weights::check(session.row_weights(), valid)?;
        }

        for Wrong { entry, what } in &session.wrong {
            events(&Event::Distrust { entry, what });
        }
        let mut ledger = Ledger::new(members, &stop, began);
        let mut plateaus: Vec<_> = schedules.iter().map(|schedule| Plateau::of(schedule, monitor.larger_is_better())).collect();
        let mut factors = vec![1.0; members];
        let mut start_seconds = None;
        let (mut rollbacks, mut at) = (0, At::default());
        let mut keeper = None;
        let from = self.from.take();
        if self.checkpoints.is_some() || from.is_some() {
            let told = self.checkpoints.as_ref().map(|checkpoints| checkpoints.about.clone()).unwrap_or_default();
            let about = identity::of(trainer, &stop, self.device.info(), [train, valid], &told);
            if let Some((checkpoint, force)) = &from {
                identity::check(&checkpoint.about, &about, *force)?;
                let (place, course) = books::read(checkpoint, &mut ledger)?;
                let beats = beats(&sizes, trainer.accumulate, &trainer.orders(train, place.epoch), session.row_weights());
                place.check(&beats, &trainer.looked_at(&beats, place.epoch))?;
                session.load(checkpoint, place.step, place.looks)?;
                at = place;
                (factors, rollbacks) = (course.factors, course.rollbacks);
                for (plateau, state) in plateaus.iter_mut().zip(course.plateaus) {
                    if let (Some(plateau), Some(state)) = (plateau, state) {
                        plateau.state = state;
                    }
                }
                events(&Event::Resumed { epoch: at.epoch + 1, step: at.step });
            }
            if let Some(checkpoints) = &self.checkpoints {
                let number = from.as_ref().map(|(checkpoint, _)| checkpoint.number);
                let sticky = trainer.on_nonfinite != OnNonFinite::Skip;
                let larger_is_better = stop.early.as_ref().map_or(monitor.larger_is_better(), EarlyStopping::larger_is_better);
                let best = (monitor.clone(), larger_is_better);
                keeper = Some(Keeper::start(checkpoints, about, [updates, sizes.len()], best, sticky, number)?);
            }
        }
        drop(from);
        let mut pace = Pace::new(&stop);
        while at.epoch < stop.epochs && !ledger.all_stopped() {
            let epoch = at.epoch;
            let epoch_began = Instant::now();
            if trainer.on_nonfinite == OnNonFinite::Rollback && at.step == 0 {
                session.keep_all()?;
            }
            let orders = trainer.orders(train, epoch);
            let beats = beats(&sizes, trainer.accumulate, &orders, session.row_weights());
            session.set_orders(&orders, &beats)?;
            let lr_of = |member: usize, beat: &Beat| {
                let at = Position { epoch, step: epoch * updates + beat.update, epochs: stop.epochs, steps_per_epoch: updates };
                schedules[member].rate(at) * factors[member] * plateaus[member].as_ref().map_or(1.0, Plateau::factor)
            };
            let rates = |beat: &Beat| {
                let [c1, c2] = trainer.optimizer.corrections((epoch * updates + beat.update) as u64 + 1);
                (0..members).map(|member| [lr_of(member, beat) as f32, c1 as f32, c2 as f32]).collect::<Vec<_>>()
            };
            let looked_at = trainer.looked_at(&beats, epoch);
            let steps = Steps { program, beats: &beats, first: epoch * beats.len(), looked_at: &looked_at };
            let resumed_at = at.step;
            while at.step < beats.len() {
                let due = |beat: &Beat| beat.part.last && keeper.as_ref().is_some_and(|keeper| keeper.is_due_within(epoch, beat.update));
                let until = (at.step..beats.len()).find(|&i| due(&beats[i])).map_or(beats.len(), |i| i + 1);
                let progress = |done: usize| {
                    start_seconds.get_or_insert_with(|| began.elapsed().as_secs_f64());
                    let rows = sizes[..done].iter().sum();
                    events(&Event::Progress { epoch: epoch + 1, step: done, steps: sizes.len(), rows });
                };
                at.step = steps.run(&mut session, at.step..until, &mut pace, rates, progress)?;
                at.looks = looked_at.iter().filter(|&&look| look < at.step).count();
                if at.step < until || (until < beats.len() && stop.is_interrupted()) {
                    break;
                }
                if let Some(keeper) = keeper.as_mut().filter(|_| until < beats.len()) {
                    let course = Course::new(&factors, &plateaus, rollbacks);
                    if let Some(told) = keeper.save(at, &course, &ledger, &mut session)? {
                        events(&told.event());
                    }
                }
            }
            if at.step < beats.len() {
                ledger.interrupt();
                break;
            }
            let log = session.read_epoch(beats.len())?;
            let seconds = epoch_began.elapsed().as_secs_f64();
            if let Some((member, step)) = ledger.fault(&log) {
                let beat = &beats[step];
                let error = |what: String| Error::NonFinite { epoch: epoch + 1, step: step + 1, member, members, what };
                let all_skipped = |m: usize| !ledger.is_stopped(m) && log.steps.iter().all(|step| !step[m].applied);
                match trainer.on_nonfinite {
                    OnNonFinite::Skip if !(0..members).any(all_skipped) => session.forget_faults()?,
                    OnNonFinite::Rollback if rollbacks < ROLLBACKS => {
                        let what = session.find_fault(member, beat, epoch * beats.len() + step, &rates(beat))?;
                        for (m, factor) in factors.iter_mut().enumerate() {
                            *factor *= if log.faults[m].is_some() { 0.5 } else { 1.0 };
                        }
                        session.restore_all()?;
                        (at.step, at.looks) = (0, 0);
                        rollbacks += 1;
                        events(&Event::Rollback { epoch: epoch + 1, member, factor: factors[member], what: &what });
                        continue;
                    }
                    _ => return Err(error(session.find_fault(member, beat, epoch * beats.len() + step, &rates(beat))?)),
                }
            }
            let rows: Vec<usize> = looked_at.iter().map(|&i| beats[i].rows).collect();
            for (&i, members) in looked_at.iter().zip(session.read_looks(&rows)?) {
                for (member, layers) in members.into_iter().enumerate() {
                    let step = epoch * updates + beats[i].update + 1;
                    let share = lr_of(member, &beats[i]) / schedules[member].lr();
                    if let Some(flow) = ledger.look(member, Flow { epoch: epoch + 1, step, share, layers }) {
                        events(&Event::Look { member, flow });
                        let found = flow.diagnose();
                        if !found.is_empty() {
                            events(&Event::Diagnosis { member, flow, found: &found });
                        }
                    }
                }
            }
            let scores = if valid.is_empty() { None } else { Some(session.evaluate(valid, ranked)?) };
            let lr: Vec<f64> = (0..members).map(|member| lr_of(member, &beats[beats.len() - 1])).collect();
            ledger.epoch(epoch, &beats, &log, scores, &lr, &mut session)?;
            ledger.trained(sizes[resumed_at..].iter().sum::<usize>() * members, seconds);
            let records = ledger.latest();
            for (plateau, record) in plateaus.iter_mut().zip(&records) {
                if let Some(plateau) = plateau {
                    plateau.see(super::ledger::watched(&monitor, record.train_loss, record.valid.as_ref())?);
                }
            }
            let samples_per_second = ledger.last_rate;
            events(&Event::Epoch { records: &records, samples_per_second, weights: &WeightsNow::new(&mut session) });
            at = At { epoch: epoch + 1, step: 0, looks: 0 };
            let over = at.epoch == stop.epochs || ledger.all_stopped();
            if stop.is_interrupted() && !over {
                ledger.interrupt();
                break;
            }
            if let Some(keeper) = keeper.as_mut().filter(|keeper| !over && keeper.is_due_after(at.epoch)) {
                let course = Course::new(&factors, &plateaus, rollbacks);
                if let Some(told) = keeper.save(at, &course, &ledger, &mut session)? {
                    events(&told.event());
                }
            }
        }
        if let Some(mut keeper) = keeper {
            let course = Course::new(&factors, &plateaus, rollbacks);
            for told in keeper.save_last(at, &course, &ledger, &mut session)? {
                events(&told.event());
            }
        }
        let mut report = ledger.report(&mut session, start_seconds.unwrap_or_default())?;
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
