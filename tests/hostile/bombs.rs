//! Packed files of some kilobytes that unpack to hundreds of megabytes, or say so: refused with the numbers, in little memory.

use flate2::Compression;
use flate2::write::GzEncoder;
use gradus::Result;
use gradus::data::{TableOptions, open_table, read_columns, read_idx_images};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What reading one may allocate at one time: less than half of what most unpack to.
const MOST: u64 = 128 << 20;
/// In a debug build.
const LONGEST: Duration = Duration::from_secs(30);
/// What they unpack to.
const BOMB: u64 = 300 << 20;

fn gzip(mut content: impl Read) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(6));
    std::io::copy(&mut content, &mut packed).unwrap();
    packed.finish().unwrap()
}

fn idx(dimensions: &[u32]) -> Vec<u8> {
    [vec![0, 0, 8, dimensions.len() as u8], dimensions.iter().flat_map(|size| size.to_be_bytes()).collect()].concat()
}

/// A text, again and again.
struct Again(&'static [u8], usize);

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        for byte in into.iter_mut() {
            *byte = self.0[self.1];
            self.1 = (self.1 + 1) % self.0.len();
        }
        Ok(into.len())
    }
}

fn again(text: &'static [u8], length: u64) -> impl Read {
    Again(text, 0).take(length)
}

/// An archive with an array of bytes, all 0, whose header says its true shape.
fn npz(bytes: u64) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("x.npy", zip::write::SimpleFileOptions::default().large_file(true)).unwrap();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({}, 1024), }}", bytes / 1024);
    let padded = format!("{header:117}\n");
    archive.write_all(&[b"\x93NUMPY\x01\x00", &(padded.len() as u16).to_le_bytes()[..], padded.as_bytes()].concat()).unwrap();
    std::io::copy(&mut again(&[0], bytes), &mut archive).unwrap();
    archive.finish().unwrap().into_inner()
}

/// A file with one column.
fn parquet(column: &str, write: impl FnOnce(&mut SerializedFileWriter<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = parquet::schema::parser::parse_message_type(&format!("message m {{ REQUIRED {column}; }}")).unwrap();
    let packed = parquet::basic::Compression::GZIP(Default::default());
    let properties = WriterProperties::builder().set_compression(packed).set_dictionary_enabled(false).build();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    write(&mut writer);
    writer.close().unwrap();
    bytes
}

/// A value of many letters.
fn long_text(bytes: u64) -> Vec<u8> {
    parquet("BYTE_ARRAY x (UTF8)", |writer| {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let text = ByteArray::from(vec![b'a'; bytes as usize]);
        column.typed::<ByteArrayType>().write_batch(&[text], None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    })
}

/// Many values, all 0.
fn many_values(count: usize) -> Vec<u8> {
    parquet("INT32 x", |writer| {
        let zeros = vec![0; 1 << 20];
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        for _ in 0..count >> 20 {
            column.typed::<Int32Type>().write_batch(&zeros, None, None).unwrap();
        }
        column.close().unwrap();
        group.close().unwrap();
    })
}

fn read(path: &Path) -> Result<()> {
    match path.extension().is_some_and(|ending| ending == "idx") {
        true => read_idx_images(path).map(drop),
        false => open_table(path)?.scan().map(drop),
    }
}

#[test]
fn bombs_are_refused_with_the_numbers_in_little_memory() {
    let table = |header: &'static [u8], text: &'static [u8]| gzip(header.chain(again(text, BOMB)));
    let images = |dimensions: &[u32], follow: u64| gzip(idx(dimensions).chain(again(&[0], follow)));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("says-2.idx", images(&[2, 1, 2], BOMB), "it is too long: its header says [2, 1, 2], which is 4 bytes, but more than"),
        ("says-all.idx", images(&[300, 1024, 1024], BOMB), "its header says [300, 1024, 1024], which is 314572800 bytes, and "),
        ("says-more.idx", images(&[65_535, 1024, 1024], 10), "which is 68718428160 bytes, and 35 packed ones may not be more than"),
        ("rows.csv.gz", table(b"a,b\n", b"1,2\n"), "bytes unpack to more than the "),
        ("field.csv.gz", table(b"a,b\n", b"x"), "bytes unpack to more than the "),
        ("quoted.csv.gz", table(b"a,b\n\"", b"x\n"), "bytes unpack to more than the "),
        ("header.csv.gz", gzip(again(b",", BOMB)), "a line of it has more than the 1048576 columns that are read"),
        ("row.csv.gz", table(b"a,b\n", b","), "a line of it has more than the 1048576 columns that are read"),
        // each field begins on a line of its own
        ("lines.csv.gz", gzip(again(b"\"\n\",", 5 << 20)), "it has 1310721 columns, more than the 1048576 that are read"),
        ("array.npz", npz(BOMB), "may not unpack to more than"),
        ("page.parquet", long_text(BOMB), "a page unpacks to 314572804 bytes, but those of a file of "),
        ("values.parquet", many_values(70 << 20), "it says that it has 73400320 values, and a file of "),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, wanted) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        assert!(bytes.len() < 1 << 20, "{name} has {} bytes", bytes.len());
        let began = Instant::now();
        let mut outcome = Ok(());
        let peak = allocation_counter::measure(|| outcome = read(&path)).bytes_max;
        let message = outcome.map(|()| "it is read").map_err(|e| e.to_string());
        let message = message.unwrap_err();
        assert!(message.contains(wanted) && message.contains(name), "{name}: `{message}` does not say `{wanted}`");
        assert!(peak < MOST, "{name}: {peak} bytes were allocated at one time");
        assert!(began.elapsed() < LONGEST, "{name} takes {:?}", began.elapsed());
    }
}

#[test]
fn what_packs_well_is_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // a thousandfold, of less than 16 MiB
    let path = folder.path().join("a.csv.gz");
    std::fs::write(&path, gzip((&b"a,y\n1,1\n"[..]).chain(again(b"0,0\n", 8 << 20)))).unwrap();
    let columns = read_columns(&mut *open_table(&path).unwrap(), &TableOptions::new("y")).unwrap();
    assert_eq!(columns.features.rows(), (2 << 20) + 1);
    let path = folder.path().join("a.npz");
    std::fs::write(&path, npz(8 << 20)).unwrap();
    assert_eq!(open_table(&path).unwrap().header().len(), 1024);
    let path = folder.path().join("a.idx");
    std::fs::write(&path, gzip(idx(&[8, 1024, 1024]).chain(again(&[0], 8 << 20)))).unwrap();
    assert_eq!(read_idx_images(&path).unwrap().rows(), 8);
}
