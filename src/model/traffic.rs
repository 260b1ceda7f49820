//! How many bytes a dispatch moves: each element that it reads, once, and each that it writes, once.

use super::{Compiled, Segment};
use crate::kernel::Step;
use crate::plan::{Buf, Dispatch, Kind, Plan};

/// Fields of a uniform that say where in an arena a tensor of the layer starts, in groups of four.
const PLACES: [&str; 7] = ["weight4", "bias4", "scale4", "shift4", "mean4", "variance4", "count4"];

impl Compiled {
    /// Bytes that a dispatch of a full batch moves: `4 · Σ (elements read + elements written)`, caches left out of account. `written` says of
    /// each of its buffers whether it is written (see [`Cpu::trace`](crate::exec::cpu::Cpu::trace)).
    ///
    /// Of a bound buffer its live part counts: of the resident data the rows of the batch; of an arena the tensors that the uniform points at
    /// (a dense layer: x, W, b and a, once each), or all of it where it points at none; of the table of steps one row, and of the log one line;
    /// of others all. What is written counts once, but for a whole arena: that is updated in place, so it is read as well.
    pub fn bytes(&self, dispatch: &Dispatch, written: &[bool]) -> u64 {
        let each = dispatch.args.iter().zip(written.iter().chain(std::iter::repeat(&false)));
        4 * each
            .map(|(&buf, &written)| {
                let whole = self.is_arena(buf) && self.points_at(dispatch, buf).is_none();
                self.live(dispatch, buf) as u64 * if written && whole { 2 } else { 1 }
            })
            .sum::<u64>()
    }

    /// Elements of a buffer that a dispatch has to do with.
    fn live(&self, dispatch: &Dispatch, buf: Buf) -> usize {
        let (len, members) = (self.plan.buffer(buf).len, self.plan.members);
        if self.features.contains(&buf) {
            // of resident ones in several buffers, each has its share of the batch
            let parts = if self.chunk_rows.is_some() { 1 } else { self.features.len() };
            return members * self.batch * self.row_bytes / 4 / parts;
        }
        let own_weights = (self.plan.buffer(self.weights).len >= self.data_rows).then_some(self.weights);
        if [self.classes, self.values, own_weights].contains(&Some(buf)) {
            // every member takes rows of its own
            return members * self.batch * (len / self.data_rows.max(1)).max(1);
        }
        if let (true, Some(parts), Some(slice4)) = (self.slices.contains(&buf), field(dispatch, "parts"), field(dispatch, "slice4")) {
            // of all layers' slices its own
            return members * parts as usize * 4 * slice4 as usize;
        }
        match self.points_at(dispatch, buf) {
            Some(elements) if self.is_arena(buf) => members * elements,
            _ if buf == self.order => members * self.batch,
            _ if buf == self.log => 4 * members,
            _ if buf == Plan::STEPS => Step::words(members),
            _ => len,
        }
    }

    fn is_arena(&self, buf: Buf) -> bool {
        let buffer = self.plan.buffer(buf);
        buffer.kind == Kind::F32 && self.segments_of(buf).next().is_some() && !self.per_row.contains(&buf)
    }

    /// The segments of an arena that are as long as a buffer.
    fn segments_of(&self, buf: Buf) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| self.plan.members * segment.len == self.plan.buffer(buf).len)
    }

    /// Elements of the tensors in an arena that a dispatch's uniform points at; `None` where it points at none.
    fn points_at(&self, dispatch: &Dispatch, arena: Buf) -> Option<usize> {
        let field = |name: &str| field(dispatch, name);
        if let (Some(vectors), Some(rows)) = (field("vectors"), field("rows")) {
            // of an embedding a vector a row
            return Some((vectors * rows) as usize);
        }
        if let Some(total4) = field("total4") {
            return Some(4 * total4 as usize);
        }
        let places = PLACES.iter().filter(|&&name| name != "bias4" || field("has_bias") != Some(0)).filter_map(|name| field(name));
        let starts: Vec<usize> = places.map(|place| 4 * place as usize).collect();
        let is_meant = |at: usize| self.segments_of(arena).any(|s| s.range().contains(&at) && starts.contains(&(at - s.start)));
        let tensors = self.tensors.iter().filter(|tensor| is_meant(tensor.offset));
        (!starts.is_empty()).then(|| tensors.map(|tensor| tensor.stored()).sum())
    }
}

/// A field of a dispatch's uniform.
fn field(dispatch: &Dispatch, name: &str) -> Option<u32> {
    let at = dispatch.kernel.fields.iter().position(|field| field.name == name)?;
    dispatch.words.get(at).copied()
}
