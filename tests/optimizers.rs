//! Every optimizer of the table on functions whose minimum is known, and what must hold of all of them.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how near, for `--nocapture`")]

mod devices;

use devices::devices;
use gradus::exec::{Executor, OpenDevice};
use gradus::kernel::{Part, Row, Step};
use gradus::model::{Compiled, Spec};
use gradus::optim::{Decays, Optimizer, Sgd};
use gradus::plan::Buf;
use gradus::rng::{Purpose, Rng};
use gradus::{Device, Loss, Model};

/// A rate at which the optimizer is at its best on such functions, not its usual one for nets.
fn tuned(optimizer: Optimizer, small: f64) -> Optimizer {
    match optimizer.name() {
        "sgd" => optimizer.lr(small),
        "momentum" | "nesterov" => optimizer.lr(0.3 * small),
        // those that divide by the size of the gradient, or take its sign, move by α a step
        _ => optimizer.lr(0.02).weight_decay(0.0),
    }
}

#[test]
fn every_optimizer_finds_the_bottom_of_a_parabola() {
    // ½(x² + 9y²) with its minimum 0 at (0, 0)
    for optimizer in Optimizer::all() {
        let optimizer = match optimizer.name() {
            "adagrad" => optimizer.lr(0.5),
            _ => tuned(optimizer, 0.1),
        };
        let path = optimizer.path(&[1.5, -1.0], 500, |w| vec![w[0], 9.0 * w[1]]);
        let end = &path[500];
        let value = 0.5 * (end[0] * end[0] + 9.0 * end[1] * end[1]);
        println!("{}: {value:.1e} after 500 steps", optimizer.name());
        // those that move by α a step circle the minimum at about that distance: ½·10·0.02² = 2e-3
        assert!(value < 2.5e-3, "{}: {end:?}", optimizer.name());
    }
}

#[test]
fn every_optimizer_goes_down_rosenbrocks_valley() {
    // (1 − x)² + 100(y − x²)² with its minimum 0 at (1, 1); the start, 24.2, is the one of Rosenbrock 1960
    let gradient = |w: &[f64]| {
        let (x, y) = (w[0], w[1]);
        vec![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
    };
    for optimizer in Optimizer::all() {
        let optimizer = match optimizer.name() {
            "adagrad" => optimizer.lr(0.5),
            "lion" => optimizer.lr(0.002),
            _ => tuned(optimizer, 1e-3),
        };
        let path = optimizer.path(&[-1.2, 1.0], 5000, gradient);
        let value = |w: &[f64]| (1.0 - w[0]).powi(2) + 100.0 * (w[1] - w[0] * w[0]).powi(2);
        println!("{}: {:.1e} after 5000 steps", optimizer.name(), value(&path[5000]));
        assert!((value(&path[0]) - 24.2).abs() < 1e-12);
        assert!(value(&path[5000]) < 0.2, "{}: {:?}", optimizer.name(), path[5000]);
    }
}

#[test]
fn the_first_steps_are_those_of_the_formulas() {
    // from w = 1 with g = 2 at each of two steps
    let after = |optimizer: Optimizer, steps: usize| optimizer.path(&[1.0], steps, |_| vec![2.0])[steps][0];
    let close = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-6, "{got} is not {wanted}");
    let named = |name: &str| Optimizer::named(name).unwrap().lr(0.1).weight_decay(0.0);
    close(after(named("sgd"), 2), 1.0 - 0.2 - 0.2);
    // v = 2, then 0.9·2 + 2 = 3.8
    close(after(named("momentum"), 2), 1.0 - 0.2 - 0.38);
    // g + 0.9·v: 2 + 1.8, then 2 + 3.42
    close(after(named("nesterov"), 2), 1.0 - 0.38 - 0.542);
    // m̂ = 2, v̂ = 4 in each step: α·2/2
    close(after(named("adam"), 2), 0.8);
    // decoupled decay takes α·λ·w = 0.1·0.5·1 off first
    close(after(named("adamw").weight_decay(0.5), 1), 0.95 - 0.1);
    // l2 makes g = 2 + 0.5·1
    close(after(named("sgd").l2(0.5), 1), 0.75);
    // v = 0.01·4: 0.2/0.2 = 1 of α·10
    close(after(named("rmsprop"), 1), 1.0 - 0.1 * 2.0 / 0.2);
    // v = 4, then 8
    close(after(named("adagrad"), 2), 1.0 - 0.1 - 0.1 * 2.0 / 8.0f64.sqrt());
    close(after(named("lion"), 2), 0.8);
}

/// A net on a batch of its own, weights seeded.
fn net(device: &OpenDevice, optimizer: &Optimizer) -> (Compiled, Box<dyn Executor>) {
    let model = Model::input(3).dense(5).batch_norm().tanh().dense(2);
    let loss = Loss::mse();
    // room for 20 steps in the table
    let spec = Spec { optimizer: Some(optimizer), data_rows: 8, order: 160, ..Spec::new(&model, &loss, 8) };
    let compiled = model.compile(&spec).unwrap();
    let mut executor = device.executor(compiled.plan.clone()).unwrap();
    let mut rng = Rng::new(1, Purpose::Synthetic, 0);
    let mut draw = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<_>>();
    let rows: Vec<f32> = draw(24).chunks(3).flat_map(|row| [row[0], row[1], row[2], 0.0]).collect();
    executor.write(compiled.features[0], 0, &rows).unwrap();
    executor.write(compiled.values.unwrap(), 0, &draw(16)).unwrap();
    executor.write_words(compiled.order, 0, &(0..8).collect::<Vec<_>>()).unwrap();
    executor.write(compiled.params[0], 0, &compiled.pack(&gradus::model::Weights::initial(&model, 3))).unwrap();
    for &decays in &compiled.decays {
        executor.write(decays, 0, &compiled.decaying(optimizer.decaying())).unwrap();
    }
    (compiled, executor)
}

fn run(optimizer: &Optimizer, compiled: &Compiled, executor: &mut dyn Executor, steps: std::ops::Range<u64>) {
    let mut table = Step::table(1);
    for step in steps {
        let [c1, c2] = optimizer.corrections(step + 1);
        let rates = [[0.01, c1 as f32, c2 as f32, 8.0]];
        Step::push(&mut table, &Row { rows: 8, start: 0, slot: 0, number: step as u32, part: Part::WHOLE, rates: &rates });
    }
    executor.run(compiled.train.unwrap(), &table).unwrap();
}

fn values(executor: &mut dyn Executor, buf: Buf) -> Vec<f32> {
    let len = executor.plan().buffer(buf).len;
    executor.read(buf, 0, len).unwrap()
}

#[test]
fn padding_and_what_is_not_learned_stay_as_they_are() {
    for device in devices() {
        for optimizer in Optimizer::all().map(|o| o.l2(0.1).weight_decay(0.1).decays(Decays::All)) {
            let (compiled, mut executor) = net(&device, &optimizer);
            run(&optimizer, &compiled, &mut *executor, 0..1);
            let arena = values(&mut *executor, compiled.params[0]);
            let used: Vec<usize> = compiled.tensors.iter().flat_map(|t| t.unpack(&(0..compiled.arena).collect::<Vec<_>>())).collect();
            let place = format!("{}, {}", device.info(), optimizer.name());
            let mut padding = (0..compiled.arena).filter(|at| !used.contains(at));
            assert!(padding.all(|at| arena[at] == 0.0), "{place}: padding has moved");
            // 0.9·1 + 0.1·variance: decay of running statistics would show
            let tracked = |name: &str| compiled.tensors.iter().find(|t| t.name.ends_with(name)).unwrap().unpack(&arena);
            assert_eq!(tracked("num_batches_tracked"), [1.0]);
            assert!(tracked("running_var").iter().all(|v| *v >= 0.9), "{place}: {:?}", tracked("running_var"));
        }
    }
}

#[test]
fn a_run_that_is_resumed_equals_one_that_was_not() {
    for device in devices() {
        for optimizer in Optimizer::all().map(|o| o.average(0.9)) {
            let (compiled, mut straight) = net(&device, &optimizer);
            run(&optimizer, &compiled, &mut *straight, 0..20);
            let (_, mut first) = net(&device, &optimizer);
            run(&optimizer, &compiled, &mut *first, 0..8);
            // only parameters, their average and the states go on
            let (_, mut second) = net(&device, &optimizer);
            let kept = [compiled.params[0], compiled.average[0]].into_iter().chain(compiled.states.iter().flatten().copied());
            for buf in kept {
                second.write(buf, 0, &values(&mut *first, buf)).unwrap();
            }
            run(&optimizer, &compiled, &mut *second, 8..20);
            let place = format!("{}, {}", device.info(), optimizer.name());
            for buf in [compiled.params[0], compiled.average[0]] {
                assert_eq!(values(&mut *second, buf), values(&mut *straight, buf), "{place}");
            }
        }
    }
}

#[test]
fn only_weights_decay_unless_all_shall() {
    let decaying = |optimizer: Optimizer| {
        let (compiled, _) = net(&Device::Cpu.open().unwrap(), &optimizer);
        let arena = compiled.decaying(optimizer.decaying());
        let decays = |name: &str| compiled.tensors.iter().find(|t| t.name == name).unwrap().unpack(&arena)[0] == 1.0;
        ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "3.weight"].map(decays)
    };
    assert_eq!(decaying(Sgd::new().l2(0.1)), [true, false, false, false, false, true]);
    assert_eq!(decaying(Sgd::new().l2(0.1).decays(Decays::All)), [true, true, true, true, false, true]);
}
