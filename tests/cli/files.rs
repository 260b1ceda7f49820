//! From a file of columns to predictions: words, gaps, several targets, standard input.

use super::bench::Bench;
use gradus::rng::{Purpose, Rng};

/// Flats whose rent is 10 a square metre, and 200 more in the centre; two gaps, an empty line, and a name that another file may spell otherwise.
fn flats(rows: usize) -> String {
    let mut rng = Rng::new(5, Purpose::Synthetic, 0);
    let row = |i: usize| {
        let (area, central) = (20 + rng.below(100), rng.below(2) == 1);
        let rent = 10 * area + if central { 200 } else { 0 };
        let shown = if i == 3 || i == 40 { "NA".to_string() } else { area.to_string() };
        format!("{shown},{},{},{rent},{}\n", if central { "centre" } else { "outskirts" }, 1 + i % 2, area / 2)
    };
    String::from("area,\"where, roughly\",floor,rent,heating\n") + &(0..rows).map(row).collect::<String>()
}

#[test]
fn a_data_file_is_trained_on_at_once_and_predicted_for() {
    let bench = Bench::new();
    bench.write("flats.csv", flats(400));
    // the file has gaps, which are filled because the config says so
    let said = bench.good("train flats.csv --target rent --device cpu --out run --json --set data.features={exclude=[\"heating\"]}");
    let json = said.json();
    assert!(json["metrics"]["test_r2"].as_f64().unwrap() > 0.95, "{json:#}");
    // errors are in the rent's own unit: its deviation is some 300, and a hundredth of it is not reached
    let mae = json["metrics"]["test_mae"].as_f64().unwrap();
    assert!((1.0..60.0).contains(&mae), "{json:#}");
    let config = bench.read("run/config.toml");
    assert!(config.contains("missing = \"median\"") && config.contains("target_scale = \"standard\""), "{config}");

    // other columns, another order, a word that nobody knows, and a gap
    bench.write("new.csv", "floor,note,area,\"where, roughly\"\n1,x,50,outskirts\n1,y,50,centre\n1,z,50,moon\n2,,,centre\n");
    let rents: Vec<f64> = bench.good("predict run new.csv").lines()[1..].iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(rents.len(), 4);
    assert!((rents[0] - 500.0).abs() < 60.0 && (rents[1] - 700.0).abs() < 60.0, "{rents:?}");
    let text = bench.read("new.csv");
    let piped = bench.run_with("predict run - --format jsonl", &text);
    let objects: Vec<serde_json::Value> = piped.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<f64> = objects.iter().map(|object| object["rent"].as_f64().unwrap()).collect();
    assert_eq!((piped.code, numbers), (0, rents), "{piped:?}");
    // new rows are judged in the same units
    let eval = bench.good("eval run flats.csv --device cpu --json").json();
    assert!((1.0..60.0).contains(&eval["metrics"]["mae"].as_f64().unwrap()), "{eval:#}");
}

#[test]
fn a_new_config_says_what_the_file_holds_and_trains() {
    let bench = Bench::new();
    let dated: String =
        flats(60).lines().enumerate().map(|(i, line)| format!("{line},{}\n", if i == 0 { "day" } else { "2024-05-01" })).collect();
    bench.write("flats.csv", dated);
    let text = bench.good("new flats.csv --target rent").out;
    for wanted in
        ["# 60 rows; 4 columns", "features = { exclude = [\"day\"] }", "# left out, dates: day", "# words: where, roughly", "# gaps: area"]
    {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
    bench.write("flats.toml", &text);
    bench.good("train flats.toml --device cpu --set train.epochs=2 --out run");
    let refused = bench.run("train flats.csv --target rent --device cpu");
    assert!(refused.code == 2 && refused.err.contains("flats.csv:2:6: feature `day` holds dates or times (`2024-05-01`)"), "{refused:?}");
    let none = bench.run("train flats.csv");
    assert!(
        none.code == 2 && none.err.contains("name the column to predict with --target (the columns are area, where, roughly, floor"),
        "{none:?}"
    );
}

#[test]
fn several_targets_are_learnt_each_in_its_own_unit() {
    let bench = Bench::new();
    bench.write("flats.csv", flats(400));
    bench.write(
        "two.toml",
        "[data]\npath = \"flats.csv\"\ntarget = [\"rent\", \"heating\"]\nmissing = \"mean\"\ntarget_scale = \"standard\"\n\
         [model]\nhidden = [32]\n[optimizer]\ntype = \"adam\"\nlr = 1e-2\n[train]\nepochs = 60\n",
    );
    let json = bench.good("train two.toml --device cpu --out run --json").json();
    assert!(json["metrics"]["test_r2"].as_f64().unwrap() > 0.9, "{json:#}");
    let said = bench.good("predict run flats.csv");
    assert_eq!(said.lines()[0], "rent,heating");
    let second: Vec<f64> = said.lines()[2].split(',').map(|cell| cell.parse().unwrap()).collect();
    let truth: Vec<f64> = bench.read("flats.csv").lines().nth(2).unwrap().rsplit(',').take(2).map(|cell| cell.parse().unwrap()).collect();
    // within a tenth of what they span: 1,200 and 50
    assert!((second[0] - truth[1]).abs() < 120.0 && (second[1] - truth[0]).abs() < 5.0, "{second:?} {truth:?}");
}

/// 40 towns whose rents differ by more than the area tells, in no order that their names would give.
fn towns(rows: usize) -> String {
    let mut rng = Rng::new(8, Purpose::Synthetic, 0);
    let rents: Vec<u64> = (0..40).map(|_| 200 + rng.below(1000)).collect();
    let mut row = |_| {
        let (area, town) = (20 + rng.below(100), rng.below(40) as usize);
        format!("{area},town {town},{}\n", 5 * area + rents[town])
    };
    String::from("area,town,rent\n") + &(0..rows).map(&mut row).collect::<String>()
}

#[test]
fn words_are_embedded_in_vectors_that_are_learned() {
    let bench = Bench::new();
    let text = towns(1500);
    bench.write("towns.csv", &text);
    let said = bench.good(
        "train towns.csv --target rent --device cpu --out run --json --set data.categorical=embed --set train.epochs=100 --set optimizer.lr=5e-3",
    );
    // without the town the rent is off by some 250
    assert!(said.json()["metrics"]["test_mae"].as_f64().unwrap() < 60.0, "{said:?}");
    assert!(bench.read("run/config.toml").contains("categorical = \"embed\""));
    // 40 words and what is none of them; 1.6·40^0.56 = 12.6
    let check = bench.good("check run/config.toml --device cpu");
    assert!(check.out.contains("embedding 2 → 14 (column 1: 41 × 13)"), "{check:?}");
    // a town that nobody knows is predicted for, too, and each has its own rent
    bench.write("new.csv", "town,area\ntown 3,50\ntown 4,50\nAtlantis,50\n,50\n");
    let rents: Vec<f64> = bench.good("predict run new.csv").lines()[1..].iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(rents[2], rents[3], "a gap is as unknown as a town that was in no row: {rents:?}");
    let truth = |town: &str| {
        let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let row = rows.find(|row| row[1] == town).unwrap();
        row[2].parse::<f64>().unwrap() - 5.0 * row[0].parse::<f64>().unwrap() + 250.0
    };
    assert!((rents[0] - truth("town 3")).abs() < 150.0 && (rents[1] - truth("town 4")).abs() < 150.0, "{rents:?}");
    for name in ["model.onnx", "model.rs", "model.wgsl", "model.npz"] {
        bench.good(&format!("export run --out {name}"));
    }
}

#[test]
fn rows_with_gaps_are_dropped_where_that_is_said() {
    let bench = Bench::new();
    bench.write("flats.csv", flats(100));
    let drop = "train flats.csv --target rent --device cpu --set train.epochs=2 --set data.missing=drop --out run";
    let said = bench.good(drop);
    // 98 rows: 15 and 15 of a hundred are 14.7, rounded
    assert!(said.err.contains("data: 68 rows to train, 15 rows to validate, 15 rows to test"), "{said:?}");
    let gap = bench.run("predict run flats.csv");
    assert!(gap.code == 2 && gap.err.contains("flats.csv:5:1: feature `area` has no value here"), "{gap:?}");
    assert_eq!(gap.out, "", "nothing is printed of what cannot be predicted as a whole");
}
