//! What can go wrong, said with what was wrong, where, and what to do; each kind has its exit code.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A place in a file: the file, and the line and column (counted from 1) where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1: a character in text, a field in a table.
    pub column: Option<u64>,
}

impl Place {
    /// The file as a whole.
    pub fn file(file: impl AsRef<Path>) -> Self {
        Place { file: file.as_ref().to_path_buf(), line: None, column: None }
    }

    /// A line of the file.
    pub fn line(file: impl AsRef<Path>, line: u64) -> Self {
        Place { line: Some(line), ..Place::file(file) }
    }

    /// A line and a column of the file.
    pub fn at(file: impl AsRef<Path>, line: u64, column: u64) -> Self {
        Place { line: Some(line), column: Some(column), ..Place::file(file) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        // a line of what was piped in and is gone is not known: 0
        let Some(line) = self.line.filter(|&line| line > 0) else { return Ok(()) };
        write!(f, ":{line}")?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// Everything that can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input is wrong: an argument, a key of the config, a file's contents.
    #[error("{}{message}", .place.as_ref().map(|p| format!("{p}: ")).unwrap_or_default())]
    Input {
        /// Where, when it came from a file.
        place: Option<Place>,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}: {}", .path.display(), remedy(.source.kind()))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The device asked for is not there.
    #[error("{0}")]
    NoDevice(String),
    /// The device refused or failed while it worked: lost, out of memory, a rejected kernel.
    #[error("{0}")]
    Device(String),
    /// The device computes, but not what the reference does.
    #[error("{0}")]
    Wrong(String),
    /// A value became infinite or not a number; the step was not applied.
    #[error("a non-finite value at epoch {epoch}, step {step}{}: {what}", if *.members > 1 { format!(", member {member}") } else { String::new() })]
    NonFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// The step within the epoch, from 1.
        step: usize,
        /// The member, from 0.
        member: usize,
        /// How many members there are.
        members: usize,
        /// The layer and the quantity, and what to do.
        what: String,
    },
}

impl Error {
    /// An error in an argument or a value given in code.
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input { place: None, message: message.into() }
    }

    /// An error at a place in a file.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Error::Input { place: Some(place), message: message.into() }
    }

    /// A file that could not be read or written.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// The exit code of the command line: 1 the answer is bad, 2 usage or input, 3 not finite, 4 no device.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Wrong(_) => 1,
            Error::Input { .. } | Error::Io { .. } => 2,
            Error::NonFinite { .. } => 3,
            Error::NoDevice(_) | Error::Device(_) => 4,
        }
    }
}

/// What is to be done about a file that could not be read or written.
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "check the path",
        ErrorKind::PermissionDenied => "check the permissions of the file and of its folder, or name another",
        ErrorKind::ReadOnlyFilesystem => "this disk can only be read: name a path on another",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on this disk, or name a path on another",
        ErrorKind::FileTooLarge => "the system allows no larger files here: raise the limit (`ulimit -f`), or name a path on another disk",
        _ => "check the path and its permissions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_about_a_file_depends_on_what_went_wrong() {
        let told = |kind: ErrorKind| Error::io("runs/a", kind.into()).to_string();
        for (kind, wanted) in [
            (ErrorKind::NotFound, "check the path"),
            (ErrorKind::PermissionDenied, "permissions"),
            (ErrorKind::ReadOnlyFilesystem, "can only be read"),
            (ErrorKind::StorageFull, "make room on this disk"),
            (ErrorKind::FileTooLarge, "ulimit -f"),
            (ErrorKind::Interrupted, "check the path and its permissions"),
        ] {
            let told = told(kind);
            assert!(told.starts_with("runs/a: ") && told.contains(wanted), "{told}");
        }
    }
}
