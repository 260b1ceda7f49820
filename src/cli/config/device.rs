//! `[device]` and `[output]`: where it runs, and where the results go.

use super::document::{Document, Kind};
use super::keys::Key;
use super::section::Section;
use super::size;
use super::write::{self, Pairs};
use crate::error::Result;
use crate::exec::OpenDevice;
use crate::train::Every;
use std::path::PathBuf;

/// Where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The key `use`: `auto`, `cpu`, `vulkan`, `metal`, `dx12`, or a part of an adapter's name; `auto` unless given.
    pub name: String,
    /// How many bytes of its memory may be used; all unless given.
    pub memory: Option<u64>,
    /// The most steps that are handed over at once; 256 unless given.
    pub submission: usize,
}

pub(super) static DEVICE_KEYS: [Key; 3] = [
    Key::new("use", "\"auto\"", "the device: auto, cpu, vulkan, metal, dx12, or a part of an adapter's name"),
    Key::optional("memory", "\"256 MiB\"", "how much of the device's memory may be used: data that do not fit are streamed"),
    Key::new(
        "submission",
        "256",
        "the most steps that are handed over at once: fewer where a driver resets a device that is busy for too long",
    ),
];

impl Device {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "device", DEVICE_KEYS.iter().collect())?;
        Ok(Device {
            name: section.text("use")?,
            memory: section.size("memory")?,
            submission: section.count("submission", 1..=65_536)? as usize,
        })
    }

    /// Finds the device, or the one that was asked for instead, and holds it to what may be used of it.
    pub(in crate::cli) fn open(&self, instead: Option<&str>) -> Result<OpenDevice> {
        let device = crate::exec::Device::parse(instead.unwrap_or(&self.name)).open()?.with_submission(self.submission);
        Ok(match self.memory {
            Some(bytes) => device.with_memory(bytes),
            None => device,
        })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = vec![("use", write::text(&self.name))];
        pairs.extend(self.memory.map(|bytes| ("memory", write::text(&size::shown(bytes)))));
        pairs.push(("submission", self.submission.to_string()));
        pairs
    }
}

/// Where the results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The run folder, absolute; left to the command unless given.
    pub dir: Option<PathBuf>,
    /// How often a checkpoint is written beside the one at the end; after each epoch unless given, never where it is `None`.
    pub checkpoint_every: Option<Every>,
    /// How many checkpoints are kept, beside the best; 3 unless given.
    pub keep: usize,
    /// Whether event files for TensorBoard are written; not unless given.
    pub tensorboard: bool,
    /// Whether report.html is written at the end; it is unless given.
    pub report: bool,
}

pub(super) static OUTPUT_KEYS: [Key; 5] = [
    Key::optional("dir", "\"runs/iris\"", "the run folder"),
    Key::new(
        "checkpoint_every",
        "1",
        "how often a checkpoint is written: every so many epochs, or as \"100 steps\" says; 0 for the end alone",
    ),
    Key::new("keep", "3", "how many checkpoints are kept, beside the best"),
    Key::new("tensorboard", "false", "whether event files for TensorBoard are written"),
    Key::new("report", "true", "whether report.html is written at the end"),
];

impl Output {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "output", OUTPUT_KEYS.iter().collect())?;
        Ok(Output {
            dir: section.path("dir")?,
            checkpoint_every: checkpoint_every(&section)?,
            keep: section.count("keep", 1..=u32::MAX.into())? as usize,
            tensorboard: section.boolean("tensorboard")?,
            report: section.boolean("report")?,
        })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs: Pairs = self.dir.iter().map(|dir| ("dir", write::path(dir))).collect();
        let every = match self.checkpoint_every {
            None => "0".to_string(),
            Some(Every::Epochs(epochs)) => epochs.to_string(),
            Some(Every::Steps(steps)) => write::text(&format!("{steps} steps")),
        };
        pairs.extend([
            ("checkpoint_every", every),
            ("keep", self.keep.to_string()),
            ("tensorboard", self.tensorboard.to_string()),
            ("report", self.report.to_string()),
        ]);
        pairs
    }
}

/// A number of epochs, or a text with a number of steps.
fn checkpoint_every(section: &Section<'_>) -> Result<Option<Every>> {
    let name = "checkpoint_every";
    let value = section.value(name)?;
    if let Kind::Integer(_) = value.kind {
        let epochs = section.count_of(name, &value, 0..=u32::MAX.into())? as usize;
        return Ok((epochs > 0).then_some(Every::Epochs(epochs)));
    }
    let steps = match &value.kind {
        Kind::Text(text) => text.split_once(' ').filter(|(_, unit)| ["step", "steps"].contains(unit)),
        _ => None,
    };
    match steps.and_then(|(number, _)| number.parse().ok()).filter(|&steps: &u32| steps > 0) {
        Some(steps) => Ok(Some(Every::Steps(steps as usize))),
        None => Err(section.refuse(name, &value, "a whole number of epochs, or a text like \"100 steps\"")),
    }
}
