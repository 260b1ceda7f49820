//! Over the arenas: gradients added up over the parts of a batch, and the moving average of the weights.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::kernels::finish::{APPLY, SCALARS};
use crate::params;

params! {
    /// `sum ← sum + g`, or `sum ← g` in the first part of a batch. Arguments: the arenas of gradients and of their sum.
    Accumulate {
        /// Length of a member's part of an arena, in groups of four.
        arena4: u32,
        /// Members.
        members: u32,
        /// Of no meaning here.
        decay: f32,
    }
}

params! {
    /// `average ← average + (1 − decay)·(w − average)` after a step that was applied. Arguments: scalars `[members, 8]`, the arenas of
    /// parameters and of their average.
    Average {
        /// Length of a member's part of an arena, in groups of four.
        arena4: u32,
        /// Members.
        members: u32,
        /// The share of the old average that stays.
        decay: f32,
    }
}

impl Kernel for Accumulate {
    const NAME: &'static str = "accumulate";

    fn wgsl() -> String {
        include_str!("../../shaders/accumulate.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (grads, mut sum) = (args.real(0), args.real_mut(1));
        for (sum, &g) in sum.iter_mut().zip(grads.iter()).take(4 * (self.arena4 * self.members) as usize) {
            *sum = if step.part.first { g } else { *sum + g };
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(64, 1), (4160, 3), (65_600, 1), (8_256, 1)];
        let make = shapes.map(|(arena, members)| {
            let mut inputs = Inputs::new(arena);
            let kernel = Accumulate { arena4: arena as u32 / 4, members: members as u32, decay: 0.0 };
            let mut case = cases::case(&kernel, format!("{arena} members {members}"), members, &[1, 1, 1])
                .arg("grads", CaseData::F32(inputs.numbers(members * arena)))
                .arg("sum", cases::poison(members * arena))
                .within(Tolerance::ulp(2.0, 3e-7));
            // three parts of one batch
            for (i, step) in case.steps.iter_mut().enumerate() {
                step.part.first = i == 0;
                step.part.last = i == 2;
            }
            case
        });
        make.into()
    }
}

impl Kernel for Average {
    const NAME: &'static str = "average";

    fn wgsl() -> String {
        Accumulate::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (scalars, params, mut average) = (args.real(0), args.real(1), args.real_mut(2));
        let arena = 4 * self.arena4 as usize;
        let rate = T::one() - T::of(self.decay);
        for (m, (average, w)) in average.chunks_mut(arena).zip(params.chunks(arena)).take(self.members as usize).enumerate() {
            if scalars[SCALARS * m + APPLY] != T::zero() {
                average.iter_mut().zip(w).for_each(|(a, &w)| *a += rate * (w - *a));
            }
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(64, 1), (4160, 3), (65_600, 1), (8_256, 1)];
        let make = shapes.map(|(arena, members)| {
            let mut inputs = Inputs::new(arena);
            let kernel = Average { arena4: arena as u32 / 4, members: members as u32, decay: 0.9 };
            cases::case(&kernel, format!("{arena} members {members}"), members, &[1, 1, 1])
                .arg("scalars", cases::scalars(members))
                .arg("params", CaseData::F32(inputs.numbers(members * arena)))
                .arg("average", CaseData::F32(inputs.numbers(members * arena)))
                .within(Tolerance::ulp(4.0, 3e-7))
        });
        make.into()
    }
}
