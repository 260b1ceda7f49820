//! The way of bytes to the device: a ring of buffers, made once and used again and again.

use super::Context;
use crate::error::Result;
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

/// A ring of buffers that the host fills and the device copies from. A host that is further ahead of the device than the ring is long waits for the
/// copy out of the oldest buffer, and for nothing else; so memory does not grow with what is written.
pub(super) struct Staging {
    lanes: Vec<Lane>,
    bytes: u64,
    next: usize,
}

struct Lane {
    buffer: wgpu::Buffer,
    /// The submission that copies out of it, and the news that it can be filled again.
    busy: Option<(wgpu::SubmissionIndex, OneshotReceiver<std::result::Result<(), wgpu::BufferAsyncError>>)>,
}

impl Staging {
    /// Makes `count` buffers of so many bytes.
    pub(super) fn new(context: &Context, label: &str, count: usize, bytes: u64) -> Self {
        let buffer = || {
            context.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            })
        };
        Staging { lanes: (0..count).map(|_| Lane { buffer: buffer(), busy: None }).collect(), bytes, next: 0 }
    }

    /// Hands bytes over to a buffer of the device, in as many pieces as it takes.
    pub(super) fn write(&mut self, context: &Context, to: &wgpu::Buffer, at: u64, bytes: &[u8]) -> Result<()> {
        for (n, piece) in bytes.chunks(self.bytes as usize).enumerate() {
            let Lane { buffer, busy } = &mut self.lanes[self.next];
            if let Some((submission, free)) = busy.take() {
                context.wait(Some(submission))?;
                if !matches!(pollster::block_on(free.receive()), Some(Ok(()))) {
                    return Err(context.failure("it takes no more data"));
                }
            }
            let len = piece.len() as u64;
            let mut view = buffer.get_mapped_range_mut(0..len).map_err(|e| context.failure(e))?;
            view.copy_from_slice(piece);
            drop(view);
            buffer.unmap();
            let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("upload") });
            encoder.copy_buffer_to_buffer(buffer, 0, to, at + n as u64 * self.bytes, len);
            let submission = context.queue().submit([encoder.finish()]);
            let (sender, receiver) = oneshot_channel();
            // a receiver that is gone needs no answer
            buffer.map_async(wgpu::MapMode::Write, .., move |result| drop(sender.send(result)));
            *busy = Some((submission, receiver));
            self.next = (self.next + 1) % self.lanes.len();
        }
        Ok(())
    }
}
