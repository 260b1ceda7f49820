//! `[loss]`: what is minimised, by the library's tables, or an expression of p and t.

use super::choice::{Choice, Choices};
use super::document::Document;
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::data::{Targets, Task};
use crate::error::Result;
use crate::hyper::Range;
use crate::loss::{self, LossInfo, Takes};
use std::sync::LazyLock;

/// What is minimised.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The loss; where there is none, what suits the targets.
    pub chosen: Option<loss::Loss>,
    /// ε of label smoothing, 0 unless given.
    pub label_smoothing: f64,
}

const TARGETS: &[(&str, Takes)] = &[("numbers", Takes::Numbers), ("zero_one", Takes::ZeroOne), ("plus_minus", Takes::PlusMinus)];

/// The losses: one row each, one for what suits the targets, and one for expressions.
pub(super) static LOSSES: LazyLock<Choices<Option<loss::Loss>>> = LazyLock::new(|| {
    let auto = Choice::new("auto", vec![], |_| Ok(None));
    Choices {
        type_key: Key::new("type", "\"auto\"", "which loss"),
        common: vec![Key::new("label_smoothing", "0.0", "the share of the truth that is spread over all classes")],
        rows: [auto].into_iter().chain(loss::Loss::table().into_iter().map(row)).chain([expression()]).collect(),
    }
});

fn row(info: LossInfo) -> Choice<Option<loss::Loss>> {
    Choice::new(info.name, info.parameter.iter().map(Key::of).collect(), move |section| {
        let loss = loss::Loss::named(info.name);
        match (loss, &info.parameter) {
            (Some(loss), Some(hyper)) => loss.with_parameter(section.hyper(hyper)?).map(Some),
            (loss, _) => Ok(loss),
        }
    })
}

fn expression() -> Choice<Option<loss::Loss>> {
    let keys = vec![
        Key::required("expr", "\"abs(p-t)*(1+9*(t>0))\"", "the formula of a prediction p and a target t"),
        Key::new(
            "targets",
            "\"numbers\"",
            "what t is: numbers, or classes as zero_one or plus_minus, of which an output above 0 means the second",
        ),
    ];
    Choice::new("expr", keys, |section| {
        let loss = loss::Loss::expression(&section.text("expr")?).map_err(|error| section.fault("expr", error.to_string()))?;
        Ok(Some(loss.taking(section.word("targets", TARGETS)?)))
    })
}

/// The losses of the tables that take such targets.
fn names(takes: impl Fn(Takes) -> bool) -> String {
    let names: Vec<&str> = loss::Loss::table().into_iter().filter(|info| takes(info.takes)).map(|info| info.name).collect();
    names.join(", ")
}

impl Loss {
    /// The loss for these targets.
    pub fn for_targets(&self, targets: &Targets) -> loss::Loss {
        let loss = self.chosen.clone().unwrap_or_else(|| loss::Loss::for_targets(targets));
        loss.label_smoothing(self.label_smoothing)
    }

    /// Reads the section; `task` is what is known of the data.
    pub(super) fn read(document: &Document, task: Task) -> Result<Self> {
        let (chosen, section) = LOSSES.section(document, "loss")?;
        if let (Some(loss), Task::Regression) = (&chosen, task)
            && loss.takes() == Takes::Classes
        {
            let numbers = names(|takes| takes == Takes::Numbers);
            let message = format!("{} is for classification, and the data are a regression: take auto, {numbers}", loss.name());
            return Err(section.fault("type", message));
        }
        if let (Some(loss), Task::Classification) = (&chosen, task)
            && loss.takes() == Takes::Numbers
        {
            return Err(for_numbers(&section, loss));
        }
        let label_smoothing = section.number("label_smoothing", Range::Share)?;
        let smooths = |takes| matches!(takes, Takes::Classes | Takes::ZeroOne);
        let known = chosen.as_ref().map(|loss| smooths(loss.takes())).unwrap_or(task != Task::Regression);
        if label_smoothing > 0.0 && !known {
            let name = chosen.as_ref().map_or("a regression", loss::Loss::name);
            let message = format!("label_smoothing is for {}, not for {name}: take it out", names(smooths));
            return Err(section.fault("label_smoothing", message));
        }
        Ok(Loss { chosen, label_smoothing })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = self.chosen.as_ref().map_or_else(|| vec![("type", write::text("auto"))], of);
        pairs.push(("label_smoothing", write::number(self.label_smoothing)));
        pairs
    }
}

/// The error of a loss of numbers for classes.
fn for_numbers(section: &Section<'_>, loss: &loss::Loss) -> crate::error::Error {
    match loss.is_custom() {
        true => section
            .fault("expr", "the loss is of numbers, and the data are classes: say what they are, targets = \"zero_one\" or \"plus_minus\""),
        false => {
            let classes = names(|takes| takes != Takes::Numbers);
            section.fault("type", format!("{} is for numbers, and the data are classes: take auto, {classes}", loss.name()))
        }
    }
}

fn of(loss: &loss::Loss) -> Pairs {
    match loss::Loss::table().into_iter().find(|info| info.name == loss.name()) {
        Some(info) => {
            let parameter = info.parameter.zip(loss.parameter()).map(|(hyper, value)| (hyper.name, write::hyper(&hyper, value)));
            std::iter::once(("type", write::text(info.name))).chain(parameter).collect()
        }
        None => vec![("type", write::text("expr")), ("expr", write::text(loss.name())), ("targets", write::word(TARGETS, &loss.takes()))],
    }
}
