//! What can be asked of a model on a device, before and after it is trained: metrics, predictions, its gradients, its first step.

use super::Training;
use super::beats::beats;
use super::session::Session;
use super::trainer::{Member, Trainer};
use crate::clip::Clip;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::gradcheck::{TensorCheck, gradcheck};
use crate::kernel::{Part, Row, Step};
use crate::metrics::Scores;
use crate::model::Compiled;
use crate::plan::ProgramId;
use crate::precision::Precision;
use crate::schedule::Position;

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
    /// Loss and all metrics of a data set, for each member, with the weights as they are now.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        self.with_data(data, |session| session.evaluate(data, true))
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
        let mut other = self.open(data, data.len(), None, false)?;
        for member in 0..self.trainer().members.len() {
            let weights = match &mut self.session {
                Some(session) => session.weights(member)?,
                None => self.trainer().initial(self.trainer().members[member].seed),
            };
            other.set_weights(member, &weights)?;
        }
        act(&mut other)
    }

    /// Compares back-propagation with finite differences in `f64` in the first step, on up to `each` elements of every tensor. (Of clipping and l2
    /// decay, which change gradients, it knows nothing, and mixed precision, whose roundings have no slope, is left out.)
    pub fn gradcheck(&self, train: &Dataset, each: usize) -> Result<Vec<TensorCheck>> {
        let trainer = Trainer { clip: Clip::None, precision: Precision::Full, ..self.trainer().clone() };
        let training = Training::new(trainer, self.device.clone());
        let mut first = training.first_step(train)?;
        gradcheck(&first.compiled, &mut *first.executor, first.program, &first.table, each)
    }

    /// Compiles for a data set and uploads everything that the first step needs, for [`crate::parity::lockstep`]. Formulas of the user's own are
    /// checked before, as they are before a training.
    pub fn first_step(&self, train: &Dataset) -> Result<FirstStep> {
        self.check_formulas()?;
        let trainer = self.trainer();
        let sizes = trainer.sizes(train.len());
        let (mut session, program) = self.open_to_train(train, train.len(), &sizes, false)?;
        let orders = trainer.orders(train, 0);
        let beats = beats(&sizes[..1], 1, &orders, session.row_weights());
        session.set_orders(&orders, &beats)?;
        let (program, _) = session.ready(program, &beats)?;
        let beat = &beats[0];
        let at = Position { epoch: 0, step: 0, epochs: 1, steps_per_epoch: 1 };
        let [c1, c2] = trainer.optimizer.corrections(1);
        let rate = |(member, &total): (&Member, &f32)| [trainer.schedule_of(member).rate(at) as f32, c1 as f32, c2 as f32, total];
        let rates: Vec<_> = trainer.members.iter().zip(&beat.totals).map(rate).collect();
        let mut table = Step::table(trainer.members.len());
        Step::push(&mut table, &Row { rows: beat.rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &rates });
        let (executor, compiled) = session.into_parts();
        Ok(FirstStep { compiled, executor, program, table })
    }
}
