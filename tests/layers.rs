//! Who may import whom, which module may name wgpu, and who may print: ARCHITECTURE.md's invariants, read off the sources.

#[path = "layers/source.rs"]
mod source;

use source::{Names, Source, Target};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A module (with all below it that has no row of its own), the modules it may use, and the crates. Every module may use itself, the
/// standard library, and [`FOR_ALL`].
struct Layer {
    module: &'static str,
    may_use: &'static [&'static str],
    crates: &'static [&'static str],
}

const FOR_ALL: &[&str] = &["error", "rng"];
const ANY: &[&str] = &["*"];

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { module: "error", may_use: &[], crates: &["thiserror"] },
    Layer { module: "rng", may_use: &[], crates: &["rand"] },
    Layer { module: "precision", may_use: &[], crates: &[] },
    Layer { module: "hyper", may_use: &[], crates: &[] },
    Layer { module: "flow", may_use: &[], crates: &[] },
    // kernel and formula are one thing in two files: what a kernel is, and what it may be filled with
    Layer { module: "kernel", may_use: &["formula", "matmul"], crates: &["bytemuck", "libm", "ndarray", "num_traits"] },
    // the CPU path's threads, vectors and matrix products
    Layer { module: "parallel", may_use: &[], crates: &["pulp", "rayon"] },
    Layer { module: "matmul", may_use: &["parallel"], crates: &["half", "pulp"] },
    Layer { module: "formula", may_use: &["expr", "kernel"], crates: &[] },
    Layer { module: "expr", may_use: &["kernel"], crates: &["num_traits"] },
    Layer { module: "plan", may_use: &["kernel", "formula"], crates: &[] },
    Layer { module: "kernels", may_use: &["kernel", "plan", "formula", "expr", "hyper", "flow", "matmul", "parallel", "precision"], crates: &["bytemuck", "num_traits"] },
    Layer { module: "model", may_use: &["kernel", "plan", "precision", "formula", "hyper", "kernels", "loss", "optim", "clip", "metrics", "flow", "data"], crates: &["bytemuck", "safetensors", "sha2"] },
    Layer { module: "loss", may_use: &["kernel", "plan", "formula", "expr", "hyper", "kernels", "data"], crates: &[] },
    Layer { module: "optim", may_use: &["kernel", "plan", "formula", "kernels", "hyper"], crates: &[] },
    Layer { module: "clip", may_use: &["kernel", "plan", "kernels"], crates: &[] },
    Layer { module: "schedule", may_use: &["hyper", "expr"], crates: &[] },
    Layer { module: "lr_find", may_use: &[], crates: &[] },
    Layer { module: "metrics", may_use: &[], crates: &["ndarray"] },
    Layer { module: "data", may_use: &[], crates: &["bytemuck", "csv", "flate2", "ndarray", "parquet", "rand", "safetensors", "serde", "serde_json", "sha2", "zip", "bytes"] },
    // opens an executor for a device; who runs a plan knows the trait only
    Layer { module: "exec", may_use: &["kernel", "plan", "precision", "parallel", "exec::cpu", "exec::gpu"], crates: &[] },
    Layer { module: "exec::cpu", may_use: &["kernel", "plan", "exec", "parallel"], crates: &["num_traits"] },
    Layer { module: "exec::gpu", may_use: &["kernel", "plan", "formula", "exec"], crates: &["bytemuck", "futures_intrusive", "pollster", "rayon", "wgpu"] },
    // compares the twins with a device: it knows the executors, and of the kernels only the table
    Layer { module: "parity", may_use: &["kernel", "plan", "formula", "kernels", "exec", "exec::cpu", "exec::gpu", "precision"], crates: &[] },
    Layer { module: "plot", may_use: &[], crates: &["plotters"] },
    // another program's format
    Layer { module: "tensorboard", may_use: &[], crates: &["crc", "prost"] },
    // what an executor wrote down, summed up for a reader
    Layer { module: "profile", may_use: &["plan", "model", "exec"], crates: &["serde_json"] },
    Layer { module: "gradcheck", may_use: &["kernel", "plan", "model", "exec", "exec::cpu"], crates: &[] },
    // bytes on a disk, whatever they mean
    Layer { module: "checkpoint", may_use: &[], crates: &["bytemuck", "safetensors", "serde", "serde_json", "sha2"] },
    Layer { module: "train", may_use: &["checkpoint", "kernel", "plan", "precision", "formula", "exec", "model", "loss", "optim", "clip", "schedule", "lr_find", "metrics", "flow", "data", "parity", "gradcheck", "profile"], crates: &["serde", "serde_json"] },
    // asks a trained model
    Layer { module: "importance", may_use: &["data", "formula", "loss", "metrics", "model", "train"], crates: &[] },
    // times the public face of others
    Layer { module: "bench", may_use: &["kernel", "plan", "kernels", "exec", "data", "train"], crates: &[] },
    Layer { module: "export", may_use: &["formula", "expr", "exec", "model", "loss", "data", "train"], crates: &["ndarray", "ndarray_npy", "prost", "serde_json"] },
    Layer { module: "cli", may_use: ANY, crates: ANY },
    Layer { module: "main", may_use: ANY, crates: ANY },
    Layer { module: "lib", may_use: ANY, crates: &[] },
];

/// The one module that names wgpu, tests and all, and those that print.
const NAMES_WGPU: &str = "exec::gpu";
const PRINTS: &[&str] = &["cli", "main"];

#[test]
fn every_module_keeps_to_its_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    let mut files = Vec::new();
    collect(&root.join("src"), "src", &mut files);
    assert!(files.len() > 2, "only {} source files were found", files.len());
    let faults = faults(&files, &dependencies(&manifest));
    assert!(faults.is_empty(), "\n{}\n(the table is in tests/layers.rs, the reasons are in ARCHITECTURE.md)", faults.join("\n"));
}

/// Whoever waits for the GPU elsewhere would stop the host from encoding ahead. (Writing waits for the oldest of the buffers that it goes through,
/// when the device has not taken it yet: that is what bounds how far ahead the host may be.)
#[test]
fn reading_is_the_only_thing_that_waits_for_the_gpu() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "src", &mut files);
    let calls = |what: &str| files.iter().flat_map(|(name, text)| text.matches(what).map(move |_| name.as_str())).collect::<Vec<_>>();
    assert_eq!(calls("PollType::Wait"), ["src/exec/gpu/adapters.rs"], "the one place that waits is `Context::wait`");
    assert_eq!(
        calls(".poll("),
        ["src/exec/gpu/adapters.rs"; 2],
        "`Context::first_fault` asks, once something went wrong, and does not wait"
    );
    assert_eq!(calls("context.wait(None)"), ["src/exec/gpu/mod.rs"], "the one place that waits for all work is the executor's read");
    assert_eq!(
        calls("context.wait(Some("),
        ["src/exec/gpu/staging.rs"],
        "the one place that waits for a submission is the ring of uploads"
    );
}

/// wgpu is asked for what it hands out to `unsafe` code only; nothing else must be `unsafe`.
#[test]
fn unsafe_is_written_in_one_place() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "src", &mut files);
    let written = |what: &str| files.iter().flat_map(|(name, text)| text.matches(what).map(move |_| name.as_str())).collect::<Vec<_>>();
    for (what, times) in [("unsafe {", 2), ("(unsafe_code", 1)] {
        assert_eq!(written(what), vec!["src/exec/gpu/liberties.rs"; times], "`{what}`");
    }
    for what in ["unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"] {
        assert_eq!(written(what), [""; 0], "`{what}`");
    }
}

fn collect(folder: &Path, name: &str, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = format!("{name}/{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, files);
        } else if name.ends_with(".rs") {
            files.push((name, fs::read_to_string(&path).expect("UTF-8")));
        }
    }
}

/// The names of `[dependencies]`, as Rust writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    section
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect()
}

/// What is wrong in these files (`src/…`, text), each with its place.
fn faults(files: &[(String, String)], dependencies: &BTreeSet<String>) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(name, text)| Source::new(name, text)).collect();
    let names = Names::new(&sources);
    let mut faults = Vec::new();
    for source in &sources {
        let place = |line: usize| format!("{}:{line}", source.file);
        let Some(layer) = layer_of(&source.module) else {
            faults.push(format!("{}: the module `{}` is in no layer: give it a row", place(1), source.module.join("::")));
            continue;
        };
        let allowed = |list: &[&str], what: &str| list == ANY || list.contains(&what);
        for path in source.paths(dependencies, &names) {
            let written = path.segments.join("::");
            match names.target(&path) {
                Target::Crate(name) => {
                    // who names wgpu has a rule of its own, below
                    if !allowed(layer.crates, &name) && name != "wgpu" {
                        let list = one_of(layer.crates, "no crate of others");
                        faults.push(format!("{}: `{}` uses the crate `{name}`: it may use {list}", place(path.line), layer.module));
                    }
                }
                Target::Module(module) => match layer_of(&module) {
                    Some(to) if to.module == layer.module || FOR_ALL.contains(&to.module) || allowed(layer.may_use, to.module) => {}
                    Some(to) => {
                        let list = one_of(layer.may_use, "nothing of ours but errors and chance");
                        let (from, to) = (layer.module, to.module);
                        faults.push(format!(
                            "{}: `{from}` imports `{written}`, which is `{to}`'s: `{from}` may use {list}",
                            place(path.line)
                        ));
                    }
                    None => {}
                },
                Target::Unknown if allowed(layer.may_use, "") => {}
                Target::Unknown => {
                    faults.push(format!("{}: whose is `{written}`? Import it from the module that has it", place(path.line)))
                }
            }
        }
        let inside = |module: &str| layer.module == module;
        for (i, token) in source.all.iter().enumerate() {
            if token.text == "wgpu" && !inside(NAMES_WGPU) {
                faults.push(format!("{}: only `{NAMES_WGPU}` names wgpu", place(token.line)));
            }
            let next = source.all.get(i + 1).map_or("", |t| &t.text);
            let prints = matches!(token.text.as_str(), "println" | "eprintln" | "print" | "eprint" | "dbg") && next == "!"
                || matches!(token.text.as_str(), "stdout" | "stderr") && next == "(";
            if prints && !token.in_test && !PRINTS.iter().any(|module| inside(module)) {
                faults.push(format!("{}: the library does not print (`{}`): return it, or send an event", place(token.line), token.text));
            }
        }
    }
    faults.dedup();
    faults
}

/// The row of a module: its own, or that of the nearest module above it.
fn layer_of(module: &[String]) -> Option<&'static Layer> {
    (1..=module.len()).rev().find_map(|n| LAYERS.iter().find(|layer| layer.module == module[..n].join("::")))
}

fn one_of(list: &[&str], none: &str) -> String {
    if list.is_empty() { none.to_string() } else { list.join(", ") }
}

/// The faults of one made-up file beside a small, good crate.
fn faults_of(file: &str, text: &str) -> Vec<String> {
    let mut files: Vec<(String, String)> = [
        ("src/lib.rs", "pub mod plan;\npub use plan::Plan;\npub use exec::{cpu::Cpu as Host, Executor};"),
        ("src/kernel.rs", "#[macro_export]\nmacro_rules! params { () => { $crate::train::nothing() } }"),
        ("src/plan.rs", "use crate::kernel::Step;\npub struct Plan;"),
        ("src/exec/mod.rs", "pub mod cpu;\npub mod gpu;\npub use cpu::Cpu;\npub trait Executor {}\nuse crate::plan;"),
        ("src/exec/cpu.rs", "use super::Executor;\npub struct Cpu;"),
        ("src/exec/gpu/mod.rs", "use wgpu::Buffer;\nmod bind;"),
        ("src/exec/gpu/bind.rs", "use super::super::Executor;\nuse crate::error::Result;\nfn f(b: wgpu::Buffer) {}"),
        ("src/kernels/mod.rs", "use crate::params;"),
        ("src/error.rs", ""),
        ("src/rng.rs", "macro_rules! all { ($($name:ident)+) => { use crate::{$($name),+}; } }"),
    ]
    .map(|(file, text)| (file.to_string(), text.to_string()))
    .into();
    files.retain(|(name, _)| name != file);
    files.push((file.to_string(), text.to_string()));
    faults(&files, &["wgpu", "ndarray"].map(String::from).into())
}

#[test]
#[rustfmt::skip]
fn what_breaks_a_layer_is_found_with_its_place() {
    for (file, text, wanted) in [
        ("src/plan.rs", "use std::fmt;\nuse crate::exec::Executor;", "src/plan.rs:2: `plan` imports `crate::exec::Executor`, which is `exec`'s"),
        ("src/plan.rs", "use crate::{\n  kernel::Step,\n  exec::{self, cpu}};", "src/plan.rs:3: `plan` imports `crate::exec::cpu`, which is `exec::cpu`'s"),
        ("src/train/mod.rs", "fn f() {\n  let k = crate::kernels::named(\"x\");\n}", "src/train/mod.rs:2: `train` imports `crate::kernels::named`"),
        ("src/train/mod.rs", "use crate::exec::Cpu;", "src/train/mod.rs:1: `train` imports `crate::exec::Cpu`, which is `exec::cpu`'s"),
        ("src/train/mod.rs", "use crate::Host;", "src/train/mod.rs:1: `train` imports `crate::Host`, which is `exec::cpu`'s"),
        ("src/train/mod.rs", "use crate::Cpu;", "whose is `crate::Cpu`?"),
        ("src/train/mod.rs", "use crate::*;", "whose is `crate::*`?"),
        ("src/train/fit.rs", "use super::super::exec::gpu::Gpu;", "`train` imports `super::super::exec::gpu::Gpu`, which is `exec::gpu`'s"),
        ("src/train/fit.rs", "mod inner {\n use super::super::super::kernels;\n}", "src/train/fit.rs:2: `train` imports"),
        ("src/exec/cpu.rs", "use crate::kernels::matmul;", "src/exec/cpu.rs:1: `exec::cpu` imports `crate::kernels::matmul`"),
        ("src/exec/gpu/bind.rs", "/* // */ use super::super::cpu::Cpu;", "`exec::gpu` imports `super::super::cpu::Cpu`"),
        ("src/plan.rs", "fn f<'a>(c: char) { let q = '\"'; ndarray::arr1(&[1]); }", "src/plan.rs:1: `plan` uses the crate `ndarray`"),
        ("src/exec/cpu.rs", "#[cfg(test)]\nmod tests {\n  use wgpu::Buffer;\n}", "src/exec/cpu.rs:3: only `exec::gpu` names wgpu"),
        ("src/cli/mod.rs", "fn f(b: wgpu::Buffer) {}", "src/cli/mod.rs:1: only `exec::gpu` names wgpu"),
        ("src/data/mod.rs", "fn f() {\n\n  eprintln!(\"read\");\n}", "src/data/mod.rs:3: the library does not print (`eprintln`)"),
        ("src/data/mod.rs", "fn f() { writeln!(std::io::stdout(), \"x\"); }", "the library does not print (`stdout`)"),
        ("src/odds_and_ends.rs", "", "src/odds_and_ends.rs:1: the module `odds_and_ends` is in no layer"),
    ] {
        let found = faults_of(file, text);
        assert!(found.iter().any(|fault| fault.contains(wanted)), "in {text:?} of {file}\nwanted {wanted}\nfound  {found:#?}");
    }
}

#[test]
#[rustfmt::skip]
fn what_keeps_to_its_layer_is_left_alone() {
    for (file, text) in [
        ("src/plan.rs", "//! See [`crate::exec::Executor`].\n/* crate::exec::gpu /* nested */ wgpu */ use crate::kernel::Step;"),
        ("src/plan.rs", "const A: &str = \"crate::exec wgpu println!\"; const B: &str = r#\"crate::train \" wgpu\"#;"),
        ("src/plan.rs", "pub(in crate::plan) fn f() {}\npub(crate) struct S<'a>(&'a str, char);\nfn g() -> S<'static> { S(\"\", '\\'') }"),
        ("src/plan.rs", "#[cfg(test)]\nmod tests {\n use super::*;\n use crate::exec::cpu::Cpu;\n fn f() { println!(\"{}\", crate::train::x()); }\n}"),
        ("src/train/mod.rs", "use crate::{Plan, exec::Executor, error::Result};\nmod fit;\nuse fit::Fit;"),
        ("src/train/mod.rs", "macro_rules! own { () => {} }\nfn f() { crate::plan::Plan; self::g(); super::rng::h() }"),
        ("src/kernels/mod.rs", "use crate::params;\nuse crate::{error::Error, kernel};"),
        ("src/metrics/mod.rs", "use ndarray::ArrayView2;"),
        ("src/cli/mod.rs", "use crate::exec::gpu::Gpu;\nfn f() { println!(\"{}\", gradus::kernels::all().count()); }"),
        ("src/main.rs", "use gradus::cli;\nfn main() { eprintln!() }"),
    ] {
        let found = faults_of(file, text);
        assert!(found.is_empty(), "in {text:?} of {file}\nfound {found:#?}");
    }
}
