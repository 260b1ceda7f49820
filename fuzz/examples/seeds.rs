//! Writes the seeds that only the crate itself can make, those of checkpoints and runs: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`. The
//! others are written by `fuzz/seeds.py`.

use gradus_fuzz::{checkpoints, runs};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)
    };
    let checkpoint = checkpoints::sound();
    write("resume", "sound", checkpoint.state.as_bytes())?;
    write("resume", "other-words-in-tensors", &[checkpoint.state.as_bytes(), &[0, 3, 0, 255, 255, 255, 127, 4, 255, 0, 0, 0, 0]].concat())?;
    let bytes = checkpoint.to_bytes()?;
    write("checkpoint", "whole-file", &bytes)?;
    write("checkpoint", "body", &bytes[20..bytes.len() - 32])?;
    let run = runs::sound();
    write("run", "sound", &run)?;
    write("report", "sound", &run)?;
    Ok(())
}
