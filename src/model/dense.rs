//! The dense layer, forward and backward side by side: which dispatches it adds to a plan.

use super::features::Data;
use super::graph::Shape;
use super::slices::Slices;
use crate::kernels::dense_gradient::DenseGradient;
use crate::kernels::dense_layer::DenseLayer;
use crate::plan::{Buf, Builder, Tensor};
use std::ops::Range;

/// A dense layer in place: its tensors in the arenas, its activation in the same dispatch.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    /// The segment of the arenas that its tensors are in.
    pub(super) segment: usize,
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    /// The activation in the same dispatch; 0 for none.
    pub(super) kind: u32,
    /// The data that the rows of x are looked up in, if x is not a batch.
    pub(super) data: Option<Data>,
}

/// Where a dense layer's operands are rounded to `f16`: the scale of the loss.
pub(super) type Halves = Option<Buf>;

impl Dense {
    /// Outputs and inputs.
    pub(super) fn shape(&self) -> [usize; 2] {
        [self.weight.shape[0], self.weight.shape[1]]
    }

    /// The elements of its segment that are its own: the weight, and the bias behind it.
    pub(super) fn span(&self) -> Range<usize> {
        let last = self.bias.as_ref().unwrap_or(&self.weight);
        self.weight.offset..(last.offset + last.stored()).next_multiple_of(4)
    }

    fn layer(&self, of: Shape, kind: u32, half: bool) -> DenseLayer {
        let [outputs, inputs] = self.shape().map(|n| n as u32);
        let place4 = |tensor: &Tensor| tensor.offset as u32 / 4;
        DenseLayer {
            rows: of.rows,
            inputs,
            outputs,
            members: of.members,
            arena4: of.arena4,
            weight4: place4(&self.weight),
            bias4: self.bias.as_ref().map(place4),
            kind,
            half,
        }
    }

    /// `a = σ(x·Wᵀ + b)`, of x, the parameters and a.
    pub(super) fn forward(&self, b: &mut Builder, of: Shape, half: bool, args: [Buf; 3], label: &str) {
        let kernel = self.layer(of, self.kind, half).forward();
        match &self.data {
            None => b.dispatch(&kernel, &args, label),
            Some(data) => data.dispatch(b, kernel, args, None, label),
        }
    }

    /// `∂C/∂W = δᵀ·x`, `∂C/∂b = Σ δ`, into the gradients, or part by part into slices.
    pub(super) fn gradient(
        &self,
        b: &mut Builder,
        of: Shape,
        halves: Halves,
        [delta, x, grads]: [Buf; 3],
        slices: Option<&Slices>,
        label: &str,
    ) {
        let kernel = self.layer(of, self.kind, halves.is_some()).gradient();
        let mut add = |kernel: DenseGradient, to: Buf, label: &str| match &self.data {
            None => b.dispatch(&kernel, &with(&[delta, x, to], halves), label),
            Some(data) => data.dispatch(b, kernel, [delta, x, to], halves, label),
        };
        let Some(slices) = slices else { return add(kernel, grads, label) };
        let in_parts = DenseGradient {
            arena4: slices.stride4,
            weight4: slices.place4(self.weight.offset),
            bias4: self.bias.as_ref().map_or(0, |bias| slices.place4(bias.offset)),
            parts: slices.parts.count as u32,
            part_rows: slices.parts.rows as u32,
            slice4: slices.slice4,
            ..kernel
        };
        add(in_parts, slices.buf, &format!("{label}, {} parts", slices.parts.count));
    }

    /// The error behind the layer, times the slope of activation `kind`, which is a function of what is in `source`.
    pub(super) fn delta(&self, b: &mut Builder, of: Shape, halves: Halves, kind: u32, [delta, params, source, g]: [Buf; 4], label: &str) {
        let kernel = self.layer(of, kind, halves.is_some()).delta();
        b.dispatch(&kernel, &with(&[delta, params, source, g], halves), label);
    }
}

fn with(args: &[Buf], halves: Halves) -> Vec<Buf> {
    args.iter().copied().chain(halves).collect()
}
