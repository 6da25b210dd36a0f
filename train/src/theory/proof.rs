//! That samples are in general position, proved: a lower bound on the smallest singular value sigma_min of [x_1 (x)
//! x_1, ..., x_n (x) x_n] that holds with all rounding errors in it (Rump, *Verification of positive definiteness*, BIT
//! 46, 2006).
//!
//! ```text
//! K_ij = (x_i . x_j)^2,  Khat as it is computed,  A = fl(Khat - c I)
//! if floating-point Cholesky of A runs to completion, then
//! sigma_min^2 = lambda_min(K) >= c - e_entries - e_shift - e_factor
//! ```
//!
//! It is about the samples as numbers in memory, after all that was done to prepare them. With u = 2^-53, gamma_k =
//! k u/(1 - k u), eta = 2^-1074 and N_j = ||x_j||:
//!
//! - **Entries.** An inner product computed in any order, with fused multiply-adds or without, is off by gamma_d N_i
//!   N_j at most, its square by gamma_(2d+1) N_i^2 N_j^2 = ((1 + gamma_d)^2 (1 + u) - 1 at most) N_i^2 N_j^2. A
//!   symmetric E with |E_ij| <= e p_i p_j has ||E|| <= e ||p||^2, so **e_entries = gamma_(2d+1) sum_j N_j^4**.
//! - **Shift.** The subtraction of c rounds each diagonal element once: **e_shift = u max_j N_j^4**, of those computed.
//! - **Factor.** L L^T = A + D with |D_ij| <= gamma_(m+1) sum_{k <= m} |l_ik| |l_jk|, m = min(i, j), in any order of
//!   the sums (Higham, 2002, Lemma 8.4 and Theorem 10.3). The sum is at most ||l_i|| ||l_j||, and ||l_i||^2 = a_ii +
//!   D_ii <= a_ii/(1 - gamma_(i+1)). So D is dominated by p p^T with p_i^2 = gamma_(i+1)/(1 - gamma_(i+1)) a_ii:
//!   **e_factor = sum_i gamma_(i+1)/(1 - gamma_(i+1)) a_ii** (Demmel, 1989). L L^T is positive semidefinite, so
//!   lambda_min(A) >= -e_factor.
//! - **Underflow.** A product or quotient that underflows is off by eta/2. With t = 4096 d eta, which has room for
//!   products and for samples that were scaled by a power of two and have lost small numbers, an entry is off by 4 N_i
//!   N_j t + 6 t^2 + 2 eta more, and an element of D by 4 eta (n + 1 + max_j a_jj). Norms of matrices are at most n
//!   times their largest element.
//!
//! All of it is computed with directed rounding: each operation, then the next number upwards (or downwards). An
//! overflow makes a pivot that is not a number, or a bound that is infinite: either proves nothing.

use std::ops::Range;

use memorize_kernels::{Engine, Mat, MatMut, Par, Rows, pass, rows};

use super::definite::{self, Outcome, factorize};
use super::position::{Method, Position, Verdict};
use crate::error::TrainError;
use crate::span::{self, Squared, scaled};

/// u.
const UNIT: f64 = f64::EPSILON / 2.0;
/// eta, the least number above zero.
const ETA: f64 = f64::from_bits(1);
/// t/(d eta): of 1 for products and 2 times 2 times the largest modulus, 2^9 at most, for numbers lost by scaling.
const LOST: f64 = 4096.0;
/// Shares of sigma_min^2, less its rounding errors, that are tried: one after the other until one is proved. A
/// factorisation of many samples takes minutes, and is tried twice.
const SHARES: [f64; 6] = [0.99, 0.9, 0.5, 0.25, 1.0 / 16.0, 1.0 / 64.0];
const SHARES_OF_MANY: [f64; 2] = [0.9, 0.25];
/// Samples from which there are many: less than a second a factorisation below.
const MANY: usize = 4096;

/// Why nothing is proved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unproved {
    /// sigma_min is zero, exactly: there is nothing to prove.
    Degenerate,
    /// What was found cannot be told from zero.
    NotToldFromZero,
    /// The square of sigma_min is below the rounding errors of the proof.
    BelowRounding {
        /// What sigma_min has to be above.
        least: f64,
    },
    /// No factorisation ran to completion.
    Indefinite {
        /// The last lower bound on sigma_min that was tried.
        tried: f64,
        /// The row of the pivot that was not above zero.
        row: usize,
    },
    /// The caller said stop.
    Interrupted,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proof {
    /// sigma_min is at least this, or why that could not be proved.
    pub result: Result<f64, Unproved>,
    /// Factorisations that were begun.
    pub factorizations: usize,
}

/// Where a proof is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// The factorisation, from 1 on.
    pub factorization: usize,
    /// The lower bound on sigma_min that it would prove.
    pub bound: f64,
    /// The share of it that is done.
    pub done: f64,
}

/// Bytes that [`prove`] takes at once for n samples of width d, the samples apart, with so many threads.
///
/// ```
/// use memorize_train::theory::proof::bytes;
///
/// // Half of K in f64: 14.4 GB for MNIST.
/// assert!((14.4e9..14.6e9).contains(&(bytes(60_000, 784, 2) as f64)));
/// ```
pub fn bytes(n: usize, d: usize, threads: usize) -> u64 {
    let tile = (3 * 256 * 8 * threads as u64).saturating_mul(d as u64);
    definite::bytes(n, threads).saturating_add(tile).saturating_add(8 * n as u64)
}

/// Flops of a factorisation of K: n^3/3 and n^2 d for its entries.
///
/// ```
/// use memorize_train::theory::proof::flops;
///
/// assert_eq!(flops(60_000, 784), 72e12 + 2.8224e12);
/// ```
pub fn flops(n: usize, d: usize) -> f64 {
    let (n, d) = (n as f64, d as f64);
    n * n * n / 3.0 + n * n * d
}

/// Proves a lower bound on sigma_min of the samples x, n x d, a little below the one that was found, if it can. `watch`
/// is told where it is and says whether to go on. Up to six factorisations for few samples, two for many.
///
/// # Errors
/// [`TrainError::NotFinite`] if a sample is not finite.
///
/// # Panics
/// If the samples are spread over several ranks.
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::position::{Settings, examine};
/// use memorize_train::theory::preconditioner::WORKSPACE;
/// use memorize_train::theory::proof::prove;
///
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]);
/// let settings =
///     Settings { tolerance: 1e-2, max_products: 50, rank: 2, seed: 1, workspace: WORKSPACE, dense: true };
/// let found = examine(Engine::best(), &x, &settings, |_| true)?;
/// let bound = prove(Engine::best(), &x, &found, |_| true)?.result.unwrap();
/// // sigma_min is 1.
/// assert!(bound > 0.99 && bound <= 1.0);
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn prove<X: Rows<f64>>(
    engine: Engine,
    x: &X,
    found: &Position,
    watch: impl FnMut(&Stage) -> bool,
) -> Result<Proof, TrainError> {
    assert_eq!(x.rows(), x.spread().whole(), "samples of one rank");
    let nothing = |why| Ok(Proof { result: Err(why), factorizations: 0 });
    if matches!(found.verdict, Verdict::Degenerate(_)) {
        return nothing(Unproved::Degenerate);
    }
    let Some(min) = found.min.filter(|min| min.value > 0.0) else { return nothing(Unproved::NotToldFromZero) };
    let modulus = span::largest_modulus(engine.par, x)?;
    let exponent = span::exponent(modulus);
    let there = |value: f64| Squared::new(-exponent, modulus).times(value);
    let estimate = Estimate {
        // With an error that is larger, a guess.
        low: if min.error < min.value { there(min.value - min.error) } else { there(min.value) / 2.0 },
        high: there(found.min_below),
        shares: if found.method == Method::Iterative && found.samples >= MANY { &SHARES_OF_MANY } else { &SHARES },
    };
    let back = |value: f64| lower(Squared::new(exponent, modulus).times(value));
    match exponent {
        0 => at_scale(engine, x, &estimate, &|value| value, watch),
        _ => at_scale(engine, &scaled(x, -exponent), &estimate, &back, watch),
    }
}

/// What is known of sigma_min, and which shares of it are tried.
struct Estimate {
    low: f64,
    high: f64,
    shares: &'static [f64],
}

fn at_scale<X: Rows<f64>>(
    engine: Engine,
    x: &X,
    estimate: &Estimate,
    back: &dyn Fn(f64) -> f64,
    mut watch: impl FnMut(&Stage) -> bool,
) -> Result<Proof, TrainError> {
    let rounding = rounding_errors(engine.par, x);
    if rounding.is_nan() || rounding >= estimate.high * estimate.high {
        let least = back(rounding.sqrt().next_up());
        return Ok(Proof { result: Err(Unproved::BelowRounding { least }), factorizations: 0 });
    }
    let low = (estimate.low * estimate.low).max(rounding);
    let mut proof = Proof { result: Err(Unproved::NotToldFromZero), factorizations: 0 };
    for &share in estimate.shares {
        let shift = rounding + share * (low - rounding);
        let bound = back(lower(lower(shift - rounding).sqrt()));
        if bound == 0.0 {
            proof.result = Err(Unproved::BelowRounding { least: back(rounding.sqrt().next_up()) });
            break;
        }
        proof.factorizations += 1;
        let factorization = proof.factorizations;
        let outcome = positive_definite(engine, x, shift, |done| watch(&Stage { factorization, bound, done }));
        proof.result = match outcome {
            Outcome::Complete => Ok(bound),
            Outcome::Pivot { row } => Err(Unproved::Indefinite { tried: bound, row }),
            Outcome::Interrupted => Err(Unproved::Interrupted),
        };
        if !matches!(outcome, Outcome::Pivot { .. }) {
            break;
        }
    }
    Ok(proof)
}

/// Whether a floating-point Cholesky factorisation of K - c I runs to completion. Then lambda_min(K) >= c -
/// [`rounding_errors`].
///
/// ```
/// use memorize_kernels::{Engine, Mat};
/// use memorize_train::theory::definite::Outcome;
/// use memorize_train::theory::proof::positive_definite;
///
/// // K = diag(1, 16).
/// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]);
/// assert_eq!(positive_definite(Engine::best(), &x, 0.5, |_| true), Outcome::Complete);
/// assert_eq!(positive_definite(Engine::best(), &x, 1.0, |_| true), Outcome::Pivot { row: 0 });
/// ```
pub fn positive_definite<X: Rows<f64>>(
    engine: Engine,
    x: &X,
    shift: f64,
    mut watch: impl FnMut(f64) -> bool,
) -> Outcome {
    let own = Engine { par: Par::Seq, ..engine };
    let tile = |rows: Range<usize>, columns: Range<usize>, out: MatMut<'_, f64>| {
        let room = |range: &Range<usize>| Mat::zeros(if x.needs_scratch() { range.len() } else { 0 }, x.cols());
        let (mut first, mut second) = (room(&rows), room(&columns));
        let packed = own.pack_rows(x.block(rows, &mut first));
        pass::features(&own, x.block(columns, &mut second), &packed, 2, out).expect("blocks of the same samples");
    };
    factorize(engine.par, x.rows(), shift, &tile, &mut watch)
}

/// e_entries + e_shift + e_factor, with underflow, rounded up. The samples' largest modulus is 2^9 at most.
///
/// ```
/// use memorize_kernels::{Mat, Par};
/// use memorize_train::theory::proof::rounding_errors;
///
/// let errors = rounding_errors(Par::Seq, &Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]));
/// // Of the order of n u trace(K).
/// assert!(errors > 17.0 * f64::EPSILON && errors < 100.0 * f64::EPSILON);
/// ```
pub fn rounding_errors<X: Rows<f64>>(par: Par, x: &X) -> f64 {
    let (n, d) = (x.rows() as f64, x.cols() as f64);
    let lost = times(LOST * d, ETA);
    let (of_norm, of_entry) = (gamma(d), gamma(2.0 * d + 1.0));
    // N_j^2: a sum of d squares is off by gamma_d of itself, and underflow, at most.
    let square = |row: &[f64]| over(plus(row.iter().map(|value| value * value).sum(), lost), lower(1.0 - of_norm));
    let fourth: Vec<f64> = rows::map(par, x, |row| {
        let square = square(row);
        times(square, square)
    });
    let largest = fourth.iter().copied().fold(0.0, f64::max);
    let sum = fourth.iter().copied().fold(0.0, plus);
    // An entry of Khat beyond what it is off by relative to N_i^2 N_j^2; N_i N_j <= 1 + largest.
    let underflow = plus(times(times(4.0, lost), plus(1.0, largest)), plus(times(6.0 * lost, lost), 2.0 * ETA));
    let entries = plus(times(of_entry, sum), times(n, underflow));
    let diagonal = |fourth: f64| plus(times(plus(1.0, of_entry), fourth), underflow);
    let shift = times(UNIT, diagonal(largest));
    let factor = fourth.iter().enumerate().fold(0.0, |sum, (i, &fourth)| {
        let of_row = gamma(i as f64 + 2.0);
        plus(sum, times(over(of_row, lower(1.0 - of_row)), diagonal(fourth)))
    });
    let vanished = times(n, times(4.0 * ETA, plus(n + 1.0, diagonal(largest))));
    plus(plus(entries, shift), plus(factor, vanished))
}

/// gamma_k, rounded up.
fn gamma(k: f64) -> f64 {
    over(k * UNIT, lower(1.0 - k * UNIT))
}

fn plus(a: f64, b: f64) -> f64 {
    (a + b).next_up()
}

fn times(a: f64, b: f64) -> f64 {
    (a * b).next_up()
}

fn over(a: f64, b: f64) -> f64 {
    (a / b).next_up()
}

/// The number below, where it is above zero, and no more than the largest.
fn lower(value: f64) -> f64 {
    value.next_down().clamp(0.0, f64::MAX)
}

#[cfg(test)]
mod tests;
