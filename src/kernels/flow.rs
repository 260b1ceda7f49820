//! The flow of gradients: what a layer's gradients, errors and activations came to in a step that is looked at.

use crate::flow::NUMBERS;
use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::params;
use crate::plan::padded;

/// Elements of a weight that one partial sum is over.
pub const CHUNK: usize = 4096;

params! {
    /// Sums over a group of four columns. Arguments: a and δ `[members, rows, 4·width4]`, columns `[members, width4, 8]`.
    FlowColumns {
        /// Rows of a full batch.
        rows: u32,
        /// Columns.
        width: u32,
        /// Groups of four columns.
        width4: u32,
        /// Members.
        members: u32,
        /// Length of a member's part of the arena, in groups of four.
        arena4: u32,
        /// Where the weight starts in it, in groups of four.
        weight4: u32,
        /// How long the weight is, padding included, in groups of four.
        length4: u32,
        /// Partial sums over the weight.
        chunks: u32,
        /// The number of the layer.
        layer: u32,
        /// How many layers there are.
        layers: u32,
        /// a up to here is outside.
        low: f32,
        /// a from here on is outside.
        high: f32,
    }
}

params! {
    /// Sums over a chunk of the weight. Arguments: the arenas of gradients, of parameters, and of parameters before the step, chunks
    /// `[members, chunks, 4]`.
    FlowChunks {
        /// As in [`FlowColumns`].
        rows: u32,
        /// As in [`FlowColumns`].
        width: u32,
        /// As in [`FlowColumns`].
        width4: u32,
        /// As in [`FlowColumns`].
        members: u32,
        /// As in [`FlowColumns`].
        arena4: u32,
        /// As in [`FlowColumns`].
        weight4: u32,
        /// As in [`FlowColumns`].
        length4: u32,
        /// As in [`FlowColumns`].
        chunks: u32,
        /// As in [`FlowColumns`].
        layer: u32,
        /// As in [`FlowColumns`].
        layers: u32,
        /// As in [`FlowColumns`].
        low: f32,
        /// As in [`FlowColumns`].
        high: f32,
    }
}

params! {
    /// The sums of a layer. Arguments: columns, chunks, flow `[slots, members, layers, 8]`.
    FlowLayer {
        /// As in [`FlowColumns`].
        rows: u32,
        /// As in [`FlowColumns`].
        width: u32,
        /// As in [`FlowColumns`].
        width4: u32,
        /// As in [`FlowColumns`].
        members: u32,
        /// As in [`FlowColumns`].
        arena4: u32,
        /// As in [`FlowColumns`].
        weight4: u32,
        /// As in [`FlowColumns`].
        length4: u32,
        /// As in [`FlowColumns`].
        chunks: u32,
        /// As in [`FlowColumns`].
        layer: u32,
        /// As in [`FlowColumns`].
        layers: u32,
        /// As in [`FlowColumns`].
        low: f32,
        /// As in [`FlowColumns`].
        high: f32,
    }
}

impl FlowColumns {
    /// The same for the weight.
    pub fn chunks(self) -> FlowChunks {
        let FlowColumns { rows, width, width4, members, arena4, weight4, length4, chunks, layer, layers, low, high } = self;
        FlowChunks { rows, width, width4, members, arena4, weight4, length4, chunks, layer, layers, low, high }
    }

    /// The same for the sums.
    pub fn layer(self) -> FlowLayer {
        let FlowColumns { rows, width, width4, members, arena4, weight4, length4, chunks, layer, layers, low, high } = self;
        FlowLayer { rows, width, width4, members, arena4, weight4, length4, chunks, layer, layers, low, high }
    }
}

fn wgsl() -> String {
    include_str!("../../shaders/flow.wgsl").to_string()
}

impl Kernel for FlowColumns {
    const NAME: &'static str = "flow_columns";

    fn wgsl() -> String {
        wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.width4, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.rows.div_ceil(64)) + 6
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (a, delta, mut columns) = (args.real(0), args.real(1), args.real_mut(2));
        let (low, high, stride) = (T::of(self.low), T::of(self.high), 4 * self.width4 as usize);
        for m in 0..self.members as usize {
            for c in 0..self.width4 as usize {
                // in f64: a long sum of rows that are all alike would round in the same direction each time
                let mut sums = [0.0; NUMBERS];
                for column in 4 * c..4 * c + 4 {
                    let mut outside = 0;
                    for r in 0..step.rows {
                        let at = (m * self.rows as usize + r) * stride + column;
                        let (x, d) = (a[at].wide(), delta[at].wide());
                        [x, x * x, d * d].into_iter().zip(&mut sums).for_each(|(x, sum)| *sum += x);
                        outside += usize::from(a[at] <= low || a[at] >= high);
                    }
                    if column < self.width as usize {
                        sums[3] += outside as f64;
                        sums[4] += f64::from(u8::from(outside == step.rows));
                    }
                }
                columns[NUMBERS * (m * self.width4 as usize + c)..][..NUMBERS].copy_from_slice(&sums.map(T::of_wide));
            }
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(1, 1, 1, 1), (33, 31, 3, 7), (16, 257, 1, 15), (65_537, 7, 1, 1000)];
        let make = shapes.map(|(rows, width, members, live)| {
            let mut inputs = Inputs::new(rows + width);
            let kernel = kernel(rows, width, members);
            let mut a = inputs.numbers(members * rows * width);
            // some are off, and some columns altogether
            a.iter_mut().enumerate().filter(|(i, x)| **x < 0.0 || i % width == 0).for_each(|(_, x)| *x = 0.0);
            cases::case(&kernel, format!("{rows}x{width} members {members}"), members, &[rows, live, rows])
                .arg("a", CaseData::F32(cases::pad(&a, width)))
                .arg("delta", inputs.rows(members * rows, width))
                .arg("columns_out", cases::poison(members * padded(width) / 4 * NUMBERS))
                // sums of what does not cancel
                .within(Tolerance::ulp(64.0, 1e-6))
        });
        make.into()
    }
}

impl Kernel for FlowChunks {
    const NAME: &'static str = "flow_chunks";

    fn wgsl() -> String {
        wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [64 * self.chunks, 1, self.members]
    }

    fn loops(&self) -> u64 {
        22
    }

    fn cpu<T: Real>(&self, _: &Step<'_>, args: &Args<'_, T>) {
        let (grads, params, before, mut out) = (args.real(0), args.real(1), args.real(2), args.real_mut(3));
        let (start, length) = (4 * self.weight4 as usize, 4 * self.length4 as usize);
        for m in 0..self.members as usize {
            for chunk in 0..self.chunks as usize {
                // in f64, likewise
                let mut sums = [0.0; 4];
                for i in chunk * CHUNK..length.min((chunk + 1) * CHUNK) {
                    let at = 4 * m * self.arena4 as usize + start + i;
                    let squared = [grads[at], params[at], params[at] - before[at]].map(|x| x.wide() * x.wide());
                    squared.into_iter().zip(&mut sums).for_each(|(x, sum)| *sum += x);
                }
                out[4 * (m * self.chunks as usize + chunk)..][..4].copy_from_slice(&sums.map(T::of_wide));
            }
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(64, 1), (4160, 3), (65_600, 1), (8_256, 1)];
        let make = shapes.map(|(length, members)| {
            let mut inputs = Inputs::new(length);
            let (arena, chunks) = (length + 128, length.div_ceil(CHUNK));
            let (arena4, length4) = (arena as u32 / 4, length as u32 / 4);
            let kernel = FlowChunks { arena4, weight4: 16, length4, chunks: chunks as u32, ..kernel(8, 4, members).chunks() };
            cases::case(&kernel, format!("{length} members {members}"), members, &[8, 3])
                .arg("grads", CaseData::F32(inputs.numbers(members * arena)))
                .arg("params", CaseData::F32(inputs.numbers(members * arena)))
                .arg("before", CaseData::F32(inputs.numbers(members * arena)))
                .arg("chunks_out", cases::poison(members * chunks * 4))
                .within(Tolerance::ulp(64.0, 1e-6))
        });
        make.into()
    }
}

impl Kernel for FlowLayer {
    const NAME: &'static str = "flow_layer";

    fn wgsl() -> String {
        wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [64, 1, self.members]
    }

    fn loops(&self) -> u64 {
        u64::from(self.width4.div_ceil(64)) + u64::from(self.chunks.div_ceil(64)) + 6
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (columns, chunks, mut flow) = (args.real(0), args.real(1), args.real_mut(2));
        for m in 0..self.members as usize {
            let mut sums = [T::zero(); NUMBERS];
            let own = &columns[NUMBERS * m * self.width4 as usize..][..NUMBERS * self.width4 as usize];
            for column in own.chunks(NUMBERS) {
                sums[..5].iter_mut().zip(column).for_each(|(sum, &x)| *sum += x);
            }
            for chunk in chunks[4 * m * self.chunks as usize..][..4 * self.chunks as usize].chunks(4) {
                sums[5..].iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += x);
            }
            let at = (step.slot * self.members as usize + m) * self.layers as usize + self.layer as usize;
            flow[NUMBERS * at..][..NUMBERS].copy_from_slice(&sums);
        }
    }

    fn cases() -> Vec<Case> {
        let shapes = [(1, 1, 1), (31, 5, 3), (257, 1000, 1), (1000, 3, 1)];
        let make = shapes.map(|(width, chunks, members)| {
            let mut inputs = Inputs::new(width + chunks);
            let kernel = FlowLayer { chunks: chunks as u32, layer: 1, layers: 2, ..kernel(8, width, members).layer() };
            let positive = |values: Vec<f32>| CaseData::F32(values.into_iter().map(f32::abs).collect());
            cases::case(&kernel, format!("width {width} chunks {chunks} members {members}"), members, &[8, 3, 8])
                .arg("columns", positive(inputs.numbers(members * padded(width) / 4 * NUMBERS)))
                .arg("chunks", positive(inputs.numbers(members * chunks * 4)))
                .arg("flow", cases::poison(3 * members * 2 * NUMBERS))
                .within(Tolerance::ulp(64.0, 1e-6))
        });
        make.into()
    }
}

fn kernel(rows: usize, width: usize, members: usize) -> FlowColumns {
    FlowColumns {
        rows: rows as u32,
        width: width as u32,
        width4: width.div_ceil(4) as u32,
        members: members as u32,
        arena4: 16,
        weight4: 0,
        length4: 16,
        chunks: 1,
        layer: 0,
        layers: 1,
        low: 0.0,
        high: f32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::Formulas;
    use crate::kernel::{Cells, Part, Row};
    use std::cell::RefCell;

    /// Σ a over 258 rows of 0.3, −0.1 and −0.2: what is left of the sum is what the three are off, 258 times.
    fn left<T: Real>() -> f64 {
        let row = [0.3, -0.1, -0.2, 0.0].map(T::of);
        let a = Cells::Real(row.repeat(258));
        let (delta, columns) = (a.clone(), Cells::Real(vec![T::zero(); NUMBERS]));
        let cells = [a, delta, columns].map(RefCell::new);
        let mut words = Vec::new();
        Step::push(&mut words, &Row { rows: 258, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[[0.0; 4]] });
        let formulas = Formulas::none();
        let args = Args::new(&cells, &[0, 1, 2], &formulas);
        kernel(258, 3, 1).cpu(&Step::of_row(&words), &args);
        args.real(2)[0].wide()
    }

    #[test]
    fn a_sum_of_rows_that_are_all_alike_does_not_round_in_the_same_direction_each_time() {
        let truth = 258.0 * (f64::from(0.3f32) - f64::from(0.1f32) - f64::from(0.2f32));
        assert!((left::<f64>() - truth).abs() <= 1e-12 && (left::<f32>() - truth).abs() <= 1e-9, "{} for {truth}", left::<f32>());
    }
}
