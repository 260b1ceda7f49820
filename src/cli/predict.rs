//! `gradus predict`: what a trained model makes of new data, as CSV.

use super::answers::Answers;
use super::args::Predict;
use super::{assemble, run};
use crate::data::Dataset;
use crate::error::{Error, Result};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn predict(args: &Predict) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    let targets = run.preprocess.targets();
    let loss = assemble::loss(&run.config, &targets);
    let answers = Answers::new(&run.preprocess, &loss, args.proba)?;
    let data = Dataset::new(assemble::new_data(&run.preprocess, &args.data, false)?);
    let device = run.config.device.open(args.device.as_deref())?;
    let outputs = assemble::trained(&run, data.table())?.build_on(device)?.predict(0, &data)?;
    let width = assemble::outputs(&loss, &targets);
    match &args.out {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
            write(&answers, &outputs, width, file, path)?;
        }
        None => write(&answers, &outputs, width, std::io::stdout().lock(), Path::new("standard output"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(answers: &Answers<'_>, outputs: &[f32], width: usize, to: impl Write, path: &Path) -> Result<()> {
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path, source),
        other => Error::input(format!("{}: {other:?}", path.display())),
    };
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(answers.header()).map_err(failed)?;
    for row in outputs.chunks(width) {
        csv.write_record(answers.record(row)).map_err(failed)?;
    }
    csv.flush().map_err(|e| Error::io(path, e))
}
