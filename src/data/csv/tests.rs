//! What is read from text, and what is refused, where and why.

use super::*;
use crate::data::source::{CHUNK, Wanted};
use crate::data::{
    ColumnType, Features, Fit, Missing, Preprocessor, Select, Table, TableOptions, Target, Targets, Task, open_table, read_columns,
    read_table,
};
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

fn put(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("data.csv");
    fs::write(&path, text).expect("a file for the test");
    (folder, path)
}

fn read(text: impl AsRef<[u8]>, options: &TableOptions) -> Result<Table> {
    let (_folder, path) = put(text);
    read_table(path, options)
}

/// The error's message, from after the folder.
fn message(error: &Error) -> String {
    let message = error.to_string();
    message.split_once("data.csv").map_or(message.clone(), |(_, rest)| rest.to_string())
}

fn refused(text: impl AsRef<[u8]>, options: &TableOptions) -> String {
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
        let table = read(&text, &TableOptions::new("kind")).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(table.names(), ["a", "b"], "{text:?}");
        assert_eq!(*table.features(), Features::F32(vec![1.0, -2.5, 300.0, 0.5]), "{text:?}");
        assert_eq!(*table.targets(), classes(&[0, 1], ["x", "y, z"]), "{text:?}");
    }
    assert_eq!(*read("a|b\n1|2\n3|4.5\n", &TableOptions::new("b")).expect("bars").features(), Features::F32(vec![1.0, 3.0]));
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
        let table = read(text, &TableOptions { features: features.clone(), ..TableOptions::new(target) }).expect("sound");
        assert_eq!(table.names(), wanted, "{features:?}");
    }
    let table = read(text, &TableOptions { features: Select::Only(strings(["c", "a"])), ..TableOptions::new("y") }).expect("sound");
    assert_eq!(*table.features(), Features::F32(vec![3.0, 1.0, 6.0, 4.0]));
}

#[test]
fn the_target_decides_the_task() {
    let column = |cells: &[&str]| cells.iter().fold(String::from("a,y\n"), |text, cell| text + "0," + cell + "\n");
    let integers: Vec<String> = (0..21).map(|i| i.to_string()).collect();
    let integers: Vec<&str> = integers.iter().map(String::as_str).collect();
    let is_classes = |targets: &Targets| matches!(targets, Targets::Classes { .. });
    let auto = |cells: &[&str]| read(column(cells), &TableOptions::new("y")).expect("sound").targets().clone();
    assert_eq!(auto(&["b", "a", "b"]), classes(&[1, 0, 1], ["a", "b"]));
    assert_eq!(auto(&["10", "9", "-1", "9.0"]), classes(&[2, 1, 0, 1], ["-1", "9", "10"]));
    assert_eq!(auto(&["0", "-0", "1"]), classes(&[0, 0, 1], ["0", "1"]));
    assert_eq!(auto(&["1", "2.5"]), values(&[1.0, 2.5], "y"));
    assert!(is_classes(&auto(&integers[..20])) && !is_classes(&auto(&integers)));
    // words and a few numbers are classes, and so is a mark for a missing value beside words
    assert_eq!(auto(&["1", "2", "more"]), classes(&[0, 1, 2], ["1", "2", "more"]));
    assert_eq!(auto(&["NA", "EU"]), classes(&[1, 0], ["EU", "NA"]));
    let told =
        |task, cells: &[&str]| read(column(cells), &TableOptions { task, ..TableOptions::new("y") }).expect("sound").targets().clone();
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
            ":3:2: feature `b` has `x`, which is not a number as most others are (or set [data] types = { \"b\" = \"category\" }): mend it, remove the row, or leave the column out with [data] features = { exclude = [\"b\"] }",
        ),
        ("a,b,y\r\n\r\n1,2,0\r\n1,,1\r\n".to_string(), ":4:2: feature `b` has no value here: fill gaps with [data] missing = \"mean\""),
        ("a,y\n\"\n1\",0\n?,1\n".to_string(), ":4:1: feature `a` has no value here"),
        ("a,y\n1,0\nNaN,0\n".to_string(), ":3:1: feature `a` has no value here"),
        ("a,y\n1,0\n-inf,1\n".to_string(), ":3:1: feature `a` has `-inf`, which is not a finite number"),
        ("a,y\n1e39,0\n".to_string(), ":2:1: feature `a` has `1e39`, which is not a finite number in 32 bits"),
        ("a,y\n1,0\n2\n".to_string(), ":3: this row has 1 field, but the header has 2: mend the row"),
        ("a,y\n1,0,5\n2,1\n".to_string(), ":2: this row has 3 fields, but the header has 2: mend the row"),
        ("a,y\n1,0\n2,\"1\n3,0\n4,1,9".to_string(), ":3: a quote is left open in this row"),
        (
            "a,y\n1,0\n\"2,1\n3,0\n".to_string(),
            ":3: this row has 1 field, but the header has 2: one of them goes over several lines: is a quote left open?",
        ),
        (
            "a,y\n1,0\n2,\n".to_string(),
            ":3:2: target `y` has no value here: mend it, or leave such rows out with [data] missing = \"drop\"",
        ),
        ("a,y\n1,0.5\n2,NA\n".to_string(), ":3:2: target `y` has no value here"),
        (format!("a,y\n{many}0,3.5x\n"), ":32:2: target `y` has `3.5x`, which is not a number as most others are"),
        ("a,y\n1,a\n2,a\n".to_string(), ":1:2: target `y` has only one class, `a`: give rows of at least two classes"),
        ("a,y\n1,3\n2,3.0\n".to_string(), ":1:2: target `y` has only one class, `3`"),
    ];
    for (text, wanted) in cases {
        let found = refused(&text, &TableOptions::new("y"));
        assert!(found.starts_with(wanted), "{text:?}: `{found}` does not say `{wanted}`");
    }
    let options = TableOptions { task: Task::Regression, ..TableOptions::new("y") };
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
        let found = refused(text, &TableOptions::new("y"));
        assert!(found.starts_with(wanted), "{:?}: `{found}` does not say `{wanted}`", String::from_utf8_lossy(text));
    }
    // numbers as names are fine when they count the columns
    assert!(read("0,1\n4,5.5\n", &TableOptions::new("1")).is_ok());
    let (_folder, path) = put("a,y\n1,0.5\n");
    assert!(matches!(read_table(path.with_file_name("absent.csv"), &TableOptions::new("y")), Err(Error::Io { .. })));
    let quotes = CsvFile::open(&path, Some(b'"')).expect_err("refused").to_string();
    assert!(quotes.starts_with("'\"' cannot separate fields"), "{quotes}");
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
        let found = refused("a,b,y\n1,2,0.5\n", &TableOptions { features: features.clone(), ..TableOptions::new("y") });
        assert!(found.starts_with(wanted), "{features:?}: `{found}` does not say `{wanted}`");
    }
}

/// What a model that was trained on some text reads of another.
fn read_for(trained_on: &str, new: &str, with_target: bool) -> Result<Table> {
    let model = {
        let (_folder, path) = put(trained_on);
        let columns = read_columns(&mut *open_table(&path)?, &TableOptions { missing: Missing::Mean, ..TableOptions::new("kind") })?;
        let rows: Vec<u32> = (0..columns.features.rows() as u32).collect();
        Preprocessor::fit(&columns, &rows, &Fit { missing: Missing::Error, ..Fit::default() })?
    };
    let (_folder, path) = put(new);
    let mut file = open_table(&path)?;
    let wanted = model.wanted(&*file, with_target)?;
    model.apply(file.read_all(&wanted)?)
}

#[test]
fn new_data_are_read_by_the_names_a_model_knows() {
    let trained_on = "a,b,kind\n1,2,z\n3,4,y\n5,6,x\n";
    let text = "note,b,kind,a\nhi,2,y,1\n,4,x,3\n";
    let table = read_for(trained_on, text, false).expect("features only");
    assert_eq!(*table.features(), Features::F32(vec![1.0, 2.0, 3.0, 4.0]));
    assert!(table.targets().is_none());
    // one class alone is fine here, and all of the model's are there
    assert_eq!(*read_for(trained_on, text, true).expect("known").targets(), classes(&[1, 0], ["x", "y", "z"]));
    let refused = |trained_on: &str, text: &str, with_target| message(&read_for(trained_on, text, with_target).expect_err("refused"));
    let unknown = refused("a,b,kind\n1,2,z\n3,4,y\n", text, true);
    assert!(unknown.starts_with(":3:3: target `kind` has class `x`, which the model does not know (it knows `y`, `z`)"), "{unknown}");
    let number = refused("a,b,kind\n1,2,0.5\n3,4,1.5\n", text, true);
    assert!(number.starts_with(":2:3: target `kind` has `y`, which is not a number"), "{number}");
    let absent = refused(trained_on, "a,b\n1,2\n", true);
    assert!(absent.starts_with(":1: there is no column `kind` for the target: the columns are `a`, `b`"), "{absent}");
    let absent = refused(trained_on, "a,kind\n1,x\n", true);
    assert!(absent.starts_with(":1: there is no column `b` for the features: the columns are `a`, `kind`"), "{absent}");
    let absent = refused(trained_on, "c\n1\n", false);
    assert!(absent.starts_with(":1: there are no columns `a`, `b` for the features: the columns are `c`"), "{absent}");
    // a model without a filling for gaps refuses them
    assert!(refused(trained_on, "a,b\n1,NA\n", false).starts_with(":2:2: feature `b` has no value here"), "gaps");
}

#[test]
fn numbers_written_otherwise_are_the_same_class_and_the_same_category() {
    let table = read_for("a,kind\n0,1\n0,3\n", "a,kind\n1,1.0\n2,+3\n3,03\n", true).expect("known");
    assert_eq!(*table.targets(), classes(&[0, 1, 1], ["1", "3"]));
    let (_folder, path) = put("zip,kind\n1,x\n2.0,y\n");
    let types = BTreeMap::from([("zip".to_string(), ColumnType::Category)]);
    let options = TableOptions { types, ..TableOptions::new("kind") };
    let columns = read_columns(&mut *open_table(&path).expect("a file"), &options).expect("columns");
    let model = Preprocessor::fit(&columns, &[0, 1], &Fit::default()).expect("fitted");
    assert_eq!(model.input_names(), ["zip=1", "zip=2"]);
    let (_folder, path) = put("zip\n2\n1.00\n3\n");
    let mut file = open_table(&path).expect("a file");
    let wanted = model.wanted(&*file, false).expect("columns");
    let table = model.apply(file.read_all(&wanted).expect("rows")).expect("a table");
    // the third is unknown: 0 in both
    assert_eq!(*table.features(), Features::F32(vec![0.0, 1.0, 1.0, 0.0, 0.0, 0.0]));
}

#[test]
fn several_targets_are_numbers_side_by_side() {
    let text = "a,y1,b,y2\n1,10,2,20\n3,30,4,40\n";
    let options = TableOptions { target: strings(["y2", "y1"]), ..TableOptions::default() };
    let table = read(text, &options).expect("sound");
    assert_eq!(*table.targets(), Targets::Values { of: vec![20.0, 10.0, 40.0, 30.0], names: strings(["y2", "y1"]) });
    assert_eq!(*table.features(), Features::F32(vec![1.0, 2.0, 3.0, 4.0]));
    let twice = TableOptions { target: strings(["y1", "1"]), ..TableOptions::default() };
    assert!(refused(text, &twice).starts_with(":1:2: `1` is among [data] target twice"));
    assert!(
        refused("a,y1,y2\n1,1,x\n", &TableOptions { target: strings(["y1", "y2"]), ..options }).starts_with(":2:3: target `y2` has `x`")
    );
}

#[test]
fn columns_of_words_become_categories_and_what_is_neither_is_refused() {
    let table = read("colour,n,y\nred,1,0.5\nblue,2,1.5\nNA,3,2.5\nred,4,3.5\n", &TableOptions::new("y")).expect("sound");
    assert_eq!(table.names(), ["colour=NA", "colour=blue", "colour=red", "n"]);
    let rows = [[0., 0., 1., 1.], [0., 1., 0., 2.], [1., 0., 0., 3.], [0., 0., 1., 4.]];
    assert_eq!(*table.features(), Features::F32(rows.concat()));
    for (text, wanted) in [
        (
            "d,y\n2024-01-02,0.5\n2024-02-02,1.5\n",
            ":2:1: feature `d` holds dates or times (`2024-01-02`), and a model takes numbers and words",
        ),
        ("a,b,y\n1,,0.5\n2,?,1.5\n", ":1:2: feature `b` has no value in any of the 2 rows: leave it out"),
        (
            "a,y\n1,0.5\nx,1.5\n3,1.5\n",
            ":3:1: feature `a` has `x`, which is not a number as most others are (or set [data] types = { \"a\" = \"category\" })",
        ),
        ("a,y\n1,0.5\n,1.5\n", ":3:1: feature `a` has no value here: fill gaps with [data] missing = \"mean\""),
        ("c,y\nred,0.5\n,1.5\n", ":3:1: feature `c` has no value here"),
    ] {
        let found = refused(text, &TableOptions::new("y"));
        assert!(found.starts_with(wanted), "{text:?}: `{found}` does not say `{wanted}`");
    }
    let told = |kind| TableOptions { types: BTreeMap::from([("a".to_string(), kind)]), ..TableOptions::new("y") };
    assert_eq!(read("a,y\n1,0.5\nx,1.5\n", &told(ColumnType::Category)).expect("sound").names(), ["a=1", "a=x"]);
    assert!(refused("a,y\nx,0.5\n", &told(ColumnType::Number)).starts_with(":2:1: feature `a` has `x`, which is not a number: mend it"));
    let target = TableOptions { types: BTreeMap::from([("y".to_string(), ColumnType::Number)]), ..TableOptions::new("y") };
    assert!(refused("a,y\n1,0.5\n", &target).starts_with(":1:2: `y` is no feature: take it out of [data] types"));
}

#[test]
fn rows_with_gaps_are_left_out_where_that_is_wanted() {
    let options = TableOptions { missing: Missing::Drop, ..TableOptions::new("y") };
    let table = read("a,c,y\n1,red,0.5\nNA,red,1\n2,,1\n3,blue,\n4,blue,2\n", &options).expect("sound");
    assert_eq!(*table.features(), Features::F32(vec![1.0, 0.0, 1.0, 4.0, 1.0, 0.0]));
    assert_eq!(*table.targets(), values(&[0.5, 2.0], "y"));
    assert!(refused("a,y\n,1.5\n", &options).contains("no value in any"));
    assert!(refused("a,b,y\n,2,0.5\n1,,1.5\n", &options).starts_with(": no row is left: all of them have gaps"));
}

#[test]
fn rows_come_a_chunk_at_a_time_with_their_lines() {
    let rows = 2 * CHUNK + 5;
    let text: String = (0..rows).fold("x,kind\r\n".into(), |text, i| text + &format!("{i},{}\r\n", ["a", "b"][i % 2]));
    let (_folder, path) = put(text + "oops,a\r\n");
    let mut file = CsvFile::open(&path, None).expect("a file");
    let wanted = [Wanted { column: 0, role: crate::data::Role::Feature, kind: crate::data::Kind::Numbers, gaps: crate::data::Gaps::Keep }];
    let mut sizes = Vec::new();
    let error = file
        .read(&wanted, &mut |frame| {
            sizes.push(frame.rows());
            Ok(())
        })
        .expect_err("the last row");
    assert_eq!(sizes, [CHUNK, CHUNK]);
    assert!(message(&error).starts_with(&format!(":{}:1: feature `x` has `oops`", rows + 2)), "{error}");
}

#[test]
fn packed_text_is_read_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.csv.gz");
    let mut packer = flate2::write::GzEncoder::new(File::create(&path).expect("a file"), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, b"a;y\n1;0.5\n2;1.5\nx;2.5\n").expect("written");
    packer.finish().expect("written");
    let error = read_table(&path, &TableOptions::new("y")).expect_err("refused").to_string();
    assert!(error.contains("data.csv.gz:4:1: feature `a` has `x`"), "{error}");
    let exclude = TableOptions { types: BTreeMap::from([("a".into(), ColumnType::Category)]), ..TableOptions::new("y") };
    assert_eq!(read_table(&path, &exclude).expect("sound").rows(), 3);
}

#[test]
fn a_fitted_preprocessor_scales_numbers_and_targets_and_undoes_it() {
    let (_folder, path) = put("a,kind\n1,10\n3,30\n100,1000\n");
    let columns =
        read_columns(&mut *open_table(&path).expect("a file"), &TableOptions { task: Task::Regression, ..TableOptions::new("kind") })
            .expect("columns");
    let fit = Fit { scale: crate::data::Scaling::Standard, target: crate::data::TargetScaling::Standard, ..Fit::default() };
    // of the rows 1 and 3: mean 2, deviation 1; targets: mean 20, deviation 10. The third row is not looked at
    let model = Preprocessor::fit(&columns, &[0, 1], &fit).expect("fitted");
    let table = model.table(columns).expect("a table");
    assert_eq!(*table.features(), Features::F32(vec![-1.0, 1.0, 98.0]));
    assert_eq!((table.targets(), table.units()), (&values(&[-1.0, 1.0, 98.0], "kind"), Some(&[10.0][..])));
    let mut outputs = [0.5, -2.0];
    model.unscale(&mut outputs);
    assert_eq!(outputs, [25.0, 0.0]);
    let text = serde_json::to_string(&model).expect("JSON");
    assert_eq!(serde_json::from_str::<Preprocessor>(&text).expect("what was written"), model);
    assert!(matches!(model.target, Target::Values { .. }));
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
    let options = TableOptions { weight: Some("w".into()), ..TableOptions::new("kind") };
    let table = read(text, &options).expect("weighted");
    assert_eq!((table.names(), table.weights()), (&strings(["a", "b"])[..], Some(&[0.5, 0.0][..])));
    assert_eq!(read(text, &TableOptions { weight: Some("1".into()), ..options.clone() }).expect("by its index"), table);
}

#[test]
fn weights_that_make_no_sense_are_refused_with_their_place() {
    let of = |weight: &str| TableOptions { weight: Some(weight.into()), ..TableOptions::new("kind") };
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
    let both = TableOptions { features: Select::Only(strings(["a", "w"])), ..of("w") };
    assert!(refused("a,w,kind\n1,1,x\n3,1,y\n", &both).starts_with(":1:2: `w` is the weight of the rows: take it out of [data] features"));
}
