//! One level of parallelism over fixed partitions: the tree of a reduction depends on the length and nothing else, so
//! that the bits of a result do not depend on the number of threads.
//!
//! Work is handed over as `&dyn Fn`: a piece of it takes far longer than a call, and with a type of its own each
//! closure would have the whole of rayon's machinery compiled for it.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::block::{LEAF_ROWS_MAX, LEAF_ROWS_MIN, LEAVES, PARALLEL_FLOPS, ROW_BLOCK};
use crate::element::Element;
use crate::mat::MatMut;

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

    /// Does both, at once if it may.
    pub(crate) fn join<A: Send, B: Send>(
        self,
        left: impl FnOnce() -> A + Send,
        right: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        match self {
            Par::Seq => (left(), right()),
            Par::Pool { .. } => rayon::join(left, right),
        }
    }
}

/// Rows of a leaf in the reduction tree over `n` rows.
pub fn leaf_rows(n: usize) -> usize {
    (n / LEAVES).clamp(LEAF_ROWS_MIN, LEAF_ROWS_MAX)
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
    use rayon::prelude::*;
    match par {
        Par::Seq => items.iter_mut().enumerate().for_each(|(i, item)| work(i, item)),
        Par::Pool { .. } => {
            let work = |(i, item)| piece(par, || work(i, item));
            items.par_iter_mut().enumerate().with_max_len(1).for_each(work);
        }
    }
}

/// Whether `holds` says so of every item.
pub fn all<I: Sync>(par: Par, items: &[I], holds: &(dyn Fn(&I) -> bool + Sync)) -> bool {
    use rayon::prelude::*;
    match par {
        Par::Seq => items.iter().all(holds),
        Par::Pool { .. } => items.par_iter().with_max_len(1).all(|item| piece(par, || holds(item))),
    }
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
    use rayon::prelude::*;
    match par {
        Par::Seq => values.chunks_mut(chunk).enumerate().for_each(|(i, part)| work(i * chunk, part)),
        Par::Pool { .. } => {
            let work = |(i, part)| piece(par, || work(i * chunk, part));
            values.par_chunks_mut(chunk).enumerate().for_each(work);
        }
    }
}

thread_local! {
    /// Where this thread is expected, if anybody counts who has a part in shared work.
    static MEETING: RefCell<Option<Arc<Meeting>>> = const { RefCell::new(None) };
}

/// Does a piece of work that others may be done beside.
fn piece<R>(par: Par, work: impl FnOnce() -> R) -> R {
    if par != Par::Seq {
        MEETING.with_borrow(|meeting| meeting.as_ref().map(|meeting| meeting.arrive()));
    }
    work()
}

/// The threads that have begun a piece of shared work.
#[derive(Debug)]
struct Meeting {
    /// Two, or one where there are no more.
    expected: usize,
    arrived: Mutex<HashSet<ThreadId>>,
    another: Condvar,
}

impl Meeting {
    /// How long the first to arrive waits for another in each piece, which may be the only one there is at the time.
    const PATIENCE: Duration = Duration::from_millis(20);

    fn arrive(&self) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if arrived.insert(thread::current().id()) {
            self.another.notify_all();
        }
        drop(self.another.wait_timeout_while(arrived, Self::PATIENCE, |arrived| arrived.len() < self.expected));
    }
}

/// Does `work` in a pool, and says how many of its threads had a part in what was shared. The first one waits a moment
/// in each of its pieces for another, so that however short the work is there are two, unless it is done in one piece
/// after the other, or the machine is too busy to wake a thread.
pub fn threads_at_work(pool: &rayon::ThreadPool, work: impl FnOnce() + Send) -> usize {
    let expected = pool.current_num_threads().min(2);
    let meeting = Arc::new(Meeting { expected, arrived: Mutex::default(), another: Condvar::new() });
    pool.broadcast(|_| MEETING.set(Some(meeting.clone())));
    pool.install(work);
    pool.broadcast(|_| MEETING.set(None));
    let arrived = meeting.arrived.lock().unwrap_or_else(PoisonError::into_inner);
    arrived.len()
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
