//! What tests run on: the CPU path and all adapters.

use gradus::Device;
use gradus::exec::OpenDevice;

/// All adapters. That there is none is a failure where one is required.
pub(crate) fn adapters() -> Vec<OpenDevice> {
    #[cfg(feature = "gpu")]
    let found: Vec<OpenDevice> =
        gradus::exec::gpu::adapters().into_iter().map(|(info, _)| Device::Named(info.name).open().unwrap()).collect();
    #[cfg(not(feature = "gpu"))]
    let found: Vec<OpenDevice> = Vec::new();
    let required = cfg!(feature = "gpu") && std::env::var_os("GRADUS_REQUIRE_GPU").is_some();
    assert!(!found.is_empty() || !required, "no adapter found, and one is required");
    found
}

/// The CPU path, and behind it all adapters.
pub(crate) fn devices() -> Vec<OpenDevice> {
    std::iter::once(Device::Cpu.open().unwrap()).chain(adapters()).collect()
}
