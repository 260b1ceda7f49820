//! The pages of a Parquet file, looked at before anything is made of them: their headers say how much memory to ask for, and may say anything.

use super::thrift::{FILE_META_DATA, PAGE_HEADER, length, varint};
use crate::data::packed;
use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Magic and the length of the footer, at the end of a file.
const TAIL: u64 = 8;

/// Whether values so coded are read. The decoders of the others take the lengths in a page for granted, and panic where they are wrong.
#[expect(deprecated, reason = "old writers name it among the codings of a column, for levels of which it has none")]
pub(super) fn is_read(encoding: Encoding) -> bool {
    use Encoding::{BIT_PACKED, PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY};
    matches!(encoding, PLAIN | PLAIN_DICTIONARY | RLE_DICTIONARY | RLE | BIT_PACKED)
}

/// A file whose books are what they should be, and whose pages unpack to no more than a packed file of its length may.
pub(super) struct Pages {
    file: File,
    length: u64,
}

impl Pages {
    /// Errors where the file cannot be read, or its footer is not what it should be. Whether it has one at all is not looked at.
    pub(super) fn new(file: File) -> Result<Self> {
        let pages = Pages { length: file.metadata()?.len(), file };
        let Some(tail) = pages.length.checked_sub(TAIL) else { return Ok(pages) };
        if let Some((size, b"PAR1")) = pages.file.get_bytes(tail, TAIL as usize)?.split_first_chunk::<4>()
            && let size = u32::from_le_bytes(*size)
            && let Some(start) = tail.checked_sub(size.into())
            && length(&pages.file.get_bytes(start, size as usize)?, &FILE_META_DATA).is_none()
        {
            return Err(ParquetError::General("its footer is not what it should be".into()));
        }
        Ok(pages)
    }

    /// The header of a page, and what follows; one that is not what it should be is an error. `head` is what has been read of it.
    fn header<'a>(&self, start: u64, head: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        if length(head, &PAGE_HEADER).is_some() {
            return Ok(head.into());
        }
        // one with long texts in its statistics goes on
        for most in [1 << 16, 1 << 24] {
            let mut bytes = Vec::new();
            self.file.get_read(start)?.take(most).read_to_end(&mut bytes)?;
            if length(&bytes, &PAGE_HEADER).is_some() {
                return Ok(bytes.into());
            }
            if (bytes.len() as u64) < most {
                break;
            }
        }
        Err(ParquetError::General("a page's header is not what it should be".into()))
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
        if self.length.checked_sub(TAIL) != Some(start) {
            let most = packed::most(self.length);
            match unpacked_size(&self.header(start, reader.fill_buf()?)?) {
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
fn unpacked_size(mut header: &[u8]) -> Option<u64> {
    /// The next field, an `i32`.
    const NEXT: u8 = 0x15;
    let mut field = || {
        let (&NEXT, mut rest) = header.split_first()? else { return None };
        let value = varint(&mut rest)?;
        header = rest;
        // zigzag; what is below 0 is refused as too much
        Some(if value & 1 == 0 { value >> 1 } else { u64::MAX })
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
        if !is_read(page.encoding()) {
            return wrong(&format!("is coded as {}, which is not read", page.encoding()));
        }
        if of_dictionary && !matches!(page, Page::DictionaryPage { .. }) && !self.has_dictionary {
            return wrong("is of words of a dictionary, and there is none before it");
        }
        // values follow upon them
        let levels = match page {
            // room is made for all of them; each has a byte at least, as truth values have no dictionary
            Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
                return wrong(&format!("is said to be a dictionary of {num_values} values"));
            }
            Page::DataPage { def_level_encoding: Encoding::RLE, buf, .. } if self.has_levels => match behind_length(buf) {
                Some((length, _)) => 4..4 + length,
                None => return wrong("has levels that do not fit in"),
            },
            Page::DataPage { .. } if self.has_levels => return wrong("has levels that are coded as those of no writer are"),
            Page::DictionaryPage { .. } | Page::DataPage { .. } => 0..0,
            // levels of repetition come first
            Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, .. } => {
                let [first, second] = [*rep_levels_byte_len, *def_levels_byte_len].map(|length| length as usize);
                first..first.saturating_add(second)
            }
        };
        let (Some(values), Some(levels)) = (page.buffer().get(levels.end..), page.buffer().get(levels)) else {
            return wrong("has levels that do not fit in");
        };
        let all = page.num_values() as usize;
        // those of a dictionary itself are plain, whatever it says
        let (count, encoding) = match page {
            Page::DictionaryPage { .. } => (Some(all), Encoding::PLAIN),
            _ if self.has_levels => (present(levels, all), page.encoding()),
            _ => (Some(all), page.encoding()),
        };
        match count {
            None => wrong("has fewer levels than values"),
            Some(count) if !fit(values, count, encoding, self.of) => wrong("has values that do not fit in"),
            Some(_) => Ok(()),
        }
    }
}

/// How many of so many levels are 1, not 0: how many values there are that are no nulls. Levels come in runs of one of the two, or a bit each. `None`
/// where there are not as many.
fn present(mut levels: &[u8], count: usize) -> Option<usize> {
    let (mut left, mut ones) = (count, 0);
    while left > 0 {
        let header = u32::try_from(varint(&mut levels)?).ok()?;
        let length = (header >> 1) as usize;
        if length == 0 {
            return None;
        }
        if header & 1 == 0 {
            let (&level, rest) = levels.split_first()?;
            let run = length.min(left);
            ones += run * usize::from((level <= 1).then_some(level)?);
            (left, levels) = (left - run, rest);
        } else {
            // eight to a byte, and the last byte may hold more than there are
            let (run, rest) = levels.split_at_checked(length.min(left.div_ceil(8)))?;
            for byte in run {
                let bits = left.min(8);
                ones += (byte & (0xff >> (8 - bits))).count_ones() as usize;
                left -= bits;
            }
            levels = rest;
        }
    }
    Some(ones)
}

/// Whether so many values fit into their bytes, as far as the decoder does not look itself.
fn fit(mut values: &[u8], count: usize, encoding: Encoding, of: Type) -> bool {
    match (encoding, of) {
        (Encoding::PLAIN, Type::BYTE_ARRAY) => (0..count).all(|_| {
            behind_length(values).is_some_and(|(length, rest)| {
                values = &rest[length..];
                true
            })
        }),
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
        let plain = |bytes: &[u8], count| fit(bytes, count, Encoding::PLAIN, Type::BYTE_ARRAY);
        assert!(plain(&texts, 2) && plain(&texts, 1) && plain(&[], 0));
        assert!(!plain(&texts, 3) && !plain(&texts[..9], 2) && !plain(&texts[..5], 1) && !plain(&[255; 8], 1));
        assert!([(3, false), (4, true)].into_iter().all(|(len, fits)| fit(&vec![0; len], 1, Encoding::RLE, Type::BOOLEAN) == fits));
    }

    #[test]
    fn levels_are_counted() {
        // nine in a run: 9 << 1, then the level
        assert_eq!([0, 1].map(|level| present(&[18, level], 9)), [Some(0), Some(9)]);
        // two bytes of bits: 2 << 1 | 1; of the eleventh and later bits nothing is looked at
        assert_eq!(present(&[5, 0b1010_0101, 0b1111_1110], 10), Some(4 + 1));
        // three of them in a run, and five of eight bits
        assert_eq!(present(&[6, 1, 3, 0b1110_1001], 8), Some(3 + 2));
        // a run of 300 is 600 in two bytes: 600 = 0b100 1011000
        assert_eq!(present(&[0b1101_1000, 0b100, 1], 300), Some(300));
        for short in [&[18, 1][..], &[18], &[3], &[0, 1], &[18, 2], &[255; 6], &[]] {
            assert_eq!(present(short, 10), None, "{short:?}");
        }
    }
}
