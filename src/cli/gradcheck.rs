//! `gradus gradcheck`: back-propagation against finite differences in `f64`, on the user's own model and data.

use super::config::Config;
use super::{assemble, print, say};
use crate::error::Result;
use crate::exec::Device;
use crate::gradcheck::ALLOWED;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `gradus gradcheck`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  gradus gradcheck digits\n  gradus gradcheck my.toml --set model.activation=gelu --elements 100")]
pub struct Gradcheck {
    /// The config: a file, or the name of a built-in data set.
    #[arg(value_name = "CONFIG|NAME", help = "A TOML file, or a built-in data set: digits, iris, spirals, moons, sine, friedman")]
    pub config: PathBuf,
    /// Keys of the config, each `KEY=VALUE`.
    #[arg(long = "set", value_name = "KEY=VALUE", help = "Set a key of the config, as in optimizer.lr=3e-4. Repeatable")]
    pub sets: Vec<String>,
    /// How many elements of each tensor are compared.
    #[arg(long, value_name = "N", default_value_t = 24, help = "How many elements of each tensor are compared")]
    pub elements: usize,
    /// Whether the result is printed as JSON.
    #[arg(long, help = "Print one JSON object for each tensor")]
    pub json: bool,
}

pub(super) fn gradcheck(args: &Gradcheck) -> Result<ExitCode> {
    let config = Config::open(&args.config, &args.sets)?;
    let data = assemble::prepare(&config)?;
    // in f64, which only the reference has
    let training = assemble::trainer(&config, &data)?.build(Device::Cpu)?;
    let found = training.gradcheck(&data.train, args.elements.max(1))?;
    if !args.json {
        print(&format!("{:28} {:>8} {:>6}  {:>9}  {:>12}  {:>12}", "tensor", "compared", "kinks", "worst", "gradient", "difference"))?;
    }
    for tensor in &found {
        let pass = tensor.passes();
        if args.json {
            let (name, worst) = (&tensor.name, tensor.worst);
            let (gradient, difference) = (tensor.gradient, tensor.difference);
            print(
                &json!({"tensor": name, "compared": tensor.compared, "kinks": tensor.kinks, "worst": worst, "at": tensor.at,
                    "gradient": gradient, "difference": difference, "pass": pass})
                .to_string(),
            )?;
        } else {
            let verdict = if pass { "" } else { "  WRONG" };
            print(&format!(
                "{:28} {:>8} {:>6}  {:>9.1e}  {:>12.4e}  {:>12.4e}{verdict}",
                tensor.name, tensor.compared, tensor.kinks, tensor.worst, tensor.gradient, tensor.difference
            ))?;
        }
    }
    let good = found.iter().all(|tensor| tensor.passes());
    say(&match good {
        true => format!("back-propagation agrees with central differences in f64 (within {ALLOWED:e})"),
        false => "back-propagation does not agree with finite differences: report the lines above, with the config".to_string(),
    });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
