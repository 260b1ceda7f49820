//! From a model, a loss, an optimizer and a batch to a plan: the buffers, and the programs train, eval and predict.

use super::dense::DenseBlock;
use super::{Layer, Model, Weights};
use crate::clip::Clip;
use crate::error::{Error, Result};
use crate::kernels::activation::{Activate, ActivateSlope, Activation};
use crate::kernels::finish::{Finish, SCALARS, Tally};
use crate::kernels::gather::{Gather, GatherBytes};
use crate::kernels::metrics::{Errors, Hits};
use crate::kernels::norm::{CHUNK, ClipValue, NormPartials};
use crate::loss::{Loss, LossBuffers, LossShape};
use crate::optim::Optimizer;
use crate::plan::{Buf, Builder, Kind, Plan, ProgramId, Tensor, padded};

/// What is to be compiled.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// The model.
    pub model: &'a Model,
    /// The loss.
    pub loss: Loss,
    /// The optimizer; without one there is no program to train.
    pub optimizer: Option<&'a Optimizer>,
    /// Clipping.
    pub clip: Clip,
    /// Rows of a full batch.
    pub batch: usize,
    /// Models side by side.
    pub members: usize,
    /// Rows of the resident data set.
    pub data_rows: usize,
    /// What a byte is worth, when features are resident as bytes.
    pub byte_scale: Option<f32>,
    /// Entries of the order, for one member.
    pub order: usize,
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
    /// Features `[n, padded width]`.
    pub features: Buf,
    /// Targets: classes `[n]` or values `[n, k]`.
    pub targets: Buf,
    /// Row numbers `[members, order]`.
    pub order: Buf,
    /// The arena of parameters `[members, arena]`.
    pub params: Buf,
    /// A snapshot of it: the best so far.
    pub best: Buf,
    /// The arena of gradients.
    pub grads: Option<Buf>,
    /// The arenas of the optimizer.
    pub states: Vec<Buf>,
    /// Sums of each step `[slots, members, 4]`.
    pub log: Buf,
    /// For each member 0, or 1 + the slot of the first step with a value that was not finite.
    pub fault: Buf,
    /// Predictions `[members, batch, padded outputs]`.
    pub output: Buf,
    /// The buffers whose rows are those of the batch.
    pub per_row: Vec<Buf>,
    /// The tensors of an arena.
    pub tensors: Vec<Tensor>,
    /// The length of a member's part of an arena.
    pub arena: usize,
}

/// What one or two layers become: an activation right behind a dense layer is part of its dispatch.
enum Block {
    Dense(DenseBlock),
    Activation(Activation),
}

struct Placed {
    block: Block,
    label: String,
    width: usize,
    output: Buf,
    delta: Option<Buf>,
}

impl Model {
    /// Compiles the model. Errors when a part of it is too large for any device; the message names the part and the number.
    pub fn compile(&self, spec: &Spec<'_>) -> Result<Compiled> {
        self.check()?;
        let &Spec { batch, members, .. } = spec;
        if batch == 0 {
            return Err(Error::input("batch must be at least 1 (got 0): set [train] batch, --set train.batch=64"));
        }
        let (tensors, arena) = self.tensors();
        let slots = spec.order.div_ceil(batch);
        let mut b = Builder::new(members, slots);
        let width = padded(self.inputs());

        let (feature_kind, feature_len) = match spec.byte_scale {
            Some(_) => (Kind::U32, spec.data_rows * width / 4),
            None => (Kind::F32, spec.data_rows * width),
        };
        let features = b.buffer("features", feature_kind, feature_len);
        let classes = spec.loss == Loss::CrossEntropy;
        let outputs = self.outputs();
        let targets = match classes {
            true => b.buffer("targets", Kind::U32, spec.data_rows),
            false => b.buffer("targets", Kind::F32, spec.data_rows * outputs),
        };
        let order = b.buffer("order", Kind::U32, members * spec.order);
        let params = b.buffer("params", Kind::F32, members * arena);
        let best = b.buffer("best", Kind::F32, members * arena);
        let log = b.buffer("log", Kind::F32, slots * members * 4);
        let fault = b.buffer("fault", Kind::U32, members);
        let input = b.buffer("batch", Kind::F32, members * batch * width);
        let row_loss = b.buffer("loss", Kind::F32, members * batch);
        let stats = b.buffer("stats", Kind::F32, members * batch * 4);

        let blocks = self.place(&mut b, spec, &tensors, arena);
        let output = blocks.last().map_or(input, |p| p.output);
        let slope = b.buffer("slope of the loss", Kind::F32, members * batch * padded(outputs));

        let shape = LossShape { rows: batch as u32, outputs: outputs as u32, order_stride: spec.order as u32, members: members as u32 };
        let loss_buffers = LossBuffers { predictions: output, targets, order, delta: slope, loss: row_loss };

        let predict = b.program("predict");
        gather(&mut b, spec, width, [features, order, input]);
        forward(&mut b, &blocks, spec, input, params);
        let shared = b.dispatches_since(0);

        let eval = b.program("eval");
        b.extend(shared.clone());
        spec.loss.emit(&mut b, shape, &loss_buffers);
        let LossShape { rows, outputs: k, order_stride, members: m } = shape;
        let stride = padded(outputs) as u32;
        match classes {
            true => b.dispatch(&Hits { rows, outputs: k, stride, order_stride, members: m }, &[output, targets, order, stats], "metrics"),
            false => {
                b.dispatch(&Errors { rows, outputs: k, stride, order_stride, members: m }, &[output, targets, order, stats], "metrics")
            }
        }
        b.dispatch(&Tally { rows, partials: 0, members: m, max_norm: 0.0 }, &[Plan::STEPS, row_loss, log, stats], "sums");

        let mut per_row = vec![input, row_loss, stats, slope];
        per_row.extend(blocks.iter().flat_map(|placed| [Some(placed.output), placed.delta]).flatten());
        let (mut train, mut grads, mut states) = (None, None, Vec::new());
        if let Some(optimizer) = spec.optimizer {
            let rule = optimizer.rule();
            let gradients = b.buffer("grads", Kind::F32, members * arena);
            grads = Some(gradients);
            states = rule.states().iter().map(|name| b.buffer(*name, Kind::F32, members * arena)).collect();
            let count = arena.div_ceil(CHUNK);
            let partials = b.buffer("partials", Kind::F32, members * count);
            let scalars = b.buffer("scalars", Kind::F32, members * SCALARS);

            train = Some(b.program("train"));
            b.extend(shared);
            spec.loss.emit(&mut b, shape, &loss_buffers);
            per_row.extend(backward(&mut b, &blocks, spec, input, params, gradients, slope));
            let arena4 = arena as u32 / 4;
            if let Some(limit) = spec.clip.value() {
                b.dispatch(&ClipValue { arena4, partials: 0, members: m, limit: limit as f32 }, &[gradients], "clip");
            }
            b.dispatch(&NormPartials { arena4, partials: count as u32, members: m, limit: 0.0 }, &[gradients, partials], "norm");
            let max_norm = spec.clip.norm().map_or(0.0, |norm| norm as f32);
            let finish = Finish { rows, partials: count as u32, members: m, max_norm };
            b.dispatch(&finish, &[Plan::STEPS, row_loss, log, partials, scalars, fault], "sums");
            let args: Vec<Buf> = [scalars, gradients, params].into_iter().chain(states.iter().copied()).collect();
            rule.update(&mut b, arena4, m, &args);
        }
        let plan = b.finish()?;
        Ok(Compiled {
            plan,
            train,
            eval,
            predict,
            features,
            targets,
            order,
            params,
            best,
            grads,
            states,
            log,
            fault,
            output,
            per_row,
            tensors,
            arena,
        })
    }

    /// Fuses activations into the dense layers before them and gives each block its buffers.
    fn place(&self, b: &mut Builder, spec: &Spec<'_>, tensors: &[Tensor], arena: usize) -> Vec<Placed> {
        let (mut placed, mut tensors, mut width) = (Vec::<Placed>::new(), tensors.iter(), self.inputs());
        for (n, layer) in self.layers().iter().enumerate() {
            let (block, label) = match *layer {
                Layer::Activation(Activation::IDENTITY) => continue,
                Layer::Activation(activation) => {
                    if let Some(Placed { block: Block::Dense(dense), .. }) = placed.last_mut()
                        && dense.activation == Activation::IDENTITY
                        && matches!(self.layers()[n - 1], Layer::Dense { .. })
                    {
                        dense.activation = activation;
                        continue;
                    }
                    (Block::Activation(activation), format!("layer {n} ({})", activation.name()))
                }
                Layer::Dense { outputs, bias, .. } => {
                    let label = format!("layer {n} (dense {width}→{outputs})");
                    width = outputs;
                    let weight = tensors.next().expect("a dense layer has a weight").clone();
                    let bias = bias.then(|| tensors.next().expect("this layer has a bias").clone());
                    let (rows, members) = (spec.batch, spec.members);
                    (Block::Dense(DenseBlock { rows, members, arena, weight, bias, activation: Activation::IDENTITY }), label)
                }
            };
            let len = spec.members * spec.batch * padded(width);
            let output = b.buffer(format!("output of {label}"), Kind::F32, len);
            let delta = spec.optimizer.map(|_| b.buffer(format!("error of {label}"), Kind::F32, len));
            placed.push(Placed { block, label, width, output, delta });
        }
        placed
    }
}

fn gather(b: &mut Builder, spec: &Spec<'_>, width: usize, args: [Buf; 3]) {
    let (width4, rows, order_stride, members) = (width as u32 / 4, spec.batch as u32, spec.order as u32, spec.members as u32);
    match spec.byte_scale {
        Some(scale) => b.dispatch(&GatherBytes { width4, rows, order_stride, members, scale }, &args, "batch"),
        None => b.dispatch(&Gather { width4, rows, order_stride, members, scale: 1.0 }, &args, "batch"),
    }
}

fn forward(b: &mut Builder, blocks: &[Placed], spec: &Spec<'_>, input: Buf, params: Buf) {
    let mut x = input;
    for Placed { block, label, width, output, .. } in blocks {
        match block {
            Block::Dense(dense) => dense.forward(b, [x, params, *output], label),
            Block::Activation(activation) => {
                let (kind, parameter) = activation.uniform();
                let (rows, width4, members) = (spec.batch as u32, width.div_ceil(4) as u32, spec.members as u32);
                b.dispatch(&Activate { rows, width: *width as u32, width4, members, kind, parameter }, &[x, *output], label);
            }
        }
        x = *output;
    }
}

/// From the slope of the loss back to the first layer. A block's `delta` is the error before its activation (for a dense layer) or
/// before it altogether. Hands out the buffers that it added.
fn backward(b: &mut Builder, blocks: &[Placed], spec: &Spec<'_>, input: Buf, params: Buf, grads: Buf, slope: Buf) -> Vec<Buf> {
    let multiply = |b: &mut Builder, activation: Activation, placed: &Placed, g: Buf, delta: Buf| {
        let (kind, parameter) = activation.uniform();
        let (rows, width4, members) = (spec.batch as u32, placed.width.div_ceil(4) as u32, spec.members as u32);
        let kernel = ActivateSlope { rows, width: placed.width as u32, width4, members, kind, parameter };
        b.dispatch(&kernel, &[g, placed.output, delta], &placed.label);
    };
    let mut added = Vec::new();
    // `g`: the error behind block n, its own activation's slope not yet in it
    let mut g = slope;
    // whether the dispatch that made `g` has multiplied that slope in already
    let mut done = false;
    for (n, placed) in blocks.iter().enumerate().rev() {
        let own = placed.delta.expect("a plan that trains has errors");
        let x = if n == 0 { input } else { blocks[n - 1].output };
        match &placed.block {
            Block::Activation(activation) => {
                multiply(b, *activation, placed, g, own);
                (g, done) = (own, false);
            }
            Block::Dense(dense) => {
                let mut delta = g;
                if !done && dense.activation != Activation::IDENTITY {
                    multiply(b, dense.activation, placed, g, own);
                    delta = own;
                }
                dense.gradient(b, [delta, x, grads], &placed.label);
                if n > 0 {
                    let before = &blocks[n - 1];
                    let (activation, fused) = match &before.block {
                        Block::Dense(dense) => (dense.activation, true),
                        Block::Activation(_) => (Activation::IDENTITY, false),
                    };
                    // the error of the block before goes to its own buffer when its slope is in it, else to a buffer of its own kind
                    let to = if fused { before.delta } else { None };
                    let to = to.unwrap_or_else(|| {
                        let len = spec.members * spec.batch * padded(before.width);
                        added.push(b.buffer(format!("error behind {}", before.label), Kind::F32, len));
                        added[added.len() - 1]
                    });
                    dense.delta(b, activation, [delta, params, x, to], &placed.label);
                    (g, done) = (to, fused);
                }
            }
        }
    }
    added
}

impl Compiled {
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
}
