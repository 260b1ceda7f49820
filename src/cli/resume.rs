//! `gradus train --resume`: which run goes on, from which checkpoint, and whether its config is still the one that it began with.

use super::args::{Train, with_target};
use super::config::Config;
use super::run;
use crate::checkpoint::{Checkpoint, Found, Lock};
use crate::error::{Error, Place, Result};
use crate::train::place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name under which a checkpoint has the config.
pub(super) const CONFIG: &str = "config";

/// What a command asks for.
pub(super) enum Plan {
    /// A new run, and whether it may replace one that is in its folder.
    Begin(Box<Config>, bool),
    /// A run that goes on.
    GoOn(Box<Config>, GoOn),
}

/// A run that goes on.
pub(super) struct GoOn {
    pub(super) folder: PathBuf,
    pub(super) lock: Lock,
    /// What it is called.
    pub(super) name: String,
    pub(super) checkpoint: Checkpoint,
    /// The epoch, from 1, and the steps of it that are done.
    pub(super) place: (usize, usize),
    pub(super) warnings: Vec<String>,
}

/// What may be another in a run that goes on, without a word: sections and single keys that no bit of the weights hangs on. (That the data are the
/// same, wherever they are, is told by their hash.)
const FREE: [&str; 5] = ["output", "device.memory", "device.submission", "data.path", "train.max_seconds"];
/// What may be another in a run that is forced to go on.
const SAFE: [&str; 5] = ["early_stopping", "schedule", "clip", "device", "train.epochs"];
/// Of the optimizer, all but what says which states there are.
const FIXED_OF_OPTIMIZER: [&str; 2] = ["optimizer.type", "optimizer.ema"];

/// Finds out what is to be done, and refuses what can not go on.
pub(super) fn plan(args: &Train) -> Result<Plan> {
    let sets = with_target(&args.sets, args.target.as_deref());
    let given = || match &args.config {
        Some(config) => Config::open(config, &sets),
        None => Err(Error::input("name the run to go on with: --resume RUN")),
    };
    let Some(resume) = &args.resume else { return Ok(Plan::Begin(Box::new(given()?), args.overwrite)) };
    // `gradus train RUN --resume` means the same as `gradus train --resume RUN`
    let named = resume.as_deref().or(args.config.as_deref().filter(|config| resume.is_none() && run::is_run(config)));
    let own = args.config.as_deref().filter(|config| Some(*config) != named);
    match (named, own) {
        (Some(folder), None) => {
            if !run::is_run(folder) {
                return Err(Error::input(format!("there is no run to go on with in {}: name a run folder", folder.display())));
            }
            go_on(args, run::read_config(folder, &sets)?, folder)
        }
        (Some(folder), Some(_)) => go_on(args, given()?, folder),
        (None, _) => {
            let config = given()?;
            match args.out.as_deref().or(config.output.dir.as_deref()).map(Path::to_path_buf) {
                Some(folder) if run::has_checkpoints(&folder) => go_on(args, config, &folder),
                // what was killed before its first checkpoint begins anew
                Some(folder) => Ok(Plan::Begin(Box::new(config), run::is_unfinished(&folder))),
                None => Err(Error::input("which run is to go on? Name it, --resume RUN, or its folder, with --out or [output] dir")),
            }
        }
    }
}

fn go_on(args: &Train, config: Config, folder: &Path) -> Result<Plan> {
    if args.out.as_deref().is_some_and(|out| out != folder) {
        return Err(Error::input("a run goes on in its own folder: leave --out out, or copy the folder first"));
    }
    let lock = Lock::of(folder)?;
    let Some(Found { checkpoint, path, refused }) = run::checkpoints(folder).newest()? else {
        return Err(Error::input(format!(
            "{} has no checkpoint to go on from: train anew, with --overwrite to replace it",
            folder.display()
        )));
    };
    let place = place(&checkpoint).ok_or_else(|| {
        Error::at(Place::file(&path), "the books in this checkpoint can not be read: take it away, and the one before is taken")
    })?;
    let was = checkpoint.note(CONFIG).unwrap_or_default();
    let same = check(was, &config.to_toml(), args.force)?;
    let manifest = run::read_manifest(folder)?;
    let result = &manifest["result"];
    let stopped = result["stopped"].as_str().unwrap_or("interrupted");
    if !result.is_null() && !["interrupted", "time"].contains(&stopped) && same {
        return Err(Error::input(format!(
            "the run in {} is finished ({stopped}): for more epochs --set train.epochs=N --force",
            folder.display()
        )));
    }
    let name = manifest["name"].as_str().unwrap_or(config.name()).to_string();
    let warnings = refused.iter().map(|error| format!("warning: {error}; going on from the one before")).collect();
    Ok(Plan::GoOn(Box::new(config), GoOn { folder: folder.to_path_buf(), lock, name, checkpoint, place, warnings }))
}

/// An error where two configs differ in what may not, key by key; whether they mean the same training.
fn check(was: &str, is: &str, force: bool) -> Result<bool> {
    let (was, is) = (keys(was)?, keys(is)?);
    let none = "nothing".to_string();
    let shown = |key: &String| format!("{key} was {}, is {}", was.get(key).unwrap_or(&none), is.get(key).unwrap_or(&none));
    let all = is.keys().chain(was.keys().filter(|key| !is.contains_key(*key)));
    let differ = all.filter(|key| was.get(*key) != is.get(*key) && !is_among(&FREE, key));
    let (safe, fixed): (Vec<&String>, Vec<&String>) = differ.partition(|key| is_safe(key));
    let list = |keys: Vec<&String>| keys.into_iter().map(shown).collect::<Vec<_>>().join("; ");
    if !fixed.is_empty() {
        return Err(Error::input(format!(
            "the config is not the one that the run began with, and it can not go on with this: {}: begin anew, in another folder",
            list(fixed)
        )));
    }
    match safe.is_empty() || force {
        true => Ok(safe.is_empty()),
        false => Err(Error::input(format!(
            "the config is not the one that the run began with: {}: undo that, or add --force, with which it goes on, but not to the same bits",
            list(safe)
        ))),
    }
}

fn is_safe(key: &str) -> bool {
    let of_optimizer = key.starts_with("optimizer.") && !FIXED_OF_OPTIMIZER.contains(&key);
    of_optimizer || is_among(&SAFE, key)
}

fn is_among(names: &[&str], key: &str) -> bool {
    names.iter().any(|name| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// The keys of a config with their values, in TOML's words.
fn keys(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse().map_err(|e| Error::input(format!("the checkpoint has no config ({e}): begin anew")))?;
    let mut all = BTreeMap::new();
    walk("", &toml::Value::Table(table), &mut all);
    Ok(all)
}

fn walk(path: &str, value: &toml::Value, all: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(name, value)| walk(&below(name), value, all)),
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            items.iter().enumerate().for_each(|(n, value)| walk(&below(&n.to_string()), value, all));
        }
        _ => {
            all.insert(path.to_string(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_differs_is_named_with_both_values() {
        let was = "seed = 7\n[train]\nbatch = 32\nepochs = 5\n[optimizer]\ntype = \"adam\"\nlr = 0.1\n";
        let told = |from: &str, to: &str, force| check(was, &was.replace(from, to), force).map_err(|e| e.to_string());
        assert_eq!(told("", "", false), Ok(true));
        let refused = told("epochs = 5", "epochs = 9", false).unwrap_err();
        assert!(refused.contains("train.epochs was 5, is 9") && refused.contains("--force"), "{refused}");
        for more in ["[output]\nkeep = 1", "[device]\nmemory = 1000\nsubmission = 8"] {
            assert_eq!(told("[train]", &format!("{more}\n[train]"), false), Ok(true), "{more}");
        }
        for (from, to) in [("epochs = 5", "epochs = 9"), ("lr = 0.1", "lr = 0.2"), ("[train]", "[device]\nuse = \"cpu\"\n[train]")] {
            assert_eq!(told(from, to, true), Ok(false), "{to}");
            assert!(told(from, to, false).is_err(), "{to}");
        }
        for (from, to, wanted) in [
            ("batch = 32", "batch = 64", "train.batch was 32, is 64"),
            ("seed = 7", "seed = 8", "seed was 7, is 8"),
            ("adam", "sgd", "optimizer.type was \"adam\", is \"sgd\""),
            ("[train]", "[[model.layers]]\nunits = 3\n[train]", "model.layers.0.units was nothing, is 3"),
            ("batch = 32\n", "", "train.batch was 32, is nothing"),
        ] {
            for force in [false, true] {
                let refused = told(from, to, force).unwrap_err();
                assert!(refused.contains(wanted) && refused.contains("begin anew"), "{refused}");
            }
        }
    }
}
