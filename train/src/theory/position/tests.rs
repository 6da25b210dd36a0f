use faer::Mat as Dense;
use memorize_data::random::Purpose;

use super::*;
use crate::network::normal_rows;
use crate::theory::preconditioner::{WORKSPACE, default_rank};

const SETTINGS: Settings =
    Settings { tolerance: 1e-4, max_products: 500, rank: 30, seed: 0, workspace: WORKSPACE, dense: true };

fn samples(n: usize, d: usize, seed: u64) -> Mat<f64> {
    normal_rows(n, d, 1.0 / (d as f64).sqrt(), seed, Purpose::SyntheticInputs)
}

fn look(x: &Mat<f64>, settings: &Settings) -> Position {
    examine(Engine::best(), x, settings, |_| true).unwrap()
}

/// Singular values of the d^2 x n matrix itself, descending.
fn exact(x: &Mat<f64>) -> Vec<f64> {
    let d = x.cols();
    let kronecker = Dense::from_fn(d * d, x.rows(), |at, j| x.row(j)[at / d] * x.row(j)[at % d]);
    kronecker.singular_values().unwrap()
}

#[test]
fn dense_agrees_with_the_svd_of_the_kronecker_matrix() {
    for (n, d) in [(1, 1), (1, 5), (4, 3), (6, 3), (30, 8), (36, 8), (120, 20), (12, 40)] {
        let x = samples(n, d, n as u64);
        let (found, exact) = (look(&x, &SETTINGS), exact(&x));
        let (min, max) = (found.min.unwrap(), found.max);
        assert_eq!((found.verdict, found.method), (Verdict::GeneralPosition, Method::Dense));
        assert!((max.value - exact[0]).abs() <= 1e-12 * exact[0], "n {n} d {d}");
        assert!((min.value - exact[n - 1]).abs() <= 1e-8 * exact[n - 1], "n {n} d {d}: {}", min.value);
        assert!((min.value - exact[n - 1]).abs() <= min.error + found.resolution);
    }
}

#[test]
fn the_iteration_agrees_with_it_within_the_error_that_it_states() {
    for (n, d) in [(1, 1), (2, 5), (30, 8), (120, 20), (300, 30), (400, 40), (40, 50)] {
        for rank in [1, n / 4 + 1, n] {
            let x = samples(n, d, n as u64);
            let found = look(&x, &Settings { dense: false, rank, ..SETTINGS });
            let exact = exact(&x);
            let (min, max) = (found.min.unwrap(), found.max);
            assert_eq!((found.verdict, found.method), (Verdict::GeneralPosition, Method::Iterative));
            assert!((min.value - exact[n - 1]).abs() <= min.error, "n {n} d {d}: {min:?} {}", exact[n - 1]);
            assert!((max.value - exact[0]).abs() <= max.error.max(1e-13 * exact[0]), "{max:?} {}", exact[0]);
            assert!(min.value >= exact[n - 1] * (1.0 - 1e-9) && min.error <= 1e-4 * min.value, "{min:?}");
            assert!(found.min_below >= exact[n - 1] && found.min_below <= 1.0001 * exact[n - 1]);
            // Lemma 8 from above: the minimum is between sigma_min and what is stated.
            let dense = look(&x, &SETTINGS);
            let (bound, distance) = (found.nearest.unwrap(), dense.nearest.unwrap());
            assert!(distance.exact && !bound.exact && distance.distance <= bound.distance * (1.0 + 1e-9));
            assert!(bound.distance <= found.min_below * (n as f64).sqrt());
        }
    }
}

#[test]
fn few_wide_samples_are_looked_at_in_their_span() {
    // K of 30 samples of width 3000 by hand, and not a matrix of 3000 x 3000.
    let x = samples(30, 3000, 5);
    let product = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2);
    let exact = Dense::from_fn(30, 30, product).self_adjoint_eigenvalues(faer::Side::Lower).unwrap()[0].sqrt();
    for dense in [true, false] {
        let found = look(&x, &Settings { dense, ..SETTINGS });
        let min = found.min.unwrap();
        assert_eq!((found.width, found.verdict), (3000, Verdict::GeneralPosition));
        assert_eq!(found.method, if dense { Method::Dense } else { Method::Iterative });
        assert!((min.value - exact).abs() <= min.error + 1e-9 * exact, "{min:?} {exact}");
        assert!((found.input_bound / largest_norm(&x) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn samples_of_any_scale_are_looked_at() {
    for (n, d) in [(30, 8), (12, 40)] {
        let x = samples(n, d, 6);
        for dense in [true, false] {
            let settings = Settings { dense, ..SETTINGS };
            let exact = look(&x, &settings);
            for e in [-450, -60, 60, 450] {
                let found = look(&Mat::from_fn(n, d, |j, k| x.row(j)[k] * 2f64.powi(e)), &settings);
                let square = 2f64.powi(2 * e);
                let [found_min, exact_min] =
                    [found, exact.clone()].map(|position| (position.verdict, position.min.unwrap()));
                assert_eq!(found_min.0, exact_min.0);
                assert_eq!(found_min.1.value, exact_min.1.value * square, "2^{e}, dense: {dense}");
                assert!((found_min.1.error / (exact_min.1.error * square) - 1.0).abs() < 1e-9);
            }
        }
    }
    assert_eq!(look(&Mat::zeros(3, 4), &SETTINGS).verdict, Verdict::Degenerate(Degeneracy::Zero { row: 0 }));
    let tiny = Mat::from_fn(3, 4, |j, k| 1e-200 * samples(3, 4, 1).row(j)[k]);
    let error = examine(Engine::best(), &tiny, &SETTINGS, |_| true).unwrap_err();
    assert!(matches!(error, TrainError::SingularValuesOutOfRange { .. }), "{error}");
}

#[test]
fn too_few_products_leave_it_undecided_with_an_upper_bound() {
    let x = samples(300, 30, 1);
    let found = look(&x, &Settings { dense: false, rank: 5, max_products: 4, ..SETTINGS });
    let (min, exact) = (found.min.unwrap(), exact(&x));
    assert_eq!((found.verdict, found.stop), (Verdict::Undecided, Some(Stop::Budget)));
    assert!(!min.converged && found.min_below >= exact[299], "{min:?}");
}

#[test]
fn what_is_degenerate_by_counting_is_zero_exactly() {
    let beyond = look(&samples(11, 4, 1), &SETTINGS);
    assert_eq!(beyond.verdict, Verdict::Degenerate(Degeneracy::BeyondCapacity));
    assert_eq!((beyond.min.unwrap().value, beyond.method), (0.0, Method::Exact));

    let x = samples(11, 4, 1);
    let wide = Mat::from_fn(11, 9, |j, k| if k % 2 == 1 { x.row(j)[k / 2] } else { 0.0 });
    let wide = look(&wide, &SETTINGS);
    assert_eq!(wide.verdict, Verdict::Degenerate(Degeneracy::ConstantZeros { width: 4 }));

    let x = samples(8, 6, 1);
    let zero = Mat::from_fn(8, 6, |j, k| if j == 5 { 0.0 } else { x.row(j)[k] });
    assert_eq!(look(&zero, &SETTINGS).verdict, Verdict::Degenerate(Degeneracy::Zero { row: 5 }));
}

#[test]
fn samples_that_repeat_are_found_whatever_their_sign() {
    let x = samples(12, 6, 1);
    // Rows 7, 8 and 11 are rows 2, 2 and 3; 8 with the other sign; zeros of both signs.
    let rows = [0, 1, 2, 3, 4, 5, 6, 2, 2, 9, 10, 3];
    let repeats = Mat::from_fn(12, 6, |j, k| match (j, k) {
        (2 | 7, 4) => 0.0,
        (8, 4) => -0.0,
        (8, k) => -x.row(2)[k],
        (j, k) => x.row(rows[j])[k],
    });
    let found = look(&repeats, &SETTINGS);
    let expected = Degeneracy::Repeated { first: 2, second: 7, count: 3 };
    assert_eq!(found.verdict, Verdict::Degenerate(expected));
    assert_eq!(found.min.unwrap().value, 0.0);
    assert_eq!(look(&x, &SETTINGS).verdict, Verdict::GeneralPosition);
}

#[test]
fn what_rounding_cannot_tell_from_zero_is_not_given_a_value() {
    // Multiples of a sample: not equal, and of the same x (x) x but for its length.
    let x = samples(40, 12, 2);
    let parallel = Mat::from_fn(40, 12, |j, k| if j == 39 { x.row(3)[k] / 3.0 } else { x.row(j)[k] });
    for dense in [true, false] {
        let found = look(&parallel, &Settings { dense, rank: 10, ..SETTINGS });
        assert_eq!((found.verdict, found.min), (Verdict::NumericallyDegenerate, None));
        assert!(found.min_below < 1e-6 * found.max.value, "{}", found.min_below);
    }
    // A little noise puts them in general position.
    let noise = normal_rows::<f64>(40, 12, 0.01, 3, Purpose::Noise);
    let noisy = Mat::from_fn(40, 12, |j, k| parallel.row(j)[k] + noise.row(j)[k]);
    assert_eq!(look(&noisy, &SETTINGS).verdict, Verdict::GeneralPosition);
}

#[test]
fn a_search_that_ends_below_the_rounding_of_f32_says_so() {
    let once = samples(300, 30, 5);
    // Two samples 1e-5 apart: sigma_min is about that, and sigma_max about 3.
    let near = |j: usize, k: usize| once.row(j.max(1))[k] + if j == 0 { 1e-5 * once.row(0)[k] } else { 0.0 };
    let x = Mat::from_fn(300, 30, near);
    let settings = Settings { dense: false, rank: 100, ..SETTINGS };
    // Stopped on its way, below 6e-8 of the largest eigenvalue of K.
    let found = examine(Engine::best(), &x, &settings, |step| step.value > 1e-8 * 9.0).unwrap();
    assert_eq!((found.verdict, found.stop), (Verdict::DegenerateInSinglePrecision, Some(Stop::Interrupted)));
    assert!(found.min.is_none() && found.min_below >= exact(&x)[299] && found.min_below < 3e-4 * found.max.value);
    // Let alone, it finds out.
    assert_eq!(look(&x, &settings).verdict, Verdict::GeneralPosition);
}

#[test]
fn nothing_and_nonsense_are_refused_and_a_search_can_be_stopped() {
    let look = |x: &Mat<f64>| examine(Engine::best(), x, &SETTINGS, |_| true);
    assert!(matches!(look(&Mat::zeros(0, 3)), Err(TrainError::NoSamples)));
    let x = Mat::from_fn(3, 3, |j, k| if j == 1 { 1e200 } else { (j + 2 * k) as f64 });
    // sigma_max would be 1e400.
    assert!(matches!(look(&x), Err(TrainError::SingularValuesOutOfRange { .. })));
    let x = Mat::from_fn(3, 3, |j, k| if j == 1 { f64::NAN } else { (j + 2 * k) as f64 });
    assert!(matches!(look(&x), Err(TrainError::NotFinite { what: "sample", row: 1 })));
    let settings = Settings { dense: false, rank: 5, ..SETTINGS };
    let found = examine(Engine::best(), &samples(300, 30, 1), &settings, |step| step.products < 3).unwrap();
    assert_eq!((found.stop, found.verdict), (Some(Stop::Interrupted), Verdict::Undecided));
    assert!(default_rank(60_000, 784, WORKSPACE) > 1500 && default_rank(10, 784, WORKSPACE) == 10);
    assert!(default_rank(usize::MAX, 3, WORKSPACE) == 1 && default_rank(60_000, 784, WORKSPACE / 8) < 1000);
}
