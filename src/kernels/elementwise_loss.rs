//! Losses that are a mean over elements: `loss[m, r] = 1/k · Σⱼ ℓ(pⱼ − tⱼ)`, `g[m, r, j] = ℓ'(pⱼ − tⱼ) / (rows · k)`.
//!
//! Each is a type with its WGSL and its twin side by side; a word in the list `table!` makes it known everywhere.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

/// What such a loss is: `ℓ` and `ℓ'` of the error `e = p − t`, and the same in WGSL.
trait Formula {
    const NAME: &'static str;
    const WGSL: &'static str;
    const WGSL_SLOPE: &'static str;
    fn value<T: Real>(e: T) -> T;
    fn slope<T: Real>(e: T) -> T;
}

/// `e²`: no ½, as in PyTorch and Keras (scikit-learn has ½).
struct Mse;
impl Formula for Mse {
    const NAME: &'static str = "mse";
    const WGSL: &'static str = "e * e";
    const WGSL_SLOPE: &'static str = "2.0 * e";
    fn value<T: Real>(e: T) -> T {
        e * e
    }
    fn slope<T: Real>(e: T) -> T {
        e + e
    }
}

/// `|e|`, with slope 0 at 0.
struct Mae;
impl Formula for Mae {
    const NAME: &'static str = "mae";
    const WGSL: &'static str = "abs(e)";
    const WGSL_SLOPE: &'static str = "sign(e)";
    fn value<T: Real>(e: T) -> T {
        e.abs()
    }
    fn slope<T: Real>(e: T) -> T {
        if e == T::zero() { T::zero() } else { e.signum() }
    }
}

/// A loss as the table holds it.
pub struct ElementwiseInfo {
    /// The name in configs.
    pub name: &'static str,
    wgsl: &'static str,
    wgsl_slope: &'static str,
}

/// Makes the table, and the way from a row's number to its type.
macro_rules! table {
    ($($formula:ident),+ $(,)?) => {
        /// All losses of this kind. The index of a row is its number in uniforms.
        pub static TABLE: &[ElementwiseInfo] =
            &[$(ElementwiseInfo { name: $formula::NAME, wgsl: $formula::WGSL, wgsl_slope: $formula::WGSL_SLOPE }),+];

        /// `ℓ` and `ℓ'` of the loss of a number.
        fn evaluate<T: Real>(kind: u32, e: T) -> (T, T) {
            let name = TABLE[kind as usize].name;
            $(if name == $formula::NAME {
                return ($formula::value(e), $formula::slope(e));
            })+
            unreachable!("every row of the table is in the list")
        }
    };
}

table!(Mse, Mae);

fn functions() -> String {
    let function = |name: &str, expression: fn(&ElementwiseInfo) -> &'static str| {
        let cases = TABLE.iter().enumerate().map(|(i, row)| match i {
            0 => format!("        default: {{ return {}; }}\n", expression(row)),
            _ => format!("        case {i}u: {{ return {}; }}\n", expression(row)),
        });
        format!("\nfn {name}(kind: u32, e: f32) -> f32 {{\n    switch kind {{\n") + &cases.collect::<String>() + "    }\n}\n"
    };
    function("loss_value", |row| row.wgsl) + &function("loss_slope", |row| row.wgsl_slope)
}

params! {
    /// Arguments: predictions `[members, rows, stride]`, values `[n, outputs]`, order `[members, order_stride]`, g as the predictions, loss `[members, rows]`.
    ElementwiseLoss {
        /// Rows of a full batch.
        rows: u32,
        /// Outputs.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// The loss's number.
        kind: u32,
    }
}

impl Kernel for ElementwiseLoss {
    const NAME: &'static str = "elementwise_loss";

    fn wgsl() -> String {
        include_str!("../../shaders/elementwise_loss.wgsl").to_string() + &functions()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn flops(&self) -> u64 {
        6 * u64::from(self.rows) * u64::from(self.outputs) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, values, order, mut g, mut loss) = (args.real(0), args.real(1), args.word(2), args.real_mut(3), args.real_mut(4));
        let (outputs, stride) = (self.outputs as usize, self.stride as usize);
        let (rows, k) = (T::of(step.rows as f32), T::of(self.outputs as f32));
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let (prediction, truth) = (&predictions[at * stride..][..outputs], &values[row as usize * outputs..][..outputs]);
                let mut sum = T::zero();
                for ((g, &p), &t) in g[at * stride..][..outputs].iter_mut().zip(prediction).zip(truth) {
                    let (value, slope) = evaluate(self.kind, p - t);
                    sum += value;
                    *g = slope / (rows * k);
                }
                loss[at] = sum / k;
            }
        }
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        let shapes = [(1, 1, 1, 1, 1.0), (32, 4, 3, 1, 1e3), (15, 7, 7, 3, 1.0), (63, 62, 128, 1, 1e-3), (65_537, 1000, 1, 1, 1.0)];
        for (kind, (rows, live, outputs, members, size)) in (0..TABLE.len()).flat_map(|kind| shapes.map(|shape| (kind, shape))) {
            let mut inputs = Inputs::new(rows + outputs);
            let (stride, order_stride) = (padded(outputs), rows + 8);
            let kernel = ElementwiseLoss {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: stride as u32,
                order_stride: order_stride as u32,
                members: members as u32,
                kind: kind as u32,
            };
            let predictions: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| x * size).collect();
            let mut values: Vec<f32> = inputs.numbers(rows * outputs).iter().map(|x| x * size).collect();
            // exact agreement is where the slope of |e| has its jump
            values.iter_mut().zip(&predictions).step_by(3).for_each(|(t, p)| *t = *p);
            all.push(
                cases::case(
                    &kernel,
                    format!("{} {rows}x{outputs} members {members} to {size}", TABLE[kind].name),
                    members,
                    &[rows, live, rows],
                )
                .arg("predictions", CaseData::F32(cases::pad(&predictions, outputs)))
                .arg("values", CaseData::F32(values))
                .arg("order", CaseData::U32((0..members).flat_map(|_| (0..order_stride).map(|i| (i % rows) as u32)).collect()))
                .arg("g", cases::poison(members * rows * stride))
                .arg("loss", cases::poison(members * rows))
                // a sum of k terms: √k roundings, twice over. p − t cancels: one rounding at the size of p, in a square times 2·size
                .within(Tolerance::ulp(8.0 + 2.0 * (outputs as f64).sqrt(), f64::from(size) * 1.2e-7 * f64::from(size).max(1.0))),
            );
        }
        all
    }
}
