//! How the features of the data lie on the device: all of them, in as many buffers as bindings demand, or a chunk of the epoch at a time.

use super::Spec;
use crate::kernels::gather::{Gather, GatherBytes};
use crate::plan::{Buf, Builder, Kind, ProgramId};

/// Where the features of the data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Residence {
    /// On the device, all of them. What one binding does not hold is in several buffers of about the same number of rows, and a batch is gathered out
    /// of each of them.
    #[default]
    Resident,
    /// On the host. The rows of the next steps, in the order in which the steps take them, come through a ring of two buffers: while the steps over
    /// one run, the other is filled.
    Streamed {
        /// Rows of a buffer of the ring, for each member; no fewer than the batch.
        rows: usize,
    },
}

/// The buffers of the features.
#[derive(Debug, Clone)]
pub(super) struct FeatureBuffers {
    /// The shards of resident features, or the ring of streamed ones.
    pub(super) parts: Vec<Buf>,
    /// Where a row of the order is in a buffer of the ring `[members, order]`.
    pub(super) places: Option<Buf>,
    rows: usize,
}

/// Buffers of the ring.
const RING: usize = 2;

impl FeatureBuffers {
    /// Adds the buffers to a plan.
    pub(super) fn add(b: &mut Builder, spec: &Spec<'_>, width: usize) -> Self {
        let (kind, row) = match spec.byte_scale {
            Some(_) => (Kind::U32, width / 4),
            None => (Kind::F32, width),
        };
        let named = |n: usize, of: usize| if of > 1 { format!("features {}/{of}", n + 1) } else { "features".to_string() };
        match spec.residence {
            Residence::Resident => {
                let most = usize::try_from(spec.binding / (4 * row as u64)).unwrap_or(usize::MAX).max(1);
                let count = spec.data_rows.div_ceil(most).max(1);
                let rows = spec.data_rows.div_ceil(count);
                let held = |n: usize| rows.min(spec.data_rows - n * rows);
                let parts = (0..count).map(|n| b.buffer(named(n, count), kind, held(n) * row)).collect();
                FeatureBuffers { parts, places: None, rows }
            }
            Residence::Streamed { rows } => {
                let parts = (0..RING).map(|n| b.streamed(named(n, RING), kind, spec.members * rows * row)).collect();
                let places = b.buffer("places", Kind::U32, spec.members * spec.order);
                FeatureBuffers { parts, places: Some(places), rows: spec.members * rows }
            }
        }
    }

    /// Adds to a program what makes a batch: a dispatch a shard, or one over the first buffer of the ring.
    pub(super) fn gather(&self, b: &mut Builder, spec: &Spec<'_>, width: usize, order: Buf, batch: Buf) {
        let (width4, rows, order_stride, members) = (width as u32 / 4, spec.batch as u32, spec.order as u32, spec.members as u32);
        let (parts, from) = match self.places {
            None => (&self.parts[..], order),
            Some(places) => (&self.parts[..1], places),
        };
        let count = self.rows as u32;
        for (n, &features) in parts.iter().enumerate() {
            let (args, first) = ([features, from, batch], n as u32 * count);
            match spec.byte_scale {
                Some(scale) => b.dispatch(&GatherBytes { width4, rows, order_stride, members, first, count, scale }, &args, "batch"),
                None => b.dispatch(&Gather { width4, rows, order_stride, members, first, count, scale: 1.0 }, &args, "batch"),
            }
        }
    }

    /// Adds for each program the same over the other buffer of the ring; nothing where features are resident.
    pub(super) fn turns(&self, b: &mut Builder, programs: &[ProgramId]) -> Vec<(ProgramId, ProgramId)> {
        match (self.places, &self.parts[..]) {
            (Some(_), &[first, second]) => programs.iter().map(|&program| (program, b.program_over(program, first, second))).collect(),
            _ => Vec::new(),
        }
    }
}
