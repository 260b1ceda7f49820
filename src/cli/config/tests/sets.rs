//! `--set`: what it changes, and what it says when it can't.

use super::super::*;
use super::{LEAST, config_with};
use crate::Activation;
use crate::model::{Fan, Init};

fn hidden(units: &[usize], activation: Activation) -> Form {
    Form::Hidden { units: units.to_vec(), activation, batch_norm: false, dropout: 0.0 }
}

#[test]
fn a_set_replaces_what_the_file_says() {
    let text = format!("{LEAST}[optimizer]\nlr = 0.5\n[clip]\nnorm = 2.0\n");
    let sets = ["optimizer.type=sgd", "train.epochs=5", "model.hidden=[64,32]", "data.split.valid=0.3", "seed=1", " train.batch = 16 "];
    let config = config_with(&text, &sets).unwrap();
    assert_eq!(config.optimizer, Optimizer::named("sgd").unwrap().lr(0.5));
    assert_eq!((config.train.epochs, config.train.batch, config.seed, config.data.split.valid), (5, 16, 1, 0.3));
    assert_eq!(config.model.form, hidden(&[64, 32], Activation::named("relu").unwrap()));
    let last = config_with(&text, &["seed=1", "seed=2"]).unwrap();
    assert_eq!(last.seed, 2);
}

#[test]
fn a_set_refines_a_type_that_was_given_by_its_name() {
    let text = format!("{LEAST}init = \"normal\"\nactivation = \"leaky_relu\"\n");
    let model = config_with(&text, &["model.init.std=0.2", "model.activation.slope=0.3"]).unwrap().model;
    assert_eq!(model.init, Init::Normal { std: 0.2 });
    assert_eq!(model.form, hidden(&[8], Activation::named("leaky_relu").unwrap().with_parameter(0.3).unwrap()));
    let init = config_with(LEAST, &["model.init={type=\"he\",fan=\"out\"}"]).unwrap().model.init;
    assert_eq!(init, Init::he().fan(Fan::Out));
    let formula = config_with(LEAST, &["model.activation.expr=z*sigmoid(z)"]).unwrap().model;
    assert_eq!(formula.form, hidden(&[8], Activation::expression("z*sigmoid(z)").unwrap()));
}

#[test]
fn default_undoes_a_key_or_a_section() {
    let config = Config::builtin("digits", &["clip.norm=default".into(), "early_stopping=default".into(), "train.batch=default".into()]);
    let config = config.unwrap();
    assert_eq!((config.clip, config.early_stopping.as_ref(), config.train.batch), (Clip::None, None, 64));
    let sets = ["data.name=default", "data.path=x.csv", "data.target=y", "data.features=[1, 2]"].map(String::from);
    let table = Config::builtin("digits", &sets).unwrap();
    let path = std::env::current_dir().unwrap().join("x.csv");
    let target = vec![Column::Name("y".to_owned())];
    let features = Columns::Only(vec![Column::Index(1), Column::Index(2)]);
    assert_eq!(table.data.source, Source::Table { path, test: None, target, features, weight: None });
    let later = "[data]\nname = \"digits\"\nscale = \"robust\"\n[model]\nhidden = [8]\n";
    assert_eq!(config_with(later, &["data.scale=default"]).unwrap(), config_with(LEAST, &[]).unwrap());
    let quoted = config_with(LEAST, &["device.use=\"default\""]).unwrap();
    assert_eq!(quoted.device.name, "default");
}

#[test]
fn bare_words_are_strings() {
    for (text, wanted) in [("NVIDIA GeForce", "NVIDIA GeForce"), ("dx12", "dx12"), ("'a b'", "a b"), ("a=b", "a=b"), ("3070 Ti", "3070 Ti")]
    {
        assert_eq!(config_with(LEAST, &[&format!("device.use={text}")]).unwrap().device.name, wanted);
    }
}

#[test]
fn a_wrong_set_is_refused_under_its_own_name() {
    for (set, wanted) in [
        (
            "optimizer.lrr=3",
            "--set optimizer.lrr=3: unknown key `lrr` in [optimizer]; did you mean `lr`? (keys: type, lr, […]momentum, beta1, beta2, epsilon, […])",
        ),
        ("train.batch=0", "--set train.batch=0: batch must be at least 1 (got 0): set it with --set train.batch=64 or [train] batch"),
        (
            "train.epochs=many",
            "--set train.epochs=many: epochs must be a whole number (got the string \"many\"): \
             set it with --set train.epochs=50 or [train] epochs",
        ),
        ("optimizer.type=adan", "--set optimizer.type=adan: type must be one of sgd, momentum, […] (got \"adan\"); did you mean \"adam\"?"),
        ("lr=3", "--set lr=3: unknown key `lr` at the top; it belongs in [optimizer]"),
        (
            "trian.batch=3",
            "--set trian.batch=3: unknown section [trian]; did you mean [train]? (sections: data, model, loss, optimizer, schedule, clip, train, early_stopping, device, output)",
        ),
        ("clip.nrm=default", "--set clip.nrm=default: unknown key `clip.nrm`; did you mean `clip.norm`?"),
        ("a.b.c.d=1", "--set a.b.c.d=1: unknown key: no key has more than 3 parts, as model.init.std has"),
        ("seed", "--set seed: there is no `=`: write KEY=VALUE, as in --set optimizer.lr=3e-4"),
        ("seed=", "--set seed=: there is no value: write one, or `default` for the key's default"),
        ("=3", "--set =3: `` is not a key: write names with points between them, as in --set optimizer.lr=3e-4"),
        (
            "train..batch=3",
            "--set train..batch=3: `train..batch` is not a key: write names with points between them, as in --set optimizer.lr=3e-4",
        ),
        (
            "model.hidden=[64,",
            "--set model.hidden=[64,: [64, is not a TOML value: unclosed array, expected `]` (a shell takes quotes away: put '…' around the whole KEY=VALUE)",
        ),
        ("model.layers.0=3", "--set model.layers.0=3: `model.layers` is a list: set it as a whole, as in --set 'model.layers=[…]'"),
        (
            "optimizer=adam",
            "--set optimizer=adam: `optimizer` must be a section (got the string \"adam\"): write its keys below a line [optimizer]",
        ),
        (
            "train.batch.size=3",
            "--set train.batch.size=3: batch must be a whole number (got a table): set it with --set train.batch=64 or [train] batch",
        ),
    ] {
        let text = if set.starts_with("model.layers") { "[data]\nname = \"digits\"\n[[model.layers]]\n" } else { LEAST };
        let message = config_with(text, &[set]).unwrap_err().to_string();
        assert!(super::fits(&message, wanted), "{message}\nis not\n{wanted}");
    }
}

#[test]
fn a_file_and_a_set_that_do_not_go_together_name_the_one_that_is_wrong() {
    let text = format!("{LEAST}[optimizer]\nbeta1 = 0.8\n");
    let error = config_with(&text, &["optimizer.type=sgd"]).unwrap_err().to_string();
    assert!(error.starts_with("a.toml:6:1: `beta1` does not apply to type \"sgd\" (it is for adam, "), "{error}");
    config_with(&text, &["optimizer.type=sgd", "optimizer.beta1=default"]).unwrap();
    let later = config_with(LEAST, &["data.split.valid=0.2"]).unwrap().error("data.split.valid", "too few rows").to_string();
    assert_eq!(later, "--set data.split.valid=0.2: too few rows");
}
