//! The cells of a column as text, becoming numbers and words.

use crate::data::frame::{self, Column, GAP};
use crate::data::list;
use crate::data::source::{ColumnScan, Gaps, Kind, Role, Wanted, cell_error, gap_error, is_mark, label};
use crate::error::{Error, Place};
use std::collections::HashMap;

/// A column on its way from text to a frame.
pub(super) struct Cells<'a> {
    pub(super) wanted: &'a Wanted,
    numbers: Vec<f32>,
    codes: Vec<u32>,
    words: Vec<String>,
    number_of: HashMap<String, u32>,
}

/// Why a cell is not what is wanted.
pub(super) enum Fault {
    Gap,
    Other(String),
}

impl Fault {
    pub(super) fn error(&self, place: Place, name: &str, wanted: &Wanted) -> Error {
        match self {
            Fault::Gap => gap_error(place, wanted.role, name),
            Fault::Other(what) => cell_error(place, wanted.role, name, what),
        }
    }
}

impl<'a> Cells<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        let mut cells = Cells { wanted, numbers: vec![], codes: vec![], words: vec![], number_of: HashMap::new() };
        cells.begin();
        cells
    }

    /// Known words have their numbers from the start.
    fn begin(&mut self) {
        self.number_of.clear();
        if let Kind::Among(words) | Kind::Known(words) = &self.wanted.kind {
            self.words.clone_from(words);
            self.number_of.extend(words.iter().cloned().zip(0..));
        }
    }

    fn is_gap(&self, text: &str) -> bool {
        match self.wanted.kind {
            Kind::Numbers | Kind::Labels => is_mark(text),
            Kind::Words | Kind::Among(_) | Kind::Known(_) => text.is_empty(),
        }
    }

    /// Whether the row of such a cell is read at all.
    pub(super) fn keeps_row(&self, text: &str) -> bool {
        self.wanted.gaps != Gaps::DropRow || !self.is_gap(text)
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), Fault> {
        let gap = self.is_gap(text);
        if gap && self.wanted.gaps != Gaps::Keep {
            return Err(Fault::Gap);
        }
        match &self.wanted.kind {
            Kind::Numbers if gap => self.numbers.push(f32::NAN),
            Kind::Numbers => {
                let value = number(text)?;
                if self.wanted.role == Role::Weight && value < 0.0 {
                    return Err(Fault::Other(format!("is {value}, and a row can not weigh less than nothing")));
                }
                self.numbers.push(value);
            }
            _ if gap => self.codes.push(GAP),
            Kind::Words => {
                let code = self.code(text);
                self.codes.push(code);
            }
            Kind::Labels => {
                let code = match as_number(text) {
                    Some(value) => self.code(&label(value)),
                    None => self.code(text),
                };
                self.codes.push(code);
            }
            Kind::Among(known) => {
                let unknown = || Fault::Other(format!("has class `{text}`, which the model does not know (it knows {})", list(known)));
                self.codes.push(self.known(text).ok_or_else(unknown)?);
            }
            Kind::Known(_) => self.codes.push(self.known(text).unwrap_or(GAP)),
        }
        Ok(())
    }

    /// The number of a word that is known, `1.0` where `1` is.
    fn known(&self, text: &str) -> Option<u32> {
        let as_label = || as_number(text).and_then(|value| self.number_of.get(&label(value)));
        self.number_of.get(text).or_else(as_label).copied()
    }

    fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.number_of.get(text) {
            return code;
        }
        let code = self.words.len() as u32;
        self.words.push(text.to_string());
        self.number_of.insert(text.to_string(), code);
        code
    }

    /// The cells so far, as a column of a frame.
    pub(super) fn take(&mut self, header: &[String]) -> Column {
        let cells = match self.wanted.kind {
            Kind::Numbers => frame::Cells::Numbers(std::mem::take(&mut self.numbers)),
            _ => frame::Cells::Words { of: std::mem::take(&mut self.codes), words: std::mem::take(&mut self.words) },
        };
        self.begin();
        Column { name: header[self.wanted.column].clone(), cells }
    }
}

/// The finite number that a cell is.
fn as_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn number(text: &str) -> Result<f32, Fault> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(Fault::Other(format!("has `{text}`, which is not a finite number in 32 bits"))),
        Err(_) => Err(Fault::Other(format!("has `{text}`, which is not a number"))),
    }
}

/// Takes note of a cell.
pub(super) fn look(column: &mut ColumnScan, text: &str, spot: u64) {
    match as_number(text) {
        Some(value) => column.number(value),
        None => column.text(text, spot),
    }
}
