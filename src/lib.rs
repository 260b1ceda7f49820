//! Trains neural networks on any GPU (Vulkan, Metal, DX12), with a CPU path that is the reference and the fallback.

pub mod data;
pub mod error;
pub mod rng;

pub use error::{Error, Result};
