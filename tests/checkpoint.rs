//! A training that was stopped and goes on from its checkpoint ends on the bits of the one that never stopped; what is no good is refused.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;
#[path = "devices/outcome.rs"]
mod outcome;

use devices::devices;
use gradus::checkpoint::{Checkpoint, Folder};
use gradus::exec::OpenDevice;
use gradus::optim::Optimizer;
use gradus::train::{Checkpoints, ClassWeights, EarlyStopping, Event, Every, Looks, Member, OnNonFinite, Reason, Report, Stop, Training};
use gradus::{Adam, Clip, Dataset, Device, Loss, Model, Momentum, Precision, Schedule, Trainer};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn data() -> (Dataset, Dataset) {
    Dataset::digits().view((0..150).collect()).split(0.8)
}

fn model() -> Model {
    Model::input(64).dense(12).relu().dense(10)
}

fn trainer() -> Trainer {
    Trainer::new(model(), Loss::cross_entropy()).batch(16).seed(3)
}

/// What must be the same of all members.
fn outcome(report: &Report) -> Vec<String> {
    report.members.iter().map(outcome::outcome).collect()
}

/// Trains until so many steps of the device are done, and leaves a checkpoint of that moment; to the end where they never are.
fn fit_until(training: &mut Training, stop: &Stop, until: u64, folder: &Path) -> Report {
    let (train, valid) = data();
    let flag = Arc::new(AtomicBool::new(false));
    let steps = training.batches(&train).len();
    // with one after each update there is a place to stop at after each
    training.keep_checkpoints(Checkpoints::new(folder).every(Every::Steps(1)).keep(1000));
    let stop = Stop { interrupt: Some(Arc::clone(&flag)), ..stop.clone() };
    let report = training.fit_with(&train, &valid, stop, |event| {
        if let Event::Progress { epoch, step, .. } = event
            && ((epoch - 1) * steps + step) as u64 >= until
        {
            flag.store(true, Ordering::Relaxed);
        }
    });
    report.unwrap()
}

fn newest(folder: &Path) -> Checkpoint {
    Folder::new(folder).newest().unwrap().unwrap().checkpoint
}

/// 120 rows in batches of 16 are eight steps an epoch.
const STEPS: u64 = 8;
const EPOCHS: usize = 4;

struct Case {
    name: String,
    trainer: Trainer,
    stop: Stop,
    /// Whether the data are to be streamed, and arenas to be cut.
    tight: bool,
}

fn case(name: &str, trainer: Trainer) -> Case {
    Case { name: name.to_string(), trainer, stop: Stop::after(EPOCHS), tight: false }
}

fn cases() -> Vec<Case> {
    let early = |restore_best| EarlyStopping { patience: 1, restore_best, ..EarlyStopping::default() };
    let deep = || Model::input(64).dense(12).batch_norm().relu().dropout(0.3).dense(10);
    let mut all: Vec<Case> = Optimizer::all().map(|optimizer| case(optimizer.name(), trainer().optimizer(optimizer.lr(3e-3)))).collect();
    all.push(case("cosine by step, clipped", trainer().schedule(Schedule::cosine(1e-2).warmup(0.1).by_step()).clip(Clip::Norm(0.5))));
    all.push(case("plateau", trainer().schedule(Schedule::plateau(0.5).with("patience", 0.0).with("factor", 0.5))));
    all.push(case("accumulated", trainer().accumulate(3).batch(5)));
    let net = |model| Trainer::new(model, Loss::cross_entropy()).batch(16).seed(5);
    all.push(case("dropout and batch norm", net(deep())));
    all.push(case("accumulated dropout and batch norm", net(deep()).accumulate(2)));
    all.push(case("moving average", trainer().optimizer(Adam::new().lr(1e-2).average(0.9))));
    all.push(case("looks at each third step", trainer().looks(Looks::Every(3))));
    all.push(case("no shuffling, weighted classes", trainer().shuffle(false).class_weights(ClassWeights::Balanced)));
    let members = [3, 4, 5].map(|seed| Member { seed, lr: Some(1e-3 * seed as f64) });
    all.push(case("members", net(deep()).members(members)));
    all.push(case("mixed precision", trainer().precision(Precision::Mixed).optimizer(Adam::new().average(0.9))));
    let hot = trainer().on_nonfinite(OnNonFinite::Rollback).optimizer(Momentum::new().lr(1e2)).precision(Precision::Full);
    all.push(case("rollback", hot));
    for restore_best in [true, false] {
        let stop = Stop::after(12).early(early(restore_best));
        let trainer = trainer().optimizer(Adam::new().lr(3e-2)).members(members.map(|member| Member { lr: Some(3e-2), ..member }));
        all.push(Case { stop, ..case(&format!("early stopping, restoring {restore_best}"), trainer) });
    }
    let wide = Trainer::new(Model::input(64).dense(40).relu().dense(30).tanh().dense(10), Loss::cross_entropy()).batch(16).seed(6);
    all.push(Case { tight: true, ..case("streamed, in several buffers", wide.optimizer(Adam::new())) });
    all
}

fn device_for(case: &Case, device: &OpenDevice) -> Option<OpenDevice> {
    device.check_precision(if case.name == "mixed precision" { Precision::Mixed } else { Precision::Full }).ok()?;
    if !case.tight {
        return Some(device.clone());
    }
    // 64·40 weights of 4 bytes in a buffer of their own
    let cut = device.clone().with_binding(11_000);
    let (train, _) = data();
    let plan = |device: &OpenDevice| case.trainer.clone().build_on(device.clone()).unwrap().first_step(&train).unwrap().compiled;
    let whole = plan(&cut);
    assert!(whole.segments.len() > 1);
    let tight = cut.clone().with_memory(cut.memory(&whole.plan) - 1);
    assert!(plan(&tight).chunk_rows.is_some());
    Some(tight)
}

#[test]
fn a_resumed_run_ends_on_the_bits_of_the_straight_one() {
    let (train, valid) = data();
    for device in devices() {
        for case in cases() {
            let Some(device) = device_for(&case, &device) else { continue };
            let build = || case.trainer.clone().build_on(device.clone()).unwrap();
            let place = |what: &str| format!("{}, {}, {what}", case.name, device.info().name);
            let straight = build().fit(&train, &valid, case.stop.clone()).unwrap_or_else(|e| panic!("{}: {e}", place("straight")));
            let wanted = outcome(&straight);
            // after the first step, in the middle of an epoch, at its last step but one, at its end; then stopped twice
            for stops in [&[1][..], &[STEPS + 3], &[2 * STEPS - 1], &[2 * STEPS], &[5, 2 * STEPS + 1]] {
                let own = tempfile::tempdir().unwrap();
                let mut resumed = build();
                for &until in stops {
                    let part = fit_until(&mut resumed, &case.stop, until, own.path());
                    assert!(part.members.iter().any(|member| member.stopped == Reason::Interrupted), "{}", place("is not stopped"));
                    resumed = build();
                    resumed.resume(newest(own.path()));
                }
                let report = fit_until(&mut resumed, &case.stop, u64::MAX, own.path());
                assert_eq!(outcome(&report), wanted, "{}", place(&format!("stopped at {stops:?}")));
                // and once more from what was written at the end, where nothing is left to be done
                let mut again = build();
                again.resume(newest(own.path()));
                assert_eq!(outcome(&fit_until(&mut again, &case.stop, u64::MAX, own.path())), wanted, "{}", place("from its end"));
            }
        }
    }
}

#[test]
fn writing_checkpoints_changes_no_bit_and_each_of_them_is_good() {
    let (train, valid) = data();
    for device in devices() {
        let build = || trainer().optimizer(Adam::new()).build_on(device.clone()).unwrap();
        let wanted = outcome(&build().fit(&train, &valid, Stop::after(2)).unwrap());
        let own = tempfile::tempdir().unwrap();
        let mut training = build();
        training.keep_checkpoints(Checkpoints::new(own.path()).every(Every::Steps(1)).keep(1000));
        let mut told = Vec::new();
        let report = training.fit_with(&train, &valid, Stop::after(2), |event| match event {
            Event::Checkpoint { steps, path, bytes } => told.push((*steps, path.to_path_buf(), *bytes)),
            Event::NoCheckpoint { error } => panic!("{error}"),
            _ => {}
        });
        assert_eq!(outcome(&report.unwrap()), wanted);
        let folder = Folder::new(own.path());
        assert_eq!(folder.numbers().unwrap(), told.iter().map(|(steps, ..)| *steps).collect::<Vec<_>>());
        assert_eq!(told.last().unwrap().0, 2 * STEPS);
        for (steps, path, bytes) in told {
            assert_eq!((&folder.file(steps), std::fs::metadata(&path).unwrap().len()), (&path, bytes));
            let mut resumed = build();
            resumed.resume(Checkpoint::read(&path).unwrap());
            assert_eq!(outcome(&resumed.fit(&train, &valid, Stop::after(2)).unwrap()), wanted, "{}, from {steps}", device.info());
        }
    }
}

#[test]
fn a_longer_training_is_forced_and_goes_on_where_the_shorter_one_ended() {
    let (train, valid) = data();
    let own = tempfile::tempdir().unwrap();
    let build = || trainer().optimizer(Adam::new()).build(Device::Cpu).unwrap();
    let straight = build().fit(&train, &valid, Stop::after(5)).unwrap();
    fit_until(&mut build(), &Stop::after(2), u64::MAX, own.path());
    let mut longer = build();
    longer.resume(newest(own.path()));
    let told = longer.fit(&train, &valid, Stop::after(5)).unwrap_err().to_string();
    assert!(told.contains("epochs was 2, is 5") && told.contains("force it"), "{told}");
    longer.resume_even_so(newest(own.path()));
    // the rate is fixed: there the longer one is the straight one
    assert_eq!(outcome(&longer.fit(&train, &valid, Stop::after(5)).unwrap()), outcome(&straight));
}

#[test]
fn another_training_is_refused_with_what_differs() {
    let (train, valid) = data();
    let own = tempfile::tempdir().unwrap();
    fit_until(&mut trainer().build(Device::Cpu).unwrap(), &Stop::after(2), STEPS, own.path());
    let wide = Trainer::new(Model::input(64).dense(13).relu().dense(10), Loss::cross_entropy()).batch(16).seed(3);
    let refused = |trainer: Trainer, train: &Dataset, wanted: &str| {
        for force in [false, true] {
            let mut training = trainer.clone().build(Device::Cpu).unwrap();
            let checkpoint = newest(own.path());
            if force {
                training.resume_even_so(checkpoint)
            } else {
                training.resume(checkpoint)
            }
            let told = training.fit(train, &valid, Stop::after(2)).unwrap_err().to_string();
            assert!(told.contains(wanted) && told.contains("begin anew"), "`{wanted}` is not in {told}");
        }
    };
    refused(trainer().batch(8), &train, "batch was 16, is 8");
    refused(trainer().seed(4), &train, "seeds was [3], is [4]");
    refused(trainer().optimizer(Momentum::new()), &train, "optimizer was adam, average None, is momentum");
    refused(
        wide,
        &train,
        "model was 64 inputs, dense 12, relu, dense 10, 910 numbers, is 64 inputs, dense 13, relu, dense 10, 985 numbers",
    );
    refused(trainer(), &train.view(train.rows()[1..].to_vec()), "rows was 120 to train");
    let mut turned = train.rows().to_vec();
    turned.rotate_left(1);
    refused(trainer(), &train.view(turned), "data was ");
    // nor is a folder that has checkpoints of another one written to
    let mut fresh = trainer().build(Device::Cpu).unwrap();
    fresh.keep_checkpoints(Checkpoints::new(own.path()));
    let told = fresh.fit(&train, &valid, Stop::after(1)).unwrap_err().to_string();
    assert!(told.contains("there are checkpoints of another training"), "{told}");
}

#[test]
fn a_half_written_file_is_never_taken() {
    let (train, valid) = data();
    let own = tempfile::tempdir().unwrap();
    let build = || trainer().build(Device::Cpu).unwrap();
    let wanted = outcome(&build().fit(&train, &valid, Stop::after(2)).unwrap());
    fit_until(&mut build(), &Stop::after(2), 5, own.path());
    let folder = Folder::new(own.path());
    let last = *folder.numbers().unwrap().last().unwrap();
    // a kill in the middle of writing the next one
    let bytes = std::fs::read(folder.file(last)).unwrap();
    let half = own.path().join(format!("step-{:010}.ckpt.unfinished", last + 1));
    std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(newest(own.path()).number, last);
    let mut resumed = build();
    resumed.resume(newest(own.path()));
    let report = fit_until(&mut resumed, &Stop::after(2), u64::MAX, own.path());
    assert_eq!(outcome(&report), wanted);
    assert!(!half.exists());
}
