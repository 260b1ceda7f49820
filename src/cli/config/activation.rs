//! What a layer does to each of its outputs: the activations of the library's table, and expressions of z.

use super::choice::{Choice, Choices};
use super::keys::Key;
use super::write::{self, Pairs};
use crate::kernels::activation::{Activation, ActivationInfo, TABLE};
use std::sync::LazyLock;

/// One row each, and one for expressions.
pub(super) static ACTIVATIONS: LazyLock<Choices<Activation>> = LazyLock::new(|| Choices {
    type_key: Key::required("type", "\"relu\"", "which activation"),
    common: vec![],
    rows: TABLE.iter().map(row).chain([expression()]).collect(),
});

fn row(info: &'static ActivationInfo) -> Choice<Activation> {
    Choice::new(info.name, info.parameter.iter().map(Key::of).collect(), |section| match &info.parameter {
        Some(hyper) => info.activation().with_parameter(section.hyper(hyper)?),
        None => Ok(info.activation()),
    })
}

fn expression() -> Choice<Activation> {
    let key = Key::required("expr", "\"z*sigmoid(1.7*z)\"", "the formula of z");
    Choice::new("expr", vec![key], |section| {
        Activation::expression(&section.text("expr")?).map_err(|error| section.fault("expr", error.to_string()))
    })
}

pub(super) fn pairs(activation: &Activation) -> Pairs {
    let Some(info) = TABLE.iter().find(|info| info.name == activation.name()) else {
        return vec![("type", write::text("expr")), ("expr", write::text(activation.name()))];
    };
    // of 32 bits, as the activation has it
    let parameter = info.parameter.zip(activation.parameter()).map(|(hyper, value)| (hyper.name, format!("{value:?}")));
    std::iter::once(("type", write::text(info.name))).chain(parameter).collect()
}
