//! What is worked out from the scores of all rows, ranked: exact, ties and all.
//!
//! `outputs` are what the model makes, row by row: one output a class, or one logit of the second of two classes. Classes that do not occur,
//! or that all rows are of, have no such number: they are left out of the mean (scikit-learn warns and gives NaN), which is NaN when none is
//! left.

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

/// The mean of −log of the right class's probability, by log-sum-exp from logits. (scikit-learn's `log_loss` takes probabilities, and clips
/// them at the rounding of their type.)
pub fn log_loss(outputs: &[f32], classes: usize, of: &[u32]) -> f64 {
    let width = outputs.len() / of.len().max(1);
    let row = |(z, &class): (&[f32], &u32)| match z {
        // −log σ(±z)
        [z] if classes == 2 => softplus(if class == 1 { -f64::from(*z) } else { f64::from(*z) }),
        z => -log_softmax(z, class as usize),
    };
    outputs.chunks(width.max(1)).zip(of).map(row).sum::<f64>() / of.len() as f64
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// The logarithm of a class's probability by softmax. Rows that hold the same numbers in another order, or shifted, give the same to the bit:
/// else rounding would part what is tied.
fn log_softmax(row: &[f32], class: usize) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let mut shares: Vec<f64> = row.iter().map(|&z| (f64::from(z) - top).exp()).collect();
    shares.sort_by(f64::total_cmp);
    (f64::from(row[class]) - top) - shares.iter().sum::<f64>().ln()
}

/// The mean over the classes that some rows are of and others are not.
fn mean(outputs: &[f32], classes: usize, of: &[u32], metric: impl Fn(&[f64], &[bool]) -> f64) -> f64 {
    let width = outputs.len() / of.len().max(1);
    // of two classes, one against the rest says the same for both
    let wanted = if classes == 2 { 1..2 } else { 0..classes };
    let each = wanted.filter_map(|class| {
        let positive: Vec<bool> = of.iter().map(|&c| c as usize == class).collect();
        if positive.iter().all(|&hit| hit) || !positive.contains(&true) {
            return None;
        }
        let score = |row: &[f32]| match row {
            [z] => f64::from(*z),
            // the logarithm of the odds, which ranks as the probability does
            [no, yes] => f64::from(*yes) - f64::from(*no),
            row => log_softmax(row, class),
        };
        let scores: Vec<f64> = outputs.chunks(width).map(score).collect();
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
