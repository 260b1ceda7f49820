//! The methods of the library's tables, and formulas of the user's own, as a config asks for them.

use super::bench::{Bench, Said, config, flowers};

/// `gradus train` on the CPU path with these keys.
fn train(bench: &Bench, what: &str, sets: &str, out: &str) -> Said {
    let sets: String = sets.split(' ').filter(|set| !set.is_empty()).map(|set| format!(" --set {set}")).collect();
    bench.good(&format!("train {what} --device cpu --json --out {out}{sets}"))
}

/// The words that a config may have for the `type` of a section, as a refusal lists them.
fn types(bench: &Bench, section: &str) -> Vec<String> {
    let said = bench.run(&format!("train moons --set {section}.type=?"));
    let list = said.err.split("type must be one of ").nth(1).and_then(|rest| rest.split(" (got").next()).unwrap_or_default().to_owned();
    list.split(", ").map(String::from).filter(|name| !["expr", "phases", "auto"].contains(&name.as_str())).collect()
}

#[test]
fn every_optimizer_and_schedule_trains_by_its_name() {
    let bench = Bench::new();
    let optimizers = types(&bench, "optimizer");
    assert!(optimizers.len() >= 8, "{optimizers:?}");
    for name in &optimizers {
        let json =
            train(&bench, "moons", &format!("train.epochs=3 optimizer.type={name} optimizer.lr=default schedule=default"), name).json();
        assert!(json["train_loss"].as_f64().unwrap() < 1.0, "{name}: {json:#}");
    }
    let schedules = types(&bench, "schedule");
    assert!(schedules.len() >= 8, "{schedules:?}");
    for name in &schedules {
        let extra = match name.as_str() {
            "step" | "cosine_restarts" => "schedule.every=2",
            "exponential" => "schedule.rate=0.9",
            _ => "",
        };
        let json =
            train(&bench, "moons", &format!("train.epochs=3 schedule=default schedule.type={name} {extra}"), &format!("s-{name}")).json();
        assert!(json["train_loss"].as_f64().unwrap() < 0.7, "{name}: {json:#}");
    }
}

#[test]
fn two_classes_with_one_output_are_predicted_with_their_probability_or_without() {
    let bench = Bench::new();
    let rows = (0..120).map(|i| format!("{:.2},{}\n", f64::from(i) / 60.0 - 1.0, if i < 60 { "low" } else { "high" }));
    bench.write("two.csv", format!("x,level\n{}", rows.collect::<String>())).write("two.toml", config("two.csv", "level"));
    bench.write("new.csv", "x\n-0.9\n0.9\n");
    for loss in ["binary_cross_entropy", "hinge"] {
        let json = train(&bench, "two.toml", &format!("loss.type={loss}"), loss).json();
        assert!(json["metrics"]["test_accuracy"].as_f64().unwrap() > 0.9, "{loss}: {json:#}");
        assert_eq!(bench.good(&format!("predict {loss} new.csv --device cpu")).lines(), ["level", "low", "high"], "{loss}");
        bench.good(&format!("eval {loss} two.csv --device cpu"));
    }
    let said = bench.good("predict binary_cross_entropy new.csv --proba --device cpu");
    // classes are sorted: high, low
    assert_eq!(said.lines()[0], "level,proba_high,proba_low");
    let shares: Vec<f64> = said.lines()[2].split(',').skip(1).map(|share| share.parse().unwrap()).collect();
    assert!(shares[0] > 0.5 && (shares[0] + shares[1] - 1.0).abs() < 1e-9, "{said:?}");
    bench.fails("predict hinge new.csv --proba --device cpu", 2, &["trained with hinge are no probabilities", "cross_entropy"]);
}

#[test]
fn numbers_are_predicted_through_the_link_of_their_loss() {
    let bench = Bench::new();
    // counts of a rate e^x: 1, 3, 7 at 0, 1, 2, nearly
    let rows: String = (0..300).map(|i| format!("{},{}\n", i % 3, [1, 3, 7][i % 3])).collect();
    bench.write("c.csv", format!("x,count\n{rows}")).write("c.toml", config("c.csv", "count"));
    bench.write("new.csv", "x\n0\n2\n");
    let predicted = |run: &str| -> Vec<Vec<f64>> {
        let said = bench.good(&format!("predict {run} new.csv --device cpu"));
        said.lines()[1..].iter().map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect()
    };
    train(&bench, "c.toml", "loss.type=poisson data.task=regression", "rates");
    let rates = predicted("rates");
    assert!((rates[0][0] - 1.0).abs() < 0.5 && (rates[1][0] - 7.0).abs() < 1.0, "{rates:?}");
    train(&bench, "c.toml", "loss.type=gaussian_nll data.task=regression", "normal");
    assert_eq!(bench.good("predict normal new.csv --device cpu").lines()[0], "count,count_std");
    let normal = predicted("normal");
    assert!((normal[1][0] - 7.0).abs() < 1.0 && normal[1][1] > 0.0 && normal[1][1] < 3.0, "{normal:?}");
}

#[test]
fn formulas_train_and_check_prints_their_slopes() {
    let bench = Bench::new();
    bench.write(
        "f.toml",
        "[data]\nname = \"sine\"\n[model]\nhidden = [16]\nactivation = { expr = \"z*sigmoid(1.7*z)\" }\n[loss]\n\
         expr = \"abs(p-t)*(1+9*(t>0))\"\n[optimizer]\nlr = 0.01\n[schedule]\nexpr = \"lr*0.5^(epoch//10)\"\n[train]\nepochs = 4\n",
    );
    let said = bench.good("check f.toml --device cpu");
    for part in
        ["layer 1: z*sigmoid(1.7*z), slope ", "loss: abs(p - t)*(1 + 9*(t > 0))", "slope with respect to p: sign(p - t)*(1 + 9*(t > 0))"]
    {
        assert!(said.out.contains(part), "`{part}` is not in\n{}", said.out);
    }
    let json = train(&bench, "f.toml", "", "run").json();
    let again = train(&bench, "run/config.toml", "", "again").json();
    assert_eq!(json["weights_hash"], again["weights_hash"]);
    assert!(bench.read("run/metrics.csv").lines().nth(1).unwrap().starts_with("1,14,1e-2,"), "{}", bench.read("run/metrics.csv"));
    bench.good("eval run --device cpu");
}

#[test]
fn all_kinds_of_layers_train_and_are_listed_with_their_parameters() {
    let bench = Bench::new();
    bench.write(
        "deep.toml",
        "[data]\nname = \"moons\"\n[train]\nepochs = 3\n[[model.layers]]\ntype = \"dense\"\nunits = 8\nactivation = { type = \"elu\", alpha = 0.5 }\n\
         [[model.layers]]\ntype = \"batch_norm\"\n[[model.layers]]\ntype = \"dropout\"\nrate = 0.1\n\
         [[model.layers]]\ntype = \"residual\"\nlayers = [{ type = \"layer_norm\" }, { type = \"dense\", units = 12, activation = \"gelu\" }]\n",
    );
    let said = bench.good("check deep.toml --device cpu");
    // 2·8 + 8; 8 + 8; 8 + 8, 8·12 + 12 and 8·12 of the projection; 12·2 + 2
    for line in [
        "layer 0: dense 2 → 8, 24 parameters",
        "layer 1: elu 0.5",
        "layer 2: batch_norm 8, epsilon 1e-5, momentum 0.1, 16 parameters",
        "layer 3: dropout 0.1",
        "layer 4: residual 8 → 12, with a projection, 220 parameters",
        "    layer 4.0: layer_norm 8, epsilon 1e-5, 16 parameters",
        "    layer 4.1: dense 8 → 12, 108 parameters",
        "    layer 4.2: gelu",
        "layer 5: dense 12 → 2, 26 parameters",
        "286 parameters",
    ] {
        assert!(said.out.contains(line), "`{line}` is not in\n{}", said.out);
    }
    let json = train(&bench, "deep.toml", "", "run").json();
    assert_eq!(train(&bench, "run/config.toml", "", "again").json()["weights_hash"], json["weights_hash"]);
    bench.good("eval run --device cpu");
    let short = train(&bench, "moons", "train.epochs=2 model.batch_norm=true model.dropout=0.1", "short");
    assert!(short.json()["train_loss"].as_f64().unwrap() < 1.0, "{short:?}");
}

#[test]
fn classes_and_rows_weigh_what_they_are_told() {
    let bench = Bench::new();
    // of the same features, two thirds are a and one third b; what b weighs decides
    let rows: String =
        (0..300).map(|i| format!("{},{},{}\n", i % 2, if i % 3 == 2 { "b" } else { "a" }, if i % 3 == 2 { 4 } else { 1 })).collect();
    bench.write("w.csv", format!("x,kind,w\n{rows}")).write("w.toml", config("w.csv", "kind"));
    bench.write("new.csv", "x\n0\n1\n");
    let named = "data.class_weights={a=1.0,b=4.0} data.features=[\"x\"]";
    for (sets, wanted, run) in [("data.features=[\"x\"]", "a", "alike"), (named, "b", "classes"), ("data.weight=w", "b", "rows")] {
        train(&bench, "w.toml", sets, run);
        assert_eq!(bench.good(&format!("predict {run} new.csv --device cpu")).lines(), ["kind", wanted, wanted], "{run}");
    }
    for run in ["classes", "rows"] {
        let manifest: serde_json::Value = serde_json::from_str(&bench.read(&format!("{run}/manifest.json"))).unwrap();
        let judged = bench.good(&format!("eval {run} --json --device cpu")).json()["loss"].as_f64().unwrap();
        let then = manifest["result"]["test_loss"].as_f64().unwrap();
        // 2 of 3 rows weigh 1 and are a, one weighs 4 and is b: shares 2/6 and 4/6, of which this is the entropy
        let wanted = -(2.0 / 6.0 * (2f64 / 6.0).ln() + 4.0 / 6.0 * (4f64 / 6.0).ln());
        assert!((judged - then).abs() < 1e-6 && (judged - wanted).abs() < 0.02, "{run}: {judged}, {then}, {wanted}");
    }
    let balanced = train(&bench, "w.toml", "data.class_weights=balanced data.features=[\"x\"]", "balanced").json();
    // ln 2: of balanced classes nothing is known
    assert!((balanced["train_loss"].as_f64().unwrap() - 2f64.ln()).abs() < 0.02, "{balanced:#}");
    // the same rows beside their weights, four b to an a: nearly the cross-entropy of the truth, −(4·ln(2/3) + 1·ln(1/3))/5
    bench.write("weighed.csv", "x,kind,w\n0,b,4\n1,a,1\n");
    let loss = bench.good("eval rows weighed.csv --json --device cpu").json()["loss"].as_f64().unwrap();
    assert!((loss + (4.0 * (2f64 / 3.0).ln() + (1f64 / 3.0).ln()) / 5.0).abs() < 0.02, "{loss}");
    // a file without the weights is judged without them
    bench.write("plain.csv", "x,kind\n0,b\n1,b\n");
    assert!(bench.good("eval rows plain.csv --device cpu").out.contains("accuracy 1.0000"));
    bench.fails(
        "train w.toml --device cpu --set data.class_weights={c=1}",
        2,
        &["--set data.class_weights={c=1}: ", "a class `c`", "a, b"],
    );
    bench.fails("train w.toml --device cpu --set data.weight=v", 2, &["w.csv:1", "no column `v` for the weight"]);
}

#[test]
fn the_flow_of_gradients_is_written_and_its_troubles_are_said_once() {
    let bench = Bench::new();
    let deep = "train.epochs=4 model.hidden=[16,16,16,16,16,16] model.activation=sigmoid model.init={type=\"normal\",std=0.01}";
    let said = train(&bench, "moons", deep, "deep");
    assert_eq!(said.err.matches("warning: epoch 1: the gradients of layer ").count(), 1, "{}", said.err);
    assert!(said.err.contains("vanishing"), "{}", said.err);
    let flow = bench.read("deep/flow.csv");
    assert_eq!(flow.lines().next(), Some("epoch,step,layer,gradient,error,moved,mean,deviation,dead,saturated"));
    // the first step, and the last of each of 4 epochs, of 7 layers
    assert_eq!(flow.lines().count(), 1 + 5 * 7, "{flow}");
    assert!(flow.lines().nth(1).unwrap().starts_with("1,1,layer 0 (dense 2→16),"), "{flow}");
    let quiet = bench.good("train moons --device cpu --quiet --set train.epochs=1 --set train.diagnose=off --out off");
    assert_eq!(quiet.err, "");
    assert!(!bench.path("off/flow.csv").exists());
    train(&bench, "moons", "train.epochs=1 train.diagnose=10", "tens");
    // 840 rows are 27 steps of 32: 1, 11 and 21
    let steps: Vec<String> = bench.read("tens/flow.csv").lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect();
    assert_eq!(steps, ["1", "1", "1", "11", "11", "11", "21", "21", "21"]);
}

#[test]
fn training_ends_where_it_is_told_to() {
    let bench = Bench::new();
    bench.write("iris.csv", flowers(120)).write("iris.toml", config("iris.csv", "species"));
    let stop_at = "early_stopping.stop_at={metric=\"val_accuracy\",value=0.9}";
    let json = train(&bench, "iris.toml", stop_at, "enough").json();
    assert!(json["stopped"] == "threshold" && json["epochs"].as_u64().unwrap() < 40, "{json:#}");
    let json = train(&bench, "iris.toml", "train.max_seconds=1e-6", "time").json();
    assert_eq!((&json["stopped"], &json["epochs"]), (&"time".into(), &1.into()));
    let json = train(&bench, "iris.toml", "early_stopping.divergence=1e-3", "diverged").json();
    assert_eq!((&json["stopped"], &json["epochs"]), (&"diverged".into(), &1.into()));
    // four batches of 16 are one of 64
    let hash = |sets: &str, run: &str| train(&bench, "iris.toml", &format!("train.epochs=2 {sets}"), run).json()["steps"].clone();
    assert_eq!((hash("train.batch=16", "small"), hash("train.batch=64", "large")), (12.into(), 4.into()));
}
