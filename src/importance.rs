//! Which features a trained model leans on: by how much its score drops when the values of one are shuffled among the rows (Breiman 2001;
//! Fisher, Rudin and Dominici 2019). scikit-learn's `permutation_importance`.

use crate::data::{Dataset, Features, Table, Targets};
use crate::error::{Error, Result};
use crate::formula::{Link, class_of};
use crate::metrics::{r2, spread};
use crate::rng::{Purpose, Rng};
use crate::train::Training;
use std::ops::Range;

/// Columns that are shuffled together, such as those that a category was made into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are called.
    pub name: String,
    /// Where they are in a row.
    pub columns: Range<usize>,
}

impl Group {
    /// Each column of a table for itself.
    pub fn each(table: &Table) -> Vec<Group> {
        table.names().iter().enumerate().map(|(i, name)| Group { name: name.clone(), columns: i..i + 1 }).collect()
    }
}

/// What a group of columns is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// What it is called.
    pub name: String,
    /// By how much the score dropped in each repeat.
    pub drops: Vec<f64>,
}

impl Importance {
    /// The mean drop.
    pub fn mean(&self) -> f64 {
        self.drops.iter().sum::<f64>() / self.drops.len() as f64
    }

    /// The deviation of the drops from their mean, `√(Σ(d − mean)²/n)`.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.drops.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / self.drops.len() as f64).sqrt()
    }
}

/// What came of a shuffling of all groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Importances {
    /// The score: `accuracy` of classes, `r2` of numbers.
    pub score: &'static str,
    /// The score with all values where they belong.
    pub whole: f64,
    /// The groups, in the order in which they were given.
    pub groups: Vec<Importance>,
}

/// How many numbers are handed to the device at once: shuffled copies of the rows, one below the other.
const AT_ONCE: usize = 1 << 22;

/// Shuffles each group's columns `repeats` times among the rows of `data`, and sees by how much the score of the first member drops: the share of
/// rows whose largest output is the right class, or `1 − Σe²/Σ(t − mean)²`. The orders are drawn from `seed`.
///
/// A feature that others make up for is worth little, though the model may use it. Below 0 is noise.
///
/// ```
/// use gradus::importance::{Group, permutation};
/// use gradus::train::Stop;
/// use gradus::{Dataset, Device, Loss, Model, Trainer};
///
/// # fn main() -> gradus::Result<()> {
/// let (train, valid) = Dataset::moons(400, 1).split(0.8);
/// let model = Model::input(2).dense(16).relu().dense(2);
/// let mut training = Trainer::new(model, Loss::cross_entropy()).seed(7).build(Device::Cpu)?;
/// training.fit(&train, &valid, Stop::after(20))?;
/// let found = permutation(&mut training, &valid, &Group::each(valid.table()), 5, 7)?;
/// for feature in &found.groups {
///     println!("{}: {:.3} ± {:.3} of {} {:.3}", feature.name, feature.mean(), feature.deviation(), found.score, found.whole);
/// }
/// assert!(found.groups[1].mean() > 0.1);
/// # Ok(())
/// # }
/// ```
pub fn permutation(training: &mut Training, data: &Dataset, groups: &[Group], repeats: usize, seed: u64) -> Result<Importances> {
    let (table, n) = (data.table(), data.len());
    if n < 2 {
        return Err(Error::input(format!("to shuffle a feature takes at least two rows (got {n})")));
    }
    if repeats == 0 {
        return Err(Error::input("each feature must be shuffled at least once (got 0 repeats)"));
    }
    if let Some(group) = groups.iter().find(|group| group.columns.is_empty() || group.columns.end > table.width()) {
        let Group { name, columns } = group;
        return Err(Error::input(format!("`{name}` is columns {columns:?} of {}: name columns of the table", table.width())));
    }
    let judge = Judge::new(training, data)?;
    let whole = judge.score(&training.predict(0, data)?);
    // one copy of the rows for each group and repeat
    let copies: Vec<(usize, usize)> = (0..groups.len()).flat_map(|g| (0..repeats).map(move |r| (g, r))).collect();
    let mut drops = vec![Vec::with_capacity(repeats); groups.len()];
    for copies in copies.chunks((AT_ONCE / (n * table.width())).max(1)) {
        let mut sources = Vec::with_capacity(copies.len());
        for &(group, repeat) in copies {
            let order = Rng::new(seed, Purpose::Importance, (group * repeats + repeat) as u64).permutation(n);
            let from: Vec<u32> = order.iter().map(|&i| data.rows()[i as usize]).collect();
            sources.push((groups[group].columns.clone(), from));
        }
        let shuffled = Dataset::new(stacked(table, data.rows(), &sources)?);
        let outputs = training.predict(0, &shuffled)?;
        let width = outputs.len() / (n * copies.len());
        for (&(group, _), outputs) in copies.iter().zip(outputs.chunks(n * width)) {
            drops[group].push(whole - judge.score(outputs));
        }
    }
    let groups = groups.iter().zip(drops).map(|(group, drops)| Importance { name: group.name.clone(), drops }).collect();
    Ok(Importances { score: judge.name(), whole, groups })
}

/// Some rows of a table as a table of their own.
pub fn excerpt(table: &Table, rows: &[u32]) -> Result<Table> {
    let mut copy = stacked(table, rows, &[(0..0, Vec::new())])?;
    if let Some(units) = table.units() {
        copy = copy.with_units(units.to_vec())?;
    }
    match table.weights() {
        Some(weights) => copy.with_weights(rows.iter().map(|&row| weights[row as usize]).collect()),
        None => Ok(copy),
    }
}

/// Copies of the rows, one below the other; in each, some columns are those of other rows.
fn stacked(table: &Table, rows: &[u32], copies: &[(Range<usize>, Vec<u32>)]) -> Result<Table> {
    let width = table.width();
    fn fill<T: Copy>(data: &[T], width: usize, rows: &[u32], copies: &[(Range<usize>, Vec<u32>)]) -> Vec<T> {
        let mut all = Vec::with_capacity(copies.len() * rows.len() * width);
        for (columns, from) in copies {
            for (i, &row) in rows.iter().enumerate() {
                let at = all.len();
                all.extend_from_slice(&data[row as usize * width..][..width]);
                if let Some(&from) = from.get(i) {
                    all[at..][columns.clone()].copy_from_slice(&data[from as usize * width..][columns.clone()]);
                }
            }
        }
        all
    }
    let features = match table.features() {
        Features::F32(values) => Features::F32(fill(values, width, rows, copies)),
        Features::Bytes { data, scale } => Features::Bytes { data: fill(data, width, rows, copies), scale: *scale },
    };
    let whole = vec![(0..0, Vec::new()); copies.len()];
    let targets = match table.targets() {
        Targets::Classes { of, names } => Targets::Classes { of: fill(of, 1, rows, &whole), names: names.clone() },
        Targets::Values { of, names } => Targets::Values { of: fill(of, names.len(), rows, &whole), names: names.clone() },
    };
    Table::new(features, table.names().to_vec(), targets)
}

/// What outputs are judged by.
enum Judge {
    Classes(Vec<u32>),
    /// The targets row by row, what one of each is worth in its own unit, their `Σ(t − mean)²`, and what an output is put through.
    Values {
        of: Vec<f32>,
        units: Vec<f32>,
        spread: f64,
        link: Link,
    },
}

impl Judge {
    fn new(training: &Training, data: &Dataset) -> Result<Self> {
        match data.table().targets() {
            Targets::Classes { of, .. } => Ok(Judge::Classes(data.rows().iter().map(|&row| of[row as usize]).collect())),
            Targets::Values { names, .. } if names.is_empty() => {
                Err(Error::input("these rows have no targets: what a feature is worth shows in predictions that can be judged"))
            }
            Targets::Values { of, names } => {
                let (width, units) = (names.len(), data.table().units());
                let spread = spread(of, width, data.rows(), units);
                let units = units.map_or_else(|| vec![1.0; width], <[f32]>::to_vec);
                let of = data.rows().iter().flat_map(|&row| &of[row as usize * width..][..width]).copied().collect();
                Ok(Judge::Values { of, units, spread, link: training.loss().link() })
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Judge::Classes(_) => "accuracy",
            Judge::Values { .. } => "r2",
        }
    }

    fn score(&self, outputs: &[f32]) -> f64 {
        match self {
            Judge::Classes(of) => {
                let right = outputs.chunks(outputs.len() / of.len()).zip(of).filter(|(z, class)| class_of(z) == **class as usize);
                right.count() as f64 / of.len() as f64
            }
            Judge::Values { of, units, spread, link } => {
                // of a loss with two outputs a target the first half are the means
                let rows = outputs.chunks(outputs.len() * units.len() / of.len());
                let error = |((p, t), unit): ((&f32, &f32), &f32)| ((f64::from(link.apply(*p)) - f64::from(*t)) * f64::from(*unit)).powi(2);
                let squares = rows.zip(of.chunks(units.len())).map(|(p, t)| p.iter().zip(t).zip(units).map(error).sum::<f64>()).sum();
                r2(squares, *spread)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;
    use crate::loss::Loss;
    use crate::model::{Model, Weights};
    use crate::train::Trainer;

    /// `y = w·x` exactly, on 500 rows with three features, the second twice the first.
    fn linear(weights: [f32; 3]) -> (Training, Dataset) {
        let mut rng = Rng::new(1, Purpose::Synthetic, 0);
        let rows: Vec<[f32; 3]> = (0..500).map(|_| [rng.normal() as f32, rng.normal() as f32]).map(|[x, c]| [x, 2.0 * x, c]).collect();
        let y: Vec<f32> = rows.iter().map(|x| x.iter().zip(weights).map(|(x, w)| x * w).sum()).collect();
        let names = ["a", "b", "c"].map(String::from).to_vec();
        let table = Table::new(Features::F32(rows.concat()), names, Targets::Values { of: y, names: vec!["y".into()] });
        let tensors = vec![("0.weight".to_string(), vec![1, 3], weights.to_vec()), ("0.bias".to_string(), vec![1], vec![0.0])];
        let trainer = Trainer::new(Model::input(3).dense(1), Loss::named("mse").unwrap()).weights(Weights::new(tensors));
        (trainer.build(Device::Cpu).unwrap(), Dataset::new(table.unwrap()))
    }

    #[test]
    fn a_feature_is_worth_what_the_model_makes_of_it() {
        let (mut training, data) = linear([0.0, 0.0, 1.5]);
        let found = permutation(&mut training, &data, &Group::each(data.table()), 20, 7).unwrap();
        assert!(found.score == "r2" && (found.whole - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(found.groups[0].drops, vec![found.groups[0].drops[0]; 20]);
        assert!(found.groups[0].mean().abs() < 1e-6 && found.groups[1].mean().abs() < 1e-6);
        // Σ(x − x′)² is 2Σ(x − mean)²·n/(n − 1) on average over all orders: R² drops by 2, give or take 2/√n an order
        let c = &found.groups[2];
        assert!((c.mean() - 2.0).abs() < 4.0 * 2.0 / (500.0f64 * 20.0).sqrt(), "{} ± {}", c.mean(), c.deviation());
        assert!(c.deviation() > 0.0 && c.deviation() < 0.3, "{}", c.deviation());
        let again = permutation(&mut training, &data, &Group::each(data.table()), 20, 7).unwrap();
        assert_eq!(found, again);
    }

    #[test]
    fn columns_of_a_group_stay_together() {
        // 2a − b is always 0, as long as each row has its own a and b
        let (mut training, data) = linear([2.0, -1.0, 1.0]);
        let group = |name: &str, columns| Group { name: name.into(), columns };
        let groups = [group("both", 0..2), group("a", 0..1)];
        let found = permutation(&mut training, &data, &groups, 3, 7).unwrap();
        assert!(found.groups[0].mean().abs() < 1e-5 && found.groups[1].mean() > 1.0, "{found:?}");
    }

    #[test]
    fn targets_weigh_by_their_units() {
        // y is learnt in tenths: an error of it counts a hundredth of one of z
        let (names, one) = (|names: [&str; 2]| names.map(String::from).to_vec(), [1.0, 0.0, 0.0, 1.0]);
        let targets = Targets::Values { of: vec![0.5, 0.0, 1.0, 2.0], names: names(["y", "z"]) };
        let table = Table::new(Features::F32(vec![0.0, 0.0, 1.0, 1.0]), names(["a", "b"]), targets).unwrap();
        let data = Dataset::new(table.with_units(vec![0.1, 1.0]).unwrap());
        let weights = Weights::new(vec![("0.weight".into(), vec![2, 2], one.to_vec()), ("0.bias".into(), vec![2], vec![0.0; 2])]);
        let trainer = Trainer::new(Model::input(2).dense(2), Loss::named("mse").unwrap()).weights(weights);
        let mut training = trainer.build(Device::Cpu).unwrap();
        // errors 0.5 and 0 of y, 0 and 1 of z; means 0.75 and 1: 1 − (0.01·0.25 + 1)/(0.01·0.125 + 2)
        let wanted = 1.0 - 1.0025 / 2.00125;
        let found = permutation(&mut training, &data, &Group::each(data.table()), 1, 7).unwrap().whole;
        assert!((found - wanted).abs() < 1e-6, "{found}, not {wanted}");
        let part = Dataset::new(excerpt(data.table(), &[0, 1]).unwrap());
        let judged = training.evaluate(&part).unwrap().remove(0).metrics.iter().find(|(name, _)| *name == "r2").map(|found| found.1);
        assert!((judged.unwrap() - wanted).abs() < 1e-6, "{judged:?}, not {wanted}");
    }

    #[test]
    fn what_cannot_be_shuffled_is_refused() {
        let (mut training, data) = linear([1.0; 3]);
        let each = Group::each(data.table());
        let said = |outcome: Result<Importances>| outcome.unwrap_err().to_string();
        assert!(said(permutation(&mut training, &data.view(vec![0]), &each, 3, 7)).contains("two rows (got 1)"));
        assert!(said(permutation(&mut training, &data, &each, 0, 7)).contains("0 repeats"));
        let beyond = [Group { name: "d".into(), columns: 2..4 }];
        assert!(said(permutation(&mut training, &data, &beyond, 1, 7)).contains("`d` is columns 2..4 of 3"));
    }

    #[test]
    fn an_excerpt_has_its_rows_in_their_order() {
        let table = Table::new(
            Features::Bytes { data: vec![1, 2, 3, 4, 5, 6], scale: 0.5 },
            vec!["a".into(), "b".into()],
            Targets::Classes { of: vec![0, 1, 0], names: vec!["x".into(), "y".into()] },
        );
        let table = table.unwrap().with_weights(vec![1.0, 2.0, 3.0]).unwrap();
        let part = excerpt(&table, &[2, 1]).unwrap();
        assert_eq!(part.features(), &Features::Bytes { data: vec![5, 6, 3, 4], scale: 0.5 });
        assert!(matches!(part.targets(), Targets::Classes { of, .. } if of == &[0, 1]));
        assert_eq!(part.weights(), Some(&[3.0, 2.0][..]));
    }
}
