//! The text of a table: its header, its cells, and where each of them is.

use crate::data::list;
use crate::error::{Error, Place, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::path::{Path, PathBuf};

/// A file of comma- or otherwise separated values, whose header has been read.
pub(super) struct Sheet {
    path: PathBuf,
    text: String,
    delimiter: u8,
    header: Vec<String>,
    header_line: u64,
}

/// A cell with its row's place, kept until it is known what the column means.
pub(super) struct Cell {
    /// The cell, without the blanks around it.
    pub(super) text: String,
    /// Where in the text its row begins.
    pub(super) offset: u64,
}

/// What the rows of a sheet hold.
pub(super) struct Rows {
    /// The numbers in the feature columns, row by row.
    pub(super) values: Vec<f32>,
    /// The cells of the target's column.
    pub(super) cells: Vec<Cell>,
    /// The numbers in the column of the weights; none where there is no such column.
    pub(super) weights: Vec<f32>,
}

impl Sheet {
    /// Reads a file and its header. Without a delimiter it is told by the file's extension and header.
    pub(super) fn open(path: &Path, delimiter: Option<u8>) -> Result<Sheet> {
        if let Some(byte @ (b'"' | b'\r' | b'\n')) = delimiter {
            return Err(Error::input(format!("{:?} cannot separate fields: give a comma, a semicolon or a tab", char::from(byte))));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = line_at(error.as_bytes(), error.utf8_error().valid_up_to());
            Error::at(Place::line(path, line), "this line is not UTF-8: save the file as UTF-8")
        })?;
        let text = text.strip_prefix('\u{feff}').map(String::from).unwrap_or(text);
        let delimiter = delimiter.unwrap_or_else(|| guess_delimiter(path, &text));
        let mut sheet = Sheet { path: path.into(), text, delimiter, header: Vec::new(), header_line: 1 };
        let mut header = StringRecord::new();
        if !sheet.reader().read_record(&mut header).map_err(|e| sheet.unreadable(&e))? {
            return Err(Error::at(Place::file(path), "the file is empty: it needs a header with the columns' names, and rows"));
        }
        sheet.header = header.iter().map(String::from).collect();
        sheet.header_line = sheet.line(header.position().map_or(0, csv::Position::byte));
        sheet.check_header()?;
        Ok(sheet)
    }

    /// Errors when two columns share a name, or when the header looks like a row.
    fn check_header(&self) -> Result<()> {
        for (column, name) in self.header.iter().enumerate() {
            if let Some(first) = self.header[..column].iter().position(|other| other == name && !name.is_empty()) {
                return Err(self.header_error(column, format!("column `{name}` is there twice, first as column {}: rename one", first + 1)));
            }
        }
        let counted = |from: usize| self.header.iter().enumerate().all(|(i, name)| *name == (from + i).to_string());
        if self.header.iter().all(|name| name.parse::<f32>().is_ok()) && !counted(0) && !counted(1) {
            let place = Place::line(&self.path, self.header_line);
            return Err(Error::at(place, "the first line holds only numbers: begin the file with a line of the columns' names"));
        }
        Ok(())
    }

    /// The columns' names.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The column of this name, else of this index from 0. Errors when there is neither, or when the column has no name.
    pub(super) fn column(&self, wanted: &str, role: &str) -> Result<usize> {
        let by_index = || wanted.parse::<usize>().ok().filter(|&index| index < self.header.len());
        self.named(wanted).or_else(by_index).ok_or_else(|| self.no_column(wanted, role))
    }

    /// The column of this name. Errors when there is none.
    pub(super) fn column_named(&self, wanted: &str, role: &str) -> Result<usize> {
        self.named(wanted).ok_or_else(|| self.no_column(wanted, role))
    }

    fn named(&self, wanted: &str) -> Option<usize> {
        self.header.iter().position(|name| name == wanted && !name.is_empty())
    }

    fn no_column(&self, wanted: &str, role: &str) -> Error {
        let columns = list(&self.header);
        Error::at(
            Place::line(&self.path, self.header_line),
            format!("there is no column `{wanted}` for the {role}: the columns are {columns}"),
        )
    }

    /// The names of columns. Errors when one has none.
    pub(super) fn names(&self, columns: &[usize]) -> Result<Vec<String>> {
        let name = |&column: &usize| match self.header[column].as_str() {
            "" => Err(self.header_error(
                column,
                format!("this column has no name: give it one, or leave it out with [data] features = {{ exclude = [\"{column}\"] }}"),
            )),
            name => Ok(name.to_string()),
        };
        columns.iter().map(name).collect()
    }

    /// The rows.
    ///
    /// Errors when a row has too many or too few fields, when a feature is not a finite number, when a weight is not one of at least 0, and
    /// when there are no rows.
    pub(super) fn read(&self, features: &[usize], target: Option<usize>, weight: Option<usize>) -> Result<Rows> {
        let (mut values, mut cells, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reader, mut row) = (self.reader(), StringRecord::new());
        let mut last = 0;
        // the header
        reader.read_record(&mut row).map_err(|e| self.unreadable(&e))?;
        while reader.read_record(&mut row).map_err(|e| self.unreadable(&e))? {
            let offset = row.position().map_or(0, csv::Position::byte);
            if row.len() != self.header.len() {
                return Err(self.ragged(&row, offset));
            }
            for &column in features {
                values.push(self.number(&row[column], column, offset, "feature")?);
            }
            if let Some(column) = target {
                cells.push(Cell { text: row[column].to_string(), offset });
            }
            if let Some(column) = weight {
                let number = self.number(&row[column], column, offset, "weight")?;
                if number < 0.0 {
                    return Err(self.cell_error(
                        column,
                        offset,
                        "weight",
                        &format!("is {number}, and a row can not weigh less than nothing"),
                    ));
                }
                weights.push(number);
            }
            last = offset;
        }
        // an open quote takes all that follows into its field; quotes within a quoted field come in pairs
        let end = self.text[last as usize..].trim();
        if end.contains(['\r', '\n']) && end.matches('"').count() % 2 == 1 {
            let place = Place::line(&self.path, self.line(last));
            return Err(Error::at(place, "a quote is left open in this row, and takes in all that follows: close it"));
        }
        if values.is_empty() {
            return Err(Error::at(Place::file(&self.path), "the file has a header, but no rows: the data set is empty"));
        }
        Ok(Rows { values, cells, weights })
    }

    fn ragged(&self, row: &StringRecord, offset: u64) -> Error {
        let (found, wanted) = (row.len(), self.header.len());
        let remedy = match row.iter().any(|field| field.contains('\n')) {
            true => "one of them goes over several lines: is a quote left open?",
            false => "mend the row, and quote fields that contain the delimiter",
        };
        let fields = if found == 1 { "field" } else { "fields" };
        Error::at(
            Place::line(&self.path, self.line(offset)),
            format!("this row has {found} {fields}, but the header has {wanted}: {remedy}"),
        )
    }

    /// The finite number in a cell. `role` says what the column is for: a feature, the target.
    pub(super) fn number(&self, text: &str, column: usize, offset: u64, role: &str) -> Result<f32> {
        match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ if is_missing(text) => Err(self.missing(column, offset, role)),
            Ok(_) => Err(self.cell_error(column, offset, role, &format!("has `{text}`, which is not a finite number in 32 bits"))),
            Err(_) => Err(self.cell_error(column, offset, role, &format!("has `{text}`, which is not a number"))),
        }
    }

    /// The error for a cell that has no value.
    pub(super) fn missing(&self, column: usize, offset: u64, role: &str) -> Error {
        self.cell_error(column, offset, role, "has no value here")
    }

    /// An error in a cell, with the remedy for its role.
    pub(super) fn cell_error(&self, column: usize, offset: u64, role: &str, what: &str) -> Error {
        let name = &self.header[column];
        let remedy = match role {
            "feature" => format!("mend it, remove the row, or leave the column out with [data] features = {{ exclude = [\"{name}\"] }}"),
            _ => "mend it, or remove the row".to_string(),
        };
        Error::at(self.place(column, offset), format!("{role} `{name}` {what}: {remedy}"))
    }

    /// The place of a cell.
    pub(super) fn place(&self, column: usize, offset: u64) -> Place {
        Place::at(&self.path, self.line(offset), column as u64 + 1)
    }

    /// An error in the header.
    pub(super) fn header_error(&self, column: usize, message: String) -> Error {
        Error::at(Place::at(&self.path, self.header_line, column as u64 + 1), message)
    }

    /// The line on which the row begins. (The csv crate's own count is one behind after `\r\n` and blank lines.)
    fn line(&self, offset: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let offset = (offset as usize).min(bytes.len());
        let blank = bytes[offset..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line_at(bytes, offset + blank)
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).has_headers(false).flexible(true).trim(Trim::All);
        builder.from_reader(self.text.as_bytes())
    }

    fn unreadable(&self, error: &csv::Error) -> Error {
        Error::at(Place::file(&self.path), error.to_string())
    }
}

/// Whether a cell stands for no value: it is empty or one of the usual marks for that.
pub(super) fn is_missing(text: &str) -> bool {
    const MARKS: [&str; 9] = ["", "?", "-", "na", "n/a", "nan", "null", "none", "nil"];
    MARKS.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

/// A tab for `.tsv` and `.tab`, else the first of comma, semicolon and tab that the header has.
fn guess_delimiter(path: &Path, text: &str) -> u8 {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if ["tsv", "tab"].iter().any(|e| extension.eq_ignore_ascii_case(e)) {
        return b'\t';
    }
    let header = text.split(['\r', '\n']).find(|line| !line.is_empty()).unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|&d| header.as_bytes().contains(&d)).unwrap_or(b',')
}

/// The line, from 1, that a byte is on; a line ends with `\n`, `\r\n` or `\r`.
fn line_at(text: &[u8], offset: usize) -> u64 {
    let ends = |i: usize| text[i] == b'\n' || (text[i] == b'\r' && text.get(i + 1) != Some(&b'\n'));
    1 + (0..offset.min(text.len())).filter(|&i| ends(i)).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_with_every_line_end() {
        for (end, length) in [("\n", 1), ("\r\n", 2), ("\r", 1)] {
            let text = format!("ab{end}{end}cd");
            assert_eq!(line_at(text.as_bytes(), 0), 1);
            assert_eq!(line_at(text.as_bytes(), 2 + length), 2, "{end:?}");
            assert_eq!(line_at(text.as_bytes(), 2 + 2 * length), 3, "{end:?}");
        }
    }

    #[test]
    fn the_delimiter_is_told_by_extension_and_header() {
        let cases = [
            ("a.tsv", "a,b\tc", b'\t'),
            ("a.TAB", "a", b'\t'),
            ("a.csv", "a,b;c\td", b','),
            ("a.csv", "\na;b\tc\n1,2", b';'),
            ("a.txt", "a\tb", b'\t'),
            ("a", "a", b','),
        ];
        for (path, text, wanted) in cases {
            assert_eq!(guess_delimiter(Path::new(path), text), wanted, "{path} {text:?}");
        }
    }

    #[test]
    fn usual_marks_stand_for_no_value() {
        assert!(["", "?", "NA", "NaN", "null", "None", "N/A"].into_iter().all(is_missing));
        assert!(!["0", "nano", "no", "inf"].into_iter().any(is_missing));
    }
}
