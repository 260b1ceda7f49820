//! The updates of the optimizers, each over the whole arena of parameters in one dispatch. Formulas: conventions as PyTorch's.

use crate::kernel::{Args, Case, CaseData, Kernel, Params, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::kernels::finish::SCALARS;
use crate::params;

params! {
    /// `w ← w − α·g`. Arguments: scalars `[members, 8]`, the arenas of gradients and of parameters.
    Sgd {
        /// Length of a member's part of an arena, in groups of four.
        arena4: u32,
        /// Members.
        members: u32,
        /// Of no meaning here.
        beta1: f32,
        /// Of no meaning here.
        beta2: f32,
        /// Of no meaning here.
        epsilon: f32,
    }
}

params! {
    /// `v ← β·v + g; w ← w − α·v`. Arguments: as [`Sgd`], then the arena of v.
    Momentum {
        /// Length of a member's part of an arena, in groups of four.
        arena4: u32,
        /// Members.
        members: u32,
        /// β.
        beta1: f32,
        /// Of no meaning here.
        beta2: f32,
        /// Of no meaning here.
        epsilon: f32,
    }
}

params! {
    /// `m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − α·(m/c₁) / (√(v/c₂) + ε)`. Arguments: as [`Sgd`], then the arenas of m and v.
    Adam {
        /// Length of a member's part of an arena, in groups of four.
        arena4: u32,
        /// Members.
        members: u32,
        /// β₁.
        beta1: f32,
        /// β₂.
        beta2: f32,
        /// ε, outside the root.
        epsilon: f32,
    }
}

/// What a member's update reads from the scalars: clip factor, rate, two corrections; `None` when the step is not to be applied.
fn scalars<T: Real>(scalars: &[T], member: usize) -> Option<[T; 4]> {
    let s = &scalars[SCALARS * member..][..SCALARS];
    (s[4] != T::zero()).then(|| [s[0], s[1], s[2], s[3]])
}

impl Kernel for Sgd {
    const NAME: &'static str = "sgd";

    fn wgsl() -> String {
        include_str!("../../shaders/update.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        12 * u64::from(self.arena4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (s, grads, mut params) = (args.real(0), args.real(1), args.real_mut(2));
        let arena = 4 * self.arena4 as usize;
        for (member, (w, g)) in params.chunks_mut(arena).zip(grads.chunks(arena)).take(self.members as usize).enumerate() {
            let Some([coef, lr, ..]) = scalars(&s, member) else { continue };
            w.iter_mut().zip(g).for_each(|(w, &g)| *w = *w - lr * (coef * g));
        }
    }

    fn cases() -> Vec<Case> {
        cases_of(0, |arena4, members| Sgd { arena4, members, beta1: 0.0, beta2: 0.0, epsilon: 0.0 })
    }
}

impl Kernel for Momentum {
    const NAME: &'static str = "momentum";

    fn wgsl() -> String {
        Sgd::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        20 * u64::from(self.arena4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (s, grads, mut params, mut first) = (args.real(0), args.real(1), args.real_mut(2), args.real_mut(3));
        let arena = 4 * self.arena4 as usize;
        let beta = T::of(self.beta1);
        let arenas = params.chunks_mut(arena).zip(first.chunks_mut(arena)).zip(grads.chunks(arena));
        for (member, ((w, v), g)) in arenas.take(self.members as usize).enumerate() {
            let Some([coef, lr, ..]) = scalars(&s, member) else { continue };
            for ((w, v), &g) in w.iter_mut().zip(v).zip(g) {
                *v = beta * *v + coef * g;
                *w = *w - lr * *v;
            }
        }
    }

    fn cases() -> Vec<Case> {
        cases_of(1, |arena4, members| Momentum { arena4, members, beta1: 0.9, beta2: 0.0, epsilon: 0.0 })
    }
}

impl Kernel for Adam {
    const NAME: &'static str = "adam";

    fn wgsl() -> String {
        Sgd::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.arena4, 1, self.members]
    }

    fn flops(&self) -> u64 {
        56 * u64::from(self.arena4) * u64::from(self.members)
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (s, grads, mut params, mut first, mut second) =
            (args.real(0), args.real(1), args.real_mut(2), args.real_mut(3), args.real_mut(4));
        let arena = 4 * self.arena4 as usize;
        let [beta1, beta2, epsilon] = [self.beta1, self.beta2, self.epsilon].map(T::of);
        let arenas = params.chunks_mut(arena).zip(first.chunks_mut(arena)).zip(second.chunks_mut(arena)).zip(grads.chunks(arena));
        for (member, (((w, m), v), g)) in arenas.take(self.members as usize).enumerate() {
            let Some([coef, lr, c1, c2]) = scalars(&s, member) else { continue };
            for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
                let g = coef * g;
                *m = beta1 * *m + (T::one() - beta1) * g;
                *v = beta2 * *v + (T::one() - beta2) * g * g;
                *w = *w - lr * (*m / c1) / ((*v / c2).sqrt() + epsilon);
            }
        }
    }

    fn cases() -> Vec<Case> {
        cases_of(2, |arena4, members| Adam { arena4, members, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 })
    }
}

/// Cases for an optimizer with so many states. In one of them the last member's step is not to be applied.
fn cases_of<P: Params>(states: usize, make: impl Fn(u32, u32) -> P) -> Vec<Case> {
    // the large arena once, for the optimizer with the most states
    let large = if states == 2 { 5_000_064 } else { 8_256 };
    let shapes = [(64, 1), (4160, 3), (65_600, 1), (large, 1)];
    let whole = shapes.map(|(arena, members)| {
        let mut inputs = Inputs::new(arena);
        let mut scalars: Vec<f32> = (0..members).flat_map(|m| [0.7, 0.01 + 0.01 * m as f32, 0.1, 0.2, 1.0, 0.0, 0.0, 0.0]).collect();
        if members > 1 {
            scalars[SCALARS * (members - 1) + 4] = 0.0;
        }
        let mut case = cases::case(&make(arena as u32 / 4, members as u32), format!("{arena} members {members}"), members, &[1, 1, 1])
            .arg("scalars", CaseData::F32(scalars))
            .arg("grads", CaseData::F32(inputs.numbers(members * arena)))
            .arg("params", CaseData::F32(inputs.numbers(members * arena)))
            // w − α·(…) cancels: the floor is a few roundings of numbers near 1
            .within(Tolerance::ulp(16.0, 5e-7));
        for name in ["first", "second"].into_iter().take(states) {
            // v of adam is a mean of squares, never negative
            let state = inputs.numbers(members * arena).into_iter().map(|x| if name == "second" { x * x } else { x });
            case = case.arg(name, CaseData::F32(state.collect()));
        }
        case
    });
    whole.into()
}
