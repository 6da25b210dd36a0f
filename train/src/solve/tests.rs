use faer::{Mat as Dense, Side};
use memorize_data::random::Purpose;
use memorize_kernels::{Backend, Engine, Mat, Par, pass};

use super::*;
use crate::network::normal_rows;
use crate::observe::Silent;

fn settings(tolerance: f64) -> Settings {
    Settings { tolerance, max_products: 300, norm: Norm::Frobenius, rank: 2000, seed: 0, workspace: WORKSPACE }
}

fn problem<T: Element>(n: usize, d: usize, seed: u64) -> (Mat<T>, Vec<T>) {
    let x = normal_rows(n, d, 1.0 / (d as f64).sqrt(), seed, Purpose::SyntheticInputs);
    (x, normal_rows::<T>(n, 1, 1.0, seed, Purpose::SyntheticTargets).iter().copied().collect())
}

fn solved<T: Element>(x: &Mat<T>, y: &[T], settings: &Settings) -> Solution<T> {
    solve(Engine { par: Par::Seq, ..Engine::best() }, x, y, settings, &mut Silent).unwrap()
}

/// The least squares solution of least norm by a dense decomposition of K: S and f.
fn dense_solution(x: &Mat<f64>, y: &[f64]) -> (Dense<f64>, f64) {
    let (n, d) = (x.rows(), x.cols());
    let product = |i: usize, j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2);
    let eigen = Dense::from_fn(n, n, product).self_adjoint_eigen(Side::Lower).unwrap();
    let largest = eigen.S()[n - 1];
    let mut alpha = vec![0.0; n];
    for k in (0..n).filter(|&k| eigen.S()[k] > 1e-12 * largest) {
        let along: f64 = (0..n).map(|j| eigen.U()[(j, k)] * y[j]).sum::<f64>() / eigen.S()[k];
        alpha.iter_mut().enumerate().for_each(|(j, alpha)| *alpha += along * eigen.U()[(j, k)]);
    }
    let s = Dense::from_fn(d, d, |i, k| (0..n).map(|j| alpha[j] * x.row(j)[i] * x.row(j)[k]).sum());
    let form = |j: usize| (0..d * d).map(|at| x.row(j)[at / d] * s[(at / d, at % d)] * x.row(j)[at % d]).sum::<f64>();
    let loss = (0..n).map(|j| (form(j) - y[j]).powi(2)).sum::<f64>() / (4.0 * n as f64);
    (s, loss)
}

#[test]
fn finds_the_solution_of_least_norm() {
    let sizes = [(1, 1), (1, 3), (3, 2), (10, 5), (30, 10), (55, 10), (200, 30), (5, 6), (20, 60), (40, 50)];
    for (seed, (n, d)) in sizes.into_iter().enumerate() {
        let (x, y) = problem::<f64>(n, d, seed as u64);
        for norm in [Norm::Frobenius, Norm::Data] {
            let found = solved(&x, &y, &Settings { norm, ..settings(1e-18) });
            assert_eq!(found.verdict, Verdict::Memorised, "{norm:?} n {n} d {d}: f = {:e}", found.evaluation.loss);
            assert_eq!(found.network.neurons(), 2 * found.positive.max(found.negative));
            assert!(found.positive + found.negative <= d.min(n));
            let s = pass::network_matrix(&Engine::best(), found.network.weights.as_ref(), &found.network.signs);
            let (s, (exact, _)) = match norm {
                Norm::Frobenius => (s.unwrap(), dense_solution(&x, &y)),
                Norm::Data => (s.unwrap(), dense_solution_in_metric(&x, &y)),
            };
            let difference = Dense::from_fn(d, d, |i, k| s.row(i)[k] - exact[(i, k)]).norm_l2();
            assert!(difference < 1e-6 * exact.norm_l2(), "{norm:?} n {n} d {d}: {difference:e}");
        }
    }
}

/// T as its definition says, by a dense decomposition of C.
fn dense_metric(x: &Mat<f64>) -> Dense<f64> {
    let (n, d) = (x.rows(), x.cols());
    let moment = |i: usize, k: usize| (0..n).map(|j| x.row(j)[i] * x.row(j)[k]).sum::<f64>() / n as f64;
    let moments = Dense::from_fn(d, d, moment);
    let c = (0..d).map(|i| moments[(i, i)]).sum::<f64>() / n.min(d) as f64;
    let eigen = moments.self_adjoint_eigen(Side::Lower).unwrap();
    let root = |value: f64| ((value.max(0.0) + c / 32.0) / (c + c / 32.0)).powf(-0.25);
    Dense::from_fn(d, d, |i, k| (0..d).map(|l| eigen.U()[(i, l)] * root(eigen.S()[l]) * eigen.U()[(k, l)]).sum())
}

/// The solution of least ||T^-1 S T^-1||_F: that of least ||S||_F for the samples T x.
fn dense_solution_in_metric(x: &Mat<f64>, y: &[f64]) -> (Dense<f64>, f64) {
    let t = dense_metric(x);
    let moved = Mat::from_fn(x.rows(), x.cols(), |j, k| (0..x.cols()).map(|i| x.row(j)[i] * t[(i, k)]).sum());
    let (s, loss) = dense_solution(&moved, y);
    (&t * s * &t, loss)
}

/// Solves for samples of a problem multiplied by `scale` and rounded to T, and compares x^T S x and S with the dense
/// solution.
fn check_scale<T: Element>(n: usize, d: usize, scale: f64, tolerance: f64, agreement: f64) {
    let (x, y) = problem::<f64>(n, d, 31);
    let x = Mat::from_fn(n, d, |j, k| T::from_f64(scale * x.row(j)[k]));
    let targets: Vec<T> = y.iter().map(|&y| T::from_f64(y)).collect();
    let found = solved(&x, &targets, &settings(tolerance));
    assert_eq!(found.verdict, Verdict::Memorised, "{} {n} x {d} at {scale:e}: {:e}", T::NAME, found.evaluation.loss);
    // Both in f64 at scale 1: W as it is returned, and S from the samples as they were rounded.
    let weights = Mat::from_fn(found.network.neurons(), d, |i, k| found.network.weights.row(i)[k].to_f64() * scale);
    let signs: Vec<f64> = found.network.signs.iter().map(|sign| sign.to_f64()).collect();
    let s = pass::network_matrix(&Engine::best(), weights.as_ref(), &signs).unwrap();
    let unscaled = Mat::from_fn(n, d, |j, k| x.row(j)[k].to_f64() / scale);
    let targets: Vec<f64> = targets.iter().map(|y| y.to_f64()).collect();
    let (exact, _) = dense_solution(&unscaled, &targets);
    let difference = Dense::from_fn(d, d, |i, k| s.row(i)[k] - exact[(i, k)]).norm_l2();
    assert!(difference < agreement * exact.norm_l2(), "{} {n} x {d} at {scale:e}: {difference:e}", T::NAME);
    let objective =
        Objective { engine: Engine::best(), x: &unscaled, y: &targets, gamma: 0.0, route: crate::Route::Neuron };
    let loss = objective.evaluate(&Network { weights, signs }).unwrap().loss;
    assert!(loss <= 2.0 * tolerance, "{} {n} x {d} at {scale:e}: {loss:e}", T::NAME);
}

#[test]
fn samples_of_any_scale_are_solved_for() {
    for (n, d) in [(30, 10), (12, 40)] {
        for scale in [1e-30, 1e-10, 1e-5, 1.0, 1e5, 1e10, 1e30] {
            check_scale::<f32>(n, d, scale, 1e-9, 1e-3);
            check_scale::<f64>(n, d, scale, 1e-18, 1e-6);
        }
        check_scale::<f64>(n, d, 1e-150, 1e-18, 1e-6);
        check_scale::<f64>(n, d, 1e150, 1e-18, 1e-6);
    }
}

#[test]
fn a_power_of_two_changes_no_bit_of_the_solution() {
    let (x, y) = problem::<f32>(60, 12, 32);
    let scaled = |e: i32| Mat::from_fn(60, 12, |j, k| x.row(j)[k] * 2f32.powi(e));
    for norm in [Norm::Frobenius, Norm::Data] {
        let at = |e: i32| solved(&scaled(e), &y, &Settings { norm, ..settings(1e-9) }).network.weights;
        let exact = at(0);
        for e in [-60, -5, 40] {
            let found = at(e);
            let same = found.iter().zip(exact.iter()).all(|(found, exact)| found * 2f32.powi(e) == *exact);
            assert!(same, "{norm:?} 2^{e}");
        }
    }
}

#[test]
fn weights_that_the_type_cannot_hold_are_refused_with_advice() {
    let (x, y) = problem::<f32>(12, 40, 33);
    // Subnormal samples: W would have to be 1e40.
    let tiny = Mat::from_fn(12, 40, |j, k| x.row(j)[k] * 1e-20 * 1e-20);
    let error = solve(Engine::best(), &tiny, &y, &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::WeightsOutOfRange { largest, .. } if largest > 1e38), "{error}");
    assert!(error.to_string().contains("compute in f64"), "{error}");
    let huge = Mat::from_fn(12, 40, |j, k| x.row(j)[k] * 1e38);
    let error = solve(Engine::best(), &huge, &y, &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::WeightsOutOfRange { largest, .. } if largest < 1.2e-38), "{error}");
    // In f64 both are well.
    for scale in [1e-40, 1e38] {
        check_scale::<f64>(12, 40, scale, 1e-18, 1e-6);
    }
}

#[test]
fn few_wide_samples_have_no_more_eigenvalues_than_they_span() {
    for d in [31, 700] {
        let (x, y) = problem::<f64>(30, d, 34);
        let found = solved(&x, &y, &settings(1e-18));
        assert_eq!((found.verdict, found.positive + found.negative), (Verdict::Memorised, 30));
        // Ten of them, three times each.
        let thrice = Mat::from_fn(30, d, |j, k| x.row(j % 10)[k]);
        let found =
            solved(&thrice, &y.iter().enumerate().map(|(j, _)| y[j % 10]).collect::<Vec<_>>(), &settings(1e-18));
        assert_eq!((found.verdict, found.positive + found.negative), (Verdict::Memorised, 10));
        let narrow = Mat::from_fn(30, d, |j, k| thrice.row(j)[k] as f32);
        let y: Vec<f32> = (0..30).map(|j| y[j % 10] as f32).collect();
        let found = solved(&narrow, &y, &settings(1e-9));
        assert_eq!((found.verdict, found.positive + found.negative), (Verdict::Memorised, 10));
    }
}

#[test]
fn more_samples_than_unknowns_end_with_the_least_squares_solution() {
    for (seed, (n, d)) in [(4, 2), (35, 6), (60, 3), (400, 10)].into_iter().enumerate() {
        let (x, y) = problem::<f64>(n, d, 20 + seed as u64);
        // Of any norm, for the loss does not know it.
        let (_, exact) = dense_solution(&x, &y);
        for norm in [Norm::Frobenius, Norm::Data] {
            let found = solved(&x, &y, &Settings { norm, ..settings(1e-12) });
            assert_eq!(found.verdict, Verdict::LeastSquares { beyond_capacity: true }, "{norm:?} n {n} d {d}");
            let loss = found.evaluation.loss;
            assert!(loss >= exact * (1.0 - 1e-9), "{norm:?} n {n} d {d}: {loss:e}, exact {exact:e}");
            assert!(loss <= exact * (1.0 + 1e-6), "{norm:?} n {n} d {d}: {loss:e}, exact {exact:e}");
        }
    }
}

#[test]
fn a_low_rank_preconditioner_is_slower_and_no_less_exact() {
    let (x, y) = problem::<f64>(600, 40, 3);
    // Products of 28 of the 40 coordinates.
    let pairs = solved(&x, &y, &Settings { norm: Norm::Data, rank: 400, ..settings(1e-16) });
    assert_eq!((pairs.verdict, pairs.rank), (Verdict::Memorised, 400));
    let (x, y) = problem::<f64>(400, 40, 3);
    let [full, low, least] = [400, 40, 1].map(|rank| solved(&x, &y, &Settings { rank, ..settings(1e-16) }));
    for found in [&full, &low, &least] {
        assert_eq!(found.verdict, Verdict::Memorised);
        assert!(found.evaluation.loss <= 1e-16);
    }
    assert!(full.outcome.iterations < low.outcome.iterations && low.outcome.iterations <= least.outcome.iterations);
    assert_eq!((full.rank, low.rank, least.rank), (400, 40, 1));
}

#[test]
fn samples_that_contradict_each_other_are_said_to_be_degenerate() {
    let (x, mut y) = problem::<f64>(20, 8, 4);
    let x = Mat::from_fn(20, 8, |j, k| x.row(j / 2 * 2)[k]);
    y.iter_mut().enumerate().for_each(|(j, y)| *y = (j % 2) as f64);
    let found = solved(&x, &y, &settings(1e-10));
    assert_eq!(found.verdict, Verdict::LeastSquares { beyond_capacity: false });
    // Half of the targets are 0 and half 1: the best output is 1/2, f = 1/16.
    assert!((found.evaluation.loss - 1.0 / 16.0).abs() < 1e-9, "{}", found.evaluation.loss);
    // Where they agree, repeated samples are no obstacle.
    y.iter_mut().enumerate().for_each(|(j, y)| *y = (j / 2) as f64);
    assert_eq!(solved(&x, &y, &settings(1e-10)).verdict, Verdict::Memorised);
}

#[test]
fn f32_is_solved_by_rounds_and_its_limit_is_said() {
    let (x, y) = problem::<f32>(300, 40, 5);
    let found = solved(&x, &y, &settings(1e-11));
    assert_eq!(found.verdict, Verdict::Memorised, "{:e}", found.evaluation.loss);
    let beyond = solved(&x, &y, &settings(1e-25));
    assert_eq!(beyond.verdict, Verdict::Resolution);
    assert!(beyond.evaluation.loss < 1e-11, "{:e}", beyond.evaluation.loss);
}

#[test]
fn the_loss_is_that_of_the_network_returned_on_every_backend() {
    let (x, y) = problem::<f64>(60, 12, 6);
    for &backend in Backend::ALL {
        let engine = Engine { backend, par: Par::Seq, ..Engine::best() };
        let found =
            solve(engine, &x, &y, &Settings { max_products: 2, rank: 5, ..settings(1e-20) }, &mut Silent).unwrap();
        assert_eq!((found.verdict, found.outcome.iterations), (Verdict::Budget, 2));
        let objective = Objective { engine, x: &x, y: &y, gamma: 0.0, route: crate::Route::Neuron };
        let loss = objective.evaluate(&found.network).unwrap().loss;
        assert!((found.evaluation.loss - loss).abs() < 1e-10 * loss, "{backend}");
    }
}

#[test]
fn the_loss_recorded_never_rises_and_an_interruption_leaves_what_was_reached() {
    struct Watcher(Vec<f64>);
    impl Observer for Watcher {
        fn record(&mut self, record: &Record) {
            assert_eq!(record.iteration, self.0.len() as u64);
            self.0.push(record.loss);
        }
        fn keep_going(&mut self) -> bool {
            self.0.len() < 5
        }
    }
    let (x, y) = problem::<f64>(200, 25, 7);
    let mut watcher = Watcher(Vec::new());
    let settings = Settings { rank: 3, ..settings(1e-20) };
    let found = solve(Engine::best(), &x, &y, &settings, &mut watcher).unwrap();
    assert!(watcher.0.len() == 5 && watcher.0.windows(2).all(|pair| pair[1] <= pair[0]));
    assert_eq!((found.verdict, found.outcome.reason), (Verdict::Interrupted, StopReason::Interrupted));
    assert!((found.evaluation.loss - watcher.0[4]).abs() < 1e-9 * watcher.0[0]);
}

#[test]
fn the_default_rank_follows_the_width_and_the_memory() {
    let narrow = |n, d, workspace| default_rank::<f32>([n, d], Norm::Frobenius, workspace);
    assert_eq!(narrow(60_000, 784, WORKSPACE), 3136);
    assert_eq!(default_rank::<f32>([60_000, 784], Norm::Data, WORKSPACE), 1568);
    assert_eq!((narrow(300, 100, WORKSPACE), narrow(2000, 10, WORKSPACE)), (300, 500));
    assert!((2000..2500).contains(&default_rank::<f64>([60_000, 784], Norm::Frobenius, WORKSPACE)));
    assert!(narrow(60_000, 784, WORKSPACE / 8) < 1000);
    assert!((200..300).contains(&narrow(1_000_000, 784, WORKSPACE)));
    let most = default_rank::<f64>([usize::MAX, 5], Norm::Data, WORKSPACE);
    assert_eq!((narrow(0, 5, WORKSPACE), most), (1, 1));
}

#[test]
fn targets_of_zero_need_no_neurons_and_an_empty_set_is_refused() {
    let (x, _) = problem::<f32>(10, 4, 8);
    let found = solved(&x, &[0.0; 10], &settings(1e-10));
    assert_eq!((found.verdict, found.outcome.iterations, found.network.neurons()), (Verdict::Memorised, 0, 2));
    assert_eq!(found.evaluation.loss, 0.0);
    let error = solve(Engine::best(), &Mat::<f64>::zeros(0, 3), &[], &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NoSamples));
    let error = solve(Engine::best(), &x, &[0.0; 9], &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::Kernel(_)));
    let x = Mat::from_fn(3, 2, |_, _| f64::NAN);
    let error = solve(Engine::best(), &x, &[0.0; 3], &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { what: "sample", row: 0 }));
    let zeros = Mat::<f64>::zeros(3, 2);
    let error = solve(Engine::best(), &zeros, &[1.0; 3], &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::ZeroSamples), "{error}");
    let (x, y) = (Mat::from_fn(3, 2, |_, _| 1.0), [0.0, 0.0, f64::INFINITY]);
    let error = solve(Engine::best(), &x, &y, &settings(1e-5), &mut Silent).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { what: "target", row: 2 }));
}
