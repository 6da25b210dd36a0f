use memorize_data::random::Purpose;

use super::*;
use crate::network::normal_rows;

fn samples(n: usize, d: usize, seed: u64) -> Mat<f64> {
    normal_rows(n, d, 1.0 / (d as f64).sqrt(), seed, Purpose::SyntheticInputs)
}

/// All d^q entries of x^(tensor q).
fn tensor(x: &[f64], order: u32) -> Vec<f64> {
    (0..order).fold(vec![1.0], |entries, _| entries.iter().flat_map(|entry| x.iter().map(move |x| entry * x)).collect())
}

#[test]
fn dimensions_are_counted() {
    // By the tuples of coordinates that do not decrease.
    let counted = |d: usize, order: u32| {
        (0..d.pow(order))
            .filter(|code| {
                let digits: Vec<usize> = (0..order).map(|at| code / d.pow(at) % d).collect();
                digits.is_sorted()
            })
            .count() as u128
    };
    for d in 1..6 {
        for order in 1..6 {
            assert_eq!(dimension(d, order), Some(counted(d, order)), "d {d}, order {order}");
        }
    }
    assert_eq!([dimension(0, 2), dimension(5, 0), dimension(1, 64)], [Some(0), Some(1), Some(1)]);
    // Pascal's rule, up to where it overflows.
    for d in [2usize, 50, 784, 100_000] {
        for order in 2..64 {
            let pascal = dimension(d, order - 1).zip(dimension(d - 1, order)).and_then(|(a, b)| a.checked_add(b));
            assert_eq!(dimension(d, order), pascal, "d {d}, order {order}");
        }
    }
    assert_eq!(dimension(usize::MAX, 2), Some((1 << 127) - (1 << 63)));
    assert_eq!((dimension(usize::MAX, 3), is_beyond(usize::MAX, usize::MAX, 3)), (None, false));
}

#[test]
fn monomials_have_the_inner_products_of_the_tensors() {
    for d in 1..6 {
        for order in 1..6 {
            let x = samples(2, d, u64::from(order) * 10 + d as u64);
            let [a, b] = [0, 1].map(|j| (monomials(x.row(j), order), tensor(x.row(j), order)));
            assert_eq!(Some(a.0.len() as u128), dimension(d, order));
            let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>();
            for (u, v) in [(&a, &a), (&a, &b), (&b, &b)] {
                let exact = dot(&u.1, &v.1);
                let scale = dot(&u.1, &u.1).sqrt() * dot(&v.1, &v.1).sqrt();
                assert!((dot(&u.0, &v.0) - exact).abs() < 1e-13 * scale, "d {d}, order {order}");
            }
        }
    }
}

#[test]
fn the_lifted_samples_have_the_singular_values_of_the_tensors() {
    for (n, d, order) in [(1, 1, 2), (3, 2, 4), (5, 2, 4), (12, 3, 4), (15, 3, 4), (8, 4, 3), (7, 3, 6), (4, 9, 1)] {
        let x = samples(n, d, n as u64);
        let found = lifted(&x, order).unwrap();
        let columns: Vec<Vec<f64>> = (0..n).map(|j| tensor(x.row(j), order)).collect();
        let exact = Dense::from_fn(columns[0].len(), n, |at, j| columns[j][at]).singular_values().unwrap();
        let values = found.singular_values();
        assert!((values.max - exact[0]).abs() < 1e-12 * exact[0], "n {n} d {d} order {order}");
        assert!((values.min - exact[n - 1]).abs() < 1e-8 * exact[n - 1], "n {n} d {d} order {order}");
        assert!((values.min - exact[n - 1]).abs() <= found.residuals().min + found.resolution());
    }
    // One more than there are dimensions.
    assert_eq!(lifted(&samples(6, 2, 1), 4).unwrap().singular_values().min, 0.0);
    assert!(matches!(lifted(&Mat::zeros(0, 2), 4), Err(TrainError::NoSamples)));
}

#[test]
fn orders_that_are_not_2p_are_refused() {
    for order in [0, 1, 3, 65, 66, u32::MAX] {
        assert!(matches!(check_order(order), Err(TrainError::Order { order: found, .. }) if found == order));
    }
    assert!([2, 4, 64].into_iter().all(|order| check_order(order).is_ok()));
}
