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
#[ignore = "writes the seeds that only this crate can make: see fuzz/seeds.py"]
fn write_seeds() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(seeds(target)).unwrap();
        std::fs::write(seeds(target).join(name), bytes).unwrap();
    };
    let checkpoint = fuzz::sound_checkpoint();
    write("resume", "sound", checkpoint.state.as_bytes());
    write("resume", "other-words-in-tensors", &[checkpoint.state.as_bytes(), &[0, 3, 0, 255, 255, 255, 127, 4, 255, 0, 0, 0, 0]].concat());
    let bytes = checkpoint.to_bytes().unwrap();
    write("checkpoint", "whole-file", &bytes);
    write("checkpoint", "body", &bytes[20..bytes.len() - 32]);
    let run = fuzz::sound_run();
    write("run", "sound", &run);
    write("report", "sound", &run);
}
