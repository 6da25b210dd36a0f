//! The smallest eigenvalue of a symmetric operator that is known by its products alone: Lanczos with full
//! reorthogonalisation and thick restarts (Wu and Simon, 2000), in f64.
//!
//! ```text
//! V = [v], v random of length 1
//! loop: w = H v_last;  T(., last) = V^T w;  w = w - V V^T w (twice);  (theta, s) = smallest eigenpair of T
//!       stop if ||w|| |s_last| <= tolerance |theta|
//!       when V is full: V = V [eigenvectors of T's smallest eigenvalues], T = diag of these eigenvalues
//!       append w / ||w|| to V
//! ```
//!
//! The columns of T are the coefficients of the orthogonalisation, so that what a restart leaves needs no special form.

use faer::Mat as Dense;
use memorize_data::dense::{self, Eigen};
use memorize_kernels::Spread;

use super::vector::{add_scaled, dot, length, normals};
use crate::error::TrainError;

/// Most vectors in the basis.
const BASIS: usize = 80;
/// Fewest: below this a restart forgets too much.
const SMALLEST_BASIS: usize = 12;
/// Bytes that the basis takes at most where nobody says what it may.
pub const BASIS_BYTES: u64 = 1 << 30;

/// When to stop, and where to start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LanczosOptions {
    /// Residual norm, relative to the eigenvalue, at which it counts as found. The rounding errors of a product,
    /// relative to the operator's norm, are a floor below it.
    pub tolerance: f64,
    /// Most products with the operator; two are the least that it takes, the second for the residual.
    pub max_products: usize,
    /// Seed of the start vector, drawn from the stream (seed, probe, 0).
    pub seed: u64,
    /// Bytes that the basis may take: [`BASIS_BYTES`], or less. Twelve vectors are kept whatever they take.
    pub basis_bytes: u64,
}

impl Default for LanczosOptions {
    fn default() -> Self {
        Self { tolerance: 1e-8, max_products: 500, seed: 0, basis_bytes: BASIS_BYTES }
    }
}

impl LanczosOptions {
    /// Vectors that the basis has at most, for an operator on vectors of this dimension.
    ///
    /// ```
    /// use memorize_train::theory::lanczos::LanczosOptions;
    ///
    /// // As many as fit, and no more than there are dimensions.
    /// assert_eq!(LanczosOptions { basis_bytes: 8000 * 20, ..Default::default() }.vectors(1000), 20);
    /// assert_eq!(LanczosOptions::default().vectors(5), 5);
    /// ```
    pub fn vectors(&self, dimension: usize) -> usize {
        let vector = (dimension.max(1) as u64).saturating_mul(size_of::<f64>() as u64);
        let fits = usize::try_from(self.basis_bytes / vector).unwrap_or(usize::MAX);
        fits.clamp(SMALLEST_BASIS, BASIS).min(dimension.max(2))
    }

    /// Vectors that are there at once, at most: one for each product, or a full basis with the half that a restart
    /// makes of it.
    ///
    /// ```
    /// use memorize_train::theory::lanczos::LanczosOptions;
    ///
    /// let options = LanczosOptions { max_products: 10, ..Default::default() };
    /// assert_eq!(options.vectors_at_once(1000), 10);
    /// ```
    pub fn vectors_at_once(&self, dimension: usize) -> usize {
        let full = self.vectors(dimension);
        if self.max_products > full + 1 { full + full / 2 } else { full.min(self.max_products) }
    }
}

/// An approximate eigenpair with its error.
#[derive(Clone, Debug)]
pub struct RitzPair {
    /// theta = v^T H v: never below the smallest eigenvalue, but for rounding.
    pub value: f64,
    /// ||H v - theta v||, computed from a product of its own: an eigenvalue of H lies within this distance of theta.
    pub residual: f64,
    /// v, of length 1.
    pub vector: Vec<f64>,
    /// Products with H that it took.
    pub products: usize,
    /// Whether the tolerance was met within the products allowed.
    pub converged: bool,
}

/// The smallest eigenvalue of the symmetric operator `apply` on vectors of this dimension, as a Ritz pair. The vectors
/// are spread over ranks if the dimension says so.
///
/// # Errors
/// Errors of a product; [`TrainError::Eigenvalues`] if a product is not finite or a projected problem fails.
///
/// # Panics
/// If `dimension` is zero.
///
/// ```
/// use memorize_train::theory::lanczos::{LanczosOptions, smallest_eigenvalue};
///
/// let times = |v: &[f64]| Ok(v.iter().zip([3.0, -1.0, 2.0]).map(|(v, d)| v * d).collect());
/// let found = smallest_eigenvalue(times, 3, &LanczosOptions::default())?;
/// assert!(found.converged && (found.value + 1.0).abs() < 1e-8);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn smallest_eigenvalue(
    mut apply: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    dimension: impl Into<Spread>,
    options: &LanczosOptions,
) -> Result<RitzPair, TrainError> {
    let space = dimension.into();
    let dimension = space.whole();
    assert!(dimension > 0, "an operator on nothing has no eigenvalues");
    let mut apply = |v: &[f64]| {
        let product = apply(v)?;
        if product.iter().all(|value| value.is_finite()) {
            Ok(product)
        } else {
            Err(TrainError::Eigenvalues(dimension))
        }
    };
    let mut krylov = Krylov::new(space.clone(), options.seed, options.vectors(dimension));
    let mut products = 0;
    let (ritz, converged) = loop {
        let w = apply(krylov.newest())?;
        products += 1;
        let step = krylov.expand(w)?;
        if step.residual <= step.goal(options.tolerance) {
            break (krylov.combine(&step.smallest), true);
        }
        // One product is kept for the residual of the answer.
        if products + 1 >= options.max_products {
            break (krylov.combine(&step.smallest), false);
        }
        krylov.advance(step);
    };
    let product = apply(&ritz)?;
    let value = dot(&space, &ritz, &product);
    let residual = distance(&space, &product, value, &ritz);
    Ok(RitzPair { value, residual, vector: ritz, products: products + 1, converged })
}

/// ||product - value v||.
pub(super) fn distance(space: &Spread, product: &[f64], value: f64, v: &[f64]) -> f64 {
    let square = |j: usize| (product[j] - value * v[j]).powi(2);
    space.sum(|range| range.map(square).sum()).sqrt()
}

/// An orthonormal basis V and T = V^T H V, but for the newest vector's row and column before [`Krylov::expand`].
struct Krylov {
    space: Spread,
    basis: Vec<Vec<f64>>,
    projected: Vec<Vec<f64>>,
    capacity: usize,
}

/// Result of one more product.
struct Step {
    /// Eigenvalues of T, ascending, and the eigenvectors in columns.
    values: Vec<f64>,
    vectors: Dense<f64>,
    /// The eigenvector of the smallest.
    smallest: Vec<f64>,
    /// The part of the product that is orthogonal to the basis, and its length.
    outside: Vec<f64>,
    length: f64,
    /// Residual norm of the smallest Ritz pair.
    residual: f64,
}

impl Step {
    /// Largest modulus of an eigenvalue of T: a lower bound on the operator's norm.
    fn norm(&self) -> f64 {
        self.values.iter().fold(0.0, |norm: f64, value| norm.max(value.abs()))
    }

    /// The residual that is small enough.
    fn goal(&self, tolerance: f64) -> f64 {
        (tolerance * self.values[0].abs()).max(4.0 * f64::EPSILON * self.norm())
    }
}

impl Krylov {
    /// Begins with a random direction.
    fn new(space: Spread, seed: u64, capacity: usize) -> Self {
        let mut v = normals(&space, seed, 0);
        let length = length(&space, &v);
        v.iter_mut().for_each(|value| *value /= length);
        Self { space, basis: vec![v], projected: Vec::new(), capacity }
    }

    fn newest(&self) -> &[f64] {
        self.basis.last().expect("there is always a newest vector")
    }

    /// Takes in `w` = H times the newest vector.
    fn expand(&mut self, mut w: Vec<f64>) -> Result<Step, TrainError> {
        let mut column = self.orthogonalize(&mut w);
        let correction = self.orthogonalize(&mut w);
        column.iter_mut().zip(correction).for_each(|(sum, value)| *sum += value);
        let m = column.len();
        for (row, &value) in self.projected.iter_mut().zip(&column) {
            row.push(value);
        }
        self.projected.push(column);
        // The lower triangle holds each coefficient as it came with the later of the two vectors.
        let t = || Dense::from_fn(m, m, |i, k| self.projected[i.max(k)][i.min(k)]);
        let Eigen { values, vectors } = dense::eigen_among(&self.space, m, t).ok_or(TrainError::Eigenvalues(m))?;
        let smallest: Vec<f64> = (0..m).map(|i| vectors[(i, 0)]).collect();
        let length = length(&self.space, &w);
        Ok(Step { values, vectors, residual: length * smallest[m - 1].abs(), smallest, outside: w, length })
    }

    /// Appends the direction of `step.outside`; first, if the basis is full, only its best part is kept.
    fn advance(&mut self, step: Step) {
        let m = self.basis.len();
        if m >= self.capacity {
            let keep = m / 2;
            let part = |l: usize| (0..m).map(|i| step.vectors[(i, l)]).collect::<Vec<f64>>();
            self.basis = (0..keep).map(|l| self.combine(&part(l))).collect();
            self.projected =
                (0..keep).map(|i| (0..keep).map(|k| if i == k { step.values[i] } else { 0.0 }).collect()).collect();
        }
        let mut next = step.outside;
        next.iter_mut().for_each(|value| *value /= step.length);
        self.basis.push(next);
    }

    /// Subtracts from `w` its part in the basis, and gives the coefficients of that part.
    fn orthogonalize(&self, w: &mut [f64]) -> Vec<f64> {
        let coefficients: Vec<f64> = self.basis.iter().map(|v| dot(&self.space, v, w)).collect();
        for (v, &coefficient) in self.basis.iter().zip(&coefficients) {
            add_scaled(w, -coefficient, v);
        }
        coefficients
    }

    /// V s.
    fn combine(&self, s: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.basis[0].len()];
        for (v, &s) in self.basis.iter().zip(s) {
            add_scaled(&mut sum, s, v);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagonal(values: &[f64]) -> impl Fn(&[f64]) -> Result<Vec<f64>, TrainError> {
        move |v: &[f64]| Ok(v.iter().zip(values).map(|(v, value)| v * value).collect())
    }

    #[test]
    fn finds_the_smallest_eigenvalue_through_many_restarts() {
        // A condition that the first basis cannot meet: 2000 eigenvalues, the smallest close to the next.
        let values: Vec<f64> = (0..2000).map(|i| ((i * 7) % 2000) as f64 * 0.01 - 1.0).collect();
        let found = smallest_eigenvalue(diagonal(&values), 2000, &LanczosOptions::default()).unwrap();
        assert!(found.converged && found.products > 2 * BASIS, "{}", found.products);
        assert!((found.value + 1.0).abs() <= found.residual.max(1e-14), "{} {}", found.value, found.residual);
        assert!(found.residual <= 1e-7 && (found.vector[0].abs() - 1.0).abs() < 1e-10);
    }

    #[test]
    fn a_multiple_smallest_eigenvalue_is_no_obstacle() {
        let values: Vec<f64> = (0..200).map(|i| if i % 3 == 0 { -0.5 } else { i as f64 }).collect();
        let found = smallest_eigenvalue(diagonal(&values), 200, &LanczosOptions::default()).unwrap();
        assert!(found.converged && (found.value + 0.5).abs() < 1e-12, "{} {}", found.value, found.residual);
    }

    #[test]
    fn the_smallest_operators_are_solved_exactly() {
        for values in [&[3.0][..], &[2.0, 2.0], &[0.0; 5], &[1.0, -4.0, 2.0]] {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let found = smallest_eigenvalue(diagonal(values), values.len(), &LanczosOptions::default()).unwrap();
            assert!(found.converged && (found.value - least).abs() < 1e-14, "{values:?} {}", found.value);
        }
    }

    #[test]
    fn too_few_products_are_admitted_with_an_honest_residual() {
        let values: Vec<f64> = (0..1000).map(|i| i as f64).collect();
        let options = LanczosOptions { max_products: 10, ..LanczosOptions::default() };
        let found = smallest_eigenvalue(diagonal(&values), 1000, &options).unwrap();
        assert_eq!((found.converged, found.products), (false, 10));
        let exact =
            values.iter().zip(&found.vector).map(|(h, v)| (h * v - found.value * v).powi(2)).sum::<f64>().sqrt();
        assert!(found.value > 0.0 && found.residual > 1e-3 && (found.residual - exact).abs() < 1e-12 * exact);
    }

    #[test]
    fn the_start_depends_on_the_seed_alone() {
        let values: Vec<f64> = (0..50).map(|i| i as f64).collect();
        let run = |seed| {
            let options = LanczosOptions { seed, max_products: 5, ..LanczosOptions::default() };
            smallest_eigenvalue(diagonal(&values), 50, &options).unwrap().value.to_bits()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn products_that_are_not_finite_are_an_error() {
        let found = smallest_eigenvalue(diagonal(&[1.0, f64::NAN]), 2, &LanczosOptions::default());
        assert!(matches!(found, Err(TrainError::Eigenvalues(2))));
    }
}
