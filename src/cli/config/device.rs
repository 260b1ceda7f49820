//! `[device]` and `[output]`: where it runs, and where the results go.

use super::document::Document;
use super::keys::{Key, Later};
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::Result;
use std::path::PathBuf;

/// Where it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The key `use`: `auto`, `cpu`, `vulkan`, `metal`, `dx12`, or a part of an adapter's name; `auto` unless given.
    pub name: String,
}

pub(super) static DEVICE_KEYS: [Key; 1] =
    [Key::new("use", "\"auto\"", "the device: auto, cpu, vulkan, metal, dx12, or a part of an adapter's name")];

impl Device {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "device", DEVICE_KEYS.iter().collect(), &[])?;
        Ok(Device { name: section.text("use")? })
    }

    pub(super) fn pairs(&self) -> Pairs {
        vec![("use", write::text(&self.name))]
    }
}

/// Where the results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The run folder, absolute; left to the command unless given.
    pub dir: Option<PathBuf>,
}

pub(super) static OUTPUT_KEYS: [Key; 1] = [Key::optional("dir", "\"runs/iris\"", "the run folder")];
const LATER_OUTPUT_KEYS: [Later; 2] =
    [Later { name: "checkpoint_every", only: Some("0") }, Later { name: "tensorboard", only: Some("false") }];

impl Output {
    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "output", OUTPUT_KEYS.iter().collect(), &LATER_OUTPUT_KEYS)?;
        Ok(Output { dir: section.path("dir")? })
    }

    pub(super) fn pairs(&self) -> Pairs {
        self.dir.iter().map(|dir| ("dir", write::path(dir))).collect()
    }
}
