//! The pages of a Parquet file, looked at before anything is made of them: their headers say how much memory to ask for, and may say anything.

use crate::data::packed;
use bytes::Bytes;
use parquet::basic::{Encoding, Type};
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
    of: Type,
    has_dictionary: bool,
}

impl Checked {
    /// The pages of a column of values of this type; one that has no nulls has no levels.
    pub(super) fn new(pages: Box<dyn PageReader>, has_levels: bool, of: Type) -> Self {
        Checked { pages, has_levels, of, has_dictionary: false }
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.check(page)?;
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

impl Checked {
    /// What the decoders take for granted. An error where a page does not keep to it.
    fn check(&self, page: &Page) -> Result<()> {
        let wrong = |what: &str| Err(ParquetError::General(format!("a page of {} bytes {what}", page.buffer().len())));
        let of_dictionary = matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if page.encoding() == Encoding::BYTE_STREAM_SPLIT {
            // its decoder takes all of its lengths for granted
            return wrong("is packed as BYTE_STREAM_SPLIT, which is not read: write the file with the writer's defaults");
        }
        if of_dictionary && !matches!(page, Page::DictionaryPage { .. }) && !self.has_dictionary {
            return wrong("is of words of a dictionary, and there is none before it");
        }
        let (begin, encoding) = match page {
            // room is made for all of them; each has a byte at least, as truth values have no dictionary
            Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
                return wrong(&format!("is said to be a dictionary of {num_values} values"));
            }
            Page::DictionaryPage { .. } => (Some(0), Encoding::PLAIN),
            Page::DataPage { buf, num_values, encoding, def_level_encoding, .. } if self.has_levels => {
                (levels(buf, *num_values as usize, *def_level_encoding), *encoding)
            }
            Page::DataPage { encoding, .. } => (Some(0), *encoding),
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, encoding, .. } => {
                ((*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize), *encoding)
            }
        };
        let all_there = matches!(page, Page::DictionaryPage { .. }) || !self.has_levels;
        match begin.and_then(|begin| page.buffer().get(begin..)) {
            None => wrong("has levels that do not fit in"),
            Some(values) if !fit(values, page.num_values() as usize, all_there, encoding, self.of) => {
                wrong("has values that do not fit in")
            }
            Some(_) => Ok(()),
        }
    }
}

/// Where the values begin behind the levels of a page: one bit a value, or runs of them behind their length.
#[expect(deprecated, reason = "old files have levels that are packed so")]
fn levels(page: &[u8], count: usize, encoding: Encoding) -> Option<usize> {
    match encoding {
        Encoding::RLE => behind_length(page).map(|(length, _)| 4 + length),
        Encoding::BIT_PACKED => Some(count.div_ceil(8)),
        _ => None,
    }
}

/// Whether as many values fit into their bytes, as far as the decoder does not look itself. There may be fewer where not all are there: nulls have none.
fn fit(mut values: &[u8], count: usize, all_there: bool, encoding: Encoding, of: Type) -> bool {
    match (encoding, of) {
        (Encoding::PLAIN, Type::BYTE_ARRAY) => {
            for _ in 0..count {
                if values.is_empty() {
                    return !all_there;
                }
                let Some((length, rest)) = behind_length(values) else { return false };
                values = &rest[length..];
            }
            true
        }
        (Encoding::RLE, Type::BOOLEAN) => behind_length(values).is_some(),
        _ => true,
    }
}

/// A length of four bytes, and at least as many bytes behind it.
fn behind_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    (length <= rest.len()).then_some((length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_compared_with_what_is_there() {
        let texts = [&[2, 0, 0, 0][..], b"ab", &[0; 4]].concat();
        let plain = |bytes: &[u8], count| fit(bytes, count, false, Encoding::PLAIN, Type::BYTE_ARRAY);
        assert!(plain(&texts, 2) && plain(&texts, 5) && plain(&[], 3));
        assert!(!plain(&texts[..9], 2) && !plain(&texts[..5], 1) && !plain(&[255; 8], 1));
        let whole = |count| fit(&texts, count, true, Encoding::PLAIN, Type::BYTE_ARRAY);
        assert!(whole(2) && !whole(3), "a dictionary has all of its words");
        assert!([(3, false), (4, true)].into_iter().all(|(len, fits)| fit(&vec![0; len], 1, true, Encoding::RLE, Type::BOOLEAN) == fits));
        assert_eq!((levels(&texts, 9, Encoding::RLE), levels(&texts[..3], 9, Encoding::RLE)), (Some(6), None));
        assert_eq!(levels(&[255; 4], 9, Encoding::RLE), None);
    }
}
