//! `[clip]` and `[train]`: bounds on the gradients, how often the rows are passed over, and with which batches.

use super::document::{Document, Kind};
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::clip::Clip;
use crate::error::Result;
use crate::hyper::Range;
use crate::precision::Precision;
use crate::train::{Looks, OnNonFinite, Remainder};
use std::time::Duration;

pub(super) static CLIP_KEYS: [Key; 2] = [
    Key::optional("norm", "1.0", "how long all gradients, as one vector, may be"),
    Key::optional("value", "0.5", "how large an element of a gradient may be"),
];

pub(super) fn clip(document: &Document) -> Result<Clip> {
    let section = Section::open(document, "clip", CLIP_KEYS.iter().collect())?;
    let bound = |key| section.optional_number(key, Range::Positive);
    Ok(Clip::new(bound("value")?, bound("norm")?))
}

pub(super) fn clip_pairs(clip: Clip) -> Pairs {
    let pairs = [("value", clip.value()), ("norm", clip.norm())];
    pairs.into_iter().filter_map(|(key, bound)| Some((key, write::number(bound?)))).collect()
}

/// How long the training goes on, and with which batches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Train {
    /// How often the training rows are passed over, 50 unless given.
    pub epochs: usize,
    /// How many rows a step takes, 64 unless given.
    pub batch: usize,
    /// Whether each epoch has an order of its own; true unless given.
    pub shuffle: bool,
    /// What becomes of the rows that do not fill a batch; kept unless given.
    pub remainder: Remainder,
    /// How many batches make one update, 1 unless given.
    pub accumulate: usize,
    /// What happens when a value is not finite; an error unless given.
    pub on_nonfinite: OnNonFinite,
    /// In which precision the products of dense layers are made; full unless given.
    pub precision: Precision,
    /// When the flow of gradients is looked at; each epoch unless given.
    pub diagnose: Looks,
    /// How long it may take, in seconds; no epoch is begun after that.
    pub max_seconds: Option<f64>,
}

const REMAINDERS: &[(&str, Remainder)] = &[("keep", Remainder::Keep), ("drop", Remainder::Drop)];
const ON_NONFINITE: &[(&str, OnNonFinite)] =
    &[("error", OnNonFinite::Error), ("skip", OnNonFinite::Skip), ("rollback", OnNonFinite::Rollback)];
const PRECISIONS: &[(&str, Precision)] = &[("full", Precision::Full), ("mixed", Precision::Mixed)];
const LOOKS: &[(&str, Looks)] = &[("epoch", Looks::EachEpoch), ("off", Looks::Never)];

pub(super) static TRAIN_KEYS: [Key; 9] = [
    Key::new("epochs", "50", "how often the training rows are passed over"),
    Key::new("batch", "64", "how many rows a step takes"),
    Key::new("shuffle", "true", "whether each epoch has an order of its own"),
    Key::new("remainder", "\"keep\"", "what becomes of rows that do not fill a batch: keep or drop"),
    Key::new("accumulate", "1", "how many batches make one update"),
    Key::new("on_nonfinite", "\"error\"", "what happens when a value is not finite: error, skip or rollback"),
    Key::new("precision", "\"full\"", "what dense layers multiply: full (f32), or mixed (rounded to f16, the loss scaled)"),
    Key::new("diagnose", "\"epoch\"", "when the flow of gradients is looked at: epoch, off, or every so many steps"),
    Key::optional("max_seconds", "600.0", "how long it may take: no epoch is begun after that"),
];

impl Train {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "train", TRAIN_KEYS.iter().collect())?;
        Ok(Train {
            epochs: section.count("epochs", 1..=u32::MAX.into())? as usize,
            batch: section.count("batch", 1..=u32::MAX.into())? as usize,
            shuffle: section.boolean("shuffle")?,
            remainder: section.word("remainder", REMAINDERS)?,
            accumulate: section.count("accumulate", 1..=u32::MAX.into())? as usize,
            on_nonfinite: section.word("on_nonfinite", ON_NONFINITE)?,
            precision: section.word("precision", PRECISIONS)?,
            diagnose: looks(&section)?,
            max_seconds: seconds(&section)?,
        })
    }

    /// How long it may take.
    pub fn time(&self) -> Option<Duration> {
        self.max_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = vec![
            ("epochs", self.epochs.to_string()),
            ("batch", self.batch.to_string()),
            ("shuffle", self.shuffle.to_string()),
            ("remainder", write::word(REMAINDERS, &self.remainder)),
            ("accumulate", self.accumulate.to_string()),
            ("on_nonfinite", write::word(ON_NONFINITE, &self.on_nonfinite)),
            ("precision", write::word(PRECISIONS, &self.precision)),
            (
                "diagnose",
                match self.diagnose {
                    Looks::Every(steps) => steps.to_string(),
                    word => write::word(LOOKS, &word),
                },
            ),
        ];
        pairs.extend(self.max_seconds.map(|seconds| ("max_seconds", write::number(seconds))));
        pairs
    }
}

fn looks(section: &Section<'_>) -> Result<Looks> {
    let value = section.value("diagnose")?;
    match value.kind {
        Kind::Integer(_) => Ok(Looks::Every(section.count_of("diagnose", &value, 1..=u32::MAX.into())? as usize)),
        Kind::Text(_) => section.word("diagnose", LOOKS),
        _ => Err(section.refuse("diagnose", &value, "one of epoch, off, or a whole number of steps")),
    }
}

fn seconds(section: &Section<'_>) -> Result<Option<f64>> {
    let Some(seconds) = section.optional_number("max_seconds", Range::Positive)? else {
        return Ok(None);
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(_) => Ok(Some(seconds)),
        Err(_) => {
            Err(section.fault("max_seconds", format!("max_seconds is longer than time can be counted (got {seconds:?}): leave it out")))
        }
    }
}
