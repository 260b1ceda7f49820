//! Refusals of what is missing, of what does not go together, and of damaged texts.

use super::super::{BuiltIn, Config};
use super::{config, refused};
use crate::rng::{Purpose, Rng};

#[test]
fn what_is_missing_is_named_with_an_example() {
    refused(&[
        (
            "[model]\nhidden = [8]\n[data]\n",
            "a.toml:3:1: [data] needs `path` (a file of columns, an idx file, or a folder of idx files) or `name` (a built-in data set): \
             set it with --set data.path=iris.csv or [data] path",
        ),
        (
            "[data]\nname = \"digits\"\n",
            "a.toml:1:1: [model] needs `hidden`, the units of each hidden layer, or `layers`: \
             set it with --set 'model.hidden=[64, 64]' or [model] hidden",
        ),
        (
            "[data]\npath = \"iris.csv\"\n",
            "a.toml:1:1: [data] needs `target`, the column to predict, by its name or its index from 0 (a list for several): \
             set it with --set data.target=species or [data] target",
        ),
        (
            "[data]\npath = \"train-images-idx3-ubyte.gz\"\n",
            "a.toml:1:1: [data] needs `labels`, the idx file with the classes of the images in `path`: \
             set it with --set data.labels=train-labels-idx1-ubyte or [data] labels",
        ),
        (
            "[data]\npath = \"a-ubyte\"\nlabels = \"b-ubyte\"\ntest = \"c-ubyte\"\n",
            "a.toml:1:1: [data] needs `test_labels`, the idx file with the classes of the images in `test`: \
             set it with --set data.test_labels=t10k-labels-idx1-ubyte or [data] test_labels",
        ),
        (
            "[data]\npath = \"a-ubyte\"\nlabels = \"b-ubyte\"\ntest_labels = \"c-ubyte\"\n",
            "a.toml:4:15: `test_labels` are of no use without `test`, their images: set it with --set data.test=test.csv or [data] test",
        ),
        (
            "[schedule]\ntype = \"step\"\n",
            "a.toml:5:1: [schedule] needs `every`, how many epochs (or steps) lie between drops: \
             set it with --set schedule.every=10 or [schedule] every",
        ),
        (
            "[schedule]\ntype = \"exponential\"\n",
            "a.toml:5:1: [schedule] needs `rate`, the factor of each epoch (or step): \
             set it with --set schedule.rate=0.5 or [schedule] rate",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\ntype = \"dense\"\n[[model.layers]]\nunits = 3\n",
            "a.toml:3:1: [[model.layers]] needs `units`, how many outputs the layer has: write it like `units = 64`",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\nunits = 3\n",
            "a.toml:3:1: [[model.layers]] needs `type`, the kind of layer: write it like `type = \"dense\"`",
        ),
    ]);
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    refused(&[
        (
            "[optimizer]\ntype = \"sgd\"\nbeta1 = 0.9\n",
            "a.toml:7:1: `beta1` does not apply to type \"sgd\" (it is for adam, […]): take it out (keys of sgd: type, lr, weight_decay, l2, decay_all, ema)",
        ),
        (
            "[schedule]\nmin = 0\n",
            "a.toml:6:1: `min` does not apply to type \"fixed\" (it is for cosine, […]): take it out (keys of fixed: type, warmup, unit)",
        ),
        (
            "[schedule]\ntype = \"cosine\"\nmin = 0.01\n",
            "a.toml:7:7: min must not be above the learning rate (got 0.01 with lr = 0.001): lower it",
        ),
        (
            "[schedule]\nwarmup = 50\n",
            "a.toml:6:10: warmup must end before the training does (got 50 epochs of 50): \
             lower it, raise [train] epochs, or write unit = \"step\"",
        ),
        (
            "[data]\nname = \"digits\"\npath = \"x.csv\"\n",
            "a.toml:2:8: [data] has both `name` and `path`, and one must go: take it out, or undo it with --set data.name=default",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nlayers = []\n",
            "a.toml:4:10: [model] has both `hidden` and `layers`, and one must go: take it out, or undo it with --set model.hidden=default",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nactivation = \"relu\"\nlayers = []\n",
            "a.toml:4:14: `activation` of [model] does not apply to `layers` (it is for `hidden`): give each layer its own",
        ),
        (
            "[data]\nname = \"digits\"\ntarget = \"x\"\n",
            "a.toml:3:10: `target` does not apply to a built-in data set (it is for files of columns): take it out",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = \"x\"\nlabels = \"y\"\n",
            "a.toml:4:10: `labels` does not apply to a file of columns (it is for idx images): take it out",
        ),
        (
            "[data]\npath = \"mnist\"\ntest = \"y\"\n",
            "a.toml:3:8: `test` does not apply to a folder of idx files (it is for files of columns and idx files): take it out",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = \"a\"\ntest = \"y.idx\"\n",
            "a.toml:4:8: test must be a file of columns, as `path` is (.csv, .tsv, .parquet, .npy, .npz or .safetensors): give one with the same columns",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = \"a\"\nfeatures = [\"b\", \"a\"]\n",
            "a.toml:4:12: column \"a\" is a feature and a target: take it out of one of them",
        ),
        ("[data]\npath = \"x.csv\"\ntarget = [\"a\", \"b\", \"a\"]\n", "a.toml:3:21: target has column \"a\" twice: take one out"),
        (
            "[data]\npath = \"x.csv\"\ntarget = \"a\"\nfeatures = \"some\"\n",
            "a.toml:4:12: features must be \"all\", a list of columns, or { exclude = [\"id\"] } (got the string \"some\"): \
             set it with --set data.features=all or [data] features",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = []\n",
            "a.toml:3:10: target must be a list of at least one column (got a list of 0): \
             set it with --set data.target=species or [data] target",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = -1\n",
            "a.toml:3:10: target must be at least 0 (got -1): set it with --set data.target=species or [data] target",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = [\"a\", \"b\"]\ntask = \"classification\"\n",
            "a.toml:4:8: task must be \"regression\" or \"auto\" for several targets (got \"classification\"): \
             set it with --set data.task=auto or [data] task",
        ),
        (
            "[data]\nname = \"sine\"\n[model]\nhidden = []\n[loss]\ntype = \"cross_entropy\"\n",
            "a.toml:6:8: cross_entropy is for classification, and the data are a regression: take auto, […]mse, mae, huber, […]",
        ),
        (
            "[data]\nname = \"sine\"\n[model]\nhidden = []\n[early_stopping]\nmonitor = \"val_accuracy\"\n",
            "a.toml:6:11: a regression has no val_accuracy: watch one of val_loss, train_loss, val_mse, […]",
        ),
        (
            "[data]\nname = \"digits\"\nsplit = { valid = 0.0 }\n[model]\nhidden = []\n[early_stopping]\n",
            "a.toml:6:1: early stopping watches the validation rows, and there are none: \
             set [data] split.valid above 0, or watch train_loss",
        ),
        (
            "[data]\nname = \"digits\"\nsplit = { valid = 0.5, test = 0.5 }\n",
            "a.toml:3:31: valid and test leave no rows for training (0.5 + 0.5 is not below 1): lower one of them",
        ),
        (
            "[data]\nname = \"digits\"\nsplit = { valid = 0.9 }\n",
            "a.toml:3:19: valid and test leave no rows for training (0.9 + 0.15 is not below 1): lower one of them",
        ),
        (
            "[data]\npath = \"x.csv\"\ntarget = 0\ntest = \"t.csv\"\nsplit.test = 0.2\n",
            "a.toml:5:14: the test set has a file of its own, so none of the rows can go to it (got test = 0.2): write 0 or leave it out",
        ),
    ]);
}

#[test]
fn what_does_not_suit_the_data_or_the_loss_is_refused() {
    let sine = "[data]\nname = \"sine\"\n[model]\nhidden = []\n";
    let table = "[data]\npath = \"x.csv\"\ntarget = \"a\"\n";
    let cases = [
        (
            "[loss]\ntype = \"huber\"\n".to_owned(),
            "a.toml:6:8: huber is for numbers, and the data are classes: take auto, cross_entropy, […]",
        ),
        (
            "[loss]\nexpr = \"(p-t)^2\"\n".to_owned(),
            "a.toml:6:8: the loss is of numbers, and the data are classes: say what they are, targets = \"zero_one\" or \"plus_minus\"",
        ),
        (
            "[loss]\ntype = \"cross_entropy\"\ntargets = \"zero_one\"\n".to_owned(),
            "a.toml:7:1: `targets` does not apply to type \"cross_entropy\" (it is for expr): take it out (keys of cross_entropy: type, label_smoothing)",
        ),
        (
            "[loss]\ntype = \"mse\"\nexpr = \"(p-t)^2\"\n".to_owned(),
            "a.toml:7:1: `expr` does not apply to type \"mse\" (it is for expr): take it out (keys of mse: type, label_smoothing)",
        ),
        (
            format!("{sine}[loss]\ntype = \"mse\"\nlabel_smoothing = 0.1\n"),
            "a.toml:7:19: label_smoothing is for cross_entropy, binary_cross_entropy[…], not for mse: take it out",
        ),
        (
            format!("{sine}[loss]\nlabel_smoothing = 0.1\n"),
            "a.toml:6:19: label_smoothing is for cross_entropy, binary_cross_entropy[…], not for a regression: take it out",
        ),
        (
            "[data]\nname = \"sine\"\nclass_weights = \"balanced\"\n[model]\nhidden = []\n".to_owned(),
            "a.toml:3:17: class_weights are for classes, and the data are a regression: take them out",
        ),
        (
            "[data]\nname = \"moons\"\nweight = \"w\"\n".to_owned(),
            "a.toml:3:10: `weight` does not apply to a built-in data set (it is for files of columns): take it out",
        ),
        (
            format!("{table}weight = \"a\"\n"),
            "a.toml:4:10: column \"a\" is a target, and the weight of the rows: take it out of one of them",
        ),
        (
            format!("{table}weight = \"w\"\nfeatures = [\"b\", \"w\"]\n"),
            "a.toml:5:12: column \"w\" is a feature and the weight of the rows: take it out of one of them",
        ),
        (
            "[early_stopping]\nstop_at = { metric = \"val_r2\", value = 0.9 }\n".to_owned(),
            "a.toml:6:22: a classification has no val_r2: watch one of val_loss, train_loss, val_accuracy[…]",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\ndropout = 0.1\nlayers = []\n".to_owned(),
            "a.toml:4:11: `dropout` of [model] does not apply to `layers` (it is for `hidden`): write a layer of that type",
        ),
        (
            "[schedule]\nphases = [{ type = \"fixed\", length = 60 }, { type = \"cosine\" }]\n".to_owned(),
            "a.toml:6:10: [schedule] the phases take 60 of 50 epochs: shorten them",
        ),
        (
            "[schedule]\nphases = [{ type = \"fixed\" }, { type = \"cosine\" }]\n".to_owned(),
            "a.toml:[…]only the last phase can last to the end: give this one a length",
        ),
        (
            "[schedule]\nphases = [{ type = \"cosine\", min = 1.0 }]\n".to_owned(),
            "a.toml:6:36: min must not be above the learning rate (got 1 with lr = 0.001): lower it",
        ),
    ];
    refused(&cases.each_ref().map(|(text, wanted)| (text.as_str(), *wanted)));
}

#[test]
fn damaged_texts_are_read_or_refused_and_never_panic() {
    let mut rng = Rng::new(9, Purpose::Synthetic, 0);
    let texts: Vec<String> = BuiltIn::all().map(|set| Config::builtin(set.name(), &[]).unwrap().to_toml()).collect();
    let pieces = ["=", "[", "]", "\"", "{", "}", "\n", "ü", "#", ".", "-", "1e999", "[[", "nan", "'", ",", "\r", "\u{feff}", "0x", "true"];
    let mut refused = 0;
    for _ in 0..3000 {
        let mut text: Vec<char> = texts[rng.below(texts.len() as u64) as usize].chars().collect();
        for _ in 0..=rng.below(3) {
            let from = rng.below(text.len() as u64) as usize;
            let until = (from + rng.below(12) as usize).min(text.len());
            let piece = pieces[rng.below(pieces.len() as u64) as usize];
            text.splice(from..until, piece.chars());
        }
        if let Err(error) = config(&text.iter().collect::<String>()) {
            let message = error.to_string();
            assert!(message.starts_with("a.toml:") && message.contains(": "), "{message}");
            refused += 1;
        }
    }
    assert!(refused > 1000, "only {refused} of 3000 were refused");
    let deep =
        [format!("{}a = 1\n", "a.".repeat(50_000)), format!("a = {}\n", "[".repeat(50_000)), format!("[{}a]\n", "a.".repeat(50_000))];
    for text in deep {
        assert!(config(&text).is_err());
    }
}
