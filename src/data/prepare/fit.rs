//! What the rows for training say: what fills gaps, how numbers are scaled, which words there are.

use super::{Coding, Feature, Preprocessor, Target, Value};
use crate::data::columns::{Columns, Missing};
use crate::data::frame::{Cells, Column, GAP};
use crate::data::{Dataset, Features, Scaler, Scaling, Table, Targets};
use crate::error::{Error, Result};

/// How a column of words becomes inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Categorical {
    /// An input for each word.
    #[default]
    OneHot,
    /// A vector for each word, which is learnt; of min(600, round(1.6·n^0.56)) elements for n words. (fastai's rule.)
    Embed,
}

impl Categorical {
    /// All of them.
    pub const ALL: [Categorical; 2] = [Categorical::OneHot, Categorical::Embed];

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        match self {
            Categorical::OneHot => "one_hot",
            Categorical::Embed => "embed",
        }
    }

    /// The most words of a column.
    fn most(self) -> usize {
        match self {
            Categorical::OneHot => 1_000,
            Categorical::Embed => 100_000,
        }
    }
}

/// How the targets of a regression are scaled for training; metrics and predictions are in their own units again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetScaling {
    /// As they are.
    #[default]
    None,
    /// Mean 0 and variance 1.
    Standard,
    /// From 0 to 1.
    MinMax,
}

impl TargetScaling {
    /// All of them.
    pub const ALL: [TargetScaling; 3] = [TargetScaling::None, TargetScaling::Standard, TargetScaling::MinMax];

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        self.scaling().name()
    }

    fn scaling(self) -> Scaling {
        match self {
            TargetScaling::None => Scaling::None,
            TargetScaling::Standard => Scaling::Standard,
            TargetScaling::MinMax => Scaling::MinMax,
        }
    }
}

/// What is to be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fit {
    /// Of numbers.
    pub scale: Scaling,
    /// Of words.
    pub categorical: Categorical,
    /// Of gaps.
    pub missing: Missing,
    /// Of the targets of a regression.
    pub target: TargetScaling,
}

/// Elements of a word's vector at most.
pub(super) const MOST_WIDTH: usize = 600;

/// From so many rows on, a column of words that has another one in each row is the rows' name, and nothing can be learnt of it.
const NAMES: usize = 50;

impl Preprocessor {
    /// Fitted on some rows of a file's columns: those for training, and no others.
    ///
    /// Errors when there are no such rows, when a column has no value in any of them, when words are too many to be categories, and as
    /// [`Scaler::fit`] does.
    pub fn fit(columns: &Columns, rows: &[u32], fit: &Fit) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::input("the preprocessing cannot be fitted: there is no row for training"));
        }
        let feature = |column: &Column| {
            let coding = match &column.cells {
                Cells::Numbers(values) => number(&column.name, values, rows, fit),
                Cells::Words { of, words } => categories(&column.name, of, words, rows, fit.categorical),
            };
            Ok(Feature { column: column.name.clone(), coding: coding? })
        };
        let features = columns.features.columns().iter().map(feature).collect::<Result<_>>()?;
        let target = match &columns.targets {
            Targets::Classes { names, .. } => Target::Classes { column: columns.target.clone(), names: names.clone() },
            Targets::Values { of, names } => {
                let value = |(i, name): (usize, &String)| {
                    let values = rows.iter().map(|&row| of[row as usize * names.len() + i]).collect();
                    let (shift, scale) = scaled(name, values, fit.target.scaling())?;
                    Ok(Value { column: name.clone(), shift, unit: 1.0 / scale })
                };
                Target::Values { columns: names.iter().enumerate().map(value).collect::<Result<_>>()? }
            }
        };
        Ok(Preprocessor { features, target, weight: columns.weights.as_ref().map(|(name, _)| name.clone()) })
    }
}

fn number(name: &str, values: &[f32], rows: &[u32], fit: &Fit) -> Result<Coding> {
    let mut present: Vec<f32> = rows.iter().map(|&row| values[row as usize]).filter(|value| !value.is_nan()).collect();
    if present.is_empty() {
        return Err(Error::input(format!(
            "feature `{name}` has no value in any of the {} rows for training: leave it out with [data] features = {{ exclude = [\"{name}\"] }}",
            rows.len()
        )));
    }
    let fill = match fit.missing {
        Missing::Error | Missing::Drop => None,
        Missing::Zero => Some(0.0),
        Missing::Mean => Some((present.iter().map(|&x| f64::from(x)).sum::<f64>() / present.len() as f64) as f32),
        Missing::Median => Some(median(&mut present)),
    };
    let (shift, scale) = scaled(name, present, fit.scale)?;
    Ok(Coding::Number { fill, shift, scale })
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &mut [f32]) -> f32 {
    values.sort_by(f32::total_cmp);
    let half = values.len() / 2;
    match values.len() % 2 {
        1 => values[half],
        _ => ((f64::from(values[half - 1]) + f64::from(values[half])) / 2.0) as f32,
    }
}

/// The shift and the scale of one column.
fn scaled(name: &str, values: Vec<f32>, scaling: Scaling) -> Result<(f32, f32)> {
    let column = Table::new(Features::F32(values), vec![name.to_string()], Targets::none())?;
    Ok(Scaler::fit(scaling, &Dataset::new(column))?.map_or((0.0, 1.0), |scaler| (scaler.shift[0], scaler.scale[0])))
}

fn categories(name: &str, of: &[u32], words: &[String], rows: &[u32], categorical: Categorical) -> Result<Coding> {
    let (mut seen, mut gaps) = (vec![false; words.len()], false);
    for &row in rows {
        match of[row as usize] {
            GAP => gaps = true,
            code => seen[code as usize] = true,
        }
    }
    let mut words: Vec<String> = words.iter().zip(seen).filter(|(_, seen)| *seen).map(|(word, _)| word.clone()).collect();
    words.sort();
    let leave_out = format!("leave it out with [data] features = {{ exclude = [\"{name}\"] }}");
    if words.len() == rows.len() && rows.len() >= NAMES {
        return Err(Error::input(format!(
            "feature `{name}` has another word in each of the {} rows for training (`{}`): it names the rows and nothing can be learnt of it: {leave_out}",
            rows.len(),
            words[0]
        )));
    }
    if words.len() > categorical.most() {
        let remedy = match categorical {
            Categorical::OneHot if words.len() <= Categorical::Embed.most() => "set [data] categorical = \"embed\", or ",
            Categorical::OneHot | Categorical::Embed => "",
        };
        return Err(Error::input(format!(
            "feature `{name}` has {} different words in the rows for training, more than the {} that {} takes: {remedy}{leave_out}",
            words.len(),
            categorical.most(),
            categorical.name()
        )));
    }
    Ok(match categorical {
        Categorical::OneHot => Coding::OneHot { words, gaps },
        Categorical::Embed => {
            let width = (1.6 * (words.len() as f64).powf(0.56)).round().clamp(1.0, MOST_WIDTH as f64) as usize;
            Coding::Embed { words, width }
        }
    })
}
