//! The command line: arguments, configuration, commands. Everything that prints lives here.

mod answers;
pub mod args;
mod assemble;
mod bench;
mod check;
mod compare;
pub mod config;
mod devices;
mod doctor;
mod eval;
mod events;
mod export;
mod gradcheck;
mod inspect;
mod interrupt;
mod lr_find;
mod new;
mod parity;
mod plot;
mod predict;
mod profile;
mod progress;
mod report;
mod resume;
mod run;
mod scalars;
mod screen;
mod shell;
mod train;
#[cfg(feature = "tui")]
pub mod tui;

use crate::error::{Error, Result};
use args::{Arguments, Command};
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Reads the arguments, runs the command, and says what went wrong if it did.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        // whoever read our output has seen enough
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs a command as the binary does, and hands out its exit code, or what went wrong.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Train(args) => train::train(&args),
        Command::New(args) => new::new(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Predict(args) => predict::predict(&args),
        Command::Export(args) => export::export(&args),
        Command::Devices(args) => devices::devices(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Parity(args) => parity::parity(&args),
        Command::Check(args) => check::check(&args),
        Command::LrFind(args) => lr_find::lr_find(&args),
        Command::Gradcheck(args) => gradcheck::gradcheck(&args),
        Command::Plot(args) => plot::plot(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Report(args) => report::report(&args),
        Command::Compare(args) => compare::compare(&args),
    }
}

/// Talk, to stderr.
fn say(text: &str) {
    // where stderr is closed there is nobody to tell
    let _ = writeln!(std::io::stderr(), "{}", plain(text));
}

/// A result, to stdout.
fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", plain(text)).map_err(|e| Error::io("standard output", e))
}

/// A text without what a terminal would obey: names and cells of files are among what is told.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_terminal_would_obey_is_not_told_to_it() {
        assert_eq!(super::plain("a\tb\nc \u{1b}[2J \u{9b}31m \u{7} ü"), "a\tb\nc \u{FFFD}[2J \u{FFFD}31m \u{FFFD} ü");
    }
}
