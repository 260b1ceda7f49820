//! `gradus completions` and `gradus man`: what a shell and `man` want to know of the command line, made from its definition.

use super::args::{Arguments, Completions, Man};
use super::say;
use crate::error::{Error, Result};
use clap::CommandFactory as _;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn completions(args: &Completions) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "gradus", &mut text);
    std::io::stdout().write_all(&text).map_err(|e| Error::io("standard output", e))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &Man) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.dir).map_err(|e| Error::io(&args.dir, e))?;
    clap_mangen::generate_to(Arguments::command(), &args.dir).map_err(|e| Error::io(&args.dir, e))?;
    say(&format!("man pages are in {}", args.dir.display()));
    Ok(ExitCode::SUCCESS)
}
