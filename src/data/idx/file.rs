//! One IDX file.

use crate::data::packed;
use crate::data::source::MOST_COLUMNS;
use crate::error::{Error, Place, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// More dimensions than any sensible image has: each is in the names of all features.
const MOST_DIMENSIONS: usize = 8;

/// A file's contents.
pub(super) struct Idx {
    /// The file.
    pub(super) path: PathBuf,
    /// The size of each dimension, at least one.
    pub(super) dimensions: Vec<usize>,
    /// The bytes, the last dimension running fastest.
    pub(super) values: Vec<u8>,
}

/// Reads a file, gzipped or not.
pub(super) fn read(path: &Path) -> Result<Idx> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut magic = Vec::new();
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    (&mut file).take(2).read_to_end(&mut magic).and_then(|_| file.rewind()).map_err(|e| Error::io(path, e))?;
    let zipped = magic == [0x1f, 0x8b];
    let mut reader: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) };
    let failed = |error: std::io::Error| match zipped {
        true => Error::at(Place::file(path), format!("the gzipped data are damaged ({error}): fetch the file again")),
        false => Error::io(path, error),
    };
    let dimensions = read_header(path, &mut reader, &failed)?;
    let wanted = dimensions.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    let features = dimensions[1..].iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let wrong = |message: String| Err(Error::at(Place::file(path), message));
    let (Some(wanted), Some(1..=MOST_COLUMNS)) = (wanted, features) else {
        return match dimensions[1..].contains(&0) {
            true => wrong(format!("its header says {dimensions:?}: a row without features")),
            false => wrong(format!("its header says {dimensions:?}: more than the {MOST_COLUMNS} features a row that are read")),
        };
    };
    if wanted == 0 {
        return wrong("it has no rows: the data set is empty".into());
    }
    if zipped && wanted > packed::most(length) {
        let most = packed::most(length);
        return wrong(format!(
            "its header says {dimensions:?}, which is {wanted} bytes, and {length} packed ones may not be more than {most}: unpack it, and name the file that \
             comes out"
        ));
    }
    let mut values = Vec::new();
    reader.by_ref().take(wanted).read_to_end(&mut values).map_err(failed)?;
    if (values.len() as u64) < wanted {
        let found = values.len();
        return wrong(format!(
            "it is too short: its header says {dimensions:?}, which is {wanted} bytes, but {found} follow: fetch it again"
        ));
    }
    // counted only so far: what follows may be a gzip bomb
    let more = std::io::copy(&mut reader.take(1 << 20), &mut std::io::sink()).map_err(failed)?;
    if more > 0 {
        let found = if more < 1 << 20 { (wanted + more).to_string() } else { format!("more than {}", wanted + more - 1) };
        return wrong(format!(
            "it is too long: its header says {dimensions:?}, which is {wanted} bytes, but {found} follow: fetch it again"
        ));
    }
    Ok(Idx { path: path.into(), dimensions, values })
}

/// The dimensions in a file's header.
fn read_header(path: &Path, reader: &mut impl Read, failed: &impl Fn(std::io::Error) -> Error) -> Result<Vec<usize>> {
    let wrong = |message: String| Err(Error::at(Place::file(path), message));
    let mut magic = Vec::new();
    reader.take(4).read_to_end(&mut magic).map_err(failed)?;
    let &[0, 0, kind, count @ 1..=u8::MAX] = &magic[..] else {
        let begins = format!("it must begin with 00 00 08 and the number of dimensions, but begins with {magic:02x?}");
        return wrong(format!("it is no IDX file: {begins}: fetch it again, or unpack it"));
    };
    if kind != 8 {
        let name = match kind {
            0x09 => "signed bytes",
            0x0b => "16-bit integers",
            0x0c => "32-bit integers",
            0x0d => "32-bit floats",
            0x0e => "64-bit floats",
            _ => "an unknown type",
        };
        return wrong(format!("its values are of type code {kind:#04x} ({name}), but only 0x08 (unsigned bytes) is read"));
    }
    if usize::from(count) > MOST_DIMENSIONS {
        return wrong(format!("its header says that it has {count} dimensions, more than the {MOST_DIMENSIONS} that are read"));
    }
    let mut sizes = Vec::new();
    reader.take(4 * u64::from(count)).read_to_end(&mut sizes).map_err(failed)?;
    if sizes.len() < 4 * usize::from(count) {
        let (wanted, found) = (4 + 4 * usize::from(count), 4 + sizes.len());
        let what = format!("a header of {count} dimension{} has {wanted} bytes, but the file {found}", if count == 1 { "" } else { "s" });
        return wrong(format!("it is too short: {what}: fetch it again"));
    }
    Ok(sizes.chunks_exact(4).map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize).collect())
}
