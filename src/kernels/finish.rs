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
/// Numbers of a member's scale of the loss: the scale, its inverse, good batches in a row, a spare one.
pub const SCALING: usize = 4;
/// Scales beyond this do not grow: the inverse must be a number, too.
const MOST: f32 = 1.329228e36;

/// A member's scale of the loss and its inverse, where it is scaled.
pub(crate) fn scale_of<T: Real>(scaling: Option<&[T]>, member: usize) -> Option<[T; 2]> {
    scaling.map(|scaling| [scaling[SCALING * member], scaling[SCALING * member + 1]])
}

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
    /// [`Finish`] where the loss is scaled: one more argument, scaling `[members, 4]`, which is (scale, 1 / scale, good batches in a row, 0).
    ///
    /// A batch with gradients that are not finite is not applied and halves the scale; it is no fault while the half is at least `floor`. So many
    /// good batches in a row double it. PyTorch's `GradScaler`, but for the floor.
    FinishScaled {
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
        /// How many good batches in a row double the scale.
        interval: u32,
        /// What the scale does not fall below.
        floor: f32,
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

/// What gradients are multiplied by: `min(1, max_norm / (‖g‖ + 1e-6))`, and 1 where nothing is clipped or the norm is not finite.
fn clip_factor<T: Real>(norm: T, max_norm: f32) -> T {
    match max_norm > 0.0 && norm.is_finite() {
        true => T::one().min(T::of(max_norm) / (norm + T::of(1e-6))),
        false => T::one(),
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
            let coef = clip_factor(norm, self.max_norm);
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

impl FinishScaled {
    /// What becomes of a scale at the end of a batch.
    fn rescale<T: Real>(&self, scale: &mut [T], spoilt: bool) {
        let two = T::one() + T::one();
        scale[2] = if spoilt { T::zero() } else { scale[2] + T::one() };
        if spoilt && scale[0] / two >= T::of(self.floor) {
            scale[0] = scale[0] / two;
            scale[1] *= two;
        }
        if scale[2] >= T::of(self.interval as f32) {
            scale[2] = T::zero();
            if scale[0] < T::of(MOST) {
                scale[0] *= two;
                scale[1] = scale[1] / two;
            }
        }
    }
}

impl Kernel for FinishScaled {
    const NAME: &'static str = "finish_scaled";

    fn wgsl() -> String {
        Finish::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [256, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.rows.div_ceil(256)) + u64::from(self.partials.div_ceil(256)) + 8
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (mut table, loss, mut log) = (args.word_mut(0), args.real(1), args.real_mut(2));
        let (partials, mut scalars, mut state, mut scaling) = (args.real(3), args.real_mut(4), args.word_mut(5), args.real_mut(6));
        for m in 0..self.members as usize {
            let sum = |cells: &[T]| cells.iter().fold(T::zero(), |sum, &x| sum + x);
            let loss = sum(&loss[m * self.rows as usize..][..step.rows]);
            let norm = sum(&partials[m * self.partials as usize..][..self.partials as usize]).sqrt();
            let finite = loss.is_finite() && norm.is_finite();
            let scale = &mut scaling[SCALING * m..][..SCALING];
            // what a smaller scale may mend is no fault
            let mendable = scale[0] / (T::one() + T::one()) >= T::of(self.floor);
            if !finite && !mendable && state[m] == 0 {
                state[m] = step.slot as u32 + 1;
            }
            let going = self.sticky == 0 || state[m] == 0;
            let sound = finite && going;
            let own = &mut scalars[SCALARS * m..][..SCALARS];
            let spoilt = !sound || (!step.part.first && own[SPOILT] != T::zero());
            if step.part.last {
                self.rescale(scale, spoilt);
            }
            let flag = |flag: bool| if flag { T::one() } else { T::zero() };
            let apply = flag(step.part.last && !spoilt);
            let coef = clip_factor(norm, self.max_norm);
            let [lr, c1, c2, _] = step.rate(m).map(T::of);
            own.copy_from_slice(&[coef, lr, c1, c2, apply, flag(sound), flag(spoilt), T::zero()]);
            let counts = going && loss.is_finite() && (finite || mendable);
            log[4 * (step.slot * self.members as usize + m)..][..4].copy_from_slice(&[loss, norm, flag(counts), apply]);
            table[2 + m] += 1;
        }
    }

    fn cases() -> Vec<Case> {
        let mut all = Vec::new();
        // the scale of the last member: about to grow, to be halved, at the floor
        for (rows, live, partials, members, fault, scale, good, sticky) in [
            (1, 1, 1, 1, None, 65_536.0, 0.0, 1),
            (257, 255, 1000, 3, None, 1024.0, 1999.0, 1),
            (32, 4, 3, 3, Some(f32::INFINITY), 0.5, 1998.0, 1),
            (32, 32, 3, 3, Some(f32::NAN), 1.0 / 16_384.0, 3.0, 1),
            (32, 32, 3, 1, Some(f32::INFINITY), 1.0 / 8192.0, 3.0, 0),
            (32, 4, 3, 1, None, 2e36, 1999.0, 1),
        ] {
            let mut inputs = Inputs::new(rows + partials);
            let (sizes, floor) = ([rows, partials, members].map(|n| n as u32), 1.0 / 16_384.0);
            let kernel =
                FinishScaled { rows: sizes[0], partials: sizes[1], members: sizes[2], max_norm: 1.0, sticky, interval: 2000, floor };
            let positive = |values: Vec<f32>| values.into_iter().map(f32::abs).collect::<Vec<_>>();
            let mut squares = positive(inputs.numbers(members * partials));
            if let Some(fault) = fault {
                squares[members * partials - 1] = fault;
            }
            let scaling = (1..=members).flat_map(|m| if m == members { [scale, 1.0 / scale, good, 0.0] } else { [8.0, 0.125, 5.0, 0.0] });
            let name = format!("rows {rows} partials {partials} members {members} fault {fault:?} scale {scale:e} good {good}");
            let mut case = cases::case(&kernel, name, members, &[rows, live, rows]);
            // where it does not stick: a batch of its own, then one of two parts
            for (i, step) in case.steps.iter_mut().enumerate() {
                step.part = Part { first: sticky != 0 || i != 2, last: sticky != 0 || i != 1 };
            }
            all.push(
                case.arg("table", CaseData::Steps)
                    .arg("loss", CaseData::F32(positive(inputs.numbers(members * rows))))
                    .arg("log", cases::poison(4 * 3 * members))
                    .arg("partials", CaseData::F32(squares))
                    .arg("scalars", cases::poison(SCALARS * members))
                    .arg("state", CaseData::U32(vec![0; members]))
                    .arg("scaling", CaseData::F32(scaling.collect()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Executor as _;
    use crate::exec::cpu::Cpu;
    use crate::kernel::Row;
    use crate::plan::{Builder, Kind, Plan};
    use crate::precision::LossScale;

    /// The scale after each of so many batches, and whether each was applied and whether a fault was noted, from `init` on.
    fn trajectory(init: f32, interval: u32, overflows: &[bool]) -> (Vec<f32>, Vec<bool>, u32) {
        let floor = LossScale::default().floor;
        let kernel = FinishScaled { rows: 1, partials: 1, members: 1, max_norm: 0.0, sticky: 1, interval, floor };
        let mut builder = Builder::new(1, overflows.len());
        let f32s = [("loss", 1), ("log", 4 * overflows.len()), ("partials", 1), ("scalars", SCALARS)];
        let [loss, log, partials, scalars] = f32s.map(|(name, len)| builder.buffer(name, Kind::F32, len));
        let state = builder.buffer("fault", Kind::U32, 1);
        let scaling = builder.buffer("scale of the loss", Kind::F32, SCALING);
        let program = builder.program("finish");
        builder.dispatch(&kernel, &[Plan::STEPS, loss, log, partials, scalars, state, scaling], "sums");
        let mut cpu = Cpu::<f32>::new(builder.finish().unwrap());
        cpu.write(scaling, 0, &[init, 1.0 / init, 0.0, 0.0]).unwrap();
        let (mut scales, mut applied) = (Vec::new(), Vec::new());
        for (slot, &overflow) in overflows.iter().enumerate() {
            cpu.write(partials, 0, &[if overflow { f32::INFINITY } else { 1.0 }]).unwrap();
            let mut table = Step::table(1);
            Step::push(&mut table, &Row { rows: 1, start: 0, slot, number: 0, part: Part::WHOLE, rates: &[[0.1, 0.0, 0.0, 1.0]] });
            cpu.run(program, &table).unwrap();
            let scale = cpu.read(scaling, 0, 2).unwrap();
            assert_eq!(scale[0] * scale[1], 1.0, "powers of two have exact inverses");
            scales.push(scale[0]);
            applied.push(cpu.read(scalars, APPLY, 1).unwrap()[0] != 0.0);
        }
        (scales, applied, cpu.read_words(state, 0, 1).unwrap()[0])
    }

    #[test]
    fn the_scale_doubles_after_the_interval_and_is_halved_by_an_overflow() {
        // interval 3. Two good ones and an overflow: 8 → 4, and the count begins anew; three good ones: 4 → 8; three more: 8 → 16
        let overflows = [false, false, true, false, false, false, false, false, false, true];
        let (scales, applied, fault) = trajectory(8.0, 3, &overflows);
        assert_eq!(scales, [8.0, 8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 8.0, 16.0, 8.0]);
        assert_eq!((applied, fault), (overflows.map(|overflow| !overflow).to_vec(), 0), "an overflow is skipped, and no fault");
    }

    #[test]
    fn the_defaults_are_those_of_grad_scaler() {
        let LossScale { init, interval, .. } = LossScale::default();
        let (scales, ..) = trajectory(init, interval, &[false; 2001]);
        assert_eq!((scales[1998], scales[1999], scales[2000]), (65_536.0, 131_072.0, 131_072.0));
    }

    #[test]
    fn what_overflows_at_the_smallest_scale_is_a_fault() {
        // 2⁻¹² → 2⁻¹³ → 2⁻¹⁴, which is the floor: the third overflow in a row is a fault, of slot 2
        let (scales, applied, fault) = trajectory(2f32.powi(-12), 2000, &[true, true, true, false]);
        assert_eq!(scales, [-13, -14, -14, -14].map(|power| 2f32.powi(power)));
        assert_eq!((applied, fault), (vec![false; 4], 3), "a fault sticks");
    }
}
