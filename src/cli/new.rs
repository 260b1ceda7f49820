//! `gradus new`: a config with comments for a data file, to stdout.

use super::args::New;
use super::config::Config;
use super::print;
use crate::error::Result;
use std::process::ExitCode;

pub(super) fn new(args: &New) -> Result<ExitCode> {
    let text = Config::template(&args.data, &args.target)?;
    print(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
