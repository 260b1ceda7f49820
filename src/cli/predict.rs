//! `gradus predict`: what a trained model makes of new data, as CSV or as JSON lines; read, predicted and written a part at a time.

use super::answers::{Answers, Cell};
use super::args::{Format, Predict};
use super::{assemble, run};
use crate::data::Dataset;
use crate::error::{Error, Result};
use serde_json::{Map, Number, Value};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn predict(args: &Predict) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    let targets = run.preprocess.no_targets();
    let loss = assemble::loss(&run.config, &targets);
    let answers = Answers::new(&run.preprocess, &loss, args.proba)?;
    let device = run.config.device.open(args.device.as_deref())?;
    let width = assemble::outputs(&loss, &targets);
    let mut training = assemble::trained(&run)?.build_on(device)?;
    // made when there is something to put there
    let mut out = None;
    assemble::new_data(&run.preprocess, &args.data, false, &mut |table| {
        let outputs = training.predict(0, &Dataset::new(table))?;
        let out = match &mut out {
            Some(out) => out,
            none => none.insert(Out::new(args, answers.header())?),
        };
        outputs.chunks(width).try_for_each(|row| out.write(&answers.record(row)))
    })?;
    out.map_or(Ok(()), Out::finish)?;
    Ok(ExitCode::SUCCESS)
}

/// Records on their way out.
struct Out<'a> {
    header: Vec<String>,
    to: To,
    name: &'a Path,
}

enum To {
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Json(Box<dyn Write>),
}

impl<'a> Out<'a> {
    fn new(args: &'a Predict, header: Vec<String>) -> Result<Self> {
        let name = args.out.as_deref().unwrap_or(Path::new("standard output"));
        let to: Box<dyn Write> = match &args.out {
            Some(path) => Box::new(BufWriter::new(std::fs::File::create(path).map_err(|e| Error::io(path, e))?)),
            None => Box::new(std::io::stdout().lock()),
        };
        let to = match args.format {
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(to);
                csv.write_record(&header).map_err(|e| failed(name, e))?;
                To::Csv(Box::new(csv))
            }
            Format::Jsonl => To::Json(to),
        };
        Ok(Out { header, to, name })
    }

    fn write(&mut self, record: &[Cell]) -> Result<()> {
        match &mut self.to {
            To::Csv(csv) => csv.write_record(record.iter().map(Cell::to_string)).map_err(|e| failed(self.name, e)),
            To::Json(to) => {
                let object: Map<String, Value> = self.header.iter().cloned().zip(record.iter().map(json)).collect();
                writeln!(to, "{}", Value::Object(object)).map_err(|e| Error::io(self.name, e))
            }
        }
    }

    fn finish(self) -> Result<()> {
        let flushed = match self.to {
            To::Csv(mut csv) => csv.flush(),
            To::Json(mut to) => to.flush(),
        };
        flushed.map_err(|e| Error::io(self.name, e))
    }
}

fn failed(name: &Path, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(name, source),
        other => Error::input(format!("{}: {other:?}", name.display())),
    }
}

/// A cell in JSON: a number as short as in CSV, and null where it is not finite.
fn json(cell: &Cell) -> Value {
    match cell {
        Cell::Class(name) => Value::from(name.as_str()),
        number => number.to_string().parse::<Number>().map_or(Value::Null, Value::Number),
    }
}
