//! The ranks that an MPI launcher has started. Two functions of MPI are all that is used, to send and to receive: in
//! which order sums are added is not left to the library.

use std::sync::Arc;

use memorize_ranks::{Link, Ranks};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Source};

/// Bytes of a message in a piece, at most: MPI counts them in 31 bits.
const PIECE: usize = 1 << 30;

/// Ends MPI when it is dropped.
pub(super) struct Connection(#[allow(dead_code, reason = "held until it is dropped")] Universe);

/// Begins MPI, if a launcher has started this process: begun without one, it would start processes of its own. With a
/// warning, if there is something to be told.
pub(super) fn connect() -> (Option<Connection>, Option<String>) {
    if !super::is_launched() {
        return (None, None);
    }
    // Passes run on a pool's threads, of which one at a time exchanges what they have made.
    let Some((universe, threading)) = mpi::initialize_with_threading(Threading::Serialized) else {
        return (None, None);
    };
    let warning = "warning: this MPI library allows no calls but from the main thread; it may fail or hang";
    let warning = (threading < Threading::Serialized).then(|| warning.to_owned());
    if SimpleCommunicator::world().size() > 1 {
        super::join(Arc::new(Ranks::new(World)));
    }
    (Some(Connection(universe)), warning)
}

/// Ends all processes of the job.
pub(super) fn abort(code: u8) -> ! {
    SimpleCommunicator::world().abort(code.into())
}

/// All processes of the job.
#[derive(Debug)]
struct World;

fn number(rank: usize) -> i32 {
    i32::try_from(rank).expect("MPI numbers ranks so")
}

impl Link for World {
    fn rank(&self) -> usize {
        SimpleCommunicator::world().rank() as usize
    }

    fn ranks(&self) -> usize {
        SimpleCommunicator::world().size() as usize
    }

    fn send(&self, to: usize, message: &[u8]) {
        let world = SimpleCommunicator::world();
        let receiver = world.process_at_rank(number(to));
        message.chunks(PIECE).for_each(|piece| receiver.send(piece));
        // A piece that is not full is the last.
        if message.len().is_multiple_of(PIECE) {
            receiver.send::<[u8]>(&[]);
        }
    }

    fn receive(&self, from: usize) -> Vec<u8> {
        let world = SimpleCommunicator::world();
        let sender = world.process_at_rank(number(from));
        let (mut message, _) = sender.receive_vec::<u8>();
        let mut last = message.len();
        while last == PIECE {
            let (piece, _) = sender.receive_vec::<u8>();
            last = piece.len();
            message.extend(piece);
        }
        message
    }
}
