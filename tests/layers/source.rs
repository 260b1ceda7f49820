//! Reads sources for `layers.rs`: tokens, the paths in them, and whose each path is. No parser: Rust's tokens are enough to see imports.

use std::collections::{BTreeMap, BTreeSet};

/// A source file as tokens, and the module it is.
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) module: Vec<String>,
    pub(crate) all: Vec<Token>,
}

/// A word, `::` or a sign.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) in_test: bool,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let stem = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let mut all = tokens(text);
        mark_tests(&mut all);
        Source { file: file.to_string(), module: stem.split('/').map(str::to_string).collect(), all }
    }

    fn is_root(&self) -> bool {
        self.module == ["lib"] || self.module == ["main"]
    }

    /// The paths outside of tests that lead into this crate or into a dependency, `use` trees unfolded.
    pub(crate) fn paths(&self, dependencies: &BTreeSet<String>, names: &Names) -> Vec<Written> {
        let home = if self.is_root() { Vec::new() } else { self.module.clone() };
        let tokens = &self.all;
        let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
        let (mut found, mut inline, mut depth, mut i) = (Vec::new(), Vec::new(), 0, 0);
        let (mut in_use, mut exported) = (false, false);
        while i < tokens.len() {
            match text(i) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.retain(|&(_, at)| at <= depth);
                }
                "mod" if text(i + 2) == "{" => inline.push((text(i + 1).to_string(), depth + 1)),
                "use" => (in_use, exported) = (true, i > 0 && (text(i - 1) == "pub" || text(i - 1) == ")")),
                ";" => in_use = false,
                _ => {}
            }
            let before = if i > 0 { text(i - 1) } else { "" };
            let visibility = before == "in" && text(i.wrapping_sub(2)) == "(";
            if tokens[i].in_test || text(i + 1) != "::" || before == "::" || before == "$" || visibility {
                i += 1;
                continue;
            }
            let here: Vec<String> = home.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect();
            let first = text(i);
            let child = in_use && names.modules.contains(&[&here[..], &[first.to_string()]].concat());
            if !child && !matches!(first, "crate" | "gradus" | "self" | "super") && !dependencies.contains(first) {
                i += 1;
                continue;
            }
            let outside = !child && dependencies.contains(first);
            let mut unfolded = Vec::new();
            i = unfold(tokens, i, &[], &mut unfolded);
            for Leaf { segments, name, line } in unfolded {
                let from_root = if outside { None } else { Some(absolute(&here, &segments, child)) };
                let exported = (in_use && exported).then_some(name);
                found.push(Written { segments, line, from_root, exported });
            }
        }
        found
    }
}

/// A path as written, its place, and what it is from the crate's root (`None`: it is another crate's).
pub(crate) struct Written {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    from_root: Option<Vec<String>>,
    /// The name that a `pub use` gives it here.
    exported: Option<String>,
}

/// Whose a path is.
pub(crate) enum Target {
    Crate(String),
    Module(Vec<String>),
    Unknown,
}

/// The modules there are, and the names that are not where their modules are: re-exports and macros.
pub(crate) struct Names {
    modules: BTreeSet<Vec<String>>,
    moved: BTreeMap<Vec<String>, Vec<String>>,
}

impl Names {
    pub(crate) fn new(sources: &[Source]) -> Self {
        let modules = sources.iter().flat_map(|s| (1..=s.module.len()).map(|n| s.module[..n].to_vec())).collect();
        let mut names = Names { modules, moved: BTreeMap::new() };
        for source in sources {
            for pair in source.all.windows(3) {
                let name = vec![pair[2].text.clone()];
                if pair[0].text == "macro_rules" && pair[1].text == "!" && !names.modules.contains(&name) {
                    names.moved.insert(name, source.module.clone());
                }
            }
            let home = if source.is_root() { &[] } else { &source.module[..] };
            for path in source.paths(&BTreeSet::new(), &names) {
                if let (Some(name), Some(from)) = (path.exported, path.from_root) {
                    names.moved.insert([home, &[name]].concat(), from);
                }
            }
        }
        names
    }

    pub(crate) fn target(&self, path: &Written) -> Target {
        let Some(mut at) = path.from_root.clone() else { return Target::Crate(path.segments[0].clone()) };
        // a re-export of a re-export ends somewhere
        for _ in 0..8 {
            match (1..=at.len()).find_map(|n| self.moved.get(&at[..n]).map(|to| [to, &at[n..]].concat()).filter(|to| *to != at)) {
                Some(moved) => at = moved,
                None => break,
            }
        }
        let known = (1..=at.len()).rev().find(|&n| self.modules.contains(&at[..n]));
        known.map_or(Target::Unknown, |n| Target::Module(at[..n].to_vec()))
    }
}

/// A path from the root: `crate::a`, `self::a`, `super::a`, or `a` of a child. (What `main.rs` calls `gradus` is the same tree.)
fn absolute(here: &[String], segments: &[String], child: bool) -> Vec<String> {
    let mut at = if child || matches!(segments[0].as_str(), "self" | "super") { here.to_vec() } else { Vec::new() };
    for segment in segments {
        match segment.as_str() {
            "crate" | "gradus" | "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name.to_string()),
        }
    }
    at
}

/// One path of a `use` tree, and the name it gives.
struct Leaf {
    segments: Vec<String>,
    name: String,
    line: usize,
}

/// Unfolds the `use` tree (or plain path) at token `i` into paths; returns where it ends.
fn unfold(tokens: &[Token], mut i: usize, stem: &[String], found: &mut Vec<Leaf>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let is_word = |i: usize| i < tokens.len() && text(i).chars().all(|c| c.is_alphanumeric() || c == '_' || c == '*');
    let mut segments = stem.to_vec();
    while text(i) != "{" {
        let line = tokens[i.min(tokens.len() - 1)].line;
        let word = is_word(i); // it is not in `Vec::<T>`
        if word {
            segments.push(text(i).to_string());
            i += 1;
        }
        if !word || text(i) != "::" {
            let alias = text(i) == "as";
            let name = if alias { text(i + 1).to_string() } else { segments.last().cloned().unwrap_or_default() };
            if segments.len() > stem.len() {
                found.push(Leaf { segments, name, line });
            }
            return i + if alias { 2 } else { 0 };
        }
        i += 1;
    }
    i += 1;
    while !matches!(text(i), "}" | "") {
        let next = if text(i) == "$" { i + 2 } else { unfold(tokens, i, &segments, found) };
        // on over the comma, and over what is no path: `$($name),+` in a macro
        i = if next == i || text(next) == "," { next + 1 } else { next };
    }
    i + 1
}

/// Marks what stands under `#[cfg(test)]`, or any `cfg` that asks for `test`.
fn mark_tests(tokens: &mut [Token]) {
    let mut i = 0;
    while i + 2 < tokens.len() {
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.text == text);
        if !(is(i, "#") && is(i + 1, "[") && is(i + 2, "cfg")) {
            i += 1;
            continue;
        }
        let close = (i..tokens.len()).find(|&at| is(at, "]")).unwrap_or(tokens.len() - 1);
        let asks = (i..close).any(|at| is(at, "test") && !is(at - 2, "not"));
        let mut end = close + 1;
        if asks {
            // the item: up to its `;`, or to the brace that closes its first brace
            let mut depth = 0usize;
            while end < tokens.len() {
                match tokens[end].text.as_str() {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                end += 1;
                if depth == 0 && matches!(tokens[end - 1].text.as_str(), ";" | "}") {
                    break;
                }
            }
            tokens[i..end].iter_mut().for_each(|token| token.in_test = true);
        }
        i = end;
    }
}

/// Rust's tokens, as far as paths need them: words, `::` and single signs. Comments, strings, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let c: Vec<char> = text.chars().collect();
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    let (mut found, mut i, mut line) = (Vec::new(), 0, 1);
    while i < c.len() {
        let start = i;
        match c[i] {
            '/' if at(i + 1) == '/' => i += c[i..].iter().take_while(|&&c| c != '\n').count(),
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= c.len() {
                        break;
                    }
                }
            }
            '"' => i = after_string(&c, i),
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                i += c[i.min(c.len())..].iter().take_while(|&&c| c != '\'').count() + 1;
            }
            '\'' => i += 1 + c[i + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
            first if first.is_alphanumeric() || first == '_' => {
                i += c[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                let word: String = c[start..i].iter().collect();
                let hashes = c[i..].iter().take_while(|&&c| c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    i += hashes + 1;
                    while i < c.len() && !c[i..].starts_with(&close) {
                        i += 1;
                    }
                    i += close.len();
                } else if matches!(word.as_str(), "b" | "c") && at(i) == '"' {
                    i = after_string(&c, i);
                } else if !(word == "b" && at(i) == '\'' || word == "r" && at(i) == '#') {
                    found.push(Token { text: word, line, in_test: false });
                }
            }
            ':' if at(i + 1) == ':' => {
                found.push(Token { text: "::".to_string(), line, in_test: false });
                i += 2;
            }
            sign => {
                if !sign.is_whitespace() {
                    found.push(Token { text: sign.to_string(), line, in_test: false });
                }
                i += 1;
            }
        }
        line += c[start..i.min(c.len())].iter().filter(|&&c| c == '\n').count();
    }
    found
}

/// Where a string that opens at `i` is over.
fn after_string(c: &[char], mut i: usize) -> usize {
    i += 1;
    while i < c.len() && c[i] != '"' {
        i += if c[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}
