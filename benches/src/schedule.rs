//! What traced work takes on more threads: every piece is given to a thread as soon as one is free and what it waits
//! for is done.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use memorize_kernels::parallel::Task;

/// The time of `task` on so many threads, each piece as long as it was in the trace. Pieces are taken in the order in
/// which they can begin; any such schedule takes at most work / threads + span (Graham, 1966, "Bounds for certain
/// multiprocessing anomalies").
pub fn makespan(task: &Task, threads: usize) -> Duration {
    let mut graph = Graph::default();
    let begin = graph.piece(Duration::ZERO, 0);
    graph.add(task, begin);
    graph.run(begin, threads.max(1))
}

/// Pieces of work, each with those that wait for it.
#[derive(Default)]
struct Graph {
    pieces: Vec<Piece>,
}

struct Piece {
    time: Duration,
    /// How many others it waits for.
    waits_for: usize,
    followed_by: Vec<usize>,
}

impl Graph {
    fn piece(&mut self, time: Duration, waits_for: usize) -> usize {
        self.pieces.push(Piece { time, waits_for, followed_by: Vec::new() });
        self.pieces.len() - 1
    }

    /// Adds a task that begins after a piece, and returns the piece that it ends with.
    fn add(&mut self, task: &Task, after: usize) -> usize {
        match task {
            Task::Work(time) => {
                let piece = self.piece(*time, 1);
                self.pieces[after].followed_by.push(piece);
                piece
            }
            Task::Series(tasks) => tasks.iter().fold(after, |after, task| self.add(task, after)),
            Task::Both(sides) => {
                let ends = [&sides[0], &sides[1]].map(|side| self.add(side, after));
                let both = self.piece(Duration::ZERO, ends.len());
                ends.into_iter().for_each(|end| self.pieces[end].followed_by.push(both));
                both
            }
        }
    }

    fn run(&mut self, begin: usize, threads: usize) -> Duration {
        let (mut ready, mut at_work) = (VecDeque::from([begin]), BinaryHeap::new());
        let (mut now, mut free) = (Duration::ZERO, threads);
        loop {
            while let Some(&piece) = ready.front().filter(|_| free > 0) {
                ready.pop_front();
                free -= 1;
                at_work.push(Reverse((now + self.pieces[piece].time, piece)));
            }
            let Some(Reverse((time, piece))) = at_work.pop() else { return now };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(time: u64) -> Task {
        Task::Work(Duration::from_millis(time))
    }

    fn both(left: Task, right: Task) -> Task {
        Task::Both(Box::new([left, right]))
    }

    #[test]
    fn one_thread_does_all_the_work_and_enough_threads_the_longest_path() {
        let task = Task::Series(vec![ms(1), both(Task::Series(vec![ms(2), ms(3)]), both(ms(4), ms(7))), ms(8)]);
        assert_eq!(makespan(&task, 1), task.work());
        assert_eq!(makespan(&task, 3), task.span());
        assert_eq!(makespan(&task, 100), task.span());
    }

    #[test]
    fn threads_take_what_is_ready_as_they_come_free() {
        // Two threads: 3 | 3, then 3 | 1 and 1, then the end.
        let five = both(both(ms(3), ms(3)), both(ms(3), both(ms(1), ms(1))));
        assert_eq!(makespan(&Task::Series(vec![five, ms(2)]), 2), Duration::from_millis(3 + 3 + 2));
    }

    #[test]
    fn no_schedule_is_shorter_than_its_bounds_or_longer_than_grahams() {
        let mut tree = ms(5);
        for i in 0..40 {
            let next = Task::Series(vec![ms(i % 7), ms(i % 3)]);
            tree = if i % 4 == 0 { Task::Series(vec![tree, next]) } else { both(tree, next) };
        }
        for threads in 1..20 {
            let (time, share) = (makespan(&tree, threads), tree.work() / threads as u32);
            assert!(time >= share.max(tree.span()) && time <= share + tree.span(), "{threads} threads: {time:?}");
        }
    }
}
