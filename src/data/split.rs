//! Which rows are for training, which for validation and which for the test.

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Rng};

/// How to part a data set in three: training, validation, test.
///
/// A part of share s of n rows has round(s·n) rows, and at least one where s is above 0; training has the rest. (scikit-learn
/// rounds the test's part up.) The seed draws which rows go where; within a part they keep the order of the data, so that training
/// without shuffling takes them as the file has them. (scikit-learn leaves them in the order of its draw.)
///
/// With `stratify`, and where the targets are classes, each part has each class in the same share as the whole, rounded up or
/// down to a whole row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The share of the rows for validation, from 0 (none) to below 1.
    pub valid: f64,
    /// The share of the rows for the test, from 0 (none) to below 1.
    pub test: f64,
    /// Whether each part has each class in the same share.
    pub stratify: bool,
    /// What the shuffling depends on.
    pub seed: u64,
}

impl Default for Split {
    /// 15 % for validation, 15 % for the test, stratified, seed 0.
    fn default() -> Self {
        Split { valid: 0.15, test: 0.15, stratify: true, seed: 0 }
    }
}

impl Split {
    /// The parts for training, validation and test, in this order. A part with share 0 is empty.
    ///
    /// Errors when a share is negative or not a number, when they add up to 1 or more, or when no row is left for training.
    ///
    /// ```
    /// use gradus::data::{Dataset, Split};
    /// let (train, valid, test) = Split { valid: 0.2, test: 0.0, ..Split::default() }.apply(&Dataset::moons(50, 7))?;
    /// assert_eq!((train.len(), valid.len(), test.len()), (40, 10, 0));
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn apply(&self, data: &Dataset) -> Result<(Dataset, Dataset, Dataset)> {
        let [train, valid, test] = self.positions(data.len(), class_of(data, self.stratify))?;
        let view = |positions: Vec<u32>| data.view(positions.into_iter().map(|position| data.rows()[position as usize]).collect());
        Ok((view(train), view(valid), view(test)))
    }

    /// The rows for training, validation and test of the rows of such targets, before there is a table.
    ///
    /// Errors as [`Split::apply`] does.
    pub fn rows(&self, targets: &Targets, rows: usize) -> Result<[Vec<u32>; 3]> {
        self.positions(rows, |row| match targets {
            Targets::Classes { of, .. } if self.stratify => of[row as usize] as usize,
            _ => 0,
        })
    }

    fn positions(&self, rows: usize, class_of: impl Fn(u32) -> usize) -> Result<[Vec<u32>; 3]> {
        for (name, share) in [("valid", self.valid), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::input(format!("{name} must be from 0 to below 1 (got {share}): set it with [data] split")));
            }
        }
        if self.valid + self.test >= 1.0 {
            let sum = self.valid + self.test;
            return Err(Error::input(format!(
                "valid and test must add up to less than 1 (got {} + {} = {sum}), to leave rows for training: lower them in [data] split",
                self.valid, self.test
            )));
        }
        let part = |share: f64| ((share * rows as f64).round() as usize).max(usize::from(share > 0.0));
        let (valid, test) = (part(self.valid), part(self.test));
        if valid + test >= rows {
            return Err(Error::input(format!(
                "no row is left for training: of {rows} rows, valid takes {valid} and test {test}: lower them in [data] split, or give more data"
            )));
        }
        Ok(part_rows(rows, class_of, [rows - valid - test, valid, test], self.seed))
    }
}

impl Dataset {
    /// Training and validation: `share` of the rows and the rest, by seed 0. See [`Dataset::split_seeded`].
    ///
    /// ```
    /// use gradus::data::Dataset;
    /// let (train, valid) = Dataset::spirals(3, 600, 7).split(0.8);
    /// assert_eq!((train.len(), valid.len()), (480, 120));
    /// ```
    pub fn split(&self, share: f64) -> (Dataset, Dataset) {
        self.split_seeded(share, 0)
    }

    /// Training and validation: round(`share`·n) of the n rows and the rest, drawn by the seed, and stratified where the
    /// targets are classes, as [`Split`] does it.
    ///
    /// A part may be empty. Panics when `share` is not from 0 to 1; [`Split::apply`] has errors instead.
    pub fn split_seeded(&self, share: f64, seed: u64) -> (Dataset, Dataset) {
        assert!((0.0..=1.0).contains(&share), "the share for training must be from 0 to 1 (got {share})");
        let train = (share * self.len() as f64).round() as usize;
        let [train, valid, _] = part_rows(self.len(), class_of(self, true), [train, self.len() - train, 0], seed);
        let view = |positions: Vec<u32>| self.view(positions.into_iter().map(|position| self.rows()[position as usize]).collect());
        (view(train), view(valid))
    }
}

/// The class of the row at a position of the view; all are of one where the parts need not have each class's share.
fn class_of(data: &Dataset, stratify: bool) -> impl Fn(u32) -> usize {
    move |position| match data.table().targets() {
        Targets::Classes { of, .. } if stratify => of[data.rows()[position as usize] as usize] as usize,
        _ => 0,
    }
}

/// Parts of the given sizes, which add up to all rows: each position, in shuffled order, goes where its class still has room.
fn part_rows(rows: usize, class_of: impl Fn(u32) -> usize, sizes: [usize; 3], seed: u64) -> [Vec<u32>; 3] {
    let mut counts = vec![0; (0..rows as u32).map(|row| class_of(row) + 1).max().unwrap_or(0)];
    (0..rows as u32).for_each(|row| counts[class_of(row)] += 1);
    let mut room = share_out(&counts, sizes);
    let mut parts = sizes.map(Vec::with_capacity);
    for position in Rng::new(seed, Purpose::Split, 0).permutation(rows) {
        let room = &mut room[class_of(position)];
        let part = room.iter().position(|&free| free > 0).expect("a class has as much room as it has rows");
        room[part] -= 1;
        parts[part].push(position);
    }
    parts.map(|mut positions| {
        positions.sort_unstable();
        positions
    })
}

/// How many rows of each class go to each part: the class's count times the part's share, rounded up or down so that both the
/// classes' counts and the parts' sizes come out exactly.
///
/// Where several roundings do, larger remainders are rounded up first. One always exists, because the unrounded numbers are
/// themselves a flow from classes to parts with integer bounds; paths that move a unit between parts find it.
fn share_out(counts: &[usize], sizes: [usize; 3]) -> Vec<[usize; 3]> {
    let total: u128 = sizes.iter().map(|&size| size as u128).sum::<u128>().max(1);
    let quota = |count: usize, size: usize| (count as u128 * size as u128 / total) as usize;
    let remainder = |count: usize, size: usize| count as u128 * size as u128 % total;
    let down: Vec<[usize; 3]> = counts.iter().map(|&count| sizes.map(|size| quota(count, size))).collect();
    let mut rounding = Rounding {
        wish: counts.iter().map(|&count| by_remainder(sizes.map(|size| remainder(count, size)))).collect(),
        up: vec![[false; 3]; counts.len()],
        open: [0, 1, 2].map(|part| sizes[part] - down.iter().map(|class| class[part]).sum::<usize>()),
    };
    for (class, &count) in counts.iter().enumerate() {
        for _ in down[class].iter().sum()..count {
            let placed = rounding.place(class, &mut [false; 3]);
            debug_assert!(placed, "the remainders of class {class} have no place");
        }
    }
    down.iter().zip(&rounding.up).map(|(down, up)| [0, 1, 2].map(|part| down[part] + usize::from(up[part]))).collect()
}

/// The parts with a remainder above 0, the largest first.
fn by_remainder(remainders: [u128; 3]) -> Vec<usize> {
    let mut parts: Vec<usize> = (0..3).filter(|&part| remainders[part] > 0).collect();
    parts.sort_by_key(|&part| std::cmp::Reverse(remainders[part]));
    parts
}

/// Which numbers of a table of classes and parts are rounded up.
struct Rounding {
    /// The parts in which a class can be rounded up, the best first.
    wish: Vec<Vec<usize>>,
    /// Where a class is rounded up.
    up: Vec<[bool; 3]>,
    /// How many classes each part can still round up.
    open: [usize; 3],
}

impl Rounding {
    /// Rounds a class up in one more part, if need be by moving another class's unit out of it (an augmenting path).
    fn place(&mut self, class: usize, seen: &mut [bool; 3]) -> bool {
        for part in self.wish[class].clone() {
            if self.up[class][part] || std::mem::replace(&mut seen[part], true) {
                continue;
            }
            if self.open[part] > 0 {
                self.open[part] -= 1;
                self.up[class][part] = true;
                return true;
            }
            for other in 0..self.up.len() {
                if self.up[other][part] && self.place(other, seen) {
                    self.up[other][part] = false;
                    self.up[class][part] = true;
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Features, Table};

    /// A row for each class, with the row's number as its feature.
    fn labelled(classes: &[u32]) -> Dataset {
        let count = classes.iter().max().map_or(0, |max| max + 1);
        let targets = Targets::Classes { of: classes.to_vec(), names: (0..count).map(|c| c.to_string()).collect() };
        let features = Features::F32((0..classes.len()).map(|row| row as f32).collect());
        Dataset::new(Table::new(features, vec!["row".into()], targets).expect("a sound table"))
    }

    fn counts(data: &Dataset, classes: usize) -> Vec<usize> {
        let Targets::Classes { of, .. } = data.table().targets() else { panic!("not classes") };
        (0..classes).map(|class| data.rows().iter().filter(|&&row| of[row as usize] as usize == class).count()).collect()
    }

    #[test]
    fn every_row_is_in_exactly_one_part() {
        for stratify in [true, false] {
            let data = Dataset::spirals(3, 101, 1);
            let (train, valid, test) = Split { valid: 0.2, test: 0.1, stratify, seed: 4 }.apply(&data).expect("a sound split");
            // 20.2 and 10.1
            assert_eq!((train.len(), valid.len(), test.len()), (71, 20, 10));
            let parts = [train.rows(), valid.rows(), test.rows()];
            assert!(parts.iter().all(|rows| rows.is_sorted()), "a part does not keep the order of the data");
            let mut all = parts.concat();
            assert!(!all.is_sorted(), "the rows were not drawn");
            all.sort();
            assert_eq!(all, data.rows());
        }
    }

    #[test]
    fn classes_keep_their_shares_when_stratified() {
        // 90, 9 and 1 rows of a class; 20 % of them are 18, 1.8 and 0.2
        let classes: Vec<u32> = (0..100).map(|row| if row < 90 { 0 } else { u32::from(row == 99) + 1 }).collect();
        let (train, valid, test) = Split { valid: 0.2, test: 0.2, stratify: true, seed: 9 }.apply(&labelled(&classes)).expect("sound");
        assert_eq!(counts(&valid, 3), [18, 2, 0]);
        assert_eq!(counts(&test, 3), [18, 2, 0]);
        assert_eq!(counts(&train, 3), [54, 5, 1]);
    }

    #[test]
    fn every_share_is_within_a_row_and_every_total_is_right() {
        let mut rng = Rng::new(2, Purpose::Synthetic, 0);
        for _ in 0..2000 {
            let counts: Vec<usize> = (0..rng.below(6) + 1).map(|_| rng.below(9) as usize).collect();
            let total: usize = counts.iter().sum();
            let valid = rng.below(total as u64 + 1) as usize;
            let test = rng.below((total - valid) as u64 + 1) as usize;
            let sizes = [total - valid - test, valid, test];
            let shared = share_out(&counts, sizes);
            for part in 0..3 {
                assert_eq!(shared.iter().map(|class| class[part]).sum::<usize>(), sizes[part], "{counts:?} {sizes:?} {shared:?}");
            }
            for (class, &count) in counts.iter().enumerate() {
                assert_eq!(shared[class].iter().sum::<usize>(), count, "{counts:?} {sizes:?} {shared:?}");
                for part in 0..3 {
                    let exact = (count * sizes[part]) as f64 / total.max(1) as f64;
                    assert!((shared[class][part] as f64 - exact).abs() < 1.0, "{counts:?} {sizes:?} {shared:?}");
                }
            }
        }
    }

    #[test]
    fn a_unit_moves_when_its_place_is_needed() {
        // two classes of one row, one row for each of two parts: both classes wish for the same part first
        assert_eq!(share_out(&[1, 1], [1, 1, 0]), [[0, 1, 0], [1, 0, 0]]);
        assert_eq!(share_out(&[50, 50, 50], [105, 23, 22]).iter().map(|class| class[1]).sum::<usize>(), 23);
    }

    #[test]
    fn the_seed_decides_and_views_are_split_too() {
        let data = Dataset::moons(40, 1).view((10..30).collect());
        let rows = |seed| data.split_seeded(0.75, seed).0.rows().to_vec();
        assert_eq!(rows(3), rows(3));
        assert_ne!(rows(3), rows(4));
        assert_eq!(rows(0), data.split(0.75).0.rows());
        assert!(rows(3).iter().all(|row| (10..30).contains(row)));
        assert_eq!(rows(3).len(), 15);
    }

    #[test]
    fn numbers_are_not_stratified() {
        let (train, valid, test) = Split { valid: 0.25, test: 0.0, stratify: true, seed: 0 }.apply(&Dataset::sine(8, 1)).expect("sound");
        assert_eq!((train.len(), valid.len(), test.len()), (6, 2, 0));
    }

    #[test]
    fn a_small_share_has_at_least_one_row() {
        let (train, valid, test) = Split { valid: 0.01, test: 0.01, ..Split::default() }.apply(&Dataset::moons(5, 1)).expect("sound");
        assert_eq!((train.len(), valid.len(), test.len()), (3, 1, 1));
    }

    #[test]
    fn impossible_shares_are_refused() {
        let data = Dataset::moons(4, 1);
        let split = |valid, test, data: &Dataset| Split { valid, test, ..Split::default() }.apply(data).expect_err("refused").to_string();
        assert_eq!(split(-0.1, 0.2, &data), "valid must be from 0 to below 1 (got -0.1): set it with [data] split");
        assert_eq!(split(0.1, f64::NAN, &data), "test must be from 0 to below 1 (got NaN): set it with [data] split");
        assert_eq!(split(0.1, 1.0, &data), "test must be from 0 to below 1 (got 1): set it with [data] split");
        assert!(split(0.5, 0.5, &data).starts_with("valid and test must add up to less than 1 (got 0.5 + 0.5 = 1)"));
        assert!(split(0.45, 0.45, &data).starts_with("no row is left for training: of 4 rows, valid takes 2 and test 2"));
        assert!(split(0.0, 0.0, &data.view(vec![])).starts_with("no row is left for training: of 0 rows"));
    }

    #[test]
    #[should_panic(expected = "the share for training must be from 0 to 1 (got 1.5)")]
    fn a_share_above_1_panics() {
        Dataset::moons(4, 1).split(1.5);
    }
}
