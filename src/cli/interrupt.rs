//! Ctrl-C, SIGTERM and a closed terminal: the first ends the training after its step, the second the program.

use super::say;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What has to be done before the program ends at once.
type Last = Box<dyn FnOnce() + Send>;

/// Listens for signals.
#[derive(Clone)]
pub(super) struct Interrupt {
    stop: Arc<AtomicBool>,
    last: Arc<Mutex<Vec<Last>>>,
    /// Whether somebody else tells that it is heard.
    quiet: Arc<AtomicBool>,
}

/// A program has one handler of signals.
static ONLY: OnceLock<Interrupt> = OnceLock::new();

impl Interrupt {
    /// Begins to listen. With `quiet`, the first signal is not answered on stderr.
    pub(super) fn listen(quiet: bool) -> Result<Self> {
        if let Some(only) = ONLY.get() {
            return Ok(only.clone());
        }
        let interrupt = Interrupt {
            stop: Arc::new(AtomicBool::new(false)),
            last: Arc::new(Mutex::new(Vec::new())),
            quiet: Arc::new(AtomicBool::new(quiet)),
        };
        let heard = interrupt.clone();
        ctrlc::set_handler(move || heard.signal())
            .map_err(|e| Error::io("the signals of the system", std::io::Error::other(e.to_string())))?;
        Ok(ONLY.get_or_init(|| interrupt).clone())
    }

    fn signal(&self) {
        if self.stop.swap(true, Ordering::Relaxed) {
            self.end();
        }
        if !self.quiet.load(Ordering::Relaxed) {
            say("stopping after this step, with a checkpoint; again: at once");
        }
    }

    /// What the training stops by.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// The first signal is answered by somebody else.
    #[cfg(feature = "tui")]
    pub(super) fn hush(&self) {
        self.quiet.store(true, Ordering::Relaxed);
    }

    /// Has something done before the program ends at once, the last that was given first.
    pub(super) fn before_end(&self, act: impl FnOnce() + Send + 'static) {
        self.last().push(Box::new(act));
    }

    /// Ends the program at once. Files are whole at any moment, so there is nothing to wait for.
    pub(super) fn end(&self) -> ! {
        let last = std::mem::take(&mut *self.last());
        last.into_iter().rev().for_each(|act| act());
        std::process::exit(130)
    }

    /// What a thread that panicked left is still to be done.
    fn last(&self) -> MutexGuard<'_, Vec<Last>> {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
