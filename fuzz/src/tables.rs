//! Files of columns: looked through, read as features and targets in several ways, made into inputs, and once more by what was fitted.

use super::disk;
use gradus::cli::config::Config;
use gradus::data::{
    Categorical, ColumnType, Dataset, Fit, Missing, Preprocessor, Scaling, Select, TableOptions, TargetScaling, Task, inspect, open_table,
    read_columns,
};
use gradus::model::Weights;
use std::path::Path;

pub(super) fn csv(bytes: &[u8]) {
    let name = if bytes.starts_with(&[0x1f, 0x8b]) { "data.csv.gz" } else { "data.csv" };
    table(&disk::file(name, bytes));
}

pub(super) fn npy(bytes: &[u8]) {
    table(&disk::file("data.npy", bytes));
}

pub(super) fn npz(bytes: &[u8]) {
    table(&disk::file("data.npz", bytes));
}

pub(super) fn parquet(bytes: &[u8]) {
    table(&disk::file("data.parquet", bytes));
}

/// As data, and as the weights of a model.
pub(super) fn safetensors(bytes: &[u8]) {
    let path = disk::file("data.safetensors", bytes);
    table(&path);
    let Ok(weights) = Weights::load(&path) else { return };
    let _ = weights.check(&gradus::Model::input(3).dense(4).relu().batch_norm().dense(2));
    let again = weights.to_safetensors().expect("what was read can be written");
    let back = Weights::load(disk::file("again.safetensors", &again)).expect("what was written can be read");
    assert_eq!(back.hash(), weights.hash());
}

fn table(path: &Path) {
    let Ok(file) = open_table(path) else { return };
    let header = file.header().to_vec();
    drop(file);
    let last = header.len() - 1;
    for (options, fit) in ways(last) {
        read(path, &options, &fit);
    }
    if let Ok(mut file) = open_table(path) {
        let _ = inspect(&mut *file, None);
    }
    // what it suggests is a config
    if let Ok(text) = Config::template(path, &last.to_string()) {
        let config = Config::load(disk::file("template.toml", text.as_bytes()), &[]);
        assert!(config.is_ok(), "{}\n{text}", config.unwrap_err());
    }
}

/// What a user may want of the columns.
fn ways(last: usize) -> [(TableOptions, Fit); 4] {
    let (first, last) = ("0".to_string(), last.to_string());
    let one = |target: &str| TableOptions::new(target);
    let fit = Fit::default();
    [
        (one(&last), fit),
        (
            TableOptions { missing: Missing::Mean, ..one(&first) },
            Fit { scale: Scaling::Standard, missing: Missing::Mean, target: TargetScaling::Standard, ..fit },
        ),
        (
            TableOptions {
                missing: Missing::Drop,
                task: Task::Classification,
                types: [(first.clone(), ColumnType::Category)].into(),
                ..one(&last)
            },
            Fit { scale: Scaling::Robust, missing: Missing::Drop, categorical: Categorical::Embed, ..fit },
        ),
        (
            TableOptions {
                target: vec![first, last.clone()],
                weight: Some("1".into()),
                features: Select::Exclude(vec!["2".into()]),
                missing: Missing::Median,
                task: Task::Regression,
                ..one(&last)
            },
            Fit { scale: Scaling::MinMax, missing: Missing::Median, target: TargetScaling::MinMax, ..fit },
        ),
    ]
}

fn read(path: &Path, options: &TableOptions, fit: &Fit) {
    let Ok(columns) = open_table(path).and_then(|mut file| read_columns(&mut *file, options)) else { return };
    let rows: Vec<u32> = (0..columns.features.rows() as u32).collect();
    let Ok(preprocess) = Preprocessor::fit(&columns, &rows, fit) else { return };
    let Ok(table) = preprocess.table(columns) else { return };
    let data = Dataset::new(table);
    // kept with the model, and read again
    let text = serde_json::to_string(&preprocess).expect("a preprocessor can be written");
    let kept: Preprocessor = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(kept, preprocess);
    assert!(kept.check().is_ok(), "what was fitted is sound");
    let again = open_table(path).and_then(|mut file| {
        let wanted = kept.wanted(&*file, true)?;
        kept.apply(file.read_all(&wanted)?)
    });
    // rows that were dropped for learning are not dropped where they are to be predicted
    if fit.missing != Missing::Drop {
        let again = Dataset::new(again.expect("a file that was learnt from can be read again"));
        assert_eq!((again.len(), again.table().width()), (data.len(), data.table().width()));
    }
}
