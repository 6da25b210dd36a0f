//! Perturbed accelerated gradient descent (Jin, Netrapalli, Jordan, "Accelerated Gradient Descent Escapes Saddle Points
//! Faster than Gradient Descent", 2017, Algorithms 2 and 3).
//!
//! ```text
//! v_0 = 0
//! for t = 0, 1, ...
//!     if ||grad(x_t)|| <= g_thres and no perturbation in the last t_thres steps:
//!         x_t = x_t + xi                                       xi uniform in the ball of radius r
//!     y_t = x_t + (1 - theta) v_t
//!     x_{t+1} = y_t - eta grad(y_t),   v_{t+1} = x_{t+1} - x_t
//!     if g(x_t) <= g(y_t) + <grad(y_t), x_t - y_t> - gamma/2 ||x_t - y_t||^2:       too concave between them
//!         x_{t+1} = x_t if ||v_t|| >= s, else the better of x_t +- s v_t/||v_t||;   v_{t+1} = 0
//! ```
//!
//! The paper's parameters for an l-smooth function with a rho-Lipschitz Hessian and the accuracy eps, kappa = l/sqrt(rho eps):
//! eta = 1/(4 l), theta = 1/(4 sqrt kappa), gamma = theta^2/eta, s = gamma/(4 rho), t_thres = sqrt kappa chi c,
//! r = eta eps chi^-5 c^-8, g_thres = eps. The algorithm has no rule to return by.

use memorize_kernels::{Element, Mat};

use super::pgd::{Landscape, perturb};
use super::{Limits, LossGuard};
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

/// Where a run ended, and what happened on the way.
#[derive(Clone, Debug)]
pub struct Accelerated<T: Element> {
    /// The last point.
    pub weights: Mat<T>,
    /// How the run ended; its epochs count evaluations of the landscape, up to two an iteration.
    pub outcome: Outcome,
    /// Perturbations made.
    pub perturbations: u64,
    /// Steps that exploited negative curvature.
    pub exploitations: u64,
}

/// target += factor * v.
fn add<T: Element>(target: &mut Mat<T>, factor: f64, v: &Mat<T>) {
    let factor = T::from_f64(factor);
    target.padded_mut().iter_mut().zip(v.padded()).for_each(|(target, &v)| *target += factor * v);
}

/// <a, b>, summed in f64.
fn dot<T: Element>(a: &Mat<T>, b: &Mat<T>) -> f64 {
    a.padded().iter().zip(b.padded()).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

/// Runs the algorithm from `start` until a limit ends it. Perturbation number i is drawn from the stream (seed, ball, i). Limits
/// and records look at f, the algorithm's own tests at g.
///
/// # Errors
/// [`TrainError::Diverged`] at the first value that is not finite, [`TrainError::State`] for a state that does not fit, and what the
/// landscape reports.
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
    let zeros = || Mat::<T>::zeros(r, d);
    let [mut gradient, mut velocity] = [zeros(), zeros()];
    let mut x = start;
    let mut guard = LossGuard::default();
    let mut last_perturbation: Option<u64> = None;
    let (mut t, mut evaluations, mut perturbations, mut exploitations) = (0, 0, 0, 0);
    if let Some(state) = observer.resume() {
        let state = state.of(NAME)?;
        (t, x, velocity) = (state.iteration, state.matrix(WEIGHTS, r, d)?, state.matrix("velocity", r, d)?);
        let last;
        [evaluations, perturbations, exploitations, last] = state.count_array("counts")?;
        last_perturbation = (perturbations > 0).then_some(last);
    }
    let reason = loop {
        let mut at = landscape.evaluate(&x, &mut gradient)?;
        guard.check(t, at.regularized, eta)?;
        let state = || {
            let counts = [evaluations, perturbations, exploitations, last_perturbation.unwrap_or(0)];
            State::new(NAME, t, &x).with_matrix("velocity", &velocity).with("counts", Tensor::counts(&counts))
        };
        if !goes_on(observer, t, &state) {
            break StopReason::Interrupted;
        }
        evaluations += 1;
        let reached = limits.stop_below.is_some_and(|target| at.loss <= target);
        if limits.records(t) || reached {
            observer.record(&Record { iteration: t, loss: at.loss, learning_rate: eta });
        }
        if reached {
            break StopReason::Target;
        }
        if t == limits.iterations {
            break StopReason::Budget;
        }
        if last_perturbation.is_none_or(|last| t - last > t_thres) && gradient.frobenius_norm() <= g_thres {
            perturb(&mut x, radius, seed, perturbations, observer);
            perturbations += 1;
            last_perturbation = Some(t);
            observer.note(&format!("perturbation {perturbations}, added at iteration {t}"));
            at = landscape.evaluate(&x, &mut gradient)?;
            evaluations += 1;
        }
        let speed = velocity.frobenius_norm();
        let mut y = x.clone();
        let mut concave = false;
        if speed > 0.0 {
            add(&mut y, 1.0 - theta, &velocity);
            let ahead = landscape.evaluate(&y, &mut gradient)?;
            evaluations += 1;
            guard.check(t, ahead.regularized, eta)?;
            // x - y = -(1 - theta) v.
            let tangent = ahead.regularized - (1.0 - theta) * dot(&gradient, &velocity);
            concave = at.regularized <= tangent - gamma / 2.0 * ((1.0 - theta) * speed).powi(2);
        }
        if concave {
            exploitations += 1;
            if speed < s {
                evaluations += 2;
                exploit(landscape, &mut x, &velocity, s / speed, &mut gradient)?;
            }
            velocity = zeros();
        } else {
            add(&mut y, -eta, &gradient);
            velocity.padded_mut().copy_from_slice(y.padded());
            add(&mut velocity, -1.0, &x);
            x = y;
        }
        t += 1;
    };
    let outcome = Outcome { iterations: t, epochs: evaluations as f64, reason };
    Ok(Accelerated { weights: x, outcome, perturbations, exploitations })
}

/// Moves x by +-step v, whichever has the lower value.
fn exploit<T: Element>(
    landscape: &mut dyn Landscape<T>,
    x: &mut Mat<T>,
    velocity: &Mat<T>,
    step: f64,
    gradient: &mut Mat<T>,
) -> Result<(), TrainError> {
    let mut back = x.clone();
    add(x, step, velocity);
    add(&mut back, -step, velocity);
    if landscape.evaluate(&back, gradient)?.regularized < landscape.evaluate(x, gradient)?.regularized {
        *x = back;
    }
    Ok(())
}

#[cfg(test)]
#[path = "accelerated_tests.rs"]
mod tests;
