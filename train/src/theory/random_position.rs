//! Lower bounds on sigma_min that hold with a stated probability, in the part of the paper's Lemmas 2 and 13: noise
//! puts samples in general position, and so do random features. The paper's lemmas rest on an anti-concentration
//! inequality with an absolute constant that nobody states (Carbery and Wright, 2001). The bounds here are derived from
//! Polya's inequality instead, and every constant is explicit. They are not the paper's own.
//!
//! **Small ball.** T(x) = <T, x^(tensor D)> for a symmetric tensor T of order D over R^d, ||T|| its Frobenius norm, and
//! x ~ N(x_0, s^2 I) for any x_0. Then
//!
//! ```text
//! P(|T(x)| <= e) <= 4/(sqrt(2 pi) s) (e/(2 t))^(1/D),    t = ||T|| d^(-(D-1)/2)
//! ```
//!
//! For a unit vector v has |T(v, ..., v)| >= t: the matrix d x d^(D-1) with T's entries has a singular value of at
//! least
//! ||T||/sqrt d, so that some unit v_1 leaves a symmetric tensor T(v_1) of order D-1 and norm ||T||/sqrt d, and so on, down to
//! a vector; and T(v_1, ..., v_D) is largest where all v_i are equal (Banach, 1938). Split x = x' + u v with x'
//! orthogonal to v. Given x', T(x) is a polynomial of degree D in u with leading coefficient T(v, ..., v), and a monic
//! polynomial of degree D is at most e in modulus on a set of length at most 4 (e/2)^(1/D) (Polya, 1928). The density
//! of u is at most 1/(sqrt(2 pi) s).
//!
//! **Noise.** x_j = c_j + s g_j with independent standard normal g_j, whatever the c_j; z_j = x_j, or z_j = (R x_j)^p
//! for any fixed R, k x d, with n <= k(k+1)/2. For sample i let U be the span of the other z_j (x) z_j, n-1 dimensions
//! at most, and S a space of n dimensions of symmetric k x k matrices. Some M in S of norm 1 is orthogonal to U, and
//! independent of x_i. So dist_i >= |<M, z_i z_i^T>| = |T(x_i)| with the form T = sum_ab M_ab (r_a . x)^p (r_b . x)^p
//! of degree D = 2p, whose norm is at least kappa, the smallest singular value of M -> T on S (kappa = 1 for z = x, D =
//! 2). By the small ball and a union bound over the n samples all dist_i are at least e = 2 t (sqrt(2 pi) s
//! delta/(4n))^D with probability 1 - delta, t = kappa d^(-(D-1)/2), and by Lemma 8
//!
//! ```text
//! sigma_min([z_1 (x) z_1, ..., z_n (x) z_n]) >= e/sqrt n
//! ```
//!
//! S is spanned by the pairs (a, b) that come first; kappa^2 is the smallest eigenvalue of an n x n matrix of inner
//! products.
//!
//! **Random features.** X fixed, the entries of R independent N(0, s^2), k >= n. Row a of n x n of Z has the entries
//! (r_a . x_j)^(2p). By Lemma 8 for rows, its smallest singular value is at least 1/sqrt n times the least distance of
//! a row from the span of the others, and with w of length 1 orthogonal to those that is |sum_j w_j (r_a . x_j)^(2p)| =
//! |T(r_a)|, T = sum_j w_j x_j^(tensor 2p), ||T|| >= kappa = sigma_min([x_1^(tensor 2p), ..., x_n^(tensor 2p)]), which
//! by Lemma 8 is at least the leave-one-out distance of these tensor powers over sqrt n. The rest is as above. Fewer
//! features, as the paper has it, are not covered: with k < n rows of Z share their features, and are not independent.

use std::f64::consts::PI;

use faer::Mat as Dense;
use memorize_data::dense;
use memorize_kernels::{Mat, Rows, rows};

use crate::error::TrainError;
use crate::features::FeatureLayer;
use crate::spectrum::DENSE_SAMPLES;

/// Whether kappa can be computed for n samples: a dense n x n matrix.
///
/// ```
/// use memorize_train::theory::random_position::fits;
///
/// assert!(fits(100) && !fits(0) && !fits(1_000_000));
/// ```
pub fn fits(n: usize) -> bool {
    (1..=DENSE_SAMPLES).contains(&n)
}

/// e with P(|T(x)| <= e) <= `probability` for every form T of this degree in d variables and norm kappa, x ~ N(x_0, s^2
/// I).
///
/// ```
/// use memorize_train::theory::random_position::small_ball;
///
/// // Of degree 2 it falls with the square of the probability.
/// let ratio = small_ball(1.0, 2, 10, 0.1, 0.1) / small_ball(1.0, 2, 10, 0.1, 0.01);
/// assert!((ratio - 100.0).abs() < 1e-9);
/// ```
pub fn small_ball(kappa: f64, degree: u32, d: usize, deviation: f64, probability: f64) -> f64 {
    let largest = kappa * (d as f64).powf(-0.5 * f64::from(degree - 1));
    2.0 * largest * ((2.0 * PI).sqrt() * deviation * probability / 4.0).powi(degree as i32)
}

/// What sigma_min of n samples is above with probability 1 - delta: the smallest of n forms over sqrt n.
fn above(kappa: f64, degree: u32, d: usize, deviation: f64, n: usize, delta: f64) -> f64 {
    small_ball(kappa, degree, d, deviation, delta / n as f64) / (n as f64).sqrt()
}

/// Two layers: sigma_min of n samples of width d with noise N(0, deviation^2) in every coordinate, whatever they were
/// before, is above this with probability 1 - delta. Nothing if n > d(d+1)/2.
///
/// ```
/// use memorize_train::theory::random_position::of_noise;
///
/// assert!(of_noise(10, 4, 0.1, 0.1).unwrap() > 0.0);
/// // Eleven samples of width 4 are one too many.
/// assert!(of_noise(11, 4, 0.1, 0.1).is_none());
/// ```
pub fn of_noise(n: usize, d: usize, deviation: f64, delta: f64) -> Option<f64> {
    (n as u128 <= super::constants::capacity(d)).then(|| above(1.0, 2, d, deviation, n, delta))
}

/// Three layers: the same for z_j = (R x_j)^p, over the noise in x_j, for the R at hand. Nothing if n > k(k+1)/2, or if
/// kappa cannot be told from zero.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// # Panics
/// If the samples are too many: see [`fits`].
///
/// ```
/// use memorize_train::FeatureLayer;
/// use memorize_train::theory::random_position::of_noise_and_features;
///
/// let layer = FeatureLayer::random(4, 6, 1, 0.5, 1)?;
/// assert!(of_noise_and_features(10, &layer, 0.1, 0.1)?.is_some_and(|bound| bound > 0.0));
/// assert!(of_noise_and_features(11, &layer, 0.1, 0.1)?.is_none());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn of_noise_and_features(
    n: usize,
    layer: &FeatureLayer<f64>,
    deviation: f64,
    delta: f64,
) -> Result<Option<f64>, TrainError> {
    assert!(fits(n), "{n} samples are too many for a dense decomposition");
    let (k, d) = (layer.weights().rows(), layer.weights().cols());
    if n as u128 > super::constants::capacity(k) {
        return Ok(None);
    }
    let products = inner_products(layer.weights());
    let kappa = smallest_root(&pair_products(&products, &pairs(n, k), layer.power()))?;
    Ok(kappa.map(|kappa| above(kappa, 2 * layer.power(), d, deviation, n, delta)))
}

/// Three layers, over the random features: X fixed, R of k >= n rows with entries N(0, deviation^2). Nothing if k < n,
/// or if the tensor powers x_j^(tensor 2p) cannot be told from linearly dependent ones.
///
/// # Errors
/// [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// # Panics
/// If the samples are too many: see [`fits`].
///
/// ```
/// use memorize_kernels::Mat;
/// use memorize_train::theory::random_position::of_features;
///
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.6, 0.8]);
/// assert!(of_features(&x, 2, 1, 0.1, 0.1)?.is_some_and(|bound| bound > 0.0));
/// // Fewer features than samples.
/// assert!(of_features(&x, 1, 1, 0.1, 0.1)?.is_none());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn of_features<X: Rows<f64>>(
    x: &X,
    k: usize,
    power: u32,
    deviation: f64,
    delta: f64,
) -> Result<Option<f64>, TrainError> {
    let (n, d) = (x.spread().whole(), x.cols());
    assert!(fits(n), "{n} samples are too many for a dense decomposition");
    if k < n {
        return Ok(None);
    }
    let products = inner_products(&rows::whole(memorize_kernels::Par::Seq, x));
    let powers = Dense::from_fn(n, n, |i, j| products[(i, j)].powi(2 * power as i32));
    Ok(smallest_root(&powers)?.map(|kappa| above(kappa, 2 * power, d, deviation, n, delta)))
}

/// X X^T.
fn inner_products(x: &Mat<f64>) -> Dense<f64> {
    dense::times_transpose(Dense::from_fn(x.rows(), x.cols(), |i, j| x.row(i)[j]).as_ref())
}

/// The first n pairs (a, b): every a with itself, then with the next one, the one after that, each pair once.
fn pairs(n: usize, k: usize) -> Vec<(usize, usize)> {
    let round = |step: usize| (0..k).map(move |a| (a, (a + step) % k)).take(if 2 * step == k { k / 2 } else { k });
    (0..=k / 2).flat_map(round).take(n).collect()
}

/// Inner products of the forms f_ab (r_a . x)^p (r_b . x)^p as symmetric tensors, with f_aa = 1 and f_ab = sqrt 2 else,
/// so that the matrices they come from are orthonormal. With u_1 ... u_D and v_1 ... v_D the two products' vectors the
/// inner product is the permanent of (u_i . v_j) over D!, and the vectors being p times a, p times b and p times c, p
/// times e, that is
///
/// ```text
/// sum_t C(p,t)^2/C(2p,p) (r_a . r_c)^t (r_a . r_e)^(p-t) (r_b . r_e)^t (r_b . r_c)^(p-t)
/// ```
fn pair_products(products: &Dense<f64>, pairs: &[(usize, usize)], power: u32) -> Dense<f64> {
    let p = power as i32;
    let mut weights = vec![1.0];
    for t in 0..p {
        weights.push(weights[t as usize] * (f64::from(p - t) / f64::from(t + 1)).powi(2));
    }
    let sum: f64 = weights.iter().sum();
    let norm = |(a, b): (usize, usize)| if a == b { 1.0 } else { std::f64::consts::SQRT_2 };
    Dense::from_fn(pairs.len(), pairs.len(), |i, j| {
        let ((a, b), (c, e)) = (pairs[i], pairs[j]);
        let straight = products[(a, c)] * products[(b, e)];
        let crossed = products[(a, e)] * products[(b, c)];
        let all: f64 = (0..=p).map(|t| weights[t as usize] / sum * straight.powi(t) * crossed.powi(p - t)).sum();
        norm(pairs[i]) * norm(pairs[j]) * all
    })
}

/// The root of the smallest eigenvalue, less the rounding errors of its computation; nothing if they are larger.
fn smallest_root(matrix: &Dense<f64>) -> Result<Option<f64>, TrainError> {
    let n = matrix.nrows();
    if matrix.col_iter().any(|column| column.iter().any(|value| !value.is_finite())) {
        return Err(TrainError::Eigenvalues(n));
    }
    let eigenvalues = dense::eigenvalues(matrix.as_ref()).ok_or(TrainError::Eigenvalues(n))?;
    let (least, most) = eigenvalues
        .iter()
        .fold((f64::INFINITY, 0.0f64), |(least, most), &value| (least.min(value), most.max(value.abs())));
    let safe = least - n as f64 * f64::EPSILON * most;
    Ok((safe > 0.0).then(|| safe.sqrt()))
}

#[cfg(test)]
mod tests;
