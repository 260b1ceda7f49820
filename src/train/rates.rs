//! The rates of a training's members: what their schedules say, what plateaus make of that, and what rollbacks do.

use super::beats::Beat;
use super::books::Course;
use super::early_stop::Monitor;
use super::ledger::watched;
use super::report::EpochRecord;
use super::trainer::Trainer;
use crate::error::Result;
use crate::optim::Optimizer;
use crate::schedule::{Plateau, Position, Schedule};

/// How often an epoch is begun anew at half of the rate.
const ROLLBACKS: usize = 10;

/// The rates of the members.
pub(super) struct Rates<'a> {
    optimizer: &'a Optimizer,
    schedules: Vec<Schedule>,
    plateaus: Vec<Option<Plateau>>,
    /// What plateaus are told by.
    pub(super) monitor: Monitor,
    /// What rollbacks have left of each.
    factors: Vec<f64>,
    rollbacks: usize,
    epochs: usize,
    /// Updates of an epoch.
    pub(super) updates: usize,
}

impl<'a> Rates<'a> {
    /// For so many epochs of so many updates. Errors where a schedule cannot go over as many.
    pub(super) fn new(trainer: &'a Trainer, monitor: Monitor, epochs: usize, updates: usize) -> Result<Self> {
        let schedules: Vec<Schedule> = trainer.members.iter().map(|member| trainer.schedule_of(member)).collect();
        schedules.iter().try_for_each(|schedule| schedule.check_for(epochs, updates))?;
        let plateaus = schedules.iter().map(|schedule| Plateau::of(schedule, monitor.larger_is_better())).collect();
        let factors = vec![1.0; schedules.len()];
        Ok(Rates { optimizer: &trainer.optimizer, schedules, plateaus, monitor, factors, rollbacks: 0, epochs, updates })
    }

    /// A member's rate for an update of an epoch.
    pub(super) fn of(&self, member: usize, epoch: usize, update: usize) -> f64 {
        let at = Position { epoch, step: epoch * self.updates + update, epochs: self.epochs, steps_per_epoch: self.updates };
        self.schedules[member].rate(at) * self.factors[member] * self.plateaus[member].as_ref().map_or(1.0, Plateau::factor)
    }

    /// The same as a share of what the member's schedule begins with.
    pub(super) fn share(&self, member: usize, epoch: usize, update: usize) -> f64 {
        self.of(member, epoch, update) / self.schedules[member].lr()
    }

    /// For a step of an epoch each member's rate, and the two corrections of the optimizer.
    pub(super) fn row(&self, epoch: usize, beat: &Beat) -> Vec<[f32; 3]> {
        let [c1, c2] = self.optimizer.corrections((epoch * self.updates + beat.update) as u64 + 1);
        (0..self.schedules.len()).map(|member| [self.of(member, epoch, beat.update) as f32, c1 as f32, c2 as f32]).collect()
    }

    /// Tells the plateaus what an epoch brought to each member.
    pub(super) fn see(&mut self, records: &[EpochRecord]) -> Result<()> {
        for (plateau, record) in self.plateaus.iter_mut().zip(records) {
            if let Some(plateau) = plateau {
                plateau.see(watched(&self.monitor, record.train_loss, record.valid.as_ref())?);
            }
        }
        Ok(())
    }

    /// Whether an epoch may be begun anew.
    pub(super) fn may_roll_back(&self) -> bool {
        self.rollbacks < ROLLBACKS
    }

    /// Halves the rate of those with a fault, for the epoch to be begun anew; hands out what is left of each.
    pub(super) fn roll_back(&mut self, faults: &[Option<usize>]) -> &[f64] {
        self.rollbacks += 1;
        self.factors.iter_mut().zip(faults).filter(|(_, fault)| fault.is_some()).for_each(|(factor, _)| *factor *= 0.5);
        &self.factors
    }

    /// What a checkpoint keeps.
    pub(super) fn course(&self) -> Course {
        let plateaus = self.plateaus.iter().map(|plateau| plateau.as_ref().map(|plateau| plateau.state)).collect();
        Course { factors: self.factors.clone(), plateaus, rollbacks: self.rollbacks }
    }

    /// What a checkpoint kept.
    pub(super) fn resume(&mut self, course: Course) {
        (self.factors, self.rollbacks) = (course.factors, course.rollbacks);
        for (plateau, state) in self.plateaus.iter_mut().zip(course.plateaus) {
            if let (Some(plateau), Some(state)) = (plateau, state) {
                plateau.state = state;
            }
        }
    }
}
