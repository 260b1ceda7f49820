//! `gradus eval`: a trained model judged on its test set, or on new data.

use super::args::Eval;
use super::assemble;
use super::run::{self, Run};
use super::train::{describe, device_json};
use super::{print, say};
use crate::data::Dataset;
use crate::error::{Error, Result};
use serde_json::{Map, json};
use std::process::ExitCode;

pub(super) fn eval(args: &Eval) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    let data = match &args.data {
        Some(path) => Dataset::new(assemble::new_table(&run.preprocess, path)?),
        None => own_test_set(&run)?,
    };
    let device = run.config.device.open(Some(args.device.as_deref().unwrap_or("auto")))?;
    let mut training = assemble::trained(&run)?.build_on(device.clone())?;
    let scores = training.evaluate(&data)?.remove(0);
    if args.json {
        let metrics: Map<_, _> = scores.metrics.iter().map(|(name, value)| ((*name).to_string(), json!(value))).collect();
        return print(
            &json!({"rows": data.len(), "loss": scores.loss, "metrics": metrics, "device": device_json(device.info())}).to_string(),
        )
        .map(|()| ExitCode::SUCCESS);
    }
    say(&format!("device: {} ({})", device.info(), device.why()));
    print(&format!("{} rows: {}", data.len(), describe(&scores)))?;
    Ok(ExitCode::SUCCESS)
}

fn own_test_set(run: &Run) -> Result<Dataset> {
    let data = assemble::prepare(&run.config)?;
    if run.manifest["data"]["hash"].as_str() != Some(&data.hash) {
        return Err(Error::input("the data are not those that the run was trained on: name the data to judge by, `gradus eval RUN DATA`"));
    }
    match data.test.is_empty() {
        true => Err(Error::input("the run has no test set: name the data to judge by, `gradus eval RUN DATA`")),
        false => Ok(data.test),
    }
}
