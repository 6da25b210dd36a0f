//! A pass is compared with the naive reference before it is timed: a fast wrong answer is no result.

use memorize_kernels::pass::{self, Backward, FusedStep, Weights};
use memorize_kernels::reference::{self as naive, Dense};
use memorize_kernels::{Element, Engine, Mat};

use crate::workload::{AdamConstants, Shape, Workload, batch, matrix, sample_weights, signs, symmetric};

/// Small, odd, and larger than one tile, one panel and one register in every direction.
pub const CHECKED: Shape = Shape { n: 147, d: 61, r: 58 };

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

/// Constants of the Adam step that is checked: an eps of the gradient's own size, or rounding of a vanishing gradient
/// would be divided by itself.
pub const CHECKED_ADAM: AdamConstants = AdamConstants { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 0.1 };

/// Runs a pass on a small problem and compares with the reference. Returns the largest difference relative to the
/// largest element.
///
/// # Errors
/// [`Mismatch`] if rounding does not explain the difference.
pub fn check<T: Element>(workload: Workload, engine: &Engine) -> Result<f64, Mismatch> {
    let got = match workload {
        Workload::AdamStep => adam::<T>(engine),
        Workload::LossAndGradient | Workload::SmallGradient => gradient::<T>(engine),
        Workload::QuadraticForms => quadratic_forms::<T>(engine),
        Workload::WeightedGram => weighted_gram::<T>(engine),
        Workload::Features => features::<T>(engine),
        Workload::Forward => forward::<T>(engine),
        Workload::GradientFromMoment => gradient_from_moment::<T>(engine),
        Workload::Update => update::<T>(engine),
        Workload::TimesVector => times_vector::<T>(engine),
        Workload::TransposedTimesVector => transposed_times_vector::<T>(engine),
    };
    let engine = || format!("{}, {}, {}", engine.backend, engine.isa, T::NAME);
    compare::<T>(&got, &expected::<T>(workload)).map_err(|error| Mismatch {
        pass: workload.name(),
        engine: engine(),
        error,
    })
}

/// What the naive reference makes of the small problem that everything is checked on: inputs of [`CHECKED`] rounded to
/// T, the result row by row. Weights and their gradient are d x r.
pub fn expected<T: Element>(workload: Workload) -> Vec<f64> {
    let Shape { n, d, r } = CHECKED;
    let x = dense(&matrix::<T>(n, d));
    match workload {
        Workload::QuadraticForms => naive::quadratic_forms(&x, &dense(&symmetric::<T>(d))),
        Workload::WeightedGram => naive::weighted_gram(&x, &widen(&sample_weights::<T>(n))).data,
        Workload::Features => naive::features(&x, &dense(&matrix::<T>(r, d)), 2).data,
        Workload::TimesVector => naive::times_vector(&x, &widen(&sample_weights::<T>(d))),
        Workload::TransposedTimesVector => naive::transposed_times_vector(&x, &widen(&sample_weights::<T>(n))),
        Workload::Forward => naive::outputs(&x, &dense(&matrix::<T>(r, d).transposed()), &widen(&signs::<T>(r))),
        Workload::LossAndGradient | Workload::SmallGradient | Workload::GradientFromMoment => {
            let w = dense(&matrix::<T>(r, d).transposed());
            naive::gradient(&x, &vec![1.0; n], &w, &widen(&signs::<T>(r)), 0.0).data
        }
        Workload::AdamStep | Workload::Update => {
            let (mut w, g) = (dense(&matrix::<T>(r, d).transposed()), expected::<T>(Workload::LossAndGradient));
            let AdamConstants { lr, beta1, beta2, eps } = CHECKED_ADAM;
            let [mut m, mut v] = [vec![0.0; g.len()], vec![0.0; g.len()]];
            naive::adam(&mut w.data, &mut m, &mut v, &g, 1, lr, beta1, beta2, eps);
            w.data
        }
    }
}

/// The largest difference relative to the largest element, as an error where rounding to T does not explain it.
///
/// # Errors
/// The difference, if it is too large or not a number; infinity if there are too few or too many numbers.
pub fn compare<T: Element>(got: &[f64], expected: &[f64]) -> Result<f64, f64> {
    if got.len() != expected.len() {
        return Err(f64::INFINITY);
    }
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    // Not `f64::max`, which would pass over NaN.
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    let error = differences.max_by(f64::total_cmp).unwrap_or(0.0) / largest;
    if error <= TOLERANCE * T::EPSILON { Ok(error) } else { Err(error) }
}

const FITS: &str = "the inputs were made for each other";

fn dense<T: Element>(m: &Mat<T>) -> Dense {
    Dense::from_fn(m.rows(), m.cols(), |i, j| m.row(i)[j].to_f64())
}

fn widen<'a, T: Element>(values: impl IntoIterator<Item = &'a T>) -> Vec<f64> {
    values.into_iter().map(|v| v.to_f64()).collect()
}

fn quadratic_forms<T: Element>(engine: &Engine) -> Vec<f64> {
    let (x, s) = (matrix::<T>(CHECKED.n, CHECKED.d), symmetric::<T>(CHECKED.d));
    let mut q = vec![T::ZERO; CHECKED.n];
    pass::quadratic_forms(engine, &x, &engine.pack_symmetric(s.as_ref()).expect(FITS), &mut q).expect(FITS);
    widen(&q)
}

fn weighted_gram<T: Element>(engine: &Engine) -> Vec<f64> {
    let (x, v) = (matrix::<T>(CHECKED.n, CHECKED.d), sample_weights::<T>(CHECKED.n));
    widen(pass::weighted_gram(engine, &x, &v).expect(FITS).iter())
}

fn features<T: Element>(engine: &Engine) -> Vec<f64> {
    let (x, r) = (matrix::<T>(CHECKED.n, CHECKED.d), matrix::<T>(CHECKED.r, CHECKED.d));
    let mut z = Mat::zeros(CHECKED.n, CHECKED.r);
    pass::features(engine, x.as_ref(), &engine.pack_rows(r.as_ref()), 2, z.as_mut()).expect(FITS);
    widen(z.iter())
}

fn gradient<T: Element>(engine: &Engine) -> Vec<f64> {
    let Shape { n, d, r } = CHECKED;
    let (x, w, a, y) = (matrix::<T>(n, d), matrix::<T>(r, d), signs::<T>(r), vec![T::ONE; n]);
    let s = pass::network_forms(engine, w.as_ref(), &a).expect(FITS);
    let m = pass::loss_and_moment(engine, &x, &y, &s).expect(FITS).moment;
    let mut g = Mat::zeros(r, d);
    pass::gradient_of_moment(engine, w.as_ref(), &a, &m, T::ZERO, g.as_mut()).expect(FITS);
    widen(g.transposed().iter())
}

/// r x d: the transposed gradient of the reference, rounded to T.
fn gradient_of_reference<T: Element>() -> Mat<T> {
    let g = expected::<T>(Workload::LossAndGradient);
    Mat::from_fn(CHECKED.r, CHECKED.d, |i, k| T::from_f64(g[k * CHECKED.r + i]))
}

fn forward<T: Element>(engine: &Engine) -> Vec<f64> {
    let Shape { n, d, r } = CHECKED;
    let mut q = vec![T::ZERO; n];
    let weights = Weights::new(matrix::<T>(r, d));
    let mut step = FusedStep::new(*engine, &weights, &signs::<T>(r), n).expect(FITS);
    step.forward(&batch(engine, &matrix::<T>(n, d)), &mut q).expect(FITS);
    widen(&q)
}

fn gradient_from_moment<T: Element>(engine: &Engine) -> Vec<f64> {
    let Shape { n, d, r } = CHECKED;
    let (x, w, a) = (dense(&matrix::<T>(n, d)), matrix::<T>(r, d), signs::<T>(r));
    let delta = naive::residuals(&x, &vec![1.0; n], &dense(&w.transposed()), &widen(&a));
    let m = naive::moment(&x, &delta);
    let m = Mat::from_fn(d, d, |i, k| T::from_f64(m.at(i, k)));
    let mut g = Mat::zeros(r, d);
    pass::gradient_from_moment(engine, w.as_ref(), &a, m.as_ref(), T::ZERO, g.as_mut()).expect(FITS);
    widen(g.transposed().iter())
}

fn update<T: Element>(engine: &Engine) -> Vec<f64> {
    let Shape { d, r, .. } = CHECKED;
    let (mut w, g) = (matrix::<T>(r, d), gradient_of_reference::<T>());
    let [mut first, mut second] = [Mat::zeros(r, d), Mat::zeros(r, d)];
    let (memory, rule) = ((first.padded_mut(), second.padded_mut()), CHECKED_ADAM.rule(1));
    pass::update(engine, rule, w.padded_mut(), memory.0, memory.1, g.padded()).expect(FITS);
    widen(w.transposed().iter())
}

fn times_vector<T: Element>(engine: &Engine) -> Vec<f64> {
    let mut q = vec![T::ZERO; CHECKED.n];
    let (x, s) = (matrix::<T>(CHECKED.n, CHECKED.d), sample_weights::<T>(CHECKED.d));
    pass::times_vector(engine, &x, &s, &mut q).expect(FITS);
    widen(&q)
}

fn transposed_times_vector<T: Element>(engine: &Engine) -> Vec<f64> {
    let (x, v) = (matrix::<T>(CHECKED.n, CHECKED.d), sample_weights::<T>(CHECKED.n));
    widen(&pass::transposed_times_vector(engine, &x, &v).expect(FITS))
}

fn adam<T: Element>(engine: &Engine) -> Vec<f64> {
    let Shape { n, d, r } = CHECKED;
    let (x, w, a) = (matrix::<T>(n, d), matrix::<T>(r, d), signs::<T>(r));
    let (batch, mut q) = (batch(engine, &x), vec![T::ZERO; n]);
    let mut step = FusedStep::new(*engine, &Weights::new(w), &a, n).expect(FITS);
    let primed = step.forward(&batch, &mut q).expect(FITS);
    let delta: Vec<T> = q.iter().map(|&q| (q - T::ONE) * T::from_f64(1.0 / n as f64)).collect();
    let backward = Backward { batch: &batch, delta: &delta, rule: CHECKED_ADAM.rule(1) };
    step.step(primed, backward, None, &mut []).expect(FITS);
    widen(step.weights().w.transposed().iter())
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

    #[test]
    fn what_rounding_does_not_explain_is_wrong() {
        assert_eq!(compare::<f64>(&[1.0, 2.0], &[1.0, 2.0]), Ok(0.0));
        assert_eq!(compare::<f32>(&[1.0, 2.5], &[1.0, 2.0]), Err(0.25));
        assert_eq!(compare::<f64>(&[1.0], &[1.0, 2.0]), Err(f64::INFINITY));
        assert!(compare::<f64>(&[f64::NAN, 2.0], &[1.0, 2.0]).unwrap_err().is_nan());
    }
}
