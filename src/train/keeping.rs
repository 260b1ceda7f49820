//! Checkpoints of a training: when one is due, what goes into it, and what became of it.

use super::books::{self, At, Course};
use super::early_stop::Monitor;
use super::ledger::Ledger;
use super::report::Event;
use super::session::Session;
use crate::checkpoint::{Checkpoint, Done, Folder, Lock, NOTE, Writer};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// How often a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After so many epochs.
    Epochs(usize),
    /// After so many updates of the weights.
    Steps(usize),
}

/// Where checkpoints go, how often they are written, and how many are kept.
///
/// A checkpoint is read from the device between two updates, and written by a thread of its own while the device goes on. One that is due while the
/// one before is still on its way is passed over, and so is one with which the reading would take more than a twentieth of the time. The last one, at the
/// end or when training is stopped, is always written.
///
/// ```
/// use gradus::checkpoint::Folder;
/// use gradus::train::{Checkpoints, Every, Stop};
/// use gradus::{Dataset, Device, Loss, Model, Trainer};
///
/// # fn main() -> gradus::Result<()> {
/// # let own = tempfile::tempdir().unwrap();
/// # let path = own.path();
/// let (train, valid) = Dataset::moons(200, 1).split(0.8);
/// let trainer = Trainer::new(Model::input(2).dense(8).tanh().dense(2), Loss::cross_entropy());
/// let mut straight = trainer.clone().build(Device::Cpu)?;
/// straight.keep_checkpoints(Checkpoints::new(path).every(Every::Steps(2)).keep(2));
/// let wanted = straight.fit(&train, &valid, Stop::after(3))?;
///
/// let mut resumed = trainer.build(Device::Cpu)?;
/// let before = Folder::new(path).numbers()?[0];
/// resumed.resume(gradus::checkpoint::Checkpoint::read(Folder::new(path).file(before))?);
/// assert_eq!(resumed.fit(&train, &valid, Stop::after(3))?.first().weights_hash, wanted.first().weights_hash);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: Folder,
    every: Option<Every>,
    keep: usize,
    pub(super) about: BTreeMap<String, String>,
}

impl Checkpoints {
    /// In this folder, which is made: after each epoch; the last three and the best are kept.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Checkpoints { folder: Folder::new(folder), every: Some(Every::Epochs(1)), keep: 3, about: BTreeMap::new() }
    }

    /// So often; of 0 epochs or steps only at the end, and when training is stopped.
    pub fn every(self, every: Every) -> Self {
        let never = matches!(every, Every::Epochs(0) | Every::Steps(0));
        Checkpoints { every: (!never).then_some(every), ..self }
    }

    /// Something that is kept with each checkpoint, see [`Checkpoint::note`], and may be another when training goes on.
    pub fn note(mut self, name: &str, value: impl Into<String>) -> Self {
        self.about.insert(format!("{NOTE}{name}"), value.into());
        self
    }

    /// So many are kept beside the best one, at least one. The best is the one after the epoch with the best value of what early stopping watches,
    /// else of the loss of validation, else of training; of several members the first.
    pub fn keep(self, keep: usize) -> Self {
        Checkpoints { keep: keep.max(1), ..self }
    }

    /// Something that must be the same when training goes on, such as the settings of an application. Under the name `data` it stands for the data,
    /// which are hashed otherwise.
    pub fn about(mut self, name: &str, value: impl Into<String>) -> Self {
        self.about.insert(name.to_string(), value.into());
        self
    }
}

/// Of the time, the training has so many parts for each that goes into reading checkpoints from the device.
const SHARE: u32 = 20;

/// The checkpoints of a training that goes on.
pub(super) struct Keeper {
    every: Option<Every>,
    about: BTreeMap<String, String>,
    writer: Writer,
    /// Goes after the writer.
    _lock: Lock,
    /// When enough time has gone by since the last one.
    rests_until: Instant,
    /// By what the best one is told, and whether a larger value is better.
    best: (Monitor, bool),
    /// Whether a value that was not finite spoils the rest of the epoch.
    sticky: bool,
    /// Updates of an epoch, and its steps.
    updates: usize,
    steps: usize,
}

/// What is told of checkpoints while an epoch goes on.
pub(super) enum Told {
    Written(Done),
    Failed(Error),
}

impl Told {
    /// As an event.
    pub(super) fn event(&self) -> Event<'_> {
        match self {
            Told::Written(Done { number, path, bytes }) => Event::Checkpoint { steps: *number, path, bytes: *bytes },
            Told::Failed(error) => Event::NoCheckpoint { error },
        }
    }
}

impl Keeper {
    /// Makes the folder ready, for a training that begins or goes on after step `from`, and starts the thread.
    pub(super) fn start(
        setup: &Checkpoints,
        about: BTreeMap<String, String>,
        [updates, steps]: [usize; 2],
        best: (Monitor, bool),
        sticky: bool,
        from: Option<u64>,
    ) -> Result<Self> {
        let lock = setup.folder.lock()?;
        if from.is_none() && !setup.folder.numbers()?.is_empty() {
            let path = setup.folder.path().display();
            return Err(Error::input(format!(
                "there are checkpoints of another training in {path}: resume from them, or name another folder"
            )));
        }
        setup.folder.clear_after(from)?;
        let writer = Writer::start(setup.folder.clone(), setup.keep)?;
        Ok(Keeper { every: setup.every, about, writer, _lock: lock, rests_until: Instant::now(), best, sticky, updates, steps })
    }

    /// Whether one is due within an epoch after its update number `update`.
    pub(super) fn is_due_within(&self, epoch: usize, update: usize) -> bool {
        matches!(self.every, Some(Every::Steps(every)) if (epoch * self.updates + update + 1).is_multiple_of(every))
    }

    /// Whether one is due after so many epochs.
    pub(super) fn is_due_after(&self, epochs: usize) -> bool {
        match self.every {
            Some(Every::Epochs(every)) => epochs.is_multiple_of(every),
            Some(Every::Steps(_)) => epochs > 0 && self.is_due_within(epochs - 1, self.updates - 1),
            None => false,
        }
    }

    /// What became of the one that was on its way, if that is known by now.
    pub(super) fn news(&mut self) -> Option<Told> {
        self.writer.news().map(told)
    }

    /// Reads one from the device and hands it over, unless the one before is still on its way, too much time went into them, or the epoch is spoilt:
    /// there it would be no place to go on from.
    pub(super) fn save(&mut self, at: At, course: &Course, ledger: &Ledger<'_>, session: &mut Session) -> Result<Option<Told>> {
        if Instant::now() < self.rests_until {
            return Ok(self.news());
        }
        self.save_now(at, course, ledger, session)
    }

    fn save_now(&mut self, at: At, course: &Course, ledger: &Ledger<'_>, session: &mut Session) -> Result<Option<Told>> {
        let before = self.news();
        if self.writer.is_busy() {
            return Ok(before);
        }
        let spoilt = |(member, &fault): (usize, &u32)| fault != 0 && !ledger.is_stopped(member);
        let faults = session.faults()?;
        // what the device had to do before is not what this costs
        let began = Instant::now();
        if self.sticky && faults.iter().enumerate().any(spoilt) {
            return Ok(before);
        }
        let mut tensors = session.save(at.step, at.looks)?;
        let (state, losses) = books::write(at, course, ledger)?;
        tensors.extend(losses);
        let number = (at.epoch * self.steps + at.step) as u64;
        let values = ledger.values(&self.best.0, self.best.1)?;
        let values = values.iter().enumerate().map(|(epoch, &value)| (((epoch + 1) * self.steps) as u64, value)).collect();
        self.writer.hand_over(Checkpoint { number, about: self.about.clone(), state, tensors }, values)?;
        self.rests_until = Instant::now() + SHARE * began.elapsed();
        Ok(before)
    }

    /// The same, whatever is on its way, and waits until it is written.
    pub(super) fn save_last(&mut self, at: At, course: &Course, ledger: &Ledger<'_>, session: &mut Session) -> Result<Vec<Told>> {
        let mut all: Vec<Told> = self.writer.wait().map(told).into_iter().collect();
        self.save_now(at, course, ledger, session)?;
        all.extend(self.writer.wait().map(told));
        Ok(all)
    }
}

fn told(result: Result<Done>) -> Told {
    match result {
        Ok(done) => Told::Written(done),
        Err(error) => Told::Failed(error),
    }
}
