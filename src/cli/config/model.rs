//! `[model]`: the layers before the output, and what their weights start from.

use super::activation::{ACTIVATIONS, Activation};
use super::choice::{Choice, Choices};
use super::document::{Document, Kind};
use super::init::{INITS, Init};
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::Result;
use std::path::PathBuf;

/// The layers before the output. The output itself is a dense layer without an activation, as wide as the targets need, that is
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
    /// `hidden = [64, 64]`: dense layers with one activation.
    Hidden {
        /// How many units each layer has.
        units: Vec<usize>,
        /// The activation after each; `relu` unless given.
        activation: Activation,
    },
    /// `[[model.layers]]`: one by one.
    Layers(Vec<Layer>),
}

/// A layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Layer {
    /// `a·Wᵀ + b`, and an activation.
    Dense {
        /// How many units.
        units: usize,
        /// The activation; `identity` unless given.
        activation: Activation,
        /// What the weights start from; the model's `init` unless given.
        init: Init,
        /// Whether there is a b; true unless given.
        bias: bool,
    },
    /// An activation of its own.
    Activation(Activation),
}

/// So many units that the size of a layer still fits 64 bits.
const MAX_UNITS: u64 = 1 << 24;

pub(super) const KEYS: [Key; 5] = [
    Key::optional("hidden", "[64, 64]", "the units of each hidden layer"),
    Key::new("activation", "\"relu\"", "the activation after each hidden layer"),
    Key::optional("layers", "[{ type = \"dense\", units = 64 }]", "the layers before the output, instead of `hidden`"),
    Key::new("init", "\"auto\"", "what the weights start from"),
    Key::optional("from", "\"start.safetensors\"", "a file with the initial weights"),
];

pub(super) static LAYERS: Choices<Layer> = Choices {
    type_key: Key::required("type", "\"dense\"", "the kind of layer"),
    common: &[],
    rows: &[
        Choice {
            name: "dense",
            keys: &[
                Key::required("units", "64", "how many outputs the layer has"),
                Key::new("activation", "\"identity\"", "the activation after the layer"),
                Key::new("init", "\"auto\"", "what the weights start from"),
                Key::new("bias", "true", "whether a bias is added"),
            ],
            read: dense,
        },
        Choice {
            name: "activation",
            keys: &[Key::required("name", "\"relu\"", "the activation")],
            read: |section| Ok(Layer::Activation(ACTIVATIONS.value(section, "name")?)),
        },
    ],
    later: &["batch_norm", "layer_norm", "dropout", "residual", "embedding"],
    later_keys: &[],
};

fn dense(section: &Section<'_>) -> Result<Layer> {
    Ok(Layer::Dense {
        units: section.count("units", 1..=MAX_UNITS)? as usize,
        activation: ACTIVATIONS.value(section, "activation")?,
        init: INITS.value(section, "init")?,
        bias: section.boolean("bias")?,
    })
}

impl Model {
    /// The layers one by one, whichever way they were written.
    pub fn layers(&self) -> Vec<Layer> {
        match &self.form {
            Form::Layers(layers) => layers.clone(),
            Form::Hidden { units, activation } => {
                let layer = |&units| Layer::Dense { units, activation: *activation, init: self.init, bias: true };
                units.iter().map(layer).collect()
            }
        }
    }

    pub(super) fn read(document: &Document) -> Result<Self> {
        let section = Section::open(document, "model", KEYS.iter().collect(), &[])?;
        let init = INITS.value(&section, "init")?;
        let form = match (section.given("hidden"), section.given("layers")) {
            (true, false) => Form::Hidden { units: hidden(&section)?, activation: ACTIVATIONS.value(&section, "activation")? },
            (false, true) if section.given("activation") => {
                let message = "`activation` of [model] does not apply to `layers` (it is for `hidden`): give each layer its own";
                return Err(section.fault("activation", message));
            }
            (false, true) => Form::Layers(layers(&section, init)?),
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
            Form::Hidden { units, activation } => {
                let hidden = write::list(units, usize::to_string);
                (vec![("hidden", hidden), ("activation", write::inline(&activation.pairs()))], vec![])
            }
            Form::Layers(layers) if layers.is_empty() => (vec![("layers", "[]".to_owned())], vec![]),
            Form::Layers(layers) => (vec![], layers.iter().map(Layer::pairs).collect()),
        };
        pairs.push(("init", write::inline(&self.init.pairs())));
        pairs.extend(self.from.iter().map(|from| ("from", write::path(from))));
        (pairs, layers)
    }
}

impl Layer {
    fn pairs(&self) -> Pairs {
        match self {
            Layer::Dense { units, activation, init, bias } => vec![
                ("type", write::text("dense")),
                ("units", units.to_string()),
                ("activation", write::inline(&activation.pairs())),
                ("init", write::inline(&init.pairs())),
                ("bias", bias.to_string()),
            ],
            Layer::Activation(activation) => {
                vec![("type", write::text("activation")), ("name", write::inline(&activation.pairs()))]
            }
        }
    }
}

fn hidden(section: &Section<'_>) -> Result<Vec<usize>> {
    let value = section.value("hidden")?;
    let Kind::List(items) = &value.kind else { return Err(section.refuse("hidden", &value, "a list of whole numbers")) };
    items.iter().map(|item| Ok(section.count_of("hidden", item, 1..=MAX_UNITS)? as usize)).collect()
}

fn layers(section: &Section<'_>, model_init: Init) -> Result<Vec<Layer>> {
    let Some(value) = section.table.get("layers") else { return Ok(vec![]) };
    let Kind::List(items) = &value.kind else { return Err(section.refuse("layers", value, "a list of tables")) };
    let mut layers = Vec::with_capacity(items.len());
    for item in items {
        let Kind::Table(table) = &item.kind else { return Err(section.refuse("layers", item, "a list of tables")) };
        let (mut layer, item) = LAYERS.read(section.item("layers", table, item.origin, LAYERS.keys())?)?;
        if let Layer::Dense { init, .. } = &mut layer
            && !item.given("init")
        {
            *init = model_init;
        }
        layers.push(layer);
    }
    Ok(layers)
}
