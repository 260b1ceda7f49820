//! The innermost part of a product: tiles of C that stay in registers while k runs.

use super::pack::{Right, room_of};
use super::{Finish, Matrix, blocks};
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};
use std::cell::Cell;

/// Rows of a tile.
pub(super) const ROWS: usize = 6;
/// Vectors of a row of a tile, where there are so many registers, and where there are fewer.
const REGISTERS: usize = 32;
const VECTORS: usize = 4;
const FEW_VECTORS: usize = 2;
/// So few panels read a left side too seldom to copy it first.
const FEW_PANELS: usize = 4;
/// Rows of C whose part of A stays in the second cache while all panels of B go by.
const BLOCK_ROWS: usize = 32 * ROWS;
/// How far k runs before the next tile: so much of a panel of B stays in the first cache.
const BLOCK_DEPTH: usize = 256;

/// Columns of a panel and lanes of a vector on this processor.
pub(super) fn panel_width() -> [usize; 2] {
    struct Width;
    impl WithSimd for Width {
        type Output = [usize; 2];
        fn with_simd<S: Simd>(self, _: S) -> [usize; 2] {
            let vectors = if S::REGISTER_COUNT >= REGISTERS { VECTORS } else { FEW_VECTORS };
            [vectors * S::F32_LANES, S::F32_LANES]
        }
    }
    Arch::new().dispatch(Width)
}

/// Where a product goes.
pub(super) struct Target<'a> {
    /// Rows of C, `stride` apart.
    pub(super) cells: &'a mut [f32],
    pub(super) stride: usize,
    /// The column of C that is the first of the right side.
    pub(super) column: usize,
    /// Whether it is added to what is there.
    pub(super) adds: bool,
}

/// `C = A·B`, or `C += A·B`, for the rows of C that there are, then `finish` on each.
pub(super) fn multiply(a: Matrix<'_, f32>, right: &Right<'_>, into: Target<'_>, finish: Finish<'_, f32>) {
    Arch::new().dispatch(Task { a, right, into, finish });
}

struct Task<'a> {
    a: Matrix<'a, f32>,
    right: &'a Right<'a>,
    into: Target<'a>,
    finish: Finish<'a, f32>,
}

thread_local! {
    /// Room for a block of a left side that is copied.
    static LEFT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { a, right, into: Target { cells, stride, column, adds }, finish } = self;
        let mut block = LEFT.take();
        for (number, c) in cells.chunks_mut(BLOCK_ROWS * stride).enumerate() {
            let first = number * BLOCK_ROWS;
            let rows = c.len() / stride;
            for ks in blocks(a.cols, BLOCK_DEPTH, 1) {
                let (k0, depth, adds) = (ks.start, ks.len(), adds || ks.start > 0);
                let c = &mut c[column..];
                // rows that lie apart are slower to read where registers are few: there a copy is worth it, unless few panels read it
                if a.col == 1 && (S::REGISTER_COUNT >= REGISTERS || right.cols <= FEW_PANELS * right.panel) {
                    let a = InRows { cells: &a.cells[first * a.row + k0..], stride: a.row };
                    simd.vectorize(Tiles { simd, a, right, k0, depth, adds, rows, c, stride });
                } else {
                    let block = room_of(&mut block, rows.next_multiple_of(ROWS) * depth);
                    match a.col {
                        1 => pack_rows(&a.cells[first * a.row + k0..], a.row, rows, depth, block),
                        _ => pack_columns(&a.cells[k0 * a.col + first..], a.col, rows, depth, block),
                    }
                    simd.vectorize(Tiles { simd, a: InPanels { cells: block }, right, k0, depth, adds, rows, c, stride });
                }
            }
            c.chunks_exact_mut(stride).enumerate().for_each(|(row, cells)| finish(first + row, cells));
        }
        LEFT.set(block);
    }
}

/// Copies `rows` rows of a left side that lies in columns (`A(i, k) = cells[k·stride + i]`) into panels of `ROWS`: `[panel][k][row]`.
fn pack_columns(cells: &[f32], stride: usize, rows: usize, depth: usize, block: &mut [f32]) {
    for k in 0..depth {
        let column = &cells[k * stride..][..rows];
        let (whole, rest) = column.as_chunks::<ROWS>();
        for (panel, group) in whole.iter().enumerate() {
            block[(panel * depth + k) * ROWS..][..ROWS].copy_from_slice(group);
        }
        if !rest.is_empty() {
            block[(whole.len() * depth + k) * ROWS..][..rest.len()].copy_from_slice(rest);
        }
    }
}

/// The same for a left side that lies in rows (`A(i, k) = cells[i·stride + k]`).
fn pack_rows(cells: &[f32], stride: usize, rows: usize, depth: usize, block: &mut [f32]) {
    for first in (0..rows).step_by(ROWS) {
        let panel = block[first * depth..][..ROWS * depth].as_chunks_mut::<ROWS>().0;
        let row = |row: usize| &cells[(first + row) * stride..][..depth];
        if first + ROWS <= rows {
            let from: [&[f32]; ROWS] = std::array::from_fn(row);
            panel.iter_mut().enumerate().for_each(|(k, group)| *group = from.map(|row| row[k]));
        } else {
            for (n, from) in (0..rows - first).map(row).enumerate() {
                panel.iter_mut().zip(from).for_each(|(group, &cell)| group[n] = cell);
            }
        }
    }
}

/// The left side of a block.
trait Left: Copy {
    /// Adds to the `M` rows from row `first` on the products of their elements with the rows of B, k after k.
    fn add<S: Simd, const M: usize, const N: usize>(
        self,
        simd: S,
        first: usize,
        depth: usize,
        b: impl Iterator<Item = [S::f32s; N]>,
        sums: [[S::f32s; N]; M],
    ) -> [[S::f32s; N]; M];
}

/// Rows as they lie in the matrix.
#[derive(Clone, Copy)]
struct InRows<'a> {
    cells: &'a [f32],
    stride: usize,
}

impl Left for InRows<'_> {
    #[inline(always)]
    fn add<S: Simd, const M: usize, const N: usize>(
        self,
        simd: S,
        first: usize,
        depth: usize,
        b: impl Iterator<Item = [S::f32s; N]>,
        mut sums: [[S::f32s; N]; M],
    ) -> [[S::f32s; N]; M] {
        // zipped, so that nothing is left to check in the loop; what of the six is beyond M is not read
        let [a0, a1, a2, a3, a4, a5]: [&[f32]; ROWS] =
            std::array::from_fn(|row| &self.cells[(first + row.min(M - 1)) * self.stride..][..depth]);
        for ((((((a0, a1), a2), a3), a4), a5), b) in a0.iter().zip(a1).zip(a2).zip(a3).zip(a4).zip(a5).zip(b) {
            let a = [a0, a1, a2, a3, a4, a5];
            sums = add(simd, std::array::from_fn(|row| *a[row]), b, sums);
        }
        sums
    }
}

/// Rows as [`pack_columns`] and [`pack_rows`] left them.
#[derive(Clone, Copy)]
struct InPanels<'a> {
    cells: &'a [f32],
}

impl Left for InPanels<'_> {
    #[inline(always)]
    fn add<S: Simd, const M: usize, const N: usize>(
        self,
        simd: S,
        first: usize,
        depth: usize,
        b: impl Iterator<Item = [S::f32s; N]>,
        mut sums: [[S::f32s; N]; M],
    ) -> [[S::f32s; N]; M] {
        let (rows, _) = self.cells[first * depth..][..ROWS * depth].as_chunks::<ROWS>();
        for (rows, b) in rows.iter().zip(b) {
            sums = add(simd, std::array::from_fn(|row| rows[row]), b, sums);
        }
        sums
    }
}

/// All tiles of a block of rows: `C = A·B` or `C += A·B` over `depth` k from `k0` on.
struct Tiles<'a, S, A> {
    simd: S,
    a: A,
    right: &'a Right<'a>,
    k0: usize,
    depth: usize,
    /// Whether it is added to what is there.
    adds: bool,
    rows: usize,
    /// The rows of C from the first column on, and how far it is from one to the next.
    c: &'a mut [f32],
    stride: usize,
}

/// By `Simd::vectorize` in a function of its own for each left side: in one for both, the loops of either are made worse.
impl<S: Simd, A: Left> NullaryFnOnce for Tiles<'_, S, A> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Tiles { simd, a, right, depth, adds, stride, .. } = self;
        for column in (0..right.cols).step_by(right.panel) {
            let (b, step) = right.rows(column, self.k0);
            let width = right.panel.min(right.cols - column);
            for row in (0..self.rows).step_by(ROWS) {
                let tile = Tile { b, step, adds, depth, width, stride };
                let (c, tall) = (&mut self.c[row * stride + column..], self.rows - row);
                match width.div_ceil(S::F32_LANES) {
                    1 => tile.tall::<S, A, 1>(simd, a, row, tall, c),
                    2 => tile.tall::<S, A, 2>(simd, a, row, tall, c),
                    3 => tile.tall::<S, A, 3>(simd, a, row, tall, c),
                    _ if S::REGISTER_COUNT >= REGISTERS => tile.tall::<S, A, VECTORS>(simd, a, row, tall, c),
                    _ => tile.tall::<S, A, FEW_VECTORS>(simd, a, row, tall, c),
                }
            }
        }
    }
}

/// What tiles of all heights need.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// The panel, from the first k on.
    b: &'a [f32],
    /// From one k to the next.
    step: usize,
    adds: bool,
    depth: usize,
    width: usize,
    stride: usize,
}

impl Tile<'_> {
    /// The tile at a row, as tall as there are rows from it on.
    #[inline(always)]
    fn tall<S: Simd, A: Left, const N: usize>(self, simd: S, a: A, row: usize, rows: usize, c: &mut [f32]) {
        match rows {
            1 => self.run::<S, A, 1, N>(simd, a, row, c),
            2 => self.run::<S, A, 2, N>(simd, a, row, c),
            3 => self.run::<S, A, 3, N>(simd, a, row, c),
            4 => self.run::<S, A, 4, N>(simd, a, row, c),
            5 => self.run::<S, A, 5, N>(simd, a, row, c),
            _ => self.run::<S, A, ROWS, N>(simd, a, row, c),
        }
    }

    /// `M` rows by `N` vectors.
    #[inline(always)]
    fn run<S: Simd, A: Left, const M: usize, const N: usize>(self, simd: S, a: A, row: usize, c: &mut [f32]) {
        let Tile { depth, stride, .. } = self;
        let lanes = S::F32_LANES;
        // of the last vector, what is within the columns that there are
        let cells = |row: usize, vector: usize| {
            let [from, to] = [vector, vector + 1].map(|vector| row * stride + (vector * lanes).min(self.width));
            from..to
        };
        // a store of a part of a vector is slow where it is not one instruction
        let whole = self.width == N * lanes;
        let mut sums = [[simd.splat_f32s(0.0); N]; M];
        if self.adds && whole {
            sums = std::array::from_fn(|row| {
                let (c, _) = S::as_simd_f32s(&c[row * stride..][..N * lanes]);
                std::array::from_fn(|vector| c[vector])
            });
        } else if self.adds {
            sums = std::array::from_fn(|row| std::array::from_fn(|vector| simd.partial_load_f32s(&c[cells(row, vector)])));
        }
        let sums = if self.step == N * lanes {
            // the panel is these vectors and no more
            let (b, _) = S::as_simd_f32s(self.b).0.as_chunks::<N>();
            a.add(simd, row, depth, b.iter().copied(), sums)
        } else {
            let first = |cells: &[f32]| *S::as_simd_f32s(cells).0.first_chunk::<N>().expect("a panel is so wide");
            a.add(simd, row, depth, self.b.chunks(self.step).map(first), sums)
        };
        for (row, sums) in sums.into_iter().enumerate() {
            if whole {
                let (c, _) = S::as_mut_simd_f32s(&mut c[row * stride..][..N * lanes]);
                c.copy_from_slice(&sums);
                continue;
            }
            for (vector, sum) in sums.into_iter().enumerate() {
                simd.partial_store_f32s(&mut c[cells(row, vector)], sum);
            }
        }
    }
}

/// One k of a tile.
#[inline(always)]
fn add<S: Simd, const M: usize, const N: usize>(simd: S, a: [f32; M], b: [S::f32s; N], mut sums: [[S::f32s; N]; M]) -> [[S::f32s; N]; M] {
    for row in 0..M {
        let a = simd.splat_f32s(a[row]);
        for vector in 0..N {
            sums[row][vector] = simd.mul_add_e_f32s(a, b[vector], sums[row][vector]);
        }
    }
    sums
}
