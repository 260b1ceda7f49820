//! What the tests of the documents need of Markdown: fenced blocks, links, anchors of headings.

/// A fenced block.
pub(super) struct Block<'a> {
    /// The word after the fence.
    pub(super) language: &'a str,
    /// What is between the fences.
    pub(super) text: &'a str,
    /// The line of the document that its first line is, from 1.
    pub(super) line: usize,
}

impl<'a> Block<'a> {
    /// Its lines, each with its number in the document.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.text.lines().enumerate().map(|(i, line)| (self.line + i, line))
    }
}

/// The fenced blocks of a document.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut open: Option<(&str, usize, usize)> = None;
    let mut at = 0;
    text.split_inclusive('\n').enumerate().filter_map(move |(i, line)| {
        let start = at;
        at += line.len();
        let fence = line.strip_prefix("```")?;
        match open.take() {
            None => {
                open = Some((fence.trim(), at, i + 2));
                None
            }
            Some((language, begin, line)) => Some(Block { language, text: &text[begin..start], line }),
        }
    })
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(i, line)| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((i + 1, line))
    })
}

/// The targets of `[…](target)`, with their lines.
pub(super) fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(at, line)| line.split("](").skip(1).filter_map(move |rest| Some((at, rest.split_once(')')?.0))))
}

/// The anchors that headings have, in GitHub's and mdBook's way.
pub(super) fn anchors(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| line.strip_prefix('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    })
}
