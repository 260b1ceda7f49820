//! How much a packed file may unpack to.

use std::io::{Error, ErrorKind, Read, Result};

/// A packed file may unpack to so many bytes, and to [`RATIO`] times its own size: data pack well, bombs better.
const SURE: u64 = 1 << 24;
const RATIO: u64 = 64;

/// How many bytes a packed file of this length may unpack to.
pub(super) fn most(length: u64) -> u64 {
    length.saturating_mul(RATIO).saturating_add(SURE)
}

/// Unpacks no more than [`most`]; then it is an error of the kind `FileTooLarge`, whose text has the numbers.
pub(super) struct Unpacked<R> {
    reader: R,
    length: u64,
    left: u64,
}

impl<R: Read> Unpacked<R> {
    /// What a packed file of so many bytes is unpacked by.
    pub(super) fn new(reader: R, length: u64) -> Self {
        Unpacked { reader, length, left: most(length) }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.reader.read(into)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                let (length, most) = (self.length, most(self.length));
                let message = format!(
                    "its {length} bytes unpack to more than the {most} that are taken for data: unpack it, and name the file that comes out"
                );
                return Err(Error::new(ErrorKind::FileTooLarge, message));
            }
        }
        Ok(read)
    }
}
