//! Samples that are spread over several processes: how a pass reaches the other ones.
//!
//! The kernels know of [`Team`] that it passes a message up a tree of ranks and back down, and nothing of how: a caller
//! with one process never meets it, for [`Spread::alone`] is what [`Rows::spread`](crate::Rows::spread) says unless it
//! is told otherwise.
//!
//! **The same bits for any number of ranks.** The tree by which rows are reduced is fixed by the number of all rows
//! ([`crate::parallel`]). A rank owns whole leaves of it, sends the results of the largest nodes that it has all of,
//! and whoever has both halves of a node combines them: the same additions in the same places as by one process. Shares
//! begin where the tree has its upper nodes, so that there are few of them: one a rank if their number is a power of
//! two.
#![forbid(unsafe_code)]

use std::fmt::Debug;

use bytemuck::Pod;

mod spread;

pub use spread::{Carried, Spread};

/// The ranks among which samples are spread, as one of them sees them.
///
/// All ranks make the same calls in the same order, each from one thread at a time; what a rank decides by must
/// therefore be the same for all.
pub trait Team: Debug + Send + Sync {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn ranks(&self) -> usize;

    /// Joins the parts of all ranks, each to those left of it, and hands the whole to every rank: all have adopted the
    /// same message when this returns.
    fn exchange(&self, part: &mut dyn Exchange);
}

/// A rank's part of what all ranks make together, as messages.
pub trait Exchange {
    /// Joins the part of the ranks to the right to one's own.
    fn absorb(&mut self, message: &[u8]);
    /// Appends one's own part to a message.
    fn emit(&mut self, message: &mut Vec<u8>);
    /// Takes the whole in the place of one's own part.
    fn adopt(&mut self, message: &[u8]);
}

/// Bytes, one rank's after the other's.
struct Gathering(Vec<u8>);

impl Exchange for Gathering {
    fn absorb(&mut self, message: &[u8]) {
        self.0.extend_from_slice(message);
    }
    fn emit(&mut self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.0);
    }
    fn adopt(&mut self, message: &[u8]) {
        message.clone_into(&mut self.0);
    }
}

/// The values of all ranks, one rank after the other; their numbers may differ.
pub fn gather<T: Pod>(team: &dyn Team, own: &[T]) -> Vec<T> {
    let mut gathering = Gathering(bytemuck::cast_slice(own).to_vec());
    team.exchange(&mut gathering);
    gathering.0.chunks_exact(size_of::<T>().max(1)).map(bytemuck::pod_read_unaligned).collect()
}
