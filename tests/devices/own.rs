//! Adapters that are opened as an application opens them, with a device in the test's own hand.

use gradus::exec::OpenDevice;
use gradus::exec::gpu::wgpu;

/// A device with these features on each adapter that offers them.
pub(crate) fn own_devices(features: wgpu::Features) -> Vec<(wgpu::Device, OpenDevice)> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let found = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
    let open = |adapter: wgpu::Adapter| {
        let descriptor = wgpu::DeviceDescriptor { required_features: features, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        (device.clone(), OpenDevice::from_wgpu(device, queue))
    };
    found.into_iter().filter(|adapter| adapter.features().contains(features)).map(open).collect()
}
