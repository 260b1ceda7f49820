//! A folder in memory, where there is such a place: one for each thread, whose files are written again and again.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

thread_local! {
    static FOLDER: TempDir = {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        tempfile::Builder::new().prefix("gradus-fuzz-").tempdir_in(parent).expect("a folder can be made")
    };
}

/// The path of a file in the folder.
pub(super) fn path(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

/// A file with these bytes.
pub(super) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = path(name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path
}
