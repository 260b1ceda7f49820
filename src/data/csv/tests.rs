//! What is read from text, and what is refused, where and why.

use super::*;
use std::path::PathBuf;
use tempfile::TempDir;

fn put(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("data.csv");
    std::fs::write(&path, text).expect("a file for the test");
    (folder, path)
}

fn read(text: impl AsRef<[u8]>, options: &CsvOptions) -> Result<Table> {
    let (_folder, path) = put(text);
    read_csv(path, options)
}

/// The error's message, from after the folder.
fn message(error: &Error) -> String {
    let message = error.to_string();
    message.split_once("data.csv").map_or(message.clone(), |(_, rest)| rest.to_string())
}

fn refused(text: impl AsRef<[u8]>, options: &CsvOptions) -> String {
    message(&read(text, options).expect_err("refused"))
}

fn strings<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(String::from).to_vec()
}

fn classes<const N: usize>(of: &[u32], names: [&str; N]) -> Targets {
    Targets::Classes { of: of.to_vec(), names: strings(names) }
}

fn values(of: &[f32], name: &str) -> Targets {
    Targets::Values { of: of.to_vec(), names: strings([name]) }
}

#[test]
fn a_file_is_read_with_any_line_end_quotes_blanks_and_mark() {
    let plain = "a,b,kind\n1,-2.5,x\n3e2,.5,\"y, z\"\n";
    let variants = [
        plain.to_string(),
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replace('\n', "\n\n"),
        plain.trim_end().to_string(),
        format!("\u{feff}{plain}"),
        plain.replace("1,-2.5,x", " 1 ,\t-2.5, x "),
        plain.replace("-2.5", "\"-2.5\""),
        "a;b;kind\n1;-2.5;x\n3e2;.5;y, z\n".to_string(),
    ];
    for text in variants {
        let table = read(&text, &CsvOptions::new("kind")).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(table.names(), ["a", "b"], "{text:?}");
        assert_eq!(*table.features(), Features::F32(vec![1.0, -2.5, 300.0, 0.5]), "{text:?}");
        assert_eq!(*table.targets(), classes(&[0, 1], ["x", "y, z"]), "{text:?}");
    }
    let options = CsvOptions { delimiter: Some(b'|'), ..CsvOptions::new("b") };
    assert_eq!(*read("a|b\n1|2\n3|4.5\n", &options).expect("bars").features(), Features::F32(vec![1.0, 3.0]));
}

#[test]
fn columns_are_chosen_by_name_or_index() {
    let text = "a,1,c,y\n1,2,3,0.5\n4,5,6,1.5\n";
    let cases = [
        (Select::All, "y", vec!["a", "1", "c"]),
        (Select::All, "3", vec!["a", "1", "c"]),
        // a name counts before an index
        (Select::All, "1", vec!["a", "c", "y"]),
        (Select::Only(strings(["c", "a"])), "y", vec!["c", "a"]),
        (Select::Only(strings(["2"])), "y", vec!["c"]),
        (Select::Exclude(strings(["0", "c"])), "y", vec!["1"]),
    ];
    for (features, target, wanted) in cases {
        let table = read(text, &CsvOptions { features: features.clone(), ..CsvOptions::new(target) }).expect("sound");
        assert_eq!(table.names(), wanted, "{features:?}");
    }
    let table = read(text, &CsvOptions { features: Select::Only(strings(["c", "a"])), ..CsvOptions::new("y") }).expect("sound");
    assert_eq!(*table.features(), Features::F32(vec![3.0, 1.0, 6.0, 4.0]));
}

#[test]
fn the_target_decides_the_task() {
    let column = |cells: &[&str]| cells.iter().fold(String::from("a,y\n"), |text, cell| text + "0," + cell + "\n");
    let integers: Vec<String> = (0..21).map(|i| i.to_string()).collect();
    let integers: Vec<&str> = integers.iter().map(String::as_str).collect();
    let is_classes = |targets: &Targets| matches!(targets, Targets::Classes { .. });
    let auto = |cells: &[&str]| read(column(cells), &CsvOptions::new("y")).expect("sound").targets().clone();
    assert_eq!(auto(&["b", "a", "b"]), classes(&[1, 0, 1], ["a", "b"]));
    assert_eq!(auto(&["10", "9", "-1", "9.0"]), classes(&[2, 1, 0, 1], ["-1", "9", "10"]));
    assert_eq!(auto(&["0", "-0", "1"]), classes(&[0, 0, 1], ["0", "1"]));
    assert_eq!(auto(&["1", "2.5"]), values(&[1.0, 2.5], "y"));
    assert!(is_classes(&auto(&integers[..20])) && !is_classes(&auto(&integers)));
    // words and a few numbers are classes, and so is a mark for a missing value beside words
    assert_eq!(auto(&["1", "2", "more"]), classes(&[0, 1, 2], ["1", "2", "more"]));
    assert_eq!(auto(&["NA", "EU"]), classes(&[1, 0], ["EU", "NA"]));
    let told = |task, cells: &[&str]| read(column(cells), &CsvOptions { task, ..CsvOptions::new("y") }).expect("sound").targets().clone();
    assert_eq!(told(Task::Regression, &["1", "2"]), values(&[1.0, 2.0], "y"));
    assert_eq!(told(Task::Classification, &["1.50", "0.5", "1.5"]), classes(&[1, 0, 1], ["0.5", "1.5"]));
    assert!(is_classes(&told(Task::Classification, &integers)));
}

#[test]
fn wrong_cells_are_refused_with_their_place() {
    let many: String = (0..30).map(|i| format!("0,{i}.5\n")).collect();
    let cases = [
        (
            "a,b,y\n1,2,0\n1,x,1\n".to_string(),
            ":3:2: feature `b` has `x`, which is not a number: mend it, remove the row, or leave the column out with [data] features = { exclude = [\"b\"] }",
        ),
        ("a,b,y\r\n\r\n1,2,0\r\n1,,1\r\n".to_string(), ":4:2: feature `b` has no value here: mend it"),
        ("a,y\n\"\n1\",0\n?,1\n".to_string(), ":4:1: feature `a` has no value here"),
        ("a,y\nNaN,0\n".to_string(), ":2:1: feature `a` has no value here"),
        ("a,y\n1,0\n-inf,1\n".to_string(), ":3:1: feature `a` has `-inf`, which is not a finite number"),
        ("a,y\n1e39,0\n".to_string(), ":2:1: feature `a` has `1e39`, which is not a finite number in 32 bits"),
        ("a,y\n1,0\n2\n".to_string(), ":3: this row has 1 field, but the header has 2: mend the row"),
        ("a,y\n1,0,5\n2,1\n".to_string(), ":2: this row has 3 fields, but the header has 2: mend the row"),
        ("a,y\n1,0\n2,\"1\n3,0\n4,1,9".to_string(), ":3: a quote is left open in this row"),
        (
            "a,y\n1,0\n\"2,1\n3,0\n".to_string(),
            ":3: this row has 1 field, but the header has 2: one of them goes over several lines: is a quote left open?",
        ),
        ("a,y\n1,0\n2,\n".to_string(), ":3:2: target `y` has no value here: mend it, or remove the row"),
        ("a,y\n1,0.5\n2,NA\n".to_string(), ":3:2: target `y` has no value here"),
        (format!("a,y\n{many}0,3.5x\n"), ":32:2: target `y` has `3.5x`, which is not a number as most others are"),
        ("a,y\n1,a\n2,a\n".to_string(), ":1:2: target `y` has only one class, `a`: give rows of at least two classes"),
        ("a,y\n1,3\n2,3.0\n".to_string(), ":1:2: target `y` has only one class, `3`"),
    ];
    for (text, wanted) in cases {
        let found = refused(&text, &CsvOptions::new("y"));
        assert!(found.starts_with(wanted), "{text:?}: `{found}` does not say `{wanted}`");
    }
    let options = CsvOptions { task: Task::Regression, ..CsvOptions::new("y") };
    assert!(refused("a,y\n1,a\n", &options).starts_with(":2:2: target `y` has `a`, which is not a number: mend it, or remove the row"));
    assert!(refused("a,y\n1,1e39\n", &options).starts_with(":2:2: target `y` has `1e39`, which is not a finite number"));
}

#[test]
fn wrong_headers_and_files_are_refused() {
    let cases: [(&[u8], &str); 9] = [
        (b"", ": the file is empty"),
        (b"\n\r\n", ": the file is empty"),
        (b"a,y\n", ": the file has a header, but no rows: the data set is empty"),
        (b"a,b,a,y\n", ":1:3: column `a` is there twice, first as column 1"),
        (b"\n,a,y\n0,1,2\n", ":2:1: this column has no name: give it one, or leave it out with [data] features = { exclude = [\"0\"] }"),
        (b"5.1,3.5\n4.9,3.0\n", ":1: the first line holds only numbers"),
        (b"a,b\n1,2\n", ":1: there is no column `y` for the target: the columns are `a`, `b`"),
        (b"y\n1\n", ":1:1: there is no column left for the features"),
        (b"a,y\r\n1,0\r\n2,\xff\r\n", ":3: this line is not UTF-8"),
    ];
    for (text, wanted) in cases {
        let found = refused(text, &CsvOptions::new("y"));
        assert!(found.starts_with(wanted), "{:?}: `{found}` does not say `{wanted}`", String::from_utf8_lossy(text));
    }
    // numbers as names are fine when they count the columns
    assert!(read("0,1\n4,5.5\n", &CsvOptions::new("1")).is_ok());
    let (_folder, path) = put("a,y\n1,0.5\n");
    assert!(matches!(read_csv(path.with_extension("none"), &CsvOptions::new("y")), Err(Error::Io { .. })));
    let options = CsvOptions { delimiter: Some(b'"'), ..CsvOptions::new("y") };
    assert!(refused("a,y\n", &options).starts_with("'\"' cannot separate fields"));
}

#[test]
fn wrong_features_are_refused() {
    let cases = [
        (Select::Only(strings(["a", "q"])), ":1: there is no column `q` for the features: the columns are `a`, `b`, `y`"),
        (Select::Only(strings(["a", "7"])), ":1: there is no column `7` for the features"),
        (Select::Only(strings(["a", "y"])), ":1:3: `y` is the target: take it out of [data] features"),
        (Select::Only(strings(["a", "b", "0"])), ":1:1: `0` is among [data] features twice: name it once"),
        (Select::Only(vec![]), ":1:3: there is no column left for the features"),
        (Select::Exclude(strings(["a", "b"])), ":1:3: there is no column left for the features"),
        (Select::Exclude(strings(["c"])), ":1: there is no column `c` for the features"),
    ];
    for (features, wanted) in cases {
        let found = refused("a,b,y\n1,2,0.5\n", &CsvOptions { features: features.clone(), ..CsvOptions::new("y") });
        assert!(found.starts_with(wanted), "{features:?}: `{found}` does not say `{wanted}`");
    }
}

#[test]
fn new_data_are_read_by_the_names_a_model_knows() {
    let text = "note,b,kind,a\nhi,2,y,1\n,4,x,3\n";
    let (_folder, path) = put(text);
    let target = |name: &str, classes| Some(TargetColumn { name: name.into(), classes });
    let columns = |target| Columns { features: strings(["a", "b"]), target, ..Columns::default() };
    let table = read_csv_for(&path, &columns(None)).expect("features only");
    assert_eq!(*table.features(), Features::F32(vec![1.0, 2.0, 3.0, 4.0]));
    assert!(table.targets().is_none());
    // the model's order of classes, not the alphabet's; one class alone is fine here
    let known = columns(target("kind", Some(strings(["z", "y", "x"]))));
    assert_eq!(*read_csv_for(&path, &known).expect("known").targets(), classes(&[1, 2], ["z", "y", "x"]));
    let refused = |columns: &Columns| message(&read_csv_for(&path, columns).expect_err("refused"));
    let unknown = refused(&columns(target("kind", Some(strings(["y", "z"])))));
    assert!(unknown.starts_with(":3:3: target `kind` has class `x`, which the model does not know (it knows `y`, `z`)"), "{unknown}");
    let number = refused(&columns(target("kind", None)));
    assert!(number.starts_with(":2:3: target `kind` has `y`, which is not a number"), "{number}");
    let absent = refused(&columns(target("class", None)));
    assert!(absent.starts_with(":1: there is no column `class` for the target: the columns are `note`, `b`, `kind`, `a`"), "{absent}");
    let absent = refused(&Columns { features: strings(["a", "0"]), ..Columns::default() });
    assert!(absent.starts_with(":1: there is no column `0` for the features"), "{absent}");
    assert!(refused(&Columns::default()).starts_with("no features are wanted"));
}

#[test]
fn numbers_written_otherwise_are_the_same_class() {
    let (_folder, path) = put("a,y\n1,1.0\n2,+3\n3,03\n");
    let target = Some(TargetColumn { name: "y".into(), classes: Some(strings(["1", "3"])) });
    let table = read_csv_for(&path, &Columns { features: strings(["a"]), target, ..Columns::default() }).expect("known");
    assert_eq!(*table.targets(), classes(&[0, 1, 1], ["1", "3"]));
}

#[test]
fn tasks_are_read_back_by_name() {
    for task in Task::ALL {
        assert_eq!(task.name().parse::<Task>().expect("its own name"), task);
    }
    let message = "sorting".parse::<Task>().expect_err("refused").to_string();
    assert_eq!(message, "there is no task `sorting`: set [data] task to one of auto, classification, regression");
}

#[test]
fn a_column_of_weights_is_no_feature() {
    let text = "a,w,kind,b\n1,0.5,x,2\n3,0,y,4\n";
    let options = CsvOptions { weight: Some("w".into()), ..CsvOptions::new("kind") };
    let table = read(text, &options).expect("weighted");
    assert_eq!((table.names(), table.weights()), (&strings(["a", "b"])[..], Some(&[0.5, 0.0][..])));
    assert_eq!(read(text, &CsvOptions { weight: Some("1".into()), ..options.clone() }).expect("by its index"), table);
    let (_folder, path) = put(text);
    let columns = |weight: Option<&str>| Columns { features: strings(["b", "a"]), weight: weight.map(String::from), ..Columns::default() };
    assert_eq!(read_csv_for(&path, &columns(Some("w"))).expect("weighted").weights(), Some(&[0.5, 0.0][..]));
    for absent in [Some("v"), None] {
        assert_eq!(read_csv_for(&path, &columns(absent)).expect("all alike").weights(), None);
    }
}

#[test]
fn weights_that_make_no_sense_are_refused_with_their_place() {
    let of = |weight: &str| CsvOptions { weight: Some(weight.into()), ..CsvOptions::new("kind") };
    assert_eq!(
        refused("a,w,kind\n1,1,x\n3,-2,y\n", &of("w")),
        ":3:2: weight `w` is -2, and a row can not weigh less than nothing: mend it, or remove the row"
    );
    assert!(refused("a,w,kind\n1,much,x\n3,2,y\n", &of("w")).starts_with(":2:2: weight `w` has `much`, which is not a number"));
    assert!(refused("a,w,kind\n1,1,x\n3,,y\n", &of("w")).starts_with(":3:2: weight `w` has no value here"));
    assert!(refused("a,w,kind\n1,1,x\n3,1,y\n", &of("v")).starts_with(":1: there is no column `v` for the weight"));
    assert!(refused("a,w,kind\n1,1,x\n3,1,y\n", &of("kind")).starts_with(":1:3: `kind` is the target: take another column"));
    let message = read("a,w,kind\n1,0,x\n3,0,y\n", &of("w")).expect_err("nothing weighs").to_string();
    assert!(message.contains("all rows have the weight 0"), "{message}");
    let both = CsvOptions { features: Select::Only(strings(["a", "w"])), ..of("w") };
    assert!(refused("a,w,kind\n1,1,x\n3,1,y\n", &both).starts_with(":1:2: `w` is the weight of the rows: take it out of [data] features"));
}
