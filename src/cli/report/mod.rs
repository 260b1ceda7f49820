//! `report.html` of a run, and `gradus report`: what was trained, how it went, what came of it, in one file.

mod answers;
mod page;
mod parity;
mod training;
mod worth;

use super::assemble::{self, Prepared};
use super::run::{self, Run};
use super::say;
use crate::checkpoint::write_whole;
use crate::error::{Error, Result};
use crate::exec::OpenDevice;
use crate::train::Training;
use clap::Args;
use page::{Section, warning};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `gradus report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  gradus report runs/digits-1\n\nTraining writes it, too, unless [output] report = false.")]
pub struct Report {
    /// The run folder.
    #[arg(value_name = "RUN", help = "The run folder of a training")]
    pub run: PathBuf,
    /// The device.
    #[arg(long, value_name = "D", help = "auto, cpu, vulkan, metal, dx12, or part of an adapter's name [default: the config's]")]
    pub device: Option<String>,
}

/// The file in the run folder.
pub(super) const REPORT: &str = "report.html";

pub(super) fn report(args: &Report) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    let device = run.config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&run.config)?;
    let same = run.manifest["data"]["hash"].as_str() == Some(&data.hash);
    let mut training = assemble::trained(&run)?.build_on(device.clone())?;
    let path = write(&args.run, &run, same.then_some(&data), &mut training, &device)?;
    say(&format!("report: {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// Takes away the report of a run that is replaced by one without.
pub(super) fn clear(folder: &Path) -> Result<()> {
    let path = folder.join(REPORT);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, e)),
        _ => Ok(()),
    }
}

/// Writes the report of a run that is in its folder already. `data` are those that it was trained on, where they are still there.
pub(super) fn write(folder: &Path, run: &Run, data: Option<&Prepared>, training: &mut Training, device: &OpenDevice) -> Result<PathBuf> {
    let mut sections = vec![training::summary(run), training::curves(folder)?, training::flow(folder)?];
    match data {
        Some(data) => {
            sections.push(answers::section(run, data, training)?);
            sections.push(worth::section(run, data, training)?);
            sections.push(parity::section(run, data, device)?);
        }
        None => {
            let body = warning("The data are not those that the run was trained on: its answers and features cannot be judged anew.");
            sections.push(Section { id: "answers", title: "Answers", body });
        }
    }
    sections.push(training::time(run));
    sections.push(training::config(run));
    let result = &run.manifest["result"];
    let device = &result["device"];
    let subtitle = format!(
        "gradus {}, on {} ({}), in {}",
        text(&run.manifest["gradus"]),
        text(&device["name"]),
        text(&device["type"]),
        text(&result["run"]),
    );
    let html = page::page(&format!("Training of {}", text(&run.manifest["name"])), &subtitle, &sections);
    let path = folder.join(REPORT);
    write_whole(&path, html.as_bytes())?;
    Ok(path)
}

/// A value of the manifest as text; a dash where there is none.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_string(),
        other => other.to_string(),
    }
}

/// The size of a diagram that shares a row with another.
const HALF: Option<(f64, f64)> = Some((560.0, 350.0));
