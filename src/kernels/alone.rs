//! A dense layer that has the arena to itself: what products are measured on, and what their choice is tried on.

use super::dense_delta::DenseDelta;
use super::dense_forward::DenseForward;
use super::dense_gradient::DenseGradient;

/// A dense layer with bias: the arena is its weight, and behind that the bias.
///
/// ```
/// use gradus::kernels::alone::Alone;
/// let layer = Alone { rows: 32, inputs: 10, outputs: 3, members: 1, kind: 0, half: false };
/// // rows of ten inputs are padded to twelve, three outputs to four
/// assert_eq!((layer.weight(), layer.arena(), layer.x(), layer.a()), (3 * 12, 3 * 12 + 4, 32 * 12, 32 * 4));
/// assert_eq!(layer.forward().bias4, 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// Rows of a batch.
    pub rows: u32,
    /// Inputs.
    pub inputs: u32,
    /// Outputs.
    pub outputs: u32,
    /// Models side by side.
    pub members: u32,
    /// The number of its activation forward, and of the one before it backward; 0 for none.
    pub kind: u32,
    /// Whether the operands are rounded to `f16`.
    pub half: bool,
}

impl Alone {
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
        self.weight() + 4 * self.outputs4() as usize
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
            arena4: self.arena() as u32 / 4,
            weight4: 0,
            bias4: self.weight() as u32 / 4,
            has_bias: 1,
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
            arena4: self.arena() as u32 / 4,
            weight4: 0,
            kind: self.kind,
            half: self.half.into(),
        }
    }

    /// `∂C/∂W = δᵀ·x` and `∂C/∂b = Σ δ`, of δ, x and the arena of gradients.
    pub fn gradient(&self) -> DenseGradient {
        DenseGradient {
            rows: self.rows,
            inputs4: self.inputs4(),
            outputs: self.outputs,
            outputs4: self.outputs4(),
            members: self.members,
            arena4: self.arena() as u32 / 4,
            weight4: 0,
            bias4: self.weight() as u32 / 4,
            has_bias: 1,
            parts: 1,
            part_rows: self.rows,
            slice4: 0,
            half: self.half.into(),
        }
    }
}
