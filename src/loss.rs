//! Losses: which kernel each is, which targets it takes, and how many outputs the model needs for it.

use crate::data::Targets;
use crate::error::{Error, Result};
use crate::expr::{Expr, ExprError};
use crate::formula::PointLoss;
use crate::hyper::Hyper;
use crate::kernels::elementwise_loss::{ElementwiseInfo, ElementwiseLoss, Expression, Filled, Formula, TABLE};
use crate::kernels::gaussian_nll::GaussianNll;
use crate::kernels::softmax_cross_entropy::SoftmaxCrossEntropy;
use crate::plan::{Buf, Builder, padded};
use std::sync::Arc;

pub use crate::formula::{Link, Takes};
pub use crate::kernels::elementwise_loss::Formula as LossFormula;

/// What is minimised: the mean over the rows, of which each may have a weight, and over the outputs.
///
/// | loss | of a row | slope with respect to the prediction p, times 1/rows |
/// | --- | --- | --- |
/// | `cross_entropy` | −log softmax(z)ᵧ, from logits z, by log-sum-exp | softmax(z) − y |
/// | `mse` | (p − t)² (no ½: PyTorch, Keras; scikit-learn has ½) | 2(p − t)/k |
/// | `mae` | abs(p − t) | sign(p − t)/k, 0 at 0 |
/// | `huber` | ½e² inside δ, δ(abs e − ½δ) outside | e or δ·sign(e), /k |
/// | `binary_cross_entropy` | max(p, 0) − p·t + ln(1 + e^−abs p), from logits p | (σ(p) − t)/k |
/// | `hinge` | max(0, 1 − t·p), t = ±1 | −t/k where t·p < 1 |
/// | `poisson` | eᵖ − t·p | (eᵖ − t)/k |
/// | `quantile` | max(q(t − p), (q − 1)(t − p)) | −q or 1 − q, /k |
/// | `gaussian_nll` | ½(s + (μ − t)²e^−s), outputs μ and s = log σ² | (μ − t)e^−s/k, ½(1 − (μ − t)²e^−s)/k |
/// | an expression of p and t, or a type of your own | that | derived, or yours |
///
/// All but the first and the last are in [`kernels::elementwise_loss`](crate::kernels::elementwise_loss), formula, WGSL and twin side by
/// side. Weighted means divide by the sum of the weights, as in PyTorch.
///
/// ```
/// use gradus::Loss;
/// assert_eq!(Loss::named("huber").unwrap().parameter(), Some(1.0));
/// // what was predicted too low costs ten times as much
/// let careful = Loss::expression("abs(p - t)*(1 + 9*(t > p))").unwrap();
/// assert_eq!(careful.slope_text().unwrap(), "sign(p - t)*(1 + 9*(t > p))");
/// ```
#[derive(Debug, Clone)]
pub struct Loss {
    form: Form,
    smoothing: f64,
}

#[derive(Debug, Clone)]
enum Form {
    CrossEntropy,
    GaussianNll,
    Row { info: &'static ElementwiseInfo, parameter: Option<f64> },
    Custom { name: String, slope: Option<String>, formula: Arc<dyn PointLoss>, takes: Takes, link: Link },
}

impl PartialEq for Loss {
    fn eq(&self, other: &Self) -> bool {
        let of =
            |loss: &Loss| (loss.name().to_string(), loss.parameter(), loss.smoothing, loss.formula().map(|f| (f.wgsl(), f.wgsl_slope())));
        of(self) == of(other)
    }
}

/// A loss as documentation and configs know it.
#[derive(Debug, Clone, Copy)]
pub struct LossInfo {
    /// The name in configs.
    pub name: &'static str,
    /// The formula in words.
    pub doc: &'static str,
    /// The parameter, where there is one.
    pub parameter: Option<Hyper>,
    /// Which targets it takes.
    pub takes: Takes,
}

const CROSS_ENTROPY: &str = "cross_entropy";
const GAUSSIAN_NLL: &str = "gaussian_nll";

/// The buffers that a loss works on.
pub(crate) struct LossBuffers {
    pub(crate) predictions: Buf,
    /// Classes `[n]` by number.
    pub(crate) classes: Option<Buf>,
    /// Numbers `[n, columns]`.
    pub(crate) values: Option<Buf>,
    pub(crate) order: Buf,
    pub(crate) delta: Buf,
    pub(crate) loss: Buf,
    /// Weights of rows `[n]`.
    pub(crate) weights: Buf,
    /// Weights of classes.
    pub(crate) class_weights: Buf,
}

/// The shapes that a loss works on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LossShape {
    pub(crate) rows: u32,
    pub(crate) outputs: u32,
    pub(crate) order_stride: u32,
    pub(crate) members: u32,
    pub(crate) weighted: bool,
}

impl Loss {
    /// All losses of the tables.
    pub fn table() -> Vec<LossInfo> {
        let own = [
            LossInfo {
                name: CROSS_ENTROPY,
                doc: "−log softmax(z)ᵧ, from logits: PyTorch's CrossEntropyLoss, Keras's with from_logits=True",
                parameter: None,
                takes: Takes::Classes,
            },
            LossInfo {
                name: GAUSSIAN_NLL,
                doc: "½(s + (μ − t)²e^−s): the model has a mean and a log-variance for each target. PyTorch's GaussianNLLLoss takes the variance",
                parameter: None,
                takes: Takes::Numbers,
            },
        ];
        let row = |row: &ElementwiseInfo| LossInfo { name: row.name, doc: row.doc, parameter: row.parameter, takes: row.takes };
        own.into_iter().chain(TABLE.iter().map(row)).collect()
    }

    /// The loss of a name, with its usual parameter.
    pub fn named(name: &str) -> Option<Self> {
        let form = match name {
            CROSS_ENTROPY => Form::CrossEntropy,
            GAUSSIAN_NLL => Form::GaussianNll,
            _ => {
                let info = TABLE.iter().find(|row| row.name == name)?;
                Form::Row { info, parameter: info.parameter.map(|hyper| hyper.default) }
            }
        };
        Some(Loss { form, smoothing: 0.0 })
    }

    fn known(name: &str) -> Self {
        Loss::named(name).expect("it is in the table")
    }

    /// Softmax and cross-entropy, from logits. PyTorch's `CrossEntropyLoss`, Keras's with `from_logits=True`.
    pub fn cross_entropy() -> Self {
        Loss::known(CROSS_ENTROPY)
    }

    /// The mean squared error.
    pub fn mse() -> Self {
        Loss::known("mse")
    }

    /// The mean absolute error.
    pub fn mae() -> Self {
        Loss::known("mae")
    }

    /// A type of your own that brings its WGSL and its twin; with its parameter where it has one. It is compared with its twin on the
    /// device, and its slope with finite differences, before it is trained with.
    pub fn of<F: Formula>(parameter: Option<f64>) -> Result<Self> {
        let value = parameter.or(F::PARAMETER.map(|hyper| hyper.default)).unwrap_or(0.0);
        if let Some(hyper) = F::PARAMETER {
            hyper.check(F::NAME, value)?;
        }
        let formula = Filled::<F>::boxed(value as f32);
        let form = Form::Custom { name: F::NAME.to_string(), slope: None, formula, takes: F::TAKES, link: F::LINK };
        Ok(Loss { form, smoothing: 0.0 })
    }

    /// An expression of a prediction `p` and a target `t`; its slope is derived from it. It is compared with its twin on the device, and its
    /// slope with finite differences, before it is trained with. Errors when it can't be read; the message says where and why.
    pub fn expression(text: &str) -> Result<Self> {
        let fault = |e: ExprError| Error::input(format!("the loss `{text}`, column {}: {}", e.column, e.message));
        let value = Expr::parse(text, &["p", "t"]).map_err(fault)?;
        if !value.uses("p") {
            return Err(Error::input(format!("the loss `{text}` does not depend on the prediction p: there is nothing to learn")));
        }
        let slope = value.derivative("p").map_err(fault)?;
        let (name, slope_text) = (value.to_string(), Some(slope.to_string()));
        let formula: Arc<dyn PointLoss> = Arc::new(Expression { value, slope });
        Ok(Loss { form: Form::Custom { name, slope: slope_text, formula, takes: Takes::Numbers, link: Link::Identity }, smoothing: 0.0 })
    }

    /// The same expression for classes, which become numbers so.
    pub fn taking(mut self, targets: Takes) -> Self {
        if let Form::Custom { takes, .. } = &mut self.form {
            *takes = targets;
        }
        self
    }

    /// The same loss with another parameter (δ of `huber`, q of `quantile`). Errors when it has none, or when the number is out of its range.
    pub fn with_parameter(self, value: f64) -> Result<Self> {
        match self.form {
            Form::Row { info: info @ ElementwiseInfo { parameter: Some(hyper), .. }, .. } => {
                hyper.check("[loss]", value)?;
                Ok(Loss { form: Form::Row { info, parameter: Some(value) }, ..self })
            }
            _ => Err(Error::input(format!("the loss {} has no parameter to be set", self.name()))),
        }
    }

    /// Spreads the share ε of the truth over all classes: PyTorch's `label_smoothing`; for 0 and 1, Keras's.
    pub fn label_smoothing(self, share: f64) -> Self {
        Loss { smoothing: share, ..self }
    }

    /// ε of label smoothing; 0 without.
    pub fn smoothing(&self) -> f64 {
        self.smoothing
    }

    /// The name in configs; of an expression its text.
    pub fn name(&self) -> &str {
        match &self.form {
            Form::CrossEntropy => CROSS_ENTROPY,
            Form::GaussianNll => GAUSSIAN_NLL,
            Form::Row { info, .. } => info.name,
            Form::Custom { name, .. } => name,
        }
    }

    /// The parameter, where there is one.
    pub fn parameter(&self) -> Option<f64> {
        match self.form {
            Form::Row { parameter, .. } => parameter,
            _ => None,
        }
    }

    /// The slope that was derived from an expression, as text.
    pub fn slope_text(&self) -> Option<&str> {
        match &self.form {
            Form::Custom { slope, .. } => slope.as_deref(),
            _ => None,
        }
    }

    /// Whether it is not one of the tables: such a one is checked on the device before it is used.
    pub fn is_custom(&self) -> bool {
        matches!(self.form, Form::Custom { .. })
    }

    /// Which targets it takes.
    pub fn takes(&self) -> Takes {
        match &self.form {
            Form::CrossEntropy => Takes::Classes,
            Form::GaussianNll => Takes::Numbers,
            Form::Row { info, .. } => info.takes,
            Form::Custom { takes, .. } => *takes,
        }
    }

    /// What an output is to be put through to be an answer.
    pub fn link(&self) -> Link {
        match &self.form {
            Form::CrossEntropy | Form::GaussianNll => Link::Identity,
            Form::Row { info, .. } => info.link,
            Form::Custom { link, .. } => *link,
        }
    }

    /// Its formula, when it is a mean over outputs.
    pub fn formula(&self) -> Option<Arc<dyn PointLoss>> {
        match &self.form {
            Form::CrossEntropy | Form::GaussianNll => None,
            Form::Row { info, parameter } => Some(info.formula(*parameter)),
            Form::Custom { formula, .. } => Some(Arc::clone(formula)),
        }
    }

    /// `ℓ` and `∂ℓ/∂p` of one output in `f64`, when it is a mean over outputs.
    pub fn at(&self, p: f64, t: f64) -> Option<(f64, f64)> {
        let mut slope = [0.0];
        let value = self.formula()?.row64(&[p], &[t], 1.0, &mut slope);
        Some((value, slope[0]))
    }

    /// The loss that suits the targets: cross-entropy for classes, the mean squared error for numbers.
    pub fn for_targets(targets: &Targets) -> Self {
        match targets {
            Targets::Classes { .. } => Loss::cross_entropy(),
            Targets::Values { .. } => Loss::mse(),
        }
    }

    /// How many outputs the model needs for so many classes, or so many numbers a row.
    pub fn outputs(&self, classes: Option<usize>, columns: usize) -> usize {
        match (&self.form, classes) {
            (Form::GaussianNll, _) => 2 * columns,
            (Form::CrossEntropy, Some(classes)) => classes,
            // one against the rest; of two classes one output says it all
            (_, Some(2)) => 1,
            (_, Some(classes)) => classes,
            (_, None) => columns,
        }
    }

    /// The numbers that it compares outputs with, row by row; `None` when it takes classes by number.
    pub(crate) fn values(&self, targets: &Targets) -> Option<Vec<f32>> {
        let (no, yes) = match self.takes() {
            Takes::Classes => return None,
            Takes::PlusMinus => (-1.0, 1.0),
            Takes::ZeroOne | Takes::Numbers => (0.5 * self.smoothing as f32, 1.0 - 0.5 * self.smoothing as f32),
        };
        let truth = |hit: bool| if hit { yes } else { no };
        Some(match targets {
            Targets::Values { of, .. } => of.clone(),
            Targets::Classes { of, names } if names.len() == 2 => of.iter().map(|&class| truth(class == 1)).collect(),
            Targets::Classes { of, names } => {
                of.iter().flat_map(|&class| (0..names.len() as u32).map(move |c| truth(c == class))).collect()
            }
        })
    }

    /// An error when the loss does not take such targets, or when a number makes no sense.
    pub fn check(&self, targets: &Targets) -> Result<()> {
        let name = self.name();
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(Error::input(format!(
                "[loss] label_smoothing must be a number of at least 0 and below 1 (got {})",
                self.smoothing
            )));
        }
        if self.smoothing > 0.0 && !matches!(self.takes(), Takes::Classes | Takes::ZeroOne) {
            return Err(Error::input(format!(
                "label smoothing is for cross_entropy and binary_cross_entropy, not for {name}: leave it out"
            )));
        }
        match (self.takes(), targets) {
            (Takes::Classes, Targets::Values { .. }) => Err(Error::input(format!(
                "{name} needs classes, but the target is numbers: use mse or mae, or set [data] task = \"classification\""
            ))),
            (Takes::Numbers, Targets::Classes { .. }) => Err(Error::input(format!(
                "{name} needs numbers, but the target is classes: use cross_entropy, or set [data] task = \"regression\""
            ))),
            (_, Targets::Classes { names, .. }) if names.len() < 2 => {
                Err(Error::input("the target has one class only: there is nothing to learn; check [data] target"))
            }
            (Takes::ZeroOne, Targets::Values { of, .. }) => match of.iter().position(|t| !(0.0..=1.0).contains(t)) {
                Some(row) => {
                    Err(Error::input(format!("{name} needs targets from 0 to 1, but there is {}: use mse, or scale the target", of[row])))
                }
                None => Ok(()),
            },
            (Takes::PlusMinus, Targets::Values { of, .. }) => match of.iter().position(|t| t.abs() != 1.0) {
                Some(row) => Err(Error::input(format!("{name} needs targets of -1 and 1, but there is {}", of[row]))),
                None => Ok(()),
            },
            (_, Targets::Values { of, .. }) if name == "poisson" => match of.iter().position(|t| *t < 0.0) {
                Some(row) => Err(Error::input(format!("poisson needs counts of at least 0, but there is {}", of[row]))),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Adds the loss, and its slope with respect to the predictions, to a plan.
    pub(crate) fn emit(&self, builder: &mut Builder, shape: LossShape, buffers: &LossBuffers) {
        let LossShape { rows, outputs, order_stride, members, weighted } = shape;
        let (stride, weighted) = (padded(outputs as usize) as u32, u32::from(weighted));
        let LossBuffers { predictions, order, delta, loss, weights, class_weights, .. } = *buffers;
        let values = || buffers.values.expect("a loss that takes numbers has them");
        match &self.form {
            Form::CrossEntropy => {
                let smoothing = self.smoothing as f32;
                let kernel = SoftmaxCrossEntropy { rows, outputs, stride, order_stride, members, smoothing, weighted };
                let classes = buffers.classes.expect("a loss that takes classes has them");
                builder.dispatch(&kernel, &[predictions, classes, order, delta, loss, weights, class_weights], "loss");
            }
            Form::GaussianNll => {
                let kernel = GaussianNll { rows, outputs: outputs / 2, stride, order_stride, members, weighted };
                builder.dispatch(&kernel, &[predictions, values(), order, delta, loss, weights], "loss");
            }
            Form::Row { .. } | Form::Custom { .. } => {
                let kind = builder.loss(&self.formula().expect("a mean over outputs has a formula"));
                let kernel = ElementwiseLoss { rows, outputs, stride, order_stride, members, kind, weighted };
                builder.dispatch(&kernel, &[predictions, values(), order, delta, loss, weights], "loss");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_of_the_tables_is_found_by_its_name() {
        for info in Loss::table() {
            let loss = Loss::named(info.name).unwrap();
            assert_eq!((loss.name(), loss.takes()), (info.name, info.takes));
            assert_eq!(loss.parameter(), info.parameter.map(|hyper| hyper.default));
        }
    }

    #[test]
    fn slopes_are_those_of_central_differences() {
        // away from the kinks p = t, |p − t| = 1 and t·p = 1
        for loss in Loss::table().iter().filter_map(|info| Loss::named(info.name)) {
            for (p, t) in [(0.3, 0.7), (-2.5, 1.0), (1.7, -1.0), (0.2, 0.0), (4.0, 1.0), (-0.4, -0.9)] {
                let h = 1e-6;
                let Some((_, slope)) = loss.at(p, t) else { continue };
                let difference = (loss.at(p + h, t).unwrap().0 - loss.at(p - h, t).unwrap().0) / (2.0 * h);
                assert!((difference - slope).abs() < 1e-7, "{} at {p}, {t}: slope {slope}, difference {difference}", loss.name());
            }
        }
    }

    #[test]
    fn classes_become_the_numbers_that_the_loss_wants() {
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let two = Targets::Classes { of: vec![0, 1, 1], names: names(2) };
        let three = Targets::Classes { of: vec![2, 0], names: names(3) };
        let loss = Loss::known("binary_cross_entropy");
        assert_eq!((loss.values(&two), loss.outputs(Some(2), 0)), (Some(vec![0.0, 1.0, 1.0]), 1));
        assert_eq!((loss.values(&three), loss.outputs(Some(3), 0)), (Some(vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0]), 3));
        // ε = 0.1: 0 becomes 0.05, 1 becomes 0.95
        assert_eq!(loss.label_smoothing(0.1).values(&two), Some(vec![0.05, 0.95, 0.95]));
        assert_eq!(Loss::known("hinge").values(&two), Some(vec![-1.0, 1.0, 1.0]));
        assert_eq!(Loss::cross_entropy().values(&two), None);
        assert_eq!(Loss::known("gaussian_nll").outputs(None, 3), 6);
    }

    #[test]
    fn a_loss_refuses_targets_that_it_can_not_take() {
        let values = |of: Vec<f32>| Targets::Values { of, names: vec!["y".into()] };
        for (loss, targets, wanted) in [
            ("cross_entropy", values(vec![1.0]), "cross_entropy needs classes"),
            ("binary_cross_entropy", values(vec![0.5, 2.0]), "targets from 0 to 1, but there is 2"),
            ("hinge", values(vec![0.0]), "targets of -1 and 1, but there is 0"),
            ("poisson", values(vec![-1.0]), "counts of at least 0, but there is -1"),
            ("huber", Targets::Classes { of: vec![0], names: vec!["a".into(), "b".into()] }, "huber needs numbers"),
        ] {
            let message = Loss::known(loss).check(&targets).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
        let message = Loss::mse().label_smoothing(0.1).check(&values(vec![1.0])).unwrap_err().to_string();
        assert!(message.contains("label smoothing is for"), "{message}");
        assert!(Loss::known("quantile").with_parameter(1.0).is_err() && Loss::mse().with_parameter(1.0).is_err());
        assert!(Loss::expression("t*t").unwrap_err().to_string().contains("does not depend on the prediction"));
    }
}
