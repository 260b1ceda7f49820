//! What is in a file of columns, and what of it will be in the way of learning.

use super::frame::{Cells, Column, GAP};
use super::source::{Gaps, Holds, Kind, Role, Scan, TableFile, Wanted};
use crate::error::Result;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Rows.
    pub rows: usize,
    /// Rows that are the same as one before them, in all columns.
    pub duplicates: usize,
    /// The columns, in their order.
    pub columns: Vec<ColumnInspection>,
    /// What is to be thought about, each with the remedy.
    pub warnings: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnInspection {
    /// What it is called.
    pub name: String,
    /// `number`, `category`, `date`, `mixed` (numbers and words) or `empty`.
    pub kind: &'static str,
    /// Cells without a value.
    pub missing: usize,
    /// Values that differ.
    pub distinct: usize,
    /// Smallest, mean and largest of the numbers, where it holds some.
    pub range: Option<[f64; 3]>,
    /// The most frequent values, with how often they occur: of words, and of few whole numbers.
    pub frequent: Vec<(String, usize)>,
}

/// How many of the most frequent values are told.
const FREQUENT: usize = 10;
/// A class with fewer rows than this share of the largest one's is rare.
const RARE: f64 = 0.1;

/// Looks at all rows of a file; `target` is the column to predict, where it is known already.
///
/// Errors when the file cannot be read, and when there is no such column.
pub fn inspect(file: &mut dyn TableFile, target: Option<&str>) -> Result<Inspection> {
    let target = target.map(|name| file.column(name, "target")).transpose()?;
    let scan = file.scan()?;
    let wanted = |column: usize| {
        let kind = if scan.columns[column].words == 0 { Kind::Numbers } else { Kind::Words };
        Wanted { column, role: Role::Feature, kind, gaps: Gaps::Keep }
    };
    let wanted: Vec<Wanted> = (0..scan.columns.len()).map(wanted).collect();
    let columns = file.read_all(&wanted)?.into_columns();
    let inspected: Vec<ColumnInspection> = columns.iter().enumerate().map(|(i, column)| look(column, &scan, i)).collect();
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let duplicates = rows - (0..rows).map(|row| fingerprint(&columns, row)).collect::<HashSet<_>>().len();
    let mut warnings = warnings(&inspected, rows, duplicates, target);
    if let Some(target) = target {
        warnings.extend(about_target(&columns, &inspected, target));
    }
    Ok(Inspection { rows, duplicates, columns: inspected, warnings })
}

/// The bits of a cell: numbers by value, words by their number, gaps all alike.
fn bits(column: &Column, row: usize) -> u64 {
    match &column.cells {
        Cells::Numbers(values) if values[row].is_nan() => u64::MAX,
        Cells::Numbers(values) => u64::from((values[row] + 0.0).to_bits()),
        Cells::Words { of, .. } if of[row] == GAP => u64::MAX,
        Cells::Words { of, .. } => u64::from(of[row]),
    }
}

fn fingerprint(columns: &[Column], row: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    columns.iter().for_each(|column| bits(column, row).hash(&mut hasher));
    hasher.finish()
}

fn look(column: &Column, scan: &Scan, i: usize) -> ColumnInspection {
    let of = &scan.columns[i];
    let kind = match of.holds() {
        Holds::Nothing => "empty",
        Holds::Numbers => "number",
        Holds::Dates => "date",
        Holds::Mixture => "mixed",
        Holds::Words => "category",
    };
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let rows = column.cells.len();
    (0..rows).for_each(|row| *counts.entry(bits(column, row)).or_default() += 1);
    let missing = counts.remove(&u64::MAX).unwrap_or(0);
    let (mut range, mut frequent) = (None, Vec::new());
    match &column.cells {
        Cells::Numbers(values) => {
            let present = || values.iter().filter(|value| !value.is_nan()).map(|&value| f64::from(value));
            let (low, high) = present().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
            range = (missing < rows).then(|| [low, present().sum::<f64>() / (rows - missing) as f64, high]);
            if of.few_whole_numbers() {
                frequent = counts.iter().map(|(&bits, &count)| (f32::from_bits(bits as u32).to_string(), count)).collect();
            }
        }
        Cells::Words { words, .. } => {
            frequent = counts.iter().map(|(&code, &count)| (words[code as usize].clone(), count)).collect();
        }
    }
    frequent.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    frequent.truncate(FREQUENT);
    ColumnInspection { name: column.name.clone(), kind, missing, distinct: counts.len(), range, frequent }
}

fn warnings(columns: &[ColumnInspection], rows: usize, duplicates: usize, target: Option<usize>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (i, ColumnInspection { name, kind, missing, distinct, .. }) in columns.iter().enumerate() {
        let leave_out = format!("leave it out with [data] features = {{ exclude = [\"{name}\"] }}");
        let is_target = target == Some(i);
        match *kind {
            "empty" => warnings.push(format!("`{name}` has no value at all: {leave_out}")),
            "date" => warnings.push(format!("`{name}` holds dates: make numbers of them (year, month, day of the week), or {leave_out}")),
            "mixed" => warnings
                .push(format!("`{name}` holds numbers and words: mend the words, or set [data] types = {{ \"{name}\" = \"category\" }}")),
            _ if *distinct == 1 && *missing == 0 => {
                warnings.push(format!("`{name}` is the same in all rows: nothing is learnt of it, {leave_out}"))
            }
            "category" if *distinct == rows && rows > 20 && !is_target => {
                warnings.push(format!("`{name}` has another word in each row: it names the rows, {leave_out}"));
            }
            "number" if *missing > 0 && !is_target => {
                warnings.push(format!(
                    "`{name}` has {}: fill them with [data] missing = \"median\" (or mean, zero, drop)",
                    count(*missing, "gap")
                ));
            }
            _ if *missing > 0 && is_target => {
                warnings.push(format!("the target `{name}` is missing in {missing} rows: leave them out with [data] missing = \"drop\""))
            }
            _ => {}
        }
    }
    if duplicates > 0 {
        let repeated = count(duplicates, "row");
        let message = format!("{repeated} said before, in all columns: a row in training and in the test at once makes the test too good");
        warnings.push(message);
    }
    warnings
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Classes that are rare, and features that tell the target outright.
fn about_target(columns: &[Column], inspected: &[ColumnInspection], target: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let of = &inspected[target];
    let most = of.frequent.first().map_or(0, |class| class.1);
    for (class, rows) in of.frequent.iter().filter(|class| (class.1 as f64) < RARE * most as f64) {
        warnings.push(format!(
            "class `{class}` has {} beside the {most} of the largest: think of [data] class_weights = \"balanced\"",
            count(*rows, "row")
        ));
    }
    let rows = columns[target].cells.len();
    for (i, column) in columns.iter().enumerate().filter(|(i, _)| *i != target) {
        // each value of the feature goes with one value of the target, and repeats: so it tells the target, and nothing has to be learnt
        let mut goes_with: HashMap<u64, u64> = HashMap::new();
        let tells = (0..rows).all(|row| {
            let own = bits(&columns[target], row);
            *goes_with.entry(bits(column, row)).or_insert(own) == own
        });
        if tells && inspected[i].distinct > 1 && inspected[i].distinct * 2 <= rows && goes_with.len() >= inspected[target].distinct {
            warnings.push(format!(
                "`{}` tells the target `{}` in every row: if it is not known before the target is, leave it out",
                column.name, of.name
            ));
        } else if inspected[i].kind == "number"
            && of.kind == "number"
            && (0..rows).all(|row| bits(column, row) == bits(&columns[target], row))
        {
            warnings.push(format!("`{}` is equal to the target `{}`: leave it out", column.name, of.name));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::open_table;

    fn of(text: &str, target: Option<&str>) -> Inspection {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        inspect(&mut *open_table(&path).unwrap(), target).unwrap()
    }

    #[test]
    fn columns_are_told_by_what_they_hold() {
        let found = of("n,w,d,m,e,c\n1,red,2024-01-01,1,,5\n2.5,blue,2024-01-02,x,,5\n,red,2024-01-03,2,,5\n1,red,2024-01-01,1,,5\n", None);
        let brief: Vec<_> = found.columns.iter().map(|c| (c.kind, c.missing, c.distinct)).collect();
        assert_eq!(brief, [("number", 1, 2), ("category", 0, 2), ("date", 0, 3), ("mixed", 0, 3), ("empty", 4, 0), ("number", 0, 1)]);
        // (1 + 2.5 + 1)/3
        assert_eq!(found.columns[0].range, Some([1.0, 1.5, 2.5]));
        assert_eq!(found.columns[1].frequent, [("red".to_string(), 3), ("blue".to_string(), 1)]);
        assert_eq!((found.rows, found.duplicates), (4, 1));
        for part in [
            "`d` holds dates",
            "`m` holds numbers and words",
            "`e` has no value",
            "`c` is the same in all rows",
            "`n` has 1 gap:",
            "1 row said before",
        ] {
            assert!(found.warnings.iter().any(|warning| warning.contains(part)), "{part} is not in {:?}", found.warnings);
        }
    }

    #[test]
    fn a_feature_that_tells_the_target_is_suspected() {
        let row = |i: usize| {
            format!(
                "{},{},{},{}\n",
                i % 7,
                i % 2,
                if i.is_multiple_of(2) { "even" } else { "odd" },
                if i.is_multiple_of(40) { "rare" } else { "usual" }
            )
        };
        let text = String::from("x,parity,kind,class\n") + &(0..80).map(row).collect::<String>();
        let suspects = |target: &str| of(&text, Some(target)).warnings;
        let kind = suspects("kind");
        assert!(kind.iter().any(|w| w.contains("`parity` tells the target `kind` in every row")), "{kind:?}");
        assert!(!kind.iter().any(|w| w.contains("`x` tells")), "{kind:?}");
        let class = suspects("class");
        assert!(class.iter().any(|w| w.starts_with("class `rare` has 2 rows beside the 78 of the largest")), "{class:?}");
        let same = of("a,b\n1.5,1.5\n2.5,2.5\n3,3\n", Some("b")).warnings;
        assert!(same.iter().any(|w| w.contains("`a` is equal to the target `b`")), "{same:?}");
    }
}
