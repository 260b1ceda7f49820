//! Random models, of every row of every table: what must hold of all of them.
//!
//! `GRADUS_RANDOM_CASES` says how many are drawn for each property and device, `GRADUS_RANDOM_SEED` which; what fails is made smaller, printed, and kept
//! in `random_models/found.txt`, to be tried first from then on.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "random_models/coverage.rs"]
mod coverage;
mod devices;
#[path = "random_models/draw.rs"]
mod draw;
#[path = "random_models/memory.rs"]
mod memory;
#[path = "devices/outcome.rs"]
mod outcome;
#[path = "random_models/plans.rs"]
mod plans;
#[path = "random_models/random.rs"]
mod random;
#[path = "random_models/trainings.rs"]
mod trainings;

use gradus::Error;
use gradus::exec::{DeviceType, OpenDevice};
use gradus::train::FirstStep;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner};
use random::Random;
use std::cell::Cell;
use std::sync::LazyLock;

/// The CPU path and all adapters, open once: what is compiled for one model is there for the next.
static DEVICES: LazyLock<Vec<OpenDevice>> = LazyLock::new(devices::devices);

/// How many models are drawn for each property, on the CPU path and on an adapter.
const CASES: [u32; 2] = [500, 100];
/// Which: any number. All properties have the same models.
const SEED: u64 = 7;

fn seed() -> u64 {
    number("GRADUS_RANDOM_SEED").unwrap_or(SEED)
}

/// The same models for whoever draws.
fn config() -> Config {
    Config { rng_seed: RngSeed::Fixed(seed()), failure_persistence: None, ..Config::default() }
}

fn runner() -> TestRunner {
    TestRunner::new(config())
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number (got `{text}`)")))
}

/// What was found of a model.
type Found = Result<(), String>;

thread_local! {
    /// Whether panics are kept for later, on this thread.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// A model that panics panics again and again while it is made smaller: only what is left of it is told.
static HOOK: LazyLock<()> = LazyLock::new(|| {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            before(info);
        }
    }));
});

/// Draws models and has each of them tried on each device.
fn hold(property: &str, holds: impl Fn(&Random, &OpenDevice) -> Found) {
    LazyLock::force(&HOOK);
    for device in &*DEVICES {
        let cases = CASES[usize::from(device.info().kind != DeviceType::Cpu)];
        let cases = number("GRADUS_RANDOM_CASES").map_or(cases, |cases| cases as u32);
        let config = Config {
            cases,
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/random_models/found.txt"))),
            max_shrink_iters: 4096,
            max_shrink_time: 60_000,
            ..config()
        };
        let tried = Cell::new(0);
        QUIET.set(true);
        let result = TestRunner::new(config).run(&draw::model(), |random| {
            tried.set(tried.get() + 1);
            holds(&random, device).map_err(TestCaseError::fail)
        });
        QUIET.set(false);
        match result {
            Ok(()) => assert!(tried.get() >= cases),
            Err(TestError::Fail(reason, random)) => {
                panic!("{property} does not hold on {}, seed {}:\n{reason}\nof {random}", device.info(), seed())
            }
            Err(TestError::Abort(reason)) => panic!("{property} on {}: {reason}", device.info()),
        }
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

/// A training right before its first step, where it was drawn to be.
fn first_step(random: &Random, device: &OpenDevice) -> Result<FirstStep, String> {
    let (train, _) = random.data();
    let device = random.placed(device, &train).map_err(told)?;
    random.trainer_on(&device).build_on(device).and_then(|training| training.first_step(&train)).map_err(told)
}
