//! Tables in text: values separated by commas, semicolons, tabs or bars, with a header. Streamed: the text is never held as a whole.

#[cfg(test)]
mod tests;

use super::cells::Cell;
use super::packed::Unpacked;
use super::source::{MOST_COLUMNS, Row, TableFile, check_width};
use crate::error::{Error, Place, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A file of separated values, whose header has been read.
///
/// Fields may be quoted as in RFC 4180; blanks around them, blank lines and a byte order mark do not count. A file whose name ends in `.gz` is
/// unpacked on the way. The path `-` is the standard input, which can be read once.
pub struct CsvFile {
    path: PathBuf,
    delimiter: u8,
    header: Vec<String>,
    header_line: u64,
    /// Behind the header, until the rows are read for the first time.
    rest: Option<csv::Reader<Box<dyn Read>>>,
}

impl std::fmt::Debug for CsvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvFile").field("path", &self.path).field("header", &self.header).finish_non_exhaustive()
    }
}

/// The name of the standard input.
const STDIN: &str = "-";
/// So much of a file tells the delimiter and whether it is text.
const HEAD: usize = 1 << 16;

impl CsvFile {
    /// Opens a file and reads its header. Without a delimiter it is told by the file's extension and header.
    ///
    /// Errors when the file cannot be read, is not UTF-8 text, has no header, has two columns of one name, or has numbers where names should be.
    pub fn open(path: &Path, delimiter: Option<u8>) -> Result<Self> {
        if let Some(byte @ (b'"' | b'\r' | b'\n')) = delimiter {
            return Err(Error::input(format!("{:?} cannot separate fields: give a comma, a semicolon or a tab", char::from(byte))));
        }
        let mut text = bytes(path)?;
        let head = text.fill_buf().map_err(|e| failed(path, e))?;
        check_text(path, head)?;
        let delimiter = delimiter.unwrap_or_else(|| guess_delimiter(path, head));
        let mut builder = ReaderBuilder::new();
        builder.delimiter(delimiter).has_headers(false).flexible(true).trim(Trim::All);
        let mut rest = builder.from_reader(Box::new(Narrow { text, delimiter, found: 0 }) as Box<dyn Read>);
        let mut file = CsvFile { path: path.into(), delimiter, header: Vec::new(), header_line: 1, rest: None };
        let mut header = StringRecord::new();
        if !rest.read_record(&mut header).map_err(|e| file.unreadable(&e))? {
            return Err(Error::at(Place::file(path), "the file is empty: it needs a header with the columns' names, and rows"));
        }
        check_width(path, header.len() as u64)?;
        file.header = header.iter().map(String::from).collect();
        file.header_line = file.line(header.position().map_or(0, csv::Position::byte));
        file.rest = Some(rest);
        file.check_header()?;
        Ok(file)
    }

    /// Errors when two columns share a name, or when the header looks like a row.
    fn check_header(&self) -> Result<()> {
        self.check_names()?;
        let counted = |from: usize| self.header.iter().enumerate().all(|(i, name)| *name == (from + i).to_string());
        if self.header.iter().all(|name| name.parse::<f32>().is_ok()) && !counted(0) && !counted(1) {
            let place = Place::line(&self.path, self.header_line);
            return Err(Error::at(place, "the first line holds only numbers: begin the file with a line of the columns' names"));
        }
        Ok(())
    }

    /// An open quote takes all that follows into its field; quotes within a quoted field come in pairs.
    fn check_quotes(&self, last: u64) -> Result<()> {
        let Ok(mut text) = self.again() else { return Ok(()) };
        let mut end = Vec::new();
        let read = std::io::copy(&mut (&mut text).take(last), &mut std::io::sink()).and_then(|_| text.read_to_end(&mut end));
        read.map_err(|e| failed(&self.path, e))?;
        let end = end.trim_ascii();
        if end.iter().any(|byte| matches!(byte, b'\r' | b'\n')) && end.iter().filter(|&&byte| byte == b'"').count() % 2 == 1 {
            let place = Place::line(&self.path, self.line(last));
            return Err(Error::at(place, "a quote is left open in this row, and takes in all that follows: close it"));
        }
        Ok(())
    }

    fn ragged(&self, row: &StringRecord, spot: u64) -> Error {
        let (found, wanted) = (row.len(), self.header.len());
        let remedy = match row.iter().any(|field| field.contains('\n')) {
            true => "one of them goes over several lines: is a quote left open?",
            false => "mend the row, and quote fields that contain the delimiter",
        };
        let fields = if found == 1 { "field" } else { "fields" };
        let place = Place::line(&self.path, self.line(spot));
        Error::at(place, format!("this row has {found} {fields}, but the header has {wanted}: {remedy}"))
    }

    /// The text from its beginning, where it can be had once more.
    fn again(&self) -> Result<Box<dyn BufRead>> {
        if std::fs::metadata(&self.path).is_ok_and(|data| data.is_file()) {
            bytes(&self.path)
        } else {
            Err(Error::input("the text was read, and is gone"))
        }
    }

    /// The line on which the row at this place of the text begins. It is counted only when something has to be said of the row.
    /// (The csv crate's own count is one behind after `\r\n` and blank lines.) Of a text that is gone, it is not known: 0.
    fn line(&self, spot: u64) -> u64 {
        self.again().and_then(|text| line_of(text, spot).map_err(|e| failed(&self.path, e))).unwrap_or(0)
    }

    fn unreadable(&self, error: &csv::Error) -> Error {
        match error.kind() {
            csv::ErrorKind::Utf8 { pos, .. } => {
                let line = self.line(pos.as_ref().map_or(0, csv::Position::byte));
                Error::at(Place::line(&self.path, line), "this line is not UTF-8: save the file as UTF-8")
            }
            csv::ErrorKind::Io(source) => failed(&self.path, std::io::Error::new(source.kind(), source.to_string())),
            _ => Error::at(Place::file(&self.path), error.to_string()),
        }
    }
}

impl TableFile for CsvFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self) -> &[String] {
        &self.header
    }

    fn header_place(&self, column: Option<usize>) -> Place {
        match column {
            Some(column) => Place::at(&self.path, self.header_line, column as u64 + 1),
            None => Place::line(&self.path, self.header_line),
        }
    }

    fn place(&self, spot: u64, column: usize) -> Place {
        Place::at(&self.path, self.line(spot), column as u64 + 1)
    }

    fn rows(&mut self, columns: &[usize], each: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let mut reader = match self.rest.take() {
            Some(reader) => reader,
            None if self.path.as_os_str() == STDIN => {
                return Err(Error::input("the standard input can be read only once: give a file"));
            }
            None => CsvFile::open(&self.path, Some(self.delimiter))?.rest.expect("a file that was just opened"),
        };
        // the last row is kept: it may hold an open quote
        let (mut row, mut next, mut last) = (StringRecord::new(), StringRecord::new(), None);
        while reader.read_record(&mut next).map_err(|e| self.unreadable(&e))? {
            std::mem::swap(&mut row, &mut next);
            let spot = row.position().map_or(0, csv::Position::byte);
            if row.len() != self.header.len() {
                return Err(self.ragged(&row, spot));
            }
            each(Row { spot, cell: &|i| Cell::Text(&row[columns[i]]), place: &|column| self.place(spot, column) })?;
            last = Some(spot);
        }
        match last {
            Some(spot) if row.iter().any(|field| field.contains(['\r', '\n'])) => self.check_quotes(spot),
            Some(_) => Ok(()),
            None => Err(Error::at(Place::file(&self.path), "the file has a header, but no rows: the data set is empty")),
        }
    }
}

/// A text without a line of more fields than are read: where each begins is kept, and a comma is a field.
struct Narrow {
    text: Box<dyn BufRead>,
    delimiter: u8,
    /// Delimiters since the line began, those in quotes, too.
    found: usize,
}

impl Read for Narrow {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.text.read(into)?;
        for &byte in &into[..read] {
            match byte {
                b'\r' | b'\n' => self.found = 0,
                byte if byte == self.delimiter => self.found += 1,
                _ => {}
            }
            if self.found >= MOST_COLUMNS {
                let message = format!("a line of it has more than the {MOST_COLUMNS} columns that are read: leave some out");
                return Err(std::io::Error::new(ErrorKind::FileTooLarge, message));
            }
        }
        Ok(read)
    }
}

/// The bytes of a text, unpacked where its name says that it is packed.
fn bytes(path: &Path) -> Result<Box<dyn BufRead>> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(BufReader::with_capacity(HEAD, std::io::stdin())));
    }
    if path.is_dir() {
        return Err(Error::at(Place::file(path), "this is a folder: name a file"));
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    if !is_packed(path) {
        return Ok(Box::new(BufReader::with_capacity(HEAD, file)));
    }
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    Ok(Box::new(BufReader::with_capacity(HEAD, Unpacked::new(MultiGzDecoder::new(BufReader::new(file)), length))))
}

/// Whether the name of a text says that it is packed.
fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
}

/// The error for a text that cannot be read on.
fn failed(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::FileTooLarge => Error::at(Place::file(path), error.to_string()),
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof if is_packed(path) => {
            Error::at(Place::file(path), format!("the gzipped text is damaged ({error}): fetch the file again"))
        }
        _ => Error::io(path, error),
    }
}

/// Errors when the beginning of a file is no text that can be read here.
fn check_text(path: &Path, head: &[u8]) -> Result<()> {
    let what = match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is text in UTF-16: save the file as UTF-8",
        [b'P', b'K', 3, 4, ..] => "this is a packed file (a spreadsheet?), not text: export it as CSV",
        head if head.contains(&0) => "this is a binary file, not text with a header and rows: export the data as CSV",
        _ => return Ok(()),
    };
    Err(Error::at(Place::file(path), what))
}

/// A tab for `.tsv` and `.tab`, else the first of comma, semicolon, tab and bar that the header has.
fn guess_delimiter(path: &Path, head: &[u8]) -> u8 {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    if plain.ends_with(".tsv") || plain.ends_with(".tab") {
        return b'\t';
    }
    let header = head.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty()).unwrap_or_default();
    [b',', b';', b'\t', b'|'].into_iter().find(|d| header.contains(d)).unwrap_or(b',')
}

/// The line, from 1, of the first byte from `spot` on that ends no line; a line ends with `\n`, `\r\n` or `\r`.
fn line_of(mut text: impl BufRead, spot: u64) -> std::io::Result<u64> {
    let (mut line, mut at, mut before) = (1, 0u64, 0u8);
    loop {
        let bytes = text.fill_buf()?;
        if bytes.is_empty() {
            return Ok(line);
        }
        for &byte in bytes {
            let ends = matches!(byte, b'\r' | b'\n');
            if at >= spot && !ends {
                return Ok(line);
            }
            line += u64::from(ends && !(byte == b'\n' && before == b'\r'));
            (at, before) = (at + 1, byte);
        }
        let read = bytes.len();
        text.consume(read);
    }
}
