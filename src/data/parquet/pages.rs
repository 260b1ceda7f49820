//! The pages of a Parquet file, looked at before anything is made of them: their headers say how much memory to ask for, and may say anything.

use crate::data::packed;
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Magic and the length of the footer, at the end of a file.
const TAIL: u64 = 8;

/// A file whose pages unpack to no more than a packed file of its length may.
pub(super) struct Pages {
    file: File,
    length: u64,
}

impl Pages {
    pub(super) fn new(file: File) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Pages { file, length })
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// Where a page begins, or the tail.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut reader = self.file.get_read(start)?;
        if self.length.checked_sub(TAIL).is_none_or(|tail| start < tail) {
            let most = packed::most(self.length);
            match unpacked_size(reader.fill_buf()?) {
                Some(size) if size <= most => {}
                Some(size) => {
                    let length = self.length;
                    return Err(ParquetError::General(format!(
                        "a page unpacks to {size} bytes, but those of a file of {length} to {most} at most"
                    )));
                }
                None => return Err(ParquetError::General("a page's header does not begin as those of all writers do".into())),
            }
        }
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match start.checked_add(length as u64) {
            Some(end) if end <= self.length => self.file.get_bytes(start, length),
            _ => Err(ParquetError::EOF(format!("{length} bytes from byte {start} on are beyond its end, {}", self.length))),
        }
    }
}

/// How many bytes a page says that it unpacks to: the second field of its header, in Thrift's compact protocol, behind that of its type.
fn unpacked_size(header: &[u8]) -> Option<u64> {
    /// The next field, an `i32`.
    const NEXT: u8 = 0x15;
    let mut bytes = header.iter().copied();
    let mut field = || {
        let mut value = 0u64;
        (bytes.next()? == NEXT).then_some(())?;
        for place in 0..5 {
            let byte = bytes.next()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                // zigzag; what is below 0 is refused as too much
                return Some(if value & 1 == 0 { value >> 1 } else { u64::MAX });
            }
        }
        None
    };
    field()?;
    field()
}

/// The pages of a column, none of which says that it holds what it cannot.
pub(super) struct Checked {
    pages: Box<dyn PageReader>,
    has_levels: bool,
    has_dictionary: bool,
}

impl Checked {
    /// The pages of a column; one that has no nulls has no levels.
    pub(super) fn new(pages: Box<dyn PageReader>, has_levels: bool) -> Self {
        Checked { pages, has_levels, has_dictionary: false }
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check(page, self.has_levels, self.has_dictionary)?;
            self.has_dictionary |= matches!(page, Page::DictionaryPage { .. });
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

impl Iterator for Checked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

#[expect(deprecated, reason = "old files have levels that are packed so")]
fn check(page: &Page, has_levels: bool, has_dictionary: bool) -> Result<()> {
    let wrong = |what: &str| Err(ParquetError::General(format!("a page of {} bytes {what}", page.buffer().len())));
    if matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY)
        && !matches!(page, Page::DictionaryPage { .. })
        && !has_dictionary
    {
        return wrong("is of words of a dictionary, and there is none before it");
    }
    match page {
        Page::DataPage { def_level_encoding, .. } if has_levels && !matches!(def_level_encoding, Encoding::RLE | Encoding::BIT_PACKED) => {
            wrong(&format!("has levels that are said to be packed as {def_level_encoding}"))
        }
        // room is made for all of them; each has a byte at least, as truth values have no dictionary
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
            wrong(&format!("is said to be a dictionary of {num_values} values"))
        }
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. }
            if u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len) > buf.len() as u64 =>
        {
            wrong(&format!("is said to have {def_levels_byte_len} and {rep_levels_byte_len} bytes of levels"))
        }
        _ => Ok(()),
    }
}
