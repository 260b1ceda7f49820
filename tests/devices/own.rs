//! Adapters that are opened as an application opens them, with a device in the test's own hand.

#[path = "adapters.rs"]
mod adapters;

use gradus::exec::OpenDevice;
use gradus::exec::gpu::wgpu;

/// A device on each adapter, with as many of these features as it offers.
pub(crate) fn own_devices(features: wgpu::Features) -> Vec<(wgpu::Device, OpenDevice)> {
    let open = |adapter: wgpu::Adapter| {
        let descriptor = wgpu::DeviceDescriptor { required_features: adapter.features() & features, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("an adapter that was found opens");
        (device.clone(), OpenDevice::from_wgpu(device, queue))
    };
    adapters::adapters().into_iter().map(open).collect()
}
