//! The running statistics of batch normalisation: what evaluation has in place of a batch's own, and how they follow the batches.

use super::finish::{SCALARS, SOUND};
use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases;
use crate::kernels::layer_cases::Batch;
use crate::params;

params! {
    /// `stats[m] = (running mean, 1/√(running var + ε), running var)`. Arguments: the arena of parameters, stats `[members, 3, 4·width4]`.
    RunningStats {
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where the running mean starts in it, in groups of four.
        mean4: u32,
        /// Where the running variance starts in it, in groups of four.
        variance4: u32,
        /// ε, inside the root.
        epsilon: f32,
    }
}

params! {
    /// `running ← running + momentum·(new − running)` for mean and unbiased variance, and the counter of batches goes up by one, unless the
    /// step was not sound. Arguments: scalars `[members, 8]`, stats `[members, 3, 4·width4]`, the arena of parameters. `momentum` is the
    /// weight of the new value, as PyTorch has it (Keras and ONNX give the weight of the old one). The counter is exact up to 2²⁴ batches.
    RunningUpdate {
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where the running mean starts in it, in groups of four.
        mean4: u32,
        /// Where the running variance starts in it, in groups of four.
        variance4: u32,
        /// Where the counter of batches is, in groups of four: the first of the group.
        count4: u32,
        /// The weight of the new value.
        momentum: f32,
    }
}

impl Kernel for RunningStats {
    const NAME: &'static str = "running_stats";

    fn wgsl() -> String {
        include_str!("../../shaders/running_stats.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        8 * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (params, mut stats) = (args.real(0), args.real_mut(1));
        let width = 4 * self.width4 as usize;
        let arenas = params.chunks(4 * self.arena4 as usize).zip(stats.chunks_mut(3 * width));
        for (arena, stats) in arenas.take(self.members as usize) {
            let (mean, variance) = (&arena[4 * self.mean4 as usize..], &arena[4 * self.variance4 as usize..]);
            for c in 0..width {
                stats[c] = mean[c];
                stats[width + c] = (variance[c] + T::of(self.epsilon)).sqrt().recip();
                stats[2 * width + c] = variance[c];
            }
        }
    }

    fn cases() -> Vec<Case> {
        let case = |batch: &Batch| {
            let kernel = RunningStats {
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                mean4: batch.tensor4(1),
                variance4: batch.tensor4(3),
                epsilon: 1e-5,
            };
            let arena = batch.params(&mut batch.inputs(), batch.centre.abs().max(1.0)).into_iter().map(f32::abs);
            cases::case(&kernel, batch.name(), batch.members, &[1, 1])
                .arg("params", CaseData::F32(arena.collect()))
                .arg("made", cases::poison(3 * batch.members * 4 * batch.width4() as usize))
                // WGSL allows the inverse root two units, and a driver may divide by the root
                .within(Tolerance::ulp(6.0, 0.0))
        };
        Batch::all().iter().map(case).collect()
    }
}

impl Kernel for RunningUpdate {
    const NAME: &'static str = "running_update";

    fn wgsl() -> String {
        RunningStats::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.width4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        24 * u64::from(self.width4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (scalars, stats, mut params) = (args.real(0), args.real(1), args.real_mut(2));
        let width = 4 * self.width4 as usize;
        let arenas = params.chunks_mut(4 * self.arena4 as usize).zip(stats.chunks(3 * width)).zip(scalars.chunks(SCALARS));
        for ((arena, stats), scalars) in arenas.take(self.members as usize) {
            // statistics of a batch that is not finite would stay in the running ones for good
            if scalars[SOUND] == T::zero() {
                continue;
            }
            let mut follow = |start: u32, new: &[T]| {
                let running = &mut arena[4 * start as usize..][..width];
                running.iter_mut().zip(new).for_each(|(running, &new)| *running += T::of(self.momentum) * (new - *running));
            };
            follow(self.mean4, &stats[..width]);
            follow(self.variance4, &stats[2 * width..]);
            arena[4 * self.count4 as usize] += T::one();
        }
    }

    fn cases() -> Vec<Case> {
        let case = |batch: &Batch| {
            let kernel = RunningUpdate {
                width4: batch.width4(),
                members: batch.members as u32,
                arena4: batch.arena4(),
                mean4: batch.tensor4(1),
                variance4: batch.tensor4(3),
                count4: batch.tensor4(4),
                momentum: 0.1,
            };
            let size = batch.centre.abs().max(1.0);
            let mut inputs = batch.inputs();
            let mut arena = batch.params(&mut inputs, size);
            // counters: none yet, and one below the largest that two more batches do not reach
            for member in 0..batch.members {
                arena[member * batch.arena() + batch.tensor(4)] = [0.0, 1e6, 16_777_213.0][member];
            }
            let mut scalars = inputs.numbers(SCALARS * batch.members);
            // of three members the second's step is not sound
            (0..batch.members).for_each(|m| scalars[SCALARS * m + SOUND] = if m == 1 { 0.0 } else { 1.0 });
            cases::case(&kernel, batch.name(), batch.members, &[1, 1])
                .arg("scalars", CaseData::F32(scalars))
                .arg("stats", CaseData::F32(batch.column_stats(&batch.x(&mut inputs))))
                .arg("running", CaseData::F32(arena))
                // new − running cancels: a few roundings of numbers of that size
                .within(Tolerance::ulp(4.0, 4e-7 * f64::from(size)))
        };
        Batch::all().iter().map(case).collect()
    }
}
