//! What the parity cases of all kernels are made of: seeded inputs, poison, padding, builders.

use crate::formula::Formulas;
use crate::kernel::{Case, CaseArg, CaseData, CaseStep, Dot, Params, Part, Tolerance};
use crate::kernels::dense_layer::DenseLayer;
use crate::kernels::finish::{APPLY, SCALARS, SOUND};
use crate::plan::padded;
use crate::rng::{Purpose, Rng};

/// Values that have broken drivers: large, zero of both signs, denormal.
pub(crate) const HARD: [f32; 9] = [1e3, -1e3, 0.0, -0.0, 1e-40, -1e-40, 88.0, -88.0, 1.0];

/// Seeded inputs.
pub(crate) struct Inputs(Rng);

impl Inputs {
    pub(crate) fn new(seed: usize) -> Self {
        Inputs(Rng::new(seed as u64, Purpose::Synthetic, 0))
    }

    /// Numbers in (−1, 1).
    pub(crate) fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (2.0 * self.0.unit() - 1.0) as f32).collect()
    }

    /// Rows of numbers in (−1, 1), each padded with zeros.
    pub(crate) fn rows(&mut self, rows: usize, width: usize) -> CaseData {
        CaseData::F32(pad(&self.numbers(rows * width), width))
    }

    /// Indices below `n`.
    pub(crate) fn indices(&mut self, len: usize, n: usize) -> Vec<u32> {
        (0..len).map(|_| self.0.below(n as u64) as u32).collect()
    }

    /// Any words.
    pub(crate) fn words(&mut self, n: usize) -> CaseData {
        CaseData::U32((0..n).map(|_| self.0.below(1 << 32) as u32).collect())
    }
}

/// Rows padded with zeros to a multiple of four.
pub(crate) fn pad(values: &[f32], width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len() / width * padded(width));
    for row in values.chunks(width) {
        out.extend_from_slice(row);
        out.resize(out.len().next_multiple_of(4), 0.0);
    }
    out
}

/// What outputs hold before a kernel has written them: a NaN, so that what is not written, or read too early, is seen.
pub(crate) fn poison(n: usize) -> CaseData {
    CaseData::F32(vec![f32::NAN; n])
}

/// What `finish` leaves for an update. With several members, the last one's step is not to be applied.
pub(crate) fn scalars(members: usize) -> CaseData {
    let mut scalars: Vec<f32> = (0..members).flat_map(|m| [0.7, 0.01 + 0.01 * m as f32, 0.1, 0.2, 1.0, 1.0, 0.0, 0.0]).collect();
    if members > 1 {
        scalars[SCALARS * (members - 1) + APPLY] = 0.0;
        scalars[SCALARS * (members - 1) + SOUND] = 0.0;
    }
    CaseData::F32(scalars)
}

/// A case without buffers: the kernel's uniform, and a step for each number of live rows.
pub(crate) fn case(params: &impl Params, name: String, members: usize, live: &[usize]) -> Case {
    let steps = live.iter().enumerate().map(|(i, &rows)| CaseStep {
        rows,
        start: i,
        slot: i,
        part: Part::WHOLE,
        // the weight of the batch: not just its rows, so that a kernel that takes those is caught
        rates: (0..members).map(|m| [0.01 * (1 + i + 2 * m) as f32, 0.1 + 0.05 * m as f32, 0.2, 1.25 * rows as f32]).collect(),
    });
    let (steps, formulas) = (steps.collect(), Formulas::none());
    Case { name, words: params.words(), members, steps, args: Vec::new(), formulas, tolerance: Tolerance::ulp(0.0, 0.0) }
}

impl Case {
    /// Adds a buffer.
    pub(crate) fn arg(mut self, name: &'static str, data: CaseData) -> Self {
        self.args.push(CaseArg { name, data });
        self
    }

    /// Fills the kernel with formulas.
    pub(crate) fn with(mut self, formulas: &Formulas) -> Self {
        self.formulas = formulas.clone();
        self
    }

    /// Sets the tolerance.
    pub(crate) fn within(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Adds the bound of a dot product of so many terms; `plain` is the uniform that gives the sum of absolute products.
    pub(crate) fn dot(mut self, terms: usize, plain: &impl Params) -> Self {
        self.tolerance.dot = Some(Dot { factor: 4.0, terms, words: plain.words() });
        self
    }
}

/// The shapes, by number, that operands rounded to `f16` are tried on.
const HALVES: [usize; 7] = [0, 1, 4, 6, 10, 13, 15];
/// Numbers that lie halfway between two of `f16`, or next to it: neighbours of 1 are 2⁻¹⁰ apart.
const BETWEEN: [f32; 6] = [1.0 + 0.5 / 1024.0, 1.0 + 1.5 / 1024.0, -1.0 - 0.5 / 1024.0, -1.0 - 0.75 / 1024.0, 0.333_333_34, 3.000_976_6];

/// The scale of the loss for each member, as `finish` leaves it.
pub(crate) fn scaling(members: usize) -> CaseData {
    CaseData::F32((0..members).flat_map(|m| [1024.0 * (1 << m) as f32, 1.0 / (1024.0 * (1 << m) as f32), 7.0, 0.0]).collect())
}

/// A dense layer inside an arena, with something before it, so that offsets matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dense {
    pub(crate) rows: usize,
    pub(crate) live: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) members: usize,
}

impl Dense {
    /// The shapes on which matmuls have broken: single ones, one off a tile, many rows, and those of real nets.
    pub(crate) fn shapes() -> Vec<Dense> {
        let shape = |rows, live, inputs, outputs, members| Dense { rows, live, inputs, outputs, members };
        vec![
            shape(1, 1, 1, 1, 1),
            shape(7, 3, 7, 15, 3),
            shape(15, 7, 16, 17, 1),
            shape(17, 16, 15, 7, 1),
            shape(31, 8, 33, 32, 3),
            shape(32, 4, 784, 10, 1),
            shape(33, 31, 63, 65, 1),
            shape(64, 1, 64, 63, 3),
            shape(65, 63, 129, 127, 1),
            shape(128, 96, 127, 128, 1),
            shape(129, 127, 257, 31, 1),
            shape(8, 7, 1000, 257, 1),
            shape(16, 9, 512, 7, 1),
            shape(257, 129, 5, 1000, 1),
            shape(65_537, 65_535, 2, 3, 1),
            // several of the largest tiles, with edges and without
            shape(150, 129, 70, 133, 3),
            shape(256, 256, 32, 256, 1),
        ]
    }

    /// One with all kinds of edges, beyond the largest tile, for variants that are tried before they run.
    pub(crate) const TRIAL: Dense = Dense { rows: 133, live: 131, inputs: 139, outputs: 135, members: 1 };

    /// A case for each shape, and for some of them another with operands that are rounded to `f16`.
    pub(crate) fn cases(make: impl Fn(usize, Dense, bool) -> Case) -> Vec<Case> {
        let shapes = || Dense::shapes().into_iter().enumerate();
        let whole = shapes().map(|(i, dense)| make(i, dense, false));
        whole.chain(shapes().filter(|(i, _)| HALVES.contains(i)).map(|(i, dense)| make(i, dense, true))).collect()
    }

    pub(crate) fn name(&self, half: bool) -> String {
        let half = if half { " in f16" } else { "" };
        format!("{}x{}x{} members {}{half}", self.rows, self.inputs, self.outputs, self.members)
    }

    /// Rows of an operand; where they are rounded to `f16`, with numbers that lie between two halves, and where there is room one that is beyond the
    /// largest. (Not in the last row nor in the last four of a row, which stand for what is beyond the edge: there they would meet zeros.)
    pub(crate) fn operand(&self, data: CaseData, width: usize, half: bool) -> CaseData {
        let CaseData::F32(mut values) = data else { return data };
        if half && width > 16 {
            values[..BETWEEN.len()].copy_from_slice(&BETWEEN);
            if self.live.min(self.rows) > 8 {
                values[3 * padded(width) + 5] = 1e9;
            }
        }
        CaseData::F32(values)
    }

    /// As the kernels are told of it.
    pub(crate) fn layer(&self, has_bias: bool, kind: u32, half: bool) -> DenseLayer {
        let [rows, inputs, outputs, members] = [self.rows, self.inputs, self.outputs, self.members].map(|n| n as u32);
        let [arena4, weight4, bias4] = [self.arena(), self.weight(), self.bias()].map(|at| at as u32 / 4);
        DenseLayer { rows, inputs, outputs, members, arena4, weight4, bias4: has_bias.then_some(bias4), kind, half }
    }

    pub(crate) fn weight(&self) -> usize {
        64
    }

    pub(crate) fn bias(&self) -> usize {
        self.weight() + (self.outputs * padded(self.inputs)).next_multiple_of(64)
    }

    pub(crate) fn arena(&self) -> usize {
        self.bias() + self.outputs.next_multiple_of(64)
    }

    /// An arena of parameters, padding zero.
    pub(crate) fn params(&self, inputs: &mut Inputs) -> CaseData {
        let mut arena = vec![0.0; self.members * self.arena()];
        for part in arena.chunks_mut(self.arena()) {
            let weight = pad(&inputs.numbers(self.outputs * self.inputs), self.inputs);
            part[self.weight()..][..weight.len()].copy_from_slice(&weight);
            part[self.bias()..][..self.outputs].copy_from_slice(&inputs.numbers(self.outputs));
        }
        CaseData::F32(arena)
    }
}
