//! Minimises ||b - K x|| for a symmetric positive semidefinite K that is known by its products: generalised conjugate
//! residuals (Eisenstat, Elman and Schultz, 1983) with a preconditioner P ~ K^-1, in f64.
//!
//! ```text
//! r = b
//! loop: p = P r, or r itself;  q = K p
//!       q = q - sum_i (q_i . q) q_i  (twice), p likewise;  both divided by ||q||
//!       x = x + (q . r) p;  r = r - (q . r) q
//! ```
//!
//! Conjugate gradients take as many products but minimise the error of x, not the residual, and the loss of a network is
//! its residual. Two departures:
//!
//! 1. Where K is singular, the residual of the least squares solution is not zero and P r may be a direction that K maps to
//!    nothing useful. r itself is one that helps as long as K r != 0, which is to say always before the least squares
//!    solution. So when a step by one of them gains next to nothing, the next goes by the other.
//! 2. The oldest directions are forgotten when they are more than memory has been set aside for.

use std::collections::VecDeque;

use crate::error::TrainError;
use crate::theory::vector::{add_scaled, dot, length};

/// Bytes that the directions may take.
const DIRECTIONS_BYTES: usize = 1 << 30;
/// Fewest directions that are kept whatever their size.
const FEWEST_DIRECTIONS: usize = 10;
/// Share of ||r||^2 that a step must gain for the next to go by the same kind of direction.
const STALL: f64 = 1e-3;
/// Steps in a row that gain nothing that can be measured, after which there is nothing to gain.
const IDLE_STEPS: usize = 4;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Goal {
    /// ||b - K x|| that is small enough.
    pub residual: f64,
    /// Most products with K.
    pub products: usize,
    /// Rounding errors of a product K p, as a multiple of ||p||: a direction that K shortens to less says nothing.
    pub resolution: f64,
}

/// Why it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The residual is small enough.
    Reached,
    /// No x has a residual that is measurably smaller.
    LeastSquares,
    /// All products were used.
    Budget,
    /// The caller said stop.
    Interrupted,
}

/// The minimiser.
#[derive(Debug)]
pub(super) struct Minimum {
    /// x.
    pub x: Vec<f64>,
    /// Products with K that it took.
    pub products: usize,
    /// Why it stopped.
    pub stop: Stop,
}

/// A direction p of length 1 in the norm ||K p||, and q = K p.
struct Direction {
    p: Vec<f64>,
    q: Vec<f64>,
}

/// Which direction a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// P r.
    Preconditioned,
    /// r.
    Plain,
}

impl Kind {
    fn other(self) -> Self {
        match self {
            Kind::Preconditioned => Kind::Plain,
            Kind::Plain => Kind::Preconditioned,
        }
    }
}

/// Minimises ||b - K x|| from x = 0. `apply` is K, `precondition` P; `step(products, ||r||)` is told of each residual and
/// says whether to go on.
///
/// # Errors
/// Whatever a product reports; [`TrainError::Eigenvalues`] if one is not finite.
pub(super) fn minimal_residual(
    mut apply: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    mut precondition: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    b: &[f64],
    goal: &Goal,
    mut step: impl FnMut(usize, f64) -> bool,
) -> Result<Minimum, TrainError> {
    let n = b.len();
    let capacity = (DIRECTIONS_BYTES / (2 * n.max(1) * size_of::<f64>())).max(FEWEST_DIRECTIONS);
    let mut directions: VecDeque<Direction> = VecDeque::new();
    let (mut x, mut r) = (vec![0.0; n], b.to_vec());
    let (mut kind, mut idle, mut products) = (Kind::Preconditioned, 0, 0);
    let stop = loop {
        let residual = length(&r);
        if !residual.is_finite() {
            return Err(TrainError::Eigenvalues(n));
        }
        let go_on = step(products, residual);
        if residual <= goal.residual {
            break Stop::Reached;
        }
        if products >= goal.products {
            break Stop::Budget;
        }
        if !go_on {
            break Stop::Interrupted;
        }
        let p = match kind {
            Kind::Preconditioned => precondition(&r)?,
            Kind::Plain => r.clone(),
        };
        let q = apply(&p)?;
        products += 1;
        let mut gain = 0.0;
        if let Some(direction) = orthogonalized(Direction { p, q }, &directions, goal.resolution) {
            let along = dot(&direction.q, &r);
            add_scaled(&mut x, along, &direction.p);
            add_scaled(&mut r, -along, &direction.q);
            gain = (along / residual).powi(2);
            if directions.len() == capacity {
                directions.pop_front();
            }
            directions.push_back(direction);
        }
        idle = if gain > f64::EPSILON { 0 } else { idle + 1 };
        if idle == IDLE_STEPS {
            break Stop::LeastSquares;
        }
        kind = if gain < STALL { kind.other() } else { kind };
    };
    Ok(Minimum { x, products, stop })
}

/// `new` with q orthogonal to those of `directions` and of length 1, or nothing if all that is left of q is rounding.
fn orthogonalized(mut new: Direction, directions: &VecDeque<Direction>, resolution: f64) -> Option<Direction> {
    // Once leaves rounding errors of the size of what was taken off; twice is enough (Giraud et al., 2005).
    for _ in 0..2 {
        for direction in directions {
            let along = dot(&direction.q, &new.q);
            add_scaled(&mut new.q, -along, &direction.q);
            add_scaled(&mut new.p, -along, &direction.p);
        }
    }
    let left = length(&new.q);
    if left.is_nan() || left <= resolution * length(&new.p) {
        return None;
    }
    new.q.iter_mut().chain(&mut new.p).for_each(|value| *value /= left);
    Some(new)
}
