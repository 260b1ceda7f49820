//! Where the rows come from: a built-in set, a table, or idx files; told by the keys and the file's name.

use super::document::{Kind, Value};
use super::section::Section;
use super::write::{self, Pairs};
use crate::data::Task;
use crate::error::Result;
use std::path::{Path, PathBuf};

/// Where the rows come from. All paths are absolute.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// A data set inside the binary.
    BuiltIn(BuiltIn),
    /// A csv or tsv file with a header.
    Table {
        /// The file.
        path: PathBuf,
        /// A test set of its own.
        test: Option<PathBuf>,
        /// The columns to predict, at least one; several are a regression.
        target: Vec<Column>,
        /// The columns to predict from.
        features: Columns,
        /// The column with what each row weighs in the loss; all alike where there is none.
        weight: Option<Column>,
    },
    /// Idx images and their labels, gz or not.
    Idx {
        /// The images.
        images: PathBuf,
        /// Their classes.
        labels: PathBuf,
        /// The images and the classes of a test set of its own.
        test: Option<(PathBuf, PathBuf)>,
    },
    /// A folder with idx files under the names of MNIST's.
    IdxFolder(PathBuf),
}

/// A data set inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuiltIn {
    /// The UCI optical digits: 1,797 images of 8 × 8.
    Digits,
    /// Fisher's irises: 150 flowers of three species.
    Iris,
    /// Spirals that wind around each other.
    Spirals,
    /// Two half moons that reach into each other.
    Moons,
    /// A sine with noise.
    Sine,
    /// Friedman's function of five of ten features, with noise.
    Friedman,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By the name in the header.
    Name(String),
    /// By its place, from 0.
    Index(usize),
}

/// Columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// All but the target.
    All,
    /// These.
    Only(Vec<Column>),
    /// All but the target and these.
    Except(Vec<Column>),
}

pub(super) const BUILT_INS: &[(&str, BuiltIn)] = &[
    ("digits", BuiltIn::Digits),
    ("iris", BuiltIn::Iris),
    ("spirals", BuiltIn::Spirals),
    ("moons", BuiltIn::Moons),
    ("sine", BuiltIn::Sine),
    ("friedman", BuiltIn::Friedman),
];

impl BuiltIn {
    /// All of them.
    pub fn all() -> impl Iterator<Item = BuiltIn> {
        BUILT_INS.iter().map(|(_, set)| *set)
    }

    /// The name on the command line and in `[data] name`.
    pub fn name(self) -> &'static str {
        BUILT_INS.iter().find(|(_, set)| *set == self).map_or("", |(name, _)| name)
    }

    /// The data set of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        BUILT_INS.iter().find(|(known, _)| *known == name).map(|(_, set)| *set)
    }
}

impl Source {
    /// The task that the source can only be for; `Auto` where its contents decide.
    pub fn known_task(&self) -> Task {
        match self {
            Source::BuiltIn(BuiltIn::Sine | BuiltIn::Friedman) => Task::Regression,
            Source::BuiltIn(_) | Source::Idx { .. } | Source::IdxFolder(_) => Task::Classification,
            Source::Table { target, .. } if target.len() > 1 => Task::Regression,
            Source::Table { .. } => Task::Auto,
        }
    }

    /// The keys of `[data]` that name files, with the files: what has to exist before a training starts.
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Source::BuiltIn(_) => vec![],
            Source::Table { path, test, .. } => {
                std::iter::once(("path", path.as_path())).chain(test.iter().map(|test| ("test", test.as_path()))).collect()
            }
            Source::Idx { images, labels, test } => {
                let test = test.iter().flat_map(|(images, labels)| [("test", images.as_path()), ("test_labels", labels.as_path())]);
                [("path", images.as_path()), ("labels", labels.as_path())].into_iter().chain(test).collect()
            }
            Source::IdxFolder(path) => vec![("path", path)],
        }
    }

    pub(super) fn is_images(&self) -> bool {
        matches!(self, Source::Idx { .. } | Source::IdxFolder(_))
    }

    pub(super) fn has_test(&self) -> bool {
        matches!(self, Source::Table { test: Some(_), .. } | Source::Idx { test: Some(_), .. })
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Source::BuiltIn(set) => format!("the built-in data set {}", set.name()),
            Source::Table { target, .. } if target.len() > 1 => "several targets".to_owned(),
            Source::Table { .. } => "a csv or tsv file".to_owned(),
            Source::Idx { .. } | Source::IdxFolder(_) => "idx images".to_owned(),
        }
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs: Pairs = match self {
            Source::BuiltIn(set) => vec![("name", write::text(set.name()))],
            files => files.files().into_iter().map(|(key, path)| (key, write::path(path))).collect(),
        };
        if let Source::Table { target, features, weight, .. } = self {
            let target = match target.as_slice() {
                [one] => one.literal(),
                several => write::list(several, Column::literal),
            };
            let features = match features {
                Columns::All => write::text("all"),
                Columns::Only(columns) => write::list(columns, Column::literal),
                Columns::Except(columns) => write::inline(&vec![("exclude", write::list(columns, Column::literal))]),
            };
            pairs.extend([("target", target), ("features", features)]);
            pairs.extend(weight.iter().map(|weight| ("weight", weight.literal())));
        }
        pairs
    }
}

impl Column {
    fn literal(&self) -> String {
        match self {
            Column::Name(name) => write::text(name),
            Column::Index(index) => index.to_string(),
        }
    }
}

/// Refuses the keys that are not for this kind of source.
pub(super) fn only(section: &Section<'_>, what: &str, allowed: &[&str]) -> Result<()> {
    let particular = [
        ("test", "csv, tsv and idx files"),
        ("labels", "idx images"),
        ("test_labels", "idx images"),
        ("target", "csv and tsv files"),
        ("features", "csv and tsv files"),
        ("weight", "csv and tsv files"),
    ];
    for (key, owner) in particular {
        if section.given(key) && !allowed.contains(&key) {
            return Err(section.fault(key, format!("`{key}` does not apply to {what} (it is for {owner}): take it out")));
        }
    }
    Ok(())
}

/// The source that `path` names.
pub(super) fn files(section: &Section<'_>) -> Result<Source> {
    let path = section.value("path")?;
    let Some(absolute) = section.path("path")? else { return Err(section.refuse("path", &path, "a string")) };
    let name = absolute.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
    if is_table(&absolute) {
        return table(section, absolute);
    }
    if matches!(ending, "csv" | "tsv" | "parquet" | "npy" | "npz") {
        let message = format!("`{name}` is of a kind that is not in this version: give a csv or tsv file, idx files or a folder of those");
        return Err(section.fault("path", message));
    }
    if section.given("labels") || plain.ends_with("-ubyte") || ending.starts_with("idx") {
        return idx(section, absolute);
    }
    if absolute.is_file() {
        let message = format!("what is in `{name}` is not told by its name: name it .csv or .tsv, or give the `labels` of idx images");
        return Err(section.fault("path", message));
    }
    only(section, "a folder of idx files", &[])?;
    Ok(Source::IdxFolder(absolute))
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv") || ending.eq_ignore_ascii_case("tsv"))
}

fn idx(section: &Section<'_>, images: PathBuf) -> Result<Source> {
    only(section, "idx images", &["test", "labels", "test_labels"])?;
    section.value("labels")?;
    if section.given("test") {
        section.value("test_labels")?;
    } else if section.given("test_labels") {
        return Err(
            section.fault("test_labels", format!("`test_labels` are of no use without `test`, their images: {}", section.hint("test")))
        );
    }
    let labels = section.path("labels")?.unwrap_or_default();
    let test = section.path("test")?.zip(section.path("test_labels")?);
    Ok(Source::Idx { images, labels, test })
}

fn table(section: &Section<'_>, path: PathBuf) -> Result<Source> {
    only(section, "a csv or tsv file", &["test", "target", "features", "weight"])?;
    let test = section.path("test")?;
    if test.as_ref().is_some_and(|test| !is_table(test)) {
        return Err(section.fault("test", "test must be a .csv or .tsv file, as `path` is: give one with the same columns"));
    }
    let target = section.value("target")?;
    let target = match &target.kind {
        Kind::List(_) => columns(section, "target", &target)?,
        _ => vec![column(section, "target", &target)?],
    };
    let features = section.value("features")?;
    let features = match &features.kind {
        Kind::Text(text) if text == "all" => Columns::All,
        Kind::List(_) => Columns::Only(columns(section, "features", &features)?),
        Kind::Table(table) => match table.0.as_slice() {
            [entry] if entry.name == "exclude" => Columns::Except(columns(section, "features", &entry.value)?),
            _ => return Err(section.refuse("features", &features, FEATURES)),
        },
        _ => return Err(section.refuse("features", &features, FEATURES)),
    };
    let weight = section.optional("weight")?.map(|value| column(section, "weight", &value)).transpose()?;
    if let Some(weight) = weight.as_ref().filter(|weight| target.contains(weight)) {
        let message = format!("column {} is a target, and the weight of the rows: take it out of one of them", weight.literal());
        return Err(section.fault("weight", message));
    }
    if let Columns::Only(columns) = &features
        && let Some(column) = columns.iter().find(|column| target.contains(column) || weight.as_ref() == Some(column))
    {
        let role = if target.contains(column) { "a target" } else { "the weight of the rows" };
        let message = format!("column {} is a feature and {role}: take it out of one of them", column.literal());
        return Err(section.fault("features", message));
    }
    Ok(Source::Table { path, test, target, features, weight })
}

const FEATURES: &str = "\"all\", a list of columns, or { exclude = [\"id\"] }";

fn columns(section: &Section<'_>, key: &str, value: &Value) -> Result<Vec<Column>> {
    let Kind::List(items) = &value.kind else { return Err(section.refuse(key, value, "a list of columns")) };
    let mut columns = Vec::with_capacity(items.len());
    for item in items {
        let column = column(section, key, item)?;
        if columns.contains(&column) {
            let message = format!("{key} has column {} twice: take one out", column.literal());
            return Err(section.document.error(item.origin, message));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(section.refuse(key, value, "a list of at least one column"));
    }
    Ok(columns)
}

fn column(section: &Section<'_>, key: &str, value: &Value) -> Result<Column> {
    match &value.kind {
        Kind::Text(name) if !name.is_empty() => Ok(Column::Name(name.clone())),
        Kind::Integer(_) => Ok(Column::Index(section.count_of(key, value, 0..=u32::MAX.into())? as usize)),
        _ => Err(section.refuse(key, value, "a column: its name, or its index from 0")),
    }
}
