//! A formula, a rule or a kernel that is written but not in its table would be neither tested nor found by its name.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::kernels::{self, activation, elementwise_loss, update};
use std::fs;
use std::path::Path;

/// The names, as the source says them, of all types that implement a trait in a file or in those of a folder.
fn written(place: &str, trait_name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    let mut files = vec![path.clone()];
    if path.is_dir() {
        files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    }
    let mut names = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // what is behind `mod tests` is for tests only
        let text = text.split("mod tests {").next().unwrap_or_default();
        // documentation has examples of its own
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        for part in code.split(&format!("impl {trait_name} for ")).skip(1) {
            if let Some(rest) = part.split("const NAME: &'static str = \"").nth(1) {
                names.push(rest.split('"').next().unwrap().to_string());
            }
        }
    }
    names
}

fn assert_same(what: &str, mut written: Vec<String>, known: impl Iterator<Item = &'static str>) {
    let mut known: Vec<String> = known.map(String::from).collect();
    assert!(!written.is_empty(), "no {what} was found in the sources: the test looks in the wrong place");
    written.sort();
    known.sort();
    let forgotten: Vec<_> = written.iter().filter(|name| !known.contains(name)).collect();
    assert!(forgotten.is_empty(), "{what} without a row in the table: {forgotten:?}");
    assert_eq!(written, known, "{what}");
}

#[test]
fn every_activation_that_is_written_is_in_the_table() {
    assert_same("activation", written("src/kernels/activation/formulas.rs", "Formula"), activation::TABLE.iter().map(|row| row.name));
}

#[test]
fn every_loss_that_is_written_is_in_the_table() {
    assert_same("loss", written("src/kernels/elementwise_loss/formulas.rs", "Formula"), elementwise_loss::TABLE.iter().map(|row| row.name));
}

#[test]
fn every_optimizer_that_is_written_is_in_the_table() {
    assert_same("optimizer", written("src/kernels/update.rs", "Rule"), update::TABLE.iter().map(|row| row.name));
}

#[test]
fn every_kernel_that_is_written_is_in_the_table() {
    let optimizers: Vec<_> = update::TABLE.iter().map(|row| row.name).collect();
    let mut kernels = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernels");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for part in text.split("impl Kernel for ").skip(1).filter(|part| !part.starts_with('$')) {
            kernels.push(part.split("const NAME: &'static str = \"").nth(1).unwrap().split('"').next().unwrap().to_string());
        }
        // products over rows that are looked up are named where their tiles are
        kernels.extend(text.split("tiles!(\"").skip(1).map(|part| part.split('"').next().unwrap().to_string()));
    }
    kernels.sort();
    kernels.dedup();
    assert_same("kernel", kernels, kernels::all().map(|kernel| kernel.name).filter(|name| !optimizers.contains(name)));
}

#[test]
fn all_names_of_a_table_differ() {
    let tables: [(&str, Vec<&str>); 4] = [
        ("activations", activation::TABLE.iter().map(|row| row.name).collect()),
        ("losses", gradus::Loss::table().iter().map(|row| row.name).collect()),
        ("optimizers", update::TABLE.iter().map(|row| row.name).collect()),
        ("schedules", gradus::schedule::TABLE.iter().map(|row| row.name).collect()),
    ];
    for (what, names) in tables {
        for (n, name) in names.iter().enumerate() {
            assert!(!names[..n].contains(name), "two {what} are called {name}");
        }
    }
}
