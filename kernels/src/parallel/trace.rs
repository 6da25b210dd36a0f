//! A pass on one thread, with what could have been done at once: each piece of work, timed, and how the pieces depend
//! on each other. From this follows what the pass would take on more threads than the machine has.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Work as a tree of forks.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// What one thread does in one go.
    Work(Duration),
    /// One after the other.
    Series(Vec<Task>),
    /// At once, where there are threads.
    Both(Box<[Task; 2]>),
}

impl Task {
    /// Time on one thread.
    pub fn work(&self) -> Duration {
        match self {
            Self::Work(time) => *time,
            Self::Series(tasks) => tasks.iter().map(Self::work).sum(),
            Self::Both(sides) => sides.iter().map(Self::work).sum(),
        }
    }

    /// Time on as many threads as can have something to do: the longest path through the tree.
    pub fn span(&self) -> Duration {
        match self {
            Self::Work(time) => *time,
            Self::Series(tasks) => tasks.iter().map(Self::span).sum(),
            Self::Both(sides) => sides.iter().map(Self::span).max().unwrap_or_default(),
        }
    }
}

/// The tasks since the last fork began, and when the one in the making did.
struct Recorder {
    workers: usize,
    tasks: Vec<Task>,
    since: Instant,
}

impl Recorder {
    fn pause(&mut self) {
        self.tasks.push(Task::Work(self.since.elapsed()));
    }
}

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Threads that the pass being recorded is cut for, if one is.
pub(super) fn workers() -> Option<usize> {
    RECORDER.with_borrow(|recorder| recorder.as_ref().map(|recorder| recorder.workers))
}

/// Whether a pass is being recorded.
pub(super) fn is_on() -> bool {
    workers().is_some()
}

/// Does `work` on this thread alone, cut into pieces for so many threads, and records what could have been done at
/// once. The clock costs some 50 ns a piece.
///
/// ```
/// use memorize_kernels::parallel::trace;
/// use memorize_kernels::{Engine, Mat, Par, pass};
///
/// let engine = Engine { par: Par::ALWAYS, ..Engine::best() };
/// let (x, v) = (Mat::<f32>::from_fn(4096, 16, |i, j| (i + j) as f32), vec![1.0; 4096]);
/// let (_, task) = trace(4, || pass::weighted_gram(&engine, &x, &v));
/// // Four threads can do it in less time than one.
/// assert!(task.span() < task.work());
/// ```
///
/// # Panics
/// Within work that is being recorded already.
pub fn trace<R>(workers: usize, work: impl FnOnce() -> R) -> (R, Task) {
    /// No pass after one that panics is recorded.
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            RECORDER.set(None);
        }
    }

    assert!(!is_on(), "a trace within a trace");
    RECORDER.set(Some(Recorder { workers, tasks: Vec::new(), since: Instant::now() }));
    let _ended = Ended;
    let result = work();
    let recorded = RECORDER.take().map_or_else(Vec::new, |mut recorder| {
        recorder.pause();
        recorder.tasks
    });
    (result, Task::Series(recorded))
}

/// Does one side after the other, and records them as a fork.
pub(super) fn fork(left: &mut dyn FnMut(), right: &mut dyn FnMut()) {
    let before = record(|recorder| {
        recorder.pause();
        std::mem::take(&mut recorder.tasks)
    });
    let sides = [side(left), side(right)];
    record(|recorder| {
        recorder.tasks = before;
        recorder.tasks.push(Task::Both(Box::new(sides)));
        recorder.since = Instant::now();
    });
}

fn side(work: &mut dyn FnMut()) -> Task {
    record(|recorder| recorder.since = Instant::now());
    work();
    record(|recorder| {
        recorder.pause();
        Task::Series(std::mem::take(&mut recorder.tasks))
    })
}

fn record<R>(change: impl FnOnce(&mut Recorder) -> R) -> R {
    RECORDER.with_borrow_mut(|recorder| change(recorder.as_mut().expect("a fork is recorded while a trace is")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Task {
        Task::Work(Duration::from_millis(time))
    }

    #[test]
    fn work_is_the_sum_and_span_the_longest_path() {
        let both = |left, right| Task::Both(Box::new([left, right]));
        let task = Task::Series(vec![ms(1), both(Task::Series(vec![ms(2), ms(3)]), both(ms(4), ms(7))), ms(8)]);
        assert_eq!((task.work(), task.span()), (Duration::from_millis(25), Duration::from_millis(16)));
    }

    #[test]
    fn forks_are_recorded_as_they_are_nested_and_what_is_around_them() {
        assert_eq!(workers(), None);
        let (result, task) = trace(3, || {
            assert_eq!(workers(), Some(3));
            let inner = &mut || fork(&mut || (), &mut || ());
            fork(inner, &mut || ());
            5
        });
        assert_eq!((result, workers()), (5, None));
        let Task::Series(tasks) = &task else { panic!("{task:?}") };
        let [Task::Work(_), Task::Both(sides), Task::Work(_)] = &tasks[..] else { panic!("{task:?}") };
        let [Task::Series(left), Task::Series(right)] = &**sides else { panic!("{task:?}") };
        assert!(matches!(left[..], [Task::Work(_), Task::Both(_), Task::Work(_)]), "{task:?}");
        assert!(matches!(right[..], [Task::Work(_)]), "{task:?}");
    }

    #[test]
    fn nothing_is_recorded_after_a_panic() {
        assert!(std::panic::catch_unwind(|| trace(2, || panic!("on purpose"))).is_err());
        assert_eq!(workers(), None);
    }
}
