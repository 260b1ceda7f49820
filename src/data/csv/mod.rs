//! Tables in text: comma-, semicolon- or tab-separated values with a header.

mod sheet;
mod target;
#[cfg(test)]
mod tests;

use super::{Features, Table, Targets};
use crate::error::{Error, Result};
use sheet::{Rows, Sheet};
use std::path::Path;
use std::str::FromStr;

/// Which columns are features.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// All but the target.
    #[default]
    All,
    /// These, in this order: names, or indices from 0.
    Only(Vec<String>),
    /// All but the target and these: names, or indices from 0.
    Exclude(Vec<String>),
}

/// What the target's column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    /// Classes where the column has words, or whole numbers of which at most 20 differ; else numbers.
    #[default]
    Auto,
    /// Classes.
    Classification,
    /// Numbers.
    Regression,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 3] = [Task::Auto, Task::Classification, Task::Regression];

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        match self {
            Task::Auto => "auto",
            Task::Classification => "classification",
            Task::Regression => "regression",
        }
    }
}

impl FromStr for Task {
    type Err = Error;

    /// The task of this name. Errors when there is none.
    fn from_str(name: &str) -> Result<Self> {
        Task::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| {
            let names = Task::ALL.map(Task::name).join(", ");
            Error::input(format!("there is no task `{name}`: set [data] task to one of {names}"))
        })
    }
}

/// How [`read_csv`] understands a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// The column to predict: its name, or its index from 0.
    pub target: String,
    /// The columns to predict from.
    pub features: Select,
    /// What the target means.
    pub task: Task,
    /// The column with what each row weighs in the loss, a number of at least 0: its name, or its index from 0. It is no feature. `None`:
    /// all rows weigh alike.
    pub weight: Option<String>,
    /// What separates the fields. `None`: a tab for `.tsv` and `.tab`, else the first of comma, semicolon and tab that the
    /// header has.
    pub delimiter: Option<u8>,
}

impl CsvOptions {
    /// All other columns are features, and the task and the delimiter are told by the file.
    pub fn new(target: impl Into<String>) -> Self {
        CsvOptions { target: target.into(), ..CsvOptions::default() }
    }
}

/// Reads a table with a header line and a column to predict.
///
/// Fields may be quoted as in RFC 4180; blanks around them, blank lines and a byte order mark do not count. Features must be
/// finite numbers. Classes are named by their cells, sorted as numbers if all are numbers, else as text; numbers that are equal
/// are one class (`1` and `1.0`).
///
/// Errors, with the file's name, the line and the number of the field, when the text is not UTF-8, when a column is missing or two
/// share a name, when a row has more or fewer fields than the header, when a cell is empty or not a finite number, when there
/// are no rows, and when the target has but one class.
///
/// ```
/// use gradus::data::{CsvOptions, Targets, read_csv};
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("flowers.csv");
/// std::fs::write(&path, "length,width,species\n5.1,3.5,setosa\n6.3,2.9,virginica\n").expect("a file");
/// let table = read_csv(&path, &CsvOptions::new("species"))?;
/// assert_eq!(table.names(), ["length", "width"]);
/// let names = ["setosa", "virginica"].map(String::from).to_vec();
/// assert_eq!(*table.targets(), Targets::Classes { of: vec![0, 1], names });
/// # Ok::<(), gradus::Error>(())
/// ```
pub fn read_csv(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Table> {
    let sheet = Sheet::open(path.as_ref(), options.delimiter)?;
    let target = sheet.column(&options.target, "target")?;
    let weight = options.weight.as_ref().map(|column| sheet.column(column, "weight")).transpose()?;
    if weight == Some(target) {
        let name = &sheet.header()[target];
        return Err(sheet.header_error(target, format!("`{name}` is the target: take another column for [data] weight")));
    }
    let features = choose(&sheet, target, weight, &options.features)?;
    let names = sheet.names(&features)?;
    let Rows { values, cells, weights } = sheet.read(&features, Some(target), weight)?;
    weighted(Table::new(Features::F32(values), names, target::decide(&sheet, target, &cells, options.task)?)?, weights)
}

/// The table with the weights of its rows, where there are any.
fn weighted(table: Table, weights: Vec<f32>) -> Result<Table> {
    if weights.is_empty() { Ok(table) } else { table.with_weights(weights) }
}

/// The columns that are features.
fn choose(sheet: &Sheet, target: usize, weight: Option<usize>, select: &Select) -> Result<Vec<usize>> {
    let free = |column: &usize| *column != target && Some(*column) != weight;
    let find = |names: &[String]| names.iter().map(|name| sheet.column(name, "features")).collect::<Result<Vec<usize>>>();
    let chosen = match select {
        Select::All => (0..sheet.header().len()).filter(free).collect(),
        Select::Exclude(names) => {
            let without = find(names)?;
            (0..sheet.header().len()).filter(|column| free(column) && !without.contains(column)).collect()
        }
        Select::Only(names) => {
            let chosen = find(names)?;
            for (i, &column) in chosen.iter().enumerate() {
                let name = &names[i];
                if column == target {
                    return Err(sheet.header_error(column, format!("`{name}` is the target: take it out of [data] features")));
                }
                if Some(column) == weight {
                    return Err(sheet.header_error(column, format!("`{name}` is the weight of the rows: take it out of [data] features")));
                }
                if chosen[..i].contains(&column) {
                    return Err(sheet.header_error(column, format!("`{name}` is among [data] features twice: name it once")));
                }
            }
            chosen
        }
    };
    if chosen.is_empty() {
        let message = "there is no column left for the features: the file needs one beside the target, and [data] features must leave one";
        return Err(sheet.header_error(target, message.into()));
    }
    Ok(chosen)
}

/// The name of a column that is given by its name or its index from 0. Errors when there is no such column: the message lists them.
pub fn column_name(path: impl AsRef<Path>, column: &str) -> Result<String> {
    let sheet = Sheet::open(path.as_ref(), None)?;
    let index = sheet.column(column, "target")?;
    Ok(sheet.header()[index].clone())
}

/// The columns that a trained model wants from new data, for [`read_csv_for`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    /// The features it was trained on, in its order.
    pub features: Vec<String>,
    /// The target to judge by; `None` to predict only.
    pub target: Option<TargetColumn>,
    /// The column with what each row weighs in the loss, where the file has it.
    pub weight: Option<String>,
    /// What separates the fields, as in [`CsvOptions`].
    pub delimiter: Option<u8>,
}

/// The column that a trained model predicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetColumn {
    /// What it is called.
    pub name: String,
    /// The model's classes, in its order; `None` for numbers.
    pub classes: Option<Vec<String>>,
}

/// Reads new data for a trained model: the columns it knows, by name, wherever they stand; other columns are passed over.
///
/// Without a target in `columns` the table has [`Targets::none`]. With one, classes are numbered as the model numbers them.
/// Errors as [`read_csv`] does, and when a column that the model wants is missing or a cell has a class that it does not know.
///
/// ```
/// use gradus::data::{Columns, Features, read_csv_for};
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("new.csv");
/// std::fs::write(&path, "width,note,length\n3.5,fresh,5.1\n").expect("a file");
/// let columns = Columns { features: vec!["length".into(), "width".into()], ..Columns::default() };
/// let table = read_csv_for(&path, &columns)?;
/// assert_eq!(*table.features(), Features::F32(vec![5.1, 3.5]));
/// assert!(table.targets().is_none());
/// # Ok::<(), gradus::Error>(())
/// ```
pub fn read_csv_for(path: impl AsRef<Path>, columns: &Columns) -> Result<Table> {
    if columns.features.is_empty() {
        return Err(Error::input("no features are wanted: name the columns that the model was trained on"));
    }
    let sheet = Sheet::open(path.as_ref(), columns.delimiter)?;
    let features = columns.features.iter().map(|name| sheet.column_named(name, "features")).collect::<Result<Vec<usize>>>()?;
    let target = columns.target.as_ref().map(|target| sheet.column_named(&target.name, "target")).transpose()?;
    let weight = columns.weight.as_ref().and_then(|name| sheet.header().iter().position(|column| column == name));
    let Rows { values, cells, weights } = sheet.read(&features, target, weight)?;
    let targets = match (&columns.target, target) {
        (Some(wanted), Some(column)) => target::known(&sheet, column, &cells, wanted.classes.as_deref())?,
        _ => Targets::none(),
    };
    weighted(Table::new(Features::F32(values), columns.features.clone(), targets)?, weights)
}
