//! `gradus compare`: two runs side by side: which keys of their configs differ, what they came to, their curves.

use super::config::Config;
use super::plot::{columns, numbers};
use super::run::{self, Run};
use super::{print, say};
use crate::error::{Error, Result};
use crate::metrics::{self, larger_is_better};
use crate::plot::{Chart, Series, lines};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `gradus compare`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  gradus compare runs/digits-1 runs/digits-2\n  gradus compare runs/digits-1 runs/digits-2 --plot curves.svg"
)]
pub struct Compare {
    /// A run folder.
    #[arg(value_name = "A", help = "The run folder of a training")]
    pub a: PathBuf,
    /// Another.
    #[arg(value_name = "B", help = "That of another")]
    pub b: PathBuf,
    /// The file for the curves.
    #[arg(long, value_name = "FILE.svg", help = "Draw the losses of both into a file")]
    pub plot: Option<PathBuf>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print one JSON object")]
    pub json: bool,
}

pub(super) fn compare(args: &Compare) -> Result<ExitCode> {
    let runs = [run::open(&args.a)?, run::open(&args.b)?];
    let names = [&args.a, &args.b].map(|path| path.display().to_string());
    let differences = differences(&runs[0].config, &runs[1].config);
    let results = results(&runs);
    if let Some(path) = &args.plot {
        std::fs::write(path, curves([&args.a, &args.b])?).map_err(|e| Error::io(path, e))?;
        say(&format!("drawn: {}", path.display()));
    }
    if args.json {
        let pair = |[a, b]: &[Option<String>; 2]| json!({"a": a, "b": b});
        let config = differences.iter().map(|(key, values)| (key.clone(), pair(values)));
        let results = results.iter().map(|(name, [a, b])| ((*name).clone(), json!({"a": a, "b": b})));
        let whole = json!({
            "a": names[0],
            "b": names[1],
            "same_data": runs[0].manifest["data"]["hash"] == runs[1].manifest["data"]["hash"],
            "config": Map::from_iter(config),
            "results": Map::from_iter(results),
        });
        print(&whole.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if runs[0].manifest["data"]["hash"] != runs[1].manifest["data"]["hash"] {
        say("warning: the runs were trained on different data: their numbers say little of each other");
    }
    let mut rows = vec![["".to_string(), names[0].clone(), names[1].clone(), String::new()]];
    for (key, values) in &differences {
        let [a, b] = values.clone().map(|value| value.unwrap_or_else(|| "–".into()));
        rows.push([key.clone(), a, b, String::new()]);
    }
    if differences.is_empty() {
        print("the configs are the same")?;
    }
    for (name, [a, b]) in &results {
        rows.push([name.clone(), shown(a), shown(b), better(name, a, b).to_string()]);
    }
    aligned(&rows).iter().try_for_each(|line| print(line))?;
    Ok(ExitCode::SUCCESS)
}

/// The keys whose values differ, each with both values: as the configs were resolved, the folder of the run left out.
fn differences(a: &Config, b: &Config) -> Vec<(String, [Option<String>; 2])> {
    let [a, b] = [a, b].map(|config| keys(&config.to_toml()));
    let mut names: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
    names.retain(|name| *name != "output.dir" && a.get(*name) != b.get(*name));
    names.into_iter().map(|name| (name.clone(), [a.get(name).cloned(), b.get(name).cloned()])).collect()
}

/// The keys of a resolved config by their whole names, `optimizer.lr`; the layers of a list are counted.
fn keys(toml: &str) -> BTreeMap<String, String> {
    let (mut section, mut layers) = (String::new(), 0);
    let mut found = BTreeMap::new();
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix("[[").and_then(|line| line.strip_suffix("]]")) {
            section = format!("{name}.{layers}.");
            layers += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            found.insert(format!("{section}{key}"), value.to_string());
        }
    }
    found
}

/// What both came to: each number by its name.
fn results(runs: &[Run; 2]) -> Vec<(String, [Value; 2])> {
    let [a, b] = [0, 1].map(|i| &runs[i].manifest["result"]);
    let mut all = Vec::new();
    let mut take = |name: &str, of: &dyn Fn(&Value) -> Value| all.push((name.to_string(), [of(a), of(b)]));
    for name in ["train_loss", "val_loss", "test_loss"] {
        take(name, &|result| result[name].clone());
    }
    for set in ["val", "test"] {
        for metric in metrics::METRICS.iter() {
            let name = format!("{set}_{}", metric.name);
            take(&name, &|result| result["metrics"][&name].clone());
        }
    }
    for name in ["stopped", "epochs", "best_epoch", "steps", "seconds", "samples_per_second"] {
        take(name, &|result| result[name].clone());
    }
    take("device", &|result| result["device"]["name"].clone());
    take("weights_hash", &|result| result["weights_hash"].clone());
    all.retain(|(_, values)| values.iter().any(|value| !value.is_null()));
    all
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_string(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(x) if number.is_f64() && x.abs() < 1e-3 && x != 0.0 => format!("{x:.3e}"),
            Some(x) if number.is_f64() && x.abs() < 1e3 => format!("{x:.4}"),
            Some(x) if number.is_f64() => format!("{x:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Which of the two has the better loss or metric; nothing where they are equal, or no better and worse.
fn better(name: &str, a: &Value, b: &Value) -> &'static str {
    let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return "" };
    let metric = name.strip_prefix("val_").or(name.strip_prefix("test_")).unwrap_or(name);
    let judged = name.ends_with("_loss") || metrics::named(metric).is_some();
    match (judged, a == b, (a > b) == larger_is_better(metric)) {
        (false, ..) | (_, true, _) => "",
        (_, _, true) => "A",
        (_, _, false) => "B",
    }
}

/// The rows in columns.
fn aligned(rows: &[[String; 4]]) -> Vec<String> {
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2].map(wide);
    let line = |[name, a, b, best]: &[String; 4]| {
        let text = format!("{name:0$}  {a:1$}  {b:2$}  {best}", widths[0], widths[1], widths[2]);
        text.trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// The losses of both over the epochs.
fn curves(folders: [&Path; 2]) -> Result<String> {
    let mut chart = Chart::new("two runs", "epoch", "loss");
    for folder in folders {
        let found = columns(&folder.join("metrics.csv"))?;
        for (what, column) in [("training", "train_loss"), ("validation", "val_loss")] {
            let values = numbers(&found, column);
            if !values.is_empty() {
                chart.log_y |= chart.series.is_empty();
                chart.log_y &= values.iter().all(|&loss| loss > 0.0);
                chart = chart.series(Series::counted(format!("{}, {what}", name(folder)), &values));
            }
        }
    }
    Ok(lines(&chart))
}

/// The last part of a folder's path: legends have little room.
fn name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_whole_names() {
        let found = keys(
            "seed = 7\n\n[model]\ninit = { gain = 1.0 }\n\n[[model.layers]]\ntype = \"dense\"\n\n[[model.layers]]\ntype = \"dropout\"\n\n[clip]\n",
        );
        let wanted =
            [("model.init", "{ gain = 1.0 }"), ("model.layers.0.type", "\"dense\""), ("model.layers.1.type", "\"dropout\""), ("seed", "7")];
        assert_eq!(found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn keys_that_differ_are_told_with_both_values() {
        let config = |sets: &[&str]| Config::builtin("digits", &sets.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let of =
            differences(&config(&["output.dir=a"]), &config(&["output.dir=b", "optimizer.lr=0.5", "optimizer.type=sgd", "clip=default"]));
        let get = |key: &str| of.iter().find(|(name, _)| name == key).map(|(_, values)| values.clone());
        let text = |text: &str| Some(text.to_string());
        assert_eq!(get("optimizer.lr"), Some([text("0.001"), text("0.5")]));
        assert_eq!(get("optimizer.beta1"), Some([text("0.9"), None]));
        assert_eq!(get("clip.norm"), Some([text("1.0"), None]));
        assert_eq!((get("seed"), get("output.dir")), (None, None));
        assert!(differences(&config(&[]), &config(&[])).is_empty());
    }

    #[test]
    fn the_better_one_is_marked_by_what_the_number_means() {
        let table = [
            ("val_loss", 1.0, 2.0, "A"),
            ("test_accuracy", 0.5, 0.75, "B"),
            ("val_rmse", 0.5, 0.75, "A"),
            ("test_r2", 0.5, 0.5, ""),
            ("epochs", 3.0, 4.0, ""),
        ];
        for (name, a, b, wanted) in table {
            assert_eq!(better(name, &json!(a), &json!(b)), wanted, "{name}");
        }
        assert_eq!(better("val_loss", &Value::Null, &json!(1.0)), "");
    }
}
