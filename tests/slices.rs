//! Weight gradients that are made in parts: where they are chosen, and that they are the gradients.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how far off, for `--nocapture`")]

mod devices;

use devices::devices;
use gradus::exec::{DeviceType, OpenDevice};
use gradus::train::{Member, Report, Stop};
use gradus::{Adam, Clip, Dataset, Loss, Model, Trainer};

/// As many workgroups as a GPU wants.
const MANY: usize = 200;

/// Digits in batches of 512: three and one of 261 rows, of which 64 are a part. 64 → 32 is two tiles, 32 → 10 one: both are cut in eight.
fn digits() -> (Trainer, Dataset) {
    let trainer = Trainer::new(Model::input(64).dense(32).relu().dense(10), Loss::cross_entropy());
    (trainer.optimizer(Adam::new()).clip(Clip::Norm(1.0)).batch(512).seed(7), Dataset::digits())
}

fn fit(trainer: &Trainer, device: &OpenDevice, data: &Dataset, epochs: usize) -> Report {
    trainer.clone().build_on(device.clone()).unwrap().fit(data, &data.view(Vec::new()), Stop::after(epochs)).unwrap()
}

/// What each member leaves: the hash of its weights, the bits of its losses.
fn traces(report: &Report) -> Vec<(String, Vec<u32>)> {
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect();
    report.members.iter().map(|member| (member.weights_hash.clone(), bits(&member.step_losses))).collect()
}

/// Kernel and label of the dispatches that have to do with weight gradients.
fn gradients(trainer: &Trainer, device: &OpenDevice, data: &Dataset) -> Vec<(&'static str, String)> {
    let first = trainer.clone().build_on(device.clone()).unwrap().first_step(data).unwrap();
    let all = &first.compiled.plan.program(first.program).dispatches;
    let own = all.iter().filter(|dispatch| ["dense_gradient", "sum_slices"].contains(&dispatch.kernel.name));
    own.map(|dispatch| (dispatch.kernel.name, dispatch.label.clone())).collect()
}

#[test]
fn a_processor_makes_gradients_whole_and_a_gpu_those_of_small_layers_in_parts() {
    let (trainer, data) = digits();
    for device in devices() {
        let device = device.with_fused_gather(false);
        let own = matches!(device.info().kind, DeviceType::Cpu | DeviceType::Software);
        assert_eq!(device.limits().workgroups == 1, own, "{}", device.info());
        let whole = [("dense_gradient", "layer 2 (dense 32→10)".into()), ("dense_gradient", "layer 0 (dense 64→32)".into())];
        assert_eq!(gradients(&trainer, &device.clone().with_workgroups(1), &data), whole);
        let parts = [
            ("dense_gradient", "layer 2 (dense 32→10), 8 parts".into()),
            ("dense_gradient", "layer 0 (dense 64→32), 8 parts".into()),
            ("sum_slices", "slices".into()),
        ];
        assert_eq!(gradients(&trainer, &device.clone().with_workgroups(MANY), &data), parts);
        assert_eq!(gradients(&trainer.clone().batch(32), &device.with_workgroups(MANY), &data), whole, "a batch too small to cut");
    }
}

#[test]
fn gradients_in_parts_give_the_same_curve_and_repeat_to_the_bit() {
    let (trainer, data) = digits();
    for device in devices() {
        let parts = device.clone().with_workgroups(MANY);
        let (whole, cut) = (fit(&trainer, &device.clone().with_workgroups(1), &data, 25), fit(&trainer, &parts, &data, 25));
        let losses = [&whole, &cut].map(|report| report.first().step_losses.clone());
        assert_eq!(losses[0].len(), 100);
        assert!(losses[1][99] < 0.5 * losses[1][0], "it learns: {:?}", losses[1]);
        let worst = losses[0].iter().zip(&losses[1]).map(|(whole, cut)| (whole - cut).abs() / whole).fold(0.0, f32::max);
        println!("{}: 100 steps at most {worst:.1e} apart", device.info());
        assert!(worst <= 1e-3, "{}: {worst:e} apart", device.info());
        assert_eq!(traces(&cut), traces(&fit(&trainer, &parts, &data, 25)), "{}", device.info());
    }
}

#[test]
fn a_member_is_what_it_would_be_alone_also_in_parts_and_accumulated() {
    let (trainer, data) = digits();
    let trainer = trainer.accumulate(2);
    let members = [1, 2, 3].map(|seed| Member { seed, lr: None });
    for device in devices() {
        let device = device.with_workgroups(MANY);
        let together = traces(&fit(&trainer.clone().members(members), &device, &data, 3));
        for (member, beside) in members.into_iter().zip(together) {
            assert_eq!(traces(&fit(&trainer.clone().members([member]), &device, &data, 3)), [beside], "{}", device.info());
        }
    }
}

/// Of a layer 32 → 32 a member's four slices of 32·32 + 32 elements take 16,896 bytes: two fit 40,000. All layers' parameters take 55,296.
#[test]
fn arenas_and_slices_in_several_buffers_give_the_same_bits() {
    let data = Dataset::moons(600, 3);
    let model = (0..12).fold(Model::input(2), |model, _| model.dense(32).layer_norm().tanh()).dense(2);
    let members = [1, 2, 3].map(|seed| Member { seed, lr: None });
    let trainer = Trainer::new(model, Loss::cross_entropy()).batch(256).clip(Clip::Value(0.05)).members(members);
    for device in devices() {
        let device = device.with_workgroups(MANY);
        let narrow = device.clone().with_binding(3 * 40_000);
        let counts = [&device, &narrow].map(|device| {
            let compiled = trainer.clone().build_on(device.clone()).unwrap().first_step(&data).unwrap().compiled;
            (compiled.segments.len(), compiled.slices.len())
        });
        assert!(counts[0] == (1, 1) && counts[1].0 == 2 && counts[1].1 >= 5, "{counts:?}");
        let [wide, narrow] = [&device, &narrow].map(|device| traces(&fit(&trainer, device, &data, 2)));
        assert_eq!(wide, narrow, "{}", device.info());
    }
}
