//! Who was taken for whom, and what follows from it.

/// How the numbers of several classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The mean over the classes that occur in truth or prediction.
    Macro,
    /// Of all rows together.
    Micro,
    /// The mean over the classes, each weighing as often as it occurs.
    Weighted,
}

/// What is said of one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Of what was called the class, the share that is; 0 when nothing was.
    pub precision: f64,
    /// Of what is the class, the share that was called so; 0 when nothing is.
    pub recall: f64,
    /// `2·hits / (truths + predictions)`; 0 when there are neither.
    pub f1: f64,
    /// How many rows are of the class.
    pub support: u64,
}

/// Counts of a classifier: rows are the truth, columns the prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// `a / b`, and 0 for 0/0.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

impl Confusion {
    /// From counts `[truth, prediction]`. Panics when there are not `classes²` of them.
    pub fn new(classes: usize, counts: Vec<u64>) -> Self {
        assert_eq!(counts.len(), classes * classes, "a confusion matrix is square");
        Confusion { classes, counts }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The counts, `[truth, prediction]`.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    fn hits(&self, class: usize) -> f64 {
        self.counts[class * self.classes + class] as f64
    }

    /// How often a class occurs.
    fn truths(&self, class: usize) -> f64 {
        self.counts[class * self.classes..][..self.classes].iter().sum::<u64>() as f64
    }

    /// How often it was predicted.
    fn predictions(&self, class: usize) -> f64 {
        (0..self.classes).map(|truth| self.counts[truth * self.classes + class]).sum::<u64>() as f64
    }

    fn rows(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64
    }

    /// The share of rows that are right.
    pub fn accuracy(&self) -> f64 {
        ratio((0..self.classes).map(|class| self.hits(class)).sum(), self.rows())
    }

    /// The mean recall of the classes that occur.
    pub fn balanced_accuracy(&self) -> f64 {
        let occurring: Vec<usize> = (0..self.classes).filter(|&class| self.truths(class) > 0.0).collect();
        ratio(occurring.iter().map(|&class| self.hits(class) / self.truths(class)).sum(), occurring.len() as f64)
    }

    fn average(&self, how: Average, of: impl Fn(&ClassScores) -> f64) -> f64 {
        let each = self.per_class();
        match how {
            // summed over the classes, what is missed by one is taken by another: all three are the accuracy
            Average::Micro => self.accuracy(),
            Average::Macro => {
                let there: Vec<usize> = (0..self.classes).filter(|&c| self.truths(c) + self.predictions(c) > 0.0).collect();
                ratio(there.iter().map(|&class| of(&each[class])).sum(), there.len() as f64)
            }
            Average::Weighted => ratio(each.iter().map(|scores| scores.support as f64 * of(scores)).sum(), self.rows()),
        }
    }

    /// Of what was called a class, the share that is.
    pub fn precision(&self, how: Average) -> f64 {
        self.average(how, |scores| scores.precision)
    }

    /// Of what is a class, the share that was called so.
    pub fn recall(&self, how: Average) -> f64 {
        self.average(how, |scores| scores.recall)
    }

    /// `2·hits / (truths + predictions)`: the harmonic mean of the two.
    pub fn f1(&self, how: Average) -> f64 {
        self.average(how, |scores| scores.f1)
    }

    /// Precision, recall and F1 of each class: scikit-learn's `precision_recall_fscore_support(average = None, zero_division = 0)`.
    ///
    /// ```
    /// use gradus::metrics::Confusion;
    /// // of four rows of class 0 three were found, of two of class 1 one
    /// let of_one = Confusion::new(2, vec![3, 1, 1, 1]).per_class()[1];
    /// assert_eq!((of_one.precision, of_one.recall, of_one.f1, of_one.support), (0.5, 0.5, 0.5, 2));
    /// ```
    pub fn per_class(&self) -> Vec<ClassScores> {
        let scores = |class: usize| {
            let (hits, truths, predictions) = (self.hits(class), self.truths(class), self.predictions(class));
            ClassScores {
                precision: ratio(hits, predictions),
                recall: ratio(hits, truths),
                f1: ratio(2.0 * hits, truths + predictions),
                support: truths as u64,
            }
        };
        (0..self.classes).map(scores).collect()
    }

    /// Agreement beyond chance, `(a − c) / (1 − c)` with the accuracy a and the accuracy c of guesses that are as frequent as the predictions;
    /// 0 where both are always the same one class (scikit-learn's `cohen_kappa_score` is NaN there). Cohen 1960.
    pub fn kappa(&self) -> f64 {
        let n = self.rows();
        let hits: f64 = (0..self.classes).map(|class| self.hits(class)).sum();
        let chance: f64 = (0..self.classes).map(|class| self.truths(class) * self.predictions(class)).sum();
        ratio(n * hits - chance, n * n - chance)
    }

    /// The correlation of truth and prediction, for any number of classes; 0 where one of them is constant. Gorodkin 2004.
    pub fn mcc(&self) -> f64 {
        let n = self.rows();
        let sum = |of: &dyn Fn(usize) -> f64| (0..self.classes).map(of).sum::<f64>();
        let hits = sum(&|c| self.hits(c));
        let both = n * hits - sum(&|c| self.truths(c) * self.predictions(c));
        let truth = n * n - sum(&|c| self.truths(c).powi(2));
        let prediction = n * n - sum(&|c| self.predictions(c).powi(2));
        ratio(both, (truth * prediction).sqrt())
    }
}
