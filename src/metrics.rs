//! Metrics over a whole set, from exact sums: never a mean of batch values.

/// What the device adds up over a set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Rows.
    pub rows: usize,
    /// The loss of all rows.
    pub loss: f64,
    /// Classification: rows whose largest output is the right class. Regression: the sum of squared errors.
    pub first: f64,
    /// Regression: the sum of absolute errors.
    pub second: f64,
}

/// What the metrics are about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Task {
    /// Classes.
    Classification,
    /// Numbers: `outputs` of them a row, and the sum of the squared distances of the targets from their means.
    Regression {
        /// Numbers a row.
        outputs: usize,
        /// `Σ (t − mean)²` over the set.
        spread: f64,
    },
}

/// The loss and the metrics of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The mean loss of a row.
    pub loss: f64,
    /// The metrics by name. Classification: accuracy. Regression: mse, mae, rmse, r2.
    pub metrics: Vec<(&'static str, f64)>,
}

impl Scores {
    /// From sums. The coefficient of determination of a constant target is 1 if the prediction is perfect, else 0.
    pub fn new(task: Task, sums: Sums) -> Self {
        let rows = sums.rows as f64;
        let metrics = match task {
            Task::Classification => vec![("accuracy", sums.first / rows)],
            Task::Regression { outputs, spread } => {
                let cells = rows * outputs as f64;
                let mse = sums.first / cells;
                let r2 = match spread > 0.0 {
                    true => 1.0 - sums.first / spread,
                    false => f64::from(u8::from(sums.first == 0.0)),
                };
                vec![("mse", mse), ("mae", sums.second / cells), ("rmse", mse.sqrt()), ("r2", r2)]
            }
        };
        Scores { loss: sums.loss / rows, metrics }
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
        let scores = Scores::new(Task::Classification, Sums { rows: 8, loss: 4.0, first: 6.0, second: 0.0 });
        assert_eq!((scores.loss, scores.get("accuracy")), (0.5, Some(0.75)));
        // targets 1, 2, 3 (spread 2), predictions 1, 2, 4: SSE 1, SAE 1
        let task = Task::Regression { outputs: 1, spread: 2.0 };
        let scores = Scores::new(task, Sums { rows: 3, loss: 1.0, first: 1.0, second: 1.0 });
        assert_eq!(scores.get("r2"), Some(0.5));
        assert_eq!(scores.get("mse"), Some(1.0 / 3.0));
        assert_eq!(scores.get("rmse"), Some((1.0f64 / 3.0).sqrt()));
    }

    #[test]
    fn a_constant_target_has_r2_of_1_or_0() {
        let task = Task::Regression { outputs: 1, spread: 0.0 };
        let r2 = |first| Scores::new(task, Sums { rows: 2, loss: 0.0, first, second: 0.0 }).get("r2");
        assert_eq!((r2(0.0), r2(0.1)), (Some(1.0), Some(0.0)));
    }
}
