//! Inner products, lengths and multiples of arrays as long as the weights, summed in f64.

use crate::arch::Loops;
use crate::block::{FLOPS_PER_MOVE, SUM_CHAINS, SUM_CHUNK};
use crate::element::Element;
use crate::engine::Engine;
use crate::error::{KernelError, check_shape};
use crate::parallel::{for_chunks, for_each};

/// <a, b> = sum_i a_i b_i in f64. Each [`SUM_CHUNK`] elements are added up by themselves, in [`SUM_CHAINS`] sums side
/// by side, then their sums in order: the order depends on the length alone. 2 n flops.
///
/// # Errors
/// [`KernelError::Shape`] if the lengths differ.
///
/// ```
/// use memorize_kernels::{Engine, pass};
///
/// // In f32 the product 16777216 + 1 would be 16777216.
/// assert_eq!(pass::dot(&Engine::best(), &[4096.0f32, 1.0], &[4096.0, 1.0])?, 16_777_217.0);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn dot<T: Element>(engine: &Engine, a: &[T], b: &[T]) -> Result<f64, KernelError> {
    check_shape("length of the other factor", a.len(), b.len())?;
    let mut sums = vec![0.0; a.len().div_ceil(SUM_CHUNK)];
    let par = engine.par.for_work(FLOPS_PER_MOVE * a.len() as f64);
    for_chunks(par, &mut sums, 1, &|chunk, sum| {
        let range = chunk * SUM_CHUNK..a.len().min((chunk + 1) * SUM_CHUNK);
        sum[0] = engine.isa.run_loops(Chunk { a: &a[range.clone()], b: &b[range] });
    });
    Ok(sums.into_iter().sum())
}

/// ||a|| = sqrt(<a, a>), of a matrix the Frobenius norm. 2 n flops.
///
/// ```
/// use memorize_kernels::{Engine, pass};
///
/// assert_eq!(pass::norm(&Engine::best(), &[3.0f32, -4.0]), 5.0);
/// ```
pub fn norm<T: Element>(engine: &Engine, a: &[T]) -> f64 {
    dot(engine, a, a).expect("an array is as long as itself").sqrt()
}

/// target += factor v, rounded after each of the two operations. 2 n flops.
///
/// # Errors
/// [`KernelError::Shape`] if the lengths differ.
///
/// ```
/// use memorize_kernels::{Engine, pass};
///
/// let mut target = [1.0f32, 2.0];
/// pass::add_scaled(&Engine::best(), &mut target, -0.5, &[2.0, 8.0])?;
/// assert_eq!(target, [0.0, -2.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn add_scaled<T: Element>(engine: &Engine, target: &mut [T], factor: T, v: &[T]) -> Result<(), KernelError> {
    check_shape("length of what is added", target.len(), v.len())?;
    let par = engine.par.for_work(FLOPS_PER_MOVE * target.len() as f64);
    let mut chunks: Vec<_> = target.chunks_mut(SUM_CHUNK).zip(v.chunks(SUM_CHUNK)).collect();
    for_each(par, &mut chunks, &|_, (target, v)| engine.isa.run_loops(Multiple { target, factor, v }));
    Ok(())
}

struct Chunk<'a, T> {
    a: &'a [T],
    b: &'a [T],
}

impl<T: Element> Loops for Chunk<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut sums = [0.0; SUM_CHAINS];
        let whole = self.a.len() / SUM_CHAINS * SUM_CHAINS;
        for first in (0..whole).step_by(SUM_CHAINS) {
            let (a, b) = (&self.a[first..first + SUM_CHAINS], &self.b[first..first + SUM_CHAINS]);
            for i in 0..SUM_CHAINS {
                sums[i] += a[i].to_f64() * b[i].to_f64();
            }
        }
        for i in 0..self.a.len() - whole {
            sums[i] += self.a[whole + i].to_f64() * self.b[whole + i].to_f64();
        }
        let mut sum = 0.0;
        for partial in sums {
            sum += partial;
        }
        sum
    }
}

struct Multiple<'a, T> {
    target: &'a mut [T],
    factor: T,
    v: &'a [T],
}

impl<T: Element> Loops for Multiple<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for i in 0..self.target.len().min(self.v.len()) {
            self.target[i] += self.factor * self.v[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arch::Isa;
    use crate::parallel::Par;

    fn numbers<T: Element>(n: usize, salt: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * 7919 + salt * 31) % 2003) as f64 / 1001.0 - 1.0)).collect()
    }

    fn check<T: Element>(n: usize) {
        let (a, b) = (numbers::<T>(n, 1), numbers::<T>(n, 2));
        let exact: f64 = a.iter().zip(&b).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
        let expected: Vec<T> = a.iter().zip(&b).map(|(&a, &b)| a + T::from_f64(0.3) * b).collect();
        let first = dot(&Engine { par: Par::Seq, ..Engine::best() }, &a, &b).unwrap();
        assert!((first - exact).abs() <= 1e-16 * (n * n + 1) as f64, "{first} {exact}");
        for (isa, par) in
            Isa::available().into_iter().flat_map(|isa| [Par::Seq, Par::Pool { from: 0 }].map(|par| (isa, par)))
        {
            let engine = Engine { isa, par, ..Engine::best() };
            assert_eq!(dot(&engine, &a, &b).unwrap().to_bits(), first.to_bits(), "{isa} {par:?}");
            let mut target = a.clone();
            add_scaled(&engine, &mut target, T::from_f64(0.3), &b).unwrap();
            assert!(target == expected, "{isa} {par:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 20 }))]

        #[test]
        fn the_formulas_on_every_instruction_set_and_with_threads(n in 0..3 * SUM_CHUNK) {
            check::<f32>(n);
            check::<f64>(n);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        let engine = Engine::best();
        assert!(dot(&engine, &[1.0f32; 3], &[1.0; 2]).is_err());
        assert!(add_scaled(&engine, &mut [1.0f64; 3], 1.0, &[1.0; 4]).is_err());
    }
}
