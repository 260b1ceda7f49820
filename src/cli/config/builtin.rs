//! The configs of the built-in data sets: a sensible model for each.

use super::source::BuiltIn;

impl BuiltIn {
    /// The config that `gradus train NAME` takes.
    pub fn config(self) -> &'static str {
        match self {
            BuiltIn::Digits => DIGITS,
            BuiltIn::Iris => IRIS,
            BuiltIn::Spirals => SPIRALS,
            BuiltIn::Moons => MOONS,
            BuiltIn::Sine => SINE,
            BuiltIn::Friedman => FRIEDMAN,
        }
    }
}

const DIGITS: &str = r#"version = 1
seed = 7

[data]
name = "digits"
split = { valid = 0.15, test = 0.2, stratify = true }
scale = "minmax"

[model]
hidden = [256, 128]
activation = "relu"

[loss]
type = "cross_entropy"

[optimizer]
type = "adam"
lr = 1e-3

[schedule]
type = "cosine"
warmup = 0.05

[clip]
norm = 1.0

[train]
epochs = 40
batch = 32

[early_stopping]
patience = 20
"#;

const SPIRALS: &str = r#"version = 1
seed = 7

[data]
name = "spirals"
split = { valid = 0.15, test = 0.15, stratify = true }
scale = "standard"

[model]
hidden = [64, 64]
activation = "relu"

[loss]
type = "cross_entropy"

[optimizer]
type = "adam"
lr = 5e-3

[schedule]
type = "cosine"
warmup = 0.05

[clip]
norm = 1.0

[train]
epochs = 100
batch = 32

[early_stopping]
patience = 20
"#;

const MOONS: &str = r#"version = 1
seed = 7

[data]
name = "moons"
split = { valid = 0.15, test = 0.15, stratify = true }
scale = "standard"

[model]
hidden = [32, 32]
activation = "relu"

[loss]
type = "cross_entropy"

[optimizer]
type = "adam"
lr = 5e-3

[schedule]
type = "cosine"
warmup = 0.05

[train]
epochs = 50
batch = 32

[early_stopping]
patience = 10
"#;

const SINE: &str = r#"version = 1
seed = 7

[data]
name = "sine"
split = { valid = 0.15, test = 0.15 }
scale = "standard"

[model]
hidden = [64, 64]
activation = "tanh"

[loss]
type = "mse"

[optimizer]
type = "adam"
lr = 5e-3

[schedule]
type = "cosine"
warmup = 0.05

[clip]
norm = 1.0

[train]
epochs = 150
batch = 32

[early_stopping]
patience = 30
"#;

const IRIS: &str = r#"version = 1
seed = 7

[data]
name = "iris"
split = { valid = 0.15, test = 0.2, stratify = true }
scale = "standard"

[model]
hidden = [32, 32]
activation = "relu"

[loss]
type = "cross_entropy"

[optimizer]
type = "adam"
lr = 1e-3
l2 = 1e-3

[schedule]
type = "cosine"
warmup = 0.05

[train]
epochs = 200
batch = 16

[early_stopping]
patience = 100
"#;

const FRIEDMAN: &str = r#"version = 1
seed = 7

[data]
name = "friedman"
split = { valid = 0.15, test = 0.15 }
scale = "standard"

[model]
hidden = [64, 64]
activation = "relu"

[loss]
type = "mse"

[optimizer]
type = "adam"
lr = 5e-3
l2 = 1e-3

[schedule]
type = "cosine"
warmup = 0.05

[clip]
norm = 10.0

[train]
epochs = 100
batch = 32

[early_stopping]
patience = 30
"#;
