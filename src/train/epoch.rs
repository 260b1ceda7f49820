//! The steps of an epoch, with a look at the flow of gradients after some of them; between two updates they can be stopped.

use super::beats::Beat;
use super::early_stop::Stop;
use super::session::Session;
use crate::error::Result;
use crate::plan::ProgramId;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many steps are handed over before somebody who wants to stop is heard: as many as take some time, as far as that is known. Where nobody can
/// stop it, all of them.
pub(super) struct Pace {
    stop: Option<Arc<AtomicBool>>,
    steps: usize,
}

/// How long somebody who wants to stop may have to wait, roughly.
const PATIENCE: Duration = Duration::from_millis(100);

impl Pace {
    /// Begins with a single step.
    pub(super) fn new(stop: &Stop) -> Self {
        Pace { stop: stop.interrupt.clone(), steps: 1 }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn took(&mut self, steps: usize, time: Duration) {
        if time > PATIENCE {
            self.steps = (steps / 2).max(1);
        } else if time < PATIENCE / 4 && steps >= self.steps {
            self.steps = self.steps.saturating_mul(2);
        }
    }
}

/// The steps of an epoch.
pub(super) struct Steps<'a> {
    pub(super) program: ProgramId,
    pub(super) beats: &'a [Beat],
    /// The number of the first since training began.
    pub(super) first: usize,
    /// Those with a look after them.
    pub(super) looked_at: &'a [usize],
}

impl Steps<'_> {
    /// Runs some of the steps, from the beginning of an update to the end of one; hands out how far it came before it was stopped.
    pub(super) fn run(
        &self,
        session: &mut Session,
        range: Range<usize>,
        pace: &mut Pace,
        mut rates: impl FnMut(&Beat) -> Vec<[f32; 3]>,
        mut progress: impl FnMut(usize),
    ) -> Result<usize> {
        let Steps { program, beats, first, looked_at } = *self;
        let mut done = range.start;
        while done < range.end {
            if done > range.start && pace.is_stopped() {
                return Ok(done);
            }
            let wanted = if pace.stop.is_some() { (done + pace.steps).min(range.end) } else { range.end };
            // no update is cut: there its gradients would have to be kept
            let until = (wanted - 1..range.end).find(|&i| beats[i].part.last).map_or(range.end, |i| i + 1);
            let (from, began) = (done, Instant::now());
            for (look, &at) in looked_at.iter().enumerate().filter(|(_, at)| (from..until).contains(at)) {
                session.run(program, &beats[done..at], done, first + done, &mut rates, &mut progress)?;
                session.before_look()?;
                session.run(program, &beats[at..=at], at, first + at, &mut rates, &mut progress)?;
                session.look(&beats[at], look)?;
                done = at + 1;
            }
            session.run(program, &beats[done..until], done, first + done, &mut rates, &mut progress)?;
            done = until;
            pace.took(until - from, began.elapsed());
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_what_takes_a_tenth_of_a_second() {
        let mut pace = Pace { stop: None, steps: 1 };
        // 1 ms a step: it doubles until that takes a quarter of the time, 25 ms
        for _ in 0..10 {
            let steps = pace.steps;
            pace.took(steps, Duration::from_millis(steps as u64));
        }
        assert_eq!(pace.steps, 32);
        // a short end of an epoch says nothing
        pace.took(3, Duration::from_millis(3));
        assert_eq!(pace.steps, 32);
        // 200 ms a step: one at a time
        for _ in 0..6 {
            let steps = pace.steps;
            pace.took(steps, Duration::from_millis(200 * steps as u64));
        }
        assert_eq!(pace.steps, 1);
    }
}
