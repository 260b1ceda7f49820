//! The configuration of a training: TOML from a file or a built-in data set, and `--set`, checked key by key.

mod activation;
mod builtin;
mod choice;
mod data;
mod device;
mod document;
mod early_stopping;
mod generate;
mod init;
mod keys;
mod loss;
mod model;
mod optimizer;
mod places;
mod schedule;
mod section;
mod set;
mod size;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod train;
mod write;

pub use data::Data;
pub use device::{Device, Output};
pub use loss::Loss;
pub use model::{Form, Model};
pub use schedule::Schedule;
pub use source::{BuiltIn, Column, Columns, Source};
pub use train::Train;

use crate::clip::Clip;
use crate::data::{open_table, table_format};
use crate::error::{Error, Place, Result};
use crate::optim::Optimizer;
use crate::train::{EarlyStopping, StopAt};
use document::{Document, Kind};
use section::Section;
use std::path::Path;
use suggest::{did_you_mean, nearest};

/// A training as it was asked for, with every default filled in and every path absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The version of the format: 1.
    pub version: u32,
    /// What the split, the initial weights and the order of the rows are drawn from; 7 unless given, below 2⁶³ as TOML's integers.
    pub seed: u64,
    /// What is learnt from.
    pub data: Data,
    /// The layers before the output.
    pub model: Model,
    /// What the training makes small; told from the task unless given.
    pub loss: Loss,
    /// How the weights follow the gradients; Adam unless given.
    pub optimizer: Optimizer,
    /// The learning rate as the training goes on; fixed unless given.
    pub schedule: Schedule,
    /// Bounds on the gradients; none unless given.
    pub clip: Clip,
    /// How long the training goes on, and with which batches.
    pub train: Train,
    /// When it stops before its last epoch; never, where the section is not given.
    pub early_stopping: Option<EarlyStopping>,
    /// What is good enough for it to stop.
    pub stop_at: Option<StopAt>,
    /// Where it runs.
    pub device: Device,
    /// Where the results go.
    pub output: Output,
    places: places::Places,
}

impl Config {
    /// The config that a command's CONFIG|NAME argument means: a built-in data set's, a file, or that for a file of columns.
    ///
    /// A built-in name comes first: a file of that name is meant by `./digits`.
    pub fn open(what: impl AsRef<Path>, sets: &[String]) -> Result<Self> {
        let what = what.as_ref();
        let name = what.to_string_lossy();
        if BuiltIn::of_name(&name).is_some() {
            return Config::builtin(&name, sets);
        }
        if table_format(what).is_some() && what.is_file() {
            return Config::for_table(what, sets);
        }
        if what.exists() {
            return Config::load(what, sets);
        }
        Err(Error::input(unknown(&name)))
    }

    /// The config that suits a file of columns, whose target is among `sets`.
    fn for_table(path: &Path, sets: &[String]) -> Result<Self> {
        let Some(target) = sets.iter().rev().find_map(|set| set.strip_prefix("data.target=")) else {
            let columns = open_table(path)?.header().join(", ");
            return Err(Error::at(Place::file(path), format!("name the column to predict with --target (the columns are {columns})")));
        };
        let target = target.trim_matches('"');
        let own_test = sets.iter().any(|set| set.starts_with("data.test="));
        let text = generate::generate(&std::path::absolute(path).map_err(|e| Error::io(path, e))?, target, false, own_test)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = format!("{} (as gradus new writes it)", path.display());
        Config::read(Path::new(&file), Path::new(""), &name, &text, sets)
    }

    /// A config with comments for a file of columns: what `gradus new` writes. Columns that a training would refuse are left out.
    ///
    /// Errors when the file cannot be read and when there is no such column.
    pub fn template(path: &Path, target: &str) -> Result<String> {
        generate::generate(path, target, true, false)
    }

    /// Reads a file. Its relative paths start at its folder, those in `sets` at the current one. `sets` are `KEY=VALUE`, as in
    /// `optimizer.lr=3e-4`: the value in TOML's words or a bare word; `default` undoes a key or a section of the file.
    pub fn load(path: impl AsRef<Path>, sets: &[String]) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(Error::at(Place::file(path), "this is a folder: name the config file in it"));
        }
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let line = before.matches('\n').count() as u64 + 1;
                let column = before.chars().rev().take_while(|&c| c != '\n').count() as u64 + 1;
                return Err(Error::at(Place::at(path, line, column), "this byte is not UTF-8: save the file as UTF-8"));
            }
        };
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        Config::read(path, folder, &name, text, sets)
    }

    /// The config of a built-in data set: `digits`, `spirals`, `moons` or `sine`.
    pub fn builtin(name: &str, sets: &[String]) -> Result<Self> {
        match BuiltIn::of_name(name) {
            Some(set) => Config::read(Path::new(&format!("{name} (built in)")), Path::new(""), name, set.config(), sets),
            None => Err(Error::input(unknown(name))),
        }
    }

    fn read(file: &Path, folder: &Path, name: &str, text: &str, sets: &[String]) -> Result<Self> {
        let mut document = Document::parse(file, folder, text)?;
        set::apply(&mut document, sets)?;
        top(&document)?;
        let section = Section::root(&document, &keys::TOP);
        let version = section.count("version", 0..=u32::MAX.into())? as u32;
        if version != 1 {
            let message = format!("version must be 1 (got {version}): this gradus reads no other, so write 1 or take a newer gradus");
            return Err(section.fault("version", message));
        }
        let seed = section.count("seed", 0..=i64::MAX as u64)?;
        let train = Train::read(&document)?;
        let optimizer = optimizer::read(&document)?;
        let data = Data::read(&document, seed)?;
        let (early_stopping, stop_at) = early_stopping::read(&document, &data)?;
        Ok(Config {
            version,
            seed,
            model: Model::read(&document)?,
            loss: Loss::read(&document, data.known_task())?,
            optimizer,
            schedule: Schedule::read(&document, train.epochs)?,
            clip: train::clip(&document)?,
            early_stopping,
            stop_at,
            data,
            train,
            device: Device::read(&document)?,
            output: Output::read(&document)?,
            places: places::Places::of(&document, name),
        })
    }

    /// What the config is called: the file's stem, or the built-in data set.
    pub fn name(&self) -> &str {
        self.places.name()
    }

    /// An error about a key (`data.target`, `model.layers.0.units`) that shows only later, at the place where the key was written:
    /// line and column, or the `--set`.
    pub fn error(&self, key: &str, message: impl AsRef<str>) -> Error {
        self.places.error(key, message.as_ref())
    }

    /// Whether all files that the config names are there; the error names the key of the first that is not.
    pub fn check_files(&self) -> Result<()> {
        let from = self.model.from.iter().map(|from| ("model.from".to_owned(), from.as_path()));
        let data = self.data.source.files().into_iter().map(|(key, path)| (format!("data.{key}"), path));
        for (key, path) in data.chain(from) {
            let folder = matches!(self.data.source, Source::IdxFolder(_)) && key == "data.path";
            let what = if folder { "folder" } else { "file" };
            if !(if folder { path.is_dir() } else { path.is_file() }) {
                let message = format!(
                    "there is no {what} {}: correct the path (a relative one starts at the config's folder, in a --set at the current one)",
                    path.display()
                );
                return Err(self.error(&key, message));
            }
        }
        Ok(())
    }

    /// The config as TOML with everything filled in; read again, it is equal to this one.
    pub fn to_toml(&self) -> String {
        let mut out = format!("version = {}\nseed = {}\n", self.version, self.seed);
        write::section(&mut out, "[data]", &self.data.pairs());
        let (model, layers) = self.model.pairs();
        write::section(&mut out, "[model]", &model);
        for layer in &layers {
            write::section(&mut out, "[[model.layers]]", layer);
        }
        write::section(&mut out, "[loss]", &self.loss.pairs());
        write::section(&mut out, "[optimizer]", &optimizer::pairs(&self.optimizer));
        write::section(&mut out, "[schedule]", &self.schedule.pairs());
        write::section(&mut out, "[clip]", &train::clip_pairs(self.clip));
        write::section(&mut out, "[train]", &self.train.pairs());
        if let Some(stopping) = &self.early_stopping {
            write::section(&mut out, "[early_stopping]", &early_stopping::pairs(stopping, self.stop_at.as_ref()));
        }
        write::section(&mut out, "[device]", &self.device.pairs());
        write::section(&mut out, "[output]", &self.output.pairs());
        out
    }
}

/// Refuses what is neither a section nor a key at the top.
fn top(document: &Document) -> Result<()> {
    let sections = keys::sections().map(|(name, _)| name);
    for entry in &document.root.0 {
        let name = entry.name.as_str();
        if sections.contains(&name) || keys::TOP.iter().any(|key| key.name == name) {
            continue;
        }
        let all = keys::TOP.iter().map(|key| key.name).chain(sections);
        let message = match &entry.value.kind {
            Kind::Table(_) | Kind::List(_) => {
                let meant = did_you_mean(name, ["[", "]"], sections);
                format!("unknown section [{name}]{meant} (sections: {})", sections.join(", "))
            }
            _ => match (nearest(name, all), keys::section_with(name)) {
                (Some(meant), _) => format!("unknown key `{name}`; did you mean `{meant}`?"),
                (None, Some(section)) => format!("unknown key `{name}` at the top; it belongs in {section}"),
                (None, None) => format!("unknown key `{name}` at the top (keys: version, seed; sections: {})", sections.join(", ")),
            },
        };
        return Err(document.error(entry.origin, message));
    }
    Ok(())
}

fn unknown(name: &str) -> String {
    let names = || BuiltIn::all().map(BuiltIn::name);
    let meant = did_you_mean(name, ["`", "`"], names());
    format!("no config, data file or built-in data set `{name}`{meant} (built in: {})", names().collect::<Vec<_>>().join(", "))
}
