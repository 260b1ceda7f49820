//! `[model]`: the layers before the output, and what their weights start from.

use super::activation::{self, ACTIVATIONS};
use super::choice::{Choice, Choices};
use super::document::{Document, Kind};
use super::init::{self, INITS};
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::Result;
use crate::hyper::{Hyper, Range};
use crate::kernels::activation::Activation;
use crate::model::{Init, Layer, NORM_EPSILON, NORM_MOMENTUM};
use std::path::PathBuf;
use std::sync::LazyLock;

/// The layers before the output. The output itself is a dense layer without an activation, as wide as the targets and the loss need, that is
/// never written.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The layers, in the form in which they were written. See [`Model::layers`].
    pub form: Form,
    /// What the weights of every layer start from, the output's too, where a layer has no `init` of its own; `auto` unless given.
    pub init: Init,
    /// A safetensors file with the initial weights, absolute.
    pub from: Option<PathBuf>,
}

/// The two ways to write layers.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// `hidden = [64, 64]`: dense layers, each with the same behind it.
    Hidden {
        /// How many units each layer has.
        units: Vec<usize>,
        /// The activation after each; `relu` unless given.
        activation: Activation,
        /// Whether each is normalised over the batch before its activation; not unless given.
        batch_norm: bool,
        /// The rate of dropout after each activation; none at 0, which it is unless given.
        dropout: f64,
    },
    /// `[[model.layers]]`: one by one.
    Layers(Vec<Layer>),
}

/// So many units that the size of a layer still fits 64 bits.
const MAX_UNITS: u64 = 1 << 24;

const EPSILON: Hyper = Hyper { name: "epsilon", default: NORM_EPSILON, range: Range::Positive, doc: "keeps the division finite" };
const MOMENTUM: Hyper =
    Hyper { name: "momentum", default: NORM_MOMENTUM, range: Range::Factor, doc: "the weight of the new value in the running averages" };
const RATE: Hyper = Hyper { name: "rate", default: 0.5, range: Range::Share, doc: "the share of the units that are left out of each step" };

pub(super) static KEYS: [Key; 7] = [
    Key::optional("hidden", "[64, 64]", "the units of each hidden layer"),
    Key::new("activation", "\"relu\"", "the activation after each hidden layer"),
    Key::new("batch_norm", "false", "whether each hidden layer is normalised over the batch, before its activation"),
    Key::new("dropout", "0.0", "the rate of dropout after each hidden layer"),
    Key::optional("layers", "[{ type = \"dense\", units = 64 }]", "the layers before the output, instead of `hidden`"),
    Key::new("init", "\"auto\"", "what the weights start from"),
    Key::optional("from", "\"start.safetensors\"", "a file with the initial weights"),
];

/// The kinds of layers, each of which may stand for two: a dense one brings its activation.
pub(super) static LAYERS: LazyLock<Choices<Vec<Layer>>> = LazyLock::new(|| {
    let init = || Key::optional("init", "\"auto\"", "what the weights start from; the model's `init` unless given");
    let dense_keys = vec![
        Key::required("units", "64", "how many outputs the layer has"),
        Key::new("activation", "\"identity\"", "the activation after the layer"),
        init(),
        Key::new("bias", "true", "whether a bias is added"),
    ];
    let inner = Key::required("layers", "[{ type = \"dense\", units = 64 }]", "the layers whose outcome is added to what goes in");
    Choices {
        type_key: Key::required("type", "\"dense\"", "the kind of layer"),
        common: vec![],
        rows: vec![
            Choice::new("dense", dense_keys, dense),
            Choice::new("activation", vec![Key::required("name", "\"relu\"", "the activation")], |section| {
                Ok(vec![Layer::Activation(ACTIVATIONS.value(section, "name")?)])
            }),
            Choice::new("softmax", vec![], |_| Ok(vec![Layer::Softmax])),
            Choice::new("batch_norm", vec![Key::of(&EPSILON), Key::of(&MOMENTUM)], |section| {
                Ok(vec![Layer::BatchNorm { epsilon: section.hyper(&EPSILON)?, momentum: section.hyper(&MOMENTUM)? }])
            }),
            Choice::new("layer_norm", vec![Key::of(&EPSILON)], |section| Ok(vec![Layer::LayerNorm { epsilon: section.hyper(&EPSILON)? }])),
            Choice::new("dropout", vec![Key::of(&RATE)], |section| Ok(vec![Layer::Dropout { rate: section.hyper(&RATE)? }])),
            Choice::new("residual", vec![inner, init()], |section| {
                Ok(vec![Layer::Residual { layers: layers(section)?, init: own_init(section)? }])
            }),
        ],
    }
});

fn dense(section: &Section<'_>) -> Result<Vec<Layer>> {
    let outputs = section.count("units", 1..=MAX_UNITS)? as usize;
    let dense = Layer::Dense { outputs, bias: section.boolean("bias")?, init: own_init(section)? };
    let activation = ACTIVATIONS.value(section, "activation")?;
    let behind = (!activation.is_identity()).then_some(Layer::Activation(activation));
    Ok([dense].into_iter().chain(behind).collect())
}

/// What a layer's weights start from: its own `init`, else the model's.
fn own_init(section: &Section<'_>) -> Result<Init> {
    match section.given("init") {
        true => INITS.value(section, "init"),
        false => INITS.value(&Section::open(section.document, "model", KEYS.iter().collect())?, "init"),
    }
}

impl Model {
    /// The layers one by one, whichever way they were written.
    pub fn layers(&self) -> Vec<Layer> {
        match &self.form {
            Form::Layers(layers) => layers.clone(),
            Form::Hidden { units, activation, batch_norm, dropout } => {
                let one = |&outputs| {
                    let dense = Layer::Dense { outputs, bias: true, init: self.init };
                    let norm = batch_norm.then_some(Layer::BatchNorm { epsilon: NORM_EPSILON, momentum: NORM_MOMENTUM });
                    let dropped = (*dropout > 0.0).then_some(Layer::Dropout { rate: *dropout });
                    [Some(dense), norm, Some(Layer::Activation(activation.clone())), dropped].into_iter().flatten()
                };
                units.iter().flat_map(one).collect()
            }
        }
    }

    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "model", KEYS.iter().collect())?;
        let init = INITS.value(&section, "init")?;
        let short = ["activation", "batch_norm", "dropout"];
        let form = match (section.given("hidden"), section.given("layers")) {
            (true, false) => Form::Hidden {
                units: hidden(&section)?,
                activation: ACTIVATIONS.value(&section, "activation")?,
                batch_norm: section.boolean("batch_norm")?,
                dropout: section.number("dropout", Range::Share)?,
            },
            (false, true) => match short.into_iter().find(|key| section.given(key)) {
                Some(key) => {
                    let remedy = if key == "activation" { "give each layer its own" } else { "write a layer of that type" };
                    let message = format!("`{key}` of [model] does not apply to `layers` (it is for `hidden`): {remedy}");
                    return Err(section.fault(key, message));
                }
                None => Form::Layers(layers(&section)?),
            },
            (true, true) => {
                let message =
                    "[model] has both `hidden` and `layers`, and one must go: take it out, or undo it with --set model.hidden=default";
                return Err(section.fault("hidden", message));
            }
            (false, false) => {
                let message = format!("[model] needs `hidden`, the units of each hidden layer, or `layers`: {}", section.hint("hidden"));
                return Err(section.fault("hidden", message));
            }
        };
        Ok(Model { form, init, from: section.path("from")? })
    }

    /// The keys of `[model]`, and those of each `[[model.layers]]`.
    pub(super) fn pairs(&self) -> (Pairs, Vec<Pairs>) {
        let (mut pairs, layers) = match &self.form {
            Form::Hidden { units, activation, batch_norm, dropout } => {
                let pairs = vec![
                    ("hidden", write::list(units, usize::to_string)),
                    ("activation", write::inline(&activation::pairs(activation))),
                    ("batch_norm", batch_norm.to_string()),
                    ("dropout", write::number(*dropout)),
                ];
                (pairs, vec![])
            }
            Form::Layers(layers) if layers.is_empty() => (vec![("layers", "[]".to_owned())], vec![]),
            Form::Layers(layers) => (vec![], layer_pairs(layers)),
        };
        pairs.push(("init", write::inline(&init::pairs(&self.init))));
        pairs.extend(self.from.iter().map(|from| ("from", write::path(from))));
        (pairs, layers)
    }
}

/// The tables of layers; an activation behind a dense layer is a key of that.
fn layer_pairs(layers: &[Layer]) -> Vec<Pairs> {
    let mut all: Vec<Pairs> = Vec::with_capacity(layers.len());
    let mut bare = false;
    for layer in layers {
        if let (Layer::Activation(activation), true, Some(dense)) = (layer, bare, all.last_mut())
            && !activation.is_identity()
        {
            dense.insert(2, ("activation", write::inline(&activation::pairs(activation))));
            bare = false;
            continue;
        }
        bare = matches!(layer, Layer::Dense { .. });
        all.push(pairs(layer));
    }
    all
}

fn pairs(layer: &Layer) -> Pairs {
    let start = |init: &Init| ("init", write::inline(&init::pairs(init)));
    let mut pairs: Pairs = vec![("type", write::text(if let Layer::Activation(_) = layer { "activation" } else { layer.name() }))];
    match layer {
        Layer::Dense { outputs, bias, init } => {
            pairs.extend([("units", outputs.to_string()), start(init), ("bias", bias.to_string())]);
        }
        Layer::Activation(activation) => pairs.push(("name", write::inline(&activation::pairs(activation)))),
        Layer::BatchNorm { epsilon, momentum } => {
            pairs.extend([("epsilon", write::number(*epsilon)), ("momentum", write::number(*momentum))]);
        }
        Layer::LayerNorm { epsilon } => pairs.push(("epsilon", write::number(*epsilon))),
        Layer::Dropout { rate } => pairs.push(("rate", write::number(*rate))),
        Layer::Residual { layers, init } => {
            pairs.extend([("layers", write::list(layer_pairs(layers), |layer| write::table(&layer))), start(init)]);
        }
        // an embedding is not of the config, but of the columns: [data] categorical
        Layer::Embedding { .. } | Layer::Softmax => {}
    }
    pairs
}

fn hidden(section: &Section<'_>) -> Result<Vec<usize>> {
    let value = section.value("hidden")?;
    let Kind::List(items) = &value.kind else { return Err(section.refuse("hidden", &value, "a list of whole numbers")) };
    items.iter().map(|item| Ok(section.count_of("hidden", item, 1..=MAX_UNITS)? as usize)).collect()
}

fn layers(section: &Section<'_>) -> Result<Vec<Layer>> {
    let value = section.value("layers")?;
    let Kind::List(items) = &value.kind else { return Err(section.refuse("layers", &value, "a list of tables")) };
    let mut layers = Vec::with_capacity(items.len());
    for item in items {
        let Kind::Table(table) = &item.kind else { return Err(section.refuse("layers", item, "a list of tables")) };
        layers.extend(LAYERS.read(section.item("layers", table, item.origin, LAYERS.keys())?)?.0);
    }
    Ok(layers)
}
