//! What a model does to a row when nothing is learned: layers with their weights, normalisations folded to a factor and a summand.

use crate::data::Codes;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::model::{Layer, Model, Weights};
use std::ops::Range;

/// A step from one row of numbers to the next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `x·Wᵀ + b`.
    Dense(Dense),
    /// Columns of codes as vectors, the others as they are.
    Embed(Vec<Piece>),
    /// `x·scale + shift`, column by column: batch normalisation with its running statistics.
    Affine { scale: Vec<f32>, shift: Vec<f32> },
    /// `scale·(x − mean)/√(variance + ε) + shift` with mean and variance of the row.
    LayerNorm { epsilon: f32, scale: Vec<f32>, shift: Vec<f32> },
    /// A function of each number, of `z`.
    Activation { name: String, formula: Expr },
    /// `exp zⱼ / Σ exp z`.
    Softmax,
    /// `x + body(x)`, or `x·Wᵀ + body(x)`.
    Residual { body: Vec<Step>, shortcut: Option<Dense> },
}

/// Columns that an embedding makes.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// Columns that are passed on.
    Numbers(Range<usize>),
    /// A column of codes: `vectors[x[column]]`, of so many elements each.
    Vectors { column: usize, width: usize, vectors: Vec<f32> },
}

impl Piece {
    /// How many columns it makes.
    pub(super) fn width(&self) -> usize {
        match self {
            Piece::Numbers(columns) => columns.len(),
            Piece::Vectors { width, .. } => *width,
        }
    }
}

/// A dense layer.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `[outputs, inputs]`.
    pub(super) weight: Vec<f32>,
    pub(super) bias: Option<Vec<f32>>,
}

/// The steps of a model. Errors when an activation is known as code only.
pub(super) fn steps(model: &Model, weights: &Weights) -> Result<Vec<Step>> {
    of_layers(model.layers(), model.inputs(), "", weights)
}

fn of_layers(layers: &[Layer], mut width: usize, prefix: &str, weights: &Weights) -> Result<Vec<Step>> {
    let (mut steps, mut index) = (Vec::new(), 0);
    for layer in layers {
        let behind = layer.width_behind(width);
        let tensor = |name: &str| weights.get(&format!("{prefix}{index}.{name}")).map(<[f32]>::to_vec);
        let needed = |name: &str| tensor(name).ok_or_else(|| Error::input(format!("the weights have no `{prefix}{index}.{name}`")));
        match layer {
            Layer::Dense { .. } => {
                steps.push(Step::Dense(Dense { inputs: width, outputs: behind, weight: needed("weight")?, bias: tensor("bias") }));
            }
            Layer::Embedding { codes } => {
                let (mut pieces, mut from) = (Vec::new(), 0);
                for (table, &Codes { column, width, .. }) in codes.iter().enumerate() {
                    pieces.push(Piece::Numbers(from..column));
                    pieces.push(Piece::Vectors { column, width, vectors: needed(&format!("{table}.weight"))? });
                    from = column + 1;
                }
                pieces.push(Piece::Numbers(from..width));
                pieces.retain(|piece| piece.width() > 0);
                steps.push(Step::Embed(pieces));
            }
            Layer::Activation(activation) if activation.is_identity() => {}
            Layer::Activation(activation) => {
                let formula = activation.formula().expression().ok_or_else(|| {
                    let name = activation.name();
                    Error::input(format!("the activation {name} is known as code only, and cannot be exported: give it an EXPRESSION"))
                })?;
                steps.push(Step::Activation { name: activation.name().to_string(), formula });
            }
            Layer::Softmax => steps.push(Step::Softmax),
            Layer::BatchNorm { epsilon, .. } => {
                let (gamma, beta) = (needed("weight")?, needed("bias")?);
                let (mean, variance) = (needed("running_mean")?, needed("running_var")?);
                let factor = |(g, v): (&f32, &f32)| f64::from(*g) / (f64::from(*v) + epsilon).sqrt();
                let factors: Vec<f64> = gamma.iter().zip(&variance).map(factor).collect();
                let shift = factors.iter().zip(&mean).zip(&beta).map(|((f, m), b)| (f64::from(*b) - f * f64::from(*m)) as f32).collect();
                steps.push(Step::Affine { scale: factors.iter().map(|&f| f as f32).collect(), shift });
            }
            Layer::LayerNorm { epsilon } => {
                steps.push(Step::LayerNorm { epsilon: *epsilon as f32, scale: needed("weight")?, shift: needed("bias")? });
            }
            Layer::Dropout { .. } => {}
            Layer::Residual { layers, .. } => {
                let body = of_layers(layers, width, &format!("{prefix}{index}.body."), weights)?;
                let shortcut = tensor("shortcut.weight").map(|weight| Dense { inputs: width, outputs: behind, weight, bias: None });
                steps.push(Step::Residual { body, shortcut });
            }
        }
        index += layer.index_step();
        width = behind;
    }
    Ok(steps)
}
