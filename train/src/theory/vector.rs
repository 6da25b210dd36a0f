//! Vectors of f64 in the iterative methods. Those with a number for each sample are spread over the ranks as the
//! samples are.

use memorize_data::random::{Purpose, Stream, normal};
use memorize_kernels::Spread;

/// Sums side by side: one would wait for each of its additions.
const CHAINS: usize = 8;
/// Normals that are made at a time: whole blocks, so that a row of them is one call's.
const NORMALS: usize = 64 * normal::BLOCK;

/// a . b over all ranks, in an order that the length of the whole fixes.
pub(crate) fn dot(space: &Spread, a: &[f64], b: &[f64]) -> f64 {
    space.sum(|range| dot_of_leaf(&a[range.clone()], &b[range]))
}

fn dot_of_leaf(a: &[f64], b: &[f64]) -> f64 {
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
pub(crate) fn length(space: &Spread, a: &[f64]) -> f64 {
    dot(space, a, a).sqrt()
}

/// target += factor * v.
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, v: &[f64]) {
    target.iter_mut().zip(v).for_each(|(target, v)| *target += factor * v);
}

/// Standard normals from the stream (seed, probe, row).
pub(crate) fn normals(space: &Spread, seed: u64, row: u64) -> Vec<f64> {
    let mut stream = Stream::new(seed, Purpose::Probe).row(row);
    let range = space.range();
    let mut own = Vec::with_capacity(range.len());
    for first in (0..range.end).step_by(NORMALS) {
        let mut block = vec![0.0; NORMALS.min(range.end - first)];
        stream.fill_normal_f64(&mut block);
        own.extend_from_slice(&block[range.start.saturating_sub(first).min(block.len())..]);
    }
    own
}

#[cfg(test)]
mod tests {
    use memorize_ranks::threads;

    use super::*;

    #[test]
    fn a_share_of_the_normals_is_a_part_of_all_and_sums_are_those_of_all() {
        let n = 20_011;
        let alone = Spread::alone(n);
        let all = normals(&alone, 3, 1);
        let mut at_once = vec![0.0; n];
        Stream::new(3, Purpose::Probe).row(1).fill_normal_f64(&mut at_once);
        assert_eq!(all, at_once);
        std::thread::scope(|scope| {
            for team in threads(3) {
                let (all, alone) = (&all, &alone);
                scope.spawn(move || {
                    let space = Spread::over(&team, n);
                    let own = normals(&space, 3, 1);
                    assert_eq!(own, all[space.range()]);
                    assert_eq!(length(&space, &own), length(alone, all));
                });
            }
        });
    }
}
