//! Batch normalisation (Ioffe and Szegedy 2015) as PyTorch's `BatchNorm1d`: `y = (x − mean)·inv·γ + β` by columns, `inv = 1/√(var + ε)`.
//!
//! The variance is the biased one; the running one, which is for evaluation, is unbiased (see [`super::running_stats`]).

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// `stats[m] = (mean, 1/√(var + ε), var·n/(n − 1))` of each column over the n live rows, var the biased variance, in two passes;
    /// with n = 1 the last is 0. Arguments: x `[members, rows, 4·width4]`, stats `[members, 3, 4·width4]`. The padding of the second row
    /// is 1/√ε; what reads it multiplies it by zeros.
    BatchStats {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// ε, inside the root.
        epsilon: f32,
    }
}

params! {
    /// `y = (x − mean)·inv·γ + β`. Arguments: x, the arena of parameters, stats, y.
    BatchNorm {
        /// Rows of a full batch.
        rows: u32,
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
    }
}

params! {
    /// `∂γ = Σᵣ g·x̂, ∂β = Σᵣ g`, `x̂ = (x − mean)·inv`. Arguments: g and x, stats, the arena of gradients.
    BatchNormGradient {
        /// Rows of a full batch.
        rows: u32,
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
    }
}

params! {
    /// `δ = γ·inv·(g − (∂β + x̂·∂γ)/n)`. Arguments: g and x, the arena of parameters, stats, the arena of gradients, δ.
    BatchNormDelta {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arenas, in groups of four.
        arena4: u32,
        /// Where γ and ∂γ start in them, in groups of four.
        scale4: u32,
        /// Where ∂β starts in it, in groups of four.
        shift4: u32,
    }
}

/// Columns that are summed at a time.
pub(crate) const COLUMNS: usize = 16;

/// Two sums over the rows for each of `COLUMNS` columns at most, from column `first` on. In blocks: thousands of numbers one after the
/// other would lose digits.
pub(crate) fn column_sums<T: Real>(rows: usize, [first, columns]: [usize; 2], term: impl Fn(usize, usize) -> [T; 2]) -> [[T; 2]; COLUMNS] {
    const BLOCK: usize = 256;
    let mut total = [[T::zero(); 2]; COLUMNS];
    for block in (0..rows).step_by(BLOCK) {
        let mut sums = [[T::zero(); 2]; COLUMNS];
        for r in block..rows.min(block + BLOCK) {
            for (c, sum) in (first..columns).zip(&mut sums) {
                let [a, b] = term(r, c);
                sum[0] += a;
                sum[1] += b;
            }
        }
        for (total, sum) in total.iter_mut().zip(sums) {
            total[0] += sum[0];
            total[1] += sum[1];
        }
    }
    total
}

impl Kernel for BatchStats {
    const NAME: &'static str = "batch_stats";

    fn wgsl() -> String {
        include_str!("../../shaders/batch_norm.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.width4, 1, self.members]
    }

    fn loops(&self) -> u64 {
        2 * (u64::from(self.rows.div_ceil(64)) + 6)
    }

    fn flops(&self) -> u64 {
        24 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (x, mut stats) = (args.real(0), args.real_mut(1));
        let (rows, width) = (self.rows as usize, 4 * self.width4 as usize);
        let n = T::of(step.rows as f32);
        for (x, stats) in x.chunks(rows * width).zip(stats.chunks_mut(3 * width)).take(self.members as usize) {
            for first in (0..width).step_by(COLUMNS) {
                let sums = column_sums(step.rows, [first, width], |r, c| [x[r * width + c], T::zero()]);
                let near = sums.map(|sum| sum[0] / n);
                // the second pass; `drift` is what the rounding of the mean left over: at 1000 ± 0.01 that counts (Chan, Golub and LeVeque 1983)
                let sums = column_sums(step.rows, [first, width], |r, c| {
                    let d = x[r * width + c] - near[c - first];
                    [d, d * d]
                });
                for (c, ([drift, squares], near)) in (first..width).zip(sums.into_iter().zip(near)) {
                    let difference = squares - drift * drift / n;
                    // equal numbers: rounding may leave less than nothing. Not max: what is not finite must stay so
                    let square = if difference < T::zero() { T::zero() } else { difference };
                    stats[c] = near + drift / n;
                    stats[width + c] = (square / n + T::of(self.epsilon)).sqrt().recip();
                    stats[2 * width + c] = square / (n - T::one()).max(T::one());
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = BatchStats { rows: batch.rows as u32, width4: batch.width4(), members: batch.members as u32, epsilon: 1e-5 };
            // The squares do not cancel: some √1024 roundings of half a unit for 65,537 rows. A mean near zero is a sum that cancels, of
            // numbers as large as the spread; far from zero there is no such excuse, but of equal numbers a square of the mean's rounding,
            // (1000·2⁻²⁴)², may be left.
            let floor = if batch.centre == 0.0 { 2e-7 * f64::from(batch.spread) } else { 4e-9 * f64::from(u8::from(batch.spread == 0.0)) };
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("x", CaseData::F32(batch.x(&mut batch.inputs())))
                .arg("made", cases::poison(3 * batch.members * 4 * batch.width4() as usize))
                .within(Tolerance::ulp(32.0, floor))
        })
    }
}

impl Kernel for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn wgsl() -> String {
        BatchStats::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        16 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (x, params, stats, mut y) = (args.real(0), args.real(1), args.real(2), args.real_mut(3));
        let (rows, width) = (self.rows as usize, 4 * self.width4 as usize);
        for member in 0..self.members as usize {
            let params = &params[member * 4 * self.arena4 as usize..];
            let (scale, shift) = (&params[4 * self.scale4 as usize..], &params[4 * self.shift4 as usize..]);
            let stats = &stats[3 * member * width..];
            for r in 0..step.rows {
                let at = (member * rows + r) * width;
                for c in 0..width {
                    y[at + c] = (x[at + c] - stats[c]) * stats[width + c] * scale[c] + shift[c];
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = BatchNorm {
                rows: batch.rows as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: batch.tensor4(3),
            };
            let mut inputs = batch.inputs();
            let x = batch.x(&mut inputs);
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("x", CaseData::F32(x.clone()))
                .arg("params", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .arg("stats", CaseData::F32(batch.column_stats(&x)))
                .arg("y", cases::poison(batch.cells()))
                // x̂·γ + β cancels: a few roundings of numbers of some 2
                .within(Tolerance::ulp(8.0, 1e-6))
        })
    }
}

impl Kernel for BatchNormGradient {
    const NAME: &'static str = "batch_norm_gradient";

    fn wgsl() -> String {
        BatchStats::wgsl()
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
        let (rows, width) = (self.rows as usize, 4 * self.width4 as usize);
        for member in 0..self.members as usize {
            let (g, x) = (&g[member * rows * width..], &x[member * rows * width..]);
            let stats = &stats[3 * member * width..];
            let grads = &mut grads[member * 4 * self.arena4 as usize..];
            for first in (0..width).step_by(COLUMNS) {
                let sums = column_sums(step.rows, [first, width], |r, c| {
                    let at = r * width + c;
                    [g[at] * ((x[at] - stats[c]) * stats[width + c]), g[at]]
                });
                for (c, [scale, shift]) in (first..width).zip(sums) {
                    grads[4 * self.scale4 as usize + c] = scale;
                    grads[4 * self.shift4 as usize + c] = shift;
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = BatchNormGradient {
                rows: batch.rows as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: batch.tensor4(3),
            };
            let mut inputs = batch.inputs();
            let x = batch.x(&mut inputs);
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("g", batch.slopes(&mut inputs))
                .arg("input", CaseData::F32(x.clone()))
                .arg("stats", CaseData::F32(batch.column_stats(&x)))
                .arg("grads", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .within(sum_over_rows(batch.rows))
        })
    }
}

impl Kernel for BatchNormDelta {
    const NAME: &'static str = "batch_norm_delta";

    fn wgsl() -> String {
        BatchStats::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows * self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        32 * u64::from(self.rows) * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (g, x, params, stats, grads, mut delta) =
            (args.real(0), args.real(1), args.real(2), args.real(3), args.real(4), args.real_mut(5));
        let (rows, width, arena) = (self.rows as usize, 4 * self.width4 as usize, 4 * self.arena4 as usize);
        let n = T::of(step.rows as f32);
        for member in 0..self.members as usize {
            let scale = &params[member * arena + 4 * self.scale4 as usize..];
            let scale_sum = &grads[member * arena + 4 * self.scale4 as usize..];
            let shift_sum = &grads[member * arena + 4 * self.shift4 as usize..];
            let stats = &stats[3 * member * width..];
            for r in 0..step.rows {
                let at = (member * rows + r) * width;
                for c in 0..width {
                    let inv = stats[width + c];
                    let normal = (x[at + c] - stats[c]) * inv;
                    delta[at + c] = scale[c] * inv * (g[at + c] - (shift_sum[c] + normal * scale_sum[c]) / n);
                }
            }
        }
    }

    fn cases() -> Vec<Case> {
        each_batch(|batch| {
            let kernel = BatchNormDelta {
                rows: batch.rows as u32,
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                scale4: batch.tensor4(1),
                shift4: batch.tensor4(3),
            };
            let mut inputs = batch.inputs();
            let x = batch.x(&mut inputs);
            let stats = batch.column_stats(&x);
            let invs = stats.chunks(4 * batch.width4() as usize).skip(1).step_by(3).flat_map(|row| &row[..batch.width]);
            let steepest = invs.fold(0.0, |a: f32, &b| a.max(b));
            cases::case(&kernel, batch.name(), batch.members, &batch.steps())
                .arg("g", batch.slopes(&mut inputs))
                .arg("input", CaseData::F32(x))
                .arg("scales", CaseData::F32(batch.params(&mut inputs, 1.0)))
                .arg("moments", CaseData::F32(stats))
                .arg("sums", CaseData::F32(batch.params(&mut inputs, batch.live as f32)))
                .arg("delta", cases::poison(batch.cells()))
                // the sum in brackets cancels: a few roundings of numbers of some 4, times inv
                .within(Tolerance::ulp(8.0, 1e-6 * f64::from(steepest)))
        })
    }
}

/// Sums over rows that cancel, of terms of some 1. Adding k of them one by one rounds at the size of the sum so far, √i: k/√6 units of 2⁻²⁵
/// in all. The twin has √(rows/256) such runs of 256 at most, the device √64 of rows/64: so much, four times over for the worst of
/// thousands of columns. The 16 are the roundings of x̂.
pub(crate) fn sum_over_rows(rows: usize) -> Tolerance {
    let n = rows as f64;
    Tolerance::ulp(8.0, 2f64.powi(-24) * (16.0 + 16.0 * n.sqrt() + n / 8.0))
}

fn each_batch(make: impl Fn(&Batch) -> Case) -> Vec<Case> {
    Batch::all().iter().map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Cells;
    use std::cell::RefCell;

    /// Half a unit in the last place of the mean is all that may be lost, however many rows: at 1000 ± 0.01 two units show.
    #[test]
    fn the_mean_of_many_rows_far_from_zero_is_the_nearest_number() {
        let batch = Batch { rows: 20_000, live: 20_000, width: 8, members: 1, centre: 1e3, spread: 0.01 };
        let x = batch.x(&mut batch.inputs());
        let truth = (0..8).map(|c| x.iter().skip(c).step_by(8).map(|&x| f64::from(x)).sum::<f64>() / 20_000.0);
        let cells = [RefCell::new(Cells::Real(x.clone())), RefCell::new(Cells::Real(vec![0.0; 24]))];
        let kernel = BatchStats { rows: 20_000, width4: 2, members: 1, epsilon: 1e-5 };
        let formulas = crate::formula::Formulas::none();
        kernel.cpu::<f32>(&Step::of_row(&[20_000, 0, 0, 0, 3]), &Args::new(&cells, &[0, 1], &formulas));
        let stats = Args::<f32>::new(&cells, &[0, 1], &formulas).real(1).to_vec();
        for (c, truth) in truth.enumerate() {
            // half of 2⁻¹⁴, the distance of numbers around 1000, and a little for the second rounding
            assert!((f64::from(stats[c]) - truth).abs() < 0.55 * 2f64.powi(-14), "column {c}: {} for {truth}", stats[c]);
        }
    }

    /// Why there are two passes: E[x²] − E[x]² has no digits left at 1000 ± 0.01, and parity would find that.
    #[test]
    fn a_variance_in_one_pass_would_miss_the_tolerance() {
        let batch = Batch::all().into_iter().find(|b| b.centre == 1e3).unwrap();
        let x = batch.x(&mut batch.inputs());
        let truth = batch.column_stats(&x);
        let stride = 4 * batch.width4() as usize;
        for c in 0..batch.width {
            let column: Vec<f32> = x[..batch.rows * stride].iter().skip(c).step_by(stride).copied().collect();
            let n = batch.rows as f32;
            let mean = column.iter().sum::<f32>() / n;
            let one_pass = column.iter().map(|x| x * x).sum::<f32>() / n - mean * mean;
            let inv = (one_pass.max(0.0) + 1e-5).sqrt().recip();
            let wanted = truth[stride + c];
            // 32 units in the last place of a number between 64 and 256
            assert!((inv - wanted).abs() > 1000.0 * 32.0 * 2f32.powi(-16), "column {c}: {inv} for {wanted}");
        }
    }
}
