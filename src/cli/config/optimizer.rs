//! `[optimizer]`: what turns gradients into new weights, by the library's table.

use super::choice::{Choice, Choices};
use super::document::Document;
use super::keys::Key;
use super::section::Section;
use super::write::{self, Pairs};
use crate::error::Result;
use crate::hyper::{Hyper, Range};
use crate::optim::{Decays, Optimizer};
use std::sync::LazyLock;

const EMA: &str = "ema";

fn lr(default: f64) -> Hyper {
    Hyper { name: "lr", default, range: Range::Positive, doc: "the learning rate" }
}

fn weight_decay(default: f64) -> Hyper {
    let doc = "the share of the weights, times the rate, that each step takes off them";
    Hyper { name: "weight_decay", default, range: Range::NotNegative, doc }
}

const L2: Hyper =
    Hyper { name: "l2", default: 0.0, range: Range::NotNegative, doc: "the share of the weights that is added to the gradient" };

/// The optimizers: one row each.
pub(super) static OPTIMIZERS: LazyLock<Choices<Optimizer>> = LazyLock::new(|| Choices {
    type_key: Key::new("type", "\"adam\"", "which optimizer"),
    common: vec![
        Key::of(&L2),
        Key::new("decay_all", "false", "whether biases and normalisation decay, too, as in PyTorch"),
        Key::optional(EMA, "0.999", "the share of the old value in a moving average of the weights, which is what is judged and kept"),
    ],
    rows: Optimizer::all().map(row).collect(),
});

fn row(usual: Optimizer) -> Choice<Optimizer> {
    let first = [Key::of(&lr(usual.rate()))];
    let own = usual.info().keys.iter().map(Key::of);
    let keys = first.into_iter().chain(own).chain([Key::of(&weight_decay(usual.weight_decay_rate()))]).collect();
    Choice::new(usual.name(), keys, move |section| {
        let start = usual.lr(section.number("lr", Range::Positive)?).weight_decay(section.number("weight_decay", Range::NotNegative)?);
        usual.info().keys.iter().try_fold(start, |optimizer, hyper| Ok(optimizer.set(hyper.name, section.hyper(hyper)?)))
    })
}

/// Reads the section.
pub(super) fn read(document: &Document) -> Result<Optimizer> {
    let (optimizer, section) = OPTIMIZERS.section(document, "optimizer")?;
    let optimizer = optimizer.l2(section.hyper(&L2)?).decays(decays(&section)?);
    Ok(match section.optional_number(EMA, Range::Share)? {
        Some(share) => optimizer.average(share),
        None => optimizer,
    })
}

fn decays(section: &Section<'_>) -> Result<Decays> {
    Ok(if section.boolean("decay_all")? { Decays::All } else { Decays::Weights })
}

pub(super) fn pairs(optimizer: &Optimizer) -> Pairs {
    let own = optimizer.info().keys.iter().filter_map(|hyper| Some((hyper.name, write::hyper(hyper, optimizer.get(hyper.name)?))));
    let mut pairs: Pairs = vec![("type", write::text(optimizer.name())), ("lr", write::number(optimizer.rate()))];
    pairs.extend(own);
    pairs.push(("weight_decay", write::number(optimizer.weight_decay_rate())));
    pairs.push(("l2", write::number(optimizer.l2_rate())));
    pairs.push(("decay_all", (optimizer.decaying() == Decays::All).to_string()));
    pairs.extend(optimizer.averaging().map(|share| (EMA, write::number(share))));
    pairs
}
