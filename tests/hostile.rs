//! Files from anywhere: the seeds of all fuzz targets, bombs that unpack to far more than they are, names that point elsewhere, and text that would be
//! more than text where it is written.

#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "hostile/bombs.rs"]
mod bombs;
#[expect(unreachable_pub, reason = "the fuzz targets are another package, to which it is public")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[path = "hostile/names.rs"]
mod names;

use gradus::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// In a debug build, on a machine that does other things, too; libFuzzer is told half of it for what is an optimised one.
const LONGEST: Duration = Duration::from_secs(60);

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

#[test]
fn no_seed_makes_a_target_panic_hang_or_ask_for_more_memory_than_its_bound() {
    for target in fuzz::TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(seeds(target.name)).unwrap_or_else(|e| panic!("the seeds of {}: {e}", target.name)) {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            let began = Instant::now();
            let outcome = std::panic::catch_unwind(|| fuzz::check(target.name, &input));
            assert!(outcome.is_ok(), "{} makes the target panic, see above", path.display());
            assert!(began.elapsed() < LONGEST, "{} takes {:?}", path.display(), began.elapsed());
            count += 1;
        }
        assert!(count >= 3, "{} has {count} seeds", target.name);
    }
}

#[test]
fn each_target_has_a_binary_and_each_folder_of_seeds_a_target() {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let mut wanted: Vec<&str> = fuzz::TARGETS.iter().map(|target| target.name).collect();
    wanted.sort_unstable();
    assert_eq!(names("fuzz_targets"), wanted);
    assert_eq!(names("seeds"), wanted);
}

#[test]
fn seeds_that_are_sound_have_what_is_written_today() {
    // where that has changed, the targets no longer come as far: run fuzz/examples/seeds.rs
    let seed = |target: &str, name: &str| std::fs::read(seeds(target).join(name)).unwrap();
    // times and weights differ from run to run
    let words = |text: &str| text.chars().filter(|c| !c.is_ascii_hexdigit() && !".+-".contains(*c)).collect::<String>();
    let now = fuzz::checkpoints::sound();
    let state = String::from_utf8(seed("resume", "sound")).unwrap();
    assert_eq!(words(&state), words(&now.state));
    let kept = Checkpoint::from_bytes(Path::new("whole-file"), &seed("checkpoint", "whole-file")).unwrap();
    let shapes = |of: &Checkpoint| of.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect::<Vec<_>>();
    assert_eq!(shapes(&kept), shapes(&now));
    assert_eq!((words(&kept.state), kept.about.keys().collect::<Vec<_>>()), (words(&now.state), now.about.keys().collect()));
    let columns = |run: &[u8]| {
        let text = String::from_utf8_lossy(run).into_owned();
        let of_json = |line: &&str| line.starts_with("== ") || line.trim_start().starts_with('"') || line.starts_with("epoch,");
        text.lines().filter(of_json).map(|line| words(line.split(':').next().unwrap_or_default())).collect::<Vec<_>>()
    };
    for target in ["run", "report"] {
        assert_eq!(columns(&seed(target, "sound")), columns(&fuzz::runs::sound()), "{target}");
    }
}
