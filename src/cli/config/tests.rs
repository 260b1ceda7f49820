//! What a config means, what is refused and in which words, and that a config survives being written.

mod conflicts;
mod meaning;
mod refusals;
mod round_trip;
mod sets;
mod tables;

use super::Config;
use crate::error::Result;
use std::path::Path;

/// The config of a text.
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

/// Whether a message is as wanted; `[…]` there stands for any text, such as a list that grows with a table of the library's.
fn fits(message: &str, wanted: &str) -> bool {
    let mut parts = wanted.split("[…]");
    let Some(mut rest) = parts.next().and_then(|first| message.strip_prefix(first)) else { return false };
    let mut last = "";
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        (rest, last) = (behind, part);
    }
    rest.is_empty() || (last.is_empty() && wanted.ends_with("[…]"))
}

/// Checks each text's message, as [`fits`] does; a text without a [data] of its own follows LEAST.
#[track_caller]
fn refused(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, wanted) in cases {
        let whole = if text.contains("[data]") { (*text).to_owned() } else { format!("{LEAST}{text}") };
        let message = match config(&whole) {
            Ok(_) => "it was accepted".to_owned(),
            Err(error) => format!("{}{error}", if error.exit_code() == 2 { "" } else { "not exit code 2: " }),
        };
        if !fits(&message, wanted) {
            wrong.push(format!("{text}\n  wanted: {wanted}\n     got: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
