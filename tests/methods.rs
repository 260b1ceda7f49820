//! The methods of training, end to end: weights of rows and classes, accumulation, policies for what is not finite, averages of weights,
//! dropout and normalisation, the flow of gradients and its diagnosis, the learning-rate finder, reasons to stop.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

mod devices;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::flow::Trouble;
use gradus::lr_find::{Settings, suggest};
use gradus::model::{Init, Weights};
use gradus::train::{ClassWeights, EarlyStopping, Event, Looks, Monitor, OnNonFinite, Reason, Report, Stop};
use gradus::{Activation, Adam, Clip, Dataset, Device, Error, Loss, Model, Schedule, Sgd, Trainer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn cpu() -> OpenDevice {
    Device::Cpu.open().unwrap()
}

fn nothing(data: &Dataset) -> Dataset {
    data.view(Vec::new())
}

fn fit(trainer: &Trainer, device: &OpenDevice, data: &Dataset, epochs: usize) -> gradus::Result<Report> {
    trainer.clone().build_on(device.clone())?.fit(data, &nothing(data), Stop::after(epochs))
}

/// ‖a − b‖ / ‖b‖ over all tensors.
fn apart(a: &Weights, b: &Weights) -> f64 {
    let all = |weights: &Weights| weights.iter().flat_map(|t| t.2.to_vec()).map(f64::from).collect::<Vec<_>>();
    let (a, b) = (all(a), all(b));
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

fn table(values: &[f32], width: usize, targets: Targets) -> Table {
    let names = (0..width).map(|i| format!("x{i}")).collect();
    Table::new(Features::F32(values.to_vec()), names, targets).unwrap()
}

fn numbers(of: Vec<f32>) -> Targets {
    Targets::Values { of, names: vec!["y".into()] }
}

fn small() -> Model {
    Model::input(2).dense(16).tanh().dense(2)
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let data = Dataset::moons(100, 3);
    let trainer = Trainer::new(small(), Loss::cross_entropy()).optimizer(Sgd::new().lr(0.5)).clip(Clip::Norm(0.5)).seed(3);
    for device in devices() {
        // 32, 32, 32, 4 rows: in parts of 8, the last update has one part of 4
        let large = fit(&trainer.clone().batch(32), &device, &data, 5).unwrap().members.remove(0);
        let parts = fit(&trainer.clone().batch(8).accumulate(4), &device, &data, 5).unwrap().members.remove(0);
        let error = apart(&parts.weights, &large.weights);
        println!("{}: {error:.1e} apart after 5 epochs", device.info());
        assert!(error < 1e-5, "{}: {error}", device.info());
        let (a, b) = (&parts.epochs[4], &large.epochs[4]);
        assert_eq!((a.steps, b.steps), (20, 20));
        assert!((a.train_loss / b.train_loss - 1.0).abs() < 1e-5 && (a.grad_norm / b.grad_norm - 1.0).abs() < 1e-4, "{a:?}\n{b:?}");
    }
    // and parts that are not accumulated are another thing
    let parts = fit(&trainer.clone().batch(8), &cpu(), &data, 5).unwrap().members.remove(0);
    let large = fit(&trainer.batch(32), &cpu(), &data, 5).unwrap().members.remove(0);
    assert!(apart(&parts.weights, &large.weights) > 1e-2);
}

#[test]
fn a_row_that_weighs_two_counts_as_two_rows() {
    let x = [0.1f32, -0.4, 0.9, 0.3, -0.8, 0.5];
    let y = vec![1.0f32, 0.0, 2.0];
    let weighted = table(&x, 2, numbers(y.clone())).with_weights(vec![2.0, 1.0, 0.0]).unwrap();
    let doubled = table(&[x[0], x[1], x[0], x[1], x[2], x[3]], 2, numbers(vec![y[0], y[0], y[1]]));
    let trainer = Trainer::new(Model::input(2).dense(4).tanh().dense(1), Loss::mse()).optimizer(Sgd::new().lr(0.1)).batch(8).shuffle(false);
    for device in devices() {
        let a = fit(&trainer, &device, &Dataset::new(weighted.clone()), 20).unwrap().members.remove(0);
        let b = fit(&trainer, &device, &Dataset::new(doubled.clone()), 20).unwrap().members.remove(0);
        assert!(apart(&a.weights, &b.weights) < 1e-6, "{}", device.info());
        assert!((a.epochs[19].train_loss - b.epochs[19].train_loss).abs() < 1e-6);
    }
}

#[test]
fn class_weights_move_the_odds() {
    // 90 of one class, 10 of the other, no feature says which: the share of the rare class is what is learnt, 0.1 without weights, 0.5 with
    let of: Vec<u32> = (0..100).map(|i| u32::from(i % 10 == 0)).collect();
    let data = Dataset::new(table(&[0.0; 100], 1, Targets::Classes { of, names: vec!["usual".into(), "rare".into()] }));
    let rare = |loss: &Loss, weights: ClassWeights, outputs: usize| {
        let trainer =
            Trainer::new(Model::input(1).dense(outputs), loss.clone()).optimizer(Sgd::new().lr(1.0)).batch(100).class_weights(weights);
        let mut training = trainer.build(Device::Cpu).unwrap();
        training.fit(&data, &nothing(&data), Stop::after(400)).unwrap();
        let z = training.predict(0, &data).unwrap();
        1.0 / (1.0 + (-(if outputs == 2 { z[1] - z[0] } else { z[0] })).exp())
    };
    for (loss, outputs) in [(Loss::cross_entropy(), 2), (Loss::named("binary_cross_entropy").unwrap(), 1)] {
        for (weights, wanted) in [
            (ClassWeights::None, 0.1),
            (ClassWeights::Balanced, 0.5),
            (ClassWeights::Given(vec![1.0, 3.0]), 0.25),
            (ClassWeights::Named(vec![("rare".into(), 3.0)]), 0.25),
        ] {
            let got = rare(&loss, weights.clone(), outputs);
            assert!((got - wanted).abs() < 1e-3, "{} {weights:?}: {got} is not {wanted}", loss.name());
        }
    }
}

#[test]
fn balanced_weights_are_those_of_the_training_rows_whatever_is_judged() {
    let of: Vec<u32> = (0..40).map(|i| u32::from(i % 4 == 0)).collect();
    let targets = |of: Vec<u32>| Targets::Classes { of, names: vec!["usual".into(), "rare".into()] };
    let data = Dataset::new(table(&[0.0; 40], 1, targets(of)));
    let mut training =
        Trainer::new(Model::input(1).dense(2), Loss::cross_entropy()).class_weights(ClassWeights::Balanced).build(Device::Cpu).unwrap();
    training.fit(&data, &nothing(&data), Stop::after(1)).unwrap();
    // other rows, all of one class: by themselves they would have no weights
    let other = Dataset::new(table(&[0.0; 3], 1, targets(vec![1; 3])));
    assert!(training.evaluate(&other).unwrap()[0].loss.is_finite());
}

/// Rows of which one is so large that its squared error overflows.
fn poisoned() -> Dataset {
    let mut x: Vec<f32> = (0..64).map(|i| (i as f32 / 32.0) - 1.0).collect();
    x[40] = 1e30;
    let y = (0..64).map(|i| 0.5 * ((i as f32 / 32.0) - 1.0)).collect();
    Dataset::new(table(&x, 1, numbers(y)))
}

#[test]
fn a_bad_step_is_skipped_where_that_is_asked_for() {
    let data = poisoned();
    let trainer = Trainer::new(Model::input(1).dense(1), Loss::mse()).optimizer(Sgd::new().lr(0.1)).batch(8);
    for device in devices() {
        let error = fit(&trainer, &device, &data, 3).unwrap_err();
        assert!(matches!(error, Error::NonFinite { epoch: 1, .. }), "{error}");
        for trainer in [trainer.clone(), trainer.clone().batch(2).accumulate(4)] {
            let report = fit(&trainer.on_nonfinite(OnNonFinite::Skip), &device, &data, 30).unwrap().members.remove(0);
            // one batch of eight in each epoch
            assert!(report.epochs.iter().all(|epoch| epoch.skipped == 1), "{:?}", report.epochs);
            let last = &report.epochs[29];
            assert!(last.train_loss < 1e-3 && last.grad_norm.is_finite(), "{}: {last:?}", device.info());
        }
        let all = Trainer::new(Model::input(1).dense(1), Loss::mse()).batch(64).on_nonfinite(OnNonFinite::Skip);
        let error = fit(&all, &device, &data, 3).unwrap_err();
        assert!(matches!(error, Error::NonFinite { .. }), "an epoch without a single good step is an error: {error}");
    }
}

#[test]
fn a_rollback_begins_the_epoch_anew_at_half_the_rate() {
    let data = Dataset::sine(64, 3);
    // a rate at which the squared error grows without bound
    let trainer = Trainer::new(Model::input(1).dense(8).dense(1), Loss::mse()).optimizer(Sgd::new().lr(40.0)).batch(4);
    for device in devices() {
        assert!(fit(&trainer, &device, &data, 2).is_err(), "the rate is meant to be too high");
        let mut training = trainer.clone().on_nonfinite(OnNonFinite::Rollback).build_on(device.clone()).unwrap();
        let mut factors = Vec::new();
        let report = training.fit_with(&data, &nothing(&data), Stop::after(2), |event| {
            if let Event::Rollback { factor, .. } = event {
                factors.push(*factor);
            }
        });
        println!("{}: {factors:?}", device.info());
        let report = report.unwrap();
        assert!(!factors.is_empty() && factors.iter().enumerate().all(|(i, f)| *f == 0.5f64.powi(i as i32 + 1)), "{factors:?}");
        let epochs = &report.members[0].epochs;
        assert_eq!(epochs.len(), 2);
        assert_eq!(epochs[1].lr, 40.0 * factors[factors.len() - 1]);
        // what is left is a run that had that rate from the start
        if factors.len() > 1 {
            let calm = trainer.clone().optimizer(Sgd::new().lr(40.0 * factors[factors.len() - 1]));
            let straight = fit(&calm, &device, &data, 2).unwrap();
            assert_eq!(straight.members[0].weights_hash, report.members[0].weights_hash, "{}", device.info());
        }
    }
}

#[test]
fn the_average_of_the_weights_is_what_is_judged_and_handed_out() {
    let (train, valid) = Dataset::moons(200, 3).split(0.5);
    for device in devices() {
        let run = |optimizer| {
            let mut training =
                Trainer::new(small(), Loss::cross_entropy()).optimizer(optimizer).batch(16).build_on(device.clone()).unwrap();
            let report = training.fit(&train, &valid, Stop::after(3)).unwrap();
            let scores = training.evaluate(&valid).unwrap().remove(0);
            (report.members[0].clone(), scores)
        };
        let (plain, _) = run(Adam::new().lr(0.02));
        // of decay 0 the average is the weights
        let (same, _) = run(Adam::new().lr(0.02).average(0.0));
        assert_eq!(plain.weights_hash, same.weights_hash, "{}", device.info());
        let (slow, scores) = run(Adam::new().lr(0.02).average(0.98));
        assert_eq!(plain.step_losses, slow.step_losses, "what is trained does not know of the average");
        assert_ne!(plain.weights_hash, slow.weights_hash);
        let judged = slow.epochs[2].valid.as_ref().unwrap();
        assert_eq!((scores.loss, &scores.confusion), (judged.loss, &judged.confusion), "the validation is of the average");
        // and the weights handed out give these scores
        let mut other = Trainer::new(small(), Loss::cross_entropy()).weights(slow.weights.clone()).build_on(device.clone()).unwrap();
        let again = other.evaluate(&valid).unwrap().remove(0);
        assert!((again.loss - scores.loss).abs() < 1e-6, "{} {}", again.loss, scores.loss);
    }
}

#[test]
fn dropout_drops_alike_on_all_devices_and_nothing_in_evaluation() {
    let data = Dataset::moons(96, 3);
    let model = Model::input(2).dense(32).relu().dropout(0.5).dense(2);
    let trainer = Trainer::new(model.clone(), Loss::cross_entropy()).optimizer(Sgd::new().lr(0.2)).batch(32).seed(5);
    let reference = fit(&trainer, &cpu(), &data, 10).unwrap().members.remove(0);
    for device in devices() {
        let mut training = trainer.clone().build_on(device.clone()).unwrap();
        let report = training.fit(&data, &nothing(&data), Stop::after(10)).unwrap().members.remove(0);
        for (ours, theirs) in report.step_losses.iter().zip(&reference.step_losses) {
            assert!((ours - theirs).abs() < 1e-4, "{}: {ours} for {theirs}", device.info());
        }
        assert_eq!(training.evaluate(&data).unwrap(), training.evaluate(&data).unwrap());
        // without dropout the same weights have a lower loss than while they were trained
        assert!(training.evaluate(&data).unwrap()[0].loss < report.epochs[9].train_loss);
        let bare = Model::input(2).dense(32).relu().dense(2);
        let weights = Weights::initial(&bare, 0);
        let names: Vec<_> = weights.iter().map(|t| t.0.to_string()).collect();
        assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
        let dropping: Vec<_> = report.weights.iter().map(|t| t.0.to_string()).collect();
        assert_eq!(dropping, ["0.weight", "0.bias", "3.weight", "3.bias"], "dropout takes an index, as in nn.Sequential");
    }
    // another seed drops others: with the same weights and order the losses differ
    let start = Weights::initial(&model, 1);
    let other = |seed| {
        fit(&trainer.clone().seed(seed).weights(start.clone()).shuffle(false), &cpu(), &data, 1).unwrap().members[0].step_losses.clone()
    };
    assert_ne!(other(1), other(2));
    assert_eq!(other(1), other(1));
}

#[test]
fn batch_normalisation_trains_with_the_batch_and_judges_with_the_averages() {
    let data = Dataset::moons(97, 3);
    let model = Model::input(2).dense(16).batch_norm().relu().dense(2);
    let trainer = Trainer::new(model, Loss::cross_entropy()).batch(32).seed(3);
    for device in devices() {
        let mut training = trainer.clone().build_on(device.clone()).unwrap();
        assert_eq!(training.batches(&data), [32, 32, 33]);
        let report = training.fit(&data, &nothing(&data), Stop::after(20)).unwrap().members.remove(0);
        // 97 rows are 32, 32 and 33: the one that is left over joins the batch before it
        assert_eq!(report.epochs[19].steps, 60, "{}", device.info());
        assert_eq!(report.weights.get("1.num_batches_tracked").unwrap(), [60.0]);
        assert!(report.weights.get("1.running_var").unwrap().iter().all(|v| *v > 0.0));
        // a row alone is judged as it is among others
        let all = training.predict(0, &data).unwrap();
        let alone = training.predict(0, &data.view(vec![5])).unwrap();
        assert!((all[10] - alone[0]).abs() < 1e-5 && (all[11] - alone[1]).abs() < 1e-5, "{}", device.info());
    }
    let one = Trainer::new(Model::input(2).dense(4).batch_norm().dense(2), Loss::cross_entropy()).build(Device::Cpu).unwrap().fit(
        &data.view(vec![0]),
        &nothing(&data),
        Stop::after(1),
    );
    assert!(one.unwrap_err().to_string().contains("batch normalisation needs at least two rows"));
}

fn deep(depth: usize, width: usize, activation: &str) -> Model {
    (0..depth).fold(Model::input(2), |model, _| model.dense(width).activation(Activation::named(activation).unwrap())).dense(3)
}

/// What is found in the first step, and in the last of two epochs.
fn troubles(model: Model, optimizer: gradus::optim::Optimizer) -> (Vec<Trouble>, Vec<Trouble>) {
    let data = Dataset::spirals(3, 300, 7);
    let report = fit(&Trainer::new(model, Loss::cross_entropy()).optimizer(optimizer).seed(1), &cpu(), &data, 2).unwrap();
    let flow = &report.members[0].flow;
    assert_eq!((flow[0].step, flow[0].epoch), (1, 1), "the first look is at the first step");
    let found = |i: usize| flow[i].diagnose().into_iter().map(|d| d.trouble).collect::<Vec<_>>();
    for diagnosis in flow[0].diagnose() {
        println!("{diagnosis}");
    }
    (found(0), found(flow.len() - 1))
}

#[test]
fn every_trouble_is_found_in_the_first_step_and_while_training() {
    let normal = |std| Init::Normal { std };
    for (trouble, model, optimizer) in [
        (Trouble::Vanishing, deep(12, 16, "sigmoid"), Sgd::new().lr(0.1)),
        (Trouble::Exploding, deep(12, 32, "relu").init(normal(1.0)), Sgd::new().lr(1e-12)),
        // negative weights behind a relu: the second layer is off in all rows
        (Trouble::Dead, deep(2, 16, "relu").init(Init::Constant { value: -0.5 }), Sgd::new().lr(0.01)),
        (Trouble::Saturated, deep(2, 16, "tanh").init(normal(20.0)), Sgd::new().lr(1e-3)),
        (Trouble::Hasty, deep(2, 16, "tanh"), Sgd::new().lr(30.0)),
        // 1e-9 of a gradient of some 1e-2: below a rounding of the weights; 1e-30 moves nothing at all
        (Trouble::Stuck, deep(2, 16, "tanh"), Sgd::new().lr(1e-9)),
        (Trouble::Stuck, deep(2, 16, "relu"), Sgd::new().lr(1e-30)),
    ] {
        let (first, last) = troubles(model, optimizer);
        assert!(first.contains(&trouble), "{trouble:?} is not among {first:?} in the first step");
        assert!(last.contains(&trouble), "{trouble:?} is not among {last:?} in the last");
    }
}

#[test]
fn a_healthy_net_is_not_spoken_of() {
    for model in [deep(2, 32, "relu"), deep(3, 32, "tanh"), deep(2, 32, "gelu"), deep(2, 32, "sigmoid")] {
        let (first, last) = troubles(model, Adam::new());
        assert!(first.is_empty() && last.is_empty(), "{first:?} {last:?}");
    }
}

#[test]
fn a_schedule_that_comes_down_to_nothing_is_not_spoken_of() {
    // the cycle ends at a 250,000,000th of its rate, where a step moves the weights by less than a rounding
    let data = Dataset::spirals(3, 300, 7);
    let cycle = Schedule::one_cycle(1e-3).with("final_div", 1e7).by_step();
    let trainer = Trainer::new(deep(2, 32, "relu"), Loss::cross_entropy()).schedule(cycle).looks(Looks::Every(1));
    let flow = fit(&trainer, &cpu(), &data, 6).unwrap().members.remove(0).flow;
    assert!(flow.last().unwrap().layers.iter().all(|layer| layer.moved < 1e-8), "{flow:?}");
    assert!(flow.iter().all(|flow| flow.diagnose().is_empty()));
}

#[test]
fn the_flow_is_looked_at_when_it_is_asked_for_and_changes_nothing() {
    let data = Dataset::spirals(3, 300, 7);
    let trainer = Trainer::new(deep(2, 16, "relu"), Loss::cross_entropy()).batch(50);
    for device in devices() {
        let run = |looks| fit(&trainer.clone().looks(looks), &device, &data, 2).unwrap().members.remove(0);
        let (never, epoch, every) = (run(Looks::Never), run(Looks::EachEpoch), run(Looks::Every(4)));
        let steps = |report: &gradus::train::MemberReport| report.flow.iter().map(|flow| flow.step).collect::<Vec<_>>();
        // 6 steps an epoch
        assert_eq!((steps(&never), steps(&epoch), steps(&every)), (vec![], vec![1, 6, 12], vec![1, 5, 9]));
        // of accumulated batches the last part is looked at: 3 updates an epoch
        let parts = fit(&trainer.clone().accumulate(2).looks(Looks::Every(2)), &device, &data, 2).unwrap().members.remove(0);
        assert_eq!(steps(&parts), [1, 3, 5]);
        assert_eq!(never.weights_hash, epoch.weights_hash);
        assert_eq!(never.weights_hash, every.weights_hash);
        let reference = fit(&trainer, &cpu(), &data, 2).unwrap().members.remove(0);
        for (ours, theirs) in epoch.flow.iter().zip(&reference.flow) {
            for (ours, theirs) in ours.layers.iter().zip(&theirs.layers) {
                let numbers = |l: &gradus::flow::LayerFlow| [l.gradient, l.error, l.moved, l.mean, l.deviation, l.dead, l.saturated];
                for (a, b) in numbers(ours).into_iter().zip(numbers(theirs)) {
                    assert!((a - b).abs() <= 1e-3 * b.abs() + 1e-7, "{}: {ours:?}\n{theirs:?}", device.info());
                }
            }
        }
    }
}

#[test]
fn a_deep_net_learns_with_residuals_and_normalisation_where_a_plain_one_does_not() {
    let (train, valid) = Dataset::spirals(3, 600, 7).split(0.8);
    let plain = (0..20).fold(Model::input(2), |model, _| model.dense(16).sigmoid()).dense(3);
    let start = Model::input(2).dense(16);
    let cured = (0..20).fold(start, |model, _| model.residual(|f| f.batch_norm().relu().dense(16))).batch_norm().relu().dense(3);
    let run = |model: Model| {
        let trainer = Trainer::new(model, Loss::cross_entropy()).schedule(Schedule::cosine(5e-3).warmup(0.1)).batch(64).seed(7);
        let mut training = trainer.build(Device::Cpu).unwrap();
        let report = training.fit(&train, &valid, Stop::after(60)).unwrap();
        (training.evaluate(&valid).unwrap()[0].get("accuracy").unwrap(), report.members[0].flow[0].diagnose())
    };
    let (bad, why) = run(plain);
    let (good, well) = run(cured);
    println!("plain {bad:.3} {why:?}\nresidual and batch norm {good:.3} {well:?}");
    assert!(bad < 0.5 && why.iter().any(|d| d.trouble == Trouble::Vanishing), "{bad} {why:?}");
    assert!(good > 0.93 && well.iter().all(|d| d.trouble != Trouble::Vanishing), "{good} {well:?}");
}

#[test]
fn the_rate_finder_finds_a_rate_and_leaves_no_trace() {
    let (train, valid) = Dataset::digits().split(0.8);
    let model = Model::input(64).dense(32).batch_norm().relu().dropout(0.2).dense(10);
    for device in devices() {
        let new = || Trainer::new(model.clone(), Loss::cross_entropy()).optimizer(Adam::new()).batch(64).build_on(device.clone()).unwrap();
        let straight = new().fit(&train, &valid, Stop::after(2)).unwrap().members.remove(0);
        let mut training = new();
        let curve = training.lr_find(&train, &Settings::default()).unwrap();
        let found = suggest(&curve).unwrap();
        println!("{}: {found:?}", device.info());
        assert!((1e-5..0.3).contains(&found.steepest), "{found:?}");
        let after = training.fit(&train, &valid, Stop::after(2)).unwrap().members.remove(0);
        assert_eq!(
            (after.weights_hash, after.step_losses),
            (straight.weights_hash.clone(), straight.step_losses.clone()),
            "{}",
            device.info()
        );
        // and after a training the weights are those of before
        let scores = training.evaluate(&valid).unwrap();
        assert_eq!(training.lr_find(&train, &Settings::default()).unwrap(), curve, "it starts from the initial weights");
        assert_eq!(training.evaluate(&valid).unwrap(), scores);
    }
}

#[test]
fn every_reason_to_stop_is_told() {
    let (train, valid) = Dataset::moons(200, 3).split(0.5);
    let run = |stop: Stop, lr: f64| {
        let trainer = Trainer::new(small(), Loss::cross_entropy()).optimizer(Adam::new().lr(lr)).batch(16);
        let mut training = trainer.build(Device::Cpu).unwrap();
        let report = training.fit(&train, &valid, stop).unwrap().members.remove(0);
        (report.stopped, report.epochs.len())
    };
    assert_eq!(run(Stop::after(2), 0.01), (Reason::MaxEpochs, 2));
    let (reason, epochs) = run(Stop::after(100).stop_at("val_accuracy", 0.8), 0.01);
    assert!(reason == Reason::Threshold && epochs < 100, "{reason:?} {epochs}");
    assert_eq!(run(Stop::after(100).within(Duration::ZERO), 0.01), (Reason::Time, 1));
    let flag = Arc::new(AtomicBool::new(true));
    // after the step that runs: there are seven an epoch
    assert_eq!(run(Stop::after(100).when(flag), 0.01), (Reason::Interrupted, 0));
    let bound = EarlyStopping { monitor: Monitor::TrainLoss, divergence: Some(1e-3), ..EarlyStopping::default() };
    assert_eq!(run(Stop::after(100).early(bound), 0.01), (Reason::Diverged, 1));
    assert_eq!(run(Stop::after(100).patience(2), 1e-30).0, Reason::Patience);
    let error = Trainer::new(small(), Loss::cross_entropy()).build(Device::Cpu).unwrap().fit(
        &train,
        &valid,
        Stop::after(2).stop_at("val_acuracy", 0.8),
    );
    assert!(error.unwrap_err().to_string().contains("there is no val_acuracy to watch"));
}

#[test]
fn a_plateau_lowers_the_rate_of_the_member_that_stands_still() {
    let (train, valid) = Dataset::moons(100, 3).split(0.5);
    let schedule = Schedule::plateau(1e-9).with("patience", 1.0).with("factor", 0.5).with("threshold", 0.5);
    let mut training = Trainer::new(small(), Loss::cross_entropy()).schedule(schedule).build(Device::Cpu).unwrap();
    let report = training.fit(&train, &valid, Stop::after(8)).unwrap();
    let rates: Vec<f64> = report.members[0].epochs.iter().map(|epoch| epoch.lr / 1e-9).collect();
    // the first epoch is the best; after two without improvement it halves, and so on
    let wanted = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125];
    assert!(rates.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-9), "{rates:?}");
}

#[test]
fn losses_for_classes_agree_on_who_is_who() {
    // each loss that takes classes learns the moons, with as many outputs as it wants
    let (train, valid) = Dataset::moons(300, 3).split(0.7);
    for (name, outputs) in [("cross_entropy", 2), ("binary_cross_entropy", 1), ("hinge", 1)] {
        let model = Model::input(2).dense(32).relu().dense(32).relu().dense(outputs);
        let loss = Loss::named(name).unwrap();
        let mut training = Trainer::new(model, loss).optimizer(Adam::new().lr(5e-3)).batch(32).build(Device::Cpu).unwrap();
        training.fit(&train, &valid, Stop::after(60)).unwrap();
        let accuracy = training.evaluate(&valid).unwrap()[0].get("accuracy").unwrap();
        assert!(accuracy > 0.95, "{name}: {accuracy}");
    }
}
