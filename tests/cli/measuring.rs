//! `gradus bench` and the plan of `gradus check`, as the binary prints and writes them.

use super::bench::Bench;
use serde_json::Value;

const QUICK: &str = "bench digits --device cpu --rounds 3 --epochs 1 --set model.hidden=[8]";

#[test]
fn bench_prints_a_line_for_each_batch_size() {
    let bench = Bench::new();
    let said = bench.good(&format!("{QUICK} --batches 256,1024,256 --target-loss 2.2 --json"));
    let lines: Vec<Value> = said.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["batch"].as_u64().unwrap()).collect::<Vec<_>>(), [256, 1024]);
    for line in &lines {
        let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line:#}"));
        assert!(number("min") <= number("samples_per_second") && number("samples_per_second") <= number("max"), "{line:#}");
        let (micros, rate) = (1e6 * number("batch") / number("samples_per_second"), number("us_per_step"));
        assert!((micros - rate).abs() < 1e-6 * rate && number("first_step_seconds") > 0.0, "{line:#}");
        assert!((number("spread") - (number("max") - number("min")) / number("samples_per_second")).abs() < 1e-9, "{line:#}");
        // four batches of 256, one of 1,024: the rest of the 1,168 rows for training is dropped
        assert_eq!(number("rows"), 1024.0);
        assert_eq!((&line["device"]["name"], &line["rounds"], &line["host_share"]), (&"CPU path".into(), &3.into(), &Value::Null));
        assert!(line["target"]["seconds"].as_f64().unwrap() > 0.0 && line["target"]["metric"] == "train_loss", "{line:#}");
    }
    assert!(lines.iter().any(|line| line["relative"] == 1.0));
    let table = bench.good(&format!("{QUICK} --batches 512 --target val_accuracy=1.1 --set train.epochs=2"));
    assert!(table.lines()[0].contains("samples/s") && table.lines()[0].ends_with("val_accuracy 1.1, s"), "{table:?}");
    assert!(table.lines()[1].starts_with("  512 ") && table.lines()[1].ends_with("not in 2 epochs"), "{table:?}");
    assert!(table.err.contains("batch 512: ") && !bench.path("runs").exists(), "{table:?}");
}

#[test]
fn bench_exports_its_table_and_draws_it() {
    let bench = Bench::new();
    bench.good(&format!("{QUICK} --batches 512,1024 --out a.csv --plot a.svg"));
    let csv = bench.read("a.csv");
    assert!(csv.starts_with("batch,samples_per_second,us_per_step,spread,min,max,relative,") && csv.lines().count() == 3, "{csv}");
    let svg = bench.read("a.svg");
    assert!(svg.starts_with("<svg") && svg.contains(">512<") && svg.contains(">1024<") && svg.contains("samples a second"), "{svg}");
    bench.good(&format!("{QUICK} --batches 512 --out a.md"));
    assert!(bench.read("a.md").starts_with("digits on CPU path\n\n| batch | samples/s |"), "{}", bench.read("a.md"));
    let said = bench.good(&format!("{QUICK} --batches 512 --export json"));
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json[0]["batch"], 512);
    assert!(!bench.path("a.csv.part").exists());
}

#[test]
fn bench_without_a_config_takes_the_digits_for_as_long_as_it_is_told() {
    let bench = Bench::new();
    let said = bench.good("bench --device cpu --batches 128 --rounds 2 --seconds 0.05 --json");
    assert_eq!((&said.json()["name"], &said.json()["rounds"]), (&"digits".into(), &2.into()));
}

#[test]
fn what_bench_cannot_measure_is_refused() {
    let bench = Bench::new();
    for (arguments, parts) in [
        ("--batches 0", &["a batch must have at least 1 row (got 0)", "--batches"][..]),
        ("--batches 32,2000", &["a batch of 2000 rows is larger than the 1168 rows", "--batches"]),
        ("--batches=", &["invalid value ''", "--batches"]),
        ("--batches 3x", &["invalid value '3x'"]),
        ("--rounds 0", &["at least 1 round (got 0)", "--rounds"]),
        ("--seconds=-1", &["above 0 (got -1)", "--seconds"]),
        ("--seconds 0", &["above 0 (got 0)", "--seconds"]),
        ("--epochs 0", &["at least 1 epoch (got 0)", "--epochs"]),
        ("--target-loss nan", &["must be a number (got NaN)"]),
        ("--target val_accuracy", &["--target takes NAME=NUMBER", "val_accuracy"]),
        ("--target accuracy=1", &["the target `accuracy` is not known", "val_"]),
        ("--out a.txt", &["a.txt does not say which format", "--export"]),
        ("--export csv --json", &["both go to stdout", "--out"]),
        ("--set train.epochs=x", &["epochs"]),
    ] {
        bench.fails(&format!("bench digits --device cpu {arguments}"), 2, parts);
    }
    bench.fails("bench no.toml", 2, &["no.toml"]);
    bench.fails("bench digits --device cpu --batches 512 --rounds 1 --epochs 1 --out no/such/a.csv", 2, &["no/such/a.csv"]);
}

#[test]
fn check_prints_what_each_dispatch_does_and_how_long_that_takes_at_best() {
    let bench = Bench::new();
    let said = bench.good("check digits --device cpu --set train.batch=100");
    let lines = said.lines();
    let at = lines.iter().position(|line| line.starts_with("a step: ")).unwrap();
    for part in ["13 dispatches, ", " FLOP, ", " bytes moved, ", " µs at best"] {
        assert!(lines[at].contains(part), "`{part}` is not in {}", lines[at]);
    }
    assert!(lines[at + 1].contains(" GFLOP/s") && lines[at + 1].contains(" GB/s"), "{}", lines[at + 1]);
    let table = &lines[at + 2..at + 3 + 13];
    assert!(table[0].trim_start().starts_with("kernel ") && table[0].ends_with("bound by"), "{}", table[0]);
    let forward = table.iter().find(|line| line.contains("dense_forward") && line.contains("64→256")).unwrap();
    // 2·100·64·256 FLOP; x, W, b and a: 4·(100·64 + 256·64 + 256 + 100·256) bytes
    assert!(forward.contains(" 3,276,800 ") && forward.contains(" 194,560 "), "{forward}");
    let places: Vec<usize> = table[1..].iter().map(|line| line.chars().count() - line.split_whitespace().last().unwrap().len()).collect();
    assert!(places.iter().all(|&place| place == places[0]), "not aligned:\n{}", table.join("\n"));
}
