//! `[schedule]`: the learning rate as the training goes on, by the library's table, an expression, or phases one after the other.

use super::choice::{Choice, Choices};
use super::document::{Document, Kind};
use super::keys::Key;
use super::optimizer;
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::{Error, Result};
use crate::hyper::Range;
use crate::schedule::{self, Length, Shape, ShapeInfo, TABLE, Unit, Warmup};
use std::sync::LazyLock;

/// The learning rate as a function of the position: the library's schedule, and the words that say it.
#[derive(Debug, Clone)]
pub struct Schedule {
    rates: schedule::Schedule,
    pairs: Pairs,
    /// Whether a formula is in it.
    formula: bool,
}

/// A schedule says the same as its words and the rate that it starts from.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.pairs, self.rates.lr()) == (&other.pairs, other.rates.lr())
    }
}

const UNITS: &[(&str, Unit)] = &[("epoch", Unit::Epoch), ("step", Unit::Step)];
const WARMUP: Key = Key::new("warmup", "0", "the linear rise at the start: a share below 1, or a whole number of units");
const EXPR: &str = "expr";
const PHASES: &str = "phases";

/// The shapes: one row each, and one for expressions.
fn rows() -> impl Iterator<Item = Choice<Schedule>> {
    TABLE.iter().map(row).chain([expression()])
}

/// What `[schedule]` can be.
pub(super) static SHAPES: LazyLock<Choices<Schedule>> = LazyLock::new(|| {
    let list = Key::required(PHASES, "[{ type = \"fixed\", length = 0.2 }, { type = \"cosine\" }]", "schedules one after the other");
    Choices {
        type_key: Key::new("type", "\"fixed\"", "which schedule"),
        common: vec![WARMUP, Key::new("unit", "\"epoch\"", "what positions are counted in: epoch or step")],
        rows: rows().chain([Choice::new(PHASES, vec![list], phases)]).collect(),
    }
});

/// What a phase can be.
pub(super) static PARTS: LazyLock<Choices<Schedule>> = LazyLock::new(|| Choices {
    type_key: Key::required("type", "\"cosine\"", "which schedule"),
    common: vec![
        Key::optional("length", "0.2", "how long the phase lasts: a share, or a whole number of units; the last one may last to the end"),
        Key::optional("lr", "1e-3", "the rate that the phase starts from; the optimizer's unless given"),
        WARMUP,
    ],
    rows: rows().collect(),
});

/// The rate that the schedule starts from: the optimizer's, but a phase may have its own.
fn lr(section: &Section<'_>) -> Result<f64> {
    let own = if section.keys.iter().any(|key| key.name == "lr") { section.optional_number("lr", Range::Positive)? } else { None };
    own.map_or_else(|| Ok(optimizer::read(section.document)?.rate()), Ok)
}

fn row(info: &'static ShapeInfo) -> Choice<Schedule> {
    let words = info.words.iter().map(|word| Key::of_word(word.name, word.options, word.doc));
    Choice::new(info.name, info.keys.iter().map(Key::of).chain(words).collect(), move |section| {
        let mut rates = schedule::Schedule::new(lr(section)?, Shape::of(info));
        let mut pairs = vec![("type", write::text(info.name))];
        for hyper in info.keys {
            let value = section.hyper(hyper)?;
            rates = rates.with(hyper.name, value);
            pairs.push((hyper.name, write::hyper(hyper, value)));
        }
        for word in info.words {
            let option = word.options[section.pick(word.name, &*section.value(word.name)?, word.options)?];
            rates = rates.with(word.name, option);
            pairs.push((word.name, write::text(option)));
        }
        Ok(Schedule { rates, pairs, formula: false })
    })
}

fn expression() -> Choice<Schedule> {
    let key = Key::required(EXPR, "\"lr*0.5^(epoch//10)\"", "the rate, a formula of epoch, step, total and lr");
    Choice::new(EXPR, vec![key], |section| {
        let rates = schedule::Schedule::expression(lr(section)?, &section.text(EXPR)?);
        let rates = rates.map_err(|error| section.fault(EXPR, error.to_string()))?;
        let text = rates.shape().name();
        Ok(Schedule { rates, pairs: vec![("type", write::text(EXPR)), (EXPR, write::text(&text))], formula: true })
    })
}

fn phases(section: &Section<'_>) -> Result<Schedule> {
    let value = section.value(PHASES)?;
    let Kind::List(items) = &value.kind else { return Err(section.refuse(PHASES, &value, "a list of tables")) };
    let mut parts = Vec::with_capacity(items.len());
    let mut written = Vec::with_capacity(items.len());
    let mut any_formula = false;
    for item in items {
        let Kind::Table(table) = &item.kind else { return Err(section.refuse(PHASES, item, "a list of tables")) };
        let (Schedule { rates, mut pairs, formula }, part) = PARTS.read(section.item(PHASES, table, item.origin, PARTS.keys())?)?;
        let length = length(&part)?;
        let warmup = warmup(&part)?;
        pairs.extend(match length {
            Length::Share(share) => Some(("length", write::number(share))),
            Length::Count(count) => Some(("length", count.to_string())),
            Length::Rest => None,
        });
        pairs.push(("lr", write::number(rates.lr())));
        pairs.push(("warmup", shown(warmup)));
        let rates = rates.warmup_of(warmup);
        rates.check().map_err(|error| placed(&part, &error))?;
        parts.push((rates, length));
        written.push(write::table(&pairs));
        any_formula |= formula;
    }
    let pairs = vec![("type", write::text(PHASES)), (PHASES, write::list(written, |part| part))];
    Ok(Schedule { rates: schedule::Schedule::phases(parts), pairs, formula: any_formula })
}

impl Schedule {
    /// The library's schedule.
    pub fn rates(&self) -> &schedule::Schedule {
        &self.rates
    }

    /// Reads the section; `epochs` are those of the training.
    pub(super) fn read(document: &Document, epochs: usize) -> Result<Self> {
        let (Schedule { rates, mut pairs, formula }, section) = SHAPES.section(document, "schedule")?;
        let (warmup, unit) = (warmup(&section)?, section.word("unit", UNITS)?);
        let rates = rates.warmup_of(warmup).unit(unit);
        pairs.extend([("warmup", shown(warmup)), ("unit", write::word(UNITS, &unit))]);
        rates.check().map_err(|error| placed(&section, &error))?;
        if let (Warmup::Count(count), Unit::Epoch) = (warmup, unit)
            && count >= epochs
        {
            let message = format!(
                "warmup must end before the training does (got {count} epochs of {epochs}): lower it, raise [train] epochs, or write unit = \"step\""
            );
            return Err(section.fault("warmup", message));
        }
        // how many steps there are is told by the data, and a formula may be of the step
        if section.given(PHASES) && unit == Unit::Epoch && !formula {
            rates.check_for(epochs, 1).map_err(|error| section.fault(PHASES, error.to_string()))?;
        }
        Ok(Schedule { rates, pairs, formula })
    }

    pub(super) fn pairs(&self) -> Pairs {
        self.pairs.clone()
    }
}

/// An error of the library's, which begins with `[schedule]` and the key, at the place of the key.
fn placed(section: &Section<'_>, error: &Error) -> Error {
    let message = error.to_string();
    let message = message.strip_prefix("[schedule] ").unwrap_or(&message);
    section.fault(message.split(' ').next().unwrap_or_default(), message)
}

fn shown(warmup: Warmup) -> String {
    match warmup {
        Warmup::None => "0".to_owned(),
        Warmup::Share(share) => write::number(share),
        Warmup::Count(count) => count.to_string(),
    }
}

/// A whole number is a count, one with a point a share.
fn warmup(section: &Section<'_>) -> Result<Warmup> {
    let value = section.value("warmup")?;
    match value.kind {
        Kind::Integer(0) => Ok(Warmup::None),
        Kind::Integer(_) => Ok(Warmup::Count(section.count_of("warmup", &value, 0..=u32::MAX.into())? as usize)),
        Kind::Float(1.0) => {
            Err(section.fault("warmup", "warmup as a share must be below 1 (got 1.0): write `warmup = 1` for one epoch (or step)"))
        }
        Kind::Float(_) => match section.number_of("warmup", &value, Range::Share)? {
            0.0 => Ok(Warmup::None),
            share => Ok(Warmup::Share(share)),
        },
        _ => Err(section.refuse("warmup", &value, "a share below 1 or a whole number of units")),
    }
}

/// As [`warmup`]; nothing is to the end.
fn length(section: &Section<'_>) -> Result<Length> {
    let Some(value) = section.optional("length")? else { return Ok(Length::Rest) };
    match value.kind {
        Kind::Integer(_) => Ok(Length::Count(section.count_of("length", &value, 1..=u32::MAX.into())? as usize)),
        Kind::Float(_) => Ok(Length::Share(section.number_of("length", &value, Range::Factor)?)),
        _ => Err(section.refuse("length", &value, "a share of at most 1 or a whole number of units")),
    }
}
