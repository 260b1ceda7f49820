//! The HTML of a report: one file that loads nothing, in light and dark, narrow and wide; written so that it is XML as well.

/// Text with the characters that HTML gives a meaning escaped; what XML has no place for becomes the replacement character.
pub(super) fn escape(text: &str) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{FFFD}' } else { c };
    let text: String = text.chars().map(clean).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A part of the page.
pub(super) struct Section {
    /// What links go to.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// HTML.
    pub(super) body: String,
}

/// A paragraph of plain text.
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// Something that is not as it should be.
pub(super) fn warning(text: &str) -> String {
    format!("<p class=\"warning\">{}</p>\n", escape(text))
}

/// A diagram, as plot makes them.
pub(super) fn figure(svg: &str) -> String {
    format!("<figure>{svg}</figure>\n")
}

/// A diagram that is moved sideways where the page is narrow: smaller, its words could not be read.
pub(super) fn wide_figure(svg: &str) -> String {
    format!("<figure class=\"wide\">{svg}</figure>\n")
}

/// Diagrams beside each other, where there is room.
pub(super) fn figures(svgs: &[String]) -> String {
    let all: String = svgs.iter().map(|svg| figure(svg)).collect();
    format!("<div class=\"figures\">\n{all}</div>\n")
}

/// Two things beside each other, where there is room.
pub(super) fn beside(left: &str, right: &str) -> String {
    format!("<div class=\"figures\">\n<div>\n{left}</div>\n<div>\n{right}</div>\n</div>\n")
}

/// A table: words to the left, numbers to the right, as the first row has them.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let word = |cell: &String| cell.trim_end_matches(" %").parse::<f64>().is_err() && cell != "–";
    let words: Vec<bool> = rows.first().map(|row| row.iter().map(word).collect()).unwrap_or_default();
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        let class = |i: usize| if words.get(i) == Some(&true) { " class=\"word\"" } else { "" };
        cells.enumerate().map(|(i, cell)| format!("<{tag}{}>{}</{tag}>", class(i), escape(cell))).collect()
    };
    let head = format!("<thead><tr>{}</tr></thead>\n", cells("th", &mut head.iter().copied()));
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)))).collect();
    format!("<div class=\"scroll\"><table>\n{head}<tbody>\n{rows}</tbody></table></div>\n")
}

/// Names and what they are, one below the other.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let rows: String = facts.iter().map(|(name, what)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(what))).collect();
    format!("<dl>\n{rows}</dl>\n")
}

/// The few numbers that matter most.
pub(super) fn tiles(tiles: &[(String, String)]) -> String {
    let tile = |(name, value): &(String, String)| format!("<div><b>{}</b><span>{}</span></div>\n", escape(value), escape(name));
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.iter().map(tile).collect::<String>())
}

/// The whole page.
pub(super) fn page(title: &str, subtitle: &str, sections: &[Section]) -> String {
    let links: String = sections.iter().map(|s| format!("<a href=\"#{}\">{}</a>\n", s.id, escape(s.title))).collect();
    let body: String = sections
        .iter()
        .map(|Section { id, title, body }| format!("<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n", escape(title)))
        .collect();
    let (title, subtitle) = (escape(title), escape(subtitle));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\" />\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n<nav>\n{links}</nav>\n\
         </header>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Diagrams are drawn on white: in the dark they are turned round, hues kept.
const STYLE: &str = "\
:root { color-scheme: light dark; --ground: #f5f5f3; --card: #ffffff; --ink: #1d1d1f; --soft: #5d5d66; --line: #dddde1; --link: #0a62a0; --warn: #8a4300; --warn-ground: #fff1de; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1011; --card: #1a1a1a; --ink: #e4e4e6; --soft: #a2a2ab; --line: #35353a; --link: #79b8ec; --warn: #ffb870; --warn-ground: #33230f; }
  figure svg { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 1240px; margin: 0 auto; padding: 0 16px; }
h1 { font-size: 26px; margin: 24px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 16px 0 8px; }
header p { margin: 0 0 12px; color: var(--soft); overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-bottom: 16px; }
a { color: var(--link); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 16px; margin-bottom: 16px; }
p { margin: 0 0 12px; max-width: 80ch; }
.warning { color: var(--warn); background: var(--warn-ground); border-left: 3px solid; padding: 8px 12px; max-width: none; }
.figures > div { min-width: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
figure { margin: 0 0 12px; min-width: 0; }
figure svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figure.wide { overflow-x: auto; }
figure.wide svg { min-width: 640px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 8px; margin-bottom: 16px; }
.tiles div { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; }
.tiles b { display: block; font-size: 22px; font-weight: 600; line-height: 1.3; }
.tiles span { color: var(--soft); font-size: 13px; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr; gap: 4px 16px; margin: 0 0 12px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; margin-bottom: 8px; }
.scroll { overflow-x: auto; margin-bottom: 12px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 16px 3px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th.word, td.word { text-align: left; }
td:first-child { white-space: normal; min-width: 9em; }
pre { margin: 0; overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; }
@media print { body { background: none; } section { break-inside: avoid; } }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_bring_tags_along() {
        let table = table(&["<b>", "n"], &[vec!["<script>\u{0}".into(), "2.5 %".into()]]);
        assert!(table.contains("<th class=\"word\">&lt;b&gt;</th><th>n</th>"), "{table}");
        assert!(table.contains("<td class=\"word\">&lt;script&gt;\u{FFFD}</td><td>2.5 %</td>"), "{table}");
    }
}
