//! Items that are worked on again and again, each by the same thread where that is possible: what a thread has of them
//! in its cache, and in the memory next to it, is still there the next time.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Par, for_each};

/// As [`for_each`], with a share of the items that each thread of the pool begins with. A thread that is done with its
/// own goes on with those of others.
pub(crate) fn for_each_at_home<I: Send>(par: Par, items: &mut [I], work: &(dyn Fn(usize, &mut I) + Sync)) {
    let threads = par.workers();
    // A trace is of one thread, whose order says nothing.
    let Some(_) = rayon::current_thread_index().filter(|_| threads > 1 && !super::trace::is_on()) else {
        return for_each(par, items, work);
    };
    let shares = Shares::new(items.len(), threads);
    let items: Vec<Mutex<&mut I>> = items.iter_mut().map(Mutex::new).collect();
    // As many errands as items; who goes on one chooses the item.
    let mut errands = vec![(); items.len()];
    for_each(par, &mut errands, &|_, ()| {
        let at = shares.take(rayon::current_thread_index().unwrap_or(0));
        let at = at.expect("there is an item for each errand");
        work(at, &mut items[at].lock().unwrap_or_else(PoisonError::into_inner));
    });
}

/// Which items have been taken.
struct Shares {
    items: usize,
    /// How many of each share were asked for.
    taken: Vec<AtomicUsize>,
}

impl Shares {
    fn new(items: usize, threads: usize) -> Self {
        Self { items, taken: (0..threads).map(|_| AtomicUsize::new(0)).collect() }
    }

    fn of(&self, thread: usize) -> Range<usize> {
        let begin = |thread| self.items * thread / self.taken.len();
        begin(thread)..begin(thread + 1)
    }

    /// An item that nobody else gets: of the thread's own share as long as there is one.
    fn take(&self, thread: usize) -> Option<usize> {
        let threads = self.taken.len();
        let of_share = |turn: usize| {
            let share = (thread + turn) % threads;
            self.of(share).nth(self.taken[share].fetch_add(1, Ordering::Relaxed))
        };
        (0..threads).find_map(of_share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_takes_its_own_and_then_what_others_have_left() {
        let shares = Shares::new(7, 3);
        assert_eq!([0, 1, 2].map(|thread| shares.of(thread)), [0..2, 2..4, 4..7]);
        let order: Vec<_> = std::iter::from_fn(|| shares.take(1)).collect();
        assert_eq!(order, [2, 3, 4, 5, 6, 0, 1]);
        assert_eq!(shares.take(0), None);
    }

    #[test]
    fn every_item_is_worked_on_once() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for len in [0, 1, 5, 63] {
                let mut items = vec![0; len];
                pool.install(|| for_each_at_home(Par::ALWAYS, &mut items, &|at, item| *item += 1 + at));
                assert_eq!(items, (1..=len).collect::<Vec<_>>(), "{threads} threads");
            }
        }
    }
}
