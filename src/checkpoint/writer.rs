//! Writing checkpoints in a thread of its own, one at a time, while the device goes on.

use super::{Checkpoint, Folder};
use crate::error::{Error, Result};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

/// A checkpoint that was written.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// What the thread is handed: a checkpoint, and what those that there are are worth.
type Job = (Checkpoint, Vec<(u64, f64)>);

/// Writes into a folder. At most one checkpoint is on its way; when the writer goes, it is waited for.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Result<Done>>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which keeps the last `keep` and the best.
    pub(crate) fn start(folder: Folder, keep: usize) -> Result<Self> {
        let (jobs, taken) = sync_channel::<Job>(1);
        let (tell, done) = sync_channel(1);
        let work = move || {
            for (checkpoint, values) in taken {
                let number = checkpoint.number;
                let written = folder.write(&checkpoint, keep, &values).map(|(path, bytes)| Done { number, path, bytes });
                if tell.send(written).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoints".to_string()).spawn(work).map_err(|e| Error::io("a thread", e))?;
        Ok(Writer { jobs: Some(jobs), done, busy: false, thread: Some(thread) })
    }

    /// Whether one is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Hands one over. None may be on its way.
    pub(crate) fn hand_over(&mut self, checkpoint: Checkpoint, values: Vec<(u64, f64)>) -> Result<()> {
        self.busy = true;
        match self.jobs.as_ref().map(|jobs| jobs.send((checkpoint, values))) {
            Some(Ok(())) => Ok(()),
            _ => Err(gone()),
        }
    }

    /// What became of the one that was on its way, if that is known by now.
    pub(crate) fn news(&mut self) -> Option<Result<Done>> {
        if !self.busy {
            return None;
        }
        let told = match self.done.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(gone()),
            Ok(told) => told,
        };
        self.busy = false;
        Some(told)
    }

    /// Waits for the one that is on its way.
    pub(crate) fn wait(&mut self) -> Option<Result<Done>> {
        let told = self.busy.then(|| self.done.recv().unwrap_or_else(|_| Err(gone())));
        self.busy = false;
        told
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // there is room for what it has to tell; that it panicked cannot be told from here
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn gone() -> Error {
    Error::io("the checkpoint", std::io::Error::other("the thread that writes it has ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_on_its_way_at_a_time_and_none_is_lost_at_the_end() {
        let own = tempfile::tempdir().unwrap();
        let mut writer = Writer::start(Folder::new(own.path()), 9).unwrap();
        assert!(writer.news().is_none() && writer.wait().is_none());
        let of = |number| Checkpoint { number, ..Checkpoint::default() };
        writer.hand_over(of(1), Vec::new()).unwrap();
        assert!(writer.is_busy());
        let done = writer.wait().unwrap().unwrap();
        assert_eq!((done.number, done.path, writer.is_busy()), (1, Folder::new(own.path()).file(1), false));
        writer.hand_over(of(2), Vec::new()).unwrap();
        drop(writer);
        assert_eq!(Folder::new(own.path()).numbers().unwrap(), [1, 2]);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let own = tempfile::tempdir().unwrap();
        let mut writer = Writer::start(Folder::new(own.path().join("none")), 9).unwrap();
        writer.hand_over(Checkpoint::default(), Vec::new()).unwrap();
        assert!(writer.wait().unwrap().is_err());
    }
}
