//! Data sets: a table of features and targets, and views of its rows.
//!
//! A [`Table`] comes from a file ([`read_table`], [`read_idx_folder`]), from code ([`Table::new`]) or is built in
//! ([`Dataset::digits`], [`Dataset::spirals`] and others). A [`Dataset`] is a view of its rows; [`Split`] makes three of one,
//! and a [`Scaler`], fitted on the rows for training, brings the features of all of them to one range. Where columns are not all numbers, a
//! [`Preprocessor`] makes inputs of them, and keeps how.
//!
//! ```
//! use gradus::data::{Dataset, Scaler, Scaling, Split};
//! let digits = Dataset::digits();
//! let (train, valid, test) = Split { valid: 0.15, test: 0.15, stratify: true, seed: 7 }.apply(&digits)?;
//! let scaler = Scaler::fit(Scaling::Standard, &train)?.expect("only `Scaling::None` has no scaler");
//! let table = std::sync::Arc::new(scaler.apply_table(digits.table())?);
//! let [train, valid, test] = [train, valid, test].map(|part| part.with_table(&table));
//! assert_eq!(train.len() + valid.len() + test.len(), 1797);
//! # Ok::<(), gradus::Error>(())
//! ```

mod arrays;
mod builtin;
mod cells;
mod columns;
mod csv;
mod frame;
mod hash;
mod idx;
mod inspect;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod prepare;
mod scale;
mod source;
mod split;
mod stamp;
mod statistics;
mod synthetic;
mod table;

pub use self::arrays::ArraysFile;
pub use self::cells::Cell;
pub use self::columns::{ColumnType, Columns, Missing, Select, TableOptions, Task, read_columns};
pub use self::csv::CsvFile;
pub use self::frame::{Cells, Column, Frame, GAP};
pub use self::idx::{read_idx_folder, read_idx_images, read_idx_pair};
pub use self::inspect::{ColumnInspection, Inspection, inspect};
#[cfg(feature = "parquet")]
pub use self::parquet::ParquetFile;
pub use self::prepare::{Categorical, Codes, Coding, Feature, Fit, Preprocessor, Target, TargetScaling, Value};
pub use self::scale::{Scaler, Scaling};
pub use self::source::{ColumnScan, Gaps, Holds, Kind, Role, Row, Scan, TableFile, Wanted};
pub use self::split::Split;
pub use self::table::{Features, Table, Targets};

use self::table::list;
use crate::error::{Error, Place, Result};
use std::path::Path;
use std::sync::Arc;

/// The endings of the names of files of columns, as messages list them.
pub const TABLE_FILES: &str = ".csv, .tsv, .parquet, .npy, .npz or .safetensors";

/// Opens a file of columns; its name says of which format: `.csv`, `.tsv`, `.tab` or `.txt`, packed (`.gz`) or not, `.npy`, `.npz`, `.safetensors` or
/// `.parquet`. `-` is the standard input, as CSV.
///
/// Errors when the file cannot be read, when its name says of no format, and when the format is not part of this build.
pub fn open_table(path: impl AsRef<Path>) -> Result<Box<dyn TableFile>> {
    let path = path.as_ref();
    let message = match table_format(path) {
        Some("csv" | "tsv" | "tab" | "txt" | "-") => return Ok(Box::new(CsvFile::open(path, None)?)),
        Some("npy") => return Ok(Box::new(ArraysFile::npy(path)?)),
        Some("safetensors") => return Ok(Box::new(ArraysFile::safetensors(path)?)),
        #[cfg(feature = "npz")]
        Some("npz") => return Ok(Box::new(ArraysFile::npz(path)?)),
        #[cfg(feature = "parquet")]
        Some("parquet") => return Ok(Box::new(ParquetFile::open(path)?)),
        Some(format) => {
            format!("{format} files are not part of this build: build it with the feature `{format}`, or save the data as .csv")
        }
        None => format!("what is in this file is not told by its name: name it {TABLE_FILES}"),
    };
    Err(Error::at(Place::file(path), message))
}

/// The format that the name of a file of columns stands for; `None` where it stands for none.
pub fn table_format(path: &Path) -> Option<&'static str> {
    const TEXT: [&str; 4] = ["csv", "tsv", "tab", "txt"];
    const BINARY: [&str; 4] = ["npy", "npz", "parquet", "safetensors"];
    if path.as_os_str() == "-" {
        return Some("-");
    }
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let (_, ending) = plain.rsplit_once('.')?;
    // only text is unpacked on the way
    let binary = BINARY.into_iter().filter(|_| plain == name);
    TEXT.into_iter().chain(binary).find(|format| *format == ending)
}

/// A table of numbers and one-hot words from a file, as it is: nothing scaled, no gaps filled.
///
/// Errors as [`open_table`], [`read_columns`] and [`Preprocessor::fit`] do.
///
/// ```
/// use gradus::data::{TableOptions, Targets, read_table};
/// let folder = tempfile::tempdir().expect("a folder");
/// let path = folder.path().join("flowers.csv");
/// std::fs::write(&path, "length,colour,species\n5.1,red,setosa\n6.3,blue,virginica\n").expect("a file");
/// let table = read_table(&path, &TableOptions::new("species"))?;
/// assert_eq!(table.names(), ["length", "colour=blue", "colour=red"]);
/// let names = ["setosa", "virginica"].map(String::from).to_vec();
/// assert_eq!(*table.targets(), Targets::Classes { of: vec![0, 1], names });
/// # Ok::<(), gradus::Error>(())
/// ```
pub fn read_table(path: impl AsRef<Path>, options: &TableOptions) -> Result<Table> {
    let columns = read_columns(&mut *open_table(path)?, options)?;
    let rows: Vec<u32> = (0..columns.features.rows() as u32).collect();
    let fit = Fit { scale: Scaling::None, missing: options.missing, ..Fit::default() };
    Preprocessor::fit(&columns, &rows, &fit)?.table(columns)
}

/// Rows of a [`Table`], in an order: what a model is trained on, or judged by. Views of one table share it.
#[derive(Debug, Clone)]
pub struct Dataset {
    table: Arc<Table>,
    rows: Vec<u32>,
}

impl Dataset {
    /// All rows of a table.
    pub fn new(table: Table) -> Self {
        let rows = (0..table.rows() as u32).collect();
        Dataset { table: Arc::new(table), rows }
    }

    /// The given rows of the same table. Panics when a row is beyond the table's end.
    pub fn view(&self, rows: Vec<u32>) -> Self {
        assert!(rows.iter().all(|&r| (r as usize) < self.table.rows()), "a row beyond the table's end");
        Dataset { table: Arc::clone(&self.table), rows }
    }

    /// The same rows of another table of as many rows, such as the scaled one. Panics when it has another number of rows.
    pub fn with_table(&self, table: &Arc<Table>) -> Self {
        assert_eq!(table.rows(), self.table.rows(), "the tables differ in their number of rows");
        Dataset { table: Arc::clone(table), rows: self.rows.clone() }
    }

    /// The table behind the view.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The rows of the table that the view holds, in order.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// How many rows the view holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the view holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_a_table_and_move_to_another() {
        let data = Dataset::sine(5, 1);
        let view = data.view(vec![4, 0]);
        assert!(Arc::ptr_eq(view.table(), data.table()));
        let other = Arc::new(Table::clone(Dataset::moons(5, 1).table()));
        let moved = view.with_table(&other);
        assert!(Arc::ptr_eq(moved.table(), &other));
        assert_eq!((moved.rows(), moved.len(), moved.is_empty()), (&[4, 0][..], 2, false));
    }

    #[test]
    #[should_panic(expected = "the tables differ in their number of rows")]
    fn a_view_does_not_move_to_a_table_of_other_length() {
        Dataset::sine(5, 1).with_table(Dataset::sine(6, 1).table());
    }

    #[test]
    #[should_panic(expected = "a row beyond the table's end")]
    fn a_view_of_absent_rows_panics() {
        Dataset::sine(5, 1).view(vec![5]);
    }
}
