//! A folder to run the real binary in, and what the binary said there.

use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder of its own, gone at the end of the test.
pub(super) struct Bench(TempDir);

/// What a run of the binary said, and its exit code.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    /// The last line of stdout as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// The lines of stdout.
    pub(super) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Bench(TempDir::new().unwrap())
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// Reads a file.
    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Runs `gradus` with these words, parted by spaces.
    pub(super) fn run(&self, arguments: &str) -> Said {
        self.run_with(arguments, "")
    }

    /// Runs `gradus` with these words, parted by spaces, and a text on its standard input.
    pub(super) fn run_with(&self, arguments: &str, input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env("NO_COLOR", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // whoever reads nothing has closed it
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts `gradus` with these words, parted by spaces, and leaves it running.
    #[cfg(unix)]
    pub(super) fn start(&self, arguments: &str) -> std::process::Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until a run that goes on has written a checkpoint.
    #[cfg(unix)]
    pub(super) fn wait_for_checkpoint(&self, child: &mut std::process::Child, run: &str) {
        let kept = gradus::checkpoint::Folder::new(self.path(run).join("checkpoints"));
        wait(child, || kept.numbers().is_ok_and(|numbers| !numbers.is_empty()));
    }

    /// Waits until a file of a run that goes on has this in it.
    #[cfg(unix)]
    pub(super) fn wait_for(&self, child: &mut std::process::Child, file: &str, wanted: &str) {
        wait(child, || std::fs::read_to_string(self.path(file)).is_ok_and(|text| text.contains(wanted)));
    }

    /// Runs `gradus`, which must succeed.
    pub(super) fn good(&self, arguments: &str) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "gradus {arguments}: {said:?}");
        said
    }

    /// Runs `gradus`, which must end with this exit code, say all of this on stderr, and print no result.
    pub(super) fn fails(&self, arguments: &str, code: i32, parts: &[&str]) {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "gradus {arguments}: {said:?}");
        assert!(said.out.is_empty(), "gradus {arguments}: {said:?}");
        for part in parts {
            assert!(said.err.contains(part), "gradus {arguments}: `{part}` is not in\n{}", said.err);
        }
    }
}

#[cfg(unix)]
fn wait(child: &mut std::process::Child, mut until: impl FnMut() -> bool) {
    while !until() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before what was waited for");
        std::thread::yield_now();
    }
}

/// Sends a signal by its name: INT, TERM, KILL.
#[cfg(unix)]
pub(super) fn signal(child: &std::process::Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

/// Three kinds of flower, well apart; one has a comma and quotes in its name. Rows come in the order of the kinds 0, 1, 2, 0, …
pub(super) fn flowers(rows: usize) -> String {
    let kinds = ["setosa", "\"ver\"\"si, color\"", "virginica"];
    (0..rows).fold("sepal,petal,species\n".into(), |text, i| {
        let jitter = (i * 37 % 101) as f64 / 200.0;
        text + &format!("{:.3},{:.3},{}\n", (i % 3) as f64 + jitter, 3.0 - (i % 3) as f64 - jitter / 2.0, kinds[i % 3])
    })
}

/// A config for a csv file: one hidden layer, quickly learnt.
pub(super) fn config(data: &str, target: &str) -> String {
    format!(
        "version = 1\nseed = 3\n\n[data]\npath = \"{data}\"\ntarget = \"{target}\"\n\n[model]\nhidden = [16]\n\n\
         [optimizer]\ntype = \"adam\"\nlr = 0.02\n\n[train]\nepochs = 40\nbatch = 16\n"
    )
}

/// An IDX file of bytes.
pub(super) fn idx(dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
    let head = [0, 0, 8, dimensions.len() as u8].into_iter().chain(dimensions.iter().flat_map(|d| d.to_be_bytes()));
    head.chain(bytes.iter().copied()).collect()
}
