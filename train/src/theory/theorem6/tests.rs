use faer::Mat as Dense;
use memorize_data::random::Purpose;
use memorize_kernels::{Par, rows};

use super::super::position::examine;
use super::*;
use crate::features::Featured;
use crate::network::normal_rows;

const SETTINGS: Settings =
    Settings { tolerance: 1e-4, max_products: 500, rank: 30, seed: 0, workspace: 1 << 24, dense: true };
const QUESTION: Question = Question { epsilon: 0.01, delta: 0.1, noise: 0.0, features_sigma: 0.7 };

fn normal(n: usize, d: usize, deviation: f64, seed: u64) -> Mat<f64> {
    normal_rows(n, d, deviation, seed, Purpose::SyntheticInputs)
}

/// Rows x^(tensor q), d^q entries each, with nothing left out; descending singular values.
fn values_of_tensors(x: &Mat<f64>, order: u32) -> Vec<f64> {
    let (n, d) = (x.rows(), x.cols());
    let entry = |at: usize, j: usize| (0..order).map(|place| x.row(j)[at / d.pow(place) % d]).product::<f64>();
    Dense::from_fn(d.pow(order), n, entry).singular_values().unwrap()
}

fn features(x: &Mat<f64>, layer: &FeatureLayer<f64>) -> Mat<f64> {
    rows::to_mat(Par::Seq, &Featured::new(x, layer, Engine::best()).unwrap())
}

fn said(x: &Mat<f64>, layer: &FeatureLayer<f64>, question: &Question) -> (Theorem6, Position) {
    let found = examine(Engine::best(), &features(x, layer), &SETTINGS, |_| true).unwrap();
    let longest = (0..x.rows()).map(|j| x.row(j).iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    let behind = Features { layer, before: Some(x), longest };
    (theorem6(Engine::best(), question, behind, &found, &SETTINGS).unwrap(), found)
}

#[test]
fn sizes_are_those_of_the_formulas() {
    let binomial = |n: u128, k: u128| (1..=k).fold(1u128, |all, i| all * (n + 1 - i) / i);
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    for (n, d, k, p) in [(40, 10, 14, 2), (3, 2, 3, 1), (100, 3, 60, 3), (60_000, 100, 750, 2), (5, 7, 30_000, 4)] {
        let (d_p, d_2p) =
            (binomial(d + u128::from(p) - 1, p.into()), binomial(d + 2 * u128::from(p) - 1, 2 * u128::from(p)));
        let found = Sizes::new(n, d as usize, k, p);
        assert_eq!((found.dimension, found.powers_dimension), (Some(d_p), Some(d_2p)));
        assert_eq!((found.above, found.order), (Some(u128::from(p) * d_p), Some(u128::from(p * p) * d_p)));
        assert_eq!(found.is_above, k as u128 > u128::from(p) * d_p);
        assert_eq!(found.is_of_order, k as u128 >= u128::from(p * p) * d_p);
        let samples = (d as f64).powi(2 * p as i32) / factorial(2 * p);
        assert!((found.samples - samples).abs() < 1e-12 * samples);
        let (least, most) =
            (2.0 * (n as f64).sqrt(), d_2p as f64 / (d_p * binomial(2 * u128::from(p), p.into())) as f64);
        assert!((found.lemma13[0] - least).abs() < 1e-12 * least && (found.lemma13[1] - most).abs() < 1e-12 * most);
        assert_eq!(found.lemma13_holds, least <= k as f64 && k as f64 <= most);
    }
    // D_4^2/(D_4 C(2,1)) = 10/8 and 2 sqrt n at equality: n = 1, d = 7, p = 1: 28/14 = 2.
    assert!(Sizes::new(1, 7, 2, 1).lemma13_holds && !Sizes::new(1, 6, 2, 1).lemma13_holds);
    let huge = Sizes::new(10, 1_000_000, 10, 40);
    assert_eq!((huge.dimension, huge.above, huge.is_above, huge.is_of_order), (None, None, false, false));
    assert!(huge.lemma13[1] > 1e100);
}

#[test]
fn lemma_18_is_the_smallest_singular_value_on_symmetric_tensors() {
    for (k, d, p) in
        [(1, 1, 1), (5, 3, 1), (3, 2, 2), (7, 2, 2), (6, 3, 2), (30, 3, 2), (25, 4, 2), (12, 3, 3), (9, 2, 5)]
    {
        let layer = FeatureLayer::random(k, d, p, 0.7, 3).unwrap();
        let exact = values_of_tensors(layer.weights(), p);
        let space = dimension(d, p).unwrap() as usize;
        let found = of_features(&layer).unwrap().unwrap();
        assert!((found.value - exact[space - 1]).abs() <= 1e-8 * exact[space - 1], "k {k} d {d} p {p}: {found:?}");
        assert!((found.value - exact[space - 1]).abs() <= found.error + 1e-13 * exact[0], "k {k} d {d} p {p}");
        // The Gram matrix of the rows has that rank.
        let dot = |i: usize, j: usize| {
            let [a, b] = [i, j].map(|row| layer.weights().row(row));
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>().powi(p as i32)
        };
        let gram = Dense::from_fn(k, k, dot).self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
        assert!(gram.iter().filter(|&&value| value > 1e-10 * gram[k - 1]).count() <= space);
    }
    for (k, d, p) in [(5, 3, 2), (100, 784, 2), (1, 100, 64)] {
        let layer = FeatureLayer::random(k, d, p, 0.7, 3).unwrap();
        assert_eq!(of_features(&layer).unwrap().unwrap().value, 0.0);
        assert_eq!(bytes(k, d, p), 0);
    }
    // Twice the same row, in as many rows as there are dimensions.
    let row = normal(2, 2, 1.0, 1);
    let twice = FeatureLayer::new(Mat::from_fn(3, 2, |i, a| row.row(i / 2)[a]), 2).unwrap();
    assert!(matches!(of_features(&twice).unwrap(), Err(Unknown::Zero(below)) if below < 1e-12));
}

#[test]
fn lemma_19_holds_in_every_case() {
    let mut tightest: f64 = 0.0;
    for (n, d, k, p) in [
        (1, 1, 1, 1),
        (3, 2, 3, 1),
        (5, 3, 4, 1),
        (4, 2, 3, 2),
        (5, 2, 8, 2),
        (12, 3, 6, 2),
        (15, 3, 24, 2),
        (7, 2, 4, 3),
    ] {
        for seed in 0..6 {
            for deviation in [0.1, 1.0] {
                let (x, layer) = (normal(n, d, 1.0, seed), FeatureLayer::random(k, d, p, deviation, seed).unwrap());
                let (theorem, _) = said(&x, &layer, &QUESTION);
                // All of it by naive tensors.
                let q = values_of_tensors(layer.weights(), p)[dimension(d, p).unwrap() as usize - 1];
                let all = values_of_tensors(&x, 2 * p);
                let (powers, largest) = (all[n - 1], all[0]);
                let z = values_of_tensors(&features(&x, &layer), 2)[n - 1];
                let shape = format!("n {n} d {d} k {k} p {p} seed {seed}");
                assert!(z >= q * q * powers * (1.0 - 1e-9), "{shape}: {z} {q} {powers}");
                let found = theorem.powers.unwrap();
                assert!((found.value - powers).abs() <= found.error + 1e-13 * largest, "{shape}");
                let below = theorem.below.unwrap();
                assert!(below <= q * q * powers * (1.0 + 1e-9), "{shape}: {below}");
                // Where rounding leaves so many digits.
                if powers > 1e-5 * largest {
                    assert!((found.value - powers).abs() <= 1e-8 * powers, "{shape}");
                    assert!(below >= 0.999 * q * q * powers, "{shape}: {below}");
                }
                assert_eq!(theorem.holds, Some(true), "{shape}");
                tightest = tightest.max(q * q * powers / z);
            }
        }
    }
    assert!(tightest > 0.99, "a smaller bound than needed would go unseen: {tightest}");
}

#[test]
fn norms_are_below_the_bounds_as_often_as_they_say() {
    let (n, d, k, s) = (6, 3, 4, 0.7);
    let centres = normal(n, d, 1.0, 9);
    let norm = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>().sqrt();
    let longest = (0..n).map(|j| norm(centres.row(j))).fold(0.0, f64::max);
    for (p, noise) in [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.4), (2, 0.4)] {
        for delta in [0.9, 0.3] {
            let bound = norm_bound([n, d, k], p, s, [longest, noise], delta);
            // The formulas once more.
            let (count, share) = ((n * k) as f64, if noise > 0.0 { delta / 2.0 } else { delta });
            let radius = longest + noise * ((d as f64).sqrt() + (2.0 * (n as f64 / share).ln()).sqrt());
            let radius = if noise > 0.0 { radius } else { longest };
            let exact = 2.0 * (s * radius * (2.0 * (2.0 * count / share).ln()).sqrt()).powi(p as i32);
            assert!((bound - exact).abs() < 1e-12 * exact, "{bound} {exact}");
            let above = (0..2000u64).filter(|&seed| {
                let perturbed = normal(n, d, noise, seed + 5000);
                let x = Mat::from_fn(n, d, |j, a| centres.row(j)[a] + perturbed.row(j)[a]);
                let z = features(&x, &FeatureLayer::random(k, d, p, s, seed).unwrap());
                (0..n).any(|j| norm(z.row(j)) > bound)
            });
            assert!(above.count() as f64 <= 2000.0 * delta, "p {p} noise {noise} delta {delta}");
        }
    }
    let x = normal(6, 3, 1.0, 1);
    let layer = FeatureLayer::random(4, 3, 2, 0.7, 1).unwrap();
    let (without, found) = said(&x, &layer, &QUESTION);
    let (with, _) = said(&x, &layer, &Question { noise: 0.1, ..QUESTION });
    assert_eq!((without.norm_lemma, with.norm_lemma, with.norm_probability), (20, 14, 0.9));
    assert!(found.input_bound <= without.norm_bound && without.norm_bound < with.norm_bound);
}

#[test]
fn what_is_not_known_says_why() {
    let (x, layer) = (normal(6, 3, 1.0, 1), FeatureLayer::random(4, 3, 2, 0.7, 1).unwrap());
    let (_, found) = said(&x, &layer, &QUESTION);
    let ask = |layer: &FeatureLayer<f64>, before: Option<&Mat<f64>>| {
        let behind = Features { layer, before, longest: 1.0 };
        theorem6(Engine::best(), &QUESTION, behind, &found, &SETTINGS).unwrap()
    };
    let without = ask(&layer, None);
    // k = 4 < D_3^2 = 6: sigma_min(Q) = 0, and so is the bound.
    assert_eq!((without.powers, without.below, without.holds), (Err(Unknown::Samples), Some(0.0), Some(true)));
    let high = FeatureLayer::random(4, 3, 33, 0.7, 1).unwrap();
    assert_eq!(ask(&high, Some(&x)).powers, Err(Unknown::Order));
    let short = Mat::from_fn(6, 3, |j, a| if j == 2 { 1e-70 * x.row(j)[a] } else { x.row(j)[a] });
    assert!(matches!(ask(&layer, Some(&short)).powers, Err(Unknown::OutOfRange(_))));
    let parallel = Mat::from_fn(6, 3, |j, a| if j == 2 { x.row(1)[a] / 3.0 } else { x.row(j)[a] });
    assert!(matches!(ask(&layer, Some(&parallel)).powers, Err(Unknown::Zero(_))));
    let enough = FeatureLayer::random(20, 3, 2, 0.7, 1).unwrap();
    let unknown = ask(&enough, Some(&parallel));
    assert_eq!((unknown.below, unknown.holds), (None, None));
    let twice = Mat::from_fn(6, 3, |j, a| x.row(j.min(4))[a]);
    assert_eq!(ask(&enough, Some(&twice)).below, Some(0.0));
    let wide = FeatureLayer::random(3000, 100, 2, 0.7, 1).unwrap();
    assert!(fits(3000, 100, 2) && !fits(6000, 100, 2) && bytes(6000, 100, 2) == 0);
    assert_eq!(of_features(&wide).unwrap().unwrap().value, 0.0);
}
