//! `gradus lr-find`: which learning rate to begin with, from one short sweep.

use super::config::Config;
use super::{assemble, print, say};
use crate::error::{Error, Result};
use crate::lr_find::{Curve, Settings, Suggestion, csv, sketch, suggest};
use crate::plot::{Mark, lr_finder};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `gradus lr-find`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus lr-find digits\n  gradus lr-find my.toml --plot lr.svg --csv lr.csv --set train.batch=128")]
pub struct LrFind {
    /// The config: a file, or the name of a built-in data set.
    #[arg(value_name = "CONFIG|NAME", help = "A TOML file, or a built-in data set: digits, iris, spirals, moons, sine, friedman")]
    pub config: PathBuf,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = "Set a key of the config, as in train.batch=128. Repeatable")]
    pub sets: Vec<String>,
    /// The device, instead of the config's.
    #[arg(
        long,
        value_name = "D",
        help = "auto, cpu, vulkan, metal, dx12, or part of an adapter's name [default: the config's, else auto]"
    )]
    pub device: Option<String>,
    /// The first rate.
    #[arg(long, value_name = "LR", default_value_t = 1e-7, help = "The first rate")]
    pub from: f64,
    /// The last rate.
    #[arg(long, value_name = "LR", default_value_t = 10.0, help = "The last rate")]
    pub to: f64,
    /// How many steps.
    #[arg(long, value_name = "N", default_value_t = 100, help = "How many steps")]
    pub steps: usize,
    /// A file for the diagram.
    #[arg(long, value_name = "FILE.svg", help = "Draw the curve with its marks into an SVG file")]
    pub plot: Option<PathBuf>,
    /// A file for the numbers.
    #[arg(long, value_name = "FILE.csv", help = "Write rates, losses and smoothed losses into a csv file")]
    pub csv: Option<PathBuf>,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print the result as one JSON object")]
    pub json: bool,
}

/// Below so many standard errors the place of the steepest line means little.
const CERTAIN: f64 = 5.0;

pub(super) fn lr_find(args: &LrFind) -> Result<ExitCode> {
    let config = Config::open(&args.config, &args.sets)?;
    let device = config.device.open(args.device.as_deref())?;
    let data = assemble::prepare(&config)?;
    let mut training = assemble::trainer(&config, &data)?.build_on(device.clone())?;
    let curve = training.lr_find(&data.train, &Settings { lo: args.from, hi: args.to, steps: args.steps })?;
    say(&format!("device: {} ({})", device.info(), device.why()));
    let found = suggest(&curve);
    let write = |path: &PathBuf, text: String| std::fs::write(path, text).map_err(|e| Error::io(path, e));
    if let Some(path) = &args.plot {
        write(path, drawn(config.name(), &curve, found.as_ref().ok()))?;
    }
    if let Some(path) = &args.csv {
        write(path, csv(&curve))?;
    }
    if args.json {
        let points: Vec<_> = (0..curve.rates.len()).map(|i| json!([curve.rates[i], curve.losses[i], curve.smoothed[i]])).collect();
        let part = |of: fn(&Suggestion) -> Option<f64>| found.as_ref().ok().and_then(of);
        print(
            &json!({
                "suggestion": part(|s| Some(s.steepest)), "method": "steepest", "certainty": part(|s| Some(s.certainty)),
                "valley": part(|s| s.valley), "minimum_over_10": part(|s| Some(s.minimum_tenth)), "points": points,
            })
            .to_string(),
        )?;
    } else {
        print(&sketch(&curve, 72, 16))?;
    }
    match found {
        Ok(found) => {
            if !args.json {
                print(&format!("suggestion: {:.1e} (steepest descent)", found.steepest))?;
                let valley = found.valley.map_or("none".to_string(), |lr| format!("{lr:.1e}"));
                print(&format!("valley: {valley}, minimum/10: {:.1e}", found.minimum_tenth))?;
            }
            if found.certainty < CERTAIN {
                say("caution: the fall stands out little from the noise of the losses: use larger batches or more steps");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(none) => {
            say(&none.to_string());
            Ok(ExitCode::from(1))
        }
    }
}

fn drawn(name: &str, curve: &Curve, found: Option<&Suggestion>) -> String {
    let marks: Option<Vec<Mark>> = found.map(|s| {
        let valley = s.valley.map(|lr| Mark::new(lr, "valley"));
        [Some(Mark::new(s.steepest, "steepest")), valley, Some(Mark::new(s.minimum_tenth, "minimum/10"))].into_iter().flatten().collect()
    });
    lr_finder(&format!("learning-rate finder: {name}"), &curve.rates, &curve.losses, &curve.smoothed, &marks.unwrap_or_default())
}
