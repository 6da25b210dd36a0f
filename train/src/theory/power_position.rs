//! The smallest singular value of X_q = [x_1^(tensor q), ..., x_n^(tensor q)] for an even order q, which is the sigma
//! that Theorem 6 speaks of with q = 2p. For q = 2 it is [`position::examine`]'s sigma_min, and that is called.
//!
//! ```text
//! n D_d^q small:  singular values of the n x D_d^q matrix of weighted monomials (see tensor_power)
//! n small:        eigenvalues of K = (X X^T)^q elementwise, n x n; their roots have the error of a root
//! else:           the smallest eigenvalue of K by products, K v = sum_j (x_i . x_j)^q v_j, 2 n^2 d flops
//! ```
//!
//! A row of K is what random features with the power q would be whose weights are the samples: a block of rows is made
//! by that pass, multiplied with v, and forgotten. K never exists. Samples are divided by a power of two first, which
//! changes none of their bits, so that the longest has a norm from 1 to 2; what is found goes with its q-th power.

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen};
use memorize_kernels::block::ROW_BLOCK;
use memorize_kernels::rows::Part;
use memorize_kernels::{Engine, GatherRows, Mat, Par, Rows, Spread, pass, rows};

use super::davidson::{self, Step};
use super::gram_operator::squared_length;
use super::lanczos::{RitzPair, distance};
use super::position::{self, Eigenvalue, Nearest, Position, Settings, SingularValue, Verdict};
use super::preconditioner::{self, Preconditioner};
use super::tensor_power::{self, check_order, is_beyond};
use crate::error::TrainError;
use crate::features::{FeatureLayer, Featured};
use crate::span::{self, Span, scaled};
use crate::spectrum::DENSE_SAMPLES;

/// Whether [`examine`] decomposes a matrix of n samples of width d if it may: of their monomials, or K.
///
/// ```
/// use memorize_train::theory::power_position::is_dense;
///
/// assert!(is_dense(2000, 784, 4) && !is_dense(60_000, 784, 4));
/// ```
pub fn is_dense(n: usize, d: usize, order: u32) -> bool {
    if order == 2 { position::is_dense(n, d) } else { n <= DENSE_SAMPLES }
}

/// Bytes that [`examine`] takes at once, the samples apart, with `here` of n samples of width d on this rank and so
/// many threads.
///
/// ```
/// use memorize_train::theory::position::Settings;
/// use memorize_train::theory::power_position::bytes;
/// use memorize_train::theory::preconditioner::WORKSPACE;
///
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 500, seed: 1, workspace: WORKSPACE, dense: false };
/// let of = |n| bytes([n, 200], 4, &settings, n, 2);
/// assert!(of(5000) < of(10_000));
/// ```
pub fn bytes([n, d]: [usize; 2], order: u32, settings: &Settings, here: usize, threads: usize) -> u64 {
    if order == 2 {
        return position::bytes(n, d, settings, here, threads);
    }
    let narrower = Span::is_narrower(n, d);
    let with_span = |bytes| if narrower { Span::with(n, d, bytes) } else { bytes };
    let (here, width) = (if narrower { n } else { here }, n.min(d));
    let product = |factors: [usize; 3]| factors.into_iter().fold(1u64, |all, factor| all.saturating_mul(factor as u64));
    if settings.dense && n <= DENSE_SAMPLES && !is_beyond(n, width, order) {
        // As measured: the monomials as position::bytes has it, or K with its decomposition and the samples.
        let columns = if tensor_power::fits(n, width, order) { tensor_power::dimension(width, order) } else { None };
        let columns = columns.and_then(|columns| usize::try_from(columns).ok());
        return with_span(match columns {
            Some(columns) => product([n, columns, 27]).saturating_add(product([n, n, 50])),
            None => product([n, width, 35]).saturating_add(product([n, n, 46])),
        });
    }
    // The samples of all ranks once more, twice for a moment, and blocks of rows of K with those of the samples.
    let (kept, twice) = (product([n, width, 8]), product([n, width, 16]));
    let blocks = product([threads.saturating_mul(ROW_BLOCK).min(n), n.saturating_add(width), 8]);
    let searched = if is_beyond(n, width, order) {
        blocks.saturating_add(product([here, 8, position::VECTORS_OF_THE_LARGEST as usize]))
    } else {
        let of_all = preconditioner::bytes(n, settings.rank, settings.workspace);
        let own = (u128::from(of_all) * here as u128 / n.max(1) as u128) as u64;
        let made = preconditioner::peak(here, n, width, settings.rank, settings.workspace, threads);
        let basis = davidson::bytes(here, settings.max_products, settings.workspace / 4);
        made.max(own.saturating_add(basis).saturating_add(blocks))
    };
    with_span(twice.max(kept.saturating_add(searched)))
}

/// Looks at the tensor powers of this order of the samples x, n x d, as [`position::examine`] does at x (x) x. `watch`
/// is told of every step of the search for the smallest eigenvalue of K and says whether to go on.
///
/// # Errors
/// [`TrainError::Order`] unless the order is even and in range; [`TrainError::NoSamples`] for an empty set;
/// [`TrainError::NotFinite`] if a sample is not finite; [`TrainError::PowersOutOfRange`] if powers of the norms or what
/// is found are not numbers of f64; [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::position::Settings;
/// use memorize_train::theory::power_position::examine;
/// use memorize_train::theory::preconditioner::WORKSPACE;
///
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 2, seed: 1, workspace: WORKSPACE, dense: true };
/// // Orthogonal samples of length 1 and 2: their fourth tensor powers are orthogonal, of length 1 and 16.
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]);
/// let found = examine(Engine::best(), &x, 4, &settings, |_| true)?;
/// assert!((found.min.unwrap().value - 1.0).abs() < 1e-12 && (found.max.value - 16.0).abs() < 1e-12);
/// assert!(examine(Engine::best(), &x, 3, &settings, |_| true).is_err());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn examine<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    order: u32,
    settings: &Settings,
    mut watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    check_order(order)?;
    if order == 2 {
        return position::examine(engine, x, settings, watch);
    }
    if x.spread().whole() == 0 || x.cols() == 0 {
        return Err(TrainError::NoSamples);
    }
    let scale = Scale::new(engine, x, order)?;
    let found = at_scale(engine, &scaled(x, -scale.exponent), order, settings, |step| {
        let back = |value: f64| scale.times(value, 2);
        watch(&Step { value: back(step.value), residual: back(step.residual), ..*step })
    })?;
    scale.back(found)
}

/// The power of two that samples are divided by, and their norms before.
#[derive(Clone, Copy, Debug)]
struct Scale {
    exponent: i32,
    order: u32,
    /// Least norm that is not zero and largest, of the samples once they are divided.
    norms: [f64; 2],
}

impl Scale {
    fn new<X: Rows<f64>>(engine: Engine, x: &X, order: u32) -> Result<Self, TrainError> {
        let exponent = |value: f64| if value > 0.0 { value.log2().floor() as i32 } else { 0 };
        // First so that the norms are numbers, then so that the largest is about 1.
        let first = exponent(span::largest_modulus(engine.par, x)?);
        let [_, longest] = norms(engine, &scaled(x, -first));
        let exponent = first + exponent(longest);
        let found = Self { exponent, order, norms: norms(engine, &scaled(x, -exponent)) };
        if found.norms[0].powi(2 * order as i32) < f64::MIN_POSITIVE && found.norms[0] > 0.0 {
            return Err(found.out_of_range());
        }
        Ok(found)
    }

    fn out_of_range(&self) -> TrainError {
        let [shortest, longest] = self.norms.map(|norm| libm::ldexp(norm, self.exponent));
        TrainError::PowersOutOfRange { order: self.order, shortest, longest }
    }

    /// Of what goes with so many tensor powers of a sample.
    fn times(&self, value: f64, powers: i32) -> f64 {
        libm::ldexp(value, powers * self.exponent * self.order as i32)
    }

    /// What was found of the samples as they are.
    fn back(&self, found: Position) -> Result<Position, TrainError> {
        // An error may be rounded up.
        let error = |value: f64| if value == 0.0 { 0.0 } else { self.times(value, 1).max(f64::MIN_POSITIVE) };
        let singular_value = |found: SingularValue| {
            let value = self.times(found.value, 1);
            let fine = value.is_finite() && (value >= f64::MIN_POSITIVE || found.value == 0.0);
            let back = SingularValue { value, error: error(found.error), ..found };
            if fine { Ok(back) } else { Err(self.out_of_range()) }
        };
        Ok(Position {
            input_bound: libm::ldexp(self.norms[1], self.exponent),
            min: found.min.map(singular_value).transpose()?,
            min_below: error(found.min_below),
            max: singular_value(found.max)?,
            resolution: error(found.resolution),
            nearest: found.nearest.map(|nearest| Nearest { distance: error(nearest.distance), ..nearest }),
            ..found
        })
    }
}

/// The least norm that is not zero (zero if all are) and the largest of the samples of all ranks.
fn norms<X: Rows<f64>>(engine: Engine, x: &X) -> [f64; 2] {
    let all = rows::map(engine.par, x, |row| squared_length(row).sqrt());
    let least = all.iter().copied().filter(|&norm| norm > 0.0).fold(f64::INFINITY, f64::min);
    let most = all.into_iter().fold(0.0, f64::max);
    let least = x.spread().gather(vec![least]).into_iter().fold(f64::INFINITY, f64::min);
    let most = x.spread().gather(vec![most]).into_iter().fold(0.0, f64::max);
    [if least.is_finite() { least } else { 0.0 }, most]
}

fn at_scale<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    order: u32,
    settings: &Settings,
    watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    let (n, d) = (x.spread().whole(), x.cols());
    let degenerate = position::degeneracy(engine, x, order).map(Verdict::Degenerate);
    let found = match Span::is_narrower(n, d) {
        true => {
            let span = Span::new(x)?;
            let coordinates = Part::new(span.coordinates.as_ref(), x.spread().repeated(n));
            within(engine, &coordinates, order, degenerate, settings, watch)
        }
        false => within(engine, x, order, degenerate, settings, watch),
    };
    Ok(Position { width: d, ..found? })
}

fn within<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    order: u32,
    degenerate: Option<Verdict>,
    settings: &Settings,
    watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    let shape = [x.spread().whole(), x.cols()];
    if settings.dense && degenerate.is_none() && tensor_power::fits(shape[0], shape[1], order) {
        let lifted = tensor_power::lifted(&rows::whole(Par::POOL, x), order)?;
        return Ok(position::decomposed(&lifted, shape, order));
    }
    if settings.dense && degenerate.is_none() && shape[0] <= DENSE_SAMPLES {
        return gram(x, order);
    }
    let operator = PowerOperator::new(engine, x, order)?;
    let largest = position::largest(|v| operator.apply(v), x.spread(), settings)?;
    let resolution = largest.resolution(shape, order);
    let found = position::at_least_the_largest(&largest, shape, order, resolution);
    if let Some(verdict) = degenerate {
        return Ok(Position { verdict, ..found });
    }
    let made_of = (settings.rank, settings.seed, settings.workspace);
    let preconditioner = Preconditioner::of_power(engine, x, made_of, order)?;
    let options = position::search(settings, &largest, resolution);
    let (pair, stop) =
        davidson::smallest_eigenpair(|v| operator.apply(v), |v| preconditioner.apply(v), x.spread(), &options, watch)?;
    Ok(found.with_smallest(&x.spread(), &pair, [largest.value, resolution], Some(stop)))
}

/// By the eigenvalues of K. An element of it is wrong by order (d+1) u (||x_i|| ||x_j||)^order at most, and a matrix
/// of such numbers has the norm order (d+1) u trace K; the decomposition is that of a matrix n u ||K|| away.
fn gram<X: Rows<f64>>(x: &X, order: u32) -> Result<Position, TrainError> {
    let (spread, x) = (x.spread(), rows::whole(Par::POOL, x));
    let (n, d) = (x.rows(), x.cols());
    let mut k = dense::times_transpose(Dense::from_fn(n, d, |i, a| x.row(i)[a]).as_ref());
    for column in 0..n {
        (0..n).for_each(|row| k[(row, column)] = k[(row, column)].powi(order as i32));
    }
    let Eigen { values, vectors } = dense::eigen_among(&spread, n, || k.clone()).ok_or(TrainError::Eigenvalues(n))?;
    let alone = Spread::alone(n);
    let pair = |at: usize| {
        let vector: Vec<f64> = vectors.col(at).iter().copied().collect();
        let product: Vec<f64> = dense::product(k.as_ref(), vectors.col(at).as_mat()).col(0).iter().copied().collect();
        let residual = distance(&alone, &product, values[at], &vector);
        RitzPair { value: values[at], residual, vector, products: 0, converged: true }
    };
    let (smallest, largest) = (pair(0), pair(n - 1));
    let trace: f64 = (0..n).map(|j| k[(j, j)]).sum();
    let unit = f64::EPSILON / 2.0;
    let resolution = unit * (n as f64 * largest.value + f64::from(order) * (d as f64 + 1.0) * trace);
    let most = Eigenvalue { value: largest.value, error: largest.residual + resolution, converged: true, products: 0 };
    let found = position::at_least_the_largest(&most, [n, d], order, resolution);
    Ok(found.with_smallest(&alone, &smallest, [largest.value, resolution], None))
}

/// K = (X X^T)^order elementwise, n x n, applied to vectors without ever being formed.
#[derive(Debug)]
pub struct PowerOperator<'a, X> {
    engine: Engine,
    /// Row i has the elements (x_i . x_j)^order.
    rows: Featured<f64, &'a X>,
}

impl<'a, X: Rows<f64>> PowerOperator<'a, X> {
    /// Of the samples X, n x d. It keeps those of all ranks.
    ///
    /// # Errors
    /// [`TrainError::Power`] if the order is zero or above [`crate::features::MAX_POWER`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::power_position::PowerOperator;
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0f64, 0.0, 1.0, 2.0]);
    /// // K_jl = (x_j . x_l)^4.
    /// assert_eq!(PowerOperator::new(Engine::best(), &x, 4)?.apply(&[0.0, 1.0])?, [1.0, 625.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(engine: Engine, x: &'a X, order: u32) -> Result<Self, TrainError> {
        let all: Mat<f64> = rows::whole(Par::POOL, x);
        Ok(Self { engine, rows: Featured::new(x, &FeatureLayer::new(all, order)?, engine)? })
    }

    /// K v. v: n, this rank's part of it.
    ///
    /// # Errors
    /// If v does not have n elements.
    pub fn apply(&self, v: &[f64]) -> Result<Vec<f64>, TrainError> {
        let mut product = vec![0.0; v.len()];
        let whole = self.rows.spread().gather(v.to_vec());
        pass::times_vector(&self.engine, &self.rows, &whole, &mut product)?;
        Ok(product)
    }
}

#[cfg(test)]
mod tests;
