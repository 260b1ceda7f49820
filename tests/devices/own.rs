//! Adapters that are opened as an application opens them, with a device in the test's own hand.

use gradus::exec::OpenDevice;
use gradus::exec::gpu::wgpu;

/// A device on each adapter, with as many of these features as it offers. That there is none is a failure where one is required.
pub(crate) fn own_devices(features: wgpu::Features) -> Vec<(wgpu::Device, OpenDevice)> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    assert!(!found.is_empty() || std::env::var_os("GRADUS_REQUIRE_GPU").is_none(), "no adapter found, and one is required");
    let open = |adapter: wgpu::Adapter| {
        let descriptor = wgpu::DeviceDescriptor { required_features: adapter.features() & features, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("an adapter that was found opens");
        (device.clone(), OpenDevice::from_wgpu(device, queue))
    };
    found.into_iter().map(open).collect()
}
