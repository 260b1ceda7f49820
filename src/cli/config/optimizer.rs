//! `[optimizer]`: what turns gradients into new weights.

use super::choice::{Choice, Choices};
use super::keys::Key;
use super::section::{ABOVE_ZERO, SHARE, Section};
use super::write::{self, Pairs};
use crate::error::Result;

/// How the weights follow the gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// `w ← w − lr·g`.
    Sgd {
        /// The learning rate, 0.01 unless given.
        lr: f64,
    },
    /// `v ← momentum·v + g; w ← w − lr·v`.
    Momentum {
        /// The learning rate, 0.01 unless given.
        lr: f64,
        /// The share of the old direction that stays, 0.9 unless given.
        momentum: f64,
    },
    /// Adam, as PyTorch has it.
    Adam {
        /// The learning rate, 0.001 unless given.
        lr: f64,
        /// The share of the old mean that stays, 0.9 unless given.
        beta1: f64,
        /// The share of the old mean of squares that stays, 0.999 unless given.
        beta2: f64,
        /// Keeps the division finite, 1e-8 unless given.
        epsilon: f64,
    },
}

impl Optimizer {
    /// The rate that the schedule starts from.
    pub fn lr(&self) -> f64 {
        match self {
            Optimizer::Sgd { lr } | Optimizer::Momentum { lr, .. } | Optimizer::Adam { lr, .. } => *lr,
        }
    }

    pub(super) fn pairs(&self) -> Pairs {
        let number = write::number;
        match *self {
            Optimizer::Sgd { lr } => vec![("type", write::text("sgd")), ("lr", number(lr))],
            Optimizer::Momentum { lr, momentum } => {
                vec![("type", write::text("momentum")), ("lr", number(lr)), ("momentum", number(momentum))]
            }
            Optimizer::Adam { lr, beta1, beta2, epsilon } => vec![
                ("type", write::text("adam")),
                ("lr", number(lr)),
                ("beta1", number(beta1)),
                ("beta2", number(beta2)),
                ("epsilon", number(epsilon)),
            ],
        }
    }
}

const LR: &str = "the learning rate";

/// The optimizers of this version: one row each.
pub(super) static OPTIMIZERS: Choices<Optimizer> = Choices {
    type_key: Key::new("type", "\"adam\"", "which optimizer"),
    common: &[],
    rows: &[
        Choice {
            name: "sgd",
            keys: &[Key::new("lr", "1e-2", LR)],
            read: |section| Ok(Optimizer::Sgd { lr: section.number("lr", &ABOVE_ZERO)? }),
        },
        Choice {
            name: "momentum",
            keys: &[Key::new("lr", "1e-2", LR), Key::new("momentum", "0.9", "the share of the old direction that stays")],
            read: |section| {
                Ok(Optimizer::Momentum { lr: section.number("lr", &ABOVE_ZERO)?, momentum: section.number("momentum", &SHARE)? })
            },
        },
        Choice {
            name: "adam",
            keys: &[
                Key::new("lr", "1e-3", LR),
                Key::new("beta1", "0.9", "the share of the old mean that stays"),
                Key::new("beta2", "0.999", "the share of the old mean of squares that stays"),
                Key::new("epsilon", "1e-8", "keeps the division finite"),
            ],
            read: adam,
        },
    ],
    later: &["nesterov", "adamw", "rmsprop", "adagrad", "lion"],
    later_keys: &[],
};

fn adam(section: &Section<'_>) -> Result<Optimizer> {
    Ok(Optimizer::Adam {
        lr: section.number("lr", &ABOVE_ZERO)?,
        beta1: section.number("beta1", &SHARE)?,
        beta2: section.number("beta2", &SHARE)?,
        epsilon: section.number("epsilon", &ABOVE_ZERO)?,
    })
}
