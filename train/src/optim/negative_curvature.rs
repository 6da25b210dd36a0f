//! Descent that leaves saddle points along Lemma 3's direction of most negative curvature, instead of by chance.
//!
//! ```text
//! for t = 0, 1, ...
//!     if ||grad(W_t)|| <= g_thres:
//!         mu, u = M's eigenpair of largest modulus             lambda_min(Hessian of f) = -|mu| for r >= 2d+2
//!         if |mu| - gamma <= tolerance: return W_t
//!         Z = u c^T, Lemma 3's direction;  W_{t+1} = W_t + tau Z, tau the exact minimiser of g along Z
//!     else
//!         W_{t+1} = W_t - eta grad(W_t)
//! ```
//!
//! The point returned has lambda_min(Hessian of g) >= -tolerance, and by Lemma 1 f <= n d (tolerance + gamma)^2/(4 sigma^2). Along any
//! direction g is a polynomial of degree four whose coefficients take two quadratic forms a sample: see [`Quartic`].

use memorize_kernels::{Element, Mat, Rows, pass};

use super::{Limits, LossGuard};
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::state::{State, Tensor, WEIGHTS};
use crate::theory::constants::theorem1_neurons;
use crate::theory::curvature::{Eigenpair, extreme_eigenpair, lemma3_applies, most_negative_direction};
use crate::theory::hessian::HessianOperator;

/// The name that a state says.
const NAME: &str = "descent along negative curvature";
/// Reads of the samples that one escape takes: two for M, one for the residuals, one for each form.
const READS_OF_AN_ESCAPE: u64 = 5;
/// Reads that M alone takes.
const READS_OF_MOMENT: u64 = 2;

/// The parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Escape {
    /// Step size eta of gradient descent.
    pub eta: f64,
    /// Gradient norm at or below which the curvature is looked at.
    pub g_thres: f64,
    /// Negative curvature that may be left: the run returns where lambda_min >= -tolerance.
    pub tolerance: f64,
}

/// How a run ended, and what happened on the way.
#[derive(Clone, Debug)]
pub struct Escaped {
    /// How the run ended; its epochs count reads of the samples.
    pub outcome: Outcome,
    /// Steps along Lemma 3's direction.
    pub escapes: u64,
    /// ||M||_2 - gamma where it was last looked at: the Hessian of g has no eigenvalue below minus this.
    pub curvature: Option<f64>,
}

/// p(t) = p_0 + p_1 t + ... + p_4 t^4 = g(W + t Z), for
///
/// ```text
/// q_j(t) = q_j + t b_j + t^2 c_j,   b_j = x_j^T (W A Z^T + Z A W^T) x_j,   c_j = x_j^T Z A Z^T x_j
/// 4n f:  sum delta^2,  2 sum delta b,  sum (b^2 + 2 delta c),  2 sum b c,  sum c^2
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartic(pub [f64; 5]);

impl Quartic {
    /// g along Z (Z^T: r x d) from the point `net`. Three reads of the samples.
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    pub fn along<T: Element, X: Rows<T>>(
        objective: &Objective<'_, T, X>,
        net: &Network<T>,
        z: &Mat<T>,
    ) -> Result<Self, TrainError> {
        let (engine, x, signs) = (&objective.engine, objective.x, &net.signs);
        if x.rows() == 0 {
            return Err(TrainError::NoSamples);
        }
        let forms = |s: &Mat<T>| -> Result<Vec<T>, TrainError> {
            let mut values = vec![T::ZERO; x.rows()];
            pass::quadratic_forms(engine, x, &engine.pack_symmetric(s.as_ref()), &mut values)?;
            Ok(values)
        };
        // (W + Z) A (W + Z)^T - (W - Z) A (W - Z)^T = 2 (W A Z^T + Z A W^T).
        let shifted = |sign: T| {
            let entry = |i: usize, a: usize| net.weights.row(i)[a] + sign * z.row(i)[a];
            pass::network_matrix(engine, Mat::from_fn(z.rows(), z.cols(), entry).as_ref(), signs)
        };
        let (above, below) = (shifted(T::ONE)?, shifted(-T::ONE)?);
        let half = T::from_f64(0.5);
        let cross = Mat::from_fn(z.cols(), z.cols(), |i, k| half * (above.row(i)[k] - below.row(i)[k]));
        let (b, c) = (forms(&cross)?, forms(&pass::network_matrix(engine, z.as_ref(), signs)?)?);
        let outputs = objective.outputs(net)?;
        let mut p = [0.0; 5];
        for j in 0..x.rows() {
            let (delta, b, c) = ((outputs[j] - objective.y[j]).to_f64(), b[j].to_f64(), c[j].to_f64());
            let terms = [delta * delta, 2.0 * delta * b, b * b + 2.0 * delta * c, 2.0 * b * c, c * c];
            p.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        p.iter_mut().for_each(|sum| *sum /= 4.0 * x.rows() as f64);
        let dot = |a: &Mat<T>| a.padded().iter().zip(z.padded()).map(|(a, z)| a.to_f64() * z.to_f64()).sum::<f64>();
        let half_gamma = objective.gamma / 2.0;
        p[0] += half_gamma * net.weights.frobenius_norm().powi(2);
        p[1] += half_gamma * 2.0 * dot(&net.weights);
        p[2] += half_gamma * dot(z);
        Ok(Self(p))
    }

    /// p(t).
    pub fn value(&self, t: f64) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, p| sum * t + p)
    }

    /// The t with the lowest value, or `None` if p has no lowest value or a coefficient is not finite. Of two with the same value the
    /// larger.
    pub fn minimiser(&self) -> Option<f64> {
        let [_, p1, p2, p3, p4] = self.0;
        if !self.0.iter().all(|p| p.is_finite()) {
            return None;
        }
        if p4 <= 0.0 {
            // c = 0 leaves a parabola.
            return (p4 == 0.0 && p3 == 0.0 && p2 > 0.0).then(|| -p1 / (2.0 * p2));
        }
        let best = |best: f64, t: f64| if self.value(t) <= self.value(best) { t } else { best };
        stationary_points([p1, 2.0 * p2, 3.0 * p3, 4.0 * p4]).into_iter().reduce(best)
    }
}

/// The real roots of k_0 + k_1 t + k_2 t^2 + k_3 t^3, k_3 > 0, in ascending order, each polished by Newton's method.
fn stationary_points(k: [f64; 4]) -> Vec<f64> {
    // t = s - shift:  s^3 + 3 p s + 2 q = 0.
    let shift = k[2] / (3.0 * k[3]);
    let p = k[1] / (3.0 * k[3]) - shift * shift;
    let q = shift.powi(3) + (k[0] - k[1] * shift) / (2.0 * k[3]);
    let discriminant = q * q + p.powi(3);
    let roots = if discriminant >= 0.0 {
        // One real root; the two summands have the same sign, and nothing cancels.
        let larger = (q.abs() + discriminant.sqrt()).cbrt();
        let root = if larger == 0.0 { 0.0 } else { -(larger - p / larger).copysign(q) };
        vec![root]
    } else {
        let angle = (-q / (-p).powf(1.5)).clamp(-1.0, 1.0).acos();
        let root = |turn: f64| 2.0 * (-p).sqrt() * ((angle + turn * std::f64::consts::TAU) / 3.0).cos();
        vec![root(1.0), root(2.0), root(0.0)]
    };
    roots.into_iter().map(|root| polished(root - shift, k)).collect()
}

/// A root after two steps of Newton's method, as long as they stay finite and lower the polynomial's modulus.
fn polished(mut t: f64, k: [f64; 4]) -> f64 {
    let value = |t: f64| k[0] + t * (k[1] + t * (k[2] + t * k[3]));
    for _ in 0..2 {
        let next = t - value(t) / (k[1] + t * (2.0 * k[2] + t * 3.0 * k[3]));
        if next.is_finite() && value(next).abs() < value(t).abs() {
            t = next;
        }
    }
    t
}

/// Trains `net` in place until the Hessian of g has no eigenvalue below -tolerance where the gradient is small, or a limit ends
/// the run. Steps of both kinds count as iterations.
///
/// # Errors
/// [`TrainError::TooFewNeurons`] below r = 2d+2, [`TrainError::Diverged`] at the first value that is not finite;
/// [`TrainError::State`] for a state that does not fit; shape errors.
pub fn escaping_descent<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &mut Network<T>,
    parameters: &Escape,
    limits: &Limits,
    observer: &mut dyn Observer,
) -> Result<Escaped, TrainError> {
    let (neurons, needed) = (net.neurons(), theorem1_neurons(net.width()));
    if !lemma3_applies(&in_f64(net)) {
        return Err(TrainError::TooFewNeurons { neurons, needed });
    }
    let Escape { eta, g_thres, tolerance } = *parameters;
    let width = net.width();
    let mut gradient = Mat::zeros(neurons, width);
    let mut guard = LossGuard::default();
    let (mut t, mut reads, mut escapes, mut curvature) = (0, 0, 0, None);
    if let Some(state) = observer.resume() {
        let state = state.of(NAME)?;
        (t, net.weights) = (state.iteration, state.matrix(WEIGHTS, neurons, width)?);
        [reads, escapes] = state.count_array("counts")?;
        curvature = state.numbers("curvature")?.first().copied();
    }
    let reason = loop {
        let at = objective.gradient(net, &mut gradient)?;
        guard.check(t, at.regularized, eta)?;
        let state = || {
            let curvature = Tensor::vector(curvature.as_slice());
            State::new(NAME, t, &net.weights)
                .with("counts", Tensor::counts(&[reads, escapes]))
                .with("curvature", curvature)
        };
        if !goes_on(observer, t, &state) {
            break StopReason::Interrupted;
        }
        reads += 1;
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
        if gradient.frobenius_norm() <= g_thres {
            let extreme = extreme_of_moment(objective, net)?;
            let left = extreme.value.abs() - objective.gamma;
            curvature = Some(left);
            if left <= tolerance {
                reads += READS_OF_MOMENT;
                observer.note(&format!("no curvature below -{left:.3e} is left at iteration {t}"));
                break StopReason::Returned;
            }
            reads += READS_OF_AN_ESCAPE;
            escapes += 1;
            let won = escape(objective, net, &extreme)?;
            observer.note(&format!(
                "escape {escapes} at iteration {t}: curvature {:.3e}, the loss {:.3e} falls by {won:.3e}",
                -left, at.loss
            ));
            if won <= 0.0 {
                // What the model promises is below the resolution of T.
                break StopReason::Returned;
            }
        } else {
            let eta = T::from_f64(eta);
            net.weights.padded_mut().iter_mut().zip(gradient.padded()).for_each(|(w, &g)| *w -= eta * g);
        }
        t += 1;
    };
    let outcome = Outcome { iterations: t, epochs: reads as f64, reason };
    Ok(Escaped { outcome, escapes, curvature })
}

fn in_f64<T: Element>(net: &Network<T>) -> Network<f64> {
    let weights = Mat::from_fn(net.neurons(), net.width(), |i, a| net.weights.row(i)[a].to_f64());
    Network { weights, signs: net.signs.iter().map(|sign| sign.to_f64()).collect() }
}

/// M's eigenpair of largest modulus, decomposed in f64.
fn extreme_of_moment<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &Network<T>,
) -> Result<Eigenpair, TrainError> {
    let hessian = HessianOperator::new(objective, net)?;
    let m = hessian.moment();
    extreme_eigenpair(&Mat::from_fn(m.rows(), m.cols(), |i, k| m.row(i)[k].to_f64()))
}

/// Moves W along Lemma 3's direction to the lowest value of g, and says by how much g falls: not at all where the quartic's
/// coefficients, rounded, have no lower value than at 0.
fn escape<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &mut Network<T>,
    extreme: &Eigenpair,
) -> Result<f64, TrainError> {
    let (neurons, needed) = (net.neurons(), theorem1_neurons(net.width()));
    let z = most_negative_direction(&in_f64(net), extreme).ok_or(TrainError::TooFewNeurons { neurons, needed })?;
    let z = Mat::from_fn(z.rows(), z.cols(), |i, a| T::from_f64(z.row(i)[a]));
    let quartic = Quartic::along(objective, net, &z)?;
    let step = quartic.minimiser().unwrap_or(0.0);
    let won = quartic.value(0.0) - quartic.value(step);
    if won > 0.0 {
        let step = T::from_f64(step);
        net.weights.padded_mut().iter_mut().zip(z.padded()).for_each(|(w, &z)| *w += step * z);
    }
    Ok(won)
}

#[cfg(test)]
#[path = "negative_curvature_tests.rs"]
mod tests;
