//! How the features of the data lie on the device: all of them, in as many buffers as bindings demand, or a chunk of the epoch at a time.

use super::{Layer, Spec};
use crate::kernels::by_row::{ByRow, TakesRows};
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

/// What the first layer reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    /// A batch `[members, rows, padded width]` that is gathered before, out of the rows that an order names.
    Batch { batch: Buf, order: Buf },
    /// The data themselves, in which the layer's products look up the rows of the batch.
    Data(Data),
}

/// Data in which rows are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    pub(super) features: Buf,
    order: Buf,
    order_stride: u32,
    byte_scale: Option<f32>,
}

impl Data {
    /// Adds a product over a batch as one that looks its rows up. The arguments are the product's, the features in the place of x, and what comes
    /// behind the order.
    pub(super) fn dispatch<K: TakesRows>(&self, b: &mut Builder, product: K, args: [Buf; 3], behind: Option<Buf>, label: &str) {
        let &Data { order, order_stride, byte_scale, .. } = self;
        let args: Vec<Buf> = args.into_iter().chain([order]).chain(behind).collect();
        match byte_scale {
            Some(scale) => b.dispatch(&ByRow::<K, true> { product, order_stride, scale }, &args, label),
            None => b.dispatch(&ByRow::<K, false> { product, order_stride, scale: 1.0 }, &args, label),
        }
    }
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

    /// What the first layer is to read.
    pub(super) fn input(&self, b: &mut Builder, spec: &Spec<'_>, width: usize, order: Buf) -> Input {
        let order = self.places.unwrap_or(order);
        let whole = self.places.is_some() || self.parts.len() == 1;
        if spec.fused_gather && whole && matches!(spec.model.layers().first(), Some(Layer::Dense { .. })) {
            return Input::Data(Data { features: self.parts[0], order, order_stride: spec.order as u32, byte_scale: spec.byte_scale });
        }
        Input::Batch { batch: b.buffer("batch", Kind::F32, spec.members * spec.batch * width), order }
    }

    /// Adds to a program what makes a batch, where there is to be one: a dispatch a shard, or one over the first buffer of the ring.
    pub(super) fn gather(&self, b: &mut Builder, spec: &Spec<'_>, width: usize, input: &Input) {
        let &Input::Batch { batch, order } = input else { return };
        let (width4, rows, order_stride, members) = (width as u32 / 4, spec.batch as u32, spec.order as u32, spec.members as u32);
        let parts = if self.places.is_some() { &self.parts[..1] } else { &self.parts[..] };
        let count = self.rows as u32;
        for (n, &features) in parts.iter().enumerate() {
            let (args, first) = ([features, order, batch], n as u32 * count);
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
