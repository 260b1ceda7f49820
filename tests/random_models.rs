//! Random models, of every row of every table: what must hold of all of them.
//!
//! `GRADUS_RANDOM_CASES` says how many are drawn for each property and device, `GRADUS_RANDOM_SEED` which; what fails is made smaller, printed, and kept
//! in `random_models/found.txt`, to be tried first from then on.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;
#[path = "random_models/draw.rs"]
mod draw;
#[path = "random_models/random.rs"]
mod random;

use gradus::checkpoint::Folder;
use gradus::exec::{DeviceType, OpenDevice};
use gradus::kernel::{Part, Rate, Row, Step};
use gradus::model::Compiled;
use gradus::parity::lockstep;
use gradus::plan::Role;
use gradus::train::{Checkpoints, Event, Every, FirstStep, Member, MemberReport, Reason, Report, Stop, Training};
use gradus::{Dataset, Device, Error, Precision, Trainer};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner};
use random::{Place, Random};
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The CPU path and all adapters, open once: what is compiled for one model is there for the next.
static DEVICES: LazyLock<Vec<OpenDevice>> = LazyLock::new(devices::devices);

/// How many models are drawn for each property, on the CPU path and on an adapter.
const CASES: [u32; 2] = [500, 100];
/// Which: any number. All properties have the same models.
const SEED: u64 = 7;

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
    let seed = number("GRADUS_RANDOM_SEED").unwrap_or(SEED);
    for device in &*DEVICES {
        let cases = CASES[usize::from(device.info().kind != DeviceType::Cpu)];
        let cases = number("GRADUS_RANDOM_CASES").map_or(cases, |cases| cases as u32);
        let config = Config {
            cases,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/random_models/found.txt"))),
            max_shrink_iters: 4096,
            max_shrink_time: 60_000,
            ..Config::default()
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
                panic!("{property} does not hold on {}, seed {seed}:\n{reason}\nof {random}", device.info())
            }
            Err(TestError::Abort(reason)) => panic!("{property} on {}: {reason}", device.info()),
        }
    }
}

/// Mixed precision only where the device has it.
fn trainer(random: &Random, device: &OpenDevice) -> Trainer {
    match device.check_precision(random.precision) {
        Ok(()) => random.trainer(),
        Err(_) => random.trainer().precision(Precision::Full),
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

/// Weights, losses and records of a member, but for the time that they took.
fn outcome(member: &MemberReport) -> String {
    let mut epochs = member.epochs.clone();
    for epoch in &mut epochs {
        epoch.seconds = 0.0;
        // of all but the last epoch they are not in a checkpoint
        epoch.valid.iter_mut().for_each(|valid| valid.confusion = None);
    }
    let losses: Vec<u32> = member.step_losses.iter().map(|loss| loss.to_bits()).collect();
    format!("{} {:?} {} {epochs:?} {losses:?} {:?}", member.weights_hash, member.stopped, member.best_epoch, member.flow)
}

/// How a training ended: with a report, or with a value that was not finite. All else is a failure.
fn ended(result: gradus::Result<Report>) -> Result<Result<Report, Error>, String> {
    match result {
        Ok(report) => Ok(Ok(report)),
        Err(error @ Error::NonFinite { .. }) => Ok(Err(error)),
        Err(error) => Err(told(error)),
    }
}

#[test]
fn a_random_member_is_what_it_would_be_alone() {
    hold("a member is what it would be alone", |random, device| {
        // norms of cut arenas are summed segment by segment, and where they are cut is a matter of all members
        let cut = matches!(random.place, Place::Cut(_));
        let (train, valid) = random.data();
        let device = if cut { device.clone() } else { random.placed(device, &train).map_err(told)? };
        let fit = |members: &[Member]| {
            let training = trainer(random, &device).members(members).build_on(device.clone());
            ended(training.and_then(|mut training| training.fit(&train, &valid, random.stop())))
        };
        let together = fit(&random.members)?;
        for (n, &member) in random.members.iter().enumerate() {
            match (&together, fit(&[member])?) {
                (Ok(together), Ok(alone)) => {
                    let (got, wanted) = (outcome(&together.members[n]), outcome(&alone.members[0]));
                    if got != wanted {
                        return Err(format!("member {n} is\n{got}\nand alone\n{wanted}"));
                    }
                }
                (Err(Error::NonFinite { member, .. }), Ok(_)) if *member == n => return Err(format!("member {n} is finite alone")),
                (Ok(_), Err(error)) => return Err(format!("member {n} alone: {error}")),
                _ => {}
            }
        }
        Ok(())
    });
}

#[test]
fn a_random_training_that_is_resumed_ends_on_the_bits_of_the_straight_one() {
    hold("a resumed training ends on the bits of the straight one", |random, device| {
        let (train, valid) = random.data();
        let device = random.placed(device, &train).map_err(told)?;
        let build = || trainer(random, &device).build_on(device.clone()).map_err(told);
        let straight = ended(build()?.fit(&train, &valid, random.stop()))?;
        let own = tempfile::tempdir().unwrap();
        let mut first = build()?;
        let updates = random.epochs * first.updates(&train);
        let until = ((random.stop * updates as f64) as usize).clamp(1, updates.max(2) - 1);
        let part = ended(fit_until(&mut first, [&train, &valid], &random.stop(), until, own.path()))?;
        if let (Ok(part), true) = (&part, updates > 1)
            && part.members.iter().all(|member| member.stopped != Reason::Interrupted)
            && part.members[0].step_losses.len() == updates
        {
            return Err("it was not stopped".to_string());
        }
        let Some(newest) = Folder::new(own.path()).newest().map_err(told)? else {
            // what was not finite from the beginning leaves no place to go on from
            return if straight.is_err() { Ok(()) } else { Err("there is no checkpoint".to_string()) };
        };
        let mut resumed = build()?;
        resumed.resume(newest.checkpoint);
        match (straight, ended(resumed.fit(&train, &valid, random.stop()))?) {
            (Ok(straight), Ok(resumed)) => {
                let of = |report: &Report| report.members.iter().map(outcome).collect::<Vec<_>>().join("\n");
                let (got, wanted) = (of(&resumed), of(&straight));
                if got == wanted { Ok(()) } else { Err(format!("stopped after update {until} of {updates} it is\n{got}\nand straight\n{wanted}")) }
            }
            (Err(wanted), Err(got)) if wanted.to_string() == got.to_string() => Ok(()),
            (straight, resumed) => Err(format!("straight {:?}, resumed {:?}", straight.map(|_| ()), resumed.map(|_| ()))),
        }
    });
}

/// Trains until so many updates are done, and leaves a checkpoint of that moment.
fn fit_until(training: &mut Training, [train, valid]: [&Dataset; 2], stop: &Stop, until: usize, folder: &Path) -> gradus::Result<Report> {
    let flag = Arc::new(AtomicBool::new(false));
    let (steps, updates) = (training.batches(train).len(), training.updates(train));
    let per_update = steps.div_ceil(updates);
    let reached = (until / updates * steps + until % updates * per_update).min(until.div_ceil(updates) * steps);
    training.keep_checkpoints(Checkpoints::new(folder).every(Every::Steps(until)));
    training.fit_with(train, valid, stop.clone().when(Arc::clone(&flag)), |event| {
        if let Event::Progress { epoch, step, .. } = event
            && (epoch - 1) * steps + step >= reached
        {
            flag.store(true, Ordering::Relaxed);
        }
    })
}

/// Tables of a step each: a full batch, a short one, a full one; where gradients are added up, in two parts each.
fn steps(first: &FirstStep, accumulate: usize) -> Vec<Vec<u32>> {
    let members = first.compiled.plan.members;
    let given = Step::current(&first.table, 0);
    let rates: Vec<Rate> = (0..members).map(|member| given.rate(member)).collect();
    let short = given.rows.div_ceil(2).max(2).min(given.rows);
    let parts = match accumulate {
        1 => vec![Part::WHOLE],
        _ => vec![Part { first: true, last: false }, Part { first: false, last: true }],
    };
    let mut tables = Vec::new();
    for (rows, part) in [given.rows, short, given.rows].into_iter().flat_map(|rows| parts.iter().map(move |&part| (rows, part))) {
        let mut table = Step::table(members);
        Step::push(&mut table, &Row { rows, start: 0, slot: 0, number: tables.len() as u32, part, rates: &rates });
        tables.push(table);
    }
    tables
}

/// A training right before its first step, where it was drawn to be.
fn first_step(random: &Random, device: &OpenDevice) -> Result<FirstStep, String> {
    let (train, _) = random.data();
    let device = random.placed(device, &train).map_err(told)?;
    trainer(random, &device).build_on(device).and_then(|training| training.first_step(&train)).map_err(told)
}

#[test]
fn a_random_plan_computes_what_it_does_in_f64() {
    hold("parity", |random, device| {
        let mut first = first_step(random, device)?;
        let Compiled { eval, predict, ref look, .. } = first.compiled;
        let look = look.as_ref().map(|look| look.program);
        for (n, table) in steps(&first, random.accumulate).iter().enumerate() {
            for program in [Some(first.program), look, Some(eval), Some(predict)].into_iter().flatten() {
                let rows = lockstep(&mut *first.executor, program, table).map_err(told)?;
                if let Some(row) = rows.iter().find(|row| !row.passes()) {
                    let name = first.compiled.plan.program(program).name;
                    return Err(format!("step {n} of {name}: {row:?}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_random_models_gradients_are_those_of_finite_differences() {
    hold("back-propagation agrees with finite differences", |random, device| {
        let (train, _) = random.data();
        let device = random.placed(device, &train).map_err(told)?;
        let training = trainer(random, &device).build_on(device).map_err(told)?;
        match training.gradcheck(&train, 2).map_err(told)?.into_iter().find(|tensor| !tensor.passes()) {
            Some(tensor) => Err(format!("{tensor:?}")),
            None => Ok(()),
        }
    });
}

#[test]
fn the_padding_of_a_random_models_arenas_stays_zero() {
    hold("padding stays zero", |random, device| {
        let mut first = first_step(random, device)?;
        for table in steps(&first, random.accumulate) {
            first.executor.run(first.program, &table).map_err(told)?;
        }
        let FirstStep { compiled, mut executor, .. } = first;
        let numbers: Vec<usize> = (0..compiled.arena).collect();
        let places = |wanted: fn(Role) -> bool| {
            let mut found = vec![false; compiled.arena];
            let tensors = compiled.tensors.iter().filter(|tensor| wanted(tensor.role));
            tensors.flat_map(|tensor| tensor.unpack(&numbers)).for_each(|at| found[at] = true);
            found
        };
        let (stored, learned) = (places(|_| true), places(Role::is_learned));
        // what is not finite makes padding of gradients not finite, too: such a step is not applied
        let log = executor.read(compiled.log, 0, 4 * compiled.plan.members).map_err(told)?;
        let states = compiled.states.iter().enumerate().map(|(n, state)| (format!("state {n}"), state, &learned));
        let arenas = [
            ("params", &compiled.params, &stored),
            ("average", &compiled.average, &stored),
            ("grads", &compiled.grads, &learned),
        ];
        for (name, arena, places) in arenas.map(|(name, arena, places)| (name.to_string(), arena, places)).into_iter().chain(states) {
            for member in (0..compiled.plan.members).filter(|member| name != "grads" || log[4 * member + 3] != 0.0) {
                for (buf, from, of) in compiled.runs(arena, member) {
                    let values = executor.read(buf, from, of.len()).map_err(told)?;
                    if let Some((at, value)) = of.zip(values).find(|&(at, value)| !places[at] && value != 0.0) {
                        return Err(format!("{name} of member {member} is {value} at {at}, which is padding"));
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_random_training_ends_alike_on_every_device() {
    hold("a training ends alike on every device", |random, device| {
        let (train, valid) = random.data();
        let fit = |device: &OpenDevice| {
            let training = trainer(random, device).precision(Precision::Full).build_on(device.clone());
            ended(training.and_then(|mut training| training.fit(&train, &valid, random.stop())))
        };
        let other = Device::Cpu.open().map_err(told)?.with_threads(1);
        match (fit(device)?, fit(&other)?) {
            // for any number of threads the same bits
            (Ok(one), Ok(other)) if device.info().kind == DeviceType::Cpu => {
                let of = |report: &Report| report.members.iter().map(outcome).collect::<Vec<_>>();
                if of(&one) == of(&other) { Ok(()) } else { Err("on one thread it is another training".to_string()) }
            }
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => Ok(()),
            (one, other) => Err(format!("{:?} here, {:?} on the CPU path", one.map(|_| ()), other.map(|_| ()))),
        }
    });
}

#[test]
fn the_memory_that_a_random_plan_takes_is_what_was_told() {
    hold("the memory that is told is what is taken", |random, device| {
        let first = first_step(random, device)?;
        let plan = first.compiled.plan;
        drop(first.executor);
        let device = device.clone().with_binding(u64::MAX);
        let told_bytes = device.memory(&plan);
        let largest = plan.buffers.iter().map(|buffer| 4 * buffer.len as u64).max().unwrap_or_default();
        for (limited, fits) in [
            (device.clone().with_memory(told_bytes), true),
            (device.clone().with_memory(told_bytes - 1), false),
            (device.clone().with_binding(largest), true),
            (device.clone().with_binding(largest - 1), false),
        ] {
            if limited.executor(plan.clone()).is_ok() != fits {
                return Err(format!("of {told_bytes} bytes, {largest} in the largest buffer, {:?} allow {}", limited.limits(), !fits));
            }
        }
        match device.info().kind {
            DeviceType::Cpu => {
                // beside the numbers a buffer has its place in a list, and so has a dispatch, and each of its arguments
                let dispatches = plan.programs.iter().flat_map(|program| &program.dispatches);
                let lists = 64 * plan.buffers.len() + dispatches.map(|d| 64 + 8 * d.args.len()).sum::<usize>() + 4096;
                let mut executor = None;
                let taken = allocation_counter::measure(|| executor = device.executor(plan.clone()).ok()).bytes_current as u64;
                let copy = allocation_counter::measure(|| drop(plan.clone())).bytes_total;
                match (told_bytes..told_bytes + copy + lists as u64).contains(&taken) {
                    true => Ok(()),
                    false => Err(format!("{told_bytes} bytes were told, {taken} are taken, at most {lists} of them by lists and {copy} by the plan")),
                }
            }
            _ => Ok(()),
        }
    });
}
