//! `[device]` and `[output]`: where it runs, and where the results go.

use super::document::Document;
use super::keys::{Key, Later};
use super::section::Section;
use super::size;
use super::write::{self, Pairs};
use crate::error::Result;
use crate::exec::OpenDevice;
use std::path::PathBuf;

/// Where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The key `use`: `auto`, `cpu`, `vulkan`, `metal`, `dx12`, or a part of an adapter's name; `auto` unless given.
    pub name: String,
    /// How many bytes of its memory may be used; all unless given.
    pub memory: Option<u64>,
}

pub(super) static DEVICE_KEYS: [Key; 2] = [
    Key::new("use", "\"auto\"", "the device: auto, cpu, vulkan, metal, dx12, or a part of an adapter's name"),
    Key::optional("memory", "\"256 MiB\"", "how much of the device's memory may be used: data that do not fit are streamed"),
];

impl Device {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "device", DEVICE_KEYS.iter().collect(), &[])?;
        Ok(Device { name: section.text("use")?, memory: section.size("memory")? })
    }

    /// Finds the device, or the one that was asked for instead, and holds it to the memory that may be used.
    pub(in crate::cli) fn open(&self, instead: Option<&str>) -> Result<OpenDevice> {
        let device = crate::exec::Device::parse(instead.unwrap_or(&self.name)).open()?;
        Ok(match self.memory {
            Some(bytes) => device.with_memory(bytes),
            None => device,
        })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = vec![("use", write::text(&self.name))];
        pairs.extend(self.memory.map(|bytes| ("memory", write::text(&size::shown(bytes)))));
        pairs
    }
}

/// Where the results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The run folder, absolute; left to the command unless given.
    pub dir: Option<PathBuf>,
    /// Whether event files for TensorBoard are written; not unless given.
    pub tensorboard: bool,
    /// Whether report.html is written at the end; it is unless given.
    pub report: bool,
}

pub(super) static OUTPUT_KEYS: [Key; 3] = [
    Key::optional("dir", "\"runs/iris\"", "the run folder"),
    Key::new("tensorboard", "false", "whether event files for TensorBoard are written"),
    Key::new("report", "true", "whether report.html is written at the end"),
];
const LATER_OUTPUT_KEYS: [Later; 1] = [Later { name: "checkpoint_every", only: Some("0") }];

impl Output {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "output", OUTPUT_KEYS.iter().collect(), &LATER_OUTPUT_KEYS)?;
        Ok(Output { dir: section.path("dir")?, tensorboard: section.boolean("tensorboard")?, report: section.boolean("report")? })
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs: Pairs = self.dir.iter().map(|dir| ("dir", write::path(dir))).collect();
        pairs.extend([("tensorboard", self.tensorboard.to_string()), ("report", self.report.to_string())]);
        pairs
    }
}
