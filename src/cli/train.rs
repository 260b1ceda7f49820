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
use crate::checkpoint::{Checkpoint, write_whole};
use crate::error::{Error, Result};
use crate::exec::{DeviceInfo, OpenDevice};
use crate::flow::Trouble;
use crate::metrics::{self, Scores};
use crate::train::{Checkpoints, Event, Every, MemberReport, Reason, Report, Timing, Training};
use serde_json::{Map, Value, json};
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn train(args: &Train) -> Result<ExitCode> {
    let (config, overwrite, from) = match resume::plan(args)? {
        Plan::Begin(config, overwrite) => (*config, overwrite, None),
        Plan::GoOn(config, on) => (*config, false, Some(on)),
    };
    if !args.quiet {
        from.iter().flat_map(|on| &on.warnings).for_each(|warning| say(warning));
    }
    let name = from.as_ref().map_or(config.name(), |on| &on.name).to_string();
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let timing = if args.profile.is_some() { Timing::Steps } else { Timing::Start };
    let mut training = assemble::trainer(&config, &data)?.timing(timing).build_on(device.clone())?;
    let verified = if args.verify { Some(training.verify(&data.train)?) } else { None };
    let interrupt = Interrupt::listen(args.quiet)?;
    let (folder, from, _lock) = match from {
        Some(GoOn { folder, lock, checkpoint, place, .. }) => (folder, Some((checkpoint, place)), lock),
        None => {
            let (folder, lock) = run::create(args.out.as_deref().or(config.output.dir.as_deref()), &name, overwrite)?;
            (folder, None, lock)
        }
    };
    let begun_in = Begun(&folder);
    let given_up = folder.clone();
    interrupt.before_end(move || run::give_up(&given_up));
    let job = Job { args, name, config, device, data, folder: &folder, interrupt };
    job.talk(&format!("device: {} ({})", job.device.info(), job.device.why()));
    if let Some(rows) = &verified {
        job.talk(&format!("verified: the device computes each of {} dispatches as the reference does", rows.len()));
    }
    let mut begun = false;
    let outcome = job.run(&mut training, from, &mut begun);
    drop(begun_in);
    if outcome.is_err() && begun && run::has_checkpoints(&folder) {
        say(&format!("the last checkpoint is kept: go on with `gradus train --resume {}`", folder.display()));
    }
    outcome
}

/// A training in its folder, with all that was found out before it.
struct Job<'a> {
    args: &'a Train,
    name: String,
    config: Config,
    device: OpenDevice,
    data: Prepared,
    folder: &'a Path,
    interrupt: Interrupt,
}

impl Job<'_> {
    fn talk(&self, text: &str) {
        if !self.args.quiet {
            say(text);
        }
    }

    /// Trains, from a checkpoint at a place where there is one, writes down what came of it, and tells. `begun` is set once a step was made.
    fn run(&self, training: &mut Training, from: Option<(Checkpoint, (usize, usize))>, begun: &mut bool) -> Result<ExitCode> {
        let Job { args, config, data, folder, .. } = self;
        let Prepared { train, valid, test, .. } = data;
        if from.is_none() {
            // first of all: by it the folder is known for that of a run
            run::write_manifest(folder, &self.manifest(None))?;
            run::write_config(folder, config)?;
        }
        let trace = profile::trace_file(args.profile.as_ref(), folder)?;
        self.talk(&format!("data: {} to train, {} to validate, {} to test", rows(train.len()), rows(valid.len()), rows(test.len())));
        if let [.., last] = training.batches(train)[..]
            && last > config.train.batch
        {
            self.talk("batches: one row would be left over, and has no variance for batch normalisation: it joins the last batch");
        }
        let mut journal = match &from {
            Some((_, (epoch, step))) => {
                self.talk(&format!("going on in epoch {epoch} after {step} of its steps, in {}", folder.display()));
                Journal::resume(folder)
            }
            None => {
                let mut journal = Journal::create(folder)?;
                journal.say("start", self.start());
                journal
            }
        };
        let resumed = from.is_some();
        let outcome = self.fit(training, from.map(|from| from.0), &mut journal, begun);
        let report = match outcome {
            Ok(report) => report,
            Err(error) => {
                journal.say("end", json!({"error": error.to_string(), "exit_code": error.exit_code()}));
                if let Some(trace) = &trace {
                    let _ = std::fs::remove_file(trace);
                }
                return Err(error);
            }
        };
        run::commit(folder);
        let first = report.first();
        run::write_model(folder, &first.weights).map_err(|error| rescue(error, first))?;
        let valid_scores = if valid.is_empty() { None } else { training.evaluate(valid)?.into_iter().next() };
        let test_scores = if test.is_empty() { None } else { training.evaluate(test)?.into_iter().next() };

        let summary = summary(&report, valid_scores.as_ref(), test_scores.as_ref(), self.device.info(), folder);
        if resumed {
            // where it was forced to go on with another one
            run::write_config(folder, config)?;
        }
        run::write_metrics(folder, &first.epochs)?;
        run::write_flow(folder, &first.flow)?;
        run::write_manifest(folder, &self.manifest(Some((&report, &summary))))?;
        journal.say("end", summary.clone());
        if let Err(error) = journal.close() {
            say(&format!("warning: lines are missing: {error}"));
        }
        if args.profile.is_some() || std::io::stderr().is_terminal() {
            self.talk(&profile::start_line(&report.start));
        }
        if let (Some(file), Some(profile)) = (&trace, &report.profile) {
            profile::write_trace(file, profile)?;
            profile::table(profile).iter().for_each(|line| self.talk(line));
            self.talk(&format!("trace: {} (open it in ui.perfetto.dev or chrome://tracing)", file.display()));
        }
        self.talk(&format!(
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
        if interrupted && run::has_checkpoints(folder) {
            self.talk(&format!("interrupted: go on with `gradus train --resume {}`", folder.display()));
        }
        if interrupted {
            // whoever stops it does not want to wait: `gradus report` writes it
            report::clear(folder)?;
        } else if config.output.report {
            let run = run::open(folder)?;
            match report::write(folder, &run, Some(data), training, &self.device) {
                Ok(path) => self.talk(&format!("report: {}", path.display())),
                // the run is whole without it
                Err(error) => say(&format!("warning: no report: {error}")),
            }
        } else {
            report::clear(folder)?;
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

    /// Trains, with everybody told who follows it.
    fn fit(&self, training: &mut Training, from: Option<Checkpoint>, journal: &mut Journal, begun: &mut bool) -> Result<Report> {
        let Job { args, config, data, folder, .. } = self;
        let stop = assemble::stop(config).when(self.interrupt.flag());
        let mut scalars = if config.output.tensorboard { Some(Scalars::create(folder)?) } else { None };
        let title = format!("{} · {}", self.name, self.device.info());
        let mut screen = Screen::new(args, &title, stop.epochs, folder, &self.interrupt)?;
        let checkpoints = Checkpoints::new(run::checkpoints(folder).path())
            .every(config.output.checkpoint_every.unwrap_or(Every::Epochs(0)))
            .keep(config.output.keep)
            .about("data", &data.hash)
            .note(resume::CONFIG, config.to_toml());
        training.keep_checkpoints(checkpoints);
        match from {
            Some(checkpoint) if args.force => training.resume_even_so(checkpoint),
            Some(checkpoint) => training.resume(checkpoint),
            None => {}
        }
        let mut warnings = Warnings::default();
        let outcome = training.fit_with(&data.train, &data.valid, stop, |event| {
            match event {
                Event::Checkpoint { .. } => run::commit(folder),
                Event::Progress { .. } => *begun = true,
                _ => {}
            }
            screen.on(event);
            journal.on(event);
            if let Some(scalars) = &mut scalars {
                scalars.on(event);
            }
            for warning in warnings.of(event) {
                screen.say(warning);
            }
        });
        screen.end();
        if let Some(Err(error)) = scalars.map(Scalars::close) {
            say(&format!("warning: TensorBoard will not see all: {error}"));
        }
        outcome
    }

    /// What is known before the first step.
    fn start(&self) -> Value {
        let Job { name, config, data, device, folder, .. } = self;
        json!({
            "gradus": env!("CARGO_PKG_VERSION"),
            "name": name,
            "seed": config.seed,
            "run": folder.display().to_string(),
            "device": device_json(device.info()),
            "rows": {"train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
            "epochs": config.train.epochs,
            "batch": config.train.batch,
        })
    }

    /// What must be known to use the model and to repeat the run; there from the start, then without the result.
    fn manifest(&self, done: Option<(&Report, &Value)>) -> Value {
        let Job { name, config, data, device, .. } = self;
        let report = done.map(|(report, _)| report);
        json!({
            "gradus": env!("CARGO_PKG_VERSION"),
            "name": name,
            "seed": config.seed,
            "device": device_json(device.info()),
            "data": {"hash": data.hash, "train": data.train.len(), "valid": data.valid.len(), "test": data.test.len()},
            "weights_hash": report.map(|report| &report.first().weights_hash),
            "start_seconds": report.map(|report| profile::start_json(&report.start)),
            "profile": report.and_then(|report| report.profile.as_ref()).map(profile::to_json),
            "result": done.map(|(_, summary)| summary),
            "preprocess": data.preprocess,
            "class_weights": data.class_weights,
        })
    }
}

/// Puts trained weights that cannot be written into the run folder somewhere else, and says where.
fn rescue(error: Error, trained: &MemberReport) -> Error {
    let file = std::env::temp_dir().join(format!("gradus-{}.safetensors", trained.weights_hash));
    // where nothing can be written at all, the error says so
    if trained.weights.to_safetensors().and_then(|bytes| write_whole(&file, &bytes)).is_ok() {
        say(&format!("the trained weights are in {}", file.display()));
    }
    error
}

/// What was warned of, and need not be again.
#[derive(Default)]
struct Warnings {
    /// Troubles of layers.
    troubles: Vec<(Trouble, String)>,
    /// Why the last checkpoint was not written.
    no_checkpoint: Option<String>,
}

impl Warnings {
    /// What an event gives reason to warn of. The same trouble of the same layer is warned of once, and checkpoints that fail in a row for the same
    /// reason, too.
    fn of(&mut self, event: &Event<'_>) -> Vec<String> {
        match event {
            Event::Diagnosis { flow, found, .. } => {
                let new = found.iter().filter(|diagnosis| {
                    let layer = flow.layers.iter().map(|layer| &layer.label).find(|label| diagnosis.message.contains(label.as_str()));
                    let trouble = (diagnosis.trouble, layer.cloned().unwrap_or_default());
                    let new = !self.troubles.contains(&trouble);
                    self.troubles.extend(new.then_some(trouble));
                    new
                });
                new.map(|diagnosis| format!("warning: epoch {}: {diagnosis}", flow.epoch)).collect()
            }
            Event::Rollback { epoch, factor, what, .. } => {
                vec![format!("warning: epoch {epoch}: {what}: the epoch begins anew, at {factor} times the rate")]
            }
            Event::NoCheckpoint { error } => {
                // of the file it names, whose name has the step, the reason is what matters
                let reason = if let Error::Io { source, .. } = error { source.to_string() } else { error.to_string() };
                let new = self.no_checkpoint.as_ref() != Some(&reason);
                self.no_checkpoint = Some(reason);
                if new { vec![format!("warning: no checkpoint: {error}")] } else { vec![] }
            }
            Event::Checkpoint { .. } => {
                let again = self.no_checkpoint.take();
                again.map(|_| "checkpoints are written again".to_string()).into_iter().collect()
            }
            Event::Distrust { entry, what } => {
                vec![format!(
                    "warning: the device gets {entry} wrong ({what}): it is not used, which may be slower; a newer driver may mend it"
                )]
            }
            _ => vec![],
        }
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
