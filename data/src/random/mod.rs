//! Random numbers addressed by (seed, purpose, row): row 4711's noise does not depend on who asks for it or when.
//!
//! A stream is ChaCha8 with
//!
//! ```text
//! key     = seed (8 bytes, little-endian) | purpose (8 bytes, little-endian) | 16 zero bytes
//! nonce   = row (64 bits)
//! counter = 0
//! ```
//!
//! and everything below is defined on the sequence w0, w1, w2, ... of its 32-bit words. Only integer operations and
//! IEEE operations that are rounded correctly are used, so the values are the same bits on every machine, and they are
//! pinned by tests: a seed means the same data for ever.

pub mod normal;

use memorize_kernels::element::Element;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Purpose of random numbers. Streams of different purposes are independent even for the same seed and row.
///
/// The discriminants are part of the key: **they never change and are never reused**, or old seeds would mean other
/// data. New purposes get new numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u64)]
pub enum Purpose {
    /// Inputs of the synthetic set; the row is the sample.
    SyntheticInputs = 1,
    /// Targets of the synthetic set; the row is the sample.
    SyntheticTargets = 2,
    /// Perturbation of the inputs; the row is the sample.
    Noise = 3,
    /// Random labels; the row is the sample.
    RandomLabels = 4,
    /// Initial weights W; the row is the row of W.
    Weights = 5,
    /// The random first layer R; the row is the row of R.
    Features = 6,
    /// The order of samples; the row is the epoch.
    Shuffle = 7,
    /// The perturbations of perturbed gradient descent, uniform in a ball; the row counts them.
    Ball = 8,
    /// Start vectors of iterative eigenvalue estimates and other probes.
    Probe = 9,
    /// Which rows a sample of a data set holds; the row is that of the sample, or 0 where none is drawn twice.
    Sample = 10,
}

/// All rows of one (seed, purpose).
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: [u8; 32],
}

impl Stream {
    /// The streams of this seed and purpose.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let first = |seed, purpose| Stream::new(seed, purpose).row(0).next_u32();
    /// assert_eq!(first(1, Purpose::Noise), first(1, Purpose::Noise));
    /// assert_ne!(first(1, Purpose::Noise), first(1, Purpose::Weights));
    /// ```
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        Self { key }
    }

    /// The stream of one row, from its start.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let stream = Stream::new(1, Purpose::Noise);
    /// // Whichever row is asked for first.
    /// let last = stream.row(9).next_u32();
    /// assert!(stream.row(0).next_u32() != last && stream.row(9).next_u32() == last);
    /// ```
    pub fn row(&self, row: u64) -> RowStream {
        let mut rng = ChaCha8Rng::from_seed(self.key);
        rng.set_stream(row);
        RowStream { rng }
    }
}

/// The random numbers of one row, in order.
#[derive(Debug, Clone)]
pub struct RowStream {
    rng: ChaCha8Rng,
}

impl RowStream {
    /// The next word.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let mut row = Stream::new(1, Purpose::Noise).row(0);
    /// assert_ne!(row.next_u32(), row.next_u32());
    /// ```
    pub fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// The next `out.len()` words.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let row = Stream::new(1, Purpose::Noise).row(0);
    /// let mut words = [0; 2];
    /// row.clone().fill_u32(&mut words);
    /// let mut one_by_one = row;
    /// assert_eq!(words, [one_by_one.next_u32(), one_by_one.next_u32()]);
    /// ```
    pub fn fill_u32(&mut self, out: &mut [u32]) {
        self.rng.fill_bytes(bytemuck::cast_slice_mut(out));
        for word in out {
            *word = u32::from_le(*word);
        }
    }

    /// Uniform in [0, 1): the upper 53 of the 64 bits of two words (the first is the lower half), times 2^-53.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let mut row = Stream::new(1, Purpose::Noise).row(0);
    /// assert!((0..100).all(|_| (0.0..1.0).contains(&row.uniform_f64())));
    /// ```
    pub fn uniform_f64(&mut self) -> f64 {
        let low = u64::from(self.next_u32());
        let high = u64::from(self.next_u32());
        ((high << 32 | low) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in {0, ..., m - 1}, without bias: floor(w m / 2^32), where words that would make some values more likely
    /// are skipped (Lemire, *Fast Random Integer Generation in an Interval*, 2019).
    ///
    /// # Panics
    /// If `m` is 0.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let mut row = Stream::new(1, Purpose::Sample).row(0);
    /// let mut counts = [0; 3];
    /// (0..3000).for_each(|_| counts[row.below(3) as usize] += 1);
    /// assert!(counts.iter().all(|count| (900..1100).contains(count)));
    /// ```
    pub fn below(&mut self, m: u32) -> u32 {
        assert!(m > 0, "there is no number below 0");
        let mut product = u64::from(self.next_u32()) * u64::from(m);
        if (product as u32) < m {
            // 2^32 mod m of the lower halves belong to values that come up once too often.
            let surplus = m.wrapping_neg() % m;
            while (product as u32) < surplus {
                product = u64::from(self.next_u32()) * u64::from(m);
            }
        }
        (product >> 32) as u32
    }

    /// Fills `out` with standard normals; see [`normal`] for their definition. They are computed in f32 whatever `T` is
    /// and widened exactly, so that runs in f32 and in f64 see the same numbers.
    ///
    /// Each call uses up whole blocks of 64 words, also for its last few values: the first values of a longer call are
    /// those of a shorter one, but two calls are not one call of their joint length.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let mut z = [0.0f64; 10_000];
    /// Stream::new(1, Purpose::Probe).row(0).fill_normal(&mut z);
    /// let mean_square = z.iter().map(|z| z * z).sum::<f64>() / 1e4;
    /// assert!((mean_square - 1.0).abs() < 0.05);
    /// ```
    pub fn fill_normal<T: Element>(&mut self, out: &mut [T]) {
        for chunk in out.chunks_mut(normal::BLOCK) {
            for (value, &z) in chunk.iter_mut().zip(&self.normal_block()) {
                *value = T::from_f64(f64::from(z));
            }
        }
    }

    /// [`fill_normal`](Self::fill_normal) in single precision.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let row = Stream::new(1, Purpose::Probe).row(0);
    /// let (mut few, mut many) = ([0.0; 3], [0.0; 100]);
    /// row.clone().fill_normal_f32(&mut few);
    /// row.clone().fill_normal_f32(&mut many);
    /// assert_eq!(few, many[..3]);
    /// ```
    pub fn fill_normal_f32(&mut self, out: &mut [f32]) {
        self.fill_normal(out);
    }

    /// [`fill_normal`](Self::fill_normal) in double precision: the same values, widened.
    ///
    /// ```
    /// use memorize_data::random::{Purpose, Stream};
    ///
    /// let row = Stream::new(1, Purpose::Probe).row(0);
    /// let (mut single, mut double) = ([0.0; 3], [0.0; 3]);
    /// row.clone().fill_normal_f32(&mut single);
    /// row.clone().fill_normal_f64(&mut double);
    /// assert_eq!(single.map(f64::from), double);
    /// ```
    pub fn fill_normal_f64(&mut self, out: &mut [f64]) {
        self.fill_normal(out);
    }

    /// The normals of the next block of words.
    #[inline(always)]
    pub(crate) fn normal_block(&mut self) -> [f32; normal::BLOCK] {
        let mut words = [0; normal::BLOCK];
        self.fill_u32(&mut words);
        normal::block(&words)
    }
}

/// A random order of {0, ..., n - 1}: the shuffle of one epoch, on the stream (seed, [`Purpose::Shuffle`], epoch).
///
/// # Panics
/// If `n` is 2^32 or more.
///
/// ```
/// use memorize_data::random::permutation;
///
/// let mut order = permutation(1, 0, 10);
/// assert_ne!(order, permutation(1, 1, 10));
/// order.sort();
/// assert_eq!(order, (0..10).collect::<Vec<_>>());
/// ```
pub fn permutation(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    shuffled(Stream::new(seed, Purpose::Shuffle).row(epoch), n)
}

/// {0, ..., n - 1} in the order that a stream gives: Fisher and Yates, from the last position down.
///
/// # Panics
/// If `n` is 2^32 or more.
///
/// ```
/// use memorize_data::random::{Purpose, Stream, permutation, shuffled};
///
/// assert_eq!(shuffled(Stream::new(1, Purpose::Shuffle).row(4), 10), permutation(1, 4, 10));
/// ```
pub fn shuffled(mut stream: RowStream, n: usize) -> Vec<u32> {
    let n = u32::try_from(n).unwrap_or_else(|_| panic!("cannot shuffle {n} samples: indices have 32 bits"));
    let mut order: Vec<u32> = (0..n).collect();
    for last in (1..n).rev() {
        let other = stream.below(last + 1);
        order.swap(last as usize, other as usize);
    }
    order
}

#[cfg(test)]
mod tests;
