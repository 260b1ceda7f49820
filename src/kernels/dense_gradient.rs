//! The gradients of a dense layer: `∂C/∂W[m, n, k] = Σᵣ δ[m, r, n] · x[m, r, k]`, `∂C/∂b[m, n] = Σᵣ δ[m, r, n]`.
//! The rows of the batch may be cut into parts, whose sums go to slices of their own: [`sum_slices`](super::sum_slices) adds them.

use crate::kernel::{Args, Case, Family, Kernel, Real, Step, Tolerance, Variant};
use crate::kernels::by_row::{Source, TakesRows, X};
use crate::kernels::cases::{self, Dense, Inputs};
use crate::kernels::finish::scale_of;
use crate::kernels::template::{self, Lies, Operands, tiles};
use crate::matmul::Matrix;
use crate::parallel::over_members;
use crate::params;
use std::borrow::Cow;

params! {
    /// Arguments: δ `[members, rows, 4·outputs4]`, x `[members, rows, 4·inputs4]`, the arena of gradients, or that of the slices; where operands
    /// are rounded, the scale of the loss `[members, 4]`, see [`Finish`](crate::kernels::finish::Finish).
    DenseGradient {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four inputs.
        inputs4: u32,
        /// Outputs.
        outputs: u32,
        /// Groups of four outputs.
        outputs4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where the weight starts in it, in groups of four.
        weight4: u32,
        /// Where the bias starts in it, in groups of four.
        bias4: u32,
        /// 0 for a layer without bias.
        has_bias: u32,
        /// Parts that the rows of a batch are cut into; 1 for the whole.
        parts: u32,
        /// Rows of a part, but for the last.
        part_rows: u32,
        /// From one part's slice to the next, in groups of four.
        slice4: u32,
        /// Whether the operands are rounded to `f16`: 1 or 0.
        half: u32,
    }
}

impl Kernel for DenseGradient {
    const NAME: &'static str = "dense_gradient";
    const VARIANTS: &'static [Variant] = tiles!("dense_gradient");

    fn wgsl() -> String {
        Self::wgsl_of(Self::VARIANTS)
    }

    fn wgsl_of(variants: &[Variant]) -> String {
        Self::wgsl_from(Self::NAME, variants, Source::Batch)
    }

    fn grid(&self) -> [u32; 3] {
        [4 * self.inputs4, 4 * self.outputs4, self.members * self.parts]
    }

    fn loops(&self) -> u64 {
        u64::from(self.part_rows.div_ceil(2)).max(template::loops(self.part_rows.div_ceil(4)))
    }

    fn flops(&self) -> u64 {
        2 * [4 * self.inputs4, 4 * self.outputs4, self.members, self.rows].iter().map(|&n| u64::from(n)).product::<u64>()
    }

    fn half(&self) -> bool {
        self.half != 0
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let x = &*args.real(1);
        let part = self.rows as usize * 4 * self.inputs4 as usize;
        self.cpu_over(step, args, &X { more: 0, rows: &|member| Cow::Borrowed(&x[member * part..]) });
    }

    fn trial(half: bool) -> Option<Case> {
        Some(case_of(0, Dense::TRIAL, half, [Dense::TRIAL.rows, 1]))
    }

    fn cases() -> Vec<Case> {
        let mut all = Dense::cases(|i, dense, half| case_of(200 + i, dense, half, [dense.rows, 1]));
        // some in parts: short last ones, and with a short batch parts without a live row, in members also, and rounded
        let cut = |rows, live, inputs, outputs, members, part_rows: usize, half| {
            (Dense { rows, live, inputs, outputs, members }, half, [part_rows, rows.div_ceil(part_rows)])
        };
        let parts = [
            cut(64, 1, 64, 63, 3, 16, false),
            cut(31, 8, 33, 32, 3, 16, false),
            cut(257, 129, 5, 1000, 1, 64, false),
            cut(150, 129, 70, 133, 3, 64, false),
            cut(1024, 1000, 128, 10, 1, 64, false),
            cut(65_537, 65_535, 2, 3, 1, 1040, false),
            cut(150, 129, 70, 133, 3, 64, true),
        ];
        all.extend(parts.into_iter().enumerate().map(|(i, (dense, half, parts))| case_of(230 + i, dense, half, parts)));
        all
    }
}

impl TakesRows for DenseGradient {
    const BY_ROW: [(&'static str, &'static [Variant]); 2] =
        [("dense_gradient_rows", tiles!("dense_gradient_rows")), ("dense_gradient_bytes", tiles!("dense_gradient_bytes"))];
    const X: usize = 1;

    fn wgsl_from(name: &str, variants: &[Variant], source: Source) -> String {
        let operands = Operands { left: Lies::Across, right: Lies::Across, sums: true, scaled: true, source };
        template::dense(name, include_str!("../../shaders/dense_gradient.wgsl"), variants, operands)
    }

    fn width(&self) -> usize {
        4 * self.inputs4 as usize
    }

    fn cpu_over<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>, x: &X<'_, T>) {
        let (delta, mut grads) = (&*args.real(0), args.real_mut(2));
        let (inputs, outputs, stride) = (4 * self.inputs4 as usize, self.outputs as usize, 4 * self.outputs4 as usize);
        let (rows, part_rows) = (self.rows as usize, self.part_rows as usize);
        let scaling = (self.half != 0).then(|| args.real(3 + x.more));
        let scaling = scaling.as_deref();
        over_members(&mut grads, self.members, 4 * self.arena4 as usize, self.flops(), |member, arena| {
            let x = (x.rows)(member);
            for part in 0..self.parts as usize {
                let before = part * part_rows;
                let (first, live) = (member * rows + before, step.rows.clamp(before, before + part_rows) - before);
                let slice = &mut arena[4 * part * self.slice4 as usize..];
                let delta = &delta[first * stride..][..live * stride];
                let x = Matrix::new(&x[(before * inputs).min(x.len())..], [live, inputs], inputs);
                let gradient = &mut slice[4 * self.weight4 as usize..][..outputs * inputs];
                let delta_t = Matrix::new(delta, [live, outputs], stride).t();
                match live {
                    0 => gradient.fill(T::zero()),
                    _ => T::product_in(scale_of(scaling, member), delta_t, x, gradient, inputs, &|_, _| {}),
                }
                if self.has_bias != 0 {
                    let bias = &mut slice[4 * self.bias4 as usize..][..stride];
                    bias.fill(T::zero());
                    for row in delta.chunks_exact(stride) {
                        bias.iter_mut().zip(row).for_each(|(b, &d)| *b += d);
                    }
                }
            }
        });
    }
}

fn case_of(seed: usize, dense: Dense, half: bool, [part_rows, parts]: [usize; 2]) -> Case {
    let mut inputs = Inputs::new(seed);
    let slice = dense.arena();
    let gradient = DenseGradient {
        arena4: (parts * slice) as u32 / 4,
        parts: parts as u32,
        part_rows: part_rows as u32,
        slice4: slice as u32 / 4,
        ..dense.layer(seed % 3 != 1, 0, half).gradient()
    };
    let rows = dense.members * dense.rows;
    let case = cases::case(&gradient, format!("{} parts {parts}", dense.name(half)), dense.members, &[dense.rows, dense.live, dense.rows])
        .arg("delta", dense.operand(inputs.rows(rows, dense.outputs), dense.outputs, half))
        .arg("x", inputs.rows(rows, dense.inputs))
        .arg("grads", cases::poison(dense.members * parts * slice))
        .within(Tolerance::ulp(16.0, 1e-7))
        .dot(dense.rows, &gradient);
    if half { case.arg("scaling", cases::scaling(dense.members)) } else { case }
}
