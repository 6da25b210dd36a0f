//! The threads that a command computes with: as many as the system gives.

use std::cell::OnceCell;
use std::sync::OnceLock;

use anyhow::ensure;
use core_affinity::CoreId;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::blas;
use crate::provenance::cores;

thread_local! {
    /// The pool that this thread is one of, and how many threads were asked for when it was made.
    static OWN: OnceCell<(usize, ThreadPool)> = const { OnceCell::new() };
}

/// Threads to compute with, the caller's own among them.
///
/// A thread that hands its work to others does not choose which of them takes it: large blocks would be allocated now
/// by one, now by another, and the system's allocator keeps for each what it has freed. A run would take up to a
/// quarter more memory, from one time to the next, and the more the more threads there are.
#[derive(Debug)]
pub struct Threads {
    count: usize,
    /// Where the caller's thread belongs to a pool of another size for good: one without it.
    others: Option<ThreadPool>,
}

/// Threads where nobody says how many: one for each core that the process may use, or what the variable
/// `RAYON_NUM_THREADS` has.
pub fn default_count() -> usize {
    let variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    variable.filter(|&count: &usize| count > 0).unwrap_or_else(cores)
}

impl Threads {
    /// Starts what lacks to that many, or to [`default_count`]. Where the system refuses, half as many but no more than
    /// there are cores, and so on, and in the end none: then the thread of the caller works alone. The note says so.
    pub fn start(asked: Option<usize>) -> (Self, Option<String>) {
        blas::one_thread();
        let asked = asked.unwrap_or_else(default_count);
        let before = OWN.with(|own| own.get().map(|(asked, pool)| (*asked, pool.current_num_threads())));
        if let Some((_, count)) = before.filter(|(before, _)| *before == asked) {
            return (Self { count, others: None }, None);
        }
        let mut refused = None;
        let mut count = asked;
        while count > 0 {
            let builder = ThreadPoolBuilder::new().num_threads(count).start_handler(|_| blas::one_thread());
            // A pool that could not be made whole has the caller's thread for good, too.
            let taken = rayon::current_thread_index().is_some();
            let built = if taken { builder.build() } else { builder.use_current_thread().build() };
            match built {
                Ok(pool) => {
                    let others = if taken {
                        Some(pool)
                    } else {
                        OWN.with(|own| own.set((asked, pool)).err().map(|(_, pool)| pool))
                    };
                    return (Self { count, others }, refused.map(|error| note(&error, count, asked)));
                }
                Err(error) => refused = Some(error),
            }
            // More than there are cores were a wish, and each try takes its time.
            count = (count / 2).min(default_count());
        }
        // Not even one beside those of the pool that the caller is one of, if there is one.
        let count = before.map_or(1, |(_, count)| count);
        (Self { count, others: None }, refused.map(|error| note(&error, count, asked)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps each of them on a core of its own, among those that the process may use.
    ///
    /// # Errors
    /// If there are fewer cores than threads, or the system refuses.
    pub fn pin(&self) -> anyhow::Result<()> {
        // As they were before anything was pinned: a later run of the process has as many.
        static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
        cores();
        let cores = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default());
        ensure!(self.count <= cores.len(), "there are {} threads for {} cores", self.count, cores.len());
        let kept = self.install(|| {
            let here = rayon::current_thread_index().is_none().then(|| core_affinity::set_for_current(cores[0]));
            let all = || rayon::broadcast(|thread| core_affinity::set_for_current(cores[thread.index()]));
            here.map_or_else(all, |here| vec![here])
        });
        ensure!(kept.into_iter().all(|kept| kept), "the system does not keep threads on cores");
        Ok(())
    }

    /// Runs `work` on them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.others {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

fn note(error: &ThreadPoolBuildError, count: usize, asked: usize) -> String {
    let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let threads = if count == 1 { "thread" } else { "threads" };
    format!(
        "the system starts no more threads ({reason}): computing with {count} {threads} instead of {asked}; `ulimit -u` shows its limit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_threads_have_a_core_each() {
        let cores_before = cores();
        let count = core_affinity::get_core_ids().unwrap().len();
        let pinned = std::thread::spawn(move || {
            let (threads, _) = Threads::start(Some(count));
            threads.pin().unwrap();
            // Again, as the next run of a process does.
            threads.pin().unwrap();
            assert_eq!(cores(), cores_before);
            threads.install(|| rayon::broadcast(|_| core_affinity::get_core_ids().unwrap()))
        });
        let mut pinned: Vec<_> = pinned.join().unwrap();
        pinned.sort();
        pinned.dedup();
        assert!(pinned.len() == count && pinned.iter().all(|cores| cores.len() == 1), "{pinned:?}");
        let (threads, _) = Threads::start(Some(count + 1));
        let error = threads.pin().unwrap_err().to_string();
        assert!(error.contains("threads for"), "{error}");
    }

    #[test]
    fn as_many_threads_work_as_were_asked_for() {
        for count in [3, 1, 3] {
            let (threads, note) = Threads::start(Some(count));
            assert_eq!((threads.count(), note), (count, None));
            let both = || (rayon::current_num_threads(), std::thread::current().id());
            let (found, worker) = threads.install(both);
            assert_eq!(found, count);
            // The first pool has this thread, for good.
            assert_eq!(worker == std::thread::current().id(), count == 3);
        }
    }
}
