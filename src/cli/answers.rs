//! From a model's outputs to the cells of a record: classes, their probabilities, numbers.

use crate::data::Preprocessor;
use crate::error::{Error, Result};
use crate::export::{Answer, Shares};
use crate::loss::Loss;

/// How the outputs of a row become the cells of a record.
pub(super) struct Answers {
    answer: Answer,
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

impl Answers {
    /// Errors when probabilities are wanted where there are none.
    pub(super) fn new(preprocess: &Preprocessor, loss: &Loss, proba: bool) -> Result<Self> {
        let answer = Answer::of(preprocess, loss);
        match &answer {
            Answer::Values { .. } if proba => Err(Error::input("--proba is for classes, and this model predicts numbers: leave it out")),
            Answer::Class { shares: Shares::None, .. } if proba => {
                let name = loss.name();
                Err(Error::input(format!(
                    "the outputs of a model that was trained with {name} are no probabilities: leave --proba out, or train with cross_entropy"
                )))
            }
            _ => Ok(Answers { answer, proba }),
        }
    }

    /// The names of the cells.
    pub(super) fn header(&self) -> Vec<String> {
        match &self.answer {
            Answer::Class { column, names, .. } => {
                let shares = names.iter().map(|class| format!("proba_{class}"));
                std::iter::once(column.clone()).chain(shares.filter(|_| self.proba)).collect()
            }
            Answer::Values { .. } => self.answer.names(),
        }
    }

    /// The cells of a row.
    pub(super) fn record(&self, outputs: &[f32]) -> Vec<Cell> {
        match &self.answer {
            Answer::Class { names, .. } => {
                let shares = if self.proba { self.answer.numbers(outputs) } else { Vec::new() };
                let name = Cell::Class(names[self.answer.class(outputs)].clone());
                std::iter::once(name).chain(shares.into_iter().map(Cell::Share)).collect()
            }
            Answer::Values { .. } => self.answer.numbers(outputs).into_iter().map(|number| Cell::Number(number as f32)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Target, Value};

    fn of(classes: Option<&[&str]>) -> Preprocessor {
        let target = match classes {
            Some(names) => Target::Classes { column: "y".into(), names: names.iter().map(|name| (*name).to_string()).collect() },
            None => Target::Values { columns: vec![Value { column: "y".into(), shift: 0.0, unit: 1.0 }] },
        };
        Preprocessor { features: vec![], target, weight: None }
    }

    fn answer(classes: Option<&[&str]>, loss: &str, proba: bool, outputs: &[f32]) -> (Vec<String>, Vec<String>) {
        let answers = Answers::new(&of(classes), &Loss::named(loss).unwrap(), proba).unwrap();
        (answers.header(), answers.record(outputs).iter().map(Cell::to_string).collect())
    }

    #[test]
    fn classes_come_with_their_probabilities_where_they_are_wanted() {
        let two: Option<&[&str]> = Some(&["no", "yes"]);
        let (header, record) = answer(two, "binary_cross_entropy", true, &[3f32.ln()]);
        assert_eq!((header, record[0].as_str(), record.len()), (vec!["y".into(), "proba_no".into(), "proba_yes".into()], "yes", 3));
        assert_eq!(answer(two, "hinge", false, &[-0.1]), (vec!["y".into()], vec!["no".into()]));
    }

    #[test]
    fn numbers_are_as_short_as_their_32_bits() {
        assert_eq!(answer(None, "mse", false, &[0.1]), (vec!["y".into()], vec!["0.1".into()]));
        // a variance of 4 is a deviation of 2
        assert_eq!(
            answer(None, "gaussian_nll", false, &[1.5, 4f32.ln()]),
            (vec!["y".into(), "y_std".into()], vec!["1.5".into(), "2".into()])
        );
    }

    #[test]
    fn probabilities_are_refused_where_there_are_none() {
        let refused = |classes, loss: &str| Answers::new(&of(classes), &Loss::named(loss).unwrap(), true).err().unwrap().to_string();
        assert!(refused(None, "mse").starts_with("--proba is for classes, and this model predicts numbers"));
        let message = refused(Some(&["a", "b"]), "hinge");
        assert!(message.contains("trained with hinge are no probabilities: leave --proba out"), "{message}");
    }
}
