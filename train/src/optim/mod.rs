//! The optimisers, one a file.
//!
//! [`full_batch`] and [`mini_batch`] run gradient descent and Adam; [`pgd`] is the paper's Algorithm 1, [`small`] what
//! it descends on when the problem is tiny. [`prescription`] runs it as Theorem 4 has it. [`accelerated`] and
//! [`negative_curvature`] leave saddle points in other ways.

pub mod accelerated;
mod full_batch;
mod guard;
mod matrix;
mod mini_batch;
pub mod negative_curvature;
pub mod pgd;
pub mod prescription;
#[cfg(test)]
mod resume_tests;
mod shuffle;
pub mod small;
mod stepper;

pub use full_batch::full_batch;
use guard::Guard;
pub use mini_batch::mini_batch;

use memorize_kernels::pass::{AdamStep, Rule};
use memorize_kernels::{Element, Mat};

use crate::error::TrainError;
use crate::schedule::StepDecay;
use crate::state::State;

/// How a gradient changes the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// W -= lr G.
    Descent,
    /// Adam (Kingma and Ba, 2015).
    Adam {
        /// Decay rate of the first moment.
        beta1: f64,
        /// Decay rate of the second moment.
        beta2: f64,
        /// Added to the root of the second moment; must be positive.
        epsilon: f64,
    },
}

impl Method {
    /// Adam with the constants of its paper: 0.9, 0.999, 1e-8.
    pub const ADAM: Method = Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

    /// The update of iteration `t` (counted from 0). `gamma` is the regulariser's share that the gradient lacks.
    fn rule<T: Element>(self, t: u64, rate: f64, gamma: f64) -> Rule<T> {
        match self {
            Method::Descent => Rule::Descend { rate: T::from_f64(rate), gamma: T::from_f64(gamma) },
            Method::Adam { beta1, beta2, epsilon } => {
                Rule::Adam(AdamStep::new(t + 1, rate, beta1, beta2, epsilon, gamma))
            }
        }
    }
}

/// What Adam remembers besides the weights, a neuron a row (r x d each); 0 x d for a method without memory.
#[derive(Clone, Debug)]
struct Moments<T: Element> {
    /// m / (1 - beta1).
    first: Mat<T>,
    /// v / (1 - beta2).
    second: Mat<T>,
}

impl<T: Element> Moments<T> {
    /// Before the first step.
    fn zeros(method: Method, r: usize, d: usize) -> Self {
        let rows = match method {
            Method::Descent => 0,
            Method::Adam { .. } => r,
        };
        Self { first: Mat::zeros(rows, d), second: Mat::zeros(rows, d) }
    }

    /// Whether they hold numbers, neither infinite nor NaN.
    fn is_finite(&self) -> bool {
        self.first.is_finite() && self.second.is_finite()
    }

    fn from_state(method: Method, state: &State, r: usize, d: usize) -> Result<Self, TrainError> {
        match method {
            Method::Descent => Ok(Self::zeros(method, r, d)),
            Method::Adam { .. } => {
                Ok(Self { first: state.matrix("first", r, d)?, second: state.matrix("second", r, d)? })
            }
        }
    }

    fn add_to(&self, method: Method, state: State) -> State {
        match method {
            Method::Descent => state,
            Method::Adam { .. } => state.with_matrix("first", &self.first).with_matrix("second", &self.second),
        }
    }
}

/// When a run records and when it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Updates to do.
    pub iterations: u64,
    /// Iterations between two records, at least 1.
    pub record_every: u64,
    /// End as soon as f over the whole training set is at most this (checked once an epoch in mini-batch training).
    pub stop_below: Option<f64>,
}

impl Limits {
    /// Whether iteration `t` is recorded.
    fn records(&self, t: u64) -> bool {
        t.is_multiple_of(self.record_every.max(1)) || t == self.iterations
    }
}

/// Everything that a run by gradient descent or Adam needs to know besides the problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How a gradient changes the weights.
    pub method: Method,
    /// Learning rates.
    pub schedule: StepDecay,
    /// When to record and when to end.
    pub limits: Limits,
}
