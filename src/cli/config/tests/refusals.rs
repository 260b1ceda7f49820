//! Refusals of single keys and values: the words, the line and the column.

use super::refused;

#[test]
fn unknown_keys_and_sections_are_refused_with_what_was_meant() {
    refused(&[
        (
            "[optimizer]\nlrr = 1e-3\n",
            "a.toml:6:1: unknown key `lrr` in [optimizer]; did you mean `lr`? (keys: type, lr, […]momentum, beta1, beta2, epsilon, […])",
        ),
        (
            "[train]\n  lr = 0.1\n",
            "a.toml:6:3: unknown key `lr` in [train]; it belongs in [optimizer] (keys: epochs, batch, shuffle, remainder, accumulate, on_nonfinite, precision, diagnose, max_seconds)",
        ),
        (
            "[output]\nfolder = \"x\"\n",
            "a.toml:6:1: unknown key `folder` in [output] (keys: dir, checkpoint_every, keep, tensorboard, report)",
        ),
        (
            "[output]\ntensorbord = true\n",
            "a.toml:6:1: unknown key `tensorbord` in [output]; did you mean `tensorboard`? (keys: dir, checkpoint_every, keep, tensorboard, report)",
        ),
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
            "a.toml:6:1: unknown key `unit` in [[model.layers]]; did you mean `units`? (keys: type, units, activation, init, bias, name, epsilon, momentum, rate, layers)",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\ninit = { type = \"he\", fann = \"in\" }\n",
            "a.toml:5:23: unknown key `fann` in [model.init]; did you mean `fan`? (keys: type, fan, dist, gain, std, limit, value)",
        ),
        (
            "[data]\npth = \"x\"\n",
            "a.toml:2:1: unknown key `pth` in [data]; did you mean `path`? (keys: path, name, test, labels, test_labels, target, features, weight, task, split, scale, categorical, missing, types, target_scale, class_weights)",
        ),
    ]);
}

#[test]
fn numbers_out_of_range_are_refused_with_the_remedy() {
    let lr = "set it with --set optimizer.lr=0.001 or [optimizer] lr";
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
            "a.toml:6:6: lr must be a number above 0 (got a list of 1): set it with --set optimizer.lr=0.001 or [optimizer] lr",
        ),
        (
            "[optimizer]\ntype = 3\n",
            "a.toml:6:8: type must be one of sgd, momentum, […] (got 3): set it with --set optimizer.type=adam or [optimizer] type",
        ),
        ("[device]\nuse = true\n", "a.toml:6:7: use must be a string (got true): set it with --set device.use=auto or [device] use"),
        (
            "[device]\nuse = \"\"\n",
            "a.toml:6:7: use must be a string that is not empty (got the string \"\"): set it with --set device.use=auto or [device] use",
        ),
        (
            "[device]\nmemory = \"lots\"\n",
            "a.toml:6:10: memory must be a size above 0, such as \"256 MiB\", \"1.5 GB\" or a number of bytes (got the string \"lots\"): set it with --set \
             'device.memory=\"256 MiB\"' or [device] memory",
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
            "a.toml:5:8: init must be one of \"auto\", \"he\", \"xavier\", […], or a table { type = … } (got 3): \
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
        ("[optimizer]\ntype = \"adan\"\n", "a.toml:6:8: type must be one of sgd, momentum, […] (got \"adan\"); did you mean \"adam\"?"),
        (
            "[train]\nremainder = \"wrap\"\n",
            "a.toml:6:13: remainder must be one of keep, drop (got \"wrap\"): set it with --set train.remainder=keep or [train] remainder",
        ),
        (
            "[data]\nname = \"digts\"\n",
            "a.toml:2:8: name must be one of digits, iris, spirals, moons, sine, friedman (got \"digts\"); did you mean \"digits\"?",
        ),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nactivation = \"rellu\"\n",
            "a.toml:5:14: activation must be one of identity, relu, […] (got \"rellu\"); did you mean \"relu\"?",
        ),
        (
            "[data]\nname = \"digits\"\n[[model.layers]]\ntype = \"dense\"\nunits = 3\ninit = { type = \"hee\" }\n",
            "a.toml:6:17: type must be one of auto, he, xavier, […] (got \"hee\"); did you mean \"he\"?",
        ),
        (
            "[early_stopping]\nmonitor = \"val_los\"\n",
            "a.toml:6:11: monitor must be one of val_loss, train_loss, […] (got \"val_los\"); did you mean \"val_loss\"?",
        ),
    ]);
}

#[test]
fn what_comes_in_a_later_version_is_refused_by_name() {
    refused(&[
        (
            "[data]\nname = \"digits\"\nmissing = \"mean\"\n",
            "a.toml:3:11: `missing` does not apply to the built-in data set digits (it is for files of columns): take it out",
        ),
        (
            "[output]\ncheckpoint_every = \"1 hour\"\n",
            "a.toml:6:20: checkpoint_every must be a whole number of epochs, or a text like \"100 steps\" (got the string \"1 hour\"): […]",
        ),
        (
            "[output]\ncheckpoint_every = \"0 steps\"\n",
            "a.toml:6:20: checkpoint_every must be a whole number of epochs, or a text like \"100 steps\" (got the string \"0 steps\"): […]",
        ),
        ("[output]\ncheckpoint_every = -1\n", "a.toml:6:20: checkpoint_every must be at least 0 (got -1): […]"),
        ("[output]\nkeep = 0\n", "a.toml:6:8: keep must be at least 1 (got 0): […]"),
    ]);
}

#[test]
fn formulas_that_can_not_be_read_are_refused_with_key_and_column() {
    refused(&[
        ("[loss]\nexpr = \"(p - t\"\ntargets = \"zero_one\"\n", "a.toml:6:8: the loss `(p - t`, column […]"),
        (
            "[loss]\nexpr = \"t*t\"\ntargets = \"zero_one\"\n",
            "a.toml:6:8: the loss `t*t` does not depend on the prediction p: there is nothing to learn",
        ),
        (
            "[loss]\ntype = \"expr\"\n",
            "a.toml:5:1: [loss] needs `expr`, the formula of a prediction p and a target t: set it with --set […]",
        ),
        ("[loss]\nexpr = 3\n", "a.toml:6:8: expr must be a string (got 3): […]"),
        (
            "[data]\nname = \"digits\"\n[model]\nhidden = [8]\nactivation = { expr = \"z*sigmod(z)\" }\n",
            "a.toml:5:23: the activation `z*sigmod(z)`, column 3: […]sigmoid[…]",
        ),
        ("[schedule]\nexpr = \"lr*0.5^(epohc//10)\"\n", "a.toml:6:8: the schedule `lr*0.5^(epohc//10)`, column 9: […]epoch[…]"),
    ]);
}

#[test]
fn values_of_the_newer_keys_are_refused_with_what_is_needed() {
    let train = |line: &str, column: usize, wanted: &str| (format!("[train]\n{line}\n"), format!("a.toml:6:{column}: {wanted}"));
    let stopping =
        |line: &str, column: usize, wanted: &str| (format!("[early_stopping]\n{line}\n"), format!("a.toml:6:{column}: {wanted}"));
    let model = |line: &str, column: usize, wanted: &str| {
        (format!("[data]\nname = \"digits\"\n[model]\nhidden = [8]\n{line}\n"), format!("a.toml:5:{column}: {wanted}"))
    };
    let layer = |line: &str, column: usize, wanted: &str| {
        (format!("[data]\nname = \"digits\"\n[[model.layers]]\n{line}\n"), format!("a.toml:[…]:{column}: {wanted}"))
    };
    let data =
        |line: &str, column: usize, wanted: &str| (format!("[data]\nname = \"digits\"\n{line}\n"), format!("a.toml:3:{column}: {wanted}"));
    let cases = [
        train("accumulate = 0", 14, "accumulate must be at least 1 (got 0): set it with --set train.accumulate=1 or [train] accumulate"),
        train("on_nonfinite = \"skp\"", 16, "on_nonfinite must be one of error, skip, rollback (got \"skp\"); did you mean \"skip\"?"),
        train("diagnose = \"of\"", 12, "diagnose must be one of epoch, off (got \"of\"); did you mean \"off\"?"),
        train("diagnose = 0", 12, "diagnose must be at least 1 (got 0): […]"),
        train("diagnose = true", 12, "diagnose must be one of epoch, off, or a whole number of steps (got true): […]"),
        train(
            "max_seconds = 0",
            15,
            "max_seconds must be a number above 0 (got 0): set it with --set train.max_seconds=600.0 or [train] max_seconds",
        ),
        train("max_seconds = 1e30", 15, "max_seconds is longer than time can be counted (got 1e30): leave it out"),
        stopping("divergence = \"big\"", 14, "divergence must be a number (got the string \"big\"): […]"),
        stopping("check_finite = 1", 16, "check_finite must be true or false (got 1): […]"),
        stopping(
            "stop_at = 0.9",
            11,
            "stop_at must be a table (got 0.9): set it with --set 'early_stopping.stop_at={ metric = \"val_accuracy\", value = 0.98 }' or […]",
        ),
        stopping(
            "stop_at = { metric = \"val_loss\" }",
            11,
            "[early_stopping.stop_at] needs `value`, how good it must be: set it with --set early_stopping.stop_at.value=0.98 or […]",
        ),
        stopping(
            "stop_at = { metric = \"val_acuracy\", value = 1 }",
            22,
            "metric must be one of val_loss, […] (got \"val_acuracy\"); did you mean \"val_accuracy\"?",
        ),
        model("batch_norm = 1", 14, "batch_norm must be true or false (got 1): […]"),
        model(
            "dropout = 1.0",
            11,
            "dropout must be a number of at least 0 and below 1 (got 1.0): set it with --set model.dropout=0.0 or [model] dropout",
        ),
        model(
            "init = \"constant\"",
            8,
            "[model.init] needs `value`, what all weights are: set it with --set model.init.value=1.0 or [model.init] value",
        ),
        model("init = { type = \"uniform\", limit = 0 }", 36, "limit must be a number above 0 (got 0): […]"),
        layer("type = \"dropout\"\nrate = 1", 8, "rate must be a number of at least 0 and below 1 (got 1): write it like `rate = 0.5`"),
        layer(
            "type = \"batch_norm\"\nmomentum = 0",
            12,
            "momentum must be a number above 0 and at most 1 (got 0): write it like `momentum = 0.1`",
        ),
        layer(
            "type = \"residual\"",
            1,
            "[[model.layers]] needs `layers`, the layers whose outcome is added to what goes in: write it like […]",
        ),
        layer(
            "type = \"residual\"\nlayers = [{ type = \"dens\", units = 1 }]",
            20,
            "type must be one of dense, […] (got \"dens\"); did you mean \"dense\"?",
        ),
        layer(
            "type = \"residual\"\nlayers = [{ type = \"dense\" }]",
            11,
            "[[model.layers.layers]] needs `units`, how many outputs the layer has: write it like `units = 64`",
        ),
        data(
            "class_weights = \"balance\"",
            17,
            "class_weights must be one of none, balanced (got \"balance\"); did you mean \"balanced\"?",
        ),
        data("class_weights = { a = 0 }", 23, "a must be a number above 0 (got 0): […]"),
        data("class_weights = 2", 17, "class_weights must be one of none, balanced, or a table of names and weights (got 2): […]"),
        data("weight = true", 10, "`weight` does not apply to a built-in data set (it is for files of columns): take it out"),
    ];
    refused(&cases.each_ref().map(|(text, wanted)| (text.as_str(), wanted.as_str())));
    let cases = [
        ("[schedule]\nphases = 3\n".to_owned(), "a.toml:6:10: phases must be a list of tables (got 3): […]".to_owned()),
        ("[schedule]\nphases = [3]\n".to_owned(), "a.toml:6:11: phases must be a list of tables (got 3): […]".to_owned()),
        (
            "[schedule]\nphases = [{ type = \"cosine\", length = 1.5 }]\n".to_owned(),
            "a.toml:6:39: length must be a number above 0 and at most 1 (got 1.5): write it like `length = 0.2`".to_owned(),
        ),
        (
            "[schedule]\nphases = [{ type = \"cosine\", unit = \"step\" }]\n".to_owned(),
            "a.toml:6:30: unknown key `unit` in [[schedule.phases]]; it belongs in [schedule] (keys: […])".to_owned(),
        ),
        (
            "[schedule]\ntype = \"phases\"\n".to_owned(),
            "a.toml:5:1: [schedule] needs `phases`, schedules one after the other: […]".to_owned(),
        ),
        (
            "[optimizer]\nema = 1\n".to_owned(),
            "a.toml:6:7: ema must be a number of at least 0 and below 1 (got 1): set it with --set optimizer.ema=0.999 or […]".to_owned(),
        ),
        ("[optimizer]\nl2 = -1\n".to_owned(), "a.toml:6:6: l2 must be a number of at least 0 (got -1): […]".to_owned()),
        (
            "[optimizer]\nweight_decay = -1\n".to_owned(),
            "a.toml:6:16: weight_decay must be a number of at least 0 (got -1): […]".to_owned(),
        ),
        ("[optimizer]\ndecay_all = 1\n".to_owned(), "a.toml:6:13: decay_all must be true or false (got 1): […]".to_owned()),
        (
            "[loss]\nlabel_smoothing = 1\n".to_owned(),
            "a.toml:6:19: label_smoothing must be a number of at least 0 and below 1 (got 1): […]".to_owned(),
        ),
        (
            "[loss]\nexpr = \"p*t\"\ntargets = \"one_zero\"\n".to_owned(),
            "a.toml:7:11: targets must be one of numbers, zero_one, plus_minus (got \"one_zero\"): […]".to_owned(),
        ),
    ];
    refused(&cases.each_ref().map(|(text, wanted)| (text.as_str(), wanted.as_str())));
}
