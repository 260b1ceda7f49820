//! A training under way: epoch after epoch, each its steps, what came of them, and what follows from that.

use super::beats::{Beat, beats};
use super::books::{self, At};
use super::early_stop::{EarlyStopping, Monitor, Stop};
use super::epoch::{Pace, Steps};
use super::keeping::{Checkpoints, Keeper};
use super::ledger::Ledger;
use super::now::WeightsNow;
use super::rates::Rates;
use super::report::{Event, Report};
use super::session::{EpochLog, Session};
use super::trainer::{OnNonFinite, Trainer};
use crate::checkpoint::Checkpoint;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::parity::Wrong;
use crate::plan::ProgramId;
use std::collections::BTreeMap;
use std::time::Instant;

/// A training under way.
pub(super) struct Fit<'a> {
    trainer: &'a Trainer,
    train: &'a Dataset,
    valid: &'a Dataset,
    stop: &'a Stop,
    /// Those of an epoch's batches.
    sizes: &'a [usize],
    session: Session,
    program: ProgramId,
    rates: Rates<'a>,
    ledger: Ledger<'a>,
    keeper: Option<Keeper>,
    pace: Pace,
    at: At,
    /// The orders of an epoch that was drawn before its time.
    drawn: Option<(usize, Vec<Vec<u32>>)>,
    began: Instant,
    /// How long it took to the first step.
    start_seconds: Option<f64>,
}

/// The steps of an epoch, and those of them with a look after them.
struct Epoch {
    beats: Vec<Beat>,
    looked_at: Vec<usize>,
}

/// Whether a training goes on.
#[derive(PartialEq)]
enum GoesOn {
    Yes,
    /// Somebody stopped it, or its time is over.
    No,
}

impl<'a> Fit<'a> {
    /// At the very beginning, in a session that is ready to train.
    pub(super) fn new(
        trainer: &'a Trainer,
        [train, valid]: [&'a Dataset; 2],
        stop: &'a Stop,
        sizes: &'a [usize],
        (session, program): (Session, ProgramId),
        rates: Rates<'a>,
        began: Instant,
    ) -> Self {
        Fit {
            trainer,
            train,
            valid,
            stop,
            sizes,
            session,
            program,
            rates,
            ledger: Ledger::new(trainer.members.len(), stop, began),
            keeper: None,
            pace: Pace::new(stop),
            at: At::default(),
            drawn: None,
            began,
            start_seconds: None,
        }
    }

    /// Goes to where a checkpoint is. Errors where its books or its numbers are of another training.
    pub(super) fn resume(&mut self, checkpoint: &Checkpoint) -> Result<Event<'static>> {
        let (place, course) = books::read(checkpoint, &mut self.ledger)?;
        let Epoch { beats, looked_at } = self.epoch_of(&self.trainer.orders(self.train, place.epoch), place.epoch);
        place.check(&beats, &looked_at)?;
        self.session.load(checkpoint, place.step, place.looks)?;
        self.at = place;
        self.rates.resume(course);
        Ok(Event::Resumed { epoch: place.epoch + 1, step: place.step })
    }

    /// Has checkpoints written from here on, behind the one of this number.
    pub(super) fn keep(&mut self, checkpoints: &Checkpoints, about: BTreeMap<String, String>, number: Option<u64>) -> Result<()> {
        let sticky = self.trainer.on_nonfinite != OnNonFinite::Skip;
        let monitor = &self.rates.monitor;
        let larger_is_better = self.stop.early.as_ref().map_or(monitor.larger_is_better(), EarlyStopping::larger_is_better);
        let best = (monitor.clone(), larger_is_better);
        self.keeper = Some(Keeper::start(checkpoints, about, [self.rates.updates, self.sizes.len()], best, sticky, number)?);
        Ok(())
    }

    /// Trains to the end, whatever brings it about.
    pub(super) fn run(mut self, events: &mut dyn FnMut(&Event<'_>)) -> Result<(Session, Report)> {
        self.tell_distrust(events);
        while self.at.epoch < self.stop.epochs && !self.ledger.all_stopped() {
            if self.epoch(events)? == GoesOn::No {
                self.ledger.interrupt();
                break;
            }
        }
        if let Some(mut keeper) = self.keeper.take() {
            for told in keeper.save_last(self.at, &self.rates.course(), &self.ledger, &mut self.session)? {
                events(&told.event());
            }
        }
        let report = self.ledger.report(&mut self.session, self.start_seconds.unwrap_or_default())?;
        Ok((self.session, report))
    }

    /// The steps of an epoch whose rows come in these orders.
    fn epoch_of(&self, orders: &[Vec<u32>], epoch: usize) -> Epoch {
        let beats = beats(self.sizes, self.trainer.accumulate, orders, self.session.row_weights());
        let looked_at = self.trainer.looked_at(&beats, epoch);
        Epoch { beats, looked_at }
    }

    /// An epoch, or what is left of one; where it has to be begun anew, that is all that comes of it.
    fn epoch(&mut self, events: &mut dyn FnMut(&Event<'_>)) -> Result<GoesOn> {
        let began = Instant::now();
        let At { epoch: number, step: first, .. } = self.at;
        if self.trainer.on_nonfinite == OnNonFinite::Rollback && first == 0 {
            self.session.keep_all()?;
        }
        let orders = match self.drawn.take() {
            Some((drawn, orders)) if drawn == number => orders,
            _ => self.trainer.orders(self.train, number),
        };
        let epoch = self.epoch_of(&orders, number);
        self.session.set_orders(&orders, &epoch.beats)?;
        if self.steps(&epoch, events)? == GoesOn::No {
            return Ok(GoesOn::No);
        }
        // while the device works
        if number + 1 < self.stop.epochs {
            self.drawn = Some((number + 1, self.trainer.orders(self.train, number + 1)));
        }
        let log = self.session.read_epoch(epoch.beats.len())?;
        let seconds = began.elapsed().as_secs_f64();
        if let Some((member, step)) = self.ledger.fault(&log)
            && self.rolls_back(&epoch, &log, member, step, events)?
        {
            return Ok(GoesOn::Yes);
        }
        self.tell_flow(&epoch, events)?;
        self.judge(&epoch, &log, self.sizes[first..].iter().sum(), seconds, events)?;
        self.at = At { epoch: number + 1, step: 0, looks: 0 };
        let over = self.at.epoch == self.stop.epochs || self.ledger.all_stopped();
        if self.stop.is_interrupted() && !over {
            return Ok(GoesOn::No);
        }
        if !over && self.keeper.as_ref().is_some_and(|keeper| keeper.is_due_after(number + 1)) {
            self.save(events)?;
        }
        Ok(GoesOn::Yes)
    }

    /// What is left of an epoch's steps, with the checkpoints that are due between them.
    fn steps(&mut self, Epoch { beats, looked_at }: &Epoch, events: &mut dyn FnMut(&Event<'_>)) -> Result<GoesOn> {
        let epoch = self.at.epoch;
        let steps = Steps { program: self.program, beats, first: epoch * beats.len(), looked_at };
        while self.at.step < beats.len() {
            let due = |beat: &Beat| beat.part.last && self.keeper.as_ref().is_some_and(|keeper| keeper.is_due_within(epoch, beat.update));
            let until = (self.at.step..beats.len()).find(|&i| due(&beats[i])).map_or(beats.len(), |i| i + 1);
            let progress = |done: usize| {
                self.start_seconds.get_or_insert_with(|| self.began.elapsed().as_secs_f64());
                let rows = self.sizes[..done].iter().sum();
                events(&Event::Progress { epoch: epoch + 1, step: done, steps: beats.len(), rows });
            };
            let rates = |beat: &Beat| self.rates.row(epoch, beat);
            self.at.step = steps.run(&mut self.session, self.at.step..until, &mut self.pace, rates, progress)?;
            self.at.looks = looked_at.iter().filter(|&&look| look < self.at.step).count();
            self.tell_distrust(events);
            if self.at.step < until || (until < beats.len() && self.stop.is_interrupted()) {
                return Ok(GoesOn::No);
            }
            if until < beats.len() {
                self.save(events)?;
            }
        }
        Ok(GoesOn::Yes)
    }

    /// What is done about the first value that was not finite, a member's in a step: whether the epoch has to be begun anew. An error where nothing helps.
    fn rolls_back(
        &mut self,
        epoch: &Epoch,
        log: &EpochLog,
        member: usize,
        step: usize,
        events: &mut dyn FnMut(&Event<'_>),
    ) -> Result<bool> {
        let (beat, number, members) = (&epoch.beats[step], self.at.epoch, self.trainer.members.len());
        let all_skipped = |m: usize| !self.ledger.is_stopped(m) && log.steps.iter().all(|step| !step[m].applied);
        if self.trainer.on_nonfinite == OnNonFinite::Skip && !(0..members).any(all_skipped) {
            self.session.forget_faults()?;
            return Ok(false);
        }
        let what = self.session.find_fault(member, beat, number * epoch.beats.len() + step, &self.rates.row(number, beat))?;
        if self.trainer.on_nonfinite == OnNonFinite::Rollback && self.rates.may_roll_back() {
            let factor = self.rates.roll_back(&log.faults)[member];
            self.session.restore_all()?;
            (self.at.step, self.at.looks) = (0, 0);
            events(&Event::Rollback { epoch: number + 1, member, factor, what: &what });
            return Ok(true);
        }
        Err(Error::NonFinite { epoch: number + 1, step: step + 1, member, members, what })
    }

    /// Tells what the device was found to get wrong since it was last told.
    fn tell_distrust(&mut self, events: &mut dyn FnMut(&Event<'_>)) {
        for Wrong { entry, what } in self.session.wrong.drain(..) {
            events(&Event::Distrust { entry, what: &what });
        }
    }

    /// Tells what was seen of the flow of gradients, and what is to be said of it.
    fn tell_flow(&mut self, Epoch { beats, looked_at }: &Epoch, events: &mut dyn FnMut(&Event<'_>)) -> Result<()> {
        let epoch = self.at.epoch;
        let rows: Vec<usize> = looked_at.iter().map(|&i| beats[i].rows).collect();
        for (&i, members) in looked_at.iter().zip(self.session.read_looks(&rows)?) {
            for (member, layers) in members.into_iter().enumerate() {
                let update = beats[i].update;
                let (step, share) = (epoch * self.rates.updates + update + 1, self.rates.share(member, epoch, update));
                if let Some(flow) = self.ledger.look(member, Flow { epoch: epoch + 1, step, share, layers }) {
                    events(&Event::Look { member, flow });
                    let found = flow.diagnose();
                    if !found.is_empty() {
                        events(&Event::Diagnosis { member, flow, found: &found });
                    }
                }
            }
        }
        Ok(())
    }

    /// Judges by the rows that are not trained on, and writes down what an epoch brought, over so many rows in so many seconds.
    fn judge(
        &mut self,
        Epoch { beats, .. }: &Epoch,
        log: &EpochLog,
        rows: usize,
        seconds: f64,
        events: &mut dyn FnMut(&Event<'_>),
    ) -> Result<()> {
        let (epoch, members) = (self.at.epoch, self.trainer.members.len());
        // what ranks all rows is worked out after each epoch only where it is watched
        let ranked = self.stop.watched().any(Monitor::ranks);
        let scores = if self.valid.is_empty() { None } else { Some(self.session.evaluate(self.valid, ranked)?) };
        let lr: Vec<f64> = (0..members).map(|member| self.rates.of(member, epoch, beats[beats.len() - 1].update)).collect();
        self.ledger.epoch(epoch, beats, log, scores, &lr, &mut self.session)?;
        self.ledger.trained(rows * members, seconds);
        let records = self.ledger.latest();
        self.rates.see(&records)?;
        let samples_per_second = self.ledger.last_rate;
        events(&Event::Epoch { records: &records, samples_per_second, weights: &WeightsNow::new(&mut self.session) });
        Ok(())
    }

    /// Hands a checkpoint to its writer, where there is one.
    fn save(&mut self, events: &mut dyn FnMut(&Event<'_>)) -> Result<()> {
        if let Some(keeper) = &mut self.keeper
            && let Some(told) = keeper.save(self.at, &self.rates.course(), &self.ledger, &mut self.session)?
        {
            events(&told.event());
        }
        Ok(())
    }
}
