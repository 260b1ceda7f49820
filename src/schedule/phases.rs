//! Schedules one after the other: where each begins and how long it lasts.

use super::{Schedule, Unit};
use crate::error::{Error, Result};

/// How long a phase lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// A share of what the phases have together. Each ends at a whole unit: its end, as a share of all, is rounded up.
    Share(f64),
    /// So many units.
    Count(usize),
    /// To the end. Only the last phase may say so.
    Rest,
}

/// A schedule that holds for a part of the run.
#[derive(Debug, Clone)]
pub struct Phase {
    /// The schedule. Its `t` is 0 where the phase begins, and its `T` is the length of the phase.
    pub schedule: Schedule,
    /// How long it holds.
    pub length: Length,
}

/// Rounded up, but 0.07 · 100 is 7 though it is a little more in binary.
pub(super) fn whole(units: f64) -> usize {
    (units - 1e-9).ceil() as usize
}

/// First unit and length of each phase in a run of `all` units. The last one goes on to the end of the run.
pub(super) fn spans(phases: &[Phase], all: usize) -> Vec<(usize, usize)> {
    let mut end = 0.0;
    let mut spans: Vec<(usize, usize)> = Vec::with_capacity(phases.len());
    for (i, phase) in phases.iter().enumerate() {
        let start = whole(end);
        end = match phase.length {
            Length::Share(share) => end + share * all as f64,
            Length::Count(count) => end + count as f64,
            Length::Rest => all as f64,
        };
        if i + 1 == phases.len() {
            end = end.max(all as f64);
        }
        spans.push((start, whole(end).saturating_sub(start)));
    }
    spans
}

/// The phase of unit `t`, the unit within it, and its length.
pub(super) fn find(phases: &[Phase], t: usize, all: usize) -> Option<(&Phase, usize, usize)> {
    let spans = spans(phases, all);
    // a phase of no units at all is passed over; what lies beyond the end belongs to the last one
    let at = spans.iter().position(|&(start, length)| t < start + length).unwrap_or(phases.len().checked_sub(1)?);
    let (start, length) = spans[at];
    Some((&phases[at], t - start, length))
}

/// What can be told of phases without the length of the run.
pub(super) fn check(phases: &[Phase]) -> Result<()> {
    if phases.is_empty() {
        return Err(Error::input("[schedule] phases must be at least one (got none)"));
    }
    let mut shares = 0.0;
    for (i, Phase { schedule, length }) in phases.iter().enumerate() {
        let wrong = |what: String| Err(Error::input(format!("[schedule] phase {}: {what}", i + 1)));
        match *length {
            Length::Share(share) if !(share > 0.0 && share <= 1.0) => {
                return wrong(format!("the length as a share must be a number above 0 and at most 1 (got {share})"));
            }
            Length::Count(0) => return wrong("the length must be at least 1 (got 0)".to_owned()),
            Length::Rest if i + 1 < phases.len() => {
                return wrong("only the last phase can last to the end: give this one a length".to_owned());
            }
            Length::Share(share) => shares += share,
            Length::Count(_) | Length::Rest => {}
        }
        if schedule.unit == Unit::Step {
            return wrong("the unit is that of the whole: set it there".to_owned());
        }
        if schedule.shape.name() == "plateau" {
            return wrong("plateau can not be a phase: it watches the whole run".to_owned());
        }
        schedule.check().or_else(|error| wrong(error.to_string()))?;
    }
    match shares > 1.0 + 1e-9 {
        true => Err(Error::input(format!("[schedule] the shares of the phases must be at most 1 together (got {shares})"))),
        false => Ok(()),
    }
}

/// What can be told of them with it.
pub(super) fn fit(phases: &[Phase], all: usize, unit: &str) -> Result<()> {
    let units = |phase: &Phase| match phase.length {
        Length::Share(share) => share * all as f64,
        Length::Count(count) => count as f64,
        Length::Rest => 0.0,
    };
    let given = whole(phases.iter().map(units).sum());
    let open = phases.last().is_some_and(|phase| phase.length == Length::Rest);
    if given > all || (open && given == all) || (!open && given < all) {
        let remedy = if given < all { "let the last one last to the end" } else { "shorten them" };
        return Err(Error::input(format!("[schedule] the phases take {given} of {all} {unit}s: {remedy}")));
    }
    for (i, (phase, (_, length))) in phases.iter().zip(spans(phases, all)).enumerate() {
        let warm = phase.schedule.warm(length);
        if warm > length {
            return Err(Error::input(format!("[schedule] phase {} has {length} {unit}s, and a warm-up of {warm}: shorten it", i + 1)));
        }
        phase.schedule.fits(length, unit)?;
    }
    Ok(())
}
