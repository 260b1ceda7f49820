//! From a file's columns to a model's inputs, and from its outputs back: fitted on the rows for training, kept with the model, and done
//! again, the same, wherever the model goes.

mod apply;
mod fit;
#[cfg(test)]
mod tests;

pub use fit::{Categorical, Fit, TargetScaling};

use super::source::{Gaps, Kind, Role, TableFile, Wanted};
use super::{Scaler, Table, Targets, columns};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What becomes of the columns of a file, in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    /// The columns that are predicted from, in the order of the model's inputs.
    pub features: Vec<Feature>,
    /// What is predicted.
    pub target: Target,
    /// The column with what each row weighs in the loss, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
}

/// A column that is predicted from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// What it is called.
    pub column: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub coding: Coding,
}

/// How a column becomes inputs of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "coding", rename_all = "snake_case")]
pub enum Coding {
    /// One input, `(x − shift)·scale`, computed in f32.
    Number {
        /// What takes the place of a gap; `None` where gaps are refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<f32>,
        /// What is taken from it.
        shift: f32,
        /// What it is then multiplied by.
        scale: f32,
    },
    /// An input for each word: 1 where the cell is that word, else 0. A word that is not among them is 0 in all (scikit-learn's `handle_unknown =
    /// "ignore"`), or, where there were gaps in the rows for training, 1 in an input of its own behind the others, as gaps are.
    OneHot {
        /// The words.
        words: Vec<String>,
        /// Whether there is an input for gaps and unknown words.
        gaps: bool,
    },
    /// One input, the number of the word from 1, or 0 for a gap or a word that is not among them; the model learns a vector for each.
    Embed {
        /// The words.
        words: Vec<String>,
        /// Elements of a vector.
        width: usize,
    },
}

/// A column of codes, whole numbers that stand for words: a model learns a vector for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// Which of the model's inputs it is.
    pub column: usize,
    /// How many codes there are, from 0 on. 0 stands for what is not known.
    pub count: usize,
    /// Elements of a vector.
    pub width: usize,
}

/// What a model predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// A class.
    Classes {
        /// What the column is called.
        column: String,
        /// The classes, in the order of the outputs.
        names: Vec<String>,
    },
    /// Numbers.
    Values {
        /// The columns, in the order of the outputs.
        columns: Vec<Value>,
    },
}

/// A number that a model predicts, learnt as `(t − shift)/unit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// What the column is called.
    pub column: String,
    /// What is taken from it.
    pub shift: f32,
    /// What it is then divided by.
    pub unit: f32,
}

impl Coding {
    /// How many inputs of the model it makes.
    pub fn inputs(&self) -> usize {
        match self {
            Coding::Number { .. } | Coding::Embed { .. } => 1,
            Coding::OneHot { words, gaps } => words.len() + usize::from(*gaps),
        }
    }
}

impl Preprocessor {
    /// For a table that has numbers and nothing else, such as images: scaled, or as they are.
    pub fn of_numbers(table: &Table, target: impl Into<String>, scaler: Option<&Scaler>) -> Self {
        let scaled = |i: usize| scaler.map_or((0.0, 1.0), |scaler| (scaler.shift[i], scaler.scale[i]));
        let feature = |(i, name): (usize, &String)| {
            let (shift, scale) = scaled(i);
            Feature { column: name.clone(), coding: Coding::Number { fill: None, shift, scale } }
        };
        let target = match table.targets() {
            Targets::Classes { names, .. } => Target::Classes { column: target.into(), names: names.clone() },
            Targets::Values { names, .. } => {
                Target::Values { columns: names.iter().map(|name| Value { column: name.clone(), shift: 0.0, unit: 1.0 }).collect() }
            }
        };
        Preprocessor { features: table.names().iter().enumerate().map(feature).collect(), target, weight: None }
    }

    /// An error where it is none that [`Preprocessor::fit`] makes, as one that was read from a file may be: the message names the column.
    pub fn check(&self) -> Result<()> {
        let (outputs, names) = match &self.target {
            Target::Classes { names, .. } => (names.len(), &names[..]),
            Target::Values { columns } => (columns.len(), &[][..]),
        };
        if self.features.is_empty() || outputs == 0 {
            return Err(Error::input("the preprocessing is of no columns: it needs a feature and a target"));
        }
        let wrong = |column: &str, what: &str| Err(Error::input(format!("the preprocessing of column `{column}` {what}")));
        for Feature { column, coding } in &self.features {
            match coding {
                Coding::Number { fill, shift, scale } if [fill.unwrap_or(0.0), *shift, *scale].iter().any(|x| !x.is_finite()) => {
                    return wrong(column, "has a number that is not finite");
                }
                Coding::Embed { width, .. } if !(1..=fit::MOST_WIDTH).contains(width) => {
                    return wrong(column, &format!("makes vectors of {width} numbers: it must be 1 to {}", fit::MOST_WIDTH));
                }
                Coding::OneHot { words, gaps: false } if words.is_empty() => return wrong(column, "makes no input of it"),
                Coding::Number { .. } | Coding::Embed { .. } | Coding::OneHot { .. } => {}
            }
        }
        if let Target::Values { columns } = &self.target
            && let Some(value) = columns.iter().find(|value| !(value.shift.is_finite() && value.unit.is_finite() && value.unit > 0.0))
        {
            return wrong(&value.column, "has a unit that is not above 0, or a shift that is not finite");
        }
        match names.iter().collect::<HashSet<_>>().len() == names.len() {
            true => Ok(()),
            false => Err(Error::input("the preprocessing names a class twice")),
        }
    }

    /// How many inputs the model has.
    pub fn inputs(&self) -> usize {
        self.features.iter().map(|feature| feature.coding.inputs()).sum()
    }

    /// What the inputs are called: a column by its name, a word as `colour=red`, and as `colour=?` what is none of them.
    pub fn input_names(&self) -> Vec<String> {
        let names = |feature: &Feature| match &feature.coding {
            Coding::Number { .. } | Coding::Embed { .. } => vec![feature.column.clone()],
            Coding::OneHot { words, gaps } => {
                let unknown = gaps.then_some("?").into_iter();
                words.iter().map(String::as_str).chain(unknown).map(|word| format!("{}={word}", feature.column)).collect()
            }
        };
        self.features.iter().flat_map(names).collect()
    }

    /// The inputs that are codes, for [`Model::embedding`](crate::Model::embedding).
    pub fn codes(&self) -> Vec<Codes> {
        let starts = self.features.iter().scan(0, |at, feature| {
            let start = *at;
            *at += feature.coding.inputs();
            Some((start, &feature.coding))
        });
        let codes = |(column, coding): (usize, &Coding)| match coding {
            Coding::Embed { words, width } => Some(Codes { column, count: words.len() + 1, width: *width }),
            Coding::Number { .. } | Coding::OneHot { .. } => None,
        };
        starts.filter_map(codes).collect()
    }

    /// Targets of this kind, none of them.
    pub fn no_targets(&self) -> Targets {
        match &self.target {
            Target::Classes { names, .. } => Targets::Classes { of: Vec::new(), names: names.clone() },
            Target::Values { columns } => {
                Targets::Values { of: Vec::new(), names: columns.iter().map(|value| value.column.clone()).collect() }
            }
        }
    }

    /// The scaler of a table of numbers; `None` where some input is none.
    pub fn scaler(&self) -> Option<Scaler> {
        let (mut shifts, mut scales) = (Vec::new(), Vec::new());
        for feature in &self.features {
            let Coding::Number { shift, scale, .. } = feature.coding else { return None };
            shifts.push(shift);
            scales.push(scale);
        }
        Some(Scaler { shift: shifts, scale: scales })
    }

    /// What is to be read of a file for this model, in the order that [`Preprocessor::apply`] takes it in: the features, by name, wherever they
    /// stand; with the target and, where the file has it, the weight. Other columns are passed over.
    ///
    /// Errors when a column is not there.
    pub fn wanted(&self, file: &dyn TableFile, with_target: bool) -> Result<Vec<Wanted>> {
        let names: Vec<&str> = self.features.iter().map(|feature| feature.column.as_str()).collect();
        let places = columns::find_all(file, &names)?;
        let feature = |(column, feature): (usize, &Feature)| {
            let (kind, gaps) = match &feature.coding {
                Coding::Number { fill, .. } => (Kind::Numbers, if fill.is_some() { Gaps::Keep } else { Gaps::Refuse }),
                Coding::OneHot { words, .. } | Coding::Embed { words, .. } => (Kind::Known(words.clone()), Gaps::Keep),
            };
            Wanted { column, role: Role::Feature, kind, gaps }
        };
        let mut wanted: Vec<Wanted> = places.into_iter().zip(&self.features).map(feature).collect();
        if !with_target {
            return Ok(wanted);
        }
        let target = |name: &str, kind: Kind| {
            Ok(Wanted { column: file.column_named(name, "target")?, role: Role::Target, kind, gaps: Gaps::Refuse })
        };
        match &self.target {
            Target::Classes { column, names } => wanted.push(target(column, Kind::Among(names.clone()))?),
            Target::Values { columns } => {
                for value in columns {
                    wanted.push(target(&value.column, Kind::Numbers)?);
                }
            }
        }
        if let Some(column) = self.weight.as_ref().and_then(|name| file.position(name)) {
            wanted.push(Wanted { column, role: Role::Weight, kind: Kind::Numbers, gaps: Gaps::Refuse });
        }
        Ok(wanted)
    }
}
