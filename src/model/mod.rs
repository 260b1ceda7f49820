//! The model: layers in order, with their initialisation; compiled to a plan by [`compile`](Model).

mod arena;
mod compile;
mod dense;
mod embed;
mod features;
mod graph;
mod init;
mod memory;
mod norm;
mod slices;
mod traffic;
mod weights;

pub use arena::Segment;
pub use compile::{Compiled, Look, Spec};
pub use features::Residence;
pub use graph::LayerBuffers;
pub use init::{Dist, Fan, Init, Scheme};
pub use memory::Share;
pub use weights::Weights;

use crate::data::{Codes, Features, Table};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::plan::{Role, TENSOR_ALIGN, Tensor, padded};

/// ε of normalisations, as in PyTorch (Keras has 1e-3).
pub const NORM_EPSILON: f64 = 1e-5;
/// The weight of the new value in running statistics, as in PyTorch (Keras and ONNX call 1 − this the momentum).
pub const NORM_MOMENTUM: f64 = 0.1;

/// The deviation that the vectors of an embedding start with (PyTorch: 1; fastai: 0.01; Keras: uniform in ±0.05). Vectors of rare words stay close to
/// where they began: from small ones little is made of them.
pub const VECTORS_STD: f64 = 0.1;

/// A layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// `z = x·Wᵀ + b`, with W `[out, in]`. PyTorch's `Linear`, Keras's `Dense` without activation.
    Dense {
        /// Outputs.
        outputs: usize,
        /// Whether there is a bias.
        bias: bool,
        /// How the weight starts.
        init: Init,
    },
    /// For each column of codes a vector that is learned for the code, in the place of the column; other columns are passed on. The first layer
    /// only. PyTorch's `Embedding`, Keras's `Embedding`: here vectors start from a normal distribution with deviation 0.1
    /// ([`VECTORS_STD`]), that of code 0 from zeros.
    Embedding {
        /// The columns of codes, in ascending order.
        codes: Vec<Codes>,
    },
    /// `a = σ(z)`, element by element.
    Activation(Activation),
    /// `exp zⱼ / Σᵢ exp zᵢ` over a row. As an output for losses of numbers: `cross_entropy` has a softmax of its own and wants logits.
    Softmax,
    /// `γ·(x − mean)/√(variance + ε) + β` with mean and biased variance of each column over the batch; in evaluation those of running
    /// averages. Ioffe and Szegedy 2015. PyTorch's `BatchNorm1d`: the running variance is the unbiased one (Keras's is the biased one, with ε 1e-3
    /// and 0.99 of the old value).
    BatchNorm {
        /// Keeps the division finite.
        epsilon: f64,
        /// The weight of the new value in the running averages.
        momentum: f64,
    },
    /// `γ·(x − mean)/√(variance + ε) + β` with mean and biased variance of each row. Ba, Kiros and Hinton 2016. PyTorch's `LayerNorm`; Keras has
    /// ε 1e-3.
    LayerNorm {
        /// Keeps the division finite.
        epsilon: f64,
    },
    /// While training, sets each element to 0 with this probability and divides the others by what is left; nothing in evaluation.
    /// Srivastava et al. 2014. PyTorch's and Keras's `Dropout`, with a mask of its own: a hash of seed, step, layer and element.
    Dropout {
        /// The probability.
        rate: f64,
    },
    /// `x + f(x)`; where the layers f change the width, `x·Wᵀ + f(x)`. He et al. 2016.
    Residual {
        /// The layers f.
        layers: Vec<Layer>,
        /// How the projection W starts, where there is one.
        init: Init,
    },
}

/// A feed-forward network.
///
/// ```
/// use gradus::Model;
/// let model = Model::input(2).dense(64).relu().dense(64).relu().dense(3);
/// assert_eq!(model.outputs(), 3);
/// assert_eq!(model.parameters(), (2 * 64 + 64) + (64 * 64 + 64) + (64 * 3 + 3));
///
/// let block = |f: Model| f.dense(32).batch_norm().relu();
/// let deep = Model::input(2).dense(32).residual(block).residual(block).dropout(0.1).dense(3);
/// assert_eq!(deep.outputs(), 3);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    inputs: usize,
    layers: Vec<Layer>,
}

impl Model {
    /// A network without layers for so many features.
    pub fn input(features: usize) -> Self {
        Model { inputs: features, layers: Vec::new() }
    }

    /// Adds any layer.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds a dense layer with a bias, initialised to suit the activation behind it.
    pub fn dense(self, outputs: usize) -> Self {
        self.layer(Layer::Dense { outputs, bias: true, init: Init::Auto })
    }

    /// Adds an embedding of columns of codes, as the first layer; none where there are no such columns.
    ///
    /// ```
    /// use gradus::Model;
    /// use gradus::data::Codes;
    ///
    /// // the second of three features is the number of one of 12 towns, or 0: it becomes five numbers
    /// let model = Model::input(3).embedding([Codes { column: 1, count: 13, width: 5 }]).dense(16).relu().dense(1);
    /// assert_eq!(model.layers()[0].width_behind(3), 7);
    /// assert_eq!(model.parameters(), 13 * 5 + (7 * 16 + 16) + (16 + 1));
    /// ```
    pub fn embedding(self, codes: impl IntoIterator<Item = Codes>) -> Self {
        let codes: Vec<Codes> = codes.into_iter().collect();
        if codes.is_empty() { self } else { self.layer(Layer::Embedding { codes }) }
    }

    /// Adds an activation.
    pub fn activation(self, activation: Activation) -> Self {
        self.layer(Layer::Activation(activation))
    }

    /// Adds `max(0, z)`.
    pub fn relu(self) -> Self {
        self.named("relu")
    }

    /// Adds `1 / (1 + e⁻ᶻ)`.
    pub fn sigmoid(self) -> Self {
        self.named("sigmoid")
    }

    /// Adds `tanh z`.
    pub fn tanh(self) -> Self {
        self.named("tanh")
    }

    fn named(self, name: &str) -> Self {
        self.activation(Activation::named(name).expect("it is in the table"))
    }

    /// Adds a softmax over each row.
    pub fn softmax(self) -> Self {
        self.layer(Layer::Softmax)
    }

    /// Adds a batch normalisation with PyTorch's numbers: ε 1e-5, momentum 0.1.
    pub fn batch_norm(self) -> Self {
        self.layer(Layer::BatchNorm { epsilon: NORM_EPSILON, momentum: NORM_MOMENTUM })
    }

    /// Adds a layer normalisation with ε 1e-5.
    pub fn layer_norm(self) -> Self {
        self.layer(Layer::LayerNorm { epsilon: NORM_EPSILON })
    }

    /// Adds dropout with a probability.
    pub fn dropout(self, rate: f64) -> Self {
        self.layer(Layer::Dropout { rate })
    }

    /// Adds `x + f(x)`: f is handed a model of the width so far and adds its layers to it.
    pub fn residual(self, f: impl FnOnce(Model) -> Model) -> Self {
        let layers = f(Model::input(self.outputs())).layers;
        self.layer(Layer::Residual { layers, init: Init::Auto })
    }

    /// Initialises all layers so.
    pub fn init(mut self, with: Init) -> Self {
        fn set(layers: &mut [Layer], with: Init) {
            for layer in layers {
                match layer {
                    Layer::Dense { init, .. } => *init = with,
                    Layer::Residual { layers, init } => {
                        *init = with;
                        set(layers, with);
                    }
                    _ => {}
                }
            }
        }
        set(&mut self.layers, with);
        self
    }

    /// Features of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Numbers that the model makes of a row.
    pub fn outputs(&self) -> usize {
        width_behind(&self.layers, self.inputs)
    }

    /// How many numbers are learned.
    pub fn parameters(&self) -> usize {
        self.tensors().0.iter().filter(|tensor| tensor.role.is_learned()).map(Tensor::len).sum()
    }

    /// Whether some layer works with the statistics of a batch, which a batch of one row does not have.
    pub fn has_batch_norm(&self) -> bool {
        self.has(|layer| matches!(layer, Layer::BatchNorm { .. }))
    }

    /// Whether some layer draws at random while training.
    pub fn has_dropout(&self) -> bool {
        self.has(|layer| matches!(layer, Layer::Dropout { .. }))
    }

    /// Whether some layer, at any depth, is such a one.
    fn has(&self, wanted: impl Fn(&Layer) -> bool + Copy) -> bool {
        fn any(layers: &[Layer], wanted: impl Fn(&Layer) -> bool + Copy) -> bool {
            layers.iter().any(|layer| wanted(layer) || matches!(layer, Layer::Residual { layers, .. } if any(layers, wanted)))
        }
        any(&self.layers, wanted)
    }

    /// The activations that are not of the table, at any depth.
    pub(crate) fn custom_activations(&self) -> Vec<Activation> {
        fn collect(layers: &[Layer], found: &mut Vec<Activation>) {
            for layer in layers {
                match layer {
                    Layer::Activation(activation) if activation.is_custom() && !found.contains(activation) => {
                        found.push(activation.clone())
                    }
                    Layer::Residual { layers, .. } => collect(layers, found),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.layers, &mut found);
        found
    }

    /// The tensors in the order of the layers, and the length of an arena of them. They are named as `nn.Sequential` counts: every layer
    /// takes an index but the identity; those of a residual block are `3.body.0.weight` and `3.shortcut.weight`, those of an embedding `0.0.weight`,
    /// `0.1.weight` and so on, as an `nn.ModuleList` in there would have them.
    pub fn tensors(&self) -> (Vec<Tensor>, usize) {
        let mut arena = Layout { tensors: Vec::new(), offset: 0 };
        arena.layers(&self.layers, "", self.inputs);
        (arena.tensors, arena.offset.max(TENSOR_ALIGN))
    }

    /// An error when the model can't be trained; the message names the layer.
    pub fn check(&self) -> Result<()> {
        if self.inputs == 0 {
            return Err(Error::input("the model has no inputs: it needs at least one feature"));
        }
        if !self.has(|layer| matches!(layer, Layer::Dense { .. })) {
            return Err(Error::input("the model has no dense layer: there is nothing to learn"));
        }
        check(&self.layers, self.inputs, "")
    }

    /// An error when a column that the model takes for codes has something else in it; the message names the column, the row and the number.
    pub(crate) fn check_codes(&self, table: &Table) -> Result<()> {
        let Some(Layer::Embedding { codes }) = self.layers.first() else { return Ok(()) };
        let Features::F32(values) = table.features() else {
            return Err(Error::input("the model has an embedding, and the features are bytes: codes must be given as numbers"));
        };
        for (row, values) in values.chunks(table.width()).enumerate() {
            for &Codes { column, count, .. } in codes {
                let value = values[column];
                if !(value.fract() == 0.0 && (0.0..count as f32).contains(&value)) {
                    let name = &table.names()[column];
                    let wanted = format!("a whole number from 0 to {}, the number of a vector", count - 1);
                    return Err(Error::input(format!("`{name}` must be {wanted} (got {value} in row {row}, counted from 0)")));
                }
            }
        }
        Ok(())
    }
}

fn check(layers: &[Layer], inputs: usize, prefix: &str) -> Result<()> {
    for (n, layer) in layers.iter().enumerate() {
        let fault = |what: String| Err(Error::input(format!("layer {prefix}{n}: {what}")));
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match layer {
            Layer::Dense { outputs: 0, .. } => return fault("the dense layer has no outputs: give it at least one".into()),
            Layer::Dense { init, .. } => init.check()?,
            Layer::Embedding { .. } if n > 0 || !prefix.is_empty() => {
                return fault("an embedding must be the first layer: what goes into it is codes, and not learned".into());
            }
            Layer::Embedding { codes } => {
                if let Some(Codes { column, count, width }) = codes.iter().find(|codes| codes.count == 0 || codes.width == 0) {
                    return fault(format!("column {column} has {count} vectors of {width} numbers: it needs at least one of each"));
                }
                if codes.is_empty() || codes.windows(2).any(|pair| pair[0].column >= pair[1].column) {
                    return fault("the columns of an embedding must be named in ascending order, each once, and at least one".into());
                }
                if let Some(Codes { column, .. }) = codes.iter().find(|codes| codes.column >= inputs) {
                    return fault(format!("the embedding is of column {column}, but there are {inputs} columns"));
                }
            }
            Layer::BatchNorm { epsilon, .. } | Layer::LayerNorm { epsilon } if !positive(*epsilon) => {
                return fault(format!("epsilon must be a number above 0 (got {epsilon})"));
            }
            Layer::BatchNorm { momentum, .. } if !(positive(*momentum) && *momentum <= 1.0) => {
                return fault(format!("momentum must be a number above 0 and at most 1 (got {momentum})"));
            }
            Layer::Dropout { rate } if !(0.0..1.0).contains(rate) => {
                return fault(format!("the rate of dropout must be a number of at least 0 and below 1 (got {rate})"));
            }
            Layer::Residual { layers, .. } => {
                if layers.iter().all(|layer| matches!(layer, Layer::Dropout { .. }) || layer.index_step() == 0) {
                    return fault("the residual block has no layer that does something: give it a dense layer at least".into());
                }
                check(layers, inputs, &format!("{prefix}{n}."))?;
            }
            _ => {}
        }
    }
    Ok(())
}

impl Layer {
    /// The width behind the layer.
    pub fn width_behind(&self, width: usize) -> usize {
        match self {
            Layer::Dense { outputs, .. } => *outputs,
            Layer::Embedding { codes } => codes.iter().fold(width, |width, codes| (width + codes.width).saturating_sub(1)),
            Layer::Residual { layers, .. } => width_behind(layers, width),
            _ => width,
        }
    }

    /// How many places of `nn.Sequential` it takes: 0 for the identity.
    pub(crate) fn index_step(&self) -> usize {
        match self {
            Layer::Activation(activation) if activation.is_identity() => 0,
            _ => 1,
        }
    }

    /// What it is called in messages: `dense`, `relu`.
    pub fn name(&self) -> &str {
        match self {
            Layer::Dense { .. } => "dense",
            Layer::Embedding { .. } => "embedding",
            Layer::Activation(activation) => activation.name(),
            Layer::Softmax => "softmax",
            Layer::BatchNorm { .. } => "batch_norm",
            Layer::LayerNorm { .. } => "layer_norm",
            Layer::Dropout { .. } => "dropout",
            Layer::Residual { .. } => "residual",
        }
    }
}

fn width_behind(layers: &[Layer], width: usize) -> usize {
    layers.iter().fold(width, |width, layer| layer.width_behind(width))
}

/// The name of the activation that the output of layer `n` goes through: behind normalisation and dropout, before anything else.
pub(crate) fn activation_behind(layers: &[Layer], n: usize) -> &str {
    for layer in &layers[n + 1..] {
        match layer {
            Layer::BatchNorm { .. } | Layer::LayerNorm { .. } | Layer::Dropout { .. } => {}
            Layer::Activation(activation) => return activation.name(),
            _ => break,
        }
    }
    "identity"
}

/// Tensors in an arena, one behind the other.
struct Layout {
    tensors: Vec<Tensor>,
    offset: usize,
}

impl Layout {
    fn add(&mut self, name: String, shape: Vec<usize>, role: Role) {
        let tensor = Tensor { name, shape, offset: self.offset, role };
        self.offset += padded(tensor.stored()).next_multiple_of(TENSOR_ALIGN);
        self.tensors.push(tensor);
    }

    fn layers(&mut self, layers: &[Layer], prefix: &str, mut width: usize) {
        let mut index = 0;
        for layer in layers {
            let at = format!("{prefix}{index}");
            match layer {
                Layer::Dense { outputs, bias, .. } => {
                    self.add(format!("{at}.weight"), vec![*outputs, width], Role::Weight);
                    if *bias {
                        self.add(format!("{at}.bias"), vec![*outputs], Role::Bias);
                    }
                }
                Layer::Embedding { codes } => {
                    for (table, codes) in codes.iter().enumerate() {
                        self.add(format!("{at}.{table}.weight"), vec![codes.count, codes.width], Role::Vectors);
                    }
                }
                Layer::BatchNorm { .. } => {
                    self.add(format!("{at}.weight"), vec![width], Role::Scale);
                    self.add(format!("{at}.bias"), vec![width], Role::Shift);
                    self.add(format!("{at}.running_mean"), vec![width], Role::RunningMean);
                    self.add(format!("{at}.running_var"), vec![width], Role::RunningVariance);
                    self.add(format!("{at}.num_batches_tracked"), vec![], Role::BatchCount);
                }
                Layer::LayerNorm { .. } => {
                    self.add(format!("{at}.weight"), vec![width], Role::Scale);
                    self.add(format!("{at}.bias"), vec![width], Role::Shift);
                }
                Layer::Residual { layers, .. } => {
                    self.layers(layers, &format!("{at}.body."), width);
                    let behind = width_behind(layers, width);
                    if behind != width {
                        self.add(format!("{at}.shortcut.weight"), vec![behind, width], Role::Weight);
                    }
                }
                Layer::Activation(_) | Layer::Softmax | Layer::Dropout { .. } => {}
            }
            width = layer.width_behind(width);
            index += layer.index_step();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_named_as_sequential_counts_and_lie_on_256_bytes() {
        let (tensors, arena) = Model::input(5).dense(3).tanh().activation(Activation::identity()).dense(2).tensors();
        let names: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), t.shape.clone(), t.offset)).collect();
        // 3 rows of 5, padded to 8: 24 elements, rounded up to 64
        let wanted = [("0.weight", vec![3, 5], 0), ("0.bias", vec![3], 64), ("2.weight", vec![2, 3], 128), ("2.bias", vec![2], 192)];
        assert_eq!(names, wanted);
        assert_eq!(arena, 256);
    }

    #[test]
    fn every_layer_has_its_tensors_and_takes_an_index() {
        let model = Model::input(4).dense(6).batch_norm().relu().dropout(0.5).residual(|f| f.layer_norm().dense(8)).dense(2);
        let names: Vec<_> = model.tensors().0.into_iter().map(|t| t.name).collect();
        let wanted = [
            "0.weight",
            "0.bias",
            "1.weight",
            "1.bias",
            "1.running_mean",
            "1.running_var",
            "1.num_batches_tracked",
            "4.body.0.weight",
            "4.body.0.bias",
            "4.body.1.weight",
            "4.body.1.bias",
            "4.shortcut.weight",
            "5.weight",
            "5.bias",
        ];
        assert_eq!(names, wanted);
        // 4·6 + 6, 6 + 6, 6 + 6, 6·8 + 8, 6·8, 8·2 + 2
        assert_eq!(model.parameters(), 30 + 12 + 12 + 56 + 48 + 18);
    }

    #[test]
    fn the_activation_behind_a_layer_is_found_beyond_normalisation() {
        let model = Model::input(4).dense(6).batch_norm().dropout(0.5).relu().dense(2);
        assert_eq!(activation_behind(model.layers(), 0), "relu");
        assert_eq!(activation_behind(model.layers(), 4), "identity");
    }

    #[test]
    fn a_model_that_can_not_learn_is_refused() {
        let message = |model: Model| model.check().unwrap_err().to_string();
        assert!(message(Model::input(3).relu()).contains("no dense layer"));
        assert!(message(Model::input(3).dense(2).dense(0)).contains("layer 1: the dense layer has no outputs"));
        assert!(message(Model::input(3).dense(2).dropout(1.0)).contains("layer 1: the rate of dropout must be"));
        assert!(message(Model::input(3).dense(2).residual(|f| f.dropout(0.5))).contains("layer 1: the residual block"));
        assert!(message(Model::input(3).residual(|f| f.dense(3).dropout(2.0)).dense(2)).contains("layer 0.1: the rate"));
        assert!(Model::input(0).dense(1).check().is_err());
    }
}
