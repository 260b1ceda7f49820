//! Learning-rate schedules: pure functions of the position in the run, without hidden state.

use crate::error::{Error, Result};

/// Where in the run a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The step since training began, from 0.
    pub step: usize,
    /// Epochs of the whole run.
    pub epochs: usize,
    /// Steps of one epoch.
    pub steps_per_epoch: usize,
}

/// What the schedule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Epochs: the rate is held within one.
    #[default]
    Epoch,
    /// Steps.
    Step,
}

/// How long the linear warm-up takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Warmup {
    /// There is none.
    #[default]
    None,
    /// A share of the run, rounded up to whole units.
    Share(f64),
    /// So many units.
    Count(usize),
}

/// The curve after the warm-up. `t` counts units from the end of the warm-up, `T` is how many are left there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// `lr0`.
    Fixed,
    /// `lr0 · drop^(t // every)`. PyTorch's `StepLR`.
    Step {
        /// The factor.
        drop: f64,
        /// How many units it is held.
        every: usize,
    },
    /// `lr0 · rate^t`. PyTorch's `ExponentialLR`.
    Exponential {
        /// The factor of a unit.
        rate: f64,
    },
    /// `min + ½(lr0 − min)(1 + cos(π·t/T))`. PyTorch's `CosineAnnealingLR` with `T_max = T`.
    Cosine {
        /// The rate at the end.
        min: f64,
    },
}

/// A schedule: a curve, an optional linear warm-up `lr0 · (t + 1)/W` before it (so that the first step is not 0), and a unit.
///
/// ```
/// use gradus::schedule::{Position, Schedule};
/// let schedule = Schedule::step(0.1, 0.5, 10);
/// let at = |epoch| schedule.rate(Position { epoch, step: 0, epochs: 30, steps_per_epoch: 1 });
/// assert_eq!((at(9), at(10), at(29)), (0.1, 0.05, 0.025));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    lr: f64,
    shape: Shape,
    warmup: Warmup,
    unit: Unit,
}

impl Schedule {
    /// A schedule of any shape, from the rate `lr`.
    pub fn new(lr: f64, shape: Shape) -> Self {
        Schedule { lr, shape, warmup: Warmup::None, unit: Unit::Epoch }
    }

    /// A constant rate.
    pub fn fixed(lr: f64) -> Self {
        Schedule::new(lr, Shape::Fixed)
    }

    /// `lr · drop^(t // every)`.
    pub fn step(lr: f64, drop: f64, every: usize) -> Self {
        Schedule::new(lr, Shape::Step { drop, every })
    }

    /// `lr · rate^t`.
    pub fn exponential(lr: f64, rate: f64) -> Self {
        Schedule::new(lr, Shape::Exponential { rate })
    }

    /// From `lr` down to 0 along half a cosine.
    pub fn cosine(lr: f64) -> Self {
        Schedule::new(lr, Shape::Cosine { min: 0.0 })
    }

    /// A linear warm-up over a share of the run (0.05 to 0.1 is usual).
    pub fn warmup(self, share: f64) -> Self {
        self.warmup_of(Warmup::Share(share))
    }

    /// A linear warm-up.
    pub fn warmup_of(self, warmup: Warmup) -> Self {
        Schedule { warmup, ..self }
    }

    /// Counts steps, not epochs.
    pub fn by_step(self) -> Self {
        self.unit(Unit::Step)
    }

    /// Counts so.
    pub fn unit(self, unit: Unit) -> Self {
        Schedule { unit, ..self }
    }

    /// The rate that it starts from.
    pub fn lr(&self) -> f64 {
        self.lr
    }

    /// The same schedule from another rate.
    pub fn with_lr(self, lr: f64) -> Self {
        Schedule { lr, ..self }
    }

    /// The rate at a position.
    pub fn rate(&self, at: Position) -> f64 {
        let (now, all) = match self.unit {
            Unit::Epoch => (at.epoch, at.epochs),
            Unit::Step => (at.step, at.epochs * at.steps_per_epoch),
        };
        let warm = match self.warmup {
            Warmup::None => 0,
            // 1e-9: 0.05 · 100 is a little more than 5 in binary
            Warmup::Share(share) => (share * all as f64 - 1e-9).ceil() as usize,
            Warmup::Count(count) => count,
        };
        if now < warm {
            return self.lr * (now + 1) as f64 / warm as f64;
        }
        let (t, rest) = (now - warm, all.saturating_sub(warm).max(1));
        match self.shape {
            Shape::Fixed => self.lr,
            Shape::Step { drop, every } => self.lr * drop.powi((t / every) as i32),
            Shape::Exponential { rate } => self.lr * rate.powi(t as i32),
            Shape::Cosine { min } => min + 0.5 * (self.lr - min) * (1.0 + (std::f64::consts::PI * t as f64 / rest as f64).cos()),
        }
    }

    /// An error when a number makes no sense: it names the key and the value.
    pub fn check(&self) -> Result<()> {
        let positive = |key: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::input(format!("{key} must be a positive number (got {value})"))),
        };
        positive("the learning rate", self.lr)?;
        match self.shape {
            Shape::Fixed => {}
            Shape::Step { drop, every } => {
                positive("[schedule] drop", drop)?;
                if every == 0 {
                    return Err(Error::input("[schedule] every must be at least 1 (got 0)"));
                }
            }
            Shape::Exponential { rate } => positive("[schedule] rate", rate)?,
            Shape::Cosine { min } => {
                if !(min.is_finite() && min >= 0.0) {
                    return Err(Error::input(format!("[schedule] min must not be negative (got {min})")));
                }
            }
        }
        match self.warmup {
            Warmup::Share(share) if !(0.0..1.0).contains(&share) => {
                Err(Error::input(format!("[schedule] warmup must be a share from 0 to 1 or a whole number (got {share})")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize, epochs: usize) -> Position {
        Position { epoch, step: epoch * 3, epochs, steps_per_epoch: 3 }
    }

    fn close(got: f64, wanted: f64) {
        assert!((got - wanted).abs() <= 1e-15, "{got} is not {wanted}");
    }

    #[test]
    fn each_shape_at_0_at_its_boundaries_and_at_the_last_epoch() {
        let step = Schedule::step(0.1, 0.5, 10);
        for (e, wanted) in [(0, 0.1), (9, 0.1), (10, 0.05), (19, 0.05), (20, 0.025), (29, 0.025)] {
            close(step.rate(epoch(e, 30)), wanted);
        }
        let exponential = Schedule::exponential(1.0, 0.5);
        for (e, wanted) in [(0, 1.0), (1, 0.5), (3, 0.125)] {
            close(exponential.rate(epoch(e, 4)), wanted);
        }
        // cos(0) = 1, cos(π/2) = 0, cos(3π/4) = −√½
        let cosine = Schedule::new(1.0, Shape::Cosine { min: 0.2 });
        for (e, wanted) in [(0, 1.0), (2, 0.6), (3, 0.2 + 0.4 * (1.0 - 0.5f64.sqrt()))] {
            close(cosine.rate(epoch(e, 4)), wanted);
        }
    }

    #[test]
    fn warmup_starts_above_0_and_hands_over_at_the_full_rate() {
        // 10 % of 20 epochs: 2 of warm-up, at ½ and 1; the cosine then has T = 18
        let schedule = Schedule::cosine(1.0).warmup(0.1);
        close(schedule.rate(epoch(0, 20)), 0.5);
        close(schedule.rate(epoch(1, 20)), 1.0);
        close(schedule.rate(epoch(2, 20)), 1.0);
        close(schedule.rate(epoch(11, 20)), 0.5);
        let counted = Schedule::fixed(0.3).warmup_of(Warmup::Count(3));
        for (e, wanted) in [(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.3)] {
            close(counted.rate(epoch(e, 5)), wanted);
        }
    }

    #[test]
    fn the_unit_decides_whether_the_rate_is_held_within_an_epoch() {
        let at = |step| Position { epoch: step / 4, step, epochs: 2, steps_per_epoch: 4 };
        let by_epoch = Schedule::exponential(1.0, 0.5);
        assert_eq!((by_epoch.rate(at(0)), by_epoch.rate(at(3)), by_epoch.rate(at(4))), (1.0, 1.0, 0.5));
        let by_step = by_epoch.by_step();
        assert_eq!((by_step.rate(at(0)), by_step.rate(at(3)), by_step.rate(at(7))), (1.0, 0.125, 1.0 / 128.0));
    }

    #[test]
    fn senseless_numbers_are_named() {
        for (schedule, wanted) in [
            (Schedule::fixed(-1.0), "the learning rate must be a positive number (got -1)"),
            (Schedule::fixed(f64::NAN), "(got NaN)"),
            (Schedule::step(1.0, 0.5, 0), "every must be at least 1"),
            (Schedule::exponential(1.0, 0.0), "[schedule] rate"),
            (Schedule::cosine(1.0).warmup(1.5), "[schedule] warmup"),
        ] {
            let message = schedule.check().unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
