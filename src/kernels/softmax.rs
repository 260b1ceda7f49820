//! Softmax as the activation of an output: `a = exp(z − top) / Σ exp(z − top)` by rows, and its slope `δ = a ⊙ (g − Σ g·a)`.
//!
//! For training with cross-entropy there is [`super::softmax_cross_entropy`], which needs neither.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// Arguments: z and a, both `[members, rows, 4·width4]`.
    Softmax {
        /// Rows of a full batch.
        rows: u32,
        /// Columns that count.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
    }
}

params! {
    /// Arguments: g, a and δ, all `[members, rows, 4·width4]`.
    SoftmaxSlope {
        /// Rows of a full batch.
        rows: u32,
        /// Columns that count.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
    }
}

impl Kernel for Softmax {
    const NAME: &'static str = "softmax";

    fn wgsl() -> String {
        include_str!("../../shaders/softmax.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        3 * u64::from(self.width4)
    }

    fn flops(&self) -> u64 {
        24 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (z, mut a) = (args.real(0), args.real_mut(1));
        let (width, stride) = (self.width as usize, 4 * self.width4 as usize);
        for member in 0..self.members as usize {
            for row in member * self.rows as usize..member * self.rows as usize + step.rows {
                let (z, a) = (&z[row * stride..][..width], &mut a[row * stride..][..stride]);
                let top = z.iter().copied().fold(z[0], T::max);
                let mut sum = T::zero();
                for (a, &z) in a.iter_mut().zip(z) {
                    *a = (z - top).exp();
                    sum += *a;
                }
                a[..width].iter_mut().for_each(|a| *a = *a / sum);
                a[width..].fill(T::zero());
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            // at ±1000 most exponentials underflow
            let sizes = [8.0, 1e3, 1e-3, 20.0, 1e3, 80.0, 0.01, 1.0];
            let batch = Batch { spread: sizes[batch.rows % sizes.len()], ..*batch };
            let kernel =
                Softmax { rows: batch.rows as u32, width: batch.width as u32, width4: batch.width4(), members: batch.members as u32 };
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("z", CaseData::F32(batch.x(&mut batch.inputs())))
                .arg("output", cases::poison(batch.cells()))
                // exp is good to 3 + 2·|x| ULP, and where it is not zero |x| is at most 88; what is denormal may be flushed
                .within(Tolerance::ulp(192.0, 2e-38))
        })
    }
}

impl Kernel for SoftmaxSlope {
    const NAME: &'static str = "softmax_slope";

    fn wgsl() -> String {
        Softmax::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        2 * u64::from(self.width4)
    }

    fn flops(&self) -> u64 {
        16 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, a, mut delta) = (args.real(0), args.real(1), args.real_mut(2));
        let stride = 4 * self.width4 as usize;
        for member in 0..self.members as usize {
            for row in member * self.rows as usize..member * self.rows as usize + step.rows {
                let (g, a, delta) = (&g[row * stride..][..stride], &a[row * stride..][..stride], &mut delta[row * stride..][..stride]);
                let sum = g.iter().zip(a).fold(T::zero(), |sum, (&g, &a)| sum + g * a);
                // the padding of a is zero, and so that of δ
                for c in 0..stride {
                    delta[c] = a[c] * (g[c] - sum);
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel =
                SoftmaxSlope { rows: batch.rows as u32, width: batch.width as u32, width4: batch.width4(), members: batch.members as u32 };
            let mut inputs = batch.inputs();
            let g = batch.slopes(&mut inputs);
            // shares of a whole: logits of ±4, through softmax
            let z = inputs.numbers(batch.members * batch.rows * batch.width);
            let shares = z.chunks(batch.width).flat_map(|z| {
                let powers: Vec<f64> = z.iter().map(|&z| f64::from(4.0 * z).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.into_iter().map(move |power| (power / sum) as f32)
            });
            let shares: Vec<f32> = shares.collect();
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("g", g)
                .arg("a", CaseData::F32(cases::pad(&shares, batch.width)))
                .arg("delta", cases::poison(batch.cells()))
                // g − Σ g·a cancels: a few roundings of numbers below 1, times a; the sum of 1000 shares rounds no more than that
                .within(Tolerance::ulp(8.0, 5e-7))
        })
    }
}

fn each_batch(make: impl Fn(&Batch) -> Case) -> Vec<Case> {
    Batch::all().iter().filter(|batch| batch.centre == 0.0).map(make).collect()
}
