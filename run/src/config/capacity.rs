//! What `memorize capacity` is asked to do, checked.

use memorize_train::theory::threshold::samples_at;
use serde::Serialize;

use super::check::{at_least_one, ensure, finite_positive, invalid};
use super::validate::check_threads;
use super::{Backend, ConfigError, Dtype, IsaName, Route};

choice! {
    /// How a network for random data is looked for.
    enum Trainer in "lowercase" {
        /// No descent: the linear system of least squares, as in `memorize solve`
        Solve,
        /// Adam on the whole training set, from a random start
        Adam,
        /// Gradient descent on the whole training set, from a random start
        Gd,
    }
}

impl Trainer {
    /// Whether it takes steps of a size that can be chosen.
    pub fn descends(self) -> bool {
        self != Self::Solve
    }

    /// The step size on samples of width d unless one is given. The steepest direction of the loss at a random start is
    /// that of S = I, with a curvature of about 4/sqrt(d): gradient descent takes less than half of what that allows.
    pub fn default_learning_rate(self, d: usize) -> f64 {
        match self {
            Self::Solve => 0.0,
            Self::Adam => 0.01,
            Self::Gd => 0.2 * (d as f64).sqrt(),
        }
    }
}

/// Random training sets of several sizes around the capacity d(d+1)/2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityConfig {
    /// Width of the samples, d.
    pub dim: usize,
    /// Neurons that descent has, r; the solver decides for itself.
    pub neurons: usize,
    /// Samples as parts of the capacity.
    pub ratios: Vec<f64>,
    /// Training sets of each size.
    pub seeds: u64,
    /// Seed of the first of them; the others follow.
    pub seed: u64,
    /// What is tried on each.
    pub optimizers: Vec<Trainer>,
    /// Most iterations of descent, most products of the solver.
    pub iterations: u64,
    /// Loss f(W) at or below which a set is memorised.
    pub stop_below: f64,
    /// Step size of descent; absent = each optimiser's own.
    pub learning_rate: Option<f64>,
    /// Type that numbers are computed in.
    pub dtype: Dtype,
    /// Implementation of the heavy passes.
    pub backend: Backend,
    /// Instruction set; absent = the best that the CPU has, or the one that `MEMORIZE_ISA` names.
    pub isa: Option<IsaName>,
    /// Threads; absent = one for each core that the process may use. The results do not depend on it.
    pub threads: Option<usize>,
    /// How output and gradient are computed in descent.
    pub route: Route,
}

impl CapacityConfig {
    /// The numbers of samples, in ascending order and each once: with narrow samples two ratios may be the same number.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.ratios.iter().map(|&ratio| samples_at(ratio, self.dim)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that cannot be used, and what to write instead.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("dim", Some(self.dim), "--dim")?;
        ensure(self.neurons >= 2 && self.neurons.is_multiple_of(2), || {
            invalid(
                "neurons",
                self.neurons,
                "must be even and at least 2: half of them are added, half subtracted (--neurons)",
            )
        })?;
        self.ratios.iter().try_for_each(|&ratio| finite_positive("ratios", ratio, "--ratios"))?;
        ensure(self.seeds > 0, || invalid("seeds", 0, "must be at least 1 training set of each size (--seeds)"))?;
        let seeds_fit = self.seed.checked_add(self.seeds - 1).is_some_and(|last| last <= i64::MAX as u64);
        ensure(seeds_fit, || {
            invalid("seed", self.seed, "leaves no room for --seeds more below 2^63; use a smaller --seed")
        })?;
        ensure(self.iterations > 0, || invalid("iterations", 0, "must be at least 1 (--iterations)"))?;
        finite_positive("stop_below", self.stop_below, "--stop-below")?;
        self.learning_rate()?;
        check_threads(self.threads)
    }

    fn learning_rate(&self) -> Result<(), ConfigError> {
        let Some(rate) = self.learning_rate else { return Ok(()) };
        finite_positive("learning rate", rate, "--lr")?;
        let descents = self.optimizers.iter().filter(|optimizer| optimizer.descends()).count();
        ensure(descents == 1, || {
            let advice = match descents {
                0 => "the solver has no step size; leave out --lr, or choose --optimizer adam or gd",
                _ => "Adam and gradient descent need different step sizes; with --lr name one of them in --optimizer",
            };
            invalid("learning rate", rate, advice)
        })
    }
}
