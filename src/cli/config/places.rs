//! What a config is called and where each of its keys was written, for what is found out only later: a column that the data do not have, a device.

use super::document::{Document, Kind, Origin, Table};
use crate::error::{Error, Place};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a config came from, key by key. It is no part of what the config says: any two are equal.
#[derive(Debug, Clone)]
pub(super) struct Places {
    name: String,
    file: PathBuf,
    keys: BTreeMap<String, Written>,
}

#[derive(Debug, Clone)]
enum Written {
    At(Place),
    Set(String),
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    pub(super) fn of(document: &Document, name: &str) -> Self {
        let mut places = Places { name: name.to_owned(), file: document.file().to_path_buf(), keys: BTreeMap::new() };
        places.walk(document, &document.root, "");
        places
    }

    /// What the config is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn walk(&mut self, document: &Document, table: &Table, prefix: &str) {
        for entry in &table.0 {
            let path = format!("{prefix}{}", entry.name);
            self.record(document, &path, entry.value.origin);
            match &entry.value.kind {
                Kind::Table(table) => self.walk(document, table, &format!("{path}.")),
                Kind::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.record(document, &format!("{path}.{index}"), item.origin);
                        if let Kind::Table(table) = &item.kind {
                            self.walk(document, table, &format!("{path}.{index}."));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn record(&mut self, document: &Document, path: &str, origin: Origin) {
        let written = match origin {
            Origin::File(start) => Written::At(document.place(start)),
            Origin::Set(set) => Written::Set(document.sets.get(set).cloned().unwrap_or_default()),
            Origin::Default => return,
        };
        self.keys.insert(path.to_owned(), written);
    }

    /// An error about a key: where it was written, else where the table around it was, else in the file.
    pub(super) fn error(&self, key: &str, message: &str) -> Error {
        let mut path = key;
        loop {
            match (self.keys.get(path), path.rsplit_once('.')) {
                (Some(Written::At(place)), _) => return Error::at(place.clone(), message),
                (Some(Written::Set(set)), _) => return Error::input(format!("--set {set}: {message}")),
                (None, Some((around, _))) => path = around,
                (None, None) => return Error::at(Place::file(&self.file), message),
            }
        }
    }
}
