//! What is fitted, on which rows, and what becomes of cells.

use super::*;
use crate::data::columns::{Columns, Missing};
use crate::data::frame::{Cells, Column, Frame, GAP};
use crate::data::{Features, Scaling};
use crate::error::Error;

fn words(of: &[u32], words: &[&str]) -> Cells {
    Cells::Words { of: of.to_vec(), words: words.iter().map(|word| (*word).to_string()).collect() }
}

fn columns(cells: Vec<Cells>) -> Columns {
    let rows = cells[0].len();
    let named = cells.into_iter().enumerate().map(|(i, cells)| Column { name: format!("c{i}"), cells }).collect();
    let targets = Targets::Values { of: vec![0.0; rows], names: vec!["y".into()] };
    Columns { features: Frame::new(named), targets, target: "y".into(), weights: None }
}

fn fitted(cells: Cells, rows: &[u32], fit: &Fit) -> (Preprocessor, Vec<f32>) {
    let columns = columns(vec![cells]);
    let model = Preprocessor::fit(&columns, rows, fit).expect("fitted");
    let table = model.table(columns).expect("a table");
    let Features::F32(inputs) = table.features().clone() else { panic!("bytes") };
    (model, inputs)
}

fn refused(cells: Cells, rows: &[u32], fit: &Fit) -> String {
    let refused: Error = Preprocessor::fit(&columns(vec![cells]), rows, fit).expect_err("refused");
    refused.to_string()
}

#[test]
fn gaps_are_filled_by_what_the_training_rows_say() {
    let cells = || Cells::Numbers(vec![1.0, f32::NAN, 2.0, 6.0, 1000.0]);
    // the last row is not for training: mean 9/3, median 2
    for (missing, filled) in [(Missing::Mean, 3.0), (Missing::Median, 2.0), (Missing::Zero, 0.0)] {
        let (_, inputs) = fitted(cells(), &[0, 1, 2, 3], &Fit { missing, ..Fit::default() });
        assert_eq!(inputs, [1.0, filled, 2.0, 6.0, 1000.0], "{missing:?}");
    }
    // of an even number of cells the median is between: (1 + 2)/2
    let (_, inputs) = fitted(cells(), &[0, 1, 2], &Fit { missing: Missing::Median, ..Fit::default() });
    assert_eq!(inputs[1], 1.5);
    // what is filled in is scaled with the others: mean 3 of 1, 2 and 6, deviation √(14/3)
    let (_, inputs) = fitted(cells(), &[0, 2, 3], &Fit { missing: Missing::Mean, scale: Scaling::Standard, ..Fit::default() });
    assert_eq!(inputs[1], 0.0);
    assert!((inputs[0] + 2.0 / (14f32 / 3.0).sqrt()).abs() < 1e-6, "{inputs:?}");
    let empty = refused(Cells::Numbers(vec![f32::NAN, 1.0]), &[0], &Fit { missing: Missing::Mean, ..Fit::default() });
    assert!(empty.starts_with("feature `c0` has no value in any of the 1 rows for training"), "{empty}");
}

#[test]
fn words_that_training_has_not_seen_are_unknown() {
    // `green` is in a row that is not for training
    let cells = || words(&[0, 1, GAP, 0, 2], &["red", "blue", "green"]);
    let (model, inputs) = fitted(cells(), &[0, 1, 3], &Fit::default());
    assert_eq!(model.input_names(), ["c0=blue", "c0=red"]);
    assert_eq!(inputs, [0., 1., 1., 0., 0., 0., 0., 1., 0., 0.]);
    // where training has gaps, what is unknown has an input of its own
    let (model, inputs) = fitted(cells(), &[0, 1, 2], &Fit::default());
    assert_eq!(model.input_names(), ["c0=blue", "c0=red", "c0=?"]);
    assert_eq!(inputs, [0., 1., 0., 1., 0., 0., 0., 0., 1., 0., 1., 0., 0., 0., 1.]);
    let (model, inputs) = fitted(cells(), &[0, 1, 3], &Fit { categorical: Categorical::Embed, ..Fit::default() });
    // 1.6 · 2^0.56 = 2.36
    assert_eq!(model.features[0].coding, Coding::Embed { words: vec!["blue".into(), "red".into()], width: 2 });
    assert_eq!(inputs, [2.0, 1.0, 0.0, 2.0, 0.0]);
}

#[test]
fn names_of_rows_and_too_many_words_are_refused() {
    let names: Vec<String> = (0..1100).map(|i| format!("name {i}")).collect();
    let cells = |rows: u32| Cells::Words { of: (0..rows).map(|row| row % 1100).collect(), words: names.clone() };
    let all: Vec<u32> = (0..2200).collect();
    let message = refused(cells(2200), &all[..60], &Fit::default());
    assert!(message.starts_with("feature `c0` has another word in each of the 60 rows for training (`name 0`)"), "{message}");
    let message = refused(cells(2200), &all, &Fit::default());
    assert!(
        message.contains("1100 different words in the rows for training, more than the 1000 that one_hot takes: set [data] categorical"),
        "{message}"
    );
    let (model, _) = fitted(cells(2200), &all, &Fit { categorical: Categorical::Embed, ..Fit::default() });
    assert!(matches!(&model.features[0].coding, Coding::Embed { words, .. } if words.len() == 1100));
    // a few rows may well differ in all their words
    assert!(Preprocessor::fit(&columns(vec![cells(2200)]), &all[..49], &Fit::default()).is_ok());
}

#[test]
fn a_preprocessing_that_nothing_was_fitted_to_is_refused() {
    let refused = |features: &str, target: &str| {
        let text = format!("{{\"features\":[{features}],\"target\":{target}}}");
        let read: Preprocessor = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        read.check().unwrap_err().to_string()
    };
    let number = "{\"column\":\"x\",\"coding\":\"number\",\"shift\":0,\"scale\":1}";
    let classes = "{\"kind\":\"classes\",\"column\":\"y\",\"names\":[\"a\",\"b\"]}";
    let good = format!("{{\"features\":[{number}],\"target\":{classes}}}");
    assert!(serde_json::from_str::<Preprocessor>(&good).unwrap().check().is_ok());
    let values = |unit: &str| format!("{{\"kind\":\"values\",\"columns\":[{{\"column\":\"y\",\"shift\":0,\"unit\":{unit}}}]}}");
    let embed = "{\"column\":\"x\",\"coding\":\"embed\",\"words\":[],\"width\":18446744073709551615}";
    let none = "{\"column\":\"x\",\"coding\":\"one_hot\",\"words\":[],\"gaps\":false}";
    let cases = [
        ("", classes.to_string(), "it needs a feature and a target"),
        (number, "{\"kind\":\"values\",\"columns\":[]}".to_string(), "it needs a feature and a target"),
        (number, "{\"kind\":\"classes\",\"column\":\"y\",\"names\":[\"a\",\"a\"]}".to_string(), "names a class twice"),
        (number, values("0"), "of column `y` has a unit that is not above 0"),
        (number, values("1e39"), "of column `y` has a unit that is not above 0"),
        (embed, classes.to_string(), "of column `x` makes vectors of 18446744073709551615 numbers: it must be 1 to 600"),
        (none, classes.to_string(), "of column `x` makes no input of it"),
    ];
    for (features, target, wanted) in cases {
        let told = refused(features, &target);
        assert!(told.contains(wanted), "`{told}` does not say `{wanted}`");
    }
}
