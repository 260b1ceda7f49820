//! A dense layer as its three products are told of it: forward, for δ, for the gradients.

use super::dense_delta::DenseDelta;
use super::dense_forward::DenseForward;
use super::dense_gradient::DenseGradient;

/// The shape of a dense layer and where it lies in the arenas.
///
/// ```
/// use gradus::kernels::dense_layer::DenseLayer;
/// let layer = DenseLayer::alone([32, 10, 3], 1);
/// // rows of ten inputs are padded to twelve, three outputs to four
/// assert_eq!((layer.weight(), layer.arena(), layer.x(), layer.a()), (3 * 12, 3 * 12 + 4, 32 * 12, 32 * 4));
/// assert_eq!(layer.forward().bias4, 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseLayer {
    /// Rows of a full batch.
    pub rows: u32,
    /// Inputs.
    pub inputs: u32,
    /// Outputs.
    pub outputs: u32,
    /// Models side by side.
    pub members: u32,
    /// Length of a member's part of the arena, in groups of four.
    pub arena4: u32,
    /// Where the weight starts in it, in groups of four.
    pub weight4: u32,
    /// Where the bias starts in it, in groups of four; none for a layer without.
    pub bias4: Option<u32>,
    /// The number of its activation forward, and of the one before it backward; 0 for none.
    pub kind: u32,
    /// Whether the operands are rounded to `f16`.
    pub half: bool,
}

impl DenseLayer {
    /// A layer of these rows, inputs and outputs that has the arena to itself: its weight, and behind that the bias.
    pub fn alone([rows, inputs, outputs]: [u32; 3], members: u32) -> Self {
        let weight4 = outputs * inputs.div_ceil(4);
        let arena4 = weight4 + outputs.div_ceil(4);
        DenseLayer { rows, inputs, outputs, members, arena4, weight4: 0, bias4: Some(weight4), kind: 0, half: false }
    }

    fn inputs4(&self) -> u32 {
        self.inputs.div_ceil(4)
    }

    fn outputs4(&self) -> u32 {
        self.outputs.div_ceil(4)
    }

    /// Elements of the weight of a member.
    pub fn weight(&self) -> usize {
        4 * self.outputs as usize * self.inputs4() as usize
    }

    /// Elements of the arena of a member.
    pub fn arena(&self) -> usize {
        4 * self.arena4 as usize
    }

    /// Elements of a member's inputs.
    pub fn x(&self) -> usize {
        4 * self.rows as usize * self.inputs4() as usize
    }

    /// Elements of a member's outputs.
    pub fn a(&self) -> usize {
        4 * self.rows as usize * self.outputs4() as usize
    }

    /// `a = σ(x·Wᵀ + b)`, of x, the arena and a.
    pub fn forward(&self) -> DenseForward {
        DenseForward {
            rows: self.rows,
            inputs4: self.inputs4(),
            outputs: self.outputs,
            outputs4: self.outputs4(),
            members: self.members,
            arena4: self.arena4,
            weight4: self.weight4,
            bias4: self.bias4.unwrap_or(0),
            has_bias: self.bias4.is_some().into(),
            kind: self.kind,
            half: self.half.into(),
        }
    }

    /// `g = (δ·W)·σ'`, of δ, the arena, x and g.
    pub fn delta(&self) -> DenseDelta {
        DenseDelta {
            rows: self.rows,
            inputs4: self.inputs4(),
            outputs: self.outputs,
            outputs4: self.outputs4(),
            members: self.members,
            arena4: self.arena4,
            weight4: self.weight4,
            kind: self.kind,
            half: self.half.into(),
        }
    }

    /// `∂C/∂W = δᵀ·x` and `∂C/∂b = Σ δ`, of δ, x and the arena of gradients, over all rows at once.
    pub fn gradient(&self) -> DenseGradient {
        DenseGradient {
            rows: self.rows,
            inputs4: self.inputs4(),
            outputs: self.outputs,
            outputs4: self.outputs4(),
            members: self.members,
            arena4: self.arena4,
            weight4: self.weight4,
            bias4: self.bias4.unwrap_or(0),
            has_bias: self.bias4.is_some().into(),
            parts: 1,
            part_rows: self.rows,
            slice4: 0,
            half: self.half.into(),
        }
    }
}
