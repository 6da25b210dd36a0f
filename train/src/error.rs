//! What can go wrong while a network is trained, saved or loaded.

use std::path::PathBuf;

use memorize_data::Shown;
use memorize_kernels::KernelError;

/// An error of this crate. Each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Operands of a pass do not go together.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The number of neurons cannot be split into as many positive as negative ones.
    #[error("the number of neurons r = {0} must be even and at least 2: half of them are added, half subtracted")]
    Neurons(usize),
    /// Lemma 3 does not speak of the network.
    #[error(
        "{neurons} neurons are fewer than the 2d+2 = {needed} that Lemma 3 needs for a direction of negative curvature; train {needed} or more"
    )]
    TooFewNeurons {
        /// r.
        neurons: usize,
        /// 2d+2.
        needed: usize,
    },
    /// The power of the features is zero or absurd.
    #[error("the power p of the random features is {0}; it must be from 1 to {max}", max = crate::features::MAX_POWER)]
    Power(u32),
    /// There is nothing to train on.
    #[error("the training set is empty")]
    NoSamples,
    /// More samples than a shuffle can number.
    #[error("{0} samples are too many to shuffle, row numbers have 32 bits; use full batches, or split the data")]
    TooManySamples(usize),
    /// A batch size of zero.
    #[error("the batch size must be at least 1")]
    Batch,
    /// A step whose loss is not a number.
    #[error(
        "training diverged: the loss is {loss} at iteration {iteration} (last finite loss: {}, learning rate: {:e}); {}",
        .last_finite.map_or_else(|| "none".to_owned(), |loss| format!("{loss:.6e}")),
        learning_rate,
        advice(*.iteration, *.learning_rate)
    )]
    Diverged {
        /// The loss found: infinite or NaN.
        loss: f64,
        /// At which iteration.
        iteration: u64,
        /// The last loss before it that was finite.
        last_finite: Option<f64>,
        /// Learning rate in force.
        learning_rate: f64,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}; check the path, its permissions and the space on the disk", .path.shown())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A weights file is not what it should be.
    #[error("{}: {problem}", .path.shown())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A state that the optimiser cannot go on from.
    #[error("the state to go on from does not fit: {0}")]
    State(String),
    /// NaN or infinity among the numbers to compute with, or numbers so large that their products are.
    #[error(
        "{what} {row} (counted from 0) is not finite, or so large that its products are not; remove it, or scale the data"
    )]
    NotFinite {
        /// `sample` or `target`.
        what: &'static str,
        /// The first one.
        row: usize,
    },
    /// A dense decomposition did not converge.
    #[error("the eigenvalues of a {0} x {0} matrix did not converge; are the inputs finite and not too large?")]
    Eigenvalues(usize),
}

/// What to change after a divergence.
fn advice(iteration: u64, learning_rate: f64) -> String {
    if iteration == 0 {
        return "no step was taken yet: normalise the inputs or use a smaller initial scale of the weights".to_owned();
    }
    let rate = learning_rate / 10.0;
    format!("use a smaller learning rate (try {rate:.1e}) or a smaller initial scale of the weights")
}
