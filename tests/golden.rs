//! PyTorch's numbers (`tests/golden`) against ours: losses and their slopes, back-propagation, 50 steps of every optimizer.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

use gradus::exec::Executor;
use gradus::exec::cpu::Cpu;
use gradus::kernel::{Part, Rate, Row, Step};
use gradus::kernels::elementwise_loss::ElementwiseLoss;
use gradus::kernels::gaussian_nll::GaussianNll;
use gradus::kernels::softmax_cross_entropy::SoftmaxCrossEntropy;
use gradus::model::{Compiled, Spec};
use gradus::optim::{Decays, Optimizer};
use gradus::plan::{Builder, Kind, Plan, padded};
use gradus::{Activation, Clip, Loss, Model, Sgd};
use serde_json::Value;

/// An executor, and how far it may be from numbers in `f64`.
struct Judged<'a> {
    name: String,
    open: &'a dyn Fn(Plan) -> Box<dyn Executor>,
    /// Of a loss or its slope, relative to the number or to 1, whichever is larger.
    loss: f64,
    /// Of a tensor of gradients: ‖ours − theirs‖ / ‖theirs‖.
    gradient: f64,
    /// Of a run of 50 steps: losses, norms, and ‖ours − theirs‖ / ‖theirs‖ of a weight.
    run: f64,
    /// The same with Adam and its kin: they divide by small gradients or take signs, and bias corrections reach the executor in `f32`.
    adam: f64,
}

fn truth(judge: impl FnOnce(&Judged<'_>)) {
    let open = |plan| Box::new(Cpu::<f64>::new(plan)) as Box<dyn Executor>;
    judge(&Judged { name: "CPU path in f64".into(), open: &open, loss: 1e-14, gradient: 1e-13, run: 1e-13, adam: 1e-7 });
}

fn cpu(judge: impl FnOnce(&Judged<'_>)) {
    let open = |plan| Box::new(Cpu::<f32>::new(plan)) as Box<dyn Executor>;
    judge(&Judged { name: "CPU path in f32".into(), open: &open, loss: 5e-7, gradient: 1e-6, run: 2e-6, adam: 2e-5 });
}

#[cfg(feature = "gpu")]
fn each_adapter(judge: impl Fn(&Judged<'_>)) {
    let adapters = gradus::exec::gpu::adapters();
    assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    for (info, _) in adapters {
        let device = gradus::Device::Named(info.name.clone()).open().unwrap();
        let open = |plan| device.executor(plan).unwrap();
        judge(&Judged { name: info.to_string(), open: &open, loss: 1e-6, gradient: 1e-6, run: 1e-5, adam: 1e-3 });
    }
}

fn golden(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Inputs, which are exact in `f32`.
fn exact(value: &Value) -> Vec<f32> {
    let narrow = |wide: f64| {
        assert_eq!(f64::from(wide as f32), wide, "an input is not exact in f32");
        wide as f32
    };
    list(value).into_iter().map(narrow).collect()
}

fn classes(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn pad(values: &[f32], width: usize) -> Vec<f32> {
    let row = |row: &[f32]| row.iter().copied().chain([0.0; 3]).take(padded(width)).collect::<Vec<_>>();
    values.chunks(width).flat_map(row).collect()
}

fn unpad(values: &[f64], width: usize) -> Vec<f64> {
    values.chunks(padded(width)).flat_map(|row| &row[..width]).copied().collect()
}

/// The largest error so far, and where it was.
#[derive(Default)]
struct Worst {
    error: f64,
    at: String,
}

impl Worst {
    fn see(&mut self, error: f64, allowed: f64, at: impl Fn() -> String) {
        assert!(error <= allowed, "{}: {error:e} is more than {allowed:e}", at());
        if error > self.error {
            *self = Worst { error, at: at() };
        }
    }

    /// Holds numbers against PyTorch's one by one, each relative to itself or to 1.
    fn numbers(&mut self, ours: &[f64], theirs: &[f64], allowed: f64, at: impl Fn() -> String) {
        assert_eq!(ours.len(), theirs.len(), "{}", at());
        for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let error = (ours - theirs).abs() / theirs.abs().max(1.0);
            self.see(error, allowed, || format!("{}[{i}], {ours:e} for {theirs:e}", at()));
        }
    }

    /// Holds a tensor against PyTorch's as a whole.
    fn tensor(&mut self, ours: &[f64], theirs: &[f64], allowed: f64, at: impl Fn() -> String) {
        assert_eq!(ours.len(), theirs.len(), "{}", at());
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let apart = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
        let whole = norm(&mut theirs.iter().copied());
        assert!(whole > 0.0, "{}: nothing to compare with", at());
        self.see(apart / whole, allowed, at);
    }

    fn print(&self, judged: &Judged<'_>, what: &str) {
        println!("{}: {what} at most {:.1e} off ({})", judged.name, self.error, self.at);
    }
}

/// Runs one loss kernel alone and gives the mean loss and the slope.
fn loss_and_slope(judged: &Judged<'_>, case: &Value) -> (f64, Vec<f64>) {
    let (rows, outputs, stride) = (size(&case["rows"]), size(&case["outputs"]), padded(size(&case["outputs"])));
    let mut loss = Loss::named(case["loss"].as_str().unwrap()).unwrap();
    if let Some(parameter) = case["parameter"].as_f64() {
        loss = loss.with_parameter(parameter).unwrap();
    }
    let class = loss.name() == "cross_entropy";
    let targets_len = if class { rows } else { case["targets"].as_array().unwrap().len() };
    let mut builder = Builder::new(1, 1);
    let predictions = builder.buffer("predictions", Kind::F32, rows * stride);
    let targets = builder.buffer("targets", if class { Kind::U32 } else { Kind::F32 }, targets_len);
    let order = builder.buffer("order", Kind::U32, rows);
    let delta = builder.buffer("delta", Kind::F32, rows * stride);
    let row_loss = builder.buffer("loss", Kind::F32, rows);
    let weights = builder.buffer("weights", Kind::F32, rows);
    let class_weights = builder.buffer("class weights", Kind::F32, outputs);
    let kind = loss.formula().map(|formula| builder.loss(&formula));
    let program = builder.program("loss");
    let args = [predictions, targets, order, delta, row_loss, weights, class_weights];
    let (r, o, s) = (rows as u32, outputs as u32, stride as u32);
    let weighted = u32::from(!case["weights"].is_null());
    match kind {
        Some(kind) => {
            let kernel = ElementwiseLoss { rows: r, outputs: o, stride: s, order_stride: r, members: 1, kind, weighted };
            builder.dispatch(&kernel, &args[..6], "loss");
        }
        None if class => {
            let smoothing = case["smoothing"].as_f64().unwrap() as f32;
            let kernel = SoftmaxCrossEntropy { rows: r, outputs: o, stride: s, order_stride: r, members: 1, smoothing, weighted };
            builder.dispatch(&kernel, &args, "loss");
        }
        None => {
            let kernel = GaussianNll { rows: r, outputs: o / 2, stride: s, order_stride: r, members: 1, weighted };
            builder.dispatch(&kernel, &args[..6], "loss");
        }
    }
    let mut executor = (judged.open)(builder.finish().unwrap());
    executor.write(predictions, 0, &pad(&exact(&case["predictions"]), outputs)).unwrap();
    match class {
        true => executor.write_words(targets, 0, &classes(&case["targets"])).unwrap(),
        false => executor.write(targets, 0, &exact(&case["targets"])).unwrap(),
    }
    executor.write_words(order, 0, &(0..r).collect::<Vec<_>>()).unwrap();
    let given = |value: &Value, len: usize| if value.is_null() { vec![1.0; len] } else { exact(value) };
    executor.write(weights, 0, &given(&case["weights"], rows)).unwrap();
    executor.write(class_weights, 0, &given(&case["class_weights"], outputs)).unwrap();
    let total = case["total"].as_f64().unwrap();
    let mut table = Step::table(1);
    let rates = [[0.0, 1.0, 1.0, total as f32]];
    Step::push(&mut table, &Row { rows, start: 0, slot: 0, number: 0, part: Part::WHOLE, rates: &rates });
    executor.run(program, &table).unwrap();
    let value = executor.read_wide(row_loss, 0, rows).unwrap().iter().sum::<f64>() / total;
    (value, unpad(&executor.read_wide(delta, 0, rows * stride).unwrap(), outputs))
}

fn check_losses(judged: &Judged<'_>) {
    let golden = golden("losses.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 193, "{} cases", cases.len());
    let (mut values, mut slopes) = (Worst::default(), Worst::default());
    for case in cases {
        let (value, slope) = loss_and_slope(judged, case);
        let name =
            |what: &str| format!("{}, {what} of {}, {} x {}, {}", judged.name, case["loss"], case["rows"], case["outputs"], case["note"]);
        values.numbers(&[value], &[case["value"].as_f64().unwrap()], judged.loss, || name("value"));
        slopes.numbers(&slope, &list(&case["slope"]), judged.loss, || name("slope"));
    }
    values.print(judged, "losses");
    slopes.print(judged, "slopes of losses");
}

/// The model of a golden net.
fn model(sizes: &Value, activations: &Value) -> Model {
    let sizes: Vec<_> = sizes.as_array().unwrap().iter().map(size).collect();
    let names = activations.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    sizes[1..]
        .iter()
        .zip(names)
        .fold(Model::input(sizes[0]), |model, (&outputs, name)| model.dense(outputs).activation(Activation::named(name).unwrap()))
}

/// A compiled net on an executor, with a golden file's examples and weights. All members get the same weights.
struct Net {
    compiled: Compiled,
    executor: Box<dyn Executor>,
    members: usize,
}

impl Net {
    fn new(judged: &Judged<'_>, spec: &Spec<'_>, x: &Value, y: &Value, weights: &Value) -> Self {
        let compiled = spec.model.compile(spec).unwrap();
        let mut executor = (judged.open)(compiled.plan.clone());
        executor.write(compiled.features[0], 0, &pad(&exact(x), spec.model.inputs())).unwrap();
        match (compiled.classes, compiled.values) {
            (Some(of), _) => {
                executor.write_words(of, 0, &classes(y)).unwrap();
                executor.write(compiled.class_weights, 0, &vec![1.0; spec.model.outputs()]).unwrap();
            }
            (None, Some(of)) => executor.write(of, 0, &exact(y)).unwrap(),
            (None, None) => panic!("a loss without targets"),
        }
        if let (Some(&decays), Some(optimizer)) = (compiled.decays.first(), spec.optimizer) {
            executor.write(decays, 0, &compiled.decaying(optimizer.decaying())).unwrap();
        }
        let mut arena = vec![0.0; compiled.arena];
        assert_eq!(weights.as_object().unwrap().len(), compiled.tensors.len());
        for tensor in &compiled.tensors {
            tensor.pack(&exact(&weights[&tensor.name]), &mut arena);
        }
        for member in 0..spec.members {
            executor.write(compiled.params[0], member * compiled.arena, &arena).unwrap();
            for &average in &compiled.average {
                executor.write(average, member * compiled.arena, &arena).unwrap();
            }
        }
        Net { compiled, executor, members: spec.members }
    }

    fn train(&mut self, steps: &[(usize, usize, usize, Rate)]) {
        let mut table = Step::table(self.members);
        for &(rows, start, slot, rate) in steps {
            let rates = vec![rate; self.members];
            Step::push(&mut table, &Row { rows, start, slot, number: slot as u32, part: Part::WHOLE, rates: &rates });
        }
        self.executor.run(self.compiled.train.unwrap(), &table).unwrap();
    }

    fn log(&mut self, slot: usize, member: usize) -> [f64; 2] {
        let sums = self.executor.read_wide(self.compiled.log, 4 * (slot * self.members + member), 4).unwrap();
        [sums[0], sums[1]]
    }
}

fn check_gradients(judged: &Judged<'_>) {
    let golden = golden("dense.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 27, "{} cases", cases.len());
    let leaky = Activation::named("leaky_relu").unwrap().parameter().unwrap();
    assert_eq!(golden["leaky_relu_slope"].as_f64().unwrap(), f64::from(leaky));
    let optimizer = Sgd::new();
    let (mut outputs, mut losses, mut gradients) = (Worst::default(), Worst::default(), Worst::default());
    for case in cases {
        let (model, rows) = (model(&case["sizes"], &case["activations"]), size(&case["rows"]));
        let loss = Loss::named(case["loss"].as_str().unwrap()).unwrap();
        // a full batch, and a short one of a larger plan; alone, and as three members
        for (batch, members) in [(rows, 1), (rows, 3), (rows + 6, 1), (rows + 6, 3)] {
            let classes = (loss.name() == "cross_entropy").then_some(model.outputs());
            let spec = Spec { optimizer: Some(&optimizer), members, data_rows: rows, classes, ..Spec::new(&model, &loss, batch) };
            let mut net = Net::new(judged, &spec, &case["x"], &case["y"], &case["weights"]);
            for member in 0..members {
                net.executor.write_words(net.compiled.order, member * batch, &(0..rows as u32).collect::<Vec<_>>()).unwrap();
            }
            net.train(&[(rows, 0, 0, [0.0, 1.0, 1.0, rows as f32])]);
            for member in 0..members {
                let name = |what: &str| format!("{}, {what} of {}, batch {batch}, member {member} of {members}", judged.name, case["name"]);
                let k = model.outputs();
                let ours = net.executor.read_wide(net.compiled.output, member * batch * padded(k), rows * padded(k)).unwrap();
                outputs.tensor(&unpad(&ours, k), &list(&case["outputs"]), judged.gradient, || name("outputs"));
                let ours = net.log(0, member)[0] / rows as f64;
                losses.numbers(&[ours], &[case["loss_value"].as_f64().unwrap()], judged.loss, || name("loss"));
                let arena = net.compiled.arena;
                let ours = net.executor.read_wide(net.compiled.grads[0], member * arena, arena).unwrap();
                for tensor in &net.compiled.tensors {
                    let theirs = list(&case["gradients"][&tensor.name]);
                    gradients.tensor(&tensor.unpack(&ours), &theirs, judged.gradient, || name(&tensor.name));
                }
            }
        }
    }
    outputs.print(judged, "outputs");
    losses.print(judged, "losses of nets");
    gradients.print(judged, "gradients");
}

fn optimizer(of: &Value) -> Optimizer {
    let mut optimizer = Optimizer::named(of["type"].as_str().unwrap()).unwrap().weight_decay(0.0);
    for (key, value) in of.as_object().unwrap() {
        let number = || value.as_f64().unwrap();
        optimizer = match key.as_str() {
            "type" => optimizer,
            "lr" => optimizer.lr(number()),
            "l2" => optimizer.l2(number()),
            "weight_decay" => optimizer.weight_decay(number()),
            "decay_all" => optimizer.decays(Decays::All),
            "average" => optimizer.average(number()),
            key => {
                let hyper = optimizer.info().keys.iter().find(|hyper| hyper.name == key).unwrap_or_else(|| panic!("no key {key}"));
                optimizer.set(hyper.name, number())
            }
        };
    }
    optimizer.check().unwrap();
    optimizer
}

fn check_trajectories(judged: &Judged<'_>) {
    let golden = golden("trajectories.json");
    let (model, batch, steps) = (model(&golden["sizes"], &golden["activations"]), size(&golden["batch"]), size(&golden["steps"]));
    let batches: Vec<_> = golden["batches"].as_array().unwrap().iter().map(|b| (size(&b[0]), size(&b[1]))).collect();
    let runs = golden["runs"].as_array().unwrap();
    assert!(runs.len() >= 28, "{} runs", runs.len());
    let [mut of_run, mut of_adam] = [(); 2].map(|()| [Worst::default(), Worst::default(), Worst::default()]);
    for run in runs {
        let optimizer = optimizer(&run["optimizer"]);
        let (allowed, [losses, norms, weights]) = match optimizer.name() {
            "sgd" | "momentum" | "nesterov" => (judged.run, &mut of_run),
            _ => (judged.adam, &mut of_adam),
        };
        let clip = Clip::new(run["clip"]["value"].as_f64(), run["clip"]["norm"].as_f64());
        let loss = Loss::named(golden["loss"].as_str().unwrap()).unwrap();
        let spec = Spec {
            optimizer: Some(&optimizer),
            clip,
            data_rows: size(&golden["rows"]),
            order: steps * batch,
            classes: Some(model.outputs()),
            ..Spec::new(&model, &loss, batch)
        };
        let mut net = Net::new(judged, &spec, &golden["x"], &golden["y"], &golden["start"]);
        net.executor.write_words(net.compiled.order, 0, &(0..spec.data_rows as u32).collect::<Vec<_>>()).unwrap();
        let name = |what: &str| format!("{}, {what} of {} clipped by {}", judged.name, run["optimizer"], run["clip"]);
        // the norm of the log is the one that norm clipping is about to see
        let theirs = list(&run[if clip.value().is_some() { "clipped_norms" } else { "gradient_norms" }]);
        let table: Vec<_> = (0..steps)
            .map(|step| {
                let (from, to) = batches[step % batches.len()];
                let [c1, c2] = optimizer.corrections(step as u64 + 1);
                (to - from, from, step, [optimizer.rate() as f32, c1 as f32, c2 as f32, (to - from) as f32])
            })
            .collect();
        let mut done = 0;
        for kept in run["weights"].as_object().unwrap().keys() {
            let until: usize = kept.parse().unwrap();
            net.train(&table[done..until]);
            for (step, &(rows, ..)) in table.iter().enumerate().take(until).skip(done) {
                let [loss, norm] = net.log(step, 0);
                let at = |what: &str| format!("{} at step {}", name(what), step + 1);
                losses.numbers(&[loss / rows as f64], &[run["losses"][step].as_f64().unwrap()], allowed, || at("loss"));
                norms.tensor(&[norm], &theirs[step..=step], allowed, || at("norm"));
            }
            done = until;
            let judged_buf = net.compiled.average.first().copied().unwrap_or(net.compiled.params[0]);
            let arena = net.executor.read_wide(judged_buf, 0, net.compiled.arena).unwrap();
            for tensor in &net.compiled.tensors {
                let theirs = list(&run["weights"][kept][&tensor.name]);
                weights.tensor(&tensor.unpack(&arena), &theirs, allowed, || format!("{} after step {kept}", name(&tensor.name)));
            }
        }
        assert_eq!(done, steps, "the last weights are those of the last step");
    }
    for (kind, worst) in [("sgd and its momenta", of_run), ("those that divide or take signs", of_adam)] {
        for (what, worst) in ["losses", "norms of gradients", "weights"].into_iter().zip(worst) {
            worst.print(judged, &format!("{what} of {steps} steps of {kind}"));
        }
    }
}

#[test]
fn losses_and_slopes_are_pytorchs_in_f64() {
    truth(check_losses);
}

#[test]
fn losses_and_slopes_are_pytorchs_in_f32() {
    cpu(check_losses);
}

#[test]
fn back_propagation_is_pytorchs_in_f64() {
    truth(check_gradients);
}

#[test]
fn back_propagation_is_pytorchs_in_f32() {
    cpu(check_gradients);
}

#[test]
fn trajectories_are_pytorchs_in_f64() {
    truth(check_trajectories);
}

#[test]
fn trajectories_are_pytorchs_in_f32() {
    cpu(check_trajectories);
}

#[cfg(feature = "gpu")]
#[test]
fn losses_and_slopes_are_pytorchs_on_every_adapter() {
    each_adapter(check_losses);
}

#[cfg(feature = "gpu")]
#[test]
fn back_propagation_is_pytorchs_on_every_adapter() {
    each_adapter(check_gradients);
}

#[cfg(feature = "gpu")]
#[test]
fn trajectories_are_pytorchs_on_every_adapter() {
    each_adapter(check_trajectories);
}
