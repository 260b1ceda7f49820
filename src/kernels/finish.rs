//! The end of a step: sums into the log, the clip factor and the rates for the update, the watch on non-finite values, the cursor.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;

/// Numbers that `finish` leaves for the update, for each member: coef, lr, two of the optimizer's, apply, three spare ones.
pub const SCALARS: usize = 8;

params! {
    /// `log[slot, m] = (Σ loss, ‖g‖, 0, 0)`, `coef = min(1, max_norm / (‖g‖ + 1e-6))`. Arguments: steps, loss `[members, rows]`, log
    /// `[slots, members, 4]`, partials `[members, partials]`, scalars `[members, 8]`, state `[members]`.
    Finish {
        /// Rows of a full batch.
        rows: u32,
        /// Partial sums of a member.
        partials: u32,
        /// Members.
        members: u32,
        /// The norm to clip to; 0 for no clipping.
        max_norm: f32,
    }
}

params! {
    /// `log[slot, m] = (Σ loss, Σ stats₀, Σ stats₁, Σ stats₂)`. Arguments: steps, loss `[members, rows]`, log `[slots, members, 4]`,
    /// stats `[members, rows, 4]`.
    Tally {
        /// Rows of a full batch.
        rows: u32,
        /// Of no meaning here.
        partials: u32,
        /// Members.
        members: u32,
        /// Of no meaning here.
        max_norm: f32,
    }
}

impl Kernel for Finish {
    const NAME: &'static str = "finish";

    fn wgsl() -> String {
        include_str!("../../shaders/finish.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [256, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.rows.div_ceil(256)) + u64::from(self.partials.div_ceil(256)) + 8
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (mut table, loss, mut log) = (args.word_mut(0), args.real(1), args.real_mut(2));
        let (partials, mut scalars, mut state) = (args.real(3), args.real_mut(4), args.word_mut(5));
        for m in 0..self.members as usize {
            let sum = |cells: &[T]| cells.iter().fold(T::zero(), |sum, &x| sum + x);
            let loss = sum(&loss[m * self.rows as usize..][..step.rows]);
            let norm = sum(&partials[m * self.partials as usize..][..self.partials as usize]).sqrt();
            if !(loss.is_finite() && norm.is_finite()) && state[m] == 0 {
                state[m] = step.slot as u32 + 1;
            }
            let max_norm = T::of(self.max_norm);
            let coef = if self.max_norm > 0.0 { T::one().min(max_norm / (norm + T::of(1e-6))) } else { T::one() };
            let apply = if state[m] == 0 { T::one() } else { T::zero() };
            let [lr, c1, c2, _] = step.rate(m).map(T::of);
            scalars[SCALARS * m..][..SCALARS].copy_from_slice(&[coef, lr, c1, c2, apply, T::zero(), T::zero(), T::zero()]);
            log[4 * (step.slot * self.members as usize + m)..][..4].copy_from_slice(&[loss, norm, T::zero(), T::zero()]);
            table[2 + m] += 1;
        }
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for (rows, live, partials, members, max_norm, fault) in [
            (1, 1, 1, 1, 0.0, None),
            (32, 4, 58, 1, 1.0, None),
            (257, 255, 1000, 3, 1e3, None),
            (65_537, 65_535, 3, 1, 0.5, None),
            (32, 32, 3, 3, 1.0, Some(f32::NAN)),
            (32, 32, 3, 1, 1.0, Some(f32::INFINITY)),
        ] {
            let mut inputs = Inputs::new(rows + partials);
            let kernel = Finish { rows: rows as u32, partials: partials as u32, members: members as u32, max_norm };
            let positive = |values: Vec<f32>| values.into_iter().map(f32::abs).collect::<Vec<_>>();
            let mut loss = positive(inputs.numbers(members * rows));
            if let Some(fault) = fault {
                loss[3] = fault;
            }
            all.push(
                cases::case(
                    &kernel,
                    format!("rows {rows} partials {partials} members {members} fault {fault:?}"),
                    members,
                    &[rows, live, rows],
                )
                .arg("table", CaseData::Steps)
                .arg("loss", CaseData::F32(loss))
                .arg("log", cases::poison(4 * 3 * members))
                .arg("partials", CaseData::F32(positive(inputs.numbers(members * partials))))
                .arg("scalars", cases::poison(SCALARS * members))
                .arg("state", CaseData::U32(vec![0; members]))
                .within(Tolerance::ulp(64.0, 0.0)),
            );
        }
        all
    }
}

impl Kernel for Tally {
    const NAME: &'static str = "tally";

    fn wgsl() -> String {
        Finish::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [256, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.rows.div_ceil(256)) + 8
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (mut table, loss, mut log, stats) = (args.word_mut(0), args.real(1), args.real_mut(2), args.real(3));
        for m in 0..self.members as usize {
            let mut total = [T::zero(); 4];
            for at in m * self.rows as usize..m * self.rows as usize + step.rows {
                total[0] += loss[at];
                (0..3).for_each(|k| total[k + 1] += stats[4 * at + k]);
            }
            log[4 * (step.slot * self.members as usize + m)..][..4].copy_from_slice(&total);
            table[2 + m] += 1;
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(1, 1, 1), (32, 4, 1), (257, 255, 3), (65_537, 65_535, 1)];
        let make = shapes.map(|(rows, live, members)| {
            let mut inputs = Inputs::new(rows);
            let kernel = Tally { rows: rows as u32, partials: 0, members: members as u32, max_norm: 0.0 };
            let positive = |values: Vec<f32>| CaseData::F32(values.into_iter().map(f32::abs).collect());
            cases::case(&kernel, format!("rows {rows} members {members}"), members, &[rows, live, rows])
                .arg("table", CaseData::Steps)
                .arg("loss", positive(inputs.numbers(members * rows)))
                .arg("log", cases::poison(4 * 3 * members))
                .arg("stats", positive(inputs.numbers(4 * members * rows)))
                .within(Tolerance::ulp(64.0, 0.0))
        });
        make.into()
    }
}
