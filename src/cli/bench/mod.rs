//! `gradus bench`: samples a second over batch sizes, with spread, and the time to a target.

mod table;

use super::config::Config;
use super::{assemble, print, say};
use crate::bench::{Length, Settings, ladder, throughput, time_to};
use crate::error::{Error, Result};
use crate::exec::{Device, DeviceType, OpenDevice};
use crate::plot;
use crate::schedule::Schedule;
use crate::train::{Monitor, StopAt};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Table;

/// `gradus bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus bench\n  gradus bench digits --batches 32,128,1024 --device cpu\n  \
                        gradus bench my.toml --target-loss 0.1 --export md --out bench.md --plot bench.svg\n  \
                        gradus bench my.toml --target val_accuracy=0.97 --json\n\n\
                        A round is as many epochs of whole batches as fill its share of the seconds; the first is not counted. The rate is held at the\n\
                        optimizer's, nothing is validated. The time to a target is that of a training by the config, from new weights, at each batch size.")]
pub struct Bench {
    /// The config: a file, or the name of a built-in data set.
    #[arg(
        value_name = "CONFIG|NAME",
        default_value = "digits",
        help = "A TOML file, or a built-in data set: digits, iris, spirals, moons, sine, friedman"
    )]
    pub config: PathBuf,
    /// The batch sizes.
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        num_args = 1,
        help = "Batch sizes [default: 16, 32, 64, … as far as the rows go]"
    )]
    pub batches: Vec<usize>,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = "Set a key of the config, as in model.hidden=[512]. Repeatable")]
    pub sets: Vec<String>,
    /// The device, instead of the config's.
    #[arg(
        long,
        value_name = "D",
        help = "auto, cpu, vulkan, metal, dx12, or part of an adapter's name [default: the config's, else auto]"
    )]
    pub device: Option<String>,
    /// Rounds that count.
    #[arg(long, value_name = "N", default_value_t = 7, help = "Rounds of each batch size that count")]
    pub rounds: usize,
    /// Seconds for the rounds of a batch size.
    #[arg(long, value_name = "S", default_value_t = 3.0, help = "Seconds for the rounds of each batch size")]
    pub seconds: f64,
    /// Epochs of a round, in place of seconds.
    #[arg(long, value_name = "N", conflicts_with = "seconds", help = "Epochs of a round, over all rows, in place of seconds")]
    pub epochs: Option<usize>,
    /// The training loss to train to.
    #[arg(long, value_name = "X", help = "Also train until the training loss is at most this, and say how long it takes")]
    pub target_loss: Option<f64>,
    /// The metric to train to.
    #[arg(
        long,
        value_name = "NAME=X",
        conflicts_with = "target_loss",
        help = "The same for val_loss or a metric of the validation set, as in val_accuracy=0.97"
    )]
    pub target: Option<String>,
    /// The format of the file.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        help = "Export the table: md, csv or json; to stdout, in place of the table, without --out"
    )]
    pub export: Option<Format>,
    /// The file.
    #[arg(long, value_name = "FILE", help = "The file of the export, written anew after each batch size")]
    pub out: Option<PathBuf>,
    /// A file for the diagram.
    #[arg(long, value_name = "FILE.svg", help = "Draw samples a second over batch size into an SVG file")]
    pub plot: Option<PathBuf>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print one JSON object for each batch size")]
    pub json: bool,
}

/// What a table is exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Markdown
    Md,
    /// Comma-separated values
    Csv,
    /// A JSON array
    Json,
}

pub(super) fn bench(args: &Bench) -> Result<ExitCode> {
    let export = export(args)?;
    let target = target(args)?;
    let settings = Settings { rounds: args.rounds, length: args.epochs.map_or(Length::Seconds(args.seconds), Length::Epochs) };
    settings.check()?;
    let config = Config::open(&args.config, &args.sets)?;
    let device = Device::parse(args.device.as_deref().unwrap_or(&config.device.name)).open()?;
    let data = assemble::prepare(&config)?;
    let batches = batches(&args.batches, data.train.len())?;
    let trainer = assemble::trainer(&config, &data)?;
    // no rate makes a step faster, and a schedule is for as many epochs as the config has
    let steady = trainer.clone().schedule(Schedule::fixed(config.optimizer.rate()));
    say(&format!("device: {} ({})", device.info(), device.why()));
    if let Some(warning) = warning(&device) {
        say(warning);
    }

    let mut table = Table::new(config.name(), device.info(), target.as_ref());
    for &batch in &batches {
        let measured = throughput(&steady, &device, &data.train, batch, &settings)?;
        let reached =
            target.as_ref().map(|at| time_to(&trainer.clone().batch(batch), &device, &data.train, &data.valid, at, config.train.epochs));
        table.push(measured, reached.transpose()?);
        say(&table.progress());
        if let Some(warning) = table.warning() {
            say(&warning);
        }
        if let (Some(format), Some(path)) = (export, &args.out) {
            write(path, &table.export(format))?;
        }
        if let Some(path) = &args.plot {
            write(path, &plot::throughput(&table.title(), &table.rates()))?;
        }
    }
    match export {
        _ if args.json => table.lines().iter().try_for_each(|line| print(&line.to_string()))?,
        Some(format) if args.out.is_none() => print(table.export(format).trim_end())?,
        _ => print(table.text().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The format of the export, told from the file's name where it is not named.
fn export(args: &Bench) -> Result<Option<Format>> {
    match (args.export, &args.out) {
        (Some(_), None) if args.json => {
            Err(Error::input("--json and --export both go to stdout: name a file for the export with --out, or leave one of them out"))
        }
        (Some(format), _) => Ok(Some(format)),
        (None, None) => Ok(None),
        (None, Some(path)) => match path.extension().and_then(|e| e.to_str()).and_then(|e| Format::from_str(e, true).ok()) {
            Some(format) => Ok(Some(format)),
            None => Err(Error::input(format!("--out {} does not say which format: add --export md, csv or json", path.display()))),
        },
    }
}

/// What is trained to.
fn target(args: &Bench) -> Result<Option<StopAt>> {
    let at = |name: &str, value: f64| match Monitor::parse(name) {
        Some(_) if !value.is_finite() => Err(Error::input(format!("the target of {name} must be a number (got {value})"))),
        Some(monitor) => Ok(Some(StopAt { monitor, value })),
        None => Err(Error::input(format!("the target `{name}` is not known: train_loss, val_loss, or val_ and the name of a metric"))),
    };
    match (args.target_loss, &args.target) {
        (Some(loss), _) => at("train_loss", loss),
        (None, Some(text)) => match text.split_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?))) {
            Some((name, value)) => at(name, value),
            None => Err(Error::input(format!("--target takes NAME=NUMBER, as in val_accuracy=0.97 (got {text})"))),
        },
        (None, None) => Ok(None),
    }
}

/// The batch sizes, each once; checked before anything is measured.
fn batches(wanted: &[usize], rows: usize) -> Result<Vec<usize>> {
    if wanted.is_empty() {
        return Ok(ladder(rows));
    }
    let mut batches: Vec<usize> = Vec::new();
    for &batch in wanted {
        crate::bench::check_batch(batch, rows)?;
        if !batches.contains(&batch) {
            batches.push(batch);
        }
    }
    Ok(batches)
}

fn warning(device: &OpenDevice) -> Option<&'static str> {
    (device.info().kind == DeviceType::Software).then_some(
        "warning: this is a software driver: the figures say how fast it runs shaders on this machine's CPU, and nothing of any GPU",
    )
}

/// Writes beside the file and then renames, so that an interruption leaves the old one or the new one.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_sizes_are_those_named_once_each_or_the_ladder() {
        assert_eq!(batches(&[], 100).unwrap(), [16, 32, 64]);
        assert_eq!(batches(&[64, 8, 64], 100).unwrap(), [64, 8]);
        for (wanted, message) in [(vec![8, 0], "at least 1 row (got 0)"), (vec![8, 101], "a batch of 101 rows is larger than the 100 rows")]
        {
            let error = batches(&wanted, 100).unwrap_err();
            assert!(error.to_string().contains(message) && error.to_string().contains("--batches"), "{error}");
        }
    }
}
