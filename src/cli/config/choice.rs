//! Sections whose keys depend on their `type`: one row a type, with its keys and how it is read.

use super::document::{Document, Entry, Kind, Table};
use super::keys::{Key, Later};
use super::section::Section;
use crate::error::Result;
use std::borrow::Cow;

/// One type: its name, the keys that only it (or few types) have, and how it is read from them.
pub(super) struct Choice<T> {
    pub(super) name: &'static str,
    pub(super) keys: &'static [Key],
    pub(super) read: fn(&Section<'_>) -> Result<T>,
}

/// All types that a section or a table can be of.
pub(super) struct Choices<T: 'static> {
    /// The key that names the type.
    pub(super) type_key: Key,
    /// Keys that every type has.
    pub(super) common: &'static [Key],
    /// The types of this version.
    pub(super) rows: &'static [Choice<T>],
    /// Types that come later.
    pub(super) later: &'static [&'static str],
    /// Keys that come later.
    pub(super) later_keys: &'static [Later],
}

impl<T: 'static> Choices<T> {
    /// All keys of all types.
    pub(super) fn keys(&'static self) -> Vec<&'static Key> {
        let of_types = self.rows.iter().flat_map(|row| row.keys);
        std::iter::once(&self.type_key).chain(of_types).chain(self.common).collect()
    }

    /// Reads a section of the file; the section comes back with the keys of its type, for those that all types have.
    pub(super) fn section<'a>(&'static self, document: &'a Document, name: &str) -> Result<(T, Section<'a>)> {
        self.read(Section::open(document, name, self.keys(), self.later_keys)?)
    }

    /// Reads the value of a key: a type's name, or a table `{ type = "…", … }`.
    pub(super) fn value(&'static self, parent: &Section<'_>, key: &str) -> Result<T> {
        let value = parent.value(key)?;
        let table = match &value.kind {
            Kind::Table(table) => table.clone(),
            Kind::Text(_) => {
                let names: Vec<&str> = self.rows.iter().map(|row| row.name).collect();
                parent.pick(key, &value, &names, self.later)?;
                let entry = Entry { name: self.type_key.name.to_owned(), origin: value.origin, value: value.clone().into_owned() };
                Table(vec![entry])
            }
            _ => {
                let names: Vec<String> = self.rows.iter().map(|row| format!("\"{}\"", row.name)).collect();
                let needed = format!("one of {}, or a table {{ type = … }}", names.join(", "));
                return Err(parent.refuse(key, &value, &needed));
            }
        };
        Ok(self.read(parent.child(key, Cow::Owned(table), value.origin, self.keys())?)?.0)
    }

    /// Reads a table whose keys are known to be of some type.
    pub(super) fn read<'a>(&'static self, mut section: Section<'a>) -> Result<(T, Section<'a>)> {
        let names: Vec<&str> = self.rows.iter().map(|row| row.name).collect();
        let index = section.pick(self.type_key.name, &*section.value(self.type_key.name)?, &names, self.later)?;
        let row = &self.rows[index];
        section.keys = std::iter::once(&self.type_key).chain(row.keys).chain(self.common).collect();
        for entry in &section.table.0 {
            if section.keys.iter().any(|key| key.name == entry.name) {
                continue;
            }
            let owners = self.rows.iter().filter(|row| row.keys.iter().any(|key| key.name == entry.name));
            let owners: Vec<&str> = owners.map(|row| row.name).collect();
            if owners.is_empty() {
                // a key of a later version, which was checked when the section was opened
                continue;
            }
            let keys: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
            let message = format!(
                "`{}` does not apply to {} \"{}\" (it is for {}): take it out (keys of {}: {})",
                entry.name,
                self.type_key.name,
                row.name,
                owners.join(", "),
                row.name,
                keys.join(", ")
            );
            return Err(section.document.error(entry.origin, message));
        }
        Ok(((row.read)(&section)?, section))
    }
}
