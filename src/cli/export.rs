//! `gradus export`: a trained model as a file for other tools.

use super::args::Export;
use super::{assemble, run, say};
use crate::error::{Error, Result};
use crate::export::{Exported, Format, Trained, export as made};
use std::process::ExitCode;

pub(super) fn export(args: &Export) -> Result<ExitCode> {
    let run = run::open(&args.run)?;
    let format = match &args.to {
        Some(name) => name.parse()?,
        None => told_by_name(args)?,
    };
    let loss = assemble::loss(&run.config, &run.preprocess.no_targets());
    let model = assemble::model(&run.config, &run.preprocess, assemble::outputs(&loss, &run.preprocess.no_targets()));
    let name = run.manifest["name"].as_str().unwrap_or("model");
    let trained = Trained { name, model: &model, weights: &run.weights, loss: &loss, preprocess: &run.preprocess };
    let Exported { file, buffer } = made(&trained, format)?;
    let mut files = vec![(args.out.clone(), file, format.name())];
    files.extend(buffer.map(|bytes| (args.out.with_extension("bin"), bytes, "weights, which belong to it")));
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.exists() && !args.overwrite) {
        return Err(Error::input(format!("{} is there already: name another file with --out, or add --overwrite", path.display())));
    }
    for (path, bytes, what) in files {
        std::fs::write(&path, &bytes).map_err(|e| Error::io(&path, e))?;
        say(&format!("{}: {} bytes of {what}", path.display(), super::progress::thousands(bytes.len() as f64)));
    }
    Ok(ExitCode::SUCCESS)
}

fn told_by_name(args: &Export) -> Result<Format> {
    let ending = args.out.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    Format::ALL.into_iter().find(|format| format.ending() == ending).ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        Error::input(format!("the name of {} does not say which format it is of: say it with --to, one of {names}", args.out.display()))
    })
}
