//! Columns of codes as vectors that are learned: they learn what the codes stand for, alike on every device.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;

use devices::devices;
use gradus::data::{Codes, Features, Table, Targets};
use gradus::exec::OpenDevice;
use gradus::rng::{Purpose, Rng};
use gradus::train::{Member, Report, Stop};
use gradus::{Adam, Clip, Dataset, Device, Loss, Model, Trainer};

const TOWNS: usize = 40;
const TOWN: Codes = Codes { column: 1, count: TOWNS + 1, width: 3 };
const STREET: Codes = Codes { column: 2, count: 8, width: 2 };

fn table(rows: Vec<f32>, y: Vec<f32>) -> Table {
    let names = ["x", "town", "street"].map(String::from).to_vec();
    Table::new(Features::F32(rows), names, Targets::Values { of: y, names: vec!["y".into()] }).unwrap()
}

/// `y = x + effect(town)` with an effect for each town that its number does not tell; a street that says nothing, and has no code 7.
fn data() -> Dataset {
    let mut rng = Rng::new(1, Purpose::Synthetic, 0);
    let effects: Vec<f32> = (0..=TOWNS).map(|_| rng.normal() as f32).collect();
    let (mut rows, mut y) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        let (x, town, street) = (rng.normal() as f32, 1 + rng.below(TOWNS as u64) as usize, rng.below(7) as f32);
        rows.extend([x, town as f32, street]);
        y.push(x + effects[town]);
    }
    Dataset::new(table(rows, y))
}

fn trainer() -> Trainer {
    let model = Model::input(3).embedding([TOWN, STREET]).dense(16).relu().dense(1);
    Trainer::new(model, Loss::mse()).optimizer(Adam::new().lr(1e-2)).clip(Clip::Norm(1.0)).batch(50).seed(3)
}

fn fit(trainer: &Trainer, device: &OpenDevice, epochs: usize) -> Report {
    let (train, valid) = data().split(0.8);
    trainer.clone().build_on(device.clone()).unwrap().fit(&train, &valid, Stop::after(epochs)).unwrap()
}

#[test]
fn what_a_code_stands_for_is_learned_alike_on_every_device() {
    let reports: Vec<Report> = devices().iter().map(|device| fit(&trainer(), device, 60)).collect();
    for (report, device) in reports.iter().zip(devices()) {
        // the towns' effects have a variance of 1, and a number cannot tell them: without vectors at least half of that would remain
        let loss = report.first().epochs[59].valid.as_ref().unwrap().loss;
        assert!(loss < 0.05, "{}: {loss}", device.info());
        let worst = |steps: std::ops::Range<usize>| {
            let pairs = report.first().step_losses[steps.clone()].iter().zip(&reports[0].first().step_losses[steps]);
            pairs.map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f32::max)
        };
        assert!(worst(0..100) <= 1e-3, "{}: {}", device.info(), worst(0..100));
    }
}

#[test]
fn a_vector_whose_code_never_comes_stays_as_it_began() {
    for device in devices() {
        let weights = fit(&trainer(), &device, 3).members.remove(0).weights;
        // code 0 stands for what is not known, and begins with zeros
        assert_eq!(weights.get("0.0.weight").unwrap()[..3], [0.0; 3], "{}", device.info());
        let start = gradus::model::Weights::initial(&Model::input(3).embedding([TOWN, STREET]).dense(16).relu().dense(1), 3);
        let (street, before) = (weights.get("0.1.weight").unwrap(), start.get("0.1.weight").unwrap());
        assert_eq!(street[14..], before[14..], "{}: code 7 is in no row", device.info());
        assert!(street[2..14].iter().zip(&before[2..14]).all(|(now, then)| now != then), "{}: the others are learned", device.info());
    }
}

#[test]
fn a_member_with_an_embedding_is_what_it_would_be_alone_wherever_its_parameters_lie() {
    let members = [1, 2, 3].map(|seed| Member { seed, lr: None });
    // the tables take 2048 + 64 elements, the dense layers 16·8 + 64 and 64 + 64: 3 members in 26,000 bytes are two parts
    let model = Model::input(3).embedding([Codes { count: 500, ..TOWN }, STREET]).dense(16).relu().dense(1);
    let trainer = Trainer::new(model, Loss::mse()).optimizer(Adam::new().lr(1e-2)).clip(Clip::Norm(1.0)).batch(50);
    for device in devices() {
        let together = fit(&trainer.clone().members(members), &device, 2);
        let narrow = fit(&trainer.clone().members(members), &device.clone().with_binding(26_000), 2);
        for (n, member) in members.into_iter().enumerate() {
            let alone = fit(&trainer.clone().members([member]), &device, 2);
            assert_eq!(alone.members[0].weights_hash, together.members[n].weights_hash, "{}, member {n}", device.info());
            // the norm, which clips, is summed segment by segment: the first step's loss is before it
            let losses = |report: &Report, n: usize| report.members[n].step_losses[0].to_bits();
            assert_eq!(losses(&narrow, n), losses(&together, n), "{}, member {n}", device.info());
        }
    }
}

#[test]
fn what_is_no_code_is_refused_with_its_column_row_and_number() {
    for (wrong, said) in [(8.0, "got 8 in row 1"), (-1.0, "got -1"), (0.5, "got 0.5")] {
        let rows = vec![0.0, 1.0, 2.0, 0.0, 1.0, wrong];
        let data = Dataset::new(table(rows, vec![0.0, 1.0]));
        let message = trainer().build(Device::Cpu).unwrap().fit(&data, &data.view(Vec::new()), Stop::after(1)).unwrap_err().to_string();
        assert!(message.contains("`street` must be a whole number from 0 to 7") && message.contains(said), "{message}");
    }
}
