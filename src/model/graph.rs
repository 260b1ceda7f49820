//! The model as a graph of operations over the buffers of a batch: built from layers, then walked forward, and backward for the errors.
//!
//! Every operation reads values and makes one. Backward, every value has at most one error, in a buffer of its own: where two operations
//! read a value, their errors are added into a third buffer, so that nothing is ever written twice.

use super::arena::{Segment, home};
use super::dense::{Dense, Halves};
use super::embed::Embed;
use super::features::{Data, Input};
use super::norm::{BatchNorm, LayerNorm};
use super::slices::{self, Room};
use super::{Layer, Model};
use crate::formula::{Pointwise, SlopeOf};
use crate::kernels::activation::{Activate, ActivateSlope, Activation};
use crate::kernels::add::Add;
use crate::kernels::dropout::Dropout;
use crate::kernels::softmax::{Softmax, SoftmaxSlope};
use crate::plan::{Buf, Builder, Kind, Tensor, padded};
use std::sync::Arc;

/// What all operations have in their uniforms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) rows: u32,
    pub(super) members: u32,
}

/// The same, and the length of a member's part of the segment that an operation's tensors are in, in groups of four.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: u32,
    pub(super) members: u32,
    pub(super) arena4: u32,
}

/// Whether dropout drops, and batches have statistics of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Train,
    Eval,
}

/// What an operation is.
#[derive(Debug)]
enum Op {
    Dense(Dense),
    Embed(Box<Embed>),
    Activation {
        kind: u32,
        slope_of: SlopeOf,
    },
    Softmax,
    BatchNorm(Box<BatchNorm>),
    LayerNorm(Box<LayerNorm>),
    Dropout {
        layer: u32,
        rate: f64,
    },
    /// Of two values.
    Add,
}

#[derive(Debug)]
struct Node {
    op: Op,
    label: String,
    inputs: Vec<usize>,
    output: usize,
}

/// What an operation makes, `[members, rows, padded width]`.
#[derive(Debug)]
struct Value {
    width: usize,
    buf: Buf,
    /// The operation that makes it; none for the batch itself.
    maker: Option<usize>,
    /// How many operations read it.
    readers: usize,
    /// Whether something before it is learned.
    learned: bool,
}

/// What a layer with weights leaves in buffers after a step of training: what the flow of gradients is read from.
#[derive(Debug, Clone)]
pub struct LayerBuffers {
    /// "layer 0 (dense 64→256)".
    pub label: String,
    /// The segment of the arenas that its weight is in.
    pub segment: usize,
    /// Its weight, as it lies in there.
    pub weight: Tensor,
    /// How many outputs it has.
    pub width: usize,
    /// Its output behind the activation `[members, rows, padded width]`.
    pub output: Buf,
    /// The activation's name.
    pub activation: String,
    /// The error δ before the activation, likewise; none in a plan that does not train.
    pub delta: Option<Buf>,
}

/// The graph of a model.
pub(super) struct Graph {
    batch: Batch,
    segments: Vec<Segment>,
    /// The data that the first layer's rows are looked up in, if there is no batch.
    data: Option<Data>,
    nodes: Vec<Node>,
    values: Vec<Value>,
    tensors: Vec<Tensor>,
    seeds: Option<Buf>,
    /// Buffers whose rows are those of the batch.
    per_row: Vec<Buf>,
    layers: Vec<LayerBuffers>,
    /// For each of `layers`: the node, and the value behind its activation.
    flow: Vec<(usize, usize)>,
    output: usize,
    draws: u32,
    /// Where products are of halves while the model trains.
    halves: Halves,
}

/// An error on its way back: its buffer, and whether the slope of the activation that made the value is in it already.
#[derive(Debug, Clone, Copy)]
struct Incoming {
    buf: Buf,
    done: bool,
}

impl Graph {
    /// The graph of a model over its input.
    pub(super) fn new(b: &mut Builder, model: &Model, batch: Batch, segments: &[Segment], input: Input, halves: Halves) -> Self {
        let (buf, per_row, data) = match input {
            Input::Batch { batch, .. } => (batch, vec![batch], None),
            Input::Data(data) => (data.features, Vec::new(), Some(data)),
        };
        let value = Value { width: model.inputs(), buf, maker: None, readers: 0, learned: false };
        let mut graph = Graph {
            batch,
            segments: segments.to_vec(),
            data,
            nodes: Vec::new(),
            values: vec![value],
            tensors: model.tensors().0,
            seeds: None,
            per_row,
            layers: Vec::new(),
            flow: Vec::new(),
            output: 0,
            draws: 0,
            halves,
        };
        graph.output = graph.layers(b, model.layers(), "", "", 0);
        graph.values[graph.output].readers += 1;
        graph
    }

    /// The segment that a tensor is in, and the tensor as it lies in there.
    fn tensor(&self, name: String) -> Option<(usize, Tensor)> {
        Some(home(&self.segments, self.tensors.iter().find(|tensor| tensor.name == name)?))
    }

    /// The segment that the tensors of a layer of this name are in, which has a weight.
    fn segment(&self, name: &str) -> usize {
        self.tensor(format!("{name}.weight")).expect("the model has this tensor").0
    }

    /// What all dispatches over the tensors of a segment have in their uniforms.
    fn shape(&self, segment: usize) -> Shape {
        let Batch { rows, members } = self.batch;
        Shape { rows, members, arena4: self.segments[segment].len as u32 / 4 }
    }

    fn row_buffer(&mut self, b: &mut Builder, name: String, width: usize) -> Buf {
        let buf = b.buffer(name, Kind::F32, self.batch.members as usize * self.batch.rows as usize * padded(width));
        self.per_row.push(buf);
        buf
    }

    /// Adds an operation; hands out its value.
    fn node(&mut self, b: &mut Builder, op: Op, label: String, inputs: &[usize], width: usize) -> usize {
        let learns = matches!(op, Op::Dense(_) | Op::Embed(_) | Op::BatchNorm(_) | Op::LayerNorm(_));
        let learned = learns || inputs.iter().any(|&v| self.values[v].learned);
        inputs.iter().for_each(|&v| self.values[v].readers += 1);
        let buf = self.row_buffer(b, format!("output of {label}"), width);
        self.values.push(Value { width, buf, maker: Some(self.nodes.len()), readers: 0, learned });
        let output = self.values.len() - 1;
        self.nodes.push(Node { op, label, inputs: inputs.to_vec(), output });
        output
    }

    /// Adds layers behind value `x`. `names` is what the names of their tensors begin with, `places` what their places in messages do.
    fn layers(&mut self, b: &mut Builder, layers: &[Layer], names: &str, places: &str, mut x: usize) -> usize {
        let mut index = 0;
        let mut fused = false;
        for (n, layer) in layers.iter().enumerate() {
            let (name, width) = (format!("{names}{index}"), self.values[x].width);
            index += layer.index_step();
            let label = format!("layer {places}{n} ({})", layer.name());
            if std::mem::take(&mut fused) {
                continue;
            }
            x = match layer {
                Layer::Activation(activation) if activation.is_identity() => x,
                Layer::Activation(activation) => self.activation(b, activation, label, x),
                Layer::Dense { outputs, .. } => {
                    let next = match layers.get(n + 1) {
                        Some(Layer::Activation(activation)) if !activation.is_identity() => Some(activation),
                        _ => None,
                    };
                    // an activation whose slope is a function of its output is part of the dispatch
                    let own = next.filter(|activation| activation.formula().slope_of() == SlopeOf::Output);
                    fused = own.is_some();
                    let kind = b.activation(own.map(Activation::formula));
                    let label = format!("layer {places}{n} (dense {width}→{outputs})");
                    let dense = self.dense(&name, kind, x);
                    let output = self.node(b, Op::Dense(dense), label, &[x], *outputs);
                    self.note(output, next.map_or("identity", Activation::name));
                    output
                }
                Layer::Embedding { codes } => {
                    let find = |table| self.tensor(format!("{name}.{table}.weight")).expect("the model has this tensor");
                    let (segments, tensors): (Vec<usize>, Vec<Tensor>) = (0..codes.len()).map(find).unzip();
                    let embed = Embed::new(b, segments[0], width, codes, &tensors, &label);
                    self.node(b, Op::Embed(Box::new(embed)), label, &[x], layer.width_behind(width))
                }
                Layer::Softmax => self.node(b, Op::Softmax, label, &[x], width),
                Layer::BatchNorm { epsilon, momentum } => {
                    let own = |what: &str| self.tensor(format!("{name}.{what}")).expect("the model has this tensor").1;
                    let norm = BatchNorm {
                        segment: self.segment(&name),
                        epsilon: *epsilon as f32,
                        momentum: *momentum as f32,
                        width: width as u32,
                        scale: own("weight"),
                        shift: own("bias"),
                        mean: own("running_mean"),
                        variance: own("running_var"),
                        count: own("num_batches_tracked"),
                        stats: b.buffer(format!("statistics of {label}"), Kind::F32, self.batch.members as usize * 3 * padded(width)),
                    };
                    self.node(b, Op::BatchNorm(Box::new(norm)), label, &[x], width)
                }
                Layer::LayerNorm { epsilon } => {
                    let own = |what: &str| self.tensor(format!("{name}.{what}")).expect("the model has this tensor").1;
                    let (scale, shift) = (own("weight"), own("bias"));
                    let len = self.batch.members as usize * self.batch.rows as usize * 2;
                    let stats = b.buffer(format!("statistics of {label}"), Kind::F32, len);
                    self.per_row.push(stats);
                    let norm =
                        LayerNorm { segment: self.segment(&name), epsilon: *epsilon as f32, width: width as u32, scale, shift, stats };
                    self.node(b, Op::LayerNorm(Box::new(norm)), label, &[x], width)
                }
                Layer::Dropout { rate } => {
                    let members = self.batch.members as usize;
                    self.seeds.get_or_insert_with(|| b.buffer("seeds", Kind::U32, members));
                    self.draws += 1;
                    let op = Op::Dropout { layer: self.draws, rate: *rate };
                    self.node(b, op, label, &[x], width)
                }
                Layer::Residual { layers, .. } => {
                    let behind = self.layers(b, layers, &format!("{name}.body."), &format!("{places}{n}."), x);
                    let wide = self.values[behind].width;
                    let shortcut = match wide == width {
                        true => x,
                        false => {
                            let dense = self.dense(&format!("{name}.shortcut"), 0, x);
                            let label = format!("layer {places}{n} (shortcut {width}→{wide})");
                            let output = self.node(b, Op::Dense(dense), label, &[x], wide);
                            self.note(output, "identity");
                            output
                        }
                    };
                    self.node(b, Op::Add, label, &[behind, shortcut], wide)
                }
            };
        }
        x
    }

    fn dense(&self, name: &str, kind: u32, x: usize) -> Dense {
        let (segment, weight) = self.tensor(format!("{name}.weight")).expect("a dense layer has a weight");
        Dense { segment, weight, bias: self.tensor(format!("{name}.bias")).map(|(_, bias)| bias), kind, data: self.data.filter(|_| x == 0) }
    }

    fn activation(&mut self, b: &mut Builder, activation: &Activation, label: String, x: usize) -> usize {
        let formula: &Arc<dyn Pointwise> = activation.formula();
        let op = Op::Activation { kind: b.activation(Some(formula)), slope_of: formula.slope_of() };
        let output = self.node(b, op, label, &[x], self.values[x].width);
        if let Some((node, at)) = self.flow.last_mut()
            && self.nodes[*node].output == x
        {
            *at = output;
        }
        output
    }

    /// Remembers a dense layer for the flow of gradients.
    fn note(&mut self, output: usize, activation: &str) {
        let node = self.nodes.len() - 1;
        let Op::Dense(dense) = &self.nodes[node].op else { return };
        self.layers.push(LayerBuffers {
            label: self.nodes[node].label.clone(),
            segment: dense.segment,
            weight: dense.weight.clone(),
            width: self.values[output].width,
            output: self.values[output].buf,
            activation: activation.to_string(),
            delta: None,
        });
        self.flow.push((node, output));
    }

    /// Where a value is in a mode: what dropout makes, in evaluation, is what it was given.
    fn place(&self, mode: Mode, value: usize) -> Buf {
        match self.values[value].maker.map(|maker| &self.nodes[maker]) {
            Some(Node { op: Op::Dropout { .. }, inputs, .. }) if mode == Mode::Eval => self.place(mode, inputs[0]),
            _ => self.values[value].buf,
        }
    }

    /// The buffer of the model's outputs.
    pub(super) fn output(&self, mode: Mode) -> Buf {
        self.place(mode, self.output)
    }

    /// Adds the way forward to a plan.
    pub(super) fn forward(&self, b: &mut Builder, mode: Mode, params: &[Buf]) {
        let Batch { rows, members } = self.batch;
        for Node { op, label, inputs, output } in &self.nodes {
            let (x, y, width) = (self.place(mode, inputs[0]), self.values[*output].buf, self.values[*output].width as u32);
            let width4 = width.div_ceil(4);
            match op {
                Op::Dense(dense) => {
                    let half = mode == Mode::Train && self.halves.is_some();
                    dense.forward(b, self.shape(dense.segment), half, [x, params[dense.segment], y], label);
                }
                Op::Embed(embed) => embed.forward(b, self.shape(embed.segment), [x, params[embed.segment], y], label),
                Op::Activation { kind, .. } => b.dispatch(&Activate { rows, width, width4, members, kind: *kind }, &[x, y], label),
                Op::Softmax => b.dispatch(&Softmax { rows, width, width4, members }, &[x, y], label),
                Op::BatchNorm(norm) => norm.forward(b, self.shape(norm.segment), mode, [x, params[norm.segment], y], label),
                Op::LayerNorm(norm) => norm.forward(b, self.shape(norm.segment), [x, params[norm.segment], y], label),
                Op::Dropout { .. } if mode == Mode::Eval => {}
                Op::Dropout { .. } => self.drop(b, op, [x, y], width4, label),
                Op::Add => b.dispatch(&Add { rows, width4, members }, &[x, self.place(mode, inputs[1]), y], label),
            }
        }
    }

    fn drop(&self, b: &mut Builder, op: &Op, [x, y]: [Buf; 2], width4: u32, label: &str) {
        let (&Op::Dropout { layer, rate }, Some(seeds)) = (op, self.seeds) else { return };
        let Batch { rows, members } = self.batch;
        b.dispatch(&Dropout::new(rows, width4, members, layer, rate), &[x, seeds, y], label);
    }

    /// The activation that made a value, and the buffer that its slope is a function of.
    fn slope(&self, value: usize) -> Option<(u32, Buf)> {
        let maker = &self.nodes[self.values[value].maker?];
        match maker.op {
            Op::Dense(Dense { kind, .. }) if kind > 0 => Some((kind, self.values[value].buf)),
            Op::Activation { kind, slope_of: SlopeOf::Output } => Some((kind, self.values[value].buf)),
            Op::Activation { kind, slope_of: SlopeOf::Input } => Some((kind, self.values[maker.inputs[0]].buf)),
            _ => None,
        }
    }

    /// Adds the way back to a plan, from the slope of the loss; hands out the buffers of the slices that gradients were added from.
    pub(super) fn backward(&mut self, b: &mut Builder, params: &[Buf], grads: &[Buf], slope: Buf, room: Room) -> Vec<Buf> {
        let dense = |node: &Node| if let Op::Dense(dense) = &node.op { Some(dense.clone()) } else { None };
        let dense: Vec<Option<Dense>> = self.nodes.iter().map(dense).collect();
        let dense: Vec<Option<&Dense>> = dense.iter().map(Option::as_ref).collect();
        let (slices, shelves) = slices::add(b, &dense, &self.segments, self.batch, room);
        let mut incoming: Vec<Option<Incoming>> = vec![None; self.values.len()];
        incoming[self.output] = Some(Incoming { buf: slope, done: false });
        for n in (0..self.nodes.len()).rev() {
            let (output, x) = (self.nodes[n].output, self.nodes[n].inputs[0]);
            let Some(Incoming { buf: mut g, done }) = incoming[output] else { continue };
            let label = self.nodes[n].label.clone();
            let (width, wanted) = (self.values[x].width, self.values[x].learned);
            if !done && let Some((kind, source)) = self.slope(output) {
                let delta = self.row_buffer(b, format!("error of {label}"), self.values[output].width);
                let width = self.values[output].width as u32;
                let Batch { rows, members } = self.batch;
                b.dispatch(&ActivateSlope { rows, width, width4: width.div_ceil(4), members, kind }, &[g, source, delta], &label);
                g = delta;
            }
            if let Some(at) = self.flow.iter().position(|&(node, _)| node == n) {
                self.layers[at].delta = Some(g);
            }
            let Batch { rows, members } = self.batch;
            let input = self.values[x].buf;
            match &self.nodes[n].op {
                Op::Embed(embed) => embed.gradient(b, self.shape(embed.segment), [g, input, grads[embed.segment]], &label),
                Op::Activation { .. } => self.contribute(b, &mut incoming, x, Incoming { buf: g, done: false }),
                Op::Dense(_) => {
                    // the slope of the activation before, where nothing else reads what it made
                    let before = self.slope(x).filter(|_| self.values[x].readers == 1);
                    let (kind, source) = before.unwrap_or((0, input));
                    let to = wanted.then(|| self.row_buffer(b, format!("error behind {label}"), width));
                    let Op::Dense(dense) = &self.nodes[n].op else { continue };
                    let (shape, segment) = (self.shape(dense.segment), dense.segment);
                    dense.gradient(b, shape, self.halves, [g, input, grads[segment]], slices[n].as_ref(), &label);
                    if let Some(to) = to {
                        dense.delta(b, shape, self.halves, kind, [g, params[segment], source, to], &label);
                        self.contribute(b, &mut incoming, x, Incoming { buf: to, done: before.is_some() });
                    }
                }
                Op::BatchNorm(_) | Op::LayerNorm(_) => {
                    let to = wanted.then(|| self.row_buffer(b, format!("error behind {label}"), width));
                    match &self.nodes[n].op {
                        Op::BatchNorm(norm) => {
                            let part = norm.segment;
                            norm.backward(b, self.shape(part), [g, input, params[part], grads[part]], to, &label);
                        }
                        Op::LayerNorm(norm) => {
                            let part = norm.segment;
                            norm.backward(b, self.shape(part), [g, input, params[part], grads[part]], to, &label);
                        }
                        _ => {}
                    }
                    if let Some(to) = to {
                        self.contribute(b, &mut incoming, x, Incoming { buf: to, done: false });
                    }
                }
                Op::Softmax | Op::Dropout { .. } if wanted => {
                    let to = self.row_buffer(b, format!("error behind {label}"), width);
                    let (width, made) = (width as u32, self.values[output].buf);
                    match &self.nodes[n].op {
                        Op::Softmax => {
                            let kernel = SoftmaxSlope { rows, width, width4: width.div_ceil(4), members };
                            b.dispatch(&kernel, &[g, made, to], &label);
                        }
                        op => self.drop(b, op, [g, to], width.div_ceil(4), &label),
                    }
                    self.contribute(b, &mut incoming, x, Incoming { buf: to, done: false });
                }
                Op::Softmax | Op::Dropout { .. } => {}
                Op::Add => {
                    for input in self.nodes[n].inputs.clone() {
                        self.contribute(b, &mut incoming, input, Incoming { buf: g, done: false });
                    }
                }
            }
        }
        shelves.iter().for_each(|shelf| shelf.sum(b, grads));
        shelves.iter().map(|shelf| shelf.buf).collect()
    }

    /// Adds an error to a value's.
    fn contribute(&mut self, b: &mut Builder, incoming: &mut [Option<Incoming>], value: usize, new: Incoming) {
        if !self.values[value].learned {
            return;
        }
        incoming[value] = Some(match incoming[value] {
            None => new,
            Some(old) => {
                let Batch { rows, members } = self.batch;
                let (width, mut other) = (self.values[value].width, new.buf);
                let (width, width4) = (width as u32, width.div_ceil(4) as u32);
                if other == old.buf {
                    // a block that is the body of another one hands the same error back twice, and a dispatch binds a buffer once
                    other = self.row_buffer(b, "error once more".to_string(), width as usize);
                    b.dispatch(&Activate { rows, width, width4, members, kind: 0 }, &[new.buf, other], "error once more");
                }
                let sum = self.row_buffer(b, "sum of errors".to_string(), width as usize);
                b.dispatch(&Add { rows, width4, members }, &[old.buf, other, sum], "sum of errors");
                Incoming { buf: sum, done: false }
            }
        });
    }

    /// Adds what follows a step that was sound: running averages.
    pub(super) fn track(&self, b: &mut Builder, scalars: Buf, params: &[Buf]) {
        for Node { op, label, .. } in &self.nodes {
            if let Op::BatchNorm(norm) = op {
                norm.track(b, self.shape(norm.segment), [scalars, params[norm.segment]], label);
            }
        }
    }

    /// Each dense layer's buffers, the buffers with a row for each of the batch, and that of the seeds of dropout.
    pub(super) fn into_parts(mut self) -> (Vec<LayerBuffers>, Vec<Buf>, Option<Buf>) {
        for (layer, &(_, value)) in self.layers.iter_mut().zip(&self.flow) {
            layer.output = self.values[value].buf;
        }
        (self.layers, self.per_row, self.seeds)
    }
}
