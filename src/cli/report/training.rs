//! What a report says of the training itself: summary, curves, flow of gradients, time, config.

use super::super::events::EVENTS;
use super::super::plot::{columns, flow_series, numbers};
use super::super::progress::{number, thousands};
use super::super::run::Run;
use super::page::{Section, beside, escape, facts, figures, paragraph, table, tiles, warning, wide_figure};
use super::{HALF, text};
use crate::data::Target;
use crate::error::{Error, Result};
use crate::metrics;
use crate::plot::{Chart, Mark, Series, gradient_flow, lines};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Why a training ended, in words.
fn ended(word: &str) -> &str {
    match word {
        "max_epochs" => "all epochs were done",
        "patience" => "the patience of early stopping ran out",
        "threshold" => "the number to stop at was reached",
        "diverged" => "it had diverged",
        "non_finite" => "the watched number was not finite",
        "interrupted" => "it was interrupted",
        "time" => "the time was over",
        other => other,
    }
}

/// What the columns that are predicted are called.
fn target(target: &Target) -> String {
    match target {
        Target::Classes { column, .. } => column.clone(),
        Target::Values { columns } => columns.iter().map(|value| value.column.as_str()).collect::<Vec<_>>().join(", "),
    }
}

pub(super) fn summary(run: &Run) -> Section {
    let (manifest, result) = (&run.manifest, &run.manifest["result"]);
    let scores = result["metrics"].as_object();
    let metric = |set: &str, name: &str| scores.and_then(|all| all.get(&format!("{set}_{name}"))).and_then(Value::as_f64);
    let sets: Vec<&str> = ["test", "val"].into_iter().filter(|set| result[format!("{set}_loss")].is_number()).collect();
    let long = |set: &str| if set == "val" { "validation" } else { "test" };
    let mut few = Vec::new();
    for set in &sets {
        let first = ["accuracy", "r2"].into_iter().find_map(|name| Some((name, metric(set, name)?)));
        few.extend(first.map(|(name, value)| (format!("{} {}", long(set), if name == "r2" { "R²" } else { name }), number(value))));
    }
    let seconds = |value: &Value| value.as_f64().map_or("–".to_string(), |s| format!("{s:.2} s"));
    let count = |value: &Value| value.as_f64().map_or("–".to_string(), thousands);
    few.extend([
        ("epochs".to_string(), text(&result["epochs"])),
        ("best epoch".to_string(), text(&result["best_epoch"])),
        ("training".to_string(), seconds(&result["seconds"])),
        ("samples/s".to_string(), count(&result["samples_per_second"])),
    ]);
    let data = &manifest["data"];
    let parameters: usize = run.weights.iter().map(|(_, _, values)| values.len()).sum();
    let known = [
        ("ended", format!("after {} epochs: {}", text(&result["epochs"]), ended(&text(&result["stopped"])))),
        (
            "weights",
            format!(
                "of epoch {}, {} parameters, hash {}",
                text(&result["best_epoch"]),
                thousands(parameters as f64),
                text(&result["weights_hash"])
            ),
        ),
        ("rows", format!("{} to train, {} to validate, {} to test", count(&data["train"]), count(&data["valid"]), count(&data["test"]))),
        ("target", target(&run.preprocess.target)),
        ("seed", text(&manifest["seed"])),
        ("data hash", text(&data["hash"])),
    ];
    let mut rows = vec![];
    let loss = |set: &str| result[format!("{set}_loss")].as_f64().map_or("–".to_string(), number);
    rows.push(std::iter::once("loss".to_string()).chain(sets.iter().map(|set| loss(set))).collect());
    for known in metrics::METRICS.iter().filter(|known| sets.iter().any(|set| metric(set, known.name).is_some())) {
        let cells = sets.iter().map(|set| metric(set, known.name).map_or("–".to_string(), number));
        rows.push(std::iter::once(known.name.to_string()).chain(cells).collect());
    }
    let head: Vec<&str> = std::iter::once("metric").chain(sets.iter().map(|set| long(set))).collect();
    let scores = if sets.is_empty() { paragraph("There were no rows to judge by.") } else { table(&head, &rows) };
    Section { id: "summary", title: "Summary", body: tiles(&few) + &beside(&facts(&known), &scores) }
}

pub(super) fn curves(folder: &Path) -> Result<Section> {
    let found = columns(&folder.join("metrics.csv"))?;
    let of = |name: &str| numbers(&found, name);
    let chart = |title: &str, y: &str| Chart { size: HALF, ..Chart::new(title, "epoch", y) };
    let with = |chart: Chart, names: &[(&str, &str)]| {
        names.iter().fold(chart, |chart, (name, column)| match of(column) {
            values if values.is_empty() => chart,
            values => chart.series(Series::counted(*name, &values)),
        })
    };
    let mut loss = with(chart("loss", "loss"), &[("training", "train_loss"), ("validation", "val_loss")]);
    let valid = of("val_loss");
    let best = (0..valid.len()).filter(|&i| valid[i].is_finite()).min_by(|&a, &b| valid[a].total_cmp(&valid[b]));
    if let Some(best) = best {
        loss = loss.mark(Mark::new((best + 1) as f64, format!("lowest, epoch {}", best + 1)));
    }
    let positive = of("train_loss").iter().chain(&valid).all(|&loss| loss > 0.0);
    loss.log_y = positive;
    let headline = |larger: bool| -> Vec<(&str, String)> {
        let wanted = metrics::METRICS.iter().filter(|metric| metric.headline && metric.larger_is_better == larger);
        wanted.map(|metric| (metric.name, format!("val_{}", metric.name))).filter(|(_, column)| !of(column).is_empty()).collect()
    };
    let mut all = vec![lines(&loss)];
    for (title, larger) in [("validation: larger is better", true), ("validation: smaller is better", false)] {
        let names = headline(larger);
        if !names.is_empty() {
            let names: Vec<(&str, &str)> = names.iter().map(|(name, column)| (*name, column.as_str())).collect();
            all.push(lines(&with(chart(title, "metric"), &names)));
        }
    }
    all.push(lines(&with(chart("learning rate", "learning rate"), &[("rate", "lr")])));
    all.push(lines(&Chart { log_y: true, ..with(chart("norm of the gradients, before clipping", "norm"), &[("norm", "grad_norm")]) }));
    Ok(Section { id: "curves", title: "Curves", body: figures(&all) })
}

pub(super) fn flow(folder: &Path) -> Result<Section> {
    let section = |body| Ok(Section { id: "flow", title: "Flow of gradients", body });
    let path = folder.join("flow.csv");
    if !path.is_file() {
        return section(paragraph("It was not looked at: the run was trained with [train] diagnose = \"off\"."));
    }
    let found = columns(&path)?;
    let series = flow_series(&found);
    let looks = series.iter().map(|layer| layer.points.len()).max().unwrap_or_default();
    let mut body = String::new();
    for (message, epochs) in diagnoses(folder)? {
        let when = match epochs.as_slice() {
            [one] => format!("epoch {one}"),
            [first, .., last] => format!("{} times, from epoch {first} to {last}", epochs.len()),
            [] => String::new(),
        };
        body += &warning(&format!("{message} ({when})"));
    }
    if body.is_empty() {
        body += &paragraph(&format!("{looks} looks at it found nothing wrong."));
    }
    body += &wide_figure(&gradient_flow("typical gradient of each layer", "step", &series));
    let last = |name: &str, layer: usize| {
        found.get(name).and_then(|cells| cells.get(cells.len() + layer - series.len())).cloned().unwrap_or_default()
    };
    let keys = ["gradient", "error", "moved", "mean", "deviation", "dead", "saturated"];
    let rows: Vec<Vec<String>> = (0..series.len())
        .map(|layer| {
            let numbers = keys.iter().map(|key| last(key, layer).parse().map_or("–".to_string(), number));
            std::iter::once(last("layer", layer)).chain(numbers).collect()
        })
        .collect();
    body += "<h3>The last look</h3>\n";
    body += &table(&["layer", "gradient", "error", "step moves", "mean", "deviation", "dead", "saturated"], &rows);
    section(body)
}

/// What was found, each once, and in which epochs.
fn diagnoses(folder: &Path) -> Result<Vec<(String, Vec<u64>)>> {
    let path = folder.join(EVENTS);
    let lines = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|e| Error::io(&path, e))?,
    };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<(String, Vec<u64>)> = Vec::new();
    for line in lines.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let (Some("diagnosis"), Some(epoch)) = (event["event"].as_str(), event["epoch"].as_u64()) else { continue };
        let message = text(&event["message"]);
        // the numbers in a message differ from look to look
        let kind = text(&event["trouble"])
            + &message.split("layer ").nth(1).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect::<String>();
        let at = *kinds.entry(kind).or_insert(found.len());
        if at == found.len() {
            found.push((message, Vec::new()));
        }
        found[at].1.push(epoch);
    }
    Ok(found)
}

pub(super) fn time(run: &Run) -> Section {
    let (start, result) = (&run.manifest["start_seconds"], &run.manifest["result"]);
    let seconds = |value: &Value| value.as_f64().unwrap_or_default();
    let parts = [
        ("finding and opening the device", "device"),
        ("the plan, on the host", "plan"),
        ("buffers, pipelines, bindings", "pipelines"),
        ("writing data and weights to the device", "upload"),
        ("the first step", "first_step"),
    ];
    // the device is opened before training begins
    let before: f64 = parts[1..].iter().map(|(_, key)| seconds(&start[*key])).sum();
    let rest = seconds(&result["seconds"]) - before;
    let row = |what: &str, seconds: f64| vec![what.to_string(), format!("{seconds:.3}")];
    let mut rows: Vec<_> = parts.iter().map(|(what, key)| row(what, seconds(&start[*key]))).collect();
    rows.push(row("all other steps, and what was judged after each epoch", rest.max(0.0)));
    let mut body = table(&["phase", "seconds"], &rows);
    match run.manifest["profile"].as_array() {
        Some(kernels) => {
            let cell = |value: &Value, scale: f64, digits: usize| format!("{:.digits$}", scale * seconds(value));
            let rows: Vec<Vec<String>> = kernels
                .iter()
                .map(|kernel| {
                    let calls = seconds(&kernel["calls"]).max(1.0);
                    vec![
                        text(&kernel["kernel"]),
                        text(&kernel["program"]),
                        text(&kernel["for"]),
                        text(&kernel["calls"]),
                        cell(&kernel["seconds"], 1e6 / calls, 1),
                        cell(&kernel["share"], 100.0, 1) + " %",
                        cell(&kernel["gflops"], 1.0, 2),
                        cell(&kernel["gigabytes"], 1.0, 2),
                    ]
                })
                .collect();
            body += "<h3>Kernels, in the steps that were timed</h3>\n";
            body += &table(&["kernel", "program", "for", "calls", "mean µs", "share", "GFLOP/s", "GB/s"], &rows);
        }
        None => body += &paragraph("Kernels were not timed: train with --profile to see them."),
    }
    Section { id: "time", title: "Time", body }
}

pub(super) fn config(run: &Run) -> Section {
    Section { id: "config", title: "Config", body: format!("<pre>{}</pre>\n", escape(&run.config.to_toml())) }
}
