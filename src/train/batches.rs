//! The batches of an epoch, and the order of the rows in it.

use crate::rng::{Purpose, Rng};

/// What happens to the rows that do not fill the last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remainder {
    /// They make a short batch.
    #[default]
    Keep,
    /// They are left out of this epoch.
    Drop,
}

/// The sizes of an epoch's batches.
///
/// ```
/// use gradus::train::{Remainder, batches};
/// assert_eq!(batches(100, 32, Remainder::Keep), [32, 32, 32, 4]);
/// assert_eq!(batches(100, 32, Remainder::Drop), [32, 32, 32]);
/// ```
pub fn batches(rows: usize, batch: usize, remainder: Remainder) -> Vec<usize> {
    let mut sizes = vec![batch; rows / batch];
    if !rows.is_multiple_of(batch) && remainder == Remainder::Keep {
        sizes.push(rows % batch);
    }
    sizes
}

/// The same sizes for a model with batch normalisation: a last batch of one row, whose variance would be 0, joins the one before it.
pub(crate) fn without_single(mut sizes: Vec<usize>) -> Vec<usize> {
    if let [.., before, 1] = &mut sizes[..] {
        *before += 1;
        sizes.pop();
    }
    sizes
}

/// The rows in the order of an epoch: a pure function of seed and epoch, so that resuming needs no state.
pub(crate) fn order(rows: &[u32], seed: u64, epoch: usize, shuffle: bool) -> Vec<u32> {
    let mut order = rows.to_vec();
    if shuffle {
        Rng::new(seed, Purpose::Order, epoch as u64).shuffle(&mut order);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundred_rows_at_32_make_32_32_32_4() {
        assert_eq!(batches(100, 32, Remainder::Keep), [32, 32, 32, 4]);
        assert_eq!(batches(96, 32, Remainder::Keep), [32, 32, 32]);
        assert_eq!(batches(5, 32, Remainder::Keep), [5]);
        assert_eq!(batches(5, 32, Remainder::Drop), [0usize; 0]);
    }

    #[test]
    fn a_last_row_alone_joins_the_batch_before_it() {
        assert_eq!(without_single(vec![32, 32, 1]), [32, 33]);
        assert_eq!(without_single(vec![32, 2]), [32, 2]);
        assert_eq!(without_single(vec![1]), [1]);
    }

    #[test]
    fn the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone() {
        let rows: Vec<u32> = (10..60).collect();
        let first = order(&rows, 7, 3, true);
        assert_eq!(first, order(&rows, 7, 3, true));
        assert_ne!(first, order(&rows, 7, 4, true));
        assert_ne!(first, order(&rows, 8, 3, true));
        assert_eq!(order(&rows, 7, 3, false), rows);
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }
}
