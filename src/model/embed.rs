//! The embedding layer, forward and backward side by side: which dispatches it adds to a plan.

use super::graph::Shape;
use crate::data::Codes;
use crate::kernels::embed::{Embed as Forward, EmbedGradient};
use crate::plan::{Buf, Builder, Tensor, padded};

/// An embedding in place: all columns of a row, those of codes with a table of vectors each.
#[derive(Debug, Clone)]
pub(super) struct Embed {
    /// The segment of the arenas that its tables are in.
    pub(super) segment: usize,
    inputs: usize,
    width: usize,
    vectors: u32,
    /// Groups of four of all tables.
    total4: u32,
    /// Where each column of the output comes from, and where each table's gradient goes: what the kernels take.
    places: Buf,
    tables: Buf,
    count: u32,
}

impl Embed {
    /// Of `inputs` columns, with a table for each of `codes`, which are in their order.
    pub(super) fn new(b: &mut Builder, segment: usize, inputs: usize, codes: &[Codes], tensors: &[Tensor], label: &str) -> Self {
        let (mut places, mut tables, mut total4) = (Vec::new(), Vec::new(), 0);
        let mut own = codes.iter().zip(tensors).peekable();
        for column in 0..inputs {
            let first = places.len() / 4;
            let Some((codes, table)) = own.next_if(|(codes, _)| codes.column == column) else {
                places.extend([column as u32, 0, 0, 0]);
                continue;
            };
            let stride = padded(codes.width);
            places.extend((0..codes.width).flat_map(|e| [column, table.offset, stride, e].map(|n| n as u32)));
            total4 += table.stored() / 4;
            tables.extend([total4, column, first, codes.width, stride / 4, table.offset / 4, 0, 0].map(|n| n as u32));
        }
        Embed {
            segment,
            inputs,
            width: places.len() / 4,
            vectors: codes.iter().map(|codes| codes.width as u32).sum(),
            total4: total4 as u32,
            places: b.constant(format!("places of {label}"), places),
            tables: b.constant(format!("tables of {label}"), tables),
            count: codes.len() as u32,
        }
    }

    /// `y[j] = W[x[c], e]`, or `x[c]` of a number.
    pub(super) fn forward(&self, b: &mut Builder, of: Shape, [x, params, y]: [Buf; 3], label: &str) {
        let Shape { rows, members, arena4 } = of;
        let (inputs4, width4) = (self.inputs.div_ceil(4) as u32, self.width.div_ceil(4) as u32);
        let kernel = Forward { rows, inputs4, width: self.width as u32, width4, members, arena4, vectors: self.vectors };
        b.dispatch(&kernel, &[self.places, x, params, y], label);
    }

    /// `∂C/∂W[v] = Σ g` over the rows with code v. What the codes were made of learns nothing: no error goes further back.
    pub(super) fn gradient(&self, b: &mut Builder, of: Shape, [g, x, grads]: [Buf; 3], label: &str) {
        let Shape { rows, members, arena4 } = of;
        let (inputs4, width4) = (self.inputs.div_ceil(4) as u32, self.width.div_ceil(4) as u32);
        let kernel = EmbedGradient { rows, inputs4, width4, members, arena4, total4: self.total4, tables: self.count };
        b.dispatch(&kernel, &[self.tables, x, g, grads], label);
    }
}
