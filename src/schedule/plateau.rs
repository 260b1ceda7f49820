//! `plateau`: the rate drops when a watched value no longer improves. The one schedule with a state.

use super::Schedule;

/// What [`Plateau`] remembers from one epoch to the next; part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateauState {
    /// What the schedule's rate is multiplied by.
    pub factor: f64,
    /// The best value so far; none before the first.
    pub best: Option<f64>,
    /// How many epochs in a row were no better.
    pub bad: usize,
    /// How many epochs of the cooldown are left.
    pub cooldown: usize,
}

/// Watches a value, and drops the rate when it has not improved for more than `patience` epochs.
///
/// An improvement is `value < best − threshold·|best|` (or `value > best + threshold·|best|` where higher is better); a NaN is none. While a
/// cooldown lasts, epochs do not count as bad. The rate never falls below `min`.
///
/// Defaults: factor 0.1, patience 10, threshold 1e-4, cooldown 0, min 0, as PyTorch's `ReduceLROnPlateau` (Keras: `min_delta` 1e-4 as an
/// absolute number, and a drop when `wait ≥ patience`, one epoch earlier). Two differences from PyTorch: there `threshold·best` has the
/// sign of `best`, so that a negative value which stands still counts as improved for ever; and there a drop by less than 1e-8 is left out.
///
/// ```
/// use gradus::schedule::{Plateau, Schedule};
/// let schedule = Schedule::plateau(0.1).with("patience", 1.0).with("factor", 0.5);
/// let mut plateau = Plateau::of(&schedule, false).expect("a plateau");
/// let dropped: Vec<bool> = [1.0, 0.9, 0.9, 0.9, 0.8].iter().map(|&loss| plateau.see(loss)).collect();
/// assert_eq!(dropped, [false, false, false, true, false]);
/// assert_eq!(plateau.factor(), 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    higher_is_better: bool,
    factor: f64,
    patience: usize,
    threshold: f64,
    cooldown: usize,
    /// The lowest factor: `min` as a share of the schedule's rate.
    least: f64,
    /// What it remembers. Set it to resume.
    pub state: PlateauState,
}

impl Plateau {
    /// The state that a schedule needs before its first epoch; `None` for one that needs none. Each member has its own.
    pub fn of(schedule: &Schedule, higher_is_better: bool) -> Option<Self> {
        let shape = schedule.shape();
        if shape.name() != "plateau" {
            return None;
        }
        // whole numbers: a fraction is cut off
        let count = |key| shape.get(key).map(|value| value as usize);
        Some(Plateau {
            higher_is_better,
            factor: shape.get("factor")?,
            patience: count("patience")?,
            threshold: shape.get("threshold")?,
            cooldown: count("cooldown")?,
            least: shape.get("min")? / schedule.lr(),
            state: PlateauState { factor: 1.0, best: None, bad: 0, cooldown: 0 },
        })
    }

    /// What the schedule's rate is to be multiplied by.
    pub fn factor(&self) -> f64 {
        self.state.factor
    }

    /// Takes in the value after an epoch; whether the factor has become smaller.
    pub fn see(&mut self, value: f64) -> bool {
        let state = &mut self.state;
        let better = state.best.map_or(value.is_finite(), |best| {
            let margin = self.threshold * best.abs();
            if self.higher_is_better { value > best + margin } else { value < best - margin }
        });
        state.bad += 1;
        if better {
            (state.best, state.bad) = (Some(value), 0);
        }
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        }
        if state.bad <= self.patience {
            return false;
        }
        (state.bad, state.cooldown) = (0, self.cooldown);
        let old = state.factor;
        state.factor = (old * self.factor).max(self.least).min(old);
        state.factor < old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plateau(patience: f64, higher_is_better: bool) -> Plateau {
        let schedule = Schedule::plateau(0.1).with("patience", patience).with("factor", 0.5);
        Plateau::of(&schedule, higher_is_better).unwrap()
    }

    #[test]
    fn only_a_plateau_has_a_state() {
        assert_eq!(Plateau::of(&Schedule::cosine(0.1), false), None);
    }

    #[test]
    fn the_rate_drops_after_more_than_patience_epochs_without_improvement() {
        // the first value is the best one; patience 2: the third bad epoch drops, and then the third again
        let mut watched = plateau(2.0, false);
        let dropped: Vec<bool> = (0..8).map(|_| watched.see(1.0)).collect();
        assert_eq!(dropped, [false, false, false, true, false, false, true, false]);
        assert_eq!(watched.factor(), 0.25);
    }

    #[test]
    fn a_negative_value_that_stands_still_is_no_improvement() {
        for (higher_is_better, value) in [(false, -1.0), (true, -1.0), (false, 1.0), (true, 1.0), (false, 0.0), (true, 0.0)] {
            let mut watched = plateau(0.0, higher_is_better);
            assert!(!watched.see(value));
            assert!(watched.see(value), "{value}");
        }
    }

    #[test]
    fn a_value_that_is_not_a_number_is_never_the_best() {
        let mut watched = plateau(1.0, false);
        assert!(!watched.see(f64::NAN));
        assert!(watched.see(f64::NAN));
        assert_eq!(watched.state.best, None);
        assert!(!watched.see(3.0));
        assert_eq!(watched.state, PlateauState { factor: 0.5, best: Some(3.0), bad: 0, cooldown: 0 });
    }

    #[test]
    fn at_the_lowest_rate_nothing_drops_any_more() {
        let schedule = Schedule::plateau(0.1).with("patience", 0.0).with("factor", 0.1).with("min", 0.02);
        let mut watched = Plateau::of(&schedule, false).unwrap();
        let dropped: Vec<bool> = (0..4).map(|_| watched.see(1.0)).collect();
        assert_eq!(dropped, [false, true, false, false]);
        // 0.02 of 0.1
        assert!((watched.factor() - 0.2).abs() < 1e-15);
    }

    #[test]
    fn a_restored_state_goes_on_as_if_nothing_had_happened() {
        let values = [1.0, 0.9, 0.95, 0.95, 0.95, 0.8, 0.81, 0.82, 0.83, 0.84];
        let mut whole = plateau(1.0, false);
        let all: Vec<bool> = values.iter().map(|&v| whole.see(v)).collect();
        for cut in 0..values.len() {
            let mut first = plateau(1.0, false);
            values[..cut].iter().for_each(|&v| {
                first.see(v);
            });
            let mut second = plateau(1.0, false);
            second.state = first.state;
            let rest: Vec<bool> = values[cut..].iter().map(|&v| second.see(v)).collect();
            assert_eq!((rest.as_slice(), second.factor()), (&all[cut..], whole.factor()));
        }
    }
}
