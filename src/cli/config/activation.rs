//! What a layer does to each of its outputs.

use super::choice::{Choice, Choices};
use super::keys::Key;
use super::section::SHARE;
use super::write::{self, Pairs};

/// What a layer does to each of its outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(z, 0)`.
    Relu,
    /// `z` above 0, `slope·z` below.
    LeakyRelu {
        /// What is left below 0, 0.01 unless given; at least 0 and below 1.
        slope: f64,
    },
    /// `1/(1 + e⁻ᶻ)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

/// The activations of this version: one row each.
pub(super) static ACTIVATIONS: Choices<Activation> = Choices {
    type_key: Key::required("type", "\"relu\"", "which activation"),
    common: &[],
    rows: &[
        Choice { name: "identity", keys: &[], read: |_| Ok(Activation::Identity) },
        Choice { name: "relu", keys: &[], read: |_| Ok(Activation::Relu) },
        Choice {
            name: "leaky_relu",
            keys: &[Key::new("slope", "0.01", "what is left below 0")],
            read: |section| Ok(Activation::LeakyRelu { slope: section.number("slope", &SHARE)? }),
        },
        Choice { name: "sigmoid", keys: &[], read: |_| Ok(Activation::Sigmoid) },
        Choice { name: "tanh", keys: &[], read: |_| Ok(Activation::Tanh) },
    ],
    later: &["elu", "selu", "gelu", "silu", "softplus", "hard_swish", "softmax"],
    later_keys: &[],
};

impl Activation {
    pub(super) fn pairs(&self) -> Pairs {
        let (name, own) = match self {
            Activation::Identity => ("identity", None),
            Activation::Relu => ("relu", None),
            Activation::LeakyRelu { slope } => ("leaky_relu", Some(("slope", write::number(*slope)))),
            Activation::Sigmoid => ("sigmoid", None),
            Activation::Tanh => ("tanh", None),
        };
        std::iter::once(("type", write::text(name))).chain(own).collect()
    }
}
