use memorize_data::random::Purpose;
use memorize_kernels::Backend;
use num_bigint::BigInt;

use super::super::position::{Settings, SingularValue, examine};
use super::super::preconditioner::WORKSPACE;
use super::*;
use crate::network::normal_rows;

const SETTINGS: Settings =
    Settings { tolerance: 1e-2, max_products: 300, rank: 500, seed: 1, workspace: WORKSPACE, dense: true };

/// A number of f64 times 2^bits.
fn exact(value: f64, bits: i32) -> BigInt {
    let (mantissa, exponent) = match value.to_bits() >> 52 & 0x7ff {
        0 => (value.to_bits() & ((1 << 52) - 1), -1074),
        biased => (value.to_bits() & ((1 << 52) - 1) | 1 << 52, biased as i32 - 1075),
    };
    let shift = exponent + bits;
    let whole = BigInt::from(mantissa) << usize::try_from(shift).expect("enough bits");
    if value < 0.0 { -whole } else { whole }
}

/// Whether K - s^2 I is positive semidefinite, in whole numbers: elimination that multiplies rows by pivots.
fn at_least(x: &Mat<f64>, s: f64) -> bool {
    let n = x.rows();
    // Samples times 2^bits, so K times 2^(4 bits).
    let bits = 1100;
    let sample = |j: usize| -> Vec<BigInt> { x.row(j).iter().map(|&value| exact(value, bits)).collect() };
    let samples: Vec<_> = (0..n).map(sample).collect();
    let product = |i: usize, k: usize| samples[i].iter().zip(&samples[k]).map(|(a, b)| a * b).sum::<BigInt>();
    let s = exact(s, 2 * bits);
    let mut a: Vec<Vec<BigInt>> = (0..n)
        .map(|i| (0..n).map(|k| product(i, k) * product(i, k) - if i == k { &s * &s } else { BigInt::ZERO }).collect())
        .collect();
    for m in 0..n {
        if a[m][m] < BigInt::ZERO {
            return false;
        }
        if a[m][m] == BigInt::ZERO {
            if (m..n).any(|k| a[m][k] != BigInt::ZERO) {
                return false;
            }
            continue;
        }
        for i in m + 1..n {
            for k in m + 1..n {
                a[i][k] = &a[m][m] * &a[i][k] - &a[i][m] * &a[m][k];
            }
        }
    }
    true
}

/// Small whole numbers by a seed.
fn whole(n: usize, d: usize, most: u64, seed: u64) -> Mat<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Mat::from_fn(n, d, |_, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % (2 * most + 1)) as f64 - most as f64
    })
}

fn proved(x: &Mat<f64>) -> (Position, Proof) {
    let found = examine(Engine::best(), x, &SETTINGS, |_| true).unwrap();
    let proof = prove(Engine::best(), x, &found, |_| true).unwrap();
    (found, proof)
}

#[test]
fn what_is_proved_of_whole_numbers_is_true_exactly() {
    assert!(
        at_least(&Mat::from_slice(1, 1, &[3.0]), 9.0) && !at_least(&Mat::from_slice(1, 1, &[3.0]), 9.0f64.next_up())
    );
    let (mut bounds, mut none) = (0, 0);
    for seed in 0..400 {
        let (n, d) = (1 + seed as usize % 6, 1 + seed as usize % 4);
        let x = whole(n, d, 1 + seed % 7, seed);
        let (found, proof) = proved(&x);
        match proof.result {
            Ok(bound) => {
                bounds += 1;
                assert!(at_least(&x, bound), "{seed}: {bound}");
                // And hardly less than there is.
                let min = found.min.unwrap().value;
                assert!(bound > 0.98 * min, "{seed}: {bound} of {min}");
            }
            Err(why) => {
                none += 1;
                assert!(matches!(why, Unproved::Degenerate | Unproved::NotToldFromZero), "{seed}: {why:?} {found:?}");
            }
        }
    }
    assert!(bounds > 100 && none > 50, "{bounds} {none}");
}

/// The measured sigma_min is a lie here, so that the factorisation alone stands between it and the bound.
#[test]
fn a_measured_value_that_is_too_large_is_not_believed() {
    let lie = |found: &Position, value: f64| Position {
        verdict: Verdict::GeneralPosition,
        min: Some(SingularValue { value, error: 0.0, converged: true }),
        min_below: value,
        ..found.clone()
    };
    for seed in 0..200 {
        let (n, d) = (2 + seed as usize % 5, 2 + seed as usize % 3);
        let mut x = whole(n, d, 3, seed + 1000);
        if seed % 2 == 0 {
            // The last sample is the first, or nearly.
            let first = x.row(0).to_vec();
            x.row_mut(n - 1).copy_from_slice(&first);
            x.row_mut(n - 1)[0] += if seed % 4 == 0 { 0.0 } else { 2f64.powi(-(seed as i32 % 60)) };
        }
        let found = examine(Engine::best(), &x, &SETTINGS, |_| true).unwrap();
        for e in [-70, -52, -40, -30, -26, -20, -10, -3, 0, 2] {
            let proof = prove(Engine::best(), &x, &lie(&found, 2f64.powi(e)), |_| true).unwrap();
            if let Ok(bound) = proof.result {
                assert!(at_least(&x, bound), "{seed} {e}: {bound}");
            }
        }
    }
}

#[test]
fn samples_of_any_scale_have_their_bound() {
    let x = whole(5, 3, 5, 3);
    let (found, proof) = proved(&x);
    let bound = proof.result.unwrap();
    assert!(found.method == Method::Dense && proof.factorizations == 1);
    for e in [-200, -60, -3, 3, 60, 200] {
        let there = Mat::from_fn(5, 3, |i, k| x.row(i)[k] * 2f64.powi(e));
        let (_, proof) = proved(&there);
        let back = proof.result.unwrap() / 2f64.powi(e).powi(2);
        assert!(
            back <= bound * (1.0 + 1e-12) && back > bound * (1.0 - 1e-12) && at_least(&there, proof.result.unwrap())
        );
    }
    // A scale at which the smaller numbers of a sample are lost.
    let mixed = Mat::from_slice(2, 2, &[2f64.powi(250), 2f64.powi(-1000), 2f64.powi(-1000), 2f64.powi(250)]);
    assert!(at_least(&mixed, proved(&mixed).1.result.unwrap()));
}

#[test]
fn large_sets_have_bounds_below_the_measured_value_on_every_backend() {
    for (n, d) in [(300, 40), (600, 50)] {
        let x: Mat<f64> = normal_rows(n, d, 1.0, 1, Purpose::SyntheticInputs);
        let found = examine(Engine::best(), &x, &SETTINGS, |_| true).unwrap();
        let min = found.min.unwrap();
        for &backend in Backend::ALL {
            for par in [Par::Seq, Par::ALWAYS] {
                let engine = Engine { backend, par, ..Engine::best() };
                let bound = prove(engine, &x, &found, |_| true).unwrap().result.unwrap();
                assert!(bound < min.value + min.error && bound > 0.9 * min.value, "{backend}: {bound} of {min:?}");
            }
        }
        // Above it, there is no factor.
        let above = (min.value + min.error).powi(2) * (1.0 + 1e-6);
        assert!(matches!(positive_definite(Engine::best(), &x, above, |_| true), Outcome::Pivot { .. }));
        let stopped = prove(Engine::best(), &x, &found, |_| false).unwrap();
        assert_eq!(stopped.result, Err(Unproved::Interrupted));
    }
}

#[test]
fn nothing_is_proved_where_rounding_is_larger_than_sigma_min() {
    // Two samples that differ by 2^-30: sigma_min^2 is of the order of 2^-60, n u trace(K) is 2^-50.
    let x = Mat::from_slice(2, 2, &[1.0, 0.0, 1.0, 2f64.powi(-30)]);
    let (_, proof) = proved(&x);
    let Err(Unproved::BelowRounding { least }) = proof.result else { panic!("{proof:?}") };
    assert!(least > 2f64.powi(-26) && least < 2f64.powi(-22) && proof.factorizations == 0);
    let (_, proof) = proved(&Mat::from_slice(2, 1, &[1.0, 2.0]));
    assert_eq!(proof.result, Err(Unproved::Degenerate));
    let broken = Mat::from_slice(2, 2, &[1.0, 0.0, f64::NAN, 1.0]);
    let (found, _) = proved(&x);
    assert!(matches!(prove(Engine::best(), &broken, &found, |_| true), Err(TrainError::NotFinite { row: 1, .. })));
}

/// The bound on rounding errors against the errors themselves, which whole numbers have none of.
#[test]
fn entries_are_as_near_to_exact_ones_as_is_said() {
    let x: Mat<f64> = normal_rows(20, 30, 1.0, 5, Purpose::SyntheticInputs);
    let errors = rounding_errors(Par::Seq, &x);
    let (mut largest, bits) = (0.0f64, 1100);
    for i in 0..20 {
        for k in 0..20 {
            let sum: BigInt = x.row(i).iter().zip(x.row(k)).map(|(a, b)| exact(*a, bits) * exact(*b, bits)).sum();
            let computed: f64 = x.row(i).iter().zip(x.row(k)).map(|(a, b)| a * b).sum::<f64>().powi(2);
            let off = exact(computed, 4 * bits) - &sum * &sum;
            let off = off >> (4 * bits - 80) as usize;
            largest = largest.max(off.to_string().parse::<f64>().unwrap().abs() * 2f64.powi(-80));
        }
    }
    // All entries wrong by as much, and with one sign.
    assert!(largest > 0.0 && 20.0 * largest < errors, "{largest} {errors}");
}
