//! PyTorch's learning rates (`tests/golden/schedules.json`) against ours: each shape, with a warm-up, one after the other, and the plateau.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

use gradus::schedule::{Length, Plateau, Position, Schedule, Shape, TABLE, Unit, Warmup};
use serde_json::Value;

fn golden() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schedules.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// The schedule of a shape's name and values, at this rate.
fn schedule(lr: f64, shape: &Value, values: &Value) -> Schedule {
    let plain = Schedule::new(lr, Shape::named(shape.as_str().unwrap()).unwrap());
    values.as_object().unwrap().iter().fold(plain, |schedule, (key, value)| match value.as_str() {
        Some(word) => schedule.with(key, word),
        None => schedule.with(key, value.as_f64().unwrap()),
    })
}

/// A case's schedule and the length of its run.
fn case(case: &Value) -> (Schedule, usize, usize) {
    let warmup = match size(&case["warmup"]) {
        0 => Warmup::None,
        count => Warmup::Count(count),
    };
    let unit = if case["unit"] == "step" { Unit::Step } else { Unit::Epoch };
    let schedule = schedule(case["lr"].as_f64().unwrap(), &case["shape"], &case["values"]).warmup_of(warmup).unit(unit);
    (schedule, size(&case["epochs"]), size(&case["steps_per_epoch"]))
}

/// Each step of the run, in order.
fn positions(epochs: usize, steps_per_epoch: usize) -> impl Iterator<Item = Position> {
    (0..epochs * steps_per_epoch).map(move |step| Position { epoch: step / steps_per_epoch, step, epochs, steps_per_epoch })
}

/// Within 1e-12 of PyTorch's rate, relative to that rate.
fn hold(what: &str, ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut worst = 0.0f64;
    for (unit, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
        let error = (ours - theirs).abs() / theirs;
        assert!(error <= 1e-12, "{what}: {ours:e} at unit {unit}, PyTorch has {theirs:e}");
        worst = worst.max(error);
    }
    worst
}

#[test]
fn rates_of_every_shape_are_pytorchs() {
    let golden = golden();
    let (mut seen, mut worst) = (Vec::new(), 0.0f64);
    for given in golden["shapes"].as_array().unwrap() {
        let (schedule, epochs, steps_per_epoch) = case(given);
        schedule.check_for(epochs, steps_per_epoch).unwrap();
        let ours: Vec<f64> = positions(epochs, steps_per_epoch).map(|at| schedule.rate(at)).collect();
        let what = format!("{} {}, warm-up {}, {} {}s", given["shape"], given["values"], given["warmup"], ours.len(), given["unit"]);
        worst = worst.max(hold(&what, &ours, &list(&given["rates"])));
        seen.push(given["shape"].as_str().unwrap().to_owned());
    }
    println!("{} runs, largest difference {worst:.1e}", seen.len());
    let missing: Vec<_> = TABLE.iter().map(|info| info.name).filter(|name| !seen.iter().any(|s| s == name)).collect();
    assert_eq!(missing, ["plateau"], "each row of the table has golden rates, plateau in a test of its own");
}

#[test]
fn rates_of_phases_are_pytorchs() {
    for given in golden()["phases"].as_array().unwrap() {
        let lr = given["lr"].as_f64().unwrap();
        let epochs = size(&given["epochs"]);
        let parts: Vec<(Schedule, usize)> =
            given["phases"].as_array().unwrap().iter().map(|p| (schedule(lr, &p["shape"], &p["values"]), size(&p["length"]))).collect();
        let counts = parts.iter().map(|(s, length)| (s.clone(), Length::Count(*length)));
        let shares = parts.iter().map(|(s, length)| (s.clone(), Length::Share(*length as f64 / epochs as f64)));
        let last = parts.len() - 1;
        let open =
            parts.iter().enumerate().map(|(i, (s, length))| (s.clone(), if i == last { Length::Rest } else { Length::Count(*length) }));
        for schedule in [Schedule::phases(counts), Schedule::phases(shares), Schedule::phases(open)] {
            schedule.check_for(epochs, 1).unwrap();
            let ours: Vec<f64> = positions(epochs, 1).map(|at| schedule.rate(at)).collect();
            hold(&given["phases"].to_string(), &ours, &list(&given["rates"]));
        }
    }
}

#[test]
fn a_plateau_drops_where_pytorchs_does() {
    for given in golden()["plateaus"].as_array().unwrap() {
        let what = format!("{} {}", given["mode"], given["values"]);
        let schedule = schedule(given["lr"].as_f64().unwrap(), &"plateau".into(), &given["values"]);
        schedule.check().unwrap();
        let mut plateau = Plateau::of(&schedule, given["mode"] == "max").unwrap();
        let (mut rate, theirs) = (schedule.lr(), list(&given["rates_after"]));
        let ours: Vec<f64> = list(&given["seen"])
            .into_iter()
            .enumerate()
            .map(|(epoch, value)| {
                let dropped = plateau.see(value);
                let at = Position { epoch, step: epoch, epochs: theirs.len(), steps_per_epoch: 1 };
                let now = schedule.rate(at) * plateau.factor();
                assert_eq!(dropped, now < rate, "{what}: epoch {epoch}");
                rate = now;
                now
            })
            .collect();
        hold(&what, &ours, &theirs);
    }
}

/// There is nothing to restore: a position alone gives the rate, in any order, on a schedule made anew.
#[test]
fn a_resumed_run_gets_the_same_rates() {
    for given in golden()["shapes"].as_array().unwrap() {
        let (schedule, epochs, steps_per_epoch) = case(given);
        let straight: Vec<f64> = positions(epochs, steps_per_epoch).map(|at| schedule.rate(at)).collect();
        let resumed: Vec<Position> = positions(epochs, steps_per_epoch).skip(straight.len() / 3).collect();
        let (anew, ..) = case(given);
        for at in resumed.into_iter().rev() {
            assert_eq!(anew.rate(at), straight[at.step], "{} {}", given["shape"], given["values"]);
        }
    }
}
