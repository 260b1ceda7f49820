//! Failures as the command line tells them: what was wrong, where, and what to do, with the exit code of its kind.

use super::bench::{Bench, config, flowers, idx};
use gradus::Model;
use gradus::model::Weights;

/// A good csv file with a row put in after line 1.
fn with_row(row: &str) -> String {
    flowers(60).replacen('\n', &format!("\n{row}\n"), 1)
}

#[test]
#[rustfmt::skip]
fn data_that_cannot_be_learnt_from_are_refused_with_their_place() {
    let damaged = idx(&[4, 2, 2], &[0; 15]);
    let cases: [(&str, Vec<u8>, &[&str]); 12] = [
        ("a row too short", with_row("1.0,setosa").into(), &["d.csv:2: ", "2 fields", "header has 3"]),
        ("a row too long", with_row("1.0,2.0,setosa,9").into(), &["d.csv:2:", "4 fields", "header has 3"]),
        ("a word for a number", with_row("1.0,wide,setosa").into(), &["d.csv:2:2: ", "`petal`", "`wide`, which is not a number", "mend it"]),
        ("NaN", with_row("NaN,2.0,setosa").into(), &["d.csv:2:1: ", "`sepal`", "no value here"]),
        ("infinity", with_row("1.0,inf,setosa").into(), &["d.csv:2:2: ", "`petal`", "`inf`"]),
        ("a missing value", with_row("1.0,,setosa").into(), &["d.csv:2:2: ", "`petal`"]),
        ("one class", flowers(60).replace("virginica", "setosa").replace("\"ver\"\"si, color\"", "setosa").into(), &["d.csv", "`species`", "only one class, `setosa`", "two classes"]),
        ("a header only", flowers(0).into(), &["d.csv", "header, but no rows", "empty"]),
        ("nothing", Vec::new(), &["d.csv", "empty", "header"]),
        ("no such target", "a,b\n1,2\n".into(), &["d.csv:1", "no column `species` for the target", "`a`, `b`"]),
        ("a column twice", "a,a,species\n1,2,x\n".into(), &["d.csv:1:2", "column `a` is there twice"]),
        ("not UTF-8", b"a,species\n1,\xff\n".to_vec(), &["d.csv:2", "UTF-8"]),
    ];
    let bench = Bench::new();
    bench.write("d.toml", config("d.csv", "species"));
    bench.fails("train d.toml --device cpu", 2, &["d.toml:5:", "there is no file", "d.csv", "path"]);
    for (what, bytes, parts) in cases {
        eprintln!("{what}");
        bench.write("d.csv", bytes).fails("train d.toml --device cpu", 2, parts);
    }
    bench.write("i.toml", config("i", "").replace("target = \"\"\n", ""));
    bench.write("i/train-images-idx3-ubyte", damaged).fails("train i.toml --device cpu", 2, &["train-images-idx3-ubyte", "too short"]);
    bench.write("i/train-images-idx3-ubyte", idx(&[4, 2, 2], &[0; 16])).fails("train i.toml --device cpu", 2, &["a file is missing", "train-labels-idx1-ubyte"]);
    assert!(!bench.path("runs").exists(), "a training that never began left a run folder");
}

#[test]
#[rustfmt::skip]
fn a_config_that_makes_no_sense_is_refused_with_its_place() {
    let bench = Bench::new();
    bench.write("d.csv", flowers(60));
    let good = config("d.csv", "species");
    let cases: [(&str, &str, &str, &[&str]); 10] = [
        ("an unknown key", "epochs = 40", "epocs = 40", &["d.toml:16:1: ", "unknown key `epocs` in [train]", "did you mean `epochs`?"]),
        ("an unknown section", "[train]", "[trian]", &["d.toml:15:2: ", "unknown section [trian]", "did you mean [train]?"]),
        ("batch 0", "batch = 16", "batch = 0", &["d.toml:17:9: ", "batch must be at least 1 (got 0)"]),
        ("a negative rate", "lr = 0.02", "lr = -0.02", &["d.toml:13:6: ", "lr must be a number above 0 (got -0.02)"]),
        ("a word for a number", "epochs = 40", "epochs = \"many\"", &["d.toml:16:10: ", "epochs", "many"]),
        ("an unknown optimizer", "\"adam\"", "\"adamm\"", &["d.toml:12:8: ", "adamm", "did you mean", "adam"]),
        ("another version", "version = 1", "version = 2", &["d.toml:1:11: ", "version must be 1 (got 2)"]),
        ("no width", "hidden = [16]", "hidden = [0]", &["d.toml:9:", "hidden", "at least 1"]),
        ("no TOML", "[model]", "[model", &["d.toml:8:"]),
        ("no rows to train on", "target =", "split = { valid = 0.5, test = 0.5 }\ntarget =", &["d.toml:6:31: ", "no rows for training"]),
    ];
    for (what, from, to, parts) in cases {
        eprintln!("{what}");
        assert!(good.contains(from));
        bench.write("d.toml", good.replacen(from, to, 1)).fails("train d.toml --device cpu", 2, parts);
    }
    // initial weights of another shape, of another model, and none
    bench.write("d.toml", good.replacen("hidden = [16]", "hidden = [16]\nfrom = \"w.safetensors\"", 1));
    bench.fails("train d.toml --device cpu", 2, &["d.toml:10:8: ", "there is no file", "w.safetensors"]);
    Weights::initial(&Model::input(5).dense(16).relu().dense(3), 1).save(bench.path("w.safetensors")).unwrap();
    bench.fails("train d.toml --device cpu", 2, &["d.toml:10:", "w.safetensors", "`0.weight` has the shape [16, 5], the model needs [16, 2]"]);
    Weights::initial(&Model::input(2).dense(16).relu().dense(16).relu().dense(3), 1).save(bench.path("w.safetensors")).unwrap();
    bench.fails("train d.toml --device cpu", 2, &["d.toml:10:", "w.safetensors", "`2.weight`", "[16, 16]", "[3, 16]"]);
    bench.write("w.safetensors", "no").fails("train d.toml --device cpu", 2, &["w.safetensors", "not a safetensors file"]);
}

#[test]
#[rustfmt::skip]
fn a_command_that_makes_no_sense_is_refused_with_the_remedy() {
    let bench = Bench::new();
    bench.good("train moons --device cpu --set train.epochs=1 --out run");
    bench.write("other.csv", "a,b\n1,2\n");
    let lr30 = "train digits --device cpu --set train.epochs=2 --set clip=default --set optimizer.type=sgd --set optimizer.lr=1e30";
    let cases: [(&str, i32, &[&str]); 19] = [
        ("train digts", 2, &["no config, data file or built-in data set `digts`", "did you mean `digits`?", "digits, iris, spirals, moons, sine, friedman"]),
        ("train no.toml", 2, &["no config", "`no.toml`"]),
        ("train moons --set train.batch=0", 2, &["--set train.batch=0: ", "batch must be at least 1 (got 0)"]),
        ("train moons --set optimizer.lr=-1e-3", 2, &["--set optimizer.lr=-1e-3: ", "lr must be a number above 0"]),
        ("train moons --set optimizer.rate=1", 2, &["--set optimizer.rate=1: ", "unknown key `rate` in [optimizer]"]),
        ("train moons --set train.epochs", 2, &["train.epochs", "KEY=VALUE"]),
        ("train moons --set train.epochs=0", 2, &["epochs must be at least 1 (got 0)"]),
        ("train moons --device nosuchgpu", 4, &["`nosuchgpu`", "--device cpu"]),
        ("check moons --device nosuchgpu", 4, &["`nosuchgpu`", "--device cpu"]),
        ("parity --device nosuchgpu", 4, &["`nosuchgpu`", "--device cpu"]),
        ("parity nosuchkernel", 2, &["no kernel `nosuchkernel`", "softmax_cross_entropy"]),
        (lr30, 3, &["non-finite", "epoch 1, step ", "layer ", "lower the learning rate"]),
        ("eval nowhere", 2, &["no run folder nowhere", "gradus train"]),
        ("eval .", 2, &["no manifest.json", "not a finished run"]),
        ("eval run no.csv", 2, &["no.csv"]),
        ("eval run other.csv", 2, &["other.csv:1", "no columns `x`, `y`", "`a`, `b`"]),
        ("predict run other.csv", 2, &["other.csv:1", "no columns `x`, `y`"]),
        ("predict run", 2, &["DATA", "Usage"]),
        ("", 2, &["Usage"]),
    ];
    for (arguments, code, parts) in cases {
        bench.fails(arguments, code, parts);
    }
}
