//! What a key of the config is, and the list of all sections: what the reader, its suggestions and the tests go by.

use super::{activation, data, device, early_stopping, init, loss, model, optimizer, schedule, train, write};
use crate::hyper::{Hyper, Range};
use std::borrow::Cow;

/// A key of a section: its name, what it is worth when it is left out, and what it is for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) fallback: Fallback,
    pub(super) doc: &'static str,
}

/// What happens when a key is left out; the text is a value in TOML's words.
#[derive(Debug)]
pub(super) enum Fallback {
    /// It has this value.
    Default(Cow<'static, str>),
    /// Being left out means something, or its value depends on other keys. The text is an example.
    Optional(Cow<'static, str>),
    /// It must be written. The text is an example.
    Required(Cow<'static, str>),
}

impl Key {
    /// A key with a default.
    pub(super) const fn new(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Key { name, fallback: Fallback::Default(Cow::Borrowed(default)), doc }
    }

    /// A key that may be left out.
    pub(super) const fn optional(name: &'static str, example: &'static str, doc: &'static str) -> Self {
        Key { name, fallback: Fallback::Optional(Cow::Borrowed(example)), doc }
    }

    /// A key that must be written.
    pub(super) const fn required(name: &'static str, example: &'static str, doc: &'static str) -> Self {
        Key { name, fallback: Fallback::Required(Cow::Borrowed(example)), doc }
    }

    /// The key of a hyper-parameter of one of the library's tables.
    pub(super) fn of(hyper: &Hyper) -> Self {
        let fallback = match hyper.default.is_nan() {
            true => Fallback::Required(Cow::Borrowed(example(hyper.range))),
            false => Fallback::Default(Cow::Owned(write::hyper(hyper, hyper.default))),
        };
        Key { name: hyper.name, fallback, doc: hyper.doc }
    }

    /// The key of a hyper-parameter that is one of some words; the first unless given.
    pub(super) fn of_word(name: &'static str, options: &[&str], doc: &'static str) -> Self {
        Key { name, fallback: Fallback::Default(Cow::Owned(write::text(options.first().unwrap_or(&"")))), doc }
    }

    /// A sensible value of the key.
    pub(super) fn example(&self) -> &str {
        match &self.fallback {
            Fallback::Default(text) | Fallback::Optional(text) | Fallback::Required(text) => text,
        }
    }
}

/// A number of a range.
fn example(range: Range) -> &'static str {
    match range {
        Range::Any | Range::Positive | Range::NotNegative => "1.0",
        Range::Share | Range::Inside | Range::Factor => "0.5",
        Range::Count => "10",
    }
}

/// The keys at the top of a config.
pub(super) static TOP: [Key; 2] = [
    Key::new("version", "1", "the version of this format"),
    Key::new("seed", "7", "what the split, the initial weights and the order of the rows are drawn from"),
];

/// Every section with its keys, in the order in which a config is written.
pub(super) fn sections() -> [(&'static str, Vec<&'static Key>); 10] {
    [
        ("data", data::KEYS.iter().collect()),
        ("model", model::KEYS.iter().collect()),
        ("loss", loss::LOSSES.keys()),
        ("optimizer", optimizer::OPTIMIZERS.keys()),
        ("schedule", schedule::SHAPES.keys()),
        ("clip", train::CLIP_KEYS.iter().collect()),
        ("train", train::TRAIN_KEYS.iter().collect()),
        ("early_stopping", early_stopping::KEYS.iter().collect()),
        ("device", device::DEVICE_KEYS.iter().collect()),
        ("output", device::OUTPUT_KEYS.iter().collect()),
    ]
}

/// The section that has a key of this name, as `[optimizer]`, when there is just one.
pub(super) fn section_with(key: &str) -> Option<String> {
    let mut found = sections().into_iter().filter(|(_, keys)| keys.iter().any(|known| known.name == key));
    match (found.next(), found.next()) {
        (Some((section, _)), None) => Some(format!("[{section}]")),
        _ => None,
    }
}

/// Every key as a `--set` names it, `optimizer.lr`, and every section and table that holds them.
pub(super) fn paths() -> Vec<String> {
    let tables = [
        ("data.split", data::SPLIT_KEYS.iter().collect()),
        ("model.activation", activation::ACTIVATIONS.keys()),
        ("model.init", init::INITS.keys()),
        ("early_stopping.stop_at", early_stopping::STOP_AT_KEYS.iter().collect()),
    ];
    let mut paths: Vec<String> = TOP.iter().map(|key| key.name.to_owned()).collect();
    for (section, keys) in sections().into_iter().chain(tables) {
        paths.push(section.to_owned());
        paths.extend(keys.into_iter().map(|key| format!("{section}.{}", key.name)));
    }
    paths.sort();
    paths.dedup();
    paths
}
