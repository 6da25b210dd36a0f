//! Work for the threads that there are. The tree of a reduction depends on the length and nothing else, and what is cut
//! further for more threads is cut where there is no sum: so the bits of a result do not depend on their number.
//!
//! Work is handed over as `&dyn Fn`: a piece of it takes far longer than a call, and with a type of its own each
//! closure would have the whole of rayon's machinery compiled for it. All of it goes through one fork, where the
//! pieces of a pass can be counted ([`threads_at_work`]) and timed ([`trace`]).
#![forbid(unsafe_code)]

mod home;
mod meeting;
mod shelf;
mod trace;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use home::for_each_at_home;
pub use meeting::threads_at_work;
pub(crate) use shelf::Shelf;
pub use trace::{Task, trace};

use crate::block::{
    LEAF_PARTS_MAX, LEAF_ROWS_MAX, LEAF_ROWS_MIN, LEAVES, LEAVES_PER_WORKER, PARALLEL_FLOPS, PARTS_PER_WORKER,
    PIECES_PER_WORKER, ROW_BLOCK,
};
use crate::element::Element;
use crate::mat::MatMut;
use crate::workspace;

/// Whether a pass may use the threads of the current rayon pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Par {
    /// One thread, the caller's.
    Seq,
    /// The current rayon pool, for work of at least `from` flops.
    Pool {
        /// Less is done before another thread is awake.
        from: u64,
    },
}

impl Par {
    /// The current rayon pool where work is worth a second thread: from [`PARALLEL_FLOPS`] on.
    pub const POOL: Self = Self::Pool { from: PARALLEL_FLOPS };
    /// The current rayon pool however small the work is: a test of what threads do to a result.
    pub const ALWAYS: Self = Self::Pool { from: 0 };

    /// Falls back to one thread where the work is too small to share.
    #[must_use]
    pub fn for_work(self, flops: f64) -> Self {
        match self {
            Self::Pool { from } if flops < from as f64 => Self::Seq,
            par => par,
        }
    }

    /// Threads that work can be divided among.
    pub(crate) fn workers(self) -> usize {
        match self {
            Par::Seq => 1,
            Par::Pool { .. } => trace::workers().unwrap_or_else(rayon::current_num_threads),
        }
    }

    /// Does both, at once if it may.
    pub fn join<A: Send, B: Send>(self, left: impl FnOnce() -> A + Send, right: impl FnOnce() -> B + Send) -> (A, B) {
        const DONE: &str = "a fork does both of its sides, once";
        let (mut left, mut right) = (Some(left), Some(right));
        let (mut a, mut b) = (None, None);
        self.fork(&mut || a = left.take().map(|left| left()), &mut || b = right.take().map(|right| right()));
        (a.expect(DONE), b.expect(DONE))
    }

    /// Does both sides, at once if it may: the only place where work is handed to another thread.
    fn fork(self, left: &mut (dyn FnMut() + Send), right: &mut (dyn FnMut() + Send)) {
        match self {
            Par::Seq => {
                left();
                right();
            }
            Par::Pool { .. } if trace::is_on() => trace::fork(left, right),
            Par::Pool { .. } => {
                let workspace = workspace::current();
                // The right side may find itself on any thread.
                rayon::join(left, || workspace::within(workspace, right));
            }
        }
    }
}

/// Rows of a leaf in the reduction tree over `n` rows.
pub fn leaf_rows(n: usize) -> usize {
    (n / LEAVES).clamp(LEAF_ROWS_MIN, LEAF_ROWS_MAX)
}

/// How the leaves of a reduction are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeafPlan {
    /// Whether the threads share a leaf.
    pub(crate) par: Par,
    /// Parts that the matrix of a leaf is cut into.
    pub(crate) parts: usize,
}

impl LeafPlan {
    /// Each leaf by one thread.
    pub(crate) const ALONE: Self = Self { par: Par::Seq, parts: 1 };

    /// For `rows` rows in leaves of at most `leaf` rows: threads have leaves to themselves where there are enough.
    pub(crate) fn new(par: Par, rows: usize, leaf: usize) -> Self {
        let (workers, leaves) = (par.workers(), rows.div_ceil(leaf).max(1));
        if workers == 1 || leaves >= LEAVES_PER_WORKER.saturating_mul(workers) {
            return Self::ALONE;
        }
        let parts = PARTS_PER_WORKER.saturating_mul(workers).div_ceil(leaves);
        Self { par, parts: parts.min(LEAF_PARTS_MAX) }
    }

    /// Rows of a piece where `rows` rows of a leaf do not depend on each other: a multiple of `unit`, or `at_most`.
    pub(crate) fn piece_rows(self, rows: usize, unit: usize, at_most: usize) -> usize {
        rows.div_ceil(self.parts).max(1).next_multiple_of(unit).min(at_most)
    }
}

/// Rows of a piece where `rows` rows that do not depend on each other are divided among the workers: a multiple of
/// `unit`, and `at_most` so many, or the next multiple.
pub(crate) fn piece_rows(par: Par, rows: usize, unit: usize, at_most: usize) -> usize {
    let pieces = par.workers().saturating_mul(PIECES_PER_WORKER);
    rows.div_ceil(pieces).min(at_most).max(1).next_multiple_of(unit)
}

/// The two halves of a node of the tree. Parts begin at multiples of [`ROW_BLOCK`].
pub(crate) fn halves(range: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + (range.len() / 2).next_multiple_of(ROW_BLOCK);
    (range.start..middle, middle..range.end)
}

/// Reduces over `range`, a node of the tree, by halving until a part has at most `at_most` rows, [`leaf_rows`] of the
/// whole. The left part's result is always the left operand of `combine`.
pub(crate) fn reduce_range<R: Send>(
    par: Par,
    range: Range<usize>,
    at_most: usize,
    leaf: &(dyn Fn(Range<usize>) -> R + Sync),
    combine: &(dyn Fn(R, R) -> R + Sync),
) -> R {
    if range.len() <= at_most {
        return piece(par, || leaf(range));
    }
    let (left, right) = halves(&range);
    let half = |range| reduce_range(par, range, at_most, leaf, combine);
    let (left, right) = par.join(|| half(left), || half(right));
    combine(left, right)
}

/// Runs `work` on every item; items are independent, so their order does not matter.
pub fn for_each<I: Send>(par: Par, items: &mut [I], work: &(dyn Fn(usize, &mut I) + Sync)) {
    for_items(par, 0, items, work);
}

fn for_items<I: Send>(par: Par, first: usize, items: &mut [I], work: &(dyn Fn(usize, &mut I) + Sync)) {
    match items {
        [] => {}
        [item] => piece(par, || work(first, item)),
        _ => {
            let middle = items.len() / 2;
            let (head, tail) = items.split_at_mut(middle);
            par.join(|| for_items(par, first, head, work), || for_items(par, first + middle, tail, work));
        }
    }
}

/// Whether `holds` says so of every item.
pub fn all<I: Sync>(par: Par, items: &[I], holds: &(dyn Fn(&I) -> bool + Sync)) -> bool {
    let all = AtomicBool::new(true);
    let mut items: Vec<&I> = items.iter().collect();
    for_each(par, &mut items, &|_, item| {
        if all.load(Ordering::Relaxed) && !holds(item) {
            all.store(false, Ordering::Relaxed);
        }
    });
    all.into_inner()
}

/// Runs `work(first row, block)` on blocks of at most `block` rows of `mat`.
pub fn for_row_blocks<T: Element>(
    par: Par,
    mat: MatMut<'_, T>,
    block: usize,
    work: &(dyn Fn(usize, MatMut<'_, T>) + Sync),
) {
    for_row_range(par, 0, mat, block, work);
}

fn for_row_range<T: Element>(
    par: Par,
    first: usize,
    mat: MatMut<'_, T>,
    block: usize,
    work: &(dyn Fn(usize, MatMut<'_, T>) + Sync),
) {
    let blocks = mat.rows().div_ceil(block);
    if blocks <= 1 {
        return piece(par, || work(first, mat));
    }
    let middle = blocks / 2 * block;
    let (head, tail) = mat.split_rows(middle);
    par.join(|| for_row_range(par, first, head, block, work), || for_row_range(par, first + middle, tail, block, work));
}

/// Runs `work(first element, chunk)` on consecutive chunks of `values`.
pub fn for_chunks<T: Send>(par: Par, values: &mut [T], chunk: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    for_chunk_range(par, 0, values, chunk, work);
}

fn for_chunk_range<T: Send>(
    par: Par,
    first: usize,
    values: &mut [T],
    chunk: usize,
    work: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    match values.len().div_ceil(chunk) {
        0 => {}
        1 => piece(par, || work(first, values)),
        chunks => {
            let middle = chunks / 2 * chunk;
            let (head, tail) = values.split_at_mut(middle);
            let half = |first, values| for_chunk_range(par, first, values, chunk, work);
            par.join(|| half(first, head), || half(first + middle, tail));
        }
    }
}

/// Does a piece of work that others may be done beside.
fn piece<R>(par: Par, work: impl FnOnce() -> R) -> R {
    if par != Par::Seq {
        meeting::arrive();
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_covers_every_row_once_and_is_the_same_for_every_pool() {
        for n in [0, 1, 127, 128, 512, 513, 5000, 60_000, 200_001] {
            let leaves =
                |par| reduce_range(par, 0..n, leaf_rows(n), &|range| vec![range], &|a, b: Vec<_>| [a, b].concat());
            let sequential = leaves(Par::Seq);
            assert_eq!(sequential, leaves(Par::POOL));
            assert_eq!(sequential[0].start, 0);
            assert_eq!(sequential.last().unwrap().end, n);
            assert!(sequential.windows(2).all(|pair| pair[0].end == pair[1].start && pair[1].start % ROW_BLOCK == 0));
            assert!(sequential.iter().all(|leaf| leaf.len() <= leaf_rows(n)));
        }
    }
}
