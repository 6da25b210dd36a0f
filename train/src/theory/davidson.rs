//! The smallest eigenvalue of a symmetric positive semidefinite operator that is known by its products, where plain
//! Lanczos does not get there: generalised Davidson (Morgan and Scott, 1986) with a preconditioner P and thick restarts
//! that keep the previous approximation (Stathopoulos, Saad and Wu, 1998), in f64.
//!
//! ```text
//! V = [P v / ||P v||], v random;  W = K V
//! loop: (theta, s) = smallest eigenpair of V^T W;  x = V s;  r = W s - theta x
//!       stop if ||r|| <= tolerance theta
//!       when V is full: V = V [lowest eigenvectors, the s of the step before], W likewise
//!       t = P r;  t = t - V V^T t (twice);  append t / ||t|| to V and K t / ||t|| to W
//! ```
//!
//! Lanczos needs about sqrt(||K||/lambda) products; here P stands for K^-1 where K is large, and what is left to search
//! is the part of the spectrum that P knows nothing of.

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen};
use memorize_kernels::Spread;

use super::lanczos::{RitzPair, distance};
use super::vector::{add_scaled, dot, length, normals};
use crate::error::TrainError;

/// Most vectors in the basis; each has its product beside it.
const BASIS: usize = 200;
/// Fewest: below this a restart forgets too much.
const SMALLEST_BASIS: usize = 12;
/// A restart keeps the basis' size divided by this.
const KEPT: usize = 4;
/// A new direction of which the basis leaves less than this share is rounding, and a random one takes its place.
const NEGLIGIBLE: f64 = 1e-10;

/// When to stop, and where to start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DavidsonOptions {
    /// Residual norm, relative to the eigenvalue or, if that is less, to the width of the spectrum, at which it counts
    /// as found; `resolution` is a floor below it.
    pub tolerance: f64,
    /// The largest eigenvalue. Where all are close to each other, what is small beside them tells none from another.
    pub largest: f64,
    /// Most products with the operator; the last is for the residual of the answer.
    pub max_products: usize,
    /// Rounding errors of a product with a vector of length 1: an eigenvalue below cannot be told from zero.
    pub resolution: f64,
    /// Seed of the start vector, drawn from the stream (seed, probe, 0).
    pub seed: u64,
    /// Bytes that the basis and its products may take; twelve vectors are kept whatever they take.
    pub basis_bytes: u64,
}

/// Why the search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The residual is small enough.
    Converged,
    /// The Ritz value, which the smallest eigenvalue is not above, cannot be told from zero.
    BelowResolution,
    /// All products were used.
    Budget,
    /// The caller said stop.
    Interrupted,
}

/// Where the search is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Products so far.
    pub products: usize,
    /// The Ritz value theta.
    pub value: f64,
    /// ||K x - theta x||.
    pub residual: f64,
}

/// Searches the smallest eigenvalue of `apply` on vectors of this dimension with the preconditioner `precondition`. The
/// vectors are spread over ranks if the dimension says so. `watch` is told of every step and says whether to go on.
///
/// The Ritz value is an upper bound on the smallest eigenvalue, but for rounding, and *an* eigenvalue lies within the
/// residual of it. That this is the smallest one is likely and not proved: a start vector without any part along its
/// eigenvector, which a random one has with probability zero, would not find it.
///
/// # Errors
/// Errors of a product; [`TrainError::Eigenvalues`] if one is not finite or a projected problem fails.
///
/// # Panics
/// If `dimension` is zero.
///
/// ```
/// use memorize_train::theory::davidson::{DavidsonOptions, smallest_eigenpair};
///
/// let diagonal = [3.0, 1.0, 2.0, 5.0];
/// let times = |v: &[f64]| Ok(v.iter().zip(diagonal).map(|(v, d)| v * d).collect());
/// let divided = |v: &[f64]| Ok(v.iter().zip(diagonal).map(|(v, d)| v / d).collect());
/// let options = DavidsonOptions {
///     tolerance: 1e-8,
///     largest: 5.0,
///     max_products: 20,
///     resolution: 1e-14,
///     seed: 1,
///     basis_bytes: 1 << 20,
/// };
/// let (found, _) = smallest_eigenpair(times, divided, 4, &options, |_| true)?;
/// assert!((found.value - 1.0).abs() < 1e-8);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn smallest_eigenpair(
    mut apply: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    mut precondition: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    dimension: impl Into<Spread>,
    options: &DavidsonOptions,
    mut watch: impl FnMut(&Step) -> bool,
) -> Result<(RitzPair, Stop), TrainError> {
    let space = dimension.into();
    assert!(space.whole() > 0, "an operator on nothing has no eigenvalues");
    let mut apply = |v: &[f64]| finite(apply(v)?);
    let mut precondition = |v: &[f64]| finite(precondition(v)?);
    let mut random = (0..).map(|row| normals(&space, options.seed, row));
    let mut basis = Basis::new(space.clone(), options.basis_bytes);
    let mut next = precondition(&random.next().expect("there is no last one"))?;
    let mut products = 0;
    let (ritz, stop) = loop {
        while !basis.orthonormalize(&mut next) {
            next = random.next().expect("there is no last one");
        }
        let product = apply(&next)?;
        basis.push(next, product);
        products += 1;
        let Ritz { value, vector, residual } = basis.smallest()?;
        let step = Step { products, value, residual: length(&space, &residual) };
        let go_on = watch(&step);
        if value <= options.resolution {
            break (vector, Stop::BelowResolution);
        }
        // With all of the space in the basis, what is left of the residual is rounding.
        let scale = value.min(options.largest - value);
        if step.residual <= (options.tolerance * scale).max(options.resolution) || basis.is_complete() {
            break (vector, Stop::Converged);
        }
        if products + 1 >= options.max_products {
            break (vector, Stop::Budget);
        }
        if !go_on {
            break (vector, Stop::Interrupted);
        }
        next = precondition(&residual)?;
        basis.restart_if_full();
    };
    let product = apply(&ritz)?;
    let value = dot(&space, &ritz, &product);
    let residual = distance(&space, &product, value, &ritz);
    let pair = RitzPair { value, residual, vector: ritz, products: products + 1, converged: stop == Stop::Converged };
    Ok((pair, stop))
}

fn finite(v: Vec<f64>) -> Result<Vec<f64>, TrainError> {
    if v.iter().all(|value| value.is_finite()) { Ok(v) } else { Err(TrainError::Eigenvalues(v.len())) }
}

/// The smallest Ritz value with its vector x, of length 1, and K x - theta x.
struct Ritz {
    value: f64,
    vector: Vec<f64>,
    residual: Vec<f64>,
}

/// An orthonormal basis V with W = K V and V^T W.
struct Basis {
    space: Spread,
    capacity: usize,
    vectors: Vec<Vec<f64>>,
    products: Vec<Vec<f64>>,
    /// Row i holds v_i . w_j for j <= i.
    projected: Vec<Vec<f64>>,
    /// Eigenvectors of V^T W in columns, and the coefficients of the Ritz vector of the step before.
    eigenvectors: Dense<f64>,
    previous: Vec<f64>,
    current: Vec<f64>,
}

/// Vectors of this dimension in the basis, at most, if it and its products may take so many bytes.
fn capacity(dimension: usize, bytes: u64) -> usize {
    let fits = usize::try_from(bytes / (2 * dimension.max(1) * size_of::<f64>()) as u64).unwrap_or(usize::MAX);
    fits.clamp(SMALLEST_BASIS, BASIS).min(dimension)
}

/// Bytes of the basis and its products after so many products with the operator, of which `here` elements a vector are
/// on this rank; `of_basis` is what they may take.
///
/// ```
/// use memorize_train::theory::davidson::bytes;
///
/// // More products, more of the basis.
/// assert!(bytes(1000, 20, 1 << 30) < bytes(1000, 100, 1 << 30));
/// ```
pub fn bytes(here: usize, max_products: usize, of_basis: u64) -> u64 {
    let vectors = capacity(here, of_basis).min(max_products) as u64;
    vectors.saturating_mul(2 * size_of::<f64>() as u64).saturating_mul(here as u64)
}

impl Basis {
    fn new(space: Spread, bytes: u64) -> Self {
        let dimension = space.whole();
        Self {
            space,
            capacity: capacity(dimension, bytes),
            vectors: Vec::new(),
            products: Vec::new(),
            projected: Vec::new(),
            eigenvectors: Dense::zeros(0, 0),
            previous: Vec::new(),
            current: Vec::new(),
        }
    }

    /// Whether the basis spans the whole space.
    fn is_complete(&self) -> bool {
        self.vectors.len() == self.space.whole()
    }

    /// Takes from `v` its part in the basis, twice because once leaves rounding errors of what it takes off, and makes
    /// its length 1; false if nothing but rounding is left.
    fn orthonormalize(&self, v: &mut [f64]) -> bool {
        let before = length(&self.space, v);
        for _ in 0..2 {
            for basis in &self.vectors {
                let along = dot(&self.space, basis, v);
                add_scaled(v, -along, basis);
            }
        }
        let left = length(&self.space, v);
        if left <= NEGLIGIBLE * before {
            return false;
        }
        v.iter_mut().for_each(|value| *value /= left);
        true
    }

    fn push(&mut self, v: Vec<f64>, product: Vec<f64>) {
        self.vectors.push(v);
        self.products.push(product);
        let newest = self.products.last().expect("one was just pushed");
        self.projected.push(self.vectors.iter().map(|v| dot(&self.space, v, newest)).collect());
    }

    fn smallest(&mut self) -> Result<Ritz, TrainError> {
        let m = self.vectors.len();
        let t = || Dense::from_fn(m, m, |i, k| self.projected[i.max(k)][i.min(k)]);
        let Eigen { values, vectors } = dense::eigen_among(&self.space, m, t).ok_or(TrainError::Eigenvalues(m))?;
        let value = values[0];
        self.eigenvectors = vectors;
        let coefficients: Vec<f64> = self.eigenvectors.col(0).iter().copied().collect();
        let mut vector = combine(&self.vectors, &coefficients);
        let scale = length(&self.space, &vector).recip();
        vector.iter_mut().for_each(|value| *value *= scale);
        let mut residual = combine(&self.products, &coefficients);
        add_scaled(&mut residual, -value, &vector);
        self.previous = std::mem::replace(&mut self.current, coefficients);
        Ok(Ritz { value, vector, residual })
    }

    /// Where there is no room for another vector, keeps the lowest Ritz vectors and the direction of the step before.
    fn restart_if_full(&mut self) {
        let m = self.vectors.len();
        if m < self.capacity || self.is_complete() {
            return;
        }
        let mut kept: Vec<Vec<f64>> =
            (0..(m / KEPT).max(1)).map(|l| self.eigenvectors.col(l).iter().copied().collect()).collect();
        let mut before = std::mem::take(&mut self.previous);
        before.resize(m, 0.0);
        let own = Self { vectors: kept.clone(), ..Self::new(m.into(), u64::MAX) };
        if own.orthonormalize(&mut before) {
            kept.push(before);
        }
        self.vectors = kept.iter().map(|c| combine(&self.vectors, c)).collect();
        self.products = kept.iter().map(|c| combine(&self.products, c)).collect();
        self.projected = (0..kept.len())
            .map(|i| (0..=i).map(|k| dot(&self.space, &self.vectors[k], &self.products[i])).collect())
            .collect();
        self.current = Vec::new();
    }
}

/// sum_i c_i v_i.
fn combine(vectors: &[Vec<f64>], coefficients: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors[0].len()];
    for (v, &c) in vectors.iter().zip(coefficients) {
        add_scaled(&mut sum, c, v);
    }
    sum
}

#[cfg(test)]
mod tests;
