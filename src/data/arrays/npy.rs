//! The header of an NPY file. Its text is always written the same way, so it is looked through, not parsed as Python: the crates that do that go
//! by what the shape claims, and overflow on a lie.

use super::{Array, Element, ElementKind};
use crate::error::{Error, Place, Result};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";
/// More than the header of any array of numbers has.
const MOST_HEADER: usize = 1 << 16;

pub(super) fn open(path: &Path) -> Result<(BufReader<File>, Array)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut reader = BufReader::new(file);
    let mut array = read_header(path, "", &mut reader)?;
    array.offset = reader.stream_position().map_err(|e| Error::io(path, e))?;
    array.check(path, length.saturating_sub(array.offset))?;
    Ok((reader, array))
}

/// Reads the header of an array of this name, whose offset is left at 0; the numbers follow.
pub(super) fn read_header(path: &Path, name: &str, reader: &mut impl Read) -> Result<Array> {
    let what = if name.is_empty() { "it".to_string() } else { format!("`{name}` in it") };
    let wrong = |message: String| Error::at(Place::file(path), message);
    let mut bytes = |count: usize| {
        let mut bytes = Vec::new();
        let read = reader.by_ref().take(count as u64).read_to_end(&mut bytes);
        read.map_err(|e| wrong(format!("{what} cannot be read ({e}): save or fetch the file again")))?;
        match bytes.len() == count {
            true => Ok(bytes),
            false => Err(wrong(format!("{what} is no NPY file, or one that was cut short: save it with numpy.save, or fetch it again"))),
        }
    };
    let start = bytes(8)?;
    if !start.starts_with(MAGIC) {
        let begin = &start[..MAGIC.len()];
        return Err(wrong(format!("{what} is no NPY file: it begins with {begin:02x?}, not with {MAGIC:02x?}: save it with numpy.save")));
    }
    let length = if start[6] == 1 { bytes(2)? } else { bytes(4)? };
    let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if length > MOST_HEADER {
        return Err(wrong(format!(
            "{what} has a header of {length} bytes, more than that of any array of numbers: save or fetch the file again"
        )));
    }
    let text = String::from_utf8_lossy(&bytes(length)?).into_owned();
    let shape = value(&text, "shape").and_then(|text| text.strip_prefix('(')?.split_once(')').map(|(inner, _)| inner)).and_then(shape);
    let by_columns = value(&text, "fortran_order").map(|text| text.starts_with("True"));
    let (Some(shape), Some(by_columns), Some(descr)) = (shape, by_columns, value(&text, "descr")) else {
        let shown = text.trim();
        return Err(wrong(format!("{what} has a header that cannot be read, {shown:?}: save it with numpy.save")));
    };
    let kind = descr.strip_prefix('\'').and_then(|text| text.split_once('\'')).map(|(kind, _)| kind);
    let Some(element) = kind.and_then(element) else {
        let shown = kind.map_or("of records", |kind| kind);
        return Err(wrong(format!(
            "{what} holds values of the type {shown}, but only numbers are read (f4, f8, i1 to i8, u1 to u8, bool): convert it with .astype(\"float32\"); \
             for text, save a csv file"
        )));
    };
    Ok(Array { name: name.into(), element, shape, by_columns, offset: 0 })
}

/// What follows a key.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("'{key}':"))?;
    Some(rest.trim_start())
}

fn shape(text: &str) -> Option<Vec<u64>> {
    text.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect()
}

fn element(kind: &str) -> Option<Element> {
    let (order, kind) = kind.split_at_checked(1)?;
    let (kind, size) = match kind {
        "f4" | "f8" => (ElementKind::Float, &kind[1..]),
        "i1" | "i2" | "i4" | "i8" => (ElementKind::Signed, &kind[1..]),
        "u1" | "u2" | "u4" | "u8" | "b1" => (ElementKind::Unsigned, &kind[1..]),
        _ => return None,
    };
    Some(Element { kind, size: size.parse().ok()?, big_endian: order == ">" })
}
