//! What is worked out from the scores of all rows, ranked: exact, ties and all.
//!
//! `outputs` are what the model makes, row by row: one output a class, or one logit of the second of two classes. Classes that do not occur,
//! or that all rows are of, are left out of the mean, which is NaN when none is left. (scikit-learn warns. Its AUROC of such a class is NaN,
//! and so is the mean; its average precision is 0 of a class that does not occur and 1 of one that all rows are of, and counts in the mean.)
//! An output that is not finite makes all three NaN, where scikit-learn refuses it; so does a number of outputs that does not fit the rows,
//! or a class beyond the last.
//!
//! scikit-learn ranks the probabilities that it is given: where softmax rounds to 0 or 1 they are tied there, and the logarithms here are not.

/// The area under the receiver's operating curve: the chance that a row of a class has a higher score than one that is not, ties counting ½.
/// Of two classes that of the second; of more, one against the rest by softmax, the mean over the classes. scikit-learn's
/// `roc_auc_score(multi_class = "ovr", average = "macro")`. Hanley and McNeil 1982.
///
/// ```
/// use gradus::metrics::auroc;
/// // scores of the second class: of the three pairs of a 0 and a 1, one is a tie
/// assert_eq!(auroc(&[0.1, 0.4, 0.4, 0.8], 2, &[0, 0, 1, 1]), 3.5 / 4.0);
/// ```
pub fn auroc(outputs: &[f32], classes: usize, of: &[u32]) -> f64 {
    mean(outputs, classes, of, |scores, positive| {
        let (hits, misses) = (positive.iter().filter(|&&hit| hit).count() as f64, positive.iter().filter(|&&hit| !hit).count() as f64);
        // the sum of the ranks of the hits, equal scores sharing the mean of theirs
        let (mut ranks, mut before) = (0.0, 0usize);
        for group in groups(scores, false) {
            let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
            ranks += rank * group.iter().filter(|&&row| positive[row]).count() as f64;
            before += group.len();
        }
        (ranks - hits * (hits + 1.0) / 2.0) / (hits * misses)
    })
}

/// The mean precision over the recalls, `Σ (Rₙ − Rₙ₋₁)·Pₙ` over the distinct scores from high to low, without interpolation. Of two classes
/// that of the second; of more, the mean over the classes. scikit-learn's `average_precision_score(average = "macro")`.
pub fn average_precision(outputs: &[f32], classes: usize, of: &[u32]) -> f64 {
    mean(outputs, classes, of, |scores, positive| {
        let all = positive.iter().filter(|&&hit| hit).count() as f64;
        let (mut seen, mut hits, mut sum) = (0.0, 0.0, 0.0);
        for group in groups(scores, true) {
            let new = group.iter().filter(|&&row| positive[row]).count() as f64;
            seen += group.len() as f64;
            hits += new;
            sum += new / all * (hits / seen);
        }
        sum
    })
}

/// The mean of −log of the right class's probability, by log-sum-exp from logits: nothing is clipped. (scikit-learn's `log_loss` takes
/// probabilities and clips them at the rounding of their type, so that no row counts more than 36.04 in f64 or 15.94 in f32.)
pub fn log_loss(outputs: &[f32], classes: usize, of: &[u32]) -> f64 {
    let Some(width) = width(outputs, classes, of) else { return f64::NAN };
    let row = |(z, &class): (&[f32], &u32)| match z {
        // −log σ(±z)
        [z] if classes == 2 => softplus(if class == 1 { -f64::from(*z) } else { f64::from(*z) }),
        z => -Softmax::of(z).log(z, class as usize),
    };
    outputs.chunks(width).zip(of).map(row).sum::<f64>() / of.len() as f64
}

/// Outputs a row: as many as classes, or one of two. `None` where outputs, rows and classes do not fit, or an output is not finite.
fn width(outputs: &[f32], classes: usize, of: &[u32]) -> Option<usize> {
    let width = outputs.len().checked_div(of.len())?;
    let fits = width > 0 && width * of.len() == outputs.len() && (width == classes || (width == 1 && classes == 2));
    let known = of.iter().all(|&class| (class as usize) < classes);
    (fits && known && outputs.iter().all(|z| z.is_finite())).then_some(width)
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// What the softmax of a row divides by. Rows that hold the same numbers in another order, or shifted, give the same to the bit: else
/// rounding would part what is tied.
struct Softmax {
    top: f64,
    log_sum: f64,
}

impl Softmax {
    fn of(row: &[f32]) -> Self {
        let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let mut shares: Vec<f64> = row.iter().map(|&z| (f64::from(z) - top).exp()).collect();
        shares.sort_by(f64::total_cmp);
        // the largest share is 1; beside it the others may be too small to be seen
        shares.pop();
        Softmax { top, log_sum: shares.iter().sum::<f64>().ln_1p() }
    }

    /// The logarithm of a class's probability.
    fn log(&self, row: &[f32], class: usize) -> f64 {
        (f64::from(row[class]) - self.top) - self.log_sum
    }
}

/// The mean over the classes that some rows are of and others are not.
fn mean(outputs: &[f32], classes: usize, of: &[u32], metric: impl Fn(&[f64], &[bool]) -> f64) -> f64 {
    let Some(width) = width(outputs, classes, of) else { return f64::NAN };
    // once a row, not once a row and class
    let sums: Vec<Softmax> = if width > 2 { outputs.chunks(width).map(Softmax::of).collect() } else { Vec::new() };
    // of two classes, one against the rest says the same for both
    let wanted = if classes == 2 { 1..2 } else { 0..classes };
    let each = wanted.filter_map(|class| {
        let positive: Vec<bool> = of.iter().map(|&c| c as usize == class).collect();
        if positive.iter().all(|&hit| hit) || !positive.contains(&true) {
            return None;
        }
        let score = |(r, row): (usize, &[f32])| match row {
            [z] => f64::from(*z),
            // the logarithm of the odds, which ranks as the probability does
            [no, yes] => f64::from(*yes) - f64::from(*no),
            row => sums[r].log(row, class),
        };
        let scores: Vec<f64> = outputs.chunks(width).enumerate().map(score).collect();
        Some(metric(&scores, &positive))
    });
    let each: Vec<f64> = each.collect();
    each.iter().sum::<f64>() / each.len() as f64
}

/// The rows in the order of their scores, those of equal scores together.
fn groups(scores: &[f64], falling: bool) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..scores.len()).collect();
    rows.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    if falling {
        rows.reverse();
    }
    rows.chunk_by(|&a, &b| scores[a] == scores[b]).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_ranked_is_nan_and_never_a_panic() {
        let nan = |outputs: &[f32], classes, of: &[u32]| {
            for metric in [auroc, average_precision, log_loss] {
                assert!(metric(outputs, classes, of).is_nan(), "{outputs:?} of {classes} classes, rows of {of:?}");
            }
        };
        nan(&[], 2, &[]);
        nan(&[], 2, &[0, 1]);
        // five outputs are not two rows, two outputs a row are not three classes, and there is no class 2 of two
        nan(&[0.0; 5], 2, &[0, 1]);
        nan(&[0.0; 4], 3, &[0, 1]);
        nan(&[0.0, 1.0], 2, &[0, 2]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            nan(&[bad, 1.0, 2.0], 2, &[0, 1, 1]);
            nan(&[bad, 1.0, 2.0, 3.0, 5.0, 4.0], 3, &[0, 1]);
        }
    }

    #[test]
    fn certain_and_wrong_costs_its_logit() {
        // softmax(100, 0): −log of the second is 100 + ln(1 + e⁻¹⁰⁰), which is 100 in f64; clipped it would be 36.04
        assert_eq!(log_loss(&[100.0, 0.0], 2, &[1]), 100.0);
        assert_eq!(log_loss(&[100.0], 2, &[0]), 100.0);
    }

    #[test]
    fn what_softmax_rounds_to_one_still_ranks() {
        // the first class has 2e⁻⁵⁰ against it, or 2e⁻⁶⁰: its probability is 1 in f64 all three times, and yet the second row, which alone is
        // of it, is the surest. Of the second class are the two others, at e⁻⁵⁰ against e⁻⁶⁰; of the third is none
        assert_eq!(auroc(&[50.0, 0.0, 0.0, 60.0, 0.0, 0.0, 50.0, 0.0, 0.0], 3, &[1, 0, 1]), (1.0 + 1.0) / 2.0);
    }
}
