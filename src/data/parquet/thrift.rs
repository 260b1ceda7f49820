//! The books of a Parquet file, its footer and the headers of its pages, looked at before they are believed. They are structs of Thrift's compact protocol.
//!
//! The parquet crate reads a field by its number, of whatever type it says that it is, and passes over one that it does not know for as many elements as
//! it says that it has, be they truth values that take no byte. So what goes on to it is what the format's own definition (parquet.thrift) says, and no
//! list has more elements than bytes.

use Kind::{Bool, Byte, Bytes, Double, Exactly, Int, List, Struct};

/// The fields that a struct is known to have, by their numbers. Others are passed over.
type Fields = &'static [(u8, Kind)];

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    Byte,
    /// Of any width: they are written alike.
    Int,
    Double,
    /// Text, too.
    Bytes,
    List(&'static Kind),
    Struct(Fields),
    /// A struct with all of its fields in their order, and no others: it is read without a look at them.
    Exactly(Fields),
}

const EMPTY: Kind = Struct(&[]);
const UNIT: Kind = Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]);
const TIME: Kind = Struct(&[(1, Bool), (2, UNIT)]);
const LOGICAL_TYPE: Kind = Struct(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Struct(&[(1, Int), (2, Int)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Bytes)])),
    (18, Struct(&[(1, Bytes), (2, Int)])),
]);
const SCHEMA_ELEMENT: Kind =
    Struct(&[(1, Int), (2, Int), (3, Int), (4, Bytes), (5, Int), (6, Int), (7, Int), (8, Int), (9, Int), (10, LOGICAL_TYPE)]);
const KEY_VALUE: Kind = Struct(&[(1, Bytes), (2, Bytes)]);
const STATISTICS: Kind = Struct(&[(1, Bytes), (2, Bytes), (3, Int), (4, Int), (5, Bytes), (6, Bytes), (7, Bool), (8, Bool), (9, Int)]);
const BOUNDING_BOX: Kind =
    Struct(&[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)]);
const COLUMN_META_DATA: Kind = Struct(&[
    (1, Int),
    (2, List(&Int)),
    (3, List(&Bytes)),
    (4, Int),
    (5, Int),
    (6, Int),
    (7, Int),
    (8, List(&KEY_VALUE)),
    (9, Int),
    (10, Int),
    (11, Int),
    (12, STATISTICS),
    (13, List(&Exactly(&[(1, Int), (2, Int), (3, Int)]))),
    (14, Int),
    (15, Int),
    (16, Struct(&[(1, Int), (2, List(&Int)), (3, List(&Int))])),
    (17, Struct(&[(1, BOUNDING_BOX), (2, List(&Int))])),
]);
const COLUMN_CHUNK: Kind = Struct(&[(1, Bytes), (2, Int), (3, COLUMN_META_DATA), (4, Int), (5, Int), (6, Int), (7, Int)]);
const ROW_GROUP: Kind = Struct(&[
    (1, List(&COLUMN_CHUNK)),
    (2, Int),
    (3, Int),
    (4, List(&Struct(&[(1, Int), (2, Bool), (3, Bool)]))),
    (5, Int),
    (6, Int),
    (7, Int),
]);
/// The footer.
pub(super) const FILE_META_DATA: Kind = Struct(&[
    (1, Int),
    (2, List(&SCHEMA_ELEMENT)),
    (3, Int),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Bytes),
    (7, List(&Struct(&[(1, EMPTY), (2, EMPTY)]))),
]);
/// The header of a page.
pub(super) const PAGE_HEADER: Kind = Struct(&[
    (1, Int),
    (2, Int),
    (3, Int),
    (4, Int),
    (5, Struct(&[(1, Int), (2, Int), (3, Int), (4, Int), (5, STATISTICS)])),
    (6, EMPTY),
    (7, Struct(&[(1, Int), (2, Int), (3, Bool)])),
    (8, Struct(&[(1, Int), (2, Int), (3, Int), (4, Int), (5, Int), (6, Int), (7, Bool), (8, STATISTICS)])),
]);

/// Structs and lists within each other, at most: the deepest that is known has eight.
const DEPTH: u32 = 16;

/// How many bytes a struct at the front of these has; `None` where it is not what it should be, or does not end.
pub(super) fn length(bytes: &[u8], of: &Kind) -> Option<usize> {
    let mut rest = bytes;
    value(&mut rest, STRUCT, Some(of), DEPTH)?;
    Some(bytes.len() - rest.len())
}

/// A number in parts of seven bits, the lowest first, from the front of bytes; `None` where it has more than 64, or no end.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Passes over a value of a type of the protocol, which must be of a kind where one is known.
fn value(bytes: &mut &[u8], wire: u8, of: Option<&Kind>, depth: u32) -> Option<()> {
    match (wire, of) {
        // it is its own type
        (1 | 2, None | Some(Bool)) => Some(()),
        (3, None | Some(Byte)) => pass(bytes, 1),
        (4..=6, None | Some(Int)) => varint(bytes).map(drop),
        (7, None | Some(Double)) => pass(bytes, 8),
        (8, None | Some(Bytes)) => varint(bytes).and_then(|length| pass(bytes, length)),
        (LIST, None) => list(bytes, None, depth.checked_sub(1)?),
        (LIST, Some(List(of))) => list(bytes, Some(of), depth.checked_sub(1)?),
        (STRUCT, None) => fields(bytes, &[], depth.checked_sub(1)?).map(drop),
        (STRUCT, Some(Struct(of))) => fields(bytes, of, depth.checked_sub(1)?).map(drop),
        (STRUCT, Some(Exactly(of))) => {
            let found = fields(bytes, of, depth.checked_sub(1)?)?;
            found.iter().eq(of.iter().map(|(number, _)| number)).then_some(())
        }
        // sets, maps and identifiers are nowhere in the format
        _ => None,
    }
}

fn pass(bytes: &mut &[u8], count: u64) -> Option<()> {
    *bytes = bytes.get(usize::try_from(count).ok()?..)?;
    Some(())
}

/// The elements of a list: their number and their type in a byte, or the number behind it.
fn list(bytes: &mut &[u8], of: Option<&Kind>, depth: u32) -> Option<()> {
    let (&header, rest) = bytes.split_first()?;
    *bytes = rest;
    let count = if header >> 4 == 15 { varint(bytes)? } else { u64::from(header >> 4) };
    // nor are lists of truth values; all others have a byte each at least
    if count > bytes.len() as u64 || (count > 0 && matches!(header & 15, 1 | 2)) {
        return None;
    }
    (0..count).try_for_each(|_| value(bytes, header & 15, of, depth))
}

/// The fields of a struct: the numbers of those that it has.
fn fields(bytes: &mut &[u8], of: Fields, depth: u32) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    loop {
        let (&header, rest) = bytes.split_first()?;
        *bytes = rest;
        if header == 0 {
            return Some(found);
        }
        // by how much the number is larger than the last one; all writers begin a number anew only where it is not
        let step = header >> 4;
        let number = found.last().copied().unwrap_or(0u8).checked_add((step > 0).then_some(step)?)?;
        let of = of.iter().find(|(known, _)| *known == number).map(|(_, of)| of);
        value(bytes, header & 15, of, depth)?;
        found.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_is_as_long_as_it_is_when_it_is_what_it_should_be() {
        // field 1 an i32, and so are 2 and 3; field 5 a struct of 1 to 4, i32 each; what follows is not its own
        let page = [0x15, 0, 0x15, 20, 0x15, 20, 0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0, 99];
        assert_eq!(length(&page, &PAGE_HEADER), Some(page.len() - 1));
        for short in 0..page.len() - 1 {
            assert_eq!(length(&page[..short], &PAGE_HEADER), None);
        }
        let of = |bytes: &[u8]| length(bytes, &Struct(&[(1, Int), (2, List(&Int)), (3, Exactly(&[(1, Int), (2, Int)]))]));
        // an i64 of two bytes; a field that nobody knows: 9, a list of two doubles
        assert_eq!(of(&[0x16, 0x80, 1, 0x89, 0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(22));
        // 20 elements, with their number behind the type
        let many = [&[0x29, 0xf5, 20][..], &[1; 20], &[0]].concat();
        assert_eq!(of(&many), Some(24));
        for (wrong, bytes) in [
            ("text for a number", &[0x18, 1, 65, 0][..]),
            ("a list of text for one of numbers", &[0x29, 0x18, 1, 65, 0]),
            ("more elements than bytes", &[0x29, 0xf5, 0xff, 0xff, 0xff, 0x7f, 1, 0]),
            ("truth values without a byte", &[0x99, 0xf1, 0xff, 0xff, 0xff, 0x7f, 1, 0]),
            ("a field of the one before", &[0x15, 1, 0x05, 2, 1, 0]),
            ("a map", &[0x9b, 0xff, 0xff, 0xff, 0x7f, 0x11, 0]),
            ("one field of two", &[0x3c, 0x15, 1, 0, 0]),
            ("more than two fields", &[0x3c, 0x15, 1, 0x15, 1, 0x15, 1, 0, 0]),
            ("text of more bytes than there are", &[0x98, 5, 65, 0]),
        ] {
            assert_eq!(of(bytes), None, "{wrong}");
        }
        assert_eq!(of(&[0x3c, 0x15, 1, 0x15, 1, 0, 0]), Some(7));
        // deeper than anything is
        assert_eq!((of(&[0x9c; 15]), of(&[[0x9c; 15], [0; 15]].concat())), (None, None));
    }
}
