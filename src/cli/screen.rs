//! What a person sees of a training while it goes on: a bar, or charts over the whole terminal; nothing where there is no terminal.

use super::args::Train;
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::say;
#[cfg(feature = "tui")]
use super::tui::{self, History, Tui};
use crate::error::Result;
use crate::train::Event;
use std::path::Path;
#[cfg(feature = "tui")]
use std::path::PathBuf;

/// The screen of a training.
pub(super) struct Screen {
    bar: Progress,
    #[cfg(feature = "tui")]
    tui: Option<Tui>,
    #[cfg(feature = "tui")]
    folder: PathBuf,
    quiet: bool,
    /// What was said while the terminal was taken.
    later: Vec<String>,
}

impl Screen {
    /// For a training of so many epochs; the title is that of the charts.
    pub(super) fn new(args: &Train, title: &str, epochs: usize, folder: &Path, interrupt: &Interrupt) -> Result<Self> {
        #[cfg(feature = "tui")]
        let tui =
            if args.tui && !args.quiet && tui::is_possible() { Some(Tui::start(History::new(title, epochs), interrupt)?) } else { None };
        #[cfg(feature = "tui")]
        let taken = tui.is_some();
        #[cfg(not(feature = "tui"))]
        let (taken, _) = (false, (title, folder, interrupt));
        Ok(Screen {
            bar: Progress::new(epochs, args.quiet || taken),
            #[cfg(feature = "tui")]
            tui,
            #[cfg(feature = "tui")]
            folder: folder.to_path_buf(),
            quiet: args.quiet,
            later: Vec::new(),
        })
    }

    /// Shows an event.
    pub(super) fn on(&mut self, event: &Event<'_>) {
        #[cfg(feature = "tui")]
        if let Some(tui) = &self.tui {
            return tui.on(event, &self.folder);
        }
        self.bar.on(event);
    }

    /// Says something that is to stay.
    pub(super) fn say(&mut self, text: String) {
        if self.quiet {
            return;
        }
        #[cfg(feature = "tui")]
        if let Some(tui) = &self.tui {
            tui.say(&text);
            return self.later.push(text);
        }
        self.bar.aside(|| say(&text));
    }

    /// Gives the terminal back.
    pub(super) fn end(self) {
        #[cfg(feature = "tui")]
        drop(self.tui);
        self.bar.end();
        self.later.iter().for_each(|text| say(text));
    }
}
