//! PyTorch's numbers (`tests/golden/layers.json`) against ours, on every executor.

use super::{COUNT, Layer, MEAN, SCALE, SHIFT, SOUND, Shape, VARIANCE, What};
use gradus::exec::Executor;
use gradus::exec::cpu::Cpu;
use gradus::kernels::dropout::pcg4d;
use gradus::plan::Plan;
use serde_json::Value;

/// An executor, and how far it may be from numbers in f64, relative to the largest of a tensor or to 1.
struct Judged<'a> {
    name: String,
    open: &'a dyn Fn(Plan) -> Box<dyn Executor>,
    allowed: f64,
    /// Half a unit in the last place: what a mean loses when it is stored in the executor's own type.
    rounding: f64,
}

fn each_executor(judge: impl Fn(&Judged<'_>)) {
    let open = |plan| Box::new(Cpu::<f64>::new(plan)) as Box<dyn Executor>;
    judge(&Judged { name: "CPU path in f64".into(), open: &open, allowed: 1e-12, rounding: 2f64.powi(-53) });
    let open = |plan| Box::new(Cpu::<f32>::new(plan)) as Box<dyn Executor>;
    judge(&Judged { name: "CPU path in f32".into(), open: &open, allowed: 1e-6, rounding: 2f64.powi(-24) });
    #[cfg(feature = "gpu")]
    {
        let adapters = gradus::exec::gpu::adapters();
        assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
        for (info, _) in adapters {
            let device = gradus::Device::Named(info.name.clone()).open().unwrap();
            let open = |plan| device.executor(plan).unwrap();
            judge(&Judged { name: info.to_string(), open: &open, allowed: 1e-6, rounding: 2f64.powi(-24) });
        }
    }
}

fn golden(layer: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/layers.json");
    let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    match whole[layer].take() {
        Value::Array(cases) => cases,
        _ => panic!("layers.json has no {layer}"),
    }
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn narrow(wide: f64) -> f32 {
    assert_eq!(f64::from(wide as f32), wide, "an input is not exact in f32");
    wide as f32
}

fn exact(value: &Value) -> Vec<f32> {
    list(value).into_iter().map(narrow).collect()
}

/// A layer of a golden case on an executor.
struct Bench<'a> {
    judged: &'a Judged<'a>,
    layer: Layer,
    executor: Box<dyn Executor>,
    allowed: f64,
    name: String,
}

impl<'a> Bench<'a> {
    fn new(judged: &'a Judged<'a>, what: What, case: &Value, name: &str) -> Self {
        let layer = Layer::new(what, Shape { rows: size(&case["rows"]), width: size(&case["width"]), members: 1 });
        let mut executor = (judged.open)(layer.plan.clone());
        for (tensor, at) in [("weight", SCALE), ("bias", SHIFT)] {
            if let Some(values) = case.get(tensor) {
                executor.write(layer.params, at, &exact(values)).unwrap();
            }
        }
        let condition = case.get("condition").map_or(0.0, number);
        let name = format!("{}, {name} of {} x {}, {condition} spreads from zero", judged.name, case["rows"], case["width"]);
        // so many spreads from zero, a mean that is off by one rounding moves x̂ by so many; it enters in four places
        let allowed = judged.allowed + 4.0 * condition * judged.rounding;
        Bench { judged, layer, executor, allowed, name }
    }

    fn hold(&self, what: &str, ours: &[f64], theirs: &[f64]) {
        assert_eq!(ours.len(), theirs.len(), "{}: {what}", self.name);
        let size = theirs.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
        for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let error = (ours - theirs).abs() / size;
            assert!(error <= self.allowed, "{}: {what}[{i}] is {ours:e}, PyTorch's {theirs:e}: {error:e} apart", self.name);
        }
    }

    /// A batch forwards and backwards, and all that PyTorch says of it.
    fn pass(&mut self, batch: &Value) {
        let (layer, executor) = (&self.layer, &mut *self.executor);
        let rows = size(&batch["rows"]);
        layer.write(executor, layer.x, &exact(&batch["x"]));
        layer.write(executor, layer.slope, &exact(&batch["slope"]));
        layer.run(executor, &[layer.forward, layer.backward], rows, 0);
        let found = [
            ("y", layer.read(executor, layer.y, rows)),
            ("input_gradient", layer.read(executor, layer.delta, rows)),
            ("weight_gradient", layer.tensor(executor, layer.grads, SCALE)),
            ("bias_gradient", layer.tensor(executor, layer.grads, SHIFT)),
        ];
        let mut held = 0;
        for (what, ours) in found {
            if let Some(theirs) = batch.get(what) {
                self.hold(what, &ours, &list(theirs));
                held += 1;
            }
        }
        assert!(held >= 2, "{}: nothing to compare with", self.name);
    }
}

#[test]
fn batch_norm_is_pytorchs_in_training_and_in_evaluation() {
    each_executor(|judged| {
        let cases = golden("batch_norm");
        assert_eq!(cases.len(), 3);
        for case in &cases {
            let what = What::BatchNorm { epsilon: narrow(number(&case["epsilon"])), momentum: narrow(number(&case["momentum"])) };
            let mut bench = Bench::new(judged, what, case, "batch_norm");
            bench.executor.write(bench.layer.params, VARIANCE, &vec![1.0; bench.layer.shape.width]).unwrap();
            bench.executor.write(bench.layer.scalars, SOUND, &[1.0]).unwrap();
            for step in case["steps"].as_array().unwrap() {
                bench.pass(step);
                bench.layer.run(&mut *bench.executor, &[bench.layer.update], size(&step["rows"]), 0);
                let [mean, variance] = [MEAN, VARIANCE].map(|at| bench.layer.tensor(&mut *bench.executor, bench.layer.params, at));
                bench.hold("running_mean", &mean, &list(&step["running_mean"]));
                bench.hold("running_var", &variance, &list(&step["running_var"]));
                let count = bench.executor.read(bench.layer.params, COUNT, 4).unwrap();
                assert_eq!(count, [size(&step["num_batches_tracked"]) as f32, 0.0, 0.0, 0.0], "{}", bench.name);
            }
            let rows = size(&case["eval"]["rows"]);
            bench.layer.write(&mut *bench.executor, bench.layer.x, &exact(&case["eval"]["x"]));
            bench.layer.run(&mut *bench.executor, &[bench.layer.eval], rows, 0);
            let y = bench.layer.read(&mut *bench.executor, bench.layer.y, rows);
            bench.hold("y in evaluation", &y, &list(&case["eval"]["y"]));
        }
    });
}

#[test]
fn layer_norm_is_pytorchs() {
    each_executor(|judged| {
        for case in &golden("layer_norm") {
            let what = What::LayerNorm { epsilon: narrow(number(&case["epsilon"])) };
            Bench::new(judged, what, case, "layer_norm").pass(case);
        }
    });
}

#[test]
fn softmax_is_pytorchs() {
    each_executor(|judged| {
        for case in &golden("softmax") {
            let mut bench = Bench::new(judged, What::Softmax, case, "softmax");
            bench.pass(case);
            let rows = bench.layer.shape.rows;
            let sums = bench.layer.read(&mut *bench.executor, bench.layer.y, rows);
            let share: f64 = sums.iter().sum();
            assert!((share - rows as f64).abs() < 1e-6 * rows as f64, "{}: shares add up to {share}", bench.judged.name);
        }
    });
}

#[test]
fn the_hash_is_that_of_the_paper() {
    let cases = golden("pcg4d");
    assert!(cases.len() >= 8);
    for case in cases {
        let four = |value: &Value| std::array::from_fn(|i| value[i].as_u64().unwrap() as u32);
        assert_eq!(pcg4d(four(&case["counter"])), four(&case["words"]), "{}", case["counter"]);
    }
}
