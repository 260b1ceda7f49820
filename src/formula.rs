//! Formulas: pointwise functions with their slopes, in WGSL and in Rust, that a plan hands to the kernels which have a place for one.
//!
//! A kernel's WGSL calls `activate(kind, z)`, `slope(kind, x)`, `loss_value(kind, p, t)` or `loss_slope(kind, p, t)`; its twin asks
//! its [`Args`](crate::kernel::Args). Which formula a `kind` is says the plan that the kernel runs in: it lists those that it uses.

use crate::expr::{self, Expr, Width};
use crate::kernel::Real;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

/// What the slope of an activation is a function of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlopeOf {
    /// The output a: z need not be kept.
    Output,
    /// The input z.
    Input,
}

/// `a = σ(z)`, as a plan holds it: made from an [`Activation`](crate::Activation).
pub trait Pointwise: Debug + Send + Sync {
    /// The name in messages.
    fn name(&self) -> String;
    /// σ in WGSL: the body of a function of `z: vec4<f32>`.
    fn wgsl(&self) -> String;
    /// σ' in WGSL: the body of a function of `z: vec4<f32>` or `a: vec4<f32>`, as [`Pointwise::slope_of`] says.
    fn wgsl_slope(&self) -> String;
    /// What σ' is a function of.
    fn slope_of(&self) -> SlopeOf;
    /// `z ← σ(z)`.
    fn value32(&self, cells: &mut [f32]);
    /// `z ← σ(z)`.
    fn value64(&self, cells: &mut [f64]);
    /// `δ ← δ · σ'`, the slope taken from a or z.
    fn slope32(&self, delta: &mut [f32], source: &[f32]);
    /// `δ ← δ · σ'`, the slope taken from a or z.
    fn slope64(&self, delta: &mut [f64], source: &[f64]);
    /// σ as an expression of `z`, for other tools; `None` where it is known as code only.
    fn expression(&self) -> Option<Expr>;
    /// How far σ on a device may be off, however small it is: what cancels near 0, or what WGSL grants its functions.
    fn floor(&self) -> f64;
}

/// `ℓ(p, t)` of one output, as a plan holds it: made from a [`Loss`](crate::Loss).
pub trait PointLoss: Debug + Send + Sync {
    /// The name in messages.
    fn name(&self) -> String;
    /// ℓ in WGSL: the body of a function of `p: f32` and `t: f32`.
    fn wgsl(&self) -> String;
    /// ∂ℓ/∂p in WGSL, likewise.
    fn wgsl_slope(&self) -> String;
    /// `g ← scale · ∂ℓ/∂p`; hands out `Σ ℓ`.
    fn row32(&self, p: &[f32], t: &[f32], scale: f32, g: &mut [f32]) -> f32;
    /// `g ← scale · ∂ℓ/∂p`; hands out `Σ ℓ`.
    fn row64(&self, p: &[f64], t: &[f64], scale: f64, g: &mut [f64]) -> f64;
}

/// Which targets a loss takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Numbers only.
    Numbers,
    /// Numbers, or classes as 0 and 1: two classes are one output, more are an output each.
    ZeroOne,
    /// Numbers, or classes as −1 and 1, likewise.
    PlusMinus,
    /// Classes only, by their numbers.
    Classes,
}

/// What an output is to be put through to be an answer: a prediction, and what errors are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing.
    Identity,
    /// The sigmoid: a probability.
    Sigmoid,
    /// The exponential: a rate.
    Exp,
}

impl Link {
    /// The number in uniforms.
    pub(crate) fn word(self) -> u32 {
        match self {
            Link::Identity => 0,
            Link::Sigmoid => 1,
            Link::Exp => 2,
        }
    }

    /// What a uniform says.
    pub(crate) fn of_word(word: u32) -> Self {
        match word {
            1 => Link::Sigmoid,
            2 => Link::Exp,
            _ => Link::Identity,
        }
    }

    /// The answer that an output stands for.
    pub fn apply<T: Real>(self, p: T) -> T {
        match self {
            Link::Identity => p,
            Link::Sigmoid => sigmoid(p),
            Link::Exp => p.exp(),
        }
    }
}

/// The class that a row of outputs is taken for: the first of the largest, or whether the only one is above 0.
pub(crate) fn class_of<T: Real>(z: &[T]) -> usize {
    match z {
        [z] => usize::from(*z > T::zero()),
        z => (1..z.len()).fold(0, |best, j| if z[j] > z[best] { j } else { best }),
    }
}

/// `1 / (1 + e⁻ᵖ)`, two-sided.
pub(crate) fn sigmoid<T: Real>(p: T) -> T {
    let e = (-p.abs()).exp();
    (if p >= T::zero() { T::one() } else { e }) / (T::one() + e)
}

/// What the constants of a formula of the user's own may cost on a device, however small its value is: it may take differences of what is large.
pub(crate) const FORMULA_FLOOR: f64 = 1e-3;

/// The formulas of a plan, by the number that uniforms call `kind`. Activation 0 is the identity.
#[derive(Debug, Clone)]
pub struct Formulas {
    /// Activations; number 0, the identity, is not among them: `kind` n is item n − 1.
    pub activations: Vec<Arc<dyn Pointwise>>,
    /// Losses that are a mean over outputs.
    pub losses: Vec<Arc<dyn PointLoss>>,
}

/// Which formulas a kernel has a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// None.
    Nothing,
    /// An activation, forward or backward.
    Activations,
    /// A loss of one output.
    Losses,
}

impl Formulas {
    /// None yet.
    pub const fn none() -> Self {
        Formulas { activations: Vec::new(), losses: Vec::new() }
    }

    /// The WGSL functions of all formulas of a sort.
    pub fn wgsl(&self, uses: Uses) -> String {
        match uses {
            Uses::Nothing => String::new(),
            Uses::Activations => {
                let value = self.activations.iter().map(|f| f.wgsl());
                let slope = self.activations.iter().map(|f| match f.slope_of() {
                    SlopeOf::Input => format!("let z = x; {}", f.wgsl_slope()),
                    SlopeOf::Output => format!("let a = x; {}", f.wgsl_slope()),
                });
                let text = switch("activate", "z: vec4<f32>", "vec4<f32>", Some("return z;"), value)
                    + &switch("slope", "x: vec4<f32>", "vec4<f32>", Some("return vec4<f32>(1.0);"), slope);
                with_functions(text, Width::Four)
            }
            Uses::Losses => {
                let value = self.losses.iter().map(|f| f.wgsl());
                let slope = self.losses.iter().map(|f| f.wgsl_slope());
                let text = switch("loss_value", "p: f32, t: f32", "f32", None, value)
                    + &switch("loss_slope", "p: f32, t: f32", "f32", None, slope);
                with_functions(text, Width::One)
            }
        }
    }
}

/// Appends the functions that formulas call, and those of the users' expressions where there are any.
fn with_functions(text: String, width: Width) -> String {
    let text = text + include_str!("../shaders/functions.wgsl");
    if text.contains("expr_") { text + &expr::wgsl_functions(width) } else { text }
}

/// A WGSL function that does what number `kind` says: `first` is number 0 where the bodies do not begin with it.
fn switch(name: &str, arguments: &str, result: &str, first: Option<&str>, bodies: impl Iterator<Item = String>) -> String {
    let bodies = first.map(str::to_string).into_iter().chain(bodies);
    let mut text = format!("\nfn {name}(kind: u32, {arguments}) -> {result} {{\n    switch kind {{\n");
    let mut any = false;
    for (kind, body) in bodies.enumerate() {
        // WGSL wants a default in every switch
        let label = if kind == 0 { "default:".to_string() } else { format!("case {kind}u:") };
        let _infallible = writeln!(text, "        {label} {{ {body} }}");
        any = true;
    }
    if !any {
        text += "        default: { return 0.0; }\n";
    }
    text + "    }\n}\n"
}
