//! The books of a training run: what each epoch brought, whether a member goes on, and the report at the end.

use super::beats::Beat;
use super::early_stop::{Monitor, Reason, Stop, StopAt, Watch};
use super::report::{EpochRecord, MemberReport, Report};
use super::session::{EpochLog, Session};
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::metrics::Scores;
use std::time::{Duration, Instant};

/// What has happened so far, for each member.
pub(super) struct Ledger<'a> {
    stop: &'a Stop,
    began: Instant,
    /// Someone stopped it before it was done.
    interrupted: bool,
    pub(super) watches: Vec<Watch>,
    pub(super) stopped: Vec<Option<Reason>>,
    pub(super) histories: Vec<Vec<EpochRecord>>,
    pub(super) step_losses: Vec<Vec<f32>>,
    pub(super) flows: Vec<Vec<Flow>>,
    pub(super) rows: usize,
    pub(super) seconds: f64,
    pub(super) last_rate: f64,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(members: usize, stop: &'a Stop, began: Instant) -> Self {
        Ledger {
            stop,
            began,
            interrupted: false,
            watches: vec![Watch::new(); members],
            stopped: vec![None; members],
            histories: vec![Vec::new(); members],
            step_losses: vec![Vec::new(); members],
            flows: vec![Vec::new(); members],
            rows: 0,
            seconds: 0.0,
            last_rate: 0.0,
        }
    }

    /// Takes an epoch in: its numbers, and whether a member's weights are to be kept or its training to end.
    pub(super) fn epoch(
        &mut self,
        epoch: usize,
        beats: &[Beat],
        log: &EpochLog,
        scores: Option<Vec<Scores>>,
        lr: &[f64],
        session: &mut Session,
    ) -> Result<()> {
        let updates = beats.last().map_or(0, |beat| beat.update + 1);
        let at_once = self.stop.time_is_over(self.began.elapsed()).then_some(Reason::Time);
        for member in 0..self.histories.len() {
            if self.stopped[member].is_some() {
                continue;
            }
            let steps = || log.steps.iter().zip(beats).map(|(step, beat)| (step[member], beat));
            let sound = || steps().filter(|(step, _)| step.sound);
            let weight: f64 = sound().map(|(_, beat)| beat.weights[member]).sum();
            let train_loss = sound().map(|(step, _)| f64::from(step.loss)).sum::<f64>() / weight;
            self.step_losses[member].extend(steps().map(|(step, beat)| (f64::from(step.loss) / beat.weights[member]) as f32));
            let norms: Vec<f64> = steps().filter(|(step, _)| step.applied).map(|(step, _)| f64::from(step.norm)).collect();
            let valid = scores.as_ref().map(|scores| scores[member].clone());
            let mut reason = at_once;
            if let Some(StopAt { monitor, value }) = &self.stop.at {
                let got = watched(monitor, train_loss, valid.as_ref())?;
                let reached = if monitor.larger_is_better() { got >= *value } else { got <= *value };
                reason = if reached { Some(Reason::Threshold) } else { reason };
            }
            if let Some(early) = &self.stop.early {
                let value = watched(&early.monitor, train_loss, valid.as_ref())?;
                let verdict = self.watches[member].judge(early, epoch, value);
                reason = verdict.stop.or(reason);
                // a member that stops keeps its weights, whatever the others' steps do to it
                let none_better = !early.restore_best || self.watches[member].best_epoch().is_none();
                if (early.restore_best && verdict.improved) || (reason.is_some() && none_better) {
                    session.keep(member)?;
                }
            } else if reason.is_some() {
                session.keep(member)?;
            }
            self.stopped[member] = reason;
            self.histories[member].push(EpochRecord {
                epoch: epoch + 1,
                steps: (epoch + 1) * updates,
                lr: lr[member],
                train_loss,
                grad_norm: norms.iter().sum::<f64>() / norms.len() as f64,
                loss_scale: log.scales.get(member).map(|&scale| f64::from(scale)),
                skipped: steps().filter(|(step, beat)| beat.part.last && !step.applied).count(),
                valid,
                seconds: self.began.elapsed().as_secs_f64(),
            });
        }
        Ok(())
    }

    /// Takes in what a look at the flow of gradients found; nothing of members that have stopped.
    pub(super) fn look(&mut self, member: usize, flow: Flow) -> Option<&Flow> {
        if self.stopped[member].is_some() {
            return None;
        }
        self.flows[member].push(flow);
        self.flows[member].last()
    }

    /// A member that no longer trains has a schedule no more.
    pub(super) fn is_stopped(&self, member: usize) -> bool {
        self.stopped[member].is_some()
    }

    /// The first member that still trains and had a value that was not finite, and the step.
    pub(super) fn fault(&self, log: &EpochLog) -> Option<(usize, usize)> {
        log.faults
            .iter()
            .enumerate()
            .filter(|(member, _)| self.stopped[*member].is_none())
            .find_map(|(m, fault)| fault.map(|step| (m, step)))
    }

    pub(super) fn trained(&mut self, rows: usize, seconds: f64) {
        self.rows = self.rows.saturating_add(rows);
        self.seconds += seconds;
        self.last_rate = rows as f64 / seconds;
    }

    /// How long it takes so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Goes on from what the books of a checkpoint say: rows trained on, the seconds that they took, and those since training began. A member that
    /// stopped for a reason that no longer holds trains on, unless the others went on without it.
    pub(super) fn resume(&mut self, rows: usize, seconds: f64, elapsed: f64) {
        (self.rows, self.seconds) = (rows, seconds);
        let before = Duration::try_from_secs_f64(elapsed).unwrap_or_default();
        self.began = self.began.checked_sub(before).unwrap_or(self.began);
        let last = self.histories.iter().map(Vec::len).max().unwrap_or_default();
        for (member, stopped) in self.stopped.iter_mut().enumerate() {
            let over = match stopped {
                Some(Reason::Time) => !self.stop.time_is_over(before),
                Some(Reason::Patience) => self.stop.early.as_ref().is_none_or(|early| self.watches[member].wait < early.patience),
                Some(Reason::Threshold) => self.stop.at.is_none(),
                _ => false,
            };
            if over && self.histories[member].len() == last {
                *stopped = None;
            }
        }
    }

    /// Notes that it was stopped before it was done.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// What the first member's epochs are worth, smaller being better.
    pub(super) fn values(&self, monitor: &Monitor, larger_is_better: bool) -> Result<Vec<f64>> {
        let value = |record: &EpochRecord| {
            let value = watched(monitor, record.train_loss, record.valid.as_ref())?;
            Ok(if larger_is_better { -value } else { value })
        };
        self.histories[0].iter().map(value).collect()
    }

    pub(super) fn latest(&self) -> Vec<EpochRecord> {
        self.histories.iter().filter_map(|history| history.last().cloned()).collect()
    }

    pub(super) fn all_stopped(&self) -> bool {
        self.stopped.iter().all(Option::is_some)
    }

    /// Brings the best weights back where that was asked for, and sums up.
    pub(super) fn report(self, session: &mut Session, start_seconds: f64) -> Result<Report> {
        let mut members = Vec::new();
        let unless_stopped = if self.interrupted { Reason::Interrupted } else { Reason::MaxEpochs };
        let restore_best = self.stop.early.as_ref().is_some_and(|early| early.restore_best);
        for (member, ((epochs, step_losses), flow)) in self.histories.into_iter().zip(self.step_losses).zip(self.flows).enumerate() {
            let mut best_epoch = epochs.len();
            if let (true, Some(epoch)) = (restore_best, self.watches[member].best_epoch()) {
                session.restore(member)?;
                best_epoch = epoch + 1;
            } else if self.stopped[member].is_some() {
                session.restore(member)?;
            }
            let weights = session.weights(member)?;
            if let Some((name, ..)) = weights.iter().find(|(_, _, values)| values.iter().any(|v| !v.is_finite())) {
                let what =
                    format!("`{name}` is not finite after the last update; lower the learning rate or clip the norm ([clip] norm = 1.0)");
                let last = epochs.last().map_or(0, |e| e.steps / e.epoch.max(1));
                return Err(Error::NonFinite { epoch: epochs.len(), step: last, member, members: self.watches.len(), what });
            }
            let weights_hash = weights.hash();
            members.push(MemberReport {
                epochs,
                step_losses,
                flow,
                stopped: self.stopped[member].unwrap_or(unless_stopped),
                best_epoch,
                weights,
                weights_hash,
            });
        }
        let samples_per_second = self.rows as f64 / self.seconds.max(f64::MIN_POSITIVE);
        let seconds = self.began.elapsed().as_secs_f64();
        Ok(Report { members, seconds, start_seconds, start: session.start, profile: None, samples_per_second })
    }
}

/// The number that early stopping watches.
pub(super) fn watched(monitor: &Monitor, train_loss: f64, valid: Option<&Scores>) -> Result<f64> {
    let value = match monitor {
        Monitor::TrainLoss => Some(train_loss),
        Monitor::ValidLoss => valid.map(|scores| scores.loss),
        Monitor::Valid(name) => valid.and_then(|scores| scores.get(name)),
    };
    value.ok_or_else(|| {
        let names: Vec<_> = valid.map(|v| v.metrics.iter().map(|m| format!("val_{}", m.0)).collect()).unwrap_or_default();
        Error::input(format!(
            "there is no {monitor} to watch; there are train_loss, val_loss, {}: set [early_stopping] monitor",
            names.join(", ")
        ))
    })
}
