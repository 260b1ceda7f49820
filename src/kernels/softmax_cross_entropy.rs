//! Softmax with cross-entropy from logits: `loss[m, r] = log Σⱼ exp zⱼ − z_y`, `δ[m, r, j] = (softmax(z)ⱼ − [j = y]) / rows`.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

params! {
    /// Arguments: logits `[members, rows, stride]`, classes `[n]`, order `[members, order_stride]`, δ as the logits, loss `[members, rows]`.
    SoftmaxCrossEntropy {
        /// Rows of a full batch.
        rows: u32,
        /// Classes.
        outputs: u32,
        /// From one row of logits to the next.
        stride: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
    }
}

impl Kernel for SoftmaxCrossEntropy {
    const NAME: &'static str = "softmax_cross_entropy";

    fn wgsl() -> String {
        include_str!("../../shaders/softmax_cross_entropy.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.rows, 1, self.members]
    }

    fn loops(&self) -> u64 {
        3 * u64::from(self.outputs)
    }

    fn flops(&self) -> u64 {
        8 * u64::from(self.rows) * u64::from(self.outputs) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (logits, classes, order, mut delta, mut loss) = (args.real(0), args.word(1), args.word(2), args.real_mut(3), args.real_mut(4));
        let (outputs, stride) = (self.outputs as usize, self.stride as usize);
        let rows = T::of(step.rows as f32);
        for member in 0..self.members as usize {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (r, &row) in order.iter().enumerate() {
                let at = member * self.rows as usize + r;
                let (z, y) = (&logits[at * stride..][..outputs], classes[row as usize] as usize);
                let delta = &mut delta[at * stride..][..outputs];
                let top = z.iter().copied().fold(z[0], T::max);
                let mut sum = T::zero();
                for (d, &z) in delta.iter_mut().zip(z) {
                    *d = (z - top).exp();
                    sum += *d;
                }
                let scale = (sum * rows).recip();
                delta.iter_mut().for_each(|d| *d *= scale);
                delta[y] += -rows.recip();
                loss[at] = sum.ln() + (top - z[y]);
            }
        }
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for (rows, live, outputs, members, size) in [
            (1, 1, 1, 1, 1.0),
            (32, 4, 10, 1, 4.0),
            (15, 7, 7, 3, 1e3),
            (33, 32, 3, 1, 1e-3),
            (64, 63, 257, 3, 8.0),
            (65_537, 1000, 2, 1, 20.0),
        ] {
            let mut inputs = Inputs::new(rows + outputs);
            let (stride, order_stride) = (padded(outputs), rows + 8);
            let kernel = SoftmaxCrossEntropy {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: stride as u32,
                order_stride: order_stride as u32,
                members: members as u32,
            };
            let logits: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| x * size).collect();
            all.push(
                cases::case(&kernel, format!("{rows}x{outputs} members {members} logits to {size}"), members, &[rows, live, rows])
                    .arg("logits", CaseData::F32(cases::pad(&logits, outputs)))
                    .arg("classes", CaseData::U32(inputs.indices(rows, outputs)))
                    .arg("order", CaseData::U32(inputs.indices(members * order_stride, rows)))
                    .arg("delta", cases::poison(members * rows * stride))
                    .arg("loss", cases::poison(members * rows))
                    // exp is good to 3 + 2·|x| ULP, which at a logit 40 below the top is 83; softmax − 1 cancels near a sure answer
                    .within(Tolerance::ulp(100.0, 1.5e-6)),
            );
        }
        all
    }
}
