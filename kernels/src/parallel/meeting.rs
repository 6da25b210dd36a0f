//! How many threads have a part in shared work: what a test asks that is to see several of them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

thread_local! {
    /// Where this thread is expected, if anybody counts who has a part in shared work.
    static MEETING: RefCell<Option<Arc<Meeting>>> = const { RefCell::new(None) };
}

/// Says that this thread begins a piece of shared work.
pub(super) fn arrive() {
    MEETING.with_borrow(|meeting| meeting.as_ref().map(|meeting| meeting.arrive()));
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
