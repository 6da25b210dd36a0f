//! What traced work takes on more threads: every piece is given to a thread as soon as one is free and what it waits
//! for is done.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use memorize_kernels::parallel::Task;

use crate::median;

/// The time on so many threads over that of one, from traces of the same work. Each piece takes the median of its
/// shares in the traces: that a machine is slower now, or busy with something else for a moment, is not in it.
///
/// Pieces are taken in the order in which they can begin; any such schedule takes at most work / threads + span
/// (Graham, 1966, "Bounds for certain multiprocessing anomalies").
///
/// # Panics
/// If there is no trace.
pub fn fraction(traces: &[Task], threads: usize) -> f64 {
    let mut graph = Graph::default();
    let begin = graph.piece(0.0, 0);
    let all: Vec<_> = traces.iter().map(|trace| (trace, trace.work().as_secs_f64())).collect();
    graph.add(&all, begin);
    let work: f64 = graph.pieces.iter().map(|piece| piece.time).sum();
    if work > 0.0 { graph.run(begin, threads.max(1)) / work } else { 1.0 }
}

/// Pieces of work, each with those that wait for it.
#[derive(Default)]
struct Graph {
    pieces: Vec<Piece>,
}

struct Piece {
    time: f64,
    /// How many others it waits for.
    waits_for: usize,
    followed_by: Vec<usize>,
}

impl Graph {
    fn piece(&mut self, time: f64, waits_for: usize) -> usize {
        self.pieces.push(Piece { time, waits_for, followed_by: Vec::new() });
        self.pieces.len() - 1
    }

    /// Adds a task that begins after a piece, and returns the piece that it ends with. `traces` are of the same task,
    /// each with the time of all the work that it is a part of.
    fn add(&mut self, traces: &[(&Task, f64)], after: usize) -> usize {
        match traces[0].0 {
            Task::Work(_) => {
                let share = |(task, all): &(&Task, f64)| task.work().as_secs_f64() / all.max(f64::MIN_POSITIVE);
                let piece = self.piece(median(&mut traces.iter().map(share).collect::<Vec<_>>()), 1);
                self.pieces[after].followed_by.push(piece);
                piece
            }
            Task::Series(tasks) => {
                let nth = |at| parts(traces, |task| matches!(task, Task::Series(_)), at);
                (0..tasks.len()).fold(after, |after, at| self.add(&nth(at), after))
            }
            Task::Both(_) => {
                let side = |at| parts(traces, |task| matches!(task, Task::Both(_)), at);
                let ends = [0, 1].map(|at| self.add(&side(at), after));
                let both = self.piece(0.0, ends.len());
                ends.into_iter().for_each(|end| self.pieces[end].followed_by.push(both));
                both
            }
        }
    }

    fn run(&mut self, begin: usize, threads: usize) -> f64 {
        let (mut ready, mut at_work) = (VecDeque::from([begin]), BinaryHeap::new());
        let (mut now, mut free) = (Duration::ZERO, threads);
        loop {
            while let Some(&piece) = ready.front().filter(|_| free > 0) {
                ready.pop_front();
                free -= 1;
                at_work.push(Reverse((now + Duration::from_secs_f64(UNIT * self.pieces[piece].time), piece)));
            }
            let Some(Reverse((time, piece))) = at_work.pop() else { return now.as_secs_f64() / UNIT };
            now = time;
            free += 1;
            for next in std::mem::take(&mut self.pieces[piece].followed_by) {
                self.pieces[next].waits_for -= 1;
                if self.pieces[next].waits_for == 0 {
                    ready.push_back(next);
                }
            }
        }
    }
}

/// Seconds that all the work is taken to last: with nanoseconds, times that are compared are exact to 12 digits.
const UNIT: f64 = 1000.0;

/// Part number `at` of each trace that goes on in the same way.
fn parts<'a>(traces: &[(&'a Task, f64)], alike: impl Fn(&Task) -> bool, at: usize) -> Vec<(&'a Task, f64)> {
    let part = |&(task, all): &(&'a Task, f64)| {
        let part = match task {
            Task::Work(_) => None,
            Task::Series(tasks) => tasks.get(at),
            Task::Both(sides) => sides.get(at),
        };
        part.filter(|_| alike(task)).map(|part| (part, all))
    };
    traces.iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Task {
        Task::Work(Duration::from_millis(time))
    }

    fn both(left: Task, right: Task) -> Task {
        Task::Both(Box::new([left, right]))
    }

    /// In milliseconds.
    fn time(task: &Task, threads: usize) -> f64 {
        fraction(std::slice::from_ref(task), threads) * task.work().as_secs_f64() * 1e3
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6 * expected, "{found} instead of {expected}");
    }

    #[test]
    fn one_thread_does_all_the_work_and_enough_threads_the_longest_path() {
        let task = Task::Series(vec![ms(1), both(Task::Series(vec![ms(2), ms(3)]), both(ms(4), ms(7))), ms(8)]);
        close(time(&task, 1), 25.0);
        close(time(&task, 3), 16.0);
        close(time(&task, 100), 16.0);
    }

    #[test]
    fn threads_take_what_is_ready_as_they_come_free() {
        // Two threads: 3 | 3, then 3 | 1 and 1, then the end.
        let five = both(both(ms(3), ms(3)), both(ms(3), both(ms(1), ms(1))));
        close(time(&Task::Series(vec![five, ms(2)]), 2), 3.0 + 3.0 + 2.0);
    }

    #[test]
    fn a_moment_of_other_work_in_one_trace_counts_for_nothing() {
        let trace = |left, right| both(ms(left), ms(right));
        // The second machine is twice as slow, and in the third trace a side was interrupted.
        close(fraction(&[trace(5, 5), trace(10, 10), trace(5, 500)], 2), 0.5);
    }

    #[test]
    fn no_schedule_is_shorter_than_its_bounds_or_longer_than_grahams() {
        let mut tree = ms(5);
        for i in 0..40 {
            let next = Task::Series(vec![ms(i % 7), ms(i % 3)]);
            tree = if i % 4 == 0 { Task::Series(vec![tree, next]) } else { both(tree, next) };
        }
        let [work, span] = [tree.work(), tree.span()].map(|time| time.as_secs_f64() * 1e3);
        for threads in 1..20 {
            let (found, share) = (time(&tree, threads), work / threads as f64);
            assert!(found >= share.max(span) - 1e-6 && found <= share + span + 1e-6, "{threads} threads: {found}");
        }
    }
}
