//! The likelihood of a normal distribution whose mean μ and logarithm of the variance s are both outputs:
//! `loss[m, r] = w/k · Σⱼ ½(sⱼ + (μⱼ − tⱼ)²·e^−sⱼ)`. Nix and Weigend 1994. PyTorch's `GaussianNLLLoss(μ, t, e^s)`, which takes the variance itself.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

params! {
    /// Arguments: predictions `[members, rows, stride]`, the means first, then the logarithms; values `[n, outputs]`, order
    /// `[members, order_stride]`, g as the predictions, loss `[members, rows]`, weights `[n]`.
    GaussianNll {
        /// Rows of a full batch.
        rows: u32,
        /// Targets: half of the model's outputs.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// Whether rows have weights; else each weighs 1.
        weighted: u32,
    }
}

impl Kernel for GaussianNll {
    const NAME: &'static str = "gaussian_nll";

    fn wgsl() -> String {
        include_str!("../../shaders/gaussian_nll.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn flops(&self) -> u64 {
        16 * u64::from(self.rows) * u64::from(self.outputs) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, values, order, mut g, mut loss) = (args.real(0), args.real(1), args.word(2), args.real_mut(3), args.real_mut(4));
        let weights = args.real(5);
        let (outputs, stride) = (self.outputs as usize, self.stride as usize);
        let (k, half) = (T::of(self.outputs as f32), T::of(0.5));
        for member in 0..self.members as usize {
            let total = T::of(step.total(member));
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let truth = &values[row as usize * outputs..][..outputs];
                let weight = if self.weighted != 0 { weights[row as usize] } else { T::one() };
                let scale = weight / (total * k);
                let mut sum = T::zero();
                for (j, &t) in truth.iter().enumerate() {
                    let (s, e) = (predictions[at * stride + outputs + j], predictions[at * stride + j] - t);
                    let inverse = (-s).exp();
                    sum += half * (s + e * e * inverse);
                    g[at * stride + j] = e * inverse * scale;
                    g[at * stride + outputs + j] = half * (T::one() - e * e * inverse) * scale;
                }
                loss[at] = weight * sum / k;
            }
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(1, 1, 1, 1, 1.0), (32, 4, 3, 1, 4.0), (15, 7, 7, 3, 1.0), (63, 62, 33, 1, 1e-3), (65_537, 1000, 1, 1, 2.0)];
        let make = shapes.map(|(rows, live, outputs, members, size)| {
            let mut inputs = Inputs::new(rows + outputs);
            let (stride, order_stride) = (padded(2 * outputs), rows + 8);
            let kernel = GaussianNll {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: stride as u32,
                order_stride: order_stride as u32,
                members: members as u32,
                weighted: (members > 1).into(),
            };
            let numbers = |inputs: &mut Inputs, n: usize| inputs.numbers(n).iter().map(|x| x * size).collect::<Vec<f32>>();
            let predictions = numbers(&mut inputs, members * rows * 2 * outputs);
            let values = numbers(&mut inputs, rows * outputs);
            let weights = inputs.numbers(rows).iter().map(|x| 1.5 + x).collect();
            cases::case(&kernel, format!("{rows}x{outputs} members {members} to {size}"), members, &[rows, live, rows])
                .arg("predictions", CaseData::F32(cases::pad(&predictions, 2 * outputs)))
                .arg("values", CaseData::F32(values))
                .arg("order", CaseData::U32(inputs.indices(members * order_stride, rows)))
                .arg("g", cases::poison(members * rows * stride))
                .arg("loss", cases::poison(members * rows))
                .arg("weights", CaseData::F32(weights))
                // e² e^−s is up to 64·e⁴ = 3500 with a few roundings and the exponential's 11 ULP; where it is 1, the slope cancels
                .within(Tolerance::ulp(64.0, 4e-6 * f64::from(size.max(1.0)).powi(2)))
        });
        make.into()
    }
}
