//! Median, extremes and outliers of repeated measurements.

/// What several measurements of one thing come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The one in the middle; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Of at least one measurement; `None` of none.
    ///
    /// ```
    /// use gradus::bench::Summary;
    /// let rates = Summary::of(&[90.0, 100.0, 104.0, 110.0]).unwrap();
    /// assert_eq!((rates.median, rates.min, rates.max), (102.0, 90.0, 110.0));
    /// assert!((rates.spread() - 20.0 / 102.0).abs() < 1e-12);
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Summary { median: median_of_sorted(&sorted)?, min: *sorted.first()?, max: *sorted.last()? })
    }

    /// The largest less the smallest, over the median.
    pub fn spread(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

/// Beyond so many median absolute deviations, in units of a normal deviation, a value is an outlier.
const FAR: f64 = 3.5;
/// A value within this share of the median is none, however close the others are to each other.
const NEAR: f64 = 0.05;

/// The places of values that are far from the others: a modified z-score, `0.6745·|x − median| / MAD` with MAD the median of
/// `|x − median|`, above 3.5 (Iglewicz and Hoaglin 1993), and more than 5 % from the median.
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let Some(Summary { median, .. }) = Summary::of(values) else { return Vec::new() };
    let distances: Vec<f64> = values.iter().map(|x| (x - median).abs()).collect();
    let typical = Summary::of(&distances).map_or(0.0, |summary| summary.median);
    (0..values.len()).filter(|&i| 0.6745 * distances[i] > FAR * typical && distances[i] > NEAR * median.abs()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_is_relative_to_it() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[7.0]), Some(Summary { median: 7.0, min: 7.0, max: 7.0 }));
        let odd = Summary::of(&[30.0, 10.0, 20.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (20.0, 10.0, 30.0));
        // (30 − 10) / 20
        assert_eq!(odd.spread(), 1.0);
        // the mean of 20 and 30
        assert_eq!(Summary::of(&[10.0, 20.0, 30.0, 90.0]).unwrap().median, 25.0);
    }

    #[test]
    fn a_value_far_from_the_others_is_an_outlier() {
        for (values, wanted) in [
            (&[][..], &[][..]),
            (&[5.0], &[]),
            // the median is 100, distances are 2 1 0 1 2: the MAD is 1; 0.6745 · 2 is 1.3
            (&[98.0, 99.0, 100.0, 101.0, 102.0], &[]),
            // the median is 100, distances are 2 1 0 1 50: the MAD is 1; 0.6745 · 50 is 34
            (&[98.0, 99.0, 100.0, 101.0, 50.0], &[4]),
            // alike but for one: the MAD is 0. 3 % are near, 10 % are not
            (&[100.0, 100.0, 103.0, 100.0], &[]),
            (&[100.0, 110.0, 100.0, 100.0], &[1]),
        ] {
            assert_eq!(outliers(values), wanted, "{values:?}");
        }
    }
}
