//! What the memory of a plan is for.

use crate::plan::{Buf, Plan};

/// A share of a plan's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// What it is for.
    pub name: &'static str,
    /// Bytes.
    pub bytes: u64,
}

/// The shares of a plan's memory by what its buffers are for, each buffer counted once; last what is in none of the lists.
pub(super) fn shares(plan: &Plan, of: &[(&'static str, Vec<Buf>)]) -> Vec<Share> {
    let mut counted = vec![false; plan.buffers.len()];
    let mut bytes = |buf: Buf| match std::mem::replace(&mut counted[buf.number()], true) {
        true => 0,
        false => 4 * plan.buffer(buf).len as u64,
    };
    let mut shares: Vec<_> = of.iter().map(|(name, bufs)| Share { name, bytes: bufs.iter().map(|&buf| bytes(buf)).sum() }).collect();
    let rest = plan.memory() - shares.iter().map(|share| share.bytes).sum::<u64>();
    shares.push(Share { name: "the rest", bytes: rest });
    shares
}
