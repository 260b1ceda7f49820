//! The steps of a pass over data: how many rows each has, where they are in the order, what they weigh, and which steps make one update.

use super::weights;
use crate::kernel::Part;

/// One step of the device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Beat {
    pub(crate) rows: usize,
    pub(crate) start: usize,
    pub(crate) part: Part,
    /// The number of the update, from 0, that it belongs to.
    pub(crate) update: usize,
    /// What its rows weigh, for each member.
    pub(crate) weights: Vec<f64>,
    /// What the rows of the whole update weigh, for each member.
    pub(crate) totals: Vec<f32>,
}

/// The steps for batches of these sizes, `accumulate` of them to an update. `orders` are the rows in each member's order.
pub(crate) fn beats(sizes: &[usize], accumulate: usize, orders: &[Vec<u32>], row_weights: Option<&[f32]>) -> Vec<Beat> {
    let mut beats: Vec<Beat> = Vec::with_capacity(sizes.len());
    let mut start = 0;
    for (update, group) in sizes.chunks(accumulate.max(1)).enumerate() {
        let rows: usize = group.iter().sum();
        // rows that weigh nothing have no slope, whatever it is divided by
        let total = |order: &Vec<u32>| match weights::sum(row_weights, &order[start..start + rows]) as f32 {
            0.0 => 1.0,
            total => total,
        };
        let totals: Vec<f32> = orders.iter().map(total).collect();
        for (i, &rows) in group.iter().enumerate() {
            let part = Part { first: i == 0, last: i + 1 == group.len() };
            let weights = orders.iter().map(|order| weights::sum(row_weights, &order[start..start + rows])).collect();
            beats.push(Beat { rows, start, part, update, weights, totals: totals.clone() });
            start += rows;
        }
    }
    beats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_gathered_into_updates_with_their_weights() {
        let order = vec![vec![4, 3, 2, 1, 0]];
        let weights = [1.0, 2.0, 3.0, 4.0, 5.0];
        let beats = beats(&[2, 2, 1], 2, &order, Some(&weights));
        let brief: Vec<_> =
            beats.iter().map(|b| (b.rows, b.start, b.part.first, b.part.last, b.update, b.weights[0], b.totals[0])).collect();
        // rows 4 and 3 weigh 9, 2 and 1 weigh 5, 0 weighs 1
        let wanted = [(2, 0, true, false, 0, 9.0, 14.0), (2, 2, false, true, 0, 5.0, 14.0), (1, 4, true, true, 1, 1.0, 1.0)];
        assert_eq!(brief, wanted);
    }
}
