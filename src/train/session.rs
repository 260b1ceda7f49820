//! A compiled model on a device, with its data: uploads, epochs, evaluation, prediction, snapshots.

use crate::clip::Clip;
use crate::data::{Dataset, Features, Table, Targets};
use crate::error::{Error, Result};
use crate::exec::{Executor, OpenDevice};
use crate::kernel::{Rate, Step};
use crate::loss::Loss;
use crate::metrics::{Scores, Sums, Task};
use crate::model::{Compiled, Model, Spec, Weights};
use crate::optim::Optimizer;
use crate::plan::{Kind, ProgramId, Tensor, padded};
use std::sync::Arc;

/// What a session is opened with.
pub(crate) struct Setup<'a> {
    pub(crate) model: &'a Model,
    pub(crate) loss: Loss,
    pub(crate) optimizer: Option<&'a Optimizer>,
    pub(crate) clip: Clip,
    pub(crate) batch: usize,
    pub(crate) members: usize,
}

/// A model on a device with a table of data.
pub(crate) struct Session {
    executor: Box<dyn Executor>,
    pub(crate) compiled: Compiled,
    table: Arc<Table>,
    pub(crate) members: usize,
    batch: usize,
    order: usize,
    classes: bool,
}

/// What an epoch left in the log, for each step and member.
pub(crate) struct EpochLog {
    /// `[step][member]`: the sum of the rows' losses and the norm of the gradients.
    pub(crate) steps: Vec<Vec<[f32; 2]>>,
    /// For each member, the step (from 0) whose values were not finite.
    pub(crate) faults: Vec<Option<usize>>,
}

impl Session {
    /// Compiles the model for a table, checks that they fit, makes the executor and uploads the data. `longest` is the longest view
    /// that will be trained or evaluated on.
    pub(crate) fn open(device: &OpenDevice, setup: &Setup<'_>, table: &Arc<Table>, longest: usize) -> Result<Self> {
        let compiled = compile(setup, table, longest)?;
        let mut executor = device.executor(compiled.plan.clone())?;
        upload(&mut *executor, &compiled, table)?;
        Ok(Session {
            executor,
            compiled,
            table: Arc::clone(table),
            members: setup.members,
            batch: setup.batch.min(longest),
            order: longest,
            classes: matches!(table.targets(), Targets::Classes { .. }),
        })
    }

    /// Whether a view's rows are resident, and no more than the order holds.
    pub(crate) fn holds(&self, data: &Dataset) -> bool {
        Arc::ptr_eq(&self.table, data.table()) && data.len() <= self.order
    }

    /// Overwrites a member's parameters.
    pub(crate) fn set_weights(&mut self, member: usize, weights: &Weights) -> Result<()> {
        let arena = self.compiled.pack(weights);
        self.executor.write(self.compiled.params, member * self.compiled.arena, &arena)
    }

    /// A member's parameters.
    pub(crate) fn weights(&mut self, member: usize) -> Result<Weights> {
        let arena = self.executor.read(self.compiled.params, member * self.compiled.arena, self.compiled.arena)?;
        Ok(self.compiled.unpack(&arena))
    }

    /// Sets the optimizer's states to zero and forgets faults.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for buf in self.compiled.states.clone() {
            let len = self.compiled.plan.buffer(buf).len;
            self.executor.write(buf, 0, &vec![0.0; len])?;
        }
        self.executor.write_words(self.compiled.fault, 0, &vec![0; self.members])
    }

    /// Keeps a member's parameters as the best so far.
    pub(crate) fn keep(&mut self, member: usize) -> Result<()> {
        let Compiled { params, best, arena, .. } = self.compiled;
        self.executor.copy(params, best, member * arena, arena)
    }

    /// Brings a member's best parameters back.
    pub(crate) fn restore(&mut self, member: usize) -> Result<()> {
        let Compiled { params, best, arena, .. } = self.compiled;
        self.executor.copy(best, params, member * arena, arena)
    }

    /// Uploads the order of a member's rows.
    pub(crate) fn set_order(&mut self, member: usize, rows: &[u32]) -> Result<()> {
        self.executor.write_words(self.compiled.order, member * self.order, rows)
    }

    /// Runs one step a batch size; `rates` says the members' rates at each. `progress` hears of each part that was handed over.
    pub(crate) fn run(
        &mut self,
        program: ProgramId,
        sizes: &[usize],
        mut rates: impl FnMut(usize) -> Vec<Rate>,
        mut progress: impl FnMut(usize),
    ) -> Result<()> {
        let capacity = self.compiled.plan.step_capacity.min(sizes.len().div_ceil(PARTS).max(MIN_PART));
        let mut start = 0;
        for (part, chunk) in sizes.chunks(capacity).enumerate() {
            let mut table = Step::table(self.members);
            for (i, &rows) in chunk.iter().enumerate() {
                let slot = part * capacity + i;
                Step::push(&mut table, rows, start, slot, slot as u32, &rates(slot));
                start += rows;
            }
            self.executor.run(program, &table)?;
            progress(part * capacity + chunk.len());
        }
        Ok(())
    }

    /// Waits for an epoch's steps and reads what they left.
    pub(crate) fn read_epoch(&mut self, steps: usize) -> Result<EpochLog> {
        let log = self.executor.read(self.compiled.log, 0, steps * self.members * 4)?;
        let faults = self.executor.read_words(self.compiled.fault, 0, self.members)?;
        let steps = log.chunks(4 * self.members).map(|step| step.chunks(4).map(|sums| [sums[0], sums[1]]).collect()).collect();
        Ok(EpochLog { steps, faults: faults.iter().map(|&fault| (fault > 0).then(|| fault as usize - 1)).collect() })
    }

    /// Loss and metrics of a resident view, for each member.
    pub(crate) fn evaluate(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        for member in 0..self.members {
            self.set_order(member, data.rows())?;
        }
        let sizes = super::batches(data.len(), self.batch, super::Remainder::Keep);
        let rates = vec![Rate::default(); self.members];
        self.run(self.compiled.eval, &sizes, |_| rates.clone(), |_| {})?;
        let log = self.executor.read(self.compiled.log, 0, sizes.len() * self.members * 4)?;
        let task = self.task(data);
        let sums = |member: usize| {
            let mut sums = Sums { rows: data.len(), ..Sums::default() };
            for step in log.chunks(4 * self.members) {
                let step = &step[4 * member..];
                sums.loss += f64::from(step[0]);
                sums.first += f64::from(step[1]);
                sums.second += f64::from(step[2]);
            }
            Scores::new(task, sums)
        };
        Ok((0..self.members).map(sums).collect())
    }

    /// The model's outputs for a resident view, row by row: logits, or numbers.
    pub(crate) fn predict(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        for m in 0..self.members {
            self.set_order(m, data.rows())?;
        }
        let outputs = self.compiled.tensors.last().map_or(0, |t| t.shape[0]);
        let stride = padded(outputs);
        let (mut all, mut start) = (Vec::with_capacity(data.len() * outputs), 0);
        for rows in super::batches(data.len(), self.batch, super::Remainder::Keep) {
            let mut table = Step::table(self.members);
            Step::push(&mut table, rows, start, 0, 0, &vec![Rate::default(); self.members]);
            self.executor.run(self.compiled.predict, &table)?;
            let output = self.executor.read(self.compiled.output, member * self.batch * stride, rows * stride)?;
            output.chunks(stride).for_each(|row| all.extend_from_slice(&row[..outputs]));
            start += rows;
        }
        Ok(all)
    }

    /// Runs the step again that went wrong, dispatch by dispatch, and says in which layer and quantity a value stopped being finite.
    /// The parameters are still those from before it: a step with such values is not applied.
    pub(crate) fn find_fault(&mut self, member: usize, start: usize, rows: usize, rates: &[Rate]) -> Result<String> {
        let Some(program) = self.compiled.train else { return Ok("unknown".into()) };
        let mut table = Step::table(self.members);
        Step::push(&mut table, rows, start, 0, 0, rates);
        for number in 0..self.compiled.plan.program(program).dispatches.len() {
            self.executor.run_one(program, number, &table)?;
            let dispatch = self.compiled.plan.program(program).dispatches[number].clone();
            for &buf in &dispatch.args {
                let buffer = self.compiled.plan.buffer(buf).clone();
                let shared = [self.compiled.features, self.compiled.targets].contains(&buf);
                if buffer.kind != Kind::F32 || shared || buf == self.compiled.log {
                    continue;
                }
                // of what is per row, only the live rows: beyond them lies what another step left
                let part = buffer.len / self.members;
                let live = if self.compiled.per_row.contains(&buf) { part / self.batch * rows } else { part };
                let values = self.executor.read(buf, member * part, live)?;
                if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                    // where a sum over the gradients overflowed, the largest of them says where it came from
                    let summed = ["norm", "sums"].contains(&dispatch.label.as_str());
                    let largest = if summed { self.largest_gradient(member)? } else { String::new() };
                    return Ok(format!("{}: `{}` became {value}{largest}; {REMEDY}", dispatch.label, buffer.name));
                }
            }
        }
        Ok(format!("the norm of the gradients overflowed{}; {REMEDY}", self.largest_gradient(member)?))
    }

    /// Which tensor has the largest finite gradient: where a sum that overflowed came from.
    fn largest_gradient(&mut self, member: usize) -> Result<String> {
        let Some(grads) = self.compiled.grads else { return Ok(String::new()) };
        let arena = self.executor.read(grads, member * self.compiled.arena, self.compiled.arena)?;
        let size = |tensor: &Tensor| tensor.unpack(&arena).iter().map(|g| g.abs()).filter(|g| g.is_finite()).fold(0.0, f32::max);
        let largest = self.compiled.tensors.iter().map(|tensor| (size(tensor), &tensor.name)).max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(largest.map(|(size, name)| format!(" (the largest gradient is {size:.1e}, in `{name}`)")).unwrap_or_default())
    }

    /// Gives up the executor and what was compiled for it.
    pub(crate) fn into_parts(self) -> (Box<dyn Executor>, Compiled) {
        (self.executor, self.compiled)
    }

    fn task(&self, data: &Dataset) -> Task {
        match self.table.targets() {
            Targets::Values { of, names } if !self.classes => {
                Task::Regression { outputs: names.len(), spread: spread(of, names.len(), data.rows()) }
            }
            _ => Task::Classification,
        }
    }
}

const REMEDY: &str = "lower the learning rate, clip the norm ([clip] norm = 1.0) or scale the data";

/// Into how many parts an epoch is cut at most, so that its progress can be told, and the fewest steps of a part.
const PARTS: usize = 20;
const MIN_PART: usize = 64;

/// The plan for a table.
pub(crate) fn compile(setup: &Setup<'_>, table: &Table, longest: usize) -> Result<Compiled> {
    if setup.batch == 0 {
        return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, or --set train.batch=64"));
    }
    if longest == 0 || table.targets().is_none() && setup.optimizer.is_some() {
        return Err(Error::input("the data set is empty, or has no target: nothing to train on"));
    }
    if table.width() != setup.model.inputs() {
        return Err(Error::input(format!("the data has {} features, the model takes {}", table.width(), setup.model.inputs())));
    }
    if !table.targets().is_none() {
        setup.loss.check(table.targets())?;
        if table.targets().outputs() != setup.model.outputs() {
            let (data, model) = (table.targets().outputs(), setup.model.outputs());
            return Err(Error::input(format!("the target needs {data} outputs, the model has {model}: give its last layer {data}")));
        }
    }
    let byte_scale = match table.features() {
        Features::Bytes { scale, .. } => Some(*scale),
        Features::F32(_) => None,
    };
    setup.model.compile(&Spec {
        model: setup.model,
        loss: setup.loss,
        optimizer: setup.optimizer,
        clip: setup.clip,
        batch: setup.batch.min(longest),
        members: setup.members,
        data_rows: table.rows(),
        byte_scale,
        order: longest,
    })
}

fn upload(executor: &mut dyn Executor, compiled: &Compiled, table: &Table) -> Result<()> {
    let (width, stride) = (table.width(), padded(table.width()));
    match table.features() {
        Features::F32(values) if width == stride => executor.write(compiled.features, 0, values)?,
        Features::F32(values) => executor.write(compiled.features, 0, &pad(values, width, 0.0))?,
        Features::Bytes { data, .. } => {
            let bytes = pad(data, width, 0);
            let words: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            executor.write_words(compiled.features, 0, &words)?;
        }
    }
    match table.targets() {
        Targets::Classes { of, .. } => executor.write_words(compiled.targets, 0, of),
        Targets::Values { of, .. } if compiled.plan.buffer(compiled.targets).kind == Kind::F32 => executor.write(compiled.targets, 0, of),
        // data without a target, to predict only
        Targets::Values { .. } => Ok(()),
    }
}

fn pad<T: Copy>(values: &[T], width: usize, zero: T) -> Vec<T> {
    let mut padded = Vec::with_capacity(values.len() / width * width.next_multiple_of(4));
    for row in values.chunks(width) {
        padded.extend_from_slice(row);
        padded.resize(padded.len().next_multiple_of(4), zero);
    }
    padded
}

/// `Σ (t − mean)²` over the rows, each column about its own mean.
fn spread(values: &[f32], width: usize, rows: &[u32]) -> f64 {
    let column = |k: usize| {
        let cell = |&row: &u32| f64::from(values[row as usize * width + k]);
        let mean = rows.iter().map(cell).sum::<f64>() / rows.len() as f64;
        rows.iter().map(|row| (cell(row) - mean).powi(2)).sum::<f64>()
    };
    (0..width).map(column).sum()
}
