//! The small loops against the objective's passes.

use memorize_data::random::Purpose;
use memorize_kernels::{Engine, Isa, Mat};

use super::*;
use crate::network::normal_rows;
use crate::objective::Objective;
use crate::planner::Route;

fn problem(n: usize, d: usize, r: usize, seed: u64) -> (Mat<f64>, Vec<f64>, Network<f64>) {
    let x = normal_rows(n, d, 1.0, seed, Purpose::SyntheticInputs);
    let y = normal_rows::<f64>(n, 1, 1.0, seed, Purpose::SyntheticTargets).iter().copied().collect();
    (x, y, Network::random(r, d, 0.5, seed).unwrap())
}

fn objective<'a>(x: &'a Mat<f64>, y: &'a [f64]) -> Objective<'a, f64, Mat<f64>> {
    Objective { engine: Engine::best(), x, y, gamma: 0.25, route: Route::Gram }
}

#[test]
fn value_and_gradient_are_the_objectives_for_every_width() {
    for d in 1..=MAX_WIDTH {
        // One less and one more than whole lanes, of samples and of neurons.
        for (n, r) in [(1, 2), (3, 2 * d + 2), (4, 8), (5, 10), (2 * d + 3, 2 * d + 4)] {
            let (x, y, mut net) = problem(n, d, r, (n * d) as u64);
            net.signs[0] = -1.0;
            let mut small = SmallTraining::new(Isa::best(), &x, &y, 0.25, &net).unwrap();
            let [mut found, mut expected] = [Mat::zeros(r, d), Mat::zeros(r, d)];
            let at = small.evaluate(&net.weights, &mut found).unwrap();
            // The loops multiply and add one after the other, and so the same on every instruction set.
            for isa in Isa::available() {
                let mut other = SmallTraining::new(isa, &x, &y, 0.25, &net).unwrap();
                let mut again = Mat::zeros(r, d);
                assert_eq!(other.evaluate(&net.weights, &mut again).unwrap(), at, "{isa}, {n} x {d} x {r}");
                assert_eq!(again.padded(), found.padded(), "{isa}, {n} x {d} x {r}");
            }
            let exact = objective(&x, &y).gradient(&net, &mut expected).unwrap();
            assert!((at.loss - exact.loss).abs() < 1e-13 * exact.loss, "{n} x {d} x {r}");
            assert!((at.regularized - exact.regularized).abs() < 1e-13 * exact.regularized, "{n} x {d} x {r}");
            let scale = expected.frobenius_norm();
            assert!(found.iter().zip(expected.iter()).all(|(f, e)| (f - e).abs() < 1e-13 * scale), "{n} x {d} x {r}");
        }
    }
}

#[test]
fn unwatched_steps_are_those_of_gradient_descent() {
    let (x, y, mut net) = problem(7, 3, 8, 2);
    let mut small = SmallTraining::new(Isa::best(), &x, &y, 0.25, &net).unwrap();
    let mut descended = net.weights.clone();
    assert_eq!(small.descend(&mut descended, 0.01, 50, &Until::default()).unwrap(), 50);
    let mut gradient = Mat::zeros(8, 3);
    for _ in 0..50 {
        objective(&x, &y).gradient(&net, &mut gradient).unwrap();
        net.weights.padded_mut().iter_mut().zip(gradient.padded()).for_each(|(w, g)| *w -= 0.01 * g);
    }
    assert!(descended.iter().zip(net.weights.iter()).all(|(f, e)| (f - e).abs() < 1e-12));
}

#[test]
fn unwatched_steps_end_where_they_are_told_to() {
    let (x, y, net) = problem(7, 3, 8, 2);
    let objective = objective(&x, &y);
    let mut small = SmallTraining::new(Isa::best(), &x, &y, 0.25, &net).unwrap();
    let mut gradient = Mat::zeros(8, 3);
    let start = objective.gradient(&net, &mut gradient).unwrap();
    let mut run = |until: Until| {
        let mut w = net.weights.clone();
        let steps = small.descend(&mut w, 0.01, 100_000, &until).unwrap();
        let at = objective.gradient(&Network { weights: w, ..net.clone() }, &mut gradient).unwrap();
        (steps, at.loss, gradient.frobenius_norm())
    };
    let (steps, _, norm) = run(Until { gradient_norm: Some(0.5), loss: None });
    assert!(0 < steps && steps < 100_000 && norm <= 0.5 && norm > 0.4, "{steps} steps to {norm}");
    let (steps, loss, _) = run(Until { gradient_norm: None, loss: Some(start.loss / 2.0) });
    assert!(0 < steps && steps < 100_000 && loss <= start.loss / 2.0 && loss > start.loss * 0.4, "{steps} to {loss}");
    let mut w = Mat::from_fn(8, 3, |_, _| f64::NAN);
    assert_eq!(small.descend(&mut w, 0.01, 10, &Until::default()).unwrap(), 0);
}

#[test]
fn what_is_not_small_is_left_to_the_passes() {
    let (x, y, net) = problem(5, 3, 8, 1);
    assert!(SmallTraining::fits(60, 16) && !SmallTraining::fits(61, 16));
    assert!(!SmallTraining::fits(1, 17) && !SmallTraining::fits(0, 3) && !SmallTraining::fits(1, 0));
    assert!(SmallTraining::new(Isa::best(), &x, &y[1..], 0.0, &net).is_none());
    let (wide, targets, wide_net) = problem(5, 17, 36, 1);
    assert!(SmallTraining::new(Isa::best(), &wide, &targets, 0.0, &wide_net).is_none());
    let signs = vec![2.0; 8];
    assert!(SmallTraining::new(Isa::best(), &x, &y, 0.0, &Network { signs, ..net }).is_none());
}
