//! The losses of one output that come with the crate, one type each, and the table of them.

use super::{ElementwiseInfo, Formula};
use crate::formula::{Link, Takes, sigmoid};
use crate::hyper::{Hyper, Range};
use crate::kernel::Real;

struct Mse;
impl Formula for Mse {
    const NAME: &'static str = "mse";
    const DOC: &'static str = "(p − t)²: no ½, as in PyTorch and Keras (scikit-learn has ½)";
    const WGSL: &'static str = "(p - t) * (p - t)";
    const WGSL_SLOPE: &'static str = "2.0 * (p - t)";
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        (p - t) * (p - t)
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        (p - t) + (p - t)
    }
}

struct Mae;
impl Formula for Mae {
    const NAME: &'static str = "mae";
    const DOC: &'static str = "|p − t|, with slope 0 at 0. PyTorch's L1Loss";
    const WGSL: &'static str = "abs(p - t)";
    const WGSL_SLOPE: &'static str = "sign(p - t)";
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        (p - t).abs()
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        if p == t { T::zero() } else { (p - t).signum() }
    }
}

struct Huber;
impl Formula for Huber {
    const NAME: &'static str = "huber";
    const DOC: &'static str = "½e² while |e| ≤ δ, δ(|e| − ½δ) beyond, e = p − t. Huber 1964. PyTorch's HuberLoss and Keras's Huber";
    const PARAMETER: Option<Hyper> =
        Some(Hyper { name: "delta", default: 1.0, range: Range::Positive, doc: "where the square becomes a line" });
    const WGSL: &'static str = "select(parameter * (abs(p - t) - 0.5 * parameter), 0.5 * (p - t) * (p - t), abs(p - t) <= parameter)";
    const WGSL_SLOPE: &'static str = "clamp(p - t, -parameter, parameter)";
    fn value<T: Real>(p: T, t: T, delta: T) -> T {
        let (e, half) = ((p - t).abs(), T::of(0.5));
        if e <= delta { half * e * e } else { delta * (e - half * delta) }
    }
    fn slope<T: Real>(p: T, t: T, delta: T) -> T {
        (p - t).max(-delta).min(delta)
    }
}

struct BinaryCrossEntropy;
impl Formula for BinaryCrossEntropy {
    const NAME: &'static str = "binary_cross_entropy";
    const DOC: &'static str = "−t·ln σ(p) − (1 − t)·ln(1 − σ(p)) of a logit p, in the form that does not overflow. PyTorch's BCEWithLogitsLoss, \
        Keras's BinaryCrossentropy with from_logits=True";
    const TAKES: Takes = Takes::ZeroOne;
    const LINK: Link = Link::Sigmoid;
    const WGSL: &'static str = "max(p, 0.0) - p * t + ln_1_plus(vec4<f32>(exp(-abs(p)))).x";
    const WGSL_SLOPE: &'static str = "two_sided_sigmoid(vec4<f32>(p)).x - t";
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        p.max(T::zero()) - p * t + (-p.abs()).exp().ln_1p()
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        sigmoid(p) - t
    }
}

struct Hinge;
impl Formula for Hinge {
    const NAME: &'static str = "hinge";
    const DOC: &'static str = "max(0, 1 − t·p) with t = ±1. Cortes and Vapnik 1995. Keras's Hinge; several classes are one against the rest \
        (PyTorch's MultiMarginLoss compares classes with each other)";
    const TAKES: Takes = Takes::PlusMinus;
    const WGSL: &'static str = "max(0.0, 1.0 - t * p)";
    const WGSL_SLOPE: &'static str = "select(0.0, -t, t * p < 1.0)";
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        (T::one() - t * p).max(T::zero())
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        if t * p < T::one() { -t } else { T::zero() }
    }
}

struct Poisson;
impl Formula for Poisson {
    const NAME: &'static str = "poisson";
    const DOC: &'static str =
        "eᵖ − t·p, of the logarithm p of a rate: PyTorch's PoissonNLLLoss with its defaults (Keras's Poisson takes the rate)";
    const LINK: Link = Link::Exp;
    const WGSL: &'static str = "exp(p) - t * p";
    const WGSL_SLOPE: &'static str = "exp(p) - t";
    const REACH: f32 = 8.0;
    fn value<T: Real>(p: T, t: T, _: T) -> T {
        p.exp() - t * p
    }
    fn slope<T: Real>(p: T, t: T, _: T) -> T {
        p.exp() - t
    }
}

struct Quantile;
impl Formula for Quantile {
    const NAME: &'static str = "quantile";
    const DOC: &'static str = "max(q(t − p), (q − 1)(t − p)): the pinball loss, least where p is the q-quantile. Koenker and Bassett 1978";
    const PARAMETER: Option<Hyper> = Some(Hyper { name: "q", default: 0.5, range: Range::Inside, doc: "which quantile" });
    const WGSL: &'static str = "max(parameter * (t - p), (parameter - 1.0) * (t - p))";
    const WGSL_SLOPE: &'static str = "select(select(0.0, 1.0 - parameter, p > t), -parameter, p < t)";
    fn value<T: Real>(p: T, t: T, q: T) -> T {
        (q * (t - p)).max((q - T::one()) * (t - p))
    }
    fn slope<T: Real>(p: T, t: T, q: T) -> T {
        if p < t {
            -q
        } else if p > t {
            T::one() - q
        } else {
            T::zero()
        }
    }
}

macro_rules! table {
    ($($formula:ident),+ $(,)?) => {
        /// All losses of this kind.
        pub static TABLE: &[ElementwiseInfo] = &[$(ElementwiseInfo::of::<$formula>()),+];
    };
}

table!(Mse, Mae, Huber, BinaryCrossEntropy, Hinge, Poisson, Quantile);
