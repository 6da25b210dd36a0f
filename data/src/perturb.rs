//! The perturbation of the inputs: x_j + sigma1 * N(0, I), the paper's smoothed analysis (Theorem 5, section 5).

use memorize_kernels::arch::{Isa, Loops};
use memorize_kernels::element::Element;

use crate::random::{Purpose, RowStream, Stream, normal};

/// Adds sigma * N(0, 1) to every coordinate of row `row_index`, with the instruction set `isa`: the bits are the same
/// for all of them.
///
/// The noise of a row is the stream (seed, [`Purpose::Noise`], row), so it does not depend on the order in which rows
/// are asked for. Roundings, in this order: the noise z is an f32, widened exactly to `T`; sigma is rounded to `T`;
/// their product is rounded to `T`; the sum is rounded to `T`. An f32 run and an f64 run therefore see the same noise
/// up to these roundings.
///
/// ```
/// use memorize_data::perturb::add_noise;
/// use memorize_kernels::Isa;
///
/// let (mut single, mut double) = ([1.0f32; 3], [1.0f64; 3]);
/// add_noise(Isa::best(), 7, 0, 0.5, &mut single);
/// add_noise(Isa::best(), 7, 0, 0.5, &mut double);
/// // The same noise, up to rounding.
/// assert!(single != [1.0; 3] && (f64::from(single[2]) - double[2]).abs() < 1e-6);
/// ```
pub fn add_noise<T: Element>(isa: Isa, row_index: u64, seed: u64, sigma: f64, out: &mut [T]) {
    let stream = Stream::new(seed, Purpose::Noise).row(row_index);
    isa.run_loops(AddNoise { stream, sigma: T::from_f64(sigma), out });
}

struct AddNoise<'a, T> {
    stream: RowStream,
    sigma: T,
    out: &'a mut [T],
}

impl<T: Element> Loops for AddNoise<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        for chunk in self.out.chunks_mut(normal::BLOCK) {
            for (value, &z) in chunk.iter_mut().zip(&self.stream.normal_block()) {
                *value += self.sigma * T::from_f64(f64::from(z));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_documented_sequence_of_roundings() {
        let mut z = [0.0f32; 100];
        Stream::new(9, Purpose::Noise).row(4711).fill_normal(&mut z);
        let (mut narrow, mut wide) = ([0.3f32; 100], [0.3f64; 100]);
        add_noise(Isa::best(), 4711, 9, 0.01, &mut narrow);
        add_noise(Isa::best(), 4711, 9, 0.01, &mut wide);
        for j in 0..100 {
            assert_eq!(narrow[j], 0.3f32 + 0.01f32 * z[j]);
            assert_eq!(wide[j], 0.3f64 + 0.01f64 * f64::from(z[j]));
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let noise = |isa| {
            let mut row = vec![0.5f32; 2_000_001];
            add_noise(isa, 3, 5, 0.05, &mut row);
            row
        };
        let best = noise(Isa::best());
        assert!(Isa::available().into_iter().all(|isa| noise(isa) == best));
    }

    #[test]
    fn rows_differ_and_repeat() {
        let noise = |row, seed| {
            let mut out = [0.0f64; 3];
            add_noise(Isa::best(), row, seed, 1.0, &mut out);
            out
        };
        let late = noise(7, 1);
        assert_ne!(late, noise(8, 1));
        assert_ne!(late, noise(7, 2));
        assert_eq!(late, noise(7, 1));
    }

    #[test]
    fn a_sigma_of_zero_changes_nothing() {
        let mut row = [0.1f32, 0.2, 0.3];
        add_noise(Isa::best(), 0, 0, 0.0, &mut row);
        assert_eq!(row, [0.1, 0.2, 0.3]);
    }
}
