//! Checkpoints: all that a training needs to go on, in one file that is whole or not there. What is in it is the trainer's; here it is bytes.
//!
//! ```text
//! "GRADUSCP"                8 bytes
//! version of the format     u32, little-endian: 1
//! length of the body        u64, little-endian
//! body                      a safetensors file; its metadata have `number`, `state` and `about`, the latter two in JSON
//! SHA-256 of all before     32 bytes
//! ```

mod file;
mod folder;
mod lock;
mod whole;
mod writer;

pub use file::VERSION;
pub use folder::{Folder, Found};
pub use lock::{Lock, is_lock_file};
pub use whole::{is_unfinished_file, write_whole};
pub(crate) use writer::{Done, Writer};

use std::collections::BTreeMap;

/// The state of a training between two updates of its weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// Steps of the device since training began; the file is named by it.
    pub number: u64,
    /// What must be the same for a training to go on to the same bits: names, and what each was.
    pub about: BTreeMap<String, String>,
    /// The trainer's books, in JSON.
    pub state: String,
    /// What was on the device, and the longer of the books.
    pub tensors: Vec<Tensor>,
}

/// What the names of notes begin with in `about`.
pub(crate) const NOTE: &str = "note: ";

impl Checkpoint {
    /// What was noted under a name: see [`Checkpoints::note`](../train/struct.Checkpoints.html#method.note).
    pub fn note(&self, name: &str) -> Option<&str> {
        self.about.get(&format!("{NOTE}{name}")).map(String::as_str)
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// Numbers with a name and a shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The name.
    pub name: String,
    /// The shape; its product is the number of elements.
    pub shape: Vec<usize>,
    /// The elements.
    pub numbers: Numbers,
}

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Numbers.
    F32(Vec<f32>),
    /// Words.
    U32(Vec<u32>),
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::F32(values) => values.len(),
            Numbers::U32(words) => words.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
