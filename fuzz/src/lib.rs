//! What is done with bytes from anywhere: one function a kind of file, the whole way that a user's file goes. The fuzz targets run them on what libFuzzer
//! makes up; `tests/hostile.rs` runs the same ones on the seeds.

pub mod checkpoints;
mod config;
mod disk;
mod formulas;
mod images;
pub mod runs;
mod tables;

/// A kind of input.
#[derive(Debug)]
pub struct Target {
    /// What it is called: `fuzz_targets/NAME.rs`, `seeds/NAME`.
    pub name: &'static str,
    /// Reads the bytes, and does with what was read what a user does. It panics where that is not as it should be; a file that is refused is as it should
    /// be.
    pub run: fn(&[u8]),
    /// How many bytes may be allocated at one time for each byte of the input, beside [`BASE`]: what a byte of the densest file becomes.
    pub per_byte: u64,
}

/// What may be allocated whatever the length of the input: buffers of readers, a training and its device, and what a packed file of a few bytes may unpack
/// to (`gradus::data`: 64 MiB).
pub const BASE: u64 = 256 << 20;

/// All of them.
pub static TARGETS: &[Target] = &[
    // a comma of the header is a column: its name in each list of names, its scan, its cells on the way, its coding
    Target { name: "csv", run: tables::csv, per_byte: 8192 },
    // a byte may be a column, as above, without text
    Target { name: "npy", run: tables::npy, per_byte: 8192 },
    Target { name: "npz", run: tables::npz, per_byte: 8192 },
    Target { name: "safetensors", run: tables::safetensors, per_byte: 8192 },
    // a value may be run-length encoded: what a page unpacks to is bounded by its size, what it holds by the rows of the file
    Target { name: "parquet", run: tables::parquet, per_byte: 8192 },
    Target { name: "idx", run: images::pair, per_byte: 8192 },
    Target { name: "checkpoint", run: checkpoints::bytes, per_byte: 16 },
    Target { name: "resume", run: checkpoints::resume, per_byte: 256 },
    Target { name: "config", run: config::text, per_byte: 4096 },
    Target { name: "expr", run: formulas::text, per_byte: 4096 },
    Target { name: "run", run: runs::run, per_byte: 4096 },
    Target { name: "report", run: runs::report, per_byte: 4096 },
];

/// Runs a target on an input. Panics where the target does, and where more is allocated than the input's length allows.
pub fn check(name: &str, input: &[u8]) {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else { panic!("there is no target `{name}`") };
    let most = BASE + target.per_byte * input.len() as u64;
    let found = allocation_counter::measure(|| (target.run)(input)).bytes_max;
    assert!(found <= most, "{name}: {found} bytes were allocated at one time for an input of {} bytes, of {most} at most", input.len());
}
