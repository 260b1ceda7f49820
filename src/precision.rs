//! In which precision the products of dense layers are made while a model trains, and how the loss is scaled for it.

/// In which precision a model trains.
///
/// Weights, states of the optimizer, sums, norms and losses are `f32` in either, and so is all evaluation and prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    Full,
    /// What dense layers multiply in a step of training is rounded to `f16` first, products and their sums being `f32`; the loss is scaled, so that
    /// small errors do not vanish in that. As PyTorch's `autocast` with a `GradScaler`.
    ///
    /// It wants an adapter whose shaders know `f16`. The CPU path rounds as such an adapter does, which makes it slower, not faster.
    Mixed,
}

impl Precision {
    /// The word for it in configs.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Full => "full",
            Precision::Mixed => "mixed",
        }
    }
}

/// The scale of the loss, as PyTorch's `GradScaler` has it: it doubles after so many updates in a row whose gradients were finite, and is halved by
/// a batch whose gradients were not, which is not applied. All scales are powers of two, so that scaling rounds nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScale {
    /// The first scale, 65,536.
    pub init: f32,
    /// After so many updates in a row it doubles: 2,000.
    pub interval: u32,
    /// It does not fall below this, 2⁻¹⁴: gradients that are not finite at that scale are not for being scaled, and
    /// [`OnNonFinite`](crate::train::OnNonFinite) says what becomes of them. (PyTorch has no floor.)
    pub floor: f32,
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale { init: 65_536.0, interval: 2_000, floor: 1.0 / 16_384.0 }
    }
}
