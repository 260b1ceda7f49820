//! The real binary, run as a user runs it: what it writes, what it prints, how it ends.
#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/broken.rs"]
mod broken;
#[path = "cli/compare.rs"]
mod compare;
#[path = "cli/diagrams.rs"]
mod diagrams;
#[path = "cli/failures.rs"]
mod failures;
#[cfg(unix)]
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/formats.rs"]
mod formats;
#[cfg(feature = "gpu")]
#[path = "cli/gpu.rs"]
mod gpu;
#[path = "cli/measuring.rs"]
mod measuring;
#[path = "cli/methods.rs"]
mod methods;
#[path = "cli/profile.rs"]
mod profile;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/watching.rs"]
mod watching;

use bench::{Bench, config, flowers, idx};
use gradus::model::Weights;
use std::io::Write as _;

const DIGITS: &str = "train digits --device cpu --set train.epochs=3";

#[test]
fn a_training_leaves_its_config_manifest_metrics_and_weights() {
    let bench = Bench::new();
    let said = bench.good(&format!("{DIGITS} --out a --json"));
    assert_eq!(said.lines().len(), 1, "{said:?}");
    let json = said.json();
    for (key, is) in [
        ("stopped", json["stopped"] == "max_epochs"),
        ("epochs", json["epochs"] == 3),
        ("steps", json["steps"] == 3 * 1168_u32.div_ceil(32)),
        ("best_epoch", (1..=3).contains(&json["best_epoch"].as_u64().unwrap())),
        ("train_loss", json["train_loss"].as_f64().unwrap() > 0.0),
        ("val_loss", json["val_loss"].as_f64().unwrap() > 0.0),
        ("metrics.val_accuracy", json["metrics"]["val_accuracy"].as_f64().unwrap() > 0.8),
        ("metrics.test_accuracy", json["metrics"]["test_accuracy"].as_f64().unwrap() > 0.8),
        ("seconds", json["seconds"].as_f64().unwrap() > 0.0),
        ("samples_per_second", json["samples_per_second"].as_f64().unwrap() > 0.0),
        ("device.name", json["device"]["name"] == "CPU path"),
        ("device.backend", json["device"]["backend"] == "cpu"),
        ("device.type", json["device"]["type"] == "cpu"),
        ("weights_hash", json["weights_hash"].as_str().unwrap().len() == 16),
        ("run", json["run"] == "a"),
    ] {
        assert!(is, "{key} in {json:#}");
    }
    let manifest: serde_json::Value = serde_json::from_str(&bench.read("a/manifest.json")).unwrap();
    assert_eq!((&manifest["seed"], &manifest["weights_hash"]), (&7.into(), &json["weights_hash"]));
    assert_eq!(manifest["data"]["train"], 1168);
    let weights = Weights::load(bench.path("a/model.safetensors")).unwrap();
    assert_eq!(json["weights_hash"], weights.hash());
    let names: Vec<_> = weights.iter().map(|tensor| tensor.0.to_string()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"]);
    let metrics = bench.read("a/metrics.csv");
    let header = metrics.lines().next().unwrap();
    assert!(header.starts_with("epoch,steps,lr,train_loss,grad_norm,val_loss,val_accuracy,") && header.ends_with(",seconds"), "{header}");
    assert_eq!(metrics.lines().count(), 1 + 3, "{metrics}");
    assert!(metrics.lines().nth(1).unwrap().starts_with("1,37,1e-3,"), "{metrics}");
    assert!(bench.read("a/config.toml").contains("epochs = 3"));
}

#[test]
fn stdout_is_the_result_and_stderr_the_talk() {
    let bench = Bench::new();
    let said = bench.good(DIGITS);
    let [validation, test] = said.lines()[..] else { panic!("{said:?}") };
    assert!(validation.starts_with("validation: loss ") && test.starts_with("test: loss ") && test.contains(", accuracy 0."), "{said:?}");
    for part in ["device: CPU path (the CPU path was asked for)", "1,168 rows to train", "samples/s", "hash ", "runs/digits-1"] {
        assert!(said.err.contains(part), "`{part}` is not in {said:?}");
    }
    // no bar where stderr is not a terminal
    assert!(!said.err.contains(['\r', '\x1b']), "{said:?}");
    let quiet = bench.good(&format!("{DIGITS} --quiet"));
    assert_eq!((quiet.err.as_str(), quiet.lines()), ("", said.lines()));
    assert!(bench.path("runs/digits-2/manifest.json").is_file());
}

#[test]
fn the_same_seed_gives_the_same_weights_and_so_does_the_resolved_config() {
    let bench = Bench::new();
    let hash = |arguments: &str| bench.good(&format!("{arguments} --device cpu --json")).json()["weights_hash"].clone();
    let first = hash("train moons --set train.epochs=3 --out a");
    assert_eq!(hash("train moons --set train.epochs=3 --out b"), first);
    assert_eq!(hash("train a/config.toml --out c"), first);
    assert_ne!(hash("train moons --set train.epochs=3 --set seed=8 --out d"), first);
    assert_eq!(bench.read("a/config.toml"), bench.read("c/config.toml"));
}

#[test]
fn a_run_is_replaced_only_when_that_was_asked_for_and_other_folders_never() {
    let bench = Bench::new();
    let train = |more: &str| format!("train moons --device cpu --set train.epochs=1 {more}");
    bench.good(&train("--out deep/a"));
    let before = bench.read("deep/a/manifest.json");
    bench.fails(&train("--out deep/a --set seed=8"), 2, &["deep/a is there already", "--out", "--overwrite"]);
    assert_eq!(bench.read("deep/a/manifest.json"), before);
    bench.good(&train("--out deep/a --set seed=8 --overwrite"));
    assert_ne!(bench.read("deep/a/manifest.json"), before);

    bench.write("letters/dear.txt", "").write("letters/config.toml", "mine");
    bench.fails(&train("--out letters --overwrite"), 2, &["letters holds no run, so it is not replaced", "--out"]);
    assert_eq!(bench.read("letters/config.toml"), "mine");

    // a training that fails leaves nothing, and nothing in the way
    bench.fails(&train("--out failed --set optimizer.lr=1e30"), 3, &["non-finite"]);
    assert!(!bench.path("failed").exists());
    // nor does it touch the run that it was to replace
    let before = bench.read("deep/a/manifest.json");
    bench.fails(&train("--out deep/a --overwrite --set optimizer.lr=1e30"), 3, &["non-finite"]);
    assert_eq!(bench.read("deep/a/manifest.json"), before);
    bench.good("eval deep/a");
}

#[test]
fn eval_repeats_the_test_metrics_of_the_training() {
    let bench = Bench::new();
    bench.write("iris.csv", flowers(120)).write("iris.toml", config("iris.csv", "species"));
    bench.write("new.csv", flowers(30));
    for (train, run) in
        [(DIGITS, "digits"), ("train iris.toml --device cpu", "iris"), ("train sine --set train.epochs=5 --device cpu", "sine")]
    {
        let trained = bench.good(&format!("{train} --json --out {run}")).json();
        let judged = bench.good(&format!("eval {run} --json --device cpu")).json();
        for (name, value) in judged["metrics"].as_object().unwrap().iter().chain([(&"loss".to_string(), &judged["loss"])]) {
            let at_training = if name == "loss" { &trained["test_loss"] } else { &trained["metrics"][format!("test_{name}")] };
            let (a, b) = (value.as_f64().unwrap(), at_training.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-6 * b.abs(), "{run}: {name} is {a}, was {b}");
        }
    }
    let said = bench.good("eval iris new.csv --device cpu");
    assert!(said.out.starts_with("30 rows: loss 0.0") && said.out.contains(", accuracy 1.0000"), "{said:?}");

    // other data under the same name are no longer the run's own test set
    bench.write("iris.csv", flowers(60));
    bench.fails("eval iris --device cpu", 2, &["the data are not those", "gradus eval RUN DATA"]);
}

#[test]
fn predict_finds_the_columns_by_name_and_names_the_classes() {
    let bench = Bench::new();
    bench.write("iris.csv", flowers(120)).write("iris.toml", config("iris.csv", "species"));
    bench.good("train iris.toml --device cpu --out run");
    // no target, another order, a column that the model does not know
    bench.write("new.csv", "petal,id,sepal\n0.9,a,2.2\n2.8,b,0.3\n1.9,c,1.2\n");
    let said = bench.good("predict run new.csv --device cpu");
    assert_eq!(said.lines(), ["species", "virginica", "setosa", "\"ver\"\"si, color\""]);

    let to_file = bench.good("predict run new.csv --proba --out p.csv --device cpu");
    assert_eq!(to_file.out, "");
    let mut csv = csv::Reader::from_path(bench.path("p.csv")).unwrap();
    let header: Vec<_> = csv.headers().unwrap().iter().map(String::from).collect();
    assert_eq!(header, ["species", "proba_setosa", "proba_ver\"si, color", "proba_virginica"]);
    for (record, class) in csv.records().map(Result::unwrap).zip([2, 0, 1]) {
        let shares: Vec<f64> = record.iter().skip(1).map(|share| share.parse().unwrap()).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9 && shares[class] > 0.5, "{record:?}");
    }

    // predictions beside the features are data again: the model agrees with itself
    let features = "2.2,0.9\n0.3,2.8\n1.2,1.9\n";
    let rows = said.lines().into_iter().skip(1).zip(features.lines()).map(|(class, row)| format!("{row},{class}\n"));
    bench.write("again.csv", format!("sepal,petal,species\n{}", rows.collect::<String>()));
    assert!(bench.good("eval run again.csv --device cpu").out.contains(", accuracy 1.0000"));
}

#[test]
fn a_regression_is_told_from_its_column_and_predicts_numbers() {
    let bench = Bench::new();
    let rows = (0..200).map(|i| (f64::from(i % 17) / 4.0, f64::from(i % 23) / 8.0));
    let rows = rows.map(|(a, b)| format!("{a};{b};{}\n", 2.0 * a - b + 0.5));
    bench.write("house.csv", format!("rooms;area;price\n{}", rows.collect::<String>()));
    bench.write("house.toml", config("house.csv", "price"));
    let json = bench.good("train house.toml --device cpu --json --out run").json();
    assert!(json["metrics"]["test_r2"].as_f64().unwrap() > 0.99, "{json:#}");
    for name in ["test_mse", "test_mae", "test_rmse", "val_r2"] {
        assert!(json["metrics"][name].is_f64(), "{name} in {json:#}");
    }
    bench.write("new.csv", "area,rooms\n1.0,2.0\n");
    let said = bench.good("predict run new.csv --device cpu");
    let [header, price] = said.lines()[..] else { panic!("{said:?}") };
    assert_eq!(header, "price");
    assert!((price.parse::<f64>().unwrap() - 3.5).abs() < 0.3, "{price} for 2·2 − 1 + 0.5");
    bench.fails("predict run new.csv --proba --device cpu", 2, &["--proba is for classes"]);
}

#[test]
fn a_folder_of_idx_files_trains_gzipped_or_not() {
    let bench = Bench::new();
    // 4 × 4 pixels; the left half is bright in class 0, the right half in class 1
    let images = |rows: u32| (0..rows * 16).map(|i| if (i % 4 < 2) == (i / 16 % 2 == 0) { 200 + (i % 7) as u8 } else { (i % 11) as u8 });
    let labels = |rows: u32| (0..rows).map(|row| (row % 2) as u8).collect::<Vec<_>>();
    let pack = |bytes: Vec<u8>| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&bytes).unwrap();
        gz.finish().unwrap()
    };
    bench.write("set/train-images-idx3-ubyte", idx(&[80, 4, 4], &images(80).collect::<Vec<_>>()));
    bench.write("set/train-labels-idx1-ubyte", idx(&[80], &labels(80)));
    bench.write("set/t10k-images-idx3-ubyte.gz", pack(idx(&[20, 4, 4], &images(20).collect::<Vec<_>>())));
    bench.write("set/t10k-labels-idx1-ubyte.gz", pack(idx(&[20], &labels(20))));
    bench.write("set.toml", config("set", "").replace("target = \"\"\n", ""));
    let json = bench.good("train set.toml --device cpu --json --out run").json();
    assert_eq!(json["metrics"]["test_accuracy"], 1.0, "{json:#}");
    assert_eq!(bench.good("eval run set --json --device cpu").json()["rows"], 20);
    let said = bench.good("predict run set/t10k-images-idx3-ubyte.gz --device cpu");
    assert_eq!(said.lines()[..4], ["class", "0", "1", "0"]);
}

#[test]
fn check_and_devices_tell_without_training() {
    let bench = Bench::new();
    let said = bench.good("check digits --device cpu --set train.batch=100");
    for part in ["layer 0: dense 64 → 256, 16,640 parameters", "50,826 parameters", "device memory: ", "a step: ", "softmax_cross_entropy"]
    {
        assert!(said.out.contains(part), "`{part}` is not in\n{}", said.out);
    }
    assert!(!bench.path("runs").exists());
    // a byte less than the run takes: the data are streamed; a tenth of it is not enough for the rest
    let line = said.lines().into_iter().find(|line| line.starts_with("device memory: ")).unwrap();
    let needed: u64 = line.split(' ').nth(2).unwrap().replace(',', "").parse().unwrap();
    assert!(said.out.contains("data: resident"), "{said:?}");
    let said = bench.good(&format!("check digits --device cpu --set train.batch=100 --set device.memory={}", needed - 1));
    assert!(said.out.contains(" that may be used") && said.out.contains("data: streamed, "), "{said:?}");
    let parts = ["parameters ", "activations and errors ", &format!("allows {}", needed / 10), "[device] memory"];
    bench.fails(&format!("train digits --device cpu --set device.memory={}B", needed / 10), 4, &parts);
    let json = bench.good("devices --json").json();
    assert!(json["adapters"].is_array() && json["auto"]["name"].is_string() && json["why"].is_string(), "{json}");
    assert!(bench.good("devices").out.contains("auto takes: "));
    let rows = bench.good("parity gather finish --device cpu --json");
    let json: Vec<serde_json::Value> = rows.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 2);
    for key in ["kernel", "adapter", "cases", "worst_abs", "worst_rel", "worst_ulp", "tolerance", "pass"] {
        assert!(json.iter().all(|row| !row[key].is_null()), "{key} in {json:?}");
    }
}
