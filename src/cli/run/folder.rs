//! The folder of a run: made, locked, put in the place of another, given up. What a run that it replaces had left waits in it until the new one has
//! something to put there.

use super::{ALL, BEFORE, MANIFEST, has_checkpoints, read_manifest};
use crate::checkpoint::{Lock, is_lock_file, is_unfinished_file};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A folder for a new run, locked: the one that was asked for, else the first free `runs/NAME-N`.
///
/// Errors when it is there already and is not to be replaced, and when another training is writing into it. Only a folder that looks like a run is
/// ever replaced.
pub(in crate::cli) fn create(wanted: Option<&Path>, name: &str, overwrite: bool) -> Result<(PathBuf, Lock)> {
    if let Some(path) = wanted {
        return create_at(path, overwrite).map(|lock| (path.to_path_buf(), lock));
    }
    std::fs::create_dir_all("runs").map_err(|e| Error::io("runs", e))?;
    for number in 1u32.. {
        let path = PathBuf::from(format!("runs/{name}-{number}"));
        if make(&path)? {
            let lock = Lock::of(&path)?;
            return Ok((path, lock));
        }
    }
    Err(Error::input("there is no free name left in runs/"))
}

fn create_at(path: &Path, overwrite: bool) -> Result<Lock> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    }
    if make(path)? || is_empty(path) {
        return Lock::of(path);
    }
    let replaced = path.join(BEFORE);
    match () {
        () if path.is_file() => return Err(Error::input(format!("{} is a file: name a folder with --out", path.display()))),
        () if !overwrite => {
            return Err(Error::input(format!("{} is there already: name another folder with --out, or add --overwrite", path.display())));
        }
        () if !path.join(MANIFEST).is_file() && !replaced.join(MANIFEST).is_file() => {
            return Err(Error::input(format!("{} holds no run, so it is not replaced: name another folder with --out", path.display())));
        }
        () => {}
    }
    let lock = Lock::of(path)?;
    if replaced.is_dir() {
        // of a run that was killed while it replaced another, before it had something to put there or after that
        give_up(path);
        if !path.exists() {
            return create_at(path, false);
        }
    }
    std::fs::create_dir_all(&replaced).map_err(|e| Error::io(&replaced, e))?;
    move_all(path, &replaced)?;
    Ok(lock)
}

/// Makes a folder; whether it was not there yet.
fn make(path: &Path) -> Result<bool> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(Error::io(path, e)),
    }
}

/// Whether there is nothing in a folder, or only what a kill left half written and the file by which it is locked.
fn is_empty(path: &Path) -> bool {
    let nobodys = |path: &Path| is_unfinished_file(path) || is_lock_file(path);
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| nobodys(&entry.path()))))
}

fn move_all(from: &Path, to: &Path) -> Result<()> {
    for name in ALL {
        match std::fs::rename(from.join(name), to.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(from.join(name), e)),
            _ => {}
        }
    }
    Ok(())
}

/// The new run has something to put there: what it replaces goes.
pub(in crate::cli) fn commit(folder: &Path) {
    let before = folder.join(BEFORE);
    if before.is_dir() {
        // what cannot be taken away is in nobody's way
        let _ = std::fs::remove_dir_all(before);
    }
}

/// A run in its folder: when it goes without having been finished, it is given up.
pub(in crate::cli) struct Begun<'a>(pub(in crate::cli) &'a Path);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        give_up(self.0);
    }
}

/// Leaves the folder of a run that is given up as it was before it; one that has checkpoints, or is finished, stays as it is. What cannot be put back
/// cannot be told from here.
pub(in crate::cli) fn give_up(folder: &Path) {
    if has_checkpoints(folder) || read_manifest(folder).is_ok_and(|manifest| !manifest["result"].is_null()) {
        return commit(folder);
    }
    for name in ALL {
        let path = folder.join(name);
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    let before = folder.join(BEFORE);
    if before.is_dir() {
        let _ = move_all(&before, folder);
        let _ = std::fs::remove_dir(before);
    }
    // an empty folder is of no use to anyone, and a name that is taken is in the way
    if is_empty(folder) {
        let _ = std::fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CHECKPOINTS, CONFIG, EVENTS, checkpoints};
    use super::*;

    #[test]
    fn a_run_that_is_replaced_comes_back_unless_the_new_one_has_a_checkpoint() {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("run");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [(CONFIG, "old"), (MANIFEST, "{\"result\":{}}"), ("mine.txt", "mine")] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let begin = || {
            let (made, lock) = create(Some(&folder), "run", true).unwrap();
            assert_eq!(made, folder);
            assert_eq!((read(CONFIG), read("mine.txt").as_deref()), (None, Some("mine")));
            for (name, text) in [(CONFIG, "new"), (MANIFEST, "{\"result\":null}"), (EVENTS, "")] {
                std::fs::write(folder.join(name), text).unwrap();
            }
            assert!(create(Some(&folder), "run", true).unwrap_err().to_string().contains("another training is writing into"));
            drop(lock);
        };
        begin();
        give_up(&folder);
        assert_eq!((read(CONFIG).as_deref(), read(EVENTS), folder.join(BEFORE).exists()), (Some("old"), None, false));
        // killed before it had anything to keep: the next one puts the old one aside, not what was left of that
        begin();
        begin();
        give_up(&folder);
        assert_eq!(read(CONFIG).as_deref(), Some("old"));
        begin();
        std::fs::create_dir(folder.join(CHECKPOINTS)).unwrap();
        std::fs::write(checkpoints(&folder).file(1), "").unwrap();
        give_up(&folder);
        assert_eq!((read(CONFIG).as_deref(), read(EVENTS).is_some(), folder.join(BEFORE).exists()), (Some("new"), true, false));
    }
}
