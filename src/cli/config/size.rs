//! Sizes of memory as people write them: `256 MiB`, `1.5 GB`.

/// Units by name, with their bytes.
const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

/// The bytes of a size: a number with a unit, `B` or none for bytes; upper and lower case are the same. `None` where it is no size, or is 0.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = (text[..digits].replace('_', ""), text[digits..].trim());
    let scale = match unit {
        "" => 1,
        unit if unit.eq_ignore_ascii_case("b") => 1,
        unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(scale)?,
        // parts of a unit are few enough for a float to count exactly
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * scale as f64;
            (bytes.is_finite() && bytes < 9e15).then_some(bytes as u64)?
        }
    };
    (bytes > 0).then_some(bytes)
}

/// A size in the largest unit of two to a power that it is a whole number of.
pub(super) fn shown(bytes: u64) -> String {
    match UNITS[..4].iter().find(|(_, scale)| bytes.is_multiple_of(*scale)) {
        Some((name, scale)) => format!("{} {name}", bytes / scale),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        let cases: &[(&str, Option<u64>)] = &[
            ("256 MiB", Some(256 << 20)),
            ("256mib", Some(256 << 20)),
            (" 1.5 GiB ", Some(3 << 29)),
            ("2 GB", Some(2_000_000_000)),
            ("1_000", Some(1000)),
            ("12 B", Some(12)),
            ("8 KB", Some(8000)),
            ("0 MiB", None),
            ("MiB", None),
            ("-1 MiB", None),
            ("1.2.3 MiB", None),
            ("5 parsecs", None),
            ("99999999999 TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), *bytes, "{text}");
        }
        for bytes in [1, 1000, 1024, 3 << 19, 256 << 20, 3 << 40] {
            assert_eq!(parse(&shown(bytes)), Some(bytes), "{}", shown(bytes));
        }
        assert_eq!([shown(1000), shown(1536), shown(256 << 20)], ["1000 B", "1536 B", "256 MiB"]);
    }
}
