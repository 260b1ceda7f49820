//! `gradus train`: from a config to a run folder.

use super::args::{Train, with_target};
use super::assemble::{self, Prepared};
use super::config::Config;
use super::events::Journal;
use super::profile;
use super::progress::thousands;
use super::report;
use super::run;
use super::scalars::{self, Scalars};
use super::screen::Screen;
use super::{print, say};
use crate::error::Result;
use crate::exec::DeviceInfo;
use crate::flow::Trouble;
use crate::metrics::{self, Scores};
use crate::train::{Event, Reason, Report, Timing};
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
    let config = Config::open(&args.config, &with_target(&args.sets, args.target.as_deref()))?;
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let Prepared { train, valid, test, .. } = &data;
    let timing = if args.profile.is_some() { Timing::Steps } else { Timing::Start };
    let mut training = assemble::trainer(&config, &data)?.timing(timing).build_on(device.clone())?;
    let folder = run::create(args.out.as_deref().or(config.output.dir.as_deref()), config.name(), args.overwrite)?;
    let trace = profile::trace_file(args.profile.as_ref(), &folder)?;
    talk(&format!("device: {} ({})", device.info(), device.why()));
    talk(&format!("data: {} to train, {} to validate, {} to test", rows(train.len()), rows(valid.len()), rows(test.len())));
    if let [.., last] = training.batches(train)[..]
        && last > config.train.batch
    {
        talk("batches: one row would be left over, and has no variance for batch normalisation: it joins the last batch");
    }

    let stop = assemble::stop(&config);
    let mut journal = Journal::create(&folder)?;
    journal.say("start", start(&config, &data, device.info(), &folder));
    let mut scalars = if config.output.tensorboard { Some(Scalars::create(&folder)?) } else { None };
    let mut screen = Screen::new(args, &format!("{} · {}", config.name(), device.info()), stop.epochs, &folder)?;
    let mut warned = Vec::new();
    let outcome = training.fit_with(train, valid, screen.stop(stop), |event| {
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
            // nothing is kept: an empty folder is of no use to anyone, and a name that is taken is in the way
            drop((journal, scalars));
            let _ = trace.as_ref().map(std::fs::remove_file);
            let _ = std::fs::remove_dir(&folder);
            return Err(error);
        }
    };
    let first = report.first();
    let valid_scores = if valid.is_empty() { None } else { training.evaluate(valid)?.into_iter().next() };
    let test_scores = if test.is_empty() { None } else { training.evaluate(test)?.into_iter().next() };

    let summary = summary(&report, valid_scores.as_ref(), test_scores.as_ref(), device.info(), &folder);
    run::write_config(&folder, &config)?;
    run::write_metrics(&folder, &first.epochs)?;
    run::write_flow(&folder, &first.flow)?;
    run::write_model(&folder, &first.weights)?;
    run::write_manifest(&folder, &manifest(&config, &data, device.info(), &report, &summary))?;
    journal.say("end", summary.clone());
    journal.keep()?;
    match scalars {
        Some(scalars) => scalars.keep()?,
        None => scalars::clear_run(&folder)?,
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
    if config.output.report {
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
    Ok(if first.stopped == Reason::Interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
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
    let best = first.epochs.get(first.best_epoch - 1);
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
fn start(config: &Config, data: &Prepared, device: &DeviceInfo, folder: &Path) -> Value {
    json!({
        "gradus": env!("CARGO_PKG_VERSION"),
        "name": config.name(),
        "seed": config.seed,
        "run": folder.display().to_string(),
        "device": device_json(device),
        "rows": {"train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
        "epochs": config.train.epochs,
        "batch": config.train.batch,
    })
}

fn manifest(config: &Config, data: &Prepared, device: &DeviceInfo, report: &Report, summary: &Value) -> Value {
    json!({
        "gradus": env!("CARGO_PKG_VERSION"),
        "name": config.name(),
        "seed": config.seed,
        "device": device_json(device),
        "data": {"hash": data.hash, "train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
        "weights_hash": report.first().weights_hash,
        "start_seconds": profile::start_json(&report.start),
        "profile": report.profile.as_ref().map(profile::to_json),
        "result": summary,
        "preprocess": data.preprocess,
        "class_weights": data.class_weights,
    })
}
