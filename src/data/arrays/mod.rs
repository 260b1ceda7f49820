//! Files of arrays of numbers (NPY, NPZ, safetensors) as files of columns. The bytes stay in the file until a chunk of rows is read.

mod npy;
#[cfg(feature = "npz")]
mod npz;
mod safetensors;
#[cfg(test)]
mod tests;

use super::cells::Cell;
use super::source::{CHUNK, Row, TableFile, check_width};
use crate::error::{Error, Place, Result};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// So many bytes of an array are read at a time, unless one row has more.
const BLOCK: u64 = 1 << 24;

/// A file of arrays with one row for each example: each column of an array is a column of the file.
///
/// An array of one dimension is one column of the array's name, one of two dimensions gives the columns `name_0`, `name_1`, …; the only array of
/// an NPY file has no name: its columns are `0`, `1`, …. NaN is a gap; true is 1. In places, a row's number from 1 stands for a line.
pub struct ArraysFile {
    path: PathBuf,
    bytes: Box<dyn Bytes>,
    arrays: Vec<Array>,
    header: Vec<String>,
    /// Of each column, the array and the column in it.
    columns: Vec<(usize, usize)>,
    rows: u64,
}

trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

impl std::fmt::Debug for ArraysFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArraysFile").field("path", &self.path).field("header", &self.header).finish_non_exhaustive()
    }
}

/// An array in a file.
#[derive(Debug, Clone, PartialEq)]
struct Array {
    name: String,
    element: Element,
    shape: Vec<u64>,
    /// Whether columns lie together, not rows.
    by_columns: bool,
    /// Where its first byte is.
    offset: u64,
}

/// How a number lies in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    kind: ElementKind,
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ElementKind {
    Float,
    Signed,
    Unsigned,
}

impl Element {
    /// Widens to 64 bits, which is exact but for integers beyond 2⁵³.
    fn value(self, bytes: &[u8]) -> f64 {
        let mut raw = [0; 8];
        raw[..self.size].copy_from_slice(bytes);
        if self.big_endian {
            raw[..self.size].reverse();
        }
        let spare = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (ElementKind::Float, 4) => f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]).into(),
            (ElementKind::Float, _) => f64::from_le_bytes(raw),
            (ElementKind::Signed, _) => ((i64::from_le_bytes(raw) << spare) >> spare) as f64,
            (ElementKind::Unsigned, _) => u64::from_le_bytes(raw) as f64,
        }
    }
}

impl Array {
    fn rows(&self) -> u64 {
        self.shape[0]
    }

    fn width(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// Bytes of all of it; `None` where they cannot be counted in 64 bits.
    fn bytes(&self) -> Option<u64> {
        self.shape.iter().try_fold(self.element.size as u64, |product, &size| product.checked_mul(size))
    }

    /// What it is called in messages.
    fn shown(&self) -> String {
        if self.name.is_empty() { "the array".into() } else { format!("the array `{}`", self.name) }
    }

    /// Errors when it is not a table with a row or more that the file, which has `available` bytes for it, can hold.
    fn check(&self, path: &Path, available: u64) -> Result<()> {
        let wrong = |message: String| Err(Error::at(Place::file(path), message));
        let (shown, shape) = (self.shown(), &self.shape);
        if !(1..=2).contains(&shape.len()) {
            return wrong(format!(
                "{shown} has the shape {shape:?}: reshape it to one row for each example, rows × columns, before you save it"
            ));
        }
        if shape.contains(&0) {
            return wrong(format!("{shown} has the shape {shape:?}, so there are no rows or no columns: the data set is empty"));
        }
        match self.bytes() {
            Some(bytes) if bytes <= available => Ok(()),
            Some(bytes) => wrong(format!(
                "{shown} is too short: its header says {shape:?}, which is {bytes} bytes, but {available} follow: save or fetch the file again"
            )),
            None => wrong(format!("the header of {shown} says {shape:?}, more than any file holds: save or fetch the file again")),
        }
    }
}

/// The rows of an array that are at hand.
struct Block {
    bytes: Vec<u8>,
    rows: usize,
}

impl ArraysFile {
    /// Opens a NumPy file with one array.
    ///
    /// Errors when it cannot be read, is no NPY file, has no numbers in it, or is shorter than its header says.
    pub fn npy(path: &Path) -> Result<Self> {
        let (file, array) = npy::open(path)?;
        ArraysFile::new(path, Box::new(file), vec![array])
    }

    /// Opens an archive of NumPy arrays. It is unpacked into memory.
    ///
    /// Errors when it cannot be read, is no archive, unpacks to far more than its size, and as [`ArraysFile::npy`] does for each array.
    #[cfg(feature = "npz")]
    pub fn npz(path: &Path) -> Result<Self> {
        let (bytes, arrays) = npz::open(path)?;
        ArraysFile::new(path, Box::new(std::io::Cursor::new(bytes)), arrays)
    }

    /// Opens a safetensors file.
    ///
    /// Errors when it cannot be read, is no safetensors file, and when the arrays are not of numbers or not where its header says.
    pub fn safetensors(path: &Path) -> Result<Self> {
        let (file, arrays) = safetensors::open(path)?;
        ArraysFile::new(path, Box::new(file), arrays)
    }

    fn new(path: &Path, bytes: Box<dyn Bytes>, arrays: Vec<Array>) -> Result<Self> {
        let Some(first) = arrays.first() else {
            return Err(Error::at(Place::file(path), "there are no arrays in it: the data set is empty"));
        };
        let rows = first.rows();
        if let Some(other) = arrays.iter().find(|array| array.rows() != rows) {
            let message = format!(
                "{} has {rows} rows, but {} has {}: all arrays need one row for each example; save those of one data set in a file of their own",
                first.shown(),
                other.shown(),
                other.rows()
            );
            return Err(Error::at(Place::file(path), message));
        }
        check_width(path, arrays.iter().map(Array::width).fold(0, u64::saturating_add))?;
        let (mut header, mut columns) = (Vec::new(), Vec::new());
        for (at, array) in arrays.iter().enumerate() {
            for column in 0..array.width() {
                header.push(match (array.name.as_str(), array.shape.len()) {
                    ("", _) => column.to_string(),
                    (name, 1) => name.to_string(),
                    (name, _) => format!("{name}_{column}"),
                });
                columns.push((at, column as usize));
            }
        }
        let file = ArraysFile { path: path.into(), bytes, arrays, header, columns, rows };
        file.check_names()?;
        Ok(file)
    }
}

/// Reads rows of an array.
fn block(from: &mut dyn Bytes, array: &Array, start: u64, count: u64) -> std::io::Result<Block> {
    let (size, width) = (array.element.size as u64, array.width());
    let mut bytes = vec![0; (count * width * size) as usize];
    let mut read = |at: u64, into: &mut [u8]| from.seek(SeekFrom::Start(array.offset + at * size)).and_then(|_| from.read_exact(into));
    if !array.by_columns {
        read(start * width, &mut bytes)?;
    } else if count > 0 {
        for (column, into) in (0..).zip(bytes.chunks_exact_mut((count * size) as usize)) {
            read(column * array.rows() + start, into)?;
        }
    }
    Ok(Block { bytes, rows: count as usize })
}

/// A row's number from 1 stands for a line.
fn place(path: &Path, spot: u64, column: usize) -> Place {
    Place::at(path, spot + 1, column as u64 + 1)
}

impl TableFile for ArraysFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn header(&self) -> &[String] {
        &self.header
    }

    fn place(&self, spot: u64, column: usize) -> Place {
        place(&self.path, spot, column)
    }

    fn rows(&mut self, columns: &[usize], each: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let places: Vec<(usize, usize)> = columns.iter().map(|&column| self.columns[column]).collect();
        let used: Vec<bool> = (0..self.arrays.len()).map(|array| places.iter().any(|place| place.0 == array)).collect();
        let widest = self.arrays.iter().map(|array| array.width() * array.element.size as u64).max().unwrap_or(1);
        let step = (BLOCK / widest).clamp(1, CHUNK as u64);
        for start in (0..self.rows).step_by(step as usize) {
            let count = step.min(self.rows - start);
            let mut blocks = Vec::with_capacity(used.len());
            for (array, used) in self.arrays.iter().zip(&used) {
                let count = if *used { count } else { 0 };
                blocks.push(block(&mut *self.bytes, array, start, count).map_err(|e| Error::io(&self.path, e))?);
            }
            for row in 0..count as usize {
                let cell = |i: usize| {
                    let (at, column) = places[i];
                    let (array, block) = (&self.arrays[at], &blocks[at]);
                    let index = if array.by_columns { column * block.rows + row } else { row * array.width() as usize + column };
                    let size = array.element.size;
                    Cell::of(array.element.value(&block.bytes[index * size..(index + 1) * size]))
                };
                let spot = start + row as u64;
                each(Row { spot, cell: &cell, place: &|column| place(&self.path, spot, column) })?;
            }
        }
        Ok(())
    }
}
