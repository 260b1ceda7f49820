//! A TOML text as a tree whose every value knows where it was written: a place in the file, or a `--set`.

use crate::error::{Error, Place, Result};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// At this byte of the file.
    File(usize),
    /// By this `--set`, counted from 0.
    Set(usize),
    /// Nowhere: it is a default.
    Default,
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    Date(String),
    List(Vec<Value>),
    Table(Table),
}

/// Keys and their values, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// A key of a table: its name, where the key itself was written, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) value: Value,
}

impl Table {
    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|entry| entry.name == name).map(|entry| &entry.value)
    }

    fn read(table: &DeTable<'_>, set: Option<usize>) -> Result<Self, (usize, String)> {
        let entries = table.iter().map(|(key, value)| {
            let origin = set.map_or(Origin::File(key.span().start), Origin::Set);
            Ok(Entry { name: key.get_ref().to_string(), origin, value: Value::read(value.get_ref(), value.span().start, set)? })
        });
        entries.collect::<Result<_, _>>().map(Table)
    }
}

impl Value {
    /// One value in TOML's words, as a `--set` or a default gives it; an error holds the parser's reason.
    pub(super) fn parse(text: &str, origin: Origin) -> Result<Self, String> {
        let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
        let set = if let Origin::Set(set) = origin { set } else { 0 };
        let value = Value::read(value.get_ref(), 0, Some(set)).map_err(|(_, message)| message)?;
        Ok(Value { origin, ..value })
    }

    fn read(value: &DeValue<'_>, start: usize, set: Option<usize>) -> Result<Self, (usize, String)> {
        let kind = match value {
            DeValue::String(text) => Kind::Text(text.to_string()),
            DeValue::Integer(integer) => match i128::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Kind::Integer(integer),
                Err(_) => return Err((start, format!("{integer} has too many digits for a whole number: give a smaller one"))),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(float) => Kind::Float(float),
                Err(_) => return Err((start, format!("{float} is not a number: write it like 0.001 or 1e-3"))),
            },
            DeValue::Boolean(boolean) => Kind::Bool(*boolean),
            DeValue::Datetime(date) => Kind::Date(date.to_string()),
            DeValue::Array(list) => {
                let items = list.iter().map(|item| Value::read(item.get_ref(), item.span().start, set));
                Kind::List(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Kind::Table(Table::read(table, set)?),
        };
        Ok(Value { origin: set.map_or(Origin::File(start), Origin::Set), kind })
    }

    /// The value as an error message shows it.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            Kind::Text(text) => format!("the string {text:?}"),
            Kind::Integer(integer) => integer.to_string(),
            Kind::Float(float) => format!("{float:?}"),
            Kind::Bool(boolean) => boolean.to_string(),
            Kind::Date(date) => format!("the date {date}"),
            Kind::List(items) => format!("a list of {}", items.len()),
            Kind::Table(_) => "a table".to_owned(),
        }
    }
}

/// A config as it was written: its text, its `--set`s, and the tree that they make together.
#[derive(Debug)]
pub(super) struct Document {
    file: PathBuf,
    folder: PathBuf,
    text: String,
    pub(super) sets: Vec<String>,
    pub(super) root: Table,
}

impl Document {
    /// Parses a text. `file` names it in errors; its relative paths start at `folder`.
    pub(super) fn parse(file: &Path, folder: &Path, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let mut document =
            Document { file: file.to_path_buf(), folder: folder.to_path_buf(), text, sets: Vec::new(), root: Table::default() };
        let root = match DeTable::parse(&document.text) {
            Ok(table) => Table::read(table.get_ref(), None),
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                Err((start, format!("not valid TOML: {}", remedy(error.message()))))
            }
        };
        match root {
            Ok(root) => document.root = root,
            Err((start, message)) => return Err(document.error(Origin::File(start), message)),
        }
        Ok(document)
    }

    /// The file that the document was read from.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// An error about a value that was written there.
    pub(super) fn error(&self, origin: Origin, message: impl Into<String>) -> Error {
        match origin {
            Origin::File(start) => Error::at(self.place(start), message),
            Origin::Set(set) => Error::input(format!("--set {}: {}", self.sets.get(set).map_or("", String::as_str), message.into())),
            Origin::Default => Error::at(Place::file(&self.file), message),
        }
    }

    /// The line and column of a byte, both from 1; a column is a character.
    pub(super) fn place(&self, start: usize) -> Place {
        let before = self.text.get(..start).unwrap_or(&self.text);
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() as u64 + 1;
        Place::at(&self.file, line, column)
    }

    /// An absolute path. In the file it is relative to the config's folder; in a `--set`, to where the command was typed.
    pub(super) fn resolve(&self, path: &str, origin: Origin) -> Result<PathBuf> {
        let path = if let Origin::Set(_) = origin { PathBuf::from(path) } else { self.folder.join(path) };
        std::path::absolute(&path).map_err(|source| Error::io(&path, source))
    }
}

/// The parser's reason, with what to do where that is not plain from it.
fn remedy(message: &str) -> String {
    match message {
        message if message.starts_with("string values must be quoted") => {
            "a value is missing or a string has no quotes: write it like `type = \"adam\"`".to_owned()
        }
        "duplicate key" => "this key or section was given before: keep one of the two".to_owned(),
        message if message.starts_with("key with no value") => "a key without a value: write it like `lr = 1e-3`".to_owned(),
        message => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document> {
        Document::parse(Path::new("a.toml"), Path::new("/configs"), text)
    }

    #[test]
    fn values_know_their_line_and_column() {
        let document = parse("\u{feff}seed = 1\r\n[data]\r\n\"ü\" = { x = 0x1F }\n").unwrap();
        let Some(Value { origin: Origin::File(start), kind: Kind::Table(data) }) = document.root.get("data") else {
            panic!("[data] is a table of the file")
        };
        assert_eq!(document.place(*start), Place::at("a.toml", 2, 1));
        let Some(Kind::Table(inner)) = data.get("ü").map(|value| &value.kind) else { panic!("an inline table") };
        let x = inner.get("x").unwrap();
        assert_eq!(x.kind, Kind::Integer(31));
        let Origin::File(start) = x.origin else { panic!("of the file") };
        assert_eq!(document.place(start), Place::at("a.toml", 3, 13));
    }

    #[test]
    fn text_that_is_not_toml_is_refused_with_its_place_and_the_remedy() {
        let cases = [
            (
                "[optimizer]\ntype = adam\n",
                "a.toml:2:8: not valid TOML: a value is missing or a string has no quotes: write it like `type = \"adam\"`",
            ),
            ("seed = 1\nseed = 2\n", "a.toml:2:1: not valid TOML: this key or section was given before: keep one of the two"),
            ("[train]\nbatch 3\n", "a.toml:2:7: not valid TOML: a key without a value: write it like `lr = 1e-3`"),
            ("[train\n", "a.toml:1:7: not valid TOML: unclosed table, expected `]`"),
            (
                "seed = 9999999999999999999999999999999999999999\n",
                "a.toml:1:8: 9999999999999999999999999999999999999999 has too many digits for a whole number: give a smaller one",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), wanted, "{text:?}");
        }
    }

    #[test]
    fn relative_paths_start_at_the_configs_folder_and_those_of_a_set_where_it_was_typed() {
        let document = parse("").unwrap();
        assert_eq!(document.resolve("a/b.csv", Origin::File(0)).unwrap(), Path::new("/configs/a/b.csv"));
        assert_eq!(document.resolve("/b.csv", Origin::File(0)).unwrap(), Path::new("/b.csv"));
        assert_eq!(document.resolve("b.csv", Origin::Set(0)).unwrap(), std::env::current_dir().unwrap().join("b.csv"));
    }
}
