//! Hyper-parameters as data: name, default, range, meaning. What the tables of activations, losses, optimizers and schedules say of theirs.

use crate::error::{Error, Result};

/// A hyper-parameter of a row of some table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// The name, in configs as in messages.
    pub name: &'static str,
    /// What it is when nothing is said; NaN for one that must be given.
    pub default: f64,
    /// Which numbers it may be.
    pub range: Range,
    /// What it means, in a few words.
    pub doc: &'static str,
}

/// Which numbers a hyper-parameter may be. None may be infinite or NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Any number.
    Any,
    /// Above 0.
    Positive,
    /// At least 0.
    NotNegative,
    /// In [0, 1).
    Share,
    /// In (0, 1).
    Inside,
    /// In (0, 1].
    Factor,
    /// A whole number of at least 1.
    Count,
}

impl Range {
    /// Whether the number is in the range.
    pub fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Range::Any => true,
                Range::Positive => value > 0.0,
                Range::NotNegative => value >= 0.0,
                Range::Share => (0.0..1.0).contains(&value),
                Range::Inside => value > 0.0 && value < 1.0,
                Range::Factor => value > 0.0 && value <= 1.0,
                Range::Count => value >= 1.0 && value.fract() == 0.0,
            }
    }

    /// The range in words, as in "must be a number above 0".
    pub fn says(self) -> &'static str {
        match self {
            Range::Any => "a number",
            Range::Positive => "a number above 0",
            Range::NotNegative => "a number of at least 0",
            Range::Share => "a number of at least 0 and below 1",
            Range::Inside => "a number above 0 and below 1",
            Range::Factor => "a number above 0 and at most 1",
            Range::Count => "a whole number of at least 1",
        }
    }
}

impl Hyper {
    /// An error when the value is out of range; `section` is where it is set in a config, as in `[optimizer]`.
    pub fn check(&self, section: &str, value: f64) -> Result<()> {
        match self.range.holds(value) {
            true => Ok(()),
            false => Err(Error::input(format!("{section} {} must be {} (got {value})", self.name, self.range.says()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, inside, outside) in [
            (Range::Any, [-1.0, 0.0, 2.5], [f64::NAN, f64::INFINITY]),
            (Range::Positive, [1e-300, 1.0, 9.0], [0.0, -1.0]),
            (Range::NotNegative, [0.0, 0.5, 2.0], [-1e-9, f64::NAN]),
            (Range::Share, [0.0, 0.5, 0.999], [1.0, -0.1]),
            (Range::Inside, [0.1, 0.5, 0.999], [0.0, 1.0]),
            (Range::Factor, [0.1, 0.5, 1.0], [0.0, 1.1]),
            (Range::Count, [1.0, 2.0, 1e6], [0.0, 1.5]),
        ] {
            assert!(inside.iter().all(|&v| range.holds(v)), "{range:?}");
            assert!(outside.iter().all(|&v| !range.holds(v)), "{range:?}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let hyper = Hyper { name: "beta1", default: 0.9, range: Range::Share, doc: "" };
        let message = hyper.check("[optimizer]", 1.0).unwrap_err().to_string();
        assert_eq!(message, "[optimizer] beta1 must be a number of at least 0 and below 1 (got 1)");
    }
}
