//! Optimizers: one of the table with its rate, hyper-parameters, weight decay and moving average of the weights.
//!
//! What each does is said in [`kernels::update`](crate::kernels::update), formula, WGSL and twin side by side.

use crate::error::{Error, Result};
use crate::formula::Formulas;
use crate::kernel::{Args, Cells, Step};
use crate::kernels::update::{OptimizerInfo, Shape, TABLE};
use crate::plan::{Buf, Builder, TENSOR_ALIGN};
use std::cell::RefCell;

/// Which weights decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decays {
    /// Weights of layers, not their biases nor the γ and β of normalisation.
    #[default]
    Weights,
    /// All parameters, as in PyTorch.
    All,
}

/// An optimizer with its numbers.
///
/// ```
/// use gradus::optim::{Adam, Optimizer};
/// let optimizer = Adam::new().lr(3e-4).l2(1e-4);
/// assert_eq!((optimizer.name(), optimizer.rate()), ("adam", 3e-4));
/// assert_eq!(Optimizer::named("rmsprop").unwrap().get("rho"), Some(0.99));
/// assert!(Adam::new().set("beta1", 1.5).check().is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Optimizer {
    info: &'static OptimizerInfo,
    lr: f64,
    h: [f64; 3],
    l2: f64,
    decoupled: f64,
    decays: Decays,
    average: Option<f64>,
    unknown: Option<&'static str>,
}

impl PartialEq for Optimizer {
    fn eq(&self, other: &Self) -> bool {
        let all = |o: &Optimizer| (o.info.name, o.lr, o.h, o.l2, o.decoupled, o.decays, o.average);
        all(self) == all(other)
    }
}

impl Optimizer {
    fn of(info: &'static OptimizerInfo) -> Self {
        let mut h = [0.0; 3];
        h.iter_mut().zip(info.keys).for_each(|(h, key)| *h = key.default);
        let (l2, decoupled) = (0.0, info.decay);
        Optimizer { info, lr: info.lr, h, l2, decoupled, decays: Decays::default(), average: None, unknown: None }
    }

    /// The optimizer of a name, with its defaults.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|info| info.name == name).map(Optimizer::of)
    }

    /// All optimizers, with their defaults.
    pub fn all() -> impl Iterator<Item = Optimizer> {
        TABLE.iter().map(Optimizer::of)
    }

    /// Its row of the table: formula, hyper-parameters, states.
    pub fn info(&self) -> &'static OptimizerInfo {
        self.info
    }

    /// The name in configs.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// The learning rate when no schedule says otherwise.
    pub fn rate(&self) -> f64 {
        self.lr
    }

    /// Sets the learning rate α.
    pub fn lr(self, lr: f64) -> Self {
        Optimizer { lr, ..self }
    }

    /// A hyper-parameter.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.info.keys.iter().position(|hyper| hyper.name == key).map(|i| self.h[i])
    }

    /// Sets a hyper-parameter. One that the optimizer does not have is named by [`Optimizer::check`].
    pub fn set(mut self, key: &'static str, value: f64) -> Self {
        match self.info.keys.iter().position(|hyper| hyper.name == key) {
            Some(i) => self.h[i] = value,
            None => self.unknown = Some(key),
        }
        self
    }

    /// Sets β₁ and β₂ of Adam and its kin.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        self.set("beta1", beta1).set("beta2", beta2)
    }

    /// Sets ε.
    pub fn epsilon(self, epsilon: f64) -> Self {
        self.set("epsilon", epsilon)
    }

    /// Sets the momentum β.
    pub fn momentum(self, beta: f64) -> Self {
        self.set("momentum", beta)
    }

    /// Adds λ·w to the gradient of what decays: PyTorch's `weight_decay` of all optimizers but AdamW.
    pub fn l2(self, lambda: f64) -> Self {
        Optimizer { l2: lambda, ..self }
    }

    /// Takes α·λ·w off what decays, before the step: PyTorch's `weight_decay` of AdamW, Keras's of all optimizers.
    pub fn weight_decay(self, lambda: f64) -> Self {
        Optimizer { decoupled: lambda, ..self }
    }

    /// Sets which parameters decay.
    pub fn decays(self, decays: Decays) -> Self {
        Optimizer { decays, ..self }
    }

    /// Keeps a moving average of the weights, `average ← d·average + (1 − d)·w` after each step, and judges and hands out that.
    ///
    /// It starts at the initial weights, as in Keras and timm (PyTorch's `AveragedModel` starts at the first weights that it is shown).
    pub fn average(self, decay: f64) -> Self {
        Optimizer { average: Some(decay), ..self }
    }

    /// λ that is added to the gradient.
    pub fn l2_rate(&self) -> f64 {
        self.l2
    }

    /// λ that is taken off the weight.
    pub fn weight_decay_rate(&self) -> f64 {
        self.decoupled
    }

    /// Which parameters decay.
    pub fn decaying(&self) -> Decays {
        self.decays
    }

    /// The decay of the moving average of the weights, where there is one.
    pub fn averaging(&self) -> Option<f64> {
        self.average
    }

    /// Whether any weight decays.
    pub(crate) fn has_decay(&self) -> bool {
        self.l2 != 0.0 || self.decoupled != 0.0
    }

    /// Two factors for step `t` (from 1), worked out in `f64`: Adam's bias corrections.
    pub fn corrections(&self, t: u64) -> [f64; 2] {
        // of the hyper-parameters as the device has them, in f32
        (self.info.corrections)(&self.h.map(|h| f64::from(h as f32)), t)
    }

    /// The way that the optimizer takes over a function, given its gradient: `start`, then the point after each step, worked out by the update's
    /// twin in `f64`. For plots and tests.
    ///
    /// ```
    /// use gradus::optim::Sgd;
    /// // f = x², from 1 with α = ¼: each step halves x
    /// let path = Sgd::new().lr(0.25).path(&[1.0], 3, |x| vec![2.0 * x[0]]);
    /// assert_eq!(path, [[1.0], [0.5], [0.25], [0.125]]);
    /// ```
    pub fn path(&self, start: &[f64], steps: usize, gradient: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Vec<f64>> {
        let arena = start.len().next_multiple_of(TENSOR_ALIGN);
        let zeros = || RefCell::new(Cells::Real(vec![0.0; arena]));
        let reals = |values: &[f64]| RefCell::new(Cells::Real(values.iter().copied().chain(std::iter::repeat(0.0)).take(arena).collect()));
        let mut cells = vec![zeros(), zeros(), reals(start), reals(&vec![1.0; start.len()])];
        cells.extend(self.info.states.iter().map(|_| zeros()));
        let bound: Vec<usize> = (0..cells.len()).collect();
        let words = self.words(arena as u32 / 4, 1);
        let (table, formulas) = (vec![0; Step::words(1)], Formulas::none());
        let mut path = vec![start.to_vec()];
        for t in 1..=steps {
            let [c1, c2] = self.corrections(t as u64);
            let g = gradient(&path[t - 1]);
            // as `finish` leaves them: no clipping, to be applied
            cells[0] = RefCell::new(Cells::Real(vec![1.0, self.lr, c1, c2, 1.0, 1.0, 0.0, 0.0]));
            cells[1] = reals(&g);
            (self.info.kernel.cpu64)(&words, &Step::of_row(&table), &Args::new(&cells, &bound, &formulas));
            if let Cells::Real(w) = cells[2].get_mut() {
                path.push(w[..start.len()].to_vec());
            }
        }
        path
    }

    fn words(&self, arena4: u32, members: u32) -> Vec<u32> {
        self.info.words(&Shape { arena4, members, h: self.h.map(|h| h as f32), l2: self.l2 as f32, decoupled: self.decoupled as f32 })
    }

    /// Adds the update to a plan. `args`: scalars, gradients, parameters, which of them decay, then the states.
    pub(crate) fn emit(&self, builder: &mut Builder, arena4: u32, members: u32, args: &[Buf]) {
        builder.dispatch_words(self.info.kernel, self.words(arena4, members), args, "update");
    }

    /// An error when a number makes no sense, or when the optimizer has no such hyper-parameter.
    pub fn check(&self) -> Result<()> {
        if let Some(key) = self.unknown {
            let keys: Vec<_> = self.info.keys.iter().map(|hyper| hyper.name).collect();
            let keys = if keys.is_empty() { "none".to_string() } else { keys.join(", ") };
            return Err(Error::input(format!("{} has no hyper-parameter {key} (it has {keys})", self.info.name)));
        }
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.lr) {
            return Err(Error::input(format!("the learning rate must be a positive number (got {}): set [optimizer] lr", self.lr)));
        }
        for (key, value) in self.info.keys.iter().zip(self.h) {
            key.check("[optimizer]", value)?;
            // what is above 0 must still be when the device has it
            if value > 0.0 && value as f32 == 0.0 {
                return Err(Error::input(format!("[optimizer] {} is 0 in single precision (got {value}): raise it", key.name)));
            }
        }
        for (key, value) in [("l2", self.l2), ("weight_decay", self.decoupled)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::input(format!("[optimizer] {key} must be a number of at least 0 (got {value})")));
            }
        }
        match self.average {
            Some(decay) if !(0.0..1.0).contains(&decay) => {
                Err(Error::input(format!("[optimizer] ema must be a number of at least 0 and below 1 (got {decay})")))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $row:literal,)+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $name {
            /// With its defaults.
            #[expect(clippy::new_ret_no_self, reason = "a name for a row of the table; all optimizers are of one type")]
            pub fn new() -> Optimizer {
                Optimizer::named($row).expect("it is in the table")
            }
        }
    )+ };
}

names! {
    /// Plain gradient descent: `w ← w − α·g`. α 1e-2 (PyTorch has no default, Keras 1e-2). Robbins and Monro 1951.
    Sgd: "sgd",
    /// Gradient descent with momentum: `v ← β·v + g; w ← w − α·v`, first step `v = g`. α 1e-2, β 0.9. PyTorch's `SGD(momentum = β,
    /// dampening = 0)`; Keras multiplies α into v: the same at a constant rate. Polyak 1964.
    Momentum: "momentum",
    /// Nesterov's momentum: `v ← β·v + g; w ← w − α·(g + β·v)`. α 1e-2, β 0.9. PyTorch's `SGD(momentum = β, nesterov = True)`. Nesterov 1983.
    Nesterov: "nesterov",
    /// Adam: `m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − α·m̂/(√v̂ + ε)`, `m̂ = m/(1 − β₁ᵗ)`, `v̂ = v/(1 − β₂ᵗ)`. α 1e-3, β 0.9 and
    /// 0.999, ε 1e-8, as PyTorch and optax (Keras has ε 1e-7, burn 1e-5). Kingma and Ba 2015.
    Adam: "adam",
    /// Adam with decoupled decay: `w ← w − α·λ·w` first, then Adam's step. As [`Adam`], λ 0.01 as PyTorch (Keras 0.004). PyTorch decays biases and
    /// normalisation, too: [`Decays::All`] does. Loshchilov and Hutter 2019.
    AdamW: "adamw",
    /// RMSProp: `v ← ρ·v + (1 − ρ)·g²; w ← w − α·g/(√v + ε)`. α 1e-2, ρ 0.99, ε 1e-8, as PyTorch, which calls ρ alpha (Keras has α 1e-3, ρ 0.9,
    /// ε 1e-7). Tieleman and Hinton 2012.
    RmsProp: "rmsprop",
    /// Adagrad: `v ← v + g²; w ← w − α·g/(√v + ε)`. α 1e-2, ε 1e-10, as PyTorch (Keras starts v at 0.1). Duchi, Hazan and Singer 2011.
    Adagrad: "adagrad",
    /// Lion: `w ← w − α·sign(β₁·m + (1 − β₁)·g); m ← β₂·m + (1 − β₂)·g`. α 1e-4, β 0.9 and 0.99, as optax (Keras: α 1e-3; PyTorch has none).
    /// Chen et al. 2023.
    Lion: "lion",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adams_corrections_are_those_of_its_paper() {
        // 1 − 0.9 and 1 − 0.999 at t = 1, to the rounding of the betas to f32 (6e-8); of the second, the root
        let [c1, c2] = Adam::new().corrections(1);
        assert!((1.0 / c1 - 0.1).abs() < 6e-8 && (1.0 / (c2 * c2) - 0.001).abs() < 6e-8);
        // 1 − 0.9² = 0.19
        assert!((1.0 / AdamW::new().corrections(2)[0] - 0.19).abs() < 2e-7);
        assert_eq!(Adam::new().corrections(u64::MAX), [1.0, 1.0]);
        assert_eq!(Lion::new().corrections(1), [1.0, 1.0]);
    }

    #[test]
    fn every_optimizer_refuses_numbers_that_make_no_sense() {
        for optimizer in Optimizer::all() {
            let name = optimizer.name();
            assert!(optimizer.check().is_ok(), "{name}");
            for bad in [
                optimizer.lr(0.0),
                optimizer.lr(-1.0),
                optimizer.lr(f64::INFINITY),
                optimizer.l2(-1e-3),
                optimizer.weight_decay(f64::NAN),
                optimizer.average(1.0),
                optimizer.set("nothing", 1.0),
            ] {
                assert!(bad.check().is_err(), "{bad:?}");
            }
            for key in optimizer.info().keys {
                assert!(optimizer.set(key.name, -1.0).check().is_err(), "{name} {}", key.name);
            }
        }
        let message = Sgd::new().momentum(0.9).check().unwrap_err().to_string();
        assert_eq!(message, "sgd has no hyper-parameter momentum (it has none)");
        assert!(Adam::new().epsilon(1e-60).check().is_err());
    }
}
