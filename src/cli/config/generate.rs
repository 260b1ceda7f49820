//! A config for a file of columns, told by what the file holds: what `gradus new` writes, and `gradus train FILE` takes.

use super::write;
use crate::cli::progress::thousands;
use crate::data::{ColumnScan, Holds, Scan, TableFile, open_table};
use crate::error::Result;
use std::path::Path;

/// What a file's columns are, as far as a config says it.
struct Look<'a> {
    file: &'a dyn TableFile,
    scan: &'a Scan,
    target: usize,
}

/// The config for a file and the column to predict, with a comment where the file decided. `leave_out` says whether columns that a training
/// would refuse are left out, rather than left for it to refuse; `own_test` whether the test set is in a file of its own.
///
/// Errors when the file cannot be read and when there is no such column.
pub(super) fn generate(path: &Path, target: &str, leave_out: bool, own_test: bool) -> Result<String> {
    let mut file = open_table(path)?;
    let target = file.column(target, "target")?;
    let scan = file.scan()?;
    Ok(Look { file: &*file, scan: &scan, target }.config(path, leave_out, own_test))
}

impl Look<'_> {
    fn name(&self, column: usize) -> &str {
        &self.file.header()[column]
    }

    /// The features that a filter takes.
    fn features(&self, filter: impl Fn(&ColumnScan) -> bool) -> Vec<usize> {
        (0..self.scan.columns.len()).filter(|&column| column != self.target && filter(&self.scan.columns[column])).collect()
    }

    /// Names for a comment, which they cannot end.
    fn names(&self, columns: &[usize]) -> String {
        let names: Vec<&str> = columns.iter().map(|&column| self.name(column)).collect();
        let shown = |c: char| if c.is_control() { c.escape_debug().collect() } else { String::from(c) };
        names.join(", ").chars().map(shown).collect()
    }

    /// The key for a column: its name, or its index where it has none.
    fn key(&self, column: usize) -> String {
        match self.name(column) {
            "" => column.to_string(),
            name => write::text(name),
        }
    }

    fn config(&self, path: &Path, leave_out: bool, own_test: bool) -> String {
        let target = &self.scan.columns[self.target];
        let classes = target.words > 0 || target.few_whole_numbers();
        let rows = self.scan.rows;
        let empty = self.features(|column| column.holds() == Holds::Nothing);
        let dates = self.features(|column| column.holds() == Holds::Dates);
        let words = self.features(|column| column.holds() == Holds::Words);
        let gaps = self.features(|column| column.holds() == Holds::Numbers && column.gaps + column.marks > 0);
        let out: Vec<usize> = [&empty[..], &dates].concat();
        let kept = self.scan.columns.len() - 1 - if leave_out { out.len() } else { 0 };

        let mut lines = vec![
            format!("# {} rows; {kept} columns to predict from", thousands(rows as f64)),
            "version = 1".into(),
            "seed = 7                       # the same seed on the same device gives the same weights".into(),
            String::new(),
            "[data]".into(),
            format!("path = {}", write::path(path)),
            format!("target = {}", self.key(self.target)),
            match (classes, target.words) {
                (true, 0) => format!("task = \"classification\"        # {} different whole numbers", target.distinct.len()),
                (true, _) => "task = \"classification\"        # words".into(),
                (false, _) => "task = \"regression\"            # numbers".into(),
            },
        ];
        if leave_out && !out.is_empty() {
            let exclude = write::list(&out, |&column| self.key(column));
            lines.push(format!("features = {{ exclude = {exclude} }}"));
            lines.extend(
                (!dates.is_empty())
                    .then(|| format!("# left out, dates: {} (make year, month, weekday of them to use them)", self.names(&dates))),
            );
            lines.extend((!empty.is_empty()).then(|| format!("# left out, without any value: {}", self.names(&empty))));
        } else {
            lines.push("features = \"all\"               # or a list, or { exclude = [\"id\"] }".into());
        }
        if !words.is_empty() {
            lines.push(format!("categorical = \"one_hot\"        # words: {} (or embed)", self.names(&words)));
        }
        lines.push(match gaps.len() {
            0 => "missing = \"error\"              # no number is missing; or mean, median, zero, drop".into(),
            _ => format!("missing = \"median\"             # gaps: {}; or error, mean, zero, drop", self.names(&gaps)),
        });
        lines.push(if own_test { "split = { valid = 0.15 }" } else { "split = { valid = 0.15, test = 0.15 }" }.into());
        lines.push("scale = \"standard\"             # none, standard, minmax, robust".into());
        if !classes {
            lines.push("target_scale = \"standard\"      # metrics and predictions are in the target's own units".into());
        }
        let Sizes { units, batch, epochs, patience, l2 } = sizes(rows);
        lines.extend([
            String::new(),
            "[model]".into(),
            format!("hidden = [{units}, {units}]              # widths of the hidden layers"),
            "activation = \"relu\"".into(),
            String::new(),
            "[optimizer]".into(),
            "type = \"adam\"".into(),
            "lr = 1e-3                      # `gradus lr-find` measures a good one".into(),
            format!("l2 = {l2}                      # keeps weights small; the fewer rows, the more"),
            String::new(),
            "[schedule]".into(),
            "type = \"cosine\"".into(),
            "warmup = 0.05".into(),
            String::new(),
            "[clip]".into(),
            "norm = 1.0".into(),
            String::new(),
            "[train]".into(),
            format!("epochs = {epochs}"),
            format!("batch = {batch}"),
            String::new(),
            "[early_stopping]".into(),
            format!("patience = {patience}                  # epochs without a better validation loss; the best weights come back"),
        ]);
        lines.iter().map(|line| line.trim_end().to_string() + "\n").collect()
    }
}

/// What depends on how many rows there are.
struct Sizes {
    units: usize,
    batch: usize,
    epochs: usize,
    patience: usize,
    l2: &'static str,
}

/// A few thousand updates for small files, a few epochs for large ones. Of few rows the validation loss is noisy: there patience is long.
fn sizes(rows: u64) -> Sizes {
    match rows {
        0..2_000 => Sizes { units: 64, batch: 16, epochs: 200, patience: 100, l2: "1e-3" },
        2_000..20_000 => Sizes { units: 128, batch: 32, epochs: 100, patience: 20, l2: "1e-4" },
        20_000..200_000 => Sizes { units: 128, batch: 128, epochs: 50, patience: 10, l2: "1e-5" },
        _ => Sizes { units: 256, batch: 512, epochs: 20, patience: 5, l2: "0" },
    }
}
