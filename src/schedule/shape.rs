//! Shapes of schedules: the table of them with their formulas, hyper-parameters and documentation.

use super::Phase;
use crate::error::{Error, Result};
use crate::hyper::{Hyper, Range};
use std::f64::consts::PI;
use std::fmt::Debug;
use std::sync::Arc;

/// A row of [`TABLE`]: a curve by its formula, a function of `t` (units since the curve began, from 0) and `T` (how many units it lasts).
#[derive(Debug)]
pub struct ShapeInfo {
    /// The name in configs.
    pub name: &'static str,
    /// The formula, and what PyTorch calls it.
    pub doc: &'static str,
    /// The hyper-parameters that are numbers.
    pub keys: &'static [Hyper],
    /// Those that are a word.
    pub words: &'static [Word],
    /// The rate, of the values of `keys` and then of `words` (each the index of its option), `lr0`, `t` and `T`.
    pub rate: fn(values: &[f64], lr0: f64, t: f64, total: f64) -> f64,
}

/// A hyper-parameter that is one of some words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The name, in configs as in messages.
    pub name: &'static str,
    /// What it may be; the first unless something is said.
    pub options: &'static [&'static str],
    /// What it means, in a few words.
    pub doc: &'static str,
}

const fn key(name: &'static str, default: f64, range: Range, doc: &'static str) -> Hyper {
    Hyper { name, default, range, doc }
}

/// Of a hyper-parameter that must be given.
const REQUIRED: f64 = f64::NAN;

const MIN: Hyper = key("min", 0.0, Range::NotNegative, "the rate that it falls to");

/// All shapes: one row each.
pub static TABLE: &[ShapeInfo] = &[
    ShapeInfo { name: "fixed", doc: "lr0", keys: &[], words: &[], rate: |_, lr0, _, _| lr0 },
    ShapeInfo {
        name: "step",
        doc: "lr0 · drop^(t // every). PyTorch's StepLR.",
        keys: &[
            key("drop", 0.1, Range::Factor, "the factor of each drop"),
            key("every", REQUIRED, Range::Count, "how many epochs (or steps) lie between drops"),
        ],
        words: &[],
        rate: |values, lr0, t, _| lr0 * values[0].powi((t / values[1]).floor() as i32),
    },
    ShapeInfo {
        name: "exponential",
        doc: "lr0 · rate^t. PyTorch's ExponentialLR.",
        keys: &[key("rate", REQUIRED, Range::Factor, "the factor of each epoch (or step)")],
        words: &[],
        rate: |values, lr0, t, _| lr0 * values[0].powi(t as i32),
    },
    ShapeInfo {
        name: "cosine",
        doc: "min + ½(lr0 − min)(1 + cos(π·t/T)). PyTorch's CosineAnnealingLR with T_max = T. Loshchilov and Hutter 2017.",
        keys: &[MIN],
        words: &[],
        rate: |values, lr0, t, total| half_cosine(lr0, values[0], t / total),
    },
    ShapeInfo {
        name: "cosine_restarts",
        doc: "The cosine again and again: the first takes `every` units, each next one `multiply` times as many. PyTorch's \
              CosineAnnealingWarmRestarts (T_0, T_mult, eta_min). Loshchilov and Hutter 2017.",
        keys: &[
            key("every", REQUIRED, Range::Count, "how many epochs (or steps) the first cycle takes"),
            key("multiply", 1.0, Range::Count, "how many times as long each next cycle is"),
            MIN,
        ],
        words: &[],
        rate: cosine_restarts,
    },
    ShapeInfo {
        name: "polynomial",
        doc: "min + (lr0 − min)(1 − t/T)^power; power 1 is a straight line. PyTorch's PolynomialLR, which has no min.",
        keys: &[key("power", 1.0, Range::Positive, "the exponent"), MIN],
        words: &[],
        rate: |values, lr0, t, total| values[1] + (lr0 - values[1]) * (1.0 - (t / total).min(1.0)).powf(values[0]),
    },
    ShapeInfo {
        name: "one_cycle",
        doc: "From lr0/div up to lr0, then down to lr0/(div·final_div) at the last unit: lr0 is the highest rate, reached at \
              t = pct_start·T − 1. PyTorch's OneCycleLR with three_phase = False; PyTorch also cycles the momentum by default, \
              this does not. Smith and Topin 2018.",
        keys: &[
            key("pct_start", 0.3, Range::Share, "the share of the run in which it rises"),
            key("div", 25.0, Range::Positive, "lr0 over the first rate"),
            key("final_div", 1e4, Range::Positive, "the first rate over the last"),
        ],
        words: &[Word { name: "anneal", options: &["cos", "linear"], doc: "along half a cosine or a straight line" }],
        rate: one_cycle,
    },
    ShapeInfo {
        name: "plateau",
        doc: "lr0, times the factor of Plateau: `factor` once more whenever the watched value has not improved for more than \
              `patience` epochs. The one shape with a state. PyTorch's ReduceLROnPlateau.",
        keys: &[
            key("factor", 0.1, Range::Inside, "the factor of each drop"),
            key("patience", 10.0, Range::NotNegative, "how many epochs without improvement are put up with"),
            key("threshold", 1e-4, Range::Share, "how much better counts as better, as a share of the best value"),
            key("cooldown", 0.0, Range::NotNegative, "how many epochs after a drop are not counted"),
            MIN,
        ],
        words: &[],
        rate: |_, lr0, _, _| lr0,
    },
];

/// From `from` at 0 to `to` at 1 along half a cosine.
fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + 0.5 * (from - to) * (1.0 + (PI * share.min(1.0)).cos())
}

fn cosine_restarts(values: &[f64], lr0: f64, t: f64, _: f64) -> f64 {
    let (mut length, multiply, min) = (values[0], values[1], values[2]);
    let mut since = t;
    if multiply == 1.0 {
        since %= length;
    }
    while since >= length {
        since -= length;
        length *= multiply;
    }
    half_cosine(lr0, min, since / length)
}

fn one_cycle(values: &[f64], lr0: f64, t: f64, total: f64) -> f64 {
    let first = lr0 / values[1];
    // as PyTorch places it: not a whole unit as a rule, and before the first one in a very short run
    let peak = values[0] * total - 1.0;
    let (from, to, share) = match t <= peak {
        // a peak at 0 leaves no rise, where PyTorch divides by zero
        true => (first, lr0, if peak > 0.0 { t / peak } else { 1.0 }),
        false => (lr0, first / values[2], ((t - peak) / (total - 1.0 - peak)).min(1.0)),
    };
    if values[3] == 1.0 { (to - from) * share + from } else { half_cosine(from, to, share) }
}

/// The row of a name.
pub fn named(name: &str) -> Option<&'static ShapeInfo> {
    TABLE.iter().find(|info| info.name == name)
}

/// A curve of your own, for example an expression from a config: it says the rate itself, which is not multiplied by `lr`.
pub trait Curve: Debug + Send + Sync {
    /// The rate. `epoch` (whole epochs), `step` and `total` count from where the curve begins, after a warm-up or at the start of its
    /// phase; `total` is in the schedule's unit, so that `step/total` goes with `unit = "step"`. `lr` is the schedule's rate.
    fn rate(&self, epoch: f64, step: f64, total: f64, lr: f64) -> f64;

    /// What it is, in messages: the text of an expression.
    fn text(&self) -> String;
}

/// The curve after the warm-up: a row of [`TABLE`] with its values, a curve of your own, or a sequence of schedules.
#[derive(Debug, Clone)]
pub struct Shape(pub(super) Kind);

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Row(&'static ShapeInfo, Vec<f64>),
    Custom(Arc<dyn Curve>),
    Phases(Vec<Phase>),
}

/// What [`Shape::set`] sets a hyper-parameter to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Number(f64),
    /// A word, as of `anneal`.
    Word(&'a str),
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(word: &'a str) -> Self {
        Value::Word(word)
    }
}

impl Shape {
    /// A row of the table with its defaults.
    pub fn of(info: &'static ShapeInfo) -> Self {
        let numbers = info.keys.iter().map(|key| key.default);
        Shape(Kind::Row(info, numbers.chain(info.words.iter().map(|_| 0.0)).collect()))
    }

    /// A curve of your own.
    pub fn custom(curve: impl Curve + 'static) -> Self {
        Shape(Kind::Custom(Arc::new(curve)))
    }

    /// The shape of a name with its defaults.
    pub fn named(name: &str) -> Option<Self> {
        named(name).map(Shape::of)
    }

    /// The name of the row, `phases`, or the text of a curve of your own.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Row(info, _) => info.name.to_owned(),
            Kind::Custom(curve) => curve.text(),
            Kind::Phases(_) => "phases".to_owned(),
        }
    }

    /// The value of a hyper-parameter that is a number.
    pub fn get(&self, key: &str) -> Option<f64> {
        let Kind::Row(info, values) = &self.0 else { return None };
        info.keys.iter().position(|hyper| hyper.name == key).map(|i| values[i])
    }

    /// Sets a hyper-parameter by its name. An error for a name that the shape does not have; numbers are checked by [`Shape::check`].
    pub fn set<'a>(&mut self, key: &str, value: impl Into<Value<'a>>) -> Result<()> {
        let name = self.name();
        let Kind::Row(info, values) = &mut self.0 else {
            return Err(Error::input(format!("[schedule] {name} has no `{key}`: leave it away")));
        };
        let number = info.keys.iter().position(|hyper| hyper.name == key);
        let word = info.words.iter().position(|word| word.name == key);
        match (number, word, value.into()) {
            (Some(i), _, Value::Number(number)) => values[i] = number,
            (Some(i), _, Value::Word(text)) => {
                return Err(Error::input(format!("[schedule] {key} must be {} (got {text:?})", info.keys[i].range.says())));
            }
            (None, Some(i), value) => {
                let options = info.words[i].options;
                let index = options.iter().position(|&option| value == Value::Word(option));
                let got = match value {
                    Value::Word(text) => format!("{text:?}"),
                    Value::Number(number) => number.to_string(),
                };
                let wrong = || Error::input(format!("[schedule] {key} must be {} (got {got})", options.join(" or ")));
                values[info.keys.len() + i] = index.ok_or_else(wrong)? as f64;
            }
            (None, None, _) => {
                let keys: Vec<&str> = info.keys.iter().map(|key| key.name).chain(info.words.iter().map(|word| word.name)).collect();
                let has = if keys.is_empty() { "it has none".to_owned() } else { format!("it has {}", keys.join(", ")) };
                return Err(Error::input(format!("[schedule] {name} has no `{key}`: {has}")));
            }
        }
        Ok(())
    }

    /// An error when a number of a row is missing or out of range, or phases do not fit together.
    pub fn check(&self) -> Result<()> {
        match &self.0 {
            Kind::Row(info, values) => {
                info.keys.iter().zip(values).try_for_each(|(key, &value)| match value.is_nan() && key.default.is_nan() {
                    true => Err(Error::input(format!("[schedule] {} needs `{}`, {}", info.name, key.name, key.doc))),
                    false => key.check("[schedule]", value),
                })
            }
            Kind::Custom(_) => Ok(()),
            Kind::Phases(phases) => super::phases::check(phases),
        }
    }
}
