//! Symmetric tensor powers x^(tensor q) in an orthonormal basis of the space that they span.
//!
//! The symmetric tensors of order q over R^d are a space of dimension D_d^q = C(d+q-1, q): a basis has one element for
//! every choice of q of the d coordinates, with repetitions and without an order, that is for every monomial x^a =
//! prod_i x_i^(a_i) of degree q. In x^(tensor q) the entry x^a stands q!/prod_i a_i! times, so that the vector
//!
//! ```text
//! m_q(x)_a = (q!/prod_i a_i!)^(1/2) x^a,    D_d^q of them
//! ```
//!
//! has the inner products of the tensors: m_q(x) . m_q(y) = (x . y)^q, which is the multinomial theorem. So the matrix
//! with rows m_q(x_j), n x D_d^q, has the singular values of X_q = [x_1^(tensor q), ..., x_n^(tensor q)] (d^q x n), and
//! decomposing it does not square a condition number, as K = (X X^T)^q elementwise does. For q = 2 it is what
//! [`Lifted`] decomposes.

use faer::Mat as Dense;
use memorize_kernels::Mat;

use super::bounds::{DENSE_ELEMENTS, Lifted};
use crate::error::TrainError;
use crate::features::MAX_POWER;
use crate::spectrum::DENSE_SAMPLES;

/// D_d^q = C(d+q-1, q), the dimension of the symmetric tensors of order q over R^d; nothing if 128 bits do not hold it.
///
/// ```
/// use memorize_train::theory::tensor_power::dimension;
///
/// assert_eq!((dimension(100, 2), dimension(100, 4)), (Some(5050), Some(4_421_275)));
/// assert_eq!(dimension(784, 128), None);
/// ```
pub fn dimension(d: usize, order: u32) -> Option<u128> {
    let mut product = 1u128;
    for i in 1..=u128::from(order) {
        // C(d+i-1, i) = C(d+i-2, i-1) (d+i-1)/i, with i split into what divides the one and what the other.
        let common = greatest_common_divisor(product, i);
        product = (product / common).checked_mul((d as u128 + i - 1) / (i / common))?;
    }
    Some(product)
}

fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Whether n samples of width d are more than D_d^q, so that their tensor powers are dependent whatever they are.
///
/// ```
/// use memorize_train::theory::tensor_power::is_beyond;
///
/// assert!(is_beyond(11, 4, 2) && !is_beyond(10, 4, 2) && !is_beyond(11, 4, 4));
/// ```
pub fn is_beyond(n: usize, d: usize, order: u32) -> bool {
    dimension(d, order).is_some_and(|dimension| n as u128 > dimension)
}

/// Fails unless the order is even and at least 2, as 2p is, and at most what is computed.
///
/// # Errors
/// [`TrainError::Order`].
///
/// ```
/// use memorize_train::theory::tensor_power::check_order;
///
/// assert!(check_order(4).is_ok() && check_order(0).is_err() && check_order(3).is_err());
/// ```
pub fn check_order(order: u32) -> Result<(), TrainError> {
    if order.is_multiple_of(2) && (2..=MAX_POWER).contains(&order) {
        return Ok(());
    }
    Err(TrainError::Order { order, most: MAX_POWER })
}

/// m_q(x): the weighted monomials of degree q >= 1, D_d^q of them.
///
/// # Panics
/// If there are more of them than memory has addresses for: see [`fits`].
///
/// ```
/// use memorize_train::theory::tensor_power::monomials;
///
/// // (x_1^2, sqrt 2 x_1 x_2, x_2^2).
/// let found = monomials(&[2.0, 3.0], 2);
/// assert!(found.iter().zip([4.0, 6.0 * 2f64.sqrt(), 9.0]).all(|(found, exact)| (found - exact).abs() < 1e-14));
/// ```
pub fn monomials(x: &[f64], order: u32) -> Vec<f64> {
    let size = dimension(x.len(), order).and_then(|size| usize::try_from(size).ok());
    let mut all = Vec::with_capacity(size.expect("the monomials were counted before"));
    extend(x, order, [0, 0], 1.0, &mut all);
    all
}

/// Appends what becomes of `value`, a product of `chosen` coordinates of which the last `run` are the first of `x`,
/// with the others from x on. Choosing a coordinate for the m-th time as the t-th factor brings t/m: the product of all
/// of these is q!/prod_i a_i!.
fn extend(x: &[f64], order: u32, [chosen, run]: [u32; 2], value: f64, all: &mut Vec<f64>) {
    if chosen == order {
        return all.push(value);
    }
    for (i, &factor) in x.iter().enumerate() {
        let run = if i == 0 { run + 1 } else { 1 };
        let weight = (f64::from(chosen + 1) / f64::from(run)).sqrt();
        extend(&x[i..], order, [chosen + 1, run], value * factor * weight, all);
    }
}

/// Whether n rows of weighted monomials are few enough to be decomposed.
///
/// ```
/// use memorize_train::theory::tensor_power::fits;
///
/// assert!(fits(40, 10, 4) && !fits(40, 100, 4) && !fits(5000, 2, 2));
/// ```
pub fn fits(n: usize, d: usize, order: u32) -> bool {
    let elements = dimension(d, order).and_then(|dimension| dimension.checked_mul(n as u128));
    n <= DENSE_SAMPLES && elements.is_some_and(|elements| elements <= DENSE_ELEMENTS as u128)
}

/// The decomposition of the matrix with rows m_q(x_j), n x D_d^q, for the rows of x as they are.
///
/// # Errors
/// [`TrainError::NoSamples`] for an empty set, [`TrainError::Eigenvalues`] if the decomposition fails.
///
/// # Panics
/// If the samples are too many or too wide: see [`fits`].
///
/// ```
/// use memorize_kernels::Mat;
/// use memorize_train::theory::tensor_power::lifted;
///
/// // ||x^(tensor 4)|| = ||x||^4.
/// let found = lifted(&Mat::from_slice(1, 2, &[3.0, 4.0]), 4)?.singular_values();
/// assert!((found.min - 625.0).abs() < 1e-10);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn lifted(x: &Mat<f64>, order: u32) -> Result<Lifted, TrainError> {
    let (n, d) = (x.rows(), x.cols());
    assert!(fits(n, d, order), "{n} samples of width {d} are too many for a decomposition of their powers");
    if n == 0 || d == 0 || order == 0 {
        return Err(TrainError::NoSamples);
    }
    let (rows, rounded) = monomial_rows(x, order);
    let lifted = Dense::from_fn(n, rows[0].len(), |j, at| rows[j][at]);
    drop(rows);
    Lifted::of_matrix(&lifted, rounded)
}

/// m_q of every row, and the norm that their rounding has at most: a monomial is a product of q coordinates and as many
/// roots, each with its own.
fn monomial_rows(x: &Mat<f64>, order: u32) -> (Vec<Vec<f64>>, f64) {
    let rows: Vec<Vec<f64>> = (0..x.rows()).map(|j| monomials(x.row(j), order)).collect();
    // A monomial is rounded by a product, a weight and its root in each of its factors.
    let rounded = 2.0 * f64::from(order) * f64::EPSILON * rows.iter().flatten().map(|v| v * v).sum::<f64>().sqrt();
    (rows, rounded)
}

/// The matrix with columns m_q(x_j), D_d^q x n, and what its rounding may be as a norm.
pub(super) fn monomial_columns(x: &Mat<f64>, order: u32) -> (Dense<f64>, f64) {
    let (rows, rounded) = monomial_rows(x, order);
    let columns = Dense::from_fn(rows.first().map_or(0, Vec::len), rows.len(), |at, j| rows[j][at]);
    (columns, rounded)
}

#[cfg(test)]
mod tests;
