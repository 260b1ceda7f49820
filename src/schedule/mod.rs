//! Learning-rate schedules: pure functions of the position in the run, without hidden state; only [`Plateau`] has one, and shows it.

mod expression;
mod phases;
mod plateau;
mod shape;
#[cfg(test)]
mod tests;

pub use phases::{Length, Phase};
pub use plateau::{Plateau, PlateauState};
pub use shape::{Curve, Shape, ShapeInfo, TABLE, Value, Word, named};

use crate::error::{Error, Result};
use shape::Kind;

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
    /// A share of the run (of the phase, in a phase), rounded up to whole units.
    Share(f64),
    /// So many units.
    Count(usize),
}

/// A schedule: a [`Shape`], an optional linear warm-up `lr · (t + 1)/W` before it (so that the first step is not 0), and a unit.
///
/// After a warm-up of W of N units the shape has `t` from 0 and `T = N − W`. The run ends at `t = T − 1`: the end that `cosine` and
/// `polynomial` fall to would be the unit after the last one, as in PyTorch with `T_max = T`. (PyTorch's `LinearLR` with `start_factor =
/// 1/W` and `total_iters = W − 1` is this warm-up; its defaults are others.)
///
/// The same position gives the same rate, so that a resumed run goes on with the rates that it would have had.
///
/// ```
/// use gradus::schedule::{Position, Schedule};
/// let at = |schedule: &Schedule, epoch| schedule.rate(Position { epoch, step: 0, epochs: 30, steps_per_epoch: 1 });
/// let steps = Schedule::step(0.1, 0.5, 10);
/// assert_eq!((at(&steps, 9), at(&steps, 10), at(&steps, 29)), (0.1, 0.05, 0.025));
/// let cycle = Schedule::one_cycle(0.1).with("pct_start", 0.5).with("anneal", "linear");
/// assert_eq!((at(&cycle, 0), at(&cycle, 14)), (0.1 / 25.0, 0.1));
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    lr: f64,
    shape: Shape,
    warmup: Warmup,
    unit: Unit,
    /// What [`Schedule::with`] could not do, for [`Schedule::check`] to say.
    fault: Option<String>,
}

/// The units that a schedule or a phase of it has, and how many steps each is.
#[derive(Clone, Copy)]
struct Span {
    now: usize,
    all: usize,
    unit: Unit,
    steps_per_epoch: usize,
}

impl Schedule {
    /// A schedule of any shape, from the rate `lr`.
    pub fn new(lr: f64, shape: Shape) -> Self {
        Schedule { lr, shape, warmup: Warmup::None, unit: Unit::Epoch, fault: None }
    }

    /// Of a row of [`TABLE`], with its defaults.
    fn row(lr: f64, name: &str) -> Self {
        Schedule::new(lr, Shape::of(named(name).unwrap_or(&TABLE[0])))
    }

    /// A constant rate.
    pub fn fixed(lr: f64) -> Self {
        Schedule::row(lr, "fixed")
    }

    /// `lr · drop^(t // every)`. PyTorch's `StepLR`.
    pub fn step(lr: f64, drop: f64, every: usize) -> Self {
        Schedule::row(lr, "step").with("drop", drop).with("every", every as f64)
    }

    /// `lr · rate^t`. PyTorch's `ExponentialLR`.
    pub fn exponential(lr: f64, rate: f64) -> Self {
        Schedule::row(lr, "exponential").with("rate", rate)
    }

    /// From `lr` down to `min` (0 by default) along half a cosine. PyTorch's `CosineAnnealingLR`.
    pub fn cosine(lr: f64) -> Self {
        Schedule::row(lr, "cosine")
    }

    /// Cosines from `lr` to `min` (0 by default), the first over `every` units, each next one `multiply` times as long.
    /// PyTorch's `CosineAnnealingWarmRestarts`.
    pub fn cosine_restarts(lr: f64, every: usize, multiply: usize) -> Self {
        Schedule::row(lr, "cosine_restarts").with("every", every as f64).with("multiply", multiply as f64)
    }

    /// `min + (lr − min)(1 − t/T)^power`, `min` 0 by default. PyTorch's `PolynomialLR`.
    pub fn polynomial(lr: f64, power: f64) -> Self {
        Schedule::row(lr, "polynomial").with("power", power)
    }

    /// Up to the rate `highest` and down to nearly 0: `pct_start` 0.3, `div` 25, `final_div` 1e4, `anneal` "cos" (or "linear") by default.
    /// PyTorch's `OneCycleLR`, without its cycling of the momentum. It is usual with `by_step`.
    pub fn one_cycle(highest: f64) -> Self {
        Schedule::row(highest, "one_cycle")
    }

    /// A constant rate that a [`Plateau`] lowers: `factor` 0.1, `patience` 10, `threshold` 1e-4, `cooldown` 0, `min` 0 by default.
    /// PyTorch's `ReduceLROnPlateau`.
    ///
    /// [`Schedule::rate`] knows nothing of it: whoever trains multiplies by [`Plateau::factor`].
    pub fn plateau(lr: f64) -> Self {
        Schedule::row(lr, "plateau")
    }

    /// A curve of your own. `lr` is what a warm-up rises to, and what the curve is told.
    pub fn custom(lr: f64, curve: impl Curve + 'static) -> Self {
        Schedule::new(lr, Shape::custom(curve))
    }

    /// One schedule after the other, each for a part of the run, with a `t` from 0, a rate and a warm-up of its own. The unit is that of the
    /// whole. PyTorch's `SequentialLR`, where all start from the optimizer's one rate.
    ///
    /// ```
    /// use gradus::schedule::{Length, Schedule};
    /// let schedule = Schedule::phases(vec![
    ///     (Schedule::fixed(0.1).warmup(0.1), Length::Count(20)),
    ///     (Schedule::cosine(0.1), Length::Rest),
    /// ]);
    /// assert!(schedule.check_for(90, 1).is_ok());
    /// ```
    pub fn phases(phases: impl IntoIterator<Item = (Schedule, Length)>) -> Self {
        let phases: Vec<Phase> = phases.into_iter().map(|(schedule, length)| Phase { schedule, length }).collect();
        let lr = phases.first().map_or(f64::NAN, |phase| phase.schedule.lr);
        Schedule::new(lr, Shape(Kind::Phases(phases)))
    }

    /// Sets a hyper-parameter of the shape by its name in [`TABLE`], to a number or a word. [`Schedule::check`] tells of a name that is wrong.
    pub fn with<'a>(mut self, key: &str, value: impl Into<Value<'a>>) -> Self {
        if let Err(error) = self.shape.set(key, value) {
            self.fault.get_or_insert(error.to_string());
        }
        self
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

    /// The rate that it starts from; of `one_cycle` the highest, of phases that of the first one.
    pub fn lr(&self) -> f64 {
        self.lr
    }

    /// The curve after the warm-up.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The same schedule from another rate. Of phases, all rates become larger or smaller by as much as the first.
    pub fn with_lr(self, lr: f64) -> Self {
        Schedule { lr, ..self }
    }

    /// The rate at a position. Of `plateau`, what [`Plateau::factor`] multiplies.
    pub fn rate(&self, at: Position) -> f64 {
        let (now, all) = match self.unit {
            Unit::Epoch => (at.epoch, at.epochs),
            Unit::Step => (at.step, at.epochs * at.steps_per_epoch),
        };
        self.rate_in(Span { now, all, unit: self.unit, steps_per_epoch: at.steps_per_epoch })
    }

    /// How many of so many units the warm-up takes.
    fn warm(&self, all: usize) -> usize {
        match self.warmup {
            Warmup::None => 0,
            Warmup::Share(share) => phases::whole(share * all as f64),
            Warmup::Count(count) => count,
        }
    }

    fn rate_in(&self, span: Span) -> f64 {
        let warm = self.warm(span.all);
        if span.now < warm {
            return self.lr * (span.now + 1) as f64 / warm as f64;
        }
        let (t, rest) = (span.now - warm, span.all.saturating_sub(warm).max(1));
        match &self.shape.0 {
            Kind::Row(info, values) => (info.rate)(values, self.lr, t as f64, rest as f64),
            Kind::Custom(curve) => {
                let (epoch, step) = match span.unit {
                    Unit::Epoch => (t, t * span.steps_per_epoch),
                    Unit::Step => (t / span.steps_per_epoch.max(1), t),
                };
                curve.rate(epoch as f64, step as f64, rest as f64, self.lr)
            }
            Kind::Phases(phases) => match phases::find(phases, t, rest) {
                // `lr` is the first phase's, unless `with_lr` changed it
                Some((phase, now, all)) => phase.schedule.rate_in(Span { now, all, ..span }) * (self.lr / phases[0].schedule.lr),
                None => self.lr,
            },
        }
    }

    /// An error when a number makes no sense: it names the key and the value.
    pub fn check(&self) -> Result<()> {
        if let Some(fault) = &self.fault {
            return Err(Error::input(fault.clone()));
        }
        self.shape.check()?;
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return Err(Error::input(format!("the learning rate must be a positive number (got {})", self.lr)));
        }
        if let Some(min) = self.shape.get("min")
            && min > self.lr
        {
            let lr = self.lr;
            return Err(Error::input(format!("[schedule] min must not be above the learning rate (got {min} with lr = {lr}): lower it")));
        }
        match self.warmup {
            Warmup::Share(share) if !(0.0..1.0).contains(&share) => {
                Err(Error::input(format!("[schedule] warmup must be a share from 0 to 1 or a whole number (got {share})")))
            }
            _ => Ok(()),
        }
    }

    /// An error when there are phases that do not fit into so many units.
    fn fits(&self, all: usize, unit: &str) -> Result<()> {
        match &self.shape.0 {
            Kind::Phases(phases) => phases::fit(phases, all.saturating_sub(self.warm(all)), unit),
            _ => Ok(()),
        }
    }

    /// [`Schedule::check`], and what can be told only with the length of the run: whether phases fit into it, and whether a curve of your own
    /// is a rate at each unit of it.
    pub fn check_for(&self, epochs: usize, steps_per_epoch: usize) -> Result<()> {
        self.check()?;
        let (all, unit) = match self.unit {
            Unit::Epoch => (epochs, "epoch"),
            Unit::Step => (epochs * steps_per_epoch, "step"),
        };
        self.fits(all, unit)?;
        if !self.shape.has_custom() {
            return Ok(());
        }
        for now in 0..all {
            let rate = self.rate_in(Span { now, all, unit: self.unit, steps_per_epoch });
            if !(0.0..=f64::from(f32::MAX)).contains(&rate) {
                let name = self.shape.name();
                return Err(Error::input(format!("[schedule] {name} is {rate} at {unit} {now}: a rate must be a number of at least 0")));
            }
        }
        Ok(())
    }
}

impl Shape {
    fn has_custom(&self) -> bool {
        match &self.0 {
            Kind::Row(..) => false,
            Kind::Custom(_) => true,
            Kind::Phases(phases) => phases.iter().any(|phase| phase.schedule.shape.has_custom()),
        }
    }
}
