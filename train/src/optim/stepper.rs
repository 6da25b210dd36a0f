//! The two ways of doing a mini-batch step: fused (neuron route) and through a gradient in memory (Gram route).

use memorize_kernels::pass::{self, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::{Element, Engine, Mat, Rows};

use super::Moments;
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;
use crate::planner::Route;

/// A batch with its targets.
#[derive(Debug)]
pub(super) struct Labelled<T: Element> {
    batch: Batch<T>,
    y: Vec<T>,
}

impl<T: Element> Labelled<T> {
    /// Room for `capacity` samples of width d.
    pub(super) fn new(engine: &Engine, capacity: usize, d: usize) -> Self {
        Self { batch: Batch::new(engine, capacity, d), y: Vec::with_capacity(capacity) }
    }

    /// Replaces the batch by the samples with these row numbers.
    pub(super) fn load<X: Rows<T>>(&mut self, x: &X, y: &[T], indices: &[u32]) {
        self.batch.fill(indices.len(), |out| x.gather(indices, out));
        self.y.clear();
        self.y.extend(indices.iter().map(|&i| y[i as usize]));
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.y.len()
    }
}

/// Weights in the form that steps keep them in for a whole run. A batch is primed (its loss becomes known), then
/// advanced over (the weights change, and the next batch is primed).
#[derive(Debug)]
pub(super) enum Stepper<T: Element> {
    Fused { step: FusedStep<T>, residual: Vec<T>, outputs: Vec<T>, signs: Vec<T> },
    Separate { engine: Engine, net: Network<T>, moments: Moments<T>, gradient: Mat<T> },
}

impl<T: Element> Stepper<T> {
    pub(super) fn new(
        engine: Engine,
        route: Route,
        net: &Network<T>,
        moments: Moments<T>,
        capacity: usize,
    ) -> Result<Self, TrainError> {
        Ok(match route {
            Route::Neuron => {
                let Moments { first, second } = moments;
                let weights = Weights { w: net.weights.clone(), first, second };
                let step = FusedStep::new(engine, &weights, &net.signs, capacity)?;
                let (residual, outputs) = (Vec::with_capacity(capacity), vec![T::ZERO; capacity]);
                Stepper::Fused { step, residual, outputs, signs: net.signs.clone() }
            }
            Route::Gram => {
                let gradient = Mat::zeros(net.neurons(), net.width());
                Stepper::Separate { engine, net: net.clone(), moments, gradient }
            }
        })
    }

    /// f of a batch at the present weights.
    pub(super) fn prime(&mut self, batch: &Labelled<T>) -> Result<f64, TrainError> {
        match self {
            Stepper::Fused { step, residual, outputs, .. } => {
                let q = &mut outputs[..batch.len()];
                step.forward(&batch.batch, q)?;
                Ok(residuals(q, &batch.y, residual))
            }
            Stepper::Separate { engine, net, gradient, .. } => {
                let (x, y) = (batch.batch.x(), &batch.y);
                let objective = Objective { engine: *engine, x: &x, y, gamma: 0.0, route: Route::Gram };
                Ok(objective.gradient(net, gradient)?.loss)
            }
        }
    }

    /// Updates the weights by the gradient of the primed batch, and primes the next. Returns f of the next.
    pub(super) fn advance(
        &mut self,
        rule: Rule<T>,
        batch: &Labelled<T>,
        next: Option<&Labelled<T>>,
    ) -> Result<Option<f64>, TrainError> {
        match self {
            Stepper::Fused { step, residual, outputs, .. } => {
                let q = &mut outputs[..next.map_or(0, Labelled::len)];
                let backward = Backward { batch: &batch.batch, delta: residual, rule };
                step.step(backward, next.map(|next| &next.batch), q)?;
                Ok(next.map(|next| residuals(q, &next.y, residual)))
            }
            Stepper::Separate { engine, net, moments, gradient } => {
                let Moments { first, second } = moments;
                let (w, first, second) = (net.weights.padded_mut(), first.padded_mut(), second.padded_mut());
                pass::update(engine, rule, w, first, second, gradient.padded());
                next.map(|next| self.prime(next)).transpose()
            }
        }
    }

    /// The network with the present weights, and what the method remembers.
    pub(super) fn position(&self) -> (Network<T>, Moments<T>) {
        match self {
            Stepper::Fused { step, signs, .. } => {
                let Weights { w, first, second } = step.weights();
                (Network { weights: w, signs: signs.clone() }, Moments { first, second })
            }
            Stepper::Separate { net, moments, .. } => (net.clone(), moments.clone()),
        }
    }
}

/// Leaves (q_j - y_j) / b in `residual` and returns f = 1/(4b) sum_j (q_j - y_j)^2.
fn residuals<T: Element>(q: &[T], y: &[T], residual: &mut Vec<T>) -> f64 {
    let weight = T::from_f64(1.0 / q.len() as f64);
    residual.clear();
    let mut squares = 0.0;
    for (&q, &y) in q.iter().zip(y) {
        let delta = q - y;
        squares += delta.to_f64() * delta.to_f64();
        residual.push(delta * weight);
    }
    squares / (4.0 * q.len() as f64)
}
