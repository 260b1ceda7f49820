//! The training loop: it repeats to the bit, it learns, it stops when told, and it is the same with others at its side.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

mod devices;
#[cfg(feature = "gpu")]
#[path = "devices/own.rs"]
mod own;

use devices::{adapters, devices};
use gradus::data::{Features, Scaler, Scaling, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::model::Weights;
use gradus::optim;
use gradus::rng::{Purpose, Rng};
use gradus::train::{EarlyStopping, Event, Member, Mode, Monitor, Reason, Report, Stop};
use gradus::{Adam, Clip, Dataset, Device, Error, Loss, Model, Momentum, Schedule, Sgd, Trainer};

/// The CPU path.
fn cpu() -> OpenDevice {
    Device::Cpu.open().unwrap()
}

fn classifier(inputs: usize, classes: usize) -> Trainer {
    Trainer::new(Model::input(inputs).dense(16).relu().dense(16).tanh().dense(classes), Loss::cross_entropy())
}

/// Digits with features of mean 0 and deviation 1.
fn digits() -> Dataset {
    let digits = Dataset::digits();
    Scaler::fit(Scaling::Standard, &digits).unwrap().unwrap().apply(&digits).unwrap()
}

fn fit(trainer: Trainer, device: &OpenDevice, data: &Dataset, epochs: usize) -> gradus::Result<Report> {
    trainer.build_on(device.clone())?.fit(data, &data.view(Vec::new()), Stop::after(epochs))
}

#[test]
fn the_same_seed_gives_the_same_weights_to_the_bit() {
    let (train, valid) = Dataset::moons(100, 3).split(0.8);
    for device in devices() {
        let run = |seed| {
            let mut training = classifier(2, 2).batch(32).clip(Clip::Norm(1.0)).seed(seed).build_on(device.clone()).unwrap();
            let report = training.fit(&train, &valid, Stop::after(4)).unwrap();
            (report.first().weights_hash.clone(), report.first().step_losses.clone())
        };
        let first = run(7);
        assert_eq!(first, run(7), "{}", device.info());
        assert_ne!(first.0, run(8).0, "{}", device.info());
    }
}

/// Layers so wide that every one of their products, the norm and the update are shared out.
#[test]
fn the_number_of_threads_does_not_change_the_weights() {
    let (train, valid) = Dataset::digits().split(0.8);
    let run = |threads| {
        let model = Model::input(64).dense(512).relu().dense(384).tanh().dense(10);
        let device = Device::Cpu.open().unwrap().with_threads(threads);
        assert_eq!(device.threads(), threads);
        let trainer = Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(256).seed(3);
        let report = trainer.build_on(device).unwrap().fit(&train, &valid, Stop::after(2)).unwrap();
        report.first().weights_hash.clone()
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

#[test]
fn a_second_fit_starts_anew() {
    let data = Dataset::moons(100, 3);
    let mut training = classifier(2, 2).batch(32).build(Device::Cpu).unwrap();
    let mut run = || training.fit(&data, &data.view(Vec::new()), Stop::after(2)).unwrap().first().weights_hash.clone();
    assert_eq!(run(), run());
}

#[test]
fn weights_in_and_no_shuffling_leave_nothing_to_the_seed() {
    let data = Dataset::moons(100, 3);
    let trainer = || classifier(2, 2).batch(32).shuffle(false);
    let start = Weights::initial(&Model::input(2).dense(16).relu().dense(16).tanh().dense(2), 99);
    let hash = |trainer: Trainer| fit(trainer, &cpu(), &data, 3).unwrap().first().weights_hash.clone();
    assert_eq!(hash(trainer().weights(start.clone()).seed(1)), hash(trainer().weights(start).seed(2)));
    assert_ne!(hash(trainer().seed(1)), hash(trainer().seed(2)));
}

#[test]
fn spirals_and_moons_are_told_apart() {
    // the arms are 5 deviations of their noise apart, but meet at the centre, where a few points belong to any; the moons are some
    // 4 deviations apart
    for (name, data, classes, wanted) in [("spirals", Dataset::spirals(3, 600, 7), 3, 0.93), ("moons", Dataset::moons(400, 7), 2, 0.98)] {
        let (train, valid) = data.split(0.75);
        let model = Model::input(2).dense(64).relu().dense(32).relu().dense(classes);
        let trainer = Trainer::new(model, Loss::cross_entropy()).schedule(Schedule::cosine(1e-2).warmup(0.05)).batch(64).seed(7);
        let mut training = trainer.build(Device::Cpu).unwrap();
        let report = training.fit(&train, &valid, Stop::after(100)).unwrap();
        let accuracy = training.evaluate(&valid).unwrap()[0].get("accuracy").unwrap();
        println!("{name}: {:.1} % in {:.1} s", 100.0 * accuracy, report.seconds);
        assert!(accuracy >= wanted, "{name}: {accuracy}");
    }
}

#[test]
fn a_sine_is_fitted_to_its_noise() {
    // the noise has a variance of 0.0025, the sine one of 0.5: no fit beats an r² of 0.995 by more than chance
    let (train, valid) = Dataset::sine(400, 7).split(0.75);
    for loss in [Loss::mse(), Loss::mae()] {
        let model = Model::input(1).dense(32).tanh().dense(32).tanh().dense(1);
        let trainer = Trainer::new(model, loss.clone()).schedule(Schedule::cosine(1e-2)).batch(32);
        let mut training = trainer.build(Device::Cpu).unwrap();
        training.fit(&train, &valid, Stop::after(100)).unwrap();
        let scores = training.evaluate(&valid).unwrap().remove(0);
        println!("sine with {}: r2 {:.4}", loss.name(), scores.get("r2").unwrap());
        assert!(scores.get("r2").unwrap() >= 0.985, "{}: {scores:?}", loss.name());
    }
}

#[test]
fn every_optimizer_learns_with_its_defaults_and_nothing_becomes_infinite() {
    let data = digits();
    for optimizer in optim::Optimizer::all() {
        let report =
            fit(Trainer::new(Model::input(64).dense(16).relu().dense(10), Loss::cross_entropy()).optimizer(optimizer), &cpu(), &data, 4);
        let epochs = &report.unwrap().members[0].epochs;
        // Lion's usual rate is small: a step moves each weight by 1e-4
        let share = if optimizer.name() == "lion" { 0.95 } else { 0.8 };
        assert!(epochs[3].train_loss < share * epochs[0].train_loss, "{}: {epochs:?}", optimizer.name());
        assert!(epochs.iter().all(|epoch| epoch.grad_norm.is_finite() && epoch.grad_norm > 0.0), "{epochs:?}");
    }
}

/// Few rows, half of the labels wrong: with a large net the validation loss soon rises.
fn noise() -> (Dataset, Dataset) {
    let data = Dataset::moons(80, 3);
    let Features::F32(values) = data.table().features() else { panic!("moons are numbers") };
    let mut rng = Rng::new(1, Purpose::Synthetic, 1);
    let noisy = Targets::Classes { of: (0..80).map(|_| rng.below(2) as u32).collect(), names: vec!["no".into(), "yes".into()] };
    let data = Dataset::new(Table::new(Features::F32(values.clone()), data.table().names().to_vec(), noisy).unwrap());
    data.split(0.5)
}

#[test]
fn early_stopping_brings_the_best_weights_back() {
    let (train, valid) = noise();
    for device in devices() {
        let trainer = || classifier(2, 2).optimizer(Adam::new().lr(1e-2)).batch(16);
        let mut training = trainer().build_on(device.clone()).unwrap();
        let report = training.fit(&train, &valid, Stop::after(200).patience(4)).unwrap();
        let member = report.first();
        let losses: Vec<_> = member.epochs.iter().map(|epoch| epoch.valid.as_ref().unwrap().loss).collect();
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(member.stopped, Reason::Patience, "{losses:?}");
        assert_eq!(losses[member.best_epoch - 1], best);
        assert_eq!(losses.len(), member.best_epoch + 4, "four epochs without improvement end it");
        assert!(losses.last() > Some(&best));
        assert_eq!(training.evaluate(&valid).unwrap()[0].loss, best, "{}", device.info());
        // and they are the weights of a run that ends there
        let mut short = trainer().build_on(device.clone()).unwrap();
        let until = short.fit(&train, &valid, Stop::after(member.best_epoch)).unwrap();
        assert_eq!(until.first().weights_hash, member.weights_hash, "{}", device.info());
    }
}

#[test]
fn every_option_of_early_stopping_changes_when_it_ends_or_what_it_leaves() {
    let (train, valid) = noise();
    let trainer = || classifier(2, 2).optimizer(Adam::new().lr(1e-2)).batch(16);
    let run = |early: EarlyStopping| {
        let mut training = trainer().build(Device::Cpu).unwrap();
        let report = training.fit(&train, &valid, Stop::after(40).early(early)).unwrap().members.remove(0);
        let judged = training.evaluate(&valid).unwrap()[0].loss;
        (report, judged)
    };
    let rules = EarlyStopping { patience: 4, ..EarlyStopping::default() };
    // nothing is better by so much: the first epoch that counts is the best, and four later it ends
    let never = EarlyStopping { min_delta: 1e9, ..rules.clone() };
    for (early, best) in [(never.clone(), 1), (EarlyStopping { start_epoch: 6, ..never.clone() }, 7)] {
        let (report, judged) = run(early);
        assert_eq!((report.best_epoch, report.epochs.len(), report.stopped), (best, best + 4, Reason::Patience));
        assert_eq!(judged, report.epochs[best - 1].valid.as_ref().unwrap().loss, "the best weights come back");
    }
    let (report, judged) = run(EarlyStopping { restore_best: false, ..never });
    assert_eq!((report.best_epoch, report.epochs.len()), (5, 5));
    assert_eq!(judged, report.epochs[4].valid.as_ref().unwrap().loss, "the last weights stay");
    // the other way round a loss that falls is no better, and the largest is the best
    let (report, _) = run(EarlyStopping { monitor: Monitor::TrainLoss, mode: Mode::Max, ..rules.clone() });
    let losses: Vec<f64> = report.epochs.iter().map(|epoch| epoch.train_loss).collect();
    assert_eq!(losses[report.best_epoch - 1], losses.iter().copied().fold(0.0, f64::max));
    assert_eq!((report.epochs.len(), report.stopped), (report.best_epoch + 4, Reason::Patience));
    // a metric is watched in its own direction
    let (report, _) = run(EarlyStopping { monitor: Monitor::Valid("accuracy".into()), ..rules });
    let scores: Vec<f64> = report.epochs.iter().map(|epoch| epoch.valid.as_ref().unwrap().get("accuracy").unwrap()).collect();
    assert_eq!(scores[report.best_epoch - 1], scores.iter().copied().fold(0.0, f64::max));
}

#[test]
fn a_member_is_what_it_would_be_alone() {
    let (train, valid) = Dataset::spirals(3, 150, 3).split(0.67);
    let members = [Member { seed: 1, lr: None }, Member { seed: 2, lr: Some(3e-2) }, Member { seed: 3, lr: Some(1e-3) }];
    for device in devices() {
        for optimizer in optim::Optimizer::all() {
            let run = |members: &[Member]| {
                let trainer = classifier(2, 3).optimizer(optimizer).clip(Clip::Norm(0.5)).batch(32).members(members);
                trainer.build_on(device.clone()).unwrap().fit(&train, &valid, Stop::after(5)).unwrap()
            };
            let together = run(&members);
            for (i, member) in members.iter().enumerate() {
                let (alone, beside) = (run(&[*member]).members.remove(0), &together.members[i]);
                let place = format!("{}, {}, member {i}", device.info(), optimizer.name());
                assert_eq!(alone.step_losses, beside.step_losses, "{place}");
                assert_eq!(alone.weights_hash, beside.weights_hash, "{place}");
                let scores =
                    |member: &gradus::train::MemberReport| member.epochs.iter().map(|epoch| epoch.valid.clone()).collect::<Vec<_>>();
                assert_eq!(scores(&alone), scores(beside), "{place}");
            }
        }
    }
}

#[test]
fn members_that_stop_early_are_what_they_would_be_alone() {
    let (train, valid) = Dataset::moons(80, 3).split(0.5);
    let members = [Member { seed: 1, lr: Some(0.3) }, Member { seed: 2, lr: Some(1e-2) }, Member { seed: 3, lr: Some(0.1) }];
    let run = |members: &[Member]| {
        let trainer = classifier(2, 2).batch(16).members(members);
        trainer.build(Device::Cpu).unwrap().fit(&train, &valid, Stop::after(60).patience(2)).unwrap()
    };
    let together = run(&members);
    let ends: Vec<_> = together.members.iter().map(|member| member.epochs.len()).collect();
    assert!(ends.iter().any(|&end| end != ends[0]), "they all end at once, which tests nothing: {ends:?}");
    for (i, member) in members.iter().enumerate() {
        let (alone, beside) = (run(&[*member]).members.remove(0), &together.members[i]);
        assert_eq!((alone.best_epoch, alone.epochs.len(), alone.stopped), (beside.best_epoch, beside.epochs.len(), beside.stopped));
        assert_eq!(alone.weights_hash, beside.weights_hash, "member {i}");
    }
}

#[test]
fn an_epoch_of_which_a_batch_took_the_last_row_in_is_told_to_its_last_step() {
    // 19 rows in twos are nine batches, the last one of three: more than 19 rows in threes
    let data = Dataset::moons(19, 3);
    let trainer = Trainer::new(Model::input(2).dense(4).batch_norm().relu().dense(2), Loss::cross_entropy()).batch(2);
    let losses = |device: &OpenDevice| {
        let losses = fit(trainer.clone(), device, &data, 2).unwrap().members.remove(0).step_losses;
        assert_eq!(losses.len(), 2 * 9, "{}", device.info());
        losses
    };
    let wanted = losses(&cpu());
    for device in adapters() {
        for (step, (got, wanted)) in losses(&device).into_iter().zip(&wanted).enumerate() {
            assert!((got - wanted).abs() <= 1e-3 * wanted.abs(), "{}, step {step}: {got} and {wanted}", device.info());
        }
    }
}

#[test]
fn a_rate_far_too_large_stops_with_epoch_step_and_layer() {
    let data = Dataset::moons(100, 3);
    for device in devices() {
        let model = || Model::input(2).dense(16).relu().dense(16).relu().dense(2);
        let trainer = || Trainer::new(model(), Loss::cross_entropy()).optimizer(Sgd::new().lr(1e30)).batch(32);
        let error = fit(trainer(), &device, &data, 2).unwrap_err();
        let Error::NonFinite { epoch, step, member, members, ref what } = error else { panic!("{}: {error}", device.info()) };
        assert_eq!((epoch, member, members), (1, 0, 1));
        assert!((2..=4).contains(&step), "the first step is with sane weights: {error}");
        assert!(what.contains("layer ") && what.contains("(dense "), "{error}");
        let message = error.to_string();
        assert!(message.starts_with(&format!("a non-finite value at epoch 1, step {step}: layer ")), "{message}");
        assert!(message.contains("lower the learning rate"), "{message}");
        assert_eq!(error.exit_code(), 3);

        let sane = |seed| Member { seed, lr: Some(1e-2) };
        let error = fit(trainer().members([sane(1), Member { seed: 2, lr: None }, sane(3)]), &device, &data, 2).unwrap_err();
        let Error::NonFinite { member: 1, members: 3, .. } = error else { panic!("{}: {error}", device.info()) };
        assert!(error.to_string().contains(", member 1: layer "), "{error}");
    }
}

#[test]
fn a_value_that_overflows_in_the_very_last_update_is_found() {
    // one step: loss and gradients are finite, what they make of the weights is not
    let table = Table::new(Features::F32(vec![1e3]), vec!["x".into()], Targets::Values { of: vec![1e3], names: vec!["y".into()] });
    let trainer = Trainer::new(Model::input(1).dense(1), Loss::mse()).optimizer(Sgd::new().lr(1e38)).batch(1);
    let error = fit(trainer, &cpu(), &Dataset::new(table.unwrap()), 1).unwrap_err();
    assert!(matches!(error, Error::NonFinite { epoch: 1, step: 1, .. }), "{error}");
    assert!(error.to_string().contains("`0."), "{error}");
}

/// A net 3-4-2 with tanh, mean squared error and momentum, in plain loops: nothing of the crate's is in it.
struct Plain {
    w1: [[f64; 3]; 4],
    b1: [f64; 4],
    w2: [[f64; 4]; 2],
    b2: [f64; 2],
}

impl Plain {
    fn zeros() -> Self {
        Plain { w1: [[0.0; 3]; 4], b1: [0.0; 4], w2: [[0.0; 4]; 2], b2: [0.0; 2] }
    }

    fn flat(&mut self) -> Vec<&mut f64> {
        let Plain { w1, b1, w2, b2 } = self;
        w1.iter_mut().flatten().chain(b1).chain(w2.iter_mut().flatten()).chain(b2).collect()
    }

    /// The mean loss of some rows, and its gradient.
    #[expect(clippy::needless_range_loop, reason = "as the formulas are written")]
    fn gradient(&self, rows: &[([f64; 3], [f64; 2])]) -> (f64, Plain) {
        let (mut loss, mut g, cells) = (0.0, Plain::zeros(), 2.0 * rows.len() as f64);
        for (x, t) in rows {
            let mut a = [0.0; 4];
            for j in 0..4 {
                a[j] = (self.b1[j] + (0..3).map(|i| self.w1[j][i] * x[i]).sum::<f64>()).tanh();
            }
            let mut back = [0.0; 4];
            for k in 0..2 {
                let e = self.b2[k] + (0..4).map(|j| self.w2[k][j] * a[j]).sum::<f64>() - t[k];
                loss += e * e / cells;
                let delta = 2.0 * e / cells;
                g.b2[k] += delta;
                for j in 0..4 {
                    g.w2[k][j] += delta * a[j];
                    back[j] += delta * self.w2[k][j];
                }
            }
            for j in 0..4 {
                let delta = back[j] * (1.0 - a[j] * a[j]);
                g.b1[j] += delta;
                for i in 0..3 {
                    g.w1[j][i] += delta * x[i];
                }
            }
        }
        (loss, g)
    }
}

#[test]
fn three_epochs_of_100_rows_at_32_are_those_of_plain_loops() {
    let mut rng = Rng::new(3, Purpose::Synthetic, 9);
    let mut numbers = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<_>>();
    let (x, y) = (numbers(300), numbers(200));
    let targets = Targets::Values { of: y.clone(), names: vec!["u".into(), "v".into()] };
    let data = Dataset::new(Table::new(Features::F32(x.clone()), ["a", "b", "c"].map(String::from).to_vec(), targets).unwrap());
    let wide = |values: &[f32], at: usize| f64::from(values[at]);
    let rows: Vec<_> =
        (0..100).map(|r| (std::array::from_fn(|i| wide(&x, 3 * r + i)), std::array::from_fn(|k| wide(&y, 2 * r + k)))).collect();

    let model = Model::input(3).dense(4).tanh().dense(2);
    let start = Weights::initial(&model, 5);
    let (lr, beta) = (f64::from(0.1f32), f64::from(0.9f32));
    let (mut net, mut velocity, mut losses) = (Plain::zeros(), Plain::zeros(), Vec::new());
    net.flat().into_iter().zip(start.iter().flat_map(|t| t.2)).for_each(|(w, &start)| *w = f64::from(start));
    for _ in 0..3 {
        for batch in [&rows[..32], &rows[32..64], &rows[64..96], &rows[96..]] {
            let (loss, mut g) = net.gradient(batch);
            losses.push(loss);
            for ((w, v), g) in net.flat().into_iter().zip(velocity.flat()).zip(g.flat()) {
                *v = beta * *v + *g;
                *w -= lr * *v;
            }
        }
    }

    for device in devices() {
        let trainer = Trainer::new(model.clone(), Loss::mse()).optimizer(Momentum::new().lr(0.1)).batch(32);
        let report = fit(trainer.weights(start.clone()).shuffle(false), &device, &data, 3).unwrap();
        let member = report.first();
        assert_eq!(member.epochs.iter().map(|epoch| epoch.steps).collect::<Vec<_>>(), [4, 8, 12]);
        assert_eq!(member.step_losses.len(), 12);
        let mut worst = 0.0f64;
        for (ours, wanted) in member.step_losses.iter().zip(&losses) {
            worst = worst.max((f64::from(*ours) - wanted).abs() / wanted);
        }
        for (epoch, four) in member.epochs.iter().zip(losses.chunks(4)) {
            // weighted by rows, not a mean of the batches' means
            let mean = (32.0 * (four[0] + four[1] + four[2]) + 4.0 * four[3]) / 100.0;
            worst = worst.max((epoch.train_loss - mean).abs() / mean);
        }
        let ours: Vec<f64> = member.weights.iter().flat_map(|t| t.2).map(|&w| f64::from(w)).collect();
        let theirs: Vec<f64> = net.flat().into_iter().map(|w| *w).collect();
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let apart = norm(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied());
        println!("{}: losses at most {worst:.1e} off, weights {apart:.1e}", device.info());
        assert!(worst <= 2e-6 && apart <= 2e-6, "{}: losses {worst:e} off, weights {apart:e}", device.info());
    }
}

#[test]
fn curves_on_every_adapter_are_those_of_the_cpu_path() {
    let data = digits();
    let run = |device: &OpenDevice| {
        let trainer = Trainer::new(Model::input(64).dense(32).relu().dense(10), Loss::cross_entropy());
        fit(trainer.optimizer(Adam::new()).clip(Clip::Norm(1.0)).batch(32).seed(7), device, &data, 2).unwrap().members.remove(0).step_losses
    };
    let wanted = run(&cpu());
    // 1,797 rows are 57 steps, the last of 5 rows
    assert_eq!(wanted.len(), 114);
    assert!(wanted[100] < 0.5 * wanted[0]);
    for device in adapters() {
        let errors = run(&device).into_iter().zip(&wanted).take(100).map(|(ours, wanted)| (ours - wanted).abs() / wanted);
        let worst = errors.fold(0.0, f32::max);
        println!("{}: 100 steps at most {worst:.1e} apart", device.info());
        assert!(worst <= 1e-3, "{}: {worst:e} apart", device.info());
    }
}

#[test]
fn events_tell_of_every_epoch_and_its_progress() {
    let (train, valid) = Dataset::moons(125, 3).split(0.8);
    let (mut epochs, mut done) = (Vec::new(), Vec::new());
    let mut training = classifier(2, 2).batch(32).build(Device::Cpu).unwrap();
    let report = training.fit_with(&train, &valid, Stop::after(2), |event| match event {
        Event::Progress { epoch, step, steps, rows } => done.push((*epoch, *step, *steps, *rows)),
        Event::Epoch { records, .. } => epochs.push(records[0].clone()),
        _ => {}
    });
    assert_eq!(epochs, report.unwrap().members[0].epochs);
    assert!(done.is_sorted(), "{done:?}");
    done.retain(|(_, step, steps, _)| step == steps);
    assert_eq!(done, [(1, 4, 4, 100), (2, 4, 4, 100)]);
}

#[cfg(feature = "gpu")]
#[test]
fn nothing_is_created_on_the_device_while_training() {
    use gradus::exec::gpu::wgpu;
    let (train, valid) = digits().split(0.8);
    for (device, open) in own::own_devices(wgpu::Features::empty()) {
        // all but command encoders, which are made for each submission and given back, and the fences behind them
        let read = || {
            let hal = device.get_internal_counters().hal;
            [
                ("buffers", hal.buffers.read()),
                ("bytes in buffers", hal.buffer_memory.read()),
                ("allocations", hal.memory_allocations.read()),
                ("bind groups", hal.bind_groups.read()),
                ("bind group layouts", hal.bind_group_layouts.read()),
                ("pipeline layouts", hal.pipeline_layouts.read()),
                ("pipelines", hal.compute_pipelines.read()),
                ("shader modules", hal.shader_modules.read()),
                ("textures", hal.textures.read()),
            ]
        };
        let name = open.info().to_string();
        // 180 steps an epoch: several tables of steps are uploaded in each
        let trainer = classifier(64, 10).clip(Clip::Norm(1.0)).batch(8).members([1, 2].map(|seed| Member { seed, lr: None }));
        let mut readings = Vec::new();
        let stop = Stop::after(3).patience(3).when(std::sync::Arc::default());
        // checkpoints are read through what is there already
        let own = tempfile::tempdir().unwrap();
        let mut training = trainer.build_on(open).unwrap();
        training.keep_checkpoints(gradus::train::Checkpoints::new(own.path()).every(gradus::train::Every::Steps(50)));
        training
            .fit_with(&train, &valid, stop, |event| {
                if let Event::Epoch { .. } = event {
                    readings.push(read());
                }
            })
            .unwrap();
        println!("{name}: {:?}", readings[0]);
        assert!(readings[0].iter().take(2).all(|&(_, count)| count > 0), "{name}: nothing is counted: the feature `counters` is off");
        for (epoch, reading) in readings.iter().enumerate().skip(1) {
            for ((what, now), (_, before)) in reading.iter().zip(&readings[0]) {
                assert!(now <= before, "{name}: {before} {what} after the first epoch, {now} after epoch {}", epoch + 1);
            }
        }
    }
}
