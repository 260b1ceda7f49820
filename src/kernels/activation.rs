//! Activations: the table of them, `a = σ(z)` and `δ = g ⊙ σ'(z)`.
//!
//! Each is a type with its WGSL and its twin side by side; a word in the list `table!` makes it known to the kernels, the config, the
//! documentation and the tests. The slope is a function of the output `a`, so that `z` need not be kept.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, HARD, Inputs};
use crate::params;
use crate::plan::padded;

/// What an activation is: formula, slope, and the same in WGSL on `vec4<f32>`.
trait Formula {
    const NAME: &'static str;
    /// The parameter when the user gives none; `None` when there is no parameter.
    const PARAMETER: Option<f32> = None;
    /// `σ` of the variable `z`; `parameter` is an `f32`.
    const WGSL: &'static str;
    /// `σ'` as an expression of the output `a`.
    const WGSL_SLOPE: &'static str;
    fn value<T: Real>(z: T, parameter: T) -> T;
    fn slope<T: Real>(a: T, parameter: T) -> T;
}

struct Identity;
impl Formula for Identity {
    const NAME: &'static str = "identity";
    const WGSL: &'static str = "z";
    const WGSL_SLOPE: &'static str = "vec4<f32>(1.0)";
    fn value<T: Real>(z: T, _: T) -> T {
        z
    }
    fn slope<T: Real>(_: T, _: T) -> T {
        T::one()
    }
}

/// `max(0, z)`, written so that a NaN stays one. The slope at 0 is 0.
struct Relu;
impl Formula for Relu {
    const NAME: &'static str = "relu";
    const WGSL: &'static str = "select(z, vec4<f32>(), z < vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(vec4<f32>(), vec4<f32>(1.0), a > vec4<f32>())";
    fn value<T: Real>(z: T, _: T) -> T {
        if z < T::zero() { T::zero() } else { z }
    }
    fn slope<T: Real>(a: T, _: T) -> T {
        if a > T::zero() { T::one() } else { T::zero() }
    }
}

struct LeakyRelu;
impl Formula for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const PARAMETER: Option<f32> = Some(0.01);
    const WGSL: &'static str = "select(z, parameter * z, z < vec4<f32>())";
    const WGSL_SLOPE: &'static str = "select(vec4<f32>(parameter), vec4<f32>(1.0), a > vec4<f32>())";
    fn value<T: Real>(z: T, parameter: T) -> T {
        if z < T::zero() { parameter * z } else { z }
    }
    fn slope<T: Real>(a: T, parameter: T) -> T {
        if a > T::zero() { T::one() } else { parameter }
    }
}

/// `1 / (1 + e⁻ᶻ)`, two-sided: the exponential is only taken of what is not positive.
struct Sigmoid;
impl Formula for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const WGSL: &'static str = "select(exp(-abs(z)), vec4<f32>(1.0), z >= vec4<f32>()) / (1.0 + exp(-abs(z)))";
    const WGSL_SLOPE: &'static str = "a * (1.0 - a)";
    fn value<T: Real>(z: T, _: T) -> T {
        let e = (-z.abs()).exp();
        (if z >= T::zero() { T::one() } else { e }) / (T::one() + e)
    }
    fn slope<T: Real>(a: T, _: T) -> T {
        a * (T::one() - a)
    }
}

/// The argument is clamped to ±15, where tanh is 1 in `f32`: drivers return NaN for large arguments.
struct Tanh;
impl Formula for Tanh {
    const NAME: &'static str = "tanh";
    const WGSL: &'static str = "tanh(clamp(z, vec4<f32>(-15.0), vec4<f32>(15.0)))";
    const WGSL_SLOPE: &'static str = "1.0 - a * a";
    fn value<T: Real>(z: T, _: T) -> T {
        z.max(T::of(-15.0)).min(T::of(15.0)).tanh()
    }
    fn slope<T: Real>(a: T, _: T) -> T {
        T::one() - a * a
    }
}

/// An activation as the table holds it.
pub struct ActivationInfo {
    /// The name in configs and in the library's tables.
    pub name: &'static str,
    /// The parameter when the user gives none; `None` when there is none.
    pub parameter: Option<f32>,
    wgsl: &'static str,
    wgsl_slope: &'static str,
}

impl ActivationInfo {
    const fn of<F: Formula>() -> Self {
        ActivationInfo { name: F::NAME, parameter: F::PARAMETER, wgsl: F::WGSL, wgsl_slope: F::WGSL_SLOPE }
    }
}

/// Makes the table, and the way from a row's number to its type.
macro_rules! table {
    ($($formula:ident),+ $(,)?) => {
        /// All activations. The index of a row is its number in uniforms; row 0 is the identity.
        pub static TABLE: &[ActivationInfo] = &[$(ActivationInfo::of::<$formula>()),+];

        impl Activation {
            /// `z ← σ(z)` for each cell.
            pub(crate) fn value<T: Real>(self, cells: &mut [T]) {
                let parameter = T::of(self.parameter);
                $(if self.name() == $formula::NAME {
                    return cells.iter_mut().for_each(|z| *z = $formula::value(*z, parameter));
                })+
            }

            /// `δ ← δ · σ'`, the slope taken from the output.
            pub(crate) fn slope<T: Real>(self, delta: &mut [T], activated: &[T]) {
                let parameter = T::of(self.parameter);
                $(if self.name() == $formula::NAME {
                    return delta.iter_mut().zip(activated).for_each(|(d, &a)| *d *= $formula::slope(a, parameter));
                })+
            }
        }
    };
}

table!(Identity, Relu, LeakyRelu, Sigmoid, Tanh);

/// An activation of the table, with its parameter.
///
/// ```
/// use gradus::Activation;
/// assert_eq!(Activation::named("leaky_relu").unwrap().parameter(), 0.01);
/// assert!(Activation::named("leakyrelu").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    kind: u32,
    parameter: f32,
}

impl Activation {
    /// `a = z`.
    pub const IDENTITY: Activation = Activation { kind: 0, parameter: 0.0 };

    /// The activation of a name, with its usual parameter.
    pub fn named(name: &str) -> Option<Self> {
        let kind = TABLE.iter().position(|row| row.name == name)?;
        Some(Activation { kind: kind as u32, parameter: TABLE[kind].parameter.unwrap_or(0.0) })
    }

    /// The same activation with another parameter (the slope of `leaky_relu` below zero).
    pub fn with_parameter(self, parameter: f32) -> Self {
        Activation { parameter, ..self }
    }

    /// The name.
    pub fn name(self) -> &'static str {
        TABLE[self.kind as usize].name
    }

    /// The parameter; 0 when the activation has none.
    pub fn parameter(self) -> f32 {
        self.parameter
    }

    /// The number and the parameter for a uniform.
    pub(crate) fn uniform(self) -> (u32, f32) {
        (self.kind, self.parameter)
    }

    /// What a uniform says.
    pub(crate) fn of_uniform(kind: u32, parameter: f32) -> Self {
        Activation { kind, parameter }
    }
}

/// The WGSL functions `activate(kind, parameter, z)` and `slope(kind, parameter, a)`, written from the table: appended to every
/// kernel that calls them.
pub(crate) fn functions() -> String {
    let function = |name: &str, variable: &str, expression: fn(&ActivationInfo) -> &'static str| {
        let head = format!("\nfn {name}(kind: u32, parameter: f32, {variable}: vec4<f32>) -> vec4<f32> {{\n    switch kind {{\n");
        let cases = TABLE.iter().enumerate().map(|(i, row)| match i {
            0 => format!("        default: {{ return {}; }}\n", expression(row)),
            _ => format!("        case {i}u: {{ return {}; }}\n", expression(row)),
        });
        head + &cases.collect::<String>() + "    }\n}\n"
    };
    function("activate", "z", |row| row.wgsl) + &function("slope", "a", |row| row.wgsl_slope)
}

params! {
    /// An activation on its own. Arguments: z and a, both `[members, rows, 4·width4]`.
    Activate {
        /// Rows of a full batch.
        rows: u32,
        /// Columns.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// The activation's number.
        kind: u32,
        /// Its parameter.
        parameter: f32,
    }
}

params! {
    /// The slope of an activation on its own. Arguments: g, a and δ, all `[members, rows, 4·width4]`.
    ActivateSlope {
        /// Rows of a full batch.
        rows: u32,
        /// Columns.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// The activation's number.
        kind: u32,
        /// Its parameter.
        parameter: f32,
    }
}

impl Kernel for Activate {
    const NAME: &'static str = "activation";

    fn wgsl() -> String {
        include_str!("../../shaders/activation.wgsl").to_string() + &functions()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (z, mut a) = (args.real(0), args.real_mut(1));
        let stride = 4 * self.width4 as usize;
        let activation = Activation::of_uniform(self.kind, self.parameter);
        for member in 0..self.members as usize {
            let start = member * self.rows as usize * stride;
            let live = start..start + step.rows * stride;
            for (a, z) in a[live.clone()].chunks_exact_mut(stride).zip(z[live].chunks_exact(stride)) {
                a.copy_from_slice(z);
                activation.value(a);
                a[self.width as usize..].fill(T::zero());
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_shape(|rows, width, members, live, kind| {
            let activate = Activate {
                rows: rows as u32,
                width: width as u32,
                width4: width.div_ceil(4) as u32,
                members: members as u32,
                kind,
                parameter: 0.25,
            };
            let z = hard_rows(members * rows, width);
            cases::case(&activate, label(rows, width, members, kind), members, &[rows, live, rows])
                .arg("input", CaseData::F32(z))
                .arg("output", cases::poison(members * rows * padded(width)))
                // WGSL allows exp 3 + 2·|x| ULP and tanh an absolute 1e-5
                .within(Tolerance::ulp(16.0, 1.2e-5 * f64::from(u8::from(TABLE[kind as usize].name == "tanh")) + 1e-37))
        })
    }
}

impl Kernel for ActivateSlope {
    const NAME: &'static str = "activation_slope";

    fn wgsl() -> String {
        Activate::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, a, mut delta) = (args.real(0), args.real(1), args.real_mut(2));
        let stride = 4 * self.width4 as usize;
        let activation = Activation::of_uniform(self.kind, self.parameter);
        for member in 0..self.members as usize {
            let start = member * self.rows as usize * stride;
            let live = start..start + step.rows * stride;
            delta[live.clone()].copy_from_slice(&g[live.clone()]);
            activation.slope(&mut delta[live.clone()], &a[live]);
        }
    }

    fn cases() -> Vec<Case> {
        each_shape(|rows, width, members, live, kind| {
            let slope = ActivateSlope {
                rows: rows as u32,
                width: width as u32,
                width4: width.div_ceil(4) as u32,
                members: members as u32,
                kind,
                parameter: 0.25,
            };
            let mut inputs = Inputs::new(width);
            let mut activated = hard_rows(members * rows, width);
            match TABLE[kind as usize].name {
                "sigmoid" | "tanh" => activated.iter_mut().for_each(|a| *a = a.clamp(-1.0, 1.0)),
                // WGSL lets a device flush denormals to zero, which is the other side of a kink: both slopes would be right
                _ => activated.iter_mut().filter(|a| a.is_subnormal()).for_each(|a| *a = 0.0),
            }
            cases::case(&slope, label(rows, width, members, kind), members, &[rows, live, rows])
                .arg("input", inputs.rows(members * rows, width))
                .arg("activated", CaseData::F32(activated))
                .arg("delta", cases::poison(members * rows * padded(width)))
                // 1 − a² cancels near ±1: the floor is one rounding of a number near 1
                .within(Tolerance::ulp(4.0, 1.2e-7))
        })
    }
}

fn label(rows: usize, width: usize, members: usize, kind: u32) -> String {
    format!("{} {rows}x{width} members {members}", TABLE[kind as usize].name)
}

fn each_shape(make: impl Fn(usize, usize, usize, usize, u32) -> Case) -> Vec<Case> {
    let shapes = [(1, 1, 1, 1), (33, 31, 3, 7), (16, 257, 1, 15), (65_537, 7, 1, 1000)];
    let kinds = 0..TABLE.len() as u32;
    kinds.flat_map(|kind| shapes.map(|(rows, width, members, live)| make(rows, width, members, live, kind))).collect()
}

/// Rows with the hard values among ordinary ones, padded with zeros.
fn hard_rows(rows: usize, width: usize) -> Vec<f32> {
    let mut values: Vec<f32> = Inputs::new(rows).numbers(rows * width).iter().map(|x| 8.0 * x).collect();
    values.iter_mut().step_by(5).zip(HARD.iter().cycle()).for_each(|(v, &hard)| *v = hard);
    cases::pad(&values, width)
}
