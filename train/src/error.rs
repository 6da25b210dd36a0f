//! Errors while a network is trained, saved or loaded.

use std::path::PathBuf;

use memorize_data::Shown;
use memorize_kernels::KernelError;

/// An error of this crate. Each says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The search has kept so many directions that there is no memory for another.
    #[error(
        "after {products} products the search has no memory for another direction, {bytes} bytes; the closer n is to d(d+1)/2, the more it takes"
    )]
    NoRoom {
        /// Products with K that were done.
        products: usize,
        /// Bytes that the next one adds.
        bytes: u64,
    },
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
    #[error("the power p of the random features is {power}; it must be from 1 to {most}")]
    Power {
        /// The power p.
        power: u32,
        /// The largest that is computed.
        most: u32,
    },
    /// Tensor powers of an order that is odd, zero or absurd.
    #[error(
        "the order of the tensor powers is {order}; it must be even, from 2 to {most}: the 2p of random features (Rx)^p"
    )]
    Order {
        /// The order.
        order: u32,
        /// The largest that is computed.
        most: u32,
    },
    /// Tensor powers, or what is computed from them, beyond the numbers of f64.
    #[error(
        "samples with norms from {shortest:.1e} to {longest:.1e} have powers of order {order} that are not numbers of f64, or their \
         inner products are not; scale the samples to one length, or ask for a lower order"
    )]
    PowersOutOfRange {
        /// The order.
        order: u32,
        /// The least norm of a sample that is not zero.
        shortest: f64,
        /// The largest.
        longest: f64,
    },
    /// There is nothing to train on.
    #[error("the training set is empty")]
    NoSamples,
    /// More samples than a shuffle can number.
    #[error("{0} samples are too many to shuffle, row numbers have 32 bits; use full batches, or split the data")]
    TooManySamples(usize),
    /// A batch size of zero.
    #[error("the batch size must be at least 1")]
    Batch,
    /// A number of the run is no longer finite.
    #[error(
        "training diverged: {what} at iteration {iteration} (last finite loss: {}{}); {}",
        .last_finite.map_or_else(|| "none".to_owned(), |loss| format!("{loss:.6e}")),
        if *.learning_rate > 0.0 { format!(", learning rate: {:e}", .learning_rate) } else { String::new() },
        advice(*.iteration, *.learning_rate)
    )]
    Diverged {
        /// Which one.
        what: Divergence,
        /// At which iteration it was found: updates done before.
        iteration: u64,
        /// The last loss before it that was finite.
        last_finite: Option<f64>,
        /// Learning rate in force, 0 for an optimiser without one.
        learning_rate: f64,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}; check the path, its permissions and the space on the disk", .path.shown())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A weights file is not what it should be.
    #[error("{}: {problem}", .path.shown())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The fault, and advice.
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
    /// Nothing can be learned from samples that are all zero.
    #[error(
        "all samples are zero: the network's output is 0 on each of them, whatever W is; are these the right inputs?"
    )]
    ZeroSamples,
    /// The weights that are the answer are not numbers of the type.
    #[error(
        "the weights that these samples need have entries of {largest:.1e}, which {dtype} cannot hold; {}scale the samples",
        if *.dtype == "f64" { "" } else { "compute in f64, or " }
    )]
    WeightsOutOfRange {
        /// The largest entry in modulus.
        largest: f64,
        /// `f32` or `f64`.
        dtype: &'static str,
    },
    /// sigma_min and sigma_max go with the square of the samples' scale.
    #[error(
        "the singular values of [x_1 (x) x_1, ...] are not numbers of f64 for samples with entries of up to {largest:.1e}: they \
         go with the square; scale the samples"
    )]
    SingularValuesOutOfRange {
        /// The largest entry of a sample in modulus.
        largest: f64,
    },
    /// Weights, samples and targets whose loss or gradient is beyond what the type holds.
    #[error(
        "the loss at these weights is {loss} and the norm of its gradient {gradient_norm} in {dtype}: the weights, the inputs or the \
         targets are too large"
    )]
    Overflow {
        /// f(W).
        loss: f64,
        /// The gradient's Frobenius norm.
        gradient_norm: f64,
        /// `f32` or `f64`.
        dtype: &'static str,
    },
    /// A dense decomposition did not converge.
    #[error("the eigenvalues of a {0} x {0} matrix did not converge; are the inputs finite and not too large?")]
    Eigenvalues(usize),
}

/// The quantity that is no longer finite where training diverges. The types are names, `f32` or `f64`.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Divergence {
    /// The loss f or g, which is infinite or NaN.
    #[error("the loss is {0}")]
    Loss(f64),
    /// An element of the gradient.
    #[error("the gradient overflows {0}")]
    Gradient(&'static str),
    /// An element of what the optimiser remembers of earlier gradients: Adam's second moment grows with their squares.
    #[error("the optimiser's moments, which hold squares of the gradient, overflow {0}")]
    Moments(&'static str),
    /// An element of W.
    #[error("the weights overflow {0}")]
    Weights(&'static str),
    /// An element of M = 1/n sum_j delta_j x_j x_j^T.
    #[error("the curvature M = 1/n sum_j delta_j x_j x_j^T overflows {0}")]
    Curvature(&'static str),
    /// A coefficient of the polynomial that the loss is along a search direction.
    #[error("the loss along the direction of the step overflows {0}")]
    LineSearch(&'static str),
}

/// Advice after a divergence.
fn advice(iteration: u64, learning_rate: f64) -> String {
    const SCALE: &str = "normalise the inputs, scale the targets, or use a smaller initial scale of the weights";
    match (iteration, learning_rate > 0.0) {
        (0, _) => format!("no step was taken yet: {SCALE}"),
        (_, false) => SCALE.to_owned(),
        (_, true) => {
            let rate = learning_rate / 10.0;
            format!("use a smaller learning rate (try {rate:.1e}) or a smaller initial scale of the weights")
        }
    }
}
