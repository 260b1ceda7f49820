//! What holds of whole trainings of random models: alone and side by side, straight and resumed, here and there.

use super::outcome::outcome;
use super::random::Place;
use super::{hold, told};
use gradus::checkpoint::Folder;
use gradus::exec::{DeviceType, OpenDevice};
use gradus::train::{Checkpoints, Event, Every, Member, Reason, Report, Stop, Training};
use gradus::{Dataset, Device, Error, Precision};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
            let training = random.trainer_on(&device).members(members).build_on(device.clone());
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
                (Err(Error::NonFinite { member, epoch, step, .. }), Err(alone)) if *member == n => {
                    let wanted = [*epoch, *step];
                    if !matches!(alone, Error::NonFinite { epoch, step, .. } if [epoch, step] == wanted) {
                        return Err(format!("member {n} is not finite in epoch and step {wanted:?}, and alone: {alone}"));
                    }
                }
                (Ok(_), Err(error)) => return Err(format!("member {n} alone: {error}")),
                _ => {}
            }
        }
        Ok(())
    });
}

/// A folder in memory, where the system has such: a checkpoint is on the disk before training goes on, and hundreds of them would be waited for.
fn folder() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

#[test]
fn a_random_training_that_is_resumed_ends_on_the_bits_of_the_straight_one() {
    hold("a resumed training ends on the bits of the straight one", |random, device| {
        let (train, valid) = random.data();
        let device = random.placed(device, &train).map_err(told)?;
        let build = || random.trainer_on(&device).build_on(device.clone()).map_err(told);
        let straight = ended(build()?.fit(&train, &valid, random.stop()))?;
        let own = folder().unwrap();
        let mut first = build()?;
        let updates = random.epochs * first.updates(&train);
        let until = ((random.stop * updates as f64) as usize).clamp(1, updates.max(2) - 1);
        let part = ended(fit_until(&mut first, [&train, &valid], &random.stop(), until, own.path()))?;
        if let (Ok(part), true) = (&part, updates > 1)
            && part.members.iter().all(|member| member.stopped != Reason::Interrupted)
            && part.members.iter().any(|member| member.stopped == Reason::MaxEpochs)
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
                if got == wanted {
                    Ok(())
                } else {
                    Err(format!("stopped after update {until} of {updates} it is\n{got}\nand straight\n{wanted}"))
                }
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

#[test]
fn a_random_training_ends_alike_on_every_device() {
    let (all, finite) = (Cell::new(0), Cell::new(0));
    hold("a training ends alike on every device", |random, device| {
        let (train, valid) = random.data();
        let fit = |device: &OpenDevice| {
            let training = random.trainer_on(device).precision(Precision::Full).build_on(device.clone());
            ended(training.and_then(|mut training| training.fit(&train, &valid, random.stop())))
        };
        let other = Device::Cpu.open().map_err(told)?.with_threads(1);
        let outcomes = (fit(device)?, fit(&other)?);
        all.set(all.get() + 1);
        finite.set(finite.get() + usize::from(outcomes.1.is_ok()));
        match outcomes {
            // for any number of threads the same bits
            (Ok(one), Ok(other)) if device.info().kind == DeviceType::Cpu => {
                let of = |report: &Report| report.members.iter().map(outcome).collect::<Vec<_>>();
                if of(&one) == of(&other) { Ok(()) } else { Err("on one thread it is another training".to_string()) }
            }
            (Err(one), Err(other)) if device.info().kind == DeviceType::Cpu && one.to_string() != other.to_string() => {
                Err(format!("on one thread it ends with `{other}`, not with `{one}`"))
            }
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => Ok(()),
            (one, other) => Err(format!("{:?} here, {:?} on the CPU path", one.map(|_| ()), other.map(|_| ()))),
        }
    });
    // of trainings that end in what is not finite little is learnt: most must not
    assert!(10 * finite.get() >= 9 * all.get(), "{} of {} are finite", finite.get(), all.get());
}
