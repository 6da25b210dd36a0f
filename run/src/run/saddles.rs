//! Accelerated descent and descent along negative curvature, as a run.

use memorize_kernels::{Element, Rows};
use memorize_train::optim::Limits;
use memorize_train::optim::accelerated::{Acceleration, accelerated_descent};
use memorize_train::optim::negative_curvature::{Escape, PASSES_AN_ITERATION, escaping_descent};
use memorize_train::optim::pgd::Training;
use memorize_train::theory::constants::theorem1_neurons;
use memorize_train::{Network, Objective, Observer, Outcome, TrainError};

use crate::config::{AcceleratedSection, NegativeCurvatureSection, OptimizerKind, OptimizerSection, RunConfig};
use crate::error::Error;

/// Counts of saddle points that a run has left; absent = its algorithm knows no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saddles {
    /// Perturbations made.
    pub perturbations: Option<u64>,
    /// Steps along negative curvature.
    pub escapes: Option<u64>,
}

/// Trains `network` in place if the optimiser is one of the two; its learning rate is eta.
///
/// # Errors
/// As [`accelerated_descent`] and [`escaping_descent`].
pub fn descend<T: Element, X: Rows<T>>(
    optimizer: &OptimizerSection,
    objective: &Objective<'_, T, X>,
    network: &mut Network<T>,
    limits: &Limits,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Option<(Outcome, Saddles)>, TrainError> {
    if let Some(section) = &optimizer.accelerated {
        let parameters = acceleration(section, optimizer.learning_rate);
        let mut landscape = Training::new(objective, network.clone());
        let start = network.weights.clone();
        let found = accelerated_descent(&mut landscape, start, &parameters, limits, seed, observer)?;
        network.weights = found.weights;
        let saddles = Saddles { perturbations: Some(found.perturbations), escapes: Some(found.exploitations) };
        return Ok(Some((found.outcome, saddles)));
    }
    let Some(NegativeCurvatureSection { g_threshold, tolerance }) = optimizer.negative_curvature else {
        return Ok(None);
    };
    let parameters = Escape { g_thres: g_threshold, tolerance };
    let found = escaping_descent(objective, network, &parameters, limits, observer)?;
    Ok(Some((found.outcome, Saddles { perturbations: None, escapes: Some(found.escapes) })))
}

/// The parameters by the paper's names, for the step size eta.
pub fn acceleration(section: &AcceleratedSection, eta: f64) -> Acceleration {
    let &AcceleratedSection { theta, gamma, s, radius, g_threshold, t_threshold } = section;
    Acceleration { eta, theta, gamma, s, radius, g_thres: g_threshold, t_thres: t_threshold }
}

/// Decides how many neurons Lemma 3's direction is looked for in, where nobody else has: the 2d+2 that it needs.
///
/// # Errors
/// Bad input if fewer were asked for.
pub fn settle_neurons(config: &mut RunConfig, d: usize) -> Result<(), Error> {
    if config.optimizer.kind != OptimizerKind::NegativeCurvature {
        return Ok(());
    }
    let needed = theorem1_neurons(d);
    let neurons = *config.network.neurons.get_or_insert(needed);
    if neurons < needed { Err(Error::bad_input(TrainError::TooFewNeurons { neurons, needed })) } else { Ok(()) }
}

/// Iterations of full batches in so many passes over the training set.
pub fn iterations_in(passes: u64, kind: OptimizerKind) -> u64 {
    match kind {
        OptimizerKind::NegativeCurvature => ((passes as f64 / PASSES_AN_ITERATION) as u64).max(1),
        _ => passes,
    }
}
