//! What a model's outputs mean: the class they stand for, its probability, numbers in the target's own units.

use crate::data::{Preprocessor, Target, Value};
use crate::formula::{Link, Takes, class_of};
use crate::loss::Loss;

/// What becomes of the outputs of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A class: the first of the largest outputs, or of one output the second class where it is above 0.
    Class {
        /// What the target is called.
        column: String,
        /// The classes.
        names: Vec<String>,
        /// How probabilities are made of the outputs.
        shares: Shares,
    },
    /// Numbers, `link(p)·unit + shift`; with deviations, the second half of the outputs are logarithms of variances.
    Values {
        /// The targets.
        columns: Vec<Value>,
        /// What each output goes through.
        link: Link,
        /// Whether there are two outputs a target, its mean and the logarithm of its variance.
        deviations: bool,
    },
}

/// How the probabilities of classes are made of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shares {
    /// There are none.
    None,
    /// `exp zⱼ / Σ exp z`.
    Softmax,
    /// Of one output σ(z) is that of the second of two classes.
    Second,
    /// σ(z) of each.
    Each,
}

impl Answer {
    /// The answers of a model that was trained with a loss.
    pub fn of(preprocess: &Preprocessor, loss: &Loss) -> Self {
        match &preprocess.target {
            Target::Classes { column, names } => {
                let one = loss.outputs(Some(names.len()), 0) == 1;
                let shares = match (loss.takes(), loss.link()) {
                    (Takes::Classes, _) => Shares::Softmax,
                    (_, Link::Sigmoid) if one => Shares::Second,
                    (_, Link::Sigmoid) => Shares::Each,
                    _ => Shares::None,
                };
                Answer::Class { column: column.clone(), names: names.clone(), shares }
            }
            Target::Values { columns } => {
                Answer::Values { columns: columns.clone(), link: loss.link(), deviations: loss.outputs(None, 1) == 2 }
            }
        }
    }

    /// What [`Answer::numbers`] are, in words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Answer::Class { shares: Shares::None, .. } => "the score of each class",
            Answer::Class { .. } => "the probability of each class",
            Answer::Values { .. } => "the numbers that are predicted",
        }
    }

    /// What [`Answer::numbers`] are called: the classes, or the targets, each with its deviation behind it where there is one.
    pub fn names(&self) -> Vec<String> {
        match self {
            Answer::Class { names, .. } => names.clone(),
            Answer::Values { columns, deviations, .. } => {
                let deviation = |name: &str| deviations.then(|| format!("{name}_std"));
                columns.iter().flat_map(|value| std::iter::once(value.column.clone()).chain(deviation(&value.column))).collect()
            }
        }
    }

    /// The probabilities of a row's outputs, or its numbers: what exports are compared by. Classes without probabilities have their outputs.
    pub fn numbers(&self, outputs: &[f32]) -> Vec<f64> {
        let wide = |p: &f32| f64::from(*p);
        match self {
            Answer::Class { shares, .. } => match shares {
                Shares::None => outputs.iter().map(wide).collect(),
                Shares::Softmax => softmax(outputs),
                Shares::Second => {
                    let second = Link::Sigmoid.apply(f64::from(outputs[0]));
                    vec![1.0 - second, second]
                }
                Shares::Each => outputs.iter().map(|p| Link::Sigmoid.apply(wide(p))).collect(),
            },
            Answer::Values { columns, deviations: true, .. } => {
                let (means, logarithms) = outputs.split_at(outputs.len() / 2);
                let pair = |((mean, s), value): ((&f32, &f32), &Value)| {
                    let unit = f64::from(value.unit);
                    [wide(mean) * unit + f64::from(value.shift), (0.5 * wide(s)).exp() * unit]
                };
                means.iter().zip(logarithms).zip(columns).flat_map(pair).collect()
            }
            Answer::Values { columns, link, .. } => {
                let number = |(p, value): (&f32, &Value)| link.apply(wide(p)) * f64::from(value.unit) + f64::from(value.shift);
                outputs.iter().zip(columns).map(number).collect()
            }
        }
    }

    /// Which class the outputs of a row stand for; 0 where they are numbers.
    pub fn class(&self, outputs: &[f32]) -> usize {
        match self {
            Answer::Values { .. } => 0,
            Answer::Class { .. } => class_of(outputs),
        }
    }
}

/// The shares `exp zⱼ / Σ exp z`, the largest logit taken off first.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().fold(f32::NEG_INFINITY, |top, &z| top.max(z));
    let powers: Vec<f64> = logits.iter().map(|&z| f64::from(z - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(classes: Option<&[&str]>, loss: &str) -> Answer {
        let target = match classes {
            Some(names) => Target::Classes { column: "y".into(), names: names.iter().map(|name| (*name).to_string()).collect() },
            None => Target::Values { columns: vec![Value { column: "y".into(), shift: 3.0, unit: 2.0 }] },
        };
        Answer::of(&Preprocessor { features: vec![], target, weight: None }, &Loss::named(loss).unwrap())
    }

    #[test]
    fn softmax_is_that_of_the_formula_and_does_not_overflow() {
        // exp(0) : exp(ln 3) = 1 : 3
        let shares = answer(Some(&["a", "b"]), "cross_entropy").numbers(&[1000.0, 1000.0 + 3f32.ln()]);
        assert!((shares[0] - 0.25).abs() < 1e-5 && (shares[1] - 0.75).abs() < 1e-5, "{shares:?}");
    }

    #[test]
    fn one_output_says_which_of_two_classes_it_is() {
        let two: Option<&[&str]> = Some(&["no", "yes"]);
        for loss in ["binary_cross_entropy", "hinge"] {
            assert_eq!((answer(two, loss).class(&[0.1]), answer(two, loss).class(&[-0.1])), (1, 0), "{loss}");
        }
        // σ(ln 3) = 3/4
        let shares = answer(two, "binary_cross_entropy").numbers(&[3f32.ln()]);
        assert!((shares[0] - 0.25).abs() < 1e-6 && (shares[1] - 0.75).abs() < 1e-6, "{shares:?}");
        assert_eq!(answer(Some(&["a", "b", "c"]), "hinge").class(&[-0.5, 0.2, 0.1]), 1);
    }

    #[test]
    fn numbers_go_through_the_link_of_their_loss_and_have_their_own_unit() {
        assert_eq!(answer(None, "mse").numbers(&[0.25]), [3.5]);
        let rate = answer(None, "poisson").numbers(&[2f32.ln()])[0];
        assert!((rate - 7.0).abs() < 1e-6, "{rate}");
        // a variance of 4 is a deviation of 2
        let numbers = answer(None, "gaussian_nll").numbers(&[1.5, 4f32.ln()]);
        assert!(numbers[0] == 6.0 && (numbers[1] - 4.0).abs() < 1e-6, "{numbers:?}");
    }
}
