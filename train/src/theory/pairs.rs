//! A preconditioner for K = (X T^2 X^T) squared elementwise: the products of the samples' largest coordinates.
//!
//! ```text
//! z = U^T T x,  the coordinates along the eigenvectors of the second moments of T x, which are mu_1 >= mu_2 >= ...
//! K_jl = (z_j . z_l)^2 = sum_{a <= b} b_ja,b b_la,b  with  b_ja,b = z_ja z_jb (sqrt 2 where a < b)
//! ```
//!
//! B has the columns (a, b) whose mu_a mu_b are largest: twice that would be their variance, if z were normal. What it
//! leaves out of K's diagonal is a sum of squares as well, and its mean is the shift. Columns of K (see
//! [`super::nystrom`]) take three times the flops. On MNIST with noise of 0.01, ranks d, 2d, 3d and 4d leave 31, 26, 23
//! and 22 products to a search, columns of K 32 with rank d and 26 with 2d. Without the metric T columns of K are
//! better: 82 with 2d and 55 with 4d, against 76 and 71.

use std::ops::Range;

use memorize_kernels::pass::weighted_gram_bytes;
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, MatRef, Rows, Spread, pass, rows};

use super::constants::capacity;
use super::gram_operator::squared_length;
use super::low_rank::LowRank;
use crate::error::TrainError;
use crate::features::Featured;
use crate::metric::Metric;

/// Of d coordinates the first d/2, rounded up, have products, unless there are too few of those: the others would have
/// to be computed for few products each.
const SHARE: usize = 2;
/// Samples, evenly spaced, that the shift is the mean of, some more or fewer.
const SAMPLED: usize = 4096;

impl<T: Element> LowRank<T> {
    /// From the products of coordinates of the samples x, so many at most. It takes n rank elements of memory, n rank^2
    /// flops for B^T B and at most n d^2 for the coordinates.
    ///
    /// # Errors
    /// [`TrainError::NoSamples`] for an empty set or a rank of zero; [`TrainError::Eigenvalues`] if the samples are not
    /// finite or too large.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Metric;
    /// use memorize_train::theory::low_rank::LowRank;
    ///
    /// let x = Mat::from_fn(50, 4, |j, k| ((j * (k + 3)) % 17) as f64 - 8.0);
    /// let t = Metric::of(&Engine::best(), &x)?;
    /// // Four coordinates have ten products.
    /// assert_eq!(LowRank::pairs(Engine::best(), &x, &t, 100)?.rank(), 10);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn pairs<X: GatherRows<T>>(engine: Engine, x: &X, metric: &Metric<T>, rank: usize) -> Result<Self, TrainError> {
        let spread = x.spread();
        let rank = rank.min(spread.whole());
        let pairs = largest(&metric.moments()[..coordinates(x.cols(), rank)], rank);
        let Some(last) = pairs.iter().map(|&[_, b]| b).max() else { return Err(TrainError::NoSamples) };
        let coordinates = Featured::new(x, &metric.coordinates(last + 1)?, engine)?;
        let factor = rows::to_mat(engine.par, &Products { coordinates, pairs });
        let shift = mean_left_out(&engine, x, metric, &factor)?;
        Self::new(engine, Part::new(factor, spread), shift)
    }
}

/// Bytes that [`LowRank::pairs`] takes at once, the samples and the metric apart, with `here` of the samples of width d
/// on this rank, and so many threads.
///
/// ```
/// use memorize_train::theory::{nystrom, pairs};
///
/// // No inverse of the columns' own part of K.
/// assert!(pairs::peak::<f32>(60_000, 784, 1568, 2) < nystrom::peak::<f32>(60_000, 60_000, 784, 1568, 2));
/// ```
pub fn peak<T: Element>(here: usize, d: usize, rank: usize, threads: usize) -> u64 {
    let (own, wide) = (size_of::<T>() as u64, size_of::<f64>() as u64);
    let product = |factors: [usize; 2], bytes: u64| factors.iter().fold(bytes, |all, &x| all.saturating_mul(x as u64));
    let factor = product([here, rank], own);
    // The directions of the coordinates, packed.
    let made = product([coordinates(d, rank), d], 2 * own).saturating_add(product([here.min(SAMPLED), d], own));
    let gram = weighted_gram_bytes::<T>(here, rank, threads).max(product([rank, rank], own + 2 * wide));
    factor.saturating_add(made.max(gram))
}

/// How many of d coordinates have products, if so many are wanted.
pub(crate) fn coordinates(d: usize, products: usize) -> usize {
    let enough = |m: &usize| capacity(*m) >= products as u128;
    (d.div_ceil(SHARE)..d).find(enough).unwrap_or(d)
}

/// The pairs a <= b with the largest products mu_a mu_b, so many at most, of moments in descending order.
fn largest(moments: &[f64], count: usize) -> Vec<[usize; 2]> {
    let mut pairs = Vec::new();
    for a in 0..moments.len() {
        for b in a..moments.len() {
            // Every a' <= b' with a' <= a and b' <= b has a product that is no smaller.
            if (a + 1) * (b + 1) - a * (a + 1) / 2 > count {
                break;
            }
            pairs.push([a, b]);
        }
    }
    let product = |&[a, b]: &[usize; 2]| moments[a] * moments[b];
    pairs.sort_by(|left, right| product(right).total_cmp(&product(left)).then(left.cmp(right)));
    pairs.truncate(count);
    pairs
}

/// The mean of (x^T T^2 x)^2 - ||b||^2 over samples that are evenly spaced, or what rounding leaves of it.
fn mean_left_out<T: Element, X: GatherRows<T>>(
    engine: &Engine,
    x: &X,
    metric: &Metric<T>,
    factor: &Mat<T>,
) -> Result<f64, TrainError> {
    let (spread, first) = (x.spread(), x.spread().range().start);
    let every = spread.whole().div_ceil(SAMPLED).max(1);
    let chosen: Vec<u32> = (0..x.rows()).filter(|j| (first + j).is_multiple_of(every)).map(|j| j as u32).collect();
    let mut sampled = Mat::zeros(chosen.len(), x.cols());
    x.gather(&chosen, sampled.as_mut());
    let mut forms = vec![T::ZERO; chosen.len()];
    pass::quadratic_forms(engine, &sampled, &engine.pack_symmetric(metric.square().as_ref())?, &mut forms)?;
    let (mut diagonal, mut left) = (vec![0.0; x.rows()], vec![0.0; x.rows()]);
    for (&j, form) in chosen.iter().zip(forms) {
        let j = j as usize;
        diagonal[j] = form.to_f64().powi(2);
        left[j] = diagonal[j] - squared_length(factor.row(j));
    }
    let sum = |values: Vec<f64>| spread.sum(|range| values[range].iter().sum());
    let least = T::EPSILON.sqrt() * sum(diagonal);
    let samples = spread.whole().div_ceil(every) as f64;
    Ok((sum(left).max(least) / samples).max(f64::MIN_POSITIVE))
}

/// Rows b_j of the products of coordinates.
struct Products<X> {
    coordinates: X,
    pairs: Vec<[usize; 2]>,
}

impl<T: Element, X: Rows<T>> Rows<T> for Products<X> {
    fn rows(&self) -> usize {
        self.coordinates.rows()
    }

    fn cols(&self) -> usize {
        self.pairs.len()
    }

    fn block<'b>(&'b self, range: Range<usize>, scratch: &'b mut Mat<T>) -> MatRef<'b, T> {
        let rows = range.len();
        let mut unused = Mat::zeros(rows, self.coordinates.cols());
        let coordinates = self.coordinates.block(range, &mut unused);
        let root = T::from_f64(std::f64::consts::SQRT_2);
        for j in 0..rows {
            let z = coordinates.row(j);
            for (out, &[a, b]) in scratch.row_mut(j).iter_mut().zip(&self.pairs) {
                let product = z[a] * z[b];
                *out = if a == b { product } else { product * root };
            }
        }
        scratch.as_ref().rows_range(0..rows)
    }

    fn needs_scratch(&self) -> bool {
        true
    }

    fn spread(&self) -> Spread {
        self.coordinates.spread()
    }
}

#[cfg(test)]
mod tests;
