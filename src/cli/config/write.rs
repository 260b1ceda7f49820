//! The resolved config as TOML.

use crate::hyper::{Hyper, Range};
use std::fmt::Write as _;
use std::path::Path;

/// Keys with their values in TOML's words.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// A text in quotes.
pub(super) fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A name in quotes: as [`text`], but never over several lines, which a key can not be.
pub(super) fn key(name: &str) -> String {
    // what JSON escapes TOML does, too
    serde_json::Value::from(name).to_string()
}

/// A path in quotes. TOML is UTF-8: of a path that is not, the odd bytes are replaced.
pub(super) fn path(path: &Path) -> String {
    text(&path.to_string_lossy())
}

/// A number in the shortest words that read back as the same number.
pub(super) fn number(number: f64) -> String {
    format!("{number:?}")
}

/// The value of a hyper-parameter.
pub(super) fn hyper(hyper: &Hyper, value: f64) -> String {
    match hyper.range {
        Range::Count => format!("{value}"),
        _ => number(value),
    }
}

/// A list.
pub(super) fn list<T>(items: impl IntoIterator<Item = T>, literal: impl FnMut(T) -> String) -> String {
    format!("[{}]", items.into_iter().map(literal).collect::<Vec<_>>().join(", "))
}

/// A table within a line, or only its `type` where that says it all.
pub(super) fn inline(pairs: &Pairs) -> String {
    match pairs.as_slice() {
        [("type", name)] => name.clone(),
        _ => table(pairs),
    }
}

/// A table within a line.
pub(super) fn table(pairs: &Pairs) -> String {
    format!("{{ {} }}", pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", "))
}

/// The word for a value in a table of words.
pub(super) fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    text(words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word))
}

/// Appends a section; nothing of it when it has no keys.
pub(super) fn section(out: &mut String, header: &str, pairs: &Pairs) {
    if pairs.is_empty() {
        return;
    }
    let keys: String = pairs.iter().fold(String::new(), |mut lines, (key, value)| {
        let _infallible = writeln!(lines, "{key} = {value}");
        lines
    });
    let _infallible = write!(out, "\n{header}\n{keys}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::document::{Kind, Origin, Value};

    #[test]
    fn what_is_written_reads_back_to_the_bit() {
        for number in [0.0, 1.0, 1e-8, 0.1 + 0.2, 1e300, f64::MIN_POSITIVE, 123_456_789.125, 3e-4] {
            let value = Value::parse(&super::number(number), Origin::Default).unwrap();
            assert_eq!(value.kind, Kind::Float(number));
        }
        for words in ["", "a b", "quote\"s", "it's", "both'\"", "C:\\data\\x", "new\nline", "tab\t", "ü\u{1}", "'''\"\"\""] {
            let value = Value::parse(&text(words), Origin::Default).unwrap();
            assert_eq!(value.kind, Kind::Text(words.to_owned()));
            let table = Value::parse(&format!("{{ {} = 1 }}", key(words)), Origin::Default).unwrap();
            assert!(matches!(table.kind, Kind::Table(table) if table.0[0].name == words), "{words:?}");
        }
    }
}
