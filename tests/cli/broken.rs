//! Broken files: each is refused with its place and the remedy, and what only looks broken is not.

use super::bench::Bench;

/// Rows of two features and a class.
fn sound() -> String {
    String::from("a,b,kind\n") + &(0..40).map(|i| format!("{}.5,{},{}\n", i % 7, i % 5, ["x", "y"][i % 2])).collect::<String>()
}

#[test]
fn broken_files_are_refused_with_place_and_remedy() {
    let bench = Bench::new();
    let with = |row: &str| sound() + row + "\n";
    let words: String = (0..30_000).map(|i| format!("word{i},{}\n", i % 3)).collect::<String>().repeat(2);
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        (
            "no delimiter that is known",
            sound().replace(',', ":").into(),
            &["x.csv:1: there is no column `kind`", "the columns are `a:b:kind`"],
        ),
        ("a ragged row", with("1,2").into(), &["x.csv:42: this row has 2 fields, but the header has 3", "mend the row"]),
        ("a header twice", sound().replacen("b,", "a,", 1).into(), &["x.csv:1:2: column `a` is there twice", "rename one"]),
        ("no target", sound().replacen("kind", "sort", 1).into(), &["x.csv:1: there is no column `kind`", "`a`, `b`, `sort`"]),
        (
            "a column without values",
            sound().replacen("a,b", "a,n,b", 1).replace(".5,", ".5,NaN,").into(),
            &["x.csv:1:2: feature `n` has no value", "leave it out"],
        ),
        (
            "one class",
            sound().replace(",y\n", ",x\n").into(),
            &["x.csv:1:3: target `kind` has only one class, `x`", "give rows of at least two"],
        ),
        (
            "many categories",
            (String::from("a,kind\n") + &words).into(),
            &["feature `a` has", "different words", "more than the 1000", "leave it out"],
        ),
        (
            "as many classes as rows",
            (String::from("kind,a\n") + &words).into(),
            &["x.csv:1:1: target `kind` has 30000 different words", "choose another target"],
        ),
        ("a huge number", with("1e39,2,x").into(), &["x.csv:42:1: feature `a` has `1e39`", "not a finite number in 32 bits", "mend it"]),
        ("infinity", with("-inf,2,x").into(), &["x.csv:42:1: feature `a` has `-inf`, which is not a finite number", "mend it"]),
        (
            "a word among numbers",
            with("one,2,x").into(),
            &["x.csv:42:1: feature `a` has `one`, which is not a number as most others are", "types"],
        ),
        ("a gap", with(",2,x").into(), &["x.csv:42:1: feature `a` has no value here", "fill gaps with [data] missing"]),
        ("a gap in the target", with("1,2,").into(), &["x.csv:42:3: target `kind` has no value here", "[data] missing = \"drop\""]),
        ("an empty file", vec![], &["x.csv: the file is empty", "it needs a header"]),
        ("a header alone", b"a,b,kind\n".to_vec(), &["x.csv: the file has a header, but no rows"]),
        (
            "no header",
            b"5,2,3\n4,5,6\n".to_vec(),
            &["x.csv:1: the first line holds only numbers", "begin the file with a line of the columns' names"],
        ),
        ("a binary file", vec![0x7f, b'E', b'L', b'F', 0, 0, 1, 2], &["x.csv: this is a binary file", "export the data as CSV"]),
        ("a spreadsheet", b"PK\x03\x04\x14\x00".to_vec(), &["x.csv: this is a packed file", "export it as CSV"]),
        ("UTF-16", b"\xff\xfea\0,\0k\0\n\0".to_vec(), &["x.csv: this is text in UTF-16", "save the file as UTF-8"]),
        ("Latin-1", [sound().as_bytes(), b"1,2,\xfc\n"].concat(), &["x.csv:42: this line is not UTF-8", "save the file as UTF-8"]),
        ("an open quote", with("1,2,\"x\n3,4,y").into(), &["x.csv:42: a quote is left open in this row", "close it"]),
        (
            "dates",
            sound().replacen("a,b", "day,b", 1).replace(".5,", "-01-02,").replace("\n", "\n200").trim_end_matches("200").into(),
            &["x.csv:2:1: feature `day` holds dates", "make columns of them"],
        ),
    ];
    assert!(cases.len() >= 20);
    for (what, bytes, wanted) in cases {
        bench.write("x.csv", bytes);
        for command in [
            "train x.csv --target kind --device cpu --out run --set data.missing=error",
            "check x.csv --target kind --device cpu --set data.missing=error",
        ] {
            let said = bench.run(command);
            assert_eq!(said.code, 2, "{what}, {command}: {said:?}");
            assert_eq!(said.err.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{what}, {command}: {said:?}");
            for part in wanted {
                assert!(said.err.contains(part), "{what}, {command}: `{part}` is not in {}", said.err);
            }
        }
        assert!(!bench.path("run").exists(), "{what}: something is left behind");
    }
}

#[test]
fn files_that_only_look_broken_are_read() {
    let bench = Bench::new();
    for (what, text) in [
        ("a byte order mark", format!("\u{feff}{}", sound())),
        ("Windows line ends", sound().replace('\n', "\r\n")),
        ("old Macintosh line ends", sound().replace('\n', "\r")),
        ("semicolons", sound().replace(',', ";")),
        ("tabs", sound().replace(',', "\t")),
        ("bars", sound().replace(',', "|")),
        ("blank lines", sound().replace('\n', "\n\n")),
        ("no line end at the end", sound().trim_end().to_string()),
        ("quotes and blanks", sound().replace(",x\n", ", \"x\" \n")),
    ] {
        bench.write("x.csv", text);
        let said = bench.run("check x.csv --target kind --device cpu");
        assert!(said.code == 0 && said.out.contains("data: 28 rows to train, 6 to validate, 6 to test, 2 features"), "{what}: {said:?}");
    }
}

#[test]
fn names_of_files_may_have_blanks_and_other_letters() {
    let bench = Bench::new();
    bench.write("größe & mehr/meine daten.csv", sound());
    bench.write(
        "c.toml",
        "[data]\npath = \"größe & mehr/meine daten.csv\"\ntarget = \"kind\"\n[model]\nhidden = [4]\n[train]\nepochs = 1\n",
    );
    bench.good("train c.toml --device cpu --out run");
    let absent = bench.run("train c.toml --device cpu --out other --set data.path=größe.csv");
    assert!(absent.code == 2 && absent.err.contains("größe.csv"), "{absent:?}");
    std::fs::create_dir(bench.path("folder.csv")).unwrap();
    let folder = bench.run("inspect folder.csv");
    assert!(folder.code == 2 && folder.err.contains("folder.csv: this is a folder: name a file"), "{folder:?}");
}
