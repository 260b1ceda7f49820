//! A compiled model on a device, with its data: uploads, the steps of epochs, and what they leave. What it is judged by is in `judge`, what is kept of it
//! in `state`.

use super::beats::Beat;
use super::report::StartTimes;
use super::stream::{self, Stream};
use super::{placement, weights};
use crate::clip::Clip;
use crate::data::{Dataset, Table, Targets};
use crate::error::Result;
use crate::exec::{Executor, OpenDevice, Record, Recorded, WHOLE_STEPS, Work};
use crate::flow::{LayerFlow, NUMBERS};
use crate::kernel::{Rate, Row, Step};
use crate::loss::{Loss, Takes};
use crate::model::{Compiled, LayerBuffers, Look, Model};
use crate::optim::Optimizer;
use crate::parity::{Wrong, try_variants};
use crate::plan::{Buf, ProgramId};
use crate::precision::Precision;
use crate::rng::{Purpose, Rng};
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
    /// Steps of an epoch of training; 0 where nothing is trained.
    pub(crate) steps: usize,
    pub(crate) seeds: Vec<u64>,
    /// The weights of the classes, resolved.
    pub(crate) class_weights: Option<Vec<f32>>,
    pub(crate) accumulate: bool,
    pub(crate) sticky: bool,
    pub(crate) snapshot: bool,
    pub(crate) looks: usize,
    pub(crate) precision: Precision,
    /// Whether the first step is waited for and timed.
    pub(crate) clocked: bool,
    /// Where to write down what the executor does.
    pub(crate) record: Option<&'a Record>,
}

/// A model on a device with a table of data.
pub(crate) struct Session {
    pub(super) executor: Box<dyn Executor>,
    pub(crate) compiled: Compiled,
    /// Features that are not resident.
    pub(super) stream: Option<Stream>,
    pub(super) table: Arc<Table>,
    pub(crate) members: usize,
    pub(super) batch: usize,
    pub(super) order: usize,
    pub(super) outputs: usize,
    /// What each row of the table weighs, its class's weight in it.
    pub(super) row_weights: Option<Vec<f32>>,
    pub(super) clocked: bool,
    /// When the executor was ready; taken by the first step.
    pub(super) ready: Option<Instant>,
    /// What went before the first step was done.
    pub(crate) start: StartTimes,
    /// What the device got wrong when it was tried for this session, and was not told yet.
    pub(super) wrong: Vec<Wrong>,
}

/// What an epoch left in the log, for each step and member.
pub(crate) struct EpochLog {
    /// `[step][member]`.
    pub(crate) steps: Vec<Vec<Logged>>,
    /// For each member, the step (from 0) whose values were not finite.
    pub(crate) faults: Vec<Option<usize>>,
    /// For each member the scale of the loss after the epoch; empty where it is not scaled.
    pub(crate) scales: Vec<f32>,
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
        let wrong = try_variants(device, &compiled.plan)?;
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
            wrong,
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
                if let Some(what) = self.executor.try_whole(program, &table)? {
                    self.wrong.push(Wrong { entry: WHOLE_STEPS, what });
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
        let faults = self.faults()?;
        let logged = |sums: &[f32]| Logged { loss: sums[0], norm: sums[1], sound: sums[2] != 0.0, applied: sums[3] != 0.0 };
        let steps = log.chunks(4 * self.members).map(|step| step.chunks(4).map(logged).collect()).collect();
        let scales = match self.compiled.scaling {
            Some(scaling) => {
                let all = self.executor.read(scaling, 0, self.compiled.plan.buffer(scaling).len)?;
                all.chunks(all.len() / self.members).map(|own| own[0]).collect()
            }
            None => Vec::new(),
        };
        Ok(EpochLog { scales, steps, faults: faults.iter().map(|&fault| (fault > 0).then(|| fault as usize - 1)).collect() })
    }

    /// Gives up the executor and what was compiled for it.
    pub(crate) fn into_parts(self) -> (Box<dyn Executor>, Compiled) {
        (self.executor, self.compiled)
    }
}

/// The buffers of two arenas, one with the other.
pub(super) fn zip(from: &[Buf], to: &[Buf]) -> Vec<(Buf, Buf)> {
    from.iter().copied().zip(to.iter().copied()).collect()
}

/// Puts a step into a table.
pub(super) fn push(table: &mut Vec<u32>, beat: &Beat, slot: usize, number: usize, rates: &[[f32; 3]]) {
    let rates: Vec<Rate> = rates.iter().zip(&beat.totals).map(|(&[lr, c1, c2], &total)| [lr, c1, c2, total]).collect();
    let &Beat { rows, start, part, .. } = beat;
    Step::push(table, &Row { rows, start, slot, number: number as u32, part, rates: &rates });
}

/// Into how many parts an epoch is cut at most, so that its progress can be told, and the fewest steps of a part.
const PARTS: usize = 20;
const MIN_PART: usize = 64;
