//! Losses that are a mean over outputs: `loss[m, r] = w/k · Σⱼ ℓ(pⱼ, tⱼ)`, `g[m, r, j] = w · ∂ℓ/∂p (pⱼ, tⱼ) / (W · k)`, with w the row's
//! weight and W the batch's.
//!
//! Each is a type with its WGSL and its twin side by side in `formulas.rs`, where a word in the list `table!` makes it known everywhere.

mod formulas;

pub use formulas::TABLE;

use crate::expr::{Expr, Width};
use crate::formula::{Formulas, Link, PointLoss, Takes, Uses};
use crate::hyper::Hyper;
use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::over_parts;
use crate::params;
use crate::plan::padded;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// What such a loss is: ℓ and ∂ℓ/∂p of a prediction p and a target t, in WGSL on `f32` and in Rust. A type of your own that has this
/// is made a loss by [`Loss::of`](crate::Loss::of).
pub trait Formula: Send + Sync + 'static {
    /// The name in configs.
    const NAME: &'static str;
    /// The formula in words, and where it comes from.
    const DOC: &'static str;
    /// The parameter, where there is one.
    const PARAMETER: Option<Hyper> = None;
    /// Which targets it takes, and what becomes of classes.
    const TAKES: Takes = Takes::Numbers;
    /// What an output is to be put through to be an answer.
    const LINK: Link = Link::Identity;
    /// `ℓ` as an expression of `p`, `t` and `parameter`.
    const WGSL: &'static str;
    /// `∂ℓ/∂p`, likewise.
    const WGSL_SLOPE: &'static str;
    /// How large a prediction may be before ℓ leaves the range of `f32`.
    const REACH: f32 = 1e3;
    /// `ℓ`.
    fn value<T: Real>(p: T, t: T, parameter: T) -> T;
    /// `∂ℓ/∂p`.
    fn slope<T: Real>(p: T, t: T, parameter: T) -> T;
}

/// A formula with its parameter: what a plan holds.
pub(crate) struct Filled<F> {
    parameter: f32,
    formula: PhantomData<fn() -> F>,
}

impl<F: Formula> Filled<F> {
    pub(crate) fn boxed(parameter: f32) -> Arc<dyn PointLoss> {
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

impl<F: Formula> PointLoss for Filled<F> {
    fn name(&self) -> String {
        F::NAME.to_string()
    }
    fn wgsl(&self) -> String {
        self.body(F::WGSL)
    }
    fn wgsl_slope(&self) -> String {
        self.body(F::WGSL_SLOPE)
    }
    fn row32(&self, p: &[f32], t: &[f32], scale: f32, g: &mut [f32]) -> f32 {
        row::<f32, _>(p, t, g, |p, t| (F::value(p, t, self.parameter), scale * F::slope(p, t, self.parameter)))
    }
    fn row64(&self, p: &[f64], t: &[f64], scale: f64, g: &mut [f64]) -> f64 {
        let parameter = f64::from(self.parameter);
        row::<f64, _>(p, t, g, |p, t| (F::value(p, t, parameter), scale * F::slope(p, t, parameter)))
    }
}

fn row<T: Real, L: Fn(T, T) -> (T, T)>(p: &[T], t: &[T], g: &mut [T], loss: L) -> T {
    let mut sum = T::zero();
    for ((g, &p), &t) in g.iter_mut().zip(p).zip(t) {
        let (value, slope) = loss(p, t);
        sum += value;
        *g = slope;
    }
    sum
}

/// An expression of the user's and its derivative.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) value: Expr,
    pub(crate) slope: Expr,
}

impl PointLoss for Expression {
    fn name(&self) -> String {
        self.value.to_string()
    }
    fn wgsl(&self) -> String {
        format!("return f32({});", self.value.wgsl(Width::One))
    }
    fn wgsl_slope(&self) -> String {
        format!("return f32({});", self.slope.wgsl(Width::One))
    }
    fn row32(&self, p: &[f32], t: &[f32], scale: f32, g: &mut [f32]) -> f32 {
        row::<f32, _>(p, t, g, |p, t| (self.value.eval(&[p, t]), scale * self.slope.eval(&[p, t])))
    }
    fn row64(&self, p: &[f64], t: &[f64], scale: f64, g: &mut [f64]) -> f64 {
        row::<f64, _>(p, t, g, |p, t| (self.value.eval(&[p, t]), scale * self.slope.eval(&[p, t])))
    }
}

/// A loss as the table holds it.
#[derive(Debug)]
pub struct ElementwiseInfo {
    /// The name in configs.
    pub name: &'static str,
    /// The formula in words, and where it comes from.
    pub doc: &'static str,
    /// The parameter, where there is one.
    pub parameter: Option<Hyper>,
    /// See [`Formula::TAKES`].
    pub takes: Takes,
    /// See [`Formula::LINK`].
    pub link: Link,
    /// See [`Formula::REACH`].
    pub reach: f32,
    make: fn(f32) -> Arc<dyn PointLoss>,
}

impl ElementwiseInfo {
    const fn of<F: Formula>() -> Self {
        ElementwiseInfo {
            name: F::NAME,
            doc: F::DOC,
            parameter: F::PARAMETER,
            takes: F::TAKES,
            link: F::LINK,
            reach: F::REACH,
            make: Filled::<F>::boxed,
        }
    }

    /// The formula with a parameter, or with the usual one.
    pub fn formula(&self, parameter: Option<f64>) -> Arc<dyn PointLoss> {
        (self.make)(parameter.or(self.parameter.map(|hyper| hyper.default)).unwrap_or(0.0) as f32)
    }
}

/// The whole table as a plan's list: `kind` is the row.
pub(crate) fn all() -> Formulas {
    Formulas { activations: Vec::new(), losses: TABLE.iter().map(|row| row.formula(None)).collect() }
}

params! {
    /// Arguments: predictions `[members, rows, stride]`, values `[n, outputs]`, order `[members, order_stride]`, g as the predictions,
    /// loss `[members, rows]`, weights `[n]`.
    ElementwiseLoss {
        /// Rows of a full batch.
        rows: u32,
        /// Outputs.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// The loss's number.
        kind: u32,
        /// Whether rows have weights; else each weighs 1.
        weighted: u32,
    }
}

impl Kernel for ElementwiseLoss {
    const NAME: &'static str = "elementwise_loss";
    const USES: Uses = Uses::Losses;

    fn wgsl() -> String {
        include_str!("../../shaders/elementwise_loss.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn flops(&self) -> u64 {
        6 * u64::from(self.rows) * u64::from(self.outputs) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, values, order, weights) = (&*args.real(0), &*args.real(1), &*args.word(2), &*args.real(5));
        let (mut g, mut loss, formula) = (args.real_mut(3), args.real_mut(4), args.loss(self.kind));
        let (rows, outputs, stride) = (self.rows as usize, self.outputs as usize, self.stride as usize);
        let k = T::of(self.outputs as f32);
        over_parts([&mut *g, &mut *loss], self.members, [rows * stride, rows], 8 * self.flops(), &|member, [g, loss]: [&mut [T]; 2]| {
            let total = T::of(step.total(member));
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            let predictions = &predictions[member * rows * stride..];
            for (r, &row) in order.iter().enumerate() {
                let (prediction, truth) = (&predictions[r * stride..][..outputs], &values[row as usize * outputs..][..outputs]);
                let weight = if self.weighted != 0 { weights[row as usize] } else { T::one() };
                let sum = T::lose(formula, prediction, truth, weight / (total * k), &mut g[r * stride..][..outputs]);
                loss[r] = weight * sum / k;
            }
        });
    }

    fn cases() -> Vec<Case> {
        TABLE.iter().enumerate().flat_map(|(kind, row)| cases_of(kind as u32, row.name, row.reach, &all())).collect()
    }
}

/// Cases for the loss of a number.
pub(crate) fn cases_of(kind: u32, name: &str, reach: f32, formulas: &Formulas) -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, live, outputs, members, size) in
        [(1, 1, 1, 1, 1.0), (32, 4, 3, 1, 1e3), (15, 7, 7, 3, 1.0), (63, 62, 128, 1, 1e-3), (65_537, 1000, 1, 1, 1.0)]
    {
        let size = reach.min(size);
        let mut inputs = Inputs::new(rows + outputs);
        let (stride, order_stride) = (padded(outputs), rows + 8);
        let kernel = ElementwiseLoss {
            rows: rows as u32,
            outputs: outputs as u32,
            stride: stride as u32,
            order_stride: order_stride as u32,
            members: members as u32,
            kind,
            weighted: (members > 1).into(),
        };
        let predictions: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| x * size).collect();
        let mut values: Vec<f32> = inputs.numbers(rows * outputs).iter().map(|x| x * size).collect();
        // exact agreement is where the slope of |e| has its jump
        values.iter_mut().zip(&predictions).step_by(3).for_each(|(t, p)| *t = *p);
        let weights = inputs.numbers(rows).iter().map(|x| 1.5 + x).collect();
        cases.push(
            cases::case(&kernel, format!("{name} {rows}x{outputs} members {members} to {size}"), members, &[rows, live, rows])
                .with(formulas)
                .arg("predictions", CaseData::F32(cases::pad(&predictions, outputs)))
                .arg("values", CaseData::F32(values))
                .arg("order", CaseData::U32((0..members).flat_map(|_| (0..order_stride).map(|i| (i % rows) as u32)).collect()))
                .arg("g", cases::poison(members * rows * stride))
                .arg("loss", cases::poison(members * rows))
                .arg("weights", CaseData::F32(weights))
                // a sum of k terms: √k roundings, twice over. p − t cancels: one rounding at the size of p, in a square times 2·size
                .within(Tolerance::ulp(
                    24.0 + 2.0 * (outputs as f64).sqrt(),
                    2.0 * f64::from(size.max(1.0)) * 1.2e-7 * f64::from(size.max(1.0)),
                )),
        );
    }
    cases
}
