//! Many models side by side: each is what it would be alone, and what they take is known.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "how much memory, for `--nocapture`")]

mod devices;

use devices::devices;
use gradus::exec::OpenDevice;
use gradus::train::{Member, MemberReport, Remainder, Stop};
use gradus::{Adam, Clip, Dataset, Loss, Model, Trainer};

/// 64 → 32 → 10, with these members.
fn digits(members: impl Iterator<Item = usize>) -> Trainer {
    let model = Model::input(64).dense(32).relu().dense(10);
    Trainer::new(model, Loss::cross_entropy()).optimizer(Adam::new()).clip(Clip::Norm(1.0)).members(members.map(member).collect::<Vec<_>>())
}

fn fit(trainer: Trainer, device: &OpenDevice, data: &Dataset) -> Vec<MemberReport> {
    trainer.build_on(device.clone()).unwrap().fit(data, &data.view(Vec::new()), Stop::after(2)).unwrap().members
}

/// Each with a seed and a rate of its own.
fn member(n: usize) -> Member {
    Member { seed: n as u64, lr: Some(1e-3 * (1.0 + n as f64 / 64.0)) }
}

/// Six batches of 32 rows and one of 8, twice.
#[test]
fn of_64_members_each_is_what_it_would_be_alone() {
    let data = Dataset::digits().view((0..200).collect());
    for device in devices() {
        let together = fit(digits(0..64), &device, &data);
        for n in [0, 1, 31, 63] {
            let alone = fit(digits(n..=n), &device, &data).remove(0);
            assert_eq!(alone.step_losses, together[n].step_losses, "{}, member {n}", device.info());
            assert_eq!(alone.weights_hash, together[n].weights_hash, "{}, member {n}", device.info());
        }
    }
}

/// 32·64 + 64 + 10·32 + 64 parameters of 4 bytes take 10,223,616 bytes for all members. What binds no more than 9,000,000 has them in two buffers.
#[test]
fn a_thousand_members_take_a_step_in_the_memory_that_was_told() {
    let data = Dataset::digits().view((0..8).collect());
    let trainer = digits(0..1024).batch(8).remainder(Remainder::Drop);
    for device in devices() {
        let mut losses = Vec::new();
        for (device, segments) in [(device.clone(), 1), (device.with_binding(9_000_000), 2)] {
            let first = trainer.clone().build_on(device.clone()).unwrap().first_step(&data).unwrap();
            assert_eq!((first.compiled.segments.len(), first.compiled.arena), (segments, 2496));
            println!("1024 members of digits on {}: {} bytes in {segments} segments", device.info(), device.memory(&first.compiled.plan));
            drop(first);
            let report = fit(trainer.clone(), &device, &data);
            assert!(report.len() == 1024 && report.iter().all(|member| member.step_losses.iter().all(|loss| loss.is_finite())));
            losses.push(report.into_iter().map(|member| member.step_losses[0].to_bits()).collect::<Vec<_>>());
        }
        assert_eq!(losses[0], losses[1], "where parameters lie changes no bit");
    }
}
