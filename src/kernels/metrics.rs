//! What metrics are counted from, one record a row: hits of a classifier, errors of a regression. `tally` adds them up.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

params! {
    /// `stats[m, r, 0] = [argmaxⱼ z[m, r, j] = y]`. Arguments: predictions `[members, rows, stride]`, classes `[n]`, order
    /// `[members, order_stride]`, stats `[members, rows, 4]`.
    Hits {
        /// Rows of a full batch.
        rows: u32,
        /// Classes.
        outputs: u32,
        /// From one row of predictions to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
    }
}

params! {
    /// `stats[m, r] = (Σⱼ e², Σⱼ |e|, 0, 0)`, `e = p − t`. Arguments as [`Hits`], with values `[n, outputs]` in place of classes.
    Errors {
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
    }
}

impl Kernel for Hits {
    const NAME: &'static str = "hits";

    fn wgsl() -> String {
        include_str!("../../shaders/metrics.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, classes, order, mut stats) = (args.real(0), args.word(1), args.word(2), args.real_mut(3));
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let z = &predictions[at * self.stride as usize..][..self.outputs as usize];
                let best = (1..z.len()).fold(0, |best, j| if z[j] > z[best] { j } else { best });
                let hit = if best == classes[row as usize] as usize { T::one() } else { T::zero() };
                stats[4 * at..][..4].copy_from_slice(&[hit, T::zero(), T::zero(), T::zero()]);
            }
        }
    }

    fn cases() -> Vec<Case> {
        shapes(|rows, live, outputs, members, inputs| {
            let kernel = Hits {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: padded(outputs) as u32,
                order_stride: rows as u32 + 8,
                members: members as u32,
            };
            // few distinct values, so that there are ties
            let logits: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| (2.0 * x).round()).collect();
            cases::case(&kernel, format!("{rows}x{outputs} members {members}"), members, &[rows, live, rows])
                .arg("predictions", CaseData::F32(cases::pad(&logits, outputs)))
                .arg("classes", CaseData::U32(inputs.indices(rows, outputs)))
                .within(Tolerance::ulp(0.0, 0.0))
        })
    }
}

impl Kernel for Errors {
    const NAME: &'static str = "errors";

    fn wgsl() -> String {
        Hits::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        self.outputs.into()
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (predictions, values, order, mut stats) = (args.real(0), args.real(1), args.word(2), args.real_mut(3));
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let outputs = self.outputs as usize;
                let mut sums = [T::zero(); 4];
                for (&p, &t) in predictions[at * self.stride as usize..][..outputs].iter().zip(&values[row as usize * outputs..]) {
                    sums[0] += (p - t) * (p - t);
                    sums[1] += (p - t).abs();
                }
                stats[4 * at..][..4].copy_from_slice(&sums);
            }
        }
    }

    fn cases() -> Vec<Case> {
        shapes(|rows, live, outputs, members, inputs| {
            let kernel = Errors {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: padded(outputs) as u32,
                order_stride: rows as u32 + 8,
                members: members as u32,
            };
            cases::case(&kernel, format!("{rows}x{outputs} members {members}"), members, &[rows, live, rows])
                .arg("predictions", inputs.rows(members * rows, outputs))
                .arg("values", CaseData::F32(inputs.numbers(rows * outputs)))
                // sums of up to 257 terms below 4, each with a rounding of p − t
                .within(Tolerance::ulp(16.0, 1e-6))
        })
    }
}

fn shapes(make: impl Fn(usize, usize, usize, usize, &mut Inputs) -> Case) -> Vec<Case> {
    // the last has more than 65,535 workgroups of 64 and must be folded
    let shapes = [(1, 1, 1, 1), (32, 4, 10, 1), (15, 7, 7, 3), (64, 63, 257, 1), (65_537, 1000, 2, 1), (4_200_000, 5, 1, 1)];
    let whole = shapes.map(|(rows, live, outputs, members)| {
        let mut inputs = Inputs::new(rows + outputs);
        let case = make(rows, live, outputs, members, &mut inputs);
        case.arg("order", CaseData::U32(inputs.indices(members * (rows + 8), rows))).arg("stats", cases::poison(members * rows * 4))
    });
    whole.into()
}
