//! Initialisation: how weights start. Biases start at 0.

use crate::error::{Error, Result};
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

/// How a weight starts: `variance = s / fan`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Init {
    /// He in front of `relu` and its family, Xavier otherwise.
    #[default]
    Auto,
    /// All zeros.
    Zeros,
    /// Normal with a deviation (the field's small normal is 0.1).
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// `s = 1`. Glorot and Bengio 2010. PyTorch's `xavier_*` has `Fan::Avg`; the texts' 1/n is `Fan::In`, the default.
    Xavier {
        /// The fan.
        fan: Fan,
        /// The distribution.
        dist: Dist,
    },
    /// `s = 2`. He et al. 2015. PyTorch's `kaiming_*` with `nonlinearity = "relu"`.
    He {
        /// The fan.
        fan: Fan,
        /// The distribution.
        dist: Dist,
    },
}

impl Init {
    /// Xavier with the defaults.
    pub fn xavier() -> Self {
        Init::Xavier { fan: Fan::default(), dist: Dist::default() }
    }

    /// He with the defaults.
    pub fn he() -> Self {
        Init::He { fan: Fan::default(), dist: Dist::default() }
    }

    /// What `auto` means in front of an activation.
    pub(crate) fn resolve(self, next: &str) -> Self {
        match self {
            Init::Auto if next.ends_with("relu") => Init::he(),
            Init::Auto => Init::xavier(),
            other => other,
        }
    }

    /// A weight `[outputs, inputs]` of the layer with this index.
    pub(crate) fn draw(self, seed: u64, layer: usize, inputs: usize, outputs: usize) -> Vec<f32> {
        let variance = |s: f64, fan: Fan| {
            let (inputs, outputs) = (inputs as f64, outputs as f64);
            s / match fan {
                Fan::In => inputs,
                Fan::Avg => (inputs + outputs) / 2.0,
                Fan::Out => outputs,
            }
        };
        let (variance, dist) = match self {
            Init::Zeros => return vec![0.0; inputs * outputs],
            Init::Normal { std } => (std * std, Dist::Normal),
            Init::Xavier { fan, dist } => (variance(1.0, fan), dist),
            Init::He { fan, dist } => (variance(2.0, fan), dist),
            Init::Auto => (variance(1.0, Fan::In), Dist::Normal),
        };
        let mut rng = Rng::new(seed, Purpose::Init, layer as u64);
        let draw = || match dist {
            Dist::Normal => (variance.sqrt() * rng.normal()) as f32,
            Dist::Uniform => ((3.0 * variance).sqrt() * (2.0 * rng.unit() - 1.0)) as f32,
        };
        std::iter::repeat_with(draw).take(inputs * outputs).collect()
    }

    /// An error when the deviation makes no sense.
    pub fn check(self) -> Result<()> {
        match self {
            Init::Normal { std } if !(std.is_finite() && std >= 0.0) => {
                Err(Error::input(format!("the deviation of the initial weights must not be negative (got {std}): set [model] init")))
            }
            _ => Ok(()),
        }
    }
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
            (Init::Xavier { fan: Fan::Avg, dist: Dist::Uniform }, 1.0 / 300.0),
            (Init::He { fan: Fan::Out, dist: Dist::Uniform }, 2.0 / 200.0),
            (Init::Normal { std: 0.1 }, 0.01),
        ] {
            let (mean, variance, _) = moments(init, inputs, outputs);
            // 80,000 draws: relative error of the variance √(2/80000) = 0.5 %, of the mean 0.35 % of the deviation; four of each
            assert!((variance / wanted - 1.0).abs() < 0.02, "{init:?}: {variance} is not {wanted}");
            assert!(mean.abs() < 0.014 * wanted.sqrt(), "{init:?}: mean {mean}");
        }
    }

    #[test]
    fn uniform_draws_stay_within_their_limit() {
        let (_, _, most) = moments(Init::Xavier { fan: Fan::In, dist: Dist::Uniform }, 300, 100);
        // √(3/300) = 0.1
        assert!(most <= 0.1 && most > 0.0999, "{most}");
    }

    #[test]
    fn auto_suits_the_activation_behind() {
        assert_eq!(Init::Auto.resolve("relu"), Init::he());
        assert_eq!(Init::Auto.resolve("leaky_relu"), Init::he());
        assert_eq!(Init::Auto.resolve("tanh"), Init::xavier());
        assert_eq!(Init::Zeros.resolve("relu"), Init::Zeros);
    }
}
