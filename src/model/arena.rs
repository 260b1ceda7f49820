//! Arenas larger than a binding: cut between layers into several buffers, so that every dispatch binds the one that it needs.

use super::Compiled;
use crate::error::{Error, Result};
use crate::plan::{Buf, Builder, Kind, Role, Tensor};
use std::ops::Range;

/// A part of all arenas, the tensors of some layers one behind the other: in each arena a buffer of its own, `[members][len]`.
///
/// An arena that fits a binding, for all members, is one segment. What is cut is every arena at the same places, between layers and never inside of
/// one: a layer's dispatches bind its segment, and what is done to whole arenas (norm, clipping, update) is a dispatch a segment. So a model may be
/// as large as the device's memory; a single layer, for all members, may be as large as a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in a member's arena, in elements.
    pub start: usize,
    /// Its length, in elements.
    pub len: usize,
}

impl Segment {
    /// The segments of an arena of `arena` elements for so many members, where a buffer holds at most `binding` bytes.
    ///
    /// Errors when a single layer is larger than that; the message has both numbers.
    pub(super) fn cut(tensors: &[Tensor], arena: usize, members: usize, binding: u64) -> Result<Vec<Segment>> {
        let bytes = |len: usize| 4 * len as u64 * members as u64;
        let mut starts = vec![0];
        let mut layers: Vec<(usize, &str)> = Vec::new();
        for tensor in tensors {
            let layer = layer_of(tensor);
            if layers.last().is_none_or(|&(_, last)| last != layer) {
                layers.push((tensor.offset, layer));
            }
        }
        for (n, &(start, layer)) in layers.iter().enumerate() {
            let end = layers.get(n + 1).map_or(arena, |&(next, _)| next);
            if bytes(end - start) > binding {
                let of = if members > 1 { format!(" for {members} members") } else { String::new() };
                return Err(Error::Device(format!(
                    "the parameters of layer `{layer}` need {} bytes{of}, but the device binds at most {binding} bytes at once, and a layer \
                     is not cut: use narrower layers, fewer members, or --device cpu",
                    bytes(end - start)
                )));
            }
            if bytes(end - starts[starts.len() - 1]) > binding {
                starts.push(start);
            }
        }
        let ends = starts[1..].iter().copied().chain([arena]);
        Ok(starts.iter().zip(ends).map(|(&start, end)| Segment { start, len: end - start }).collect())
    }

    /// The elements of a member's arena that are in it.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// The layer that a tensor belongs to: its name without the last part, and without the number of the table where it has several.
fn layer_of(tensor: &Tensor) -> &str {
    let without_last = |name| str::rsplit_once(name, '.').map_or("", |(rest, _)| rest);
    let layer = without_last(&tensor.name);
    if tensor.role == Role::Vectors { without_last(layer) } else { layer }
}

/// The segment that a tensor is in, and the tensor as it lies in there.
pub(super) fn home(segments: &[Segment], tensor: &Tensor) -> (usize, Tensor) {
    let segment = segments.partition_point(|segment| segment.start <= tensor.offset) - 1;
    (segment, Tensor { offset: tensor.offset - segments[segment].start, ..tensor.clone() })
}

/// Adds an arena to a plan: a buffer for each segment.
pub(super) fn add(b: &mut Builder, name: &str, segments: &[Segment], members: usize) -> Vec<Buf> {
    let many = segments.len();
    let name = |n: usize| if many > 1 { format!("{name} {}/{many}", n + 1) } else { name.to_string() };
    segments.iter().enumerate().map(|(n, segment)| b.buffer(name(n), Kind::F32, members * segment.len)).collect()
}

impl Compiled {
    /// Where a member's part of an arena lies: for each buffer of it the element at which the member's begin, and which of the member's arena they
    /// are.
    pub fn runs(&self, arena: &[Buf], member: usize) -> Vec<(Buf, usize, Range<usize>)> {
        arena.iter().zip(&self.segments).map(|(&buf, segment)| (buf, member * segment.len, segment.range())).collect()
    }

    /// Where an element of a member's part of an arena lies: the buffer, and the element in it.
    pub fn place(&self, arena: &[Buf], member: usize, at: usize) -> (Buf, usize) {
        let n = self.segments.partition_point(|segment| segment.start <= at) - 1;
        let Segment { start, len } = self.segments[n];
        (arena[n], member * len + at - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    #[test]
    fn arenas_are_cut_between_layers_where_a_binding_is_full() {
        // 16·8 + 64, 16·16 + 64, 2·16 rounded up to 64, + 64 elements
        let (tensors, arena) = Model::input(8).dense(16).dense(16).dense(2).tensors();
        assert_eq!(arena, 192 + 320 + 128);
        let cut = |members, elements: u64| {
            let segments = Segment::cut(&tensors, arena, members, 4 * elements).unwrap();
            segments.iter().map(|s| (s.start, s.len)).collect::<Vec<_>>()
        };
        assert_eq!(cut(1, 640), [(0, 640)]);
        assert_eq!(cut(1, 639), [(0, 512), (512, 128)]);
        assert_eq!(cut(1, 500), [(0, 192), (192, 448)]);
        assert_eq!(cut(1, 320), [(0, 192), (192, 320), (512, 128)]);
        assert_eq!(cut(3, 3 * 639), cut(1, 639));
        let error = Segment::cut(&tensors, arena, 3, 4 * 959).unwrap_err().to_string();
        assert!(error.contains("layer `1` need 3840 bytes for 3 members") && error.contains("at most 3836 bytes"), "{error}");
    }

    #[test]
    fn a_tensor_is_found_in_its_segment() {
        let (tensors, arena) = Model::input(8).dense(16).dense(16).dense(2).tensors();
        let segments = Segment::cut(&tensors, arena, 1, 4 * 500).unwrap();
        let homes: Vec<_> = tensors.iter().map(|tensor| home(&segments, tensor)).map(|(n, tensor)| (n, tensor.offset)).collect();
        assert_eq!(homes, [(0, 0), (0, 128), (1, 0), (1, 256), (1, 320), (1, 384)]);
    }
}
