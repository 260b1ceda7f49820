//! The learning-rate finder's arithmetic: which rates to try, and what the losses at them say. It trains nothing.

mod sketch;
#[cfg(test)]
mod tests;

pub use sketch::{csv, sketch};

use crate::error::{Error, Result};
use std::fmt;

/// The rates to try: `lo·(hi/lo)^(i/(n−1))`. Defaults 1e-7, 10 and 100 steps, as fastai's `lr_find` (Lightning: 1e-8, 1, 100). Smith 2017.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The first rate.
    pub lo: f64,
    /// The last rate.
    pub hi: f64,
    /// How many rates.
    pub steps: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { lo: 1e-7, hi: 10.0, steps: 100 }
    }
}

impl Settings {
    /// An error when a number makes no sense.
    pub fn check(&self) -> Result<()> {
        let Settings { lo, hi, steps } = *self;
        if !(lo.is_finite() && lo > 0.0) {
            return Err(Error::input(format!("the first rate must be a number above 0 (got {lo:e})")));
        }
        if !(hi.is_finite() && hi > lo) {
            return Err(Error::input(format!("the last rate must be above the first (got {hi:e} with the first at {lo:e})")));
        }
        match steps < LEAST {
            true => Err(Error::input(format!("the number of steps must be at least {LEAST} (got {steps})"))),
            false => Ok(()),
        }
    }

    /// The rates, in order.
    pub fn rates(&self) -> Vec<f64> {
        let last = self.steps.saturating_sub(1).max(1) as f64;
        (0..self.steps).map(|i| self.lo * (self.hi / self.lo).powf(i as f64 / last)).collect()
    }
}

/// The smoothing: the share of the old average that stays.
const BETA: f64 = 0.98;
/// The sweep ends where the smoothed loss is more than so many times its best.
const EXPLODED: f64 = 4.0;
/// Fewer points give no suggestion.
const LEAST: usize = 15;
/// Points of the sliding line, at least.
const WINDOW: usize = 11;
/// How much of ln rate it covers, at least: 10 steps of 100 from 1e-7 to 10. Eleven points of a finer sweep would show its noise.
const SPAN: f64 = 10.0 * 18.420680743952367 / 99.0;
/// Points at the end that are not looked at.
const TAIL: usize = 5;

/// Losses over rates, up to where the sweep ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The rates.
    pub rates: Vec<f64>,
    /// The loss of the step at each rate, as it was.
    pub losses: Vec<f64>,
    /// The debiased moving average: `m ← 0.98·m + 0.02·loss`, over `1 − 0.98^(i+1)`. It lags behind the losses: for plots and for the end.
    pub smoothed: Vec<f64>,
    /// Whether it ends before the last loss that was given.
    pub stopped_early: bool,
}

impl Curve {
    /// Cuts where the smoothed loss exceeds 4 × its best (after that point, as fastai does), or a loss is not finite (before it).
    ///
    /// May be asked while the sweep goes on, with the losses so far: `stopped_early` says that it can end.
    pub fn new(rates: &[f64], losses: &[f64]) -> Self {
        let mut curve = Curve { rates: Vec::new(), losses: Vec::new(), smoothed: Vec::new(), stopped_early: false };
        let (mut average, mut rest, mut best) = (0.0, 1.0, f64::INFINITY);
        for (&rate, &loss) in rates.iter().zip(losses) {
            // the end is seen one loss later
            if !loss.is_finite() || curve.smoothed.last().is_some_and(|&last| exploded(last, best)) {
                curve.stopped_early = true;
                break;
            }
            average = BETA * average + (1.0 - BETA) * loss;
            rest *= BETA;
            let smoothed = average / (1.0 - rest);
            best = best.min(smoothed);
            curve.rates.push(rate);
            curve.losses.push(loss);
            curve.smoothed.push(smoothed);
        }
        curve
    }

    /// What the suggestions look at: without the first tenth and the last 5 points.
    fn trimmed(&self) -> std::ops::Range<usize> {
        let points = self.rates.len();
        points / 10..points.saturating_sub(TAIL).max(points / 10)
    }
}

/// For a loss that may be negative, 4 × its best is as far above it as for a positive one.
fn exploded(smoothed: f64, best: f64) -> bool {
    smoothed > best + (EXPLODED - 1.0) * best.abs()
}

/// Rates to train with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suggestion {
    /// Where the loss falls fastest as ln rate grows: the middle of the steepest of the sliding lines. The one to take.
    pub steepest: f64,
    /// The slope there: loss per factor e of the rate. Negative.
    pub slope: f64,
    /// The slope in multiples of its standard error, positive. Noise alone gives up to about 5 (the steepest of many lines): below that,
    /// the place means little.
    pub certainty: f64,
    /// fastai's `valley`: within the longest falling subsequence of the smoothed losses. Its documentation says two thirds along it, its code
    /// goes to the half (a third and a sixth). None when the smoothed loss never falls.
    pub valley: Option<f64>,
    /// A tenth of the rate of the lowest smoothed loss.
    pub minimum_tenth: f64,
}

/// Why there is no suggestion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoSuggestion {
    /// Fewer than 15 finite losses.
    TooFewPoints {
        /// How many there were.
        points: usize,
        /// Whether the sweep ended early: the loss exploded, or was not finite.
        stopped_early: bool,
    },
    /// No line falls.
    NoFall {
        /// The first rate.
        lo: f64,
        /// The last rate that was looked at.
        hi: f64,
    },
}

impl fmt::Display for NoSuggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NoSuggestion::TooFewPoints { points, stopped_early: true } => write!(
                f,
                "no suggestion: the loss exploded or was not finite after {points} steps, and {LEAST} are needed: start from a lower rate, \
                 and check that the data have no infinite values"
            ),
            NoSuggestion::TooFewPoints { points, stopped_early: false } => {
                write!(f, "no suggestion: there are losses of {points} steps, and {LEAST} are needed: take more steps")
            }
            NoSuggestion::NoFall { lo, hi } => write!(
                f,
                "no suggestion: the loss falls nowhere from {lo:.1e} to {hi:.1e}: widen the range, and check the targets, the loss and the \
                 initial weights"
            ),
        }
    }
}

impl std::error::Error for NoSuggestion {}

/// A line through some neighbouring points: loss over ln rate.
struct Line {
    /// ln rate in the middle.
    middle: f64,
    /// The mean loss.
    mean: f64,
    slope: f64,
    /// Of the points about the line.
    variance: f64,
    /// `Σ(x − x̄)²`.
    spread: f64,
}

/// Least squares.
fn line(rates: &[f64], losses: &[f64]) -> Line {
    let count = rates.len() as f64;
    let x: Vec<f64> = rates.iter().map(|rate| rate.ln()).collect();
    let middle = x.iter().sum::<f64>() / count;
    let mean = losses.iter().sum::<f64>() / count;
    let spread: f64 = x.iter().map(|x| (x - middle).powi(2)).sum();
    let slope = x.iter().zip(losses).map(|(x, loss)| (x - middle) * (loss - mean)).sum::<f64>() / spread;
    let squares: f64 = x.iter().zip(losses).map(|(x, loss)| (loss - mean - slope * (x - middle)).powi(2)).sum();
    Line { middle, mean, slope, variance: squares / (count - 2.0), spread }
}

/// Rates to train with, or why there are none.
///
/// The steepest descent is that of lines through 11 neighbouring raw losses over ln rate (more where 11 cover less than 0.8 decades, fewer
/// where there are no more), without the first tenth of the points and the last 5, and up to the lowest of the lines: beyond it the loss explodes, and its noise with it.
/// Not over the rate itself, where the noise of the smallest rates has the steepest slopes, and not of the smoothed loss, which lags.
///
/// ```
/// use gradus::lr_find::{Curve, Settings, suggest};
/// let rates = Settings::default().rates();
/// // falls from 2.3 to 0.3 around 1e-3, explodes above 1
/// let losses: Vec<f64> = rates.iter().map(|lr| 0.3 + 2.0 / (1.0 + (lr / 1e-3).powi(2)) + lr * lr).collect();
/// let suggestion = suggest(&Curve::new(&rates, &losses)).expect("it falls");
/// assert!((suggestion.steepest / 1e-3).log10().abs() < 0.1);
/// ```
pub fn suggest(curve: &Curve) -> Result<Suggestion, NoSuggestion> {
    let points = curve.rates.len();
    let stopped_early = curve.stopped_early;
    let range = curve.trimmed();
    let (rates, losses, smoothed) = (&curve.rates[range.clone()], &curve.losses[range.clone()], &curve.smoothed[range]);
    let (Some(&lo), Some(&hi), true) = (rates.first(), rates.last(), points >= LEAST) else {
        return Err(NoSuggestion::TooFewPoints { points, stopped_early });
    };
    let step = (hi / lo).ln() / (rates.len() - 1) as f64;
    let window = WINDOW.max((SPAN / step).round() as usize + 1).min(rates.len());
    let lines: Vec<Line> = rates.windows(window).zip(losses.windows(window)).map(|(rates, losses)| line(rates, losses)).collect();
    let lowest = lines.iter().enumerate().min_by(|a, b| a.1.mean.total_cmp(&b.1.mean)).map_or(0, |(i, _)| i);
    let steepest = lines[..=lowest].iter().min_by(|a, b| a.slope.total_cmp(&b.slope)).filter(|line| line.slope < 0.0);
    let Some(steepest) = steepest else { return Err(NoSuggestion::NoFall { lo, hi }) };
    // of all lines: that of one line alone may be small by chance
    let mut variances: Vec<f64> = lines.iter().map(|line| line.variance).collect();
    variances.sort_by(f64::total_cmp);
    let error = (variances[variances.len() / 2] / steepest.spread).sqrt();
    let minimum = smoothed.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(lo, |(i, _)| rates[i]);
    Ok(Suggestion {
        steepest: steepest.middle.exp(),
        slope: steepest.slope,
        certainty: -steepest.slope / error,
        valley: valley(smoothed).map(|i| rates[i]),
        minimum_tenth: minimum / 10.0,
    })
}

/// fastai's `valley`: the last index of the longest falling subsequence less its length, and from there half its length.
fn valley(losses: &[f64]) -> Option<usize> {
    // the length of the longest one that ends at each point
    let mut lengths = vec![1usize; losses.len()];
    for i in 1..losses.len() {
        lengths[i] = 1 + (0..i).filter(|&j| losses[i] < losses[j]).map(|j| lengths[j]).max().unwrap_or(0);
    }
    let longest = lengths.iter().copied().max().filter(|&length| length > 1)?;
    let end = lengths.iter().position(|&length| length == longest)?;
    // one before the first point when all fall: fastai then has index −1, and adds to it
    Some((end + longest / 3 + longest / 6).saturating_sub(longest))
}
