//! Brings features to one range: x' = (x − shift)·scale, fitted on the rows for training only.

use super::statistics::{mean_and_deviation, median_and_quartiles, range};
use super::{Dataset, Features, Table};
use crate::error::{Error, Result};
use std::str::FromStr;

/// How features are scaled; the numbers are taken from the rows for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scaling {
    /// As they are.
    #[default]
    None,
    /// Mean 0 and variance 1: (x − mean)/σ with the population's σ, divided by n. (scikit-learn's `StandardScaler`.)
    Standard,
    /// From 0 to 1: (x − min)/(max − min). (scikit-learn's `MinMaxScaler`.)
    MinMax,
    /// (x − median)/(q₇₅ − q₂₅), which outliers hardly move; quantiles are interpolated linearly. (scikit-learn's `RobustScaler`.)
    Robust,
    /// x/255, for images whose pixels are 0 to 255. Features that are bytes stay bytes.
    Bytes,
}

impl Scaling {
    /// All of them, in the order of their documentation.
    pub const ALL: [Scaling; 5] = [Scaling::None, Scaling::Standard, Scaling::MinMax, Scaling::Robust, Scaling::Bytes];

    /// What it is called in a config.
    pub fn name(self) -> &'static str {
        match self {
            Scaling::None => "none",
            Scaling::Standard => "standard",
            Scaling::MinMax => "minmax",
            Scaling::Robust => "robust",
            Scaling::Bytes => "bytes",
        }
    }
}

impl FromStr for Scaling {
    type Err = Error;

    /// The scaling of this name. Errors when there is none.
    fn from_str(name: &str) -> Result<Self> {
        Scaling::ALL.into_iter().find(|scaling| scaling.name() == name).ok_or_else(|| {
            let names = Scaling::ALL.map(Scaling::name).join(", ");
            Error::input(format!("there is no scaling `{name}`: set [data] scale to one of {names}"))
        })
    }
}

/// What is done to each feature: x' = (x − `shift`)·`scale`, computed in f32, so that an exported model computes the same.
///
/// A feature that is the same in all rows has scale 1 (and so becomes 0, as in scikit-learn), and so has one whose spread is too
/// small for an f32 to hold its inverse.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    /// What is taken from each feature.
    pub shift: Vec<f32>,
    /// What each feature is then multiplied by.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// The scaler for the rows of a view (training's, and no others), computed in f64; `None` for [`Scaling::None`].
    ///
    /// Bytes count as they are, 0 to 255, whatever the table's scale for them is. Errors when the view has no row, and when
    /// [`Scaling::Bytes`] meets a value outside 0 to 255.
    ///
    /// ```
    /// use gradus::data::{Dataset, Features, Scaler, Scaling, Table, Targets};
    /// let table = Table::new(Features::F32(vec![1.0, 3.0]), vec!["x".into()], Targets::none())?;
    /// let data = Dataset::new(table);
    /// let scaler = Scaler::fit(Scaling::Standard, &data)?.expect("only `Scaling::None` has no scaler");
    /// assert_eq!(scaler, Scaler { shift: vec![2.0], scale: vec![1.0] });
    /// assert_eq!(scaler.apply(&data)?.table().features(), &Features::F32(vec![-1.0, 1.0]));
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn fit(scaling: Scaling, train: &Dataset) -> Result<Option<Scaler>> {
        if train.is_empty() {
            return Err(Error::input("the scaling cannot be fitted: there is no row for training"));
        }
        // of each feature: what to take from it, and the spread to divide it by
        let fitted: Vec<(f64, f64)> = match scaling {
            Scaling::None => return Ok(None),
            Scaling::Standard => mean_and_deviation(train),
            Scaling::MinMax => range(train).into_iter().map(|(low, high)| (low, high - low)).collect(),
            Scaling::Robust => (0..train.table().width()).map(|feature| median_and_quartiles(train, feature)).collect(),
            Scaling::Bytes => {
                check_bytes(train)?;
                vec![(0.0, 255.0); train.table().width()]
            }
        };
        let inverse = |spread: f64| {
            let scale = (1.0 / spread) as f32;
            if scale.is_finite() { scale } else { 1.0 }
        };
        Ok(Some(Scaler {
            shift: fitted.iter().map(|&(shift, _)| shift as f32).collect(),
            scale: fitted.iter().map(|&(_, spread)| inverse(spread)).collect(),
        }))
    }

    /// The same rows of a scaled table. To scale several views of one table, scale the table once: see [`Scaler::apply_table`].
    ///
    /// Errors as [`Scaler::apply_table`] does.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        Ok(data.with_table(&self.apply_table(data.table())?.into()))
    }

    /// A scaled table, all rows of it; give it to the views with [`Dataset::with_table`].
    ///
    /// Bytes become `F32`, except where no feature is shifted and all have the same scale: then that becomes the scale of the
    /// bytes, and they stay as they are. Errors when the table has another number of features than the scaler, and when a
    /// scaled value is too large for an f32.
    pub fn apply_table(&self, table: &Table) -> Result<Table> {
        let width = table.width();
        if (self.shift.len(), self.scale.len()) != (width, width) {
            return Err(Error::input(format!(
                "the scaler is for {} features, but the data have {width}: give data with the features it was fitted on",
                self.shift.len()
            )));
        }
        let shifts_and_scales = self.shift.iter().zip(&self.scale).cycle();
        let features = match table.features() {
            Features::F32(values) => Features::F32(values.iter().zip(shifts_and_scales).map(|(x, (a, s))| (x - a) * s).collect()),
            Features::Bytes { data, .. } => match self.uniform() {
                Some(scale) => Features::Bytes { data: data.clone(), scale },
                None => Features::F32(data.iter().zip(shifts_and_scales).map(|(&x, (a, s))| (f32::from(x) - a) * s).collect()),
            },
        };
        let scaled = Table::new(features, table.names().to_vec(), table.targets().clone());
        let weighted = |scaled: Table| match table.weights() {
            Some(weights) => scaled.with_weights(weights.to_vec()),
            None => Ok(scaled),
        };
        scaled.and_then(weighted).map_err(|error| Error::input(format!("after scaling, {error} (or set [data] scale to \"none\")")))
    }

    /// The scale of all features, where it is one and nothing is shifted.
    fn uniform(&self) -> Option<f32> {
        let scale = *self.scale.first()?;
        (self.shift.iter().all(|&shift| shift == 0.0) && self.scale.iter().all(|&s| s == scale)).then_some(scale)
    }
}

/// Errors at the first feature with a value that is not from 0 to 255.
fn check_bytes(data: &Dataset) -> Result<()> {
    let outside = range(data).into_iter().zip(data.table().names()).find(|((low, high), _)| *low < 0.0 || *high > 255.0);
    let Some(((low, high), name)) = outside else { return Ok(()) };
    let value = if low < 0.0 { low } else { high };
    Err(Error::input(format!(
        "scale = \"bytes\" is for values from 0 to 255, but feature `{name}` has {value}: set [data] scale to \"minmax\" or \"standard\""
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;

    fn dataset(features: Features, width: usize) -> Dataset {
        let names = (0..width).map(|i| format!("f{i}")).collect();
        Dataset::new(Table::new(features, names, Targets::none()).expect("a sound table"))
    }

    fn floats(values: &[f32], width: usize) -> Dataset {
        dataset(Features::F32(values.to_vec()), width)
    }

    fn fit(scaling: Scaling, data: &Dataset) -> Scaler {
        Scaler::fit(scaling, data).expect("a sound view").expect("a scaler")
    }

    fn values(data: &Dataset) -> &[f32] {
        let Features::F32(values) = data.table().features() else { panic!("not f32") };
        values
    }

    /// Three features of seven rows; the last is constant, and 0.1 is no binary number.
    const ROWS: [f32; 21] =
        [1.0, -3.5, 0.1, 2.0, 100.0, 0.1, 4.0, 0.25, 0.1, 8.0, 7.0, 0.1, 16.0, -2.0, 0.1, 32.0, 1.5, 0.1, 65.0, 12.0, 0.1];

    /// The expected numbers are `mean_` or `center_` and 1/`scale_` of scikit-learn 1.9.1's scalers on the same rows.
    #[test]
    fn scalers_are_those_of_scikit_learn() {
        let cases = [
            (Scaling::Standard, [18.285714, 16.464286, 0.1], [0.046413630, 0.029016339, 1.0]),
            (Scaling::MinMax, [1.0, -3.5, 0.1], [0.015625, 0.0096618357, 1.0]),
            (Scaling::Robust, [8.0, 1.5, 0.1], [0.047619048, 0.096385542, 1.0]),
        ];
        for (scaling, shift, scale) in cases {
            let scaler = fit(scaling, &floats(&ROWS, 3));
            for feature in 0..3 {
                for (found, wanted) in [(scaler.shift[feature], shift[feature]), (scaler.scale[feature], scale[feature])] {
                    let close = (f64::from(found) - wanted).abs() <= 1e-6 * f64::abs(wanted);
                    assert!(close, "{scaling:?} of f{feature}: {found} is not {wanted}");
                }
            }
        }
    }

    #[test]
    fn only_the_rows_of_the_view_count() {
        let data = floats(&[0.0, 10.0, 1000.0], 1);
        let scaler = fit(Scaling::MinMax, &data.view(vec![0, 1]));
        assert_eq!(scaler, Scaler { shift: vec![0.0], scale: vec![0.1] });
        // the others are scaled by the same numbers
        let scaled = scaler.apply(&data.view(vec![2])).expect("of the same width");
        assert_eq!(values(&scaled), [0.0, 1.0, 100.0]);
        assert_eq!(scaled.rows(), [2]);
    }

    #[test]
    fn a_constant_feature_becomes_0() {
        for scaling in [Scaling::Standard, Scaling::MinMax, Scaling::Robust] {
            let data = floats(&[0.1; 7], 1);
            let scaler = fit(scaling, &data);
            assert_eq!(scaler.scale, [1.0], "{scaling:?}");
            assert_eq!(values(&scaler.apply(&data).expect("same width")), [0.0; 7], "{scaling:?}");
        }
        // the inverse of this spread is beyond f32
        assert_eq!(fit(Scaling::MinMax, &floats(&[0.0, 1e-40], 1)).scale, [1.0]);
    }

    #[test]
    fn bytes_stay_bytes_where_only_their_scale_changes() {
        let data = dataset(Features::Bytes { data: vec![0, 51, 255, 102], scale: 1.0 }, 2);
        let scaled = fit(Scaling::Bytes, &data).apply(&data).expect("same width");
        assert_eq!(*scaled.table().features(), Features::Bytes { data: vec![0, 51, 255, 102], scale: 1.0 / 255.0 });
        // means 127.5 and 76.5, deviations 127.5 and 25.5: the bytes count as they are
        let scaled = fit(Scaling::Standard, &data).apply(&data).expect("same width");
        assert_eq!(values(&scaled), [-1.0, -1.0, 1.0, 1.0]);
    }

    #[test]
    fn bytes_scale_numbers_of_0_to_255_only() {
        let data = floats(&[0.0, 51.0, 255.0], 1);
        let scaled = fit(Scaling::Bytes, &data).apply(&data).expect("same width");
        for (value, wanted) in values(&scaled).iter().zip([0.0, 0.2, 1.0]) {
            assert!((value - wanted).abs() < 1e-7, "{value} is not {wanted}");
        }
        for wrong in [-1.0, 256.0] {
            let message = Scaler::fit(Scaling::Bytes, &floats(&[0.0, wrong], 1)).expect_err("refused").to_string();
            assert!(message.contains(&format!("feature `f0` has {wrong}")), "{message}");
        }
    }

    #[test]
    fn none_has_no_scaler_and_no_rows_have_none() {
        let data = floats(&[1.0], 1);
        assert_eq!(Scaler::fit(Scaling::None, &data).expect("one row"), None);
        let message = Scaler::fit(Scaling::Standard, &data.view(vec![])).expect_err("refused").to_string();
        assert_eq!(message, "the scaling cannot be fitted: there is no row for training");
    }

    #[test]
    fn other_widths_and_overflows_are_refused() {
        let scaler = Scaler { shift: vec![0.0; 2], scale: vec![2.0; 2] };
        let message = scaler.apply(&floats(&[1.0], 1)).expect_err("refused").to_string();
        assert!(message.starts_with("the scaler is for 2 features, but the data have 1"), "{message}");
        let message = scaler.apply(&floats(&[1.0, f32::MAX], 2)).expect_err("refused").to_string();
        assert!(message.starts_with("after scaling, row 1 of the data has inf in feature `f1`"), "{message}");
    }

    #[test]
    fn names_are_read_back() {
        for scaling in Scaling::ALL {
            assert_eq!(scaling.name().parse::<Scaling>().expect("its own name"), scaling);
        }
        let message = "zscore".parse::<Scaling>().expect_err("refused").to_string();
        assert_eq!(message, "there is no scaling `zscore`: set [data] scale to one of none, standard, minmax, robust, bytes");
    }
}
