//! `gradus train`: from a config to a run folder.

use super::args::Train;
use super::assemble::{self, Prepared};
use super::config::Config;
use super::events::Journal;
use super::interrupt::Interrupt;
use super::profile;
use super::progress::thousands;
use super::report;
use super::resume::{self, GoOn, Plan};
use super::run::{self, Begun};
use super::scalars::Scalars;
use super::screen::Screen;
use super::{print, say};
use crate::error::Result;
use crate::exec::DeviceInfo;
use crate::flow::Trouble;
use crate::metrics::{self, Scores};
use crate::train::{Checkpoints, Event, Every, Reason, Report, Timing};
use serde_json::{Map, Value, json};
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn train(args: &Train) -> Result<ExitCode> {
    let talk = |text: &str| {
        if !args.quiet {
            say(text);
        }
    };
    let (config, overwrite, from) = match resume::plan(args)? {
        Plan::Begin(config, overwrite) => (*config, overwrite, None),
        Plan::GoOn(config, on) => (*config, false, Some(on)),
    };
    from.iter().flat_map(|on| &on.warnings).for_each(|warning| talk(warning));
    let name = from.as_ref().map_or(config.name(), |on| &on.name).to_string();
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let Prepared { train, valid, test, .. } = &data;
    let timing = if args.profile.is_some() { Timing::Steps } else { Timing::Start };
    let mut training = assemble::trainer(&config, &data)?.timing(timing).build_on(device.clone())?;
    let interrupt = Interrupt::listen(args.quiet)?;
    let folder = match &from {
        Some(on) => on.folder.clone(),
        None => run::create(args.out.as_deref().or(config.output.dir.as_deref()), &name, overwrite)?,
    };
    let begun_in = Begun(&folder);
    let given_up = folder.clone();
    interrupt.before_end(move || run::give_up(&given_up));
    if from.is_none() {
        // first of all: by it the folder is known for that of a run
        run::write_manifest(&folder, &manifest(&name, &config, &data, device.info(), None))?;
        run::write_config(&folder, &config)?;
    }
    let trace = profile::trace_file(args.profile.as_ref(), &folder)?;
    talk(&format!("device: {} ({})", device.info(), device.why()));
    talk(&format!("data: {} to train, {} to validate, {} to test", rows(train.len()), rows(valid.len()), rows(test.len())));
    if let [.., last] = training.batches(train)[..]
        && last > config.train.batch
    {
        talk("batches: one row would be left over, and has no variance for batch normalisation: it joins the last batch");
    }

    let stop = assemble::stop(&config).when(interrupt.flag());
    let mut journal = match &from {
        Some(GoOn { place: (epoch, step), .. }) => {
            talk(&format!("going on in epoch {epoch} after {step} of its steps, in {}", folder.display()));
            Journal::resume(&folder)
        }
        None => {
            let mut journal = Journal::create(&folder)?;
            journal.say("start", start(&name, &config, &data, device.info(), &folder));
            journal
        }
    };
    let mut scalars = if config.output.tensorboard { Some(Scalars::create(&folder)?) } else { None };
    let mut screen = Screen::new(args, &format!("{name} · {}", device.info()), stop.epochs, &folder, &interrupt)?;
    let checkpoints = Checkpoints::new(run::checkpoints(&folder).path())
        .every(config.output.checkpoint_every.unwrap_or(Every::Epochs(0)))
        .keep(config.output.keep)
        .about("data", &data.hash)
        .note(resume::CONFIG, config.to_toml());
    training.keep_checkpoints(checkpoints);
    let resumed = from.is_some();
    if let Some(on) = from {
        if args.force { training.resume_even_so(on.checkpoint) } else { training.resume(on.checkpoint) }
    }
    let (mut warned, mut begun) = (Vec::new(), false);
    let outcome = training.fit_with(train, valid, stop, |event| {
        match event {
            Event::Checkpoint { .. } => run::commit(&folder),
            Event::Progress { .. } => begun = true,
            _ => {}
        }
        screen.on(event);
        journal.on(event);
        if let Some(scalars) = &mut scalars {
            scalars.on(event);
        }
        for warning in warnings(event, &mut warned) {
            screen.say(warning);
        }
    });
    screen.end();
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            journal.say("end", json!({"error": error.to_string(), "exit_code": error.exit_code()}));
            drop((journal, scalars));
            if let Some(trace) = &trace {
                let _ = std::fs::remove_file(trace);
            }
            drop(begun_in);
            if begun && run::has_checkpoints(&folder) {
                say(&format!("the last checkpoint is kept: go on with `gradus train --resume {}`", folder.display()));
            }
            return Err(error);
        }
    };
    run::commit(&folder);
    let first = report.first();
    let valid_scores = if valid.is_empty() { None } else { training.evaluate(valid)?.into_iter().next() };
    let test_scores = if test.is_empty() { None } else { training.evaluate(test)?.into_iter().next() };

    let summary = summary(&report, valid_scores.as_ref(), test_scores.as_ref(), device.info(), &folder);
    if resumed {
        // where it was forced to go on with another one
        run::write_config(&folder, &config)?;
    }
    run::write_metrics(&folder, &first.epochs)?;
    run::write_flow(&folder, &first.flow)?;
    run::write_model(&folder, &first.weights)?;
    run::write_manifest(&folder, &manifest(&name, &config, &data, device.info(), Some((&report, &summary))))?;
    journal.say("end", summary.clone());
    journal.close()?;
    if let Some(scalars) = scalars {
        scalars.close()?;
    }
    if args.profile.is_some() || std::io::stderr().is_terminal() {
        talk(&profile::start_line(&report.start));
    }
    if let (Some(file), Some(profile)) = (&trace, &report.profile) {
        profile::write_trace(file, profile)?;
        profile::table(profile).iter().for_each(|line| talk(line));
        talk(&format!("trace: {} (open it in ui.perfetto.dev or chrome://tracing)", file.display()));
    }
    talk(&format!(
        "{} epoch{} in {:.1} s ({}), {} samples/s; weights of epoch {}, hash {}; in {}",
        first.epochs.len(),
        if first.epochs.len() == 1 { "" } else { "s" },
        report.seconds,
        first.stopped.name(),
        thousands(report.samples_per_second),
        first.best_epoch,
        first.weights_hash,
        folder.display()
    ));
    let interrupted = first.stopped == Reason::Interrupted;
    if interrupted && run::has_checkpoints(&folder) {
        talk(&format!("interrupted: go on with `gradus train --resume {}`", folder.display()));
    }
    if interrupted {
        // whoever stops it does not want to wait: `gradus report` writes it
        report::clear(&folder)?;
    } else if config.output.report {
        let run = run::open(&folder)?;
        match report::write(&folder, &run, Some(&data), &mut training, &device) {
            Ok(path) => talk(&format!("report: {}", path.display())),
            // the run is whole without it
            Err(error) => say(&format!("warning: no report: {error}")),
        }
    } else {
        report::clear(&folder)?;
    }
    if args.json {
        print(&summary.to_string())?;
    } else {
        for (set, scores) in [("validation", valid_scores), ("test", test_scores)] {
            if let Some(scores) = scores {
                print(&format!("{set}: {}", describe(&scores)))?;
            }
        }
    }
    Ok(if interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// What an event gives reason to warn of. The same trouble of the same layer is warned of once.
fn warnings(event: &Event<'_>, said: &mut Vec<(Trouble, String)>) -> Vec<String> {
    match event {
        Event::Diagnosis { flow, found, .. } => {
            let new = found.iter().filter(|diagnosis| {
                let layer = flow.layers.iter().map(|layer| &layer.label).find(|label| diagnosis.message.contains(label.as_str()));
                let trouble = (diagnosis.trouble, layer.cloned().unwrap_or_default());
                let new = !said.contains(&trouble);
                said.extend(new.then_some(trouble));
                new
            });
            new.map(|diagnosis| format!("warning: epoch {}: {diagnosis}", flow.epoch)).collect()
        }
        Event::Rollback { epoch, factor, what, .. } => {
            vec![format!("warning: epoch {epoch}: {what}: the epoch begins anew, at {factor} times the rate")]
        }
        Event::NoCheckpoint { error } => vec![format!("warning: no checkpoint: {error}")],
        Event::Distrust { entry, what } => {
            vec![format!(
                "warning: the device gets {entry} wrong ({what}): it is not used, which may be slower; a newer driver may mend it"
            )]
        }
        _ => vec![],
    }
}

fn rows(count: usize) -> String {
    format!("{} rows", thousands(count as f64))
}

/// `loss 0.0521, accuracy 0.9812`: the loss and the few metrics that say most.
pub(super) fn describe(scores: &Scores) -> String {
    let few = scores.metrics.iter().filter(|(name, _)| metrics::named(name).is_some_and(|metric| metric.headline));
    let metrics = few.map(|(name, value)| format!(", {name} {value:.4}"));
    format!("loss {:.4}{}", scores.loss, metrics.collect::<String>())
}

/// The device in JSON.
pub(super) fn device_json(info: &DeviceInfo) -> Value {
    json!({"name": info.name, "backend": info.backend, "type": info.kind.name(), "driver": info.driver})
}

fn summary(report: &Report, valid: Option<&Scores>, test: Option<&Scores>, device: &DeviceInfo, folder: &Path) -> Value {
    let first = report.first();
    // a run may be interrupted in its first epoch
    let best = first.best_epoch.checked_sub(1).and_then(|epoch| first.epochs.get(epoch));
    let mut metrics = Map::new();
    for (set, scores) in [("val", valid), ("test", test)] {
        for (name, value) in scores.iter().flat_map(|s| &s.metrics) {
            metrics.insert(format!("{set}_{name}"), json!(value));
        }
    }
    json!({
        "stopped": first.stopped.name(),
        "epochs": first.epochs.len(),
        "steps": first.step_losses.len(),
        "best_epoch": first.best_epoch,
        "train_loss": best.map(|e| e.train_loss),
        "val_loss": valid.map(|s| s.loss),
        "test_loss": test.map(|s| s.loss),
        "metrics": metrics,
        "seconds": report.seconds,
        "first_step_seconds": report.start_seconds,
        "samples_per_second": report.samples_per_second,
        "device": device_json(device),
        "weights_hash": first.weights_hash,
        "run": folder.display().to_string(),
    })
}

/// What is known before the first step.
fn start(name: &str, config: &Config, data: &Prepared, device: &DeviceInfo, folder: &Path) -> Value {
    json!({
        "gradus": env!("CARGO_PKG_VERSION"),
        "name": name,
        "seed": config.seed,
        "run": folder.display().to_string(),
        "device": device_json(device),
        "rows": {"train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
        "epochs": config.train.epochs,
        "batch": config.train.batch,
    })
}

/// What must be known to use the model and to repeat the run; there from the start, then without the result.
fn manifest(name: &str, config: &Config, data: &Prepared, device: &DeviceInfo, done: Option<(&Report, &Value)>) -> Value {
    let report = done.map(|(report, _)| report);
    json!({
        "gradus": env!("CARGO_PKG_VERSION"),
        "name": name,
        "seed": config.seed,
        "device": device_json(device),
        "data": {"hash": data.hash, "train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
        "weights_hash": report.map(|report| &report.first().weights_hash),
        "start_seconds": report.map(|report| profile::start_json(&report.start)),
        "profile": report.and_then(|report| report.profile.as_ref()).map(profile::to_json),
        "result": done.map(|(_, summary)| summary),
        "preprocess": data.preprocess,
        "class_weights": data.class_weights,
    })
}
