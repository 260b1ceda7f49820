//! A dense layer forward: `a[m, r, n] = σ( Σₖ x[m, r, k] · W[m, n, k] + b[m, n] )`.

use crate::formula::{Formulas, Uses};
use crate::kernel::{Args, Case, Family, Kernel, Real, Step, Tolerance, Variant};
use crate::kernels::activation;
use crate::kernels::by_row::{Source, TakesRows, X};
use crate::kernels::cases::{self, Dense, Inputs};
use crate::kernels::template::{self, Lies, Operands, tiles};
use crate::matmul::Matrix;
use crate::parallel::over_members;
use crate::params;
use std::borrow::Cow;

params! {
    /// The layer. Arguments: x `[members, rows, 4·inputs4]`, the arena of parameters, a `[members, rows, 4·outputs4]`.
    DenseForward {
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
        /// The activation's number.
        kind: u32,
        /// Whether the operands are rounded to `f16`: 1 or 0.
        half: u32,
    }
}

impl Kernel for DenseForward {
    const NAME: &'static str = "dense_forward";
    const USES: Uses = Uses::Activations;
    const VARIANTS: &'static [Variant] = tiles!("dense_forward");

    fn wgsl() -> String {
        Self::wgsl_of(Self::VARIANTS)
    }

    fn wgsl_of(variants: &[Variant]) -> String {
        Self::wgsl_from(Self::NAME, variants, Source::Batch)
    }

    fn grid(&self) -> [u32; 3] {
        [self.outputs, self.rows, self.members]
    }

    fn loops(&self) -> u64 {
        template::loops(self.inputs4)
    }

    fn flops(&self) -> u64 {
        8 * self.grid().iter().map(|&n| u64::from(n)).product::<u64>() * u64::from(self.inputs4)
    }

    fn half(&self) -> bool {
        self.half != 0
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let x = &*args.real(0);
        let part = self.rows as usize * 4 * self.inputs4 as usize;
        self.cpu_over(step, args, &X { more: 0, rows: &|member| Cow::Borrowed(&x[member * part..]) });
    }

    fn trial(half: bool) -> Option<Case> {
        Some(case_of(0, Dense::TRIAL, half, 0, &Formulas::none()))
    }

    fn floor(&self, formulas: &Formulas) -> f64 {
        activation::floor(self.kind, formulas)
    }

    fn cases() -> Vec<Case> {
        Dense::cases(|i, dense, half| {
            let row = i % activation::TABLE.len();
            let (kind, formulas) = activation::beside_another(row);
            let case = case_of(i, dense, half, kind, &formulas);
            let name = format!("{} {}", case.name, activation::TABLE[row].name);
            Case { name, tolerance: Tolerance { absolute: activation::TABLE[row].floor.max(1e-7), ..case.tolerance }, ..case }
        })
    }
}

impl TakesRows for DenseForward {
    const BY_ROW: [(&'static str, &'static [Variant]); 2] =
        [("dense_forward_rows", tiles!("dense_forward_rows")), ("dense_forward_bytes", tiles!("dense_forward_bytes"))];
    const X: usize = 0;

    fn wgsl_from(name: &str, variants: &[Variant], source: Source) -> String {
        let operands = Operands { left: Lies::Along, right: Lies::Along, sums: false, scaled: false, source };
        template::dense(name, include_str!("../../shaders/dense_forward.wgsl"), variants, operands)
    }

    fn width(&self) -> usize {
        4 * self.inputs4 as usize
    }

    fn cpu_over<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>, x: &X<'_, T>) {
        let (params, mut a) = (&*args.real(1), args.real_mut(2));
        let (inputs, outputs, stride) = (4 * self.inputs4 as usize, self.outputs as usize, 4 * self.outputs4 as usize);
        let halves = (self.half != 0).then(|| [T::one(); 2]);
        let (arena, rows, activation) = (4 * self.arena4 as usize, self.rows as usize, args.activation(self.kind));
        over_members(&mut a, self.members, rows * stride, self.flops(), |member, a| {
            let arena = &params[member * arena..][..arena];
            let bias = &arena[4 * self.bias4 as usize..];
            let x = (x.rows)(member);
            let x = Matrix::new(&x, [step.rows, inputs], inputs);
            let weight = Matrix::new(&arena[4 * self.weight4 as usize..], [outputs, inputs], inputs);
            T::product_in(halves, x, weight.t(), &mut a[..step.rows * stride], stride, &|_, row| {
                if self.has_bias != 0 {
                    row[..outputs].iter_mut().zip(bias).for_each(|(z, &b)| *z += b);
                }
                if let Some(activation) = activation {
                    T::activate(activation, &mut row[..outputs]);
                }
                row[outputs..].fill(T::zero());
            });
        });
    }
}

fn case_of(seed: usize, dense: Dense, half: bool, kind: u32, formulas: &Formulas) -> Case {
    let mut inputs = Inputs::new(seed);
    let forward = dense.layer(seed % 3 != 2, kind, half).forward();
    cases::case(&forward, dense.name(half), dense.members, &[dense.rows, dense.live, dense.rows])
        .with(formulas)
        .arg("x", dense.operand(inputs.rows(dense.members * dense.rows, dense.inputs), dense.inputs, half))
        .arg("params", dense.params(&mut inputs))
        .arg("a", cases::poison(dense.members * dense.rows * dense.outputs.next_multiple_of(4)))
        .within(Tolerance::ulp(24.0, 1e-7))
        .dot(dense.inputs + 1, &DenseForward { kind: 0, ..forward })
}
