//! What the weights start from.

use super::choice::{Choice, Choices};
use super::keys::Key;
use super::section::{ABOVE_ZERO, Section};
use super::write::{self, Pairs};
use crate::error::Result;

/// What the weights start from. Biases start at 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// `he` before the relu family, `xavier` before all others.
    Auto,
    /// Variance 2/fan.
    He {
        /// What the fan is; the inputs unless given.
        fan: Fan,
        /// What is drawn from; a normal distribution unless given.
        dist: Dist,
    },
    /// Variance 1/fan.
    Xavier {
        /// What the fan is; the inputs unless given.
        fan: Fan,
        /// What is drawn from; a normal distribution unless given.
        dist: Dist,
    },
    /// A normal distribution of a given deviation.
    Normal {
        /// The deviation, 0.1 unless given.
        std: f64,
    },
    /// All 0.
    Zeros,
}

/// What the variance is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fan {
    /// How many inputs a layer has.
    In,
    /// How many outputs a layer has.
    Out,
    /// The mean of the two.
    Avg,
}

/// What weights are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dist {
    /// The normal distribution.
    Normal,
    /// The uniform distribution of the same variance.
    Uniform,
}

const FANS: &[(&str, Fan)] = &[("in", Fan::In), ("out", Fan::Out), ("avg", Fan::Avg)];
const DISTS: &[(&str, Dist)] = &[("normal", Dist::Normal), ("uniform", Dist::Uniform)];
const FAN: Key = Key::new("fan", "\"in\"", "what the variance is divided by: in, out or avg");
const DIST: Key = Key::new("dist", "\"normal\"", "what is drawn from: normal or uniform");

/// The initialisations of this version: one row each.
pub(super) static INITS: Choices<Init> = Choices {
    type_key: Key::required("type", "\"he\"", "which initialisation"),
    common: &[],
    rows: &[
        Choice { name: "auto", keys: &[], read: |_| Ok(Init::Auto) },
        Choice { name: "he", keys: &[FAN, DIST], read: |section| spread(section).map(|(fan, dist)| Init::He { fan, dist }) },
        Choice { name: "xavier", keys: &[FAN, DIST], read: |section| spread(section).map(|(fan, dist)| Init::Xavier { fan, dist }) },
        Choice { name: "zeros", keys: &[], read: |_| Ok(Init::Zeros) },
        Choice {
            name: "normal",
            keys: &[Key::new("std", "0.1", "the deviation")],
            read: |section| Ok(Init::Normal { std: section.number("std", &ABOVE_ZERO)? }),
        },
    ],
    later: &["lecun", "orthogonal", "uniform", "constant"],
    later_keys: &[],
};

fn spread(section: &Section<'_>) -> Result<(Fan, Dist)> {
    Ok((section.word("fan", FANS, &[])?, section.word("dist", DISTS, &[])?))
}

impl Init {
    pub(super) fn pairs(&self) -> Pairs {
        let spread = |fan, dist| vec![("fan", write::word(FANS, fan)), ("dist", write::word(DISTS, dist))];
        let (name, own) = match self {
            Init::Auto => ("auto", vec![]),
            Init::He { fan, dist } => ("he", spread(fan, dist)),
            Init::Xavier { fan, dist } => ("xavier", spread(fan, dist)),
            Init::Normal { std } => ("normal", vec![("std", write::number(*std))]),
            Init::Zeros => ("zeros", vec![]),
        };
        std::iter::once(("type", write::text(name))).chain(own).collect()
    }
}
