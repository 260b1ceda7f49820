//! A compiled model on a device, with its data: uploads, epochs, evaluation, prediction, snapshots.

use super::beats::{Beat, beats};
use super::report::StartTimes;
use super::stream::{self, Stream};
use super::{placement, weights};
use crate::clip::Clip;
use crate::data::{Dataset, Table, Targets};
use crate::error::Result;
use crate::exec::{Executor, OpenDevice, Record, Recorded, Work};
use crate::flow::{LayerFlow, NUMBERS};
use crate::kernel::{Rate, Row, Step};
use crate::loss::{Loss, Takes};
use crate::metrics::{Confusion, Scores, Sums, spread};
use crate::model::{Compiled, LayerBuffers, Look, Model, Weights};
use crate::optim::Optimizer;
use crate::plan::{Buf, Kind, ProgramId, Tensor, padded};
use crate::rng::{Purpose, Rng};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

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
    /// Whether the first step is waited for and timed.
    pub(crate) clocked: bool,
    /// Where to write down what the executor does.
    pub(crate) record: Option<&'a Record>,
}

/// A model on a device with a table of data.
pub(crate) struct Session {
    executor: Box<dyn Executor>,
    pub(crate) compiled: Compiled,
    /// Features that are not resident.
    stream: Option<Stream>,
    table: Arc<Table>,
    pub(crate) members: usize,
    batch: usize,
    order: usize,
    outputs: usize,
    /// What each row of the table weighs, its class's weight in it.
    row_weights: Option<Vec<f32>>,
    clocked: bool,
    /// When the executor was ready; taken by the first step.
    ready: Option<Instant>,
    /// What went before the first step was done.
    pub(crate) start: StartTimes,
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
        let began = Instant::now();
        let compiled = placement::compile(device, setup, table, longest)?;
        let planned = Instant::now();
        let mut executor = device.executor(compiled.plan.clone())?;
        let ready = Instant::now();
        let start = StartTimes {
            device: device.opened_in().as_secs_f64(),
            plan: (planned - began).as_secs_f64(),
            pipelines: (ready - planned).as_secs_f64(),
            ..StartTimes::default()
        };
        if let Some(record) = setup.record {
            record.host(Work::Plan, began, planned);
            record.host(Work::Pipelines, planned, ready);
            executor = Box::new(Recorded::new(executor, record.clone()));
        }
        stream::upload(&mut *executor, &compiled, table)?;
        if let (Some(classes), Targets::Classes { of, .. }) = (compiled.classes, table.targets()) {
            executor.write_words(classes, 0, of)?;
        }
        // data without a target are to predict only
        if let (Some(values), Some(numbers), false) = (compiled.values, setup.loss.values(table.targets()), table.targets().is_none()) {
            executor.write(values, 0, &numbers)?;
        }
        if let Some(units) = compiled.units {
            let ones = vec![1.0; compiled.plan.buffer(units).len];
            executor.write(units, 0, table.units().unwrap_or(&ones))?;
        }
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
        if let Some(optimizer) = setup.optimizer.filter(|_| !compiled.decays.is_empty()) {
            let decaying = compiled.decaying(optimizer.decaying());
            for (buf, at, of) in compiled.runs(&compiled.decays, 0) {
                executor.write(buf, at, &decaying[of])?;
            }
        }
        if let Some(seeds) = compiled.seeds {
            // one word of each seed's own stream
            let words: Vec<u32> = setup.seeds.iter().map(|&seed| Rng::new(seed, Purpose::Dropout, 0).below(1 << 32) as u32).collect();
            executor.write_words(seeds, 0, &words)?;
        }
        Ok(Session {
            executor,
            stream: Stream::new(&compiled, setup.seeds.len()),
            compiled,
            table: Arc::clone(table),
            members: setup.seeds.len(),
            batch: setup.batch.min(longest),
            order: longest,
            outputs: setup.model.outputs(),
            row_weights,
            clocked: setup.clocked,
            ready: Some(ready),
            start,
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
        let values = self.compiled.pack(weights);
        for arena in [&self.compiled.params, &self.compiled.average] {
            for (buf, at, of) in self.compiled.runs(arena, member) {
                self.executor.write(buf, at, &values[of])?;
            }
        }
        Ok(())
    }

    /// The arena whose weights are judged, kept and handed out: the moving average, where there is one.
    fn judged(&self) -> &[Buf] {
        if self.compiled.average.is_empty() { &self.compiled.params } else { &self.compiled.average }
    }

    /// A member's parameters, those that are judged.
    pub(crate) fn weights(&mut self, member: usize) -> Result<Weights> {
        let runs = self.compiled.runs(self.judged(), member);
        let arena = self.read_arena(runs)?;
        Ok(self.compiled.unpack(&arena))
    }

    fn read_arena(&mut self, runs: Vec<(Buf, usize, Range<usize>)>) -> Result<Vec<f32>> {
        let mut arena = Vec::with_capacity(self.compiled.arena);
        for (buf, at, of) in runs {
            arena.append(&mut self.executor.read(buf, at, of.len())?);
        }
        Ok(arena)
    }

    /// Sets the optimizer's states to zero and forgets faults.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for &buf in self.compiled.states.iter().flatten() {
            let len = self.compiled.plan.buffer(buf).len;
            self.executor.write(buf, 0, &vec![0.0; len])?;
        }
        self.forget_faults()
    }

    /// Forgets which steps had values that were not finite.
    pub(crate) fn forget_faults(&mut self) -> Result<()> {
        self.executor.write_words(self.compiled.fault, 0, &vec![0; self.members])
    }

    /// Copies whole arenas, all members'.
    fn copy_arena(&mut self, pairs: &[(Buf, Buf)]) -> Result<()> {
        pairs.iter().try_for_each(|&(from, to)| self.executor.copy(from, to, 0, self.compiled.plan.buffer(from).len))
    }

    /// Keeps weights, states and averages as they are now, on the device.
    pub(crate) fn keep_all(&mut self) -> Result<()> {
        self.copy_arena(&self.compiled.snapshot.clone())
    }

    /// Brings back what [`Session::keep_all`] kept.
    pub(crate) fn restore_all(&mut self) -> Result<()> {
        self.copy_arena(&self.compiled.snapshot.iter().map(|&(buf, copy)| (copy, buf)).collect::<Vec<_>>())?;
        self.forget_faults()
    }

    /// Keeps a member's parameters as the best so far.
    pub(crate) fn keep(&mut self, member: usize) -> Result<()> {
        let runs = self.compiled.runs(self.judged(), member);
        let to = &self.compiled.best;
        runs.into_iter().zip(to).try_for_each(|((from, at, of), &to)| self.executor.copy(from, to, at, of.len()))
    }

    /// Brings a member's best parameters back.
    pub(crate) fn restore(&mut self, member: usize) -> Result<()> {
        let runs = self.compiled.runs(self.judged(), member);
        let from = &self.compiled.best;
        runs.into_iter().zip(from).try_for_each(|((to, at, of), &from)| self.executor.copy(from, to, at, of.len()))
    }

    /// Uploads the orders of the members' rows, all at once, for steps that take them as `beats` say.
    pub(crate) fn set_orders(&mut self, orders: &[Vec<u32>], beats: &[Beat]) -> Result<()> {
        let mut all = Vec::with_capacity(orders.len() * self.order);
        for rows in orders {
            all.extend_from_slice(rows);
            all.resize(all.len() + self.order - rows.len(), 0);
        }
        self.executor.write_words(self.compiled.order, 0, &all)?;
        match (&mut self.stream, self.compiled.places) {
            (Some(stream), Some(places)) => self.executor.write_words(places, 0, &stream.set_orders(orders, beats, self.order)),
            _ => Ok(()),
        }
    }

    /// Sees to it that the features of the next steps are on the device: hands out the program that reads them there, and for how many of the steps
    /// they are enough.
    pub(crate) fn ready(&mut self, program: ProgramId, beats: &[Beat]) -> Result<(ProgramId, usize)> {
        match &mut self.stream {
            None => Ok((program, beats.len())),
            Some(stream) => {
                let (slot, steps) = stream.bring(beats, &mut *self.executor, &self.compiled, &self.table)?;
                Ok((self.compiled.turn(program, slot), steps))
            }
        }
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
        let mut alone = 0;
        if let Some(ready) = self.ready.take_if(|_| !beats.is_empty()) {
            self.start.upload = ready.elapsed().as_secs_f64();
            if self.clocked {
                let began = Instant::now();
                self.run_parts(program, &beats[..1], slot, first, &mut rates, &mut progress)?;
                self.executor.read(self.compiled.log, 0, 4)?;
                self.start.first_step = Some(began.elapsed().as_secs_f64());
                alone = 1;
            }
        }
        self.run_parts(program, &beats[alone..], slot + alone, first + alone, &mut rates, &mut progress)
    }

    fn run_parts(
        &mut self,
        program: ProgramId,
        beats: &[Beat],
        slot: usize,
        first: usize,
        rates: &mut impl FnMut(&Beat) -> Vec<[f32; 3]>,
        progress: &mut impl FnMut(usize),
    ) -> Result<()> {
        let capacity = self.compiled.plan.step_capacity.min(beats.len().div_ceil(PARTS).max(MIN_PART));
        let mut done = 0;
        while done < beats.len() {
            let (program, steps) = self.ready(program, &beats[done..])?;
            for part in beats[done..done + steps].chunks(capacity) {
                let mut table = Step::table(self.members);
                for (i, beat) in part.iter().enumerate() {
                    push(&mut table, beat, slot + done + i, first + done + i, &rates(beat));
                }
                self.executor.run(program, &table)?;
                done += part.len();
                progress(slot + done);
            }
        }
        Ok(())
    }

    /// Keeps the parameters for a look at what the next step does to them.
    pub(crate) fn before_look(&mut self) -> Result<()> {
        let Some(Look { before, .. }) = &self.compiled.look else { return Ok(()) };
        self.copy_arena(&zip(&self.compiled.params, before))
    }

    /// Looks at what the step before left in the buffers; look number `slot` of the epoch.
    pub(crate) fn look(&mut self, beat: &Beat, slot: usize) -> Result<()> {
        let Some(&Look { program, .. }) = self.compiled.look.as_ref() else { return Ok(()) };
        let mut table = Step::table(self.members);
        push(&mut table, beat, slot, 0, &vec![[0.0; 3]; self.members]);
        self.executor.run(program, &table)
    }

    /// What the looks of an epoch found, `[look][member]`; `rows` are those of each look's step.
    pub(crate) fn read_looks(&mut self, rows: &[usize]) -> Result<Vec<Vec<Vec<LayerFlow>>>> {
        let Some(&Look { flow, .. }) = self.compiled.look.as_ref() else { return Ok(Vec::new()) };
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
        let Compiled { params, average, held, .. } = &self.compiled;
        if average.is_empty() {
            return act(self);
        }
        let (hold, judge, bring_back) = (zip(params, held), zip(average, params), zip(held, params));
        self.copy_arena(&hold)?;
        self.copy_arena(&judge)?;
        let done = act(self);
        self.copy_arena(&bring_back)?;
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
                for (n, some) in all.chunks_mut(RANKED).enumerate() {
                    let first = n * RANKED;
                    let outputs = session.predict_params(first..first + some.len(), data)?;
                    some.iter_mut().zip(outputs).for_each(|(scores, outputs)| scores.rank(&outputs, names.len(), &of));
                }
            }
            Ok(all)
        })
    }

    fn evaluate_params(&mut self, data: &Dataset) -> Result<Vec<Scores>> {
        let beats = self.eval_beats(data);
        self.set_orders(&vec![data.rows().to_vec(); self.members], &beats)?;
        if let Some(confusion) = self.compiled.confusion {
            self.executor.write_words(confusion, 0, &vec![0; self.compiled.plan.buffer(confusion).len])?;
        }
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
                    let spread = spread(of, names.len(), data.rows(), self.table.units());
                    Scores::regression(loss, Sums { rows, outputs: names.len(), squares: sum(1), absolutes: sum(2), spread })
                }
            }
        };
        Ok((0..self.members).map(scores).collect())
    }

    /// The model's outputs for a resident view, row by row: logits, or numbers.
    pub(crate) fn predict(&mut self, member: usize, data: &Dataset) -> Result<Vec<f32>> {
        self.with_judged(|session| Ok(session.predict_params(member..member + 1, data)?.remove(0)))
    }

    /// The same for several members, out of the same dispatches.
    fn predict_params(&mut self, members: Range<usize>, data: &Dataset) -> Result<Vec<Vec<f32>>> {
        let beats = self.eval_beats(data);
        self.set_orders(&vec![data.rows().to_vec(); self.members], &beats)?;
        let stride = padded(self.outputs);
        let mut all = vec![Vec::with_capacity(data.len() * self.outputs); members.len()];
        for beat in &beats {
            let mut table = Step::table(self.members);
            push(&mut table, beat, 0, 0, &vec![[0.0; 3]; self.members]);
            let (program, _) = self.ready(self.compiled.predict, std::slice::from_ref(beat))?;
            self.executor.run(program, &table)?;
            for (member, all) in members.clone().zip(&mut all) {
                let output = self.executor.read(self.compiled.output, member * self.batch * stride, beat.rows * stride)?;
                output.chunks(stride).for_each(|row| all.extend_from_slice(&row[..self.outputs]));
            }
        }
        Ok(all)
    }

    /// Runs the step again that went wrong, dispatch by dispatch, and says in which layer and quantity a value stopped being finite.
    /// The parameters are still those from before it: a step with such values is not applied.
    pub(crate) fn find_fault(&mut self, member: usize, beat: &Beat, number: usize, rates: &[[f32; 3]]) -> Result<String> {
        let Some(program) = self.compiled.train else { return Ok("unknown".into()) };
        let (program, _) = self.ready(program, std::slice::from_ref(beat))?;
        let rows = beat.rows;
        let mut table = Step::table(self.members);
        push(&mut table, beat, 0, number, rates);
        for number in 0..self.compiled.plan.program(program).dispatches.len() {
            self.executor.run_one(program, number, &table)?;
            let dispatch = self.compiled.plan.program(program).dispatches[number].clone();
            for &buf in &dispatch.args {
                let buffer = self.compiled.plan.buffer(buf).clone();
                let of_all = [self.compiled.values, Some(self.compiled.weights), Some(self.compiled.class_weights)];
                let shared = of_all.contains(&Some(buf))
                    || self.compiled.features.contains(&buf)
                    || self.compiled.plan.buffer(buf).name.starts_with("decays");
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
        let arena = self.read_arena(self.compiled.runs(&self.compiled.grads, member))?;
        let size = |tensor: &Tensor| tensor.unpack(&arena).iter().map(|g| g.abs()).filter(|g| g.is_finite()).fold(0.0, f32::max);
        let largest = self.compiled.tensors.iter().map(|tensor| (size(tensor), &tensor.name)).max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(largest.map(|(size, name)| format!(" (the largest gradient is {size:.1e}, in `{name}`)")).unwrap_or_default())
    }

    /// Gives up the executor and what was compiled for it.
    pub(crate) fn into_parts(self) -> (Box<dyn Executor>, Compiled) {
        (self.executor, self.compiled)
    }
}

/// The buffers of two arenas, one with the other.
fn zip(from: &[Buf], to: &[Buf]) -> Vec<(Buf, Buf)> {
    from.iter().copied().zip(to.iter().copied()).collect()
}

/// Puts a step into a table.
fn push(table: &mut Vec<u32>, beat: &Beat, slot: usize, number: usize, rates: &[[f32; 3]]) {
    let rates: Vec<Rate> = rates.iter().zip(&beat.totals).map(|(&[lr, c1, c2], &total)| [lr, c1, c2, total]).collect();
    let &Beat { rows, start, part, .. } = beat;
    Step::push(table, &Row { rows, start, slot, number: number as u32, part, rates: &rates });
}

/// So many members' outputs are ranked at a time: they are held on the host.
const RANKED: usize = 64;
const REMEDY: &str = "lower the learning rate, clip the norm ([clip] norm = 1.0) or scale the data";

/// Into how many parts an epoch is cut at most, so that its progress can be told, and the fewest steps of a part.
const PARTS: usize = 20;
const MIN_PART: usize = 64;
