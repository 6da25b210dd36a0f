//! A pass is compared with the naive reference before it is timed: a fast wrong answer is no result.

use memorize_kernels::pass::{self, AdamStep, Backward, FusedStep, Rule, Weights};
use memorize_kernels::reference::{self as naive, Dense};
use memorize_kernels::{Element, Engine, Mat};

use crate::workload::{Shape, Workload, batch, matrix, signs, symmetric};

/// Small, odd, and larger than one tile, one panel and one register in every direction.
const SHAPE: Shape = Shape { n: 147, d: 61, r: 58 };

/// Largest difference that rounding explains, relative to the largest element, in units of the type's precision.
const TOLERANCE: f64 = 2000.0;

/// A pass whose result is not the reference's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{pass} gives wrong results with {engine}: off by {error:.1e} of the largest element; please report this")]
pub struct Mismatch {
    /// The pass.
    pub pass: &'static str,
    /// Backend, instruction set and type.
    pub engine: String,
    /// Largest difference, relative to the largest element.
    pub error: f64,
}

/// Runs a pass on a small problem and compares with the reference. Returns the largest difference relative to the
/// largest element.
///
/// # Errors
/// [`Mismatch`] if rounding does not explain the difference.
pub fn check<T: Element>(workload: Workload, engine: &Engine) -> Result<f64, Mismatch> {
    let (got, expected) = match workload {
        Workload::AdamStep => adam::<T>(engine),
        Workload::LossAndGradient | Workload::SmallGradient => gradient::<T>(engine),
        Workload::QuadraticForms => quadratic_forms::<T>(engine),
        Workload::WeightedGram => weighted_gram::<T>(engine),
        Workload::Features => features::<T>(engine),
    };
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    let error = got.iter().zip(&expected).fold(0.0f64, |error, (got, expected)| {
        // Written so that NaN counts as wrong.
        let difference = (got - expected).abs();
        if difference <= error { error } else { difference }
    }) / largest;
    if got.len() == expected.len() && error <= TOLERANCE * T::EPSILON {
        return Ok(error);
    }
    let engine = format!("{}, {}, {}", engine.backend, engine.isa, T::NAME);
    Err(Mismatch { pass: workload.name(), engine, error })
}

/// What the pass gave and what the reference gives.
type Pair = (Vec<f64>, Vec<f64>);

const FITS: &str = "the inputs were made for each other";

fn dense<T: Element>(m: &Mat<T>) -> Dense {
    Dense::from_fn(m.rows(), m.cols(), |i, j| m.row(i)[j].to_f64())
}

fn widen<'a, T: Element>(values: impl IntoIterator<Item = &'a T>) -> Vec<f64> {
    values.into_iter().map(|v| v.to_f64()).collect()
}

fn quadratic_forms<T: Element>(engine: &Engine) -> Pair {
    let (x, s) = (matrix::<T>(SHAPE.n, SHAPE.d), symmetric::<T>(SHAPE.d));
    let mut q = vec![T::ZERO; SHAPE.n];
    pass::quadratic_forms(engine, &x, &engine.pack_symmetric(s.as_ref()), &mut q).expect(FITS);
    (widen(&q), naive::quadratic_forms(&dense(&x), &dense(&s)))
}

fn weighted_gram<T: Element>(engine: &Engine) -> Pair {
    // Weights of both signs, and none: a backend may treat them apart.
    let v: Vec<T> = (0..SHAPE.n).map(|j| T::from_f64((j % 5) as f64 - 1.0)).collect();
    let x = matrix::<T>(SHAPE.n, SHAPE.d);
    let m = pass::weighted_gram(engine, &x, &v).expect(FITS);
    (widen(m.iter()), naive::weighted_gram(&dense(&x), &widen(&v)).data)
}

fn features<T: Element>(engine: &Engine) -> Pair {
    let (x, r) = (matrix::<T>(SHAPE.n, SHAPE.d), matrix::<T>(SHAPE.r, SHAPE.d));
    let mut z = Mat::zeros(SHAPE.n, SHAPE.r);
    pass::features(engine, x.as_ref(), &engine.pack_rows(r.as_ref()), 2, z.as_mut()).expect(FITS);
    (widen(z.iter()), naive::features(&dense(&x), &dense(&r), 2).data)
}

fn gradient<T: Element>(engine: &Engine) -> Pair {
    let (x, w, a, y) =
        (matrix::<T>(SHAPE.n, SHAPE.d), matrix::<T>(SHAPE.r, SHAPE.d), signs::<T>(SHAPE.r), vec![T::ONE; SHAPE.n]);
    let s = pass::network_matrix(engine, w.as_ref(), &a).expect(FITS);
    let m = pass::loss_and_moment(engine, &x, &y, &engine.pack_symmetric(s.as_ref())).expect(FITS).moment;
    let mut g = Mat::zeros(SHAPE.r, SHAPE.d);
    pass::gradient_from_moment(engine, w.as_ref(), &a, m.as_ref(), T::ZERO, g.as_mut()).expect(FITS);
    let expected = naive::gradient(&dense(&x), &widen(&y), &dense(&w.transposed()), &widen(&a), 0.0);
    (widen(g.transposed().iter()), expected.data)
}

fn adam<T: Element>(engine: &Engine) -> Pair {
    // An eps of the gradient's own size, or rounding of a vanishing gradient would be divided by itself.
    let (lr, beta1, beta2, eps) = (0.01, 0.9, 0.99, 0.1);
    let (x, w, a) = (matrix::<T>(SHAPE.n, SHAPE.d), matrix::<T>(SHAPE.r, SHAPE.d), signs::<T>(SHAPE.r));
    let (batch, mut q) = (batch(engine, &x), vec![T::ZERO; SHAPE.n]);
    let mut step = FusedStep::new(*engine, &Weights::new(w.clone()), &a, SHAPE.n).expect(FITS);
    step.forward(&batch, &mut q).expect(FITS);
    let delta: Vec<T> = q.iter().map(|&q| (q - T::ONE) * T::from_f64(1.0 / SHAPE.n as f64)).collect();
    let rule = Rule::Adam(AdamStep::new(1, lr, beta1, beta2, eps, 0.0));
    step.step(Backward { batch: &batch, delta: &delta, rule }, None, &mut []).expect(FITS);

    let mut expected = dense(&w.transposed());
    let g = naive::gradient(&dense(&x), &vec![1.0; SHAPE.n], &expected, &widen(&a), 0.0);
    let [mut m, mut v] = [vec![0.0; g.data.len()], vec![0.0; g.data.len()]];
    naive::adam(&mut expected.data, &mut m, &mut v, &g.data, 1, lr, beta1, beta2, eps);
    (widen(step.weights().w.transposed().iter()), expected.data)
}

#[cfg(test)]
mod tests {
    use memorize_kernels::Backend;

    use super::*;

    #[test]
    fn every_pass_passes_its_check() {
        for &backend in Backend::ALL {
            let engine = Engine { backend, ..Engine::best() };
            for workload in Workload::ALL {
                assert!(check::<f32>(workload, &engine).unwrap() > 0.0, "rounding cannot be exact");
                assert!(check::<f64>(workload, &engine).unwrap() < 1e-12);
            }
        }
    }
}
