//! Samples a second of a training, and how long it takes to a target: epochs through a [`Trainer`], timed from the outside.

use super::summary::{Summary, outliers};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::train::{Event, Monitor, Reason, Remainder, Stop, StopAt, Trainer};
use std::time::Instant;

/// The largest batch size of the ladder.
const LARGEST: usize = 4096;

/// The batch sizes to measure where none are named: powers of two from 16 to 4096, no larger than the rows there are.
///
/// ```
/// assert_eq!(gradus::bench::ladder(100), [16, 32, 64]);
/// ```
pub fn ladder(rows: usize) -> Vec<usize> {
    let powers: Vec<usize> = (4..).map(|power| 1 << power).take_while(|&batch| batch <= LARGEST.min(rows)).collect();
    if powers.is_empty() { vec![rows] } else { powers }
}

/// How long the rounds are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// So many seconds for all rounds together. Where an epoch is longer than a round, a round is of fewer rows.
    Seconds(f64),
    /// So many epochs of all rows for each round.
    Epochs(usize),
}

/// How a batch size is measured: one round to warm up, then so many that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Rounds that count.
    pub rounds: usize,
    /// How long they are.
    pub length: Length,
}

impl Settings {
    /// An error when a number makes no sense.
    pub fn check(&self) -> Result<()> {
        match self.length {
            _ if self.rounds == 0 => Err(Error::input("there must be at least 1 round (got 0): set it with --rounds")),
            Length::Epochs(0) => Err(Error::input("a round must have at least 1 epoch (got 0): set it with --epochs")),
            Length::Seconds(s) if !(s.is_finite() && s > 0.0) => {
                Err(Error::input(format!("the seconds of a batch size must be a number above 0 (got {s}): set them with --seconds")))
            }
            _ => Ok(()),
        }
    }
}

/// One timed round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Steps: batches.
    pub steps: usize,
    /// Rows trained on.
    pub rows: usize,
    /// Seconds, from the end of the round before to the end of this.
    pub seconds: f64,
    /// Those of them in which the host worked: the processor's time of the thread that trains. Where the system does not tell (it does on
    /// Unix), the time until the last of each epoch's steps was handed over, waiting for the device on the way included.
    pub host_seconds: f64,
}

/// What was measured of a batch size.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// Rows of a batch.
    pub batch: usize,
    /// Rows of an epoch: whole batches.
    pub rows: usize,
    /// The rounds that count.
    pub rounds: Vec<Round>,
    /// Seconds from the start, kernels compiled and data uploaded, to the end of the first submission.
    pub first_step_seconds: f64,
}

impl Throughput {
    /// Rows a second of each round.
    pub fn rates(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| round.rows as f64 / round.seconds).collect()
    }

    /// Rows a second. There is at least one round.
    pub fn samples_per_second(&self) -> Summary {
        Summary::of(&self.rates()).unwrap_or(Summary { median: f64::NAN, min: f64::NAN, max: f64::NAN })
    }

    /// Microseconds of a step: `10⁶ · batch / samples per second`, at the median.
    pub fn microseconds_per_step(&self) -> f64 {
        1e6 * self.batch as f64 / self.samples_per_second().median
    }

    /// The share of the time in which the host worked, not waited, over all rounds. On the CPU path, where the host does all, it says nothing.
    pub fn host_share(&self) -> f64 {
        let sum = |of: fn(&Round) -> f64| self.rounds.iter().map(of).sum::<f64>();
        sum(|round| round.host_seconds) / sum(|round| round.seconds)
    }

    /// Rounds whose rate is far from the others'.
    pub fn outliers(&self) -> Vec<usize> {
        outliers(&self.rates())
    }
}

/// Measures a batch size: whole batches of `data`, the rows that are left over dropped, nothing validated. With [`Length::Seconds`] a short
/// training before it tells how many epochs, or rows, make a round.
///
/// Errors when the batch is empty or larger than the data, and as [`Training::fit`](crate::train::Training::fit) does.
pub fn throughput(trainer: &Trainer, device: &OpenDevice, data: &Dataset, batch: usize, settings: &Settings) -> Result<Throughput> {
    settings.check()?;
    check_batch(batch, data.len())?;
    let all = data.len() / batch * batch;
    let (rows, epochs) = match settings.length {
        Length::Epochs(epochs) => (all, epochs),
        Length::Seconds(seconds) => {
            let rows = (PROBE_ROWS / batch).max(1) * batch;
            let probe = epochs_of(trainer, device, data, batch, rows.min(all), PROBE_EPOCHS)?;
            // the first epoch compiles
            let rate = probe.epochs[1..].iter().map(|epoch| epoch.rows as f64 / epoch.seconds).fold(1.0, f64::max);
            size(seconds / settings.rounds as f64 * rate, all, batch)
        }
    };
    let timed = epochs_of(trainer, device, data, batch, rows, (settings.rounds + 1) * epochs)?;
    let sum = |epochs: &[Round]| Round {
        steps: epochs.iter().map(|e| e.steps).sum(),
        rows: epochs.iter().map(|e| e.rows).sum(),
        seconds: epochs.iter().map(|e| e.seconds).sum(),
        host_seconds: epochs.iter().map(|e| e.host_seconds).sum(),
    };
    let rounds = timed.epochs.chunks(epochs).skip(1).map(sum).collect();
    Ok(Throughput { batch, rows, rounds, first_step_seconds: timed.first_step_seconds })
}

/// An error when there is no such batch of so many rows.
pub fn check_batch(batch: usize, rows: usize) -> Result<()> {
    match batch {
        0 => Err(Error::input("a batch must have at least 1 row (got 0): set the sizes with --batches")),
        _ if batch > rows => Err(Error::input(format!(
            "a batch of {batch} rows is larger than the {rows} rows to train on: set smaller ones with --batches"
        ))),
        _ => Ok(()),
    }
}

/// Rows and epochs of the short training before.
const PROBE_ROWS: usize = 1024;
const PROBE_EPOCHS: usize = 3;

/// Rows of an epoch and epochs of a round that make about so many rows: all rows as often as it takes, or a part of them once.
fn size(wanted: f64, all: usize, batch: usize) -> (usize, usize) {
    if wanted >= all as f64 {
        return (all, (wanted / all as f64).ceil() as usize);
    }
    let steps = (wanted / batch as f64).round().max(1.0) as usize;
    ((steps * batch).min(all), 1)
}

/// Epochs as they were timed.
struct Timed {
    epochs: Vec<Round>,
    first_step_seconds: f64,
}

/// Trains for so many epochs on so many rows, which are taken evenly from the data.
fn epochs_of(trainer: &Trainer, device: &OpenDevice, data: &Dataset, batch: usize, rows: usize, epochs: usize) -> Result<Timed> {
    let part = data.view((0..rows).map(|i| data.rows()[(i as u64 * data.len() as u64 / rows as u64) as usize]).collect());
    let mut training = trainer.clone().batch(batch).remainder(Remainder::Drop).build_on(device.clone())?;
    // without validation rows nothing else happens between epochs
    let none = part.view(Vec::new());
    let mut timed = Vec::with_capacity(epochs);
    let (mut began, mut handed_over, mut worked) = (Instant::now(), Instant::now(), thread_seconds());
    let steps = rows / batch;
    let report = training.fit_with(&part, &none, Stop::after(epochs), |event| match event {
        Event::Progress { .. } => handed_over = Instant::now(),
        Event::Epoch { .. } => {
            let (now, work) = (Instant::now(), thread_seconds());
            let [seconds, handing_over] = [now, handed_over].map(|at| at.saturating_duration_since(began).as_secs_f64());
            let host_seconds = work.zip(worked).map_or(handing_over, |(work, worked)| work - worked);
            timed.push(Round { steps, rows, seconds, host_seconds });
            (began, worked) = (now, work);
        }
        _ => {}
    })?;
    Ok(Timed { epochs: timed, first_step_seconds: report.start_seconds })
}

/// How long this thread has had a processor, in seconds.
#[cfg(unix)]
fn thread_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64)
}

#[cfg(not(unix))]
fn thread_seconds() -> Option<f64> {
    None
}

/// How a training fared on its way to a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reached {
    /// Seconds that it trained, compiling and validation not counted; `None` when the target was not reached.
    pub seconds: Option<f64>,
    /// Epochs that it trained.
    pub epochs: usize,
}

/// Trains until a number is at least as good as the target, for so many epochs at most; it is looked at after each epoch. `valid` may be empty
/// where the target is the training loss.
pub fn time_to(
    trainer: &Trainer,
    device: &OpenDevice,
    train: &Dataset,
    valid: &Dataset,
    target: &StopAt,
    epochs: usize,
) -> Result<Reached> {
    let none = train.view(Vec::new());
    let valid = if target.monitor == Monitor::TrainLoss { &none } else { valid };
    let stop = Stop { at: Some(target.clone()), ..Stop::after(epochs) };
    let mut seconds = 0.0;
    let mut training = trainer.clone().build_on(device.clone())?;
    let rows: usize = training.batches(train).iter().sum();
    let report = training.fit_with(train, valid, stop, |event| {
        if let Event::Epoch { samples_per_second, .. } = event {
            seconds += rows as f64 / samples_per_second;
        }
    })?;
    let first = report.first();
    Ok(Reached { seconds: (first.stopped == Reason::Threshold).then_some(seconds), epochs: first.epochs.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clip, Device, Loss, Model};

    #[test]
    fn the_ladder_ends_at_the_rows() {
        assert_eq!(ladder(1168), [16, 32, 64, 128, 256, 512, 1024]);
        assert_eq!(ladder(16), [16]);
        assert_eq!(ladder(15), [15]);
        assert_eq!(ladder(1_000_000).last(), Some(&4096));
    }

    #[test]
    fn a_round_is_of_whole_epochs_or_of_whole_batches() {
        // 2,500 rows of 1,024: three epochs
        assert_eq!(size(2500.0, 1024, 32), (1024, 3));
        assert_eq!(size(1024.0, 1024, 32), (1024, 1));
        // 330 rows are ten batches of 32 and some
        assert_eq!(size(330.0, 1024, 32), (320, 1));
        // never less than one batch, never more than there is
        assert_eq!(size(3.0, 1024, 32), (32, 1));
        assert_eq!(size(1000.0, 1024, 512), (1024, 1));
    }

    #[test]
    fn rates_are_those_of_the_rounds() {
        let round = |seconds| Round { steps: 10, rows: 320, seconds, host_seconds: 0.25 * seconds };
        let of = Throughput { batch: 32, rows: 320, rounds: [0.01, 0.02, 0.04].map(round).to_vec(), first_step_seconds: 0.0 };
        // 320 rows in 0.02 s are 16,000 a second; 10 steps in 20 ms are 2,000 µs each
        assert_eq!(of.samples_per_second().median, 16_000.0);
        assert_eq!((of.samples_per_second().min, of.samples_per_second().max), (8_000.0, 32_000.0));
        assert!((of.microseconds_per_step() - 2000.0).abs() < 1e-9);
        assert!((of.host_share() - 0.25).abs() < 1e-12);
    }

    fn trainer() -> Trainer {
        Trainer::new(Model::input(2).dense(8).relu().dense(2), Loss::cross_entropy()).clip(Clip::Norm(1.0))
    }

    #[test]
    fn rounds_have_the_epochs_that_were_asked_for() {
        let data = Dataset::moons(100, 3);
        let device = Device::Cpu.open().unwrap();
        let measured = throughput(&trainer(), &device, &data, 32, &Settings { rounds: 3, length: Length::Epochs(2) }).unwrap();
        // 100 rows are three whole batches of 32
        assert_eq!((measured.rows, measured.rounds.len()), (96, 3));
        assert!(measured.rounds.iter().all(|round| (round.steps, round.rows) == (6, 192) && round.seconds > 0.0), "{measured:?}");
        // the two clocks have different ends of a microsecond
        assert!(measured.rounds.iter().all(|round| (0.0..=round.seconds + 1e-4).contains(&round.host_seconds)), "{measured:?}");
        let brief = Settings { rounds: 2, length: Length::Seconds(1e-3) };
        assert_eq!(throughput(&trainer(), &device, &data, 100, &brief).unwrap().rounds.len(), 2);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let (data, device) = (Dataset::moons(100, 3), Device::Cpu.open().unwrap());
        for (batch, rounds, length, wanted) in [
            (0, 3, Length::Epochs(1), "a batch must have at least 1 row (got 0)"),
            (101, 3, Length::Epochs(1), "a batch of 101 rows is larger than the 100 rows"),
            (10, 0, Length::Epochs(1), "at least 1 round (got 0)"),
            (10, 3, Length::Epochs(0), "at least 1 epoch (got 0)"),
            (10, 3, Length::Seconds(0.0), "above 0 (got 0)"),
            (10, 3, Length::Seconds(f64::NAN), "above 0 (got NaN)"),
        ] {
            let error = throughput(&trainer(), &device, &data, batch, &Settings { rounds, length }).unwrap_err();
            assert!(error.to_string().contains(wanted) && error.exit_code() == 2, "{error}");
        }
    }

    #[test]
    fn a_target_is_reached_or_said_not_to_be() {
        let (train, valid) = Dataset::moons(100, 3).split(0.8);
        let device = Device::Cpu.open().unwrap();
        let target = |monitor, value| StopAt { monitor, value };
        let reached = time_to(&trainer(), &device, &train, &valid, &target(Monitor::TrainLoss, 100.0), 5).unwrap();
        assert!(reached.epochs == 1 && reached.seconds.is_some_and(|seconds| seconds > 0.0), "{reached:?}");
        let never = time_to(&trainer(), &device, &train, &valid, &target(Monitor::TrainLoss, -1.0), 3).unwrap();
        assert_eq!(never, Reached { seconds: None, epochs: 3 });
        let by_metric = target(Monitor::Valid("accuracy".into()), 0.1);
        assert_eq!(time_to(&trainer(), &device, &train, &valid, &by_metric, 3).unwrap().epochs, 1);
    }
}
