//! Perturbed gradient descent: the paper's Algorithm 1 (Jin et al., "How to Escape Saddle Points Efficiently", 2017,
//! Algorithm 2).
//!
//! ```text
//! t_noise = -t_thres - 1
//! for t = 0, 1, ...
//!     if ||grad(W_t)|| <= g_thres and t - t_noise > t_thres:
//!         W~ = W_t,  t_noise = t,  W_t = W~ + xi           xi uniform in the ball of radius r
//!     if t - t_noise = t_thres and g(W_t) - g(W~) > -f_thres:
//!         return W~
//!     W_{t+1} = W_t - eta grad(W_t)
//! ```
//!
//! The paper's t_thres is a real number; it is an integer here (rounded up by whoever computes it), or the equality
//! would never hold and the loop never return.

use memorize_data::random::{Purpose, Stream};
use memorize_kernels::pass::{self, Moment};
use memorize_kernels::{Element, Engine, Mat, Par, Rows};

use super::matrix::{dot, norm};
use super::{Guard, Limits};
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::{Evaluation, Objective};
use crate::observe::{Observer, Outcome, Record, StopReason, goes_on};
use crate::state::{State, Tensor, WEIGHTS};
use crate::theory::constants::Thresholds;

/// The name that a state says.
const NAME: &str = "perturbed gradient descent";

/// A function to descend on, over matrices of weights.
pub trait Landscape<T: Element> {
    /// How sums over the weights run.
    fn engine(&self) -> Engine {
        Engine { par: Par::Seq, ..Engine::best() }
    }

    /// Value and gradient at a point.
    ///
    /// # Errors
    /// Errors of evaluating the function.
    fn evaluate(&mut self, w: &Mat<T>, gradient: &mut Mat<T>) -> Result<Evaluation, TrainError>;

    /// The value alone, for which half of the work may do.
    ///
    /// # Errors
    /// Errors of evaluating the function.
    fn value(&mut self, w: &Mat<T>) -> Result<Evaluation, TrainError> {
        self.evaluate(w, &mut Mat::zeros(w.rows(), w.cols()))
    }

    /// Whether f <= target at a point W whose f is `loss` as [`Landscape::evaluate`] computes it; a landscape that
    /// knows better says so.
    ///
    /// # Errors
    /// Errors of evaluating the function.
    fn reaches(&mut self, _w: &Mat<T>, loss: f64, target: f64) -> Result<bool, TrainError> {
        Ok(loss <= target)
    }

    /// A lower bound on h(W + Z) - h(W) - <grad h(W), Z> for the W that [`Landscape::evaluate`] was called with last,
    /// if one is known without another evaluation.
    ///
    /// # Errors
    /// Errors of computing the bound.
    fn curvature_floor(&self, _z: &Mat<T>) -> Result<Option<f64>, TrainError> {
        Ok(None)
    }

    /// Takes at most `steps` steps W -= eta grad(W), none from a point where `until` holds or the gradient is not
    /// finite, and says how many it took. Only for landscapes that take steps faster than whoever calls
    /// [`Landscape::evaluate`] could: the others take none.
    ///
    /// # Errors
    /// Errors of evaluating the function.
    fn descend(&mut self, _w: &mut Mat<T>, _eta: f64, _steps: u64, _until: &Until) -> Result<u64, TrainError> {
        Ok(0)
    }
}

/// Why a row of unobserved steps ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Until {
    /// A gradient norm at most this.
    pub gradient_norm: Option<f64>,
    /// A loss f at most this.
    pub loss: Option<f64>,
}

/// Most steps between two looks at the observer.
const UNWATCHED: u64 = 1 << 14;

/// The training objective as a landscape.
#[derive(Debug)]
pub struct Training<'a, 'b, T: Element, X> {
    objective: &'a Objective<'b, T, X>,
    net: Network<T>,
    /// M where the gradient was taken last, if the route makes it.
    moment: Option<Moment<T>>,
}

impl<'a, 'b, T: Element, X> Training<'a, 'b, T, X> {
    /// `net` gives the signs and the shape.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::optim::pgd::{Landscape, Training};
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let (x, y) = (Mat::from_slice(1, 1, &[2.0f64]), [30.0]);
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Gram };
    /// let mut training = Training::new(&objective, network.clone());
    /// assert_eq!(training.evaluate(&network.weights, &mut Mat::zeros(2, 1))?.loss, 1.0);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(objective: &'a Objective<'b, T, X>, net: Network<T>) -> Self {
        Self { objective, net, moment: None }
    }
}

impl<T: Element, X: Rows<T>> Landscape<T> for Training<'_, '_, T, X> {
    fn engine(&self) -> Engine {
        self.objective.engine
    }

    fn evaluate(&mut self, w: &Mat<T>, gradient: &mut Mat<T>) -> Result<Evaluation, TrainError> {
        self.net.weights.padded_mut().copy_from_slice(w.padded());
        let (at, moment) = self.objective.gradient_and_moment(&self.net, gradient)?;
        self.moment = moment;
        Ok(at)
    }

    fn value(&mut self, w: &Mat<T>) -> Result<Evaluation, TrainError> {
        self.net.weights.padded_mut().copy_from_slice(w.padded());
        self.objective.evaluate(&self.net)
    }

    fn reaches(&mut self, w: &Mat<T>, loss: f64, target: f64) -> Result<bool, TrainError> {
        if loss > target {
            return Ok(false);
        }
        self.net.weights.padded_mut().copy_from_slice(w.padded());
        self.objective.reaches(&self.net, loss, target)
    }

    /// With b_j = 2 x_j^T W A Z^T x_j and c_j = x_j^T Z A Z^T x_j the difference is
    /// 1/(4n) sum_j (b_j + c_j)^2 + 1/2 sum_i a_i z_i^T M z_i + gamma/2 ||Z||^2: without its first term.
    fn curvature_floor(&self, z: &Mat<T>) -> Result<Option<f64>, TrainError> {
        let Some(moment) = &self.moment else { return Ok(None) };
        let mut product = Mat::zeros(z.rows(), z.cols());
        let (engine, gamma) = (&self.objective.engine, T::from_f64(self.objective.gamma));
        pass::gradient_of_moment(engine, z.as_ref(), &self.net.signs, moment, gamma, product.as_mut())?;
        Ok(Some(dot(engine, &product, z) / 2.0))
    }
}

/// A perturbation and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perturbation {
    /// When it was added.
    pub iteration: u64,
    /// The value before it.
    pub before: f64,
    /// The value t_thres steps later, once known.
    pub after: Option<f64>,
}

/// The point that the algorithm returns, and how it got there.
#[derive(Clone, Debug)]
pub struct Descent<T: Element> {
    /// W~, the point before the last perturbation, if the algorithm returned by its own rule; else the last point.
    pub weights: Mat<T>,
    /// How the run ended: [`StopReason::Returned`] by the algorithm's own rule.
    pub outcome: Outcome,
    /// Every perturbation.
    pub perturbations: Vec<Perturbation>,
}

/// The point before the last perturbation.
struct Before<T: Element> {
    weights: Mat<T>,
    value: f64,
    iteration: u64,
}

/// Where a run stands at the head of an iteration.
struct Position<T: Element> {
    t: u64,
    w: Mat<T>,
    before: Option<Before<T>>,
    perturbations: Vec<Perturbation>,
}

impl<T: Element> Position<T> {
    fn from_state(state: State, r: usize, d: usize, limits: &Limits) -> Result<Self, TrainError> {
        let state = state.of(NAME, limits.iterations)?;
        let (iterations, values) = (state.counts("perturbed")?, state.numbers("values")?);
        if values.len() != 2 * iterations.len() {
            let (n, m) = (iterations.len(), values.len());
            return Err(TrainError::State(format!("{n} perturbations have {m} values instead of two each")));
        }
        let perturbation = |(&iteration, pair): (&u64, &[f64])| {
            let after = Some(pair[1]).filter(|after| !after.is_nan());
            Perturbation { iteration, before: pair[0], after }
        };
        let perturbations: Vec<_> = iterations.iter().zip(values.chunks(2)).map(perturbation).collect();
        let before = match perturbations.last() {
            Some(last) => {
                Some(Before { weights: state.matrix("before", r, d)?, value: last.before, iteration: last.iteration })
            }
            None => None,
        };
        if let Some(late) = iterations.iter().find(|&&iteration| iteration > state.iteration) {
            return Err(TrainError::State(format!(
                "a perturbation at iteration {late} comes after {}",
                state.iteration
            )));
        }
        Ok(Self { t: state.iteration, w: state.matrix(WEIGHTS, r, d)?, before, perturbations })
    }

    fn state(&self) -> State {
        let iterations: Vec<u64> = self.perturbations.iter().map(|perturbation| perturbation.iteration).collect();
        let values = |perturbation: &Perturbation| [perturbation.before, perturbation.after.unwrap_or(f64::NAN)];
        let values: Vec<f64> = self.perturbations.iter().flat_map(values).collect();
        let state = State::new(NAME, self.t, &self.w)
            .with("perturbed", Tensor::counts(&iterations))
            .with("values", Tensor::vector(&values));
        match &self.before {
            Some(before) => state.with_matrix("before", &before.weights),
            None => state,
        }
    }
}

/// Runs Algorithm 1 from `start` until it returns or a limit ends it. Perturbation number i is drawn from the stream
/// (seed, ball, i). Limits and records look at f, the algorithm's own tests at g.
///
/// # Errors
/// [`TrainError::Diverged`] at the first value that is not finite, [`TrainError::State`] for a state that does not fit,
/// and what the landscape reports.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::observe::Silent;
/// use memorize_train::optim::Limits;
/// use memorize_train::optim::pgd::{Training, perturbed_descent};
/// use memorize_train::theory::constants::Thresholds;
/// use memorize_train::{Network, Objective, Route, StopReason};
///
/// // W = 0 is a saddle: it takes a perturbation to leave it.
/// let (x, y) = (Mat::from_slice(1, 1, &[1.0f64]), [1.0]);
/// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
/// let network = Network::zeros(4, 1)?;
/// let start = network.weights.clone();
/// let thresholds = Thresholds { eta: 0.1, radius: 0.01, g_thres: 1e-4, f_thres: 1e-3, t_thres: 200 };
/// let limits = Limits { iterations: 5000, record_every: 1000, stop_below: None };
/// let mut training = Training::new(&objective, network);
/// let found = perturbed_descent(&mut training, start, &thresholds, &limits, 1, &mut Silent)?;
/// assert!(found.outcome.reason == StopReason::Returned && !found.perturbations.is_empty());
/// let network = Network { weights: found.weights, ..Network::zeros(4, 1)? };
/// assert!(objective.evaluate(&network)?.loss < 1e-6);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn perturbed_descent<T: Element>(
    landscape: &mut dyn Landscape<T>,
    start: Mat<T>,
    thresholds: &Thresholds,
    limits: &Limits,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Descent<T>, TrainError> {
    let eta = T::from_f64(thresholds.eta);
    let (r, d) = (start.rows(), start.cols());
    let mut now = match observer.resume() {
        Some(state) => Position::from_state(state, r, d, limits)?,
        None => Position { t: 0, w: start, before: None, perturbations: Vec::new() },
    };
    let (engine, mut gradient) = (landscape.engine(), Mat::zeros(r, d));
    let mut guard = Guard::default();
    let reason = loop {
        let mut at = landscape.evaluate(&now.w, &mut gradient)?;
        guard.check(now.t, at.regularized, thresholds.eta)?;
        if !goes_on(observer, now.t, &|| now.state()) {
            break StopReason::Interrupted;
        }
        let Position { t, w, before, perturbations } = &mut now;
        let due = before.as_ref().is_none_or(|before| *t - before.iteration > thresholds.t_thres);
        if due && norm(&engine, &gradient) <= thresholds.g_thres {
            *before = Some(Before { weights: w.clone(), value: at.regularized, iteration: *t });
            perturb(w, thresholds.radius, seed, perturbations.len() as u64, observer);
            if thresholds.f_thres <= T::EPSILON * at.regularized.abs() {
                observer.note(&format!(
                    "perturbation {}: f_thres {:.3e} is below the resolution of {} beside the value {:.3e}",
                    perturbations.len() + 1,
                    thresholds.f_thres,
                    T::NAME,
                    at.regularized
                ));
            }
            perturbations.push(Perturbation { iteration: *t, before: at.regularized, after: None });
            at = landscape.evaluate(w, &mut gradient)?;
            guard.check(*t, at.regularized, thresholds.eta)?;
        }
        let reached = match limits.stop_below {
            Some(target) => landscape.reaches(w, at.loss, target)?,
            None => false,
        };
        if limits.records(*t) || reached {
            let rate = thresholds.eta;
            observer.record(&Record { iteration: *t, loss: at.loss, learning_rate: rate });
        }
        if let Some(before) = before.as_ref().filter(|before| *t - before.iteration == thresholds.t_thres) {
            let change = at.regularized - before.value;
            if let Some(last) = perturbations.last_mut() {
                last.after = Some(at.regularized);
            }
            let escaped = change <= -thresholds.f_thres;
            observer.note(&verdict(perturbations.len(), before.iteration, change, thresholds.f_thres, escaped));
            if !escaped {
                *w = before.weights.clone();
                break StopReason::Returned;
            }
        }
        if reached {
            break StopReason::Target;
        }
        if *t == limits.iterations {
            break StopReason::Budget;
        }
        for (w, &g) in w.padded_mut().iter_mut().zip(gradient.padded()) {
            *w -= eta * g;
        }
        *t += 1;
        let (steps, until) = uneventful(*t, before.as_ref().map(|before| before.iteration), thresholds, limits);
        *t += landscape.descend(w, thresholds.eta, steps, &until)?;
    };
    let Position { t, w, perturbations, .. } = now;
    let outcome = Outcome { iterations: t, epochs: t as f64, reason };
    Ok(Descent { weights: w, outcome, perturbations })
}

/// How many steps may be taken from iteration `t` before something is due other than what the second value tests for: a
/// record, the test whether a perturbation escaped, the end, a look at the observer.
fn uneventful(t: u64, t_noise: Option<u64>, thresholds: &Thresholds, limits: &Limits) -> (u64, Until) {
    let record = t.next_multiple_of(limits.record_every.max(1)) - t;
    let test = t_noise.and_then(|t_noise| t_noise.saturating_add(thresholds.t_thres).checked_sub(t));
    let steps = record.min(limits.iterations.saturating_sub(t)).min(test.unwrap_or(UNWATCHED)).min(UNWATCHED);
    let gradient_norm = test.is_none().then_some(thresholds.g_thres);
    (steps, Until { gradient_norm, loss: limits.stop_below })
}

fn verdict(number: usize, iteration: u64, change: f64, f_thres: f64, escaped: bool) -> String {
    let what = if escaped { "escaped a saddle point" } else { "did not escape: an approximate minimum" };
    format!(
        "perturbation {number}, added at iteration {iteration}, {what} (g changed by {change:.3e}, threshold -{f_thres:.3e})"
    )
}

/// Adds a point drawn uniformly from the ball of this radius: a normal direction scaled to length r U^(1/D).
pub(super) fn perturb<T: Element>(w: &mut Mat<T>, radius: f64, seed: u64, number: u64, observer: &mut dyn Observer) {
    let dimension = w.rows() * w.cols();
    let mut row = Stream::new(seed, Purpose::Ball).row(number);
    let uniform = row.uniform_f64();
    let mut direction = vec![0.0f64; dimension];
    row.fill_normal_f64(&mut direction);
    let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let scale = radius * libm::pow(uniform, 1.0 / dimension as f64) / norm.max(f64::MIN_POSITIVE);
    let mut changed = false;
    for i in 0..w.rows() {
        let cols = w.cols();
        for (w, &v) in w.row_mut(i).iter_mut().zip(&direction[i * cols..]) {
            let moved = *w + T::from_f64(scale * v);
            changed |= moved != *w;
            *w = moved;
        }
    }
    if !changed {
        observer.note(&format!(
            "perturbation {}: the radius {radius:.3e} is below the resolution of {} beside the weights, nothing moved",
            number + 1,
            T::NAME
        ));
    }
}

#[cfg(test)]
#[path = "pgd_tests.rs"]
mod tests;
