//! Files of columns from other tools that cannot be read, whole ones (tests/golden/formats.py) and damaged ones: each is refused with its place and
//! the remedy. Those that can be read are in tests/formats.rs.

use super::bench::{Bench, Said, idx};
use std::path::Path;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats").join(name)).unwrap()
}

/// Exit code 2, one error, that begins with the file and says all of this, and nothing else.
fn refused(what: &str, said: &Said, file: &str, parts: &[&str]) {
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{what}: {said:?}");
    let errors: Vec<&str> = said.err.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("{what}: {said:?}") };
    let place = error.find(file).unwrap_or_else(|| panic!("{what}: no {file} in {error}"));
    assert!(parts.iter().all(|part| error[place..].contains(part)), "{what}: {parts:?} are not all in {error}");
    assert!(!said.err.contains("panicked"), "{what}: {said:?}");
}

#[test]
fn golden_files_that_cannot_be_read_are_refused_with_the_remedy() {
    let bench = Bench::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("zstd.parquet", "height", &["column `height` is packed with ZSTD", "write the file with compression=\"snappy\""]),
        ("brotli.parquet", "height", &["column `height` is packed with BROTLI", "write the file with compression=\"snappy\""]),
        ("delta.parquet", "height", &["column `count` is coded as DELTA_BINARY_PACKED", "write the file with its writer's defaults"]),
        ("nested.parquet", "height", &["column `at` is nested", "write its parts as columns of their own"]),
        ("decimal.parquet", "height", &["column `at` is of a type that is not read", "write it as double or text"]),
        ("no_rows.parquet", "height", &["the file has columns, but no rows"]),
        ("half.npy", "0", &["values of the type <f2", ".astype(\"float32\")"]),
        ("text.npy", "0", &["values of the type <U4", "for text, save a csv file"]),
        ("cube.npy", "0", &["the array has the shape [5, 2, 2]", "reshape it to one row for each example"]),
        ("no_rows.npy", "0", &["the array has the shape [0, 3]", "no rows"]),
        ("ragged.npz", "x", &["the array `x` has 5 rows, but the array `y` has 3", "save those of one data set in a file of their own"]),
        ("twice.npz", "x_1", &["column `x_0` is there twice", "rename one"]),
        ("half.safetensors", "x", &["the array `x` holds values of the type F16", "convert it to F32"]),
    ];
    for (name, target, parts) in cases {
        bench.write(name, golden(name));
        for command in ["inspect FILE", "new FILE --target T", "train FILE --target T --device cpu --out run", "check FILE --target T"] {
            let command = command.replace("FILE", name).replace('T', target);
            refused(&command, &bench.run(&command), name, parts);
        }
        assert!(!bench.path("run").exists(), "{name}: something is left behind");
    }
}

#[test]
fn dates_of_parquet_files_are_refused_as_features_with_the_remedy() {
    let bench = Bench::new();
    for name in ["date.parquet", "timestamp.parquet", "int96.parquet"] {
        bench.write(name, golden(name));
        let said = bench.run(&format!("train {name} --target kind --device cpu --set data.missing=zero --out run"));
        refused(name, &said, name, &["feature `at` holds dates", "2024-01-31", "make columns of them"]);
    }
}

/// Every tenth length, and each of the first and last twelve.
fn lengths(whole: usize) -> impl Iterator<Item = usize> {
    (0..12).chain((1..10).map(move |tenth| whole * tenth / 10)).chain(whole - 12..whole)
}

#[test]
fn files_that_were_cut_short_are_refused_at_any_length() {
    let bench = Bench::new();
    for (name, parts) in [
        ("snappy.parquet", ["it is not a Parquet file, or one that is damaged or cut short", "write or fetch it again"].as_slice()),
        ("groups.parquet", &["it is not a Parquet file, or one that is damaged or cut short", "write or fetch it again"]),
        ("f64.npy", &["f64.npy: ", "fetch"]),
        ("packed.npz", &["it is no NPZ archive, or one that was cut short", "save it"]),
        ("x.safetensors", &["it is not a safetensors file, or a damaged one", "save or fetch it again"]),
    ] {
        let whole = golden(name);
        for length in lengths(whole.len()) {
            bench.write(name, &whole[..length]);
            refused(&format!("{name} of {length} bytes"), &bench.run(&format!("inspect {name}")), name, parts);
        }
        bench.write(name, &whole).good(&format!("inspect {name}"));
    }
    // of an array without its last byte it is said what is missing
    bench.write("f64.npy", &golden("f64.npy")[..287]);
    refused(
        "f64.npy",
        &bench.run("inspect f64.npy"),
        "f64.npy",
        &["the array is too short: its header says [5, 4], which is 160 bytes, but 159 follow"],
    );
}

#[test]
fn idx_files_that_were_cut_short_or_lie_are_refused() {
    let bench = Bench::new();
    let (images, labels) = (idx(&[8, 2, 2], &[7; 32]), idx(&[8], &[0, 1, 0, 1, 0, 1, 0, 1]));
    bench.write("labels", &labels);
    bench.write("c.toml", "[data]\npath = \"images\"\nlabels = \"labels\"\n[model]\nhidden = [4]\n[train]\nepochs = 1\n");
    let train = "train c.toml --device cpu --out run";
    for length in 0..images.len() {
        bench.write("images", &images[..length]);
        refused(&format!("{length} bytes"), &bench.run(train), "images", &["images: ", "fetch it again"]);
    }
    bench.write("images", &images);
    for length in 0..labels.len() {
        bench.write("labels", &labels[..length]);
        refused(&format!("{length} bytes of labels"), &bench.run(train), "labels", &["labels: ", "fetch it again"]);
    }
    // a header that promises 2³² − 1 images, and one of fewer than there are bytes for
    for (what, count) in [("too many", u32::MAX), ("too few", 7)] {
        bench.write("labels", &labels).write("images", idx(&[count, 2, 2], &[7; 32]));
        refused(what, &bench.run(train), "images", &["images: ", "fetch it again"]);
    }
    assert!(!bench.path("run").exists());
}
