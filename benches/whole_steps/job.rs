//! What is trained, where it starts, what the CPU path makes of it, and how long the ordinary plan takes.

use super::Bench;
use gradus::data::{Dataset, Features, Table, Targets};
use gradus::exec::Executor;
use gradus::kernel::{Part, Row, Step};
use gradus::model::Compiled;
use gradus::train::{FirstStep, Looks, Member};
use gradus::{Adam, Clip, Device, Error, Loss, Model, Result, Trainer};
use std::time::Instant;

/// Steps of a round, which is an epoch of the data.
pub(crate) const ROUND: usize = 256;
/// Rows of a batch.
pub(crate) const BATCH: usize = 32;
/// The largest norm of the gradients.
pub(crate) const MAX_NORM: f32 = 1.0;

/// Members of 64-32-10 with their data, as the plan has them.
pub(crate) struct Job {
    pub(crate) members: usize,
    pub(crate) data: Dataset,
    pub(crate) trainer: Trainer,
    pub(crate) compiled: Compiled,
    /// The arena of parameters at the start.
    pub(crate) start: Vec<f32>,
    pub(crate) features: Vec<f32>,
    pub(crate) classes: Vec<u32>,
    pub(crate) order: Vec<u32>,
}

/// What steps leave.
pub(crate) struct Left {
    pub(crate) params: Vec<f32>,
    /// The first moments, which after one step are the clipped gradients times 1 − β₁.
    pub(crate) moments: Vec<f32>,
    /// For each step and member the loss, the norm, and whether it was sound and applied.
    pub(crate) log: Vec<f32>,
}

impl Job {
    pub(crate) fn new(members: usize) -> Result<Self> {
        let data = digits(ROUND * BATCH)?;
        let model = Model::input(64).dense(32).relu().dense(10);
        let seeds: Vec<_> = (0..members as u64).map(|seed| Member { seed, lr: None }).collect();
        let trainer = Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(MAX_NORM.into()));
        let trainer = trainer.batch(BATCH).members(seeds).looks(Looks::Never);
        let FirstStep { compiled, mut executor, .. } = trainer.clone().build(Device::Cpu)?.first_step(&data)?;
        let len = |buf| compiled.plan.buffer(buf).len;
        let (params, features, order) = (compiled.params[0], compiled.features[0], compiled.order);
        let classes = compiled.classes.ok_or_else(|| Error::input("the digits have no classes"))?;
        Ok(Job {
            start: executor.read(params, 0, len(params))?,
            features: executor.read(features, 0, len(features))?,
            classes: executor.read_words(classes, 0, len(classes))?,
            order: executor.read_words(order, 0, len(order))?,
            members,
            data,
            trainer,
            compiled,
        })
    }

    /// The table of the first steps of the epoch, cursors at its start.
    pub(crate) fn table(&self, steps: usize) -> Vec<u32> {
        let adam = Adam::new();
        let mut table = Step::table(self.members);
        for step in 0..steps {
            let [c1, c2] = adam.corrections(step as u64 + 1);
            let rates = vec![[adam.rate() as f32, c1 as f32, c2 as f32, BATCH as f32]; self.members];
            let row = Row { rows: BATCH, start: step * BATCH, slot: step, number: step as u32, part: Part::WHOLE, rates: &rates };
            Step::push(&mut table, &row);
        }
        table
    }

    /// What so many steps leave on the CPU path.
    pub(crate) fn truth(&self, steps: usize) -> Result<Left> {
        let FirstStep { compiled, mut executor, program, .. } = self.trainer.clone().build(Device::Cpu)?.first_step(&self.data)?;
        executor.run(program, &self.table(steps))?;
        Ok(Left {
            params: executor.read(compiled.params[0], 0, self.start.len())?,
            moments: executor.read(compiled.states[0][0], 0, self.start.len())?,
            log: executor.read(compiled.log, 0, 4 * steps * self.members)?,
        })
    }

    /// Seconds of a round of the ordinary plan, from its start.
    pub(crate) fn time_plan(&self, bench: &Bench, plan: &mut FirstStep) -> Result<f64> {
        self.reset(&mut *plan.executor, &plan.compiled)?;
        let table = self.table(ROUND);
        bench.wait()?;
        let began = Instant::now();
        plan.executor.run(plan.program, &table)?;
        bench.wait()?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn reset(&self, executor: &mut dyn Executor, compiled: &Compiled) -> Result<()> {
        let zeros = vec![0.0; self.start.len()];
        executor.write(compiled.params[0], 0, &self.start)?;
        compiled.states.iter().try_for_each(|state| executor.write(state[0], 0, &zeros))
    }
}

/// As many rows as are asked for: the digits again and again.
fn digits(rows: usize) -> Result<Dataset> {
    let all = Dataset::digits();
    let table = all.table();
    let (Features::F32(values), Targets::Classes { of, names }) = (table.features(), table.targets()) else {
        return Err(Error::input("the digits are not numbers with classes"));
    };
    let width = table.width();
    let features = (0..rows).flat_map(|row| &values[row % of.len() * width..][..width]).copied().collect();
    let targets = Targets::Classes { of: (0..rows).map(|row| of[row % of.len()]).collect(), names: names.clone() };
    Ok(Dataset::new(Table::new(Features::F32(features), table.names().to_vec(), targets)?))
}
