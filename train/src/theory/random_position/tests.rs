use memorize_data::random::Purpose;
use memorize_kernels::Engine;

use super::*;
use crate::features::Featured;
use crate::network::normal_rows;
use crate::theory::bounds::Lifted;

fn normal(n: usize, d: usize, deviation: f64, seed: u64) -> Mat<f64> {
    normal_rows(n, d, deviation, seed, Purpose::SyntheticInputs)
}

fn sigma_min<X: Rows<f64>>(z: &X) -> f64 {
    Lifted::new(z).unwrap().singular_values().min
}

/// The share of N(centre, s^2 I) where |T| <= e, for T(x) = prod_i (u_i . x).
fn share(vectors: &Mat<f64>, centre: f64, s: f64, e: f64) -> f64 {
    let draws = 20_000;
    let points = normal(draws, vectors.cols(), s, 77);
    let inside = |j: usize| {
        let form: f64 = (0..vectors.rows())
            .map(|i| vectors.row(i).iter().zip(points.row(j)).map(|(u, x)| u * (x + centre)).sum::<f64>())
            .product();
        form.abs() <= e
    };
    (0..draws).filter(|&j| inside(j)).count() as f64 / draws as f64
}

#[test]
fn small_balls_hold_what_the_inequality_says_at_most() {
    // x^D in one variable: the norm is 1.
    for degree in 1..6 {
        let ones = Mat::from_fn(degree, 1, |_, _| 1.0);
        for probability in [0.02, 0.1, 0.3] {
            let e = small_ball(1.0, degree as u32, 1, 0.7, probability);
            let found = share(&ones, 0.0, 0.7, e);
            assert!(found <= probability * 1.1, "{degree}: {found} above {probability}");
            // Not by orders of magnitude: a constant that is too small would show.
            assert!(found >= probability * 0.4, "{degree}: {found} far below {probability}");
        }
    }
    // Products of linear forms in three variables: ||T||^2 = per(u_i . u_j)/D!.
    for seed in 0..4 {
        let u = normal(2, 3, 1.0, seed);
        let dot = |i: usize, j: usize| u.row(i).iter().zip(u.row(j)).map(|(a, b)| a * b).sum::<f64>();
        let norm = ((dot(0, 0) * dot(1, 1) + dot(0, 1).powi(2)) / 2.0).sqrt();
        for centre in [0.0, 1.5] {
            let found = share(&u, centre, 0.5, small_ball(norm, 2, 3, 0.5, 0.3));
            assert!(found <= 0.3, "{found}");
        }
    }
}

#[test]
fn inner_products_of_pairs_are_those_of_the_tensors() {
    let (k, d) = (4, 3);
    let r = normal(k, d, 1.0, 5);
    for power in [1u32, 2, 3] {
        let all = pairs(k * (k + 1) / 2, k);
        let found = pair_products(&inner_products(&r), &all, power);
        // Tensors by their entries: means over all orders of the factors.
        let order = 2 * power as usize;
        let tensor = |(a, b): (usize, usize)| -> Vec<f64> {
            let scale = if a == b { 1.0 } else { 2f64.sqrt() };
            let choices: Vec<Vec<usize>> = (0..1usize << order)
                .filter(|mask| mask.count_ones() == power)
                .map(|mask| (0..order).map(|at| if mask >> at & 1 == 1 { a } else { b }).collect())
                .collect();
            (0..d.pow(order as u32))
                .map(|entry| {
                    let sum: f64 = choices
                        .iter()
                        .map(|rows| (0..order).map(|at| r.row(rows[at])[entry / d.pow(at as u32) % d]).product::<f64>())
                        .sum();
                    scale * sum / choices.len() as f64
                })
                .collect()
        };
        let tensors: Vec<Vec<f64>> = all.iter().map(|&pair| tensor(pair)).collect();
        for (i, u) in tensors.iter().enumerate() {
            for (j, v) in tensors.iter().enumerate() {
                let exact: f64 = u.iter().zip(v).map(|(u, v)| u * v).sum();
                assert!((found[(i, j)] - exact).abs() < 1e-10 * (1.0 + exact.abs()), "p {power}: {i} {j}");
            }
        }
    }
}

#[test]
fn every_pair_comes_once() {
    for k in 1..9 {
        let mut all: Vec<(usize, usize)> =
            pairs(usize::MAX, k).into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        all.sort_unstable();
        let expected: Vec<(usize, usize)> = (0..k).flat_map(|a| (a..k).map(move |b| (a, b))).collect();
        assert_eq!(all, expected, "k {k}");
        assert_eq!(pairs(k.min(3), k).len(), k.min(3));
    }
}

#[test]
fn noise_puts_any_samples_above_the_bound() {
    for (n, d) in [(1, 1), (3, 2), (6, 3), (20, 8), (36, 8)] {
        for (deviation, seed) in [(1.0, 1), (0.1, 2), (0.01, 3)] {
            // All samples equal: without the noise nothing is left.
            let noise = normal(n, d, deviation, seed);
            let x = Mat::from_fn(n, d, |j, k| 0.5 + noise.row(j)[k]);
            let bound = of_noise(n, d, deviation, 0.05).unwrap();
            assert!(bound > 0.0 && sigma_min(&x) >= bound, "n {n} d {d}: {} {bound}", sigma_min(&x));
        }
    }
    assert_eq!(of_noise(7, 3, 0.1, 0.05), None);
    // The noise enters squared, as it does in x (x) x where there is nothing else.
    let ratio = of_noise(5, 4, 0.2, 0.05).unwrap() / of_noise(5, 4, 0.1, 0.05).unwrap();
    assert!((ratio - 4.0).abs() < 1e-12);
}

#[test]
fn noise_before_random_features_does_so_too() {
    for (n, d, k, power) in [(1, 2, 1, 1), (5, 4, 3, 2), (10, 6, 4, 2), (21, 5, 6, 2), (12, 5, 5, 3)] {
        for seed in 0..3 {
            let layer = FeatureLayer::random(k, d, power, 1.0, seed).unwrap();
            let noise = normal(n, d, 0.2, seed + 10);
            let x = Mat::from_fn(n, d, |_, k| if k == 0 { 1.0 } else { 0.0 });
            let x = Mat::from_fn(n, d, |j, k| x.row(j)[k] + noise.row(j)[k]);
            let z = rows::to_mat(memorize_kernels::Par::Seq, &Featured::new(&x, &layer, Engine::best()).unwrap());
            let bound = of_noise_and_features(n, &layer, 0.2, 0.05).unwrap().unwrap();
            assert!(bound > 0.0 && sigma_min(&z) >= bound, "n {n}: {} {bound}", sigma_min(&z));
        }
    }
    let layer = FeatureLayer::random(3, 4, 2, 1.0, 1).unwrap();
    assert_eq!(of_noise_and_features(7, &layer, 0.1, 0.05).unwrap(), None);
    // One variable has one form of degree 4: two pairs of features are dependent.
    let narrow = FeatureLayer::random(3, 1, 2, 1.0, 1).unwrap();
    assert_eq!(of_noise_and_features(2, &narrow, 0.1, 0.05).unwrap(), None);
}

#[test]
fn random_features_do_so_for_fixed_samples() {
    for (n, d, power) in [(1, 2, 1), (5, 3, 1), (8, 3, 2), (12, 3, 2), (20, 5, 2)] {
        for seed in 0..3 {
            let x = normal(n, d, 0.6, seed);
            let layer = FeatureLayer::random(n, d, power, 0.5, seed + 20).unwrap();
            let z = rows::to_mat(memorize_kernels::Par::Seq, &Featured::new(&x, &layer, Engine::best()).unwrap());
            let bound = of_features(&x, n, power, 0.5, 0.05).unwrap().unwrap();
            assert!(bound > 0.0 && sigma_min(&z) >= bound, "n {n}: {} {bound}", sigma_min(&z));
        }
    }
    assert_eq!(of_features(&normal(5, 3, 1.0, 1), 4, 2, 0.5, 0.05).unwrap(), None);
    // More tensor powers than symmetric tensors of order 2 over R^2.
    assert_eq!(of_features(&normal(4, 2, 1.0, 1), 9, 1, 0.5, 0.05).unwrap(), None);
}
