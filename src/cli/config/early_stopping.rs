//! `[early_stopping]`: when the training ends before its last epoch.

use super::data::Data;
use super::document::{Document, Kind, Value};
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::data::Task;
use crate::error::Result;
use crate::hyper::Range;
use crate::metrics::{METRICS, MetricInfo, Needs};
use crate::train::{EarlyStopping, Mode, Monitor, StopAt};
use std::borrow::Cow;

const MODES: &[(&str, Mode)] = &[("auto", Mode::Auto), ("min", Mode::Min), ("max", Mode::Max)];

pub(super) static KEYS: [Key; 9] = [
    Key::new("monitor", "\"val_loss\"", "the number that is watched"),
    Key::new("mode", "\"auto\"", "which way is better: auto, min or max"),
    Key::new("patience", "10", "how many epochs without improvement end the training"),
    Key::new("min_delta", "0.0", "by how much a value must be better to count"),
    Key::new("start_epoch", "0", "the first epoch whose value counts, from 0"),
    Key::new("restore_best", "true", "whether the best weights come back at the end"),
    Key::optional("divergence", "100.0", "a value worse than this ends the training at once"),
    Key::new("check_finite", "true", "whether a value that is not finite ends the training at once"),
    Key::optional("stop_at", "{ metric = \"val_accuracy\", value = 0.98 }", "a number that is good enough"),
];

pub(super) static STOP_AT_KEYS: [Key; 2] =
    [Key::required("metric", "\"val_accuracy\"", "the number that is watched"), Key::required("value", "0.98", "how good it must be")];

/// Reads the section, where there is one; `data` is what it may watch.
pub(super) fn read(document: &Document, data: &Data) -> Result<(Option<EarlyStopping>, Option<StopAt>)> {
    if document.root.get("early_stopping").is_none() {
        return Ok((None, None));
    }
    let section = Section::open(document, "early_stopping", KEYS.iter().collect())?;
    let stopping = EarlyStopping {
        monitor: monitor(&section, "monitor", data)?,
        mode: section.word("mode", MODES)?,
        patience: section.count("patience", 1..=u32::MAX.into())? as usize,
        min_delta: section.number("min_delta", Range::NotNegative)?,
        start_epoch: section.count("start_epoch", 0..=u32::MAX.into())? as usize,
        restore_best: section.boolean("restore_best")?,
        divergence: section.optional_number("divergence", Range::Any)?,
        check_finite: section.boolean("check_finite")?,
    };
    Ok((Some(stopping), stop_at(&section, data)?))
}

fn stop_at(section: &Section<'_>, data: &Data) -> Result<Option<StopAt>> {
    match section.table.get("stop_at") {
        None => Ok(None),
        Some(Value { kind: Kind::Table(table), origin }) => {
            let inner = section.child("stop_at", Cow::Owned(table.clone()), *origin, STOP_AT_KEYS.iter().collect())?;
            Ok(Some(StopAt { monitor: monitor(&inner, "metric", data)?, value: inner.number("value", Range::Any)? }))
        }
        Some(value) => Err(section.refuse("stop_at", value, "a table")),
    }
}

/// A number that is known after each epoch.
fn monitor(section: &Section<'_>, key: &str, data: &Data) -> Result<Monitor> {
    let of_task = |metric: &&MetricInfo, task: Task| match task {
        Task::Classification => metric.needs != Needs::Sums,
        Task::Regression => metric.needs == Needs::Sums,
        Task::Auto => true,
    };
    let named = |task: Task| -> Vec<String> {
        let metrics = METRICS.iter().filter(|metric| of_task(metric, task)).map(|metric| format!("val_{}", metric.name));
        ["val_loss", "train_loss"].map(String::from).into_iter().chain(metrics).collect()
    };
    let (all, fitting) = (named(Task::Auto), named(data.known_task()));
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    let word = words[section.pick(key, &*section.value(key)?, &words)?];
    let monitor = Monitor::parse(word).unwrap_or(Monitor::ValidLoss);
    if monitor.needs_validation() && data.split.valid == 0.0 {
        let message = "early stopping watches the validation rows, and there are none: set [data] split.valid above 0, or watch train_loss";
        return Err(section.fault(key, message));
    }
    if !fitting.iter().any(|name| name == word) {
        let kind = if data.known_task() == Task::Regression { "regression" } else { "classification" };
        return Err(section.fault(key, format!("a {kind} has no {word}: watch one of {}", fitting.join(", "))));
    }
    Ok(monitor)
}

pub(super) fn pairs(stopping: &EarlyStopping, stop_at: Option<&StopAt>) -> Pairs {
    let mut pairs = vec![
        ("monitor", write::text(&stopping.monitor.to_string())),
        ("mode", write::word(MODES, &stopping.mode)),
        ("patience", stopping.patience.to_string()),
        ("min_delta", write::number(stopping.min_delta)),
        ("start_epoch", stopping.start_epoch.to_string()),
        ("restore_best", stopping.restore_best.to_string()),
    ];
    pairs.extend(stopping.divergence.map(|bound| ("divergence", write::number(bound))));
    pairs.push(("check_finite", stopping.check_finite.to_string()));
    pairs.extend(stop_at.map(|at| {
        let at = vec![("metric", write::text(&at.monitor.to_string())), ("value", write::number(at.value))];
        ("stop_at", write::inline(&at))
    }));
    pairs
}
