//! Activations: the table of them, `a = σ(z)` and `δ = g ⊙ σ'(z)`.
//!
//! Each is a type with its WGSL and its twin side by side in `formulas.rs`, where a word in the list `table!` makes it known to the kernels, the
//! config, the documentation and the tests.

mod formulas;

pub use formulas::TABLE;

use crate::error::{Error, Result};
use crate::expr::{Expr, Width};
use crate::formula::{FORMULA_FLOOR, Formulas, Pointwise, SlopeOf, Uses};
use crate::hyper::Hyper;
use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, HARD, Inputs};
use crate::parallel::{Simd, WithSimd, in_vectors};
use crate::params;
use crate::plan::padded;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What an activation is: its formula and its slope, in WGSL on `vec4<f32>` and in Rust. A type of your own that has this is made an
/// activation by [`Activation::of`].
///
/// ```
/// use gradus::Activation;
/// use gradus::kernel::Real;
/// use gradus::kernels::activation::Formula;
///
/// /// `z / (1 + |z|)`. Turian, Bergstra and Bengio 2009.
/// struct Softsign;
/// impl Formula for Softsign {
///     const NAME: &'static str = "softsign";
///     const DOC: &'static str = "z / (1 + |z|)";
///     const WGSL: &'static str = "z / (1.0 + abs(z))";
///     const WGSL_SLOPE: &'static str = "(1.0 - abs(a)) * (1.0 - abs(a))";
///     fn value<T: Real>(z: T, _: T) -> T {
///         z / (T::one() + z.abs())
///     }
///     fn slope<T: Real>(a: T, _: T) -> T {
///         (T::one() - a.abs()) * (T::one() - a.abs())
///     }
/// }
/// assert_eq!(Activation::of::<Softsign>(None).unwrap().name(), "softsign");
/// ```
pub trait Formula: Send + Sync + 'static {
    /// The name in configs.
    const NAME: &'static str;
    /// The formula in words, and where it comes from.
    const DOC: &'static str;
    /// The parameter, where there is one.
    const PARAMETER: Option<Hyper> = None;
    /// What the slope is a function of: of the output a where that can be, so that z need not be kept.
    const SLOPE_OF: SlopeOf = SlopeOf::Output;
    /// `σ` in the language of [`crate::expr`], of `z` and `parameter`: what exports to other tools are made from. Without it a model can be trained and
    /// predicted with, but not exported as ONNX, Rust or WGSL.
    const EXPRESSION: Option<&'static str> = None;
    /// `σ` as an expression of `z`, and of `parameter`, an `f32`.
    const WGSL: &'static str;
    /// `σ'` as an expression of `a` or `z`, and of `parameter`.
    const WGSL_SLOPE: &'static str;
    /// How far `σ` or `σ'` of a device may be off where a relative bound is too narrow: what cancels, or what WGSL allows.
    const FLOOR: f64 = 1e-37;
    /// `σ(z)`.
    fn value<T: Real>(z: T, parameter: T) -> T;
    /// `σ'`, of a or z.
    fn slope<T: Real>(x: T, parameter: T) -> T;
}

/// A formula with its parameter: what a plan holds.
struct Filled<F> {
    parameter: f32,
    formula: PhantomData<fn() -> F>,
}

impl<F: Formula> Filled<F> {
    fn boxed(parameter: f32) -> Arc<dyn Pointwise> {
        Arc::new(Filled::<F> { parameter, formula: PhantomData })
    }

    fn body(&self, expression: &str) -> String {
        match F::PARAMETER {
            Some(_) => format!("let parameter = f32({:?}); return {expression};", self.parameter),
            None => format!("return {expression};"),
        }
    }
}

impl<F: Formula> fmt::Debug for Filled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl<F: Formula> Pointwise for Filled<F> {
    fn name(&self) -> String {
        match F::PARAMETER {
            Some(_) => format!("{}({})", F::NAME, self.parameter),
            None => F::NAME.to_string(),
        }
    }
    fn wgsl(&self) -> String {
        self.body(F::WGSL)
    }
    fn wgsl_slope(&self) -> String {
        self.body(F::WGSL_SLOPE)
    }
    fn slope_of(&self) -> SlopeOf {
        F::SLOPE_OF
    }
    fn value32(&self, cells: &mut [f32]) {
        in_vectors(Values::<F> { cells, parameter: self.parameter, formula: PhantomData });
    }
    fn value64(&self, cells: &mut [f64]) {
        cells.iter_mut().for_each(|z| *z = F::value(*z, f64::from(self.parameter)));
    }
    fn slope32(&self, delta: &mut [f32], source: &[f32]) {
        in_vectors(Slopes::<F> { delta, source, parameter: self.parameter, formula: PhantomData });
    }
    fn slope64(&self, delta: &mut [f64], source: &[f64]) {
        delta.iter_mut().zip(source).for_each(|(d, &x)| *d *= F::slope(x, f64::from(self.parameter)));
    }
    fn expression(&self) -> Option<Expr> {
        let text = F::EXPRESSION?.replace("parameter", &format!("({:?})", f64::from(self.parameter)));
        Expr::parse(&text, &["z"]).ok()
    }
    fn floor(&self) -> f64 {
        F::FLOOR
    }
}

struct Values<'a, F> {
    cells: &'a mut [f32],
    parameter: f32,
    formula: PhantomData<F>,
}

impl<F: Formula> WithSimd for Values<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.cells.iter_mut().for_each(|z| *z = F::value(*z, self.parameter));
    }
}

struct Slopes<'a, F> {
    delta: &'a mut [f32],
    source: &'a [f32],
    parameter: f32,
    formula: PhantomData<F>,
}

impl<F: Formula> WithSimd for Slopes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.delta.iter_mut().zip(self.source).for_each(|(d, &x)| *d *= F::slope(x, self.parameter));
    }
}

/// An expression of the user's and its derivative.
#[derive(Debug)]
struct Expression {
    value: Expr,
    slope: Expr,
}

impl Pointwise for Expression {
    fn name(&self) -> String {
        self.value.to_string()
    }
    fn wgsl(&self) -> String {
        format!("return vec4<f32>({});", self.value.wgsl(Width::Four))
    }
    fn wgsl_slope(&self) -> String {
        format!("return vec4<f32>({});", self.slope.wgsl(Width::Four))
    }
    fn slope_of(&self) -> SlopeOf {
        SlopeOf::Input
    }
    fn value32(&self, cells: &mut [f32]) {
        cells.iter_mut().for_each(|z| *z = self.value.eval(&[*z]));
    }
    fn value64(&self, cells: &mut [f64]) {
        cells.iter_mut().for_each(|z| *z = self.value.eval(&[*z]));
    }
    fn slope32(&self, delta: &mut [f32], source: &[f32]) {
        delta.iter_mut().zip(source).for_each(|(d, &z)| *d *= self.slope.eval(&[z]));
    }
    fn slope64(&self, delta: &mut [f64], source: &[f64]) {
        delta.iter_mut().zip(source).for_each(|(d, &z)| *d *= self.slope.eval(&[z]));
    }
    fn expression(&self) -> Option<Expr> {
        Some(self.value.clone())
    }
    fn floor(&self) -> f64 {
        FORMULA_FLOOR
    }
}

/// How far a device may be off in the values of the formula that is of this kind in a plan; of kind 0 there is none.
pub(super) fn floor(kind: u32, formulas: &Formulas) -> f64 {
    (kind as usize).checked_sub(1).and_then(|i| formulas.activations.get(i)).map_or(0.0, |formula| formula.floor())
}

/// An activation as the table holds it.
#[derive(Debug)]
pub struct ActivationInfo {
    /// The name in configs and in the library's tables.
    pub name: &'static str,
    /// The formula in words, and where it comes from.
    pub doc: &'static str,
    /// The parameter, where there is one.
    pub parameter: Option<Hyper>,
    /// How far a device may be off, see [`Formula::FLOOR`].
    pub floor: f64,
    make: fn(f32) -> Arc<dyn Pointwise>,
}

impl ActivationInfo {
    const fn of<F: Formula>() -> Self {
        ActivationInfo { name: F::NAME, doc: F::DOC, parameter: F::PARAMETER, floor: F::FLOOR, make: Filled::<F>::boxed }
    }

    /// The activation of this row, with its usual parameter.
    pub fn activation(&'static self) -> Activation {
        let parameter = self.parameter.map_or(0.0, |hyper| hyper.default as f32);
        Activation {
            name: self.name.to_string(),
            parameter: self.parameter.map(|_| parameter),
            formula: (self.make)(parameter),
            custom: false,
        }
    }
}

/// An activation: one of the table with its parameter, an expression, or a type of your own.
///
/// | name | σ(z) | PyTorch; where Keras differs |
/// | --- | --- | --- |
/// | `identity` | z | `Identity`; linear |
/// | `relu` | max(0, z), slope 0 at 0 | `ReLU` |
/// | `leaky_relu` | z above 0, slope·z below; slope 0.01 | `LeakyReLU`; Keras 0.3 |
/// | `elu` | z above 0, alpha·(eᶻ − 1) below; alpha 1 | `ELU` |
/// | `selu` | 1.0507·z above 0, 1.0507·1.6733·(eᶻ − 1) below | `SELU` |
/// | `gelu` | z·Φ(z) by erf | `GELU()` |
/// | `gelu_tanh` | ½z(1 + tanh(√(2/π)(z + 0.044715z³))) | `GELU(approximate="tanh")` |
/// | `silu` | z·sigmoid(z) | `SiLU` |
/// | `tanh` | tanh z, z clamped to ±15 | `Tanh` |
/// | `sigmoid` | 1 / (1 + e⁻ᶻ) | `Sigmoid` |
/// | `softplus` | ln(1 + eᶻ) | `Softplus` with beta 1 |
/// | `hard_swish` | z·clamp(z + 3, 0, 6)/6 | `Hardswish`; Keras calls it hard_silu |
///
/// ```
/// use gradus::Activation;
/// assert_eq!(Activation::named("leaky_relu").unwrap().parameter(), Some(0.01));
/// assert!(Activation::named("leakyrelu").is_none());
/// let swish = Activation::expression("z * sigmoid(1.5*z)").unwrap();
/// assert_eq!(swish.name(), "z*sigmoid(1.5*z)");
/// ```
#[derive(Debug, Clone)]
pub struct Activation {
    name: String,
    parameter: Option<f32>,
    formula: Arc<dyn Pointwise>,
    custom: bool,
}

impl PartialEq for Activation {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.parameter, self.formula.wgsl()) == (&other.name, other.parameter, other.formula.wgsl())
    }
}

impl Activation {
    /// `a = z`.
    pub fn identity() -> Self {
        TABLE[0].activation()
    }

    /// The activation of a name, with its usual parameter.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(ActivationInfo::activation)
    }

    /// A type of your own, with its parameter where it has one. Errors when the parameter is out of range.
    pub fn of<F: Formula>(parameter: Option<f64>) -> Result<Self> {
        let value = parameter.or(F::PARAMETER.map(|hyper| hyper.default)).unwrap_or(0.0);
        if let Some(hyper) = F::PARAMETER {
            hyper.check(F::NAME, value)?;
        }
        let formula = Filled::<F>::boxed(value as f32);
        Ok(Activation { name: F::NAME.to_string(), parameter: F::PARAMETER.map(|_| value as f32), formula, custom: true })
    }

    /// An expression of `z`; its slope is derived from it. Errors when it can't be read; the message says where and why.
    pub fn expression(text: &str) -> Result<Self> {
        let fault = |e: crate::expr::ExprError| Error::input(format!("the activation `{text}`, column {}: {}", e.column, e.message));
        let value = Expr::parse(text, &["z"]).map_err(fault)?;
        let slope = value.derivative("z").map_err(fault)?;
        Ok(Activation { name: value.to_string(), parameter: None, formula: Arc::new(Expression { value, slope }), custom: true })
    }

    /// The same activation with another parameter (what `leaky_relu` leaves below zero, say). Errors when it has none, or when the number is out of
    /// its range.
    pub fn with_parameter(self, parameter: f64) -> Result<Self> {
        let row = TABLE.iter().find(|row| !self.custom && row.name == self.name).and_then(|row| Some((row, row.parameter?)));
        let Some((row, hyper)) = row else {
            return Err(Error::input(format!("the activation {} has no parameter to be set", self.name)));
        };
        hyper.check(row.name, parameter)?;
        Ok(Activation { parameter: Some(parameter as f32), formula: (row.make)(parameter as f32), ..self })
    }

    /// The name; of an expression its text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameter, where there is one.
    pub fn parameter(&self) -> Option<f32> {
        self.parameter
    }

    /// Whether it is not one of the table: such a one is checked on the device before it is used.
    pub fn is_custom(&self) -> bool {
        self.custom
    }

    /// Whether it does nothing.
    pub fn is_identity(&self) -> bool {
        !self.custom && self.name == TABLE[0].name
    }

    /// The formula for a plan.
    pub fn formula(&self) -> &Arc<dyn Pointwise> {
        &self.formula
    }

    /// `σ(z)`, in `f64`.
    pub fn value(&self, z: f64) -> f64 {
        let mut cell = [z];
        self.formula.value64(&mut cell);
        cell[0]
    }

    /// `σ'(z)`, in `f64`.
    pub fn slope(&self, z: f64) -> f64 {
        let source = match self.formula.slope_of() {
            SlopeOf::Input => z,
            SlopeOf::Output => self.value(z),
        };
        let mut delta = [1.0];
        self.formula.slope64(&mut delta, &[source]);
        delta[0]
    }
}

/// The whole table as a plan's list: `kind` is the row.
pub(crate) fn all() -> Formulas {
    Formulas { activations: TABLE[1..].iter().map(|row| row.activation().formula).collect(), losses: Vec::new() }
}

/// One row of the table, with another in the list so that numbers matter, and its `kind` there: drivers take long to compile a matrix
/// product with a place for all of them.
pub(crate) fn beside_another(row: usize) -> (u32, Formulas) {
    let formula = |row: usize| TABLE[row].activation().formula;
    let formulas = |list: Vec<usize>| Formulas { activations: list.into_iter().map(formula).collect(), losses: Vec::new() };
    match row {
        0 => (0, formulas(vec![1])),
        row => (2, formulas(vec![1 + row % (TABLE.len() - 1), row])),
    }
}

params! {
    /// An activation on its own. Arguments: z and a, both `[members, rows, 4·width4]`.
    Activate {
        /// Rows of a full batch.
        rows: u32,
        /// Columns.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// The activation's number.
        kind: u32,
    }
}

params! {
    /// The slope of an activation on its own. Arguments: g, a or z (see [`SlopeOf`]) and δ, all `[members, rows, 4·width4]`.
    ActivateSlope {
        /// Rows of a full batch.
        rows: u32,
        /// Columns.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// The activation's number.
        kind: u32,
    }
}

impl Kernel for Activate {
    const NAME: &'static str = "activation";
    const USES: Uses = Uses::Activations;

    fn wgsl() -> String {
        include_str!("../../shaders/activation.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (z, mut a) = (args.real(0), args.real_mut(1));
        let stride = 4 * self.width4 as usize;
        for member in 0..self.members as usize {
            let start = member * self.rows as usize * stride;
            let live = start..start + step.rows * stride;
            for (a, z) in a[live.clone()].chunks_exact_mut(stride).zip(z[live].chunks_exact(stride)) {
                a.copy_from_slice(z);
                args.activate(self.kind, a);
                a[self.width as usize..].fill(T::zero());
            }
        }
    }

    fn floor(&self, formulas: &Formulas) -> f64 {
        floor(self.kind, formulas)
    }

    fn cases() -> Vec<Case> {
        let kinds = 0..TABLE.len();
        kinds
            .flat_map(|kind| cases_of(kind as u32, TABLE[kind].name, TABLE[kind].floor, &all()))
            .filter(|case| case.args.len() == 2)
            .collect()
    }
}

impl Kernel for ActivateSlope {
    const NAME: &'static str = "activation_slope";
    const USES: Uses = Uses::Activations;

    fn wgsl() -> String {
        Activate::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, source, mut delta) = (args.real(0), args.real(1), args.real_mut(2));
        let stride = 4 * self.width4 as usize;
        for member in 0..self.members as usize {
            let start = member * self.rows as usize * stride;
            let live = start..start + step.rows * stride;
            delta[live.clone()].copy_from_slice(&g[live.clone()]);
            args.slope(self.kind, &mut delta[live.clone()], &source[live]);
        }
    }

    fn cases() -> Vec<Case> {
        let kinds = 0..TABLE.len();
        kinds
            .flat_map(|kind| cases_of(kind as u32, TABLE[kind].name, TABLE[kind].floor, &all()))
            .filter(|case| case.args.len() == 3)
            .collect()
    }
}

/// Cases for the activation of a number, of both kernels: those of [`Activate`] have two buffers, those of [`ActivateSlope`] three.
pub(crate) fn cases_of(kind: u32, name: &str, floor: f64, formulas: &Formulas) -> Vec<Case> {
    let mut all = Vec::new();
    for (rows, width, members, live) in [(1, 1, 1, 1), (33, 31, 3, 7), (16, 257, 1, 15), (65_537, 7, 1, 1000)] {
        let label = format!("{name} {rows}x{width} members {members}");
        let (rows32, width32, width4, m) = (rows as u32, width as u32, (width as u32).div_ceil(4), members as u32);
        let z = hard_rows(members * rows, width);
        let poison = || cases::poison(members * rows * padded(width));
        let activate = Activate { rows: rows32, width: width32, width4, members: m, kind };
        all.push(
            cases::case(&activate, label.clone(), members, &[rows, live, rows])
                .with(formulas)
                .arg("input", CaseData::F32(z.clone()))
                .arg("output", poison())
                // WGSL allows exp 3 + 2·|x| ULP
                .within(Tolerance::ulp(24.0, floor)),
        );
        let mut source = z;
        if let Some(formula) = kind.checked_sub(1).map(|n| &formulas.activations[n as usize])
            && formula.slope_of() == SlopeOf::Output
        {
            formula.value32(&mut source);
        }
        // WGSL lets a device flush denormals to zero, which is the other side of a kink: both slopes would be right
        source.iter_mut().filter(|a| a.is_subnormal()).for_each(|a| *a = 0.0);
        let slope = ActivateSlope { rows: rows32, width: width32, width4, members: m, kind };
        all.push(
            cases::case(&slope, label, members, &[rows, live, rows])
                .with(formulas)
                .arg("input", Inputs::new(width).rows(members * rows, width))
                .arg("source", CaseData::F32(source))
                .arg("delta", poison())
                // 1 − a² cancels near ±1: the floor is one rounding of a number near 1
                .within(Tolerance::ulp(24.0, floor.max(1.2e-7))),
        );
    }
    all
}

/// Cases with ordinary numbers only, for an activation of a user's own.
pub(crate) fn ordinary_cases_of(kind: u32, name: &str, formulas: &Formulas) -> Vec<Case> {
    let mut cases = cases_of(kind, name, 0.0, formulas);
    cases.truncate(4);
    for case in &mut cases {
        for arg in case.args.iter_mut().filter(|arg| ["input", "source"].contains(&arg.name)) {
            if let CaseData::F32(values) = &mut arg.data {
                values.iter_mut().for_each(|z| *z = z.clamp(-8.0, 8.0));
            }
        }
    }
    cases
}

/// Rows with the hard values among ordinary ones, padded with zeros.
fn hard_rows(rows: usize, width: usize) -> Vec<f32> {
    let mut values: Vec<f32> = Inputs::new(rows).numbers(rows * width).iter().map(|x| 8.0 * x).collect();
    values.iter_mut().step_by(5).zip(HARD.iter().cycle()).for_each(|(v, &hard)| *v = hard);
    cases::pad(&values, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_central_differences() {
        // kinks: 0, and ±3 of hard_swish; the points keep away from them
        for activation in TABLE.iter().map(ActivationInfo::activation) {
            for z in [-7.3, -3.4, -2.1, -0.7, -0.01, 0.02, 0.6, 1.9, 2.8, 3.3, 8.1] {
                let h = 1e-6;
                let difference = (activation.value(z + h) - activation.value(z - h)) / (2.0 * h);
                let error = (difference - activation.slope(z)).abs();
                assert!(error < 1e-8, "{} at {z}: slope {}, difference {difference}", activation.name(), activation.slope(z));
            }
        }
    }

    #[test]
    fn values_and_slopes_are_finite_everywhere() {
        for activation in TABLE.iter().map(ActivationInfo::activation) {
            for z in HARD.into_iter().chain([1e30, -1e30]) {
                let mut value = [z];
                activation.formula().value32(&mut value);
                assert!(value[0].is_finite(), "{} of {z} is {}", activation.name(), value[0]);
                let source = if activation.formula().slope_of() == SlopeOf::Input { [z] } else { value };
                let mut slope = [1.0f32];
                activation.formula().slope32(&mut slope, &source);
                // the slope of those that take the square of z is not asked beyond 1e3
                assert!(slope[0].is_finite() || z.abs() > 1e3, "the slope of {} at {z} is {}", activation.name(), slope[0]);
            }
        }
    }

    #[test]
    fn a_parameter_out_of_range_is_refused() {
        let message = Activation::named("leaky_relu").unwrap().with_parameter(1.5).unwrap_err().to_string();
        assert!(message.contains("slope must be a number of at least 0 and below 1 (got 1.5)"), "{message}");
        assert!(Activation::named("relu").unwrap().with_parameter(0.5).is_err());
        assert!(Activation::expression("z +").is_err());
    }
}
