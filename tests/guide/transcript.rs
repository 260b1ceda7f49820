//! Follows a document as its reader would: writes the files that it shows, types its commands, compares what comes.
//!
//! In a `console` block a line `$ …` is a command for `sh`, and the lines below are what it prints. `...` stands for any lines and `[..]` for any part of
//! one (snapbox's marks). A `toml` block whose first line is `# NAME.toml` is a file of that name.

use super::markdown::blocks;
use snapbox::IntoData as _;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Someone with a folder, the guide's data in it, and `gradus` on the path.
pub(super) struct Reader(TempDir);

/// What a command printed, on either stream, and its exit code.
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) text: String,
}

impl Reader {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (name, from) in [("flats.csv", "docs/guide/src/flats.csv"), ("iris.csv", "data/iris.csv")] {
            std::fs::copy(super::root().join(from), folder.path().join(name)).unwrap();
        }
        Reader(folder)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Runs a line of a shell. No adapter is found there: the documents show what a machine without a GPU does.
    pub(super) fn run(&self, line: &str) -> Said {
        let binaries = Path::new(env!("CARGO_BIN_EXE_gradus")).parent().unwrap();
        let path = std::env::join_paths(
            std::iter::once(binaries.to_path_buf()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("({line}) 2>&1")).current_dir(self.folder()).env("PATH", path.unwrap()).env("NO_COLOR", "1");
        // the name is enough; without drivers there is nothing to load first
        shell.env("WGPU_ADAPTER_NAME", "nowhere").env("VK_DRIVER_FILES", "/nowhere").env("VK_ICD_FILENAMES", "/nowhere");
        let output = shell.stdin(std::process::Stdio::null()).output().unwrap();
        Said { code: output.status.code().unwrap_or(-1), text: String::from_utf8(output.stdout).unwrap() }
    }

    /// Does all that a document shows, in its order, and counts the commands; the error is the first that said something else, with its line.
    pub(super) fn follow(&self, document: &str) -> Result<usize, String> {
        let mut commands = 0;
        for block in blocks(document) {
            let name = block.text.lines().next().and_then(|line| line.strip_prefix("# ")).filter(|name| name.ends_with(".toml"));
            if let ("toml", Some(name)) = (block.language, name) {
                std::fs::write(self.folder().join(name), block.text).unwrap();
            }
            if block.language != "console" {
                continue;
            }
            let mut steps: Vec<(usize, &str, String)> = Vec::new();
            for (at, line) in block.lines() {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push((at, command, String::new())),
                    // the bar is there on a terminal only
                    (None, Some(step)) if !line.starts_with('━') => step.2 += &format!("{line}\n"),
                    (None, _) => {}
                }
            }
            for (at, command, shown) in steps {
                self.check(command, &shown).map_err(|message| format!("{at}: $ {command}\n{message}"))?;
                commands += 1;
            }
        }
        Ok(commands)
    }

    fn check(&self, command: &str, shown: &str) -> Result<(), String> {
        let said = self.run(command);
        let shown = shown.trim_end_matches('\n');
        let fails = shown.lines().any(|line| line.starts_with("error: "));
        match (fails, said.code) {
            (false, code) if code != 0 => return Err(format!("ended with exit code {code}: {}", said.text)),
            (true, 0) => return Err("shows an error, but ends with exit code 0".into()),
            _ => {}
        }
        let printed = settle(said.text.trim_end_matches('\n'), shown);
        snapbox::Assert::new().try_eq(Some(&command), printed.into_data(), shown.into_data()).map_err(|difference| difference.to_string())
    }
}

/// The lines that were printed; those that differ from a line that is shown only in what another machine may change are that line.
fn settle(printed: &str, shown: &str) -> String {
    let mut ahead = shown.lines();
    let lines = printed.lines().map(|line| {
        let mut rest = ahead.clone();
        match rest.find(|shown| alike(line, shown)) {
            Some(same) => {
                ahead = rest;
                same
            }
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether two lines tell the same: times, rates, shares, hashes and the epochs that a training took may be any, numbers with a point are those of another
/// processor (within a tenth, or 0.02), all else is equal.
fn alike(line: &str, shown: &str) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let (line, shown) = (words(line), words(shown));
    let bare = |word: Option<&String>| word.map(|word| word.trim_matches([',', ';', ':', '(', ')', '.']).to_string()).unwrap_or_default();
    let digits = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    line.len() == shown.len()
        && (0..line.len()).all(|i| {
            let (before, after) = (bare(i.checked_sub(1).and_then(|i| shown.get(i))), bare(shown.get(i + 1)));
            let free = matches!(before.as_str(), "epoch" | "hash") || matches!(after.as_str(), "s" | "samples/s" | "epochs" | "%");
            line[i] == shown[i]
                || (free && digits(&line[i]) == digits(&shown[i]))
                || (before == "hash" && bare(line.get(i)).len() == bare(shown.get(i)).len())
                || close(&line[i], &shown[i])
        })
}

/// Whether two words are equal but for numbers with a point or an exponent, which are close.
fn close(word: &str, shown: &str) -> bool {
    let fields = |word: &str| word.split([',', '(', ')', ';', '%']).map(str::to_string).collect::<Vec<_>>();
    let (word, shown) = (fields(word), fields(shown));
    word.len() == shown.len()
        && word.iter().zip(&shown).all(|(word, shown)| {
            let numbers = word.parse::<f64>().ok().zip(shown.parse::<f64>().ok());
            let whole = |word: &str| !word.contains(['.', 'e']);
            word == shown || numbers.is_some_and(|(a, b)| !whole(word) && !whole(shown) && (a - b).abs() <= 0.02 + 0.1 * b.abs())
        })
}
