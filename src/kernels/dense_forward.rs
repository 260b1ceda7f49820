//! A dense layer forward: `a[m, r, n] = σ( Σₖ x[m, r, k] · W[m, n, k] + b[m, n] )`.

use crate::formula::{Formulas, Uses};
use crate::kernel::{Args, Case, Family, Kernel, Real, Step, Tolerance, Variant};
use crate::kernels::activation;
use crate::kernels::cases::{self, Dense, Inputs};
use crate::kernels::template::{self, Lies, Operands};
use crate::matmul::Matrix;
use crate::parallel::over_members;
use crate::params;

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
    const VARIANTS: &'static [Variant] = &[
        Variant { entry: "dense_forward_4x4", tile: [4, 4], family: Family::Direct },
        Variant { entry: "dense_forward_8x8", tile: [8, 8], family: Family::Direct },
        Variant { entry: "dense_forward_8x16", tile: [16, 8], family: Family::Software },
        Variant { entry: "dense_forward_shared_32x32", tile: [4, 4], family: Family::Shared([32, 32]) },
        Variant { entry: "dense_forward_shared_64x64", tile: [4, 8], family: Family::Shared([64, 64]) },
        Variant { entry: "dense_forward_shared_128x128", tile: [8, 8], family: Family::Shared([128, 128]) },
        Variant { entry: "dense_forward_subgroup_8", tile: [4, 32], family: Family::Subgroup(8) },
        Variant { entry: "dense_forward_half_32x32", tile: [4, 4], family: Family::SharedHalf([32, 32]) },
        Variant { entry: "dense_forward_half_64x64", tile: [4, 8], family: Family::SharedHalf([64, 64]) },
        Variant { entry: "dense_forward_half_128x128", tile: [8, 8], family: Family::SharedHalf([128, 128]) },
        Variant::cooperative("dense_forward_cooperative_16_32_32x32", 16, 32, [32, 32]),
        Variant::cooperative("dense_forward_cooperative_16_32_64x64", 16, 32, [64, 64]),
        Variant::cooperative("dense_forward_cooperative_16_32_128x128", 16, 32, [128, 128]),
        Variant::cooperative("dense_forward_cooperative_8_32_32x32", 8, 32, [32, 32]),
        Variant::cooperative("dense_forward_cooperative_8_32_64x64", 8, 32, [64, 64]),
        Variant::cooperative("dense_forward_cooperative_8_8_32x32", 8, 8, [32, 32]),
        Variant::cooperative("dense_forward_cooperative_8_8_64x64", 8, 8, [64, 64]),
        Variant::cooperative("dense_forward_cooperative_8_8_128x128", 8, 8, [128, 128]),
    ];

    fn wgsl() -> String {
        Self::wgsl_of(Self::VARIANTS)
    }

    fn wgsl_of(variants: &[Variant]) -> String {
        let operands = Operands { left: Lies::Along, right: Lies::Along, sums: false, scaled: false };
        template::dense(Self::NAME, include_str!("../../shaders/dense_forward.wgsl"), variants, operands)
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
        let (x, params, mut a) = (&*args.real(0), &*args.real(1), args.real_mut(2));
        let (inputs, outputs, stride) = (4 * self.inputs4 as usize, self.outputs as usize, 4 * self.outputs4 as usize);
        let halves = (self.half != 0).then(|| [T::one(); 2]);
        let (arena, rows, activation) = (4 * self.arena4 as usize, self.rows as usize, args.activation(self.kind));
        over_members(&mut a, self.members, rows * stride, self.flops(), |member, a| {
            let arena = &params[member * arena..][..arena];
            let bias = &arena[4 * self.bias4 as usize..];
            let x = Matrix::new(&x[member * rows * inputs..], [step.rows, inputs], inputs);
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

fn case_of(seed: usize, dense: Dense, half: bool, kind: u32, formulas: &Formulas) -> Case {
    let mut inputs = Inputs::new(seed);
    let forward = DenseForward {
        rows: dense.rows as u32,
        inputs4: dense.inputs.div_ceil(4) as u32,
        outputs: dense.outputs as u32,
        outputs4: dense.outputs.div_ceil(4) as u32,
        members: dense.members as u32,
        arena4: dense.arena() as u32 / 4,
        weight4: dense.weight() as u32 / 4,
        bias4: dense.bias() as u32 / 4,
        has_bias: u32::from(seed % 3 != 2),
        kind,
        half: half.into(),
    };
    cases::case(&forward, dense.name(half), dense.members, &[dense.rows, dense.live, dense.rows])
        .with(formulas)
        .arg("x", dense.operand(inputs.rows(dense.members * dense.rows, dense.inputs), dense.inputs, half))
        .arg("params", dense.params(&mut inputs))
        .arg("a", cases::poison(dense.members * dense.rows * dense.outputs.next_multiple_of(4)))
        .within(Tolerance::ulp(24.0, 1e-7))
        .dot(dense.inputs + 1, &DenseForward { kind: 0, ..forward })
}
