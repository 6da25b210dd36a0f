use memorize_data::random::Purpose;

use super::*;
use crate::network::normal_rows;
use crate::theory::gram_operator::GramOperator;

/// Normal samples whose coordinates have the standard deviations 1, 1/2, 1/3, ...
fn samples(n: usize, d: usize) -> Mat<f64> {
    let x = normal_rows::<f64>(n, d, 1.0, 5, Purpose::SyntheticInputs);
    Mat::from_fn(n, d, |j, k| x.row(j)[k] / (1 + k) as f64)
}

#[test]
fn the_pairs_are_those_of_the_largest_products() {
    for (m, count, by) in [(1, 1, 1.0), (1, 5, 0.3), (4, 9, 0.3), (7, 20, 2.0), (20, 100, 0.1), (20, 250, 3.0)] {
        let moments: Vec<f64> = (0..m).map(|i| (-by * (1 + i) as f64).exp()).collect();
        let mut all: Vec<f64> =
            (0..m).flat_map(|a| (a..m).map(move |b| (a, b))).map(|(a, b)| moments[a] * moments[b]).collect();
        all.sort_by(|left, right| right.total_cmp(left));
        all.truncate(count);
        let found = largest(&moments, count);
        let products: Vec<f64> = found.iter().map(|&[a, b]| moments[a] * moments[b]).collect();
        assert_eq!(products, all);
        assert!(found.iter().all(|&[a, b]| a <= b && b < m));
    }
}

#[test]
fn with_all_pairs_it_is_the_inverse() {
    let (n, d) = (40, 10);
    let x = samples(n, d);
    let metric = Metric::of(&Engine::best(), &x).unwrap();
    // 55 pairs are wanted, of which 40 are had: one a sample.
    let p = LowRank::pairs(Engine::best(), &x, &metric, 55).unwrap();
    assert_eq!(p.rank(), 40);
    let x = samples(80, d);
    let metric = Metric::of(&Engine::best(), &x).unwrap();
    let p = LowRank::pairs(Engine::best(), &x, &metric, 55).unwrap();
    assert_eq!(p.rank(), 55);
    let k = GramOperator::new(Engine::best(), &x).in_metric(Some(&metric));
    // K has rank 55, and P inverts it on its image.
    let v: Vec<f64> = k.apply(&(0..80).map(|j| ((j * 37) % 23) as f64 - 11.0).collect::<Vec<_>>()).unwrap();
    let back = k.apply(&p.apply(&v).unwrap()).unwrap();
    let (largest, apart) = back
        .iter()
        .zip(&v)
        .fold((0.0f64, 0.0f64), |(largest, apart), (back, v)| (largest.max(v.abs()), apart.max((back - v).abs())));
    assert!(apart < 1e-4 * largest, "{apart} of {largest}");
}

/// B's columns and the shift from their definitions.
#[test]
fn it_is_the_inverse_of_the_shifted_approximation() {
    let (n, d, rank) = (70, 8, 12);
    let x = samples(n, d);
    let metric = Metric::of(&Engine::best(), &x).unwrap();
    let p = LowRank::pairs(Engine::best(), &x, &metric, rank).unwrap();
    let layer = metric.coordinates(d).unwrap();
    let z = |j: usize, a: usize| (0..d).map(|k| layer.weights().row(a)[k] * x.row(j)[k]).sum::<f64>();
    let chosen = largest(&metric.moments()[..5], rank);
    let b = |j: usize, &[a, b]: &[usize; 2]| z(j, a) * z(j, b) * if a == b { 1.0 } else { 2f64.sqrt() };
    let approximated = |i: usize, j: usize| chosen.iter().map(|pair| b(i, pair) * b(j, pair)).sum::<f64>();
    let diagonal = |j: usize| (0..d).map(|a| z(j, a).powi(2)).sum::<f64>().powi(2);
    let shift = (0..n).map(|j| diagonal(j) - approximated(j, j)).sum::<f64>() / n as f64;
    assert!(shift > 0.0);
    let v: Vec<f64> = (0..n).map(|j| ((j * 31) % 17) as f64 - 8.0).collect();
    let found = p.apply(&v).unwrap();
    for i in 0..n {
        let back = (0..n).map(|j| approximated(i, j) * found[j]).sum::<f64>() + shift * found[i];
        assert!((back - v[i]).abs() < 1e-9, "{back} {}", v[i]);
    }
}

#[test]
fn what_cannot_be_approximated_is_refused() {
    let x = samples(9, 3);
    let metric = Metric::of(&Engine::best(), &x).unwrap();
    let none = LowRank::pairs(Engine::best(), &x, &metric, 0);
    assert!(matches!(none, Err(TrainError::NoSamples)));
    let broken = Mat::from_fn(9, 3, |_, _| f64::INFINITY);
    assert!(matches!(LowRank::pairs(Engine::best(), &broken, &metric, 3), Err(TrainError::Eigenvalues(_))));
}
