//! Ranks: processes (or threads) among which the samples are spread, and who add up what each makes of its own.
//!
//! ```text
//! up:    a rank receives from those right of it in its part of a binomial tree, joins that to its own, passes it left
//! down:  rank 0 has the whole, which goes back the same way
//! ```
//!
//! Everything that ranks tell each other goes through that one exchange, 2 log2(ranks) messages deep, so that a rank
//! that fails can take part in whatever the others are doing, and say so: see [`fail`]. What they exchange is made by
//! the passes: see [`memorize_kernels::team`].
//!
//! ```
//! use memorize_kernels::rows::Part;
//! use memorize_kernels::team::Spread;
//! use memorize_kernels::{Engine, Mat, Rows, pass};
//! use memorize_ranks::threads;
//!
//! let x = Mat::from_fn(2000, 3, |i, k| (i % 7 + k) as f64);
//! let all = pass::weighted_gram(&Engine::best(), &x, &[1.0; 2000])?;
//! std::thread::scope(|scope| {
//!     for team in threads(3) {
//!         let (x, all) = (&x, &all);
//!         scope.spawn(move || {
//!             let spread = Spread::over(&team, 2000);
//!             let own = Part::new(x.as_ref().rows_range(spread.range()), spread);
//!             let sum = pass::weighted_gram(&Engine::best(), &own, &vec![1.0; own.spread().rows()]).unwrap();
//!             assert_eq!(sum.padded(), all.padded());
//!         });
//!     }
//! });
//! # Ok::<(), memorize_kernels::KernelError>(())
//! ```
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt::Debug;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use memorize_kernels::team::{Exchange, Team, gather};

#[cfg(test)]
mod tests;

/// How ranks reach each other. Messages from one rank to another arrive in the order in which they were sent.
pub trait Link: Debug + Send + Sync {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn ranks(&self) -> usize;

    /// Sends a message; it may wait for the receiver.
    fn send(&self, to: usize, message: &[u8]);

    /// Waits for the next message of a rank.
    fn receive(&self, from: usize) -> Vec<u8>;
}

/// The ranks that a link reaches, as the team of a pass.
#[derive(Debug)]
pub struct Ranks(Box<dyn Link>);

impl Ranks {
    /// Those that `link` reaches.
    pub fn new(link: impl Link + 'static) -> Self {
        Self(Box::new(link))
    }
}

impl Team for Ranks {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn ranks(&self) -> usize {
        self.0.ranks()
    }

    /// # Panics
    /// With [`Failed`] if a rank has failed meanwhile.
    fn exchange(&self, part: &mut dyn Exchange) {
        if let Err(failed) = run(&*self.0, None, part) {
            resume_unwind(Box::new(failed));
        }
    }
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

/// Takes part in the others' exchange as one who has failed, and says who of all is the first that has: the others
/// learn of it there. `code` is for them to end with.
pub fn fail(ranks: &Ranks, code: u8) -> Failed {
    let own = Failed { rank: ranks.rank(), code };
    run(&*ranks.0, Some(own), &mut Nothing).err().unwrap_or(own)
}

/// Waits until all ranks have come here, none of which has failed.
///
/// # Panics
/// With [`Failed`] if one has.
pub fn meet(team: &dyn Team) {
    team.exchange(&mut Nothing);
}

/// Nothing to say but that one is there.
struct Nothing;

impl Exchange for Nothing {
    fn absorb(&mut self, _: &[u8]) {}
    fn emit(&mut self, _: &mut Vec<u8>) {}
    fn adopt(&mut self, _: &[u8]) {}
}

fn run(link: &dyn Link, mut failed: Option<Failed>, what: &mut dyn Exchange) -> Result<(), Failed> {
    let (rank, ranks) = (link.rank(), link.ranks());
    // Rank r has the ranks from r on, as many as the lowest bit of r says.
    let span = if rank == 0 { ranks.next_power_of_two() } else { 1 << rank.trailing_zeros() };
    let right = |bit: usize| Some(rank + bit).filter(|&other| bit < span && other < ranks);
    let bits = || (0..usize::BITS).map(|shift| 1 << shift).take_while(|&bit: &usize| bit < span);
    for other in bits().filter_map(right) {
        let message = link.receive(other);
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
        link.send(rank - span, &message);
        message = link.receive(rank - span);
    }
    bits().filter_map(right).for_each(|other| link.send(other, &message));
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
///
/// ```
/// use memorize_kernels::team::gather;
/// use memorize_ranks::threads;
///
/// std::thread::scope(|scope| {
///     for team in threads(3) {
///         scope.spawn(move || assert_eq!(gather(&*team, &[10 + team.rank()]), [10, 11, 12]));
///     }
/// });
/// ```
pub fn threads(ranks: usize) -> Vec<Arc<dyn Team>> {
    members(ranks).into_iter().map(|member| Arc::new(member) as Arc<dyn Team>).collect()
}

fn members(ranks: usize) -> Vec<Ranks> {
    let mut inboxes: Vec<Vec<_>> = (0..ranks).map(|_| Vec::new()).collect();
    let mut outboxes: Vec<Vec<_>> = (0..ranks).map(|_| Vec::new()).collect();
    for outbox in &mut outboxes {
        for inbox in &mut inboxes {
            let (sender, receiver) = channel();
            outbox.push(sender);
            inbox.push(Mutex::new(receiver));
        }
    }
    let member = |(rank, (outbox, inbox))| Ranks::new(Member { rank, outbox, inbox });
    outboxes.into_iter().zip(inboxes).enumerate().map(member).collect()
}

/// A member of a team of threads: where it sends to each of the others, and where it hears from them.
#[derive(Debug)]
struct Member {
    rank: usize,
    outbox: Vec<Sender<Vec<u8>>>,
    inbox: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Link for Member {
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
