//! The slices of weight gradients whose batch was cut into parts, added up: one dispatch for all such layers.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::over_members;
use crate::params;

params! {
    /// `grads[m, to + i] = Σₛ slices[m, from + s·length + i]` for each layer, s upwards. Arguments: places `[layers, 4]`, slices
    /// `[members, 4·stride4]`, the arena of gradients. A place is `[end, from, slices, to]`: of the groups of four that are summed the layer's
    /// end at `end`, where the next one's begin; its first slice begins at group `from`, and its part of the arena at `to`.
    SumSlices {
        /// Groups of four that are summed.
        total4: u32,
        /// Members.
        members: u32,
        /// Length of a member's slices, in groups of four.
        stride4: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Layers.
        layers: u32,
    }
}

/// The most parts that a batch is cut into: an invocation adds as many slices.
pub const MOST: usize = 64;

impl Kernel for SumSlices {
    const NAME: &'static str = "sum_slices";

    fn wgsl() -> String {
        include_str!("../../shaders/sum_slices.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.total4, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.layers) + MOST as u64
    }

    fn flops(&self) -> u64 {
        4 * u64::from(self.stride4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (places, slices, mut grads) = (&*args.word(0), &*args.real(1), args.real_mut(2));
        over_members(&mut grads, self.members, 4 * self.arena4 as usize, self.flops(), |member, arena| {
            let slices = &slices[4 * member * self.stride4 as usize..];
            let mut before = 0;
            for &[end, from, parts, to] in places.as_chunks::<4>().0.iter().take(self.layers as usize) {
                let length = 4 * (end - before) as usize;
                let sum = &mut arena[4 * to as usize..][..length];
                for (s, slice) in slices[4 * from as usize..].chunks_exact(length).take(parts as usize).enumerate() {
                    sum.iter_mut().zip(slice).for_each(|(sum, &g)| *sum = if s == 0 { g } else { *sum + g });
                }
                before = end;
            }
        });
    }

    fn cases() -> Vec<Case> {
        // for each layer its length, its slices, and how far its part of the arena is from the one before, in groups of four
        let one: &[[u32; 3]] = &[[1, 2, 0]];
        let shapes = [
            (one, 1),
            (&[[340, 16, 16]], 3),
            (&[[16, 4, 0], [8208, 6, 48], [5, 64, 0]], 1),
            (&[[65, 3, 16], [1, 2, 0], [130, 17, 1], [16, 5, 32]], 3),
        ];
        let make = shapes.map(|(layers, members)| {
            let (mut places, mut total4, mut stride4, mut arena4) = (Vec::new(), 0, 0, 0);
            for [length, parts, gap] in layers {
                places.extend([total4 + length, stride4, *parts, arena4 + gap]);
                (total4, stride4, arena4) = (total4 + length, stride4 + length * parts, arena4 + gap + length);
            }
            let kernel = SumSlices { total4, members: members as u32, stride4, arena4: arena4 + 16, layers: layers.len() as u32 };
            let numbers = Inputs::new(total4 as usize).numbers(4 * members * stride4 as usize);
            cases::case(&kernel, format!("{layers:?} members {members}"), members, &[1, 1])
                .arg("places", CaseData::U32(places))
                .arg("slices", CaseData::F32(numbers))
                .arg("grads", cases::poison(4 * members * kernel.arena4 as usize))
                .within(Tolerance::ulp(4.0, 1e-37))
                .dot(MOST, &kernel)
        });
        make.into()
    }
}
