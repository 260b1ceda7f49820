//! What a view's features are like: range, mean and deviation, quartiles. Bytes count as they are, 0 to 255.

use super::{Dataset, Features};

/// Calls `see(feature, value)` with each value of the view, row by row.
fn visit(data: &Dataset, mut see: impl FnMut(usize, f64)) {
    let width = data.table().width();
    for &row in data.rows() {
        let cells = row as usize * width..(row as usize + 1) * width;
        match data.table().features() {
            Features::F32(values) => values[cells].iter().enumerate().for_each(|(feature, &x)| see(feature, x.into())),
            Features::Bytes { data, .. } => data[cells].iter().enumerate().for_each(|(feature, &x)| see(feature, x.into())),
        }
    }
}

/// The smallest and the largest value of each feature.
pub(super) fn range(data: &Dataset) -> Vec<(f64, f64)> {
    let mut range = vec![(f64::INFINITY, f64::NEG_INFINITY); data.table().width()];
    visit(data, |feature, x| range[feature] = (range[feature].0.min(x), range[feature].1.max(x)));
    range
}

/// The mean and the population's standard deviation of each feature, in two passes.
pub(super) fn mean_and_deviation(data: &Dataset) -> Vec<(f64, f64)> {
    let rows = data.len() as f64;
    let mut means = vec![0.0; data.table().width()];
    visit(data, |feature, x| means[feature] += x / rows);
    let mut variances = vec![0.0; means.len()];
    visit(data, |feature, x| variances[feature] += (x - means[feature]).powi(2) / rows);
    // the mean of equal values can be off by a rounding, which would make a tiny deviation of none
    let same = range(data).into_iter().map(|(low, high)| low == high);
    let deviations = variances.into_iter().zip(same).map(|(variance, same)| if same { 0.0 } else { variance.sqrt() });
    means.into_iter().zip(deviations).collect()
}

/// The median of a feature, and the distance from its first to its third quartile.
pub(super) fn median_and_quartiles(data: &Dataset, feature: usize) -> (f64, f64) {
    let width = data.table().width();
    let cells = data.rows().iter().map(|&row| row as usize * width + feature);
    let mut values: Vec<f64> = match data.table().features() {
        Features::F32(values) => cells.map(|cell| values[cell].into()).collect(),
        Features::Bytes { data, .. } => cells.map(|cell| data[cell].into()).collect(),
    };
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5), quantile(&values, 0.75) - quantile(&values, 0.25))
}

/// The quantile of sorted values, interpolated linearly between the two about position q·(n − 1). (NumPy's default.)
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::quantile;

    /// The expected numbers follow from the definition: position q·(n − 1), linear in between (as `numpy.quantile` has them).
    #[test]
    fn quantiles_are_interpolated_linearly() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (q, wanted) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.75, 5.0), (1.0, 8.0)] {
            assert_eq!(quantile(&values, q), wanted, "{q}");
        }
        assert_eq!(quantile(&[7.0], 0.75), 7.0);
    }
}
