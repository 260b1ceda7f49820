//! Matrix products of the CPU path in `f32`: `C = A·B` in vectors, in blocks that stay in the caches, over the threads of the pool.
//!
//! Each element of C is one chain of multiply-adds over k from 0 on, whatever the vectors, the blocks, and the number of threads: the
//! result is the same for any of them (and on all processors that fuse the two roundings of a multiply-add).

pub(crate) mod half;
mod pack;
mod tile;

use crate::parallel::over_rows;
use pack::{LINE, Right, TURN, room_of, turn};
use std::cell::Cell;
use std::ops::Range;
use tile::{ROWS, Target, multiply, panel_width};

/// A matrix in a slice: element `(i, j)` is `cells[i·row + j·col]`, and one of the two strides is 1.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    cells: &'a [T],
    rows: usize,
    cols: usize,
    row: usize,
    col: usize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    /// A matrix `[rows, cols]` whose rows lie `stride` apart.
    pub fn new(cells: &'a [T], [rows, cols]: [usize; 2], stride: usize) -> Self {
        assert!(cols <= stride && (rows == 0 || (rows - 1) * stride + cols <= cells.len()), "the slice holds the matrix");
        Matrix { cells, rows, cols, row: stride, col: 1 }
    }

    /// The transpose, in the same slice.
    pub fn t(self) -> Self {
        Matrix { rows: self.cols, cols: self.rows, row: self.col, col: self.row, ..self }
    }

    /// The slice, the shape and the strides.
    pub(crate) fn parts(self) -> (&'a [T], [usize; 2], [usize; 2]) {
        (self.cells, [self.rows, self.cols], [self.row, self.col])
    }

    /// The cells from the first element to the last.
    fn cells(self) -> &'a [T] {
        let last = self.rows.saturating_sub(1) * self.row + self.cols.saturating_sub(1) * self.col;
        &self.cells[..(last + 1).min(self.cells.len())]
    }

    /// The same matrix over other cells.
    fn over<'b>(self, cells: &'b [T]) -> Matrix<'b, T> {
        Matrix { cells, rows: self.rows, cols: self.cols, row: self.row, col: self.col }
    }

    /// The matrix of what `of` makes of each element, in `room`.
    pub(crate) fn map<'b>(self, room: &'b mut Vec<T>, of: impl Fn(&T) -> T) -> Matrix<'b, T> {
        room.extend(self.cells().iter().map(of));
        self.over(room)
    }

    /// Without its first rows.
    fn below(self, first: usize) -> Self {
        Matrix { cells: &self.cells[first * self.row..], rows: self.rows - first, ..self }
    }

    /// Some of its rows.
    fn rows(self, rows: &Range<usize>) -> Self {
        Matrix { rows: rows.len(), ..self.below(rows.start) }
    }

    /// Some of its columns.
    fn columns(self, columns: &Range<usize>) -> Self {
        self.t().rows(columns).t()
    }
}

/// What is done to each finished row of a product: its number, and all cells from one row to the next.
pub type Finish<'a, T> = &'a (dyn Fn(usize, &mut [T]) + Sync);

thread_local! {
    /// Room for a packed right side and for a product the other way round. Taken while in use, so that a thread which takes up another
    /// product while it waits for its own finds none, and makes its own.
    static RIGHT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static TURNED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Columns of a right side that are copied at a time, and cells, a MiB: so much stays near while all rows of the left side go by.
const BLOCK_COLS: usize = 1024;
const BLOCK_CELLS: usize = 1 << 18;

/// `C = A·B`, then `finish` on every row of C, whose rows lie `stride` apart.
///
/// The vectors run along the columns of B. Where B lies in columns and A is much smaller, as with a small batch and a large weight, the
/// product is made the other way round, `Cᵀ = Bᵀ·Aᵀ`: then A is what is copied, and the weight is read once as it lies.
pub fn product(a: Matrix<'_, f32>, b: Matrix<'_, f32>, c: &mut [f32], stride: usize, finish: Finish<'_, f32>) {
    let (m, depth, n) = (a.rows, a.cols, b.cols);
    assert!(b.rows == depth && n <= stride && c.len() == m * stride, "the shapes of a product fit");
    // elements that either way copies; turning C back costs about three copies
    if b.col != 1 && depth * m + 3 * m * n < depth * n {
        let width = m.next_multiple_of(LINE);
        let mut room = TURNED.take();
        let product = room_of(&mut room, n * width);
        in_blocks(b.t(), a.t(), product, width, &|_, _| {});
        over_rows(c, stride, LINE, TURN * m * n, |first, cells| {
            turn(&product[first..], width, cells, stride, n);
            cells.chunks_exact_mut(stride).enumerate().for_each(|(row, cells)| finish(first + row, cells));
        });
        TURNED.set(room);
    } else {
        in_blocks(a, b, c, stride, finish);
    }
}

/// The product, block after block of B's columns and of k. Of each, B is copied into panels for the vectors, and the rows of A and C are
/// shared out.
fn in_blocks(a: Matrix<'_, f32>, b: Matrix<'_, f32>, c: &mut [f32], stride: usize, finish: Finish<'_, f32>) {
    let (m, depth, n) = (a.rows, a.cols, b.cols);
    let (mut room, widths) = (RIGHT.take(), panel_width());
    for columns in blocks(n, BLOCK_COLS, widths[0]) {
        for ks in blocks(depth, BLOCK_CELLS / columns.len().max(1), 1) {
            let right = Right::new(b.rows(&ks).columns(&columns), m, widths, room);
            let a = a.columns(&ks);
            let last = columns.end == n && ks.end == depth;
            over_rows(c, stride, ROWS, 2 * m * columns.len() * ks.len(), |first, cells| {
                let finish: Finish<'_, f32> = if last { &|row, cells| finish(first + row, cells) } else { &|_, _| {} };
                multiply(a.below(first), &right, Target { cells, stride, column: columns.start, adds: ks.start > 0 }, finish);
            });
            room = right.into_room();
        }
    }
    RIGHT.set(room);
}

/// Cuts so many into blocks of about the same size, `most` at most, all but the last a multiple of `grain`. One of none where there are none.
fn blocks(count: usize, most: usize, grain: usize) -> impl Iterator<Item = Range<usize>> {
    let size = count.div_ceil(count.div_ceil(most).max(1)).next_multiple_of(grain).max(1);
    (0..count.max(1)).step_by(size).map(move |from| from..count.min(from + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, so small that all sums are exact in `f32`: any order gives the same.
    fn whole(rows: usize, stride: usize, seed: usize) -> Vec<f32> {
        (0..rows * stride).map(|i| ((i * 31 + seed * 17) % 7) as f32 - 3.0).collect()
    }

    fn plain(a: Matrix<'_, f32>, b: Matrix<'_, f32>, i: usize, j: usize) -> f32 {
        (0..a.cols).map(|k| a.cells[i * a.row + k * a.col] * b.cells[k * b.row + j * b.col]).sum()
    }

    /// Every form that the layers use, at edges of vectors, tiles, panels and blocks.
    #[test]
    fn products_of_all_forms_and_edges_are_those_of_plain_sums() {
        let sizes = [1, 2, 5, 6, 7, 15, 16, 17, 33, 63, 64, 65, 130];
        // many columns are cut into blocks
        let wide = [(7, 1100), (1100, 7), (50, 2049)];
        let shapes = sizes.iter().flat_map(|&m| sizes.iter().map(move |&n| (m, n))).chain(wide);
        for (at, (m, n)) in shapes.enumerate() {
            let depth = [1, 3, 16, 513, 1030][at % 5];
            for (a_turned, b_turned) in [(false, false), (false, true), (true, false), (true, true)] {
                let (a_shape, b_shape) = (if a_turned { [depth, m] } else { [m, depth] }, if b_turned { [n, depth] } else { [depth, n] });
                let (a_cells, b_cells) = (whole(a_shape[0], a_shape[1] + 3, at), whole(b_shape[0], b_shape[1] + 1, at + 1));
                let a = Matrix::new(&a_cells, a_shape, a_shape[1] + 3);
                let b = Matrix::new(&b_cells, b_shape, b_shape[1] + 1);
                let (a, b) = (if a_turned { a.t() } else { a }, if b_turned { b.t() } else { b });
                let mut c = vec![9.0; m * (n + 2)];
                product(a, b, &mut c, n + 2, &|row, cells| {
                    cells[..n].iter_mut().for_each(|c| *c += row as f32);
                    cells[n] = -1.0;
                });
                for i in 0..m {
                    for j in 0..n {
                        let wanted = plain(a, b, i, j) + i as f32;
                        assert_eq!(c[i * (n + 2) + j], wanted, "{m}x{depth}x{n} {a_turned} {b_turned} at {i}, {j}");
                    }
                    assert_eq!(c[i * (n + 2) + n..][..2], [-1.0, 9.0], "what lies between rows is left to `finish`");
                }
            }
        }
    }

    /// The digits of 1/3 and the like, so that another order would round otherwise.
    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let cells = |len: usize| (0..len).map(|i| ((i * 7919) % 1013) as f32 / 3.0 - 150.0).collect::<Vec<_>>();
        for (m, depth, n) in [(32, 784, 256), (1000, 129, 130), (256, 33, 784)] {
            let (a, b) = (cells(m * depth), cells(depth * n));
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut c = vec![0.0; m * n];
                pool.install(|| product(Matrix::new(&a, [m, depth], depth), Matrix::new(&b, [n, depth], depth).t(), &mut c, n, &|_, _| {}));
                c
            };
            let one = with(1);
            for threads in [2, 3, 7] {
                assert!(one == with(threads), "{m}x{depth}x{n} on {threads} threads");
            }
        }
    }
}
