//! Parquet files: flat columns of numbers, truth values, text and dates, read a part of a row group at a time.

mod pages;
mod thrift;

use super::cells::Cell;
use super::packed;
use super::source::{Row, TableFile, check_width};
use crate::error::{Error, Place, Result};
use pages::{Checked, Pages};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, Length, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows that are decoded at a time.
const BATCH: usize = 1024;

/// A Parquet file.
///
/// A null is a gap, and so is NaN; true is 1. What is packed has to be packed with Snappy, gzip or LZ4, and values have to be coded as PLAIN, RLE or
/// words of a dictionary, as all common writers do by default. In places, a row's number from 1 stands for a line.
pub struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<Pages>,
    header: Vec<String>,
    types: Vec<ColumnType>,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile").field("path", &self.path).field("header", &self.header).finish_non_exhaustive()
    }
}

/// What the values of a column stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnType {
    Number,
    Unsigned,
    Text,
    /// Days since 1970.
    Date,
    /// So many a second since 1970.
    Timestamp(i64),
    /// So many a second since midnight.
    Time(i64),
}

/// A cell that owns its text.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Text(String),
}

impl Value {
    fn cell(&self) -> Cell<'_> {
        match self {
            Value::Number(value) => Cell::of(*value),
            Value::Text(text) => Cell::Text(text),
        }
    }
}

impl ParquetFile {
    /// Opens a file and reads its schema.
    ///
    /// Errors when it cannot be read, is no whole Parquet file, or has a column that is nested, packed in a way or of a type that is not read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let pages = Pages::new(file).map_err(|e| damaged(path, &e))?;
        let length = pages.len();
        let reader = SerializedFileReader::new(pages).map_err(|e| damaged(path, &e))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        check_width(path, fields.len() as u64)?;
        let header: Vec<String> = fields.iter().map(|field| field.name().to_string()).collect();
        let refuse = |column: usize, what: &str, remedy: &str| {
            let message = format!("column `{}` {what}: {remedy}", header[column]);
            Err(Error::at(Place::file(path), message))
        };
        let mut types = Vec::with_capacity(header.len());
        for (column, field) in fields.iter().enumerate() {
            let basic = field.get_basic_info();
            if !field.is_primitive() || (basic.has_repetition() && basic.repetition() == Repetition::REPEATED) {
                return refuse(
                    column,
                    "is nested, and only flat columns are read",
                    "leave it out, or write its parts as columns of their own",
                );
            }
        }
        // all fields are flat: leaf i is field i
        for (column, leaf) in schema.columns().iter().enumerate() {
            match column_type(leaf) {
                Some(of) => types.push(of),
                None => {
                    return refuse(column, "is of a type that is not read (decimal, bytes, 16-bit float)", "write it as double or text");
                }
            }
        }
        for group in reader.metadata().row_groups() {
            for (column, chunk) in group.columns().iter().enumerate() {
                let places = [Some(chunk.data_page_offset()), chunk.dictionary_page_offset(), Some(chunk.compressed_size())];
                if let Some(place) = places.into_iter().flatten().find(|&place| u64::try_from(place).map_or(true, |place| place > length)) {
                    return refuse(
                        column,
                        &format!("is said to begin at byte {place}, or to have as many"),
                        "write or fetch the file again",
                    );
                }
                if let codec @ (Compression::ZSTD(_) | Compression::BROTLI(_) | Compression::LZO) = chunk.compression() {
                    let name = format!("{codec}");
                    let name = name.split('(').next().unwrap_or_default();
                    return refuse(
                        column,
                        &format!("is packed with {name}, which is not read"),
                        "write the file with compression=\"snappy\" (or gzip, lz4, none)",
                    );
                }
                if let Some(encoding) = chunk.encodings().find(|&encoding| !pages::is_read(encoding)) {
                    return refuse(
                        column,
                        &format!("is coded as {encoding}, which is not read"),
                        "write the file with its writer's defaults (pages of version 1.0, dictionaries)",
                    );
                }
            }
        }
        let rows = reader.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
        let values = rows.fold(0, u64::saturating_add).saturating_mul(header.len() as u64);
        if values > packed::most(length) {
            let message = format!(
                "it says that it has {values} values, and a file of {length} bytes may not have more than {}: write it with compression=\"none\" and \
                 use_dictionary=False",
                packed::most(length)
            );
            return Err(Error::at(Place::file(path), message));
        }
        let file = ParquetFile { path: path.into(), reader, header, types };
        if file.header.is_empty() {
            return Err(Error::at(Place::file(path), "the file has no columns: the data set is empty"));
        }
        file.check_names()?;
        Ok(file)
    }
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    let message = format!("it is not a Parquet file, or one that is damaged or cut short ({error}): write or fetch it again");
    Error::at(Place::file(path), message)
}

/// What a column's values stand for; `None` where they are not read.
fn column_type(column: &ColumnDescriptor) -> Option<ColumnType> {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    };
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (Type::BOOLEAN | Type::FLOAT | Type::DOUBLE, ..) => Some(ColumnType::Number),
        (Type::INT96, ..) => Some(ColumnType::Timestamp(1)),
        (Type::INT32 | Type::INT64, Some(logical), _) => match logical {
            LogicalType::Date => Some(ColumnType::Date),
            LogicalType::Timestamp(of) => Some(ColumnType::Timestamp(per_second(&of.unit))),
            LogicalType::Time(of) => Some(ColumnType::Time(per_second(&of.unit))),
            LogicalType::Integer(of) => Some(if of.is_signed { ColumnType::Number } else { ColumnType::Unsigned }),
            // a column of nulls only
            LogicalType::Unknown => Some(ColumnType::Number),
            _ => None,
        },
        (Type::INT32 | Type::INT64, None, converted) => match converted {
            ConvertedType::DATE => Some(ColumnType::Date),
            ConvertedType::TIMESTAMP_MILLIS => Some(ColumnType::Timestamp(1_000)),
            ConvertedType::TIMESTAMP_MICROS => Some(ColumnType::Timestamp(1_000_000)),
            ConvertedType::TIME_MILLIS => Some(ColumnType::Time(1_000)),
            ConvertedType::TIME_MICROS => Some(ColumnType::Time(1_000_000)),
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => Some(ColumnType::Unsigned),
            ConvertedType::DECIMAL => None,
            _ => Some(ColumnType::Number),
        },
        // files of old writers do not say that bytes are text
        (Type::BYTE_ARRAY, None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), converted) => {
            (!matches!(converted, ConvertedType::DECIMAL | ConvertedType::BSON)).then_some(ColumnType::Text)
        }
        _ => None,
    }
}

/// The next values of a column, so many.
fn values(reader: &mut ColumnReader, of: ColumnType, count: usize) -> ParquetResult<Vec<Value>> {
    let whole = |value: i64, unsigned: f64| match of {
        ColumnType::Unsigned => Value::Number(unsigned),
        ColumnType::Date => Value::Text(date(value)),
        ColumnType::Timestamp(unit) => Value::Text(timestamp(value.div_euclid(unit))),
        ColumnType::Time(unit) => Value::Text(time(value.div_euclid(unit))),
        ColumnType::Number | ColumnType::Text => Value::Number(value as f64),
    };
    /// The readers differ in type only; a null has no value, and a definition level of 0.
    macro_rules! read {
        ($reader:expr, $value:expr) => {{
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (rows, ..) = $reader.read_records(count, Some(&mut levels), None, &mut values)?;
            if rows < count {
                return Err(ParquetError::EOF(format!("a column has {} values less than its row group has rows", count - rows)));
            }
            let mut values = values.iter().map($value);
            let mut next = || values.next().unwrap_or_else(|| Ok(Value::Text(String::new())));
            match levels.is_empty() {
                true => (0..rows).map(|_| next()).collect(),
                false => levels.iter().map(|&level| if level > 0 { next() } else { Ok(Value::Text(String::new())) }).collect(),
            }
        }};
    }
    match reader {
        ColumnReader::BoolColumnReader(reader) => read!(reader, |&value| Ok(Value::Number(f64::from(u8::from(value))))),
        ColumnReader::Int32ColumnReader(reader) => read!(reader, |&value| Ok(whole(value.into(), f64::from(value as u32)))),
        ColumnReader::Int64ColumnReader(reader) => read!(reader, |&value| Ok(whole(value, value as u64 as f64))),
        ColumnReader::Int96ColumnReader(reader) => read!(reader, |value| Ok(whole(value.to_seconds(), 0.0))),
        ColumnReader::FloatColumnReader(reader) => read!(reader, |&value| Ok(Value::Number(value.into()))),
        ColumnReader::DoubleColumnReader(reader) => read!(reader, |&value| Ok(Value::Number(value))),
        ColumnReader::ByteArrayColumnReader(reader) => {
            read!(reader, |value: &ByteArray| value.as_utf8().map(|text| Value::Text(text.trim().to_string())))
        }
        ColumnReader::FixedLenByteArrayColumnReader(_) => Err(ParquetError::NYI("bytes of a fixed length".into())),
    }
}

/// The day so many days after 1970-01-01, in the Gregorian calendar: eras of 400 years have 146,097 days, and a year begins in March here.
fn date(days: i64) -> String {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + i64::from(month <= 2))
}

fn time(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn timestamp(seconds: i64) -> String {
    format!("{} {}", date(seconds.div_euclid(86_400)), time(seconds.rem_euclid(86_400)))
}

impl TableFile for ParquetFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self) -> &[String] {
        &self.header
    }

    fn place(&self, spot: u64, column: usize) -> Place {
        Place::at(&self.path, spot + 1, column as u64 + 1)
    }

    fn rows(&mut self, columns: &[usize], each: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let failed = |e: ParquetError| damaged(&self.path, &e);
        let mut row = 0;
        for at in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(at).map_err(failed)?;
            let mut readers = Vec::with_capacity(columns.len());
            for &column in columns {
                let of = group.metadata().column(column).column_descr_ptr();
                let pages = Checked::new(group.get_column_page_reader(column).map_err(failed)?, of.max_def_level() > 0, of.physical_type());
                readers.push(get_column_reader(of, Box::new(pages)));
            }
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let count = left.min(BATCH);
                let mut cells = Vec::with_capacity(columns.len());
                for (reader, &column) in readers.iter_mut().zip(columns) {
                    cells.push(values(reader, self.types[column], count).map_err(failed)?);
                }
                (0..count).try_for_each(|i| {
                    let spot = row;
                    row += 1;
                    each(Row { spot, cell: &|column| cells[column][i].cell(), place: &|column| self.place(spot, column) })
                })?;
                left -= count;
            }
        }
        match row {
            0 => Err(Error::at(Place::file(&self.path), "the file has columns, but no rows: the data set is empty")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_seconds_are_dates_and_times() {
        // 2000 was a leap year, 1900 was none; the last day before 1970 is -1
        for (days, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (19_753, "2024-01-31"), (-25_508, "1900-03-01")]
        {
            assert_eq!(date(days), text);
        }
        assert_eq!(timestamp(86_399), "1970-01-01 23:59:59");
        assert_eq!(timestamp(-1), "1969-12-31 23:59:59");
    }
}
