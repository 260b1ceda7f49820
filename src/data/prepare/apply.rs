//! Columns become a table as a fitted preprocessor says, and outputs become numbers in the target's own units.

use super::{Coding, Feature, Preprocessor, Target};
use crate::data::columns::Columns;
use crate::data::frame::{Cells, Column, Frame, GAP};
use crate::data::{Features, Table, Targets};
use crate::error::{Error, Result};
use std::collections::HashMap;

impl Preprocessor {
    /// The table of the columns that the preprocessor was fitted on.
    ///
    /// Errors when a scaled value is too large for an f32.
    pub fn table(&self, columns: Columns) -> Result<Table> {
        let features = self.inputs_of(columns.features.into_columns())?;
        self.finish(features, self.scale_targets(columns.targets), columns.weights.map(|(_, weights)| weights))
    }

    /// The table of a frame that was read as [`Preprocessor::wanted`] says: without a target in it, it has [`Targets::none`].
    ///
    /// Errors when a scaled value is too large for an f32, and when the frame is of other columns.
    pub fn apply(&self, frame: Frame) -> Result<Table> {
        let mut columns = frame.into_columns();
        if columns.len() < self.features.len() {
            return Err(Error::input(format!("{} columns were read, but the model has {} features", columns.len(), self.features.len())));
        }
        let mut behind = columns.split_off(self.features.len()).into_iter();
        let features = self.inputs_of(columns)?;
        let targets = match &self.target {
            _ if behind.len() == 0 => Targets::none(),
            Target::Classes { names, .. } => match behind.next().map(|column| column.cells) {
                Some(Cells::Words { of, .. }) => Targets::Classes { of, names: names.clone() },
                _ => return Err(Error::input("the target was read as numbers, but the model predicts classes")),
            },
            Target::Values { columns } => {
                let read: Vec<Column> = behind.by_ref().take(columns.len()).collect();
                let numbers = |column: &Column| if let Cells::Numbers(values) = &column.cells { Some(values.clone()) } else { None };
                let Some(values) = read.iter().map(numbers).collect::<Option<Vec<_>>>().filter(|values| values.len() == columns.len())
                else {
                    return Err(Error::input("the targets were read as words, but the model predicts numbers"));
                };
                let rows = values.first().map_or(0, Vec::len);
                let of = (0..rows).flat_map(|row| values.iter().map(move |column| column[row])).collect();
                self.scale_targets(Targets::Values { of, names: columns.iter().map(|value| value.column.clone()).collect() })
            }
        };
        let weights = behind.next().and_then(|column| if let Cells::Numbers(values) = column.cells { Some(values) } else { None });
        self.finish(features, targets, weights)
    }

    /// The targets as they are learnt.
    fn scale_targets(&self, targets: Targets) -> Targets {
        match (targets, &self.target) {
            (Targets::Values { of, names }, Target::Values { columns }) if !of.is_empty() => {
                let of = of.iter().zip(columns.iter().cycle()).map(|(t, value)| (t - value.shift) / value.unit).collect();
                Targets::Values { of, names }
            }
            (targets, _) => targets,
        }
    }

    /// Outputs of a model, `target.columns.len()` a row, in the targets' own units.
    pub fn unscale(&self, outputs: &mut [f32]) {
        if let Target::Values { columns } = &self.target {
            outputs.iter_mut().zip(columns.iter().cycle()).for_each(|(p, value)| *p = *p * value.unit + value.shift);
        }
    }

    fn finish(&self, features: Vec<f32>, targets: Targets, weights: Option<Vec<f32>>) -> Result<Table> {
        let table = Table::new(Features::F32(features), self.input_names(), targets);
        let table = table.map_err(|error| Error::input(format!("after scaling, {error} (or set [data] scale to \"none\")")))?;
        let table = match &self.target {
            Target::Values { columns } if !table.targets().is_none() => {
                table.with_units(columns.iter().map(|value| value.unit).collect())?
            }
            _ => table,
        };
        match weights {
            Some(weights) => table.with_weights(weights),
            None => Ok(table),
        }
    }

    /// The inputs of the model, row by row. A column is let go as soon as it is done.
    fn inputs_of(&self, columns: Vec<Column>) -> Result<Vec<f32>> {
        let (width, rows) = (self.inputs(), columns.first().map_or(0, |column| column.cells.len()));
        let mut inputs = vec![0.0; rows * width];
        let mut at = 0;
        for (column, feature) in columns.into_iter().zip(&self.features) {
            feature.write(column, &mut inputs, at, width)?;
            at += feature.coding.inputs();
        }
        Ok(inputs)
    }
}

impl Feature {
    /// Writes the column's inputs into rows of `width`, from place `at` on.
    fn write(&self, column: Column, inputs: &mut [f32], at: usize, width: usize) -> Result<()> {
        let other = |found: &str, wanted: &str| {
            Err(Error::input(format!("column `{}` was read as {found}, but the model was trained on {wanted}", column.name)))
        };
        match (&self.coding, &column.cells) {
            (Coding::Number { fill, shift, scale }, Cells::Numbers(values)) => {
                let fill = fill.unwrap_or(f32::NAN);
                for (row, &x) in inputs.chunks_exact_mut(width).zip(values) {
                    row[at] = (if x.is_nan() { fill } else { x } - shift) * scale;
                }
                Ok(())
            }
            (Coding::Number { .. }, Cells::Words { .. }) => other("words", "numbers"),
            (Coding::OneHot { .. } | Coding::Embed { .. }, Cells::Numbers(_)) => other("numbers", "words"),
            (Coding::OneHot { words: known, gaps }, Cells::Words { of, words }) => {
                let unknown = gaps.then_some(known.len());
                let place = places(known, words);
                for (row, &code) in inputs.chunks_exact_mut(width).zip(of) {
                    if let Some(word) = place(code).or(unknown) {
                        row[at + word] = 1.0;
                    }
                }
                Ok(())
            }
            (Coding::Embed { words: known, .. }, Cells::Words { of, words }) => {
                let place = places(known, words);
                for (row, &code) in inputs.chunks_exact_mut(width).zip(of) {
                    row[at] = place(code).map_or(0, |word| word + 1) as f32;
                }
                Ok(())
            }
        }
    }
}

/// Where the words of a column are among the known ones, by their code.
fn places<'a>(known: &'a [String], words: &'a [String]) -> impl Fn(u32) -> Option<usize> + use<'a> {
    let of: HashMap<&str, usize> = known.iter().map(String::as_str).zip(0..).collect();
    let places: Vec<Option<usize>> = words.iter().map(|word| of.get(word.as_str()).copied()).collect();
    move |code| if code == GAP { None } else { places[code as usize] }
}
