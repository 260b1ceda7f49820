//! Metrics over a whole set, from exact counts and sums: never a mean of batch values.

mod confusion;
mod ranks;

pub use confusion::{Average, ClassScores, Confusion};
pub use ranks::{auroc, average_precision, log_loss};

/// What a metric is worked out from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Counts of a classifier, made on the device in every evaluation.
    Counts,
    /// Sums of errors, likewise.
    Sums,
    /// The scores of all rows, which are read back and ranked: worked out when asked for.
    Scores,
}

/// A metric as documentation, configs and early stopping know it.
#[derive(Debug, Clone, Copy)]
pub struct MetricInfo {
    /// The name; of the validation set it is `val_` and the name.
    pub name: &'static str,
    /// Whether a larger value is a better one.
    pub larger_is_better: bool,
    /// What it is worked out from.
    pub needs: Needs,
    /// Whether it is among the few that are printed.
    pub headline: bool,
    /// What it is, and scikit-learn's name for it.
    pub doc: &'static str,
}

const fn metric(name: &'static str, larger_is_better: bool, needs: Needs, headline: bool, doc: &'static str) -> MetricInfo {
    MetricInfo { name, larger_is_better, needs, headline, doc }
}

/// All metrics. Where a ratio is 0/0 it is 0, as scikit-learn's `zero_division = 0`.
pub static METRICS: &[MetricInfo] = &[
    metric("accuracy", true, Needs::Counts, true, "the share of rows whose largest output is the right class: accuracy_score"),
    metric("top5_accuracy", true, Needs::Counts, false, "the share whose class is among the five largest: top_k_accuracy_score(k=5)"),
    metric("balanced_accuracy", true, Needs::Counts, false, "the mean recall of the classes that occur: balanced_accuracy_score"),
    metric("precision_macro", true, Needs::Counts, false, "of what was called a class, the share that is: precision_score"),
    metric("precision_micro", true, Needs::Counts, false, "the same over all rows together: the accuracy"),
    metric("precision_weighted", true, Needs::Counts, false, "the same, classes weighing as often as they occur"),
    metric("recall_macro", true, Needs::Counts, false, "of what is a class, the share that was called so: recall_score"),
    metric("recall_micro", true, Needs::Counts, false, "the same over all rows together: the accuracy"),
    metric("recall_weighted", true, Needs::Counts, false, "the same, classes weighing as often as they occur: the accuracy"),
    metric("f1_macro", true, Needs::Counts, true, "the harmonic mean of precision and recall: f1_score"),
    metric("f1_micro", true, Needs::Counts, false, "the same over all rows together: the accuracy"),
    metric("f1_weighted", true, Needs::Counts, false, "the same, classes weighing as often as they occur"),
    metric("mcc", true, Needs::Counts, true, "the correlation of truth and prediction: matthews_corrcoef. Gorodkin 2004"),
    metric(
        "auroc",
        true,
        Needs::Scores,
        true,
        "the chance that a row of a class ranks above one that is not: roc_auc_score, one against the rest, macro",
    ),
    metric("average_precision", true, Needs::Scores, false, "the mean precision over the recalls: average_precision_score, macro"),
    metric(
        "log_loss",
        false,
        Needs::Scores,
        false,
        "the mean of −log of the right class's probability, from the outputs: log_loss without its clipping",
    ),
    metric("mse", false, Needs::Sums, true, "the mean squared error: mean_squared_error"),
    metric("rmse", false, Needs::Sums, true, "the root of mse; of several targets root_mean_squared_error is the mean of their roots"),
    metric("mae", false, Needs::Sums, true, "the mean absolute error: mean_absolute_error"),
    metric(
        "r2",
        true,
        Needs::Sums,
        true,
        "1 − Σe²/Σ(t − mean)² over all targets together: r2_score(multioutput = \"variance_weighted\"), constant targets apart",
    ),
];

/// The metric of a name.
pub fn named(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Whether a larger value of a metric is a better one; of a name that is not in the table it is not.
pub fn larger_is_better(name: &str) -> bool {
    named(name).is_some_and(|metric| metric.larger_is_better)
}

/// What the device adds up over a regression's set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Rows.
    pub rows: usize,
    /// Numbers a row.
    pub outputs: usize,
    /// `Σ e²`.
    pub squares: f64,
    /// `Σ |e|`.
    pub absolutes: f64,
    /// `Σ (t − mean)²` over the set, each target about its own mean.
    pub spread: f64,
}

/// `Σ ((t − mean)·unit)²` over the rows, each column about its own mean.
pub(crate) fn spread(values: &[f32], width: usize, rows: &[u32], units: Option<&[f32]>) -> f64 {
    let column = |k: usize| {
        let cell = |&row: &u32| f64::from(values[row as usize * width + k]);
        let mean = rows.iter().map(cell).sum::<f64>() / rows.len() as f64;
        let unit = units.map_or(1.0, |units| f64::from(units[k]));
        rows.iter().map(|row| ((cell(row) - mean) * unit).powi(2)).sum::<f64>()
    };
    (0..width).map(column).sum()
}

/// `1 − Σe²/Σ(t − mean)²`; of a constant target 1 if the prediction is perfect, else 0.
pub(crate) fn r2(squares: f64, spread: f64) -> f64 {
    match spread > 0.0 {
        true => 1.0 - squares / spread,
        false => f64::from(u8::from(squares == 0.0)),
    }
}

/// The loss and the metrics of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The mean loss of a row.
    pub loss: f64,
    /// The metrics by name.
    pub metrics: Vec<(&'static str, f64)>,
    /// Of a classifier: who was taken for whom.
    pub confusion: Option<Confusion>,
}

impl Scores {
    /// Of a regression. The coefficient of determination of a constant target is 1 if the prediction is perfect, else 0.
    ///
    /// Several targets count together, `1 − Σe²/Σ(t − mean)²`: each by its variance, as with scikit-learn's `multioutput =
    /// "variance_weighted"`. (Its default, `"uniform_average"`, is the mean of the targets' own R². A target that is constant beside others has no
    /// weight there, so that nothing tells when it is missed: here its errors count. Where all are constant it gives the share of those that are
    /// met, and of a single row NaN.)
    pub fn regression(loss: f64, sums: Sums) -> Self {
        let cells = (sums.rows * sums.outputs) as f64;
        let mse = sums.squares / cells;
        let r2 = r2(sums.squares, sums.spread);
        let metrics = vec![("mse", mse), ("mae", sums.absolutes / cells), ("rmse", mse.sqrt()), ("r2", r2)];
        Scores { loss, metrics, confusion: None }
    }

    /// Of a classifier, from its counts; `top5` is the share of rows whose class is among the five largest outputs, where there are more.
    pub fn classification(loss: f64, confusion: Confusion, top5: Option<f64>) -> Self {
        let mut metrics = vec![("accuracy", confusion.accuracy())];
        metrics.extend(top5.map(|share| ("top5_accuracy", share)));
        metrics.push(("balanced_accuracy", confusion.balanced_accuracy()));
        for (name, average) in
            [("precision_macro", Average::Macro), ("precision_micro", Average::Micro), ("precision_weighted", Average::Weighted)]
        {
            metrics.push((name, confusion.precision(average)));
        }
        for (name, average) in [("recall_macro", Average::Macro), ("recall_micro", Average::Micro), ("recall_weighted", Average::Weighted)]
        {
            metrics.push((name, confusion.recall(average)));
        }
        for (name, average) in [("f1_macro", Average::Macro), ("f1_micro", Average::Micro), ("f1_weighted", Average::Weighted)] {
            metrics.push((name, confusion.f1(average)));
        }
        metrics.push(("mcc", confusion.mcc()));
        Scores { loss, metrics, confusion: Some(confusion) }
    }

    /// Adds what is worked out from the scores of all rows: `outputs` a row, one for a single logit, and each row's class.
    pub fn rank(&mut self, outputs: &[f32], classes: usize, of: &[u32]) {
        self.metrics.push(("auroc", auroc(outputs, classes, of)));
        self.metrics.push(("average_precision", average_precision(outputs, classes, of)));
        self.metrics.push(("log_loss", log_loss(outputs, classes, of)));
    }

    /// A metric by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "loss" => Some(self.loss),
            _ => self.metrics.iter().find(|m| m.0 == name).map(|m| m.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_formulas() {
        let confusion = Confusion::new(2, vec![3, 1, 1, 3]);
        let scores = Scores::classification(0.5, confusion, None);
        assert_eq!((scores.get("loss"), scores.get("accuracy")), (Some(0.5), Some(0.75)));
        assert!(scores.metrics.iter().all(|(name, _)| named(name).is_some()));
        // targets 1, 2, 3 (spread 2), predictions 1, 2, 4: SSE 1, SAE 1
        let scores = Scores::regression(1.0, Sums { rows: 3, outputs: 1, squares: 1.0, absolutes: 1.0, spread: 2.0 });
        assert_eq!(scores.get("r2"), Some(0.5));
        assert_eq!(scores.get("mse"), Some(1.0 / 3.0));
        assert_eq!(scores.get("rmse"), Some((1.0f64 / 3.0).sqrt()));
    }

    #[test]
    fn a_constant_target_has_r2_of_1_or_0() {
        let r2 = |squares| Scores::regression(0.0, Sums { rows: 2, outputs: 1, squares, ..Sums::default() }).get("r2");
        assert_eq!((r2(0.0), r2(0.1)), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn names_are_told_apart_and_know_their_better_way() {
        for (n, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..n].iter().all(|other| other.name != metric.name), "{}", metric.name);
        }
        assert!(larger_is_better("auroc") && larger_is_better("r2") && !larger_is_better("mae") && !larger_is_better("nothing"));
    }
}
