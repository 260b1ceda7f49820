//! The model: layers in order, with their initialisation; compiled to a plan by [`compile`](Model).

mod compile;
mod dense;
mod init;
mod weights;

pub use compile::{Compiled, Spec};
pub use init::{Dist, Fan, Init};
pub use weights::Weights;

use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::plan::{TENSOR_ALIGN, Tensor};

/// A layer.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// `a = σ(z)`, element by element.
    Activation(Activation),
}

/// A feed-forward network.
///
/// ```
/// use gradus::Model;
/// let model = Model::input(2).dense(64).relu().dense(64).relu().dense(3);
/// assert_eq!(model.outputs(), 3);
/// assert_eq!(model.parameters(), (2 * 64 + 64) + (64 * 64 + 64) + (64 * 3 + 3));
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

    /// Adds an activation.
    pub fn activation(self, activation: Activation) -> Self {
        self.layer(Layer::Activation(activation))
    }

    /// Adds `max(0, z)`.
    pub fn relu(self) -> Self {
        self.named("relu")
    }

    /// Adds `z` above 0 and `slope · z` below.
    pub fn leaky_relu(self, slope: f32) -> Self {
        let leaky = Activation::named("leaky_relu").expect("it is in the table");
        self.activation(leaky.with_parameter(slope))
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

    /// Initialises all dense layers so.
    pub fn init(mut self, with: Init) -> Self {
        for layer in &mut self.layers {
            if let Layer::Dense { init, .. } = layer {
                *init = with;
            }
        }
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
        self.widths().last().copied().unwrap_or(self.inputs)
    }

    /// How many numbers are learned.
    pub fn parameters(&self) -> usize {
        self.tensors().0.iter().map(Tensor::len).sum()
    }

    /// The width behind each layer.
    fn widths(&self) -> Vec<usize> {
        let next = |width: &mut usize, layer: &Layer| {
            if let Layer::Dense { outputs, .. } = layer {
                *width = *outputs;
            }
            Some(*width)
        };
        self.layers.iter().scan(self.inputs, next).collect()
    }

    /// The tensors in the order of the layers, named as `nn.Sequential` counts (activations take an index too, the identity does
    /// not), and the length of an arena of them.
    pub fn tensors(&self) -> (Vec<Tensor>, usize) {
        let (mut tensors, mut offset, mut index, mut width) = (Vec::new(), 0, 0, self.inputs);
        for layer in &self.layers {
            match *layer {
                Layer::Dense { outputs, bias, .. } => {
                    let weight = Tensor { name: format!("{index}.weight"), shape: vec![outputs, width], offset };
                    offset += weight.stored().next_multiple_of(TENSOR_ALIGN);
                    tensors.push(weight);
                    if bias {
                        tensors.push(Tensor { name: format!("{index}.bias"), shape: vec![outputs], offset });
                        offset += outputs.next_multiple_of(TENSOR_ALIGN);
                    }
                    width = outputs;
                    index += 1;
                }
                Layer::Activation(Activation::IDENTITY) => {}
                Layer::Activation(_) => index += 1,
            }
        }
        (tensors, offset.max(TENSOR_ALIGN))
    }

    /// An error when the model can't be trained: no dense layer, or one without outputs.
    pub fn check(&self) -> Result<()> {
        if self.inputs == 0 {
            return Err(Error::input("the model has no inputs: it needs at least one feature"));
        }
        let widths: Vec<_> =
            self.layers.iter().filter_map(|l| if let Layer::Dense { outputs, .. } = l { Some(*outputs) } else { None }).collect();
        match widths.iter().position(|&w| w == 0) {
            _ if widths.is_empty() => Err(Error::input("the model has no dense layer: there is nothing to learn")),
            Some(n) => Err(Error::input(format!("dense layer {} has no outputs: give it at least one", n + 1))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_named_as_sequential_counts_and_lie_on_256_bytes() {
        let (tensors, arena) = Model::input(5).dense(3).tanh().activation(Activation::IDENTITY).dense(2).tensors();
        let names: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), t.shape.clone(), t.offset)).collect();
        // 3 rows of 5, padded to 8: 24 elements, rounded up to 64
        let wanted = [("0.weight", vec![3, 5], 0), ("0.bias", vec![3], 64), ("2.weight", vec![2, 3], 128), ("2.bias", vec![2], 192)];
        assert_eq!(names, wanted);
        assert_eq!(arena, 256);
    }

    #[test]
    fn a_model_that_can_not_learn_is_refused() {
        assert!(Model::input(3).relu().check().unwrap_err().to_string().contains("no dense layer"));
        assert!(Model::input(3).dense(0).check().unwrap_err().to_string().contains("dense layer 1 has no outputs"));
        assert!(Model::input(0).dense(1).check().is_err());
    }
}
