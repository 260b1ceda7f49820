//! MNIST's IDX files, gzipped or not: images (or other bytes) and their labels.
//!
//! A file is two zero bytes, a byte for the type of the values (8: bytes), a byte for the number of dimensions, each dimension as a
//! big-endian `u32`, and the values, the last dimension running fastest.

mod file;

use super::{Features, Table, Targets};
use crate::error::{Error, Place, Result};
use file::{Idx, read};
use std::path::Path;

/// Images and their labels: features are bytes worth 1/255 each, classes are called `"0"` up to the largest label.
///
/// Features are called `pixel_ROW_COLUMN` (with three dimensions; others have as many numbers as there are dimensions after the
/// first). Whether a file is gzipped is told by its first bytes, not by its name.
///
/// Errors, with the file's name, when a file cannot be read or is damaged, is no IDX file of bytes, is shorter or longer than its
/// header says, when there are not as many labels as images, and when all labels are the same. Memory grows with the bytes that
/// are there, not with what a header claims.
pub fn read_idx_pair(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Table> {
    let (images, labels) = (read_images(images.as_ref())?, read_labels(labels.as_ref())?);
    table(images, labels, None)
}

/// Images without labels, to predict on: as [`read_idx_pair`], but with [`Targets::none`].
pub fn read_idx_images(images: impl AsRef<Path>) -> Result<Table> {
    let images = read_images(images.as_ref())?;
    Table::new(Features::Bytes { data: images.values, scale: 1.0 / 255.0 }, names(&images.dimensions), Targets::none())
}

/// MNIST's folder: the set for training, and the one for the test if it is there. Both have the same classes.
///
/// The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each
/// maybe with `.gz` at its end, or with a dot before `idx`. Errors as [`read_idx_pair`] does, when a file of the training set
/// or one of the two of the test set is missing, and when the images of the two sets differ in size.
pub fn read_idx_folder(folder: impl AsRef<Path>) -> Result<(Table, Option<Table>)> {
    let folder = folder.as_ref();
    if !folder.is_dir() {
        return Err(Error::at(Place::file(folder), "there is no such folder: give one with MNIST's files, or run scripts/get-mnist"));
    }
    let find = |part: &str| candidates(part).into_iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let need = |part: &str| {
        find(part).ok_or_else(|| {
            let looked_for = candidates(part).join(", ");
            Error::at(Place::file(folder), format!("a file is missing: looked for {looked_for}: put it there, or run scripts/get-mnist"))
        })
    };
    let train = (read_images(&need("train-images-idx3")?)?, read_labels(&need("train-labels-idx1")?)?);
    let test = match (find("t10k-images-idx3"), find("t10k-labels-idx1")) {
        (None, None) => None,
        _ => Some((read_images(&need("t10k-images-idx3")?)?, read_labels(&need("t10k-labels-idx1")?)?)),
    };
    let Some(test) = test else { return Ok((table(train.0, train.1, None)?, None)) };
    if train.0.dimensions[1..] != test.0.dimensions[1..] {
        let (a, b) = (&train.0.dimensions[1..], &test.0.dimensions[1..]);
        return Err(Error::at(Place::file(&test.0.path), format!("the test images are of size {b:?}, but those for training of {a:?}")));
    }
    let largest = train.1.values.iter().chain(&test.1.values).max().copied();
    Ok((table(train.0, train.1, largest)?, Some(table(test.0, test.1, largest)?)))
}

/// The names a file of MNIST goes by.
fn candidates(part: &str) -> [String; 4] {
    let dotted = part.replace("-idx", ".idx");
    [format!("{part}-ubyte"), format!("{part}-ubyte.gz"), format!("{dotted}-ubyte"), format!("{dotted}-ubyte.gz")]
}

/// Joins images and labels; classes go up to `largest`, or to the largest label.
fn table(images: Idx, labels: Idx, largest: Option<u8>) -> Result<Table> {
    if images.dimensions[0] != labels.dimensions[0] {
        let (wanted, found) = (images.dimensions[0], labels.dimensions[0]);
        let images = images.path.display();
        return Err(Error::at(
            Place::file(&labels.path),
            format!("there are {found} labels, but {wanted} images in {images}: give the labels of these images"),
        ));
    }
    if labels.values.iter().all(|&label| label == labels.values[0]) {
        let label = labels.values[0];
        return Err(Error::at(Place::file(&labels.path), format!("all labels are {label}: there must be at least two classes")));
    }
    let largest = largest.or_else(|| labels.values.iter().max().copied()).unwrap_or(0);
    let targets = Targets::Classes {
        of: labels.values.iter().map(|&label| label.into()).collect(),
        names: (0..=largest).map(|label| label.to_string()).collect(),
    };
    Table::new(Features::Bytes { data: images.values, scale: 1.0 / 255.0 }, names(&images.dimensions), targets)
}

/// The features' names: `pixel_` and the place within the image.
fn names(dimensions: &[usize]) -> Vec<String> {
    let mut names = vec![String::from("pixel")];
    for &size in &dimensions[1..] {
        names = names.iter().flat_map(|name| (0..size).map(move |i| format!("{name}_{i}"))).collect();
    }
    names
}

fn read_images(path: &Path) -> Result<Idx> {
    let file = read(path)?;
    if file.dimensions.len() < 2 {
        return Err(Error::at(
            Place::file(path),
            "it has one dimension, as labels have, but images are wanted: are the two files swapped?",
        ));
    }
    Ok(file)
}

fn read_labels(path: &Path) -> Result<Idx> {
    let file = read(path)?;
    if file.dimensions.len() != 1 {
        let count = file.dimensions.len();
        return Err(Error::at(Place::file(path), format!("it has {count} dimensions, but labels have one: are the two files swapped?")));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a folder for the test")
    }

    fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
        let header = [0, 0, 8, dimensions.len() as u8].into_iter().chain(dimensions.iter().flat_map(|size| size.to_be_bytes()));
        header.chain(values.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
    }

    fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file for the test");
        path
    }

    #[test]
    fn images_and_labels_make_a_table_gzipped_or_not() {
        let folder = folder();
        let (images, labels) = (idx(&[3, 1, 2], &[0, 255, 7, 8, 9, 10]), idx(&[3], &[2, 0, 2]));
        for zip in [|bytes: &[u8]| bytes.to_vec(), gzip] {
            // the name tells nothing
            let table = read_idx_pair(put(&folder, "i", &zip(&images)), put(&folder, "l", &zip(&labels))).expect("a sound pair");
            assert_eq!(*table.features(), Features::Bytes { data: vec![0, 255, 7, 8, 9, 10], scale: 1.0 / 255.0 });
            assert_eq!(table.names(), ["pixel_0_0", "pixel_0_1"]);
            let names = ["0", "1", "2"].map(String::from).to_vec();
            assert_eq!(*table.targets(), Targets::Classes { of: vec![2, 0, 2], names });
        }
        let alone = read_idx_images(put(&folder, "i", &images)).expect("sound images");
        assert!(alone.targets().is_none() && alone.rows() == 3);
    }

    #[test]
    fn names_have_a_number_for_each_dimension() {
        assert_eq!(names(&[9, 3]), ["pixel_0", "pixel_1", "pixel_2"]);
        assert_eq!(names(&[9, 1, 2, 2]), ["pixel_0_0_0", "pixel_0_0_1", "pixel_0_1_0", "pixel_0_1_1"]);
    }

    #[test]
    fn a_folder_gives_both_sets_the_same_classes() {
        let folder = folder();
        put(&folder, "train-images-idx3-ubyte.gz", &gzip(&idx(&[2, 1, 1], &[1, 2])));
        put(&folder, "train-labels.idx1-ubyte", &idx(&[2], &[0, 1]));
        assert!(read_idx_folder(folder.path()).expect("training only").1.is_none());
        put(&folder, "t10k-images.idx3-ubyte", &idx(&[2, 1, 1], &[3, 4]));
        let message = read_idx_folder(folder.path()).expect_err("labels missing").to_string();
        assert!(message.contains("looked for t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, t10k-labels.idx1-ubyte,"), "{message}");
        put(&folder, "t10k-labels-idx1-ubyte", &idx(&[2], &[3, 0]));
        let (train, test) = read_idx_folder(folder.path()).expect("both");
        assert_eq!((train.targets().outputs(), test.expect("a test set").targets().outputs()), (4, 4));
        put(&folder, "t10k-images.idx3-ubyte", &idx(&[2, 1, 2], &[3, 4, 5, 6]));
        let message = read_idx_folder(folder.path()).expect_err("other sizes").to_string();
        assert!(message.ends_with("the test images are of size [1, 2], but those for training of [1, 1]"), "{message}");
    }

    #[test]
    fn missing_files_are_named() {
        let folder = folder();
        let message = read_idx_folder(folder.path()).expect_err("empty").to_string();
        assert!(message.starts_with(&folder.path().display().to_string()), "{message}");
        assert!(message.contains("looked for train-images-idx3-ubyte, train-images-idx3-ubyte.gz"), "{message}");
        let message = read_idx_folder(folder.path().join("nowhere")).expect_err("no folder").to_string();
        assert!(message.contains("nowhere: there is no such folder"), "{message}");
        let error = read_idx_images(folder.path().join("nothing")).expect_err("no file");
        assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("nothing: "), "{error}");
    }

    #[test]
    fn wrong_files_are_refused_with_a_reason() {
        let folder = folder();
        let good = idx(&[2, 1, 2], &[1, 2, 3, 4]);
        let long = [good.as_slice(), &[0]].concat();
        let kind = |code: u8| [&[0, 0, code], &good[3..]].concat();
        let half_zipped = gzip(&idx(&[100, 28, 28], &[7; 78_400]));
        let lying = idx(&[u32::MAX, 1000, 1000], &[1, 2, 3]);
        let bomb = gzip(&idx(&[1, 1], &vec![0; (1 << 20) + 5]));
        let cases: [(&[u8], &str); 15] = [
            (b"", "it is no IDX file"),
            (b"PNG!", "begins with [50, 4e, 47, 21]"),
            (&[0, 0, 8, 0], "it is no IDX file"),
            (&kind(0x0d), "type code 0x0d (32-bit floats)"),
            (&kind(0x42), "type code 0x42 (an unknown type)"),
            (&good[..10], "a header of 3 dimensions has 16 bytes, but the file 10"),
            (&good[..19], "its header says [2, 1, 2], which is 4 bytes, but 3 follow"),
            (&long, "its header says [2, 1, 2], which is 4 bytes, but 5 follow"),
            (&idx(&[0, 1, 2], &[]), "it has no rows: the data set is empty"),
            (&idx(&[2, 0, 2], &[]), "a row without features"),
            (&lying, "[4294967295, 1000, 1000], which is 4294967295000000 bytes, but 3 follow"),
            (&idx(&[1, 65536, 65536], &[]), "more than the 1048576 features a row"),
            (&half_zipped[..half_zipped.len() / 2], "the gzipped data are damaged"),
            (&bomb, "which is 1 bytes, but more than 1048576 follow"),
            (&idx(&[2], &[0, 1]), "are the two files swapped?"),
        ];
        for (bytes, wanted) in cases {
            let path = put(&folder, "images", bytes);
            let message = read_idx_images(&path).expect_err(wanted).to_string();
            assert!(message.starts_with(&path.display().to_string()), "`{message}` does not name the file");
            assert!(message.contains(wanted), "`{message}` does not say `{wanted}`");
        }
    }

    #[test]
    fn labels_must_fit_their_images() {
        let folder = folder();
        let images = put(&folder, "images", &idx(&[2, 1, 2], &[1, 2, 3, 4]));
        let cases = [
            (idx(&[3], &[0, 1, 2]), "there are 3 labels, but 2 images in "),
            (idx(&[2], &[5, 5]), "all labels are 5: there must be at least two classes"),
            (idx(&[2, 1], &[0, 1]), "it has 2 dimensions, but labels have one"),
        ];
        for (bytes, wanted) in cases {
            let labels = put(&folder, "labels", &bytes);
            let message = read_idx_pair(&images, &labels).expect_err(wanted).to_string();
            assert!(message.starts_with(&labels.display().to_string()) && message.contains(wanted), "`{message}` does not say `{wanted}`");
        }
    }
}
