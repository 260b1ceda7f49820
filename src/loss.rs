//! Losses: which kernel each is, and which targets it takes.

use crate::data::Targets;
use crate::error::{Error, Result};
use crate::kernels::elementwise_loss::{self, ElementwiseLoss};
use crate::kernels::softmax_cross_entropy::SoftmaxCrossEntropy;
use crate::plan::{Buf, Builder, padded};

/// What is minimised.
///
/// | loss | value | slope with respect to the prediction p |
/// | --- | --- | --- |
/// | `Mse` | mean over all elements of (p − t)² (no ½: PyTorch, Keras; scikit-learn has ½) | 2(p − t)/(rows·k) |
/// | `Mae` | mean of abs(p − t) | sign(p − t)/(rows·k), 0 at 0 |
/// | `CrossEntropy` | mean over rows of −log softmax(z)ᵧ, from logits z, by log-sum-exp | (softmax(z) − y)/rows |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Softmax and cross-entropy, from logits. PyTorch's `CrossEntropyLoss`, Keras's with `from_logits=True`.
    CrossEntropy,
}

/// The buffers that a loss works on.
pub(crate) struct LossBuffers {
    pub(crate) predictions: Buf,
    pub(crate) targets: Buf,
    pub(crate) order: Buf,
    pub(crate) delta: Buf,
    pub(crate) loss: Buf,
}

/// The shapes that a loss works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LossShape {
    pub(crate) rows: u32,
    pub(crate) outputs: u32,
    pub(crate) order_stride: u32,
    pub(crate) members: u32,
}

impl Loss {
    /// All losses.
    pub const ALL: &'static [Loss] = &[Loss::Mse, Loss::Mae, Loss::CrossEntropy];

    /// The name in configs.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Mse => "mse",
            Loss::Mae => "mae",
            Loss::CrossEntropy => "cross_entropy",
        }
    }

    /// The loss of a name.
    pub fn named(name: &str) -> Option<Self> {
        Loss::ALL.iter().copied().find(|loss| loss.name() == name)
    }

    /// The loss that suits the targets: cross-entropy for classes, the mean squared error for numbers.
    pub fn for_targets(targets: &Targets) -> Self {
        match targets {
            Targets::Classes { .. } => Loss::CrossEntropy,
            Targets::Values { .. } => Loss::Mse,
        }
    }

    /// An error when the loss does not take such targets.
    pub fn check(self, targets: &Targets) -> Result<()> {
        match (self, targets) {
            (Loss::CrossEntropy, Targets::Values { .. }) => Err(Error::input(
                "cross_entropy needs classes, but the target is numbers: use mse or mae, or set [data] task = \"classification\"",
            )),
            (Loss::Mse | Loss::Mae, Targets::Classes { .. }) => Err(Error::input(format!(
                "{} needs numbers, but the target is classes: use cross_entropy, or set [data] task = \"regression\"",
                self.name()
            ))),
            (Loss::CrossEntropy, Targets::Classes { names, .. }) if names.len() < 2 => {
                Err(Error::input("the target has one class only: there is nothing to learn; check [data] target"))
            }
            _ => Ok(()),
        }
    }

    /// Adds the loss, and its slope with respect to the predictions, to a plan.
    pub(crate) fn emit(self, builder: &mut Builder, shape: LossShape, buffers: &LossBuffers) {
        let LossShape { rows, outputs, order_stride, members } = shape;
        let stride = padded(outputs as usize) as u32;
        let args = [buffers.predictions, buffers.targets, buffers.order, buffers.delta, buffers.loss];
        match self {
            Loss::CrossEntropy => {
                builder.dispatch(&SoftmaxCrossEntropy { rows, outputs, stride, order_stride, members }, &args, "loss");
            }
            Loss::Mse | Loss::Mae => {
                let kind = elementwise_loss::TABLE.iter().position(|row| row.name == self.name()).expect("every loss has its row") as u32;
                builder.dispatch(&ElementwiseLoss { rows, outputs, stride, order_stride, members, kind }, &args, "loss");
            }
        }
    }
}
