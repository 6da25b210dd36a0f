//! The threads that a command computes with: as many as the system gives.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::blas;
use crate::provenance::cores;

/// Threads that wait for work, or none but the one that is there.
#[derive(Debug)]
pub struct Threads(Option<ThreadPool>);

/// Threads where nobody says how many: one for each core that the process may use, or what the variable `RAYON_NUM_THREADS` has.
pub fn default_count() -> usize {
    let variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    variable.filter(|&count: &usize| count > 0).unwrap_or_else(cores)
}

impl Threads {
    /// Starts that many, or [`default_count`]. Where the system refuses, half as many but no more than there are cores, and so on, and in the end none: then the
    /// thread of the caller works alone, which must be the process's first. The note says so.
    pub fn start(asked: Option<usize>) -> (Self, Option<String>) {
        let asked = asked.unwrap_or_else(default_count);
        let mut refused = None;
        let mut count = asked;
        while count > 0 {
            match with_threads(count).build() {
                Ok(pool) => return (Self(Some(pool)), refused.map(|error| note(&error, count, asked))),
                Err(error) => refused = Some(error),
            }
            // More than there are cores were a wish, and each try takes its time.
            count = (count / 2).min(default_count());
        }
        blas::one_thread();
        // Whatever computes in parallel without asking for more than there is finds this thread. It may be there already.
        let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
        (Self(None), refused.filter(|_| asked > 1).map(|error| note(&error, 1, asked)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// Runs `work` on them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

fn with_threads(count: usize) -> ThreadPoolBuilder {
    ThreadPoolBuilder::new().num_threads(count).start_handler(|_| blas::one_thread())
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
    fn as_many_threads_work_as_were_asked_for() {
        for count in [1, 3] {
            let (threads, note) = Threads::start(Some(count));
            assert_eq!((threads.count(), note), (count, None));
            assert_eq!(threads.install(rayon::current_num_threads), count);
        }
    }
}
