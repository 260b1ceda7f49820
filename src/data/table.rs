//! A table of examples: what goes in, what is to come out, and what both are called.

use crate::error::{Error, Result};

/// The inputs of all rows, row by row, in the type that stays on the device.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// One `f32` a feature.
    F32(Vec<f32>),
    /// One byte a feature, worth `byte · scale` to the model (images: `scale` 1/255).
    Bytes {
        /// The bytes.
        data: Vec<u8>,
        /// What one unit of a byte is worth.
        scale: f32,
    },
}

/// What the model is to predict.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// A class for each row: an index into `names`.
    Classes {
        /// The class of each row.
        of: Vec<u32>,
        /// What the classes are called.
        names: Vec<String>,
    },
    /// Numbers for each row, row by row, `names.len()` of them.
    Values {
        /// The numbers.
        of: Vec<f32>,
        /// What they are called.
        names: Vec<String>,
    },
}

impl Targets {
    /// No targets, as for data whose outputs are to be predicted: numbers, but none a row.
    pub fn none() -> Self {
        Targets::Values { of: Vec::new(), names: Vec::new() }
    }

    /// Whether there are no targets: such a table can be predicted on, but neither trained on nor judged by.
    pub fn is_none(&self) -> bool {
        self.outputs() == 0
    }

    /// How many outputs a model for these targets has: one a class, or one a number.
    pub fn outputs(&self) -> usize {
        match self {
            Targets::Classes { names, .. } | Targets::Values { names, .. } => names.len(),
        }
    }
}

/// A table of examples: features and targets of the same number of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    features: Features,
    names: Vec<String>,
    targets: Targets,
    rows: usize,
    weights: Option<Vec<f32>>,
    units: Option<Vec<f32>>,
}

impl Table {
    /// A table of `names.len()` features a row.
    ///
    /// Errors when a length does not fit the others, when there are no rows or no features or more than 2³² − 1 rows, when
    /// a class has no name, or when a number is not finite (the message says in which row and column).
    ///
    /// ```
    /// use gradus::data::{Features, Table, Targets};
    /// let names = ["width", "height"].map(String::from).to_vec();
    /// let targets = Targets::Classes { of: vec![0, 1], names: ["flat", "tall"].map(String::from).to_vec() };
    /// let table = Table::new(Features::F32(vec![3.0, 1.0, 1.0, 4.0]), names, targets)?;
    /// assert_eq!((table.rows(), table.width()), (2, 2));
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn new(features: Features, names: Vec<String>, targets: Targets) -> Result<Self> {
        let width = names.len();
        let cells = match &features {
            Features::F32(values) => values.len(),
            Features::Bytes { data, .. } => data.len(),
        };
        if width == 0 || cells == 0 {
            return Err(Error::input("the data set is empty: it needs at least one row and one feature"));
        }
        let rows = cells / width;
        if rows * width != cells {
            return Err(Error::input(format!("{cells} values do not fill rows of {width} features: {} are left over", cells % width)));
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::input(format!("{rows} rows are more than the {} that a data set can have", u32::MAX)));
        }
        match &features {
            Features::F32(values) => check_finite(values, &names, "feature")?,
            Features::Bytes { scale, .. } if !scale.is_finite() => {
                return Err(Error::input(format!("the scale of the bytes is {scale}: give a finite number, such as 1/255")));
            }
            Features::Bytes { .. } => {}
        }
        check_targets(&targets, rows)?;
        Ok(Table { features, names, targets, rows, weights: None, units: None })
    }

    /// The same table with a weight for each row: how much it counts in the loss, where the mean divides by the sum of the weights.
    ///
    /// Errors when there are more or fewer weights than rows, when one is negative or not finite, or when all are 0.
    pub fn with_weights(self, weights: Vec<f32>) -> Result<Self> {
        if weights.len() != self.rows {
            return Err(Error::input(format!("there are {} rows, but {} weights: give one a row", self.rows, weights.len())));
        }
        if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            return Err(Error::input(format!("row {} has the weight {}: give a number of at least 0", row + 1, weights[row])));
        }
        if weights.iter().all(|&w| w == 0.0) {
            return Err(Error::input("all rows have the weight 0: there is nothing to learn"));
        }
        Ok(Table { weights: Some(weights), ..self })
    }

    /// The weights of the rows, where they have any.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// The same table with the unit of each target: targets are learnt as numbers of it, and metrics are told in what it is of. (The mean
    /// absolute error of a target in units of 10 is ten times that of the numbers in the table.)
    ///
    /// Errors when there are more or fewer than targets, or when one is not above 0.
    pub fn with_units(self, units: Vec<f32>) -> Result<Self> {
        let outputs = match &self.targets {
            Targets::Values { names, .. } => names.len(),
            Targets::Classes { .. } => 0,
        };
        if units.len() != outputs {
            return Err(Error::input(format!("there are {outputs} targets that are numbers, but {} units: give one each", units.len())));
        }
        if let Some(unit) = units.iter().find(|unit| !(unit.is_finite() && **unit > 0.0)) {
            return Err(Error::input(format!("a unit of a target is {unit}: give a number above 0")));
        }
        Ok(Table { units: Some(units).filter(|units| units.iter().any(|&unit| unit != 1.0)), ..self })
    }

    /// The unit of each target, where they are not all 1.
    pub fn units(&self) -> Option<&[f32]> {
        self.units.as_deref()
    }

    /// The same table with its classes numbered as in `classes`, such as those of a model that was trained before.
    ///
    /// Errors when the targets are not classes, or when a row's class is not among the given ones.
    pub fn with_classes(mut self, classes: &[String]) -> Result<Self> {
        let Targets::Classes { of, names } = &mut self.targets else {
            return Err(Error::input("the model predicts classes, but the targets of these data are not classes"));
        };
        let place: Vec<Option<u32>> = names.iter().map(|name| classes.iter().position(|c| c == name).map(|p| p as u32)).collect();
        for (row, class) in of.iter_mut().enumerate() {
            let name = &names[*class as usize];
            *class = place[*class as usize].ok_or_else(|| {
                let known = list(classes);
                Error::input(format!("row {} has class `{name}`, which the model does not know: it knows {known}", row + 1))
            })?;
        }
        *names = classes.to_vec();
        Ok(self)
    }

    /// The inputs.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// What the features are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What is to be predicted.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many features a row has.
    pub fn width(&self) -> usize {
        self.names.len()
    }
}

/// Errors at the first number that is not finite.
fn check_finite(values: &[f32], names: &[String], kind: &str) -> Result<()> {
    let Some(i) = values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
    let (row, column, value) = (i / names.len() + 1, &names[i % names.len()], values[i]);
    Err(Error::input(format!("row {row} of the data has {value} in {kind} `{column}`: give a finite number")))
}

/// Errors when the targets are not those of `rows` rows.
fn check_targets(targets: &Targets, rows: usize) -> Result<()> {
    let (cells, width) = match targets {
        Targets::Classes { of, .. } => (of.len(), 1),
        Targets::Values { of, names } => (of.len(), names.len()),
    };
    if cells != rows * width {
        return Err(Error::input(format!("there are {rows} rows, but {cells} targets at {width} a row: give {}", rows * width)));
    }
    match targets {
        Targets::Values { of, names } => check_finite(of, names, "target"),
        Targets::Classes { of, names } => match of.iter().position(|&class| class as usize >= names.len()) {
            Some(row) => Err(Error::input(format!("row {} has class {}, but only {} classes have a name", row + 1, of[row], names.len()))),
            None => Ok(()),
        },
    }
}

/// Names in a message: `a`, `b`, `c`; of more than twelve the first ten and how many more there are.
pub(super) fn list(names: &[String]) -> String {
    let shown = if names.len() > 12 { 10 } else { names.len() };
    let mut text = names[..shown].iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if shown < names.len() {
        text += &format!(" and {} more", names.len() - shown);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
        names.map(String::from).to_vec()
    }

    fn two_classes(of: Vec<u32>) -> Targets {
        Targets::Classes { of, names: names(["no", "yes"]) }
    }

    #[test]
    fn wrong_tables_are_refused_with_a_reason() {
        let floats = |values: &[f32]| Features::F32(values.to_vec());
        let numbers = |of: &[f32], n: Vec<String>| Targets::Values { of: of.to_vec(), names: n };
        let cases = [
            (floats(&[]), names(["a"]), two_classes(vec![]), "the data set is empty"),
            (floats(&[1.0]), names([]), two_classes(vec![0]), "the data set is empty"),
            (floats(&[1.0, 2.0, 3.0]), names(["a", "b"]), two_classes(vec![0]), "1 are left over"),
            (floats(&[1.0, 2.0]), names(["a"]), two_classes(vec![0]), "there are 2 rows, but 1 targets at 1 a row: give 2"),
            (floats(&[1.0]), names(["a"]), two_classes(vec![2]), "row 1 has class 2, but only 2 classes have a name"),
            (floats(&[1.0, 2.0, 3.0, f32::NAN]), names(["a", "b"]), two_classes(vec![0, 1]), "row 2 of the data has NaN in feature `b`"),
            (floats(&[f32::INFINITY]), names(["a"]), two_classes(vec![0]), "row 1 of the data has inf in feature `a`"),
            (floats(&[1.0]), names(["a"]), numbers(&[f32::NAN], names(["y"])), "row 1 of the data has NaN in target `y`"),
            (floats(&[1.0]), names(["a"]), numbers(&[1.0], names([])), "1 targets at 0 a row"),
            (Features::Bytes { data: vec![1], scale: f32::NAN }, names(["a"]), two_classes(vec![0]), "the scale of the bytes is NaN"),
        ];
        for (features, names, targets, wanted) in cases {
            let message = Table::new(features, names, targets).expect_err(wanted).to_string();
            assert!(message.contains(wanted), "`{message}` does not say `{wanted}`");
        }
    }

    #[test]
    fn a_table_may_have_no_targets() {
        let table = Table::new(Features::F32(vec![1.0, 2.0]), names(["a"]), Targets::none()).expect("two rows");
        assert!(table.targets().is_none() && table.rows() == 2);
        assert!(!two_classes(vec![]).is_none());
    }

    #[test]
    fn classes_are_renumbered_by_name() {
        let table = |of| Table::new(Features::F32(vec![0.0; 3]), names(["a"]), two_classes(of)).expect("three rows");
        let renamed = table(vec![0, 1, 0]).with_classes(&names(["maybe", "yes", "no"])).expect("all known");
        assert_eq!(*renamed.targets(), Targets::Classes { of: vec![2, 1, 2], names: names(["maybe", "yes", "no"]) });
        let message = table(vec![0, 0, 1]).with_classes(&names(["no"])).expect_err("`yes` is unknown").to_string();
        assert_eq!(message, "row 3 has class `yes`, which the model does not know: it knows `no`");
        // a class that no row has need not be known
        assert!(table(vec![0, 0, 0]).with_classes(&names(["no"])).is_ok());
    }

    #[test]
    fn long_lists_of_names_are_cut() {
        let many: Vec<String> = (0..13).map(|i| i.to_string()).collect();
        assert_eq!(list(&many), "`0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9` and 3 more");
        assert_eq!(list(&many[..2]), "`0`, `1`");
    }
}
