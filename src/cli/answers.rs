//! From a model's outputs to answers: classes, their probabilities, numbers; as the loss means them.

use crate::data::{Preprocessor, Target, Value};
use crate::error::{Error, Result};
use crate::formula::{Link, Takes};
use crate::loss::Loss;

/// How the outputs of a row become the cells of a record.
pub(super) struct Answers<'a> {
    preprocess: &'a Preprocessor,
    loss: &'a Loss,
    proba: bool,
}

/// A cell of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// The class that a row is taken for.
    Class(String),
    /// The probability of a class.
    Share(f64),
    /// A number.
    Number(f32),
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Class(name) => f.write_str(name),
            Cell::Share(share) => write!(f, "{share}"),
            Cell::Number(number) => write!(f, "{number}"),
        }
    }
}

impl<'a> Answers<'a> {
    /// Errors when probabilities are wanted where there are none.
    pub(super) fn new(preprocess: &'a Preprocessor, loss: &'a Loss, proba: bool) -> Result<Self> {
        if proba && !matches!(preprocess.target, Target::Classes { .. }) {
            return Err(Error::input("--proba is for classes, and this model predicts numbers: leave it out"));
        }
        if proba && loss.takes() != Takes::Classes && loss.link() != Link::Sigmoid {
            let name = loss.name();
            return Err(Error::input(format!(
                "the outputs of a model that was trained with {name} are no probabilities: leave --proba out, or train with cross_entropy"
            )));
        }
        Ok(Answers { preprocess, loss, proba })
    }

    /// The names of the cells.
    pub(super) fn header(&self) -> Vec<String> {
        match &self.preprocess.target {
            Target::Classes { column, names } => {
                let shares = names.iter().map(|class| format!("proba_{class}"));
                std::iter::once(column.clone()).chain(shares.filter(|_| self.proba)).collect()
            }
            Target::Values { columns } => {
                let deviation = |name: &str| self.has_deviations().then(|| format!("{name}_std"));
                columns.iter().flat_map(|value| std::iter::once(value.column.clone()).chain(deviation(&value.column))).collect()
            }
        }
    }

    /// The cells of a row: a class is text, all else are numbers.
    pub(super) fn record(&self, outputs: &[f32]) -> Vec<Cell> {
        match &self.preprocess.target {
            Target::Classes { names, .. } => {
                let shares = if self.proba { self.shares(outputs) } else { Vec::new() };
                let name = Cell::Class(names[class(outputs)].clone());
                std::iter::once(name).chain(shares.into_iter().map(Cell::Share)).collect()
            }
            Target::Values { columns } if self.has_deviations() => {
                // the means first, then the logarithms of the variances
                let (means, logarithms) = outputs.split_at(outputs.len() / 2);
                let pair = |((mean, s), value): ((&f32, &f32), &Value)| {
                    [mean * value.unit + value.shift, (0.5 * s).exp() * value.unit].map(Cell::Number)
                };
                means.iter().zip(logarithms).zip(columns).flat_map(pair).collect()
            }
            Target::Values { columns } => {
                let number = |(&p, value): (&f32, &Value)| Cell::Number(self.loss.link().apply(p) * value.unit + value.shift);
                outputs.iter().zip(columns).map(number).collect()
            }
        }
    }

    /// Whether there are two outputs a target, a mean and the logarithm of a variance.
    fn has_deviations(&self) -> bool {
        self.loss.outputs(None, 1) == 2
    }

    /// The probability of each class.
    fn shares(&self, outputs: &[f32]) -> Vec<f64> {
        match (self.loss.takes(), outputs) {
            (Takes::Classes, logits) => softmax(logits),
            (_, [one]) => {
                let share = self.loss.link().apply(f64::from(*one));
                vec![1.0 - share, share]
            }
            (_, each) => each.iter().map(|&p| self.loss.link().apply(f64::from(p))).collect(),
        }
    }
}

/// The class that the outputs of a row stand for, as the metrics take it: the largest; of one output the second class above 0.
fn class(outputs: &[f32]) -> usize {
    match outputs {
        [one] => usize::from(*one > 0.0),
        _ => (1..outputs.len()).fold(0, |best, j| if outputs[j] > outputs[best] { j } else { best }),
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

    fn of(classes: Option<&[&str]>) -> Preprocessor {
        let target = match classes {
            Some(names) => Target::Classes { column: "y".into(), names: names.iter().map(|name| (*name).to_string()).collect() },
            None => Target::Values { columns: vec![Value { column: "y".into(), shift: 0.0, unit: 1.0 }] },
        };
        Preprocessor { features: vec![], target, weight: None }
    }

    fn answer(classes: Option<&[&str]>, loss: &str, proba: bool, outputs: &[f32]) -> (Vec<String>, Vec<String>) {
        let (preprocess, loss) = (of(classes), Loss::named(loss).unwrap());
        let answers = Answers::new(&preprocess, &loss, proba).unwrap();
        (answers.header(), answers.record(outputs).iter().map(Cell::to_string).collect())
    }

    #[test]
    fn softmax_is_that_of_the_formula_and_does_not_overflow() {
        // exp(0) : exp(ln 3) = 1 : 3
        let shares = softmax(&[1000.0, 1000.0 + 3f32.ln()]);
        assert!((shares[0] - 0.25).abs() < 1e-5 && (shares[1] - 0.75).abs() < 1e-5, "{shares:?}");
    }

    #[test]
    fn one_output_says_which_of_two_classes_it_is() {
        let two: Option<&[&str]> = Some(&["no", "yes"]);
        for loss in ["binary_cross_entropy", "hinge"] {
            assert_eq!(answer(two, loss, false, &[0.1]).1, ["yes"], "{loss}");
            assert_eq!(answer(two, loss, false, &[-0.1]).1, ["no"], "{loss}");
        }
        let (header, record) = answer(two, "binary_cross_entropy", true, &[3f32.ln()]);
        assert_eq!(header, ["y", "proba_no", "proba_yes"]);
        // σ(ln 3) = 3/4
        let shares: Vec<f64> = record[1..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert!(record[0] == "yes" && (shares[0] - 0.25).abs() < 1e-6 && (shares[1] - 0.75).abs() < 1e-6, "{record:?}");
        assert_eq!(answer(Some(&["a", "b", "c"]), "hinge", false, &[-0.5, 0.2, 0.1]).1, ["b"]);
    }

    #[test]
    fn numbers_go_through_the_link_of_their_loss() {
        assert_eq!(answer(None, "mse", false, &[0.25]), (vec!["y".into()], vec!["0.25".into()]));
        let rate: f32 = answer(None, "poisson", false, &[2f32.ln()]).1[0].parse().unwrap();
        assert!((rate - 2.0).abs() < 1e-6, "{rate}");
        let (header, record) = answer(None, "gaussian_nll", false, &[1.5, 4f32.ln()]);
        // a variance of 4 is a deviation of 2
        assert_eq!((header, record[0].as_str()), (vec!["y".into(), "y_std".into()], "1.5"));
        assert!((record[1].parse::<f32>().unwrap() - 2.0).abs() < 1e-6, "{record:?}");
    }

    #[test]
    fn probabilities_are_refused_where_there_are_none() {
        let refused = |classes, loss: &str| Answers::new(&of(classes), &Loss::named(loss).unwrap(), true).err().unwrap().to_string();
        assert!(refused(None, "mse").starts_with("--proba is for classes, and this model predicts numbers"));
        let message = refused(Some(&["a", "b"]), "hinge");
        assert!(message.contains("trained with hinge are no probabilities: leave --proba out"), "{message}");
    }
}
