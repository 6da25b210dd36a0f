//! `[run]`: what is computed with what, and for how long.

use super::Range;
use super::choices::{Backend, Dtype, IsaName, Route};
use super::defaults::DEFAULT_CHECKPOINT_MINUTES;
use crate::units::ByteSize;

/// Heading of the flags that say with what a result is computed.
pub const COMPUTE: &str = "Compute";
/// Heading of the flags that say when a run is kept.
const CHECKPOINTS: &str = "Checkpoints";

/// Threads that are started: at most more than any machine has, few enough to start.
pub const THREADS: Range = Range::up_to(1024);

settings! {
    ["run", "Run"]
    /// What is said about how and for how long to compute.
    layer RunLayer;
    /// `[run]`: what is computed with what, and for how long.
    section RunSection {
        /// Experiment of the paper that the run reproduces; written by `reproduce`
        experiment: String = (optional), [], Range::ANY, Results
            fixed "a run that differs from the paper's experiment is not that experiment";
        /// Name of the run; its folder is runs/NAME
        name: String = (decided "made from data, neurons, optimizer, and a seed that is not 0"),
            ["name" "NAME"], Range::ANY, Place
            fixed "a run is named after the settings that do";
        /// Seed of every random number
        seed: u64 = (default 0), ["seed" "N"], Range::ANY, Results;
        /// Type of the numbers
        dtype: Dtype = (decided "f32, and f64 with --theory"), ["dtype" "TYPE" in COMPUTE], Range::ANY, Results;
        /// Implementation of the heavy passes
        backend: Backend = (default Backend::Native), ["backend" "NAME" in COMPUTE], Range::ANY, Results;
        /// Instruction set of the native backend
        isa: IsaName = (optional as "the variable MEMORIZE_ISA, else the best that this CPU has"),
            ["isa" "NAME" in COMPUTE], Range::ANY,
            Results;
        /// Threads; the results do not depend on it
        threads: usize = (optional as "one for each core"), ["threads" 't' "N" in COMPUTE],
            THREADS, Speed
            fixed "the threads of the machine are shared out among the runs at a time";
        /// Keep each thread on a core of its own; the results do not depend on it
        pin: bool = (default false), ["pin" "BOOL" in COMPUTE], Range::ANY, Speed
            fixed "runs at a time would be kept on the same cores";
        /// How output and gradient are computed
        route: Route = (default Route::Auto), ["route" "NAME" in COMPUTE], Range::ANY, Results;
        /// Stop after so many passes over the training set
        epochs: u64 = (optional), ["epochs" "N"], Range::AT_LEAST_ONE, Results;
        /// Stop after so many steps; with --epochs too, whichever comes first
        iterations: u64 = (optional as "1000 for solve"), ["iterations" "N"], Range::AT_LEAST_ONE, Results;
        /// Stop when the loss f over the whole training set is at most F; looked at once an epoch in mini-batch
        /// training
        stop_below: f64 = (optional as "1e-5 for solve"), ["stop-below" "F"], Range::POSITIVE, Results;
        /// Record the loss every N iterations
        record_every: u64 = (decided "5, 1 for solve, some 500 times in all with --theory"),
            ["record-every" "N"], Range::ANY, Results;
        /// Write a checkpoint after N steps, to go on from with `memorize resume`
        checkpoint_every: u64 = (optional as "by time alone"), ["checkpoint-every" "N" in CHECKPOINTS],
            Range::new(|steps| steps >= 1.0, "must be at least 1; leave out {flag} to go by time alone"), Speed;
        /// Write a checkpoint after T minutes, 0 for never by time
        checkpoint_minutes: f64 = (default DEFAULT_CHECKPOINT_MINUTES), ["checkpoint-minutes" "T" in CHECKPOINTS],
            Range::new(
                |minutes| minutes.is_finite() && minutes >= 0.0,
                "must be a finite number of minutes, 0 for no checkpoints by time"
            ),
            Speed;
        /// Memory for what can be kept or recomputed, as in 4GiB
        memory_budget: ByteSize = (optional as "from what the machine has"), ["memory-budget" "SIZE" in COMPUTE],
            Range::new(|bytes| bytes > 0.0, "must be above 0; leave out {flag} to have it chosen"), Speed;
    }
}
