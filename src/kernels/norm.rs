//! Over the arena of gradients: value clipping, and the first of the two passes of the global norm.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::{Simd, WithSimd, in_vectors, over_members, over_rows};
use crate::params;

/// Elements that one partial sum is over.
pub const CHUNK: usize = 4096;

params! {
    /// `g ← clamp(g, −limit, limit)`. Argument: the arena of gradients.
    ClipValue {
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// As in [`NormPartials`] (of no meaning here).
        chunks: u32,
        /// As in [`NormPartials`] (of no meaning here).
        first: u32,
        /// As in [`NormPartials`] (of no meaning here).
        partials: u32,
        /// Members.
        members: u32,
        /// The bound v.
        limit: f32,
    }
}

params! {
    /// `partials[m, first + c] = Σ g²` over chunk c of member m. Arguments: the arena of gradients, or one of the buffers that it is in; partials
    /// `[members, partials]`, those of all of them.
    NormPartials {
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Chunks of it.
        chunks: u32,
        /// Where its partial sums begin among a member's.
        first: u32,
        /// Partial sums of a member.
        partials: u32,
        /// Members.
        members: u32,
        /// The bound of value clipping (of no meaning here).
        limit: f32,
    }
}

impl Kernel for ClipValue {
    const NAME: &'static str = "clip_value";

    fn wgsl() -> String {
        include_str!("../../shaders/norm.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        // of gradients that are accumulated, the sum is clipped
        if !step.part.last {
            return;
        }
        let limit = T::of(self.limit);
        for g in args.real_mut(0).iter_mut().take(4 * (self.arena4 * self.members) as usize) {
            // two comparisons, not clamp: what is not finite must stay so, and be found
            *g = if *g < -limit { -limit } else { *g };
            *g = if *g > limit { limit } else { *g };
        }
    }

    fn cases() -> Vec<Case> {
        arenas()
            .map(|(arena, members)| {
                let kernel = ClipValue { arena4: arena as u32 / 4, chunks: 0, first: 0, partials: 0, members: members as u32, limit: 0.5 };
                let mut case = cases::case(&kernel, format!("{arena} members {members}"), members, &[1, 1]);
                case.steps[0].part.last = false;
                case.arg("clipped", CaseData::F32(gradients(arena, members))).within(Tolerance::ulp(0.0, 1e-37))
            })
            .collect()
    }
}

impl Kernel for NormPartials {
    const NAME: &'static str = "norm_partials";

    fn wgsl() -> String {
        ClipValue::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [256 * self.chunks, 1, self.members]
    }

    fn loops(&self) -> u64 {
        12
    }

    fn flops(&self) -> u64 {
        8 * u64::from(self.arena4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (grads, mut partials) = (&*args.real(0), args.real_mut(1));
        over_members(&mut partials, self.members, self.partials as usize, 4 * self.flops(), |m, partials| {
            let arena = &grads[m * 4 * self.arena4 as usize..][..4 * self.arena4 as usize];
            let partials = &mut partials[self.first as usize..][..self.chunks as usize];
            over_rows(partials, 1, 1, 16 * arena.len(), |first, partials| {
                for (chunk, partial) in arena.chunks(CHUNK).skip(first).zip(partials) {
                    *partial = in_vectors(Squares(chunk));
                }
            });
        });
    }

    fn cases() -> Vec<Case> {
        arenas()
            .map(|(arena, members)| {
                let chunks = arena.div_ceil(CHUNK) as u32;
                // where there are three members, the arena is a segment of a larger one, with other segments' sums on both sides
                let (first, partials) = if members == 3 { (2, chunks + 3) } else { (0, chunks) };
                let kernel = NormPartials { arena4: arena as u32 / 4, chunks, first, partials, members: members as u32, limit: 0.0 };
                cases::case(&kernel, format!("{arena} members {members}"), members, &[1, 1])
                    .arg("grads", CaseData::F32(gradients(arena, members)))
                    .arg("partials", cases::poison(members * partials as usize))
                    // sums of squares do not cancel: √4096 roundings of half an ULP, twice over
                    .within(Tolerance::ulp(64.0, 1e-37))
            })
            .collect()
    }
}

/// `Σ g²` of a chunk.
struct Squares<'a, T>(&'a [T]);

impl<T: Real> WithSimd for Squares<'_, T> {
    type Output = T;

    /// Sixteen sums side by side: a processor adds them at a time, and they round less than one.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> T {
        let mut lanes = [T::zero(); 16];
        for group in self.0.as_chunks::<16>().0 {
            lanes.iter_mut().zip(group).for_each(|(sum, &g)| *sum += g * g);
        }
        lanes.into_iter().fold(T::zero(), |sum, lane| sum + lane)
    }
}

/// Lengths of arenas (multiples of 64) and members.
fn arenas() -> impl Iterator<Item = (usize, usize)> {
    [(64, 1), (4096, 3), (4160, 1), (65_600, 3), (5_000_064, 1)].into_iter()
}

fn gradients(arena: usize, members: usize) -> Vec<f32> {
    let mut values = Inputs::new(arena).numbers(members * arena);
    values.iter_mut().step_by(7).zip(cases::HARD.iter().cycle()).for_each(|(v, &hard)| *v = hard);
    values
}
