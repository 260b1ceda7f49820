//! Softmax with cross-entropy from logits: `loss[m, r] = w·Σⱼ qⱼ·(log Σᵢ exp zᵢ − zⱼ)`, `δ[m, r, j] = w·(softmax(z)ⱼ·Σᵢ qᵢ − qⱼ) / W`.
//!
//! q is the truth: the weight of class y at y. Label smoothing takes the share ε of it and spreads it over all k classes, each with its
//! own weight: `qⱼ = (1 − ε)·c_y·[j = y] + ε/k·cⱼ`, as PyTorch's `CrossEntropyLoss(weight, label_smoothing)`. w is the row's weight, W the
//! batch's: Σ w·c_y.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::over_parts;
use crate::params;
use crate::plan::padded;

params! {
    /// Arguments: logits `[members, rows, stride]`, classes `[n]`, order `[members, order_stride]`, δ as the logits, loss
    /// `[members, rows]`, weights of rows `[n]`, weights of classes `[outputs]`.
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
        /// ε, the share of the truth that label smoothing spreads.
        smoothing: f32,
        /// Whether rows have weights; else each weighs 1.
        weighted: u32,
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
        4 * u64::from(self.outputs)
    }

    fn flops(&self) -> u64 {
        8 * u64::from(self.rows) * u64::from(self.outputs) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (logits, classes, order, mut delta, mut loss) =
            (&*args.real(0), &*args.word(1), &*args.word(2), args.real_mut(3), args.real_mut(4));
        let (weights, class_weights) = (&*args.real(5), &*args.real(6));
        let (rows, outputs, stride) = (self.rows as usize, self.outputs as usize, self.stride as usize);
        let smoothing = T::of(self.smoothing);
        let spread = smoothing / T::of(self.outputs as f32);
        let all_classes = class_weights[..outputs].iter().fold(T::zero(), |sum, &c| sum + c);
        let parts = [rows * stride, rows];
        over_parts([&mut *delta, &mut *loss], self.members, parts, 8 * self.flops(), &|member, [delta, loss]: [&mut [T]; 2]| {
            let total = T::of(step.total(member));
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            let logits = &logits[member * rows * stride..];
            for (r, &row) in order.iter().enumerate() {
                let (z, y) = (&logits[r * stride..][..outputs], classes[row as usize] as usize);
                let delta = &mut delta[r * stride..][..outputs];
                let weight = if self.weighted != 0 { weights[row as usize] } else { T::one() };
                let own = (T::one() - smoothing) * class_weights[y];
                let top = z.iter().copied().fold(z[0], T::max);
                let mut sum = T::zero();
                for (d, &z) in delta.iter_mut().zip(z) {
                    *d = (z - top).exp();
                    sum += *d;
                }
                let scale = weight / total;
                let share = (own + spread * all_classes) / sum * scale;
                delta.iter_mut().for_each(|d| *d *= share);
                delta[y] += -own * scale;
                let mut value = own * (sum.ln() + (top - z[y]));
                if self.smoothing > 0.0 {
                    for ((d, &z), &c) in delta.iter_mut().zip(z).zip(class_weights.iter()) {
                        *d += -spread * c * scale;
                        value += spread * c * (sum.ln() + (top - z));
                    }
                }
                loss[r] = weight * value;
            }
        });
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for (rows, live, outputs, members, size, smoothing) in [
            (1, 1, 1, 1, 1.0, 0.0),
            (32, 4, 10, 1, 4.0, 0.0),
            (32, 4, 10, 3, 4.0, 0.1),
            (15, 7, 7, 3, 1e3, 0.0),
            (15, 7, 7, 1, 1e3, 0.25),
            (33, 32, 3, 1, 1e-3, 0.0),
            (64, 63, 257, 3, 8.0, 0.0),
            (65_537, 1000, 2, 1, 20.0, 0.0),
        ] {
            let mut inputs = Inputs::new(rows + outputs);
            let (stride, order_stride) = (padded(outputs), rows + 8);
            let kernel = SoftmaxCrossEntropy {
                rows: rows as u32,
                outputs: outputs as u32,
                stride: stride as u32,
                order_stride: order_stride as u32,
                members: members as u32,
                smoothing,
                weighted: (members > 1).into(),
            };
            let class_weights: Vec<f32> = match smoothing > 0.0 || members > 1 {
                true => inputs.numbers(outputs).iter().map(|x| 1.5 + x).collect(),
                false => vec![1.0; outputs],
            };
            let weights = inputs.numbers(rows).iter().map(|x| 1.5 + x).collect();
            let logits: Vec<f32> = inputs.numbers(members * rows * outputs).iter().map(|x| x * size).collect();
            all.push(
                cases::case(
                    &kernel,
                    format!("{rows}x{outputs} members {members} logits to {size} smoothing {smoothing}"),
                    members,
                    &[rows, live, rows],
                )
                .arg("logits", CaseData::F32(cases::pad(&logits, outputs)))
                .arg("classes", CaseData::U32(inputs.indices(rows, outputs)))
                .arg("order", CaseData::U32(inputs.indices(members * order_stride, rows)))
                .arg("delta", cases::poison(members * rows * stride))
                .arg("loss", cases::poison(members * rows))
                .arg("weights", CaseData::F32(weights))
                .arg("class_weights", CaseData::F32(class_weights))
                // weights are up to 2.5, in squares; exp is good to 3 + 2·|x| ULP, which at a logit 40 below the top is 83; softmax − 1 cancels near a sure answer
                .within(Tolerance::ulp(100.0, 6e-6)),
            );
        }
        all
    }
}
