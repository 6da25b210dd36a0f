//! Whether samples are in general position, which is Theorem 4's condition on them: the smallest singular value
//! sigma_min of [x_1 (x) x_1, ..., x_n (x) x_n] is above zero, and so n <= d(d+1)/2.
//!
//! A sigma_min that is zero is told where it can be known exactly: by rank, or by samples that are equal up to their
//! sign, which have the same x (x) x. Else it is measured: small sets by the singular value decomposition of the lifted
//! matrix, large ones as the square root of the smallest eigenvalue of K = (X X^T) squared elementwise, which is
//! searched for with products alone.

use memorize_kernels::rows::Part;
use memorize_kernels::{Engine, GatherRows, Mat, Rows, Spread, rows};

use super::bounds::{Lifted, largest_norm};
use super::constants::capacity;
use super::davidson::{self, DavidsonOptions, Step, Stop};
use super::gram_operator::GramOperator;
use super::lanczos::{LanczosOptions, RitzPair, smallest_eigenvalue};
use super::preconditioner::{self, Preconditioner};
use super::tensor_power::is_beyond;
use crate::error::TrainError;
use crate::span::{self, Span, Squared, power_of_two, scaled};

/// Residual, relative to the largest eigenvalue of K, at which it counts as found. It is far from the others where
/// samples have a mean: few products.
const LARGEST_TOLERANCE: f64 = 1e-8;
/// Most products for the largest eigenvalue.
const LARGEST_PRODUCTS: usize = 100;
/// Vectors of n that it takes, in the products that it has needed on samples of any kind: seven to nine.
pub(super) const VECTORS_OF_THE_LARGEST: u64 = 16;
/// What rounding to f32 changes a number by, relative to it, at most.
const UNIT_ROUNDOFF_F32: f64 = f32::EPSILON as f64 / 2.0;

/// How to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Residual of the smallest eigenvalue of K, relative to it, at which it counts as found. sigma_min's relative
    /// error is about half of it.
    pub tolerance: f64,
    /// Most products with K for it. Each reads the samples twice.
    pub max_products: usize,
    /// Landmarks of the preconditioner, at most one a sample; see [`super::preconditioner::default_rank`].
    pub rank: usize,
    /// Seed of the landmarks and of the start vectors.
    pub seed: u64,
    /// Bytes for the workspace, a quarter of them for the basis of the search: [`super::preconditioner::WORKSPACE`], or
    /// less. Twelve vectors are kept at least, 16 n bytes each with their products.
    pub workspace: u64,
    /// Whether a set that is small enough is decomposed instead.
    pub dense: bool,
}

/// Whether [`examine`] decomposes n samples of width d if it may.
///
/// ```
/// use memorize_train::theory::position::is_dense;
///
/// assert!(is_dense(500, 100) && !is_dense(60_000, 784));
/// ```
pub fn is_dense(n: usize, d: usize) -> bool {
    Lifted::fits(n, d)
}

/// Bytes that [`examine`] takes at once, the samples apart, with `here` of n samples of width d on this rank and so
/// many threads.
///
/// ```
/// use memorize_train::theory::position::{Settings, bytes};
/// use memorize_train::theory::preconditioner::WORKSPACE;
///
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 500, seed: 1, workspace: WORKSPACE, dense: false };
/// assert!(bytes(5000, 200, &settings, 5000, 2) < bytes(10_000, 200, &settings, 10_000, 2));
/// ```
pub fn bytes(n: usize, d: usize, settings: &Settings, here: usize, threads: usize) -> u64 {
    let narrower = Span::is_narrower(n, d);
    let with_span = |bytes| if narrower { Span::with(n, d, bytes) } else { bytes };
    let here = if narrower { n } else { here };
    let width = n.min(d) as u64;
    let squares = width.saturating_mul(width).saturating_mul(8 * (3 + threads as u64));
    let capacity = capacity(n.min(d));
    if n as u128 > capacity {
        // Only the largest singular value is looked for.
        let vectors = [here as u64, 8, VECTORS_OF_THE_LARGEST].into_iter().fold(1, u64::saturating_mul);
        return squares.saturating_add(vectors);
    }
    if settings.dense && is_dense(n, d) {
        // The lifted samples with the decomposition's copies, its vectors and what it works in, as measured.
        let (lifted, square) = (n as u128 * capacity, n as u128 * n as u128);
        return with_span((lifted * 27 + square * 50) as u64);
    }
    let of_all = preconditioner::bytes(n, settings.rank, settings.workspace);
    let preconditioner = (u128::from(of_all) * here as u128 / n.max(1) as u128) as u64;
    let made = preconditioner::peak(here, n, width as usize, settings.rank, settings.workspace, threads);
    let basis = davidson::bytes(here, settings.max_products, settings.workspace / 4);
    let searched = [squares, preconditioner, basis].into_iter().fold(0, u64::saturating_add);
    with_span(made.max(searched))
}

/// How sigma_min was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By counting: it is exactly zero.
    Exact,
    /// By a singular value decomposition.
    Dense,
    /// By an eigenvalue decomposition of K, whose condition number is the square.
    Gram,
    /// By products with K.
    Iterative,
}

/// Why sigma_min is exactly zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degeneracy {
    /// More samples than the d(d+1)/2 dimensions that x (x) x has, or those that its tensor powers have.
    BeyondCapacity,
    /// The same, once the coordinates that are zero in every sample are left out: only so many are not.
    ConstantZeros {
        /// Coordinates that some sample has.
        width: usize,
    },
    /// A sample that is zero.
    Zero {
        /// Its row.
        row: usize,
    },
    /// Two samples that are equal, or equal up to the sign.
    Repeated {
        /// The row of the first.
        first: usize,
        /// The row of the second.
        second: usize,
        /// How many samples have an equal one before them.
        count: usize,
    },
}

/// What can be said of the samples' position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// sigma_min is above zero by more than its error.
    GeneralPosition,
    /// sigma_min is zero, exactly.
    Degenerate(Degeneracy),
    /// sigma_min cannot be told from zero in f64.
    NumericallyDegenerate,
    /// The search did not find sigma_min, but that the smallest eigenvalue of K is below what rounding the largest to
    /// f32 changes.
    DegenerateInSinglePrecision,
    /// The search ended before its error was below its value: only an upper bound on sigma_min is known.
    Undecided,
}

/// A singular value with its error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingularValue {
    /// The value.
    pub value: f64,
    /// A singular value of the matrix lies within this distance: the residual, with the rounding errors of a product.
    pub error: f64,
    /// Whether the residual met its tolerance.
    pub converged: bool,
}

/// Lemma 8: dist_i is the distance of x_i (x) x_i from the span of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// The sample that is nearest to the span of the others, or that is known to be near.
    pub row: usize,
    /// min_i dist_i, or an upper bound on it.
    pub distance: f64,
    /// Whether it is the minimum and not an upper bound.
    pub exact: bool,
}

/// Where samples are.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// n.
    pub samples: usize,
    /// d.
    pub width: usize,
    /// The order of the tensor powers: 2 for x (x) x. K = (X X^T)^order elementwise.
    pub order: u32,
    /// B: the largest norm of a sample.
    pub input_bound: f64,
    /// What can be said.
    pub verdict: Verdict,
    /// How.
    pub method: Method,
    /// sigma_min; nothing where it cannot be told from zero.
    pub min: Option<SingularValue>,
    /// An upper bound on sigma_min, with all errors in it.
    pub min_below: f64,
    /// sigma_max.
    pub max: SingularValue,
    /// Singular values below this cannot be told from zero, however long one searches.
    pub resolution: f64,
    /// Lemma 8's nearest sample.
    pub nearest: Option<Nearest>,
    /// Products with K, for both.
    pub products: usize,
    /// Why the search for the smallest ended; nothing if there was none.
    pub stop: Option<Stop>,
}

/// Looks at the samples x, n x d. `watch` is told of every step of the search for the smallest eigenvalue of K and says
/// whether to go on. Samples of any scale will do: they are multiplied by a power of two, and what is found is brought
/// back. Fewer samples than they have numbers are looked at in coordinates of what they span.
///
/// # Errors
/// [`TrainError::NoSamples`] for an empty set; [`TrainError::NotFinite`] if a sample is not finite;
/// [`TrainError::SingularValuesOutOfRange`] if sigma_min or sigma_max is not a number of f64;
/// [`TrainError::Eigenvalues`] if a decomposition fails.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::position::{Degeneracy, Settings, Verdict, examine};
/// use memorize_train::theory::preconditioner::WORKSPACE;
///
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 2, seed: 1, workspace: WORKSPACE, dense: true };
/// let look = |second| examine(Engine::best(), &Mat::from_slice(2, 2, &[1.0, 0.0, second, 2.0]), &settings, |_| true);
/// // (1, 0) and (0, 2): columns of length 1 and 4, orthogonal.
/// let found = look(0.0)?;
/// assert!((found.min.unwrap().value - 1.0).abs() < 1e-12 && (found.max.value - 4.0).abs() < 1e-12);
/// // A sample twice.
/// let twice = examine(Engine::best(), &Mat::from_slice(2, 2, &[1.0, 2.0, -1.0, -2.0]), &settings, |_| true)?;
/// let repeated = Degeneracy::Repeated { first: 0, second: 1, count: 1 };
/// assert_eq!(twice.verdict, Verdict::Degenerate(repeated));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn examine<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    settings: &Settings,
    mut watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    if x.spread().whole() == 0 || x.cols() == 0 {
        return Err(TrainError::NoSamples);
    }
    let modulus = span::largest_modulus(engine.par, x)?;
    let exponent = span::exponent(modulus);
    if exponent == 0 {
        return at_scale(engine, x, settings, watch);
    }
    let found = at_scale(engine, &scaled(x, -exponent), settings, |step| {
        // What is watched is of the samples as they are, as far as that can be said.
        let back = |value: f64| Squared::new(2 * exponent, modulus).error(value);
        watch(&Step { value: back(step.value), residual: back(step.residual), ..*step })
    })?;
    found.scaled_back(exponent, modulus)
}

impl Position {
    /// Of samples that were divided by 2^e, with this largest modulus before.
    fn scaled_back(self, exponent: i32, modulus: f64) -> Result<Self, TrainError> {
        let back = Squared::new(exponent, modulus);
        let singular_value = |found: SingularValue| -> Result<SingularValue, TrainError> {
            Ok(SingularValue { value: back.apply(found.value)?, error: back.error(found.error), ..found })
        };
        let [first, second] = power_of_two::<f64>(exponent);
        Ok(Self {
            input_bound: self.input_bound * first * second,
            min: self.min.map(singular_value).transpose()?,
            min_below: back.error(self.min_below),
            max: singular_value(self.max)?,
            resolution: back.error(self.resolution),
            nearest: self.nearest.map(|nearest| Nearest { distance: back.error(nearest.distance), ..nearest }),
            ..self
        })
    }
}

fn at_scale<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    settings: &Settings,
    watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    let (n, d) = (x.spread().whole(), x.cols());
    let (degeneracy, input_bound) = (degeneracy(engine, x, 2), largest_norm(x));
    let found = match Span::is_narrower(n, d) {
        true => {
            let span = Span::new(x)?;
            let coordinates = Part::new(span.coordinates.as_ref(), x.spread().repeated(n));
            within(engine, &coordinates, degeneracy, settings, watch)
        }
        false => within(engine, x, degeneracy, settings, watch),
    };
    Ok(Position { width: d, input_bound, ..found? })
}

/// Looks at samples, or at their coordinates, whose degeneracy, if any, is known.
fn within<X: GatherRows<f64>>(
    engine: Engine,
    x: &X,
    degeneracy: Option<Degeneracy>,
    settings: &Settings,
    watch: impl FnMut(&Step) -> bool,
) -> Result<Position, TrainError> {
    let (n, d) = (x.spread().whole(), x.cols());
    if settings.dense && degeneracy.is_none() && is_dense(n, d) {
        return Ok(decomposed(&Lifted::new(x)?, [n, d], 2));
    }
    let operator = GramOperator::<f64, X>::new(engine, x);
    let largest = largest(|v| operator.apply(v), operator.dimension(), settings)?;
    let resolution = largest.resolution([n, d], 2);
    let found = at_least_the_largest(&largest, [n, d], 2, resolution);
    if let Some(degeneracy) = degeneracy {
        return Ok(Position { verdict: Verdict::Degenerate(degeneracy), ..found });
    }
    let preconditioner = Preconditioner::new(engine, x, settings.rank, settings.seed, settings.workspace)?;
    let options = search(settings, &largest, resolution);
    let (pair, stop) =
        davidson::smallest_eigenpair(|v| operator.apply(v), |v| preconditioner.apply(v), x.spread(), &options, watch)?;
    Ok(found.with_smallest(&x.spread(), &pair, [largest.value, resolution], Some(stop)))
}

/// What is known of n samples of width d once the largest eigenvalue of K is.
pub(super) fn at_least_the_largest(largest: &Eigenvalue, [n, d]: [usize; 2], order: u32, resolution: f64) -> Position {
    Position {
        samples: n,
        width: d,
        order,
        input_bound: 0.0,
        verdict: Verdict::Undecided,
        method: Method::Exact,
        min: Some(SingularValue { value: 0.0, error: 0.0, converged: true }),
        min_below: 0.0,
        max: largest.root(),
        resolution: resolution.sqrt(),
        nearest: None,
        products: largest.products,
        stop: None,
    }
}

/// From the singular value decomposition of n lifted samples of width d.
pub(super) fn decomposed(lifted: &Lifted, [samples, width]: [usize; 2], order: u32) -> Position {
    let (values, errors, resolution) = (lifted.singular_values(), lifted.residuals(), lifted.resolution());
    let told_from_zero = values.min > resolution;
    let nearest = told_from_zero.then(|| {
        let found = lifted.leave_one_out();
        let row = found.distances.iter().position(|&distance| distance == found.min).unwrap_or(0);
        Nearest { row, distance: found.min, exact: true }
    });
    let min = SingularValue { value: values.min, error: errors.min, converged: true };
    Position {
        samples,
        width,
        order,
        input_bound: 0.0,
        verdict: if told_from_zero { Verdict::GeneralPosition } else { Verdict::NumericallyDegenerate },
        method: Method::Dense,
        min: told_from_zero.then_some(min),
        min_below: values.min + errors.min.max(if told_from_zero { 0.0 } else { resolution }),
        max: SingularValue { value: values.max, error: errors.max, converged: true },
        resolution,
        nearest,
        products: 0,
        stop: None,
    }
}

/// How the smallest eigenvalue of K is searched for.
pub(super) fn search(settings: &Settings, largest: &Eigenvalue, resolution: f64) -> DavidsonOptions {
    DavidsonOptions {
        tolerance: settings.tolerance,
        largest: largest.value,
        max_products: settings.max_products,
        resolution,
        seed: settings.seed,
        basis_bytes: settings.workspace / 4,
    }
}

impl Position {
    /// With the smallest eigenvalue of K and its vector, found by a search that ended so, or by a decomposition.
    pub(super) fn with_smallest(
        self,
        space: &Spread,
        pair: &RitzPair,
        [largest, resolution]: [f64; 2],
        stop: Option<Stop>,
    ) -> Self {
        let smallest = Eigenvalue {
            value: pair.value.max(0.0),
            error: pair.residual + resolution,
            converged: pair.converged,
            products: pair.products,
        };
        let below = (smallest.value + resolution).sqrt();
        let (row, share) = largest_element(space, &pair.vector);
        let told_from_zero = smallest.value > resolution;
        let verdict = match () {
            () if !told_from_zero => Verdict::NumericallyDegenerate,
            () if smallest.value > smallest.error && smallest.converged => Verdict::GeneralPosition,
            () if smallest.value <= UNIT_ROUNDOFF_F32 * largest => Verdict::DegenerateInSinglePrecision,
            () => Verdict::Undecided,
        };
        Self {
            verdict,
            method: if stop.is_some() { Method::Iterative } else { Method::Gram },
            min: (told_from_zero && verdict != Verdict::DegenerateInSinglePrecision).then(|| smallest.root()),
            min_below: below,
            nearest: Some(Nearest { row, distance: below / share, exact: false }),
            products: self.products + smallest.products,
            stop,
            ..self
        }
    }
}

/// The first element of largest modulus: its number, and its modulus.
fn largest_element(space: &Spread, v: &[f64]) -> (usize, f64) {
    let larger = |best: (usize, f64), (row, v): (usize, f64)| if v.abs() > best.1 { (row, v.abs()) } else { best };
    let (row, share) = v.iter().copied().enumerate().fold((0, 0.0), larger);
    let (rows, shares) = (space.gather(vec![(space.range().start + row) as u64]), space.gather(vec![share]));
    rows.into_iter().map(|row| row as usize).zip(shares).fold((0, 0.0), larger)
}

/// An eigenvalue of K.
pub(super) struct Eigenvalue {
    pub(super) value: f64,
    pub(super) error: f64,
    pub(super) converged: bool,
    pub(super) products: usize,
}

impl Eigenvalue {
    /// sqrt(lambda). A number at most e away from lambda has a root at most sqrt(lambda) - sqrt(lambda - e) away from
    /// that.
    pub(super) fn root(&self) -> SingularValue {
        let error = self.value.sqrt() - (self.value - self.error).max(0.0).sqrt();
        SingularValue { value: self.value.sqrt(), error, converged: self.converged }
    }

    /// Of the largest: rounding errors of a product K v for v of length 1. An entry of A*(v) is a sum of n products,
    /// x^T S x two sums of d, and (x . y)^order its sum of d to that power; the rounding errors of a sum of N terms add
    /// up to sqrt(N) u of the sum of their moduli (Higham and Mary, 2019: N u in the worst case, which does not
    /// happen), and that sum is what ||K|| bounds where inner products have one sign, as of images. So (sqrt(n) + order
    /// sqrt(d)) u ||K||.
    pub(super) fn resolution(&self, [n, d]: [usize; 2], order: u32) -> f64 {
        ((n as f64).sqrt() + f64::from(order) * (d as f64).sqrt()) * (f64::EPSILON / 2.0) * self.value
    }
}

/// The largest eigenvalue of K, as the smallest of -K.
pub(super) fn largest(
    apply: impl Fn(&[f64]) -> Result<Vec<f64>, TrainError>,
    dimension: Spread,
    settings: &Settings,
) -> Result<Eigenvalue, TrainError> {
    let options = LanczosOptions {
        tolerance: LARGEST_TOLERANCE,
        max_products: LARGEST_PRODUCTS,
        seed: settings.seed,
        basis_bytes: settings.workspace / 4,
    };
    let negated = |v: &[f64]| Ok(apply(v)?.into_iter().map(|value| -value).collect());
    let found = smallest_eigenvalue(negated, dimension, &options)?;
    let value = -found.value;
    Ok(Eigenvalue { value, error: found.residual, converged: found.converged, products: found.products })
}

/// Why sigma_min is exactly zero, if that can be told without computing it.
pub(super) fn degeneracy<X: GatherRows<f64>>(engine: Engine, x: &X, order: u32) -> Option<Degeneracy> {
    let (spread, d) = (x.spread(), x.cols());
    let n = spread.whole();
    if is_beyond(n, d, order) {
        return Some(Degeneracy::BeyondCapacity);
    }
    let width = nonzero_columns(x);
    let zero = rows::map(engine.par, x, |row| row.iter().all(|&value| value == 0.0)).iter().position(|&zero| zero);
    let zero: Vec<u64> = zero.into_iter().map(|row| (spread.range().start + row) as u64).collect();
    if let Some(row) = spread.gather(zero).first().map(|&row| row as usize) {
        return Some(Degeneracy::Zero { row });
    }
    if is_beyond(n, width, order) {
        return Some(Degeneracy::ConstantZeros { width });
    }
    repeated(engine, x)
}

/// How many coordinates some sample has.
fn nonzero_columns<X: Rows<f64>>(x: &X) -> usize {
    let block = memorize_kernels::block::ROW_BLOCK;
    let mut scratch = Mat::zeros(if x.needs_scratch() { block } else { 0 }, x.cols());
    let mut seen = vec![false; x.cols()];
    for first in (0..x.rows()).step_by(block) {
        let range = first..x.rows().min(first + block);
        let view = x.block(range.clone(), &mut scratch);
        for i in 0..range.len() {
            seen.iter_mut().zip(view.row(i)).for_each(|(seen, &value)| *seen |= value != 0.0);
        }
        if seen.iter().all(|&seen| seen) {
            break;
        }
    }
    let seen: Vec<u8> = x.spread().gather(seen.into_iter().map(u8::from).collect());
    (0..x.cols()).filter(|&column| seen.iter().skip(column).step_by(x.cols()).any(|&seen| seen > 0)).count()
}

/// Samples that are equal, or equal up to their sign.
fn repeated<X: GatherRows<f64>>(engine: Engine, x: &X) -> Option<Degeneracy> {
    let mut keys: Vec<(u64, usize)> =
        x.spread().gather(rows::map(engine.par, x, key)).into_iter().enumerate().map(|(row, key)| (key, row)).collect();
    keys.sort_unstable();
    let mut pair = Mat::zeros(2, x.cols());
    let (mut earliest, mut count) = (None::<(usize, usize)>, 0);
    for window in keys.windows(2).filter(|window| window[0].0 == window[1].0) {
        let (first, second) = (window[0].1, window[1].1);
        rows::gather_whole(x, &[u32::try_from(first).ok()?, u32::try_from(second).ok()?], pair.as_mut());
        let (a, b) = (pair.row(0), pair.row(1));
        let (sign_a, sign_b) = (sign(a), sign(b));
        if a.iter().zip(b).all(|(a, b)| a * sign_a == b * sign_b) {
            count += 1;
            if earliest.is_none_or(|(_, before)| second < before) {
                earliest = Some((first, second));
            }
        }
    }
    earliest.map(|(first, second)| Degeneracy::Repeated { first, second, count })
}

/// The sign of the first coordinate that is not zero.
fn sign(row: &[f64]) -> f64 {
    row.iter().find(|&&value| value != 0.0).map_or(1.0, |value| value.signum())
}

/// A number that samples share if they are equal up to their sign, and hardly any others.
fn key(row: &[f64]) -> u64 {
    let sign = sign(row);
    // FNV-1a over 64-bit words; adding zero makes +0 of -0.
    row.iter().fold(0xcbf2_9ce4_8422_2325, |hash, value| {
        let mixed = (hash ^ (value * sign + 0.0).to_bits()).wrapping_mul(0x0100_0000_01b3);
        mixed ^ (mixed >> 29)
    })
}

#[cfg(test)]
mod tests;
