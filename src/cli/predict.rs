//! `gradus predict`: what a trained model makes of new data, as CSV.

use super::args::Predict;
use super::{assemble, run};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::exec::Device;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn predict(args: &Predict) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    if args.proba && run.preprocess.classes.is_none() {
        return Err(Error::input("--proba is for classes, and this model predicts numbers: leave it out"));
    }
    let data = Dataset::new(assemble::new_data(&run.preprocess, &args.data, false)?);
    let device = Device::parse(args.device.as_deref().unwrap_or(&run.config.device.name)).open()?;
    let outputs = assemble::trained(&run, data.table())?.build_on(device)?.predict(0, &data)?;
    match &args.out {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
            write(&run.preprocess, &outputs, args.proba, file, path)?;
        }
        None => write(&run.preprocess, &outputs, args.proba, std::io::stdout().lock(), Path::new("standard output"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(preprocess: &run::Preprocess, outputs: &[f32], proba: bool, to: impl Write, path: &Path) -> Result<()> {
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path, source),
        other => Error::input(format!("{}: {other:?}", path.display())),
    };
    let mut csv = csv::Writer::from_writer(to);
    match &preprocess.classes {
        Some(classes) => {
            let mut header = vec![preprocess.target.clone()];
            if proba {
                header.extend(classes.iter().map(|class| format!("proba_{class}")));
            }
            csv.write_record(&header).map_err(failed)?;
            for logits in outputs.chunks(classes.len()) {
                let best = (1..logits.len()).fold(0, |best, j| if logits[j] > logits[best] { j } else { best });
                let mut record = vec![classes[best].clone()];
                if proba {
                    record.extend(softmax(logits).iter().map(f64::to_string));
                }
                csv.write_record(&record).map_err(failed)?;
            }
        }
        None => {
            csv.write_record(&preprocess.values).map_err(failed)?;
            for row in outputs.chunks(preprocess.values.len()) {
                csv.write_record(row.iter().map(f32::to_string)).map_err(failed)?;
            }
        }
    }
    csv.flush().map_err(|e| Error::io(path, e))
}

/// The shares `exp zⱼ / Σ exp z`, the largest logit taken off first.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().fold(f32::NEG_INFINITY, |top, &z| top.max(z));
    let powers: Vec<f64> = logits.iter().map(|&z| f64::from(z - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_that_of_the_formula_and_does_not_overflow() {
        // exp(0) : exp(ln 3) = 1 : 3
        let shares = softmax(&[1000.0, 1000.0 + 3f32.ln()]);
        assert!((shares[0] - 0.25).abs() < 1e-5 && (shares[1] - 0.75).abs() < 1e-5, "{shares:?}");
    }
}
