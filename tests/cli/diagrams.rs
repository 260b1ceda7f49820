//! The diagrams, the learning-rate finder and the check of gradients, as the binary makes them.

use super::bench::Bench;

#[test]
fn every_diagram_is_drawn_and_holds_what_it_is_of() {
    let bench = Bench::new();
    bench.good("train digits --device cpu --set train.epochs=4 --set early_stopping=default --out a");
    bench.write("snake.toml", "version = 1\n[data]\nname = \"moons\"\n[model]\nhidden = [8]\nactivation = { expr = \"z + sin(z)^2\" }\n");
    bench.write("steep.toml", "version = 1\n[data]\nname = \"sine\"\n[model]\nhidden = [8]\n[loss]\nexpr = \"abs(p-t)*(1+9*(t>p))\"\n");
    for (line, wanted) in [
        ("plot losses steep.toml", &["mse", "huber", "quantile", "abs(p - t)*(1 + 9*(t &gt; p))"][..]),
        ("plot activations snake.toml", &["relu", "gelu_tanh", "hard_swish", "z + sin(z)^2"]),
        ("plot schedule digits moons --log", &["digits", "moons", "learning rate"]),
        ("plot optimizers", &["sgd", "adam", "lion", "Rosenbrock"]),
        ("plot plan digits", &["gather", "dense_forward", "softmax_cross_entropy", "dense_gradient", "finish", "adam"]),
        ("plot run a --log", &["training", "validation", "epoch"]),
        ("plot flow a", &["layer 0 (dense 64→256)", "layer 4 (dense 128→10)"]),
        ("plot confusion a", &["confusion"]),
    ] {
        bench.good(&format!("{line} --out x.svg"));
        let svg = bench.read("x.svg");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{line}");
        for word in wanted {
            assert!(svg.contains(word), "{line}: `{word}` is not in the picture");
        }
    }
    bench.fails("plot plan", 2, &["a plan is drawn of a config: name one"]);
    bench.good("train moons --device cpu --set train.epochs=1 --set train.diagnose=off --out b");
    bench.fails("plot flow b", 2, &["diagnose = \"off\""]);
}

#[test]
fn the_rate_finder_proposes_a_rate_or_says_why_it_can_not() {
    let bench = Bench::new();
    let json = bench.good("lr-find digits --device cpu --json --plot lr.svg --csv lr.csv").json();
    let lr = json["suggestion"].as_f64().unwrap();
    assert!((1e-5..0.5).contains(&lr), "{lr}");
    assert_eq!(json["method"], "steepest");
    let points = json["points"].as_array().unwrap();
    assert!(points.len() > 30 && points[0][0].as_f64().unwrap() == 1e-7);
    let svg = bench.read("lr.svg");
    for mark in ["steepest", "valley", "minimum/10"] {
        assert!(svg.contains(mark), "the mark `{mark}` is not in the picture");
    }
    assert_eq!(bench.read("lr.csv").lines().count(), points.len() + 1);
    // rates that explode at once leave nothing to look at
    let said =
        bench.run("lr-find sine --device cpu --from 1e3 --to 1e9 --set optimizer.type=sgd --set clip=default --set optimizer.lr=default");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("no suggestion"), "{said:?}");
}

#[test]
fn gradients_are_checked_tensor_by_tensor() {
    let bench = Bench::new();
    let said = bench.good("gradcheck moons --set model.batch_norm=true --set model.dropout=0.2 --elements 6 --json");
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["tensor"] == "1.weight") && lines.iter().all(|line| line["pass"] == true), "{lines:?}");
    assert!(lines.iter().all(|line| line["compared"].as_u64().unwrap() + line["kinks"].as_u64().unwrap() > 0));
}
