//! Ranks: processes (or threads) among which the samples are spread, and who add up what each makes of its own.
//!
//! ```text
//! up:    a rank receives from the ranks right of it in its part of a binomial tree, joins that to its own, passes it left
//! down:  rank 0 has the whole, which goes back the same way
//! ```
//!
//! Everything that ranks tell each other goes through that one exchange, 2 log2(ranks) messages deep, so that a rank
//! that fails can take part in whatever the others are doing, and say so: see [`fail`].
//!
//! **The same bits for any number of ranks.** The tree by which rows are reduced is fixed by the number of all rows
//! ([`crate::parallel`]). A rank owns whole leaves of it, sends the results of the largest nodes that it has all of,
//! and whoever has both halves of a node combines them: the same additions in the same places as by one process. Shares
//! begin where the tree has its upper nodes, so that there are few of them: one a rank if their number is a power of
//! two.
#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt::Debug;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::Pod;

mod spread;
#[cfg(test)]
mod tests;

pub use spread::{Carried, Spread};

/// How ranks reach each other. Messages from one rank to another arrive in the order in which they were sent.
///
/// All ranks make the same calls in the same order, each from one thread at a time; what a rank decides by must
/// therefore be the same for all.
pub trait Team: Debug + Send + Sync {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn ranks(&self) -> usize;

    /// Sends a message; it may wait for the receiver.
    fn send(&self, to: usize, message: &[u8]);

    /// Waits for the next message of a rank.
    fn receive(&self, from: usize) -> Vec<u8>;
}

/// A rank has failed: what [`resume_unwind`] ends the others with, in the middle of whatever they were computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The rank; the lowest if there are several.
    pub rank: usize,
    /// The error that it passed to [`fail`].
    pub code: u8,
}

impl Failed {
    /// The failure in the payload of a panic, if it is one.
    pub fn of(payload: &(dyn Any + Send)) -> Option<Self> {
        payload.downcast_ref().copied()
    }
}

/// First byte of a message that is what it should be.
const FINE: u8 = 0;
/// First byte of a message that says which rank has failed.
const FAILED: u8 = 1;

/// Messages up and down the tree.
pub(crate) trait Exchange {
    /// Joins what the ranks to the right have to one's own.
    fn absorb(&mut self, message: &[u8]);
    /// Appends one's own.
    fn emit(&mut self, message: &mut Vec<u8>);
    /// Takes what all have.
    fn adopt(&mut self, message: &[u8]);
}

/// Runs an exchange. On the return of this function every rank has adopted the same message.
///
/// # Panics
/// With [`Failed`] if a rank has failed meanwhile.
pub(crate) fn exchange(team: &dyn Team, what: &mut dyn Exchange) {
    if let Err(failed) = run(team, None, what) {
        resume_unwind(Box::new(failed));
    }
}

/// Takes part in the others' exchange as one who has failed, and says who of all is the first that has: the others
/// learn of it there. `code` is for them to end with.
pub fn fail(team: &dyn Team, code: u8) -> Failed {
    let own = Failed { rank: team.rank(), code };
    run(team, Some(own), &mut Nothing).err().unwrap_or(own)
}

/// Waits until all ranks have come here, none of which has failed.
///
/// # Panics
/// With [`Failed`] if one has.
pub fn meet(team: &dyn Team) {
    exchange(team, &mut Nothing);
}

/// Nothing to say but that one is there.
struct Nothing;

impl Exchange for Nothing {
    fn absorb(&mut self, _: &[u8]) {}
    fn emit(&mut self, _: &mut Vec<u8>) {}
    fn adopt(&mut self, _: &[u8]) {}
}

fn run(team: &dyn Team, mut failed: Option<Failed>, what: &mut dyn Exchange) -> Result<(), Failed> {
    let (rank, ranks) = (team.rank(), team.ranks());
    // Rank r has the ranks from r on, as many as the lowest bit of r says.
    let span = if rank == 0 { ranks.next_power_of_two() } else { 1 << rank.trailing_zeros() };
    let right = |bit: usize| Some(rank + bit).filter(|&other| bit < span && other < ranks);
    let bits = || (0..usize::BITS).map(|shift| 1 << shift).take_while(|&bit: &usize| bit < span);
    for other in bits().filter_map(right) {
        let message = team.receive(other);
        match failure(&message) {
            Some(theirs) => failed = failed.filter(|own| own.rank < theirs.rank).or(Some(theirs)),
            None if failed.is_none() => what.absorb(&message[1..]),
            None => {}
        }
    }
    let mut message = vec![FINE];
    match failed {
        Some(Failed { rank, code }) => {
            message = vec![FAILED, code];
            message.extend_from_slice(&(rank as u64).to_le_bytes());
        }
        None => what.emit(&mut message),
    }
    if rank > 0 {
        team.send(rank - span, &message);
        message = team.receive(rank - span);
    }
    bits().filter_map(right).for_each(|other| team.send(other, &message));
    match failure(&message) {
        Some(failed) => Err(failed),
        None => {
            what.adopt(&message[1..]);
            Ok(())
        }
    }
}

/// Who has failed, if that is what a message says.
fn failure(message: &[u8]) -> Option<Failed> {
    match message {
        [FAILED, code, rank @ ..] => {
            let rank = rank.try_into().map_or(0, u64::from_le_bytes);
            Some(Failed { rank: rank as usize, code: *code })
        }
        _ => None,
    }
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
///
/// ```
/// use memorize_kernels::team::{gather, threads};
///
/// let teams = threads(3);
/// std::thread::scope(|scope| {
///     for team in &teams {
///         scope.spawn(|| assert_eq!(gather(&**team, &[10.0 + team.rank() as f32]), [10.0, 11.0, 12.0]));
///     }
/// });
/// ```
pub fn gather<T: Pod>(team: &dyn Team, own: &[T]) -> Vec<T> {
    let mut gathering = Gathering(bytemuck::cast_slice(own).to_vec());
    exchange(team, &mut gathering);
    gathering.0.chunks_exact(size_of::<T>().max(1)).map(bytemuck::pod_read_unaligned).collect()
}

/// The text of every rank.
pub fn gather_text(team: &dyn Team, own: &str) -> Vec<String> {
    let lengths = gather(team, &[own.len() as u64]);
    let bytes = gather(team, own.as_bytes());
    let mut rest = &bytes[..];
    let text = |len: u64| {
        let (text, after) = rest.split_at(len as usize);
        rest = after;
        String::from_utf8_lossy(text).into_owned()
    };
    lengths.into_iter().map(text).collect()
}

/// A team of threads in this process, a member for each: for tests, and for those who try out what several machines
/// would do.
///
/// Each member belongs to a thread of its own, none of which may be a worker of a pool that the others' passes need.
pub fn threads(ranks: usize) -> Vec<Arc<dyn Team>> {
    let mut inboxes: Vec<Vec<_>> = (0..ranks).map(|_| Vec::new()).collect();
    let mut outboxes: Vec<Vec<_>> = (0..ranks).map(|_| Vec::new()).collect();
    for outbox in &mut outboxes {
        for inbox in &mut inboxes {
            let (sender, receiver) = channel();
            outbox.push(sender);
            inbox.push(Mutex::new(receiver));
        }
    }
    let member = |(rank, (outbox, inbox))| Arc::new(Member { rank, outbox, inbox }) as Arc<dyn Team>;
    outboxes.into_iter().zip(inboxes).enumerate().map(member).collect()
}

/// A member of a team of threads: where it sends to each of the others, and where it hears from them.
#[derive(Debug)]
struct Member {
    rank: usize,
    outbox: Vec<Sender<Vec<u8>>>,
    inbox: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Team for Member {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.outbox.len()
    }

    fn send(&self, to: usize, message: &[u8]) {
        self.outbox[to].send(message.to_vec()).unwrap_or_else(|_| panic!("rank {to} has gone"));
    }

    fn receive(&self, from: usize) -> Vec<u8> {
        let inbox = self.inbox[from].lock().unwrap_or_else(PoisonError::into_inner);
        inbox.recv().unwrap_or_else(|_| panic!("rank {from} has gone"))
    }
}
