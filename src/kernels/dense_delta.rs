//! The error behind a dense layer: `g[m, r, k] = ( Σₙ δ[m, r, n] · W[m, n, k] ) · σ'(z[m, r, k])`, σ that of the layer before.

use crate::formula::{Formulas, Uses};
use crate::kernel::{Args, Case, Family, Kernel, Real, Step, Tolerance, Variant};
use crate::kernels::activation;
use crate::kernels::by_row::Source;
use crate::kernels::cases::{self, Dense, Inputs};
use crate::kernels::finish::scale_of;
use crate::kernels::template::{self, Lies, Operands, tiles};
use crate::matmul::Matrix;
use crate::parallel::over_members;
use crate::params;

params! {
    /// Arguments: δ `[members, rows, 4·outputs4]`, the arena of parameters, a and g `[members, rows, 4·inputs4]`; where operands are rounded, the scale
    /// of the loss `[members, 4]`, see [`Finish`](crate::kernels::finish::Finish).
    DenseDelta {
        /// Rows of a full batch.
        rows: u32,
        /// Groups of four inputs of the layer: columns of the result.
        inputs4: u32,
        /// Outputs of the layer.
        outputs: u32,
        /// Groups of four outputs.
        outputs4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where the weight starts in it, in groups of four.
        weight4: u32,
        /// The number of the activation whose slope is multiplied in, by its a or z (see [`SlopeOf`](crate::formula::SlopeOf)).
        kind: u32,
        /// Whether the operands are rounded to `f16`: 1 or 0.
        half: u32,
    }
}

impl Kernel for DenseDelta {
    const NAME: &'static str = "dense_delta";
    const USES: Uses = Uses::Activations;
    const VARIANTS: &'static [Variant] = tiles!("dense_delta");

    fn wgsl() -> String {
        Self::wgsl_of(Self::VARIANTS)
    }

    fn wgsl_of(variants: &[Variant]) -> String {
        let operands = Operands { left: Lies::Along, right: Lies::Across, sums: false, scaled: true, source: Source::Batch };
        template::dense(Self::NAME, include_str!("../../shaders/dense_delta.wgsl"), variants, operands)
    }

    fn grid(&self) -> [u32; 3] {
        [4 * self.inputs4, self.rows, self.members]
    }

    fn loops(&self) -> u64 {
        template::loops(self.outputs4)
    }

    fn flops(&self) -> u64 {
        8 * self.grid().iter().map(|&n| u64::from(n)).product::<u64>() * u64::from(self.outputs4)
    }

    fn half(&self) -> bool {
        self.half != 0
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (delta, params, source, mut g) = (&*args.real(0), &*args.real(1), &*args.real(2), args.real_mut(3));
        let (inputs, outputs, stride) = (4 * self.inputs4 as usize, self.outputs as usize, 4 * self.outputs4 as usize);
        let scaling = (self.half != 0).then(|| args.real(4));
        let scaling = scaling.as_deref();
        let (arena, rows, activation) = (4 * self.arena4 as usize, self.rows as usize, args.activation(self.kind));
        over_members(&mut g, self.members, rows * inputs, self.flops(), |member, g| {
            let source = &source[member * rows * inputs..];
            let delta = Matrix::new(&delta[member * rows * stride..], [step.rows, outputs], stride);
            let weight = Matrix::new(&params[member * arena + 4 * self.weight4 as usize..], [outputs, inputs], inputs);
            T::product_in(scale_of(scaling, member), delta, weight, &mut g[..step.rows * inputs], inputs, &|row, g| {
                if let Some(activation) = activation {
                    T::slope(activation, g, &source[row * inputs..][..inputs]);
                }
            });
        });
    }

    fn trial(half: bool) -> Option<Case> {
        Some(case_of(0, Dense::TRIAL, half, 0, &Formulas::none()))
    }

    fn cases() -> Vec<Case> {
        Dense::cases(|i, dense, half| {
            let row = i % activation::TABLE.len();
            let (kind, formulas) = activation::beside_another(row);
            let case = case_of(100 + i, dense, half, kind, &formulas);
            Case { name: format!("{} {}", case.name, activation::TABLE[row].name), ..case }
        })
    }
}

fn case_of(seed: usize, dense: Dense, half: bool, kind: u32, formulas: &Formulas) -> Case {
    let mut inputs = Inputs::new(seed);
    let delta = dense.layer(true, kind, half).delta();
    let rows = dense.members * dense.rows;
    let source = inputs.rows(rows, dense.inputs);
    let case = cases::case(&delta, dense.name(half), dense.members, &[dense.rows, dense.live, dense.rows])
        .with(formulas)
        .arg("delta", dense.operand(inputs.rows(rows, dense.outputs), dense.outputs, half))
        .arg("params", dense.params(&mut inputs))
        .arg("source", source)
        .arg("g", cases::poison(rows * dense.inputs.next_multiple_of(4)))
        .within(Tolerance::ulp(16.0, 1e-7))
        .dot(dense.outputs + 1, &DenseDelta { kind: 0, ..delta });
    if half { case.arg("scaling", cases::scaling(dense.members)) } else { case }
}
