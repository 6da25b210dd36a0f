//! The passes made of a peer's matrix products, as someone who knows the algebra would write them with that crate:
//! blocks of rows whose intermediate results stay in cache, everything elementwise in one trip, shared among threads.

use memorize_benches::{
    AdamConstants, CHECKED_ADAM, Shape, TIMED_ADAM, Workload, matrix, sample_weights, signs, symmetric,
};
use memorize_kernels::{Mat, MatMut};
use rayon::prelude::*;

use crate::elementwise::{Adam, AdamFactors, Dot, Multiply, Residual, Scale, Square, run};
use crate::product::{Accum, Factor::Plain, Factor::Transposed, Half, Product};

/// What a pass leaves open.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows of X that a full-batch pass gives to a product at a time.
    block: usize,
    /// Constants of Adam.
    adam: AdamConstants,
}

/// What is timed. Blocks that are enough for every thread of a server, whose results (12 MB at width 784) stay in the
/// last cache.
pub const TIMED: Settings = Settings { block: 4096, adam: TIMED_ADAM };

/// What is checked on the small problem: more than one block.
pub const SMALL: Settings = Settings { block: 64, adam: CHECKED_ADAM };

/// Elements of W that a thread updates at a time: four arrays of 64 KB.
const CHUNK: usize = 16_384;

/// Side of the squares in which a triangle is mirrored.
const SQUARE: usize = 32;

/// A pass on its inputs.
pub trait Work {
    /// Does the pass once.
    fn run(&mut self);

    /// What the last run came to, in the order of [`memorize_benches::expected`].
    fn result(&self) -> Vec<f64>;
}

/// The pass on inputs of this shape.
pub fn prepare<'a>(
    product: &'a dyn Product,
    workload: Workload,
    shape: Shape,
    settings: Settings,
) -> Box<dyn Work + Send + 'a> {
    let Shape { n, d, r } = shape;
    let (x, block) = (matrix(n, d), Mat::zeros(settings.block.min(n), d));
    match workload {
        Workload::AdamStep => Box::new(AdamStep::new(product, shape, settings.adam)),
        Workload::LossAndGradient | Workload::SmallGradient => Box::new(Gradient::new(product, shape, block)),
        Workload::QuadraticForms => {
            let mut lower = symmetric(d);
            doubled_below(&mut lower);
            Box::new(Forms { product, x, lower, block, q: vec![0.0; n] })
        }
        Workload::WeightedGram => Box::new(Gram { product, x, v: sample_weights(n), block, m: Mat::zeros(d, d) }),
        Workload::Features => {
            Box::new(Features { product, x, weights: matrix(r, d), z: Mat::zeros(n, r), block: settings.block })
        }
        Workload::Forward
        | Workload::GradientFromMoment
        | Workload::Update
        | Workload::TimesVector
        | Workload::TransposedTimesVector => unreachable!("{} is not compared", workload.name()),
    }
}

/// Backward, Adam and forward of a mini-batch with targets 1.
struct AdamStep<'a> {
    product: &'a dyn Product,
    x: Mat<f32>,
    /// W, d x r, and its moments.
    w: Mat<f32>,
    m: Mat<f32>,
    v: Mat<f32>,
    a: Vec<f32>,
    u: Mat<f32>,
    g: Mat<f32>,
    constants: AdamConstants,
    t: u64,
}

impl<'a> AdamStep<'a> {
    fn new(product: &'a dyn Product, Shape { n, d, r }: Shape, constants: AdamConstants) -> Self {
        let [m, v, g] = std::array::from_fn(|_| Mat::zeros(d, r));
        let (x, w) = (matrix(n, d), matrix(r, d).transposed());
        Self { product, x, w, m, v, a: signs(r), u: Mat::zeros(n, r), g, constants, t: 0 }
    }
}

impl Work for AdamStep<'_> {
    fn run(&mut self) {
        let Self { product, x, w, m, v, a, u, g, .. } = self;
        let weight = 1.0 / x.rows() as f32;
        product.multiply(Plain(x.as_ref()), Plain(w.as_ref()), Accum::Replace, u.as_mut());
        rows(u).for_each(|u| run(Residual { u, a, weight }));
        product.multiply(Transposed(x.as_ref()), Plain(u.as_ref()), Accum::Replace, g.as_mut());
        self.t += 1;
        let step = AdamFactors::new(self.constants, self.t);
        let parameters = w.padded_mut().par_chunks_mut(CHUNK).zip(m.padded_mut().par_chunks_mut(CHUNK));
        let rest = v.padded_mut().par_chunks_mut(CHUNK).zip(g.padded().par_chunks(CHUNK));
        parameters.zip(rest).for_each(|((w, m), (v, g))| run(Adam { step, w, m, v, g }));
    }

    fn result(&self) -> Vec<f64> {
        widen(self.w.iter())
    }
}

/// Loss and gradient by the Gram route, targets 1.
struct Gradient<'a> {
    product: &'a dyn Product,
    x: Mat<f32>,
    /// W, d x r.
    w: Mat<f32>,
    a: Vec<f32>,
    /// W A.
    signed: Mat<f32>,
    /// S, then the triangle that takes its place.
    lower: Mat<f32>,
    block: Mat<f32>,
    m: Mat<f32>,
    g: Mat<f32>,
    loss: f64,
}

impl<'a> Gradient<'a> {
    fn new(product: &'a dyn Product, Shape { n, d, r }: Shape, block: Mat<f32>) -> Self {
        let [signed, g] = std::array::from_fn(|_| Mat::zeros(d, r));
        let [lower, m] = std::array::from_fn(|_| Mat::zeros(d, d));
        let (x, w) = (matrix(n, d), matrix(r, d).transposed());
        Self { product, x, w, a: signs(r), signed, lower, block, m, g, loss: 0.0 }
    }
}

impl Work for Gradient<'_> {
    fn run(&mut self) {
        let Self { product, x, w, a, signed, lower, block, m, g, .. } = self;
        rows(signed).enumerate().for_each(|(i, out)| run(Multiply { out, x: w.row(i), y: a }));
        product.multiply_symmetric(Plain(signed.as_ref()), Transposed(w.as_ref()), Accum::Replace, lower.as_mut());
        doubled_below(lower);
        let weight = 1.0 / x.rows() as f32;
        let mut squares = 0.0;
        let half = for_blocks(x.rows(), block.rows(), |first, len, accum| {
            let rows_of_x = x.as_ref().rows_range(first..first + len);
            product.multiply_lower(Plain(rows_of_x), lower.as_ref(), block.as_mut().split_rows(len).0);
            let residual = |(j, row): (usize, &mut [f32])| {
                let x = rows_of_x.row(j);
                let delta = run(Dot { a: row, b: x }) - 1.0;
                run(Scale { out: row, x, factor: delta * weight });
                f64::from(delta * delta)
            };
            squares += rows(block).take(len).enumerate().map(residual).sum::<f64>();
            let scaled = block.as_ref().rows_range(0..len);
            product.multiply_symmetric(Transposed(scaled), Plain(rows_of_x), accum, m.as_mut())
        });
        self.loss = squares / (4 * x.rows()) as f64;
        mirror(m, half);
        product.multiply(Plain(m.as_ref()), Plain(signed.as_ref()), Accum::Replace, g.as_mut());
    }

    fn result(&self) -> Vec<f64> {
        assert!(self.loss.is_finite());
        widen(self.g.iter())
    }
}

/// x_j^T S x_j.
struct Forms<'a> {
    product: &'a dyn Product,
    x: Mat<f32>,
    lower: Mat<f32>,
    block: Mat<f32>,
    q: Vec<f32>,
}

impl Work for Forms<'_> {
    fn run(&mut self) {
        let Self { product, x, lower, block, q } = self;
        let at_most = block.rows();
        for (i, q) in q.chunks_mut(at_most).enumerate() {
            let x = x.as_ref().rows_range(i * at_most..i * at_most + q.len());
            product.multiply_lower(Plain(x), lower.as_ref(), block.as_mut().split_rows(q.len()).0);
            let form = |(j, (q, row)): (usize, (&mut f32, &mut [f32]))| *q = run(Dot { a: row, b: x.row(j) });
            q.par_iter_mut().zip(rows(block)).enumerate().for_each(form);
        }
    }

    fn result(&self) -> Vec<f64> {
        widen(&self.q)
    }
}

/// sum_j v_j x_j x_j^T.
struct Gram<'a> {
    product: &'a dyn Product,
    x: Mat<f32>,
    v: Vec<f32>,
    block: Mat<f32>,
    m: Mat<f32>,
}

impl Work for Gram<'_> {
    fn run(&mut self) {
        let Self { product, x, v, block, m } = self;
        let half = for_blocks(x.rows(), block.rows(), |first, len, accum| {
            let x = x.as_ref().rows_range(first..first + len);
            let scale = |(j, out): (usize, &mut [f32])| run(Scale { out, x: x.row(j), factor: v[first + j] });
            rows(block).take(len).enumerate().for_each(scale);
            let scaled = block.as_ref().rows_range(0..len);
            product.multiply_symmetric(Transposed(scaled), Plain(x), accum, m.as_mut())
        });
        mirror(m, half);
    }

    fn result(&self) -> Vec<f64> {
        widen(self.m.iter())
    }
}

/// (R x_j)^2.
struct Features<'a> {
    product: &'a dyn Product,
    x: Mat<f32>,
    weights: Mat<f32>,
    z: Mat<f32>,
    block: usize,
}

impl Work for Features<'_> {
    fn run(&mut self) {
        let Self { product, x, weights, z, block } = self;
        let (stride, cols) = (z.as_ref().stride(), z.cols());
        for (i, z) in z.padded_mut().chunks_mut(*block * stride).enumerate() {
            let x = x.as_ref().rows_range(i * *block..i * *block + z.len() / stride);
            let out = MatMut::new(z, x.rows(), cols, stride);
            product.multiply(Plain(x), Transposed(weights.as_ref()), Accum::Replace, out);
            z.par_chunks_mut(stride).for_each(|z| run(Square(z)));
        }
    }

    fn result(&self) -> Vec<f64> {
        widen(self.z.iter())
    }
}

/// Runs `work(first row, rows, accum)` on one block of at most `block` of n rows after another: the first replaces what
/// is there, the others add to it.
fn for_blocks(n: usize, block: usize, mut work: impl FnMut(usize, usize, Accum) -> Half) -> Half {
    let mut half = Half::Both;
    for first in (0..n).step_by(block) {
        half = work(first, block.min(n - first), if first == 0 { Accum::Replace } else { Accum::Add });
    }
    half
}

/// The rows of a matrix, to be shared among threads.
fn rows(m: &mut Mat<f32>) -> impl IndexedParallelIterator<Item = &mut [f32]> {
    let (stride, cols) = (m.as_ref().stride(), m.cols());
    m.padded_mut().par_chunks_mut(stride).map(move |row| &mut row[..cols])
}

/// Turns a symmetric S, of which the lower half is read, into the triangular L with x^T L x = x^T S x.
fn doubled_below(s: &mut Mat<f32>) {
    for i in 0..s.rows() {
        let row = s.row_mut(i);
        row[..i].iter_mut().for_each(|s| *s *= 2.0);
        row[i + 1..].fill(0.0);
    }
}

/// Copies the lower half over the upper one, square by square, if the upper one is not there.
fn mirror(m: &mut Mat<f32>, half: Half) {
    if half == Half::Both {
        return;
    }
    let d = m.rows();
    for i0 in (0..d).step_by(SQUARE) {
        for k0 in (0..=i0).step_by(SQUARE) {
            for i in i0..d.min(i0 + SQUARE) {
                for k in k0..i.min(k0 + SQUARE) {
                    m.row_mut(k)[i] = m.row(i)[k];
                }
            }
        }
    }
}

fn widen<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<f64> {
    values.into_iter().map(|&value| f64::from(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_completed() {
        let mut m = Mat::from_fn(70, 70, |i, k| if k <= i { (100 * i + k) as f32 } else { -1.0 });
        mirror(&mut m, Half::Lower);
        assert!((0..70).all(|i| (0..70).all(|k| m.row(i)[k] == (100 * i.max(k) + i.min(k)) as f32)));
    }
}
