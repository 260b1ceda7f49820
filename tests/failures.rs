//! Failures as the library tells them: what was wrong, where, and what to do; each with its exit code.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::data::{Features, Split, Table, TableOptions, Targets, Task, read_table};
use gradus::kernels::update;
use gradus::model::Weights;
use gradus::plan::{Builder, Kind};
use gradus::train::{EarlyStopping, Member, Monitor, Stop, Training};
use gradus::{Adam, Clip, Dataset, Device, Error, Loss, Model, Result, Schedule, Sgd, Trainer};

/// Errors with all of this in its message, and with this exit code.
fn fails<T>(what: &str, result: Result<T>, parts: &[&str], exit_code: u8) {
    let Err(error) = result else { panic!("{what} is no error") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{what}: `{message}` does not say `{part}`");
    }
    assert_eq!(error.exit_code(), exit_code, "{what}: {message}");
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(String::from).to_vec()
}

fn model() -> Model {
    Model::input(2).dense(4).relu().dense(2)
}

fn trainer() -> Trainer {
    Trainer::new(model(), Loss::cross_entropy())
}

fn training() -> Training {
    trainer().build(Device::Cpu).unwrap()
}

/// Two rows of two features.
fn table(values: [f32; 4], targets: Targets) -> Result<Table> {
    Table::new(Features::F32(values.to_vec()), names(["width", "height"]), targets)
}

#[test]
fn a_trainer_that_makes_no_sense_is_refused_before_it_starts() {
    let other = Weights::initial(&Model::input(3).dense(4).relu().dense(2), 0);
    let deeper = Weights::initial(&Model::input(2).dense(4).relu().dense(4).relu().dense(2), 0);
    let cases: Vec<(&str, Trainer, &[&str])> = vec![
        ("batch 0", trainer().batch(0), &["batch must be at least 1 (got 0)", "set [train] batch"]),
        ("a negative rate", trainer().optimizer(Adam::new().lr(-0.1)), &["learning rate", "positive", "got -0.1", "[optimizer] lr"]),
        ("a rate of 0", trainer().optimizer(Sgd::new().lr(0.0)), &["learning rate", "positive", "got 0"]),
        ("a rate that is no number", trainer().optimizer(Sgd::new().lr(f64::NAN)), &["learning rate", "got NaN"]),
        ("a negative rate of a schedule", trainer().schedule(Schedule::fixed(-0.5)), &["rate", "-0.5"]),
        ("a negative rate of a member", trainer().members([Member { seed: 1, lr: Some(-2.0) }]), &["rate", "-2"]),
        ("no members", trainer().members([]), &["at least one member"]),
        ("a norm of 0", trainer().clip(Clip::Norm(0.0)), &["[clip] norm", "positive", "got 0"]),
        ("a negative clip value", trainer().clip(Clip::Value(-1.0)), &["[clip] value", "positive", "got -1"]),
        ("beta 1", trainer().optimizer(Adam::new().betas(1.0, 0.9)), &["[optimizer] beta1", "below 1", "got 1"]),
        ("weights of another shape", trainer().weights(other), &["`0.weight`", "[4, 3]", "the model needs [4, 2]"]),
        ("weights of a deeper model", trainer().weights(deeper), &["`2.weight`", "[4, 4]", "the model needs [2, 4]"]),
        ("no layers", Trainer::new(Model::input(2).relu(), Loss::mse()), &["no dense layer"]),
        ("a layer without outputs", Trainer::new(Model::input(2).dense(0).dense(1), Loss::mse()), &["layer 0", "no outputs"]),
    ];
    for (what, trainer, parts) in cases {
        fails(what, trainer.build(Device::Cpu), parts, 2);
    }
}

#[test]
fn training_data_that_do_not_fit_are_refused() {
    let moons = Dataset::moons(40, 1);
    let (none, stop) = (moons.view(Vec::new()), || Stop::after(1));
    let two = |of| Targets::Classes { of, names: names(["no", "yes"]) };
    let one = Dataset::new(table([0.0, 1.0, 2.0, 3.0], Targets::Classes { of: vec![0, 0], names: names(["yes"]) }).unwrap());
    fails("one class", training().fit(&one, &one, stop()), &["one class only", "nothing to learn", "[data] target"], 2);
    fails("no rows to train on", training().fit(&none, &moons, stop()), &["no rows to train on", "[data] split"], 2);
    fails("no rows to judge by", training().evaluate(&none), &["the data set is empty", "at least one row"], 2);
    let unlabelled = Dataset::new(table([0.0; 4], Targets::none()).unwrap());
    fails("no target", training().fit(&unlabelled, &unlabelled, stop()), &["has no target"], 2);
    fails("other tables", training().fit(&moons, &Dataset::moons(40, 1), stop()), &["views of one table", "Dataset::split"], 2);
    let wide = Dataset::digits();
    fails("too many features", training().fit(&wide, &none_of(&wide), stop()), &["the data has 64 features, the model takes 2"], 2);
    let spirals = Dataset::spirals(3, 30, 1);
    fails("too many classes", training().fit(&spirals, &none_of(&spirals), stop()), &["needs 3 outputs, the model has 2"], 2);
    let mut regression = Trainer::new(model(), Loss::mse()).build(Device::Cpu).unwrap();
    fails("classes for mse", regression.fit(&moons, &none, stop()), &["mse needs numbers", "use cross_entropy"], 2);
    let numbers = Targets::Values { of: vec![0.5, 1.5], names: names(["y"]) };
    let numbers = Dataset::new(table([0.0; 4], numbers).unwrap());
    fails(
        "numbers for cross-entropy",
        training().fit(&numbers, &none_of(&numbers), stop()),
        &["cross_entropy needs classes", "use mse"],
        2,
    );

    fails("no epochs", training().fit(&moons, &none, Stop::after(0)), &["epochs must be at least 1 (got 0)", "[train] epochs"], 2);
    fails("patience 0", training().fit(&moons, &moons, Stop::after(1).patience(0)), &["patience must be at least 1 (got 0)"], 2);
    fails("nothing to watch", training().fit(&moons, &none, Stop::after(1).patience(1)), &["val_loss", "no validation rows"], 2);
    let early = EarlyStopping { monitor: Monitor::Valid("f1".into()), ..EarlyStopping::default() };
    let parts = ["no val_f1 to watch", "val_accuracy", "[early_stopping] monitor"];
    fails("an unknown metric", training().fit(&moons, &moons, Stop::after(1).early(early)), &parts, 2);

    fails("empty data", table_of(&[], names(["a"]), two(Vec::new())), &["the data set is empty", "at least one row"], 2);
    fails("NaN", table([0.0, 1.0, 2.0, f32::NAN], two(vec![0, 1])), &["row 2", "NaN", "`height`", "finite"], 2);
    fails(
        "an infinite target",
        table([0.0; 4], Targets::Values { of: vec![f32::INFINITY, 0.0], names: names(["y"]) }),
        &["row 1", "inf", "`y`"],
        2,
    );
    fails("no share left", Split { valid: 0.5, test: 0.5, ..Split::default() }.apply(&moons), &["split"], 2);
}

fn none_of(data: &Dataset) -> Dataset {
    data.view(Vec::new())
}

fn table_of(values: &[f32], names: Vec<String>, targets: Targets) -> Result<Table> {
    Table::new(Features::F32(values.to_vec()), names, targets)
}

#[test]
fn files_that_are_wrong_are_named_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flowers.csv");
    let cases: &[(&str, &str, &[&str])] = &[
        ("a word among numbers", "length,width,kind\n5.1,3.5,a\n6.3,wide,b\n", &["flowers.csv:3:2: ", "wide"]),
        ("a row that is too short", "length,width,kind\n5.1,3.5,a\n6.3,b\n", &["flowers.csv:3", "2", "3"]),
        ("a row that is too long", "length,width,kind\n5.1,3.5,a,z\n6.3,1,b\n", &["flowers.csv:2", "4", "3"]),
        ("an empty cell", "length,width,kind\n5.1,3.5,a\n,2.9,b\n", &["flowers.csv:3:1: "]),
        ("NaN, which is how a missing value is written", "length,width,kind\n5.1,3.5,a\n6.3,NaN,b\n", &["flowers.csv:3:2: ", "no value"]),
        ("a number that is not finite", "length,width,kind\n5.1,3.5,a\n6.3,inf,b\n", &["flowers.csv:3:2: ", "inf", "finite"]),
        ("one class", "length,width,kind\n5.1,3.5,a\n6.3,2.9,a\n", &["flowers.csv", "one class", "`kind`"]),
        ("no rows", "length,width,kind\n", &["flowers.csv", "row"]),
        ("nothing at all", "", &["flowers.csv"]),
        ("no such column", "length,width,species\n5.1,3.5,a\n", &["flowers.csv:1", "`kind`", "species"]),
    ];
    for (what, text, parts) in cases {
        std::fs::write(&path, text).unwrap();
        let options = TableOptions { task: Task::Classification, ..TableOptions::new("kind") };
        let result = read_table(&path, &options);
        assert!(matches!(result, Err(Error::Input { place: Some(_), .. })), "{what} has no place: {result:?}");
        fails(what, result, parts, 2);
    }
    let absent = folder.path().join("absent.csv");
    fails("a missing table", read_table(&absent, &TableOptions::new("kind")), &["absent.csv: "], 2);
    let absent = folder.path().join("absent.safetensors");
    fails("missing weights", Weights::load(&absent), &["absent.safetensors: "], 2);
    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, b"no tensors").unwrap();
    fails("broken weights", Weights::load(&broken), &["broken.safetensors: ", "not a safetensors file"], 2);
}

#[test]
fn a_device_that_is_absent_is_refused_with_the_remedy() {
    let error = Device::parse("no such gpu").open().unwrap_err();
    assert!(matches!(error, Error::NoDevice(_)), "{error:?}");
    fails::<()>("an absent device", Err(error), &["no such gpu", "--device cpu"], 4);
    fails("training on an absent device", trainer().build(Device::parse("no such gpu")), &["no such gpu"], 4);
}

#[test]
#[should_panic(expected = "sgd (update) binds `grads` twice")]
fn a_dispatch_that_binds_a_buffer_twice_is_a_fault_of_the_crate() {
    let mut builder = Builder::new(1, 1);
    let [scalars, grads, decays] = ["scalars", "grads", "decays"].map(|name| builder.buffer(name, Kind::F32, 64));
    builder.program("train");
    let sgd = update::Sgd { arena4: 16, members: 1, h0: 0.0, h1: 0.0, h2: 0.0, l2: 0.0, decoupled: 0.0 };
    builder.dispatch(&sgd, &[scalars, grads, grads, decays], "update");
    let _refused = builder.finish();
}

#[test]
fn a_plan_that_loops_too_long_for_some_driver_is_refused() {
    let wide = Model::input(2).dense(4).dense(60_000);
    let targets = Targets::Values { of: vec![0.0; 120_000], names: (0..60_000).map(|i| format!("y{i}")).collect() };
    let data = Dataset::new(table([0.0; 4], targets).unwrap());
    let mut training = Trainer::new(wide, Loss::mse()).build(Device::Cpu).unwrap();
    fails(
        "60,000 outputs",
        training.fit(&data, &none_of(&data), Stop::after(1)),
        &["loop 60000 times", "the limit is 50000", "narrower"],
        2,
    );
}

#[cfg(feature = "gpu")]
#[test]
fn a_binding_larger_than_an_adapter_allows_is_refused_with_both_numbers() {
    let adapters = gradus::exec::gpu::adapters();
    assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    for (info, limits) in adapters {
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let Some(len) = usize::try_from(most).ok().and_then(|most| (most / 4 + 4).checked_next_multiple_of(4)) else { continue };
        let mut builder = Builder::new(1, 1);
        builder.buffer("too much", Kind::F32, len);
        let device = Device::Named(info.name.clone()).open().unwrap();
        // the device may have been opened with less than the adapter has: the number is the device's own
        let parts =
            ["`too much`", &format!("needs {} bytes", 4 * len as u64), &format!("at most {most} bytes"), &info.name, "--device cpu"];
        fails(&info.to_string(), device.executor(builder.finish().unwrap()), &parts, 4);
    }
}

/// Formulas whose WGSL is not their twin.
#[cfg(feature = "gpu")]
mod two_faced {
    use super::{fails, none_of};
    use gradus::kernel::Real;
    use gradus::kernels::activation::Formula;
    use gradus::loss::LossFormula;
    use gradus::train::Stop;
    use gradus::{Activation, Dataset, Device, Loss, Model, Trainer};

    /// A square in Rust, a tenth more in WGSL.
    struct TwoFaced;

    impl LossFormula for TwoFaced {
        const NAME: &'static str = "two_faced";
        const DOC: &'static str = "";
        const WGSL: &'static str = "1.1 * (p - t) * (p - t)";
        const WGSL_SLOPE: &'static str = "2.0 * (p - t)";
        fn value<T: Real>(p: T, t: T, _: T) -> T {
            (p - t).powi(2)
        }
        fn slope<T: Real>(p: T, t: T, _: T) -> T {
            T::of(2.0) * (p - t)
        }
    }

    /// A square whose slope in WGSL lacks the 2.
    impl Formula for TwoFaced {
        const NAME: &'static str = "two_faced";
        const DOC: &'static str = "";
        const SLOPE_OF: gradus::formula::SlopeOf = gradus::formula::SlopeOf::Input;
        const WGSL: &'static str = "z * z";
        const WGSL_SLOPE: &'static str = "z";
        fn value<T: Real>(z: T, _: T) -> T {
            z * z
        }
        fn slope<T: Real>(z: T, _: T) -> T {
            T::of(2.0) * z
        }
    }

    #[test]
    fn a_formula_whose_wgsl_is_not_its_twin_is_refused_on_the_device_before_the_first_step() {
        let adapters = gradus::exec::gpu::adapters();
        assert!(!adapters.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
        let data = Dataset::sine(64, 3);
        let loss = Trainer::new(Model::input(1).dense(4).tanh().dense(1), Loss::of::<TwoFaced>(None).unwrap());
        let square = Activation::of::<TwoFaced>(None).unwrap();
        let activation = Trainer::new(Model::input(1).dense(4).activation(square).dense(1), Loss::mse());
        for (info, _) in adapters {
            for (trainer, place) in [(&loss, "elementwise_loss, case two_faced"), (&activation, "activation_slope, case two_faced")] {
                let mut training = trainer.clone().build(Device::Named(info.name.clone())).unwrap();
                let wanted = ["`two_faced` is not the same on this device as in the reference", place, "should be"];
                fails("a first step", training.first_step(&data).map(drop), &wanted, 2);
                fails("a fit", training.fit(&data, &none_of(&data), Stop::after(1)), &wanted, 2);
            }
        }
    }
}
