use faer::Side;
use memorize_data::random::Purpose;

use super::*;
use crate::network::normal_rows;

/// Normal samples whose coordinates have the standard deviations 1, 1/2, 1/3, ...
fn samples<T: Element>(n: usize, d: usize) -> Mat<T> {
    let x = normal_rows::<f64>(n, d, 1.0, 5, Purpose::SyntheticInputs);
    Mat::from_fn(n, d, |j, k| T::from_f64(x.row(j)[k] / (1 + k) as f64))
}

/// C of the samples T x for a matrix T.
fn moments(x: &Mat<f64>, t: &Dense<f64>) -> Dense<f64> {
    let (n, d) = (x.rows(), x.cols());
    let x = Dense::from_fn(n, d, |j, k| x.row(j)[k]);
    let moved = &x * t;
    moved.transpose() * &moved * faer::Scale(1.0 / n as f64)
}

#[test]
fn the_square_is_what_the_definition_says() {
    for (n, d) in [(1, 1), (1, 4), (2, 5), (5, 5), (6, 3), (40, 12), (130, 17)] {
        let x = samples::<f64>(n, d);
        let metric = Metric::of(&Engine::best(), &x).unwrap();
        let identity = Dense::from_fn(d, d, |i, k| f64::from(u8::from(i == k)));
        let c = moments(&x, &identity);
        let mean = (0..d).map(|i| c[(i, i)]).sum::<f64>() / n.min(d) as f64;
        // T^4 (C + mean/32) = (33/32) mean I.
        let square = Dense::from_fn(d, d, |i, k| metric.square().row(i)[k]);
        let shifted = Dense::from_fn(d, d, |i, k| c[(i, k)] + if i == k { mean / 32.0 } else { 0.0 });
        let product = &square * &square * shifted;
        for i in 0..d {
            for k in 0..d {
                let exact = if i == k { 33.0 / 32.0 * mean } else { 0.0 };
                assert!((product[(i, k)] - exact).abs() < 1e-12 * mean, "{} {exact}", product[(i, k)]);
            }
        }
    }
}

#[test]
fn the_coordinates_are_uncorrelated_and_have_the_moments_that_are_said() {
    let (n, d) = (60, 9);
    let x = samples::<f64>(n, d);
    let metric = Metric::of(&Engine::best(), &x).unwrap();
    let layer = metric.coordinates(d).unwrap();
    let found = moments(&x, &Dense::from_fn(d, d, |i, k| layer.weights().row(k)[i]));
    assert!(metric.moments().is_sorted_by(|left, right| left >= right));
    for i in 0..d {
        for k in 0..d {
            let exact = if i == k { metric.moments()[i] } else { 0.0 };
            assert!((found[(i, k)] - exact).abs() < 1e-13 * metric.moments()[0]);
        }
    }
    // They are farther from each other without it.
    let exact = moments(&x, &Dense::from_fn(d, d, |i, k| f64::from(u8::from(i == k))));
    let values = exact.self_adjoint_eigenvalues(Side::Lower).unwrap();
    assert!(values[d - 1] / values[0] > 2.0 * metric.moments()[0] / metric.moments()[d - 1]);
}

#[test]
fn on_both_sides_is_the_product_of_three_matrices() {
    fn check<T: Element>(agreement: f64) {
        for d in [1, 3, 17, 70] {
            let metric = Metric::<T>::of(&Engine::best(), &samples::<T>(90, d)).unwrap();
            let m = Mat::from_fn(d, d, |i, k| T::from_f64((((i + k) * 7 + i * k) % 11) as f64 - 5.0));
            let wide = Mat::from_fn(d, d, |i, k| m.row(i)[k].to_f64());
            let (found, exact) = (metric.on_both_sides(&Engine::best(), &m).unwrap(), metric.outside(&wide));
            let largest = exact.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            for (found, exact) in found.iter().zip(exact.iter()) {
                assert!((found.to_f64() - exact).abs() < agreement * largest, "{} {d}: {found} {exact}", T::NAME);
            }
        }
    }
    check::<f64>(1e-13);
    check::<f32>(1e-5);
}

#[test]
fn samples_that_have_no_metric_are_refused() {
    let of = |x: &Mat<f64>| Metric::of(&Engine::best(), x).map(|_| ());
    assert!(matches!(of(&Mat::zeros(0, 3)), Err(TrainError::NoSamples)));
    assert!(matches!(of(&Mat::zeros(3, 0)), Err(TrainError::NoSamples)));
    assert!(matches!(of(&Mat::zeros(3, 2)), Err(TrainError::ZeroSamples)));
    assert!(matches!(of(&Mat::from_fn(3, 2, |_, _| f64::NAN)), Err(TrainError::Eigenvalues(2))));
    assert!(matches!(of(&Mat::from_fn(3, 2, |_, _| 1e200)), Err(TrainError::Eigenvalues(2))));
}

#[test]
fn a_step_for_moved_samples_is_the_metric_s_step_for_the_samples() {
    use crate::{Network, Objective, Route};
    let (n, d, r) = (60, 7, 18);
    let x = samples::<f64>(n, d);
    let y: Vec<f64> = (0..n).map(|j| ((j * 5) % 7) as f64 / 7.0).collect();
    let moved = Moved::new(Engine::best(), &x).unwrap();
    let t = moved.metric.root();
    let engine = Engine::best();
    let inside = Network::<f64>::random(r, d, 0.5, 1).unwrap();
    let times = |weights: &Mat<f64>| Mat::from_fn(r, d, |i, k| (0..d).map(|l| weights.row(i)[l] * t[(l, k)]).sum());
    let outside = Network { weights: times(&inside.weights), signs: inside.signs.clone() };
    for route in [Route::Gram, Route::Neuron] {
        let (here, there) = (
            Objective { engine, x: &x, y: &y, gamma: 0.0, route },
            Objective { engine, x: &moved.samples, y: &y, gamma: 0.0, route },
        );
        let ([mut gradient, mut inner], at) = ([0; 2].map(|_| Mat::zeros(r, d)), 1e-13);
        let losses =
            [here.gradient(&outside, &mut gradient).unwrap().loss, there.gradient(&inside, &mut inner).unwrap().loss];
        assert!((losses[0] - losses[1]).abs() < at * losses[0]);
        let exact = times(&gradient);
        let largest = exact.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        assert!(inner.iter().zip(exact.iter()).all(|(found, exact)| (found - exact).abs() < 1e-12 * largest));
    }
}
