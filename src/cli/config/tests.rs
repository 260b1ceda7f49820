//! What a config means, what is refused and in which words, and that a config survives being written.

mod meaning;
mod refusals;
mod round_trip;
mod sets;

use super::Config;
use crate::error::Result;
use std::path::Path;

/// A config that is good: what follows `[data]`, then any further lines.
fn config(text: &str) -> Result<Config> {
    Config::read(Path::new("a.toml"), Path::new("/configs"), "a", text, &[])
}

/// The same with `--set`s.
fn config_with(text: &str, sets: &[&str]) -> Result<Config> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Config::read(Path::new("a.toml"), Path::new("/configs"), "a", text, &sets)
}

/// The shortest config: its sections end on line 4, so that what a test adds starts on line 5.
const LEAST: &str = "[data]\nname = \"digits\"\n[model]\nhidden = [8]\n";
