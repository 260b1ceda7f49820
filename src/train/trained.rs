//! What can be asked of a model on a device, before and after it is trained: metrics, predictions, its gradients, its first step.

use super::Training;
use super::beats::{Beat, beats};
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
use crate::parity::{LockstepRow, lockstep};
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

    /// Compares back-propagation with finite differences in `f64` in the first step, on up to `each` elements of every tensor, at weights a little beside
    /// the initial ones: there no unit stands on a kink. (Of clipping and l2
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
        let (mut session, program, beats) = self.ready_to_train(train)?;
        let table = self.first_row(&beats[0]);
        let (program, _) = session.ready(program, &beats)?;
        let (executor, compiled) = session.into_parts();
        Ok(FirstStep { compiled, executor, program, table })
    }

    /// Compares what the device computes with the reference in `f64`, from the same numbers: each dispatch of the first step, and of the judgement of
    /// its rows. That is every kernel of the training, in the variant and at the size in which it will run.
    ///
    /// [`Error::Wrong`] where they differ by more than rounding: it names the first dispatch that does.
    ///
    /// ```
    /// use gradus::{Dataset, Device, Loss, Model, Trainer};
    /// let (train, _) = Dataset::moons(200, 1).split(0.8);
    /// let training = Trainer::new(Model::input(2).dense(8).tanh().dense(2), Loss::cross_entropy()).build(Device::Auto)?;
    /// assert!(training.verify(&train)?.iter().all(|row| row.passes()));
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn verify(&self, train: &Dataset) -> Result<Vec<LockstepRow>> {
        let (session, program, beats) = self.ready_to_train(train)?;
        self.compare(session, program, &beats)
    }

    fn compare(&self, mut session: Session, program: ProgramId, beats: &[Beat]) -> Result<Vec<LockstepRow>> {
        let table = self.first_row(&beats[0]);
        let mut rows = Vec::new();
        for program in [program, session.compiled.eval] {
            let (program, _) = session.ready(program, beats)?;
            rows.extend(lockstep(&mut *session.executor, program, &table)?);
        }
        match rows.iter().find(|row| !row.passes()) {
            None => Ok(rows),
            Some(LockstepRow { kernel, label, worst, buffer }) => Err(Error::Wrong(format!(
                "{} does not compute what the reference does: {kernel} of {label} leaves `{buffer}` wrong by {worst:.1e} of its largest number: use a \
                 newer driver, or train with --device cpu (`gradus parity` compares every kernel)",
                self.device()
            ))),
        }
    }

    /// A session with everything uploaded that the first step needs, its program, and what it takes.
    fn ready_to_train(&self, train: &Dataset) -> Result<(Session, ProgramId, Vec<Beat>)> {
        self.check_formulas()?;
        let trainer = self.trainer();
        let sizes = trainer.sizes(train.len());
        let (mut session, program) = self.open_to_train(train, train.len(), &sizes, false)?;
        let orders = trainer.orders(train, 0);
        let beats = beats(&sizes[..1], 1, &orders, session.row_weights());
        session.set_orders(&orders, &beats)?;
        Ok((session, program, beats))
    }

    /// The table of the first step alone.
    fn first_row(&self, beat: &Beat) -> Vec<u32> {
        let trainer = self.trainer();
        let at = Position { epoch: 0, step: 0, epochs: 1, steps_per_epoch: 1 };
        let [c1, c2] = trainer.optimizer.corrections(1);
        let rate = |(member, &total): (&Member, &f32)| [trainer.schedule_of(member).rate(at) as f32, c1 as f32, c2 as f32, total];
        let rates: Vec<_> = trainer.members.iter().zip(&beat.totals).map(rate).collect();
        let mut table = Step::table(trainer.members.len());
        Step::push(&mut table, &Row { rows: beat.rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &rates });
        table
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Checkpoints, Stop};
    use super::*;
    use crate::checkpoint::{Checkpoint, Folder};
    use crate::exec::{Device, DeviceTime, cpu::Cpu};
    use crate::loss::Loss;
    use crate::model::Model;
    use crate::plan::{Buf, Dispatch, Kind, Plan};
    use std::ops::Range;

    /// An executor of which one dispatch leaves one of its buffers wrong: the largest number a thousandth too large, or a word of it.
    struct Poisoned {
        executor: Box<dyn Executor>,
        program: ProgramId,
        dispatch: usize,
        buf: Buf,
        /// What it says of its whole steps.
        whole: Option<String>,
    }

    impl Executor for Poisoned {
        fn plan(&self) -> &Plan {
            self.executor.plan()
        }

        fn write_words(&mut self, buf: Buf, at: usize, words: &[u32]) -> Result<()> {
            self.executor.write_words(buf, at, words)
        }

        fn write(&mut self, buf: Buf, at: usize, values: &[f32]) -> Result<()> {
            self.executor.write(buf, at, values)
        }

        fn read_words(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<u32>> {
            self.executor.read_words(buf, at, len)
        }

        fn read(&mut self, buf: Buf, at: usize, len: usize) -> Result<Vec<f32>> {
            self.executor.read(buf, at, len)
        }

        fn copy(&mut self, from: Buf, to: Buf, at: usize, len: usize) -> Result<()> {
            self.executor.copy(from, to, at, len)
        }

        fn run(&mut self, program: ProgramId, table: &[u32]) -> Result<()> {
            self.executor.run(program, table)
        }

        fn try_whole(&mut self, _program: ProgramId, _table: &[u32]) -> Result<Option<String>> {
            Ok(self.whole.take())
        }

        fn run_one(&mut self, program: ProgramId, number: usize, table: &[u32]) -> Result<()> {
            self.executor.run_one(program, number, table)?;
            if (program, number) != (self.program, self.dispatch) {
                return Ok(());
            }
            let (len, kind) = (self.plan().buffer(self.buf).len, self.plan().buffer(self.buf).kind);
            if kind == Kind::U32 {
                let word = self.executor.read_words(self.buf, 0, 1)?[0];
                return self.executor.write_words(self.buf, 0, &[word + 1]);
            }
            let values = self.executor.read(self.buf, 0, len)?;
            let largest = (0..len).max_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs())).expect("numbers");
            self.executor.write(self.buf, largest, &[values[largest] * 1.001 + f32::from(values[largest] == 0.0)])
        }

        fn run_timed(&mut self, program: ProgramId, table: &[u32], timed: Range<usize>) -> Result<()> {
            self.executor.run_timed(program, table, timed)
        }

        fn times(&mut self) -> Result<Vec<DeviceTime>> {
            self.executor.times()
        }
    }

    #[test]
    fn a_device_that_gets_any_dispatch_wrong_is_refused_with_its_name() {
        let train = Dataset::moons(64, 1);
        let model = Model::input(2).dense(8).batch_norm().tanh().dense(2);
        let trainer = Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(0.1)).batch(32);
        #[cfg(feature = "gpu")]
        let adapters = crate::exec::gpu::adapters().into_iter().map(|(info, _)| Device::Named(info.name).open().unwrap());
        #[cfg(not(feature = "gpu"))]
        let adapters = std::iter::empty();
        for device in std::iter::once(Device::Cpu.open().unwrap()).chain(adapters) {
            let training = trainer.clone().build_on(device.clone()).unwrap();
            let own = tempfile::tempdir().unwrap();
            let fit = |prepare: &dyn Fn(&mut Training)| {
                let mut fitted = trainer.clone().build_on(device.clone()).unwrap();
                prepare(&mut fitted);
                fitted.fit(&train, &train, Stop::after(3)).unwrap().first().weights_hash.clone()
            };
            let straight = fit(&|before| before.keep_checkpoints(Checkpoints::new(own.path())));
            let (session, program, beats) = training.ready_to_train(&train).unwrap();
            let (eval, all, table) = (session.compiled.eval, training.verify(&train).unwrap().len(), training.first_row(&beats[0]));
            // for each dispatch the first buffer that it writes
            let of = |program: ProgramId| -> Vec<(Dispatch, Buf)> {
                let written = Cpu::<f32>::new(session.compiled.plan.clone()).trace(program, &table).unwrap();
                let dispatches = session.compiled.plan.program(program).dispatches.iter().zip(written);
                dispatches.map(|(dispatch, written)| (dispatch.clone(), dispatch.args[written.iter().position(|&w| w).unwrap()])).collect()
            };
            let (steps, judged) = (of(program), of(eval));
            assert_eq!(all, steps.len() + judged.len());
            let poisoned = |program: ProgramId, dispatch: usize, buf: Buf| {
                let (session, train_program, beats) = training.ready_to_train(&train).unwrap();
                let executor = Box::new(Poisoned { executor: session.executor, program, dispatch, buf, whole: None });
                training.compare(Session { executor, ..session }, train_program, &beats)
            };
            for (program, dispatches) in [(program, &steps), (eval, &judged)] {
                for (number, (dispatch, buf)) in dispatches.iter().enumerate() {
                    let error = poisoned(program, number, *buf)
                        .err()
                        .unwrap_or_else(|| panic!("{} of {} passed", dispatch.kernel.name, dispatch.label));
                    let (told, wanted) = (error.to_string(), format!("{} of {} leaves `", dispatch.kernel.name, dispatch.label));
                    assert!(matches!(error, Error::Wrong(_)) && error.exit_code() == 1, "{told}");
                    assert!(told.contains(&wanted) && told.contains("train with --device cpu"), "{told} does not name {wanted}");
                }
            }
            // what was trained before the device went wrong is there to go on from
            let kept = Folder::new(own.path());
            let checkpoint = || Checkpoint::read(kept.file(kept.numbers().unwrap()[0])).unwrap();
            assert_eq!(fit(&|again| again.resume(checkpoint())), straight);
        }
    }

    #[test]
    fn whole_steps_are_tried_before_the_first_of_them() {
        let train = Dataset::moons(64, 1);
        let trainer = Trainer::new(Model::input(2).dense(8).tanh().dense(2), Loss::cross_entropy()).batch(32);
        let (session, program, beats) = trainer.build_on(Device::Cpu.open().unwrap()).unwrap().ready_to_train(&train).unwrap();
        let executor = Poisoned { executor: session.executor, program, dispatch: 0, buf: Plan::STEPS, whole: Some("all of it".into()) };
        let mut session = Session { executor: Box::new(executor), ..session };
        for _ in 0..2 {
            session.run(program, &beats, 0, 0, |_| vec![[0.0; 3]], |_| {}).unwrap();
        }
        let told: Vec<_> = session.wrong.iter().map(|wrong| (wrong.entry, wrong.what.as_str())).collect();
        assert_eq!(told, [("whole_steps", "all of it")]);
    }
}
