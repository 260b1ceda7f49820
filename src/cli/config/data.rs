//! `[data]`: what is learnt from, what is predicted, and how the rows are shared out.

use super::document::{Document, Kind, Value};
use super::keys::Key;
use super::section::Section;
use super::source::{self, BUILT_INS, Source};
use super::write::{self, Pairs};
use crate::data::{Categorical, ColumnType, Missing, Scaling, Split, TargetScaling, Task};
use crate::error::Result;
use crate::hyper::Range;
use crate::train::ClassWeights;
use std::borrow::Cow;

/// What is learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Where the rows come from.
    pub source: Source,
    /// What kind of answer is learnt; `Auto` leaves it to the target column. See [`Data::known_task`].
    pub task: Task,
    /// How the rows are shared out: 0.15 for validation and 0.15 for the test unless given (none where a file of its own is the test set), each
    /// with its share of each class. A folder of idx files that holds a test set uses that instead.
    pub split: Split,
    /// What is done to the features; `bytes` for idx images and `standard` for all others unless given.
    pub scale: Scaling,
    /// How columns of words become inputs; `one_hot` unless given.
    pub categorical: Categorical,
    /// What to do where a column has no value; `error` unless given.
    pub missing: Missing,
    /// What columns hold where the file alone would mislead.
    pub types: Vec<(String, ColumnType)>,
    /// How the targets of a regression are scaled for training; not at all unless given.
    pub target_scale: TargetScaling,
    /// What the classes weigh in the loss; all alike unless given.
    pub class_weights: ClassWeights,
}

/// The words of a config for the values of one of the library's types.
fn words<T: Copy, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> [(&'static str, T); N] {
    all.map(|value| (name(value), value))
}

const TYPES: &[(&str, ColumnType)] = &[("number", ColumnType::Number), ("category", ColumnType::Category)];

pub(super) static KEYS: [Key; 16] = [
    Key::optional(
        "path",
        "\"iris.csv\"",
        "the rows: a file of columns (csv, tsv, parquet, npy, npz, safetensors), a folder of idx files, or idx images",
    ),
    Key::optional("name", "\"digits\"", "a built-in data set: digits, iris, spirals, moons, sine or friedman"),
    Key::optional("test", "\"test.csv\"", "a test set in a file of its own"),
    Key::required("labels", "\"train-labels-idx1-ubyte\"", "the idx file with the classes of the images in `path`"),
    Key::required("test_labels", "\"t10k-labels-idx1-ubyte\"", "the idx file with the classes of the images in `test`"),
    Key::required("target", "\"species\"", "the column to predict, by its name or its index from 0 (a list for several)"),
    Key::new("features", "\"all\"", "the columns to predict from: \"all\", a list, or { exclude = [\"id\"] }"),
    Key::optional("weight", "\"weight\"", "the column with what each row weighs in the loss"),
    Key::new("task", "\"auto\"", "auto, classification or regression"),
    Key::optional("split", "{ valid = 0.15, test = 0.15 }", "the shares of the rows for validation and for the test"),
    Key::optional("scale", "\"standard\"", "what is done to the features: none, standard, minmax, robust or bytes"),
    Key::new("categorical", "\"one_hot\"", "how columns of words become inputs: one_hot, or embed (a vector is learned for each word)"),
    Key::new("missing", "\"error\"", "what to do where a column has no value: error, mean, median, zero, or drop (the row)"),
    Key::optional("types", "{ zip = \"category\" }", "what columns hold where the file alone would mislead: number or category"),
    Key::new("target_scale", "\"none\"", "how the targets of a regression are scaled for training: none, standard or minmax"),
    Key::new("class_weights", "\"none\"", "what the classes weigh in the loss: none, balanced, or a table of names and weights"),
];
pub(super) static SPLIT_KEYS: [Key; 3] = [
    Key::new("valid", "0.15", "the share of the rows for validation"),
    Key::new("test", "0.15", "the share of the rows for the test"),
    Key::new("stratify", "true", "whether each part has its share of each class"),
];

impl Data {
    /// The task as far as it is known before the data are read: it was given, or the source has just one.
    pub fn known_task(&self) -> Task {
        if self.task == Task::Auto { self.source.known_task() } else { self.task }
    }

    /// Reads the section; `seed` is what the rows are shared out by.
    pub(super) fn read(document: &Document, seed: u64) -> Result<Self> {
        let section = Section::open(document, "data", KEYS.iter().collect())?;
        let source = match (section.given("name"), section.given("path")) {
            (true, true) => {
                let message = "[data] has both `name` and `path`, and one must go: take it out, or undo it with --set data.name=default";
                return Err(section.fault("name", message));
            }
            (true, false) => {
                source::only(&section, "a built-in data set", &[])?;
                Source::BuiltIn(section.word("name", BUILT_INS)?)
            }
            (false, true) => source::files(&section)?,
            (false, false) => {
                let message = format!(
                    "[data] needs `path` (a file of columns, an idx file, or a folder of idx files) or `name` (a built-in data set): {}",
                    section.hint("path")
                );
                return Err(section.fault("path", message));
            }
        };
        let scale = match section.given("scale") {
            true => section.word("scale", &words(Scaling::ALL, Scaling::name))?,
            false if source.is_images() => Scaling::Bytes,
            false => Scaling::Standard,
        };
        let split = split(&section, source.has_test(), seed)?;
        let task = section.word("task", &words(Task::ALL, Task::name))?;
        let known = source.known_task();
        if task != Task::Auto && known != Task::Auto && task != known {
            let wanted = write::text(known.name());
            let message = format!("task must be {wanted} or \"auto\" for {} (got {})", source.shown(), write::text(task.name()));
            return Err(section.fault("task", format!("{message}: {}", section.hint("task"))));
        }
        let class_weights = class_weights(&section)?;
        let data = Data {
            task,
            split,
            scale,
            class_weights,
            categorical: section.word("categorical", &words(Categorical::ALL, Categorical::name))?,
            missing: section.word("missing", &words(Missing::ALL, Missing::name))?,
            types: types(&section)?,
            target_scale: section.word("target_scale", &words(TargetScaling::ALL, TargetScaling::name))?,
            source,
        };
        data.check_table(&section)?;
        if data.class_weights != ClassWeights::None && data.known_task() == Task::Regression {
            return Err(section.fault("class_weights", "class_weights are for classes, and the data are a regression: take them out"));
        }
        Ok(data)
    }

    /// Refuses what is for columns of a file where there are none, and for numbers where there are classes.
    fn check_table(&self, section: &Section<'_>) -> Result<()> {
        let table = matches!(self.source, Source::Table { .. });
        let given = [
            ("categorical", self.categorical != Categorical::default()),
            ("missing", self.missing != Missing::default()),
            ("types", !self.types.is_empty()),
            ("target_scale", self.target_scale != TargetScaling::default()),
        ];
        if let Some((key, _)) = given.iter().find(|(_, given)| *given && !table) {
            let message = format!("`{key}` does not apply to {} (it is for files of columns): take it out", self.source.shown());
            return Err(section.fault(key, message));
        }
        if self.target_scale != TargetScaling::None && self.known_task() == Task::Classification {
            return Err(section.fault("target_scale", "target_scale is for a regression, and the data have classes: take it out"));
        }
        Ok(())
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = self.source.pairs();
        let split = vec![
            ("valid", write::number(self.split.valid)),
            ("test", write::number(self.split.test)),
            ("stratify", self.split.stratify.to_string()),
        ];
        pairs.extend([
            ("task", write::text(self.task.name())),
            ("split", write::inline(&split)),
            ("scale", write::text(self.scale.name())),
            ("class_weights", shown(&self.class_weights)),
        ]);
        if matches!(self.source, Source::Table { .. }) {
            pairs.extend([
                ("categorical", write::text(self.categorical.name())),
                ("missing", write::text(self.missing.name())),
                ("target_scale", write::text(self.target_scale.name())),
            ]);
        }
        if !self.types.is_empty() {
            let types = self.types.iter().map(|(name, kind)| format!("{} = {}", write::key(name), write::word(TYPES, kind)));
            pairs.push(("types", format!("{{ {} }}", types.collect::<Vec<_>>().join(", "))));
        }
        pairs
    }
}

fn split(data: &Section<'_>, has_test: bool, seed: u64) -> Result<Split> {
    let (table, origin) = match data.optional("split")?.as_deref() {
        None => (Cow::default(), data.origin),
        Some(Value { kind: Kind::Table(table), origin }) => (Cow::Owned(table.clone()), *origin),
        Some(value) => return Err(data.refuse("split", value, "a table")),
    };
    let section = data.child("split", table, origin, SPLIT_KEYS.iter().collect())?;
    let valid = section.number("valid", Range::Share)?;
    let test = match section.number("test", Range::Share)? {
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
    Ok(Split { valid, test, stratify: section.boolean("stratify")?, seed })
}

fn types(section: &Section<'_>) -> Result<Vec<(String, ColumnType)>> {
    let Some(value) = section.optional("types")? else { return Ok(vec![]) };
    let Kind::Table(table) = &value.kind else { return Err(section.refuse("types", &value, "a table such as { zip = \"category\" }")) };
    let words: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
    let kind = |entry: &super::document::Entry| Ok((entry.name.clone(), TYPES[section.pick(&entry.name, &entry.value, &words)?].1));
    table.0.iter().map(kind).collect()
}

const CLASS_WEIGHTS: &[(&str, ClassWeights)] = &[("none", ClassWeights::None), ("balanced", ClassWeights::Balanced)];

fn class_weights(section: &Section<'_>) -> Result<ClassWeights> {
    let value = section.value("class_weights")?;
    match &value.kind {
        Kind::Text(_) => {
            let words: Vec<&str> = CLASS_WEIGHTS.iter().map(|(word, _)| *word).collect();
            Ok(CLASS_WEIGHTS[section.pick("class_weights", &value, &words)?].1.clone())
        }
        Kind::Table(table) => {
            let weight =
                |entry: &super::document::Entry| Ok((entry.name.clone(), section.number_of(&entry.name, &entry.value, Range::Positive)?));
            table.0.iter().map(weight).collect::<Result<_>>().map(ClassWeights::Named)
        }
        _ => Err(section.refuse("class_weights", &value, "one of none, balanced, or a table of names and weights")),
    }
}

fn shown(weights: &ClassWeights) -> String {
    match weights {
        ClassWeights::Named(weights) => {
            let weight = |(name, weight): &(String, f64)| format!("{} = {}", write::key(name), write::number(*weight));
            format!("{{ {} }}", weights.iter().map(weight).collect::<Vec<_>>().join(", "))
        }
        word => write::word(CLASS_WEIGHTS, word),
    }
}
