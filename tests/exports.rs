//! Exported models give the predictions of gradus: sources are compiled and run, and check themselves by rows that are written into them.
#![cfg(feature = "export")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[cfg(feature = "gpu")]
#[path = "devices/adapters.rs"]
mod adapters;

use gradus::data::{
    Categorical, Cells, Coding, Column, Columns, Dataset, Fit, Frame, GAP, Missing, Preprocessor, Scaling, TargetScaling, Targets,
};
use gradus::export::{Format, Trained, export};
use gradus::model::Weights;
use gradus::rng::{Purpose, Rng};
use gradus::train::Stop;
use gradus::{Activation, Device, Loss, Model, Trainer};
use std::process::Command;

/// What is exported: a model, what it was trained with, and its weights after an epoch.
struct Made {
    name: String,
    model: Model,
    loss: Loss,
    preprocess: Preprocessor,
    weights: Weights,
}

impl Made {
    fn trained(&self) -> Trained<'_> {
        Trained { name: &self.name, model: &self.model, weights: &self.weights, loss: &self.loss, preprocess: &self.preprocess }
    }
}

const ROWS: usize = 60;

/// Numbers, words and gaps.
fn columns(targets: Targets) -> Columns {
    let mut rng = Rng::new(3, Purpose::Synthetic, 0);
    let numbers = |name: &str, gap: bool, rng: &mut Rng| Column {
        name: name.into(),
        cells: Cells::Numbers((0..ROWS).map(|i| if gap && i % 9 == 0 { f32::NAN } else { 5.0 + 3.0 * rng.normal() as f32 }).collect()),
    };
    let words = Cells::Words {
        of: (0..ROWS).map(|i| if i % 7 == 0 { GAP } else { (i % 3) as u32 }).collect(),
        words: ["red", "a \"b\"\\", "größer"].map(String::from).to_vec(),
    };
    let features = vec![
        numbers("x", false, &mut rng),
        Column { name: "the \"word\"".into(), cells: words },
        numbers("with gaps", true, &mut rng),
        numbers("z", false, &mut rng),
    ];
    Columns { features: Frame::new(features), targets, target: "y".into(), weights: None }
}

fn classes(count: u32) -> Targets {
    Targets::Classes { of: (0..ROWS as u32).map(|i| i % count).collect(), names: (0..count).map(|c| format!("class {c}")).collect() }
}

fn values(count: usize) -> Targets {
    let of = (0..ROWS * count).map(|i| 10.0 + (i % 7) as f32).collect();
    Targets::Values { of, names: (0..count).map(|c| format!("value {c}")).collect() }
}

fn made(name: &str, loss: Loss, targets: Targets, target: TargetScaling, layers: impl FnOnce(Model) -> Model) -> Made {
    fitted(name, loss, targets, Fit { target, ..Fit::default() }, layers)
}

fn fitted(name: &str, loss: Loss, targets: Targets, fit: Fit, layers: impl FnOnce(Model) -> Model) -> Made {
    let columns = columns(targets);
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let fit = Fit { scale: Scaling::Standard, missing: Missing::Mean, ..fit };
    let preprocess = Preprocessor::fit(&columns, &rows, &fit).unwrap();
    let data = Dataset::new(preprocess.table(columns).unwrap());
    trained(name, loss, data, preprocess, layers)
}

fn trained(name: &str, loss: Loss, data: Dataset, preprocess: Preprocessor, layers: impl FnOnce(Model) -> Model) -> Made {
    let outputs = match data.table().targets() {
        Targets::Classes { names, .. } => loss.outputs(Some(names.len()), 0),
        Targets::Values { names, .. } => loss.outputs(None, names.len()),
    };
    let model = layers(Model::input(data.table().width()).embedding(preprocess.codes())).dense(outputs);
    let mut training = Trainer::new(model.clone(), loss.clone()).batch(8).build_on(Device::Cpu.open().unwrap()).unwrap();
    let report = training.fit_with(&data, &data.view(vec![]), Stop::after(2), |_| {}).unwrap();
    Made { name: name.into(), model, loss, preprocess, weights: report.first().weights.clone() }
}

/// A data set that is in the binary, with the layers that its config has.
fn built_in(name: &str, data: Dataset, layers: impl FnOnce(Model) -> Model) -> Made {
    let loss = if matches!(data.table().targets(), Targets::Classes { .. }) { Loss::cross_entropy() } else { Loss::mse() };
    let preprocess = Preprocessor::of_numbers(data.table(), "y", None);
    trained(name, loss, data, preprocess, layers)
}

/// Every kind of layer, every activation, every way from outputs to answers.
fn all() -> Vec<Made> {
    let named = |name: &str| Loss::named(name).unwrap();
    let mut all = vec![
        made("softmax", Loss::cross_entropy(), classes(3), TargetScaling::None, |m| m.dense(9).relu()),
        made("one output", named("binary_cross_entropy"), classes(2), TargetScaling::None, |m| m.dense(5).tanh()),
        made("each output", named("binary_cross_entropy"), classes(3), TargetScaling::None, |m| m.dense(5).sigmoid()),
        made("scores", named("hinge"), classes(4), TargetScaling::None, |m| m.dense(5).relu()),
        made("units", Loss::mse(), values(2), TargetScaling::Standard, |m| m.dense(6).relu()),
        made("rates", named("poisson"), values(1), TargetScaling::None, |m| m.dense(6).relu()),
        made("deviations", named("gaussian_nll"), values(2), TargetScaling::Standard, |m| m.dense(6).relu()),
        made("layers", Loss::cross_entropy(), classes(3), TargetScaling::None, |m| {
            let block = |f: Model| f.dense(7).batch_norm().relu();
            let wider = |f: Model| f.dense(10).layer_norm().tanh();
            m.dense(7).batch_norm().relu().residual(block).dropout(0.2).residual(wider).layer_norm().softmax()
        }),
        made("wide", Loss::mse(), values(1), TargetScaling::MinMax, |m| m.dense(38).relu().dense(41).relu()),
    ];
    let embed = Fit { categorical: Categorical::Embed, target: TargetScaling::Standard, ..Fit::default() };
    all.push(fitted("embedding", Loss::mse(), values(2), embed, |m| m.dense(7).relu()));
    all.push(fitted("weights in a buffer", Loss::cross_entropy(), classes(3), embed, |m| {
        let block = |f: Model| f.dense(37).layer_norm().tanh();
        m.batch_norm().dense(37).relu().residual(block).residual(|f| f.dense(30).batch_norm().relu())
    }));
    all.push(built_in("digits", Dataset::digits(), |m| m.dense(256).relu().dense(128).relu()));
    let small = |m: Model| m.dense(32).relu().dense(32).relu();
    all.push(built_in("iris", Dataset::iris(), small));
    all.push(built_in("spirals", Dataset::spirals(3, 300, 7), small));
    all.push(built_in("moons", Dataset::moons(300, 7), small));
    all.push(built_in("friedman", Dataset::friedman(300, 7), small));
    all.push(built_in("sine", Dataset::sine(300, 7), |m| m.dense(32).tanh().dense(32).tanh()));
    let expression =
        Activation::expression("if(z > 0.5 and not(z == 2), log2(1 + abs(z)), min(z^3, 0.1) - clamp(z % 2, 0.1, 1)*(z // 2 >= -1))")
            .unwrap();
    all.push(made("a formula", Loss::mse(), values(1), TargetScaling::None, |m| m.dense(8).activation(expression)));
    all.push(nasty(Targets::Classes { of: (0..ROWS as u32).map(|i| i % NASTY.len() as u32).collect(), names: nasty_names() }));
    all.push(nasty(Targets::Values { of: (0..ROWS * NASTY.len()).map(|i| (i % 5) as f32).collect(), names: nasty_names() }));
    for row in gradus::kernels::activation::TABLE {
        all.push(made(row.name, Loss::mse(), values(1), TargetScaling::Standard, |m| m.dense(8).activation(row.activation())));
    }
    all
}

/// Names that would be more than names, if they got out of their quotes or out of their line.
const NASTY: [&str; 9] = [
    "\"; panic!(\"executed\"); \"",
    "*/ compile_error!(\"executed\"); /*",
    "a\nfn executed() { undefined }",
    "a\r\u{b}\u{c}\u{85}\u{2028}\u{2029}fn executed() { undefined }",
    "\\",
    "{}{0}{executed}",
    "\u{202e}\u{0}",
    "\"#; r#\"",
    "'\u{1F600}",
];

/// A net whose name, columns, words and classes are all of those.
fn nasty(target: Targets) -> Made {
    let mut columns = columns(target);
    let mut features = columns.features.into_columns();
    for (column, name) in features.iter_mut().zip(NASTY) {
        column.name = name.into();
        if let Cells::Words { words, .. } = &mut column.cells {
            *words = NASTY[4..7].iter().map(|word| word.to_string()).collect();
        }
    }
    columns.features = Frame::new(features);
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let fit = Fit { scale: Scaling::Standard, missing: Missing::Mean, ..Fit::default() };
    let preprocess = Preprocessor::fit(&columns, &rows, &fit).unwrap();
    let loss = Loss::for_targets(&columns.targets);
    let data = Dataset::new(preprocess.table(columns).unwrap());
    Made { name: NASTY.concat(), ..trained("", loss, data, preprocess, |m| m.dense(5).relu()) }
}

fn nasty_names() -> Vec<String> {
    NASTY.map(String::from).to_vec()
}

#[test]
fn an_activations_expression_is_its_formula() {
    for row in gradus::kernels::activation::TABLE {
        let activation = row.activation();
        let expression = activation.formula().expression().unwrap_or_else(|| panic!("{} has no expression", row.name));
        for z in (-400..=400).map(|i| f64::from(i) / 40.0) {
            let (got, wanted) = (expression.eval(&[z]), activation.value(z));
            assert!((got - wanted).abs() <= 1e-12 * wanted.abs().max(1.0), "{} of {z}: {got}, should be {wanted}", row.name);
        }
    }
}

#[test]
fn sources_in_rust_compile_and_pass_their_own_test() {
    let folder = tempfile::tempdir().unwrap();
    let mut main = String::new();
    for (i, made) in all().iter().enumerate() {
        std::fs::write(folder.path().join(format!("model{i}.rs")), export(&made.trained(), Format::Rust).unwrap().file).unwrap();
        main += &format!("mod model{i};\n");
    }
    let path = folder.path().join("main.rs");
    std::fs::write(&path, main).unwrap();
    let program = folder.path().join("models");
    let built = Command::new("rustc").args(["--edition", "2021", "--test", "-O"]).arg(&path).arg("-o").arg(&program).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success() && said.contains(&format!("{} passed", all().len())), "{said}");
}

#[test]
fn a_source_with_a_wrong_weight_fails_its_own_test() {
    let made = made("wrong", Loss::mse(), values(1), TargetScaling::None, |m| m.dense(4).relu());
    let text = String::from_utf8(export(&made.trained(), Format::Rust).unwrap().file).unwrap();
    let bias = made.weights.get("2.bias").unwrap()[0];
    let spoilt = text.replace(&format!("    {bias:?},\n];"), &format!("    {:?},\n];", bias + 0.1));
    assert_ne!(spoilt, text);
    let folder = tempfile::tempdir().unwrap();
    let (path, program) = (folder.path().join("model.rs"), folder.path().join("model"));
    std::fs::write(&path, spoilt).unwrap();
    assert!(Command::new("rustc").args(["--edition", "2021", "--test"]).arg(&path).arg("-o").arg(&program).status().unwrap().success());
    assert!(!Command::new(&program).output().unwrap().status.success());
}

#[test]
fn what_is_known_as_code_only_is_refused() {
    use gradus::kernel::Real;
    struct Softsign;
    impl gradus::kernels::activation::Formula for Softsign {
        const NAME: &'static str = "softsign";
        const DOC: &'static str = "z / (1 + |z|)";
        const WGSL: &'static str = "z / (1.0 + abs(z))";
        const WGSL_SLOPE: &'static str = "(1.0 - abs(a)) * (1.0 - abs(a))";
        fn value<T: Real>(z: T, _: T) -> T {
            z / (T::one() + z.abs())
        }
        fn slope<T: Real>(a: T, _: T) -> T {
            (T::one() - a.abs()) * (T::one() - a.abs())
        }
    }
    let made =
        made("code", Loss::mse(), values(1), TargetScaling::None, |m| m.dense(4).activation(Activation::of::<Softsign>(None).unwrap()));
    for format in [Format::Onnx, Format::Rust, Format::Wgsl] {
        let error = export(&made.trained(), format).unwrap_err().to_string();
        assert!(error.starts_with("the activation softsign is known as code only"), "{error}");
    }
    assert!(export(&made.trained(), Format::Npz).is_ok() && export(&made.trained(), Format::Safetensors).is_ok());
}

#[test]
fn preprocessing_is_part_of_every_export_that_predicts() {
    let made = made("columns", Loss::mse(), values(1), TargetScaling::None, |m| m.dense(4).relu());
    let numbers = made.preprocess.features.iter().filter(|feature| matches!(feature.coding, Coding::Number { .. })).count();
    assert_eq!((numbers, made.preprocess.inputs()), (3, 3 + 4));
    for format in [Format::Onnx, Format::Rust, Format::Wgsl] {
        let text = String::from_utf8_lossy(&export(&made.trained(), format).unwrap().file).into_owned();
        for wanted in ["with gaps", "größer"] {
            assert!(text.contains(wanted), "{format:?} does not know `{wanted}`");
        }
    }
}

/// Runs the entry point `check` of an exported module on every adapter, and gives the errors.
#[cfg(feature = "gpu")]
#[test]
fn sources_in_wgsl_pass_their_own_check_on_every_adapter() {
    let open = |adapter: wgpu::Adapter| {
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
        (adapter.get_info().name, device, queue)
    };
    let devices: Vec<_> = adapters::adapters().into_iter().map(open).collect();
    for made in all() {
        let gradus::export::Exported { file, buffer } = export(&made.trained(), Format::Wgsl).unwrap();
        let source = String::from_utf8(file).unwrap();
        let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{}: {}", made.name, e.emit_to_string(&source)));
        let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).unwrap_or_else(|e| panic!("{}: {}", made.name, e.emit_to_string(&source)));
        for (name, device, queue) in &devices {
            let worst = check(device, queue, &source, buffer.as_deref());
            assert!(worst <= 1e-5, "{} on {name}: {worst}", made.name);
        }
    }
}

#[cfg(feature = "gpu")]
fn check(device: &wgpu::Device, queue: &wgpu::Queue, source: &str, weights: Option<&[u8]>) -> f32 {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(source.into()) });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("check"),
        compilation_options: Default::default(),
        cache: None,
    });
    let buffer = |usage| device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 4, usage, mapped_at_creation: false });
    let result = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST);
    let read = buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ);
    let weights = weights.map(|bytes| {
        let (size, usage) = (bytes.len() as u64, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        queue.write_buffer(&buffer, 0, bytes);
        buffer
    });
    // what never ran would be as good as what is right
    queue.write_buffer(&result, 0, &f32::MAX.to_le_bytes());
    let buffers = [&result].into_iter().chain(&weights).zip(0..);
    let entries: Vec<_> = buffers.map(|(buffer, binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }).collect();
    let bindings =
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &pipeline.get_bind_group_layout(0), entries: &entries });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&result, 0, &read, 0, 4);
    queue.submit([encoder.finish()]);
    read.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes: [u8; 4] = read.slice(..).get_mapped_range().unwrap()[..4].try_into().unwrap();
    f32::from_le_bytes(bytes)
}
