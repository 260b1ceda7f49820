//! `[schedule]`: the learning rate as the training goes on.

use super::choice::{Choice, Choices};
use super::document::{Document, Kind};
use super::keys::Key;
use super::section::{FACTOR, NOT_NEGATIVE, SHARE, Section};
use super::write::{self, Pairs};
use crate::error::Result;

/// The learning rate as a function of the position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// What the rate does after the warm-up; `fixed` unless given.
    pub shape: Shape,
    /// The linear rise at the start; none unless given.
    pub warmup: Warmup,
    /// What a position is; an epoch unless given.
    pub unit: Unit,
}

/// What the rate does after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// It stays.
    Fixed,
    /// `lr · drop^(position // every)`.
    Step {
        /// The factor of each drop, 0.1 unless given.
        drop: f64,
        /// How many epochs (or steps) lie between drops.
        every: u64,
    },
    /// `lr · rate^position`.
    Exponential {
        /// The factor of each epoch (or step).
        rate: f64,
    },
    /// `min + ½(lr − min)(1 + cos(π·t/T))`.
    Cosine {
        /// The rate at the end, 0 unless given.
        min: f64,
    },
}

/// How long the rate rises linearly at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// Not at all.
    None,
    /// For this share of the whole training: above 0 and below 1.
    Share(f64),
    /// For this many epochs (or steps), at least 1.
    Count(u64),
}

/// What a position in the training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An epoch: the rate is held within it.
    Epoch,
    /// A step: one batch.
    Step,
}

const UNITS: &[(&str, Unit)] = &[("epoch", Unit::Epoch), ("step", Unit::Step)];

/// The shapes of this version: one row each.
pub(super) static SHAPES: Choices<Shape> = Choices {
    type_key: Key::new("type", "\"fixed\"", "which schedule"),
    common: &[
        Key::new("warmup", "0", "the linear rise at the start: a share below 1, or a whole number of units"),
        Key::new("unit", "\"epoch\"", "what positions are counted in: epoch or step"),
    ],
    rows: &[
        Choice { name: "fixed", keys: &[], read: |_| Ok(Shape::Fixed) },
        Choice {
            name: "step",
            keys: &[
                Key::new("drop", "0.1", "the factor of each drop"),
                Key::required("every", "10", "how many epochs (or steps) lie between drops"),
            ],
            read: |section| Ok(Shape::Step { drop: section.number("drop", &FACTOR)?, every: section.count("every", 1..=u32::MAX.into())? }),
        },
        Choice {
            name: "exponential",
            keys: &[Key::required("rate", "0.95", "the factor of each epoch (or step)")],
            read: |section| Ok(Shape::Exponential { rate: section.number("rate", &FACTOR)? }),
        },
        Choice {
            name: "cosine",
            keys: &[Key::new("min", "0.0", "the rate at the end")],
            read: |section| Ok(Shape::Cosine { min: section.number("min", &NOT_NEGATIVE)? }),
        },
    ],
    later: &["one_cycle", "plateau", "polynomial", "cosine_restarts"],
    later_keys: &[],
};

impl Schedule {
    /// Reads the section; `lr` and `epochs` are those that it is for.
    pub(super) fn read(document: &Document, lr: f64, epochs: usize) -> Result<Self> {
        let (shape, section) = SHAPES.section(document, "schedule")?;
        let schedule = Schedule { shape, warmup: warmup(&section)?, unit: section.word("unit", UNITS, &[])? };
        if let Shape::Cosine { min } = shape
            && min > lr
        {
            let message =
                format!("min must not be above the learning rate (got {min:?} with lr = {lr:?}): lower it or raise [optimizer] lr");
            return Err(section.fault("min", message));
        }
        if let (Warmup::Count(count), Unit::Epoch) = (schedule.warmup, schedule.unit)
            && count >= epochs as u64
        {
            let message = format!(
                "warmup must end before the training does (got {count} epochs of {epochs}): lower it, raise [train] epochs, or write unit = \"step\""
            );
            return Err(section.fault("warmup", message));
        }
        Ok(schedule)
    }

    pub(super) fn pairs(&self) -> Pairs {
        let (name, mut own) = match self.shape {
            Shape::Fixed => ("fixed", vec![]),
            Shape::Step { drop, every } => ("step", vec![("drop", write::number(drop)), ("every", every.to_string())]),
            Shape::Exponential { rate } => ("exponential", vec![("rate", write::number(rate))]),
            Shape::Cosine { min } => ("cosine", vec![("min", write::number(min))]),
        };
        let warmup = match self.warmup {
            Warmup::None => "0".to_owned(),
            Warmup::Share(share) => write::number(share),
            Warmup::Count(count) => count.to_string(),
        };
        own.insert(0, ("type", write::text(name)));
        own.extend([("warmup", warmup), ("unit", write::word(UNITS, &self.unit))]);
        own
    }
}

/// A whole number is a count, one with a point a share.
fn warmup(section: &Section<'_>) -> Result<Warmup> {
    let value = section.value("warmup")?;
    match value.kind {
        Kind::Integer(0) => Ok(Warmup::None),
        Kind::Integer(_) => Ok(Warmup::Count(section.count_of("warmup", &value, 0..=u32::MAX.into())?)),
        Kind::Float(1.0) => {
            Err(section.fault("warmup", "warmup as a share must be below 1 (got 1.0): write `warmup = 1` for one epoch (or step)"))
        }
        Kind::Float(_) => match section.number_of("warmup", &value, &SHARE)? {
            0.0 => Ok(Warmup::None),
            share => Ok(Warmup::Share(share)),
        },
        _ => Err(section.refuse("warmup", &value, "a share below 1 or a whole number of units")),
    }
}
