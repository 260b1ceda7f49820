//! A config survives being written: `to_toml` reads back as the same config, and it says everything.

use super::super::keys::{self, Fallback, Key};
use super::super::*;
use super::config;
use crate::rng::{Purpose, Rng};

/// A random good config: each line is one of its alternatives, or left out where one is empty.
fn random(rng: &mut Rng) -> String {
    let mut text = String::new();
    let mut pick = |choices: &[&str]| {
        let choice = choices[rng.below(choices.len() as u64) as usize];
        if !choice.is_empty() {
            text.push_str(choice);
            text.push('\n');
        }
    };
    pick(&["seed = 0", "seed = 9223372036854775807", ""]);
    pick(&[
        "[data]\nname = \"digits\"",
        "[data]\nname = \"sine\"",
        "[data]\npath = 'a\"b.csv'\ntarget = \"it's\"",
        "[data]\npath = \"x.tsv\"\ntest = \"../t.csv\"\ntarget = [\"a\", 3]\nfeatures = [\"ü\", 0]\ntask = \"regression\"",
        "[data]\npath = \"x.csv\"\ntarget = 4\nfeatures = { exclude = [\"id\", 2] }\nweight = \"w\"\nmissing = \"median\"\ntypes = { \"a b\" = \"category\", n = \"number\" }",
        "[data]\npath = \"x.csv\"\ntarget = 4\ntarget_scale = \"standard\"\nmissing = \"drop\"",
        "[data]\npath = \"mnist\"",
        "[data]\npath = \"i-ubyte\"\nlabels = \"l\"",
        "[data]\npath = \"i-ubyte\"\nlabels = \"l\"\ntest = \"t\"\ntest_labels = \"tl\"",
    ]);
    pick(&["", "split.valid = 0.1", "split = { valid = 0.123456789, stratify = false }"]);
    pick(&["", "scale = \"none\"", "scale = \"minmax\"", "scale = \"robust\"", "scale = \"bytes\"", "scale = \"standard\""]);
    pick(&["", "class_weights = \"none\""]);
    pick(&["[model]"]);
    pick(&[
        "",
        "init = \"zeros\"",
        "init = { type = \"he\", fan = \"avg\", dist = \"uniform\" }",
        "init = { type = \"normal\", std = 0.3 }",
        "init = { type = \"orthogonal\", gain = 1.4 }",
        "init = { type = \"uniform\", limit = 0.05 }",
        "init = { type = \"constant\", value = -0.25 }",
    ]);
    pick(&["", "from = \"w.safetensors\""]);
    pick(&[
        "hidden = []",
        "hidden = [64, 1]\nactivation = \"sigmoid\"",
        "hidden = [3]\nactivation = { type = \"leaky_relu\", slope = 0.2 }",
        "hidden = [3]\nactivation = { expr = \"z * sigmoid(1.7 * z)\" }\nbatch_norm = true\ndropout = 0.25",
        "layers = []",
        "[[model.layers]]\ntype = \"dense\"\nunits = 3\n[[model.layers]]\ntype = \"activation\"\nname = \"tanh\"",
        "[[model.layers]]\ntype = \"dense\"\nunits = 3\nbias = false\ninit = \"xavier\"\nactivation = \"identity\"",
        "[[model.layers]]\ntype = \"batch_norm\"\n[[model.layers]]\ntype = \"activation\"\nname = \"identity\"\n\
         [[model.layers]]\ntype = \"layer_norm\"\nepsilon = 1e-3\n[[model.layers]]\ntype = \"dropout\"\nrate = 0.1",
        "[[model.layers]]\ntype = \"residual\"\nlayers = [{ type = \"dense\", units = 4, activation = { type = \"elu\", alpha = 0.5 } }, \
         { type = \"residual\", layers = [{ type = \"dense\", units = 4 }, { type = \"softmax\" }], init = \"zeros\" }]",
    ]);
    pick(&["", "[loss]\ntype = \"auto\"", "[loss]\nexpr = \"(p - t)^2 * (1 + t)\"\ntargets = \"zero_one\"\nlabel_smoothing = 0.1"]);
    pick(&[
        "",
        "[optimizer]\ntype = \"sgd\"\nlr = 0.30000000000000004",
        "[optimizer]\ntype = \"momentum\"\nmomentum = 0",
        "[optimizer]\nbeta1 = 0.5\nepsilon = 1e-12",
        "[optimizer]\ntype = \"adamw\"\nweight_decay = 0.5\nl2 = 1e-3\ndecay_all = true\nema = 0.99",
    ]);
    pick(&[
        "",
        "[schedule]\ntype = \"step\"\nevery = 4\ndrop = 0.5\nunit = \"step\"",
        "[schedule]\ntype = \"exponential\"\nrate = 1",
        "[schedule]\ntype = \"cosine\"\nmin = 1e-5\nwarmup = 0.05",
        "[schedule]\nwarmup = 3",
        "[schedule]\nexpr = \"lr * 0.5^(epoch // 10)\"\nunit = \"step\"",
        "[schedule]\nphases = [{ type = \"fixed\", length = 0.2, lr = 0.1 }, { type = \"step\", every = 2, length = 0.3, warmup = 1 }, { expr = \"lr/(1+epoch)\" }]",
    ]);
    pick(&["", "[clip]\nnorm = 1", "[clip]\nvalue = 0.5", "[clip]\nnorm = 3.5\nvalue = 1e-3"]);
    pick(&[
        "",
        "[train]\nepochs = 9\nbatch = 1\nshuffle = false\nremainder = \"drop\"",
        "[train]\naccumulate = 3\non_nonfinite = \"rollback\"\nprecision = \"mixed\"\ndiagnose = 7\nmax_seconds = 12.5",
    ]);
    pick(&[
        "",
        "[early_stopping]",
        "[early_stopping]\nmonitor = \"train_loss\"\nmode = \"max\"\npatience = 1\nmin_delta = 0.1\nstart_epoch = 2\nrestore_best = false",
        "[early_stopping]\ndivergence = 12\ncheck_finite = false\nstop_at = { metric = \"train_loss\", value = 0.05 }",
    ]);
    pick(&[
        "",
        "[device]\nuse = \"NVIDIA \\\"GeForce\\\"\"",
        "[device]\nmemory = \"1.5 GiB\"",
        "[device]\nuse = \"cpu\"\nmemory = 1001",
        "[device]\nsubmission = 8",
    ]);
    pick(&[
        "",
        "[output]\ndir = \"runs/x\"",
        "[output]\ntensorboard = true\nreport = false",
        "[output]\ncheckpoint_every = \"7 steps\"\nkeep = 1",
    ]);
    text
}

#[test]
fn a_written_config_reads_back_equal() {
    let mut rng = Rng::new(1, Purpose::Synthetic, 0);
    for _ in 0..2000 {
        let text = random(&mut rng);
        let first = config(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let written = first.to_toml();
        let second = Config::read(Path::new("run/config.toml"), Path::new("/elsewhere"), "b", &written, &[]);
        let second = second.unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(first, second, "{text}\nwas written as\n{written}");
        assert_eq!(written, second.to_toml());
    }
}

#[test]
fn a_changed_config_is_not_equal() {
    let texts = ["train.epochs=3", "optimizer.lr=0.5", "seed=3", "data.split.valid=0.2", "clip.norm=2", "device.use=cpu", "output.dir=x"];
    let digits = Config::builtin("digits", &[]).unwrap();
    for set in texts {
        assert_ne!(Config::builtin("digits", &[set.to_owned()]).unwrap(), digits, "{set}");
    }
}

#[test]
fn built_in_configs_are_written_as_expected() {
    let text = Config::builtin("digits", &[]).unwrap().to_toml();
    let wanted = r#"version = 1
seed = 7

[data]
name = "digits"
task = "auto"
split = { valid = 0.15, test = 0.2, stratify = true }
scale = "minmax"
class_weights = "none"

[model]
hidden = [256, 128]
activation = "relu"
batch_norm = false
dropout = 0.0
init = "auto"

[loss]
type = "cross_entropy"
label_smoothing = 0.0

[optimizer]
type = "adam"
lr = 0.001
beta1 = 0.9
beta2 = 0.999
epsilon = 1e-8
weight_decay = 0.0
l2 = 0.0
decay_all = false

[schedule]
type = "cosine"
min = 0.0
warmup = 0.05
unit = "epoch"

[clip]
norm = 1.0

[train]
epochs = 40
batch = 32
shuffle = true
remainder = "keep"
accumulate = 1
on_nonfinite = "error"
precision = "full"
diagnose = "epoch"

[early_stopping]
monitor = "val_loss"
mode = "auto"
patience = 20
min_delta = 0.0
start_epoch = 0
restore_best = true
check_finite = true

[device]
use = "auto"
submission = 256

[output]
checkpoint_every = 1
keep = 3
tensorboard = false
report = true
"#;
    assert_eq!(text, wanted);
}

#[test]
fn every_key_is_written_by_some_config_and_every_key_written_is_known() {
    let mut rng = Rng::new(2, Purpose::Synthetic, 0);
    let mut written = std::collections::BTreeSet::new();
    let texts = std::iter::repeat_with(|| config(&random(&mut rng)).unwrap().to_toml()).take(500).chain(super::tables::texts());
    for text in texts {
        let table: toml::Table = text.parse().unwrap();
        for (section, value) in &table {
            written.insert(section.clone());
            let Some(keys) = value.as_table() else { continue };
            written.extend(keys.keys().map(|key| format!("{section}.{key}")));
        }
    }
    for (section, keys) in keys::sections() {
        for key in keys {
            assert!(written.contains(&format!("{section}.{}", key.name)), "{section}.{} is never written", key.name);
        }
    }
    let paths = keys::paths();
    for key in &written {
        assert!(paths.contains(key), "{key} is written and not known");
    }
}

#[test]
fn every_default_and_every_example_is_toml() {
    let check = |key: &Key| {
        let parsed = document::Value::parse(key.example(), document::Origin::Default);
        assert!(parsed.is_ok(), "{}: {:?}: {parsed:?}", key.name, key.fallback);
        assert!(!key.doc.is_empty() && !matches!(&key.fallback, Fallback::Default(text) if text.is_empty()), "{}", key.name);
    };
    keys::TOP.iter().chain(model::LAYERS.keys()).chain(data::SPLIT_KEYS.iter()).chain(schedule::PARTS.keys()).for_each(check);
    keys::sections().into_iter().flat_map(|(_, keys)| keys).for_each(check);
    init::INITS.keys().into_iter().chain(activation::ACTIVATIONS.keys()).for_each(check);
}
