//! What a random model can be: a row of a table, a kind of layer or a kernel that none of them ever has would not be tested by them.

use super::random::Random;
use super::{DEVICES, draw, runner};
use gradus::kernels::{self, activation, update};
use gradus::model::Layer;
use gradus::{Loss, schedule};
use proptest::strategy::{Strategy as _, ValueTree as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The first ones that the properties are asked of, and some more: what is one in a hundred is there.
fn drawn(count: usize) -> Vec<Random> {
    let (models, mut runner) = (draw::model(), runner());
    (0..count).map(|_| models.new_tree(&mut runner).unwrap().current()).collect()
}

/// The layers of a model, at any depth.
fn layers(of: &[Layer]) -> Vec<&Layer> {
    fn inner(layer: &Layer) -> Vec<&Layer> {
        if let Layer::Residual { layers: body, .. } = layer { layers(body) } else { Vec::new() }
    }
    of.iter().flat_map(|layer| std::iter::once(layer).chain(inner(layer))).collect()
}

fn assert_drawn(what: &str, wanted: impl IntoIterator<Item = impl Into<String>>, found: impl IntoIterator<Item = impl Into<String>>) {
    let found: BTreeSet<String> = found.into_iter().map(Into::into).collect();
    let missing: Vec<String> = wanted.into_iter().map(Into::into).filter(|name: &String| !found.contains(name)).collect();
    assert!(missing.is_empty(), "{what} that no random model has: {missing:?}");
}

#[test]
fn random_models_have_every_row_of_every_table() {
    let all = drawn(3000);
    let models: Vec<_> = all.iter().map(Random::model).collect();
    let names = models.iter().flat_map(|model| layers(model.layers())).filter_map(|layer| match layer {
        Layer::Activation(activation) => Some(activation.name()),
        _ => None,
    });
    assert_drawn("activations", activation::TABLE.iter().map(|row| row.name), names);
    assert_drawn("losses", Loss::table().iter().map(|row| row.name), all.iter().map(|random| random.loss.name()));
    assert_drawn("optimizers", update::TABLE.iter().map(|row| row.name), all.iter().map(|random| random.optimizer.name()));
    let shapes = all.iter().filter_map(|random| random.schedule.as_ref()).map(|schedule| schedule.shape().name());
    assert_drawn("schedules", schedule::TABLE.iter().map(|row| row.name), shapes);
}

/// The variants of an enum, as its source says them.
fn variants(file: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let body = text.split(&format!("pub enum {name} {{\n")).nth(1).unwrap_or_else(|| panic!("{file} has no enum {name}"));
    let body = body.split("\n}\n").next().unwrap();
    let variant = |line: &str| {
        let word = line.strip_prefix("    ")?.split(|c: char| !c.is_alphanumeric()).next()?;
        word.chars().next()?.is_uppercase().then(|| word.to_string())
    };
    let found: Vec<String> = body.lines().filter_map(variant).collect();
    assert!(!found.is_empty(), "{file}: no variant of {name} was found");
    found
}

/// The words of a value as it is printed for programmers.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).map(String::from).collect()
}

#[test]
fn random_models_have_every_kind_of_everything() {
    let all = drawn(3000);
    let layers = |random: &Random| format!("{:?}", random.model().layers());
    type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&Random) -> String);
    let cases: [Case<'_>; 15] = [
        ("src/model/mod.rs", "Layer", &layers),
        ("src/model/init.rs", "Init", &layers),
        ("src/model/init.rs", "Scheme", &layers),
        ("src/model/init.rs", "Fan", &layers),
        ("src/model/init.rs", "Dist", &layers),
        ("src/clip.rs", "Clip", &|random| format!("{:?}", random.clip)),
        ("src/optim.rs", "Decays", &|random| format!("{:?}", random.optimizer.decaying())),
        ("src/precision.rs", "Precision", &|random| format!("{:?}", random.precision)),
        ("src/schedule/mod.rs", "Unit", &|random| format!("{:?}", random.schedule)),
        ("src/schedule/mod.rs", "Warmup", &|random| format!("{:?}", random.schedule)),
        ("src/train/batches.rs", "Remainder", &|random| format!("{:?}", random.remainder)),
        ("src/train/trainer.rs", "OnNonFinite", &|random| format!("{:?}", random.on_nonfinite)),
        ("src/train/trainer.rs", "Looks", &|random| format!("{:?}", random.looks)),
        ("src/train/weights.rs", "ClassWeights", &|random| format!("{:?}", random.class_weights)),
        ("src/train/early_stop.rs", "Monitor", &|random| format!("{:?}", random.stop().early)),
    ];
    for (file, name, printed) in cases {
        assert_drawn(&format!("kinds of {name}"), variants(file, name), all.iter().flat_map(|random| words(&printed(random))));
    }
}

#[test]
fn random_models_run_every_kernel() {
    let mut found = BTreeSet::new();
    for random in drawn(400) {
        let compiled = super::first_step(&random, &DEVICES[0]).unwrap().compiled;
        found.extend(compiled.plan.programs.iter().flat_map(|program| &program.dispatches).map(|dispatch| dispatch.kernel.name));
    }
    assert_drawn("kernels", kernels::all().map(|kernel| kernel.name), found);
}
