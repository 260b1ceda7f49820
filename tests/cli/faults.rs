//! What goes wrong under a run: a full disk, no permission, data that change or vanish, nobody who reads, another run in the same folder, no memory left.
//! Each ends with its message and exit code, and the last checkpoint is one to go on from.

use super::bench::{Bench, config, flowers, signal};
use gradus::checkpoint::Folder;
use gradus::model::Weights;
use std::io::{PipeWriter, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

/// Trains for as long as it is let.
const ENDLESS: &str = "--device cpu --quiet --set model.hidden=[128,128] --set train.epochs=1000000 --set early_stopping=default --set schedule=default --set output.report=false";
/// The same for some epochs. (Narrower layers make thousands of them while a test looks.)
const SHORT: &str = "--device cpu --quiet --set model.hidden=[128,128] --set early_stopping=default --set schedule=default --set output.report=false --json";

/// What a command that has ended said, with its exit code.
fn said(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

/// Goes on with a run for two epochs more: its weights are those of a run that nothing befell.
fn goes_on(bench: &Bench, run: &str, what: &str) {
    let found = Folder::new(bench.path(run).join("checkpoints")).newest().unwrap().expect("a checkpoint");
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let said = bench.run(&format!("train --resume {run} {SHORT} --set train.epochs=1 --force"));
    assert_eq!(said.code, 0, "{said:?}");
    let epochs = said.json()["epochs"].as_u64().unwrap() + 2;
    let resumed = bench.good(&format!("train --resume {run} {SHORT} --set train.epochs={epochs} --force")).json();
    let straight = bench.good(&format!("train {what} {SHORT} --set train.epochs={epochs} --out straight-{run}")).json();
    assert_eq!((&resumed["weights_hash"], &resumed["epochs"]), (&straight["weights_hash"], &straight["epochs"]), "{run}");
}

/// A disk of its own with room for so many files, on which a script is run; `None` where the system lets nobody make one.
#[cfg(target_os = "linux")]
fn on_a_small_disk(bench: &Bench, files: usize, script: &str) -> Option<(Option<i32>, String)> {
    let whole = format!("mount -t tmpfs -o size=64m,nr_inodes={files} none small && cd small\n{script}");
    std::fs::create_dir(bench.path("small")).unwrap();
    let run = |flags: &str, script: &str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script]).current_dir(bench.path("")).env("GRADUS", env!("CARGO_BIN_EXE_gradus"));
        command.env("TMPDIR", bench.path("")).output().ok()
    };
    let flags = ["-m", "-rm"].into_iter().find(|flags| run(flags, "true").is_some_and(|output| output.status.success()))?;
    run(flags, &whole).map(said)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_run_with_its_weights_elsewhere_and_its_checkpoints_whole() {
    let bench = Bench::new();
    // disk, folder, lock, manifest, config, events, the checkpoints' folder and its lock: the ninth is the first checkpoint
    let script = format!(
        "\"$GRADUS\" train moons {SHORT} --set train.epochs=9 --set output.keep=99 --out run; code=$?; cp -r run ../run; exit $code"
    );
    let Some((code, said)) = on_a_small_disk(&bench, 9, &script) else {
        eprintln!("nobody may mount a disk here: tests/faults.rs has the full disk of the library alone");
        return;
    };
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.matches("warning: no checkpoint: ").count(), 0, "--quiet: {said}");
    for part in
        ["error: run/model.safetensors: No space left on device", "make room on this disk", "go on with `gradus train --resume run`"]
    {
        assert!(said.contains(part), "{said}");
    }
    let (_, rescued) = said.split_once("the trained weights are in ").expect("they are rescued");
    let rescued = PathBuf::from(rescued.lines().next().unwrap());
    let straight = bench.good(&format!("train moons {SHORT} --set train.epochs=9 --out straight")).json();
    assert_eq!(rescued, bench.path(&format!("gradus-{}.safetensors", straight["weights_hash"].as_str().unwrap())));
    let [rescued, straight] = [rescued, bench.path("straight/model.safetensors")].map(|path| Weights::load(path).unwrap());
    assert_eq!(rescued, straight);
    goes_on(&bench, "run", "moons");
}

#[test]
fn where_files_may_not_be_as_large_the_run_says_so_and_leaves_nothing() {
    let bench = Bench::new();
    let script = format!("trap '' XFSZ; ulimit -f 0; exec \"$0\" train moons {SHORT} --out run");
    let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_gradus")]).current_dir(bench.path("")).output().unwrap();
    let (code, said) = said(output);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("manifest.json: File too large") && said.contains("`ulimit -f`"), "{said}");
    assert!(!bench.path("run").exists());
}

/// A user that is not root: of root no permission is asked. The binary and all that it needs are where that user comes to.
struct Nobody<'a> {
    bench: &'a Bench,
    binary: PathBuf,
    root: bool,
}

impl<'a> Nobody<'a> {
    fn new(bench: &'a Bench) -> Self {
        let root = std::fs::metadata(bench.path("")).unwrap().uid() == 0;
        let binary = bench.path("gradus");
        std::fs::copy(env!("CARGO_BIN_EXE_gradus"), &binary).unwrap();
        let nobody = Nobody { bench, binary, root };
        nobody.allow("", 0o777);
        nobody
    }

    fn allow(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.bench.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn start(&self, arguments: &str) -> Child {
        let mut command = Command::new(&self.binary);
        command.args(arguments.split_whitespace()).current_dir(self.bench.path("")).env("TMPDIR", self.bench.path("tmp"));
        if self.root {
            command.uid(65_534).gid(65_534);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn fails(&self, arguments: &str, parts: &[&str]) {
        let (code, said) = said(self.start(arguments).wait_with_output().unwrap());
        assert_eq!(code, Some(2), "{arguments}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments}: `{part}` is not in {said}");
        }
    }
}

#[test]
fn without_permission_a_run_says_what_it_may_not_and_keeps_what_it_has() {
    let bench = Bench::new();
    bench
        .write("d.csv", flowers(60))
        .write("d.toml", config("d.csv", "species"))
        .write("closed/mine.txt", "mine")
        .write("tmp/mine.txt", "");
    let nobody = Nobody::new(&bench);
    nobody.allow("d.csv", 0o000);
    nobody.fails(&format!("train d.toml {SHORT} --out run"), &["d.csv: Permission denied", "check the permissions"]);
    nobody.allow("d.csv", 0o644);
    nobody.allow("closed", 0o555);
    nobody.fails(&format!("train d.toml {SHORT} --out closed/run"), &["closed/run: Permission denied", "check the permissions"]);
    nobody.fails(&format!("train d.toml {SHORT} --out closed/deep/run"), &["closed/deep: Permission denied"]);
    nobody.allow("tmp", 0o777);

    // the folder is closed under the run
    let mut child = nobody.start(&format!("train d.toml {ENDLESS} --out run"));
    bench.wait_for_checkpoint(&mut child, "run");
    ["run/checkpoints", "run"].into_iter().for_each(|path| nobody.allow(path, 0o555));
    signal(&child, "TERM");
    let (code, said) = said(child.wait_with_output().unwrap());
    assert_eq!(code, Some(2), "{said}");
    for part in
        ["run/model.safetensors: Permission denied", "check the permissions", "the trained weights are in ", "gradus train --resume run"]
    {
        assert!(said.contains(part), "`{part}` is not in {said}");
    }
    let rescued = std::fs::read_dir(bench.path("tmp")).unwrap().map(|entry| entry.unwrap().path());
    let rescued: Vec<_> = rescued.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors")).collect();
    assert!(matches!(&rescued[..], [one] if Weights::load(one).is_ok()), "{rescued:?}");
    // whoever may not write into it does not go on with it either
    nobody.fails("train --resume run --device cpu", &["Permission denied"]);
    ["run", "run/checkpoints"].into_iter().for_each(|path| nobody.allow(path, 0o755));
    goes_on(&bench, "run", "d.toml");
}

#[test]
fn data_that_change_or_vanish_under_a_run_do_not_touch_it_and_are_missed_when_it_goes_on() {
    let bench = Bench::new();
    bench.write("d.csv", flowers(60)).write("d.toml", config("d.csv", "species"));
    let mut child = bench.start(&format!("train d.toml {ENDLESS} --out run"));
    bench.wait_for_checkpoint(&mut child, "run");
    std::fs::remove_file(bench.path("d.csv")).unwrap();
    signal(&child, "INT");
    let (code, said) = said(child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{said}");
    let resume = "train --resume run --device cpu --set train.epochs=1000001 --force";
    bench.fails(resume, 2, &["there is no file", "d.csv"]);
    for other in [flowers(57), flowers(60).replacen("0.000", "0.001", 1), flowers(60).replace("virginica", "virginica2")] {
        bench.write("d.csv", other);
        bench.fails(resume, 2, &["the checkpoint is of another training", "data was ", "begin anew"]);
    }
    bench.write("d.csv", "").fails(resume, 2, &["d.csv", "empty"]);
    bench.write("d.csv", flowers(60));
    goes_on(&bench, "run", "d.toml");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused_and_what_was_trained_on_it_before_is_kept() {
    let bench = Bench::new();
    bench.write("d.csv", flowers(20_000)).write("d.toml", config("d.csv", "species"));
    bench.good(&format!("train d.toml {SHORT} --set train.batch=500 --set train.epochs=2 --out run"));
    let (path, over) = (bench.path("d.csv"), AtomicBool::new(false));
    let said = std::thread::scope(|scope| {
        // somebody writes it again and again
        scope.spawn(|| {
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            let mut moments = (0..).map(|second| UNIX_EPOCH + Duration::from_secs(second));
            while !over.load(Ordering::Relaxed) {
                file.set_modified(moments.next().unwrap()).unwrap();
            }
        });
        let commands = ["train --resume run --device cpu --set train.epochs=3 --force", "train d.toml --device cpu --out other"];
        let said = commands.map(|command| bench.run(command));
        over.store(true, Ordering::Relaxed);
        said
    });
    for said in said {
        let told = said.err.contains("d.csv: this file changed while it was read") && said.err.contains("wait until it is written");
        assert!(said.code == 2 && told, "{said:?}");
    }
    assert!(!bench.path("other").exists(), "it never began");
    goes_on(&bench, "run", "d.toml --set train.batch=500");
}

#[test]
fn another_run_in_the_folder_is_left_alone() {
    let bench = Bench::new();
    let mut child = bench.start(&format!("train moons {ENDLESS} --out run"));
    bench.wait_for_checkpoint(&mut child, "run");
    let wanted = ["another training is writing into run", "name another folder"];
    for other in
        ["train moons --device cpu --out run --overwrite", "train --resume run --device cpu", "train moons --device cpu --out run --resume"]
    {
        bench.fails(other, 2, &wanted);
    }
    bench.fails("train moons --device cpu --out run", 2, &["run is there already"]);
    // a kill lets go of it
    signal(&child, "KILL");
    child.wait().unwrap();
    goes_on(&bench, "run", "moons");
}

/// The end of a pipe that nobody reads.
fn unread() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

#[test]
fn nobody_who_reads_is_no_fault() {
    let bench = Bench::new();
    bench.write("d.csv", flowers(60)).write("d.toml", config("d.csv", "species"));
    bench.good(&format!("train d.toml {SHORT} --set train.epochs=2 --out run"));
    let commands = [
        &format!("train d.toml {SHORT} --set train.epochs=2 --out other"),
        "check d.toml --device cpu",
        "eval run --device cpu",
        "eval run --device cpu --json",
        "predict run d.csv --device cpu",
        "inspect d.csv",
        "new d.csv --target species",
        "devices",
        "doctor",
        "parity sgd --device cpu",
        "gradcheck moons",
        "compare run run",
        "completions bash",
        "--help",
        "--version",
    ];
    for arguments in commands {
        for both in [false, true] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
            command.args(arguments.split_whitespace()).current_dir(bench.path("")).stdin(Stdio::null()).stdout(unread());
            let err = if both { Stdio::from(unread()) } else { Stdio::piped() };
            let mut child = command.stderr(err).spawn().unwrap();
            let mut said = String::new();
            child.stderr.take().map(|mut err| err.read_to_string(&mut said));
            let code = child.wait().unwrap().code();
            assert_eq!(code, Some(0), "{arguments}: {said}");
            // Mesa has something to say of its own
            let mut own = said.lines().filter(|line| !line.contains("XDG_RUNTIME_DIR"));
            assert!(own.all(|line| !line.contains("panicked") && !line.contains("error")), "{arguments}: {said}");
            if arguments.starts_with("train") {
                let [one, other] = ["run", "other"].map(|run| std::fs::read(bench.path(run).join("model.safetensors")).unwrap());
                assert_eq!(one, other, "the run is whole");
                std::fs::remove_dir_all(bench.path("other")).unwrap();
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let bench = Bench::new();
    bench.good(&format!("train moons {SHORT} --set train.epochs=1 --out run"));
    for arguments in ["eval run --device cpu", "devices", "check moons --device cpu"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        command.args(arguments.split_whitespace()).current_dir(bench.path("")).stdin(Stdio::null()).stdout(full);
        let (code, said) = said(command.output().unwrap());
        assert_eq!(code, Some(2), "{arguments}: {said}");
        assert!(said.contains("standard output: No space left on device"), "{arguments}: {said}");
    }
}

#[test]
fn a_device_is_verified_where_that_is_asked_for() {
    let bench = Bench::new();
    let said = bench.good("train moons --device cpu --set train.epochs=1 --verify --out run");
    assert!(said.err.contains("verified: the device computes each of "), "{said:?}");
    #[cfg(feature = "gpu")]
    for (info, _) in gradus::exec::gpu::adapters() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        command.args(["train", "moons", "--set", "train.epochs=1", "--verify", "--overwrite", "--out", "run", "--device", &info.name]);
        let (code, said) = self::said(command.current_dir(bench.path("")).output().unwrap());
        assert!(code == Some(0) && said.contains("verified: the device computes each of "), "{said}");
    }
}

/// The memory of the process is bounded, and with it that of a software driver.
#[cfg(all(target_os = "linux", feature = "gpu"))]
#[test]
fn a_device_without_memory_left_ends_a_run_with_the_numbers() {
    let bench = Bench::new();
    let Some((info, _)) = gradus::exec::gpu::adapters().into_iter().find(|(info, _)| info.kind == gradus::exec::DeviceType::Software)
    else {
        assert!(std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no software driver found, and one is required");
        return;
    };
    // few weights, and for each of 10 wide layers two buffers of 840 x 20,000 numbers: 1.3 GB. Threads want room for their stacks: two on any machine
    let hidden = ["20000,1"; 10].join(",");
    let job = format!(
        "sine --set model.hidden=[{hidden}] --set model.activation=relu --set train.batch=840 --set early_stopping=default --set schedule=default \
         --set output.report=false"
    );
    bench.good(&format!("train {job} --device cpu --set train.epochs=1 --out run"));
    for begin in [format!("{job} --out other"), "--resume run --force".to_string()] {
        let script = format!("ulimit -v 1500000; exec \"$0\" train {begin} --set train.epochs=2 --device \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_gradus"), &info.name]).current_dir(bench.path(""));
        let few = ["LP_NUM_THREADS", "RAYON_NUM_THREADS", "MALLOC_ARENA_MAX"];
        let (code, said) = said(command.envs(few.map(|threads| (threads, "2"))).output().unwrap());
        assert_eq!(code, Some(4), "{said}");
        for part in [" bytes left", "the largest buffers are `", "use a smaller batch", "--device cpu"] {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
    }
    assert!(!bench.path("other").exists(), "it never began");
    let on_cpu = "--device cpu --set train.epochs=2 --quiet --json";
    let [resumed, straight] = ["--resume run --force".to_string(), format!("{job} --out straight")]
        .map(|begin| bench.good(&format!("train {begin} {on_cpu}")).json()["weights_hash"].clone());
    assert_eq!(resumed, straight);
}
