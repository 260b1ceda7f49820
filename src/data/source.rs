//! A file of columns, whatever its format: looked through once to see what the columns hold, and read a chunk of rows at a time.

use super::cells::{Cell, Rows};
use super::frame::{Frame, Stack};
use super::list;
use crate::error::{Error, Place, Result};
use std::collections::HashMap;
use std::path::Path;

/// Rows of a chunk.
pub(super) const CHUNK: usize = 8192;

/// More columns, or features a row, than any sensible table or image has: 1024 × 1024. A column's name and the books of it take far more memory than the
/// byte or less that it may be in a file.
pub(super) const MOST_COLUMNS: usize = 1 << 20;

/// Errors when a file has more columns than are read, before anything is made of them.
pub(super) fn check_width(path: &Path, columns: u64) -> Result<()> {
    match columns > MOST_COLUMNS as u64 {
        true => Err(Error::at(
            Place::file(path),
            format!("it has {columns} columns, more than the {MOST_COLUMNS} that are read: leave some out"),
        )),
        false => Ok(()),
    }
}

/// A file of columns that have names.
pub trait TableFile {
    /// The file.
    fn path(&self) -> &Path;

    /// The columns' names; a name may be empty.
    fn header(&self) -> &[String];

    /// Where the names are.
    fn header_place(&self, _column: Option<usize>) -> Place {
        Place::file(self.path())
    }

    /// The place of a cell; `spot` is where a scan says that its row is.
    fn place(&self, spot: u64, column: usize) -> Place;

    /// Calls `each` with the cells of some columns, row by row.
    ///
    /// Errors when a row cannot be read, as `each` does, and when there are no rows.
    fn rows(&mut self, columns: &[usize], each: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()>;

    /// Looks through all rows: what each column holds.
    ///
    /// Errors as [`TableFile::rows`] does.
    fn scan(&mut self) -> Result<Scan> {
        let all: Vec<usize> = (0..self.header().len()).collect();
        let mut scan = Scan { rows: 0, columns: vec![Default::default(); all.len()] };
        self.rows(&all, &mut |row| {
            scan.rows += 1;
            scan.columns.iter_mut().enumerate().for_each(|(i, column)| (row.cell)(i).look(column, row.spot));
            Ok(())
        })?;
        Ok(scan)
    }

    /// Reads columns, a chunk of rows at a time.
    ///
    /// Errors as [`TableFile::rows`] does, and at a cell that is not what is wanted of its column.
    fn read(&mut self, wanted: &[Wanted], each: &mut dyn FnMut(Frame) -> Result<()>) -> Result<()> {
        let columns: Vec<usize> = wanted.iter().map(|wanted| wanted.column).collect();
        let mut rows = Rows::new(wanted, self.header());
        self.rows(&columns, &mut |row| rows.push(row, each))?;
        rows.finish(each)
    }

    /// Reads columns, all rows of them.
    fn read_all(&mut self, wanted: &[Wanted]) -> Result<Frame> {
        let mut stack = Stack::default();
        self.read(wanted, &mut |frame| {
            stack.push(frame);
            Ok(())
        })?;
        stack.finish().ok_or_else(|| Error::at(Place::file(self.path()), "no row is left: all of them have gaps"))
    }

    /// The column of this name, else of this index from 0. `role` says what it is for: the target, the features.
    fn column(&self, wanted: &str, role: &str) -> Result<usize> {
        let by_index = || wanted.parse::<usize>().ok().filter(|&index| index < self.header().len());
        self.position(wanted).or_else(by_index).ok_or_else(|| self.no_column(wanted, role))
    }

    /// The column of this name, and of no other.
    fn column_named(&self, wanted: &str, role: &str) -> Result<usize> {
        self.position(wanted).ok_or_else(|| self.no_column(wanted, role))
    }

    /// Where a name is in the header.
    fn position(&self, wanted: &str) -> Option<usize> {
        self.header().iter().position(|name| name == wanted && !name.is_empty())
    }

    /// The error for a column that is not there: it lists those that are.
    fn no_column(&self, wanted: &str, role: &str) -> Error {
        let names = list(self.header());
        Error::at(self.header_place(None), format!("there is no column `{wanted}` for the {role}: the columns are {names}"))
    }

    /// Errors when two columns share a name.
    fn check_names(&self) -> Result<()> {
        let mut seen = HashMap::new();
        for (column, name) in self.header().iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if let Some(first) = seen.insert(name, column) {
                return Err(self.header_error(column, format!("column `{name}` is there twice, first as column {}: rename one", first + 1)));
            }
        }
        Ok(())
    }

    /// An error in the header.
    fn header_error(&self, column: usize, message: String) -> Error {
        Error::at(self.header_place(Some(column)), message)
    }
}

/// A row of a file.
pub struct Row<'r> {
    /// Where it is, for [`TableFile::place`].
    pub spot: u64,
    /// Its cell in the column of this number among those that are wanted.
    pub cell: &'r dyn Fn(usize) -> Cell<'r>,
    /// The place of its cell in this column of the file.
    pub place: &'r dyn Fn(usize) -> Place,
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("spot", &self.spot).finish_non_exhaustive()
    }
}

/// What there is in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// Rows.
    pub rows: u64,
    /// Columns, in their order.
    pub columns: Vec<ColumnScan>,
}

/// What there is in a column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnScan {
    /// Cells that are finite numbers.
    pub numbers: u64,
    /// Whether all of them are whole.
    pub whole: bool,
    /// The numbers that differ, in order of appearance; no more than [`ColumnScan::MOST`] and one.
    pub distinct: Vec<f64>,
    /// Cells that are empty.
    pub gaps: u64,
    /// Cells with one of the usual marks for a missing value, such as `NA` or `?`.
    pub marks: u64,
    /// Cells with other text, numbers that are not finite among them.
    pub words: u64,
    /// Of those, the ones that look like a date or a time of day.
    pub dates: u64,
    /// The first word: where it is, for [`TableFile::place`], and itself.
    pub first_word: Option<(u64, String)>,
    /// Where the first gap or mark is.
    pub first_gap: Option<u64>,
}

impl ColumnScan {
    /// With more different whole numbers than this, a column of them is taken for numbers.
    pub const MOST: usize = 20;

    /// Takes note of a finite number.
    pub fn number(&mut self, value: f64) {
        self.whole = (self.whole || self.numbers == 0) && value.fract() == 0.0;
        self.numbers += 1;
        if self.distinct.len() <= Self::MOST && !self.distinct.contains(&value) {
            self.distinct.push(value);
        }
    }

    /// Takes note of text that is no finite number.
    pub fn text(&mut self, text: &str, spot: u64) {
        if is_mark(text) {
            match text {
                "" => self.gaps += 1,
                _ => self.marks += 1,
            }
            self.first_gap.get_or_insert(spot);
            return;
        }
        self.words += 1;
        self.dates += u64::from(is_date(text));
        if self.first_word.is_none() {
            self.first_word = Some((spot, text.to_string()));
        }
    }

    /// What it holds, by its cells.
    pub fn holds(&self) -> Holds {
        match () {
            () if self.numbers + self.words == 0 => Holds::Nothing,
            () if self.words == 0 => Holds::Numbers,
            () if self.numbers == 0 && self.dates == self.words => Holds::Dates,
            () if self.numbers >= self.words => Holds::Mixture,
            () => Holds::Words,
        }
    }

    /// Whether the numbers are few whole ones: classes rather than amounts.
    pub fn few_whole_numbers(&self) -> bool {
        self.whole && self.distinct.len() <= Self::MOST
    }
}

/// What a column holds, gaps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// No value at all.
    Nothing,
    /// Numbers.
    Numbers,
    /// Words; numbers among them are some of them.
    Words,
    /// Dates or times of day.
    Dates,
    /// Numbers, and fewer words: mistakes rather than categories.
    Mixture,
}

/// What a column is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To predict from.
    Feature,
    /// To predict.
    Target,
    /// How much a row counts.
    Weight,
}

impl Role {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Feature => "feature",
            Role::Target => "target",
            Role::Weight => "weight",
        }
    }
}

/// What a column is to be read as.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Finite numbers.
    Numbers,
    /// Text as it stands.
    Words,
    /// Text that is a number, as its shortest form: `1` for `1`, `1.0` and `+1`.
    Labels,
    /// These words and no others, in this order; a number counts as its shortest form, too.
    Among(Vec<String>),
    /// Likewise, but other words are gaps.
    Known(Vec<String>),
}

/// What to do where a cell is empty, or, among numbers, has a mark for a missing value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// It is an error.
    Refuse,
    /// It stays a gap.
    Keep,
    /// The row is left out.
    DropRow,
}

/// A column that is to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Which.
    pub column: usize,
    /// What for.
    pub role: Role,
    /// As what.
    pub kind: Kind,
    /// What of its gaps.
    pub gaps: Gaps,
}

/// Whether a cell stands for no value: it is empty or one of the usual marks for that.
pub(super) fn is_mark(text: &str) -> bool {
    const MARKS: [&str; 9] = ["", "?", "-", "na", "n/a", "nan", "null", "none", "nil"];
    MARKS.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

/// What a number is called as a word: `1` for `1`, `1.0` and `+1`. (Adding 0 takes the sign off −0.)
pub(super) fn label(value: f64) -> String {
    (value + 0.0).to_string()
}

/// Whether text looks like a date or a time of day: groups of digits with `-`, `/`, `.` or `:` between, three of them, or two with a colon;
/// what follows a blank or a `T` may be anything of the same kind.
fn is_date(text: &str) -> bool {
    let (first, rest) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let groups = |text: &str, mark: char| {
        let parts: Vec<&str> = text.split(mark).collect();
        let digits = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.iter().all(digits) { parts.len() } else { 0 }
    };
    let day = ['-', '/', '.'].iter().any(|&mark| groups(first, mark) == 3);
    let hour = (2..=3).contains(&groups(first.split('.').next().unwrap_or_default(), ':'));
    (day && (rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))) || (hour && rest.is_empty())
}

/// An error in a cell, with the remedy for its role.
pub(super) fn cell_error(place: Place, role: Role, name: &str, what: &str) -> Error {
    let remedy = match role {
        Role::Feature => format!("mend it, remove the row, or leave the column out with [data] features = {{ exclude = [\"{name}\"] }}"),
        Role::Target | Role::Weight => "mend it, or remove the row".to_string(),
    };
    Error::at(place, format!("{} `{name}` {what}: {remedy}", role.name()))
}

/// The error for a cell that has no value.
pub(super) fn gap_error(place: Place, role: Role, name: &str) -> Error {
    let remedy = match role {
        Role::Feature => format!(
            "fill gaps with [data] missing = \"mean\" (or median, zero, drop), mend it, or leave the column out with [data] features = {{ exclude = [\"{name}\"] }}"
        ),
        Role::Target => "mend it, or leave such rows out with [data] missing = \"drop\"".to_string(),
        Role::Weight => "mend it, or remove the row".to_string(),
    };
    Error::at(place, format!("{} `{name}` has no value here: {remedy}", role.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_marks_stand_for_no_value() {
        assert!(["", "?", "NA", "NaN", "null", "None", "N/A"].into_iter().all(is_mark));
        assert!(!["0", "nano", "no", "inf"].into_iter().any(is_mark));
    }

    #[test]
    fn dates_are_known_by_their_looks() {
        for text in ["2024-01-31", "31.1.24", "1/31/2024", "2024-01-31T12:00:00Z", "2024-01-31 12:00", "12:30", "12:30:59.5"] {
            assert!(is_date(text), "{text}");
        }
        for text in ["2024", "a-b-c", "1.5", "1.2.3.4", "10-12", "12345-1-1", "red", "1-2-x", "2024-01-31 noon", ""] {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn a_scan_tells_few_whole_numbers_from_amounts() {
        let scan = |values: &mut dyn Iterator<Item = f64>| {
            let mut scan = ColumnScan::default();
            values.for_each(|value| scan.number(value));
            scan
        };
        assert!(scan(&mut (0..100).map(|i| f64::from(i % 20))).few_whole_numbers());
        assert!(!scan(&mut (0..100).map(|i| f64::from(i % 21))).few_whole_numbers());
        assert!(!scan(&mut [1.0, 2.5, 3.0].into_iter()).few_whole_numbers());
    }
}
