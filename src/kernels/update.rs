//! Optimizers: the table of them, and their updates, each over the whole arena of parameters in one dispatch.
//!
//! Each is a type with its hyper-parameters, its WGSL and its twin side by side; a word in the list `table!` makes it a kernel, and known
//! to the config, the documentation and the tests.

use crate::hyper::{Hyper, Range};
use crate::kernel::{Args, Case, CaseData, Kernel, KernelInfo, Params, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::kernels::finish::{APPLY, SCALARS};
use crate::parallel::{Simd, WithSimd, in_vectors, over, over_parts};
use crate::params;
use crate::plan::row_of;
use std::marker::PhantomData;

/// What an update is given beside gradient and weight: the rate, two numbers of the step ([`Rule::corrections`]), the
/// hyper-parameters in the order of [`Rule::KEYS`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<T> {
    lr: T,
    c1: T,
    c2: T,
    h: [T; 3],
}

/// What an optimizer is. The gradient `g` comes clipped, with l2 decay in it; decoupled decay is already taken off `w`.
pub(crate) trait Rule: 'static {
    const NAME: &'static str;
    /// The formula in words, where it comes from, and how PyTorch and Keras differ.
    const DOC: &'static str;
    /// The usual rate.
    const LR: f64;
    /// Its hyper-parameters, three at most: variables of their names in the WGSL.
    const KEYS: &'static [Hyper] = &[];
    /// The arenas it keeps beside the parameters, two at most: `first` and `second` in the WGSL.
    const STATES: &'static [&'static str] = &[];
    /// Decoupled decay when nothing is said.
    const DECAY: f64 = 0.0;
    /// Statements that set `w` and the states at `at`, given `g`, `lr`, `c1`, `c2`.
    const WGSL: &'static str;
    /// The twin: sets the states, and hands out the new weight. Inlined, so that it is compiled for the vectors at hand.
    fn step<T: Real>(of: &Given<T>, g: T, w: T, first: &mut T, second: &mut T) -> T;
    /// Two numbers for step `t` (from 1), worked out in `f64` of the hyper-parameters as the device has them.
    fn corrections(_: &[f64], _: u64) -> [f64; 2] {
        [1.0, 1.0]
    }
}

const BETA1: Hyper = Hyper { name: "beta1", default: 0.9, range: Range::Share, doc: "the share of the old mean that stays" };
const BETA2: Hyper = Hyper { name: "beta2", default: 0.999, range: Range::Share, doc: "the share of the old mean of squares that stays" };
const EPSILON: Hyper = Hyper { name: "epsilon", default: 1e-8, range: Range::Positive, doc: "keeps the division finite" };
const MOMENTUM: Hyper = Hyper { name: "momentum", default: 0.9, range: Range::Share, doc: "the share of the old direction that stays" };

struct SgdRule;
impl Rule for SgdRule {
    const NAME: &'static str = "sgd";
    const DOC: &'static str = "`w ← w − α·g`. Robbins and Monro 1951. PyTorch has no default rate, Keras 1e-2.";
    const LR: f64 = 1e-2;
    const WGSL: &'static str = "w -= lr * g;";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, _: &mut T, _: &mut T) -> T {
        w - of.lr * g
    }
}

struct MomentumRule;
impl Rule for MomentumRule {
    const NAME: &'static str = "momentum";
    const DOC: &'static str = "`v ← β·v + g; w ← w − α·v`, first step `v = g`. Polyak 1964. PyTorch's `SGD(momentum = β, dampening = 0)`; Keras \
        multiplies α into v: the same at a constant rate.";
    const LR: f64 = 1e-2;
    const KEYS: &'static [Hyper] = &[MOMENTUM];
    const STATES: &'static [&'static str] = &["velocity"];
    const WGSL: &'static str = "let v = momentum * first[at] + g; first[at] = v; w -= lr * v;";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, v: &mut T, _: &mut T) -> T {
        *v = of.h[0] * *v + g;
        w - of.lr * *v
    }
}

struct NesterovRule;
impl Rule for NesterovRule {
    const NAME: &'static str = "nesterov";
    const DOC: &'static str =
        "`v ← β·v + g; w ← w − α(g + β·v)`. Nesterov 1983; Sutskever et al. 2013. PyTorch's `SGD(momentum = β, nesterov = True)`.";
    const LR: f64 = 1e-2;
    const KEYS: &'static [Hyper] = &[MOMENTUM];
    const STATES: &'static [&'static str] = &["velocity"];
    const WGSL: &'static str = "let v = momentum * first[at] + g; first[at] = v; w -= lr * (g + momentum * v);";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, v: &mut T, _: &mut T) -> T {
        *v = of.h[0] * *v + g;
        w - of.lr * (g + of.h[0] * *v)
    }
}

struct AdamRule;
impl Rule for AdamRule {
    const NAME: &'static str = "adam";
    const DOC: &'static str = "`m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; w ← w − α·m̂/(√v̂ + ε)`, `m̂ = m/(1 − β₁ᵗ)`, `v̂ = v/(1 − β₂ᵗ)`. \
        Kingma and Ba 2015. Defaults as PyTorch and optax (Keras has ε 1e-7, burn 1e-5).";
    const LR: f64 = 1e-3;
    const KEYS: &'static [Hyper] = &[BETA1, BETA2, EPSILON];
    const STATES: &'static [&'static str] = &["mean", "square"];
    const WGSL: &'static str = "let m = beta1 * first[at] + (1.0 - beta1) * g; let v = beta2 * second[at] + (1.0 - beta2) * g * g; \
        first[at] = m; second[at] = v; w -= lr * c1 * m / (sqrt(v) * c2 + epsilon);";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, m: &mut T, v: &mut T) -> T {
        let [beta1, beta2, epsilon] = of.h;
        *m = beta1 * *m + (T::one() - beta1) * g;
        *v = beta2 * *v + (T::one() - beta2) * g * g;
        w - of.lr * of.c1 * *m / (v.sqrt() * of.c2 + epsilon)
    }
    // 1/(1 − β₁ᵗ) and 1/√(1 − β₂ᵗ): factors, so that an element needs one division
    fn corrections(h: &[f64], t: u64) -> [f64; 2] {
        let [first, second] = [h[0], h[1]].map(|beta| 1.0 - beta.powf(t as f64));
        [1.0 / first, 1.0 / second.sqrt()]
    }
}

struct AdamWRule;
impl Rule for AdamWRule {
    const NAME: &'static str = "adamw";
    const DOC: &'static str = "Adam with decoupled decay: `w ← w − α·λ·w`, then Adam's step without λ in g. Loshchilov and Hutter 2019. λ is 0.01 as \
        in PyTorch (Keras 0.004); PyTorch decays biases and normalisation, too: `decay_all` does.";
    const LR: f64 = 1e-3;
    const KEYS: &'static [Hyper] = &[BETA1, BETA2, EPSILON];
    const STATES: &'static [&'static str] = &["mean", "square"];
    const DECAY: f64 = 0.01;
    const WGSL: &'static str = AdamRule::WGSL;
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, m: &mut T, v: &mut T) -> T {
        AdamRule::step(of, g, w, m, v)
    }
    fn corrections(h: &[f64], t: u64) -> [f64; 2] {
        AdamRule::corrections(h, t)
    }
}

struct RmsPropRule;
impl Rule for RmsPropRule {
    const NAME: &'static str = "rmsprop";
    const DOC: &'static str = "`v ← ρ·v + (1 − ρ)·g²; w ← w − α·g/(√v + ε)`. Tieleman and Hinton 2012. PyTorch's, where ρ is called alpha (Keras has \
        α 1e-3, ρ 0.9, ε 1e-7).";
    const LR: f64 = 1e-2;
    const KEYS: &'static [Hyper] =
        &[Hyper { name: "rho", default: 0.99, range: Range::Share, doc: "the share of the old mean of squares that stays" }, EPSILON];
    const STATES: &'static [&'static str] = &["square"];
    const WGSL: &'static str = "let v = rho * first[at] + (1.0 - rho) * g * g; first[at] = v; w -= lr * g / (sqrt(v) + epsilon);";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, v: &mut T, _: &mut T) -> T {
        let [rho, epsilon, _] = of.h;
        *v = rho * *v + (T::one() - rho) * g * g;
        w - of.lr * g / (v.sqrt() + epsilon)
    }
}

struct AdagradRule;
impl Rule for AdagradRule {
    const NAME: &'static str = "adagrad";
    const DOC: &'static str =
        "`v ← v + g²; w ← w − α·g/(√v + ε)`. Duchi, Hazan and Singer 2011. PyTorch's (Keras starts v at 0.1 and has ε 1e-7).";
    const LR: f64 = 1e-2;
    const KEYS: &'static [Hyper] = &[Hyper { default: 1e-10, ..EPSILON }];
    const STATES: &'static [&'static str] = &["sum of squares"];
    const WGSL: &'static str = "let v = first[at] + g * g; first[at] = v; w -= lr * g / (sqrt(v) + epsilon);";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, v: &mut T, _: &mut T) -> T {
        *v += g * g;
        w - of.lr * g / (v.sqrt() + of.h[0])
    }
}

struct LionRule;
impl Rule for LionRule {
    const NAME: &'static str = "lion";
    const DOC: &'static str =
        "`w ← w − α·sign(β₁·m + (1 − β₁)·g); m ← β₂·m + (1 − β₂)·g`. Chen et al. 2023. Keras's Lion, optax's `lion`; PyTorch has none.";
    const LR: f64 = 1e-4;
    const KEYS: &'static [Hyper] = &[BETA1, Hyper { default: 0.99, ..BETA2 }];
    const STATES: &'static [&'static str] = &["mean"];
    const WGSL: &'static str =
        "let m = first[at]; w -= lr * sign(beta1 * m + (1.0 - beta1) * g); first[at] = beta2 * m + (1.0 - beta2) * g;";
    #[inline(always)]
    fn step<T: Real>(of: &Given<T>, g: T, w: T, m: &mut T, _: &mut T) -> T {
        let [beta1, beta2, _] = of.h;
        let c = beta1 * *m + (T::one() - beta1) * g;
        *m = beta2 * *m + (T::one() - beta2) * g;
        if c == T::zero() { w } else { w - of.lr * c.signum() }
    }
}

/// An optimizer as the table holds it.
#[derive(Debug)]
pub struct OptimizerInfo {
    /// The name in configs, and the kernel's.
    pub name: &'static str,
    /// The formula in words, where it comes from, and how PyTorch and Keras differ.
    pub doc: &'static str,
    /// The usual rate.
    pub lr: f64,
    /// Its hyper-parameters.
    pub keys: &'static [Hyper],
    /// The arenas it keeps beside the parameters.
    pub states: &'static [&'static str],
    /// Decoupled decay when nothing is said.
    pub decay: f64,
    /// Two factors for step `t` (from 1): Adam's bias corrections.
    pub corrections: fn(&[f64], u64) -> [f64; 2],
    /// The kernel's row.
    pub kernel: &'static KernelInfo,
}

/// What all updates have in their uniform.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Length of a member's part of an arena, in groups of four.
    pub arena4: u32,
    /// Members.
    pub members: u32,
    /// The hyper-parameters.
    pub h: [f32; 3],
    /// λ of the decay that is added to the gradient.
    pub l2: f32,
    /// λ of the decay that is taken off the weight.
    pub decoupled: f32,
}

impl OptimizerInfo {
    /// The kernel's uniform.
    pub(crate) fn words(&self, shape: &Shape) -> Vec<u32> {
        let Shape { arena4, members, h, l2, decoupled } = *shape;
        let [h0, h1, h2] = h.map(f32::to_bits);
        vec![arena4, members, h0, h1, h2, l2.to_bits(), decoupled.to_bits()]
    }
}

/// The entry point of a rule: the common part around its statements.
fn entry<R: Rule>() -> String {
    let keys: String = R::KEYS.iter().enumerate().map(|(i, key)| format!("    let {} = p.h{i};\n", key.name)).collect();
    let text = include_str!("../../shaders/update.wgsl");
    text.replace("fn update(", &format!("fn {}(", R::NAME)).replace("    // rule\n", &format!("{keys}    {}\n", R::WGSL))
}

/// What the twin needs beside the arenas: the clip factor, and λ of either decay where elements decay.
struct Frame<'a, T> {
    coef: T,
    of: Given<T>,
    decays: Option<&'a [T]>,
    l2: T,
    decoupled: T,
}

fn twin<T: Real, R: Rule>(shape: &Shape, args: &Args<'_, T>) {
    let (scalars, grads, mut params, decays) = (&*args.real(0), &*args.real(1), args.real_mut(2), &*args.real(3));
    let arena = 4 * shape.arena4 as usize;
    let decaying = shape.l2 != 0.0 || shape.decoupled != 0.0;
    let [mut first, mut second] = [0, 1].map(|i| (i < R::STATES.len()).then(|| args.real_mut(4 + i)));
    let [first, second] = [&mut first, &mut second].map(|state| state.as_deref_mut().unwrap_or_default());
    let parts = [arena, if first.is_empty() { 0 } else { arena }, if second.is_empty() { 0 } else { arena }];
    let operations = 16 * arena as u64 * u64::from(shape.members);
    over_parts([&mut *params, first, second], shape.members, parts, operations, &|m, arenas: [&mut [T]; 3]| {
        let s = &scalars[SCALARS * m..][..SCALARS];
        if s[APPLY] == T::zero() {
            return;
        }
        let of = Given { lr: s[1], c1: s[2], c2: s[3], h: shape.h.map(T::of) };
        let frame = Frame { coef: s[0], of, decays: None, l2: T::of(shape.l2), decoupled: T::of(shape.decoupled) };
        let grads = &grads[m * arena..][..arena];
        over(arenas, LANES, 16 * arena, &|from, arenas: [&mut [T]; 3]| {
            let run = from..from + arenas[0].len();
            let frame = Frame { decays: decaying.then(|| &decays[run.clone()]), ..frame };
            in_vectors(Update::<T, R> { frame, grads: &grads[run], arenas, rule: PhantomData });
        });
    });
}

/// The rule, element by element.
struct Update<'a, T, R> {
    frame: Frame<'a, T>,
    grads: &'a [T],
    /// Parameters and states.
    arenas: [&'a mut [T]; 3],
    rule: PhantomData<R>,
}

impl<T: Real, R: Rule> WithSimd for Update<'_, T, R> {
    type Output = ();

    /// A chunk at a time, in copies of its own: the compiler sees that nothing overlaps.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Update { frame, grads, arenas, .. } = self;
        let [params, first, second] = arenas.map(|arena| arena.as_chunks_mut::<LANES>().0);
        let decays = frame.decays.map(|decays| decays.as_chunks::<LANES>().0);
        for (n, (params, grads)) in params.iter_mut().zip(grads.as_chunks::<LANES>().0).enumerate() {
            let (mut w, mut g) = (*params, grads.map(|g| frame.coef * g));
            if let Some(decays) = decays {
                let d = decays[n];
                g = std::array::from_fn(|i| g[i] + frame.l2 * d[i] * w[i]);
                w = std::array::from_fn(|i| w[i] - frame.of.lr * frame.decoupled * d[i] * w[i]);
            }
            let [mut a, mut b] = [[T::zero(); LANES]; 2];
            if !R::STATES.is_empty() {
                a = first[n];
            }
            if R::STATES.len() > 1 {
                b = second[n];
            }
            for i in 0..LANES {
                w[i] = R::step(&frame.of, g[i], w[i], &mut a[i], &mut b[i]);
            }
            *params = w;
            if !R::STATES.is_empty() {
                first[n] = a;
            }
            if R::STATES.len() > 1 {
                second[n] = b;
            }
        }
    }
}

/// Elements of a chunk; arenas are whole chunks.
const LANES: usize = 16;

/// Cases for an optimizer. In one of them the last member's step is not to be applied, in two weights decay.
fn cases_of<P: Params>(states: usize, h: [f32; 3], make: impl Fn(Shape) -> P) -> Vec<Case> {
    // the large arena once, for the optimizers with the most states
    let large = if states == 2 { 5_000_064 } else { 8_256 };
    let shapes = [(64, 1, 0.0, 0.0), (4160, 3, 0.1, 0.0), (65_600, 1, 0.0, 0.1), (large, 1, 0.0, 0.0)];
    let whole = shapes.map(|(arena, members, l2, decoupled)| {
        let mut inputs = Inputs::new(arena);
        let shape = Shape { arena4: arena as u32 / 4, members: members as u32, h, l2, decoupled };
        let decays = (0..arena).map(|i| if i % 3 == 0 { 0.0 } else { 1.0 }).collect();
        let mut case = cases::case(&make(shape), format!("{arena} members {members}"), members, &[1, 1, 1])
            .arg("scalars", cases::scalars(members))
            .arg("grads", CaseData::F32(inputs.numbers(members * arena)))
            .arg("params", CaseData::F32(inputs.numbers(members * arena)))
            .arg("decays", CaseData::F32(decays))
            // w − α·(…) cancels: the floor is a few roundings of numbers near 1
            .within(Tolerance::ulp(16.0, 5e-7));
        for name in ["first", "second"].into_iter().take(states) {
            // means of squares are never negative; a mean is as good when positive
            case = case.arg(name, CaseData::F32(inputs.numbers(members * arena).into_iter().map(|x| x * x).collect()));
        }
        case
    });
    whole.into()
}

macro_rules! table {
    ($($rule:ident => $kernel:ident),+ $(,)?) => {
        $(params! {
            /// An optimizer's update. Arguments: scalars `[members, 8]`, the arenas of gradients and of parameters, which elements decay
            /// (0 or 1, one member's arena), the arenas of its states.
            $kernel {
                /// Length of a member's part of an arena, in groups of four.
                arena4: u32,
                /// Members.
                members: u32,
                /// The first hyper-parameter.
                h0: f32,
                /// The second.
                h1: f32,
                /// The third.
                h2: f32,
                /// λ of the decay that is added to the gradient.
                l2: f32,
                /// λ of the decay that is taken off the weight.
                decoupled: f32,
            }
        }

        impl Kernel for $kernel {
            const NAME: &'static str = $rule::NAME;

            fn wgsl() -> String {
                entry::<$rule>()
            }

            fn grid(&self) -> [u32; 3] {
                [self.arena4, 1, self.members]
            }

            fn flops(&self) -> u64 {
                // what Adam takes for four weights; the others take less, and all are bound by memory
                56 * u64::from(self.arena4) * u64::from(self.members)
            }

            fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
                let $kernel { arena4, members, h0, h1, h2, l2, decoupled } = *self;
                twin::<T, $rule>(&Shape { arena4, members, h: [h0, h1, h2], l2, decoupled }, args);
            }

            fn cases() -> Vec<Case> {
                let mut h = [0.0; 3];
                h.iter_mut().zip($rule::KEYS).for_each(|(h, key)| *h = key.default as f32);
                cases_of($rule::STATES.len(), h, |Shape { arena4, members, h: [h0, h1, h2], l2, decoupled }| {
                    $kernel { arena4, members, h0, h1, h2, l2, decoupled }
                })
            }
        })+

        /// All optimizers.
        pub static TABLE: &[OptimizerInfo] = &[$(OptimizerInfo {
            name: $rule::NAME,
            doc: $rule::DOC,
            lr: $rule::LR,
            keys: $rule::KEYS,
            states: $rule::STATES,
            decay: $rule::DECAY,
            corrections: $rule::corrections,
            kernel: row_of::<$kernel>(),
        }),+];

        /// Their kernels.
        pub(crate) static KERNELS: &[KernelInfo] = &[$(KernelInfo::of::<$kernel>()),+];
    };
}

table!(
    SgdRule => Sgd,
    MomentumRule => Momentum,
    NesterovRule => Nesterov,
    AdamRule => Adam,
    AdamWRule => AdamW,
    RmsPropRule => RmsProp,
    AdagradRule => Adagrad,
    LionRule => Lion,
);
