//! What a target's column means: classes or numbers.

use super::Task;
use super::sheet::{Cell, Sheet, is_missing};
use crate::data::{Targets, list};
use crate::error::Result;
use std::collections::HashMap;

/// With more different integers than this, a column of integers is taken for numbers.
const MOST_INTEGER_CLASSES: usize = 20;

/// The targets in a column whose meaning is to be found out.
pub(super) fn decide(sheet: &Sheet, column: usize, cells: &[Cell], task: Task) -> Result<Targets> {
    check_filled(sheet, column, cells)?;
    let numbers: Vec<Option<f64>> = cells.iter().map(|cell| number(&cell.text)).collect();
    match task {
        Task::Regression => values(sheet, column, cells),
        Task::Classification => classes(sheet, column, cells, &numbers),
        Task::Auto if numbers.iter().all(Option::is_some) => match are_integer_classes(&numbers) {
            true => classes(sheet, column, cells, &numbers),
            false => values(sheet, column, cells),
        },
        Task::Auto => {
            check_mixture(sheet, column, cells, &numbers)?;
            classes(sheet, column, cells, &numbers)
        }
    }
}

/// The targets in a column whose meaning a trained model knows: its classes, or numbers.
pub(super) fn known(sheet: &Sheet, column: usize, cells: &[Cell], known: Option<&[String]>) -> Result<Targets> {
    let Some(known) = known else { return values(sheet, column, cells) };
    check_filled(sheet, column, cells)?;
    let index: HashMap<&str, u32> = known.iter().zip(0..).map(|(name, class)| (name.as_str(), class)).collect();
    let class = |cell: &Cell| {
        // `1.0` where the model knows a class `1`
        let as_number = || number(&cell.text).and_then(|value| index.get(label(value).as_str()));
        index.get(cell.text.as_str()).or_else(as_number).copied().ok_or_else(|| {
            let what = format!("has class `{}`, which the model does not know (it knows {})", cell.text, list(known));
            sheet.cell_error(column, cell.offset, "target", &what)
        })
    };
    Ok(Targets::Classes { of: cells.iter().map(class).collect::<Result<_>>()?, names: known.to_vec() })
}

fn check_filled(sheet: &Sheet, column: usize, cells: &[Cell]) -> Result<()> {
    match cells.iter().find(|cell| cell.text.is_empty()) {
        Some(cell) => Err(sheet.missing(column, cell.offset, "target")),
        None => Ok(()),
    }
}

/// The finite number that a cell is.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// What a class is called whose cell is a number: `1` for `1`, `1.0` and `+1`. (Adding 0 takes the sign off −0.)
fn label(value: f64) -> String {
    (value + 0.0).to_string()
}

/// Whether all numbers are whole, and few of them differ.
fn are_integer_classes(numbers: &[Option<f64>]) -> bool {
    numbers.iter().flatten().all(|value| value.fract() == 0.0) && differ_in_at_most(MOST_INTEGER_CLASSES, numbers)
}

fn differ_in_at_most(most: usize, numbers: &[Option<f64>]) -> bool {
    let mut seen: Vec<f64> = Vec::new();
    for value in numbers.iter().flatten() {
        if !seen.contains(value) {
            seen.push(*value);
        }
        if seen.len() > most {
            return false;
        }
    }
    true
}

/// Errors where a column of numbers has a cell that is none: it is likelier a mistake than a class.
fn check_mixture(sheet: &Sheet, column: usize, cells: &[Cell], numbers: &[Option<f64>]) -> Result<()> {
    let mut words = cells.iter().zip(numbers).filter(|(_, value)| value.is_none()).map(|(cell, _)| cell);
    let count = numbers.iter().flatten().count();
    let Some(first) = words.next().filter(|_| count > 0) else { return Ok(()) };
    if is_missing(&first.text) && words.all(|cell| is_missing(&cell.text)) {
        return Err(sheet.missing(column, first.offset, "target"));
    }
    if 2 * count > cells.len() && !differ_in_at_most(MOST_INTEGER_CLASSES, numbers) {
        let what = format!("has `{}`, which is not a number as most others are (or set [data] task = \"classification\")", first.text);
        return Err(sheet.cell_error(column, first.offset, "target", &what));
    }
    Ok(())
}

fn values(sheet: &Sheet, column: usize, cells: &[Cell]) -> Result<Targets> {
    let of = cells.iter().map(|cell| sheet.number(&cell.text, column, cell.offset, "target")).collect::<Result<_>>()?;
    Ok(Targets::Values { of, names: sheet.names(&[column])? })
}

/// Classes sorted as numbers where all are numbers, else as text.
fn classes(sheet: &Sheet, column: usize, cells: &[Cell], numbers: &[Option<f64>]) -> Result<Targets> {
    let all: Option<Vec<f64>> = numbers.iter().copied().collect();
    let (labels, names): (Vec<String>, Vec<String>) = match all {
        Some(mut values) => {
            let labels = values.iter().copied().map(label).collect();
            values.sort_by(f64::total_cmp);
            values.dedup();
            (labels, values.into_iter().map(label).collect())
        }
        None => {
            let labels: Vec<String> = cells.iter().map(|cell| cell.text.clone()).collect();
            let mut names = labels.clone();
            names.sort();
            names.dedup();
            (labels, names)
        }
    };
    if let [only] = &names[..] {
        let name = &sheet.header()[column];
        return Err(sheet.header_error(
            column,
            format!("target `{name}` has only one class, `{only}`: give rows of at least two classes, or choose another target"),
        ));
    }
    let index: HashMap<&str, u32> = names.iter().zip(0..).map(|(name, class)| (name.as_str(), class)).collect();
    let of = labels.iter().map(|label| index[label.as_str()]).collect();
    Ok(Targets::Classes { of, names })
}
