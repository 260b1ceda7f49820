//! Taking the time of a training: it changes nothing, counts every dispatch, and makes nothing on the device while it trains.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;
#[cfg(feature = "gpu")]
#[path = "devices/own.rs"]
mod own;

use devices::devices;
use gradus::exec::OpenDevice;
use gradus::profile::Profile;
use gradus::train::{Looks, Report, Stop, Timing};
use gradus::{Clip, Dataset, Loss, Model, Trainer};

/// 320 rows in batches of 32 are 10 steps an epoch.
fn rows() -> Dataset {
    Dataset::digits().view((0..320).collect())
}

fn trainer(timing: Timing) -> Trainer {
    let model = Model::input(64).dense(16).relu().dense(10);
    Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(32).looks(Looks::Never).timing(timing)
}

fn fit(timing: Timing, device: &OpenDevice) -> gradus::Result<Report> {
    let rows = rows();
    trainer(timing).build_on(device.clone())?.fit(&rows, &rows, Stop::after(2))
}

#[test]
fn a_training_that_is_timed_is_the_same_to_the_bit() {
    for device in devices() {
        let told = |timing| {
            let report = fit(timing, &device).unwrap();
            assert_eq!(report.start.first_step.is_some(), timing != Timing::Nothing, "{}", device.info());
            assert_eq!(report.profile.is_some(), timing == Timing::Steps, "{}", device.info());
            (report.first().weights_hash.clone(), report.first().step_losses.clone())
        };
        let plain = told(Timing::Nothing);
        assert_eq!(told(Timing::Start), plain, "{}", device.info());
        assert_eq!(told(Timing::Steps), plain, "{}", device.info());
    }
}

/// What a profile of [`fit`] must hold.
fn check(profile: &Profile, device: &OpenDevice) {
    let name = device.info();
    let of = |program: &str| profile.dispatches.iter().filter(|d| d.program == program).collect::<Vec<_>>();
    let first = trainer(Timing::Nothing).build_on(device.clone()).unwrap().first_step(&rows()).unwrap();
    let planned: Vec<_> = first.compiled.plan.program(first.program).dispatches.iter().map(|d| d.label.clone()).collect();
    let labels: Vec<_> = of("train").iter().map(|d| d.label.clone()).collect();
    assert_eq!(labels, planned, "{name}");
    // 10 steps in each of 2 epochs, the first of them not timed; validation is 10 steps twice, the first not timed
    for program in ["train", "eval"] {
        assert!(of(program).iter().all(|d| d.calls == 19), "{name}: {:?}", of(program));
        let shares: f64 = of(program).iter().map(|d| d.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{name}: {program} has {shares} of itself");
    }
    // the first step of each is there as a whole
    let others: Vec<_> = profile.others.iter().map(|o| (o.program, o.steps)).collect();
    assert_eq!(others, [("train", 1), ("eval", 1)], "{name}");
    assert_eq!(profile.spans.len(), profile.dispatches.iter().map(|d| d.calls).sum::<usize>(), "{name}");
    assert!(profile.spans.is_sorted_by(|a, b| a.start <= b.start), "{name}: not in the order in which they ran");
    // x[32,64]·W[16,64]ᵀ: 2·32·64·16 FLOP at least
    let layer = of("train").into_iter().find(|d| d.entry.starts_with("dense_forward")).unwrap();
    assert!(layer.flops >= 65_536 && layer.bytes > 0, "{name}: {layer:?}");
    for work in ["plan", "pipelines", "upload", "run", "read"] {
        assert!(profile.host.iter().any(|h| h.work == work), "{name}: no {work}");
    }
}

#[test]
fn every_dispatch_of_a_timed_step_is_counted() {
    for device in devices() {
        check(&fit(Timing::Steps, &device).unwrap().profile.unwrap(), &device);
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use crate::own::own_devices;
    use gradus::Error;
    use gradus::exec::OpenDevice;
    use gradus::exec::gpu::wgpu::{self, Features};
    use gradus::train::Event;

    const TIMES: Features = Features::TIMESTAMP_QUERY;
    const INSIDE: Features = Features::TIMESTAMP_QUERY_INSIDE_PASSES;

    /// A device with these features, on each adapter that offers them.
    fn with(features: Features) -> Vec<(wgpu::Device, OpenDevice)> {
        own_devices(features).into_iter().filter(|(device, _)| device.features().contains(features)).collect()
    }

    #[test]
    fn where_timestamps_are_around_passes_only_each_dispatch_has_a_pass() {
        for (_, device) in with(TIMES) {
            check(&fit(Timing::Steps, &device).unwrap().profile.unwrap(), &device);
        }
    }

    #[test]
    fn a_device_without_timestamps_says_so() {
        for (_, device) in own_devices(Features::empty()) {
            let error = fit(Timing::Steps, &device).unwrap_err();
            assert!(matches!(error, Error::Device(_)) && error.to_string().contains("has no timestamps"), "{error}");
            // what needs none goes on
            assert!(fit(Timing::Start, &device).is_ok());
        }
    }

    #[test]
    fn nothing_is_created_on_the_device_while_training_is_timed() {
        for (device, open) in with(TIMES | INSIDE) {
            let read = || {
                let hal = device.get_internal_counters().hal;
                let made = [&hal.buffers, &hal.buffer_memory, &hal.memory_allocations, &hal.bind_groups, &hal.compute_pipelines];
                made.into_iter().chain([&hal.query_sets]).map(|counter| counter.read()).collect::<Vec<_>>()
            };
            let mut readings = Vec::new();
            let mut training = trainer(Timing::Steps).build_on(open).unwrap();
            let told = |event: &Event<'_>| readings.extend(matches!(event, Event::Epoch { .. }).then(read));
            let rows = rows();
            training.fit_with(&rows, &rows, Stop::after(4), told).unwrap();
            // the last is the one set of timestamps
            assert!(readings[0][0] > 0 && readings[0][5] == 1, "{readings:?}");
            assert!(readings[1..].iter().all(|now| now.iter().zip(&readings[0]).all(|(now, first)| now <= first)), "{readings:?}");
        }
    }

    #[test]
    fn sessions_on_one_device_share_their_pipelines() {
        for (device, open) in own_devices(Features::empty()) {
            let made = || device.get_internal_counters().hal.compute_pipelines.read();
            let rows = rows();
            let mut training = trainer(Timing::Nothing).build_on(open.clone()).unwrap();
            training.fit(&rows, &rows, Stop::after(1)).unwrap();
            let first = made();
            assert!(first > 0, "nothing is counted: the feature `counters` is off");
            // other data are evaluated in a session of their own; a second training has one, too
            training.evaluate(&Dataset::digits()).unwrap();
            trainer(Timing::Nothing).build_on(open).unwrap().fit(&rows, &rows, Stop::after(1)).unwrap();
            assert_eq!(made(), first);
        }
    }
}
