//! The folder of a run's checkpoints: which there are, the newest that is sound, which are kept.

use super::whole::{UNFINISHED, write_whole_by};
use super::{Checkpoint, Lock};
use crate::error::{Error, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const PREFIX: &str = "step-";
const ENDING: &str = ".ckpt";

/// A folder of checkpoints, each a file named by its step.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// The newest checkpoint that is sound.
#[derive(Debug)]
pub struct Found {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its file.
    pub path: PathBuf,
    /// Newer ones that were refused, and why.
    pub refused: Vec<Error>,
}

impl Folder {
    /// A folder, which need not be there yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Folder { path: path.as_ref().to_path_buf() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The steps that there are checkpoints of, in order. Files of other names are nobody's.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|e| Error::io(&self.path, e))?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| Error::io(&self.path, e))?.file_name();
            numbers.extend(name.to_str().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The file of a step.
    pub fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{number:010}{ENDING}"))
    }

    /// The newest checkpoint that is sound; none where there is none at all. Where all are refused, the error is that of the newest.
    pub fn newest(&self) -> Result<Option<Found>> {
        let mut refused = Vec::new();
        for number in self.numbers()?.into_iter().rev() {
            let path = self.file(number);
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return Ok(Some(Found { checkpoint, path, refused })),
                Err(error) => refused.push(error),
            }
        }
        match refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Makes the folder where it is not there yet, and locks it. An error where no file can be made in it: that is to be known now, not when the first
    /// checkpoint is due.
    pub fn lock(&self) -> Result<Lock> {
        std::fs::create_dir_all(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let lock = Lock::of(&self.path)?;
        let probe = self.path.join(format!("probe{UNFINISHED}"));
        std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe)).map_err(|e| Error::io(&self.path, e))?;
        Ok(lock)
    }

    /// Makes it ready to be written to: what a run that was killed left half written is gone, and so are checkpoints of steps after `number`, which the
    /// run that goes on from there writes anew.
    pub fn clear_after(&self, number: Option<u64>) -> Result<()> {
        for entry in std::fs::read_dir(&self.path).map_err(|e| Error::io(&self.path, e))? {
            let entry = entry.map_err(|e| Error::io(&self.path, e))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let unfinished = name.strip_suffix(UNFINISHED).is_some_and(|name| number_of(name).is_some());
            if unfinished || number_of(name).is_some_and(|found| number.is_none_or(|last| found > last)) {
                std::fs::remove_file(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
            }
        }
        Ok(())
    }

    /// Writes a checkpoint, and takes away all but the last `keep` and the best of those that are there, by `values`: what each is worth, smaller
    /// being better. Where the disk is full, they go first, but for the newest.
    pub(super) fn write(&self, checkpoint: &Checkpoint, keep: usize, values: &[(u64, f64)]) -> Result<(PathBuf, u64)> {
        let parts = checkpoint.parts()?;
        let path = self.file(checkpoint.number);
        let mut others = self.numbers()?;
        others.retain(|&number| number != checkpoint.number);
        let mut going = outdated(&others, checkpoint.number, keep, values);
        match write_whole_by(&path, |file| parts.write(file)) {
            Err(Error::Io { source, .. }) if is_full(&source) && going.iter().any(|number| Some(number) != others.last()) => {
                self.remove(going.extract_if(.., |number| Some(&*number) != others.last()))?;
                write_whole_by(&path, |file| parts.write(file))?;
            }
            written => written?,
        }
        self.remove(going)?;
        Ok((path, parts.len() as u64))
    }

    fn remove(&self, numbers: impl IntoIterator<Item = u64>) -> Result<()> {
        numbers
            .into_iter()
            .map(|number| self.file(number))
            .try_for_each(|path| std::fs::remove_file(&path).map_err(|e| Error::io(&path, e)))
    }
}

/// What goes once a checkpoint is beside the others, which are in order: all but the last `keep` and the best.
fn outdated(others: &[u64], new: u64, keep: usize, values: &[(u64, f64)]) -> Vec<u64> {
    let mut all = [others, &[new]].concat();
    all.sort_unstable();
    let best = values.iter().filter(|(number, _)| all.contains(number)).min_by(|a, b| a.1.total_cmp(&b.1)).map(|best| best.0);
    all.truncate(all.len().saturating_sub(keep));
    all.retain(|&number| Some(number) != best && number != new);
    all
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
    (digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u64) -> Checkpoint {
        Checkpoint { number, ..Checkpoint::default() }
    }

    #[test]
    fn the_last_ones_and_the_best_are_kept() {
        let own = tempfile::tempdir().unwrap();
        let folder = Folder::new(own.path().join("checkpoints"));
        assert_eq!(folder.numbers().unwrap(), [0; 0]);
        assert!(folder.newest().unwrap().is_none());
        drop(folder.lock().unwrap());
        // the second is the best until the fifth; what has no value can not be the best
        let values = [(10, 3.0), (20, 1.0), (30, 2.0), (40, f64::NAN), (50, 0.5)];
        let left: Vec<Vec<u64>> = [10, 20, 30, 40, 50, 60]
            .map(|number| {
                let known: Vec<_> = values.iter().copied().filter(|(n, _)| *n <= number).collect();
                folder.write(&of(number), 2, &known).unwrap();
                folder.numbers().unwrap()
            })
            .into();
        assert_eq!(left, [vec![10], vec![10, 20], vec![20, 30], vec![20, 30, 40], vec![40, 50], vec![50, 60]]);
        assert_eq!(folder.newest().unwrap().unwrap().checkpoint.number, 60);
    }

    #[test]
    fn what_a_kill_left_behind_is_ignored_and_cleared_away_and_other_files_are_not() {
        let own = tempfile::tempdir().unwrap();
        let folder = Folder::new(own.path());
        for number in [10, 20, 30] {
            folder.write(&of(number), 9, &[]).unwrap();
        }
        let half = folder.file(40).with_extension("ckpt.unfinished");
        std::fs::write(&half, &of(40).to_bytes().unwrap()[..30]).unwrap();
        std::fs::write(own.path().join("notes.txt"), "mine").unwrap();
        assert_eq!(folder.newest().unwrap().unwrap().checkpoint.number, 30);
        folder.clear_after(Some(20)).unwrap();
        assert_eq!(folder.numbers().unwrap(), [10, 20]);
        assert!(!half.exists() && own.path().join("notes.txt").is_file());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn on_a_full_disk_those_that_would_go_go_first_but_never_the_newest() {
        let own = tempfile::tempdir().unwrap();
        let folder = Folder::new(own.path());
        let fill = |number| std::os::unix::fs::symlink("/dev/full", folder.file(number).with_extension("ckpt.unfinished")).unwrap();
        for number in [10, 20, 30] {
            folder.write(&of(number), 3, &[]).unwrap();
        }
        fill(40);
        folder.write(&of(40), 3, &[]).unwrap();
        assert_eq!(folder.numbers().unwrap(), [20, 30, 40]);
        // of nine none would go; of one all would, and the newest does once the new one is there
        fill(50);
        assert!(folder.write(&of(50), 9, &[]).unwrap_err().to_string().contains("make room on this disk"));
        assert_eq!(folder.numbers().unwrap(), [20, 30, 40]);
        fill(50);
        folder.write(&of(50), 1, &[]).unwrap();
        assert_eq!(folder.numbers().unwrap(), [50]);
        fill(60);
        assert!(folder.write(&of(60), 1, &[]).is_err());
        assert_eq!(folder.newest().unwrap().unwrap().checkpoint.number, 50);
    }

    #[test]
    fn a_damaged_one_is_passed_over_and_told_of() {
        let own = tempfile::tempdir().unwrap();
        let folder = Folder::new(own.path());
        for number in [10, 20] {
            folder.write(&of(number), 9, &[]).unwrap();
        }
        let bytes = std::fs::read(folder.file(20)).unwrap();
        std::fs::write(folder.file(20), &bytes[..bytes.len() - 1]).unwrap();
        let found = folder.newest().unwrap().unwrap();
        assert_eq!((found.checkpoint.number, found.refused.len()), (10, 1));
        assert!(found.refused[0].to_string().contains("step-0000000020.ckpt: this checkpoint is cut short"), "{}", found.refused[0]);
        std::fs::write(folder.file(10), b"none").unwrap();
        assert!(folder.newest().unwrap_err().to_string().contains("step-0000000020.ckpt"));
    }
}
