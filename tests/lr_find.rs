//! The learning-rate finder's suggestion is worth taking: training at it beats training at a tenth of it and at ten times it.
//!
//! On the built-in digits in every run of the tests. On MNIST, whose files are not part of the repository, in `.ci/run mnist`, which fetches
//! them: `cargo test` counts that test as ignored, not as passed.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(clippy::print_stdout, reason = "the rates and losses are worth seeing with --nocapture")]

use gradus::data::{Scaler, Scaling, read_idx_folder};
use gradus::lr_find::{Settings, suggest};
use gradus::optim::Optimizer;
use gradus::train::Stop;
use gradus::{Adam, Dataset, Device, Loss, Model, Sgd, Trainer};
use std::path::PathBuf;

/// Trains for so many epochs at the suggestion, at a tenth and at ten times it, from three seeds each, and compares the mean losses of rows that were
/// not trained on.
fn assert_worth_taking(name: &str, train: &Dataset, valid: &Dataset, model: &Model, optimizer: Optimizer, epochs: usize) {
    let trainer = |optimizer| Trainer::new(model.clone(), Loss::cross_entropy()).optimizer(optimizer).batch(64);
    let curve = trainer(optimizer).seed(1).build(Device::Cpu).unwrap().lr_find(train, &Settings::default()).unwrap();
    let found = suggest(&curve).unwrap();
    let [tenth, taken, tenfold] = [0.1, 1.0, 10.0].map(|factor| {
        let losses = [1, 2, 3].map(|seed| {
            let mut training = trainer(optimizer.lr(factor * found.steepest)).seed(seed).build(Device::Cpu).unwrap();
            match training.fit(train, valid, Stop::after(epochs)) {
                Ok(_) => training.evaluate(valid).unwrap()[0].loss,
                // a rate so high that the weights overflow has lost
                Err(gradus::Error::NonFinite { .. }) => f64::INFINITY,
                Err(other) => panic!("{other}"),
            }
        });
        losses.iter().sum::<f64>() / 3.0
    });
    println!(
        "{name}, {}: suggestion {:.1e}, losses {taken:.4} there, {tenth:.4} at a tenth, {tenfold:.4} at ten times it",
        optimizer.name(),
        found.steepest
    );
    assert!(found.certainty > 5.0, "{name}: {found:?}");
    assert!(taken < tenth && taken < tenfold, "{name}: {taken} at {:e}, {tenth} at a tenth, {tenfold} at ten times it", found.steepest);
}

#[test]
fn training_digits_at_the_suggestion_beats_a_tenth_and_ten_times_it() {
    let digits = Dataset::digits();
    let digits = Scaler::fit(Scaling::MinMax, &digits).unwrap().unwrap().apply(&digits).unwrap();
    let (train, valid) = digits.split(0.8);
    let model = Model::input(64).dense(64).relu().dense(32).relu().dense(10);
    for optimizer in [Adam::new(), Sgd::new()] {
        assert_worth_taking("digits", &train, &valid, &model, optimizer, 3);
    }
}

/// MNIST's folder: `GRADUS_MNIST`, else where `scripts/get-mnist` puts the files.
fn mnist() -> PathBuf {
    std::env::var_os("GRADUS_MNIST").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/mnist"), PathBuf::from)
}

#[test]
#[ignore = "needs MNIST: scripts/get-mnist, then --include-ignored (.ci/run mnist does both)"]
fn training_mnist_at_the_suggestion_beats_a_tenth_and_ten_times_it() {
    let (table, _) = read_idx_folder(mnist()).unwrap_or_else(|error| panic!("{error}, or set GRADUS_MNIST"));
    let data = Dataset::new(table);
    assert_eq!(data.len(), 60_000);
    // training and validation are views of one table: the rows to judge by are the last of the training file
    let (train, valid) = (data.view((0..12_800).collect()), data.view((50_000..60_000).collect()));
    let model = Model::input(784).dense(64).relu().dense(32).relu().dense(10);
    for optimizer in [Adam::new(), Sgd::new()] {
        assert_worth_taking("MNIST", &train, &valid, &model, optimizer, 1);
    }
}
