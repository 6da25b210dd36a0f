//! Descent that leaves saddle points along Lemma 3's direction of most negative curvature, instead of by chance, and
//! has no step size: along any direction g is a polynomial of degree four, whose lowest point is known.
//!
//! ```text
//! for t = 0, 1, ...
//!     if ||M||_2 - gamma <= tolerance: return W_t
//!     if ||grad(W_t)|| <= g_thres ||M||_F ||W_t||_F:           M W is small although M and W are not: a saddle point
//!         Z = u c^T, Lemma 3's direction, u M's eigenvector of largest |mu|
//!     else
//!         Z = -grad(W_t) + beta Z_{t-1}                        conjugate gradients, beta of Polak and Ribiere, never below 0;
//!                                                              Lemma 3's direction where -grad(W_t) itself lowers nothing
//!     W_{t+1} = W_t + tau Z, tau the exact minimiser of g along Z
//! ```
//!
//! lambda_min(Hessian of f) is never below -||M||_2, so the point returned has lambda_min(Hessian of g) >= -tolerance,
//! and by Lemma 1 f <= n d (tolerance + gamma)^2/(4 sigma^2). ||M||_2 itself is computed at saddle points only;
//! elsewhere ||M||_F, which is larger, stands for it.
//!
//! An iteration is one weighted Gram matrix (M) and two quadratic forms (along Z), half as much again as a gradient;
//! the residuals follow from the forms, and are computed from W now and then.

use std::borrow::Cow;

use memorize_kernels::error::check_shape;
use memorize_kernels::{Element, Engine, Mat, Rows, pass};

use super::matrix::{add, dot, norm};
use super::{Guard, Limits};
use crate::error::{Divergence, TrainError};
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::state::{State, Tensor, WEIGHTS, check_finite};
use crate::theory::constants::theorem1_neurons;
use crate::theory::curvature::{Eigenpair, extreme_eigenpair, lemma3_applies, most_negative_direction};
use crate::theory::hessian::{averaged_gram, half_signed, symmetric_part};

/// The name that a state says.
const NAME: &str = "descent along negative curvature";
/// What a quadratic form of every sample, or their weighted Gram matrix, costs in passes: half of a loss and gradient.
const HALF: f64 = 0.5;
/// Iterations after which the residuals are computed from W again: their recursion adds a rounding error each time.
const REFRESH: u64 = 20;

/// Passes that an iteration takes, the refreshed residuals included.
pub const PASSES_AN_ITERATION: f64 = 3.0 * HALF + HALF / REFRESH as f64;

/// The parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Escape {
    /// A gradient at most this long, as a share of ||M||_F ||W||_F, calls for Lemma 3's direction. At most 1 is of use.
    pub g_thres: f64,
    /// Negative curvature that may be left: the run returns where lambda_min >= -tolerance.
    pub tolerance: f64,
}

/// How a run ended, and what happened on the way.
#[derive(Clone, Debug)]
pub struct Escaped {
    /// How the run ended; its epochs count passes, each a quadratic form of every sample and a weighted Gram matrix.
    pub outcome: Outcome,
    /// Steps along Lemma 3's direction.
    pub escapes: u64,
}

/// p(t) = p_0 + p_1 t + ... + p_4 t^4 = g(W + t Z), for
///
/// ```text
/// q_j(t) = q_j + t b_j + t^2 c_j,   b_j = x_j^T (W A Z^T + Z A W^T) x_j,   c_j = x_j^T Z A Z^T x_j
/// 4n f:  sum delta^2,  2 sum delta b,  sum (b^2 + 2 delta c),  2 sum b c,  sum c^2
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartic(pub [f64; 5]);

/// Coefficients of the outputs along a direction Z: b and c, n each.
struct Line<T> {
    b: Vec<T>,
    c: Vec<T>,
}

impl<T: Element> Line<T> {
    /// Two quadratic forms of every sample.
    fn along<X: Rows<T>>(objective: &Objective<'_, T, X>, net: &Network<T>, z: &Mat<T>) -> Result<Self, TrainError> {
        let (engine, x) = (&objective.engine, objective.x);
        let forms = |s: &Mat<T>, factor: T| -> Result<Vec<T>, TrainError> {
            let mut values = vec![T::ZERO; x.rows()];
            pass::quadratic_forms(engine, x, &engine.pack_symmetric(s.as_ref())?, &mut values)?;
            values.iter_mut().for_each(|value| *value *= factor);
            Ok(values)
        };
        let cross = symmetric_part(engine, &half_signed(net), z)?;
        let own = pass::network_matrix(engine, z.as_ref(), &net.signs)?;
        Ok(Self { b: forms(&cross, T::from_f64(2.0))?, c: forms(&own, T::ONE)? })
    }
}

impl Quartic {
    /// g along Z (Z^T: r x d) from the point `net`, where the residuals are `delta`.
    fn new<T: Element, X: Rows<T>>(
        objective: &Objective<'_, T, X>,
        delta: &[f64],
        line: &Line<T>,
        net: &Network<T>,
        z: &Mat<T>,
    ) -> Self {
        let (spread, gamma, engine) = (objective.x.spread(), objective.gamma, &objective.engine);
        let mut p = spread.sums(|range| {
            let mut p = [0.0; 5];
            for j in range {
                let (delta, b, c) = (delta[j], line.b[j].to_f64(), line.c[j].to_f64());
                let terms = [delta * delta, 2.0 * delta * b, b * b + 2.0 * delta * c, 2.0 * b * c, c * c];
                p.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
            p
        });
        p.iter_mut().for_each(|sum| *sum /= 4.0 * spread.whole() as f64);
        if gamma > 0.0 {
            p[0] += gamma / 2.0 * dot(engine, &net.weights, &net.weights);
            p[1] += gamma * dot(engine, &net.weights, z);
            p[2] += gamma / 2.0 * dot(engine, z, z);
        }
        Self(p)
    }

    /// The same by itself: three quadratic forms of every sample.
    ///
    /// # Errors
    /// If the shapes do not go together or there are no samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::optim::negative_curvature::Quartic;
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// // One neuron counts, with weight w: f = ((w x)^2 - y)^2/4 with x = 1, y = 4, along w = 1 + t.
    /// let network = Network { weights: Mat::from_slice(2, 1, &[1.0, 0.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [4.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// let along = Quartic::along(&objective, &network, &Mat::from_slice(2, 1, &[1.0, 0.0]))?;
    /// assert!((along.value(0.0) - 9.0 / 4.0).abs() < 1e-12 && along.value(1.0).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn along<T: Element, X: Rows<T>>(
        objective: &Objective<'_, T, X>,
        net: &Network<T>,
        z: &Mat<T>,
    ) -> Result<Self, TrainError> {
        let line = Line::along(objective, net, z)?;
        Ok(Self::new(objective, &residuals(objective, net)?, &line, net, z))
    }

    /// Whether all coefficients are.
    ///
    /// ```
    /// use memorize_train::optim::negative_curvature::Quartic;
    ///
    /// assert!(Quartic([0.0; 5]).is_finite() && !Quartic([0.0, f64::NAN, 0.0, 0.0, 1.0]).is_finite());
    /// ```
    pub fn is_finite(&self) -> bool {
        self.0.iter().all(|p| p.is_finite())
    }

    /// p(t).
    ///
    /// ```
    /// use memorize_train::optim::negative_curvature::Quartic;
    ///
    /// assert_eq!(Quartic([1.0, 0.0, 2.0, 0.0, 3.0]).value(2.0), 1.0 + 8.0 + 48.0);
    /// ```
    pub fn value(&self, t: f64) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, p| sum * t + p)
    }

    /// The t with the lowest value, or `None` if p has no lowest value or a coefficient is not finite. Of two with the
    /// same value the larger.
    ///
    /// ```
    /// use memorize_train::optim::negative_curvature::Quartic;
    ///
    /// // (t^2 - 1)^2 has two minima, of which the larger counts.
    /// let t = Quartic([1.0, 0.0, -2.0, 0.0, 1.0]).minimiser().unwrap();
    /// assert!((t - 1.0).abs() < 1e-12);
    /// assert!(Quartic([0.0, 0.0, 0.0, 0.0, -1.0]).minimiser().is_none());
    /// ```
    pub fn minimiser(&self) -> Option<f64> {
        let [_, p1, p2, p3, p4] = self.0;
        if !self.is_finite() {
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
        let larger = libm::cbrt(q.abs() + discriminant.sqrt());
        let root = if larger == 0.0 { 0.0 } else { -(larger - p / larger).copysign(q) };
        vec![root]
    } else {
        let angle = libm::acos((q / (p * (-p).sqrt())).clamp(-1.0, 1.0));
        let root = |turn: f64| 2.0 * (-p).sqrt() * libm::cos((angle + turn * std::f64::consts::TAU) / 3.0);
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

/// Share of the loss that Lemma 3's direction must win where the gradient wins nothing: less is rounding.
const WORTH_IT: f64 = 1e-3;

/// Binary orders of magnitude by which a direction may be shorter or longer than W before it is scaled.
const COMPARABLE: f64 = 16.0;

/// A direction whose length is not too far from `length`: what changes along it has the size of the outputs then, and
/// its squares are in the range of T where theirs are. The factor is a power of two, so that nothing is rounded.
fn comparable<'a, T: Element>(engine: &Engine, z: &'a Mat<T>, length: f64) -> Cow<'a, Mat<T>> {
    let orders = (length / norm(engine, z)).log2().round();
    if !orders.is_finite() || orders.abs() <= COMPARABLE {
        return Cow::Borrowed(z);
    }
    let mut scaled = z.clone();
    // In two steps: 2^orders itself may be out of T's range where the product is in it.
    for part in [(orders / 2.0).floor(), orders - (orders / 2.0).floor()] {
        let factor = T::from_f64(part.exp2());
        scaled.padded_mut().iter_mut().for_each(|z| *z *= factor);
    }
    Cow::Owned(scaled)
}

/// q_j - y_j.
fn residuals<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &Network<T>,
) -> Result<Vec<f64>, TrainError> {
    check_shape("number of targets", objective.x.rows(), objective.y.len())?;
    if objective.x.spread().whole() == 0 {
        return Err(TrainError::NoSamples);
    }
    Ok(objective.outputs(net)?.iter().zip(objective.y).map(|(&q, &y)| (q - y).to_f64()).collect())
}

/// A point of the run: W, and what is known there.
struct Point<'a, 'b, T: Element, X> {
    objective: &'a Objective<'b, T, X>,
    net: &'a mut Network<T>,
    /// q - y.
    delta: Vec<f64>,
    /// Steps since they were computed from W.
    stale: u64,
    /// Passes done.
    passes: f64,
}

impl<T: Element, X: Rows<T>> Point<'_, '_, T, X> {
    /// Computes the residuals from W.
    fn refresh(&mut self) -> Result<(), TrainError> {
        self.delta = residuals(self.objective, self.net)?;
        self.passes += HALF;
        self.stale = 0;
        Ok(())
    }

    /// The state to go on from.
    fn state(&self, t: u64, escapes: u64, conjugate: Option<&Conjugate<T>>) -> State {
        let counts = [self.stale, escapes, u64::from(conjugate.is_some_and(|conjugate| conjugate.is_steepest))];
        let state = State::new(NAME, t, &self.net.weights)
            .with("residuals", Tensor::vector(&self.objective.x.spread().gather(self.delta.clone())))
            .with("counts", Tensor::counts(&counts))
            .with("passes", Tensor::vector(&[self.passes]));
        match conjugate {
            Some(Conjugate { z, gradient, .. }) => state.with_matrix("direction", z).with_matrix("gradient", gradient),
            None => state,
        }
    }

    /// Goes to where a state was left. The iteration, the escapes and the direction before it.
    fn go_on(&mut self, state: &State) -> Result<(u64, u64, Option<Conjugate<T>>), TrainError> {
        let (r, d) = (self.net.neurons(), self.net.width());
        let escapes;
        let is_steepest;
        self.net.weights = state.matrix(WEIGHTS, r, d)?;
        [self.stale, escapes, is_steepest] = state.count_array("counts")?;
        [self.passes] = state.number_array("passes")?;
        let (spread, all) = (self.objective.x.spread(), state.numbers("residuals")?);
        check_shape("number of residuals", spread.whole(), all.len())?;
        check_finite("residuals", &all)?;
        self.delta = all[spread.range()].to_vec();
        let direction = |name| state.matrix(name, r, d);
        let conjugate = match state.tensors.contains_key("direction") {
            true => Some(Conjugate {
                z: direction("direction")?,
                gradient: direction("gradient")?,
                is_steepest: is_steepest > 0,
            }),
            false => None,
        };
        Ok((state.iteration, escapes, conjugate))
    }

    /// f.
    fn loss(&self) -> f64 {
        let spread = self.objective.x.spread();
        spread.sum(|range| self.delta[range].iter().map(|delta| delta * delta).sum()) / (4.0 * spread.whole() as f64)
    }

    /// M, and the transposed gradient of g.
    fn gradient(&mut self) -> Result<(Mat<T>, Mat<T>), TrainError> {
        let (engine, x) = (&self.objective.engine, self.objective.x);
        let delta: Vec<T> = self.delta.iter().map(|&delta| T::from_f64(delta)).collect();
        let moment = averaged_gram(engine, x, &delta, 1.0)?;
        self.passes += HALF;
        let mut gradient = Mat::zeros(self.net.neurons(), self.net.width());
        let (w, signs, gamma) = (self.net.weights.as_ref(), &self.net.signs, T::from_f64(self.objective.gamma));
        pass::gradient_from_moment(engine, w, signs, moment.as_ref(), gamma, gradient.as_mut())?;
        Ok((moment, gradient))
    }

    /// Goes to the lowest value of g along Z and says by how much it falls: not at all where the quartic's
    /// coefficients, rounded, have no lower value than at 0, and `None` where they are not finite.
    fn descend(&mut self, z: &Mat<T>) -> Result<Option<f64>, TrainError> {
        let engine = &self.objective.engine;
        let z = &comparable(engine, z, norm(engine, &self.net.weights));
        let line = Line::along(self.objective, self.net, z)?;
        self.passes += 2.0 * HALF;
        let quartic = Quartic::new(self.objective, &self.delta, &line, self.net, z);
        if !quartic.is_finite() {
            return Ok(None);
        }
        let step = quartic.minimiser().unwrap_or(0.0);
        let won = quartic.value(0.0) - quartic.value(step);
        if won > 0.0 {
            add(engine, &mut self.net.weights, step, z);
            for ((delta, b), c) in self.delta.iter_mut().zip(&line.b).zip(&line.c) {
                *delta += step * (b.to_f64() + step * c.to_f64());
            }
            self.stale += 1;
        }
        Ok(Some(won))
    }

    /// Lemma 3's direction at a saddle point with this M, and ||M||_2; no direction where that is at most `enough`.
    fn way_out(&self, moment: &Mat<T>, enough: f64) -> Result<(f64, Option<Mat<T>>), TrainError> {
        let (space, d) = (self.objective.x.spread(), moment.rows());
        let moment = Mat::from_fn(d, d, |i, k| moment.row(i)[k].to_f64());
        let room = || Eigenpair { value: 0.0, vector: vec![0.0; d], residual: 0.0 };
        let extreme = space.from_first(|| extreme_eigenpair(&moment).ok(), room).ok_or(TrainError::Eigenvalues(d))?;
        let norm = extreme.value.abs();
        if norm <= enough {
            return Ok((norm, None));
        }
        let net = self.net.in_f64();
        let (neurons, needed) = (net.neurons(), theorem1_neurons(net.width()));
        let direction = || most_negative_direction(&net, &extreme);
        let z = space
            .from_first(direction, || Mat::zeros(neurons, d))
            .ok_or(TrainError::TooFewNeurons { neurons, needed })?;
        Ok((norm, Some(Mat::from_fn(z.rows(), z.cols(), |i, a| T::from_f64(z.row(i)[a])))))
    }
}

/// Trains `net` in place until the Hessian of g has no eigenvalue below -tolerance, the loss cannot be told from a
/// lower one, or a limit ends the run. Steps of both kinds count as iterations; the learning rate of a record is 0.
///
/// # Errors
/// [`TrainError::TooFewNeurons`] below r = 2d+2, [`TrainError::Diverged`] if the loss is not finite;
/// [`TrainError::State`] for a state that does not fit; shape errors.
///
/// ```
/// use memorize_data::synthetic;
/// use memorize_kernels::Engine;
/// use memorize_train::network::default_init_scale;
/// use memorize_train::observe::Silent;
/// use memorize_train::optim::Limits;
/// use memorize_train::optim::negative_curvature::{Escape, escaping_descent};
/// use memorize_train::{Network, Objective, Route, StopReason};
///
/// // 12 samples of width 6, of which 21 could be memorised, by 2d+2 neurons.
/// let (x, y) = (synthetic::inputs::<f64>(1, 12, 6), synthetic::targets::<f64>(1, 12));
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
/// let mut network = Network::random(14, 6, default_init_scale(14), 1)?;
/// let escape = Escape { g_thres: 0.005, tolerance: 0.0 };
/// let limits = Limits { iterations: 5000, record_every: 100, stop_below: Some(1e-10) };
/// let ended = escaping_descent(&objective, &mut network, &escape, &limits, &mut Silent)?;
/// assert!(ended.outcome.reason == StopReason::Target && objective.evaluate(&network)?.loss <= 1e-10);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn escaping_descent<T: Element, X: Rows<T>>(
    objective: &Objective<'_, T, X>,
    net: &mut Network<T>,
    parameters: &Escape,
    limits: &Limits,
    observer: &mut dyn Observer,
) -> Result<Escaped, TrainError> {
    let (neurons, needed) = (net.neurons(), theorem1_neurons(net.width()));
    if !lemma3_applies(&net.in_f64()) {
        return Err(TrainError::TooFewNeurons { neurons, needed });
    }
    let enough = parameters.tolerance + objective.gamma;
    let mut at = Point { objective, net, delta: Vec::new(), stale: 0, passes: 0.0 };
    let mut conjugate: Option<Conjugate<T>> = None;
    let mut guard = Guard::default();
    let (mut t, mut escapes) = (0, 0);
    match observer.resume() {
        Some(state) => (t, escapes, conjugate) = at.go_on(&state.of(NAME, limits.iterations)?)?,
        None => at.refresh()?,
    }
    let reason = loop {
        guard.check(t, at.loss(), 0.0)?;
        if !goes_on(observer, t, &|| at.state(t, escapes, conjugate.as_ref())) {
            break StopReason::Interrupted;
        }
        let below = |loss: f64| limits.stop_below.is_some_and(|target| loss <= target);
        let ends = t == limits.iterations || below(at.loss());
        if at.stale > 0 && (ends || at.stale >= REFRESH) {
            at.refresh()?;
        }
        let loss = at.loss();
        guard.check(t, loss, 0.0)?;
        let reached = match limits.stop_below {
            Some(target) => objective.reaches(at.net, loss, target)?,
            None => false,
        };
        if limits.records(t) || reached {
            observer.spent(at.passes);
            observer.record(&Record { iteration: t, loss, learning_rate: 0.0 });
        }
        if reached {
            break StopReason::Target;
        }
        if t == limits.iterations {
            break StopReason::Budget;
        }
        let (moment, gradient) = at.gradient()?;
        guard.require(moment.is_finite(), Divergence::Curvature(T::NAME), t, 0.0)?;
        guard.require(gradient.is_finite(), Divergence::Gradient(T::NAME), t, 0.0)?;
        let (engine, size) = (&objective.engine, norm(&objective.engine, &moment));
        if size <= enough {
            observer.note(&format!("no curvature below -{:.3e} is left at iteration {t}", size - objective.gamma));
            break StopReason::Returned;
        }
        let overflow = || guard.diverged(Divergence::LineSearch(T::NAME), t, 0.0);
        let at_saddle = norm(engine, &gradient) <= parameters.g_thres * size * norm(engine, &at.net.weights);
        if at_saddle {
            let (norm, z) = at.way_out(&moment, enough)?;
            let left = norm - objective.gamma;
            let Some(z) = z else {
                observer.note(&format!("no curvature below -{left:.3e} is left at iteration {t}"));
                break StopReason::Returned;
            };
            escapes += 1;
            conjugate = None;
            let won = at.descend(&z)?.ok_or_else(overflow)?;
            observer.note(&format!(
                "escape {escapes} at iteration {t}: curvature {:.3e}, the loss {loss:.3e} falls by {won:.3e}",
                -left
            ));
            if won <= 0.0 {
                break StopReason::Returned;
            }
        } else {
            let next = Conjugate::after(engine, conjugate.take(), gradient);
            if at.descend(&next.z)?.ok_or_else(overflow)? > 0.0 {
                conjugate = Some(next);
            } else if next.is_steepest {
                // Far below the size of W that the samples call for, the gradient is short beside what M promises.
                let way_out = at.way_out(&moment, enough)?.1;
                let won = way_out.map_or(Ok(Some(0.0)), |z| at.descend(&z))?.ok_or_else(overflow)?;
                if won <= WORTH_IT * loss {
                    observer.note(&format!("the loss cannot be told from a lower one in {} at iteration {t}", T::NAME));
                    break StopReason::Returned;
                }
                escapes += 1;
                observer.note(&format!("escape {escapes} at iteration {t}: the loss {loss:.3e} falls by {won:.3e}"));
            }
        }
        t += 1;
    };
    Ok(Escaped { outcome: Outcome { iterations: t, epochs: at.passes, reason }, escapes })
}

/// A direction of conjugate gradients, and the gradient it was made of.
struct Conjugate<T: Element> {
    z: Mat<T>,
    gradient: Mat<T>,
    is_steepest: bool,
}

impl<T: Element> Conjugate<T> {
    /// Z = -G + beta Z_before with beta = max(<G, G - G_before>/||G_before||^2, 0), and -G where that does not lead
    /// down.
    fn after(engine: &Engine, before: Option<Self>, gradient: Mat<T>) -> Self {
        let mut z = Mat::zeros(gradient.rows(), gradient.cols());
        add(engine, &mut z, -1.0, &gradient);
        let mut is_steepest = true;
        if let Some(Self { z: last, gradient: old, .. }) = before {
            let beta = (dot(engine, &gradient, &gradient) - dot(engine, &gradient, &old)) / dot(engine, &old, &old);
            if beta > 0.0 && beta * dot(engine, &last, &gradient) < dot(engine, &gradient, &gradient) {
                add(engine, &mut z, beta, &last);
                is_steepest = false;
            }
        }
        Self { z, gradient, is_steepest }
    }
}

#[cfg(test)]
#[path = "negative_curvature_tests.rs"]
mod tests;
