//! Archives of NPY files.

use super::{Array, npy};
use crate::data::packed;
use crate::error::{Error, Place, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// The bytes of all arrays, one after the other, and the arrays.
pub(super) fn open(path: &Path) -> Result<(Vec<u8>, Vec<Array>)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let most = packed::most(length);
    let wrong = |message: String| Error::at(Place::file(path), message);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| {
        wrong(format!("it is no NPZ archive, or one that was cut short ({e}): save it with numpy.savez, or fetch it again"))
    })?;
    let (mut bytes, mut arrays) = (Vec::new(), Vec::<Array>::new());
    for index in 0..archive.len() {
        let mut entry =
            archive.by_index(index).map_err(|e| wrong(format!("its file {index} cannot be read ({e}): save it with numpy.savez")))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_string();
        let mut array = npy::read_header(path, &name, &mut entry)?;
        array.offset = bytes.len() as u64;
        let left = most - bytes.len() as u64;
        // an array that is too large to unpack is not unpacked at all
        let size = array.bytes().filter(|&size| size <= left);
        let Some(size) = size else {
            array.check(path, u64::MAX)?;
            return Err(wrong(format!(
                "the header of {} says {:?}, and the archive of {length} bytes may not unpack to more than {most}: save it with numpy.savez, which does not \
                 pack",
                array.shown(),
                array.shape
            )));
        };
        let found = entry.by_ref().take(size).read_to_end(&mut bytes);
        let found = found.map_err(|e| wrong(format!("{} is damaged ({e}): save or fetch the file again", array.shown())))?;
        array.check(path, found as u64)?;
        arrays.push(array);
    }
    Ok((bytes, arrays))
}
