//! One training at a time writes into a folder.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The file that is locked. It stays when it is not: what is locked is the file, not its being there.
const NAME: &str = ".lock";

/// A folder that nobody else may write into, until this goes. The system lets go of it when the program ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a folder that is there. An error where another training has it, in this program or in another.
    ///
    /// ```
    /// use gradus::checkpoint::Lock;
    /// let folder = tempfile::tempdir().expect("a folder");
    /// let lock = Lock::of(folder.path())?;
    /// assert!(Lock::of(folder.path()).is_err());
    /// drop(lock);
    /// Lock::of(folder.path())?;
    /// # Ok::<(), gradus::Error>(())
    /// ```
    pub fn of(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join(NAME);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                Err(Error::input(format!("another training is writing into {folder}: wait for it, stop it, or name another folder")))
            }
            // where the disk knows no locks, as some network disks do, it is as it was without them
            Err(TryLockError::Error(_)) | Ok(()) => Ok(Lock { _file: file }),
        }
    }
}

/// Whether a path is that of the file by which a folder is locked: nobody's, and to be ignored.
pub fn is_lock_file(path: impl AsRef<Path>) -> bool {
    path.as_ref().file_name().is_some_and(|name| name == NAME)
}
