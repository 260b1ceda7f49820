//! A batch out of the data set, by index: `batch[m, r, :] = features[order[m, start + r] − first, :]`, for the rows that this buffer of features
//! holds. Data that are in several buffers are gathered by as many dispatches.

use crate::kernel::{Args, Case, CaseData, Kernel, Real, Step, Tolerance};
use crate::kernels::cases::{self, Inputs};
use crate::parallel::{Simd, WithSimd, in_vectors, over_members, over_rows};
use crate::params;

params! {
    /// Gathers rows of numbers. Arguments: features `[count, 4·width4]`, order `[members, order_stride]`, batch `[members, rows, 4·width4]`.
    Gather {
        /// Groups of four features in a row.
        width4: u32,
        /// Rows of a full batch.
        rows: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// The first row that these features hold.
        first: u32,
        /// How many rows they hold.
        count: u32,
        /// Of no meaning here; what a byte is worth in [`GatherBytes`].
        scale: f32,
    }
}

params! {
    /// Gathers rows of bytes, four to a word, worth `scale` each. Arguments as [`Gather`].
    GatherBytes {
        /// Groups of four features in a row.
        width4: u32,
        /// Rows of a full batch.
        rows: u32,
        /// Entries of the order, for one member.
        order_stride: u32,
        /// Members.
        members: u32,
        /// The first row that these features hold.
        first: u32,
        /// How many rows they hold.
        count: u32,
        /// What one unit of a byte is worth.
        scale: f32,
    }
}

impl Kernel for Gather {
    const NAME: &'static str = "gather";

    fn wgsl() -> String {
        include_str!("../../shaders/gather.wgsl").to_string()
    }

    fn grid(&self) -> [u32; 3] {
        [self.width4 * self.rows, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (features, order, mut batch) = (&*args.real(0), &*args.word(1), args.real_mut(2));
        let width = 4 * self.width4 as usize;
        let part = self.rows as usize * width;
        over_members(&mut batch, self.members, part, 4 * u64::from(self.members) * part as u64, |member, batch| {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            for (row, &source) in batch.chunks_exact_mut(width).zip(order) {
                if let Some(source) = within(source, self.first, self.count) {
                    row.copy_from_slice(&features[source * width..][..width]);
                }
            }
        });
    }

    fn cases() -> Vec<Case> {
        shapes().map(|(rows, width, members, live)| case(rows, width, members, live, false)).collect()
    }
}

impl Kernel for GatherBytes {
    const NAME: &'static str = "gather_bytes";

    fn wgsl() -> String {
        Gather::wgsl()
    }

    fn grid(&self) -> [u32; 3] {
        [self.width4 * self.rows, 1, self.members]
    }

    fn cpu<T: Real>(&self, step: &Step<'_>, args: &Args<'_, T>) {
        let (words, order, mut batch) = (&*args.word(0), &*args.word(1), args.real_mut(2));
        let (width4, scale) = (self.width4 as usize, T::of(self.scale));
        let part = self.rows as usize * 4 * width4;
        over_members(&mut batch, self.members, part, 4 * u64::from(self.members) * part as u64, |member, batch| {
            let order = &order[member * self.order_stride as usize + step.start..][..step.rows];
            let batch = &mut batch[..step.rows * 4 * width4];
            let operations = batch.len() * LOOKED_UP;
            over_rows(batch, 4 * width4, 1, operations, |first, batch| {
                for (row, &source) in batch.chunks_exact_mut(4 * width4).zip(&order[first..]) {
                    let Some(source) = within(source, self.first, self.count) else { continue };
                    let words = &words[source * width4..][..width4];
                    in_vectors(Unpack { words, scale, row: row.as_chunks_mut().0 });
                }
            });
        });
    }

    fn cases() -> Vec<Case> {
        shapes().map(|(rows, width, members, live)| case(rows, width, members, live, true)).collect()
    }
}

/// For how many operations a number counts that is looked up: the rows lie anywhere, and each has to come from far away first.
const LOOKED_UP: usize = 64;

/// Four bytes a word, the lowest first.
struct Unpack<'a, T> {
    words: &'a [u32],
    scale: T,
    row: &'a mut [[T; 4]],
}

impl<T: Real> WithSimd for Unpack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (four, &word) in self.row.iter_mut().zip(self.words) {
            *four = unpack(word, self.scale);
        }
    }
}

/// The four numbers of a word.
#[inline(always)]
pub(super) fn unpack<T: Real>(word: u32, scale: T) -> [T; 4] {
    word.to_le_bytes().map(|byte| T::of(f32::from(byte)) * scale)
}

/// Where a row lies among the `count` from `first` on, if it does.
fn within(row: u32, first: u32, count: u32) -> Option<usize> {
    row.checked_sub(first).filter(|&row| row < count).map(|row| row as usize)
}

/// Rows of a full batch, features, members, live rows of the middle step. Where there are three members, the features are a part of the data.
fn shapes() -> impl Iterator<Item = (usize, usize, usize, usize)> {
    [(1, 1, 1, 1), (32, 784, 1, 17), (15, 7, 3, 4), (33, 65, 3, 1), (65_537, 3, 1, 1000)].into_iter()
}

fn case(rows: usize, width: usize, members: usize, live: usize, bytes: bool) -> Case {
    let mut inputs = Inputs::new(rows + width);
    let width4 = width.div_ceil(4);
    let data = rows + 7;
    let order = inputs.indices(members * (rows + 8), data);
    let (first, count) = if members == 3 { (data / 4, data / 2) } else { (0, data) };
    let gather = Gather {
        width4: width4 as u32,
        rows: rows as u32,
        order_stride: rows as u32 + 8,
        members: members as u32,
        first: first as u32,
        count: count as u32,
        scale: 0.25,
    };
    let features = if bytes { inputs.words(count * width4) } else { inputs.rows(count, width) };
    let batch = cases::poison(members * rows * 4 * width4);
    cases::case(&gather, format!("{rows}x{width} members {members}"), members, &[rows, live, rows])
        .arg("features", features)
        .arg("order", CaseData::U32(order))
        .arg("batch", batch)
        .within(Tolerance::ulp(1.0, 0.0))
}
