//! Copies that a product needs: the right side in panels along which the vectors run, and blocks of a left side that lies in columns.

use super::Matrix;
use crate::parallel::over_rows;

/// The right side of a product: panel after panel of so many columns, in each the rows k one after the other, padded with zeros. Where
/// it is read too seldom to be worth a copy, the panels that are whole vectors stay where they are.
pub(super) struct Right<'a> {
    b: Matrix<'a, f32>,
    /// Columns that are not copied.
    in_place: usize,
    cells: Vec<f32>,
    pub(super) cols: usize,
    pub(super) panel: usize,
}

impl<'a> Right<'a> {
    /// The panels of a matrix for a left side of `m` rows, on a processor with so many lanes; `room` is overwritten.
    pub(super) fn new(b: Matrix<'a, f32>, m: usize, [panel, lanes]: [usize; 2], room: Vec<f32>) -> Self {
        let (depth, cols) = (b.rows, b.cols);
        let in_place = match b.col == 1 && m <= FEW_ROWS {
            true if (cols % panel).is_multiple_of(lanes) => cols,
            true => cols - cols % panel,
            false => 0,
        };
        let mut cells = room;
        let copied = room_of(&mut cells, (cols - in_place).div_ceil(panel) * depth * panel);
        over_rows(copied, depth * panel, 1, TURN * depth * (cols - in_place), |first, cells| {
            let from = in_place + first * panel;
            if b.col == 1 {
                // row after row: a panel after the other would touch every page of the matrix for each
                let to = cols.min(from + cells.len() / depth.max(1));
                for k in 0..depth {
                    for (i, part) in b.cells[k * b.row..][from..to].chunks(panel).enumerate() {
                        let row = &mut cells[(i * depth + k) * panel..][..panel];
                        row[..part.len()].copy_from_slice(part);
                        row[part.len()..].fill(0.0);
                    }
                }
                return;
            }
            for (i, cells) in cells.chunks_exact_mut(depth * panel).enumerate() {
                let from = from + i * panel;
                let width = panel.min(cols - from);
                turn(&b.cells[from * b.col..], b.col, cells, panel, width);
                if width < panel {
                    cells.chunks_exact_mut(panel).for_each(|row| row[width..].fill(0.0));
                }
            }
        });
        Right { b, in_place, cells, cols, panel }
    }

    /// The rows from `k` on of the panel that starts at column `from`, and how far it is from one to the next.
    pub(super) fn rows(&self, from: usize, k: usize) -> (&[f32], usize) {
        match from < self.in_place {
            true => (&self.b.cells[k * self.b.row + from..], self.b.row),
            false => (&self.cells[(from - self.in_place) * self.b.rows + k * self.panel..], self.panel),
        }
    }

    /// The room, for the next.
    pub(super) fn into_room(self) -> Vec<f32> {
        self.cells
    }
}

/// So many cells of a room that is kept, with whatever is in them.
pub(super) fn room_of(cells: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if cells.len() < len {
        cells.resize(len, 0.0);
    }
    &mut cells[..len]
}

/// Left sides of so few rows read each panel too seldom to copy it first.
const FEW_ROWS: usize = 48;

/// Elements of a block that is turned at a time: as many as a cache line holds.
pub(super) const LINE: usize = 16;
/// For how many operations of a product an element counts that is turned.
pub(super) const TURN: usize = 48;

/// Writes `to[i][j] = from[j][i]` for all rows i of `to` and its first `width` columns j.
pub(super) fn turn(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize, width: usize) {
    let rows = to.len() / to_stride;
    for (block, to) in to.chunks_mut(LINE * to_stride).enumerate() {
        let height = LINE.min(rows - block * LINE);
        let from = &from[block * LINE..];
        for j in (0..width).step_by(4) {
            if height == LINE && j + 4 <= width {
                let columns: [&[f32; LINE]; 4] =
                    std::array::from_fn(|n| from[(j + n) * from_stride..].first_chunk().expect("a whole line"));
                for (i, row) in to.chunks_exact_mut(to_stride).enumerate() {
                    row[j..j + 4].copy_from_slice(&[columns[0][i], columns[1][i], columns[2][i], columns[3][i]]);
                }
            } else {
                for (i, row) in to.chunks_exact_mut(to_stride).enumerate() {
                    row[j..width.min(j + 4)].iter_mut().enumerate().for_each(|(n, cell)| *cell = from[(j + n) * from_stride + i]);
                }
            }
        }
    }
}
