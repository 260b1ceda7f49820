//! Initialisation: how weights start. Biases start at 0.

use crate::error::{Error, Result};
use crate::hyper::Range;
use crate::rng::{Purpose, Rng};

/// Which fan the variance is divided by: inputs, outputs, or their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fan {
    /// Inputs of the layer.
    #[default]
    In,
    /// The mean of inputs and outputs (Glorot's own, and PyTorch's `xavier_*`).
    Avg,
    /// Outputs of the layer.
    Out,
}

/// The distribution of the draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dist {
    /// Normal with the variance.
    #[default]
    Normal,
    /// Uniform in ±√(3·variance), which has the same variance.
    Uniform,
}

/// The `s` of `variance = gain² · s / fan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `s = 1`. Glorot and Bengio 2010. PyTorch's `xavier_*` has `Fan::Avg`; the texts' 1/n is `Fan::In`, the default.
    Xavier,
    /// `s = 2`. He et al. 2015. PyTorch's `kaiming_*` with `nonlinearity = "relu"`.
    He,
    /// `s = 1`, by the inputs. LeCun et al. 1998; what `selu` wants. Keras's `lecun_*`.
    Lecun,
}

/// How a weight starts.
///
/// | name | weight |
/// | --- | --- |
/// | `he`, `xavier`, `lecun` | normal or uniform, `variance = gain²·s/fan` with s 2, 1, 1 |
/// | `orthogonal` | gain · a matrix with orthonormal rows or columns. Saxe, McClelland and Ganguli 2014. PyTorch's `orthogonal_` |
/// | `normal` | normal with a deviation, 0.1 unless given |
/// | `uniform` | uniform in ±limit |
/// | `zeros`, `constant` | all alike: units of a layer then stay alike, too |
/// | `auto` | `he` before the relu family, `lecun` before selu, `xavier` otherwise |
///
/// Normal draws are not cut off (Keras's `he_normal`, `glorot_normal` and `lecun_normal` are, at two deviations). What a layer starts from when nothing
/// is said: `auto` here; in PyTorch's `Linear` uniform in ±1/√n, a third of the variance of `xavier`, biases too; in Keras's `Dense`
/// `xavier` with `fan = "avg"` and `dist = "uniform"`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Init {
    /// What suits the activation behind the layer.
    #[default]
    Auto,
    /// All zeros.
    Zeros,
    /// All this number.
    Constant {
        /// The number.
        value: f64,
    },
    /// Normal with a deviation (the field's small normal is 0.1).
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// Uniform in ±limit.
    Uniform {
        /// The limit.
        limit: f64,
    },
    /// `variance = gain² · s / fan`.
    Scaled {
        /// s.
        scheme: Scheme,
        /// The fan.
        fan: Fan,
        /// The distribution.
        dist: Dist,
        /// The gain.
        gain: f64,
    },
    /// `gain` times a matrix with orthonormal rows (or columns, where it has more rows).
    Orthogonal {
        /// The gain.
        gain: f64,
    },
}

impl Init {
    /// Xavier with the defaults.
    pub fn xavier() -> Self {
        Init::scaled(Scheme::Xavier)
    }

    /// He with the defaults.
    pub fn he() -> Self {
        Init::scaled(Scheme::He)
    }

    /// LeCun with the defaults.
    pub fn lecun() -> Self {
        Init::scaled(Scheme::Lecun)
    }

    fn scaled(scheme: Scheme) -> Self {
        Init::Scaled { scheme, fan: Fan::default(), dist: Dist::default(), gain: 1.0 }
    }

    /// The same by another fan.
    pub fn fan(self, with: Fan) -> Self {
        match self {
            Init::Scaled { scheme, dist, gain, .. } => Init::Scaled { scheme, fan: with, dist, gain },
            other => other,
        }
    }

    /// The same from another distribution.
    pub fn dist(self, with: Dist) -> Self {
        match self {
            Init::Scaled { scheme, fan, gain, .. } => Init::Scaled { scheme, fan, dist: with, gain },
            other => other,
        }
    }

    /// The same with another gain.
    pub fn gain(self, with: f64) -> Self {
        match self {
            Init::Scaled { scheme, fan, dist, .. } => Init::Scaled { scheme, fan, dist, gain: with },
            Init::Orthogonal { .. } => Init::Orthogonal { gain: with },
            other => other,
        }
    }

    /// What `auto` means in front of an activation.
    pub(crate) fn resolve(self, next: &str) -> Self {
        match (self, next) {
            (Init::Auto, "relu" | "leaky_relu" | "elu" | "gelu" | "gelu_tanh" | "silu" | "softplus" | "hard_swish") => Init::he(),
            (Init::Auto, "selu") => Init::lecun(),
            (Init::Auto, _) => Init::xavier(),
            (other, _) => other,
        }
    }

    /// A weight `[outputs, inputs]` from the stream of draws with this number.
    pub(crate) fn draw(self, seed: u64, stream: usize, inputs: usize, outputs: usize) -> Vec<f32> {
        let count = inputs * outputs;
        let mut rng = Rng::new(seed, Purpose::Init, stream as u64);
        let (variance, dist) = match self {
            Init::Auto => return Init::xavier().draw(seed, stream, inputs, outputs),
            Init::Zeros => return vec![0.0; count],
            Init::Constant { value } => return vec![value as f32; count],
            Init::Orthogonal { gain } => return orthogonal(&mut rng, outputs, inputs).iter().map(|w| (gain * w) as f32).collect(),
            Init::Normal { std } => (std * std, Dist::Normal),
            Init::Uniform { limit } => (limit * limit / 3.0, Dist::Uniform),
            Init::Scaled { scheme, fan, dist, gain } => {
                let s = if scheme == Scheme::He { 2.0 } else { 1.0 };
                let fan = match fan {
                    Fan::In => inputs as f64,
                    Fan::Avg => (inputs + outputs) as f64 / 2.0,
                    Fan::Out => outputs as f64,
                };
                (gain * gain * s / fan, dist)
            }
        };
        let draw = || match dist {
            Dist::Normal => (variance.sqrt() * rng.normal()) as f32,
            Dist::Uniform => ((3.0 * variance).sqrt() * (2.0 * rng.unit() - 1.0)) as f32,
        };
        std::iter::repeat_with(draw).take(count).collect()
    }

    /// An error when a number makes no sense.
    pub fn check(self) -> Result<()> {
        let (what, value, range) = match self {
            Init::Auto | Init::Zeros => return Ok(()),
            Init::Constant { value } => ("value", value, Range::Any),
            Init::Normal { std } => ("deviation", std, Range::NotNegative),
            Init::Uniform { limit } => ("limit", limit, Range::NotNegative),
            Init::Scaled { gain, .. } | Init::Orthogonal { gain } => ("gain", gain, Range::Positive),
        };
        match range.holds(value) {
            true => Ok(()),
            false => {
                let wanted = range.says();
                Err(Error::input(format!("the {what} of the initial weights must be {wanted} (got {value}): set [model] init")))
            }
        }
    }
}

/// A matrix `[rows, columns]` whose shorter side is orthonormal: normal draws, made orthogonal by Gram and Schmidt, twice, which is enough
/// (Giraud, Langou and Rozložník 2005).
fn orthogonal(rng: &mut Rng, rows: usize, columns: usize) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut new: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
        for _ in 0..2 {
            for old in &vectors {
                let along: f64 = old.iter().zip(&new).map(|(a, b)| a * b).sum();
                new.iter_mut().zip(old).for_each(|(x, o)| *x -= along * o);
            }
        }
        let norm = new.iter().map(|x| x * x).sum::<f64>().sqrt();
        // what is left of a draw that lay in the span of the others says nothing
        if norm > 1e-6 {
            new.iter_mut().for_each(|x| *x /= norm);
            vectors.push(new);
        }
    }
    let at = |row: usize, column: usize| if rows <= columns { vectors[row][column] } else { vectors[column][row] };
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(row, column)| at(row, column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init, inputs: usize, outputs: usize) -> (f64, f64, f64) {
        let draws = init.draw(1, 0, inputs, outputs);
        let n = draws.len() as f64;
        let mean = draws.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = draws.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance, draws.iter().fold(0.0, |most, &x| most.max(f64::from(x.abs()))))
    }

    #[test]
    fn variances_are_those_of_the_texts() {
        let (inputs, outputs) = (400, 200);
        for (init, wanted) in [
            (Init::he(), 2.0 / 400.0),
            (Init::xavier(), 1.0 / 400.0),
            (Init::lecun(), 1.0 / 400.0),
            (Init::xavier().fan(Fan::Avg).dist(Dist::Uniform), 1.0 / 300.0),
            (Init::he().fan(Fan::Out).dist(Dist::Uniform), 2.0 / 200.0),
            (Init::he().gain(0.5), 0.25 * 2.0 / 400.0),
            (Init::Normal { std: 0.1 }, 0.01),
            // uniform in ±a: a²/3
            (Init::Uniform { limit: 0.3 }, 0.03),
            // rows of length 1 over 400 numbers
            (Init::Orthogonal { gain: 2.0 }, 4.0 / 400.0),
        ] {
            let (mean, variance, _) = moments(init, inputs, outputs);
            // 80,000 draws: relative error of the variance √(2/80000) = 0.5 %, of the mean 0.35 % of the deviation; four of each
            assert!((variance / wanted - 1.0).abs() < 0.02, "{init:?}: {variance} is not {wanted}");
            assert!(mean.abs() < 0.014 * wanted.sqrt(), "{init:?}: mean {mean}");
        }
        assert_eq!(moments(Init::Constant { value: 0.5 }, 3, 2), (0.5, 0.0, 0.5));
        assert_eq!(moments(Init::Zeros, 3, 2), (0.0, 0.0, 0.0));
    }

    #[test]
    fn uniform_draws_stay_within_their_limit() {
        let (_, _, most) = moments(Init::xavier().dist(Dist::Uniform), 300, 100);
        // √(3/300) = 0.1
        assert!(most <= 0.1 && most > 0.0999, "{most}");
        let (_, _, most) = moments(Init::Uniform { limit: 0.3 }, 300, 100);
        assert!(most <= 0.3 && most > 0.2999, "{most}");
    }

    #[test]
    fn orthogonal_rows_or_columns_are_orthonormal() {
        for (inputs, outputs) in [(7, 4), (4, 7), (5, 5), (1, 3)] {
            let w: Vec<f64> = Init::Orthogonal { gain: 1.0 }.draw(3, 0, inputs, outputs).iter().map(|&x| f64::from(x)).collect();
            let dot = |a: usize, b: usize| match outputs <= inputs {
                true => (0..inputs).map(|k| w[a * inputs + k] * w[b * inputs + k]).sum::<f64>(),
                false => (0..outputs).map(|k| w[k * inputs + a] * w[k * inputs + b]).sum::<f64>(),
            };
            for a in 0..inputs.min(outputs) {
                for b in 0..inputs.min(outputs) {
                    let wanted = f64::from(u8::from(a == b));
                    // rounded to f32: 6e-8 each
                    assert!((dot(a, b) - wanted).abs() < 5e-7, "{outputs}x{inputs}: {a}·{b} = {}", dot(a, b));
                }
            }
        }
    }

    #[test]
    fn auto_suits_the_activation_behind() {
        assert_eq!(Init::Auto.resolve("relu"), Init::he());
        assert_eq!(Init::Auto.resolve("leaky_relu"), Init::he());
        assert_eq!(Init::Auto.resolve("gelu"), Init::he());
        assert_eq!(Init::Auto.resolve("selu"), Init::lecun());
        assert_eq!(Init::Auto.resolve("tanh"), Init::xavier());
        assert_eq!(Init::Zeros.resolve("relu"), Init::Zeros);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for init in [Init::Normal { std: -1.0 }, Init::he().gain(0.0), Init::Uniform { limit: f64::NAN }] {
            assert!(init.check().is_err(), "{init:?}");
        }
        assert!(Init::Constant { value: -1.0 }.check().is_ok());
    }
}
