//! Faults under a training: the device goes, the disk is full, somebody else writes into the folder. It goes on or ends with the reason, and the last
//! checkpoint is one to go on from.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[cfg(feature = "gpu")]
#[path = "devices/own.rs"]
mod own;

use gradus::checkpoint::{Folder, Lock, Numbers};
use gradus::train::{Checkpoints, Event, OnNonFinite, Stop};
use gradus::{Dataset, Device, Error, Loss, Model, Result, Schedule, Sgd, Trainer};
#[cfg(feature = "gpu")]
use own::own_devices;
use std::path::Path;

const EPOCHS: usize = 6;

fn data() -> (Dataset, Dataset) {
    Dataset::moons(200, 1).split(0.8)
}

fn trainer() -> Trainer {
    Trainer::new(Model::input(2).dense(8).tanh().dense(2), Loss::cross_entropy()).batch(32)
}

/// Trains on the CPU path without any fault: the hash of the weights.
fn straight() -> String {
    let (train, valid) = data();
    trainer().build(Device::Cpu).unwrap().fit(&train, &valid, Stop::after(EPOCHS)).unwrap().first().weights_hash.clone()
}

/// Goes on from the newest checkpoint, on the CPU path: the hash of the weights.
fn resumed(trainer: Trainer, folder: &Path) -> Result<String> {
    let (train, valid) = data();
    let found = Folder::new(folder).newest()?.expect("a checkpoint was written");
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let mut training = trainer.build(Device::Cpu)?;
    training.resume(found.checkpoint);
    Ok(training.fit(&train, &valid, Stop::after(EPOCHS))?.first().weights_hash.clone())
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_that_goes_under_a_training_ends_it_with_the_reason_and_it_goes_on_on_another() {
    let (train, valid) = data();
    use gradus::exec::gpu::wgpu::Features;
    for n in 0..own_devices(Features::empty()).len() {
        let open = || own_devices(Features::empty()).remove(n);
        let name = open().1.info().name.clone();
        let straight = trainer().build_on(open().1).unwrap().fit(&train, &valid, Stop::after(EPOCHS)).unwrap();
        // it goes between two epochs, or while steps are handed over
        for between in [true, false] {
            let own = tempfile::tempdir().unwrap();
            let (device, open_device) = open();
            let mut training = trainer().build_on(open_device).unwrap();
            training.keep_checkpoints(Checkpoints::new(own.path()));
            // by then a checkpoint is written, or on its way
            let outcome = training.fit_with(&train, &valid, Stop::after(EPOCHS), |event| match event {
                Event::Epoch { records, .. } if records[0].epoch == 3 && between => device.destroy(),
                Event::Progress { epoch: 3, .. } if !between => device.destroy(),
                _ => {}
            });
            let error = outcome.err().unwrap_or_else(|| panic!("{name}: it trained without a device"));
            let told = error.to_string();
            assert!(matches!(error, Error::Device(_)) && error.exit_code() == 4, "{name}: {told}");
            assert!(told.contains(&name) && told.contains("the device was destroyed while it was in use"), "{told}");
            let found = Folder::new(own.path()).newest().unwrap().expect("one was written before");
            assert!(found.refused.is_empty());
            let mut again = trainer().build_on(open().1).unwrap();
            again.resume(found.checkpoint);
            let again = again.fit(&train, &valid, Stop::after(EPOCHS)).unwrap();
            assert_eq!(again.first().weights_hash, straight.first().weights_hash, "{name}");
        }
    }
}

/// From the third epoch on the disk is full: what is written there is refused as on a full one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_a_training_costs_checkpoints_and_nothing_else() {
    let (train, valid) = data();
    let own = tempfile::tempdir().unwrap();
    let mut training = trainer().build(Device::Cpu).unwrap();
    let steps = training.batches(&train).len() as u64;
    training.keep_checkpoints(Checkpoints::new(own.path()).keep(9));
    let fill = || {
        for epoch in 3..=EPOCHS as u64 {
            let path = Folder::new(own.path()).file(epoch * steps);
            std::os::unix::fs::symlink("/dev/full", path.with_extension("ckpt.unfinished")).unwrap();
        }
    };
    let mut refused = Vec::new();
    let report = training.fit_with(&train, &valid, Stop::after(EPOCHS), |event| match event {
        Event::Epoch { records, .. } if records[0].epoch == 3 => fill(),
        Event::NoCheckpoint { error } => refused.push(error.to_string()),
        _ => {}
    });
    assert_eq!(report.unwrap().first().weights_hash, straight(), "the training knows nothing of it");
    // those between may be passed over while another is on its way, but never the last
    assert!(refused.last().is_some_and(|told| told.contains(&format!("{:010}", EPOCHS as u64 * steps))), "{refused:?}");
    for told in &refused {
        assert!(told.contains("No space left on device") && told.contains("make room on this disk"), "{told}");
    }
    let kept = Folder::new(own.path()).numbers().unwrap();
    assert!(!kept.is_empty() && kept.iter().all(|&number| number <= 2 * steps), "{kept:?}");
    assert_eq!(resumed(trainer(), own.path()).unwrap(), straight());
}

#[test]
fn two_trainings_do_not_write_into_one_folder() {
    let (train, valid) = data();
    let own = tempfile::tempdir().unwrap();
    let told = |trained: Result<_>| trained.map(|_| ()).unwrap_err();
    let keeping = || {
        let mut training = trainer().build(Device::Cpu).unwrap();
        training.keep_checkpoints(Checkpoints::new(own.path()));
        training
    };
    let lock = Lock::of(own.path()).unwrap();
    let error = told(keeping().fit(&train, &valid, Stop::after(EPOCHS)));
    assert!(error.to_string().contains("another training is writing into") && error.exit_code() == 2, "{error}");
    drop(lock);
    // the other one begins while this one trains
    let mut second = None;
    let mut first = keeping();
    let report = first.fit_with(&train, &valid, Stop::after(EPOCHS), |event| {
        if let Event::Epoch { .. } = event {
            second.get_or_insert_with(|| told(keeping().fit(&train, &valid, Stop::after(1))));
        }
    });
    assert!(second.unwrap().to_string().contains("another training is writing into"));
    assert_eq!(report.unwrap().first().weights_hash, straight());
    assert_eq!(resumed(trainer(), own.path()).unwrap(), straight());
}

#[test]
fn values_that_are_not_finite_end_a_training_or_not_and_what_was_kept_is_finite() {
    let (train, valid) = Dataset::sine(200, 1).split(0.8);
    // from the fourth epoch on a rate at which the square of an error overflows after a step
    let training = |policy| {
        let schedule = Schedule::expression(0.05, "if(epoch < 3, 0.05, 1e30)").unwrap();
        let trainer = Trainer::new(Model::input(1).dense(8).tanh().dense(1), Loss::mse()).batch(32);
        trainer.optimizer(Sgd::new()).schedule(schedule).on_nonfinite(policy).build(Device::Cpu).unwrap()
    };
    // one that skips has made its first step of the fourth epoch; of the fifth it can make none
    for (policy, ends_in, rollbacks) in [(OnNonFinite::Error, 4, 0), (OnNonFinite::Skip, 5, 0), (OnNonFinite::Rollback, 4, 10)] {
        let own = tempfile::tempdir().unwrap();
        let mut fitted = training(policy);
        fitted.keep_checkpoints(Checkpoints::new(own.path()));
        let mut back = 0;
        let outcome =
            fitted.fit_with(&train, &valid, Stop::after(EPOCHS), |event| back += u32::from(matches!(event, Event::Rollback { .. })));
        let error = outcome.err().unwrap_or_else(|| panic!("{policy:?}: it trained with 1e30"));
        let told = error.to_string();
        assert!(matches!(error, Error::NonFinite { epoch, .. } if epoch == ends_in) && error.exit_code() == 3, "{policy:?}: {told}");
        assert!(told.contains("loss: `loss` became inf") && told.contains("lower the learning rate"), "{told}");
        // ten halvings of 1e30 are no cure
        assert_eq!(back, rollbacks, "{told}");
        let found = Folder::new(own.path()).newest().unwrap().expect("those of the epochs before");
        let weights = found.checkpoint.tensors.iter().filter(|tensor| tensor.name.starts_with("params"));
        let values: Vec<f32> =
            weights.flat_map(|tensor| if let Numbers::F32(values) = &tensor.numbers { values.clone() } else { vec![] }).collect();
        assert!(!values.is_empty() && values.iter().all(|value| value.is_finite()), "{policy:?}");
        let mut again = training(policy);
        again.resume(found.checkpoint);
        let error = again.fit(&train, &valid, Stop::after(EPOCHS)).unwrap_err();
        assert_eq!(error.to_string(), told, "{policy:?}: it goes on to the same end");
    }
}
