//! Batch and layer normalisation, forward and backward side by side: which dispatches they add to a plan.

use super::graph::{Mode, Shape};
use crate::kernels::batch_norm::{BatchNorm as Normalise, BatchNormDelta, BatchNormGradient, BatchStats};
use crate::kernels::layer_norm::{LayerNorm as NormaliseRows, LayerNormDelta, LayerNormGradient};
use crate::kernels::running_stats::{RunningStats, RunningUpdate};
use crate::plan::{Buf, Builder, Tensor};

fn at(tensor: &Tensor) -> u32 {
    tensor.offset as u32 / 4
}

/// A batch normalisation in place.
#[derive(Debug, Clone)]
pub(super) struct BatchNorm {
    /// The segment of the arenas that its tensors are in.
    pub(super) segment: usize,
    pub(super) epsilon: f32,
    pub(super) momentum: f32,
    pub(super) width: u32,
    pub(super) scale: Tensor,
    pub(super) shift: Tensor,
    pub(super) mean: Tensor,
    pub(super) variance: Tensor,
    pub(super) count: Tensor,
    /// Mean, 1/√(variance + ε) and unbiased variance of each column `[members, 3, 4·width4]`.
    pub(super) stats: Buf,
}

impl BatchNorm {
    fn width4(&self) -> u32 {
        self.width.div_ceil(4)
    }

    /// `y = γ·(x − mean)/√(variance + ε) + β`, with the batch's statistics or the running ones.
    pub(super) fn forward(&self, b: &mut Builder, of: Shape, mode: Mode, [x, params, y]: [Buf; 3], label: &str) {
        let (width4, Shape { rows, members, arena4 }, epsilon) = (self.width4(), of, self.epsilon);
        match mode {
            Mode::Train => b.dispatch(&BatchStats { rows, width4, members, epsilon }, &[x, self.stats], label),
            Mode::Eval => {
                let (mean4, variance4) = (at(&self.mean), at(&self.variance));
                b.dispatch(&RunningStats { width4, members, arena4, mean4, variance4, epsilon }, &[params, self.stats], label);
            }
        }
        let (scale4, shift4) = (at(&self.scale), at(&self.shift));
        b.dispatch(&Normalise { rows, width4, members, arena4, scale4, shift4 }, &[x, params, self.stats, y], label);
    }

    /// `∂C/∂γ`, `∂C/∂β`, and the error behind the layer where it is wanted.
    pub(super) fn backward(&self, b: &mut Builder, of: Shape, [g, x, params, grads]: [Buf; 4], delta: Option<Buf>, label: &str) {
        let (width4, Shape { rows, members, arena4 }) = (self.width4(), of);
        let (scale4, shift4) = (at(&self.scale), at(&self.shift));
        b.dispatch(&BatchNormGradient { rows, width4, members, arena4, scale4, shift4 }, &[g, x, self.stats, grads], label);
        if let Some(delta) = delta {
            b.dispatch(&BatchNormDelta { rows, width4, members, arena4, scale4, shift4 }, &[g, x, params, self.stats, grads, delta], label);
        }
    }

    /// The running averages, after a step that was sound.
    pub(super) fn track(&self, b: &mut Builder, of: Shape, [scalars, params]: [Buf; 2], label: &str) {
        let Shape { members, arena4, .. } = of;
        let (width4, momentum) = (self.width4(), self.momentum);
        let (mean4, variance4, count4) = (at(&self.mean), at(&self.variance), at(&self.count));
        let kernel = RunningUpdate { width4, members, arena4, mean4, variance4, count4, momentum };
        b.dispatch(&kernel, &[scalars, self.stats, params], label);
    }
}

/// A layer normalisation in place.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    /// The segment of the arenas that its tensors are in.
    pub(super) segment: usize,
    pub(super) epsilon: f32,
    pub(super) width: u32,
    pub(super) scale: Tensor,
    pub(super) shift: Tensor,
    /// Mean and 1/√(variance + ε) of each row `[members, rows, 2]`.
    pub(super) stats: Buf,
}

impl LayerNorm {
    /// `y = γ·(x − mean)/√(variance + ε) + β`.
    pub(super) fn forward(&self, b: &mut Builder, of: Shape, [x, params, y]: [Buf; 3], label: &str) {
        let Shape { rows, members, arena4 } = of;
        let (width, width4) = (self.width, self.width.div_ceil(4));
        let (scale4, shift4, epsilon) = (at(&self.scale), at(&self.shift), self.epsilon);
        let kernel = NormaliseRows { rows, width, width4, members, arena4, scale4, shift4, epsilon };
        b.dispatch(&kernel, &[x, params, y, self.stats], label);
    }

    /// `∂C/∂γ`, `∂C/∂β`, and the error behind the layer where it is wanted.
    pub(super) fn backward(&self, b: &mut Builder, of: Shape, [g, x, params, grads]: [Buf; 4], delta: Option<Buf>, label: &str) {
        let Shape { rows, members, arena4 } = of;
        let (width, width4) = (self.width, self.width.div_ceil(4));
        let (scale4, shift4, epsilon) = (at(&self.scale), at(&self.shift), self.epsilon);
        let kernel = LayerNormGradient { rows, width, width4, members, arena4, scale4, shift4, epsilon };
        b.dispatch(&kernel, &[g, x, self.stats, grads], label);
        if let Some(delta) = delta {
            let kernel = LayerNormDelta { rows, width, width4, members, arena4, scale4, shift4, epsilon };
            b.dispatch(&kernel, &[g, x, params, self.stats, delta], label);
        }
    }
}
