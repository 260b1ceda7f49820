//! Sections whose keys depend on their `type`: one row a type, with its keys and how it is read. The rows are made from the library's tables.

use super::document::{Document, Entry, Kind, Table};
use super::keys::Key;
use super::section::{Section, unique};
use crate::error::Result;
use std::borrow::Cow;

/// One type: its name, the keys that only it (or few types) have, and how it is read from them.
pub(super) struct Choice<T> {
    pub(super) name: &'static str,
    pub(super) keys: Vec<Key>,
    read: Reader<T>,
}

type Reader<T> = Box<dyn Fn(&Section<'_>) -> Result<T> + Send + Sync>;

impl<T> Choice<T> {
    pub(super) fn new(name: &'static str, keys: Vec<Key>, read: impl Fn(&Section<'_>) -> Result<T> + Send + Sync + 'static) -> Self {
        Choice { name, keys, read: Box::new(read) }
    }

    /// Whether a key of the type's own name says it all: `expr = "…"` needs no `type = "expr"`.
    fn is_its_own_key(&self) -> bool {
        self.keys.iter().any(|key| key.name == self.name)
    }
}

/// All types that a section or a table can be of.
pub(super) struct Choices<T: 'static> {
    /// The key that names the type.
    pub(super) type_key: Key,
    /// Keys that every type has.
    pub(super) common: Vec<Key>,
    /// The types of this version.
    pub(super) rows: Vec<Choice<T>>,
}

impl<T: 'static> Choices<T> {
    /// All keys of all types.
    pub(super) fn keys(&'static self) -> Vec<&'static Key> {
        let of_types = self.rows.iter().flat_map(|row| &row.keys);
        std::iter::once(&self.type_key).chain(of_types).chain(&self.common).collect()
    }

    /// Reads a section of the file; the section comes back with the keys of its type, for those that all types have.
    pub(super) fn section<'a>(&'static self, document: &'a Document, name: &str) -> Result<(T, Section<'a>)> {
        self.read(Section::open(document, name, self.keys())?)
    }

    /// The types that need no keys, by their names alone.
    fn plain_names(&self) -> Vec<&'static str> {
        self.rows.iter().filter(|row| !row.is_its_own_key()).map(|row| row.name).collect()
    }

    /// Reads the value of a key: a type's name, or a table `{ type = "…", … }`.
    pub(super) fn value(&'static self, parent: &Section<'_>, key: &str) -> Result<T> {
        let value = parent.value(key)?;
        let table = match &value.kind {
            Kind::Table(table) => table.clone(),
            Kind::Text(_) => {
                parent.pick(key, &value, &self.plain_names())?;
                let entry = Entry { name: self.type_key.name.to_owned(), origin: value.origin, value: value.clone().into_owned() };
                Table(vec![entry])
            }
            _ => {
                let names: Vec<String> = self.plain_names().iter().map(|name| format!("\"{name}\"")).collect();
                let needed = format!("one of {}, or a table {{ type = … }}", names.join(", "));
                return Err(parent.refuse(key, &value, &needed));
            }
        };
        Ok(self.read(parent.child(key, Cow::Owned(table), value.origin, self.keys())?)?.0)
    }

    /// Which type a table is of.
    fn index(&self, section: &Section<'_>) -> Result<usize> {
        let name = self.type_key.name;
        if !section.given(name)
            && let Some(index) = self.rows.iter().position(|row| row.is_its_own_key() && section.given(row.name))
        {
            return Ok(index);
        }
        let names: Vec<&str> = self.rows.iter().map(|row| row.name).collect();
        section.pick(name, &*section.value(name)?, &names)
    }

    /// Reads a table whose keys are known to be of some type.
    pub(super) fn read<'a>(&'static self, mut section: Section<'a>) -> Result<(T, Section<'a>)> {
        let row = &self.rows[self.index(&section)?];
        section.keys = std::iter::once(&self.type_key).chain(&row.keys).chain(&self.common).collect();
        for entry in &section.table.0 {
            if section.keys.iter().any(|key| key.name == entry.name) {
                continue;
            }
            let owners = self.rows.iter().filter(|row| row.keys.iter().any(|key| key.name == entry.name));
            let owners: Vec<&str> = owners.map(|row| row.name).collect();
            let keys: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
            let message = format!(
                "`{}` does not apply to {} \"{}\" (it is for {}): take it out (keys of {}: {})",
                entry.name,
                self.type_key.name,
                row.name,
                owners.join(", "),
                row.name,
                unique(&keys).join(", ")
            );
            return Err(section.document.error(entry.origin, message));
        }
        Ok(((row.read)(&section)?, section))
    }
}
