//! The data sets inside the library: handwritten digits, and irises.

use super::{Dataset, Features, Table, Targets};
use flate2::read::GzDecoder;
use std::io::Read;

/// Rows of 65 bytes, gzipped: 64 pixels and the digit. `data/make_digits.py` wrote it.
static DIGITS: &[u8] = include_bytes!("../../data/digits.gz");

/// A header, and a row a flower. Written from scikit-learn's `load_iris`.
static IRIS: &str = include_str!("../../data/iris.csv");

impl Dataset {
    /// 150 irises of three species, with the lengths and widths of their sepals and petals in centimetres: scikit-learn's `load_iris`.
    ///
    /// Features are `F32`; the classes are `setosa`, `versicolor` and `virginica`. Fisher 1936, UCI, <https://doi.org/10.24432/C56C76>, CC BY 4.0;
    /// with scikit-learn's two corrections.
    ///
    /// ```
    /// use gradus::data::Dataset;
    /// let iris = Dataset::iris();
    /// assert_eq!((iris.len(), iris.table().width(), iris.table().targets().outputs()), (150, 4, 3));
    /// ```
    pub fn iris() -> Dataset {
        let mut lines = IRIS.lines().map(|line| line.split(','));
        let mut header: Vec<String> = lines.next().into_iter().flatten().map(String::from).collect();
        header.pop();
        let (mut values, mut of, mut names) = (Vec::new(), Vec::new(), Vec::<String>::new());
        for line in lines {
            let cells: Vec<&str> = line.collect();
            let (numbers, species) = cells.split_at(header.len());
            values.extend(numbers.iter().map(|cell| cell.parse::<f32>().expect("the file inside the library is sound: a test reads it")));
            if names.last().map(String::as_str) != Some(species[0]) {
                names.push(species[0].to_string());
            }
            of.push(names.len() as u32 - 1);
        }
        let table = Table::new(Features::F32(values), header, Targets::Classes { of, names });
        Dataset::new(table.expect("the file inside the library is sound: a test reads it"))
    }

    /// 1,797 handwritten digits of 8 × 8 pixels, each pixel a number from 0 to 16: scikit-learn's `load_digits`.
    ///
    /// Features are `F32` and called `pixel_ROW_COLUMN`; the classes are `"0"` to `"9"`. It is the test part of *Optical
    /// Recognition of Handwritten Digits* (Alpaydin and Kaynak 1998, UCI, <https://doi.org/10.24432/C50P49>, CC BY 4.0).
    ///
    /// ```
    /// use gradus::data::Dataset;
    /// let digits = Dataset::digits();
    /// assert_eq!((digits.len(), digits.table().width(), digits.table().targets().outputs()), (1797, 64, 10));
    /// ```
    pub fn digits() -> Dataset {
        let mut bytes = Vec::new();
        GzDecoder::new(DIGITS).read_to_end(&mut bytes).expect("the file inside the library is whole: a test reads it");
        let (mut pixels, mut classes) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len() / 65));
        for row in bytes.chunks_exact(65) {
            pixels.extend(row[..64].iter().map(|&pixel| f32::from(pixel)));
            classes.push(u32::from(row[64]));
        }
        let names = (0..64).map(|i| format!("pixel_{}_{}", i / 8, i % 8)).collect();
        let targets = Targets::Classes { of: classes, names: (0..10).map(|digit| digit.to_string()).collect() };
        Dataset::new(Table::new(Features::F32(pixels), names, targets).expect("the file inside the library is sound: a test reads it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number here is from scikit-learn 1.9.1's `load_iris`.
    #[test]
    fn irises_are_those_of_scikit_learn() {
        let iris = Dataset::iris();
        let (Features::F32(values), Targets::Classes { of, names }) = (iris.table().features(), iris.table().targets()) else {
            panic!("other types of features or targets")
        };
        assert_eq!((values.len(), names), (600, &["setosa", "versicolor", "virginica"].map(String::from).to_vec()));
        assert!((0..3).all(|class| of.iter().filter(|&&c| c == class).count() == 50) && of.is_sorted());
        for (feature, wanted) in [876.5, 458.6, 563.7, 179.9].into_iter().enumerate() {
            let sum: f32 = values.iter().skip(feature).step_by(4).sum();
            assert!((sum - wanted).abs() < 1e-3, "{}: {sum}", iris.table().names()[feature]);
        }
    }

    /// Every number here is from scikit-learn 1.9.1's `load_digits`.
    #[test]
    fn digits_are_those_of_scikit_learn() {
        let digits = Dataset::digits();
        let (Features::F32(pixels), Targets::Classes { of, names }) = (digits.table().features(), digits.table().targets()) else {
            panic!("other types of features or targets")
        };
        assert_eq!((pixels.len(), of.len(), names.len()), (1797 * 64, 1797, 10));
        assert_eq!(pixels.iter().sum::<f32>(), 561_718.0);
        assert_eq!(pixels[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
        assert_eq!(of[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(of[1796], 8);
        let counts: Vec<usize> = (0..10).map(|class| of.iter().filter(|&&c| c == class).count()).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let sum_of_threes: f32 = (0..1797).filter(|&row| of[row] == 3).map(|row| pixels[row * 64..][..64].iter().sum::<f32>()).sum();
        assert_eq!(sum_of_threes, 56_151.0);
        let sum_of_pixel_36: f32 = pixels.iter().skip(36).step_by(64).sum();
        assert_eq!(sum_of_pixel_36, 18_512.0);
        assert_eq!(digits.table().names()[36], "pixel_4_4");
        assert_eq!(names[9], "9");
    }
}
