//! What a config means: the defaults, the short and the long forms, and where each path starts.

use super::super::*;
use super::{LEAST, config};
use std::path::PathBuf;

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = config(LEAST).unwrap();
    assert_eq!((config.version, config.seed), (1, 7));
    assert_eq!(config.data.source, Source::BuiltIn(BuiltIn::Digits));
    assert_eq!((config.data.task, config.data.known_task()), (Task::Auto, Task::Classification));
    assert_eq!(config.data.split, Split { valid: 0.15, test: 0.15, stratify: true });
    assert_eq!(config.data.scale, Scale::Standard);
    assert_eq!(config.model.form, Form::Hidden { units: vec![8], activation: Activation::Relu });
    assert_eq!((config.model.init, &config.model.from), (Init::Auto, &None));
    assert_eq!(config.loss, Loss::Auto);
    assert_eq!(config.optimizer, Optimizer::Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    assert_eq!(config.schedule, Schedule { shape: Shape::Fixed, warmup: Warmup::None, unit: Unit::Epoch });
    assert_eq!(config.clip, Clip { value: None, norm: None });
    assert_eq!(config.train, Train { epochs: 50, batch: 64, shuffle: true, remainder: Remainder::Keep });
    assert_eq!(config.early_stopping, None);
    assert_eq!((config.device.name.as_str(), &config.output.dir), ("auto", &None));
    assert_eq!(config.name(), "a");
}

#[test]
fn an_empty_section_of_early_stopping_turns_it_on() {
    let stopping = config(&format!("{LEAST}[early_stopping]\n")).unwrap().early_stopping.unwrap();
    let wanted =
        EarlyStopping { monitor: Monitor::ValLoss, mode: Mode::Auto, patience: 10, min_delta: 0.0, start_epoch: 0, restore_best: true };
    assert_eq!(stopping, wanted);
    assert!(!stopping.larger_is_better());
    assert!(EarlyStopping { monitor: Monitor::ValAccuracy, ..stopping }.larger_is_better());
    assert!(EarlyStopping { mode: Mode::Max, ..stopping }.larger_is_better());
}

#[test]
fn each_type_has_its_own_defaults() {
    let optimizer = |text: &str| config(&format!("{LEAST}[optimizer]\n{text}\n")).unwrap().optimizer;
    assert_eq!(optimizer("type = \"sgd\""), Optimizer::Sgd { lr: 1e-2 });
    assert_eq!(optimizer("type = \"momentum\""), Optimizer::Momentum { lr: 1e-2, momentum: 0.9 });
    assert_eq!(optimizer("lr = 1"), Optimizer::Adam { lr: 1.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    let shape = |text: &str| config(&format!("{LEAST}[schedule]\n{text}\n")).unwrap().schedule.shape;
    assert_eq!(shape("type = \"step\"\nevery = 3"), Shape::Step { drop: 0.1, every: 3 });
    assert_eq!(shape("type = \"exponential\"\nrate = 0.5"), Shape::Exponential { rate: 0.5 });
    assert_eq!(shape("type = \"cosine\""), Shape::Cosine { min: 0.0 });
}

#[test]
fn warmup_is_a_share_with_a_point_and_a_count_without() {
    let warmup = |text: &str| config(&format!("{LEAST}[schedule]\nwarmup = {text}\n")).unwrap().schedule.warmup;
    for (text, wanted) in
        [("0.05", Warmup::Share(0.05)), ("5", Warmup::Count(5)), ("0", Warmup::None), ("0.0", Warmup::None), ("1", Warmup::Count(1))]
    {
        assert_eq!(warmup(text), wanted, "{text}");
    }
    let steps = config(&format!("{LEAST}[schedule]\nwarmup = 5000\nunit = \"step\"\n")).unwrap().schedule;
    assert_eq!((steps.warmup, steps.unit), (Warmup::Count(5000), Unit::Step));
}

#[test]
fn values_that_say_what_this_version_does_anyway_are_accepted() {
    let text = "[data]\nname = \"digits\"\nmissing = \"error\"\nclass_weights = \"none\"\n[model]\nhidden = [8]\n\
                [train]\naccumulate = 1\non_nonfinite = \"error\"\n[output]\ncheckpoint_every = 0\ntensorboard = false\n";
    assert_eq!(config(text).unwrap(), config(LEAST).unwrap());
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
    let init = Init::Xavier { fan: Fan::Avg, dist: Dist::Normal };
    assert_eq!(short.model.layers()[1], Layer::Dense { units: 4, activation: Activation::Tanh, init, bias: true });
}

#[test]
fn a_layer_has_its_own_init_and_activation() {
    let text = "[data]\nname = \"digits\"\n[model]\ninit = \"zeros\"\n\
                [[model.layers]]\ntype = \"dense\"\nunits = 8\nbias = false\ninit = { type = \"normal\", std = 0.2 }\n\
                [[model.layers]]\ntype = \"activation\"\nname = { type = \"leaky_relu\", slope = 0.2 }\n\
                [[model.layers]]\ntype = \"dense\"\nunits = 4\n";
    let wanted = vec![
        Layer::Dense { units: 8, activation: Activation::Identity, init: Init::Normal { std: 0.2 }, bias: false },
        Layer::Activation(Activation::LeakyRelu { slope: 0.2 }),
        Layer::Dense { units: 4, activation: Activation::Identity, init: Init::Zeros, bias: true },
    ];
    assert_eq!(config(text).unwrap().model.form, Form::Layers(wanted));
}

#[test]
fn the_source_is_told_from_the_keys_and_the_files_name() {
    let data = |text: &str| config(&format!("[data]\n{text}\n[model]\nhidden = []\n")).unwrap().data;
    let table = data("path = \"a/x.CSV\"\ntarget = \"y\"");
    let path = PathBuf::from("/configs/a/x.CSV");
    let target = vec![Column::Name("y".to_owned())];
    assert_eq!(table.source, Source::Table { path, test: None, target, features: Columns::All });
    assert_eq!((table.scale, table.known_task()), (Scale::Standard, Task::Auto));

    let table = data("path = \"/x.tsv\"\ntest = \"t.csv\"\ntarget = [0, \"y\"]\nfeatures = { exclude = [\"id\"] }\nscale = \"robust\"");
    let Source::Table { path, test, target, features } = &table.source else { panic!("a table") };
    assert_eq!((path, test), (&PathBuf::from("/x.tsv"), &Some(PathBuf::from("/configs/t.csv"))));
    assert_eq!(target, &[Column::Index(0), Column::Name("y".to_owned())]);
    assert_eq!(features, &Columns::Except(vec![Column::Name("id".to_owned())]));
    assert_eq!((table.scale, table.known_task(), table.split.test), (Scale::Robust, Task::Regression, 0.0));

    let images = data("path = \"i-idx3-ubyte.gz\"\nlabels = \"l\"\ntest = \"ti\"\ntest_labels = \"tl\"");
    let [path, labels, test, test_labels] = ["i-idx3-ubyte.gz", "l", "ti", "tl"].map(|file| PathBuf::from("/configs").join(file));
    assert_eq!(images.source, Source::Idx { images: path, labels, test: Some((test, test_labels)) });
    assert_eq!((images.scale, images.known_task(), images.split.test), (Scale::Bytes, Task::Classification, 0.0));

    let folder = data("path = \"mnist\"");
    assert_eq!(folder.source, Source::IdxFolder(PathBuf::from("/configs/mnist")));
    assert_eq!((folder.scale, folder.split.test), (Scale::Bytes, 0.15));
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
    let wanted = "2:8: what is in `data.bin` is not told by its name: name it .csv or .tsv, or give the `labels` of idx images";
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
    assert_eq!((digits.train.epochs, digits.train.batch, digits.clip.norm), (40, 32, Some(1.0)));
    assert_eq!(digits.schedule, Schedule { shape: Shape::Cosine { min: 0.0 }, warmup: Warmup::Share(0.05), unit: Unit::Epoch });
    let sine = Config::builtin("sine", &[]).unwrap();
    assert_eq!(sine.model.form, Form::Hidden { units: vec![64, 64], activation: Activation::Tanh });
    let error = Config::open("digts", &[]).unwrap_err().to_string();
    assert_eq!(error, "no file or built-in data set `digts`; did you mean `digits`? (built in: digits, spirals, moons, sine)");
    let error = Config::builtin("mnist.toml", &[]).unwrap_err().to_string();
    assert_eq!(error, "no file or built-in data set `mnist.toml` (built in: digits, spirals, moons, sine)");
}
