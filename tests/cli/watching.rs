//! What another program sees of a training: `events.jsonl`, TensorBoard's event files.

use super::DIGITS;
use super::bench::Bench;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"))).collect()
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == kind).collect()
}

#[test]
fn events_tell_of_a_training_from_start_to_end() {
    let bench = Bench::new();
    let json = bench.good(&format!("{DIGITS} --out a --json")).json();
    let events = lines(&bench.read("a/events.jsonl"));
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!((&first["event"], &first["gradus"]), (&"start".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!((&first["device"]["name"], &first["rows"]["train"], &first["epochs"]), (&"CPU path".into(), &1168.into(), &3.into()));
    let epochs = of(&events, "epoch");
    assert_eq!(epochs.iter().map(|e| e["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for epoch in epochs {
        for number in [&epoch["train_loss"], &epoch["val_loss"], &epoch["lr"], &epoch["grad_norm"], &epoch["metrics"]["val_accuracy"]] {
            assert!(number.is_f64(), "{epoch:#}");
        }
    }
    assert_eq!((&last["event"], &last["stopped"], &last["weights_hash"]), (&"end".into(), &"max_epochs".into(), &json["weights_hash"]));
    // a run that replaces another has its own lines only
    bench.good("train moons --device cpu --set train.epochs=1 --out a --overwrite");
    let events = lines(&bench.read("a/events.jsonl"));
    assert_eq!((of(&events, "start").len(), of(&events, "epoch").len(), of(&events, "end").len()), (1, 1, 1));
    assert!(!bench.path("a/events.jsonl.before").exists());
}

#[test]
fn troubles_are_among_the_events() {
    let bench = Bench::new();
    let deep = ["16"; 12].join(",");
    bench
        .good(&format!("train moons --device cpu --set train.epochs=1 --set model.hidden=[{deep}] --set model.activation=sigmoid --out a"));
    let events = lines(&bench.read("a/events.jsonl"));
    let found = of(&events, "diagnosis");
    let vanishing = found.iter().find(|e| e["trouble"] == "vanishing").expect("a net that is too deep");
    assert!(vanishing["message"].as_str().unwrap().contains("batch_norm") && vanishing["epoch"] == 1, "{vanishing:#}");
}

#[test]
fn event_files_for_tensorboard_are_written_where_they_are_wanted() {
    let bench = Bench::new();
    let files = || std::fs::read_dir(bench.path("a/tensorboard")).map(|files| files.count()).unwrap_or_default();
    bench.good(&format!("{DIGITS} --out a"));
    assert_eq!(files(), 0);
    bench.good(&format!("{DIGITS} --set output.tensorboard=true --out a --overwrite"));
    assert_eq!(files(), 1);
    bench.good(&format!("{DIGITS} --set output.tensorboard=true --out a --overwrite"));
    assert_eq!(files(), 1, "that of the run before is gone");
    bench.fails(&format!("{DIGITS} --set output.tensorboard=true --set optimizer.lr=1e30 --out b"), 3, &["non-finite"]);
    assert!(!bench.path("b").exists());
    bench.fails(&format!("{DIGITS} --set output.tensorboard=true --set optimizer.lr=1e30 --out a --overwrite"), 3, &["non-finite"]);
    assert_eq!(files(), 1, "that of the run that was not replaced is still there");
    bench.good(&format!("{DIGITS} --out a --overwrite"));
    assert!(!bench.path("a/tensorboard").exists());
}
