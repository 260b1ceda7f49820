//! Data sets: a table of features and targets, and views of its rows.
//!
//! A [`Table`] comes from a file ([`read_csv`], [`read_idx_folder`]), from code ([`Table::new`]) or is built in
//! ([`Dataset::digits`], [`Dataset::spirals`] and others). A [`Dataset`] is a view of its rows; [`Split`] makes three of one,
//! and a [`Scaler`], fitted on the rows for training, brings the features of all of them to one range.
//!
//! ```
//! use gradus::data::{Dataset, Scaler, Scaling, Split};
//! let digits = Dataset::digits();
//! let (train, valid, test) = Split { valid: 0.15, test: 0.15, stratify: true, seed: 7 }.apply(&digits)?;
//! let scaler = Scaler::fit(Scaling::Standard, &train)?.expect("only `Scaling::None` has no scaler");
//! let table = std::sync::Arc::new(scaler.apply_table(digits.table())?);
//! let [train, valid, test] = [train, valid, test].map(|part| part.with_table(&table));
//! assert_eq!(train.len() + valid.len() + test.len(), 1797);
//! # Ok::<(), gradus::Error>(())
//! ```

mod builtin;
mod csv;
mod hash;
mod idx;
mod scale;
mod split;
mod statistics;
mod synthetic;
mod table;

pub use self::csv::{Columns, CsvOptions, Select, TargetColumn, Task, column_name, read_csv, read_csv_for};
pub use self::idx::{read_idx_folder, read_idx_images, read_idx_pair};
pub use self::scale::{Scaler, Scaling};
pub use self::split::Split;
pub use self::table::{Features, Table, Targets};

use self::table::list;
use std::sync::Arc;

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

    /// The same rows of another table of as many rows, such as the scaled one. Panics when it has another number of rows.
    pub fn with_table(&self, table: &Arc<Table>) -> Self {
        assert_eq!(table.rows(), self.table.rows(), "the tables differ in their number of rows");
        Dataset { table: Arc::clone(table), rows: self.rows.clone() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_share_a_table_and_move_to_another() {
        let data = Dataset::sine(5, 1);
        let view = data.view(vec![4, 0]);
        assert!(Arc::ptr_eq(view.table(), data.table()));
        let other = Arc::new(Table::clone(Dataset::moons(5, 1).table()));
        let moved = view.with_table(&other);
        assert!(Arc::ptr_eq(moved.table(), &other));
        assert_eq!((moved.rows(), moved.len(), moved.is_empty()), (&[4, 0][..], 2, false));
    }

    #[test]
    #[should_panic(expected = "the tables differ in their number of rows")]
    fn a_view_does_not_move_to_a_table_of_other_length() {
        Dataset::sine(5, 1).with_table(Dataset::sine(6, 1).table());
    }

    #[test]
    #[should_panic(expected = "a row beyond the table's end")]
    fn a_view_of_absent_rows_panics() {
        Dataset::sine(5, 1).view(vec![5]);
    }
}
