//! A step as a plan: how many dispatches it takes, and what they move.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::exec::cpu::Cpu;
use gradus::plan::Plan;
use gradus::train::FirstStep;
use gradus::{Adam, Clip, Dataset, Device, Loss, Model, Sgd, Trainer};

fn first_step(trainer: Trainer, data: &Dataset) -> FirstStep {
    trainer.build(Device::Cpu).unwrap().first_step(data).unwrap()
}

/// Kernel, label and bytes of each dispatch.
fn moved(first: &FirstStep) -> Vec<(&'static str, String, u64)> {
    let plan: &Plan = &first.compiled.plan;
    let written = Cpu::<f32>::new(plan.clone()).trace(first.program, &first.table).unwrap();
    let dispatches = &plan.program(first.program).dispatches;
    dispatches.iter().zip(&written).map(|(d, w)| (d.kernel.name, d.label.clone(), first.compiled.bytes(d, w))).collect()
}

#[test]
fn a_step_of_dense_layers_takes_at_most_four_dispatches_a_layer_and_three_more() {
    let digits = Dataset::digits();
    for layers in 1..=6 {
        let hidden = (1..layers).fold(Model::input(64), |model, _| model.dense(16).relu());
        for optimizer in [Sgd::new(), Adam::new()] {
            let trainer = Trainer::new(hidden.clone().dense(10), Loss::cross_entropy()).optimizer(optimizer).clip(Clip::Norm(1.0));
            let first = first_step(trainer.clone(), &digits);
            let count = first.compiled.plan.program(first.program).dispatches.len();
            assert!(count <= 4 * layers + 3, "{count} dispatches for {layers} layers");
            // on a GPU the gradients of a large batch are made in parts: one more, for all layers together
            let gpu = Device::Cpu.open().unwrap().with_workgroups(200);
            let first = trainer.batch(1024).build_on(gpu).unwrap().first_step(&digits).unwrap();
            assert_eq!(first.compiled.plan.program(first.program).dispatches.len(), count + 1, "for {layers} layers in parts");
        }
    }
}

#[test]
fn a_gradient_in_parts_moves_a_slice_for_each() {
    // 512 rows of 64 pixels through 64 → 16 → 12 units, in 8 parts of 64
    let model = Model::input(64).dense(16).relu().dense(10);
    let gpu = Device::Cpu.open().unwrap().with_workgroups(200);
    let first = Trainer::new(model, Loss::cross_entropy()).batch(512).build_on(gpu).unwrap().first_step(&Dataset::digits()).unwrap();
    let bytes = moved(&first);
    let of = |kernel: &str, label: &str| bytes.iter().find(|d| d.0 == kernel && d.1.starts_with(label)).unwrap().2 / 4;
    // δ 512·12, x 512·16; a slice has W 10·16, padded to 192, and b 12
    assert_eq!(of("dense_gradient", "layer 2"), 512 * 12 + 512 * 16 + 8 * 204);
    // W 16·64 and b 16
    assert_eq!(of("dense_gradient", "layer 0"), 512 * 16 + 512 * 64 + 8 * 1040);
    // for each layer four words, its slices, and their sum
    assert_eq!(of("sum_slices", "slices"), 8 + 8 * (204 + 1040) + (204 + 1040));
}

#[test]
fn a_dispatch_moves_what_it_reads_and_writes_once() {
    // 32 rows of 64 pixels (as numbers) through 64 → 16 → 12 units; 10 classes would be padded to 12
    let digits = Dataset::digits();
    let model = Model::input(64).dense(16).relu().dense(10);
    let first = first_step(Trainer::new(model, Loss::cross_entropy()).clip(Clip::Norm(1.0)).batch(32), &digits);
    let bytes = moved(&first);
    let of = |kernel: &str, label: &str| {
        let found: Vec<u64> = bytes.iter().filter(|d| d.0 == kernel && d.1.starts_with(label)).map(|d| d.2 / 4).collect();
        assert_eq!(found.len(), 1, "{kernel} {label} in {bytes:?}");
        found[0]
    };
    // x 32·64, W 16·64, b 16, a 32·16
    assert_eq!(of("dense_forward", "layer 0"), 2048 + 1024 + 16 + 512);
    // x 32·16, W 10·16, b 10, a 32·12
    assert_eq!(of("dense_forward", "layer 2"), 512 + 160 + 10 + 384);
    // δ 32·12, x 32·16, W 10·16, b 10
    assert_eq!(of("dense_gradient", "layer 2"), 384 + 512 + 160 + 10);
    // δ 32·12, W 10·16, a 32·16 for the slope, δ before it 32·16
    assert_eq!(of("dense_delta", "layer 2"), 384 + 160 + 512 + 512);
    let arena = first.compiled.arena as u64;
    let partials = first.compiled.arena.div_ceil(4096).next_multiple_of(4) as u64;
    assert_eq!(of("norm_partials", "norm"), arena + partials);
    // 8 scalars and a place for decays; gradients read; weights and two states read and written
    assert_eq!(of("adam", "update"), 8 + 4 + arena + 3 * 2 * arena);
}
