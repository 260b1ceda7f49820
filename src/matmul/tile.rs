//! The innermost part of a product: tiles of C that stay in registers while k runs.

use super::{Finish, Matrix, pack::Right};
use pulp::{Arch, Simd, WithSimd};
use std::cell::Cell;

/// Rows of a tile.
pub(super) const ROWS: usize = 6;
/// Vectors of a row of a tile, where there are so many registers, and where there are fewer.
const REGISTERS: usize = 32;
const VECTORS: usize = 4;
const FEW_VECTORS: usize = 2;
/// Rows of C whose part of A stays in the second cache while all panels of B go by.
const BLOCK_ROWS: usize = 32 * ROWS;

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

/// `C = A·B`, or `C += A·B`, for the rows of C that there are, then `finish` on each.
pub(super) fn multiply(a: Matrix<'_, f32>, right: &Right<'_>, adds: bool, c: &mut [f32], stride: usize, finish: Finish<'_, f32>) {
    Arch::new().dispatch(Task { a, right, adds, c, stride, finish });
}

struct Task<'a> {
    a: Matrix<'a, f32>,
    right: &'a Right<'a>,
    adds: bool,
    c: &'a mut [f32],
    stride: usize,
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
        let Task { a, right, adds, c, stride, finish } = self;
        let mut block = LEFT.take();
        for (number, c) in c.chunks_mut(BLOCK_ROWS * stride).enumerate() {
            let first = number * BLOCK_ROWS;
            let rows = c.len() / stride;
            // with few registers six rows in six places are slow to read: a copy is worth it, even for a single panel
            if a.col == 1 && S::REGISTER_COUNT >= REGISTERS {
                let left = InRows { cells: &a.cells[first * a.row..], stride: a.row };
                tiles(simd, left, rows, a.cols, right, adds, c, stride);
            } else {
                block.resize(rows.next_multiple_of(ROWS) * a.cols, 0.0);
                match a.col {
                    1 => pack_rows(&a.cells[first * a.row..], a.row, rows, a.cols, &mut block),
                    _ => pack_columns(&a.cells[first..], a.col, rows, a.cols, &mut block),
                }
                tiles(simd, InPanels { cells: &block }, rows, a.cols, right, adds, c, stride);
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

/// The left side of a block: how a tile gets at its rows.
trait Left: Copy {
    /// `M` rows from row `first` on.
    type Cut<const M: usize>: Copy;
    fn cut<const M: usize>(self, first: usize, depth: usize) -> Self::Cut<M>;
    /// Their elements at k.
    fn at<const M: usize>(cut: Self::Cut<M>, k: usize) -> [f32; M];
}

/// Rows as they lie in the matrix.
#[derive(Clone, Copy)]
struct InRows<'a> {
    cells: &'a [f32],
    stride: usize,
}

impl<'a> Left for InRows<'a> {
    type Cut<const M: usize> = [&'a [f32]; M];

    #[inline(always)]
    fn cut<const M: usize>(self, first: usize, depth: usize) -> [&'a [f32]; M] {
        std::array::from_fn(|row| &self.cells[(first + row) * self.stride..][..depth])
    }

    #[inline(always)]
    fn at<const M: usize>(cut: [&'a [f32]; M], k: usize) -> [f32; M] {
        std::array::from_fn(|row| cut[row][k])
    }
}

/// Rows as [`pack_columns`] and [`pack_rows`] left them.
#[derive(Clone, Copy)]
struct InPanels<'a> {
    cells: &'a [f32],
}

impl<'a> Left for InPanels<'a> {
    type Cut<const M: usize> = &'a [[f32; ROWS]];

    #[inline(always)]
    fn cut<const M: usize>(self, first: usize, depth: usize) -> &'a [[f32; ROWS]] {
        self.cells[first * depth..][..ROWS * depth].as_chunks().0
    }

    #[inline(always)]
    fn at<const M: usize>(cut: &'a [[f32; ROWS]], k: usize) -> [f32; M] {
        let rows = &cut[k];
        std::array::from_fn(|row| rows[row])
    }
}

/// All tiles of a block of rows.
#[expect(clippy::too_many_arguments, reason = "inner loop of one function")]
#[inline(always)]
fn tiles<S: Simd, A: Left>(simd: S, a: A, rows: usize, depth: usize, right: &Right<'_>, adds: bool, c: &mut [f32], stride: usize) {
    for column in (0..right.cols).step_by(right.panel) {
        let (b, step) = right.rows(column);
        let width = right.panel.min(right.cols - column);
        for row in (0..rows).step_by(ROWS) {
            let of = Tile { b, step, adds, width };
            let c = &mut c[row * stride + column..];
            match width.div_ceil(S::F32_LANES) {
                1 => of.tall::<S, A, 1>(simd, a, row, rows, depth, c, stride),
                2 => of.tall::<S, A, 2>(simd, a, row, rows, depth, c, stride),
                3 => of.tall::<S, A, 3>(simd, a, row, rows, depth, c, stride),
                _ if S::REGISTER_COUNT >= REGISTERS => of.tall::<S, A, VECTORS>(simd, a, row, rows, depth, c, stride),
                _ => of.tall::<S, A, FEW_VECTORS>(simd, a, row, rows, depth, c, stride),
            }
        }
    }
}

/// What tiles of all heights need.
#[derive(Clone, Copy)]
struct Tile<'a> {
    /// The panel.
    b: &'a [f32],
    /// From one k to the next.
    step: usize,
    /// Whether the tile is added to what is there.
    adds: bool,
    width: usize,
}

impl Tile<'_> {
    /// The tile at a row, as tall as there are rows.
    #[expect(clippy::too_many_arguments, reason = "inner loop of one function")]
    #[inline(always)]
    fn tall<S: Simd, A: Left, const N: usize>(self, simd: S, a: A, row: usize, rows: usize, depth: usize, c: &mut [f32], stride: usize) {
        match rows - row {
            1 => self.run::<S, A, 1, N>(simd, a, row, depth, c, stride),
            2 => self.run::<S, A, 2, N>(simd, a, row, depth, c, stride),
            3 => self.run::<S, A, 3, N>(simd, a, row, depth, c, stride),
            4 => self.run::<S, A, 4, N>(simd, a, row, depth, c, stride),
            5 => self.run::<S, A, 5, N>(simd, a, row, depth, c, stride),
            _ => self.run::<S, A, ROWS, N>(simd, a, row, depth, c, stride),
        }
    }

    /// `M` rows by `N` vectors.
    #[inline(always)]
    fn run<S: Simd, A: Left, const M: usize, const N: usize>(self, simd: S, a: A, row: usize, depth: usize, c: &mut [f32], stride: usize) {
        let a = a.cut::<M>(row, depth);
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
        for k in 0..depth {
            let (b, _) = S::as_simd_f32s(&self.b[k * self.step..][..N * lanes]);
            let a = A::at::<M>(a, k);
            for row in 0..M {
                let a = simd.splat_f32s(a[row]);
                for vector in 0..N {
                    sums[row][vector] = simd.mul_add_e_f32s(a, b[vector], sums[row][vector]);
                }
            }
        }
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
