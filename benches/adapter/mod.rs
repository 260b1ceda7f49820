//! Adapters for benches that drive a device with their own hands.

use gradus::exec::gpu::wgpu;
use gradus::{Error, Result};

/// The first adapter whose name has this in it.
pub(crate) fn find(name: &str) -> Result<wgpu::Adapter> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    let is_meant = |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&name.to_lowercase());
    found.into_iter().find(is_meant).ok_or_else(|| Error::NoDevice(format!("there is no adapter `{name}`")))
}
