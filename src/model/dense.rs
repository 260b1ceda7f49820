//! The dense layer, forward and backward side by side: which dispatches it adds to a plan.

use crate::kernels::activation::Activation;
use crate::kernels::dense_delta::DenseDelta;
use crate::kernels::dense_forward::DenseForward;
use crate::kernels::dense_gradient::DenseGradient;
use crate::plan::{Buf, Builder, Tensor};

/// A dense layer in place: its tensors in the arenas, its activation in the same dispatch.
#[derive(Debug, Clone)]
pub(super) struct DenseBlock {
    pub(super) rows: usize,
    pub(super) members: usize,
    pub(super) arena: usize,
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) activation: Activation,
}

impl DenseBlock {
    fn inputs4(&self) -> u32 {
        self.weight.shape[1].div_ceil(4) as u32
    }

    fn outputs(&self) -> u32 {
        self.weight.shape[0] as u32
    }

    fn bias4(&self) -> (u32, u32) {
        (self.bias.as_ref().map_or(0, |b| b.offset as u32 / 4), u32::from(self.bias.is_some()))
    }

    /// `a = σ(x·Wᵀ + b)`.
    pub(super) fn forward(&self, builder: &mut Builder, [x, params, a]: [Buf; 3], label: &str) {
        let (bias4, has_bias) = self.bias4();
        let (kind, parameter) = self.activation.uniform();
        let params_of = DenseForward {
            rows: self.rows as u32,
            inputs4: self.inputs4(),
            outputs: self.outputs(),
            outputs4: self.outputs().div_ceil(4),
            members: self.members as u32,
            arena4: self.arena as u32 / 4,
            weight4: self.weight.offset as u32 / 4,
            bias4,
            has_bias,
            kind,
            parameter,
        };
        builder.dispatch(&params_of, &[x, params, a], label);
    }

    /// `∂C/∂W = δᵀ·x`, `∂C/∂b = Σ δ`.
    pub(super) fn gradient(&self, builder: &mut Builder, [delta, x, grads]: [Buf; 3], label: &str) {
        let (bias4, has_bias) = self.bias4();
        let params_of = DenseGradient {
            rows: self.rows as u32,
            inputs4: self.inputs4(),
            outputs: self.outputs(),
            outputs4: self.outputs().div_ceil(4),
            members: self.members as u32,
            arena4: self.arena as u32 / 4,
            weight4: self.weight.offset as u32 / 4,
            bias4,
            has_bias,
        };
        builder.dispatch(&params_of, &[delta, x, grads], label);
    }

    /// The error behind the layer, times the slope of the activation that made its input.
    pub(super) fn delta(&self, builder: &mut Builder, before: Activation, [delta, params, x, g]: [Buf; 4], label: &str) {
        let (kind, parameter) = before.uniform();
        let params_of = DenseDelta {
            rows: self.rows as u32,
            inputs4: self.inputs4(),
            outputs: self.outputs(),
            outputs4: self.outputs().div_ceil(4),
            members: self.members as u32,
            arena4: self.arena as u32 / 4,
            weight4: self.weight.offset as u32 / 4,
            kind,
            parameter,
        };
        builder.dispatch(&params_of, &[delta, params, x, g], label);
    }
}
