//! Data sets: a table of features and targets, and views of its rows.

use crate::error::{Error, Result};
use std::sync::Arc;

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
}

impl Table {
    /// A table of `names.len()` features a row. Errors when a length does not fit the others, when there are no rows or no
    /// features, when a class has no name, or when a number is not finite (the message says in which row and column).
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
        let wanted = match &targets {
            Targets::Classes { of, .. } => of.len(),
            Targets::Values { of, names } => of.len() / names.len().max(1),
        };
        if rows * width != cells || wanted != rows {
            return Err(Error::input(format!("{cells} values in rows of {width} do not make {wanted} rows, which the targets have")));
        }
        if let Features::F32(values) = &features
            && let Some(i) = values.iter().position(|v| !v.is_finite())
        {
            let (row, column) = (i / width, &names[i % width]);
            return Err(Error::input(format!("row {} of the data has {} in feature `{column}`: give a finite number", row + 1, values[i])));
        }
        match &targets {
            Targets::Classes { of, names } => {
                if let Some(row) = of.iter().position(|&c| c as usize >= names.len()) {
                    return Err(Error::input(format!("row {} has class {}, but there are only {} classes", row + 1, of[row], names.len())));
                }
            }
            Targets::Values { of, names } => {
                if let Some(i) = of.iter().position(|v| !v.is_finite()) {
                    let (row, column) = (i / names.len(), &names[i % names.len()]);
                    return Err(Error::input(format!("row {} of the data has {} in target `{column}`: give a finite number", row + 1, of[i])));
                }
            }
        }
        Ok(Table { features, names, targets, rows })
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

/// Rows of a [`Table`], in an order: what a model is trained on, or judged by. Views of one table share it.
#[derive(Debug, Clone)]
pub struct Dataset {
    table: Arc<Table>,
    rows: Vec<u32>,
}

impl Dataset {
    /// All rows of a table.
    pub fn new(table: Table) -> Self {
        let rows = (0..table.rows() as u32).collect();
        Dataset { table: Arc::new(table), rows }
    }

    /// The given rows of the same table. Panics when a row is beyond the table's end.
    pub fn view(&self, rows: Vec<u32>) -> Self {
        assert!(rows.iter().all(|&r| (r as usize) < self.table.rows()), "a row beyond the table's end");
        Dataset { table: Arc::clone(&self.table), rows }
    }

    /// The table behind the view.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The rows of the table that the view holds, in order.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// How many rows the view holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the view holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
