//! PyTorch's activations and their slopes (`tests/golden/activations.json`) against ours, at ordinary numbers and at those that break drivers, on
//! every executor.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

use gradus::Activation;
use gradus::exec::Executor;
use gradus::exec::cpu::Cpu;
use gradus::formula::SlopeOf;
use gradus::kernel::{Part, Rate, Row, Step};
use gradus::kernels::activation::{Activate, ActivateSlope, TABLE};
use gradus::plan::{Builder, Kind, Plan};
use serde_json::Value;

/// An executor, and how far it may be from numbers in f64, relative to the number or to 1.
struct Judged<'a> {
    name: String,
    open: &'a dyn Fn(Plan) -> Box<dyn Executor>,
    allowed: f64,
    /// Whether it may take a denormal for 0, as WGSL lets a device do: at a kink that is the other side.
    flushes: bool,
}

fn each_executor(judge: impl Fn(&Judged<'_>)) {
    let open = |plan| Box::new(Cpu::<f64>::new(plan)) as Box<dyn Executor>;
    // tanh's argument is clamped to ±15, where 1 − tanh is 2e-13; z² grows the rounding of gelu's slope
    judge(&Judged { name: "CPU path in f64".into(), open: &open, allowed: 1e-12, flushes: false });
    let open = |plan| Box::new(Cpu::<f32>::new(plan)) as Box<dyn Executor>;
    judge(&Judged { name: "CPU path in f32".into(), open: &open, allowed: 1e-6, flushes: false });
    #[cfg(feature = "gpu")]
    {
        let adapters = gradus::exec::gpu::adapters();
        assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
        for (info, _) in adapters {
            let device = gradus::Device::Named(info.name.clone()).open().unwrap();
            let open = |plan| device.executor(plan).unwrap();
            judge(&Judged { name: info.to_string(), open: &open, allowed: 1e-6, flushes: true });
        }
    }
}

fn golden() -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/activations.json");
    let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    whole["cases"].as_array_mut().unwrap().drain(..).collect()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// σ(z) and σ'(z), by the kernels of the activation and of its slope.
fn values_and_slopes(judged: &Judged<'_>, activation: &Activation, z: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let mut builder = Builder::new(1, 1);
    let [input, output, ones, slope] = ["z", "a", "ones", "slope"].map(|name| builder.buffer(name, Kind::F32, z.len()));
    let (kind, width) = (builder.activation(Some(activation.formula())), z.len() as u32);
    let program = builder.program("activation");
    builder.dispatch(&Activate { rows: 1, width, width4: width / 4, members: 1, kind }, &[input, output], "value");
    let source = if activation.formula().slope_of() == SlopeOf::Input { input } else { output };
    builder.dispatch(&ActivateSlope { rows: 1, width, width4: width / 4, members: 1, kind }, &[ones, source, slope], "slope");
    let mut executor = (judged.open)(builder.finish().unwrap());
    executor.write(input, 0, z).unwrap();
    executor.write(ones, 0, &vec![1.0; z.len()]).unwrap();
    let mut table = Step::table(1);
    Step::push(&mut table, &Row { rows: 1, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &[Rate::default()] });
    executor.run(program, &table).unwrap();
    (executor.read_wide(output, 0, z.len()).unwrap(), executor.read_wide(slope, 0, z.len()).unwrap())
}

#[test]
fn activations_and_their_slopes_are_pytorchs_at_ordinary_and_at_hard_numbers() {
    let cases = golden();
    for row in TABLE.iter().filter(|row| row.name != "identity") {
        assert!(
            cases.iter().any(|case| case["activation"] == row.name),
            "PyTorch was not asked for {}: see tests/golden/make.py",
            row.name
        );
    }
    each_executor(|judged| {
        let mut worst = (0.0, String::new());
        for case in &cases {
            let mut activation = Activation::named(case["activation"].as_str().unwrap()).unwrap();
            if let Some(parameter) = case["parameter"].as_f64() {
                activation = activation.with_parameter(parameter).unwrap();
            }
            let z: Vec<f32> = list(&case["z"]).iter().map(|&z| z as f32).collect();
            let (a, slope) = values_and_slopes(judged, &activation, &z);
            for (what, ours, theirs) in [("value", a, list(&case["a"])), ("slope", slope, list(&case["slope"]))] {
                assert_eq!(ours.len(), theirs.len());
                for ((ours, theirs), z) in ours.iter().zip(&theirs).zip(&z) {
                    let flushed = judged.flushes && what == "slope" && z.is_subnormal();
                    let error = if flushed { 0.0 } else { (ours - theirs).abs() / theirs.abs().max(1.0) };
                    let at = || format!("{} of {} {} at {z:e}", what, activation.name(), case["parameter"]);
                    // a NaN fails
                    assert!(error <= judged.allowed, "{}: {} is {ours:e}, PyTorch's {theirs:e}: {error:e} apart", judged.name, at());
                    if error > worst.0 {
                        worst = (error, at());
                    }
                }
            }
        }
        println!("{}: at most {:.1e} off ({})", judged.name, worst.0, worst.1);
    });
}
