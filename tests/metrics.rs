//! scikit-learn's numbers (`tests/golden/metrics.json`) against ours, from a trained model's own evaluation: counts and sums of the device, ranks
//! of the host.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::data::{Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::metrics::{METRICS, Scores};
use gradus::model::{Init, Layer};
use gradus::{Dataset, Device, Loss, Model, Trainer};
use serde_json::Value;

fn golden() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// The CPU path and all adapters. No adapter is a failure only where one is required.
fn devices() -> Vec<OpenDevice> {
    #[cfg(feature = "gpu")]
    let found: Vec<_> = gradus::exec::gpu::adapters().into_iter().map(|(info, _)| Device::Named(info.name).open().unwrap()).collect();
    #[cfg(not(feature = "gpu"))]
    let found: Vec<OpenDevice> = Vec::new();
    #[cfg(feature = "gpu")]
    assert!(!found.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    std::iter::once(Device::Cpu.open().unwrap()).chain(found).collect()
}

/// What a model scores that hands its features on as they are: a dense layer whose weight is the unit matrix.
fn scores(device: &OpenDevice, loss: Loss, outputs: usize, features: Vec<f32>, targets: Targets) -> Scores {
    let names = (0..outputs).map(|i| format!("z{i}")).collect();
    let data = Dataset::new(Table::new(Features::F32(features), names, targets).unwrap());
    let model = Model::input(outputs).layer(Layer::Dense { outputs, bias: false, init: Init::Zeros });
    let unit: Vec<f32> = (0..outputs * outputs).map(|i| if i % (outputs + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit.safetensors");
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![outputs, outputs], bytemuck::cast_slice(&unit)).unwrap();
    std::fs::write(&path, safetensors::serialize([("0.weight", view)], None).unwrap()).unwrap();
    let weights = gradus::model::Weights::load(&path).unwrap();
    // batches that do not divide the rows
    let mut training = Trainer::new(model, loss).weights(weights).batch(16).build_on(device.clone()).unwrap();
    training.evaluate(&data).unwrap().remove(0)
}

fn compare(note: &Value, wanted: &Value, scores: &Scores, allowed: f64) {
    for (name, value) in wanted.as_object().unwrap() {
        let (got, wanted) = (scores.get(name).unwrap_or(f64::NAN), value.as_f64().unwrap());
        assert!((got - wanted).abs() <= allowed * wanted.abs().max(1.0), "{note}: {name} is {got}, should be {wanted}");
    }
}

#[test]
fn classifiers_have_scikit_learns_scores() {
    let golden = golden();
    let cases = golden["classifiers"].as_array().unwrap();
    assert!(cases.len() >= 16);
    for device in devices() {
        for case in cases {
            let (classes, outputs) = (case["classes"].as_u64().unwrap() as usize, case["outputs"].as_u64().unwrap() as usize);
            let of = case["y"].as_array().unwrap().iter().map(|y| y.as_u64().unwrap() as u32).collect();
            let targets = Targets::Classes { of, names: (0..classes).map(|c| c.to_string()).collect() };
            let loss = if outputs == 1 { Loss::named("binary_cross_entropy").unwrap() } else { Loss::cross_entropy() };
            let scores = scores(&device, loss, outputs, list(&case["z"]), targets);
            compare(&case["note"], &case["metrics"], &scores, 1e-9);
            let counts: Vec<u64> = case["confusion"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
            assert_eq!(scores.confusion.as_ref().unwrap().counts(), counts, "{}", case["note"]);
            // the loss is the log-loss, worked out in f32 on the device
            assert!((scores.loss - scores.get("log_loss").unwrap()).abs() < 1e-5, "{}", case["note"]);
            let absent = case["metrics"].get("auroc").is_none();
            assert_eq!(scores.get("auroc").unwrap().is_nan(), absent, "{}", case["note"]);
        }
    }
}

#[test]
fn regressions_have_scikit_learns_scores() {
    let golden = golden();
    for device in devices() {
        for case in golden["regressions"].as_array().unwrap() {
            let outputs = case["outputs"].as_u64().unwrap() as usize;
            let targets = Targets::Values { of: list(&case["t"]), names: (0..outputs).map(|c| c.to_string()).collect() };
            let scores = scores(&device, Loss::mse(), outputs, list(&case["p"]), targets);
            // sums of squares in f32 over a batch
            compare(&case["note"], &case["metrics"], &scores, 1e-6);
        }
    }
}

#[test]
fn every_metric_of_the_table_is_worked_out_for_some_task() {
    let classes =
        |k: usize| Targets::Classes { of: (0..12).map(|i| i % k as u32).collect(), names: (0..k).map(|c| c.to_string()).collect() };
    let device = Device::Cpu.open().unwrap();
    let of_classes = scores(&device, Loss::cross_entropy(), 6, (0..72).map(|i| (i % 7) as f32).collect(), classes(6));
    let targets = Targets::Values { of: (0..12).map(|i| i as f32).collect(), names: vec!["y".into()] };
    let of_numbers = scores(&device, Loss::mse(), 1, (0..12).map(|i| (i % 7) as f32).collect(), targets);
    for metric in METRICS {
        assert!(of_classes.get(metric.name).is_some() || of_numbers.get(metric.name).is_some(), "{}", metric.name);
    }
}

#[test]
fn answers_are_judged_behind_their_link() {
    // the logarithm of a rate: exp(0) = 1 and exp(ln 3) = 3 are the targets to the rounding
    let targets = Targets::Values { of: vec![1.0, 3.0], names: vec!["count".into()] };
    for device in devices() {
        let scores = scores(&device, Loss::named("poisson").unwrap(), 1, vec![0.0, 3f32.ln()], targets.clone());
        assert!(scores.get("mse").unwrap() < 1e-12, "{scores:?}");
    }
}
