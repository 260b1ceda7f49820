//! The end of a step: sums into the log, the clip factor and the rates for the update, the watch on non-finite values, the cursor.

use crate::kernel::{Args, Case, CaseData, Kernel, Part, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;

/// Numbers that `finish` leaves for the update, for each member: coef, lr, two of the optimizer's, apply, sound, whether a part of this
/// batch was not, a spare one.
pub const SCALARS: usize = 8;
/// Which of them says whether the weights are to be updated.
pub const APPLY: usize = 4;
/// Which of them says that all values of the step were finite.
pub const SOUND: usize = 5;
const SPOILT: usize = 6;

params! {
    /// `log[slot, m] = (Σ loss, ‖g‖, sound, apply)`, `coef = min(1, max_norm / (‖g‖ + 1e-6))`. Arguments: steps, loss `[members, rows]`,
    /// log `[slots, members, 4]`, partials `[members, partials]`, scalars `[members, 8]`, state `[members]`.
    ///
    /// A step whose loss or norm is not finite is not applied, nor is the batch that it is a part of; `state` then keeps 1 + its slot,
    /// and if `sticky`, no later step is applied either.
    Finish {
        /// Rows of a full batch.
        rows: u32,
        /// Partial sums of a member.
        partials: u32,
        /// Members.
        members: u32,
        /// The norm to clip to; 0 for no clipping.
        max_norm: f32,
        /// Whether one bad step spoils all later ones.
        sticky: u32,
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
        /// Of no meaning here.
        sticky: u32,
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
            let mut sound = loss.is_finite() && norm.is_finite();
            if !sound && state[m] == 0 {
                state[m] = step.slot as u32 + 1;
            }
            if self.sticky != 0 {
                sound = state[m] == 0;
            }
            let own = &mut scalars[SCALARS * m..][..SCALARS];
            let spoilt = !sound || (!step.part.first && own[SPOILT] != T::zero());
            let flag = |flag: bool| if flag { T::one() } else { T::zero() };
            let (sound, apply) = (flag(sound), flag(step.part.last && !spoilt));
            let max_norm = T::of(self.max_norm);
            let coef = if self.max_norm > 0.0 { T::one().min(max_norm / (norm + T::of(1e-6))) } else { T::one() };
            let [lr, c1, c2, _] = step.rate(m).map(T::of);
            own.copy_from_slice(&[coef, lr, c1, c2, apply, sound, flag(spoilt), T::zero()]);
            log[4 * (step.slot * self.members as usize + m)..][..4].copy_from_slice(&[loss, norm, sound, apply]);
            table[2 + m] += 1;
        }
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        for (rows, live, partials, members, max_norm, fault, sticky) in [
            (1, 1, 1, 1, 0.0, None, 1),
            (32, 4, 58, 1, 1.0, None, 1),
            (257, 255, 1000, 3, 1e3, None, 0),
            (65_537, 65_535, 3, 1, 0.5, None, 1),
            (32, 32, 3, 3, 1.0, Some(f32::NAN), 1),
            (32, 32, 3, 1, 1.0, Some(f32::INFINITY), 1),
            (32, 4, 3, 3, 1.0, Some(f32::NAN), 0),
        ] {
            let mut inputs = Inputs::new(rows + partials);
            let kernel = Finish { rows: rows as u32, partials: partials as u32, members: members as u32, max_norm, sticky };
            let positive = |values: Vec<f32>| values.into_iter().map(f32::abs).collect::<Vec<_>>();
            let mut loss = positive(inputs.numbers(members * rows));
            if let Some(fault) = fault {
                // of a row that a short batch does not have
                loss[if live < rows { rows - 1 } else { 3 }] = fault;
            }
            let name = format!("rows {rows} partials {partials} members {members} fault {fault:?} sticky {sticky}");
            let mut case = cases::case(&kernel, name, members, &[rows, live, rows]);
            // where it does not stick: a batch of its own, then one of two parts
            for (i, step) in case.steps.iter_mut().enumerate() {
                step.part = Part { first: sticky != 0 || i != 2, last: sticky != 0 || i != 1 };
            }
            all.push(
                case.arg("table", CaseData::Steps)
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
            let kernel = Tally { rows: rows as u32, partials: 0, members: members as u32, max_norm: 0.0, sticky: 0 };
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
