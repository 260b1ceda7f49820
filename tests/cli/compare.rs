//! `gradus compare`: two runs side by side.

use super::DIGITS;
use super::bench::Bench;

#[test]
fn two_runs_are_told_apart_by_their_configs_and_results() {
    let bench = Bench::new();
    bench.good(&format!("{DIGITS} --out a"));
    bench.good(&format!("{DIGITS} --set train.epochs=1 --set optimizer.lr=1e-5 --out b"));
    let said = bench.good("compare a b --plot curves.svg");
    let line = |name: &str| said.lines().into_iter().find(|line| line.starts_with(name)).map(|l| l.split_whitespace().collect::<Vec<_>>());
    assert_eq!(line("optimizer.lr"), Some(vec!["optimizer.lr", "0.001", "1e-5"]), "{said:?}");
    assert_eq!(line("train.epochs"), Some(vec!["train.epochs", "3", "1"]));
    // three epochs at a good rate are better than one at a bad one
    assert_eq!(line("test_accuracy ").unwrap().last(), Some(&"A"));
    assert!(line("seed").is_none() && line("epochs").is_some(), "{said:?}");
    assert!(bench.read("curves.svg").contains("b, validation"));

    let json = bench.good("compare a b --json").json();
    assert_eq!((&json["config"]["train.epochs"]["a"], &json["config"]["train.epochs"]["b"]), (&"3".into(), &"1".into()));
    assert_eq!((&json["results"]["epochs"]["a"], &json["results"]["stopped"]["b"]), (&3.into(), &"max_epochs".into()));
    assert_eq!((&json["same_data"], json["config"].as_object().unwrap().len()), (&true.into(), 2));

    assert!(bench.good("compare a a").out.starts_with("the configs are the same\n"));
    bench.good("train moons --device cpu --set train.epochs=1 --out c");
    assert!(bench.good("compare a c").err.contains("trained on different data"));
    bench.fails("compare a nowhere", 2, &["there is no run folder nowhere"]);
}
