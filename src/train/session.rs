//! A compiled model on a device, with its data: uploads, epochs, evaluation, prediction, snapshots.

use super::beats::{Beat, beats};
use super::weights;
use crate::clip::Clip;
use crate::data::{Dataset, Features, Table, Targets};
use crate::error::{Error, Result};
use crate::exec::{Executor, OpenDevice};
use crate::flow::{LayerFlow, NUMBERS};
use crate::kernel::{Rate, Row, Step};
use crate::loss::{Loss, Takes};
use crate::metrics::{Confusion, Scores, Sums};
use crate::model::{Compiled, LayerBuffers, Look, Model, Spec, Weights};
use crate::optim::Optimizer;
use crate::plan::{Buf, Kind, ProgramId, Tensor, padded};
use crate::rng::{Purpose, Rng};
use std::sync::Arc;

/// What a session is opened with.
pub(crate) struct Setup<'a> {
    pub(crate) model: &'a Model,
    pub(crate) loss: &'a Loss,
    pub(crate) optimizer: Option<&'a Optimizer>,
    pub(crate) clip: Clip,
    /// Rows of the largest batch.
    pub(crate) batch: usize,
    pub(crate) seeds: Vec<u64>,
    /// The weights of the classes, resolved.
    pub(crate) class_weights: Option<Vec<f32>>,
    pub(crate) accumulate: bool,
    pub(crate) sticky: bool,
    pub(crate) snapshot: bool,
    pub(crate) looks: usize,
}

/// A model on a device with a table of data.
pub(crate) struct Session {
    executor: Box<dyn Executor>,
    pub(crate) compiled: Compiled,
    table: Arc<Table>,
    pub(crate) members: usize,
    batch: usize,
    order: usize,
    outputs: usize,
    /// What each row of the table weighs, its class's weight in it.
    row_weights: Option<Vec<f32>>,
}

/// What an epoch left in the log, for each step and member.
pub(crate) struct EpochLog {
    /// `[step][member]`.
    pub(crate) steps: Vec<Vec<Logged>>,
    /// For each member, the step (from 0) whose values were not finite.
    pub(crate) faults: Vec<Option<usize>>,
}

/// What a step left in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged {
    /// The sum of the rows' losses.
    pub(crate) loss: f32,
    /// The norm of the gradients; of accumulated ones that of the sum so far.
    pub(crate) norm: f32,
    /// Whether all values were finite.
    pub(crate) sound: bool,
    /// Whether the weights were updated.
    pub(crate) applied: bool,
}

impl Session {
    /// Compiles the model for a table, checks that they fit, makes the executor and uploads the data. `longest` is the longest view
    /// that will be trained or evaluated on.
    pub(crate) fn open(device: &OpenDevice, setup: &Setup<'_>, table: &Arc<Table>, longest: usize) -> Result<Self> {
        let row_weights = weights::of_rows(table, setup.class_weights.as_deref());
        let compiled = compile(setup, table, longest)?;
        let mut executor = device.executor(compiled.plan.clone())?;
        upload(&mut *executor, &compiled, table, setup.loss)?;
        // cross-entropy weighs classes itself: label smoothing gives each class its own weight
        let by_kernel = setup.loss.takes() == Takes::Classes;
        if let Some(weights) = if by_kernel { table.weights() } else { row_weights.as_deref() } {
            executor.write(compiled.weights, 0, weights)?;
        }
        if let Targets::Classes { names, .. } = table.targets() {
            let ones = vec![1.0; names.len()];
            let weights = setup.class_weights.as_deref().filter(|_| by_kernel).unwrap_or(&ones);
            executor.write(compiled.class_weights, 0, weights)?;
        }
        if let (Some(decays), Some(optimizer)) = (compiled.decays, setup.optimizer) {
            executor.write(decays, 0, &compiled.decaying(optimizer.decaying()))?;
        }
        if let Some(seeds) = compiled.seeds {
            // one word of each seed's own stream
            let words: Vec<u32> = setup.seeds.iter().map(|&seed| Rng::new(seed, Purpose::Dropout, 0).below(1 << 32) as u32).collect();
            executor.write_words(seeds, 0, &words)?;
        }
        Ok(Session {
            executor,
            compiled,
            table: Arc::clone(table),
            members: setup.seeds.len(),
            batch: setup.batch.min(longest),
            order: longest,
            outputs: setup.model.outputs(),
            row_weights,
        })
    }

    /// Whether a view's rows are resident, and no more than the order holds.
    pub(crate) fn holds(&self, data: &Dataset) -> bool {
        Arc::ptr_eq(&self.table, data.table()) && data.len() <= self.order
    }

    /// What each row of the table weighs.
    pub(crate) fn row_weights(&self) -> Option<&[f32]> {
        self.row_weights.as_deref()
    }

    /// Overwrites a member's parameters, and their average.
    pub(crate) fn set_weights(&mut self, member: usize, weights: &Weights) -> Result<()> {
        let arena = self.compiled.pack(weights);
        for buf in [Some(self.compiled.params), self.compiled.average].into_iter().flatten() {
            self.executor.write(buf, member * self.compiled.arena, &arena)?;
        }
        Ok(())
    }

    /// The buffer whose weights are judged, kept and handed out: the moving average, where there is one.
    fn judged(&self) -> Buf {
        self.compiled.average.unwrap_or(self.compiled.params)
    }

    /// A member's parameters, those that are judged.
    pub(crate) fn weights(&mut self, member: usize) -> Result<Weights> {
        let arena = self.executor.read(self.judged(), member * self.compiled.arena, self.compiled.arena)?;
        Ok(self.compiled.unpack(&arena))
    }

    /// Sets the optimizer's states to zero and forgets faults.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for buf in self.compiled.states.clone() {
            let len = self.compiled.plan.buffer(buf).len;
            self.executor.write(buf, 0, &vec![0.0; len])?;
        }
        self.forget_faults()
    }

    /// Forgets which steps had values that were not finite.
    pub(crate) fn forget_faults(&mut self) -> Result<()> {
        self.executor.write_words(self.compiled.fault, 0, &vec![0; self.members])
    }

    /// Keeps weights, states and averages as they are now, on the device.
    pub(crate) fn keep_all(&mut self) -> Result<()> {
        for (buf, copy) in self.compiled.snapshot.clone() {
            self.executor.copy(buf, copy, 0, self.compiled.plan.buffer(buf).len)?;
        }
        Ok(())
    }

    /// Brings back what [`Session::keep_all`] kept.
    pub(crate) fn restore_all(&mut self) -> Result<()> {
        for (buf, copy) in self.compiled.snapshot.clone() {
            self.executor.copy(copy, buf, 0, self.compiled.plan.buffer(buf).len)?;
        }
        self.forget_faults()
    }

    /// Keeps a member's parameters as the best so far.
    pub(crate) fn keep(&mut self, member: usize) -> Result<()> {
        let Compiled { best, arena, .. } = self.compiled;
        self.executor.copy(self.judged(), best, member * arena, arena)
    }

    /// Brings a member's best parameters back.
    pub(crate) fn restore(&mut self, member: usize) -> Result<()> {
        let Compiled { best, arena, .. } = self.compiled;
        self.executor.copy(best, self.judged(), member * arena, arena)
    }

    /// Uploads the orders of the members' rows, all at once.
    pub(crate) fn set_orders(&mut self, orders: &[Vec<u32>]) -> Result<()> {
        let mut all = Vec::with_capacity(orders.len() * self.order);
        for rows in orders {
            all.extend_from_slice(rows);
            all.resize(all.len() + self.order - rows.len(), 0);
        }
        self.executor.write_words(self.compiled.order, 0, &all)
    }

    /// Runs steps, whose sums go to the log from `slot` on. `first` is the number of the first since training began; `rates` says the members'
    /// rates and the optimizer's two numbers at each. `progress` hears of each part that was handed over.
    pub(crate) fn run(
        &mut self,
        program: ProgramId,
        beats: &[Beat],
        slot: usize,
        first: usize,
        mut rates: impl FnMut(&Beat) -> Vec<[f32; 3]>,
        mut progress: impl FnMut(usize),
    ) -> Result<()> {
        let capacity = self.compiled.plan.step_capacity.min(beats.len().div_ceil(PARTS).max(MIN_PART));
        for (part, chunk) in beats.chunks(capacity).enumerate() {
            let mut table = Step::table(self.members);
            for (i, beat) in chunk.iter().enumerate() {
                let at = slot + part * capacity + i;
                push(&mut table, beat, at, first + part * capacity + i, &rates(beat));
            }
            self.executor.run(program, &table)?;
            progress(slot + part * capacity + chunk.len());
        }
        Ok(())
    }

    /// Keeps the parameters for a look at what the next step does to them.
    pub(crate) fn before_look(&mut self) -> Result<()> {
        let Some(Look { before, .. }) = self.compiled.look else { return Ok(()) };
        let len = self.compiled.plan.buffer(before).len;
        self.executor.copy(self.compiled.params, before, 0, len)
    }

    /// Looks at what the step before left in the buffers; look number `slot` of the epoch.
    pub(crate) fn look(&mut self, beat: &Beat, slot: usize) -> Result<()> {
        let Some(Look { program, .. }) = self.compiled.look else { return Ok(()) };
        let mut table = Step::table(self.members);
        push(&mut table, beat, slot, 0, &vec![[0.0; 3]; self.members]);
        self.executor.run(program, &table)
    }

    /// What the looks of an epoch found, `[look][member]`; `rows` are those of each look's step.
    pub(crate) fn read_looks(&mut self, rows: &[usize]) -> Result<Vec<Vec<Vec<LayerFlow>>>> {
        let Some(Look { flow, .. }) = self.compiled.look else { return Ok(Vec::new()) };
        let layers = self.compiled.layers.len();
        let all = self.executor.read(flow, 0, rows.len() * self.members * layers * NUMBERS)?;
        let member = |sums: &[f32], rows: usize| -> Vec<LayerFlow> {
            let layer = |(layer, sums): (&LayerBuffers, &[f32])| {
                LayerFlow::of(&layer.label, &layer.activation, sums, rows, layer.width, layer.weight.len())
            };
            self.compiled.layers.iter().zip(sums.chunks(NUMBERS)).map(layer).collect()
        };
        let look = |(sums, &rows): (&[f32], &usize)| sums.chunks(layers * NUMBERS).map(|sums| member(sums, rows)).collect();
        Ok(all.chunks(self.members * layers * NUMBERS).zip(rows).map(look).collect())
    }

    /// Waits for an epoch's steps and reads what they left.
    pub(crate) fn read_epoch(&mut self, steps: usize) -> Result<EpochLog> {
        let log = self.executor.read(self.compiled.log, 0, steps * self.members * 4)?;
        let faults = self.executor.read_words(self.compiled.fault, 0, self.members)?;
        let logged = |sums: &[f32]| Logged { loss: sums[0], norm: sums[1], sound: sums[2] != 0.0, applied: sums[3] != 0.0 };
        let steps = log.chunks(4 * self.members).map(|step| step.chunks(4).map(logged).collect()).collect();
        Ok(EpochLog { steps, faults: faults.iter().map(|&fault| (fault > 0).then(|| fault as usize - 1)).collect() })
    }

    /// Runs something with the weights that are judged in the place of those that are trained.
    fn with_judged<R>(&mut self, act: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let (Some(average), Some(held)) = (self.compiled.average, self.compiled.held) else { return act(self) };
        let (params, len) = (self.compiled.params, self.members * self.compiled.arena);
        self.executor.copy(params, held, 0, len)?;
        self.executor.copy(average, params, 0, len)?;
        let done = act(self);
        self.executor.copy(held, params, 0, len)?;
        done
    }

    fn eval_beats(&self, data: &Dataset) -> Vec<Beat> {
        let sizes = super::batches(data.len(), self.batch, super::Remainder::Keep);
        beats(&sizes, 1, &vec![data.rows().to_vec(); self.members], self.row_weights.as_deref())
    }

    /// Loss and metrics of a resident view, for each member; with those that rank all rows, where that is asked for.
    pub(crate) fn evaluate(&mut self, data: &Dataset, ranked: bool) -> Result<Vec<Scores>> {
        self.with_judged(|session| {
            let mut all = session.evaluate_params(data)?;
            if let (true, Targets::Classes { of, names }) = (ranked, Arc::clone(&session.table).targets()) {
                let of: Vec<u32> = data.rows().iter().map(|&row| of[row as usize]).collect();
                for (member, scores) in all.iter_mut().enumerate() {
                    scores.rank(&session.predict_params(member, data)?, names.len(), &of);
                }
            }
            Ok(all)
        })
    }

    fn evaluate_params(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        self.set_orders(&vec![data.rows().to_vec(); self.members])?;
        if let Some(confusion) = self.compiled.confusion {
            self.executor.write_words(confusion, 0, &vec![0; self.compiled.plan.buffer(confusion).len])?;
        }
        let beats = self.eval_beats(data);
        let rates = vec![[0.0; 3]; self.members];
        self.run(self.compiled.eval, &beats, 0, 0, |_| rates.clone(), |_| {})?;
        let log = self.executor.read(self.compiled.log, 0, beats.len() * self.members * 4)?;
        let counts = match self.compiled.confusion {
            Some(confusion) => self.executor.read_words(confusion, 0, self.compiled.plan.buffer(confusion).len)?,
            None => Vec::new(),
        };
        let weight = weights::sum(self.row_weights.as_deref(), data.rows());
        let rows = data.len();
        let scores = |member: usize| {
            let sum = |n: usize| log.chunks(4 * self.members).map(|step| f64::from(step[4 * member + n])).sum::<f64>();
            let loss = sum(0) / weight;
            match self.table.targets() {
                Targets::Classes { names, .. } => {
                    let k = names.len();
                    let own = counts[member * k * k..][..k * k].iter().map(|&count| u64::from(count)).collect();
                    Scores::classification(loss, Confusion::new(k, own), (k > 5).then(|| sum(2) / rows as f64))
                }
                Targets::Values { of, names } => {
                    let spread = spread(of, names.len(), data.rows());
                    Scores::regression(loss, Sums { rows, outputs: names.len(), squares: sum(1), absolutes: sum(2), spread })
                }
            }
        };
        Ok((0..self.members).map(scores).collect())
    }

    /// The model's outputs for a resident view, row by row: logits, or numbers.
    pub(crate) fn predict(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        self.with_judged(|session| session.predict_params(member, data))
    }

    fn predict_params(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        self.set_orders(&vec![data.rows().to_vec(); self.members])?;
        let stride = padded(self.outputs);
        let mut all = Vec::with_capacity(data.len() * self.outputs);
        for beat in self.eval_beats(data) {
            let mut table = Step::table(self.members);
            push(&mut table, &beat, 0, 0, &vec![[0.0; 3]; self.members]);
            self.executor.run(self.compiled.predict, &table)?;
            let output = self.executor.read(self.compiled.output, member * self.batch * stride, beat.rows * stride)?;
            output.chunks(stride).for_each(|row| all.extend_from_slice(&row[..self.outputs]));
        }
        Ok(all)
    }

    /// Runs the step again that went wrong, dispatch by dispatch, and says in which layer and quantity a value stopped being finite.
    /// The parameters are still those from before it: a step with such values is not applied.
    pub(crate) fn find_fault(&mut self, member: usize, beat: &Beat, number: usize, rates: &[[f32; 3]]) -> Result<String> {
        let Some(program) = self.compiled.train else { return Ok("unknown".into()) };
        let rows = beat.rows;
        let mut table = Step::table(self.members);
        push(&mut table, beat, 0, number, rates);
        for number in 0..self.compiled.plan.program(program).dispatches.len() {
            self.executor.run_one(program, number, &table)?;
            let dispatch = self.compiled.plan.program(program).dispatches[number].clone();
            for &buf in &dispatch.args {
                let buffer = self.compiled.plan.buffer(buf).clone();
                let of_all =
                    [Some(self.compiled.features), self.compiled.values, Some(self.compiled.weights), Some(self.compiled.class_weights)];
                let shared = of_all.contains(&Some(buf)) || self.compiled.plan.buffer(buf).name == "decays";
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
}

/// Puts a step into a table.
fn push(table: &mut Vec<u32>, beat: &Beat, slot: usize, number: usize, rates: &[[f32; 3]]) {
    let rates: Vec<Rate> = rates.iter().zip(&beat.totals).map(|(&[lr, c1, c2], &total)| [lr, c1, c2, total]).collect();
    let &Beat { rows, start, part, .. } = beat;
    Step::push(table, &Row { rows, start, slot, number: number as u32, part, rates: &rates });
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
    let classes = match table.targets() {
        Targets::Classes { names, .. } => Some(names.len()),
        // to predict only, but the plan has a place for the targets
        none if none.is_none() && setup.loss.takes() == Takes::Classes => Some(setup.model.outputs()),
        Targets::Values { .. } => None,
    };
    if !table.targets().is_none() {
        setup.loss.check(table.targets())?;
        let (data, model) = (setup.loss.outputs(classes, table.targets().outputs()), setup.model.outputs());
        if data != model {
            return Err(Error::input(format!("the target needs {data} outputs, the model has {model}: give its last layer {data}")));
        }
    }
    if setup.optimizer.is_some() && setup.model.has_batch_norm() && longest < 2 {
        return Err(Error::input("batch normalisation needs at least two rows to train on"));
    }
    let byte_scale = match table.features() {
        Features::Bytes { scale, .. } => Some(*scale),
        Features::F32(_) => None,
    };
    setup.model.compile(&Spec {
        optimizer: setup.optimizer,
        clip: setup.clip,
        members: setup.seeds.len(),
        data_rows: table.rows(),
        byte_scale,
        order: longest,
        classes,
        // cross-entropy weighs classes itself
        weighted: table.weights().is_some() || (setup.class_weights.is_some() && setup.loss.takes() != Takes::Classes),
        accumulate: setup.accumulate,
        sticky: setup.sticky,
        snapshot: setup.snapshot,
        looks: setup.looks,
        ..Spec::new(setup.model, setup.loss, setup.batch.min(longest))
    })
}

fn upload(executor: &mut dyn Executor, compiled: &Compiled, table: &Table, loss: &Loss) -> Result<()> {
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
    if let (Some(classes), Targets::Classes { of, .. }) = (compiled.classes, table.targets()) {
        executor.write_words(classes, 0, of)?;
    }
    // data without a target are to predict only
    match (compiled.values, loss.values(table.targets())) {
        (Some(values), Some(numbers)) if !table.targets().is_none() => executor.write(values, 0, &numbers),
        _ => Ok(()),
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
