//! The library's tables and the config: a new row of theirs is known here, and tested here, without a line about it.

use super::super::keys::{Fallback, Key};
use super::super::*;
use super::{LEAST, config, config_with};
use crate::hyper::{Hyper, Range};
use crate::kernels::{activation, update};
use crate::metrics::{METRICS, Needs};
use crate::{Activation, loss, schedule};

/// The shortest config of a regression.
const NUMBERS: &str = "[data]\nname = \"sine\"\n[model]\nhidden = [8]\n";

/// A table of this type, whose keys that must be written have a sensible value.
fn typed<'a>(name: &str, keys: impl IntoIterator<Item = &'a Hyper>) -> Vec<String> {
    let required = keys.into_iter().filter(|hyper| hyper.default.is_nan());
    let required = required.map(|hyper| format!("{} = {}", hyper.name, Key::of(hyper).example()));
    std::iter::once(format!("type = \"{name}\"")).chain(required).collect()
}

/// Each row of each table, as lines to add to a config.
fn rows() -> Vec<(String, Vec<Hyper>, String)> {
    let section = |name: &str, row: &str, keys: &[Hyper]| {
        (format!("{name} {row}"), keys.to_vec(), format!("[{name}]\n{}\n", typed(row, keys).join("\n")))
    };
    let mut rows: Vec<_> = update::TABLE.iter().map(|info| section("optimizer", info.name, info.keys)).collect();
    rows.extend(schedule::TABLE.iter().map(|info| section("schedule", info.name, info.keys)));
    rows.extend(loss::Loss::table().iter().map(|info| section("loss", info.name, info.parameter.as_slice())));
    rows.extend(activation::TABLE.iter().map(|info| {
        let keys = info.parameter.as_slice();
        (format!("activation {}", info.name), keys.to_vec(), format!("activation = {{ {} }}\n", typed(info.name, keys).join(", ")))
    }));
    rows
}

/// The config of such lines: of classes, or of numbers where the loss wants those.
fn read(lines: &str) -> Result<Config> {
    config(&format!("{LEAST}{lines}")).or_else(|_| config(&format!("{NUMBERS}{lines}")))
}

/// The texts of all rows' configs, for the test that every key is written by some config.
pub(super) fn texts() -> Vec<String> {
    rows().into_iter().map(|(_, _, lines)| read(&lines).unwrap().to_toml()).collect()
}

#[test]
fn every_row_of_every_table_is_read_by_its_name_and_survives_being_written() {
    for (what, _, lines) in rows() {
        let first = read(&lines).unwrap_or_else(|error| panic!("{what}: {error}\n{lines}"));
        let written = first.to_toml();
        let second = config(&written).unwrap_or_else(|error| panic!("{what}: {error}\n{written}"));
        assert_eq!(first, second, "{what}");
        assert_eq!(written, second.to_toml(), "{what}");
    }
}

#[test]
fn what_is_read_is_the_librarys_with_its_defaults() {
    for info in activation::TABLE {
        let Form::Hidden { activation, .. } = read(&format!("activation = \"{}\"\n", info.name)).unwrap().model.form else {
            panic!("hidden")
        };
        assert_eq!(activation, Activation::named(info.name).unwrap());
    }
    for usual in Optimizer::all() {
        assert_eq!(config_with(LEAST, &[&format!("optimizer.type={}", usual.name())]).unwrap().optimizer, usual);
    }
    for info in loss::Loss::table() {
        let loss = read(&format!("[loss]\ntype = \"{}\"\n", info.name)).unwrap().loss.chosen;
        assert_eq!(loss, loss::Loss::named(info.name));
    }
    for info in schedule::TABLE {
        let lines = typed(info.name, info.keys).join("\n");
        let rates = read(&format!("[schedule]\n{lines}\n")).unwrap().schedule.rates().clone();
        assert_eq!((rates.shape().name().as_str(), rates.lr()), (info.name, 1e-3));
        for hyper in info.keys.iter().filter(|hyper| !hyper.default.is_nan()) {
            assert_eq!(rates.shape().get(hyper.name), Some(hyper.default), "{} {}", info.name, hyper.name);
        }
    }
}

#[test]
fn a_number_out_of_the_range_of_its_row_is_refused_with_the_range() {
    let mut tried = 0;
    for (what, keys, lines) in rows() {
        for hyper in keys.iter().filter(|hyper| hyper.range != Range::Any) {
            let Hyper { name, range, .. } = hyper;
            // beside the type, in the place of its own line where it has one
            let kept: Vec<&str> = lines.split_inclusive(['\n', ',']).filter(|line| !line.starts_with(&format!("{name} ="))).collect();
            let text = match kept.concat() {
                table if table.contains('{') => table.replace(" }", &format!(", {name} = -1 }}")),
                section => format!("{section}{name} = -1\n"),
            };
            let message =
                config(&format!("{NUMBERS}{text}")).or_else(|e| if e.to_string().contains(" must be a") { Err(e) } else { read(&text) });
            let message = message.unwrap_err().to_string();
            assert!(message.contains(&format!("{name} must be {} (got -1)", range.says())), "{what}: {message}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn a_key_of_another_row_is_refused_with_its_owners() {
    let rows = update::TABLE;
    for info in rows {
        for hyper in rows.iter().flat_map(|other| other.keys).filter(|hyper| info.keys.iter().all(|own| own.name != hyper.name)) {
            let text = format!("{LEAST}[optimizer]\ntype = \"{}\"\n{} = 0.5\n", info.name, hyper.name);
            let message = config(&text).unwrap_err().to_string();
            let owners: Vec<&str> =
                rows.iter().filter(|row| row.keys.iter().any(|key| key.name == hyper.name)).map(|row| row.name).collect();
            let wanted = format!("`{}` does not apply to type \"{}\" (it is for {})", hyper.name, info.name, owners.join(", "));
            assert!(message.contains(&wanted), "{message}");
        }
    }
}

#[test]
fn every_metric_can_be_watched_where_the_data_have_it() {
    for metric in METRICS {
        let [of_classes, of_numbers] =
            [LEAST, NUMBERS].map(|data| config_with(data, &[&format!("early_stopping.monitor=val_{}", metric.name)]));
        let (fits, other) = if metric.needs == Needs::Sums { (of_numbers, of_classes) } else { (of_classes, of_numbers) };
        let stopping = fits.unwrap().early_stopping.unwrap();
        assert_eq!((stopping.monitor.to_string(), stopping.larger_is_better()), (format!("val_{}", metric.name), metric.larger_is_better));
        assert!(other.unwrap_err().to_string().contains(&format!(" has no val_{}: watch one of ", metric.name)));
    }
}

#[test]
fn a_name_that_is_nearly_a_rows_is_suggested() {
    let mut names: Vec<(&str, &str)> = update::TABLE.iter().map(|info| ("optimizer", info.name)).collect();
    names.extend(schedule::TABLE.iter().map(|info| ("schedule", info.name)));
    names.extend(loss::Loss::table().iter().map(|info| ("loss", info.name)));
    for (section, name) in names.into_iter().filter(|(_, name)| name.len() > 5) {
        let message = config_with(LEAST, &[&format!("{section}.type={name}x")]).unwrap_err().to_string();
        assert!(message.contains(&format!("did you mean \"{name}\"?")), "{message}");
    }
}

#[test]
fn the_key_of_a_hyper_parameter_says_what_the_table_says() {
    for (what, keys, _) in rows() {
        for hyper in keys {
            let key = Key::of(&hyper);
            assert_eq!((key.name, key.doc), (hyper.name, hyper.doc), "{what}");
            let value: f64 = key.example().parse().unwrap();
            assert!(hyper.range.holds(value), "{what} {}: {value}", hyper.name);
            match &key.fallback {
                Fallback::Default(_) => assert_eq!(value, hyper.default, "{what} {}", hyper.name),
                Fallback::Required(_) => assert!(hyper.default.is_nan(), "{what} {}", hyper.name),
                Fallback::Optional(_) => panic!("{what} {}", hyper.name),
            }
        }
    }
}
