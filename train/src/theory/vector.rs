//! Vectors of f64 in the iterative methods.

/// Sums side by side: one would wait for each of its additions.
const CHAINS: usize = 8;

/// a . b, in an order that the length fixes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; CHAINS];
    let (a_chunks, b_chunks) = (a.chunks_exact(CHAINS), b.chunks_exact(CHAINS));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..CHAINS {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// ||a||.
pub(crate) fn length(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// target += factor * v.
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, v: &[f64]) {
    target.iter_mut().zip(v).for_each(|(target, v)| *target += factor * v);
}
