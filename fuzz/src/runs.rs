//! Run folders that somebody sent: a model judged, used, exported, compared and reported.
//!
//! An input is a row of files, each behind a line `== NAME`, which take the place of those of a sound run.

use super::disk;
use clap::Parser;
use gradus::cli::args::Arguments;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// The files that an input may have.
const FILES: [&str; 7] = ["config.toml", "manifest.json", "model.safetensors", "metrics.csv", "flow.csv", "events.jsonl", "new.csv"];

/// Rows to predict for, with their classes.
const NEW: &str = "length,colour,species\n5.1,red,setosa\n,blue,virginica\n6.0,green,setosa\n";

fn gradus(words: &[&str]) -> bool {
    let words = std::iter::once("gradus").chain(words.iter().copied());
    let arguments = Arguments::try_parse_from(words).expect("the words are a command");
    gradus::cli::run(arguments).is_ok()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("folders in memory have plain names")
}

/// The files of a sound run: a net of a few weights for numbers and words.
static SOUND: LazyLock<BTreeMap<&'static str, Vec<u8>>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let colours = ["red", "blue", ""];
    let rows: String =
        (0..40).map(|i| format!("{}.{},{},{}\n", 4 + i % 3, i % 7, colours[i % 3], ["setosa", "virginica"][i % 2])).collect();
    std::fs::write(folder.path().join("rows.csv"), format!("length,colour,species\n{rows}")).expect("a file can be written");
    let config = "version = 1\n[data]\npath = \"rows.csv\"\ntarget = \"species\"\nmissing = \"mean\"\ncategorical = \"embed\"\n[model]\nhidden = [3]\n[train]\nepochs = 2\n\
                  [output]\nreport = false\n";
    std::fs::write(folder.path().join("rows.toml"), config).expect("a file can be written");
    let [config, run] = ["rows.toml", "run"].map(|name| folder.path().join(name));
    assert!(gradus(&["train", text(&config), "--device", "cpu", "--quiet", "--out", text(&run)]), "a sound run is trained");
    let read = |name| std::fs::read(run.join(name)).ok().map(|bytes| (name, bytes));
    FILES.into_iter().filter_map(read).chain([("new.csv", NEW.into())]).collect()
});

/// The files of a sound run as an input.
pub fn sound() -> Vec<u8> {
    SOUND.iter().flat_map(|(name, bytes)| [format!("== {name}\n").as_bytes(), bytes, b"\n"].concat()).collect()
}

/// Puts the sound run into a folder, and over it what the input has; files that no run has are nobody's.
fn unpack(bytes: &[u8]) -> std::path::PathBuf {
    let folder = disk::path("run");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let mut files: BTreeMap<&str, &[u8]> = SOUND.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let mark = b"== ";
    let starts: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i..].starts_with(mark) && (i == 0 || bytes[i - 1] == b'\n')).collect();
    for (i, &start) in starts.iter().enumerate() {
        let part = &bytes[start + mark.len()..starts.get(i + 1).copied().unwrap_or(bytes.len())];
        let Some(end) = part.iter().position(|&byte| byte == b'\n') else { continue };
        let Some(name) = FILES.into_iter().find(|name| name.as_bytes() == &part[..end]) else { continue };
        files.insert(name, part[end + 1..].strip_suffix(b"\n").unwrap_or(&part[end + 1..]));
    }
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file can be written");
    }
    folder
}

/// Judges the model on new data, predicts with it, and exports it.
pub(super) fn run(bytes: &[u8]) {
    let folder = unpack(bytes);
    let (run, new, out) = (text(&folder), folder.join("new.csv"), disk::path("out"));
    let (new, out) = (text(&new), text(&out));
    let judged = gradus(&["eval", run, new, "--device", "cpu", "--json"]);
    let csv = gradus(&["predict", run, new, "--device", "cpu", "--proba", "--out", out]);
    assert!(csv || !judged, "what is judged can be predicted");
    // one of them for each input: all would take long
    let which = bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 6;
    match ["onnx", "safetensors", "npz", "wgsl", "rust"].get(which) {
        Some(format) => gradus(&["export", run, "--to", format, "--overwrite", "--out", out]),
        None => gradus(&["predict", run, new, "--device", "cpu", "--format", "jsonl", "--out", out]),
    };
}

/// Draws what a run wrote down of its course. Its data are not there: what is asked of them is refused.
pub(super) fn report(bytes: &[u8]) {
    let folder = unpack(bytes);
    let (run, out) = (text(&folder), disk::path("out.svg"));
    gradus(&["plot", "run", run, "--out", text(&out)]);
    gradus(&["compare", run, run, "--plot", text(&out), "--json"]);
    gradus(&["report", run, "--device", "cpu"]);
}
