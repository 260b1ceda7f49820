//! From a model, a loss, an optimizer and a batch to a plan: the buffers, and the programs train, eval and predict.

use super::arena::{self, Segment};
use super::features::{FeatureBuffers, Residence};
use super::graph::{Batch, Graph, LayerBuffers, Mode};
use super::memory::{Share, shares};
use super::slices::Room;
use super::{Model, Weights};
use crate::clip::Clip;
use crate::error::{Error, Result};
use crate::flow::{NUMBERS, bounds};
use crate::kernels::accumulate::{Accumulate, Average};
use crate::kernels::finish::{Finish, FinishScaled, SCALARS, SCALING, Tally};
use crate::kernels::flow::{self, FlowColumns};
use crate::kernels::metrics::{Confusion, Errors, Hits};
use crate::kernels::norm::{CHUNK, ClipValue, NormPartials};
use crate::loss::{Loss, LossBuffers, LossShape};
use crate::optim::{Decays, Optimizer};
use crate::plan::{Buf, Builder, Kind, Plan, Program, ProgramId, Role, Tensor, padded};
use crate::precision::{LossScale, Precision};

/// How many of the largest outputs count for the accuracy of several.
const TOP: u32 = 5;

/// What is to be compiled.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// The model.
    pub model: &'a Model,
    /// The loss.
    pub loss: &'a Loss,
    /// The optimizer; without one there is no program to train.
    pub optimizer: Option<&'a Optimizer>,
    /// Clipping.
    pub clip: Clip,
    /// Rows of a full batch.
    pub batch: usize,
    /// Models side by side.
    pub members: usize,
    /// Rows of the data set.
    pub data_rows: usize,
    /// What a byte is worth, when features are bytes.
    pub byte_scale: Option<f32>,
    /// Where the features are.
    pub residence: Residence,
    /// The most bytes that a buffer may have: features and arenas that are larger are cut.
    pub binding: u64,
    /// How many workgroups keep the device busy: the batch of a small layer is cut into parts for its weight gradient where it has fewer.
    pub workgroups: usize,
    /// Whether the products of a dense first layer look their rows up in the data, where these are in one buffer, and no batch is gathered.
    pub fused_gather: bool,
    /// Entries of the order, for one member.
    pub order: usize,
    /// Steps of an epoch of training, where some of them have fewer rows than a full batch has.
    pub steps: usize,
    /// How many classes there are, when the targets are classes.
    pub classes: Option<usize>,
    /// Whether rows have weights.
    pub weighted: bool,
    /// Whether gradients are added up over several steps.
    pub accumulate: bool,
    /// Whether a step with values that are not finite spoils all later ones.
    pub sticky: bool,
    /// Whether weights and all that goes with them can be kept and brought back.
    pub snapshot: bool,
    /// How often the flow of gradients is looked at in an epoch, at most.
    pub looks: usize,
    /// In which precision the products of a step of training are made.
    pub precision: Precision,
}

impl<'a> Spec<'a> {
    /// A plan for one model and a data set of one batch, without clipping, weights and accumulation.
    pub fn new(model: &'a Model, loss: &'a Loss, batch: usize) -> Self {
        Spec {
            model,
            loss,
            optimizer: None,
            clip: Clip::None,
            batch,
            members: 1,
            data_rows: batch,
            byte_scale: None,
            residence: Residence::Resident,
            binding: u64::MAX,
            workgroups: 1,
            fused_gather: false,
            order: batch,
            steps: 0,
            classes: None,
            weighted: false,
            accumulate: false,
            sticky: true,
            snapshot: false,
            looks: 0,
            precision: Precision::Full,
        }
    }

    /// Numbers of a row that the loss compares outputs with.
    fn columns(&self) -> usize {
        match self.loss.name() {
            "gaussian_nll" => self.model.outputs() / 2,
            _ => self.model.outputs(),
        }
    }
}

/// A plan, and what its buffers are.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// A step of training.
    pub train: Option<ProgramId>,
    /// A step of evaluation: loss and metrics, into the log.
    pub eval: ProgramId,
    /// A batch of predictions, into `output`.
    pub predict: ProgramId,
    /// For each of these programs the same over the other buffer of the ring, where features are streamed.
    pub turns: Vec<(ProgramId, ProgramId)>,
    /// Features `[n, padded width]`: the shards of resident ones, or the ring of streamed ones.
    pub features: Vec<Buf>,
    /// Where a row of the order is in a buffer of the ring `[members, order]`, where features are streamed.
    pub places: Option<Buf>,
    /// How many rows of each member a buffer of the ring holds, where features are streamed.
    pub chunk_rows: Option<usize>,
    /// The bytes of a row of features.
    pub row_bytes: usize,
    /// Targets as classes `[n]`.
    pub classes: Option<Buf>,
    /// Targets as numbers `[n, columns]`.
    pub values: Option<Buf>,
    /// What one of each target is worth in the metrics `[outputs]`, for a regression.
    pub units: Option<Buf>,
    /// Counts of who is taken for whom in evaluation `[members, classes, classes]`.
    pub confusion: Option<Buf>,
    /// The weights of rows `[n]`, where they have any.
    pub weights: Buf,
    /// The weights of classes.
    pub class_weights: Buf,
    /// Row numbers `[members, order]`.
    pub order: Buf,
    /// What dropout is drawn from, one word a member.
    pub seeds: Option<Buf>,
    /// The arena of parameters: for each segment a buffer `[members, its length]`, as for all arenas.
    pub params: Vec<Buf>,
    /// A snapshot of it: the best so far.
    pub best: Vec<Buf>,
    /// The moving average of the parameters; empty where none is kept.
    pub average: Vec<Buf>,
    /// Where the parameters are held while the average is judged in their place; empty where none is kept.
    pub held: Vec<Buf>,
    /// The arena of gradients, those of accumulated batches added up; empty in a plan that does not train.
    pub grads: Vec<Buf>,
    /// Where weight gradients are made of parts, the slices `[members, ..]` that these were added from.
    pub slices: Vec<Buf>,
    /// Which elements of a member's arena decay, 0 or 1; empty when none does.
    pub decays: Vec<Buf>,
    /// The arenas of the optimizer.
    pub states: Vec<Vec<Buf>>,
    /// Sums of each step `[slots, members, 4]`.
    pub log: Buf,
    /// For each member 0, or 1 + the slot of the first step with a value that was not finite.
    pub fault: Buf,
    /// The scale of the loss and what belongs to it `[members, 4]`, where it is scaled: see [`FinishScaled`].
    pub scaling: Option<Buf>,
    /// Predictions `[members, batch, padded outputs]`.
    pub output: Buf,
    /// The buffers whose rows are those of the batch.
    pub per_row: Vec<Buf>,
    /// What each dense layer leaves behind.
    pub layers: Vec<LayerBuffers>,
    /// A look at the flow of gradients after a step of training.
    pub look: Option<Look>,
    /// What is kept and brought back, each with its copy: parameters, states, average.
    pub snapshot: Vec<(Buf, Buf)>,
    /// The tensors of an arena.
    pub tensors: Vec<Tensor>,
    /// The length of a member's part of an arena.
    pub arena: usize,
    /// Where arenas are cut: a single segment where a binding holds them.
    pub segments: Vec<Segment>,
    /// What the plan's memory is for.
    pub shares: Vec<Share>,
    /// Rows of a full batch.
    pub batch: usize,
    /// Rows of the resident data set.
    pub data_rows: usize,
}

/// A look at the flow of gradients.
#[derive(Debug, Clone)]
pub struct Look {
    /// The program, to be run after a step, with that step's rows.
    pub program: ProgramId,
    /// Where the parameters from before the step are to be.
    pub before: Vec<Buf>,
    /// What it finds `[looks, members, layers, 8]`.
    pub flow: Buf,
}

impl Model {
    /// Compiles the model. Errors when a part of it is too large for any device; the message names the part and the number.
    pub fn compile(&self, spec: &Spec<'_>) -> Result<Compiled> {
        self.check()?;
        let &Spec { batch, members, data_rows, .. } = spec;
        if batch == 0 {
            return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, --set train.batch=64"));
        }
        let (tensors, arena) = self.tensors();
        let segments = Segment::cut(&tensors, arena, members, spec.binding)?;
        // an evaluation takes full batches, whatever an epoch of training takes
        let slots = spec.order.div_ceil(batch).max(spec.steps);
        let mut b = Builder::new(members, slots);
        let (width, outputs) = (padded(self.inputs()), self.outputs());

        let features = FeatureBuffers::add(&mut b, spec, width);
        let classes = spec.classes.map(|_| b.buffer("classes", Kind::U32, data_rows));
        let takes_numbers = spec.loss.formula().is_some() || spec.classes.is_none();
        let values = takes_numbers.then(|| b.buffer("targets", Kind::F32, data_rows * spec.columns()));
        let weights = b.buffer("weights of rows", Kind::F32, if spec.weighted { data_rows } else { 1 });
        let class_weights = b.buffer("weights of classes", Kind::F32, spec.classes.unwrap_or(1));
        let confusion = spec.classes.map(|k| b.buffer("confusion", Kind::U32, members * k * k));
        let order = b.buffer("order", Kind::U32, members * spec.order);
        let params = arena::add(&mut b, "params", &segments, members);
        let best = arena::add(&mut b, "best", &segments, members);
        let log = b.buffer("log", Kind::F32, slots * members * 4);
        let fault = b.buffer("fault", Kind::U32, members);
        let input = features.input(&mut b, spec, width, order);
        let row_loss = b.buffer("loss", Kind::F32, members * batch);
        let stats = b.buffer("stats", Kind::F32, members * batch * 4);
        let slope = b.buffer("slope of the loss", Kind::F32, members * batch * padded(outputs));

        let (rows, m) = (batch as u32, members as u32);
        let mixed = spec.precision == Precision::Mixed && spec.optimizer.is_some();
        let scaling = mixed.then(|| b.buffer("scale of the loss", Kind::F32, members * SCALING));
        let mut graph = Graph::new(&mut b, self, Batch { rows, members: m }, &segments, input, scaling);
        let shape = LossShape { rows, outputs: outputs as u32, order_stride: spec.order as u32, members: m, weighted: spec.weighted };
        let loss_of =
            |predictions: Buf| LossBuffers { predictions, classes, values, order, delta: slope, loss: row_loss, weights, class_weights };
        let output = graph.output(Mode::Eval);

        let predict = b.program("predict");
        features.gather(&mut b, spec, width, &input);
        graph.forward(&mut b, Mode::Eval, &params);

        let eval = b.program("eval");
        features.gather(&mut b, spec, width, &input);
        graph.forward(&mut b, Mode::Eval, &params);
        spec.loss.emit(&mut b, shape, &loss_of(output));
        let LossShape { order_stride, .. } = shape;
        let stride = padded(outputs) as u32;
        let mut units = None;
        match (classes, values) {
            (Some(classes), _) => {
                let hits = Hits { rows, outputs: outputs as u32, stride, order_stride, members: m, top: TOP };
                b.dispatch(&hits, &[output, classes, order, stats], "metrics");
                if let (Some(counts), Some(k)) = (confusion, spec.classes) {
                    let counting = Confusion { rows, outputs: outputs as u32, stride, order_stride, members: m, classes: k as u32 };
                    b.dispatch(&counting, &[output, classes, order, counts], "metrics");
                }
            }
            (None, Some(values)) => {
                let link = spec.loss.link().word();
                let errors = Errors { rows, outputs: spec.columns() as u32, stride, order_stride, members: m, link };
                let unit = b.buffer("units", Kind::F32, spec.columns());
                b.dispatch(&errors, &[output, values, order, stats, unit], "metrics");
                units = Some(unit);
            }
            (None, None) => {}
        }
        let tally = Tally { rows, partials: 0, members: m, max_norm: 0.0, sticky: 0 };
        b.dispatch(&tally, &[Plan::STEPS, row_loss, log, stats], "sums");

        let (mut train, mut grads, mut gradients, mut states) = (None, Vec::new(), Vec::new(), Vec::new());
        let (mut decaying, mut decays, mut average, mut slices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        if let Some(optimizer) = spec.optimizer {
            gradients = arena::add(&mut b, "grads", &segments, members);
            states = optimizer.info().states.iter().map(|name| arena::add(&mut b, name, &segments, members)).collect::<Vec<_>>();
            decaying = match optimizer.has_decay() {
                true => arena::add(&mut b, "decays", &segments, 1),
                false => vec![b.buffer("decays", Kind::F32, 1); segments.len()],
            };
            decays = if optimizer.has_decay() { decaying.clone() } else { Vec::new() };
            let count: usize = segments.iter().map(|segment| segment.len.div_ceil(CHUNK)).sum();
            let partials = b.buffer("partials", Kind::F32, members * count);
            let scalars = b.buffer("scalars", Kind::F32, members * SCALARS);

            train = Some(b.program(Program::TRAIN));
            features.gather(&mut b, spec, width, &input);
            graph.forward(&mut b, Mode::Train, &params);
            spec.loss.emit(&mut b, shape, &loss_of(graph.output(Mode::Train)));
            let room = Room { workgroups: spec.workgroups, binding: spec.binding };
            slices = graph.backward(&mut b, &params, &gradients, slope, room);
            let quarter = |segment: &Segment| segment.len as u32 / 4;
            grads = gradients.clone();
            if spec.accumulate {
                grads = arena::add(&mut b, "sum of grads", &segments, members);
                for (segment, (&part, &sum)) in segments.iter().zip(gradients.iter().zip(&grads)) {
                    let kernel = Accumulate { arena4: quarter(segment), members: m, decay: 0.0 };
                    b.dispatch(&kernel, &[part, sum], "accumulate");
                }
            }
            let mut first = 0;
            for (segment, &whole) in segments.iter().zip(&grads) {
                let (arena4, chunks, partials_of) = (quarter(segment), segment.len.div_ceil(CHUNK) as u32, count as u32);
                if let Some(limit) = spec.clip.value() {
                    let kernel = ClipValue { arena4, chunks, first, partials: partials_of, members: m, limit: limit as f32 };
                    b.dispatch(&kernel, &[whole], "clip");
                }
                let kernel = NormPartials { arena4, chunks, first, partials: partials_of, members: m, limit: 0.0 };
                b.dispatch(&kernel, &[whole, partials], "norm");
                first += chunks;
            }
            let max_norm = spec.clip.norm().map_or(0.0, |norm| norm as f32);
            let (partial_sums, sticky) = (count as u32, spec.sticky.into());
            let ends = [Plan::STEPS, row_loss, log, partials, scalars, fault];
            match scaling {
                None => b.dispatch(&Finish { rows, partials: partial_sums, members: m, max_norm, sticky }, &ends, "sums"),
                Some(scaling) => {
                    let LossScale { interval, floor, .. } = LossScale::default();
                    let finish = FinishScaled { rows, partials: partial_sums, members: m, max_norm, sticky, interval, floor };
                    b.dispatch(&finish, &[&ends[..], &[scaling]].concat(), "sums");
                }
            }
            for (n, segment) in segments.iter().enumerate() {
                let own = [scalars, grads[n], params[n], decaying[n]].into_iter().chain(states.iter().map(|state| state[n]));
                optimizer.emit(&mut b, quarter(segment), m, &own.collect::<Vec<_>>());
            }
            graph.track(&mut b, scalars, &params);
            if let Some(decay) = optimizer.averaging() {
                average = arena::add(&mut b, "average", &segments, members);
                for (segment, (&w, &moving)) in segments.iter().zip(params.iter().zip(&average)) {
                    let kernel = Average { arena4: quarter(segment), members: m, decay: decay as f32 };
                    b.dispatch(&kernel, &[scalars, w, moving], "average");
                }
            }
        }
        let (layers, mut per_row, seeds) = graph.into_parts();
        let look = (spec.looks > 0 && !grads.is_empty()).then(|| look(&mut b, spec, &layers, &segments, &params, &grads));
        let kept = if spec.snapshot {
            [&params].into_iter().chain(&states).chain(Some(&average)).flatten().copied().chain(scaling).collect()
        } else {
            Vec::new()
        };
        let snapshot: Vec<(Buf, Buf)> = kept.into_iter().map(|buf| (buf, b.copy_of(buf, "snapshot"))).collect();
        per_row.extend([row_loss, stats, slope]);
        let held = if average.is_empty() { Vec::new() } else { arena::add(&mut b, "held params", &segments, members) };
        let turns = features.turns(&mut b, &[Some(predict), Some(eval), train].into_iter().flatten().collect::<Vec<_>>());
        let plan = b.finish()?;
        let data = features.parts.iter().chain(&features.places).chain(&classes).chain(&values).chain(&units).chain([
            &weights,
            &class_weights,
            &order,
        ]);
        let copies = look.iter().flat_map(|look: &Look| &look.before).chain(snapshot.iter().map(|(_, copy)| copy));
        let shares = shares(
            &plan,
            &[
                ("data", data.copied().collect()),
                ("parameters", [&params, &average].into_iter().flatten().copied().collect()),
                ("copies of parameters", [&best, &held].into_iter().flatten().chain(copies).copied().collect()),
                ("gradients", gradients.iter().chain(&grads).chain(&slices).copied().collect()),
                ("optimizer", states.iter().flatten().chain(&decaying).copied().collect()),
                ("activations and errors", per_row.clone()),
            ],
        );
        Ok(Compiled {
            plan,
            train,
            eval,
            predict,
            turns,
            features: features.parts,
            places: features.places,
            chunk_rows: match spec.residence {
                Residence::Resident => None,
                Residence::Streamed { rows } => Some(rows),
            },
            row_bytes: width * if spec.byte_scale.is_some() { 1 } else { 4 },
            classes,
            values,
            units,
            confusion,
            weights,
            class_weights,
            order,
            seeds,
            params,
            best,
            held,
            average,
            grads,
            slices,
            decays,
            states,
            log,
            fault,
            scaling,
            output,
            per_row,
            layers,
            look,
            snapshot,
            tensors,
            arena,
            segments,
            shares,
            batch,
            data_rows,
        })
    }
}

/// The program that sums up what a step left in each dense layer's buffers.
fn look(b: &mut Builder, spec: &Spec<'_>, layers: &[LayerBuffers], segments: &[Segment], params: &[Buf], grads: &[Buf]) -> Look {
    let before = arena::add(b, "params before", segments, spec.members);
    let flow = b.buffer("flow", Kind::F32, spec.looks * spec.members * layers.len() * NUMBERS);
    let program = b.program("look");
    for (n, layer) in layers.iter().enumerate() {
        let (low, high) = bounds(&layer.activation).unwrap_or((f32::MIN, f32::MAX));
        let (width4, chunks) = (layer.width.div_ceil(4), layer.weight.stored().div_ceil(flow::CHUNK));
        let sums = FlowColumns {
            rows: spec.batch as u32,
            width: layer.width as u32,
            width4: width4 as u32,
            members: spec.members as u32,
            arena4: segments[layer.segment].len as u32 / 4,
            weight4: layer.weight.offset as u32 / 4,
            length4: layer.weight.stored() as u32 / 4,
            chunks: chunks as u32,
            layer: n as u32,
            layers: layers.len() as u32,
            low,
            high,
        };
        let columns = b.buffer("flow of columns", Kind::F32, spec.members * width4 * NUMBERS);
        let parts = b.buffer("flow of weights", Kind::F32, spec.members * chunks * 4);
        if let Some(delta) = layer.delta {
            b.dispatch(&sums, &[layer.output, delta, columns], &layer.label);
        }
        let weights = [grads[layer.segment], params[layer.segment], before[layer.segment], parts];
        b.dispatch(&sums.chunks(), &weights, &layer.label);
        b.dispatch(&sums.layer(), &[columns, parts, flow], &layer.label);
    }
    // every look has a table of its own, so that no cursor needs to move
    Look { program, before, flow }
}

impl Compiled {
    /// A program over buffer `slot` of the ring of features.
    pub fn turn(&self, program: ProgramId, slot: usize) -> ProgramId {
        self.turns.iter().find(|(first, _)| slot == 1 && *first == program).map_or(program, |&(_, second)| second)
    }

    /// Weights into a member's part of an arena.
    pub fn pack(&self, weights: &Weights) -> Vec<f32> {
        let mut arena = vec![0.0; self.arena];
        for tensor in &self.tensors {
            tensor.pack(weights.get(&tensor.name).expect("the weights were checked"), &mut arena);
        }
        arena
    }

    /// Weights out of a member's part of an arena.
    pub fn unpack(&self, arena: &[f32]) -> Weights {
        Weights::new(self.tensors.iter().map(|t| (t.name.clone(), t.shape.clone(), t.unpack(arena))).collect())
    }

    /// Which elements of an arena decay: 1 for those that do, 0 for the others.
    pub fn decaying(&self, which: Decays) -> Vec<f32> {
        let mut arena = vec![0.0; self.arena];
        for tensor in &self.tensors {
            let decays = matches!(tensor.role, Role::Weight | Role::Vectors) || (which == Decays::All && tensor.role.is_learned());
            if decays {
                tensor.pack(&vec![1.0; tensor.len()], &mut arena);
            }
        }
        arena
    }
}
