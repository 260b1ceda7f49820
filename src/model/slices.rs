//! Weight gradients of small layers with large batches: the rows are cut into parts, so that there is enough to do for a whole GPU.
//!
//! Each part's sum goes to a slice of its own, and the slices of all such layers are added in one more dispatch, in a fixed order.

use super::arena::Segment;
use super::dense::Dense;
use super::graph::Batch;
use crate::kernels::sum_slices::{MOST, SumSlices};
use crate::plan::{Buf, Builder, Kind, padded};

/// Rows and columns of the smallest tile that a workgroup makes.
const TILE: usize = 32;
/// The fewest rows of a part, and what they are a multiple of: four rounds of a tile, of 16 rows each.
const LEAST_ROWS: usize = 64;
const ROUND: usize = 16;
/// Fewer parts do not pay for the dispatch that adds them.
const LEAST_PARTS: usize = 4;

/// How the rows of a batch are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) count: usize,
    /// Rows of a part, but for the last.
    pub(super) rows: usize,
}

impl Parts {
    /// How the rows of a batch are cut for the weight gradient of a layer `outputs × inputs`, whose slice has `slice` elements, on a device that
    /// so many workgroups keep busy: into as many parts as give it that many, but none of only a few rows, nor so many that slices are more than
    /// activations. By shape and kind of adapter, never by timing, and not by how many members there are. `None` for the whole.
    pub(super) fn of(rows: usize, [outputs, inputs]: [usize; 2], slice: usize, workgroups: usize) -> Option<Parts> {
        let tiles = outputs.div_ceil(TILE) * inputs.div_ceil(TILE);
        let activations = rows * padded(outputs.max(inputs));
        let most = (workgroups / tiles).min(rows / LEAST_ROWS).min(activations / slice).min(MOST);
        (most >= LEAST_PARTS).then(|| {
            let part = rows.div_ceil(most).next_multiple_of(ROUND);
            Parts { count: rows.div_ceil(part), rows: part }
        })
    }
}

/// A layer's slices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slices {
    /// The buffer that they are in.
    pub(super) buf: Buf,
    /// Length of a member's part of it, in groups of four.
    pub(super) stride4: u32,
    /// Where the first one begins in there, in groups of four.
    from4: u32,
    /// From one slice to the next, in groups of four.
    pub(super) slice4: u32,
    /// Where the layer begins in its segment, in groups of four.
    to4: u32,
    pub(super) parts: Parts,
}

impl Slices {
    /// Where an offset in the segment is in the first slice, in groups of four.
    pub(super) fn place4(&self, offset: usize) -> u32 {
        self.from4 + offset as u32 / 4 - self.to4
    }
}

/// The slices that are in one buffer, those of layers of one segment.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) buf: Buf,
    segment: usize,
    places: Buf,
    kernel: SumSlices,
}

/// What the choice depends on besides the layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// So many workgroups keep the device busy.
    pub(super) workgroups: usize,
    /// The most bytes that a buffer may have.
    pub(super) binding: u64,
}

/// Finds the layers whose batch is cut, and adds the buffers for their slices: for each layer its own, and all of them.
pub(super) fn add(
    b: &mut Builder,
    layers: &[Option<&Dense>],
    segments: &[Segment],
    batch: Batch,
    room: Room,
) -> (Vec<Option<Slices>>, Vec<Shelf>) {
    let members = batch.members as usize;
    let (mut all, mut shelves) = (vec![None; layers.len()], Vec::new());
    for (segment, Segment { len, .. }) in segments.iter().enumerate() {
        let own = layers.iter().enumerate().filter_map(|(n, layer)| Some((n, (*layer)?))).filter(|(_, layer)| layer.segment == segment);
        let cut: Vec<_> = own
            .filter_map(|(n, layer)| {
                let parts = Parts::of(batch.rows as usize, layer.shape(), layer.span().len(), room.workgroups)?;
                Some((n, layer.span(), parts))
            })
            .collect();
        let mut rest = &cut[..];
        while !rest.is_empty() {
            // as many as a binding holds: at least one, whose slices are no more than the layer's activations, which have to fit too
            let mut stride = 0;
            let sizes = rest.iter().map(|(_, span, parts)| parts.count * span.len());
            let fits = sizes.take_while(|size| {
                stride += size;
                4 * (members * stride) as u64 <= room.binding
            });
            let (here, later) = rest.split_at(fits.count().max(1));
            rest = later;
            let stride: usize = here.iter().map(|(_, span, parts)| parts.count * span.len()).sum();
            let buf = b.buffer("slices of grads", Kind::F32, members * stride);
            let (mut from, mut total, mut places) = (0, 0, Vec::new());
            for (n, span, parts) in here {
                let quarter = |elements: usize| elements as u32 / 4;
                let (from4, to4, slice4) = (quarter(from), quarter(span.start), quarter(span.len()));
                all[*n] = Some(Slices { buf, stride4: quarter(stride), from4, slice4, to4, parts: *parts });
                total += span.len();
                from += parts.count * span.len();
                places.extend([quarter(total), from4, parts.count as u32, to4]);
            }
            let kernel = SumSlices {
                total4: total as u32 / 4,
                members: batch.members,
                stride4: stride as u32 / 4,
                arena4: *len as u32 / 4,
                layers: here.len() as u32,
            };
            shelves.push(Shelf { buf, segment, places: b.constant("places of slices", places), kernel });
        }
    }
    (all, shelves)
}

impl Shelf {
    /// Adds the slices up into the gradients.
    pub(super) fn sum(&self, b: &mut Builder, grads: &[Buf]) {
        b.dispatch(&self.kernel, &[self.places, self.buf, grads[self.segment]], "slices");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_batch_is_cut_where_a_layer_has_too_few_tiles_to_fill_the_device() {
        for (rows, [outputs, inputs], workgroups, wanted) in [
            // the CPU path and software drivers: one workgroup keeps them busy
            (1024,   [10, 128],   1,   None),
            // 4 tiles: 50 parts would fill 200, but 64 rows each make 16
            (1024,   [10, 128],   200, Some((16, 64))),
            // 32 tiles: 6 parts of 171 rows, and that up to a multiple of 16
            (1024,   [128, 256],  200, Some((6, 176))),
            // 8·25 tiles fill it, and so do 5·13 three times over, which is not worth a dispatch
            (1024,   [256, 784],  200, None),
            (1024,   [160, 416],  200, None),
            // 2 parts of 64 rows, and 4 of them
            (128,    [10, 128],   200, None),
            (256,    [10, 128],   200, Some((4, 64))),
            (32,     [10, 64],    200, None),
            // one tile; an invocation adds no more than 64 slices
            (65_536, [10, 30],    200, Some((64, 1024))),
            // 16 tiles: 12 parts, whose slices of 128·128 + 128 elements would be more than 800 rows of 128: 6
            (800,    [128, 128],  200, Some((6, 144))),
        ] {
            let slice = outputs * padded(inputs) + outputs.next_multiple_of(4);
            let found = Parts::of(rows, [outputs, inputs], slice, workgroups);
            assert_eq!(found.map(|parts| (parts.count, parts.rows)), wanted, "{rows} rows, {inputs} → {outputs}");
        }
    }

    #[test]
    fn parts_cover_the_batch_and_none_is_empty() {
        for rows in (1..3000).step_by(7) {
            if let Some(Parts { count, rows: part }) = Parts::of(rows, [16, 16], 272, 200) {
                assert!(count * part >= rows && (count - 1) * part < rows && count <= MOST, "{count} parts of {part} for {rows} rows");
            }
        }
    }
}
