//! Trains neural networks on any GPU (Vulkan, Metal, DX12), with a CPU path that is the reference and the fallback.

pub mod bench;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clip;
pub mod data;
pub mod error;
pub mod exec;
#[cfg(feature = "export")]
pub mod export;
pub mod expr;
pub mod flow;
pub mod formula;
pub mod gradcheck;
pub mod hyper;
pub mod importance;
pub mod kernel;
pub mod kernels;
pub mod loss;
pub mod lr_find;
pub mod matmul;
pub mod metrics;
pub mod model;
pub mod optim;
mod parallel;
pub mod parity;
pub mod plan;
#[cfg(feature = "plot")]
pub mod plot;
pub mod precision;
pub mod profile;
pub mod rng;
pub mod schedule;
#[cfg(feature = "tensorboard")]
pub mod tensorboard;
pub mod train;

pub use clip::Clip;
pub use data::Dataset;
pub use error::{Error, Result};
pub use exec::Device;
pub use kernels::activation::Activation;
pub use loss::Loss;
pub use model::Model;
pub use optim::{Adam, Momentum, Sgd};
pub use precision::Precision;
pub use schedule::Schedule;
pub use train::Trainer;

/// The Rust of README.md and of the guide is compiled and run by `cargo test`.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/guide/src/rust.md")]
    struct Guide;
}
