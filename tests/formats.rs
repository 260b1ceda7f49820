//! Files of columns as NumPy, pandas, pyarrow and safetensors write them (tests/golden/formats.py): the values are those the script states.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::data::{Cells, GAP, Gaps, Kind, Role, TableFile, Wanted, open_table};
use std::path::PathBuf;

const HEIGHT: [f32; 5] = [1.5, -2.25, f32::NAN, 1e10, 0.0];
const COUNT: [f32; 5] = [3.0, -1.0, 7.0, 127.0, 0.0];
const SEEN: [f32; 5] = [1.0, 0.0, 1.0, 1.0, 0.0];
const CODE: [f32; 5] = [0.0, 1.0, 0.0, 2.0, 1.0];
#[cfg(feature = "parquet")]
const KIND: [&str; 5] = ["red", "blue", "red", "grün", "blue"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats").join(name)
}

fn cells(file: &mut dyn TableFile, column: &str, kind: Kind) -> Cells {
    let column = file.column(column, "feature").unwrap();
    let frame = file.read_all(&[Wanted { column, role: Role::Feature, kind, gaps: Gaps::Keep }]).unwrap();
    frame.into_columns().remove(0).cells
}

fn numbers(file: &mut dyn TableFile, column: &str) -> Vec<f32> {
    match cells(file, column, Kind::Numbers) {
        Cells::Numbers(values) => values,
        Cells::Words { .. } => panic!("numbers were asked for"),
    }
}

fn words(file: &mut dyn TableFile, column: &str, kind: Kind) -> Vec<String> {
    match cells(file, column, kind) {
        Cells::Words { of, words } => {
            of.iter().map(|&code| if code == GAP { String::new() } else { words[code as usize].clone() }).collect()
        }
        Cells::Numbers(_) => panic!("words were asked for"),
    }
}

/// Compares values, where a gap is equal to a gap.
fn assert_values(what: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let same = found.iter().zip(wanted).all(|(found, wanted)| found == wanted || (found.is_nan() && wanted.is_nan()));
    assert!(same, "{what}: {found:?} instead of {wanted:?}");
}

fn assert_columns(name: &str, columns: &[(&str, [f32; 5])]) {
    let mut file = open_table(path(name)).unwrap();
    for (column, wanted) in columns {
        assert_values(&format!("{name}, {column}"), &numbers(&mut *file, column), wanted);
    }
}

#[test]
fn arrays_of_every_kind_have_the_values_that_were_saved() {
    for name in ["f64.npy", "f32.npy", "columns.npy", "big_endian.npy"] {
        assert_eq!(open_table(path(name)).unwrap().header(), ["0", "1", "2", "3"]);
        assert_columns(name, &[("0", HEIGHT), ("1", COUNT), ("2", SEEN), ("3", CODE)]);
    }
    for name in ["i1.npy", "i2.npy", "i4.npy", "i8.npy"] {
        assert_columns(name, &[("0", COUNT)]);
    }
    for name in ["u1.npy", "u2.npy", "u4.npy", "u8.npy"] {
        assert_columns(name, &[("0", COUNT.map(|value| value.max(0.0)))]);
    }
    assert_columns("bool.npy", &[("0", SEEN)]);
}

#[test]
fn each_array_of_several_is_a_column_or_has_numbered_ones() {
    let mut names = vec!["x.safetensors"];
    names.extend(if cfg!(feature = "npz") { &["plain.npz", "packed.npz"][..] } else { &[] });
    for name in names {
        assert_columns(name, &[("x_0", HEIGHT), ("x_1", COUNT), ("seen", SEEN), ("code", CODE)]);
        let mut file = open_table(path(name)).unwrap();
        let scan = file.scan().unwrap();
        let of = |column: &str| &scan.columns[file.column(column, "feature").unwrap()];
        assert_eq!((scan.rows, scan.columns.len()), (5, 4));
        assert_eq!((of("x_0").numbers, of("x_0").gaps, of("x_0").whole), (4, 1, false));
        assert_eq!(of("code").distinct, [0.0, 1.0, 2.0]);
        assert_eq!(words(&mut *file, "code", Kind::Labels), ["0", "1", "0", "2", "1"]);
        let known = Kind::Known(vec!["1".into(), "2".into()]);
        assert_eq!(words(&mut *file, "code", known), ["", "1", "", "2", "1"]);
    }
}

#[test]
#[cfg(feature = "parquet")]
fn parquet_files_have_the_values_that_were_written() {
    for name in ["snappy.parquet", "gzip.parquet", "lz4.parquet", "none.parquet", "groups.parquet"] {
        let mut file = open_table(path(name)).unwrap();
        assert_eq!(file.header(), ["height", "count", "seen", "kind"]);
        assert_columns(name, &[("height", HEIGHT), ("count", COUNT), ("seen", SEEN)]);
        assert_eq!(words(&mut *file, "kind", Kind::Words), KIND, "{name}");
        assert_eq!(words(&mut *file, "count", Kind::Labels), ["3", "-1", "7", "127", "0"]);
        let scan = file.scan().unwrap();
        assert_eq!((scan.rows, scan.columns[0].gaps, scan.columns[3].words), (5, 1, 5), "{name}");
    }
    assert_columns("unsigned.parquet", &[("small", [255.0, 0.0, f32::NAN, 1.0, 2.0]), ("large", [4_294_967_295.0, 0.0, 1.0, 2.0, 3.0])]);
    let mut file = open_table(path("unsigned.parquet")).unwrap();
    assert_eq!(file.scan().unwrap().columns[2].gaps, 5, "a column of nulls");
}

#[test]
#[cfg(feature = "parquet")]
fn dates_of_parquet_files_count_as_dates() {
    for (name, text) in
        [("date.parquet", "2024-01-31"), ("timestamp.parquet", "2024-01-31 12:30:00"), ("int96.parquet", "2024-01-31 12:30:00")]
    {
        let scan = open_table(path(name)).unwrap().scan().unwrap();
        assert_eq!((scan.columns[1].dates, scan.columns[1].first_word.as_ref().unwrap().1.as_str()), (5, text), "{name}");
    }
}
