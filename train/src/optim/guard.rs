//! Refuses to go on with numbers that are no longer finite. A loss tells most of them, but not all: where the square of
//! a gradient overflows, Adam's step is zero and the loss stays what it was.

use memorize_kernels::{Element, Mat};

use super::Method;
use crate::error::{Divergence, TrainError};

/// Steps between two looks at the weights and at what an optimiser remembers. A look reads three numbers per weight, a
/// step on a batch of 128 does some 500 operations per weight: less than 1/500 of the time.
const LOOK_EVERY: u64 = 512;

/// Remembers the last finite loss, for the error that ends a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guard {
    last_finite: Option<f64>,
}

impl Guard {
    /// Refuses a loss that is not finite.
    ///
    /// # Errors
    /// [`TrainError::Diverged`].
    pub(super) fn check(&mut self, iteration: u64, loss: f64, learning_rate: f64) -> Result<(), TrainError> {
        self.require(loss.is_finite(), Divergence::Loss(loss), iteration, learning_rate)?;
        self.last_finite = Some(loss);
        Ok(())
    }

    /// Refuses to go on where something else is not finite.
    ///
    /// # Errors
    /// [`TrainError::Diverged`].
    pub(super) fn require(
        &self,
        is_finite: bool,
        what: Divergence,
        iteration: u64,
        learning_rate: f64,
    ) -> Result<(), TrainError> {
        if is_finite { Ok(()) } else { Err(self.diverged(what, iteration, learning_rate)) }
    }

    /// The error that ends the run.
    pub(super) fn diverged(&self, what: Divergence, iteration: u64, learning_rate: f64) -> TrainError {
        TrainError::Diverged { what, iteration, last_finite: self.last_finite, learning_rate }
    }

    /// Refuses a first gradient from which `method` cannot make a step: one that is not finite or, for Adam, whose
    /// square is not.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] at iteration 0.
    pub(super) fn first_step<T: Element>(
        &self,
        method: Method,
        gradient: &Mat<T>,
        learning_rate: f64,
    ) -> Result<(), TrainError> {
        self.require(gradient.is_finite(), Divergence::Gradient(T::NAME), 0, learning_rate)?;
        let has_square = match method {
            Method::Descent => true,
            Method::Adam { .. } => gradient.iter().all(|&g| (g * g).is_finite()),
        };
        self.require(has_square, Divergence::Moments(T::NAME), 0, learning_rate)
    }

    /// Whether the weights and what the optimiser remembers are to be looked at after `iteration` steps of
    /// `iterations`: after the first, the last, and some in between.
    pub(super) fn looks(iteration: u64, iterations: u64) -> bool {
        iteration == 1 || iteration == iterations || iteration.is_multiple_of(LOOK_EVERY)
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
