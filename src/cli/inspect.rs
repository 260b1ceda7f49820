//! `gradus inspect`: what is in a data file, and what of it will be in the way.

use super::args::Inspect;
use super::print;
use super::progress::{number, thousands};
use crate::data::{ColumnInspection, Inspection, inspect as look, open_table};
use crate::error::Result;
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) fn inspect(args: &Inspect) -> Result<ExitCode> {
    let found = look(&mut *open_table(&args.data)?, args.target.as_deref())?;
    if args.json {
        print(&as_json(&found).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("{} rows, {} columns, {} duplicates", thousands(found.rows as f64), found.columns.len(), found.duplicates))?;
    let width = found.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).clamp(6, 40);
    print(&format!("{:width$}  {:8}  {:>8}  {:>8}  values", "column", "type", "missing", "distinct"))?;
    for column in &found.columns {
        let ColumnInspection { name, kind, missing, distinct, .. } = column;
        print(&format!("{name:width$}  {kind:8}  {missing:>8}  {distinct:>8}  {}", values(column)))?;
    }
    for warning in &found.warnings {
        print(&format!("warning: {warning}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn values(column: &ColumnInspection) -> String {
    let frequent = || column.frequent.iter().take(5).map(|(value, count)| format!("{value} ({count})")).collect::<Vec<_>>().join(", ");
    match column.range {
        Some([low, mean, high]) if column.frequent.is_empty() => format!("{} to {}, mean {}", short(low), short(high), short(mean)),
        _ if column.distinct > 5 => format!("{}, …", frequent()),
        _ => frequent(),
    }
}

/// A number in four digits, zeros at its end left out.
fn short(value: f64) -> String {
    let text = number(value);
    if text.contains('.') && !text.contains('e') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn as_json(found: &Inspection) -> Value {
    let column = |column: &ColumnInspection| {
        let frequent: Vec<Value> = column.frequent.iter().map(|(value, count)| json!({"value": value, "count": count})).collect();
        let [min, mean, max] = column.range.map_or([None; 3], |range| range.map(Some));
        json!({
            "name": column.name, "type": column.kind, "missing": column.missing, "distinct": column.distinct,
            "min": min, "mean": mean, "max": max, "frequent": frequent,
        })
    };
    json!({
        "rows": found.rows,
        "duplicates": found.duplicates,
        "columns": found.columns.iter().map(column).collect::<Vec<_>>(),
        "warnings": found.warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, wanted) in
            [(0.0, "0"), (1.0, "1"), (1234.5678, "1235"), (-0.12345, "-0.1235"), (1e9, "1.000e9"), (5.84333, "5.843"), (100.0, "100")]
        {
            assert_eq!(short(value), wanted);
        }
    }
}
