//! A trained model for other tools: with its weights, with what becomes of a file's columns before it, and with what its outputs mean.
//!
//! | format | for | holds |
//! | --- | --- | --- |
//! | [`Format::Onnx`] | onnxruntime and its kin | everything: raw columns in, classes and probabilities or numbers out |
//! | [`Format::Rust`] | a program of one's own | a module without dependencies, with a test of its own |
//! | [`Format::Wgsl`] | a shader of one's own | functions, the weights in them or, of a larger net, in a buffer, and an entry point that checks them |
//! | [`Format::Npz`] | NumPy | the tensors by their names |
//! | [`Format::Safetensors`] | PyTorch's `load_state_dict` | the tensors by their names |

mod answer;
mod code;
mod onnx;
mod rust;
mod sample;
mod steps;
mod tensors;
mod wgsl;

pub use answer::{Answer, Shares};

use crate::data::Preprocessor;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::model::{Model, Weights};
use std::str::FromStr;

/// What a model is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ONNX, opset 17.
    Onnx,
    /// Source in Rust.
    Rust,
    /// Source in WGSL.
    Wgsl,
    /// NumPy's archive of arrays.
    Npz,
    /// Named tensors.
    Safetensors,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] = [Format::Onnx, Format::Safetensors, Format::Npz, Format::Wgsl, Format::Rust];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Rust => "rust",
            Format::Wgsl => "wgsl",
            Format::Npz => "npz",
            Format::Safetensors => "safetensors",
        }
    }

    /// How its files' names end.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Rust => "rs",
            other => other.name(),
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    /// The format of this name. Errors when there is none.
    fn from_str(name: &str) -> Result<Self> {
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names = Format::ALL.map(Format::name).join(", ");
            Error::input(format!("there is no format `{name}`: take one of {names}"))
        })
    }
}

/// A trained model with all that belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Trained<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The layers.
    pub model: &'a Model,
    /// Their weights.
    pub weights: &'a Weights,
    /// What it was trained to make small, which says what its outputs mean.
    pub loss: &'a Loss,
    /// What becomes of a file's columns.
    pub preprocess: &'a Preprocessor,
}

/// A model in a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The bytes of the file.
    pub file: Vec<u8>,
    /// The bytes of a buffer that goes with it: the weights of a larger net in WGSL, `vec4<f32>` little-endian.
    pub buffer: Option<Vec<u8>>,
}

/// A trained model in a format.
///
/// Errors when the weights are not the model's, and when an activation is known as code only (see
/// [`Formula::EXPRESSION`](crate::kernels::activation::Formula::EXPRESSION)).
pub fn export(trained: &Trained<'_>, format: Format) -> Result<Exported> {
    trained.weights.check(trained.model)?;
    let file = match format {
        Format::Safetensors => trained.weights.to_safetensors(),
        Format::Npz => tensors::npz(trained.weights),
        Format::Onnx => onnx::onnx(trained),
        Format::Rust => rust::rust(trained).map(String::into_bytes),
        Format::Wgsl => return wgsl::wgsl(trained),
    };
    Ok(Exported { file: file?, buffer: None })
}
