//! What the parity cases of the layers without a matrix are made of: batches of many shapes and scales, their statistics, an arena.

use crate::kernel::CaseData;
use crate::kernels::cases::{self, Inputs};
use crate::plan::{TENSOR_ALIGN, padded};

/// A batch, and where its numbers lie: `centre ± spread`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) rows: usize,
    pub(crate) live: usize,
    pub(crate) width: usize,
    pub(crate) members: usize,
    pub(crate) centre: f32,
    pub(crate) spread: f32,
}

impl Batch {
    /// The shapes and scales on which sums over rows or columns have broken: single ones, one off a tile, many rows, wide rows, and
    /// numbers far from zero with little spread or none.
    pub(crate) fn all() -> Vec<Batch> {
        let batch = |rows, live, width, members| Batch { rows, live, width, members, centre: 0.0, spread: 1.0 };
        vec![
            batch(1, 1, 1, 1),
            batch(7, 2, 33, 3),
            batch(32, 4, 257, 1),
            batch(65, 63, 1000, 3),
            batch(300, 129, 7, 1),
            batch(65_537, 65_535, 7, 1),
            Batch { centre: 1e3, spread: 0.01, ..batch(129, 127, 33, 3) },
            Batch { centre: -1e3, spread: 4.0, ..batch(4097, 1000, 5, 1) },
            Batch { centre: 1e3, spread: 0.0, ..batch(100, 96, 30, 1) },
        ]
    }

    pub(crate) fn name(&self) -> String {
        let Batch { rows, width, members, centre, spread, .. } = self;
        format!("{rows}x{width} members {members} numbers {centre} ± {spread}")
    }

    /// Full, remainder, full; and before that a remainder, which leaves the poison in the other rows.
    pub(crate) fn steps(&self) -> [usize; 4] {
        [self.live, self.rows, self.live, self.rows]
    }

    pub(crate) fn inputs(&self) -> Inputs {
        Inputs::new(self.rows + self.width)
    }

    pub(crate) fn width4(&self) -> u32 {
        self.width.div_ceil(4) as u32
    }

    /// Elements of a buffer of the batch's shape.
    pub(crate) fn cells(&self) -> usize {
        self.members * self.rows * padded(self.width)
    }

    /// The batch's numbers.
    pub(crate) fn x(&self, inputs: &mut Inputs) -> Vec<f32> {
        let values: Vec<f32> =
            inputs.numbers(self.members * self.rows * self.width).iter().map(|u| self.centre + self.spread * u).collect();
        cases::pad(&values, self.width)
    }

    /// Numbers in (−1, 1) of the batch's shape: slopes.
    pub(crate) fn slopes(&self, inputs: &mut Inputs) -> CaseData {
        inputs.rows(self.members * self.rows, self.width)
    }

    /// Where a tensor starts in a member's arena.
    pub(crate) fn tensor(&self, place: usize) -> usize {
        TENSOR_ALIGN + place * self.width.next_multiple_of(TENSOR_ALIGN)
    }

    /// Where a tensor starts in the arena, in groups of four.
    pub(crate) fn tensor4(&self, place: usize) -> u32 {
        self.tensor(place) as u32 / 4
    }

    /// Length of a member's arena of five tensors, with something before them so that offsets matter.
    pub(crate) fn arena(&self) -> usize {
        self.tensor(5)
    }

    /// The same in groups of four.
    pub(crate) fn arena4(&self) -> u32 {
        self.arena() as u32 / 4
    }

    /// An arena of five tensors of the batch's width in (−size, size), padding zero.
    pub(crate) fn params(&self, inputs: &mut Inputs, size: f32) -> Vec<f32> {
        let mut arena = vec![0.0; self.members * self.arena()];
        for part in arena.chunks_mut(self.arena()) {
            for place in 0..5 {
                let values = inputs.numbers(self.width);
                part[self.tensor(place)..].iter_mut().zip(values).for_each(|(to, value)| *to = size * value);
            }
        }
        arena
    }

    /// What the numbers of an `x` look like by columns: `[members, 3, 4·width4]` of mean, 1/√(var + 1e-5), unbiased variance.
    pub(crate) fn column_stats(&self, x: &[f32]) -> Vec<f32> {
        let stride = padded(self.width);
        let mut stats = Vec::new();
        for member in x.chunks(self.rows * stride) {
            let columns = (0..stride).map(|c| moments(member.iter().skip(c).step_by(stride)));
            let columns: Vec<_> = columns.collect();
            let unbiased = self.rows as f64 / (self.rows - 1).max(1) as f64;
            stats.extend(columns.iter().map(|&(mean, _)| mean as f32));
            stats.extend(columns.iter().map(|&(_, variance)| (variance + 1e-5).sqrt().recip() as f32));
            stats.extend(columns.iter().map(|&(_, variance)| (variance * unbiased) as f32));
        }
        stats
    }

    /// The same by rows: `[members, rows, 2]` of mean and 1/√(var + 1e-5).
    pub(crate) fn row_stats(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.chunks(padded(self.width)).map(|row| moments(row[..self.width].iter()));
        rows.flat_map(|(mean, variance)| [mean as f32, (variance + 1e-5).sqrt().recip() as f32]).collect()
    }
}

/// Mean and biased variance.
fn moments<'a>(values: impl Iterator<Item = &'a f32> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().map(|&v| f64::from(v)).sum::<f64>() / n;
    (mean, values.map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n)
}
