//! Layer normalisation (Ba, Kiros and Hinton 2016) as PyTorch's `LayerNorm` over the last axis: `y = x̂·γ + β`, `x̂ = (x − mean)·inv` by rows,
//! `inv = 1/√(var + ε)` of the biased variance, ε 1e-5 (Keras: 1e-3).

use super::batch_norm::{COLUMNS, column_sums, sum_over_rows};
use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// `y = x̂·γ + β`. Arguments: x `[members, rows, 4·width4]`, the arena of parameters, y, row_stats `[members, rows, 2]` (mean, inv).
    LayerNorm {
        /// Rows of a full batch.
        rows: u32,
        /// Columns that count.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where γ starts in it, in groups of four.
        scale4: u32,
        /// Where β starts in it, in groups of four.
        shift4: u32,
        /// ε, inside the root.
        epsilon: f32,
    }
}

params! {
    /// `δ = inv·(ĝ − mean(ĝ) − x̂·mean(ĝ·x̂))`, `ĝ = g·γ`, means over the row. Arguments: g and x, the arena of parameters, row_stats, δ.
    LayerNormDelta {
        /// Rows of a full batch.
        rows: u32,
        /// Columns that count.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where γ starts in it, in groups of four.
        scale4: u32,
        /// Of no meaning here.
        shift4: u32,
        /// Of no meaning here.
        epsilon: f32,
    }
}

params! {
    /// `∂γ = Σᵣ g·x̂, ∂β = Σᵣ g`. Arguments: g and x, row_stats, the arena of gradients.
    LayerNormGradient {
        /// Rows of a full batch.
        rows: u32,
        /// Columns that count (of no meaning here: the padding of g is zero).
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where γ starts in it, in groups of four.
        scale4: u32,
        /// Where β starts in it, in groups of four.
        shift4: u32,
        /// Of no meaning here.
        epsilon: f32,
    }
}

fn sum<T: Real>(terms: impl Iterator<Item = T>) -> T {
    terms.fold(T::zero(), |sum, term| sum + term)
}

impl Kernel for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn wgsl() -> String {
        include_str!("../../shaders/layer_norm.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        3 * u64::from(self.width4.div_ceil(64)) + 12
    }

    fn flops(&self) -> u64 {
        40 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (x, params, mut y, mut stats) = (args.real(0), args.real(1), args.real_mut(2), args.real_mut(3));
        let (width, stride) = (self.width as usize, 4 * self.width4 as usize);
        let n = T::of(self.width as f32);
        for member in 0..self.members as usize {
            let params = &params[member * 4 * self.arena4 as usize..];
            let (scale, shift) = (&params[4 * self.scale4 as usize..], &params[4 * self.shift4 as usize..]);
            for row in member * self.rows as usize..member * self.rows as usize + step.rows {
                let (x, y) = (&x[row * stride..][..width], &mut y[row * stride..][..stride]);
                let near = sum(x.iter().copied()) / n;
                // the second pass; `left` is what the rounding of the mean left over: see batch_norm.rs
                let left = sum(x.iter().map(|&x| x - near)) / n;
                let difference = sum(x.iter().map(|&x| (x - near) * (x - near))) / n - left * left;
                let square = if difference < T::zero() { T::zero() } else { difference };
                let inv = (square + T::of(self.epsilon)).sqrt().recip();
                for c in 0..width {
                    y[c] = (x[c] - near - left) * inv * scale[c] + shift[c];
                }
                y[width..].fill(T::zero());
                stats[2 * row..][..2].copy_from_slice(&[near + left, inv]);
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = LayerNorm {
                rows: batch.rows as u32,
                width: batch.width as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: batch.tensor4(3),
                epsilon: 1e-5,
            };
            let mut inputs = batch.inputs();
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("x", CaseData::F32(batch.x(&mut inputs)))
                .arg("params", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .arg("y", cases::poison(batch.cells()))
                .arg("made", cases::poison(2 * batch.members * batch.rows))
                // x̂·γ + β cancels, and a mean near zero: a few roundings of numbers of some 3. The twin adds 1000 squares one by one.
                .within(Tolerance::ulp(32.0, 2e-6))
        })
    }
}

impl Kernel for LayerNormDelta {
    const NAME: &'static str = "layer_norm_delta";

    fn wgsl() -> String {
        LayerNorm::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        2 * u64::from(self.width4.div_ceil(64)) + 6
    }

    fn flops(&self) -> u64 {
        56 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, x, params, stats, mut delta) = (args.real(0), args.real(1), args.real(2), args.real(3), args.real_mut(4));
        let (width, stride) = (self.width as usize, 4 * self.width4 as usize);
        let n = T::of(self.width as f32);
        for member in 0..self.members as usize {
            let scale = &params[member * 4 * self.arena4 as usize + 4 * self.scale4 as usize..];
            for row in member * self.rows as usize..member * self.rows as usize + step.rows {
                let (g, x, delta) = (&g[row * stride..], &x[row * stride..], &mut delta[row * stride..][..stride]);
                let (mean, inv) = (stats[2 * row], stats[2 * row + 1]);
                let slope = |c: usize| g[c] * scale[c];
                let normal = |c: usize| (x[c] - mean) * inv;
                let mean_slope = sum((0..width).map(slope)) / n;
                let mean_product = sum((0..width).map(|c| slope(c) * normal(c))) / n;
                for (c, delta) in delta.iter_mut().enumerate() {
                    *delta = if c < width { inv * (slope(c) - mean_slope - normal(c) * mean_product) } else { T::zero() };
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = LayerNormDelta {
                rows: batch.rows as u32,
                width: batch.width as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: 0,
                epsilon: 0.0,
            };
            let mut inputs = batch.inputs();
            let x = batch.x(&mut inputs);
            let stats = batch.row_stats(&x);
            let steepest = stats.iter().skip(1).step_by(2).fold(0.0, |a: f32, &b| a.max(b));
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("g", batch.slopes(&mut inputs))
                .arg("input", CaseData::F32(x))
                .arg("scales", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .arg("row_stats", CaseData::F32(stats))
                .arg("delta", cases::poison(batch.cells()))
                // the sum in brackets cancels: a few roundings of numbers of some 4, times inv
                .within(Tolerance::ulp(8.0, 1e-6 * f64::from(steepest)))
        })
    }
}

impl Kernel for LayerNormGradient {
    const NAME: &'static str = "layer_norm_gradient";

    fn wgsl() -> String {
        LayerNorm::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.width4, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.rows.div_ceil(64)) + 6
    }

    fn flops(&self) -> u64 {
        20 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, x, stats, mut grads) = (args.real(0), args.real(1), args.real(2), args.real_mut(3));
        let (rows, stride) = (self.rows as usize, 4 * self.width4 as usize);
        for member in 0..self.members as usize {
            let grads = &mut grads[member * 4 * self.arena4 as usize..];
            for first in (0..stride).step_by(COLUMNS) {
                let sums = column_sums(step.rows, [first, stride], |r, c| {
                    let row = member * rows + r;
                    let at = row * stride + c;
                    [g[at] * ((x[at] - stats[2 * row]) * stats[2 * row + 1]), g[at]]
                });
                for (c, [scale, shift]) in (first..stride).zip(sums) {
                    grads[4 * self.scale4 as usize + c] = scale;
                    grads[4 * self.shift4 as usize + c] = shift;
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = LayerNormGradient {
                rows: batch.rows as u32,
                width: batch.width as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: batch.tensor4(3),
                epsilon: 0.0,
            };
            let mut inputs = batch.inputs();
            let x = batch.x(&mut inputs);
            let stats = batch.row_stats(&x);
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("g", batch.slopes(&mut inputs))
                .arg("input", CaseData::F32(x))
                .arg("moments", CaseData::F32(stats))
                .arg("grads", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .within(sum_over_rows(batch.rows))
        })
    }
}

fn each_batch(make: impl Fn(&Batch) -> Case) -> Vec<Case> {
    Batch::all().iter().map(make).collect()
}
