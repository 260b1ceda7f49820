//! README.md and the guide (docs/guide): their transcripts are what the real binary says, their configs are accepted, their links lead somewhere.
#![cfg(all(unix, feature = "cli"))]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "guide/markdown.rs"]
mod markdown;
#[path = "guide/transcript.rs"]
mod transcript;

use markdown::{blocks, links};
use std::path::{Path, PathBuf};
use transcript::Reader;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the chapters of the guide, with their texts.
fn documents() -> Vec<(PathBuf, String)> {
    let chapters = std::fs::read_dir(root().join("docs/guide/src")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = chapters.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    paths.push(root().join("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn transcripts_are_what_the_binary_says() {
    let mut wrong = String::new();
    let mut commands = 0;
    for (path, text) in documents() {
        match Reader::new().follow(&text) {
            Ok(count) => commands += count,
            Err(message) => wrong += &format!("{}:{message}\n", path.display()),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(commands >= 40, "only {commands} commands were found: are transcripts still marked as `console`?");
}

#[test]
fn a_transcript_that_is_not_what_the_binary_says_is_found() {
    let told =
        |output: &str| Reader::new().follow(&format!("text\n\n```console\n$ gradus check sine --device cpu | head -1\n{output}```\n"));
    let right = told("data: 840 rows to train, 180 to validate, 180 to test, 1 features\n");
    assert_eq!(right, Ok(1));
    assert_eq!(told("...\n"), Ok(1), "what is left out may be anything");
    let whole = told("data: 841 rows to train, 180 to validate, 180 to test, 1 features\n").unwrap_err();
    assert!(whole.starts_with("4: ") && whole.contains("841 rows"), "{whole}");
    assert!(told("").is_err(), "a line too few");
    assert!(Reader::new().follow("```console\n$ false\n```\n").unwrap_err().contains("ended with exit code 1"));
    assert!(Reader::new().follow("```console\n$ echo error: none\nerror: none\n```\n").unwrap_err().contains("shows an error"));
}

#[test]
fn commands_without_their_output_have_options_that_there_are() {
    let reader = Reader::new();
    for (path, text) in documents() {
        for block in blocks(&text).filter(|block| block.language == "sh") {
            for (at, line) in block.lines() {
                let command = line.split("  #").next().unwrap_or_default().trim();
                if command.starts_with("gradus ") {
                    let said = reader.run(&format!("{command} --help"));
                    assert_eq!(said.code, 0, "{}:{at}: {command}: {}", path.display(), said.text);
                }
            }
        }
    }
}

#[test]
fn configs_are_accepted() {
    let mut count = 0;
    for (path, text) in documents() {
        for block in blocks(&text).filter(|block| block.language == "toml") {
            let reader = Reader::new();
            // a part of a config is made whole
            let mut config = block.text.to_string();
            for (section, rest) in [("[data]", "name = \"digits\""), ("[model]", "hidden = [8]")] {
                if !config.contains(section) && !config.contains(&section.replace(']', ".")) {
                    config += &format!("\n{section}\n{rest}\n");
                }
            }
            std::fs::write(reader.folder().join("config.toml"), config).unwrap();
            let said = reader.run("gradus check config.toml --device cpu");
            assert_eq!(said.code, 0, "{}:{}: {}", path.display(), block.line, said.text);
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} configs were found");
}

#[test]
fn the_config_of_the_readme_trains() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let reader = Reader::new();
    std::fs::write(reader.folder().join("c.toml"), blocks(&readme).find(|block| block.language == "toml").unwrap().text).unwrap();
    let said = reader.run("gradus train c.toml --device cpu --set train.epochs=2 --json --quiet");
    let json: serde_json::Value = serde_json::from_str(&said.text).unwrap_or_else(|e| panic!("{e} in {}", said.text));
    assert!(json["metrics"]["test_accuracy"].as_f64().unwrap() > 0.8, "{json:#}");
}

#[test]
fn rust_is_compiled_with_the_doc_tests() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (path, text) in documents() {
        let name = format!("include_str!(\"../{}\")", path.strip_prefix(root()).unwrap().display());
        let has = blocks(&text).any(|block| block.language.starts_with("rust"));
        assert!(!has || library.contains(&name), "{} has Rust: name it in src/lib.rs among the doc tests", path.display());
    }
}

#[test]
fn links_lead_to_files_and_every_chapter_is_in_the_summary() {
    let documents = documents();
    for (path, text) in &documents {
        for (line, link) in links(text) {
            let file = link.split('#').next().unwrap_or_default();
            if link.contains("://") || file.is_empty() {
                continue;
            }
            let target = path.parent().unwrap().join(file);
            assert!(target.exists(), "{}:{line}: there is no {file}", path.display());
            if let Some((_, anchor)) = link.split_once('#') {
                let headings = std::fs::read_to_string(&target).unwrap();
                assert!(
                    markdown::anchors(&headings).any(|known| known == anchor),
                    "{}:{line}: no heading #{anchor} in {file}",
                    path.display()
                );
            }
        }
    }
    let summary = std::fs::read_to_string(root().join("docs/guide/src/SUMMARY.md")).unwrap();
    let listed: Vec<&str> = links(&summary).map(|(_, link)| link).collect();
    for (path, _) in documents.iter().filter(|(path, _)| path.starts_with(root().join("docs"))) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || listed.contains(&name), "{name} is not in SUMMARY.md");
    }
}
