//! Names in files are names and nothing else, and nothing in a file is ever executed.

use gradus::cli::config::Config;
use gradus::cli::run;
use gradus::data::{TableOptions, open_table, read_columns};
use std::io::Write;
use std::path::Path;

fn npy(descr: &str, shape: &str, content: &[u8]) -> Vec<u8> {
    let header = format!("{:117}\n", format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"));
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), content].concat()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn names_in_an_archive_are_names_of_columns_wherever_they_point() {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path().join("a/b");
    std::fs::create_dir_all(&folder).unwrap();
    let outside = own.path().join("outside").display().to_string();
    let names = ["../../up", &outside, "C:\\windows\\x", "..\\x", "con", "a\nb"];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in names {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy("|u1", "(2,)", &[3, 4])).unwrap();
    }
    std::fs::write(folder.join("x.npz"), archive.finish().unwrap().into_inner()).unwrap();
    let mut file = open_table(folder.join("x.npz")).unwrap();
    assert_eq!(file.header(), names);
    assert_eq!(read_columns(&mut *file, &TableOptions::new("../../up")).unwrap().features.columns().len(), 5);
    assert_eq!((files(&folder), files(own.path())), (vec!["x.npz".to_string()], vec!["a".to_string()]));
}

#[test]
fn a_name_in_a_file_adds_no_line_to_the_config_that_is_written_for_it() {
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("x.csv");
    std::fs::write(&path, "\"a\n[output]\ndir = \"\"elsewhere\"\"\n#\",,y\nred,,0\nblue,,1\nred,,0\n").unwrap();
    let text = Config::template(&path, "y").unwrap();
    assert!(!text.lines().any(|line| line.starts_with("[output]") || line.starts_with("dir")), "{text}");
    std::fs::write(own.path().join("x.toml"), &text).unwrap();
    let config = Config::load(own.path().join("x.toml"), &[]).unwrap();
    assert_eq!(config.output.dir, None);
    assert!(text.contains("features = { exclude = [1] }"), "{text}");
}

#[test]
fn pickled_objects_are_refused_and_not_loaded() {
    let own = tempfile::tempdir().unwrap();
    let made = own.path().join("made");
    // what Python's pickle would do with it: os.system("touch …")
    let pickle = format!("cos\nsystem\n(S'touch {}'\ntR.", made.display());
    let path = own.path().join("x.npy");
    std::fs::write(&path, npy("|O", "(1,)", pickle.as_bytes())).unwrap();
    let message = open_table(&path).map(drop).unwrap_err().to_string();
    assert!(message.contains("it holds values of the type |O, but only numbers are read"), "{message}");
    assert!(!made.exists());
}

#[test]
fn a_run_folder_names_no_file_outside_of_it_to_be_written() {
    let own = tempfile::tempdir().unwrap();
    let text = |name: &str| own.path().join(name).to_str().unwrap().to_string();
    let gradus = |words: &[&str]| run(clap::Parser::try_parse_from([&["gradus"], words].concat()).unwrap());
    std::fs::write(text("x.csv"), "a,y\n1,0\n2,1\n3,0\n4,1\n5,0\n6,1\n7,0\n8,1\n9,0\n10,1\n11,0\n12,1\n").unwrap();
    let config = "[data]\npath = \"x.csv\"\ntarget = \"y\"\n[model]\nhidden = []\n[train]\nepochs = 1\n[output]\nreport = false\n";
    std::fs::write(text("x.toml"), config).unwrap();
    gradus(&["train", &text("x.toml"), "--device", "cpu", "--quiet", "--out", &text("run")]).unwrap();
    // the folder that was sent says that its output goes elsewhere
    let sent = std::fs::read_to_string(text("run/config.toml")).unwrap();
    let sent: Vec<&str> = sent.lines().filter(|line| !line.starts_with("dir = ")).collect();
    let sent = sent.join("\n").replace("[output]", "[output]\ndir = \"../../elsewhere\"");
    std::fs::write(text("run/config.toml"), sent).unwrap();
    let before = files(own.path());
    gradus(&["eval", &text("run"), &text("x.csv"), "--device", "cpu", "--json"]).unwrap();
    gradus(&["report", &text("run"), "--device", "cpu"]).unwrap();
    assert_eq!(files(own.path()), before);
    assert!(own.path().join("run/report.html").is_file());
}
