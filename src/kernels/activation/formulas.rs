//! The activations that come with the crate, one type each, and the table of them.

use super::{ActivationInfo, Formula};
use crate::formula::SlopeOf;
use crate::hyper::{Hyper, Range};
use crate::kernel::Real;

struct Identity;
impl Formula for Identity {
    const NAME: &'static str = "identity";
    const DOC: &'static str = "z";
    const EXPRESSION: Option<&'static str> = Some("z");
    const WGSL: &'static str = "z";
    const WGSL_SLOPE: &'static str = "vec4<f32>(1.0)";
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        z
    }
    #[inline(always)]
    fn slope<T: Real>(_: T, _: T) -> T {
        T::one()
    }
}

/// Written so that a NaN stays one. The slope at 0 is 0.
struct Relu;
impl Formula for Relu {
    const NAME: &'static str = "relu";
    const DOC: &'static str = "max(0, z), with slope 0 at 0. Nair and Hinton 2010";
    const EXPRESSION: Option<&'static str> = Some("relu(z)");
    const WGSL: &'static str = "select(z, vec4<f32>(), z < vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(vec4<f32>(), vec4<f32>(1.0), a > vec4<f32>())";
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        if z < T::zero() { T::zero() } else { z }
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, _: T) -> T {
        if a > T::zero() { T::one() } else { T::zero() }
    }
}

struct LeakyRelu;
impl Formula for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const DOC: &'static str = "z above 0, slope·z below. Maas, Hannun and Ng 2013. PyTorch 0.01, Keras 0.3";
    const PARAMETER: Option<Hyper> = Some(Hyper { name: "slope", default: 0.01, range: Range::Share, doc: "what is left below 0" });
    const EXPRESSION: Option<&'static str> = Some("if(z < 0, parameter*z, z)");
    const WGSL: &'static str = "select(z, parameter * z, z < vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(vec4<f32>(parameter), vec4<f32>(1.0), a > vec4<f32>())";
    #[inline(always)]
    fn value<T: Real>(z: T, parameter: T) -> T {
        if z < T::zero() { parameter * z } else { z }
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, parameter: T) -> T {
        if a > T::zero() { T::one() } else { parameter }
    }
}

/// With a minus one that does not cancel.
struct Elu;
impl Formula for Elu {
    const NAME: &'static str = "elu";
    const DOC: &'static str = "z above 0, alpha·(eᶻ − 1) below. Clevert, Unterthiner and Hochreiter 2016";
    const PARAMETER: Option<Hyper> =
        Some(Hyper { name: "alpha", default: 1.0, range: Range::Positive, doc: "minus the value far below 0" });
    const EXPRESSION: Option<&'static str> = Some("if(z > 0, z, parameter*(exp(min(z, 0)) - 1))");
    const WGSL: &'static str = "select(parameter * exp_minus_1(min(z, vec4<f32>())), z, z > vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(a + parameter, vec4<f32>(1.0), a > vec4<f32>())";
    const FLOOR: f64 = 1.2e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, parameter: T) -> T {
        if z > T::zero() { z } else { parameter * z.exp_m1() }
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, parameter: T) -> T {
        if a > T::zero() { T::one() } else { a + parameter }
    }
}

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// scale · alpha, alpha = 1.6732632423543772
const SELU_BELOW: f64 = 1.758_099_340_847_376_8;
struct Selu;
impl Formula for Selu {
    const NAME: &'static str = "selu";
    const DOC: &'static str = "1.0507·z above 0, 1.0507·1.6733·(eᶻ − 1) below; wants lecun weights. Klambauer et al. 2017";
    const EXPRESSION: Option<&'static str> = Some("if(z > 0, 1.0507009873554805*z, 1.7580993408473768*(exp(min(z, 0)) - 1))");
    const WGSL: &'static str = "select(1.7580993408473768 * exp_minus_1(min(z, vec4<f32>())), 1.0507009873554805 * z, z > vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(a + 1.7580993408473768, vec4<f32>(1.0507009873554805), a > vec4<f32>())";
    const FLOOR: f64 = 2.4e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        if z > T::zero() { T::of_wide(SELU_SCALE) * z } else { T::of_wide(SELU_BELOW) * z.exp_m1() }
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, _: T) -> T {
        if a > T::zero() { T::of_wide(SELU_SCALE) } else { a + T::of_wide(SELU_BELOW) }
    }
}

/// PyTorch's default form.
struct Gelu;
impl Formula for Gelu {
    const NAME: &'static str = "gelu";
    const DOC: &'static str = "z·Φ(z) by erf, as PyTorch's and Keras's default. Hendrycks and Gimpel 2016";
    const SLOPE_OF: SlopeOf = SlopeOf::Input;
    const EXPRESSION: Option<&'static str> = Some("z*(0.5 + 0.5*erf(0.70710678118654752*z))");
    const WGSL: &'static str = "z * (0.5 + 0.5 * erf(0.70710678118654752 * z))";
    // e^(−z²/2) is 0 in f32 beyond 14
    const WGSL_SLOPE: &'static str = "0.5 + 0.5 * erf(0.70710678118654752 * z) \
        + z * 0.39894228040143268 * exp(-0.5 * min(z * z, vec4<f32>(400.0)))";
    // 1 + erf cancels below 0: one rounding of 1, times z, up to where erf is −1
    const FLOOR: f64 = 6e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        let half = T::of(0.5);
        z * (half + half * (T::of_wide(std::f64::consts::FRAC_1_SQRT_2) * z).erf())
    }
    #[inline(always)]
    fn slope<T: Real>(z: T, _: T) -> T {
        let half = T::of(0.5);
        let density = T::of_wide(0.398_942_280_401_432_7) * (-half * z * z).exp();
        half + half * (T::of_wide(std::f64::consts::FRAC_1_SQRT_2) * z).erf() + z * density
    }
}

/// `½(1 + tanh u)` is the sigmoid of 2u, which is good to a few units in the last place where tanh is not.
struct GeluTanh;
impl Formula for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const DOC: &'static str = "½z(1 + tanh(√(2/π)(z + 0.044715z³))): PyTorch's approximate=\"tanh\". Hendrycks and Gimpel 2016";
    const SLOPE_OF: SlopeOf = SlopeOf::Input;
    const EXPRESSION: Option<&'static str> = Some("z*sigmoid(1.5957691216057308*z*(1 + 0.044715*z*z))");
    const WGSL: &'static str = "z * two_sided_sigmoid(1.5957691216057308 * z * (1.0 + 0.044715 * z * z))";
    const WGSL_SLOPE: &'static str = "gelu_tanh_slope(z)";
    const FLOOR: f64 = 6e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        let twice = T::of_wide(1.595_769_121_605_730_8) * z * (T::one() + T::of_wide(0.044_715) * z * z);
        z * Sigmoid::value(twice, T::one())
    }
    #[inline(always)]
    fn slope<T: Real>(z: T, _: T) -> T {
        let twice = T::of_wide(1.595_769_121_605_730_8) * z * (T::one() + T::of_wide(0.044_715) * z * z);
        let s = Sigmoid::value(twice, T::one());
        let inner = T::of_wide(1.595_769_121_605_730_8) * (T::one() + T::of_wide(0.134_145) * z * z);
        // far out s(1 − s) is 0 and the rest is large, not infinite
        s + z * s * Sigmoid::value(-twice, T::one()) * inner
    }
}

struct Silu;
impl Formula for Silu {
    const NAME: &'static str = "silu";
    const DOC: &'static str = "z·sigmoid(z), also called swish. Elfwing, Uchibe and Doya 2018; Ramachandran, Zoph and Le 2017";
    const SLOPE_OF: SlopeOf = SlopeOf::Input;
    const EXPRESSION: Option<&'static str> = Some("z*sigmoid(z)");
    const WGSL: &'static str = "z * two_sided_sigmoid(z)";
    const WGSL_SLOPE: &'static str = "two_sided_sigmoid(z) * (1.0 + z * two_sided_sigmoid(-z))";
    const FLOOR: f64 = 3e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, parameter: T) -> T {
        z * Sigmoid::value(z, parameter)
    }
    #[inline(always)]
    fn slope<T: Real>(z: T, parameter: T) -> T {
        Sigmoid::value(z, parameter) * (T::one() + z * Sigmoid::value(-z, parameter))
    }
}

/// Clamped, where tanh is 1 in `f32`: drivers return NaN for large arguments.
struct Tanh;
impl Formula for Tanh {
    const NAME: &'static str = "tanh";
    const DOC: &'static str = "the hyperbolic tangent, of z clamped to ±15, where it is 1 in f32";
    const EXPRESSION: Option<&'static str> = Some("tanh(z)");
    const WGSL: &'static str = "tanh(clamp(z, vec4<f32>(-15.0), vec4<f32>(15.0)))";
    const WGSL_SLOPE: &'static str = "1.0 - a * a";
    // what WGSL allows a driver
    const FLOOR: f64 = 1.2e-5;
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        z.max(T::of(-15.0)).min(T::of(15.0)).tanh()
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, _: T) -> T {
        T::one() - a * a
    }
}

/// Two-sided: the exponential is only taken of what is not positive.
struct Sigmoid;
impl Formula for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const DOC: &'static str = "1 / (1 + e⁻ᶻ)";
    const EXPRESSION: Option<&'static str> = Some("sigmoid(z)");
    const WGSL: &'static str = "two_sided_sigmoid(z)";
    const WGSL_SLOPE: &'static str = "a * (1.0 - a)";
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        let e = (-z.abs()).exp();
        (if z >= T::zero() { T::one() } else { e }) / (T::one() + e)
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, _: T) -> T {
        a * (T::one() - a)
    }
}

/// Two-sided, too. The slope, the sigmoid of z, is `1 − e⁻ᵃ`.
struct Softplus;
impl Formula for Softplus {
    const NAME: &'static str = "softplus";
    const DOC: &'static str = "ln(1 + eᶻ): PyTorch's with beta 1. Dugas et al. 2001";
    const EXPRESSION: Option<&'static str> = Some("softplus(z)");
    const WGSL: &'static str = "max(z, vec4<f32>()) + ln_1_plus(exp(-abs(z)))";
    const WGSL_SLOPE: &'static str = "-exp_minus_1(-a)";
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        z.max(T::zero()) + (-z.abs()).exp().ln_1p()
    }
    #[inline(always)]
    fn slope<T: Real>(a: T, _: T) -> T {
        -(-a).exp_m1()
    }
}

struct HardSwish;
impl Formula for HardSwish {
    const NAME: &'static str = "hard_swish";
    const DOC: &'static str =
        "z·clamp(z + 3, 0, 6)/6, with slope 0 at −3 and 1 at 3. Howard et al. 2019. PyTorch's Hardswish, Keras's hard_silu";
    const SLOPE_OF: SlopeOf = SlopeOf::Input;
    const EXPRESSION: Option<&'static str> = Some("z*clamp(z + 3, 0, 6)/6");
    const WGSL: &'static str = "z * clamp(z + 3.0, vec4<f32>(), vec4<f32>(6.0)) / 6.0";
    const WGSL_SLOPE: &'static str =
        "select(select((2.0 * z + 3.0) / 6.0, vec4<f32>(1.0), z >= vec4<f32>(3.0)), vec4<f32>(), z <= vec4<f32>(-3.0))";
    // z + 3 cancels near −3: a rounding of 3, times 3/6
    const FLOOR: f64 = 4e-7;
    #[inline(always)]
    fn value<T: Real>(z: T, _: T) -> T {
        z * (z + T::of(3.0)).max(T::zero()).min(T::of(6.0)) / T::of(6.0)
    }
    #[inline(always)]
    fn slope<T: Real>(z: T, _: T) -> T {
        if z <= T::of(-3.0) {
            T::zero()
        } else if z >= T::of(3.0) {
            T::one()
        } else {
            (z + z + T::of(3.0)) / T::of(6.0)
        }
    }
}

macro_rules! table {
    ($($formula:ident),+ $(,)?) => {
        /// All activations of one number. Row 0 is the identity. (Softmax, which is of a row, is a layer.)
        pub static TABLE: &[ActivationInfo] = &[$(ActivationInfo::of::<$formula>()),+];
    };
}

table!(Identity, Relu, LeakyRelu, Elu, Selu, Gelu, GeluTanh, Silu, Tanh, Sigmoid, Softplus, HardSwish);
