//! Perturbed accelerated gradient descent (Jin, Netrapalli, Jordan, "Accelerated Gradient Descent Escapes Saddle Points
//! Faster than Gradient Descent", 2017, Algorithms 2 and 3).
//!
//! ```text
//! v_0 = 0
//! for t = 0, 1, ...
//!     y_t = x_t + (1 - theta) v_t
//!     if ||grad(y_t)|| <= g_thres and no perturbation in the last t_thres steps:                    (1)
//!         x_t = x_t + xi, y_t = y_t + xi                       xi uniform in the ball of radius r
//!     if g(x_t) <= g(y_t) + <grad(y_t), x_t - y_t> - gamma/2 ||x_t - y_t||^2:                       (2)
//!         x_{t+1} = x_t if ||v_t|| >= s, else the better of x_t +- s v_t/||v_t||;   v_{t+1} = 0
//!     else
//!         x_{t+1} = y_t - eta grad(y_t),   v_{t+1} = x_{t+1} - x_t
//! ```
//!
//! 1. The paper looks at the gradient in x_t. Here it is that in y_t, which is needed anyway.
//! 2. The function is too concave between the two points. That takes g(x_t), another evaluation, only where
//!    [`Landscape::curvature_floor`] does not rule it out: on a network's loss M at y_t nearly always does.
//!
//! So a step costs one gradient, as in gradient descent. Records and limits look at f(y_t), which it comes with.
//!
//! The paper's parameters for an l-smooth function with a rho-Lipschitz Hessian and the accuracy eps, kappa =
//! l/sqrt(rho eps): eta = 1/(4 l), theta = 1/(4 sqrt kappa), gamma = theta^2/eta, s = gamma/(4 rho), t_thres = sqrt
//! kappa chi c, r = eta eps chi^-5 c^-8, g_thres = eps. The algorithm has no rule to return by.

use memorize_kernels::{Element, Mat};

use super::matrix::{add, dot, norm};
use super::pgd::{Landscape, perturb};
use super::{Guard, Limits};
use crate::error::TrainError;
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::state::{State, Tensor, WEIGHTS};

/// The name that a state says.
const NAME: &str = "accelerated descent";

/// The parameters, by the names of the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceleration {
    /// Step size eta.
    pub eta: f64,
    /// theta: a share 1 - theta of the velocity is kept from one step to the next.
    pub theta: f64,
    /// gamma: concavity between x_t and y_t above which negative curvature is exploited.
    pub gamma: f64,
    /// s: length of a step that exploits it.
    pub s: f64,
    /// Radius r of the ball that perturbations are drawn from.
    pub radius: f64,
    /// Gradient norm at or below which a point is perturbed.
    pub g_thres: f64,
    /// Fewest steps between two perturbations.
    pub t_thres: u64,
}

/// Cost of a gradient and of a value, in passes: a quadratic form of every sample and the weighted Gram matrix, or
/// the forms alone.
const GRADIENT: f64 = 1.0;
const VALUE: f64 = 0.5;

/// Where a run ended, and what happened on the way.
#[derive(Clone, Debug)]
pub struct Accelerated<T: Element> {
    /// The last x_t; the y_t whose loss is low enough, where that ended the run.
    pub weights: Mat<T>,
    /// How the run ended. Its epochs count gradients as one and values as a half: what they cost on a training set.
    pub outcome: Outcome,
    /// Perturbations made.
    pub perturbations: u64,
    /// Steps that exploited negative curvature.
    pub exploitations: u64,
}

/// Runs the algorithm from `start` until a limit ends it. Perturbation number i is drawn from the stream (seed, ball,
/// i). Limits and records look at f, the algorithm's own tests at g.
///
/// # Errors
/// [`TrainError::Diverged`] at the first value that is not finite, [`TrainError::State`] for a state that does not fit,
/// and what the landscape reports.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::observe::Silent;
/// use memorize_train::optim::Limits;
/// use memorize_train::optim::accelerated::{Acceleration, accelerated_descent};
/// use memorize_train::optim::pgd::Training;
/// use memorize_train::{Network, Objective, Route, StopReason};
///
/// let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
/// let network = Network { weights: Mat::from_slice(2, 1, &[0.5, 0.5]), signs: vec![1.0, -1.0] };
/// let start = network.weights.clone();
/// let parameters =
///     Acceleration { eta: 0.1, theta: 0.1, gamma: 1.0, s: 0.1, radius: 0.01, g_thres: 1e-9, t_thres: 100 };
/// let limits = Limits { iterations: 5000, record_every: 1000, stop_below: Some(1e-12) };
/// let mut training = Training::new(&objective, network);
/// let found = accelerated_descent(&mut training, start, &parameters, &limits, 1, &mut Silent)?;
/// assert_eq!(found.outcome.reason, StopReason::Target);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn accelerated_descent<T: Element>(
    landscape: &mut dyn Landscape<T>,
    start: Mat<T>,
    parameters: &Acceleration,
    limits: &Limits,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Accelerated<T>, TrainError> {
    let Acceleration { eta, theta, gamma, s, radius, g_thres, t_thres } = *parameters;
    let (r, d) = (start.rows(), start.cols());
    let engine = landscape.engine();
    let [mut gradient, mut velocity] = [0; 2].map(|_| Mat::<T>::zeros(r, d));
    let mut x = start;
    let mut guard = Guard::default();
    let mut last_perturbation: Option<u64> = None;
    let (mut t, mut epochs, mut perturbations, mut exploitations) = (0, 0.0, 0, 0);
    if let Some(state) = observer.resume() {
        let state = state.of(NAME, limits.iterations)?;
        (t, x, velocity) = (state.iteration, state.matrix(WEIGHTS, r, d)?, state.matrix("velocity", r, d)?);
        let last;
        [perturbations, exploitations, last] = state.count_array("counts")?;
        last_perturbation = (perturbations > 0).then_some(last);
        [epochs] = state.number_array("passes")?;
    }
    let reason = loop {
        let at_end = t == limits.iterations;
        let mut y = x.clone();
        add(&engine, &mut y, 1.0 - theta, &velocity);
        let mut at = if at_end { landscape.value(&x)? } else { landscape.evaluate(&y, &mut gradient)? };
        guard.check(t, at.regularized, eta)?;
        let state = || {
            let counts = [perturbations, exploitations, last_perturbation.unwrap_or(0)];
            State::new(NAME, t, &x)
                .with_matrix("velocity", &velocity)
                .with("counts", Tensor::counts(&counts))
                .with("passes", Tensor::vector(&[epochs]))
        };
        if !goes_on(observer, t, &state) {
            break StopReason::Interrupted;
        }
        epochs += if at_end { VALUE } else { GRADIENT };
        let reached = match limits.stop_below {
            Some(target) => landscape.reaches(if at_end { &x } else { &y }, at.loss, target)?,
            None => false,
        };
        if limits.records(t) || reached {
            observer.spent(epochs);
            observer.record(&Record { iteration: t, loss: at.loss, learning_rate: eta });
        }
        if at_end {
            break if reached { StopReason::Target } else { StopReason::Budget };
        }
        if reached {
            x = y;
            break StopReason::Target;
        }
        if last_perturbation.is_none_or(|last| t - last > t_thres) && norm(&engine, &gradient) <= g_thres {
            perturb(&mut x, radius, seed, perturbations, observer);
            perturbations += 1;
            last_perturbation = Some(t);
            observer.note(&format!("perturbation {perturbations}, added at iteration {t}"));
            y.padded_mut().copy_from_slice(x.padded());
            add(&engine, &mut y, 1.0 - theta, &velocity);
            at = landscape.evaluate(&y, &mut gradient)?;
            epochs += GRADIENT;
            guard.check(t, at.regularized, eta)?;
        }
        let speed = norm(&engine, &velocity);
        let mut back = Mat::zeros(x.rows(), x.cols());
        add(&engine, &mut back, theta - 1.0, &velocity);
        let allowed = -gamma / 2.0 * norm(&engine, &back).powi(2);
        let ruled_out = speed == 0.0 || landscape.curvature_floor(&back)?.is_some_and(|floor| floor > allowed);
        let too_concave = !ruled_out && {
            epochs += VALUE;
            landscape.value(&x)?.regularized <= at.regularized + dot(&engine, &gradient, &back) + allowed
        };
        if too_concave {
            exploitations += 1;
            if speed < s {
                epochs += 2.0 * VALUE;
                exploit(landscape, &mut x, &velocity, s / speed)?;
            }
            velocity = Mat::zeros(x.rows(), x.cols());
        } else {
            add(&engine, &mut y, -eta, &gradient);
            velocity.padded_mut().copy_from_slice(y.padded());
            add(&engine, &mut velocity, -1.0, &x);
            x = y;
        }
        t += 1;
    };
    let outcome = Outcome { iterations: t, epochs, reason };
    Ok(Accelerated { weights: x, outcome, perturbations, exploitations })
}

/// Moves x by +-step v, whichever has the lower value.
fn exploit<T: Element>(
    landscape: &mut dyn Landscape<T>,
    x: &mut Mat<T>,
    velocity: &Mat<T>,
    step: f64,
) -> Result<(), TrainError> {
    let (engine, mut back) = (landscape.engine(), x.clone());
    add(&engine, x, step, velocity);
    add(&engine, &mut back, -step, velocity);
    if landscape.value(&back)?.regularized < landscape.value(x)?.regularized {
        *x = back;
    }
    Ok(())
}

#[cfg(test)]
#[path = "accelerated_tests.rs"]
mod tests;
