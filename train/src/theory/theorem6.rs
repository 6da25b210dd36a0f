//! Theorem 6 and its lemmas as numbers of one's own samples: three layers without noise, where the condition on the
//! samples is deterministic. z_j = (R x_j)^p elementwise, R with rows r_1, ..., r_k of entries N(0, s^2).
//!
//! **Lemmas 18 and 19.** With Q = [r_1^(tensor p), ..., r_k^(tensor p)]^T, k x d^p, z_j = Q x_j^(tensor p), for
//! (r_i . x_j)^p is the inner product of the two tensors. So z_j (x) z_j = (Q (x) Q) x_j^(tensor 2p), and x_j^(tensor
//! 2p) lies in Sym^p (x) Sym^p, the products of symmetric tensors of order p over R^d, where Q (x) Q has the smallest
//! singular value sigma_min(Q)^2, sigma_min(Q) that of Q on Sym^p. Hence, for any R and any samples,
//!
//! ```text
//! sigma_min([z_1 (x) z_1, ..., z_n (x) z_n]) >= sigma_min(Q)^2 sigma_min(X_2p),    X_2p = [x_1^(tensor 2p), ...]
//! ```
//!
//! Sym^p has D_d^p dimensions: with fewer features sigma_min(Q) is zero, and nothing follows. The Gram matrix of Q's
//! rows is (R R^T)^p elementwise; decomposed is Q itself, in the basis of weighted monomials of
//! [`tensor_power`](super::tensor_power), which does not square its condition number.
//!
//! **Lemmas 14 and 20.** Upper bounds on max_j ||z_j||, in the manner of the lemmas, with explicit constants of this
//! project: they are not the paper's own. r_i . x is N(0, s^2 ||x||^2), and P(|N(0, 1)| > t) <= exp(-t^2/2). A union
//! bound over the k n products has all of them at most s B t with probability 1 - delta for t = sqrt(2 ln(2 k n/delta))
//! and samples of norm B at most, and then
//!
//! ```text
//! max_j ||z_j|| <= sqrt(k) (s B sqrt(2 ln(2 k n/delta)))^p                                          (20, no noise)
//! max_j ||z_j|| <= sqrt(k) (s (max_j ||c_j|| + s_x (sqrt d + sqrt(2 ln(2 n/delta)))) sqrt(2 ln(4 k n/delta)))^p   (14)
//! ```
//!
//! the second for x_j = c_j + s_x g_j with standard normal g_j, for ||g_j|| > sqrt d + t with probability exp(-t^2/2)
//! at most (the norm is 1-Lipschitz), and delta is halved between the noise and R.

use memorize_kernels::{Engine, Mat};

use super::bounds::{DENSE_ELEMENTS, Lifted};
use super::position::{Method, Position, Settings, SingularValue};
use super::power_position;
use super::statements::Question;
use super::tensor_power::{check_order, dimension, monomial_columns};
use crate::error::TrainError;
use crate::features::FeatureLayer;
use crate::spectrum::DENSE_SAMPLES;

/// By how much a number computed in floating point may be beyond a limit that it is to meet with equality.
const ROUNDING: f64 = 1e-12;

/// Samples behind random features.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    /// The features.
    pub layer: &'a FeatureLayer<f64>,
    /// The samples before them, with their noise, if they are few enough for a dense decomposition.
    pub before: Option<&'a Mat<f64>>,
    /// The largest norm of a sample before noise and features.
    pub longest: f64,
}

/// Sizes that the theorem and Lemma 13 speak of. Counts are absent where 128 bits do not hold them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// D_d^p, the dimension of the symmetric tensors of order p over R^d.
    pub dimension: Option<u128>,
    /// D_d^2p: more samples have dependent tensor powers of order 2p.
    pub powers_dimension: Option<u128>,
    /// p D_d^p: the theorem takes k = alpha times it with alpha > 1.
    pub above: Option<u128>,
    /// p^2 D_d^p: k of this order makes sigma_min(Z) of the order of sigma_min(X_2p)/k at least.
    pub order: Option<u128>,
    /// Whether k is above p D_d^p.
    pub is_above: bool,
    /// Whether k is at least p^2 D_d^p.
    pub is_of_order: bool,
    /// d^2p/(2p)!, which n is compared with.
    pub samples: f64,
    /// Lemma 13's 2 sqrt n and D_d^2p/(D_d^p C(2p,p)), which k has to lie between.
    pub lemma13: [f64; 2],
    /// Whether it does.
    pub lemma13_holds: bool,
}

impl Sizes {
    /// For n samples of width d and k features of power p >= 1.
    ///
    /// ```
    /// use memorize_train::theory::theorem6::Sizes;
    ///
    /// // The paper's own experiment: k = 750 of p = 2, on 60,000 samples of width 100.
    /// let sizes = Sizes::new(60_000, 100, 750, 2);
    /// assert_eq!((sizes.dimension, sizes.above, sizes.order), (Some(5050), Some(10_100), Some(20_200)));
    /// assert!(!sizes.is_above && !sizes.lemma13_holds && (sizes.lemma13[1] - 145.9).abs() < 0.1);
    /// ```
    pub fn new(n: usize, d: usize, k: usize, power: u32) -> Self {
        let (p, d_p) = (u128::from(power), dimension(d, power));
        let times = |factor: u128| d_p.and_then(|d_p| d_p.checked_mul(factor));
        let (above, order) = (times(p), times(p * p));
        let width = d as f64;
        // D_d^2p/D_d^p and C(2p,p) factor by factor, so that only what is too large itself overflows.
        let most: f64 = (1..=power)
            .map(|i| {
                let (i, place) = (f64::from(i), f64::from(power + i));
                (width - 1.0 + place) * i / place.powi(2)
            })
            .product();
        let least = 2.0 * (n as f64).sqrt();
        let fits = |k: f64| k >= least * (1.0 - ROUNDING) && k <= most * (1.0 + ROUNDING);
        Self {
            dimension: d_p,
            powers_dimension: dimension(d, 2 * power),
            above,
            order,
            is_above: above.is_some_and(|above| k as u128 > above),
            is_of_order: order.is_some_and(|order| k as u128 >= order),
            samples: (1..=2 * power).map(|i| width / f64::from(i)).product(),
            lemma13: [least, most],
            lemma13_holds: fits(k as f64),
        }
    }
}

/// An upper bound on max_j ||z_j||, in the manner of Lemma 14, with noise, or 20, without.
///
/// ```
/// use memorize_train::theory::theorem6::norm_bound;
///
/// // sqrt(k) (s B sqrt(2 ln(2 k n/delta)))^p.
/// let found = norm_bound([10, 5, 4], 2, 0.5, [2.0, 0.0], 0.1);
/// assert!((found - 2.0 * 2.0 * 800f64.ln()).abs() < 1e-12 * found);
/// assert!(norm_bound([10, 5, 4], 2, 0.5, [2.0, 0.1], 0.1) > found);
/// ```
pub fn norm_bound(
    [n, d, k]: [usize; 3],
    power: u32,
    features_sigma: f64,
    [longest, noise]: [f64; 2],
    delta: f64,
) -> f64 {
    let (n, k) = (n as f64, k as f64);
    let tail = |events: f64, delta: f64| (2.0 * (2.0 * events / delta).ln()).sqrt();
    let (delta, longest) = if noise > 0.0 {
        let delta = delta / 2.0;
        // 2n/delta: the norm has one tail.
        (delta, longest + noise * ((d as f64).sqrt() + tail(n / 2.0, delta)))
    } else {
        (delta, longest)
    };
    k.sqrt() * (features_sigma * longest * tail(k * n, delta)).powi(power as i32)
}

/// Why a singular value was not computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Unknown {
    /// The samples are too many for a dense decomposition.
    Samples,
    /// The order 2p is above what is computed.
    Order,
    /// Powers of samples are not numbers of f64; the error says which.
    OutOfRange(String),
    /// k rows in D_d^p dimensions are too much for a dense decomposition.
    Size,
    /// It cannot be told from zero, and is not above this.
    Zero(f64),
}

/// What the theorem and its lemmas say.
#[derive(Clone, Debug, PartialEq)]
pub struct Theorem6 {
    /// Sizes.
    pub sizes: Sizes,
    /// sigma_min(X_2p) of the samples before the features.
    pub powers: Result<SingularValue, Unknown>,
    /// sigma_min(Q); exactly zero where k < D_d^p.
    pub features: Result<SingularValue, Unknown>,
    /// sigma_min(Q)^2 sigma_min(X_2p), less what their errors leave open: sigma_min(Z) is not below it.
    pub below: Option<f64>,
    /// Whether the measured sigma_min(Z) is not, within its error.
    pub holds: Option<bool>,
    /// Upper bound on max_j ||z_j||; see [`norm_bound`].
    pub norm_bound: f64,
    /// The lemma in whose manner: 14 or 20.
    pub norm_lemma: u32,
    /// Probability that it holds with, over R and the noise.
    pub norm_probability: f64,
}

/// What Theorem 6 says of samples behind features, with `found` the position of the features.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// ```
/// use memorize_kernels::{Engine, Mat, Par, rows};
/// use memorize_train::theory::position::{Settings, examine};
/// use memorize_train::theory::preconditioner::WORKSPACE;
/// use memorize_train::theory::statements::Question;
/// use memorize_train::theory::theorem6::{Features, theorem6};
/// use memorize_train::{FeatureLayer, Featured};
///
/// // R is the identity, and so is Q for p = 1: the bound is attained.
/// let layer = FeatureLayer::new(Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]), 1)?;
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.6, 0.8]);
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 2, seed: 1, workspace: WORKSPACE, dense: true };
/// let z = Featured::new(&x, &layer, Engine::best())?;
/// let found = examine(Engine::best(), &z, &settings, |_| true)?;
/// let question = Question { epsilon: 0.01, delta: 0.1, noise: 0.0, features_sigma: 1.0 };
/// let features = Features { layer: &layer, before: Some(&x), longest: 1.0 };
/// let said = theorem6(Engine::best(), &question, features, &found, &settings)?;
/// assert!((said.below.unwrap() - found.min.unwrap().value).abs() < 1e-12 && said.holds == Some(true));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn theorem6(
    engine: Engine,
    question: &Question,
    Features { layer, before, longest }: Features<'_>,
    found: &Position,
    settings: &Settings,
) -> Result<Theorem6, TrainError> {
    let (k, d, power) = (layer.weights().rows(), layer.weights().cols(), layer.power());
    let sizes = Sizes::new(found.samples, d, k, power);
    let powers = of_powers(engine, before, power, settings)?;
    let features = of_features(layer)?;
    let least = |value: &SingularValue| (value.value - value.error).max(0.0);
    let below = match (&features, &powers) {
        // Zero times whatever the other is.
        (Ok(zero), _) | (_, Ok(zero)) if zero.value == 0.0 => Some(0.0),
        (Ok(features), Ok(powers)) => Some(least(features).powi(2) * least(powers)),
        _ => None,
    };
    let measured = found.min.map_or(found.min_below, |min| (min.value + min.error).max(found.min_below));
    Ok(Theorem6 {
        sizes,
        powers,
        features,
        below,
        holds: below.map(|below| below <= measured * (1.0 + ROUNDING)),
        norm_bound: norm_bound(
            [found.samples, d, k],
            power,
            question.features_sigma,
            [longest, question.noise],
            question.delta,
        ),
        norm_lemma: if question.noise > 0.0 { 14 } else { 20 },
        norm_probability: 1.0 - question.delta,
    })
}

/// sigma_min(X_2p).
fn of_powers(
    engine: Engine,
    before: Option<&Mat<f64>>,
    power: u32,
    settings: &Settings,
) -> Result<Result<SingularValue, Unknown>, TrainError> {
    let Some(x) = before else { return Ok(Err(Unknown::Samples)) };
    if check_order(2 * power).is_err() {
        return Ok(Err(Unknown::Order));
    }
    // So few are decomposed, whatever is done with their features.
    let settings = Settings { dense: true, ..*settings };
    let found = match power_position::examine(engine, x, 2 * power, &settings, |_| true) {
        Err(error @ (TrainError::PowersOutOfRange { .. } | TrainError::SingularValuesOutOfRange { .. })) => {
            return Ok(Err(Unknown::OutOfRange(error.to_string())));
        }
        found => found?,
    };
    // A decomposition's own rounding errors; the other ways have theirs in the error.
    let rounding = if found.method == Method::Dense { found.resolution } else { 0.0 };
    let min = found.min.map(|min| SingularValue { error: min.error + rounding, ..min });
    Ok(min.ok_or(Unknown::Zero(found.min_below)))
}

/// Whether sigma_min(Q) of k features of width d can be computed; where k < D_d^p it is zero without.
///
/// ```
/// use memorize_train::theory::theorem6::fits;
///
/// assert!(fits(100, 10, 2) && fits(490, 784, 2) && !fits(1_000_000, 100, 2));
/// ```
pub fn fits(k: usize, d: usize, power: u32) -> bool {
    let Some(dimension) = dimension(d, power) else { return true };
    (k as u128) < dimension
        || (dimension <= DENSE_SAMPLES as u128
            && dimension.checked_mul(k as u128).is_some_and(|all| all <= DENSE_ELEMENTS as u128))
}

/// Bytes that sigma_min(Q) takes at once.
///
/// ```
/// use memorize_train::theory::theorem6::bytes;
///
/// // Zero by counting takes nothing.
/// assert!(bytes(490, 784, 2) == 0 && bytes(100, 10, 2) > 8 * 100 * 55);
/// ```
pub fn bytes(k: usize, d: usize, power: u32) -> u64 {
    let Some(dimension) = dimension(d, power).filter(|&dimension| k as u128 >= dimension && fits(k, d, power)) else {
        return 0;
    };
    // As theory::position's dense decomposition of so many samples in k dimensions.
    (dimension * k as u128 * 27 + dimension * dimension * 50) as u64
}

/// sigma_min(Q) on symmetric tensors.
fn of_features(layer: &FeatureLayer<f64>) -> Result<Result<SingularValue, Unknown>, TrainError> {
    let (k, d, power) = (layer.weights().rows(), layer.weights().cols(), layer.power());
    if dimension(d, power).is_none_or(|dimension| (k as u128) < dimension) {
        return Ok(Ok(SingularValue { value: 0.0, error: 0.0, converged: true }));
    }
    if !fits(k, d, power) {
        return Ok(Err(Unknown::Size));
    }
    let (columns, rounded) = monomial_columns(layer.weights(), power);
    let lifted = Lifted::of_matrix(&columns, rounded)?;
    let (min, error, resolution) = (lifted.singular_values().min, lifted.residuals().min, lifted.resolution());
    Ok(match min > resolution {
        true => Ok(SingularValue { value: min, error: error + resolution, converged: true }),
        false => Err(Unknown::Zero(min + resolution)),
    })
}

#[cfg(test)]
mod tests;
