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
//! Conjugate gradients take as many products but minimise the error of x, not the residual, and the loss of a network
//! is its residual. Two departures:
//!
//! 1. Where K is singular, the residual of the least squares solution is not zero and P r may be a direction that K
//!    maps to nothing useful. r itself is one that helps as long as K r != 0, which is to say always before the least
//!    squares solution. So when a step by one of them gains next to nothing, the next goes by the other.
//! 2. The oldest directions are forgotten when they are more than memory has been set aside for.

use std::collections::VecDeque;

use memorize_kernels::Spread;

use crate::error::TrainError;
use crate::theory::vector::{add_scaled, dot, length};

/// Fewest directions that are kept whatever their size.
pub(super) const FEWEST_DIRECTIONS: usize = 10;
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
    /// Most directions that are kept; see [`directions_that_fit`].
    pub directions: usize,
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

/// Directions for n unknowns that fit into so many bytes, but a few whatever they take.
pub(super) fn directions_that_fit(n: usize, bytes: u64) -> usize {
    let fits = bytes / (2 * n.max(1) * size_of::<f64>()) as u64;
    usize::try_from(fits).unwrap_or(usize::MAX).max(FEWEST_DIRECTIONS)
}

/// Minimises ||b - K x|| from x = 0. Vectors are spread over the ranks as `space` says. `apply` is K, `precondition` P;
/// `step(products, ||r||)` is told of each residual and says whether to go on.
///
/// # Errors
/// Errors of a product; [`TrainError::Eigenvalues`] if one is not finite.
pub(super) fn minimal_residual(
    mut apply: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    mut precondition: impl FnMut(&[f64]) -> Result<Vec<f64>, TrainError>,
    space: &Spread,
    b: &[f64],
    goal: &Goal,
    mut step: impl FnMut(usize, f64) -> bool,
) -> Result<Minimum, TrainError> {
    let mut directions: VecDeque<Direction> = VecDeque::new();
    let (mut x, mut r) = (vec![0.0; b.len()], b.to_vec());
    let (mut kind, mut idle, mut products) = (Kind::Preconditioned, 0, 0);
    let stop = loop {
        let residual = length(space, &r);
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
        if !length(space, &q).is_finite() {
            return Err(TrainError::Eigenvalues(space.whole()));
        }
        let mut gain = 0.0;
        if let Some(direction) = orthogonalized(space, Direction { p, q }, &directions, goal.resolution) {
            let along = dot(space, &direction.q, &r);
            add_scaled(&mut x, along, &direction.p);
            add_scaled(&mut r, -along, &direction.q);
            gain = (along / residual).powi(2);
            if directions.len() == goal.directions {
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
fn orthogonalized(
    space: &Spread,
    mut new: Direction,
    directions: &VecDeque<Direction>,
    resolution: f64,
) -> Option<Direction> {
    // Once leaves rounding errors of the size of what was taken off; twice is enough (Giraud et al., 2005).
    for _ in 0..2 {
        for direction in directions {
            let along = dot(space, &direction.q, &new.q);
            add_scaled(&mut new.q, -along, &direction.q);
            add_scaled(&mut new.p, -along, &direction.p);
        }
    }
    let left = length(space, &new.q);
    if left <= resolution * length(space, &new.p) {
        return None;
    }
    new.q.iter_mut().chain(&mut new.p).for_each(|value| *value /= left);
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 60;

    fn goal(residual: f64) -> Goal {
        Goal { residual, products: 500, directions: N, resolution: 1e-14 }
    }

    /// Eigenvalues from 1 to 1000, and a right-hand side that has all of them.
    fn problem() -> (Vec<f64>, Vec<f64>) {
        let values = (0..N).map(|i| 1000f64.powf(i as f64 / (N - 1) as f64)).collect();
        (values, (0..N).map(|i| 1.0 + (i % 5) as f64).collect())
    }

    fn minimum(values: &[f64], scale: &[f64], b: &[f64], goal: &Goal) -> (Minimum, Vec<f64>) {
        let times = |diagonal: &[f64], v: &[f64]| Ok(v.iter().zip(diagonal).map(|(v, d)| v * d).collect());
        let mut residuals = Vec::new();
        let found = minimal_residual(
            |v| times(values, v),
            |v| times(scale, v),
            &Spread::alone(N),
            b,
            goal,
            |_, residual| {
                residuals.push(residual);
                true
            },
        );
        (found.unwrap(), residuals)
    }

    #[test]
    fn as_many_steps_as_there_are_eigenvalues_are_enough() {
        let (mut values, b) = problem();
        values.iter_mut().for_each(|value| *value = value.log10().round().exp());
        let (found, residuals) = minimum(&values, &[1.0; N], &b, &goal(1e-10));
        assert_eq!((found.stop, found.products), (Stop::Reached, 4));
        assert!(residuals.windows(2).all(|pair| pair[1] < pair[0]));
        assert!(found.x.iter().zip(&values).zip(&b).all(|((x, value), b)| (x * value - b).abs() < 1e-9));
    }

    #[test]
    fn a_preconditioner_saves_steps_and_forgetting_costs_them() {
        let (values, b) = problem();
        let inverse: Vec<f64> = values.iter().map(|value| 1.0 / (value + 10.0)).collect();
        let products = |scale: &[f64], directions| {
            let (found, _) = minimum(&values, scale, &b, &Goal { directions, ..goal(1e-8) });
            assert_eq!(found.stop, Stop::Reached);
            found.products
        };
        let [best, plain, forgetful] = [products(&inverse, N), products(&[1.0; N], N), products(&inverse, 2)];
        assert!(best < plain && plain <= N + 1 && best <= forgetful, "{best} {plain} {forgetful}");
    }

    #[test]
    fn a_singular_operator_ends_at_the_least_squares_solution() {
        let (mut values, b) = problem();
        values[..3].fill(0.0);
        // The preconditioner sends everything that matters the wrong way.
        let scale: Vec<f64> = values.iter().map(|value| 1.0 / (value + 1e-12)).collect();
        let (found, residuals) = minimum(&values, &scale, &b, &goal(1e-8));
        assert_eq!(found.stop, Stop::LeastSquares);
        let left = b[..3].iter().map(|b| b * b).sum::<f64>().sqrt();
        assert!((residuals.last().unwrap() - left).abs() < 1e-8, "{:?} {left}", residuals.last());
    }

    #[test]
    fn products_are_counted_and_nonsense_is_an_error() {
        let (values, b) = problem();
        let (found, residuals) = minimum(&values, &[1.0; N], &b, &Goal { products: 5, ..goal(0.0) });
        assert_eq!((found.stop, found.products, residuals.len()), (Stop::Budget, 5, 6));
        let nothing = minimum(&values, &[1.0; N], &[0.0; N], &goal(0.0)).0;
        assert_eq!((nothing.stop, nothing.products), (Stop::Reached, 0));
        let broken = |_: &[f64]| Ok(vec![f64::NAN; N]);
        let found = minimal_residual(broken, |v| Ok(v.to_vec()), &Spread::alone(N), &b, &goal(0.0), |_, _| true);
        assert!(matches!(found, Err(TrainError::Eigenvalues(N))));
    }
}
