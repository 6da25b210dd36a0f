//! The machine's limits, measured: fused multiply-adds a second, bytes a second. Passes are compared with them.
#![forbid(unsafe_code)]

use std::time::Instant;

use memorize_kernels::aligned::aligned_zeros;
use memorize_kernels::arch::Kernel;
use memorize_kernels::element::lanes;
use memorize_kernels::extend::{load_lanes, store_lanes, sum_of, value_of};
use memorize_kernels::pulp::Simd;
use memorize_kernels::{Element, Engine, Isa, Par, compiled};
use rayon::prelude::*;

/// Multiply-adds of one accumulator in a measurement: a few milliseconds.
const STEPS: usize = 1 << 20;

/// Peak throughput in flops a second: as many independent chains of multiply-adds as the register tile has
/// accumulators, on every thread of the current pool at once (on one if the engine is sequential). The best of
/// `repetitions`, for nothing but disturbances makes it slower.
pub fn flops_per_second<T: Element>(engine: &Engine, repetitions: usize) -> f64 {
    let threads = threads(engine);
    let flops = (threads * STEPS * 2 * engine.isa.lanes::<T>()) as f64 * accumulators(engine.isa) as f64;
    best(repetitions, || {
        on_every_thread(threads, || {
            let mut sum = T::ZERO;
            // The values fall to 1 / e: neither too large nor so small that some processors slow down.
            Chains { factor: T::from_f64(-1.0 / STEPS as f64), sum: &mut sum }.run_on(engine.isa);
            sum
        })
    }) * flops
}

/// Bytes that a pass reads and writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Bytes that come from memory.
    pub read: f64,
    /// Bytes that go to it.
    pub written: f64,
}

impl Traffic {
    /// Both ways.
    pub fn total(&self) -> f64 {
        self.read + self.written
    }
}

/// What memory gives, in bytes a second. The ways to and from it are often separate: the rate of both together cannot
/// be reached by one alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bandwidth {
    /// Of reading alone.
    pub read: f64,
    /// Of x += 1, reads and writes counted.
    pub update: f64,
}

impl Bandwidth {
    /// Measures both over `bytes` bytes in all, shared among the threads: the best of `repetitions`.
    pub fn measure(engine: &Engine, bytes: usize, repetitions: usize) -> Self {
        let (threads, isa) = (threads(engine), engine.isa);
        let len = bytes / threads / size_of::<f32>();
        let all = (threads * len * size_of::<f32>()) as f64;
        let mut parts: Vec<_> = (0..threads).map(|_| (aligned_zeros::<f32>(len), 0.0)).collect();
        let update = best(repetitions, || {
            parts.par_iter_mut().with_max_len(1).for_each(|(values, _)| isa.run(Update { values }));
        });
        let read = best(repetitions, || {
            parts.par_iter_mut().with_max_len(1).for_each(|(values, sum)| *sum = isa.run(Read { values }));
        });
        std::hint::black_box(parts);
        Self { read: all * read, update: 2.0 * all * update }
    }

    /// The mean of two measurements.
    pub(crate) fn mean(self, other: Self) -> Self {
        Self { read: f64::midpoint(self.read, other.read), update: f64::midpoint(self.update, other.update) }
    }

    /// The least time that so much takes, in seconds: reads at their own rate, or all of it at the higher of the two.
    pub fn seconds(&self, traffic: Traffic) -> f64 {
        (traffic.read / self.read).max(traffic.total() / self.update.max(self.read))
    }
}

fn threads(engine: &Engine) -> usize {
    if engine.par == Par::Seq { 1 } else { rayon::current_num_threads() }
}

fn accumulators(isa: Isa) -> usize {
    let (mv, nr) = isa.tile();
    mv * nr
}

/// The largest number of runs of `work` a second.
fn best(repetitions: usize, mut work: impl FnMut()) -> f64 {
    work();
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    1.0 / (0..repetitions.max(1)).map(once).fold(f64::INFINITY, f64::min)
}

fn on_every_thread<R: Send>(threads: usize, work: impl Fn() -> R + Sync) {
    let results: Vec<R> = (0..threads).into_par_iter().with_max_len(1).map(|_| work()).collect();
    std::hint::black_box(results);
}

/// MV x NR independent chains acc = acc * a + acc, which every instruction set computes in place: NEON's multiply-add
/// overwrites its addend, x86's any operand.
struct Chains<'a, T> {
    factor: T,
    sum: &'a mut T,
}

compiled!(Chains);

impl<T: Element> Kernel for Chains<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        // Opaque, or the compiler would know the result.
        let a = T::splat(simd, std::hint::black_box(self.factor));
        let mut acc = [[sum_of(T::splat(simd, T::ONE)); MV]; NR];
        for _ in 0..STEPS {
            for r in 0..NR {
                for v in 0..MV {
                    acc[r][v] = sum_of(T::vfma(simd, value_of(acc[r][v]), a, value_of(acc[r][v])));
                }
            }
        }
        let mut sum = T::splat(simd, T::ZERO);
        for r in 0..NR {
            for v in 0..MV {
                sum = T::vadd(simd, sum, value_of(acc[r][v]));
            }
        }
        *self.sum = T::reduce_sum(simd, sum);
    }
}

/// x += 1.
struct Update<'a> {
    values: &'a mut [f32],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let one = simd.splat_f32s(1.0);
        for chunk in self.values.chunks_exact_mut(lanes::<S, f32>()) {
            let sum = simd.add_f32s(load_lanes(simd, chunk), one);
            store_lanes(simd, chunk, sum);
        }
    }
}

/// The sum of all, from several places at once: the fastest way of those tried, with one place to sixteen, and with or
/// without asking ahead.
struct Read<'a> {
    values: &'a [f32],
}

/// Places that are read from at once.
const PLACES: usize = 8;

/// Elements from one place to the next: an odd number of registers, for places a power of two apart share the sets of
/// caches. A few elements at the end belong to no place.
fn place_len(len: usize, lanes: usize) -> usize {
    let registers = len / PLACES / lanes;
    (registers - usize::from(registers > 0 && registers.is_multiple_of(2))) * lanes
}

impl Kernel for Read<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) -> f32 {
        let lanes = lanes::<S, f32>();
        let len = place_len(self.values.len(), lanes);
        let places: [&[f32]; PLACES] = std::array::from_fn(|place| &self.values[place * len..][..len]);
        let mut sums = [simd.splat_f32s(0.0); PLACES];
        for at in (0..len).step_by(lanes) {
            for place in 0..PLACES {
                sums[place] = simd.add_f32s(sums[place], load_lanes(simd, &places[place][at..]));
            }
        }
        let mut sum = 0.0;
        for place in 0..PLACES {
            sum += simd.reduce_sum_f32s(sums[place]);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "repeats until the clock has moved")]
    fn limits_are_positive_numbers() {
        let engine = Engine { par: Par::Seq, ..Engine::best() };
        assert!(flops_per_second::<f32>(&engine, 1) > 0.0);
        assert!(flops_per_second::<f64>(&engine, 1).is_finite());
        let Bandwidth { read, update } = Bandwidth::measure(&engine, 1 << 20, 1);
        assert!(read > 0.0 && update > 0.0 && (read + update).is_finite());
    }

    #[test]
    fn what_is_only_read_has_one_way_to_itself() {
        let bandwidth = Bandwidth { read: 20.0, update: 32.0 };
        let seconds = |read, written| bandwidth.seconds(Traffic { read, written });
        assert_eq!((seconds(40.0, 0.0), seconds(16.0, 16.0), seconds(0.0, 64.0)), (2.0, 1.0, 2.0));
        // One way for both.
        let shared = Bandwidth { read: 40.0, update: 32.0 };
        assert_eq!(shared.seconds(Traffic { read: 40.0, written: 0.0 }), 1.0);
    }

    #[test]
    fn all_numbers_are_read_once() {
        for isa in Isa::available() {
            for len in [0, 8, 1000, 4096] {
                let values: Vec<f32> = (0..len).map(|i| (i % 7) as f32).collect();
                let whole = place_len(len, isa.lanes::<f32>()) * PLACES;
                assert_eq!(isa.run(Read { values: &values }), values[..whole].iter().sum::<f32>(), "{isa} {len}");
            }
        }
    }
}
