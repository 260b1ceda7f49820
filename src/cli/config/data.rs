//! `[data]`: what is learnt from, what is predicted, and how the rows are shared out.

use super::document::{Document, Kind, Value};
use super::keys::{Key, Later};
use super::section::{SHARE, Section};
use super::source::{self, BUILT_INS, LATER_BUILT_INS, Source};
use super::write::{self, Pairs};
use crate::error::Result;
use std::borrow::Cow;

/// What is learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Where the rows come from.
    pub source: Source,
    /// What kind of answer is learnt; `Auto` leaves it to the target column. See [`Data::known_task`].
    pub task: Task,
    /// How the rows are shared out.
    pub split: Split,
    /// What is done to the features; `bytes` for idx images and `standard` for all others unless given.
    pub scale: Scale,
}

/// What kind of answer is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Told from the target column.
    Auto,
    /// A class.
    Classification,
    /// One number or several.
    Regression,
}

/// How the rows are shared out: what is neither for validation nor for the test is for training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The share for validation, 0.15 unless given.
    pub valid: f64,
    /// The share for the test: 0.15 unless given, and 0 where a file of its own is the test set. A folder of idx files that holds
    /// a test set uses that instead.
    pub test: f64,
    /// Whether each part has its share of each class (classification only); true unless given.
    pub stratify: bool,
}

/// What is done to the features before the model sees them; what it takes is measured on the training rows only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Nothing.
    None,
    /// Mean 0 and deviation 1.
    Standard,
    /// From 0 to 1.
    MinMax,
    /// Median 0 and interquartile range 1.
    Robust,
    /// Divided by 255.
    Bytes,
}

const TASKS: &[(&str, Task)] = &[("auto", Task::Auto), ("classification", Task::Classification), ("regression", Task::Regression)];
const SCALES: &[(&str, Scale)] =
    &[("none", Scale::None), ("standard", Scale::Standard), ("minmax", Scale::MinMax), ("robust", Scale::Robust), ("bytes", Scale::Bytes)];

pub(super) const KEYS: [Key; 10] = [
    Key::optional("path", "\"iris.csv\"", "the rows: a csv or tsv file, a folder of idx files, or idx images"),
    Key::optional("name", "\"digits\"", "a built-in data set: digits, spirals, moons or sine"),
    Key::optional("test", "\"test.csv\"", "a test set in a file of its own"),
    Key::required("labels", "\"train-labels-idx1-ubyte\"", "the idx file with the classes of the images in `path`"),
    Key::required("test_labels", "\"t10k-labels-idx1-ubyte\"", "the idx file with the classes of the images in `test`"),
    Key::required("target", "\"species\"", "the column to predict, by its name or its index from 0 (a list for several)"),
    Key::new("features", "\"all\"", "the columns to predict from: \"all\", a list, or { exclude = [\"id\"] }"),
    Key::new("task", "\"auto\"", "auto, classification or regression"),
    Key::optional("split", "{ valid = 0.15, test = 0.15 }", "the shares of the rows for validation and for the test"),
    Key::optional("scale", "\"standard\"", "what is done to the features: none, standard, minmax, robust or bytes"),
];
const LATER_KEYS: [Later; 3] = [
    Later { name: "categorical", only: None },
    Later { name: "missing", only: Some("\"error\"") },
    Later { name: "class_weights", only: Some("\"none\"") },
];
pub(super) const SPLIT_KEYS: [Key; 3] = [
    Key::new("valid", "0.15", "the share of the rows for validation"),
    Key::new("test", "0.15", "the share of the rows for the test"),
    Key::new("stratify", "true", "whether each part has its share of each class"),
];

impl Data {
    /// The task as far as it is known before the data are read: it was given, or the source has just one.
    pub fn known_task(&self) -> Task {
        if self.task == Task::Auto { self.source.known_task() } else { self.task }
    }

    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "data", KEYS.iter().collect(), &LATER_KEYS)?;
        let source = match (section.given("name"), section.given("path")) {
            (true, true) => {
                let message = "[data] has both `name` and `path`, and one must go: take it out, or undo it with --set data.name=default";
                return Err(section.fault("name", message));
            }
            (true, false) => {
                source::only(&section, "a built-in data set", &[])?;
                Source::BuiltIn(section.word("name", BUILT_INS, LATER_BUILT_INS)?)
            }
            (false, true) => source::files(&section)?,
            (false, false) => {
                let message = format!(
                    "[data] needs `path` (a csv, tsv or idx file, or a folder of idx files) or `name` (a built-in data set): {}",
                    section.hint("path")
                );
                return Err(section.fault("path", message));
            }
        };
        let scale = match section.given("scale") {
            true => section.word("scale", SCALES, &[])?,
            false if source.is_images() => Scale::Bytes,
            false => Scale::Standard,
        };
        let split = split(&section, source.has_test())?;
        let task = section.word("task", TASKS, &[])?;
        let known = source.known_task();
        if task != Task::Auto && known != Task::Auto && task != known {
            let wanted = write::word(TASKS, &known);
            let message = format!("task must be {wanted} or \"auto\" for {} (got {})", source.shown(), write::word(TASKS, &task));
            return Err(section.fault("task", format!("{message}: {}", section.hint("task"))));
        }
        Ok(Data { source, task, split, scale })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = self.source.pairs();
        let split = vec![
            ("valid", write::number(self.split.valid)),
            ("test", write::number(self.split.test)),
            ("stratify", self.split.stratify.to_string()),
        ];
        pairs.extend([
            ("task", write::word(TASKS, &self.task)),
            ("split", write::inline(&split)),
            ("scale", write::word(SCALES, &self.scale)),
        ]);
        pairs
    }
}

fn split(data: &Section<'_>, has_test: bool) -> Result<Split> {
    let (table, origin) = match data.optional("split")?.as_deref() {
        None => (Cow::default(), data.origin),
        Some(Value { kind: Kind::Table(table), origin }) => (Cow::Owned(table.clone()), *origin),
        Some(value) => return Err(data.refuse("split", value, "a table")),
    };
    let section = data.child("split", table, origin, SPLIT_KEYS.iter().collect())?;
    let valid = section.number("valid", &SHARE)?;
    let test = match section.number("test", &SHARE)? {
        _ if has_test && !section.given("test") => 0.0,
        test if has_test && test > 0.0 => {
            let message = format!(
                "the test set has a file of its own, so none of the rows can go to it (got test = {test:?}): write 0 or leave it out"
            );
            return Err(section.fault("test", message));
        }
        test => test,
    };
    if valid + test >= 1.0 {
        let message = format!("valid and test leave no rows for training ({valid:?} + {test:?} is not below 1): lower one of them");
        return Err(section.fault(if section.given("test") { "test" } else { "valid" }, message));
    }
    Ok(Split { valid, test, stratify: section.boolean("stratify")? })
}
