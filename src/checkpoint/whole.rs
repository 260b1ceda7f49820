//! Files that are whole or not there, whatever happens while they are written.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What the name of a file ends in while it is written.
pub(super) const UNFINISHED: &str = ".unfinished";

/// Writes a file so that its name stands for the old bytes or for the new ones at any moment, also when the power fails: into another file in the
/// same folder, which is synced and renamed, and the folder synced.
pub fn write_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_whole_by(path.as_ref(), |file| file.write_all(bytes))
}

/// The same, for a file that is written part by part.
pub(super) fn write_whole_by(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_os_string();
    name.push(UNFINISHED);
    let unfinished = PathBuf::from(name);
    let written = write_synced(&unfinished, write).and_then(|()| std::fs::rename(&unfinished, path));
    if let Err(e) = written {
        // what cannot be taken away is nobody's
        let _ = std::fs::remove_file(&unfinished);
        return Err(Error::io(path, e));
    }
    sync_folder(path.parent().unwrap_or(Path::new(""))).map_err(|e| Error::io(path, e))
}

/// Whether a path is that of a file which [`write_whole`] was in the middle of when the program was killed: nobody's, and to be ignored.
pub fn is_unfinished_file(path: impl AsRef<Path>) -> bool {
    path.as_ref().to_string_lossy().ends_with(UNFINISHED)
}

fn write_synced(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    write(&mut file)?;
    file.sync_all()
}

/// A new name lasts once its folder is on the disk. (Windows knows no such thing: there a rename is in the journal.)
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for text in ["old and long", "new"] {
            write_whole(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_told_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        // a folder is in the way of the file
        let path = folder.path().join("a");
        std::fs::create_dir(&path).unwrap();
        let told = write_whole(&path, b"new").unwrap_err().to_string();
        assert!(told.contains("check the path and its permissions"), "{told}");
        assert!(path.is_dir() && std::fs::read_dir(folder.path()).unwrap().count() == 1);
        assert!(write_whole(folder.path().join("none/a"), b"new").is_err());
    }
}
