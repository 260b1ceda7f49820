//! The cells of columns, text or numbers, becoming columns of a frame.

use super::frame::{self, Column, Frame, GAP};
use super::list;
use super::source::{CHUNK, ColumnScan, Gaps, Kind, Role, Row, Wanted, cell_error, gap_error, is_mark, label};
use crate::error::{Error, Place, Result};
use std::borrow::Cow;
use std::collections::HashMap;

/// What a file has in a cell.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// A finite number.
    Number(f64),
    /// Text, which may be a number, too.
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// A cell without a value.
    pub const GAP: Cell<'static> = Cell::Text("");

    /// A number as files have it: NaN stands for no value, and what is infinite is called by its name.
    pub fn of(value: f64) -> Self {
        match value {
            value if value.is_nan() => Cell::GAP,
            f64::INFINITY => Cell::Text("inf"),
            f64::NEG_INFINITY => Cell::Text("-inf"),
            value => Cell::Number(value),
        }
    }

    /// Takes note of it.
    pub(super) fn look(self, column: &mut ColumnScan, spot: u64) {
        match (self.as_number(), self) {
            (Some(value), _) => column.number(value),
            (None, Cell::Text(text)) => column.text(text, spot),
            (None, Cell::Number(_)) => {}
        }
    }

    /// The finite number that it is.
    fn as_number(self) -> Option<f64> {
        match self {
            Cell::Number(value) => Some(value),
            Cell::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Cell::Number(value) => Cow::Owned(label(value)),
            Cell::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The number in 32 bits. Text is rounded once, not by way of 64 bits.
    fn number(self) -> Result<f32, Fault> {
        let value = match self {
            Cell::Number(value) => Some(value as f32),
            Cell::Text(text) => text.parse().ok(),
        };
        match value {
            Some(value) if value.is_finite() => Ok(value),
            Some(_) => Err(Fault::Other(format!("has `{}`, which is not a finite number in 32 bits", self.text()))),
            None => Err(Fault::Other(format!("has `{}`, which is not a number", self.text()))),
        }
    }
}

/// Rows on their way into frames, [`CHUNK`] rows each.
pub(super) struct Rows<'a> {
    columns: Vec<Cells<'a>>,
    count: usize,
}

impl<'a> Rows<'a> {
    /// No rows yet of these columns; the header has their names.
    pub(super) fn new(wanted: &'a [Wanted], header: &[String]) -> Self {
        Rows { columns: wanted.iter().map(|wanted| Cells::new(wanted, header[wanted.column].clone())).collect(), count: 0 }
    }

    /// Adds a row. A full frame goes to `each`.
    ///
    /// Errors at a cell that is not what is wanted of its column.
    pub(super) fn push(&mut self, row: Row<'_>, each: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        if !self.columns.iter().enumerate().all(|(i, column)| column.keeps_row((row.cell)(i))) {
            return Ok(());
        }
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.push((row.cell)(i)).map_err(|fault| fault.error((row.place)(column.wanted.column), &column.name, column.wanted))?;
        }
        self.count += 1;
        if self.count == CHUNK { self.hand_over(each) } else { Ok(()) }
    }

    /// Hands over the rows that are left.
    pub(super) fn finish(mut self, each: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        if self.count > 0 { self.hand_over(each) } else { Ok(()) }
    }

    fn hand_over(&mut self, each: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        self.count = 0;
        each(Frame::new(self.columns.iter_mut().map(Cells::take).collect()))
    }
}

/// A column on its way to a frame.
struct Cells<'a> {
    wanted: &'a Wanted,
    name: String,
    numbers: Vec<f32>,
    codes: Vec<u32>,
    words: Vec<String>,
    number_of: HashMap<String, u32>,
}

/// Why a cell is not what is wanted.
enum Fault {
    Gap,
    Other(String),
}

impl Fault {
    fn error(&self, place: Place, name: &str, wanted: &Wanted) -> Error {
        match self {
            Fault::Gap => gap_error(place, wanted.role, name),
            Fault::Other(what) => cell_error(place, wanted.role, name, what),
        }
    }
}

impl<'a> Cells<'a> {
    fn new(wanted: &'a Wanted, name: String) -> Self {
        let mut cells = Cells { wanted, name, numbers: vec![], codes: vec![], words: vec![], number_of: HashMap::new() };
        cells.number_of.extend(cells.known_words().into_iter().flatten().cloned().zip(0..));
        cells
    }

    /// The words that are known, which have their numbers from the start.
    fn known_words(&self) -> Option<&'a [String]> {
        match &self.wanted.kind {
            Kind::Among(words) | Kind::Known(words) => Some(words),
            Kind::Numbers | Kind::Words | Kind::Labels => None,
        }
    }

    fn is_gap(&self, cell: Cell<'_>) -> bool {
        match (cell, &self.wanted.kind) {
            (Cell::Number(_), _) => false,
            (Cell::Text(text), Kind::Numbers | Kind::Labels) => is_mark(text),
            (Cell::Text(text), Kind::Words | Kind::Among(_) | Kind::Known(_)) => text.is_empty(),
        }
    }

    /// Whether the row of such a cell is read at all.
    fn keeps_row(&self, cell: Cell<'_>) -> bool {
        self.wanted.gaps != Gaps::DropRow || !self.is_gap(cell)
    }

    fn push(&mut self, cell: Cell<'_>) -> Result<(), Fault> {
        let gap = self.is_gap(cell);
        if gap && self.wanted.gaps != Gaps::Keep {
            return Err(Fault::Gap);
        }
        match &self.wanted.kind {
            Kind::Numbers if gap => self.numbers.push(f32::NAN),
            Kind::Numbers => {
                let value = cell.number()?;
                if self.wanted.role == Role::Weight && value < 0.0 {
                    return Err(Fault::Other(format!("is {value}, and a row can not weigh less than nothing")));
                }
                self.numbers.push(value);
            }
            _ if gap => self.codes.push(GAP),
            Kind::Words => {
                let code = self.code(&cell.text());
                self.codes.push(code);
            }
            Kind::Labels => {
                let code = match cell.as_number() {
                    Some(value) => self.code(&label(value)),
                    None => self.code(&cell.text()),
                };
                self.codes.push(code);
            }
            Kind::Among(known) => {
                let unknown =
                    || Fault::Other(format!("has class `{}`, which the model does not know (it knows {})", cell.text(), list(known)));
                self.codes.push(self.known(cell).ok_or_else(unknown)?);
            }
            Kind::Known(_) => self.codes.push(self.known(cell).unwrap_or(GAP)),
        }
        Ok(())
    }

    /// The number of a word that is known, `1.0` where `1` is.
    fn known(&self, cell: Cell<'_>) -> Option<u32> {
        let as_label = || cell.as_number().and_then(|value| self.number_of.get(&label(value)));
        self.number_of.get(&*cell.text()).or_else(as_label).copied()
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
    fn take(&mut self) -> Column {
        let of = std::mem::take(&mut self.codes);
        let cells = match (&self.wanted.kind, self.known_words()) {
            (Kind::Numbers, _) => frame::Cells::Numbers(std::mem::take(&mut self.numbers)),
            (_, Some(known)) => frame::Cells::Words { of, words: known.to_vec() },
            (_, None) => {
                self.number_of.clear();
                frame::Cells::Words { of, words: std::mem::take(&mut self.words) }
            }
        };
        Column { name: self.name.clone(), cells }
    }
}
