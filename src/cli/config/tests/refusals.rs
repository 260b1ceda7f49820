//! Refusals of single keys and values: the words, the line and the column.

use super::refused;

#[test]
fn unknown_keys_and_sections_are_refused_with_what_was_meant() {
    refused(&[
        (
            "[optimizer]\nlrr = 1e-3\n",
            "a.toml:6:1: unknown key `lrr` in [optimizer]; did you mean `lr`? (keys: type, lr, momentum, beta1, beta2, epsilon)",
        ),
        (
            "[train]\n  lr = 0.1\n",
            "a.toml:6:3: unknown key `lr` in [train]; it belongs in [optimizer] (keys: epochs, batch, shuffle, remainder)",
        ),
        ("[output]\nfolder = \"x\"\n", "a.toml:6:1: unknown key `folder` in [output] (keys: dir)"),
        ("[output]\ntensorbord = true\n", "a.toml:6:1: unknown key `tensorbord` in [output]; did you mean `tensorboard`? (keys: dir)"),
        (
            "[optimiser]\nlr = 1\n",
            "a.toml:5:2: unknown section [optimiser]; did you mean [optimizer]? \
             (sections: data, model, loss, optimizer, schedule, clip, train, early_stopping, device, output)",
        ),
        ("sed = 3\n[data]\n", "a.toml:1:1: unknown key `sed`; did you mean `seed`?"),
        ("epochs = 3\n[data]\n", "a.toml:1:1: unknown key `epochs` at the top; it belongs in [train]"),
        (
            "zzz = 3\n[data]\n",
            "a.toml:1:1: unknown key `zzz` at the top (keys: version, seed; sections: data, model, loss, optimizer, schedule, clip, train, \
             early_stopping, device, output)",
        ),
        (
            "[data]\nname = \"digits\"\nsplit = { vald = 0.1 }\n",
            "a.toml:3:11: unknown key `vald` in [data.split]; did you mean `valid`? (keys: valid, test, stratify)",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\n[[model.layers]]\ntype = \"dense\"\nunit = 3\n",
            "a.toml:6:1: unknown key `unit` in [[model.layers]]; did you mean `units`? (keys: type, units, activation, init, bias, name)",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\ninit = { type = \"he\", fann = \"in\" }\n",
            "a.toml:5:23: unknown key `fann` in [model.init]; did you mean `fan`? (keys: type, fan, dist, std)",
        ),
        (
            "[data]\npth = \"x\"\n",
            "a.toml:2:1: unknown key `pth` in [data]; did you mean `path`? (keys: path, name, test, labels, test_labels, target, features, task, split, scale)",
        ),
    ]);
}

#[test]
fn numbers_out_of_range_are_refused_with_the_remedy() {
    let lr = "set it with --set optimizer.lr=1e-3 or [optimizer] lr";
    let cases = [
        ("train", "batch = 0", 9, "batch must be at least 1 (got 0): set it with --set train.batch=64 or [train] batch".to_owned()),
        ("train", "epochs = 0", 10, "epochs must be at least 1 (got 0): set it with --set train.epochs=50 or [train] epochs".to_owned()),
        ("train", "epochs = -3", 10, "epochs must be at least 1 (got -3): set it with --set train.epochs=50 or [train] epochs".to_owned()),
        (
            "train",
            "batch = 5_000_000_000",
            9,
            "batch must be at most 4294967295 (got 5000000000): set it with --set train.batch=64 or [train] batch".to_owned(),
        ),
        ("optimizer", "lr = -1e-3", 6, format!("lr must be a number above 0 (got -0.001): {lr}")),
        ("optimizer", "lr = 0", 6, format!("lr must be a number above 0 (got 0): {lr}")),
        ("optimizer", "lr = nan", 6, format!("lr must be a number above 0 (got NaN): {lr}")),
        ("optimizer", "lr = inf", 6, format!("lr must be a number above 0 (got inf): {lr}")),
        ("optimizer", "lr = 1e-60", 6, format!("lr must be a number above 0 in 32-bit floating point, too (got 1e-60): {lr}")),
        ("optimizer", "lr = 1e60", 6, format!("lr must be a number above 0 in 32-bit floating point, too (got 1e60): {lr}")),
        (
            "optimizer",
            "beta2 = 1.0",
            9,
            "beta2 must be a number of at least 0 and below 1 (got 1.0): set it with --set optimizer.beta2=0.999 or [optimizer] beta2".to_owned(),
        ),
        (
            "clip",
            "norm = 0.0",
            8,
            "norm must be a number above 0 (got 0.0): set it with --set clip.norm=1.0 or [clip] norm".to_owned(),
        ),
        (
            "clip",
            "value = -1",
            9,
            "value must be a number above 0 (got -1): set it with --set clip.value=0.5 or [clip] value".to_owned(),
        ),
        (
            "early_stopping",
            "patience = -1",
            12,
            "patience must be at least 1 (got -1): set it with --set early_stopping.patience=10 or [early_stopping] patience".to_owned(),
        ),
        (
            "early_stopping",
            "min_delta = -0.1",
            13,
            "min_delta must be a number of at least 0 (got -0.1): set it with --set early_stopping.min_delta=0.0 or [early_stopping] min_delta"
                .to_owned(),
        ),
        (
            "schedule",
            "warmup = -1",
            10,
            "warmup must be at least 0 (got -1): set it with --set schedule.warmup=0 or [schedule] warmup".to_owned(),
        ),
        (
            "schedule",
            "warmup = 1.5",
            10,
            "warmup must be a number of at least 0 and below 1 (got 1.5): set it with --set schedule.warmup=0 or [schedule] warmup".to_owned(),
        ),
        (
            "schedule",
            "warmup = 1.0",
            10,
            "warmup as a share must be below 1 (got 1.0): write `warmup = 1` for one epoch (or step)".to_owned(),
        ),
    ];
    for (section, line, column, wanted) in cases {
        refused(&[(&format!("[{section}]\n{line}\n"), &format!("a.toml:6:{column}: {wanted}"))]);
    }
    refused(&[
        ("seed = -1\n[data]\n", "a.toml:1:8: seed must be at least 0 (got -1): set it with --set seed=7 or `seed = 7` at the top"),
        ("version = 2\n[data]\n", "a.toml:1:11: version must be 1 (got 2): this gradus reads no other, so write 1 or take a newer gradus"),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [64, 0]\n",
            "a.toml:4:15: hidden must be at least 1 (got 0): set it with --set 'model.hidden=[64, 64]' or [model] hidden",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nactivation = { type = \"leaky_relu\", slope = 1 }\n",
            "a.toml:5:45: slope must be a number of at least 0 and below 1 (got 1): \
             set it with --set model.activation.slope=0.01 or [model.activation] slope",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\ntype = \"dense\"\nunits = 0\n",
            "a.toml:5:9: units must be at least 1 (got 0): write it like `units = 64`",
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_refused_with_what_is_needed() {
    refused(&[
        (
            "[train]\nepochs = \"many\"\n",
            "a.toml:6:10: epochs must be a whole number (got the string \"many\"): set it with --set train.epochs=50 or [train] epochs",
        ),
        (
            "[train]\nepochs = 1.5\n",
            "a.toml:6:10: epochs must be a whole number (got 1.5): set it with --set train.epochs=50 or [train] epochs",
        ),
        (
            "[train]\nshuffle = 1\n",
            "a.toml:6:11: shuffle must be true or false (got 1): set it with --set train.shuffle=true or [train] shuffle",
        ),
        (
            "[optimizer]\nlr = [1]\n",
            "a.toml:6:6: lr must be a number above 0 (got a list of 1): set it with --set optimizer.lr=1e-3 or [optimizer] lr",
        ),
        (
            "[optimizer]\ntype = 3\n",
            "a.toml:6:8: type must be one of sgd, momentum, adam (got 3): set it with --set optimizer.type=adam or [optimizer] type",
        ),
        ("[device]\nuse = true\n", "a.toml:6:7: use must be a string (got true): set it with --set device.use=auto or [device] use"),
        (
            "[device]\nuse = \"\"\n",
            "a.toml:6:7: use must be a string that is not empty (got the string \"\"): set it with --set device.use=auto or [device] use",
        ),
        (
            "[output]\ndir = 2024-01-01\n",
            "a.toml:6:7: dir must be a string (got the date 2024-01-01): set it with --set output.dir=runs/iris or [output] dir",
        ),
        ("train = 3\n[data]\n", "a.toml:1:9: `train` must be a section (got 3): write its keys below a line [train]"),
        ("[[clip]]\nnorm = 1\n", "a.toml:5:1: `clip` must be a section (got a list of 1): write its keys below a line [clip]"),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = 64\n",
            "a.toml:4:10: hidden must be a list of whole numbers (got 64): set it with --set 'model.hidden=[64, 64]' or [model] hidden",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nlayers = [64]\n",
            "a.toml:4:11: layers must be a list of tables (got 64): \
             set it with --set 'model.layers=[{ type = \"dense\", units = 64 }]' or [model] layers",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\ninit = 3\n",
            "a.toml:5:8: init must be one of \"auto\", \"he\", \"xavier\", \"zeros\", \"normal\", or a table { type = … } (got 3): \
             set it with --set model.init=auto or [model] init",
        ),
        (
            "[data]\nname = \"digits\"\nsplit = 0.2\n",
            "a.toml:3:9: split must be a table (got 0.2): set it with --set 'data.split={ valid = 0.15, test = 0.15 }' or [data] split",
        ),
    ]);
}

#[test]
fn words_that_are_none_of_the_known_are_refused_with_the_list() {
    refused(&[
        ("[optimizer]\ntype = \"adan\"\n", "a.toml:6:8: type must be one of sgd, momentum, adam (got \"adan\"); did you mean \"adam\"?"),
        (
            "[train]\nremainder = \"wrap\"\n",
            "a.toml:6:13: remainder must be one of keep, drop (got \"wrap\"): set it with --set train.remainder=keep or [train] remainder",
        ),
        (
            "[data]\nname = \"digts\"\n",
            "a.toml:2:8: name must be one of digits, spirals, moons, sine (got \"digts\"); did you mean \"digits\"?",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nactivation = \"rellu\"\n",
            "a.toml:5:14: activation must be one of identity, relu, leaky_relu, sigmoid, tanh (got \"rellu\"); did you mean \"relu\"?",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\ntype = \"dense\"\nunits = 3\ninit = { type = \"hee\" }\n",
            "a.toml:6:17: type must be one of auto, he, xavier, zeros, normal (got \"hee\"); did you mean \"he\"?",
        ),
        (
            "[early_stopping]\nmonitor = \"val_los\"\n",
            "a.toml:6:11: monitor must be one of val_loss, train_loss, val_accuracy (got \"val_los\"); did you mean \"val_loss\"?",
        ),
    ]);
}

#[test]
fn what_comes_in_a_later_version_is_refused_by_name() {
    refused(&[
        ("[optimizer]\ntype = \"adamw\"\n", "a.toml:6:8: type \"adamw\" is not in this version: take one of sgd, momentum, adam"),
        (
            "[schedule]\ntype = \"one_cycle\"\n",
            "a.toml:6:8: type \"one_cycle\" is not in this version: take one of fixed, step, exponential, cosine",
        ),
        ("[loss]\ntype = \"huber\"\n", "a.toml:6:8: type \"huber\" is not in this version: take one of auto, mse, mae, cross_entropy"),
        ("[loss]\nexpr = \"0.5*(p-t)^2\"\n", "a.toml:6:8: `expr` is not in this version: leave it out"),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nactivation = \"gelu\"\n",
            "a.toml:5:14: activation \"gelu\" is not in this version: take one of identity, relu, leaky_relu, sigmoid, tanh",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\ntype = \"batch_norm\"\n",
            "a.toml:4:8: type \"batch_norm\" is not in this version: take one of dense, activation",
        ),
        ("[data]\nname = \"iris\"\n", "a.toml:2:8: name \"iris\" is not in this version: take one of digits, spirals, moons, sine"),
        ("[data]\nname = \"digits\"\ncategorical = \"one_hot\"\n", "a.toml:3:15: `categorical` is not in this version: leave it out"),
        (
            "[data]\nname = \"digits\"\nmissing = \"mean\"\n",
            "a.toml:3:11: missing can only be \"error\" in this version (got the string \"mean\"): \
             leave it out, or write `missing = \"error\"`",
        ),
        (
            "[data]\nname = \"digits\"\nclass_weights = { a = 2.0 }\n",
            "a.toml:3:17: class_weights can only be \"none\" in this version (got a table): \
             leave it out, or write `class_weights = \"none\"`",
        ),
        (
            "[train]\naccumulate = 4\n",
            "a.toml:6:14: accumulate can only be 1 in this version (got 4): leave it out, or write `accumulate = 1`",
        ),
        (
            "[train]\non_nonfinite = \"skip\"\n",
            "a.toml:6:16: on_nonfinite can only be \"error\" in this version (got the string \"skip\"): \
             leave it out, or write `on_nonfinite = \"error\"`",
        ),
        (
            "[output]\ncheckpoint_every = 1\n",
            "a.toml:6:20: checkpoint_every can only be 0 in this version (got 1): leave it out, or write `checkpoint_every = 0`",
        ),
        (
            "[output]\ntensorboard = true\n",
            "a.toml:6:15: tensorboard can only be false in this version (got true): leave it out, or write `tensorboard = false`",
        ),
        (
            "[data]\npath = \"x.parquet\"\n",
            "a.toml:2:8: `x.parquet` is of a kind that is not in this version: give a csv or tsv file, idx files or a folder of those",
        ),
        (
            "[data]\npath = \"x.csv.gz\"\n",
            "a.toml:2:8: `x.csv.gz` is of a kind that is not in this version: give a csv or tsv file, idx files or a folder of those",
        ),
    ]);
}
