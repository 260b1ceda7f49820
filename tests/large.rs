//! Large things: data larger than a binding or than the device, parameters larger than a binding, large batches; memory known before the run.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![cfg_attr(feature = "gpu", expect(clippy::print_stdout, reason = "how much memory, for `--nocapture`"))]

mod devices;
#[cfg(feature = "gpu")]
#[path = "devices/own.rs"]
mod own;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Member, OnNonFinite, Report, Stop};
use gradus::{Adam, Clip, Dataset, Error, Loss, Model, Trainer};

/// Rows of `width` features, as numbers or as bytes, and three classes.
fn data(rows: usize, width: usize, bytes: bool) -> Dataset {
    let mut rng = Rng::new(3, Purpose::Synthetic, 0);
    let features = match bytes {
        true => Features::Bytes { data: (0..rows * width).map(|_| rng.below(256) as u8).collect(), scale: 1.0 / 255.0 },
        false => Features::F32((0..rows * width).map(|_| rng.normal() as f32).collect()),
    };
    let targets =
        Targets::Classes { of: (0..rows).map(|_| rng.below(3) as u32).collect(), names: ["a", "b", "c"].map(String::from).to_vec() };
    Dataset::new(Table::new(features, (0..width).map(|i| format!("x{i}")).collect(), targets).unwrap())
}

/// Everything that a run leaves: hashes, losses of all steps, validation.
fn traces(report: &Report) -> Vec<(String, Vec<u32>, Vec<f64>)> {
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect();
    let valid = |member: &gradus::train::MemberReport| member.epochs.iter().map(|epoch| epoch.valid.as_ref().unwrap().loss).collect();
    report.members.iter().map(|member| (member.weights_hash.clone(), bits(&member.step_losses), valid(member))).collect()
}

/// In how many buffers the features are, and how many rows of each member are in one where they are streamed.
fn features(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> (usize, Option<usize>) {
    let compiled = trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap().compiled;
    (compiled.features.len(), compiled.chunk_rows)
}

/// What a run takes.
fn memory(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> u64 {
    device.memory(&trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap().compiled.plan)
}

/// Three of them, each with an order of its own.
fn members() -> [Member; 3] {
    [1, 2, 3].map(|seed| Member { seed, lr: None })
}

#[test]
fn resident_sharded_and_streamed_data_give_the_same_bits() {
    // 300 rows to train in batches of 8 make 37 of 8 and one of 4; two batches to an update
    for (bytes, width) in [(false, 198), (true, 793)] {
        let (train, valid) = data(400, width, bytes).split(0.75);
        let model = Model::input(width).dense(8).batch_norm().relu().dropout(0.2).dense(3);
        let trainer = Trainer::new(model, Loss::cross_entropy()).batch(8).accumulate(2).clip(Clip::Norm(1.0));
        let trainer = trainer.optimizer(Adam::new().average(0.9)).members(members());
        for device in devices() {
            let run = |device: &OpenDevice| {
                let mut training = trainer.clone().build_on(device.clone()).unwrap();
                let report = training.fit(&train, &valid, Stop::after(2)).unwrap();
                let predicted: Vec<u32> = training.predict(1, &valid).unwrap().into_iter().map(f32::to_bits).collect();
                (traces(&report), predicted)
            };
            let resident = run(&device);
            assert_eq!(features(&trainer, &device, &train), (1, None), "{}", device.info());
            // a row is 200 numbers of 4 bytes, or 796 bytes: 163 or 164 of the 400 rows in 128 KiB, and no other buffer is as large
            let sharded = device.clone().with_binding(128 << 10);
            assert_eq!(features(&trainer, &sharded, &train), (3, None), "{}", device.info());
            assert!(run(&sharded) == resident, "{}: sharded data give other bits", device.info());
            let tight = device.clone().with_memory(memory(&trainer, &device, &train) - 1);
            let (ring, rows) = features(&trainer, &tight, &train);
            assert!(ring == 2 && rows.is_some_and(|rows| (8..100).contains(&rows)), "{}: {rows:?} rows of 300", device.info());
            assert!(run(&tight) == resident, "{}: streamed data give other bits", device.info());
        }
    }
}

#[test]
fn what_goes_wrong_in_streamed_data_is_found_in_the_same_place() {
    let (train, _) = data(400, 198, false).split(0.75);
    // the first update throws the weights far off, and the loss after it is not finite
    let trainer = Trainer::new(Model::input(198).dense(8).dense(3), Loss::cross_entropy()).batch(16).optimizer(gradus::Sgd::new().lr(1e30));
    for device in devices() {
        let told = |device: &OpenDevice| {
            let mut training = trainer.clone().build_on(device.clone()).unwrap();
            training.fit(&train, &train.view(Vec::new()), Stop::after(1)).unwrap_err().to_string()
        };
        let tight = device.clone().with_memory(memory(&trainer, &device, &train) - 1);
        assert_eq!(told(&tight), told(&device), "{}", device.info());
    }
}

#[test]
fn arenas_in_several_buffers_give_the_same_bits() {
    let (train, valid) = data(200, 64, false).split(0.75);
    let model = Model::input(64).dense(64).batch_norm().relu().residual(|f| f.layer_norm().dense(64)).dense(64).tanh().dense(3);
    let optimizer = Adam::new().l2(1e-3).weight_decay(1e-2).average(0.9);
    let trainer = Trainer::new(model, Loss::cross_entropy()).batch(16).accumulate(2).clip(Clip::Value(0.05)).optimizer(optimizer);
    let trainer = trainer.on_nonfinite(OnNonFinite::Rollback).members(members());
    for device in devices() {
        let run = |device: &OpenDevice| {
            let mut training = trainer.clone().build_on(device.clone()).unwrap();
            let report = training.fit(&train, &valid, Stop::after(3).patience(1)).unwrap();
            (traces(&report), training.evaluate(&valid).unwrap().iter().map(|scores| scores.loss).collect::<Vec<_>>())
        };
        let segments =
            |device: &OpenDevice| trainer.clone().build_on(device.clone()).unwrap().first_step(&train).unwrap().compiled.segments;
        // three members' layer of 64 by 64 takes 49,920 bytes with its bias
        let cut = device.clone().with_binding(60_000);
        assert_eq!((segments(&device).len(), segments(&cut).len()), (1, 3), "{:?}", segments(&cut));
        assert!(run(&cut) == run(&device), "{}: arenas in several buffers give other bits", device.info());
        // norms are summed segment by segment, so they agree to rounding
        let norms = |device: &OpenDevice| {
            let mut training = trainer.clone().clip(Clip::Norm(0.1)).build_on(device.clone()).unwrap();
            let report = training.fit(&train, &valid, Stop::after(1)).unwrap();
            report.members.iter().map(|member| member.epochs[0].grad_norm).collect::<Vec<_>>()
        };
        for (cut, whole) in norms(&cut).into_iter().zip(norms(&device)) {
            // of 5 updates; 2⁻²⁴ a rounding, and Adam's amplification of them
            assert!((cut - whole).abs() < 1e-4 * whole, "{}: {cut} and {whole}", device.info());
        }
    }
}

#[test]
fn a_batch_of_65_536_rows_trains_as_eight_of_8_192_do() {
    let data = data(65_536, 4, false);
    let trainer = Trainer::new(Model::input(4).dense(8).tanh().dense(3), Loss::cross_entropy()).shuffle(false);
    let mut found = Vec::new();
    for device in devices() {
        for (batch, accumulate) in [(65_536, 1), (8_192, 8)] {
            let mut training = trainer.clone().batch(batch).accumulate(accumulate).build_on(device.clone()).unwrap();
            let report = training.fit(&data, &data.view(Vec::new()), Stop::after(3)).unwrap();
            let epochs = &report.first().epochs;
            assert_eq!(epochs[2].steps, 3, "one update an epoch");
            found.push((format!("{}, batches of {batch}", device.info()), epochs[2].train_loss, epochs[2].grad_norm));
        }
    }
    let (_, loss, norm) = found[0].clone();
    assert!(loss.is_finite() && norm > 0.0);
    for (what, other_loss, other_norm) in found {
        // accumulated norms are those of the sums so far, but for the last
        let same = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b;
        assert!(same(other_loss, loss) && same(other_norm, norm), "{what}: loss {other_loss} and {loss}, norm {other_norm} and {norm}");
    }
}

/// Errors of a device, with all of this in the message.
fn refused(trainer: &Trainer, device: &OpenDevice, data: &Dataset, parts: &[&str]) {
    let result = trainer.clone().build_on(device.clone()).unwrap().fit(data, &data.view(Vec::new()), Stop::after(1));
    let Err(error @ Error::Device(_)) = result else { panic!("{result:?}") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
    assert_eq!(error.exit_code(), 4);
}

#[test]
fn what_can_not_fit_is_refused_with_the_numbers() {
    let data = data(400, 198, false);
    let trainer = Trainer::new(Model::input(198).dense(64).relu().dense(3), Loss::cross_entropy()).batch(128);
    for device in devices() {
        // 128 rows of 200 numbers; twice 64 rows make the same update
        let name = device.info().name.as_str();
        let parts = ["`batch` needs 102400 bytes for a batch of 128", name, "at most 60000 bytes", "at most 64 rows", "2 times as many"];
        refused(&trainer, &device.clone().with_binding(60_000), &data, &parts);
        // 64 rows of 200 weights and 64 biases
        let parts = ["layer `0` need 51456 bytes", "at most 51455 bytes", "--device cpu"];
        refused(&trainer.clone().batch(8), &device.clone().with_binding(51_455), &data, &parts);
        // 64·200 + 64 + 3·64 rounded up to 192 + 64 parameters of 4 bytes, and Adam's two states with a flag that none decays
        let parts = ["allows 100000", name, "as few of the data", "parameters 52480", "gradients 52480", "optimizer 104976", "raise it"];
        refused(&trainer, &device.clone().with_memory(100_000), &data, &parts);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_memory_that_a_run_takes_is_known_before_it_and_never_grows() {
    use gradus::exec::gpu::wgpu;
    use gradus::train::Event;
    let (train, valid) = data(4000, 198, false).split(0.75);
    let trainer = Trainer::new(Model::input(198).dense(8).relu().dense(3), Loss::cross_entropy()).batch(16).members(members());
    for streamed in [false, true] {
        for (device, open) in own::own_devices(wgpu::Features::empty()) {
            let read = || {
                let hal = device.get_internal_counters().hal;
                (hal.buffers.read(), hal.buffer_memory.read())
            };
            let name = open.info().to_string();
            let resident = memory(&trainer, &open, &train);
            let open = if streamed { open.with_memory(resident - 1) } else { open };
            let told = memory(&trainer, &open, &train);
            // what was made to find that out is given back
            device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            let before = read();
            let mut readings = Vec::new();
            let mut training = trainer.clone().build_on(open).unwrap();
            training
                .fit_with(&train, &valid, Stop::after(3), |event| {
                    if let Event::Epoch { .. } = event {
                        readings.push(read());
                    }
                })
                .unwrap();
            assert!(before.1 > 0 && readings[0].0 > before.0, "{name}: nothing is counted: the feature `counters` is off");
            let (buffers, taken) = (readings[0].0 - before.0, (readings[0].1 - before.1) as u64);
            println!("{name}, streamed {streamed}: {told} bytes were told, {taken} are taken by {buffers} buffers");
            // a driver rounds a buffer's size up to its own alignment
            assert!((told..told + 256 * buffers as u64).contains(&taken), "{name}: {told} bytes were told, {taken} are taken");
            assert!(readings.iter().all(|reading| *reading == readings[0]), "{name}: {readings:?}");
        }
    }
}
