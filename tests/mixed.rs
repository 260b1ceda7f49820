//! Mixed precision: it learns as well, its loss scale keeps small gradients alive, and what a device lacks is refused.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;
#[cfg(feature = "gpu")]
#[path = "devices/own.rs"]
mod own;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::{DeviceType, OpenDevice};
use gradus::train::{Member, Report, Stop};
use gradus::{Dataset, Device, Loss, Model, Precision, Sgd, Trainer};

/// Those devices that can train in mixed precision.
fn able() -> Vec<OpenDevice> {
    devices().into_iter().filter(|device| device.check_precision(Precision::Mixed).is_ok()).collect()
}

fn fit(trainer: Trainer, device: &OpenDevice, data: &Dataset, epochs: usize) -> Report {
    trainer.build_on(device.clone()).unwrap().fit(data, &data.view(Vec::new()), Stop::after(epochs)).unwrap()
}

/// Four rows of x = 1 with this target.
fn constant(target: f32) -> Dataset {
    let targets = Targets::Values { of: vec![target; 4], names: vec!["y".into()] };
    Dataset::new(Table::new(Features::F32(vec![1.0; 4]), vec!["x".into()], targets).unwrap())
}

fn line() -> Trainer {
    Trainer::new(Model::input(1).dense(1), Loss::mse()).optimizer(Sgd::new().lr(1e-4)).batch(4).precision(Precision::Mixed)
}

#[test]
fn digits_are_learned_as_well_as_in_full_precision() {
    let (train, valid) = Dataset::digits().split(0.8);
    for device in able() {
        let accuracy = |precision| {
            let trainer = Trainer::new(Model::input(64).dense(32).relu().dense(10), Loss::cross_entropy()).precision(precision).seed(3);
            let mut training = trainer.build_on(device.clone()).unwrap();
            let report = training.fit(&train, &valid, Stop::after(40)).unwrap();
            report.first().epochs.last().unwrap().valid.as_ref().unwrap().get("accuracy").unwrap()
        };
        let (full, mixed) = (accuracy(Precision::Full), accuracy(Precision::Mixed));
        assert!(full > 0.9 && (full - mixed).abs() <= 0.01, "{}: {full} in full, {mixed} in mixed precision", device.info());
    }
}

#[test]
fn digits_are_learned_as_well_by_tensor_cores() {
    let (train, valid) = Dataset::digits().split(0.8);
    for device in able() {
        // a software driver may have matrices, too, and does not choose them
        let tensor = device.clone().taken_for(DeviceType::Discrete);
        let trainer = || {
            let model = Model::input(64).dense(32).relu().dense(10);
            Trainer::new(model, Loss::cross_entropy()).precision(Precision::Mixed).seed(3)
        };
        let first = trainer().build_on(tensor.clone()).unwrap().first_step(&train).unwrap();
        let dispatches = &first.compiled.plan.program(first.program).dispatches;
        let products = || dispatches.iter().map(|d| tensor.entry(d)).filter(|entry| entry.contains("_cooperative_")).count();
        if products() == 0 {
            continue;
        }
        let run = |device: &OpenDevice| {
            let report = trainer().build_on(device.clone()).unwrap().fit(&train, &valid, Stop::after(40)).unwrap();
            let accuracy = report.first().epochs.last().unwrap().valid.as_ref().unwrap().get("accuracy").unwrap();
            (accuracy, report.first().weights_hash.clone())
        };
        let ((there, hash), (here, _)) = (run(&tensor), run(&Device::Cpu.open().unwrap()));
        assert!(there > 0.9 && (there - here).abs() <= 0.01, "{}: {there} by tensor cores, {here} on the CPU path", device.info());
        assert_eq!(run(&tensor).1, hash, "{}: and again to the bit", device.info());
        // two layers forward, two gradients, one error behind: none was wrong when it was tried
        assert_eq!(products(), 5, "{}", device.info());
    }
}

#[test]
fn a_gradient_that_vanishes_in_f16_survives_by_the_scale() {
    // p = 0 and t = 1e-8: δ = 2·(0 − 1e-8)/4 = −5e-9, less than half of the smallest f16, 2⁻²⁴ = 6e-8; the scaled one is −3.3e-4, whose neighbours
    // are 2⁻²² apart. ∂C/∂w = Σ δ·x = −2e-8, to 2⁻²³/3.3e-4 = 4e-4 of itself
    let data = constant(1e-8);
    for device in able() {
        let gradient = |scale: Option<f32>| {
            let mut first = line().build_on(device.clone()).unwrap().first_step(&data).unwrap();
            let arena = first.compiled.arena;
            first.executor.write(first.compiled.params[0], 0, &vec![0.0; arena]).unwrap();
            if let Some(scale) = scale {
                first.executor.write(first.compiled.scaling.unwrap(), 0, &[scale, 1.0 / scale, 0.0, 0.0]).unwrap();
            }
            first.executor.run(first.program, &first.table).unwrap();
            let weight = first.compiled.tensors.iter().find(|tensor| tensor.name == "0.weight").unwrap().offset;
            first.executor.read(first.compiled.grads[0], weight, 1).unwrap()[0]
        };
        assert_eq!(gradient(Some(1.0)), 0.0, "{}: without a scale", device.info());
        let survives = gradient(None);
        assert!((survives + 2e-8).abs() < 4e-4 * 2e-8, "{}: {survives:e}", device.info());
    }
}

#[test]
fn gradients_that_overflow_are_skipped_until_the_scale_fits() {
    // t = 1000 and p within ±4: δ = 2·(p − t)/4 is −498 to −502. Steps at 65,536 = 2¹⁶ down to 256 overflow (500·256 > 65,504), those from 128 on do
    // not: nine steps are skipped and leave the weights alone
    for device in able() {
        let report = fit(line(), &device, &constant(1000.0), 12);
        let epochs = &report.first().epochs;
        let skipped: Vec<usize> = epochs.iter().map(|epoch| epoch.skipped).collect();
        assert_eq!(skipped, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "{}", device.info());
        assert_eq!(epochs.iter().map(|e| e.loss_scale.unwrap()).collect::<Vec<_>>()[7..], [256.0, 128.0, 128.0, 128.0, 128.0]);
        assert!(epochs[8].train_loss == epochs[0].train_loss && epochs[11].train_loss < epochs[0].train_loss, "{}", device.info());
    }
}

#[test]
fn a_member_is_what_it_would_be_alone_and_repeats_to_the_bit() {
    let (train, _) = Dataset::moons(100, 3).split(0.8);
    for device in able() {
        let trainer = || {
            let model = Model::input(2).dense(16).relu().dense(16).tanh().dense(2);
            Trainer::new(model, Loss::cross_entropy()).batch(32).precision(Precision::Mixed)
        };
        let members = [5, 6, 7].map(|seed| Member { seed, lr: None });
        let together = fit(trainer().members(members), &device, &train, 3);
        for (seed, member) in [5, 6, 7].into_iter().zip(&together.members) {
            let alone = || fit(trainer().seed(seed), &device, &train, 3).first().weights_hash.clone();
            assert_eq!(member.weights_hash, alone(), "{}, seed {seed}", device.info());
            assert_eq!(alone(), alone(), "{}, seed {seed}", device.info());
        }
    }
}

#[test]
fn a_step_takes_no_more_dispatches_than_in_full_precision() {
    let steps = [Precision::Full, Precision::Mixed].map(|precision| {
        let model = Model::input(64).dense(16).relu().dense(16).relu().dense(10);
        let trainer = Trainer::new(model, Loss::cross_entropy()).precision(precision);
        let first = trainer.build(Device::Cpu).unwrap().first_step(&Dataset::digits()).unwrap();
        first.compiled.plan.program(first.program).dispatches.len()
    });
    assert_eq!(steps[0], steps[1]);
}

#[cfg(feature = "gpu")]
#[test]
fn an_adapter_without_f16_refuses_mixed_precision_before_the_run() {
    use gradus::exec::gpu::wgpu;
    // nothing beyond the core is asked for: whatever the adapter offers, the device has no f16
    for (_, open) in own::own_devices(wgpu::Features::empty()) {
        let error = line().build_on(open).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        let message = error.to_string();
        assert!(
            message.contains("[train] precision = \"mixed\" needs shaders that know f16") && message.contains("--device cpu"),
            "{message}"
        );
    }
}
