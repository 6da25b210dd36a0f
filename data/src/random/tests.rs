//! The streams' addressing, their distributions, and the values that must never change.

use super::*;

fn normals(seed: u64, row: u64, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    Stream::new(seed, Purpose::Noise).row(row).fill_normal_f32(&mut out);
    out
}

#[test]
fn rows_do_not_depend_on_the_order_of_asking() {
    let forward: Vec<_> = (0..20).map(|row| normals(1, row, 100)).collect();
    let backward: Vec<_> = (0..20).rev().map(|row| normals(1, row, 100)).collect();
    assert!(forward.iter().eq(backward.iter().rev()));
    for i in 0..20 {
        for j in 0..i {
            assert_ne!(forward[i], forward[j]);
        }
    }
}

#[test]
fn seed_purpose_and_row_are_all_part_of_the_address() {
    let first = |seed, purpose, row| Stream::new(seed, purpose).row(row).next_u32();
    let words = [
        first(0, Purpose::Noise, 0),
        first(1, Purpose::Noise, 0),
        first(0, Purpose::Weights, 0),
        first(0, Purpose::Noise, 1),
        first(0, Purpose::Noise, 1 << 32),
        first(1 << 32, Purpose::Noise, 0),
    ];
    for i in 0..words.len() {
        for j in 0..i {
            assert_ne!(words[i], words[j], "{i} {j}");
        }
    }
}

#[test]
fn filling_is_the_same_as_asking_word_by_word() {
    let stream = Stream::new(3, Purpose::Probe);
    for skip in [0, 1, 15, 63, 64, 65] {
        let (mut filled, mut single) = (stream.row(5), stream.row(5));
        for _ in 0..skip {
            assert_eq!(filled.next_u32(), single.next_u32());
        }
        let mut out = [0; 201];
        filled.fill_u32(&mut out);
        assert!(out.iter().all(|&word| word == single.next_u32()), "after {skip}");
        assert_eq!(filled.next_u32(), single.next_u32());
    }
}

#[test]
fn shorter_calls_are_prefixes_and_f64_is_f32_widened() {
    let long = normals(2, 3, 300);
    for n in [0, 1, 31, 32, 33, 63, 64, 65, 128, 299] {
        assert_eq!(normals(2, 3, n), long[..n]);
    }
    let mut wide = vec![0.0f64; 300];
    Stream::new(2, Purpose::Noise).row(3).fill_normal_f64(&mut wide);
    assert!(wide.iter().zip(&long).all(|(&w, &z)| w == f64::from(z)));
}

#[test]
fn normals_are_normal() {
    let n = 1_000_000;
    let mut z: Vec<f64> = normals(42, 0, n).into_iter().map(f64::from).collect();
    let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n as f64;
    let (mean, variance, skew, kurtosis) = (moment(1), moment(2), moment(3), moment(4));
    // Five standard deviations of each moment over 1e6 samples: sqrt(1, 2, 15, 96) / 1000.
    assert!(mean.abs() < 0.005, "{mean}");
    assert!((variance - 1.0).abs() < 0.007, "{variance}");
    assert!(skew.abs() < 0.0194, "{skew}");
    assert!((kurtosis - 3.0).abs() < 0.049, "{kurtosis}");
    // The two values of a pair come from one radius and must still be uncorrelated.
    let pairs = z.chunks_exact(64).flat_map(|block| (0..32).map(|i| block[i] * block[32 + i]));
    assert!((pairs.sum::<f64>() / (n / 2) as f64).abs() < 0.0075);
    // Kolmogorov and Smirnov: sqrt(n) times the largest distance exceeds 1.95 once in a thousand.
    z.sort_by(f64::total_cmp);
    let distance = z.iter().enumerate().map(|(i, &v)| (normal_cdf(v) - (i as f64 + 0.5) / n as f64).abs());
    assert!(distance.fold(0.0, f64::max) * 1000.0 < 1.95);
}

/// Distribution function of N(0, 1) by its power series, enough for |x| < 6.6 in f64.
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn uniform_values_are_uniform() {
    let mut stream = Stream::new(1, Purpose::Probe).row(0);
    let n = 100_000;
    let values: Vec<f64> = (0..n).map(|_| stream.uniform_f64()).collect();
    assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
    let mean = values.iter().sum::<f64>() / f64::from(n);
    assert!((mean - 0.5).abs() < 0.005, "{mean}");
}

#[test]
fn below_is_unbiased_where_multiply_and_shift_alone_is_not() {
    // With m = 3 * 2^30 the plain product would give every third value twice as often as the others.
    let m = 3 << 30;
    let mut stream = Stream::new(1, Purpose::Probe).row(1);
    let n = 90_000;
    let mut counts = [0u32; 3];
    for _ in 0..n {
        let value = stream.below(m);
        assert!(value < m);
        counts[(value % 3) as usize] += 1;
    }
    // 30000 expected, standard deviation 141.
    assert!(counts.iter().all(|count| count.abs_diff(30_000) < 700), "{counts:?}");
    assert_eq!(stream.below(1), 0);
}

#[test]
fn permutations_hold_every_index_once() {
    for n in [0, 1, 2, 3, 1000] {
        let mut order = permutation(7, 3, n);
        assert_eq!(order, permutation(7, 3, n));
        if n == 1000 {
            assert_ne!(order, permutation(7, 4, n));
            assert_ne!(order, permutation(8, 3, n));
        }
        order.sort_unstable();
        assert!(order.into_iter().eq(0..n as u32));
    }
    // All six orders of three come up equally often.
    let mut counts = std::collections::HashMap::new();
    for epoch in 0..6000 {
        *counts.entry(permutation(1, epoch, 3)).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
}

// The values below were computed by a second implementation in Python (ChaCha8 from its definition, the transform in
// NumPy's float32, one rounding for each operation). They must never change: seeds in published results depend on them.

const GOLDEN_SEED: u64 = 0x0123_4567_89ab_cdef;

#[test]
fn golden_words() {
    let mut words = [0; 8];
    Stream::new(GOLDEN_SEED, Purpose::Noise).row(4711).fill_u32(&mut words);
    let golden =
        [0xa6b2_ccf7, 0xb543_764f, 0x1235_f95c, 0x7273_4f60, 0xcca6_9885, 0x19b8_7261, 0x31eb_88b8, 0x8271_d688];
    assert_eq!(words, golden);
}

#[test]
fn golden_normals() {
    let bits: Vec<u32> = normals(GOLDEN_SEED, 4711, 64).into_iter().map(f32::to_bits).collect();
    let cosines =
        [0xbd27_acd2, 0x3e4b_b6ef, 0xc007_3f1f, 0xbf8f_d31c, 0x3edf_17a7, 0x4009_23c9, 0xbeff_3998, 0x3f8f_8259];
    let sines =
        [0x3f6c_e4ef, 0xbf4e_8853, 0x3f67_e6b5, 0xbf16_ea64, 0xbf02_00d9, 0xbd83_e567, 0xbfde_7a56, 0xbe9a_d3f0];
    assert_eq!(bits[..8], cosines);
    assert_eq!(bits[32..40], sines);
    // FNV-1a over the bytes of the whole block.
    let hash = bits
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(hash, 0x2f7c_a50b_6dc2_8f2f);
}

#[test]
fn golden_uniforms_and_permutation() {
    let mut stream = Stream::new(1, Purpose::Probe).row(0);
    assert_eq!([stream.uniform_f64(), stream.uniform_f64()], [0.14873898951358755, 0.1466507735493785]);
    assert_eq!(permutation(1, 2, 10), [9, 1, 8, 6, 2, 4, 7, 0, 5, 3]);
}
