//! `gradus train --tui`: charts in the terminal while it trains, and keys to stop and to save.

mod history;
#[cfg(test)]
mod tests;
mod view;

pub use history::History;
pub use view::draw;

use super::interrupt::Interrupt;
use crate::error::{Error, Result};
use crate::train::Event;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use std::io::{self, IsTerminal as _, Stderr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the screen is drawn anew, and how soon a key is heard at the latest.
const BEAT: Duration = Duration::from_millis(100);

/// What the training and the thread that draws have in common.
#[derive(Default)]
struct Shared {
    history: Mutex<History>,
    /// Someone wants the training to stop.
    stop: Arc<AtomicBool>,
    /// Someone wants the weights saved.
    save: AtomicBool,
    /// The training is over.
    over: AtomicBool,
}

impl Shared {
    /// What a thread that panicked left is still good to look at.
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The screen while it is there. It draws and listens in a thread of its own, so that it answers while an epoch is long.
pub(super) struct Tui {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Whether there is a terminal to draw on and to listen to.
pub(super) fn is_possible() -> bool {
    io::stderr().is_terminal() && io::stdin().is_terminal()
}

impl Tui {
    /// Takes the terminal, and gives it back before the program is ended at once.
    pub(super) fn start(history: History, interrupt: &Interrupt) -> Result<Self> {
        let shared = Arc::new(Shared { history: Mutex::new(history), stop: interrupt.flag(), ..Shared::default() });
        let failed = |e: io::Error| Error::io("the terminal", e);
        enable_raw_mode().map_err(failed)?;
        let mut tui = Tui { shared: Arc::clone(&shared), thread: None };
        execute!(io::stderr(), EnterAlternateScreen).map_err(failed)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(io::stderr())).map_err(failed)?;
        interrupt.hush();
        interrupt.before_end(give_back);
        let interrupt = interrupt.clone();
        tui.thread = Some(std::thread::spawn(move || watch(&mut terminal, &shared, &interrupt)));
        Ok(tui)
    }

    /// Shows an event. At the end of an epoch it saves the weights in the folder, if someone wants that.
    pub(super) fn on(&self, event: &Event<'_>, folder: &Path) {
        self.shared.history().on(event);
        if let Event::Epoch { records, weights, .. } = event
            && let Some(record) = records.first()
            && self.shared.save.swap(false, Ordering::Relaxed)
        {
            let path = folder.join(format!("epoch-{}.safetensors", record.epoch));
            match weights.read(0).and_then(|weights| weights.save(&path)) {
                Ok(()) => self.say(&format!("saved: {}", path.display())),
                Err(error) => self.say(&format!("not saved: {error}")),
            }
        }
    }

    /// Says something below the charts.
    pub(super) fn say(&self, text: &str) {
        self.shared.history().say(text);
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // whether the thread drew to the end is of no interest any more
        let _ = self.thread.take().map(JoinHandle::join);
        give_back();
    }
}

/// Leaves the terminal as it was. What fails here cannot be told anywhere.
fn give_back() {
    let _ = execute!(io::stderr(), LeaveAlternateScreen, ratatui::crossterm::cursor::Show);
    let _ = disable_raw_mode();
}

/// Draws and listens until the training is over.
fn watch(terminal: &mut Terminal<CrosstermBackend<Stderr>>, shared: &Shared, interrupt: &Interrupt) -> io::Result<()> {
    let began = Instant::now();
    while !shared.over.load(Ordering::Relaxed) {
        let history = shared.history().clone();
        terminal.draw(|frame| draw(frame, &history, began.elapsed().as_secs_f64()))?;
        if event::poll(BEAT)?
            && let Input::Key(key) = event::read()?
            && pressed(key, shared) == Wish::Now
        {
            interrupt.end();
        }
    }
    Ok(())
}

/// What a key asks of the thread that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To go on.
    None,
    /// To end the program at once.
    Now,
}

fn pressed(key: KeyEvent, shared: &Shared) -> Wish {
    if key.kind == KeyEventKind::Release {
        return Wish::None;
    }
    let mut history = shared.history();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => stop(&mut history, shared),
        _ if control => Wish::None,
        // away with the help first
        KeyCode::Esc | KeyCode::Char('?') if history.help => {
            history.help = false;
            Wish::None
        }
        KeyCode::Char('q') | KeyCode::Esc => stop(&mut history, shared),
        KeyCode::Char('s') => {
            shared.save.store(true, Ordering::Relaxed);
            history.say("the weights will be saved after this epoch");
            Wish::None
        }
        KeyCode::Char('?') => {
            history.help = true;
            Wish::None
        }
        _ => Wish::None,
    }
}

fn stop(history: &mut History, shared: &Shared) -> Wish {
    if history.stopping {
        return Wish::Now;
    }
    history.stopping = true;
    shared.stop.store(true, Ordering::Relaxed);
    Wish::None
}
