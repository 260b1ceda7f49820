//! The arrays of a safetensors file.

use super::{Array, Element, ElementKind};
use crate::error::{Error, Place, Result};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The header's length comes first, in so many bytes.
const LENGTH: u64 = 8;

pub(super) fn open(path: &Path) -> Result<(BufReader<File>, Vec<Array>)> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let size = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let wrong =
        |why: &str| Error::at(Place::file(path), format!("it is not a safetensors file, or a damaged one ({why}): save or fetch it again"));
    let mut length = [0; LENGTH as usize];
    if size < LENGTH {
        return Err(wrong("it has fewer than 8 bytes"));
    }
    file.read_exact(&mut length).map_err(|e| Error::io(path, e))?;
    let length = u64::from_le_bytes(length);
    if length > size - LENGTH {
        return Err(wrong(&format!("its header is said to have {length} bytes, but {} follow", size - LENGTH)));
    }
    let mut header = Vec::new();
    file.by_ref().take(length).read_to_end(&mut header).map_err(|e| Error::io(path, e))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| wrong(&format!("its header is wrong: {e}")))?;
    let start = LENGTH + length;
    let mut arrays = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let Some(element) = element(info.dtype) else {
            let message = format!(
                "the array `{name}` holds values of the type {:?}, but only numbers of 8 to 64 bits are read, and no 16-bit floats: convert it to F32",
                info.dtype
            );
            return Err(Error::at(Place::file(path), message));
        };
        let [from, to] = [info.data_offsets.0 as u64, info.data_offsets.1 as u64];
        let shape = info.shape.iter().map(|&size| size as u64).collect();
        let array = Array { name, element, shape, by_columns: false, offset: start.saturating_add(from) };
        if to > size - start {
            return Err(wrong(&format!("{} ends at byte {to} of {}", array.shown(), size - start)));
        }
        array.check(path, to.saturating_sub(from))?;
        arrays.push(array);
    }
    Ok((BufReader::new(file), arrays))
}

fn element(kind: Dtype) -> Option<Element> {
    let (kind, size) = match kind {
        Dtype::F32 => (ElementKind::Float, 4),
        Dtype::F64 => (ElementKind::Float, 8),
        Dtype::I8 => (ElementKind::Signed, 1),
        Dtype::I16 => (ElementKind::Signed, 2),
        Dtype::I32 => (ElementKind::Signed, 4),
        Dtype::I64 => (ElementKind::Signed, 8),
        Dtype::BOOL | Dtype::U8 => (ElementKind::Unsigned, 1),
        Dtype::U16 => (ElementKind::Unsigned, 2),
        Dtype::U32 => (ElementKind::Unsigned, 4),
        Dtype::U64 => (ElementKind::Unsigned, 8),
        _ => return None,
    };
    Some(Element { kind, size, big_endian: false })
}
