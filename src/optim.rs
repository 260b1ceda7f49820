//! Optimizers: what each keeps, its hyper-parameters, and the numbers that the host works out for a step.

use crate::error::{Error, Result};
use crate::kernels::update;
use crate::plan::{Buf, Builder};
use std::fmt::Debug;
use std::sync::Arc;

/// An optimizer: a rule over arenas. One kernel, one type here, one row in [`TABLE`].
pub trait Rule: Debug + Send + Sync {
    /// The name in configs.
    fn name(&self) -> &'static str;

    /// The learning rate when no schedule says otherwise.
    fn lr(&self) -> f64;

    /// The arenas it keeps beside the parameters, by name.
    fn states(&self) -> &'static [&'static str] {
        &[]
    }

    /// Two numbers for step `t` (from 1), worked out in `f64`: Adam's bias corrections.
    fn corrections(&self, t: u64) -> [f64; 2] {
        let _ = t;
        [1.0, 1.0]
    }

    /// Adds the update to a plan. `args`: scalars, gradients, parameters, then the states.
    fn update(&self, builder: &mut Builder, arena4: u32, members: u32, args: &[Buf]);

    /// An error when a hyper-parameter makes no sense.
    fn check(&self) -> Result<()>;
}

/// An optimizer as trainers hold it; made from [`Sgd`], [`Momentum`] or [`Adam`] with `into`.
#[derive(Debug, Clone)]
pub struct Optimizer(Arc<dyn Rule>);

impl Optimizer {
    /// The rule.
    pub fn rule(&self) -> &dyn Rule {
        &*self.0
    }
}

impl<R: Rule + 'static> From<R> for Optimizer {
    fn from(rule: R) -> Self {
        Optimizer(Arc::new(rule))
    }
}

/// All optimizers with their defaults: the tests that every optimizer must pass walk this table.
pub static TABLE: &[fn() -> Optimizer] = &[|| Sgd::new().into(), || Momentum::new().into(), || Adam::new().into()];

/// The optimizer of a name, with its defaults.
pub fn named(name: &str) -> Option<Optimizer> {
    TABLE.iter().map(|make| make()).find(|optimizer| optimizer.rule().name() == name)
}

/// Plain gradient descent: `w ← w − α·g`. Default α 1e-2 (PyTorch has none, Keras 1e-2).
///
/// Robbins and Monro 1951.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    lr: f64,
}

/// Gradient descent with momentum: `v ← β·v + g; w ← w − α·v`, first step `v = g`. Defaults α 1e-2, β 0.9.
///
/// PyTorch's `SGD(momentum = β, dampening = 0)`. Keras multiplies α into v: the same at a constant rate. Polyak 1964.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Momentum {
    lr: f64,
    beta: f64,
}

/// Adam: `m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − α·m̂/(√v̂ + ε)`, `m̂ = m/(1 − β₁ᵗ)`, `v̂ = v/(1 − β₂ᵗ)`.
///
/// Defaults α 1e-3, β 0.9 and 0.999, ε 1e-8, as PyTorch and optax (Keras has ε 1e-7, burn 1e-5). Kingma and Ba 2015.
///
/// ```
/// use gradus::optim::{Adam, Optimizer};
/// let optimizer: Optimizer = Adam::new().lr(3e-4).into();
/// assert_eq!(optimizer.rule().lr(), 3e-4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    lr: f64,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Sgd {
    /// With the default rate.
    pub fn new() -> Self {
        Sgd { lr: 1e-2 }
    }

    /// Sets the rate α.
    pub fn lr(self, lr: f64) -> Self {
        Sgd { lr }
    }
}

impl Momentum {
    /// With the defaults.
    pub fn new() -> Self {
        Momentum { lr: 1e-2, beta: 0.9 }
    }

    /// Sets the rate α.
    pub fn lr(self, lr: f64) -> Self {
        Momentum { lr, ..self }
    }

    /// Sets β.
    pub fn beta(self, beta: f64) -> Self {
        Momentum { beta, ..self }
    }
}

impl Adam {
    /// With the defaults.
    pub fn new() -> Self {
        Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// Sets the rate α.
    pub fn lr(self, lr: f64) -> Self {
        Adam { lr, ..self }
    }

    /// Sets β₁ and β₂.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Adam { beta1, beta2, ..self }
    }

    /// Sets ε.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Adam { epsilon, ..self }
    }
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd::new()
    }
}

impl Default for Momentum {
    fn default() -> Self {
        Momentum::new()
    }
}

impl Default for Adam {
    fn default() -> Self {
        Adam::new()
    }
}

fn check_rate(lr: f64) -> Result<()> {
    match lr.is_finite() && lr > 0.0 {
        true => Ok(()),
        false => Err(Error::input(format!("the learning rate must be a positive number (got {lr}): set [optimizer] lr"))),
    }
}

fn check_share(key: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::input(format!("[optimizer] {key} must be at least 0 and below 1 (got {value})"))),
    }
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn update(&self, builder: &mut Builder, arena4: u32, members: u32, args: &[Buf]) {
        builder.dispatch(&update::Sgd { arena4, members, beta1: 0.0, beta2: 0.0, epsilon: 0.0 }, args, "update");
    }

    fn check(&self) -> Result<()> {
        check_rate(self.lr)
    }
}

impl Rule for Momentum {
    fn name(&self) -> &'static str {
        "momentum"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn states(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn update(&self, builder: &mut Builder, arena4: u32, members: u32, args: &[Buf]) {
        builder.dispatch(&update::Momentum { arena4, members, beta1: self.beta as f32, beta2: 0.0, epsilon: 0.0 }, args, "update");
    }

    fn check(&self) -> Result<()> {
        check_rate(self.lr)?;
        check_share("momentum", self.beta)
    }
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn states(&self) -> &'static [&'static str] {
        &["mean", "square"]
    }

    fn corrections(&self, t: u64) -> [f64; 2] {
        // of the betas as the device has them, in f32
        [self.beta1, self.beta2].map(|beta| 1.0 - f64::from(beta as f32).powf(t as f64))
    }

    fn update(&self, builder: &mut Builder, arena4: u32, members: u32, args: &[Buf]) {
        let (beta1, beta2, epsilon) = (self.beta1 as f32, self.beta2 as f32, self.epsilon as f32);
        builder.dispatch(&update::Adam { arena4, members, beta1, beta2, epsilon }, args, "update");
    }

    fn check(&self) -> Result<()> {
        check_rate(self.lr)?;
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)?;
        match self.epsilon.is_finite() && (self.epsilon as f32) > 0.0 {
            true => Ok(()),
            false => Err(Error::input(format!("[optimizer] epsilon must be a positive number (got {})", self.epsilon))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adams_corrections_are_those_of_its_paper() {
        // 1 − 0.9 and 1 − 0.999 at t = 1, to the rounding of the betas to f32 (6e-8)
        let [c1, c2] = Adam::new().corrections(1);
        assert!((c1 - 0.1).abs() < 6e-8 && (c2 - 0.001).abs() < 6e-8);
        // 1 − 0.9² = 0.19
        assert!((Adam::new().corrections(2)[0] - 0.19).abs() < 2e-7);
        assert_eq!(Adam::new().corrections(u64::MAX), [1.0, 1.0]);
    }

    #[test]
    fn every_optimizer_of_the_table_refuses_a_rate_that_is_not_positive() {
        assert!(TABLE.iter().all(|make| make().rule().check().is_ok()));
        assert!(Sgd::new().lr(0.0).check().is_err());
        assert!(Momentum::new().lr(-1.0).check().is_err());
        assert!(Adam::new().lr(f64::INFINITY).check().is_err());
        assert!(Adam::new().epsilon(0.0).check().is_err());
        assert!(Momentum::new().beta(1.0).check().is_err());
    }
}
