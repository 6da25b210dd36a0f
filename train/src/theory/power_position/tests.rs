use memorize_data::random::Purpose;

use super::super::davidson::Stop;
use super::super::position::{Degeneracy, Method};
use super::*;
use crate::network::normal_rows;
use crate::theory::preconditioner::WORKSPACE;

const SETTINGS: Settings =
    Settings { tolerance: 1e-4, max_products: 500, rank: 30, seed: 0, workspace: WORKSPACE, dense: true };

fn samples(n: usize, d: usize, seed: u64) -> Mat<f64> {
    normal_rows(n, d, 1.0 / (d as f64).sqrt(), seed, Purpose::SyntheticInputs)
}

fn look(x: &Mat<f64>, order: u32, settings: &Settings) -> Position {
    examine(Engine::best(), x, order, settings, |_| true).unwrap()
}

/// Singular values of the d^q x n matrix itself, descending.
fn exact(x: &Mat<f64>, order: u32) -> Vec<f64> {
    let (n, d) = (x.rows(), x.cols());
    let entry = |at: usize, j: usize| (0..order).map(|place| x.row(j)[at / d.pow(place) % d]).product::<f64>();
    Dense::from_fn(d.pow(order), n, entry).singular_values().unwrap()
}

#[test]
fn every_way_agrees_with_the_svd_of_the_tensors() {
    for (n, d, order) in [(1, 1, 4), (1, 3, 4), (5, 2, 4), (12, 3, 4), (60, 8, 4), (20, 3, 6), (4, 10, 4), (30, 5, 6)] {
        let x = samples(n, d, n as u64);
        let exact = exact(&x, order);
        let shape = format!("n {n} d {d} order {order}");
        let dense = look(&x, order, &SETTINGS);
        let (min, max) = (dense.min.unwrap(), dense.max);
        assert_eq!((dense.verdict, dense.method), (Verdict::GeneralPosition, Method::Dense), "{shape}");
        assert_eq!((dense.samples, dense.width, dense.order), (n, d, order));
        assert!((max.value - exact[0]).abs() <= 1e-12 * exact[0], "{shape}");
        assert!((min.value - exact[n - 1]).abs() <= 1e-8 * exact[n - 1], "{shape}: {} {}", min.value, exact[n - 1]);
        assert!((min.value - exact[n - 1]).abs() <= min.error + dense.resolution, "{shape}");

        let by_gram = Scale::new(Engine::best(), &x, order).unwrap();
        let by_gram = by_gram.back(gram(&scaled(&x, -by_gram.exponent), order).unwrap()).unwrap();
        let (min, max) = (by_gram.min.unwrap(), by_gram.max);
        assert_eq!((by_gram.verdict, by_gram.method), (Verdict::GeneralPosition, Method::Gram), "{shape}");
        assert!((min.value - exact[n - 1]).abs() <= min.error + 1e-14 * exact[0], "{shape}: {min:?} {}", exact[n - 1]);
        assert!((max.value - exact[0]).abs() <= max.error + 1e-13 * exact[0], "{shape}");

        for rank in [1, n / 4 + 1, n] {
            let found = look(&x, order, &Settings { dense: false, rank, ..SETTINGS });
            let (min, max) = (found.min.unwrap(), found.max);
            assert_eq!((found.verdict, found.method), (Verdict::GeneralPosition, Method::Iterative), "{shape}");
            assert!(
                (min.value - exact[n - 1]).abs() <= min.error + 1e-14 * exact[0],
                "{shape}: {min:?} {}",
                exact[n - 1]
            );
            assert!((max.value - exact[0]).abs() <= max.error.max(1e-13 * exact[0]), "{shape}: {max:?}");
            assert!(min.value >= exact[n - 1] * (1.0 - 1e-6) && min.error <= 1e-3 * min.value, "{shape}: {min:?}");
            let (bound, distance) = (found.nearest.unwrap(), dense.nearest.unwrap());
            assert!(distance.exact && !bound.exact && distance.distance <= bound.distance * (1.0 + 1e-6));
        }
    }
}

#[test]
fn the_product_is_that_of_the_powers_of_inner_products() {
    for (n, d, order) in [(1, 1, 4), (7, 3, 4), (150, 7, 4), (300, 5, 6), (129, 40, 10)] {
        let x = samples(n, d, 3);
        let v: Vec<f64> = (0..n).map(|j| (j as f64).sin()).collect();
        let product = PowerOperator::new(Engine::best(), &x, order).unwrap().apply(&v).unwrap();
        let k = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(order as i32);
        for i in 0..n {
            let exact: f64 = (0..n).map(|j| k(i, j) * v[j]).sum();
            let scale: f64 = (0..n).map(|j| (k(i, i) * k(j, j)).sqrt() * v[j].abs()).sum();
            assert!((product[i] - exact).abs() < 1e-13 * scale.max(f64::MIN_POSITIVE), "n {n} order {order}: {i}");
        }
    }
    let x = samples(5, 3, 1);
    assert!(PowerOperator::new(Engine::best(), &x, 4).unwrap().apply(&[0.0; 4]).is_err());
}

#[test]
fn of_order_2_it_is_the_position() {
    for dense in [true, false] {
        let (x, settings) = (samples(30, 9, 4), Settings { dense, ..SETTINGS });
        assert_eq!(look(&x, 2, &settings), position::examine(Engine::best(), &x, &settings, |_| true).unwrap());
    }
}

#[test]
fn wide_samples_are_looked_at_by_their_gram_matrix_and_in_their_span() {
    // The monomials of 200 samples of width 300 do not fit: their Gram matrix does.
    let x = samples(200, 300, 5);
    let product = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(4);
    let exact = Dense::from_fn(200, 200, product).self_adjoint_eigenvalues(faer::Side::Lower).unwrap()[0].sqrt();
    for dense in [true, false] {
        let found = look(&x, 4, &Settings { dense, ..SETTINGS });
        let min = found.min.unwrap();
        assert_eq!(found.method, if dense { Method::Gram } else { Method::Iterative });
        assert_eq!((found.width, found.verdict), (300, Verdict::GeneralPosition));
        assert!((min.value - exact).abs() <= min.error + 1e-12 * exact && min.error < 1e-3 * exact, "{min:?} {exact}");
        assert!((found.input_bound / super::super::bounds::largest_norm(&x) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn samples_of_any_scale_are_looked_at_and_what_is_beyond_f64_is_refused() {
    for (n, d) in [(30, 8), (12, 40)] {
        let x = samples(n, d, 6);
        for dense in [true, false] {
            let settings = Settings { dense, ..SETTINGS };
            let exact = look(&x, 4, &settings);
            for e in [-240, -60, 60, 240] {
                let found = look(&Mat::from_fn(n, d, |j, k| libm::ldexp(x.row(j)[k], e)), 4, &settings);
                assert_eq!(found.min.unwrap().value, libm::ldexp(exact.min.unwrap().value, 4 * e), "2^{e}");
                assert_eq!(found.input_bound, libm::ldexp(exact.input_bound, e));
            }
        }
    }
    let x = samples(6, 4, 1);
    for factor in [1e-100, 1e100] {
        let far = Mat::from_fn(6, 4, |j, k| factor * x.row(j)[k]);
        let error = examine(Engine::best(), &far, 4, &SETTINGS, |_| true).unwrap_err();
        assert!(matches!(error, TrainError::PowersOutOfRange { order: 4, .. }), "{error}");
    }
    // One sample is so short that its power vanishes beside the others.
    let short = Mat::from_fn(6, 4, |j, k| if j == 3 { 1e-60 * x.row(j)[k] } else { x.row(j)[k] });
    let error = examine(Engine::best(), &short, 4, &SETTINGS, |_| true).unwrap_err();
    assert!(error.to_string().contains("to one length"), "{error}");
    let broken = Mat::from_fn(6, 4, |j, k| if j == 3 { f64::NAN } else { x.row(j)[k] });
    let error = examine(Engine::best(), &broken, 4, &SETTINGS, |_| true).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { row: 3, .. }), "{error}");
    assert!(matches!(examine(Engine::best(), &Mat::zeros(0, 3), 4, &SETTINGS, |_| true), Err(TrainError::NoSamples)));
    assert!(matches!(examine(Engine::best(), &x, 5, &SETTINGS, |_| true), Err(TrainError::Order { order: 5, .. })));
}

#[test]
fn what_is_degenerate_is_told_why() {
    let verdict = |x: &Mat<f64>, order| {
        let found = look(x, order, &SETTINGS);
        (found.verdict, found.min.map(|min| min.value))
    };
    // D_2^4 = 5.
    let x = samples(6, 2, 1);
    assert_eq!(verdict(&x, 4), (Verdict::Degenerate(Degeneracy::BeyondCapacity), Some(0.0)));
    assert_eq!(verdict(&x, 6).0, Verdict::GeneralPosition);
    let wide = Mat::from_fn(6, 5, |j, k| if k < 2 { x.row(j)[k] } else { 0.0 });
    assert_eq!(verdict(&wide, 4).0, Verdict::Degenerate(Degeneracy::ConstantZeros { width: 2 }));
    let zero = Mat::from_fn(6, 2, |j, k| if j == 5 { 0.0 } else { x.row(j)[k] });
    assert_eq!(verdict(&zero, 6).0, Verdict::Degenerate(Degeneracy::Zero { row: 5 }));
    assert_eq!(verdict(&Mat::zeros(3, 4), 4).0, Verdict::Degenerate(Degeneracy::Zero { row: 0 }));
    let twice = Mat::from_fn(6, 2, |j, k| if j == 5 { -x.row(1)[k] } else { x.row(j)[k] });
    let repeated = Degeneracy::Repeated { first: 1, second: 5, count: 1 };
    assert_eq!(verdict(&twice, 6), (Verdict::Degenerate(repeated), Some(0.0)));
    let parallel = Mat::from_fn(6, 2, |j, k| if j == 5 { x.row(1)[k] / 3.0 } else { x.row(j)[k] });
    assert_eq!(verdict(&parallel, 6), (Verdict::NumericallyDegenerate, None));
}

#[test]
fn a_search_can_be_stopped_and_is_told_at_the_scale_of_the_samples() {
    let x = samples(300, 30, 1);
    let mut values = [0.0, 0.0];
    for (at, factor) in [1.0, 1024.0].into_iter().enumerate() {
        let scaled = Mat::from_fn(300, 30, |j, k| factor * x.row(j)[k]);
        let settings = Settings { dense: false, rank: 5, ..SETTINGS };
        let found = examine(Engine::best(), &scaled, 4, &settings, |step| {
            values[at] = step.value;
            step.products < 3
        })
        .unwrap();
        assert_eq!(found.stop, Some(Stop::Interrupted));
    }
    assert_eq!(values[1], values[0] * 2f64.powi(80));
}
