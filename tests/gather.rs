//! Rows that the first layer's products look up in the data: where that is done, and that it changes no bit.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Member, Report, Stop};
use gradus::{Adam, Clip, Dataset, Loss, Model, Precision, Trainer};

/// 300 rows of 37 features, as numbers or as bytes, and three classes.
fn data(bytes: bool) -> Dataset {
    rows(300, bytes)
}

fn rows(rows: usize, bytes: bool) -> Dataset {
    let (mut rng, len) = (Rng::new(3, Purpose::Synthetic, 0), rows * 37);
    let features = match bytes {
        true => Features::Bytes { data: (0..len).map(|_| rng.below(256) as u8).collect(), scale: 1.0 / 255.0 },
        false => Features::F32((0..len).map(|_| rng.normal() as f32).collect()),
    };
    let targets =
        Targets::Classes { of: (0..rows).map(|_| rng.below(3) as u32).collect(), names: ["a", "b", "c"].map(String::from).to_vec() };
    Dataset::new(Table::new(features, (0..37).map(|i| format!("x{i}")).collect(), targets).unwrap())
}

fn trainer(model: Model) -> Trainer {
    Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(1.0)).batch(64)
}

fn two_layers() -> Model {
    Model::input(37).dense(20).relu().dense(3)
}

/// Everything that a run leaves of each member: the hash of its weights, losses of all steps, validation.
fn traces(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> Vec<(String, Vec<u32>, Vec<f64>)> {
    let (train, valid) = data.split(0.8);
    let report: Report = trainer.clone().build_on(device.clone()).unwrap().fit(&train, &valid, Stop::after(3)).unwrap();
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect();
    let valid = |member: &gradus::train::MemberReport| member.epochs.iter().map(|epoch| epoch.valid.as_ref().unwrap().loss).collect();
    report.members.iter().map(|member| (member.weights_hash.clone(), bits(&member.step_losses), valid(member))).collect()
}

/// What a run takes.
fn memory(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> u64 {
    device.memory(&trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap().compiled.plan)
}

/// The kernels of a step that read rows of the data.
fn readers(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> Vec<&'static str> {
    let first = trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap();
    let reads = |args: &[gradus::plan::Buf]| args.iter().any(|buf| first.compiled.features.contains(buf));
    first.compiled.plan.program(first.program).dispatches.iter().filter(|d| reads(&d.args)).map(|d| d.kernel.name).collect()
}

#[test]
fn rows_are_looked_up_by_a_dense_first_layer_whose_data_are_in_one_buffer() {
    let cpu = gradus::Device::Cpu.open().unwrap();
    assert!(!cpu.limits().fused_gather, "a processor packs its operands in any case");
    let fused = cpu.clone().with_fused_gather(true);
    let of = |model: Model, device: &OpenDevice, bytes| readers(&trainer(model), device, &data(bytes));
    assert_eq!(of(two_layers(), &cpu, false), ["gather"]);
    assert_eq!(of(two_layers(), &fused, false), ["dense_forward_rows", "dense_gradient_rows"]);
    assert_eq!(of(two_layers(), &fused, true), ["dense_forward_bytes", "dense_gradient_bytes"]);
    // two shards of 120 rows, of 160 bytes each
    assert_eq!(of(two_layers(), &fused.clone().with_binding(120 * 160), false), ["gather"; 3]);
    // a chunk of streamed ones is one buffer
    let less = fused.clone().with_memory(memory(&trainer(two_layers()), &fused, &data(false)) - 20_000);
    assert_eq!(of(two_layers(), &less, false), ["dense_forward_rows", "dense_gradient_rows"]);
    // what is not a dense layer, or reads the input twice, wants a batch
    for model in [
        Model::input(37).batch_norm().dense(20).relu().dense(3),
        Model::input(37).dropout(0.1).dense(3),
        Model::input(37).residual(|body| body.dense(37).relu()).dense(3),
    ] {
        assert_eq!(of(model, &fused, false), ["gather"]);
    }
}

#[test]
fn a_step_with_rows_looked_up_is_a_dispatch_shorter_and_needs_no_batch() {
    let cpu = gradus::Device::Cpu.open().unwrap();
    let step = |device: &OpenDevice| {
        let first = trainer(two_layers()).build_on(device.clone()).unwrap().first_step(&data(true)).unwrap();
        (first.compiled.plan.program(first.program).dispatches.len(), first.compiled.plan.memory())
    };
    let (apart, fused) = (step(&cpu), step(&cpu.clone().with_fused_gather(true)));
    // 64 rows of 37 features, padded to 40, of four bytes
    assert_eq!(fused, (apart.0 - 1, apart.1 - 64 * 40 * 4));
}

#[test]
fn rows_that_are_looked_up_give_the_same_bits_as_rows_that_are_gathered() {
    let members = [1, 2, 3].map(|seed| Member { seed, lr: None });
    let models =
        [two_layers(), Model::input(37).dense(3), Model::input(37).dense(20).dropout(0.2).residual(|body| body.dense(20).tanh()).dense(3)];
    for device in devices() {
        let [apart, fused] = [false, true].map(|fused| device.clone().with_fused_gather(fused));
        for (model, bytes) in models.iter().zip([true, false, true]).chain([(&models[0], false)]) {
            let alone = trainer(model.clone());
            let several = alone.clone().accumulate(2).members(members);
            for trainer in [&alone, &several] {
                let wanted = traces(trainer, &apart, &data(bytes));
                assert_eq!(traces(trainer, &fused, &data(bytes)), wanted, "{}, {model:?}, bytes: {bytes}", device.info());
            }
        }
    }
}

#[test]
fn that_holds_in_parts_in_chunks_and_in_mixed_precision() {
    for device in devices() {
        let [apart, fused] = [false, true].map(|fused| device.clone().with_fused_gather(fused));
        for bytes in [false, true] {
            let same = |trainer: &Trainer, data: &Dataset, of: &dyn Fn(&OpenDevice) -> OpenDevice, what: &str| {
                let wanted = traces(trainer, &of(&apart), data);
                assert_eq!(traces(trainer, &of(&fused), data), wanted, "{}, {what}, bytes: {bytes}", device.info());
            };
            same(&trainer(two_layers()).batch(192), &data(bytes), &|device| device.clone().with_workgroups(200), "in parts");
            if device.check_precision(Precision::Mixed).is_ok() {
                same(&trainer(two_layers()).precision(Precision::Mixed), &data(bytes), &OpenDevice::clone, "in mixed precision");
            }
            // four fifths of 4,000 rows train, of 40 bytes or of four times as many
            let needed = memory(&trainer(two_layers()), &fused, &rows(3200, bytes));
            let less = |device: &OpenDevice| device.clone().with_memory(needed - 64_000);
            same(&trainer(two_layers()), &rows(4000, bytes), &less, "in chunks");
        }
    }
}
