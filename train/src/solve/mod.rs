//! Memorising without descent. The output x^T S x is linear in S = W A W^T, so the training set is memorised by the S
//! of least norm that meets every target:
//!
//! ```text
//! A*(alpha) = sum_j alpha_j x_j x_j^T,  A(S)_j = x_j^T S x_j
//! ||S||_F           least:  S = A*(alpha)          with  K alpha = y,  K = A A* = (X X^T) squared elementwise
//! ||T^-1 S T^-1||_F least:  S = T^2 A*(alpha) T^2  with  K alpha = y,  K = A(T^2 A*(.) T^2)
//! ```
//!
//! The second is the first for the samples T x_j, whose T [`crate::metric`] finds. K is applied by the fused passes and
//! never formed, an approximation of low rank is the preconditioner (from products of coordinates, or a Nystrom one),
//! and the residual y - K alpha is minimised in its own norm: f = ||y - K alpha||^2/(4n) falls with every product.
//! Eigenvectors of S are the neurons: r = 2 max(n_+, n_-) <= 2d of them.
//!
//! S and W are rounded, so f is computed again from W; while it is above what was asked for and falls, the residuals of
//! W are solved for in turn.

mod minimal_residual;
mod neurons;
mod room;
#[cfg(test)]
mod tests;

use std::fmt;

use memorize_kernels::error::check_shape;
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, MatRef, Rows};

use crate::error::TrainError;
use crate::features::Featured;
use crate::metric::{Metric, Norm};
use crate::network::Network;
use crate::objective::{Evaluation, Objective};
use crate::observe::{Observer, Outcome, Record, StopReason};
use crate::planner::{Plan, Samples};
use crate::span::{self, Span, power_of_two, scaled};
use crate::theory::constants::capacity;
use crate::theory::gram_operator::GramOperator;
use crate::theory::low_rank::LowRank;
use minimal_residual::{Goal, Stop, directions_that_fit, minimal_residual};
use neurons::Spectral;

pub use room::{
    LANDMARKS_A_COORDINATE, PAIRS_A_COORDINATE, SMALLEST_RANK, WORKSPACE, bytes, default_rank, least_search_bytes,
    preparation,
};

/// The loss that the residuals are solved for, as a share of the one asked for: what rounding S and W may add.
const MARGIN: f64 = 0.9;
/// A round that leaves more than this share of the loss was at the limit of the rounding errors.
const WORTHWHILE: f64 = 0.5;
/// The same of a round that ended at a least squares solution, whose loss is not zero.
const MEASURABLE: f64 = 1.0 - 1e-6;

/// Settings of the solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// f(W) at or below which the set counts as memorised.
    pub tolerance: f64,
    /// Most products with K. Each reads the samples twice, as a loss and gradient does.
    pub max_products: usize,
    /// Which norm of S is to be the least.
    pub norm: Norm,
    /// Rank of the preconditioner, at most one a sample; see [`default_rank`].
    pub rank: usize,
    /// Which samples are landmarks, if there are any.
    pub seed: u64,
    /// Bytes for the workspace, half of them for the directions of the search: [`WORKSPACE`], or less. Ten are kept at
    /// least, 16 n bytes each.
    pub workspace: u64,
}

impl Settings {
    /// For n samples of width d, with the default norm, rank and workspace.
    ///
    /// ```
    /// use memorize_train::metric::Norm;
    /// use memorize_train::solve::{Settings, WORKSPACE, default_rank};
    ///
    /// let settings = Settings::new::<f64>([1000, 50], 1e-8, 200, 1);
    /// assert_eq!((settings.max_products, settings.norm), (200, Norm::Data));
    /// assert_eq!(settings.rank, default_rank::<f64>([1000, 50], Norm::Data, WORKSPACE));
    /// ```
    pub fn new<T: Element>(size: [usize; 2], tolerance: f64, max_products: u64, seed: u64) -> Self {
        let max_products = usize::try_from(max_products).unwrap_or(usize::MAX);
        let settings = Self { tolerance, max_products, norm: Norm::Data, rank: 0, seed, workspace: WORKSPACE };
        settings.in_norm::<T>(size, Norm::Data)
    }

    /// The same for another norm, with its default rank.
    ///
    /// ```
    /// use memorize_train::metric::Norm;
    /// use memorize_train::solve::Settings;
    ///
    /// let settings = Settings::new::<f64>([10_000, 500], 1e-8, 200, 1);
    /// assert!(settings.in_norm::<f64>([10_000, 500], Norm::Frobenius).rank > settings.rank);
    /// ```
    pub fn in_norm<T: Element>(self, size: [usize; 2], norm: Norm) -> Self {
        Self { norm, rank: default_rank::<T>(size, norm, self.workspace), ..self }
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// f(W) is what was asked for.
    Memorised,
    /// f(W) is above it, and no network of any width does measurably better.
    LeastSquares {
        /// Whether there are more samples than the d(d+1)/2 numbers that S consists of; if not, they are degenerate.
        beyond_capacity: bool,
    },
    /// Rounding errors of W and of its outputs keep f(W) above it.
    Resolution,
    /// All products were used.
    Budget,
    /// The observer said stop.
    Interrupted,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memorised => "memorised",
            Self::LeastSquares { beyond_capacity: true } => {
                "the least squares solution: there are more samples than the d(d+1)/2 numbers of x^T S x, and none fits all"
            }
            Self::LeastSquares { beyond_capacity: false } => {
                "the least squares solution: the samples are degenerate (not in general position), and no x^T S x fits all; \
                 perturb them with noise"
            }
            Self::Resolution => "rounding errors keep the loss above what was asked for; use f64",
            Self::Budget => "the iterations are used up; allow more, or a higher rank",
            Self::Interrupted => "interrupted",
        })
    }
}

/// A network that memorises, or comes as near as it can.
#[derive(Debug)]
pub struct Solution<T: Element> {
    /// r = 2 max(n_+, n_-) neurons.
    pub network: Network<T>,
    /// f at the network.
    pub evaluation: Evaluation,
    /// Eigenvalues of S above zero, n_+.
    pub positive: usize,
    /// Eigenvalues of S below zero, n_-.
    pub negative: usize,
    /// Rank of the preconditioner.
    pub rank: usize,
    /// How a search ended.
    pub verdict: Verdict,
    /// Products with K, and passes over the samples: one for each.
    pub outcome: Outcome,
}

impl<T: Element> fmt::Display for Solution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { positive, negative, verdict, .. } = self;
        let neurons = self.network.neurons();
        write!(f, "{verdict}: {positive} positive and {negative} negative eigenvalues, r = {neurons} neurons")
    }
}

/// Solves for a network that memorises `x` and `y`. A record is one product with K, its loss the one that the recursion
/// has reached.
///
/// Samples of any scale will do: they are multiplied by a power of two and back. Where there are fewer samples than
/// they have numbers, all but the outputs is computed in f64 in coordinates of what they span.
///
/// # Errors
/// [`TrainError::NoSamples`] for an empty set; [`TrainError::ZeroSamples`] if all samples are zero;
/// [`TrainError::NotFinite`] if a sample or target is not finite; [`TrainError::WeightsOutOfRange`] if T cannot hold
/// the weights that are the answer; [`TrainError::Eigenvalues`] if a decomposition fails; shape errors.
///
/// ```
/// use memorize_data::synthetic;
/// use memorize_kernels::Engine;
/// use memorize_train::observe::Silent;
/// use memorize_train::solve::{Settings, Verdict, solve};
///
/// // 30 samples of width 10, of which 55 could be memorised.
/// let (x, y) = (synthetic::inputs::<f64>(1, 30, 10), synthetic::targets::<f64>(1, 30));
/// let settings = Settings::new::<f64>([30, 10], 1e-12, 200, 1);
/// let found = solve(Engine::best(), &x, &y, &settings, &mut Silent)?;
/// assert!(found.verdict == Verdict::Memorised && found.evaluation.loss <= 1e-12);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn solve<T: Element, X: GatherRows<T>>(
    engine: Engine,
    x: &X,
    y: &[T],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Solution<T>, TrainError> {
    check_shape("number of targets", x.rows(), y.len())?;
    observer.busy(true);
    if x.spread().whole() == 0 {
        return Err(TrainError::NoSamples);
    }
    let modulus = span::largest_modulus(engine.par, x)?;
    if let Some(row) = y.iter().position(|y| !y.is_finite()) {
        return Err(TrainError::NotFinite { what: "target", row: x.spread().range().start + row });
    }
    if modulus == 0.0 {
        return Err(TrainError::ZeroSamples);
    }
    match span::exponent(modulus) {
        0 => at_scale(engine, x, y, settings, observer),
        exponent => {
            // W x = (W 2^-e) (2^e x).
            let mut found = at_scale(engine, &scaled(x, -exponent), y, settings, observer)?;
            scale_weights(&mut found.network, -exponent)?;
            Ok(found)
        }
    }
}

/// Multiplies the weights by 2^e.
fn scale_weights<T: Element>(network: &mut Network<T>, e: i32) -> Result<(), TrainError> {
    let [first, second] = power_of_two::<f64>(e);
    let largest = network.weights.iter().fold(0.0f64, |largest, w| largest.max(w.to_f64().abs())) * first * second;
    let smallest_normal = if T::NAME == "f32" { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
    // Below it T has fewer digits than it says.
    if largest != 0.0 && (largest < smallest_normal || !T::from_f64(largest).is_finite()) {
        return Err(TrainError::WeightsOutOfRange { largest, dtype: T::NAME });
    }
    let scaled = |w: T| T::from_f64(w.to_f64() * first * second);
    network.weights.padded_mut().iter_mut().for_each(|w| *w = scaled(*w));
    Ok(())
}

/// The same for samples at a scale that can be computed with.
fn at_scale<T: Element, X: GatherRows<T>>(
    engine: Engine,
    x: &X,
    y: &[T],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Solution<T>, TrainError> {
    let (spread, d) = (x.spread(), x.cols());
    let rounding = spread.whole().max(d) as f64 * f64::EPSILON;
    let outputs = Outputs { engine, x, y, span: None, rounding: rounding.max(T::EPSILON) };
    let targets: Vec<f64> = y.iter().map(|y| y.to_f64()).collect();
    if !Span::is_narrower(spread.whole(), d) {
        return search::<T, X, T, X>(outputs, x, targets, settings, observer);
    }
    let span = Span::new(x)?;
    let outputs = Outputs { span: Some(&span), ..outputs };
    let coordinates = Part::new(span.coordinates.as_ref(), spread.repeated(spread.whole()));
    search::<T, X, f64, Part<MatRef<'_, f64>>>(outputs, &coordinates, spread.gather(targets), settings, observer)
}

/// Solves K alpha = y for the K of `inner`: the samples themselves, or their coordinates, with the targets of as many
/// of them.
fn search<T: Element, X: Rows<T>, E: Element, Z: GatherRows<E>>(
    outputs: Outputs<'_, T, X>,
    inner: &Z,
    targets: Vec<f64>,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Solution<T>, TrainError> {
    let (engine, space, d) = (outputs.engine, inner.spread(), outputs.x.cols());
    let n = space.whole();
    let metric = match settings.norm {
        Norm::Data => Some(Metric::of(&engine, inner)?),
        Norm::Frobenius => None,
    };
    let metric = metric.as_ref();
    let preconditioner = preconditioner(engine, inner, metric, settings)?;
    let operator = GramOperator::<E, Z>::new(engine, inner).in_metric(metric);
    let mut attempt = Attempt { outputs, operator, metric, sum: Mat::zeros(inner.cols(), inner.cols()) };
    let goal = Goal {
        residual: (4.0 * n as f64 * settings.tolerance * MARGIN).sqrt(),
        products: settings.max_products,
        directions: directions_that_fit(n, settings.workspace / 2),
        resolution: E::EPSILON * preconditioner.operator_norm()?,
    };
    observer.busy(false);
    let mut products = 0;
    let mut delta = targets;
    let mut best: Option<Fit<T>> = None;
    let verdict = loop {
        let (mut has_room, vectors) = (true, 2 * size_of::<f64>() as u64 * space.range().len() as u64);
        let step = |done: usize, residual: f64| {
            let iteration = (products + done) as u64;
            observer.record(&Record { iteration, loss: residual.powi(2) / (4.0 * n as f64), learning_rate: 0.0 });
            // The next product's direction is kept, and its image.
            has_room = done >= goal.directions || observer.has_room(vectors);
            has_room && observer.keep_going()
        };
        let goal = Goal { products: settings.max_products - products, ..goal };
        let minimum =
            minimal_residual(|v| attempt.operator.apply(v), |v| preconditioner.apply(v), &space, &delta, &goal, step)?;
        if !has_room {
            return Err(TrainError::NoRoom { products: minimum.products, bytes: vectors });
        }
        products += minimum.products;
        // Nothing is lost before there is a network, unless it is what an interruption is to leave.
        observer.busy(best.is_none() && minimum.stop != Stop::Interrupted);
        let fit = attempt.add(&minimum.x)?;
        observer.busy(false);
        let before = best.as_ref().map_or(f64::INFINITY, |best| best.loss);
        let loss = fit.loss;
        delta.clone_from(&fit.delta);
        if best.as_ref().is_none_or(|best| loss < best.loss) {
            best = Some(fit);
        }
        if loss <= settings.tolerance {
            break Verdict::Memorised;
        }
        match minimum.stop {
            Stop::Reached if loss > WORTHWHILE * before => break Verdict::Resolution,
            Stop::Reached => {}
            Stop::LeastSquares if loss <= MEASURABLE * before => {}
            Stop::LeastSquares => {
                break Verdict::LeastSquares { beyond_capacity: n as u128 > capacity(d) };
            }
            Stop::Budget => break Verdict::Budget,
            Stop::Interrupted => break Verdict::Interrupted,
        }
    };
    let Fit { network, positive, negative, loss, .. } = best.expect("the loop has run once");
    let reason = match verdict {
        Verdict::Memorised => StopReason::Target,
        Verdict::LeastSquares { .. } | Verdict::Resolution => StopReason::Returned,
        Verdict::Budget => StopReason::Budget,
        Verdict::Interrupted => StopReason::Interrupted,
    };
    let outcome = Outcome { iterations: products as u64, epochs: products as f64, reason };
    let evaluation = Evaluation { loss, regularized: loss };
    Ok(Solution { network, evaluation, positive, negative, rank: preconditioner.rank(), verdict, outcome })
}

/// P for the K of samples, or of T x_j in a metric.
fn preconditioner<E: Element, Z: GatherRows<E>>(
    engine: Engine,
    x: &Z,
    metric: Option<&Metric<E>>,
    settings: &Settings,
) -> Result<LowRank<E>, TrainError> {
    match metric {
        None => LowRank::nystrom(engine, x, settings.rank, settings.seed),
        // All samples are landmarks, and P is the inverse.
        Some(metric) if settings.rank >= x.spread().whole() => {
            let moved = Featured::new(x, &metric.coordinates(x.cols())?, engine)?;
            LowRank::nystrom(engine, &moved, settings.rank, settings.seed)
        }
        Some(metric) => LowRank::pairs(engine, x, metric, settings.rank),
    }
}

/// A network with what its own outputs leave of the targets.
struct Fit<T: Element> {
    network: Network<T>,
    positive: usize,
    negative: usize,
    /// y - q, of as many samples as the search has.
    delta: Vec<f64>,
    /// f.
    loss: f64,
}

/// The samples themselves, on which a network has its outputs.
struct Outputs<'a, T: Element, X> {
    engine: Engine,
    x: &'a X,
    y: &'a [T],
    /// Whose coordinates the search has, if it has not the samples themselves.
    span: Option<&'a Span>,
    /// Eigenvalues of S below this share of the largest are rounding.
    rounding: f64,
}

impl<T: Element, X: Rows<T>> Outputs<'_, T, X> {
    /// The network that S is.
    fn fit(&self, s: &Mat<f64>) -> Result<Fit<T>, TrainError> {
        let Spectral { network, positive, negative } = neurons::from_matrix(&self.x.spread(), s, self.rounding)?;
        let network = match self.span {
            None => network,
            Some(span) => span.outside(&self.engine, &network)?,
        };
        let weight = |i: usize, k: usize| T::from_f64(network.weights.row(i)[k]);
        let weights = Mat::from_fn(network.neurons(), network.width(), weight);
        let network = Network { weights, signs: network.signs.iter().map(|&sign| T::from_f64(sign)).collect() };
        let spread = self.x.spread();
        let n = spread.whole();
        let plan = Plan::new(Samples::All(n), network.width(), network.neurons(), None);
        let objective = Objective { engine: self.engine, x: self.x, y: self.y, gamma: 0.0, route: plan.route };
        let outputs = objective.outputs(&network)?;
        let delta: Vec<f64> = outputs.iter().zip(self.y).map(|(q, y)| y.to_f64() - q.to_f64()).collect();
        let squares = spread.sum(|range| delta[range].iter().map(|delta| delta * delta).sum());
        let loss = squares / (4.0 * n as f64);
        let delta = if self.span.is_some() { spread.gather(delta) } else { delta };
        Ok(Fit { network, positive, negative, delta, loss })
    }
}

/// What S is made of so far, as a sum of solutions.
struct Attempt<'a, T: Element, X, E: Element, Z> {
    outputs: Outputs<'a, T, X>,
    operator: GramOperator<'a, E, Z>,
    metric: Option<&'a Metric<E>>,
    /// Of A*(alpha).
    sum: Mat<f64>,
}

impl<T: Element, X: Rows<T>, E: Element, Z: Rows<E>> Attempt<'_, T, X, E, Z> {
    /// Adds A*(alpha) to S, and looks at the network that S is.
    fn add(&mut self, alpha: &[f64]) -> Result<Fit<T>, TrainError> {
        let more = self.operator.adjoint(alpha)?;
        for i in 0..more.rows() {
            self.sum.row_mut(i).iter_mut().zip(more.row(i)).for_each(|(sum, more)| *sum += more.to_f64());
        }
        match self.metric {
            None => self.outputs.fit(&self.sum),
            Some(metric) => self.outputs.fit(&metric.outside(&self.sum)),
        }
    }
}
