//! One table of the config, read key by key: what is missing takes its default, what is wrong says where and what to do.

use super::document::{Document, Kind, Origin, Table, Value};
use super::keys::{Fallback, Key};
use super::size;
use super::suggest::did_you_mean;
use crate::error::{Error, Result};
use crate::hyper::{Hyper, Range};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A table of the config and the keys that it may have.
pub(super) struct Section<'a> {
    pub(super) document: &'a Document,
    pub(super) table: Cow<'a, Table>,
    /// Where the table starts.
    pub(super) origin: Origin,
    /// `[data.split]`, `[[model.layers]]`; empty for the top of the file.
    title: String,
    /// `data.split.`: what a key's name follows in a `--set`; nothing for what no `--set` reaches.
    path: Option<String>,
    pub(super) keys: Vec<&'static Key>,
}

impl<'a> Section<'a> {
    /// The top of a document, whose unknown keys are left to its caller.
    pub(super) fn root(document: &'a Document, keys: &'static [Key]) -> Self {
        let (table, origin) = (Cow::Borrowed(&document.root), Origin::File(0));
        Section { document, table, origin, title: String::new(), path: Some(String::new()), keys: keys.iter().collect() }
    }

    /// A section of the file, empty when the file does not have it. Every key in it must be one of `keys`.
    pub(super) fn open(document: &'a Document, name: &str, keys: Vec<&'static Key>) -> Result<Self> {
        let (table, origin) = match document.root.get(name) {
            None => (Cow::Owned(Table::default()), Origin::File(0)),
            Some(Value { kind: Kind::Table(table), origin }) => (Cow::Borrowed(table), *origin),
            Some(value) => {
                let message = format!("`{name}` must be a section (got {}): write its keys below a line [{name}]", value.shown());
                return Err(document.error(value.origin, message));
            }
        };
        let section = Section { document, table, origin, title: format!("[{name}]"), path: Some(format!("{name}.")), keys };
        section.known()?;
        Ok(section)
    }

    /// A table that is the value of a key of this section.
    pub(super) fn child(&self, name: &str, table: Cow<'a, Table>, origin: Origin, keys: Vec<&'static Key>) -> Result<Self> {
        let title = match &self.path {
            Some(path) => format!("[{path}{name}]"),
            None => format!("`{name}` of {}", self.title),
        };
        let path = self.path.as_ref().map(|path| format!("{path}{name}."));
        let section = Section { document: self.document, table, origin, title, path, keys };
        section.known()?;
        Ok(section)
    }

    /// One of the tables in the list that is the value of a key of this section.
    pub(super) fn item(&self, name: &str, table: &'a Table, origin: Origin, keys: Vec<&'static Key>) -> Result<Self> {
        let title = match &self.path {
            Some(path) => format!("[[{path}{name}]]"),
            None => format!("[[{}.{name}]]", self.title.trim_matches(['[', ']'])),
        };
        let section = Section { document: self.document, table: Cow::Borrowed(table), origin, title, path: None, keys };
        section.known()?;
        Ok(section)
    }

    fn known(&self) -> Result<()> {
        for entry in &self.table.0 {
            let name = entry.name.as_str();
            if self.keys.iter().any(|key| key.name == name) {
                continue;
            }
            let mut names: Vec<&str> = self.keys.iter().map(|key| key.name).collect();
            names.dedup();
            let mut message = format!("unknown key `{name}` in {}{}", self.title, did_you_mean(name, ["`", "`"], names.iter().copied()));
            if !message.ends_with('?')
                && let Some(section) = super::keys::section_with(name)
            {
                message.push_str(&format!("; it belongs in {section}"));
            }
            message.push_str(&format!(" (keys: {})", unique(&names).join(", ")));
            return Err(self.document.error(entry.origin, message));
        }
        Ok(())
    }

    /// Whether the key was written, in the file or by a `--set`.
    pub(super) fn given(&self, name: &str) -> bool {
        self.table.get(name).is_some()
    }

    /// A key's value: what was written, else its default, else nothing when it may be left out.
    pub(super) fn optional(&self, name: &str) -> Result<Option<Cow<'_, Value>>> {
        if let Some(value) = self.table.get(name) {
            return Ok(Some(Cow::Borrowed(value)));
        }
        match self.keys.iter().find(|key| key.name == name).map(|key| &key.fallback) {
            Some(Fallback::Default(text)) => match Value::parse(text, Origin::Default) {
                Ok(value) => Ok(Some(Cow::Owned(value))),
                Err(message) => Err(self.fault(name, format!("the default of {name}, {text}: {message}"))),
            },
            _ => Ok(None),
        }
    }

    /// A key's value, which must be written where it has no default.
    pub(super) fn value(&self, name: &str) -> Result<Cow<'_, Value>> {
        self.optional(name)?.ok_or_else(|| {
            let doc = self.keys.iter().find(|key| key.name == name).map_or("", |key| key.doc);
            self.fault(name, format!("{} needs `{name}`, {doc}: {}", self.title, self.hint(name)))
        })
    }

    /// How to set a key: `set it with --set train.batch=64 or [train] batch`.
    pub(super) fn hint(&self, name: &str) -> String {
        let example = self.keys.iter().find(|key| key.name == name).map_or("VALUE", |key| key.example());
        let Some(path) = &self.path else { return format!("write it like `{name} = {example}`") };
        let typed = match example.strip_prefix('"').and_then(|example| example.strip_suffix('"')) {
            Some(word) if !word.contains(['"', ' ']) => format!("{path}{name}={word}"),
            _ if example.contains(['"', ' ']) => format!("'{path}{name}={example}'"),
            _ => format!("{path}{name}={example}"),
        };
        match self.title.as_str() {
            "" => format!("set it with --set {typed} or `{name} = {example}` at the top"),
            title => format!("set it with --set {typed} or {title} {name}"),
        }
    }

    /// An error about a key: at its value, or at the section's start when it was not written.
    pub(super) fn fault(&self, name: &str, message: impl Into<String>) -> Error {
        let origin = self.table.get(name).map_or(self.origin, |value| value.origin);
        self.document.error(origin, message)
    }

    /// The error of a value that is not what its key needs.
    pub(super) fn refuse(&self, name: &str, value: &Value, needed: &str) -> Error {
        let message = format!("{name} must be {needed} (got {}): {}", value.shown(), self.hint(name));
        self.document.error(value.origin, message)
    }

    /// A number within a range, also once it is rounded to the 32 bits that the devices compute with.
    pub(super) fn number(&self, name: &str, range: Range) -> Result<f64> {
        let value = self.value(name)?;
        self.number_of(name, &value, range)
    }

    /// The value of a hyper-parameter of one of the library's tables.
    pub(super) fn hyper(&self, hyper: &Hyper) -> Result<f64> {
        self.number(hyper.name, hyper.range)
    }

    /// A number within a range, or nothing where it was left out.
    pub(super) fn optional_number(&self, name: &str, range: Range) -> Result<Option<f64>> {
        self.optional(name)?.map(|value| self.number_of(name, &value, range)).transpose()
    }

    /// A value as a number within a range.
    pub(super) fn number_of(&self, name: &str, value: &Value, range: Range) -> Result<f64> {
        let number = match value.kind {
            Kind::Float(float) => float,
            Kind::Integer(integer) => integer as f64,
            _ => return Err(self.refuse(name, value, range.says())),
        };
        if !range.holds(number) {
            return Err(self.refuse(name, value, range.says()));
        }
        let rounded = f64::from(number as f32);
        if !range.holds(rounded) {
            return Err(self.refuse(name, value, &format!("{} in 32-bit floating point, too", range.says())));
        }
        Ok(number)
    }

    /// A whole number within a range.
    pub(super) fn count(&self, name: &str, range: RangeInclusive<u64>) -> Result<u64> {
        let value = self.value(name)?;
        self.count_of(name, &value, range)
    }

    /// A value as a whole number within a range.
    pub(super) fn count_of(&self, name: &str, value: &Value, range: RangeInclusive<u64>) -> Result<u64> {
        let Kind::Integer(integer) = value.kind else { return Err(self.refuse(name, value, "a whole number")) };
        match u64::try_from(integer) {
            Ok(count) if range.contains(&count) => Ok(count),
            Ok(count) if count > *range.end() => Err(self.refuse(name, value, &format!("at most {}", range.end()))),
            _ => Err(self.refuse(name, value, &format!("at least {}", range.start()))),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Result<bool> {
        let value = self.value(name)?;
        match value.kind {
            Kind::Bool(boolean) => Ok(boolean),
            _ => Err(self.refuse(name, &value, "true or false")),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        let value = self.value(name)?;
        self.text_of(name, &value).map(str::to_owned)
    }

    fn text_of<'b>(&self, name: &str, value: &'b Value) -> Result<&'b str> {
        match &value.kind {
            Kind::Text(text) if !text.trim().is_empty() => Ok(text),
            Kind::Text(_) => Err(self.refuse(name, value, "a string that is not empty")),
            _ => Err(self.refuse(name, value, "a string")),
        }
    }

    /// A size of memory in bytes, or nothing where it was left out.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.optional(name)? else { return Ok(None) };
        let bytes = match &value.kind {
            Kind::Text(text) => size::parse(text),
            Kind::Integer(bytes) => u64::try_from(*bytes).ok().filter(|&bytes| bytes > 0),
            _ => None,
        };
        bytes.map(Some).ok_or_else(|| self.refuse(name, &value, "a size above 0, such as \"256 MiB\", \"1.5 GB\" or a number of bytes"))
    }

    /// An absolute path, or nothing where it was left out.
    pub(super) fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(value) = self.optional(name)? else { return Ok(None) };
        let text = self.text_of(name, &value)?;
        if text.contains('\0') {
            return Err(self.refuse(name, &value, "a path without a zero byte"));
        }
        self.document.resolve(text, value.origin).map(Some)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&'static str, T)]) -> Result<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let value = self.value(name)?;
        Ok(words[self.pick(name, &value, &names)?].1)
    }

    /// Which of a few words the value is.
    pub(super) fn pick(&self, name: &str, value: &Value, words: &[&str]) -> Result<usize> {
        let list = words.join(", ");
        let Kind::Text(text) = &value.kind else { return Err(self.refuse(name, value, &format!("one of {list}"))) };
        if let Some(index) = words.iter().position(|word| word == text) {
            return Ok(index);
        }
        let message = match did_you_mean(text, ["\"", "\""], words.iter().copied()) {
            meant if meant.is_empty() => format!("{name} must be one of {list} (got \"{text}\"): {}", self.hint(name)),
            meant => format!("{name} must be one of {list} (got \"{text}\"){meant}"),
        };
        Err(self.document.error(value.origin, message))
    }
}

/// The names, each once, in their order.
pub(super) fn unique<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut once: Vec<&str> = Vec::new();
    for &name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}
