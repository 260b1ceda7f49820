//! `--set KEY=VALUE`: single keys of a config, given on the command line.

use super::document::{Document, Entry, Kind, Origin, Table, Value};
use super::keys;
use super::suggest::did_you_mean;
use crate::error::Result;

/// The VALUE that undoes a key of the config.
const DEFAULT: &str = "default";

/// How many parts a key has at most.
const DEEPEST: usize = 3;

/// Keys whose value may be written as the name of a type, and then be refined: `--set model.init.std=0.2`.
const SHORT: [&str; 2] = ["model.activation", "model.init"];

/// Puts each `KEY=VALUE` in the document, in their order: the last one counts.
pub(super) fn apply(document: &mut Document, sets: &[String]) -> Result<()> {
    document.sets = sets.to_vec();
    for (index, set) in sets.iter().enumerate() {
        let origin = Origin::Set(index);
        let mut root = std::mem::take(&mut document.root);
        let done = apply_one(&mut root, set, origin);
        document.root = root;
        done.map_err(|message| document.error(origin, message))?;
    }
    Ok(())
}

fn apply_one(root: &mut Table, set: &str, origin: Origin) -> Result<(), String> {
    let Some((key, text)) = set.split_once('=') else {
        return Err("there is no `=`: write KEY=VALUE, as in --set optimizer.lr=3e-4".to_owned());
    };
    let key = key.trim();
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let path: Vec<&str> = key.split('.').collect();
    if path.iter().any(|part| part.is_empty() || !part.chars().all(bare)) {
        return Err(format!("`{key}` is not a key: write names with points between them, as in --set optimizer.lr=3e-4"));
    }
    if path.len() > DEEPEST {
        return Err(format!("unknown key: no key has more than {DEEPEST} parts, as model.init.std has"));
    }
    if text.trim() == DEFAULT {
        let paths = keys::paths();
        if !remove(root, &path) && !paths.iter().any(|known| known == key) {
            let meant = did_you_mean(key, ["`", "`"], paths.iter().map(String::as_str));
            return Err(format!("unknown key `{key}`{meant}"));
        }
        return Ok(());
    }
    insert(root, &path, 0, value(text.trim(), origin)?, origin)
}

/// A value in TOML's words, or, where it is not that, a word without its quotes.
fn value(text: &str, origin: Origin) -> Result<Value, String> {
    match Value::parse(text, origin) {
        Ok(value) => Ok(value),
        Err(_) if text.is_empty() => Err(format!("there is no value: write one, or `{DEFAULT}` for the key's default")),
        Err(reason) if text.starts_with(['[', '{', '"', '\'']) => {
            Err(format!("{text} is not a TOML value: {reason} (a shell takes quotes away: put '…' around the whole KEY=VALUE)"))
        }
        Err(_) => Ok(Value { origin, kind: Kind::Text(text.to_owned()) }),
    }
}

fn insert(table: &mut Table, path: &[&str], depth: usize, value: Value, origin: Origin) -> Result<(), String> {
    let name = path[depth];
    let index = match table.0.iter().position(|entry| entry.name == name) {
        Some(index) => index,
        None => {
            let value = Value { origin, kind: Kind::Table(Table::default()) };
            table.0.push(Entry { name: name.to_owned(), origin, value });
            table.0.len() - 1
        }
    };
    let entry = &mut table.0[index];
    if depth + 1 == path.len() {
        *entry = Entry { name: name.to_owned(), origin, value };
        return Ok(());
    }
    let here = path[..=depth].join(".");
    let old = std::mem::replace(&mut entry.value.kind, Kind::Bool(false));
    entry.value.kind = match old {
        Kind::Table(table) => Kind::Table(table),
        Kind::List(_) => return Err(format!("`{here}` is a list: set it as a whole, as in --set '{here}=[…]'")),
        Kind::Text(text) if SHORT.contains(&here.as_str()) => {
            let (at, written) = (entry.origin, entry.value.origin);
            let value = Value { origin: written, kind: Kind::Text(text) };
            Kind::Table(Table(vec![Entry { name: "type".to_owned(), origin: at, value }]))
        }
        _ => {
            entry.origin = origin;
            entry.value.origin = origin;
            Kind::Table(Table::default())
        }
    };
    match &mut entry.value.kind {
        Kind::Table(table) => insert(table, path, depth + 1, value, origin),
        _ => Ok(()),
    }
}

/// Takes a key out; whether it was there.
fn remove(table: &mut Table, path: &[&str]) -> bool {
    let [name, rest @ ..] = path else { return false };
    let Some(index) = table.0.iter().position(|entry| entry.name == *name) else { return false };
    match &mut table.0[index].value.kind {
        _ if rest.is_empty() => {
            table.0.remove(index);
            true
        }
        Kind::Table(inner) => remove(inner, rest),
        _ => false,
    }
}
