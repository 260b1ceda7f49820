//! What rows weigh in the loss: their own weights and those of their classes.

use crate::data::{Dataset, Table, Targets};
use crate::error::{Error, Result};

/// What the classes weigh in the loss.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ClassWeights {
    /// All alike.
    #[default]
    None,
    /// Each by how rare it is among the rows for training: `rows / (classes · rows of the class)`, as scikit-learn's `balanced`.
    Balanced,
    /// As given, in the order of the classes.
    Given(Vec<f64>),
    /// As given by name; classes that are not named weigh 1.
    Named(Vec<(String, f64)>),
}

impl ClassWeights {
    /// The weights of a table's classes; `None` where all weigh alike. Errors when there are no classes, when names or their number do
    /// not fit, or when a weight is not a number above 0.
    pub(crate) fn resolve(&self, table: &Table, train: &[u32]) -> Result<Option<Vec<f32>>> {
        // data to predict for have no classes to weigh
        if *self == ClassWeights::None || table.targets().is_none() {
            return Ok(None);
        }
        let Targets::Classes { of, names } = table.targets() else {
            return Err(Error::input("class weights are for classes, but the target is numbers: leave [data] class_weights out"));
        };
        let weights = match self {
            ClassWeights::None => return Ok(None),
            ClassWeights::Balanced => {
                let mut counts = vec![0usize; names.len()];
                train.iter().for_each(|&row| counts[of[row as usize] as usize] += 1);
                if let Some(absent) = counts.iter().position(|&count| count == 0) {
                    let name = &names[absent];
                    return Err(Error::input(format!(
                        "no row for training is of class `{name}`: give class weights by hand, or split otherwise"
                    )));
                }
                counts.iter().map(|&count| train.len() as f64 / (names.len() * count) as f64).collect()
            }
            ClassWeights::Given(weights) if weights.len() == names.len() => weights.clone(),
            ClassWeights::Given(weights) => {
                return Err(Error::input(format!(
                    "there are {} classes, but {} class weights: give one a class",
                    names.len(),
                    weights.len()
                )));
            }
            ClassWeights::Named(weights) => {
                if let Some((name, _)) = weights.iter().find(|(name, _)| !names.contains(name)) {
                    return Err(Error::input(format!("class_weights names a class `{name}`; the classes are {}", names.join(", "))));
                }
                let weight = |name: &String| weights.iter().find(|(known, _)| known == name).map_or(1.0, |(_, weight)| *weight);
                names.iter().map(weight).collect()
            }
        };
        match weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
            Some(class) => {
                Err(Error::input(format!("the weight of class `{}` must be a number above 0 (got {})", names[class], weights[class])))
            }
            None => Ok(Some(weights.iter().map(|&w| w as f32).collect())),
        }
    }
}

/// What each row of a table weighs in all, its own weight times its class's; `None` where all weigh 1.
pub(crate) fn of_rows(table: &Table, classes: Option<&[f32]>) -> Option<Vec<f32>> {
    let class_of = |row: usize| match (table.targets(), classes) {
        (Targets::Classes { of, .. }, Some(weights)) => weights[of[row] as usize],
        _ => 1.0,
    };
    (table.weights().is_some() || classes.is_some()).then(|| {
        let own = |row: usize| table.weights().map_or(1.0, |weights| weights[row]);
        (0..table.rows()).map(|row| own(row) * class_of(row)).collect()
    })
}

/// The sum of the weights of a view's rows.
pub(crate) fn sum(weights: Option<&[f32]>, rows: &[u32]) -> f64 {
    match weights {
        Some(weights) => rows.iter().map(|&row| f64::from(weights[row as usize])).sum(),
        None => rows.len() as f64,
    }
}

/// An error when the rows of a view weigh nothing.
pub(crate) fn check(weights: Option<&[f32]>, data: &Dataset) -> Result<()> {
    match sum(weights, data.rows()) > 0.0 {
        true => Ok(()),
        false => Err(Error::input("all rows of a part of the split have the weight 0: give others a weight, or split otherwise")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Features;

    fn table() -> Table {
        let targets = Targets::Classes { of: vec![0, 0, 0, 1], names: vec!["a".into(), "b".into()] };
        Table::new(Features::F32(vec![0.0; 4]), vec!["x".into()], targets).unwrap()
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // 4 / (2·3) and 4 / (2·1)
        let weights = ClassWeights::Balanced.resolve(&table(), &[0, 1, 2, 3]).unwrap().unwrap();
        assert_eq!(weights, [4.0f32 / 6.0, 2.0]);
        let own = table().with_weights(vec![1.0, 0.5, 0.0, 2.0]).unwrap();
        assert_eq!(of_rows(&own, Some(&weights)), Some(vec![4.0f32 / 6.0, 2.0 / 6.0, 0.0, 4.0]));
        assert_eq!(of_rows(&table(), None), None);
        assert_eq!((sum(None, &[0, 2]), sum(Some(&[1.0, 2.0, 3.0]), &[0, 2])), (2.0, 4.0));
    }

    #[test]
    fn weights_that_make_no_sense_are_refused() {
        let refused = |weights: ClassWeights, wanted: &str| {
            let message = weights.resolve(&table(), &[0, 1]).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        };
        refused(ClassWeights::Balanced, "no row for training is of class `b`");
        refused(ClassWeights::Given(vec![1.0]), "there are 2 classes, but 1 class weights");
        refused(ClassWeights::Given(vec![1.0, 0.0]), "the weight of class `b` must be a number above 0 (got 0)");
        refused(ClassWeights::Named(vec![("c".into(), 1.0)]), "names a class `c`; the classes are a, b");
        assert!(
            table().with_weights(vec![1.0]).is_err()
                && table().with_weights(vec![-1.0; 4]).is_err()
                && table().with_weights(vec![0.0; 4]).is_err()
        );
    }
}
