//! Runs that are stopped, killed and gone on with: `--resume`, what it refuses, and signals to a real process.

use super::bench::{Bench, config, flowers};
use serde_json::Value;

/// A net with all that has a state, 21 updates an epoch.
const MOONS: &str = "train moons --device cpu --set train.epochs=6 --set train.batch=40 --set optimizer.ema=0.9 --set schedule.type=cosine \
                     --set early_stopping.patience=5 --set output.report=false --quiet --json";

fn lines(bench: &Bench, name: &str) -> Vec<Value> {
    bench.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The metrics of a run without the time that it took.
fn metrics(bench: &Bench, name: &str) -> Vec<String> {
    bench.read(name).lines().map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
}

/// Takes a run back to what it was after so many steps of the device, as if it had been killed then.
fn back_to(bench: &Bench, run: &str, steps: u64) {
    let kept = format!("step-{steps:010}.ckpt");
    let mut found = false;
    for entry in std::fs::read_dir(bench.path(&format!("{run}/checkpoints"))).unwrap() {
        let path = entry.unwrap().path();
        found |= path.ends_with(&kept);
        if path.file_name().unwrap().to_string_lossy().as_ref() > kept.as_str() {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(found, "{kept} is not there");
    for name in ["metrics.csv", "flow.csv", "model.safetensors"] {
        std::fs::remove_file(bench.path(&format!("{run}/{name}"))).unwrap();
    }
    let manifest = bench.read(&format!("{run}/manifest.json"));
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["result"] = Value::Null;
    bench.write(&format!("{run}/manifest.json"), manifest.to_string());
}

#[test]
fn a_run_that_goes_on_is_the_whole_run_afterwards() {
    let bench = Bench::new();
    let straight = bench.good(&format!("{MOONS} --out straight")).json();
    bench.good(&format!("{MOONS} --out run --set output.keep=99"));
    let steps = gradus::checkpoint::Folder::new(bench.path("run/checkpoints")).numbers().unwrap();
    let per_epoch = straight["steps"].as_u64().unwrap() / 6;
    // one that is due while the one before is still being written is passed over, the last never is
    let before = *steps.iter().filter(|&&step| step < 6 * per_epoch).max().expect("one of six is written");
    back_to(&bench, "run", before);
    let epoch = before / per_epoch + 1;
    let unfinished = ["run is not a finished run", "gradus train --resume run"];
    bench.fails("eval run", 2, &unfinished);
    let resumed = bench.good("train --resume run --device cpu --json");
    assert!(resumed.err.contains(&format!("going on in epoch {epoch} after 0 of its steps, in run")), "{resumed:?}");
    let resumed = resumed.json();
    for key in ["stopped", "epochs", "steps", "best_epoch", "train_loss", "val_loss", "test_loss", "metrics", "weights_hash"] {
        assert_eq!(resumed[key], straight[key], "{key}");
    }
    assert_eq!(metrics(&bench, "run/metrics.csv"), metrics(&bench, "straight/metrics.csv"));
    assert_eq!(bench.read("run/flow.csv"), bench.read("straight/flow.csv"));
    let events = lines(&bench, "run/events.jsonl");
    let epochs: Vec<u64> = events.iter().filter(|e| e["event"] == "epoch").map(|e| e["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2, 3, 4, 5, 6]);
    let kinds = |kind: &str| events.iter().filter(|e| e["event"] == kind).count();
    assert_eq!([kinds("start"), kinds("resumed"), kinds("end")], [1, 1, 1]);
    // the name is still the one that it began with
    let manifest: Value = serde_json::from_str(&bench.read("run/manifest.json")).unwrap();
    assert_eq!((&manifest["name"], &manifest["weights_hash"]), (&"moons".into(), &straight["weights_hash"]));
    bench.fails("train --resume run --device cpu", 2, &["the run in run is finished (max_epochs)", "--set train.epochs=N --force"]);
}

#[test]
fn a_run_that_is_not_the_same_is_refused_with_the_key_the_old_and_the_new() {
    let bench = Bench::new();
    bench.write("iris.csv", flowers(120)).write("iris.toml", config("iris.csv", "species").replace("epochs = 40", "epochs = 3"));
    bench.good("train iris.toml --device cpu --out run --quiet");
    let resume = "train iris.toml --device cpu --resume run";
    for (more, parts) in [
        ("--set train.batch=8", &["train.batch was 16, is 8", "begin anew"][..]),
        ("--set model.hidden=[8] --force", &["model.hidden was [16], is [8]", "begin anew"]),
        ("--set optimizer.type=sgd --force", &["optimizer.type was \"adam\", is \"sgd\""]),
        ("--set train.epochs=5", &["train.epochs was 3, is 5", "add --force"]),
        ("--out elsewhere", &["a run goes on in its own folder"]),
    ] {
        bench.fails(&format!("{resume} {more}"), 2, parts);
    }
    // more epochs, forced: the rate is fixed, so that it is what it would have been
    let straight = bench.good("train iris.toml --device cpu --set train.epochs=5 --json --out straight").json();
    let longer = bench.good(&format!("{resume} --set train.epochs=5 --force --json")).json();
    assert_eq!((&longer["weights_hash"], &longer["epochs"]), (&straight["weights_hash"], &5.into()));
    assert!(bench.read("run/config.toml").contains("epochs = 5"));
    // other data under the same name
    bench.write("iris.csv", flowers(117));
    bench.fails(&format!("{resume} --set train.epochs=9 --force"), 2, &["data was ", "begin anew"]);
    bench.write("iris.csv", flowers(120));

    bench.fails("train --resume nowhere", 2, &["there is no run to go on with in nowhere"]);
    bench.fails("train iris.toml --resume", 2, &["which run is to go on?", "--out"]);
    bench.fails("train --resume run --overwrite", 2, &["--overwrite"]);
    // a damaged checkpoint is told of, and the one before it is taken
    let newest = std::fs::read_dir(bench.path("run/checkpoints")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
    let said = bench.run(&format!("{resume} --set train.epochs=6 --force"));
    assert!(said.err.contains("is cut short") && said.err.contains("going on from the one before"), "{said:?}");
    for entry in std::fs::read_dir(bench.path("run/checkpoints")).unwrap() {
        std::fs::write(entry.unwrap().path(), "no").unwrap();
    }
    bench.fails(resume, 2, &["this is no checkpoint of gradus"]);
    std::fs::remove_dir_all(bench.path("run/checkpoints")).unwrap();
    bench.fails(resume, 2, &["run has no checkpoint to go on from", "--overwrite"]);
}

#[test]
fn with_a_config_a_run_is_begun_or_gone_on_with() {
    let bench = Bench::new();
    let straight = bench.good(&format!("{MOONS} --out straight")).json();
    // what a kill before the first checkpoint left: begun anew
    bench.write("run/manifest.json", "{\"gradus\": \"0\", \"result\": null}").write("run/events.jsonl", "");
    let begun = bench.good(&format!("{MOONS} --out run --resume")).json();
    assert_eq!(begun["weights_hash"], straight["weights_hash"]);
    assert!(!bench.path("run/before").exists());
    bench.fails(&format!("{MOONS} --out run --resume"), 2, &["the run in run is finished"]);
    bench.fails(&format!("{MOONS} --out run"), 2, &["run is there already"]);
}

#[test]
fn what_a_failed_training_had_kept_stays() {
    let bench = Bench::new();
    // a rate that rises a thousandfold each epoch
    let rising = "train sine --device cpu --set schedule=default --set early_stopping=default --set schedule.expr=1e-2*1e3^epoch --set optimizer.type=sgd --set train.epochs=8";
    let said = bench.run(&format!("{rising} --out run"));
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("the last checkpoint is kept: go on with `gradus train --resume run`"), "{said:?}");
    assert!(bench.read("run/config.toml").contains("1000^epoch"), "it is there from the start");
    let last = lines(&bench, "run/events.jsonl").pop().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"end".into(), &3.into()));
}

#[cfg(unix)]
mod signals {
    use super::super::bench::signal;
    use super::*;
    use std::process::Command;

    #[test]
    fn a_signal_finishes_the_step_and_the_run_goes_on_later() {
        let bench = Bench::new();
        // a fixed rate, so that the number of epochs can be chosen afterwards
        let moons = "train moons --device cpu --set schedule=default --set early_stopping=default --set output.report=false --json";
        for (name, run) in [("INT", "a"), ("TERM", "b")] {
            let mut child = bench.start(&format!("{moons} --set train.epochs=1000000 --out {run}"));
            bench.wait_for(&mut child, &format!("{run}/events.jsonl"), "\"epoch\":2");
            signal(&child, name);
            let output = child.wait_with_output().unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(130), "{err}");
            assert!(
                err.contains("stopping after this step") && err.contains(&format!("go on with `gradus train --resume {run}`")),
                "{err}"
            );
            let json: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(json["stopped"], "interrupted");
            let epochs = json["epochs"].as_u64().unwrap();
            let more = format!("--set train.epochs={}", epochs + 2);
            let resumed = bench.good(&format!("train --resume {run} {more} --force --device cpu --json")).json();
            let straight = bench.good(&format!("{moons} {more} --out straight-{run}")).json();
            assert_eq!((&resumed["weights_hash"], &resumed["epochs"]), (&straight["weights_hash"], &straight["epochs"]));
            assert_eq!(metrics(&bench, &format!("{run}/metrics.csv")), metrics(&bench, &format!("straight-{run}/metrics.csv")));
        }
    }

    #[test]
    fn a_second_signal_ends_at_once_and_leaves_whole_files() {
        let bench = Bench::new();
        let mut child = bench.start("train moons --device cpu --set train.epochs=1000000 --out a");
        bench.wait_for_checkpoint(&mut child, "a");
        signal(&child, "INT");
        signal(&child, "INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let newest = gradus::checkpoint::Folder::new(bench.path("a/checkpoints")).newest().unwrap().expect("one was written");
        assert!(newest.refused.is_empty());
        // one that had nothing to keep yet leaves nothing in the way
        let mut child = bench.start("train digits --device cpu --set train.epochs=1000000 --set output.checkpoint_every=0 --out b");
        bench.wait_for(&mut child, "b/events.jsonl", "\"epoch\":1");
        signal(&child, "KILL");
        child.wait().unwrap();
        bench.good("train digits --device cpu --set train.epochs=1000000 --set output.checkpoint_every=0 --set train.max_seconds=0.1 --out b --resume");
    }

    #[test]
    fn killed_runs_go_on_to_the_same_weights() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kill-resume");
        let output = Command::new(script).args(["5", env!("CARGO_BIN_EXE_gradus")]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("5 of 5 went on to the straight run's weights"), "{said}");
    }
}
