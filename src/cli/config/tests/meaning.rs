//! What a config means: the defaults, the short and the long forms, and where each path starts.

use super::super::*;
use super::{LEAST, config};
use crate::Activation;
use crate::data::{Scaling, Split, Task};
use crate::loss::{self, Takes};
use crate::model::{Dist, Fan, Init, Layer, Scheme};
use crate::optim::Decays;
use crate::precision::Precision;
use crate::schedule::Position;
use crate::train::{ClassWeights, Every, Looks, Mode, Monitor, OnNonFinite, Remainder};
use std::path::PathBuf;

fn named(optimizer: &str) -> Optimizer {
    Optimizer::named(optimizer).unwrap()
}

fn hidden(units: &[usize], activation: &str) -> Form {
    let activation = Activation::named(activation).unwrap();
    Form::Hidden { units: units.to_vec(), activation, batch_norm: false, dropout: 0.0 }
}

/// The rate of an epoch and step (from 0), of 50 epochs of 2 steps.
fn rate(config: &Config, epoch: usize, step: usize) -> f64 {
    config.schedule.rates().rate(Position { epoch, step, epochs: config.train.epochs, steps_per_epoch: 2 })
}

/// The config of a line in a section.
fn with(section: &str, lines: &str) -> Config {
    config(&format!("{LEAST}[{section}]\n{lines}\n")).unwrap()
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = config(LEAST).unwrap();
    assert_eq!((config.version, config.seed), (1, 7));
    assert_eq!(config.data.source, Source::BuiltIn(BuiltIn::Digits));
    assert_eq!((config.data.task, config.data.known_task()), (Task::Auto, Task::Classification));
    assert_eq!(config.data.split, Split { valid: 0.15, test: 0.15, stratify: true, seed: 7 });
    assert_eq!((config.data.scale, &config.data.class_weights), (Scaling::Standard, &ClassWeights::None));
    assert_eq!(config.model.form, hidden(&[8], "relu"));
    assert_eq!((config.model.init, &config.model.from), (Init::Auto, &None));
    assert_eq!(config.loss, Loss { chosen: None, label_smoothing: 0.0 });
    assert_eq!(config.optimizer, named("adam").betas(0.9, 0.999).epsilon(1e-8).lr(1e-3).l2(0.0).weight_decay(0.0));
    assert_eq!((rate(&config, 0, 0), rate(&config, 49, 99)), (1e-3, 1e-3));
    assert_eq!(config.clip, Clip::None);
    let train = Train {
        epochs: 50,
        batch: 64,
        shuffle: true,
        remainder: Remainder::Keep,
        accumulate: 1,
        on_nonfinite: OnNonFinite::Error,
        precision: Precision::Full,
        diagnose: Looks::EachEpoch,
        max_seconds: None,
    };
    assert_eq!(config.train, train);
    assert_eq!((&config.early_stopping, &config.stop_at), (&None, &None));
    assert_eq!((config.device.name.as_str(), config.device.memory, &config.output.dir), ("auto", None, &None));
    assert_eq!(config.device.submission, 256);
    assert_eq!(config.name(), "a");
}

#[test]
fn an_empty_section_of_early_stopping_turns_it_on() {
    let stopping = with("early_stopping", "").early_stopping.unwrap();
    assert_eq!(stopping, EarlyStopping::default());
    assert!(!stopping.larger_is_better());
    let accuracy = with("early_stopping", "monitor = \"val_accuracy\"\ndivergence = 0.2\ncheck_finite = false").early_stopping.unwrap();
    assert_eq!(accuracy.monitor, Monitor::Valid("accuracy".into()));
    assert_eq!((accuracy.larger_is_better(), accuracy.divergence, accuracy.check_finite), (true, Some(0.2), false));
    assert_eq!(with("early_stopping", "mode = \"max\"").early_stopping.unwrap().mode, Mode::Max);
    let enough = with("early_stopping", "stop_at = { metric = \"train_loss\", value = 0.01 }").stop_at;
    assert_eq!(enough, Some(StopAt { monitor: Monitor::TrainLoss, value: 0.01 }));
}

#[test]
fn each_type_has_its_own_defaults() {
    let optimizer = |text: &str| with("optimizer", text).optimizer;
    assert_eq!(optimizer("type = \"sgd\"").rate(), 1e-2);
    assert_eq!(optimizer("type = \"momentum\"").get("momentum"), Some(0.9));
    assert_eq!(optimizer("lr = 1"), named("adam").lr(1.0));
    assert_eq!((optimizer("type = \"adamw\"").weight_decay_rate(), optimizer("").weight_decay_rate()), (0.01, 0.0));
    let config = with("schedule", "type = \"step\"\nevery = 3");
    // 0.1 by default, at epochs 3 and 6
    assert_eq!((rate(&config, 2, 5), rate(&config, 3, 6)), (1e-3, 1e-3 * 0.1));
    assert_eq!(rate(&with("schedule", "type = \"exponential\"\nrate = 0.5"), 2, 4), 1e-3 / 4.0);
    // half of a cosine down to 0
    assert!((rate(&with("schedule", "type = \"cosine\""), 25, 50) - 5e-4).abs() < 1e-12);
}

#[test]
fn all_optimizers_decay_and_average_as_they_are_told() {
    let optimizer =
        with("optimizer", "type = \"rmsprop\"\nrho = 0.5\nl2 = 1e-4\nweight_decay = 0.1\ndecay_all = true\nema = 0.99").optimizer;
    let wanted = named("rmsprop").set("rho", 0.5).l2(1e-4).weight_decay(0.1).decays(Decays::All).average(0.99);
    assert_eq!(optimizer, wanted);
    assert_eq!((optimizer.decaying(), with("optimizer", "").optimizer.decaying()), (Decays::All, Decays::Weights));
}

#[test]
fn warmup_is_a_share_with_a_point_and_a_count_without() {
    let at_start = |text: &str| rate(&with("schedule", text), 0, 0) / 1e-3;
    // of 50 epochs: a tenth is five
    for (text, wanted) in [("0.1", 0.2), ("5", 0.2), ("0", 1.0), ("0.0", 1.0), ("1", 1.0), ("4", 0.25)] {
        assert!((at_start(&format!("warmup = {text}")) - wanted).abs() < 1e-12, "{text}");
    }
    assert!((at_start("warmup = 5000\nunit = \"step\"") - 1.0 / 5000.0).abs() < 1e-12);
}

#[test]
fn a_schedule_is_a_formula_or_phases_too() {
    let halves = with("schedule", "expr = \"lr*0.5^(epoch//10)\"");
    assert_eq!((rate(&halves, 9, 19), rate(&halves, 10, 20), rate(&halves, 49, 99)), (1e-3, 5e-4, 1e-3 / 16.0));
    assert_eq!(with("schedule", "type = \"expr\"\nexpr = \"lr * 0.5 ^ (epoch // 10)\"").schedule, halves.schedule);
    let by_step = with("schedule", "expr = \"lr*(1 - step/total)\"\nunit = \"step\"");
    assert!((rate(&by_step, 25, 50) - 5e-4).abs() < 1e-12);
    // 10 epochs at the optimizer's rate, then 40 from one of its own
    let text = "phases = [{ type = \"fixed\", length = 0.2 }, { expr = \"lr/(1 + epoch)\", lr = 0.5 }]";
    let phases = with("schedule", text);
    assert_eq!((rate(&phases, 9, 19), rate(&phases, 10, 20), rate(&phases, 11, 22)), (1e-3, 0.5, 0.25));
    let counted = with("schedule", "phases = [{ type = \"cosine\", length = 10, warmup = 2 }, { type = \"fixed\" }]");
    assert_eq!((rate(&counted, 0, 0), rate(&counted, 1, 2), rate(&counted, 10, 20)), (5e-4, 1e-3, 1e-3));
    let words = with("schedule", "type = \"one_cycle\"\nanneal = \"linear\"\ndiv = 10");
    assert_eq!(rate(&words, 0, 0), 1e-4);
}

#[test]
fn a_loss_has_its_parameter_or_is_a_formula() {
    let loss = |text: &str| with("loss", text).loss;
    let numbers =
        |text: &str| config(&format!("[data]\nname = \"sine\"\n[model]\nhidden = [8]\n[loss]\n{text}\n")).unwrap().loss.chosen.unwrap();
    assert_eq!(numbers("type = \"huber\"").parameter(), Some(1.0));
    assert_eq!(numbers("type = \"huber\"\ndelta = 0.5").parameter(), Some(0.5));
    assert_eq!(numbers("type = \"quantile\"\nq = 0.9").parameter(), Some(0.9));
    let careful = numbers("expr = \"abs(p-t)*(1+9*(t>0))\"");
    assert_eq!(careful, loss::Loss::expression("abs(p - t)*(1 + 9*(t > 0))").unwrap());
    assert_eq!(careful.takes(), Takes::Numbers);
    let classes = loss("expr = \"ln(1 + exp(-p*t))\"\ntargets = \"plus_minus\"").chosen.unwrap();
    assert_eq!(classes.takes(), Takes::PlusMinus);
    assert_eq!(loss("type = \"expr\"\nexpr = \"(p-t)^2\"\ntargets = \"zero_one\"").chosen.unwrap().takes(), Takes::ZeroOne);
    let smooth = loss("label_smoothing = 0.1");
    let targets = crate::data::Targets::Classes { of: vec![0, 1], names: vec!["a".into(), "b".into()] };
    let of = smooth.for_targets(&targets);
    assert_eq!((of.name(), of.smoothing()), ("cross_entropy", 0.1));
}

#[test]
fn training_is_told_what_to_do_with_batches_faults_looks_and_time() {
    let train = with("train", "accumulate = 4\non_nonfinite = \"skip\"\ndiagnose = \"off\"\nmax_seconds = 1.5").train;
    assert_eq!((train.accumulate, train.on_nonfinite, train.diagnose), (4, OnNonFinite::Skip, Looks::Never));
    assert_eq!(train.time(), Some(std::time::Duration::from_millis(1500)));
    assert_eq!(with("train", "precision = \"mixed\"").train.precision, Precision::Mixed);
    assert_eq!(with("train", "on_nonfinite = \"rollback\"").train.on_nonfinite, OnNonFinite::Rollback);
    assert_eq!(with("train", "diagnose = 100").train.diagnose, Looks::Every(100));
    assert_eq!(with("train", "diagnose = \"epoch\"").train.diagnose, Looks::EachEpoch);
}

#[test]
fn classes_and_rows_have_weights() {
    let data = |text: &str| config(&format!("[data]\n{text}\n[model]\nhidden = []\n")).unwrap().data;
    assert_eq!(data("name = \"moons\"\nclass_weights = \"balanced\"").class_weights, ClassWeights::Balanced);
    let ClassWeights::Named(mut named) = data("name = \"moons\"\nclass_weights = { b = 2, \"a\\nc\" = 0.5 }").class_weights else {
        panic!("by name")
    };
    named.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(named, [("a\nc".to_owned(), 0.5), ("b".to_owned(), 2.0)]);
    let whole = config("[data]\nname = \"moons\"\nclass_weights = { b = 2, \"a\\nc\" = 0.5 }\n[model]\nhidden = []\n").unwrap();
    assert_eq!(config(&whole.to_toml()).unwrap(), whole);
    assert_eq!(
        super::config_with(LEAST, &["data.class_weights.3=2"]).unwrap().data.class_weights,
        ClassWeights::Named(vec![("3".into(), 2.0)])
    );
    let Source::Table { weight, .. } = data("path = \"x.csv\"\ntarget = \"y\"\nweight = \"w\"").source else { panic!("a table") };
    assert_eq!(weight, Some(Column::Name("w".into())));
}

#[test]
fn values_that_say_what_this_version_does_anyway_are_accepted() {
    let text = "[data]\nname = \"digits\"\nmissing = \"error\"\nclass_weights = \"none\"\n[model]\nhidden = [8]\n\
                [train]\naccumulate = 1\non_nonfinite = \"error\"\n[output]\ncheckpoint_every = 1\ntensorboard = false\n";
    assert_eq!(config(text).unwrap(), config(LEAST).unwrap());
}

#[test]
fn checkpoints_are_counted_in_epochs_or_in_steps() {
    let every = |value: &str| super::config_with(LEAST, &[&format!("output.checkpoint_every={value}")]).unwrap().output.checkpoint_every;
    assert_eq!(config(LEAST).unwrap().output.checkpoint_every, Some(Every::Epochs(1)));
    assert_eq!(
        [every("0"), every("5"), every("100 steps"), every("1 step")],
        [None, Some(Every::Epochs(5)), Some(Every::Steps(100)), Some(Every::Steps(1))]
    );
    assert_eq!(config(LEAST).unwrap().output.keep, 3);
}

#[test]
fn all_kinds_of_layers_are_read_and_nested() {
    let text = "[data]\nname = \"digits\"\n[model]\ninit = \"lecun\"\n\
                [[model.layers]]\ntype = \"dense\"\nunits = 8\nactivation = { expr = \"z*sigmoid(1.7*z)\" }\n\
                [[model.layers]]\ntype = \"batch_norm\"\nmomentum = 0.2\n\
                [[model.layers]]\ntype = \"layer_norm\"\n[[model.layers]]\ntype = \"dropout\"\n\
                [[model.layers]]\ntype = \"residual\"\nlayers = [{ type = \"dense\", units = 8, activation = { type = \"elu\", alpha = 0.5 } }, \
                { type = \"residual\", init = \"zeros\", layers = [{ type = \"dense\", units = 8, init = \"he\" }] }]\n\
                [[model.layers]]\ntype = \"softmax\"\n";
    let dense = |init| Layer::Dense { outputs: 8, bias: true, init };
    let elu = Activation::named("elu").unwrap().with_parameter(0.5).unwrap();
    let inner = Layer::Residual { layers: vec![dense(Init::he())], init: Init::Zeros };
    let wanted = vec![
        dense(Init::lecun()),
        Layer::Activation(Activation::expression("z*sigmoid(1.7*z)").unwrap()),
        Layer::BatchNorm { epsilon: 1e-5, momentum: 0.2 },
        Layer::LayerNorm { epsilon: 1e-5 },
        Layer::Dropout { rate: 0.5 },
        Layer::Residual { layers: vec![dense(Init::lecun()), Layer::Activation(elu), inner], init: Init::lecun() },
        Layer::Softmax,
    ];
    assert_eq!(config(text).unwrap().model.form, Form::Layers(wanted));
}

#[test]
fn hidden_layers_may_have_normalisation_and_dropout_behind_them() {
    let model = config(&format!("{LEAST}activation = \"tanh\"\nbatch_norm = true\ndropout = 0.1\n")).unwrap().model;
    let wanted = vec![
        Layer::Dense { outputs: 8, bias: true, init: Init::Auto },
        Layer::BatchNorm { epsilon: 1e-5, momentum: 0.1 },
        Layer::Activation(Activation::named("tanh").unwrap()),
        Layer::Dropout { rate: 0.1 },
    ];
    assert_eq!(model.layers(), wanted);
}

#[test]
fn every_initialisation_is_read() {
    let init = |text: &str| config(&format!("{LEAST}init = {text}\n")).unwrap().model.init;
    for (text, wanted) in [
        ("\"he\"", Init::he()),
        ("\"xavier\"", Init::xavier()),
        ("{ type = \"lecun\", fan = \"out\", dist = \"uniform\", gain = 2 }", Init::lecun().fan(Fan::Out).dist(Dist::Uniform).gain(2.0)),
        ("\"orthogonal\"", Init::Orthogonal { gain: 1.0 }),
        ("\"normal\"", Init::Normal { std: 0.1 }),
        ("{ type = \"uniform\", limit = 0.3 }", Init::Uniform { limit: 0.3 }),
        ("\"zeros\"", Init::Zeros),
        ("{ type = \"constant\", value = -0.5 }", Init::Constant { value: -0.5 }),
    ] {
        assert_eq!(init(text), wanted, "{text}");
    }
}

#[test]
fn short_and_long_forms_of_layers_mean_the_same() {
    let head = "[data]\nname = \"digits\"\n[model]\ninit = { type = \"xavier\", fan = \"avg\" }\n";
    let short = config(&format!("{head}hidden = [8, 4]\nactivation = \"tanh\"\n")).unwrap();
    let long = config(&format!(
        "{head}[[model.layers]]\ntype = \"dense\"\nunits = 8\nactivation = \"tanh\"\n\
         [[model.layers]]\ntype = \"dense\"\nunits = 4\nactivation = {{ type = \"tanh\" }}\n"
    ))
    .unwrap();
    assert_eq!(short.model.layers(), long.model.layers());
    let init = Init::Scaled { scheme: Scheme::Xavier, fan: Fan::Avg, dist: Dist::Normal, gain: 1.0 };
    assert_eq!(short.model.layers()[2], Layer::Dense { outputs: 4, init, bias: true });
    assert_eq!(short.model.layers()[3], Layer::Activation(Activation::named("tanh").unwrap()));
}

#[test]
fn a_layer_has_its_own_init_and_activation() {
    let text = "[data]\nname = \"digits\"\n[model]\ninit = \"zeros\"\n\
                [[model.layers]]\ntype = \"dense\"\nunits = 8\nbias = false\ninit = { type = \"normal\", std = 0.2 }\n\
                [[model.layers]]\ntype = \"activation\"\nname = { type = \"leaky_relu\", slope = 0.2 }\n\
                [[model.layers]]\ntype = \"dense\"\nunits = 4\n";
    let wanted = vec![
        Layer::Dense { outputs: 8, init: Init::Normal { std: 0.2 }, bias: false },
        Layer::Activation(Activation::named("leaky_relu").unwrap().with_parameter(0.2).unwrap()),
        Layer::Dense { outputs: 4, init: Init::Zeros, bias: true },
    ];
    assert_eq!(config(text).unwrap().model.form, Form::Layers(wanted));
}

#[test]
fn the_source_is_told_from_the_keys_and_the_files_name() {
    let data = |text: &str| config(&format!("[data]\n{text}\n[model]\nhidden = []\n")).unwrap().data;
    let table = data("path = \"a/x.CSV\"\ntarget = \"y\"");
    let path = PathBuf::from("/configs/a/x.CSV");
    let target = vec![Column::Name("y".to_owned())];
    assert_eq!(table.source, Source::Table { path, test: None, target, features: Columns::All, weight: None });
    assert_eq!((table.scale, table.known_task()), (Scaling::Standard, Task::Auto));

    let table = data("path = \"/x.tsv\"\ntest = \"t.csv\"\ntarget = [0, \"y\"]\nfeatures = { exclude = [\"id\"] }\nscale = \"robust\"");
    let Source::Table { path, test, target, features, .. } = &table.source else { panic!("a table") };
    assert_eq!((path, test), (&PathBuf::from("/x.tsv"), &Some(PathBuf::from("/configs/t.csv"))));
    assert_eq!(target, &[Column::Index(0), Column::Name("y".to_owned())]);
    assert_eq!(features, &Columns::Except(vec![Column::Name("id".to_owned())]));
    assert_eq!((table.scale, table.known_task(), table.split.test), (Scaling::Robust, Task::Regression, 0.0));

    let images = data("path = \"i-idx3-ubyte.gz\"\nlabels = \"l\"\ntest = \"ti\"\ntest_labels = \"tl\"");
    let [path, labels, test, test_labels] = ["i-idx3-ubyte.gz", "l", "ti", "tl"].map(|file| PathBuf::from("/configs").join(file));
    assert_eq!(images.source, Source::Idx { images: path, labels, test: Some((test, test_labels)) });
    assert_eq!((images.scale, images.known_task(), images.split.test), (Scaling::Bytes, Task::Classification, 0.0));

    let folder = data("path = \"mnist\"");
    assert_eq!(folder.source, Source::IdxFolder(PathBuf::from("/configs/mnist")));
    assert_eq!((folder.scale, folder.split.test), (Scaling::Bytes, 0.15));
    assert_eq!(data("name = \"sine\"").known_task(), Task::Regression);
}

#[test]
fn an_error_found_later_still_has_its_place() {
    let text = "[data]\npath = \"no-such.csv\"\ntarget = \"y\"\n[model]\nfrom = \"w\"\n[[model.layers]]\ntype = \"dense\"\nunits = 9\n";
    let file = config(text).unwrap();
    for (key, wanted) in [
        ("data.target", "a.toml:3:10: no column"),
        ("model.layers.0.units", "a.toml:8:9: no column"),
        ("model.layers.0.bias", "a.toml:6:1: no column"),
        ("data.split.valid", "a.toml:1:1: no column"),
        ("clip.norm", "a.toml: no column"),
    ] {
        assert_eq!(file.error(key, "no column").to_string(), wanted, "{key}");
    }
    let missing = "a.toml:2:8: there is no file /configs/no-such.csv: correct the path \
                   (a relative one starts at the config's folder, in a --set at the current one)";
    assert_eq!(file.check_files().unwrap_err().to_string(), missing);
}

#[test]
fn files_are_read_from_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    write("x.csv", b"a,y\n1,2\n");
    let path = write("my.toml", b"\xef\xbb\xbf[data]\r\npath = \"x.csv\"\r\ntarget = \"y\"\r\n[model]\r\nhidden = [8]\r\n");
    let config = Config::open(&path, &[]).unwrap();
    assert_eq!(config.name(), "my");
    assert_eq!(config.data.source.files(), [("path", folder.path().join("x.csv").as_path())]);
    config.check_files().unwrap();

    let odd = write("odd.toml", b"seed = 1\n# \xff\n");
    assert_eq!(
        Config::open(&odd, &[]).unwrap_err().to_string(),
        format!("{}:2:3: this byte is not UTF-8: save the file as UTF-8", odd.display())
    );
    let shown = folder.path().display();
    assert_eq!(Config::open(folder.path(), &[]).unwrap_err().to_string(), format!("{shown}: this is a folder: name the config file in it"));
    let data = write("data.bin", b"");
    let unclear = write("unclear.toml", format!("[data]\npath = {:?}\n", data.display().to_string()).as_bytes());
    let message = Config::load(&unclear, &[]).unwrap_err().to_string();
    let wanted = "2:8: what is in `data.bin` is not told by its name: name it .csv, .tsv, .parquet, .npy, .npz or .safetensors, or give the `labels` of idx images";
    assert_eq!(message, format!("{}:{wanted}", unclear.display()));
    assert!(Config::load(folder.path().join("none.toml"), &[]).unwrap_err().to_string().contains("none.toml"));
}

#[test]
fn every_built_in_data_set_has_a_config() {
    for set in BuiltIn::all() {
        let config = Config::open(set.name(), &[]).unwrap();
        assert_eq!(config.data.source, Source::BuiltIn(set));
        assert_eq!(config.name(), set.name());
        config.check_files().unwrap();
    }
    let digits = Config::builtin("digits", &[]).unwrap();
    assert_eq!((digits.train.epochs, digits.train.batch, digits.clip), (40, 32, Clip::Norm(1.0)));
    // two epochs of warm-up
    assert_eq!((digits.schedule.rates().shape().name().as_str(), rate(&digits, 0, 0)), ("cosine", 5e-4));
    let sine = Config::builtin("sine", &[]).unwrap();
    assert_eq!(sine.model.form, hidden(&[64, 64], "tanh"));
    let error = Config::open("digts", &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "no config, data file or built-in data set `digts`; did you mean `digits`? (built in: digits, iris, spirals, moons, sine, friedman)"
    );
    let error = Config::builtin("mnist.toml", &[]).unwrap_err().to_string();
    assert_eq!(error, "no config, data file or built-in data set `mnist.toml` (built in: digits, iris, spirals, moons, sine, friedman)");
}
