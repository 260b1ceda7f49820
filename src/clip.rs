//! Gradient clipping: by value, then by the norm of all gradients as one vector.

use crate::error::{Error, Result};

/// How gradients are clipped.
///
/// - By value: each element to `[−v, v]`, as PyTorch's `clip_grad_value_`.
/// - By norm: all gradients as one vector are scaled by `min(1, max_norm / (‖g‖₂ + 1e-6))`, as PyTorch's `clip_grad_norm_`. Keras's
///   `global_clipnorm` lacks the 1e-6; its `clipnorm` clips each tensor by itself, as burn does, which is something else.
///
/// Keras's `clipvalue` is the clipping by value.
///
/// With both, values come first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Clip {
    /// Not at all.
    #[default]
    None,
    /// To a global norm.
    Norm(f64),
    /// To a largest absolute value.
    Value(f64),
    /// By value, then by norm.
    Both {
        /// The largest absolute value.
        value: f64,
        /// The largest global norm.
        norm: f64,
    },
}

impl Clip {
    /// From the two bounds.
    pub fn new(value: Option<f64>, norm: Option<f64>) -> Self {
        match (value, norm) {
            (None, None) => Clip::None,
            (None, Some(norm)) => Clip::Norm(norm),
            (Some(value), None) => Clip::Value(value),
            (Some(value), Some(norm)) => Clip::Both { value, norm },
        }
    }

    /// The largest global norm.
    pub fn norm(self) -> Option<f64> {
        match self {
            Clip::Norm(norm) | Clip::Both { norm, .. } => Some(norm),
            _ => None,
        }
    }

    /// The largest absolute value.
    pub fn value(self) -> Option<f64> {
        match self {
            Clip::Value(value) | Clip::Both { value, .. } => Some(value),
            _ => None,
        }
    }

    /// An error when a bound is not a positive number.
    pub fn check(self) -> Result<()> {
        for (key, bound) in [("value", self.value()), ("norm", self.norm())] {
            if let Some(bound) = bound
                && !(bound.is_finite() && bound > 0.0)
            {
                return Err(Error::input(format!("[clip] {key} must be a positive number (got {bound})")));
            }
        }
        Ok(())
    }
}
