//! Features on their way to the device: all of them before the first step, or a chunk of the epoch at a time, ahead of the steps that need it.

use super::beats::Beat;
use crate::data::{Features, Table};
use crate::error::Result;
use crate::exec::Executor;
use crate::model::Compiled;
use crate::plan::{Buf, padded};
use std::ops::Range;

/// Features that are not resident. The rows of an epoch are cut, in its order, into chunks that a buffer of the ring holds; a batch is never cut.
/// Members have orders of their own, so a chunk holds each one's rows, but for orders that are all the same: then it holds them once.
pub(super) struct Stream {
    /// Rows of a chunk, for each member.
    rows: usize,
    members: usize,
    /// Of the places in the order.
    chunks: Vec<Range<usize>>,
    /// The members' orders, or the one that is all of theirs.
    orders: Vec<Vec<u32>>,
    /// The chunk that was brought last, and the buffer of the ring that it is in.
    here: Option<(usize, usize)>,
}

impl Stream {
    /// What streams a plan's features; nothing where they are resident.
    pub(super) fn new(compiled: &Compiled, members: usize) -> Option<Self> {
        compiled.chunk_rows.map(|rows| Stream { rows, members, chunks: Vec::new(), orders: Vec::new(), here: None })
    }

    /// Takes in the orders of an epoch with its steps; hands out where each row of the order will be in a buffer of the ring `[members, stride]`.
    pub(super) fn set_orders(&mut self, orders: &[Vec<u32>], beats: &[Beat], stride: usize) -> Vec<u32> {
        self.chunks.clear();
        for &Beat { start, rows, .. } in beats {
            match self.chunks.last_mut() {
                Some(chunk) if start + rows - chunk.start <= self.rows => chunk.end = start + rows,
                _ => self.chunks.push(start..start + rows),
            }
        }
        let same = orders.windows(2).all(|two| two[0] == two[1]);
        self.orders = if same { orders[..1].to_vec() } else { orders.to_vec() };
        self.here = None;
        let mut places = vec![0; self.members * stride];
        for (member, places) in places.chunks_mut(stride).enumerate() {
            let before = if same { 0 } else { member };
            for chunk in &self.chunks {
                let first = before * chunk.len();
                chunk.clone().for_each(|at| places[at] = (first + at - chunk.start) as u32);
            }
        }
        places
    }

    /// Brings the chunk of the first of these steps to the device, where it is not there yet: into the buffer of the ring that the steps before it do
    /// not read, so that the device goes on with them. Hands out which buffer it is, and how many of the steps are within the chunk.
    pub(super) fn bring(
        &mut self,
        beats: &[Beat],
        executor: &mut dyn Executor,
        compiled: &Compiled,
        table: &Table,
    ) -> Result<(usize, usize)> {
        let wanted = self.chunks.partition_point(|chunk| chunk.end <= beats[0].start);
        let chunk = self.chunks[wanted].clone();
        let steps = beats.iter().take_while(|beat| beat.start + beat.rows <= chunk.end).count();
        let slot = match self.here {
            Some((here, slot)) if here == wanted => return Ok((slot, steps)),
            Some((_, slot)) => (slot + 1) % compiled.features.len(),
            None => 0,
        };
        let rows = self.orders.iter().flat_map(|order| &order[chunk.clone()]).copied();
        write(executor, compiled.features[slot], table, rows)?;
        self.here = Some((wanted, slot));
        Ok((slot, steps))
    }
}

/// Uploads resident features; nothing where they are streamed.
pub(super) fn upload(executor: &mut dyn Executor, compiled: &Compiled, table: &Table) -> Result<()> {
    if compiled.chunk_rows.is_some() {
        return Ok(());
    }
    let each = table.rows().div_ceil(compiled.features.len());
    for (n, &features) in compiled.features.iter().enumerate() {
        let rows = n * each..table.rows().min((n + 1) * each);
        match table.features() {
            // rows without padding are as they are
            Features::F32(values) if table.width() == padded(table.width()) => {
                executor.write(features, 0, &values[rows.start * table.width()..rows.end * table.width()])?;
            }
            _ => write(executor, features, table, rows.map(|row| row as u32))?,
        }
    }
    Ok(())
}

/// Writes rows of a table to the start of a buffer, in their own type, each padded to a group of four.
fn write(executor: &mut dyn Executor, buf: Buf, table: &Table, rows: impl Iterator<Item = u32>) -> Result<()> {
    let width = table.width();
    let of = |row: u32| row as usize * width..(row as usize + 1) * width;
    match table.features() {
        Features::F32(values) => {
            let mut cells = Vec::with_capacity(rows.size_hint().0 * padded(width));
            for row in rows {
                cells.extend_from_slice(&values[of(row)]);
                cells.resize(cells.len().next_multiple_of(4), 0.0);
            }
            executor.write(buf, 0, &cells)
        }
        Features::Bytes { data, .. } => {
            let mut words = Vec::with_capacity(rows.size_hint().0 * width.div_ceil(4));
            for row in rows {
                let (fours, rest) = data[of(row)].as_chunks::<4>();
                words.extend(fours.iter().map(|&four| u32::from_le_bytes(four)));
                if !rest.is_empty() {
                    let mut four = [0; 4];
                    four[..rest.len()].copy_from_slice(rest);
                    words.push(u32::from_le_bytes(four));
                }
            }
            executor.write_words(buf, 0, &words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::beats::beats;

    #[test]
    fn an_epoch_is_cut_into_chunks_between_batches() {
        let stream = || Stream { rows: 5, members: 2, chunks: Vec::new(), orders: Vec::new(), here: None };
        let orders = [vec![6, 5, 4, 3, 2, 1, 0], vec![0, 1, 2, 3, 4, 5, 6]];
        // 2 + 2, then 2 + 1: a third batch of 2 would make 6
        let beats = beats(&[2, 2, 2, 1], 1, &orders, None);
        let mut own = stream();
        assert_eq!(own.set_orders(&orders, &beats, 8), [0, 1, 2, 3, 0, 1, 2, 0, 4, 5, 6, 7, 3, 4, 5, 0]);
        assert_eq!(own.chunks, [0..4, 4..7]);
        let mut same = stream();
        let orders = [orders[0].clone(), orders[0].clone()];
        assert_eq!(same.set_orders(&orders, &beats, 8), [0, 1, 2, 3, 0, 1, 2, 0, 0, 1, 2, 3, 0, 1, 2, 0]);
        assert_eq!(same.orders.len(), 1);
    }
}
