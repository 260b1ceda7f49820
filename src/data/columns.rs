//! Which columns of a file are for what, and what they hold: told by the user, else by the file.

use super::frame::{Cells, Column, Frame, GAP};
use super::source::{ColumnScan, Gaps, Holds, Kind, Role, Scan, TableFile, Wanted, cell_error};
use super::stamp::Stamp;
use super::{Targets, list};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
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

/// What a column holds, where the user says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Amounts.
    Number,
    /// Words, or numbers that are names: a postcode, the code of a colour.
    Category,
}

/// What to do where a feature has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// It is an error. (In a column of words a gap is one more word in any case but this and [`Missing::Drop`].)
    #[default]
    Error,
    /// The mean of the training rows' numbers takes its place.
    Mean,
    /// Their median does.
    Median,
    /// 0 does, before scaling.
    Zero,
    /// The row is left out.
    Drop,
}

impl Missing {
    /// All of them.
    pub const ALL: [Missing; 5] = [Missing::Error, Missing::Mean, Missing::Median, Missing::Zero, Missing::Drop];

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        match self {
            Missing::Error => "error",
            Missing::Mean => "mean",
            Missing::Median => "median",
            Missing::Zero => "zero",
            Missing::Drop => "drop",
        }
    }

    fn gaps(self) -> Gaps {
        match self {
            Missing::Error => Gaps::Refuse,
            Missing::Mean | Missing::Median | Missing::Zero => Gaps::Keep,
            Missing::Drop => Gaps::DropRow,
        }
    }
}

/// What the columns of a file are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// The columns to predict, each by its name or its index from 0; several are a regression.
    pub target: Vec<String>,
    /// The columns to predict from.
    pub features: Select,
    /// What the target means.
    pub task: Task,
    /// The column with what each row weighs in the loss, a number of at least 0: its name, or its index from 0. It is no feature. `None`:
    /// all rows weigh alike.
    pub weight: Option<String>,
    /// What columns hold where the file alone would mislead: by name, or by index from 0.
    pub types: BTreeMap<String, ColumnType>,
    /// What to do with gaps.
    pub missing: Missing,
}

impl TableOptions {
    /// All other columns are features, and the rest is told by the file.
    pub fn new(target: impl Into<String>) -> Self {
        TableOptions { target: vec![target.into()], ..TableOptions::default() }
    }
}

/// A file's columns by what they are for.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// What to predict from, as it was read.
    pub features: Frame,
    /// What to predict.
    pub targets: Targets,
    /// What the target's column is called, or `target` where there are several.
    pub target: String,
    /// The weights of the rows, and what their column is called, where there is one.
    pub weights: Option<(String, Vec<f32>)>,
}

/// Reads what a model is to be trained on: looks through the file first, to see what the columns hold, and then reads them.
///
/// A column of words is a category. Numbers with a few words between, dates, and columns without any value are refused, with the remedy.
/// Classes are named by their cells, sorted as numbers if all are numbers, else as text; numbers that are equal are one class (`1` and `1.0`).
///
/// Errors, with the file's name, the line and the number of the field, at the first cell that is not what the column asks for, and when a
/// column is missing or has two roles.
pub fn read_columns(file: &mut dyn TableFile, options: &TableOptions) -> Result<Columns> {
    let stamp = Stamp::of(file.path());
    let columns = read_twice(file, options);
    // what seems to be wrong in a file that changed is not what is wrong with it
    stamp.check(file.path())?;
    columns
}

/// Looks through the file to see what its columns hold, then reads them.
fn read_twice(file: &mut dyn TableFile, options: &TableOptions) -> Result<Columns> {
    let target = choose_targets(file, &options.target)?;
    let weight = options.weight.as_ref().map(|column| file.column(column, "weight")).transpose()?;
    if let Some(weight) = weight.filter(|weight| target.contains(weight)) {
        let name = &file.header()[weight];
        return Err(file.header_error(weight, format!("`{name}` is the target: take another column for [data] weight")));
    }
    let features = choose_features(file, &target, weight, &options.features)?;
    let types = types(file, &options.types, &features)?;
    check_names(file, &features)?;
    let scan = file.scan()?;
    let gaps = options.missing.gaps();
    let mut wanted = Vec::with_capacity(features.len() + target.len() + 1);
    for &column in &features {
        let kind = feature_kind(file, &scan, column, types.get(&column).copied())?;
        wanted.push(Wanted { column, role: Role::Feature, kind, gaps });
    }
    let target_gaps = if gaps == Gaps::DropRow { Gaps::DropRow } else { Gaps::Refuse };
    for &column in &target {
        let kind = match target.len() {
            1 => target_kind(file, &scan.columns[column], column, options.task)?,
            _ => Kind::Numbers,
        };
        wanted.push(Wanted { column, role: Role::Target, kind, gaps: target_gaps });
    }
    wanted.extend(weight.map(|column| Wanted { column, role: Role::Weight, kind: Kind::Numbers, gaps: Gaps::Refuse }));
    let frame = file.read_all(&wanted)?;
    let mut columns = frame.into_columns().into_iter();
    let features = Frame::new(columns.by_ref().take(features.len()).collect());
    let targets: Vec<Column> = columns.by_ref().take(target.len()).collect();
    let weights =
        columns.next().and_then(|column| if let Cells::Numbers(values) = column.cells { Some((column.name, values)) } else { None });
    let name = if let [one] = &targets[..] { one.name.clone() } else { "target".into() };
    Ok(Columns { features, targets: targets_of(file, &target, targets)?, target: name, weights })
}

fn choose_targets(file: &dyn TableFile, names: &[String]) -> Result<Vec<usize>> {
    let target = names.iter().map(|name| file.column(name, "target")).collect::<Result<Vec<usize>>>()?;
    if target.is_empty() {
        return Err(Error::input("no target is named: set [data] target to the column to predict"));
    }
    if let Some(i) = (1..target.len()).find(|&i| target[..i].contains(&target[i])) {
        return Err(file.header_error(target[i], format!("`{}` is among [data] target twice: name it once", names[i])));
    }
    check_names(file, &target)?;
    Ok(target)
}

/// The columns that are features.
fn choose_features(file: &dyn TableFile, target: &[usize], weight: Option<usize>, select: &Select) -> Result<Vec<usize>> {
    let free = |column: &usize| !target.contains(column) && Some(*column) != weight;
    let find = |names: &[String]| names.iter().map(|name| file.column(name, "features")).collect::<Result<Vec<usize>>>();
    let chosen = match select {
        Select::All => (0..file.header().len()).filter(free).collect(),
        Select::Exclude(names) => {
            let without = find(names)?;
            (0..file.header().len()).filter(|column| free(column) && !without.contains(column)).collect()
        }
        Select::Only(names) => {
            let chosen = find(names)?;
            for (i, &column) in chosen.iter().enumerate() {
                let name = &names[i];
                let what = match () {
                    () if target.contains(&column) => format!("`{name}` is the target: take it out of [data] features"),
                    () if Some(column) == weight => format!("`{name}` is the weight of the rows: take it out of [data] features"),
                    () if chosen[..i].contains(&column) => format!("`{name}` is among [data] features twice: name it once"),
                    () => continue,
                };
                return Err(file.header_error(column, what));
            }
            chosen
        }
    };
    if chosen.is_empty() {
        let message = "there is no column left for the features: the file needs one beside the target, and [data] features must leave one";
        return Err(file.header_error(target[0], message.into()));
    }
    Ok(chosen)
}

/// The types that the user gives, by column. Errors where one is given to no feature.
fn types(file: &dyn TableFile, types: &BTreeMap<String, ColumnType>, features: &[usize]) -> Result<BTreeMap<usize, ColumnType>> {
    let find = |(name, kind): (&String, &ColumnType)| {
        let column = file.column(name, "types")?;
        match features.contains(&column) {
            true => Ok((column, *kind)),
            false => Err(file.header_error(column, format!("`{name}` is no feature: take it out of [data] types"))),
        }
    };
    types.iter().map(find).collect()
}

/// Errors when a column has no name.
fn check_names(file: &dyn TableFile, columns: &[usize]) -> Result<()> {
    match columns.iter().find(|&&column| file.header()[column].is_empty()) {
        Some(&column) => Err(file.header_error(
            column,
            format!("this column has no name: give it one, or leave it out with [data] features = {{ exclude = [\"{column}\"] }}"),
        )),
        None => Ok(()),
    }
}

/// What a feature is read as.
fn feature_kind(file: &dyn TableFile, scan: &Scan, column: usize, told: Option<ColumnType>) -> Result<Kind> {
    let (name, of) = (&file.header()[column], &scan.columns[column]);
    let leave_out = || format!("leave it out with [data] features = {{ exclude = [\"{name}\"] }}");
    let Some((spot, word)) = &of.first_word else {
        return match (of.holds(), told) {
            (Holds::Nothing, _) => {
                let what = format!("feature `{name}` has no value in any of the {} rows: {}", scan.rows, leave_out());
                Err(file.header_error(column, what))
            }
            (_, Some(ColumnType::Category)) => Ok(Kind::Labels),
            _ => Ok(Kind::Numbers),
        };
    };
    let refuse = |what: &str| Err(cell_error(file.place(*spot, column), Role::Feature, name, what));
    match (told, of.holds()) {
        (Some(ColumnType::Category), _) => Ok(Kind::Words),
        (Some(ColumnType::Number), _) => refuse(&format!("has `{word}`, which is not a number")),
        _ if word.parse::<f32>().is_ok() => refuse(&format!("has `{word}`, which is not a finite number")),
        (None, Holds::Dates) => Err(Error::at(
            file.place(*spot, column),
            format!(
                "feature `{name}` holds dates or times (`{word}`), and a model takes numbers and words: make columns of them that say what matters \
                 (year, month, day of the week, days since an event), or {}",
                leave_out()
            ),
        )),
        (None, Holds::Mixture) => refuse(&format!(
            "has `{word}`, which is not a number as most others are (or set [data] types = {{ \"{name}\" = \"category\" }})"
        )),
        (None, _) => Ok(Kind::Words),
    }
}

/// What a target is read as: numbers, or the names of classes.
fn target_kind(file: &dyn TableFile, of: &ColumnScan, column: usize, task: Task) -> Result<Kind> {
    let name = &file.header()[column];
    let classes = if of.words == 0 { Kind::Labels } else { Kind::Words };
    match task {
        Task::Regression => Ok(Kind::Numbers),
        Task::Classification => Ok(classes),
        Task::Auto => match &of.first_word {
            // nothing but numbers and gaps, and where there is no number the first gap is refused
            None if of.numbers == 0 || of.few_whole_numbers() => Ok(classes),
            None => Ok(Kind::Numbers),
            Some((spot, word)) if of.numbers > of.words && !of.few_whole_numbers() => {
                let what = format!("has `{word}`, which is not a number as most others are (or set [data] task = \"classification\")");
                Err(cell_error(file.place(*spot, column), Role::Target, name, &what))
            }
            Some(_) => Ok(classes),
        },
    }
}

fn targets_of(file: &dyn TableFile, places: &[usize], columns: Vec<Column>) -> Result<Targets> {
    if let [Column { name, cells: Cells::Words { of, words } }] = &columns[..] {
        return classes(file, places[0], name, of, words);
    }
    let names = columns.iter().map(|column| column.name.clone()).collect();
    let values: Vec<Vec<f32>> =
        columns.into_iter().filter_map(|c| if let Cells::Numbers(values) = c.cells { Some(values) } else { None }).collect();
    let rows = values.first().map_or(0, Vec::len);
    Ok(Targets::Values { of: (0..rows).flat_map(|row| values.iter().map(move |column| column[row])).collect(), names })
}

/// More classes than this are none.
const MOST_CLASSES: usize = 10_000;

/// Classes sorted as numbers where all are numbers, else as text.
fn classes(file: &dyn TableFile, column: usize, name: &str, of: &[u32], words: &[String]) -> Result<Targets> {
    let mut used = vec![false; words.len()];
    of.iter().filter(|&&code| code != GAP).for_each(|&code| used[code as usize] = true);
    let mut order: Vec<usize> = (0..words.len()).filter(|&code| used[code]).collect();
    match order.iter().map(|&code| words[code].parse().ok()).collect::<Option<Vec<f64>>>() {
        Some(_) => order.sort_by(|&a, &b| {
            let value = |code: usize| words[code].parse::<f64>().unwrap_or(f64::NAN);
            value(a).total_cmp(&value(b))
        }),
        None => order.sort_by(|&a, &b| words[a].cmp(&words[b])),
    }
    if let [only] = order[..] {
        let only = &words[only];
        let message = format!("target `{name}` has only one class, `{only}`: give rows of at least two classes, or choose another target");
        return Err(file.header_error(column, message));
    }
    if order.len() > MOST_CLASSES {
        let message = format!(
            "target `{name}` has {} different words, more than the {MOST_CLASSES} that can be classes: choose another target, or set [data] task = \"regression\" where they are numbers",
            order.len()
        );
        return Err(file.header_error(column, message));
    }
    let mut class = vec![0; words.len()];
    order.iter().zip(0..).for_each(|(&code, number)| class[code] = number);
    let of = of.iter().map(|&code| class[code as usize]).collect();
    Ok(Targets::Classes { of, names: order.into_iter().map(|code| words[code].clone()).collect() })
}

/// The columns that a trained model predicts from, of those that a file has. Errors when one is missing: the message names all that are.
pub(super) fn find_all(file: &dyn TableFile, names: &[&str]) -> Result<Vec<usize>> {
    let missing: Vec<String> = names.iter().filter(|name| file.position(name).is_none()).map(|name| (*name).to_string()).collect();
    match &missing[..] {
        [] => Ok(names.iter().filter_map(|name| file.position(name)).collect()),
        [one] => Err(file.no_column(one, "features")),
        several => {
            let (missing, names) = (list(several), list(file.header()));
            Err(Error::at(file.header_place(None), format!("there are no columns {missing} for the features: the columns are {names}")))
        }
    }
}
