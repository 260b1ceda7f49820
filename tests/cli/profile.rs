//! `gradus train --profile`: the table, the trace, and what is left in the run folder.

use super::DIGITS;
use super::bench::Bench;
use serde_json::Value;

fn trace(text: &str) -> Vec<Value> {
    let trace: Value = serde_json::from_str(text).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

#[test]
fn a_profile_is_a_table_and_a_trace() {
    let bench = Bench::new();
    let said = bench.good(&format!("{DIGITS} --out a --profile --json"));
    // the result is what it is without it
    assert_eq!(said.json()["epochs"], 3);
    for part in ["start ", "first step ", "train: ", " steps timed, ", "eval: ", "GFLOP/s", "dense_forward", "a/trace.json"] {
        assert!(said.err.contains(part), "`{part}` is not in\n{}", said.err);
    }
    let events = trace(&bench.read("a/trace.json"));
    let whole: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert!(whole.iter().all(|e| e["ts"].as_f64().unwrap() >= 0.0 && e["dur"].as_f64().unwrap() >= 0.0), "times are numbers, from 0 on");
    assert!(events.iter().all(|e| ["X", "M"].contains(&e["ph"].as_str().unwrap()) && e["name"].is_string() && e["pid"] == 1));
    let on = |tid: u32, name: &str| whole.iter().filter(|e| e["tid"] == tid && e["name"] == name).count();
    assert!(on(1, "upload") > 0 && on(1, "read") > 0, "the host's track");
    // 1,168 rows in batches of 32 are 37 steps, 3 epochs of them 111; 3 dense layers in each step that was timed
    assert!(on(2, "dense_forward") > 0 && on(2, "dense_forward") % 3 == 0, "the device's track");
    let manifest: Value = serde_json::from_str(&bench.read("a/manifest.json")).unwrap();
    for part in ["device", "plan", "pipelines", "upload", "first_step"] {
        assert!(manifest["start_seconds"][part].is_f64(), "{part} in {manifest:#}");
    }
}

#[test]
fn the_trace_goes_where_it_is_told_to_and_leaves_with_its_run() {
    let bench = Bench::new();
    let moons = "train moons --device cpu --set train.epochs=1 --out a --overwrite";
    bench.good(&format!("{moons} --profile b.json"));
    assert!(!trace(&bench.read("b.json")).is_empty() && !bench.path("a/trace.json").exists());
    bench.good(&format!("{moons} --profile"));
    assert!(bench.path("a/trace.json").exists());
    let said = bench.good(moons);
    assert!(!bench.path("a/trace.json").exists() && !said.err.contains("GFLOP/s"), "{said:?}");
    // a place that cannot be written is found out before the training, not after it
    let said = bench.run("train moons --device cpu --out c --profile nowhere/b.json");
    assert!(said.code == 2 && said.err.contains("nowhere/b.json"), "{said:?}");
    assert!(!bench.path("c/manifest.json").exists());
    // the config is not taken for the trace
    assert_eq!(bench.run("train --profile moons").code, 2);
}
