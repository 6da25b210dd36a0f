//! The neuron route over a whole set of samples, a batch at a time: U = X W, q = rowsum(a * U^2),
//! G = X^T diag(delta) U A / n + gamma W.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::batch::Batch;
use super::fused_step::FusedStep;
use super::update::{Backward, Rule, Weights};
use crate::block::{FLOPS_PER_MOVE, ROW_BLOCK};
use crate::element::Element;
use crate::engine::Engine;
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{Par, for_chunks, for_row_blocks};
use crate::rows::Rows;

/// Loss and gradient of one full pass.
#[derive(Clone, Debug)]
pub struct LossAndGradient<T: Element> {
    /// sum_j delta_j^2, accumulated in f64. f = squares / (4 n).
    pub squares: f64,
    /// The transposed gradient (M W A + gamma W)^T, r x d.
    pub gradient: Mat<T>,
}

/// Outputs q_j = sum_i a_i (w_i . x_j)^2. x: n x d, w: W^T (r x d, a neuron a row), a: r, q: n. 2 n d r flops.
///
/// # Errors
/// [`KernelError::Shape`] if the shapes do not go together.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// // Neurons (1, 0) and (0, 1) with signs + and -: q = x_1^2 - x_2^2.
/// let w = Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 1.0]);
/// let x = Mat::from_slice(2, 2, &[1.0, 2.0, 3.0, -1.0]);
/// let mut q = [0.0; 2];
/// pass::outputs(&Engine::best(), &x, w.as_ref(), &[1.0, -1.0], &mut q)?;
/// assert_eq!(q, [1.0 - 4.0, 9.0 - 1.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn outputs<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    w: MatRef<'_, T>,
    a: &[T],
    q: &mut [T],
) -> Result<(), KernelError> {
    check_shape("number of outputs", x.rows(), q.len())?;
    let mut step = FusedStep::new(*engine, &Weights::new(w.to_owned()), a, ROW_BLOCK)?;
    let mut blocks = Blocks::new(engine, x);
    for (i, q) in q.chunks_mut(ROW_BLOCK).enumerate() {
        step.forward(blocks.load(i * ROW_BLOCK..i * ROW_BLOCK + q.len()), q)?;
    }
    Ok(())
}

/// Sum of squared residuals and gradient. x: n x d, y: n, w: W^T (r x d), a: r. 4 n d r flops; the hidden layer exists
/// for one batch of rows at a time.
///
/// # Errors
/// [`KernelError::Shape`] if the shapes do not go together.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let (w, a) = (Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 1.0]), [1.0, -1.0]);
/// let x = Mat::from_slice(1, 2, &[1.0, 2.0]);
/// let out = pass::loss_and_gradient(&Engine::best(), &x, &[-2.0], w.as_ref(), &a, 0.5)?;
/// // q = 1 - 4, so delta = -1; the gradient of neuron i is delta a_i u_i x + gamma w_i with u = (1, 2).
/// assert_eq!(out.squares, 1.0);
/// assert_eq!((out.gradient.row(0), out.gradient.row(1)), (&[-0.5, -2.0][..], &[2.0, 4.5][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn loss_and_gradient<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    y: &[T],
    w: MatRef<'_, T>,
    a: &[T],
    gamma: T,
) -> Result<LossAndGradient<T>, KernelError> {
    check_shape("number of targets", x.rows(), y.len())?;
    let spread = x.spread();
    let weight = T::from_f64(1.0 / spread.whole().max(1) as f64);
    let (r, d) = (w.rows(), w.cols());
    check_shape("width of the samples and of the network", d, x.cols())?;
    let sums = Mutex::new(Sums {
        step: FusedStep::new(*engine, &Weights::new(w.to_owned()), a, ROW_BLOCK)?,
        blocks: Blocks::new(engine, x),
        delta: [T::ZERO; ROW_BLOCK],
        shape: (r, d),
        spare: Vec::new(),
        y,
        weight,
    });
    let sums = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    // Threads share the neurons, not the samples.
    let leaf = |range| sums().over(range);
    let par = engine.par.for_work(FLOPS_PER_MOVE * (r * d) as f64);
    let combine = |mut left: Part<T>, right: Part<T>| {
        let values = right.1.padded();
        for_chunks(par, left.1.padded_mut(), CHUNK, &|first, sum| {
            sum.iter_mut().zip(&values[first..]).for_each(|(sum, &value)| *sum += value);
        });
        sums().spare.push(right.1);
        (left.0 + right.0, left.1)
    };
    let (squares, mut gradient) = spread.reduce(Par::Seq, &|| (0.0, Mat::zeros(r, d)), &leaf, &combine);
    let rows = 0..r;
    rows.for_each(|i| gradient.row_mut(i).iter_mut().zip(w.row(i)).for_each(|(g, &w)| *g += gamma * w));
    Ok(LossAndGradient { squares, gradient })
}

/// Sum of squared residuals and gradient of some of the samples.
type Part<T> = (f64, Mat<T>);

/// Elements of a gradient that a thread adds at a time.
const CHUNK: usize = 1 << 14;

/// State of a sum over one leaf of samples after another.
struct Sums<'a, T: Element, X> {
    step: FusedStep<T>,
    blocks: Blocks<'a, T, X>,
    delta: [T; ROW_BLOCK],
    /// Of the gradient.
    shape: (usize, usize),
    /// Gradients that have been added to others: fresh memory for every leaf costs more than the adding.
    spare: Vec<Mat<T>>,
    y: &'a [T],
    weight: T,
}

impl<T: Element, X: Rows<T>> Sums<'_, T, X> {
    fn over(&mut self, range: Range<usize>) -> Part<T> {
        const CHECKED: &str = "the shapes were compared before";
        let mut squares = 0.0;
        for first in range.clone().step_by(ROW_BLOCK) {
            let rows = first..range.end.min(first + ROW_BLOCK);
            let batch = self.blocks.load(rows.clone());
            let delta = &mut self.delta[..rows.len()];
            let primed = self.step.forward(batch, delta).expect(CHECKED);
            for (delta, &y) in delta.iter_mut().zip(&self.y[rows]) {
                let value = *delta - y;
                squares += value.to_f64() * value.to_f64();
                *delta = value * self.weight;
            }
            let backward = Backward { batch, delta, rule: Rule::Accumulate };
            self.step.step(primed, backward, None, &mut []).expect(CHECKED);
        }
        let (r, d) = self.shape;
        let mut gradient = self.spare.pop().unwrap_or_else(|| Mat::zeros(r, d));
        self.step.take_sum(&mut gradient);
        (squares, gradient)
    }
}

/// Samples that a thread copies at a time.
const ROWS: usize = ROW_BLOCK / 4;

/// The samples, a block after another as batches.
struct Blocks<'a, T: Element, X> {
    x: &'a X,
    par: Par,
    scratch: Mat<T>,
    batch: Batch<T>,
}

impl<'a, T: Element, X: Rows<T>> Blocks<'a, T, X> {
    fn new(engine: &Engine, x: &'a X) -> Self {
        let scratch = Mat::zeros(if x.needs_scratch() { ROW_BLOCK } else { 0 }, x.cols());
        Self { x, par: engine.par, scratch, batch: Batch::new(engine, ROW_BLOCK, x.cols()) }
    }

    /// A block of these rows.
    fn load(&mut self, range: Range<usize>) -> &Batch<T> {
        let rows = range.len();
        let block = self.x.block(range, &mut self.scratch);
        let par = self.par.for_work(FLOPS_PER_MOVE * (rows * self.x.cols()) as f64);
        let write = |out: MatMut<'_, T>| {
            for_row_blocks(par, out, ROWS, &|first, mut out| {
                (0..out.rows()).for_each(|j| out.row_mut(j).copy_from_slice(block.row(first + j)));
            });
        };
        self.batch.fill(rows, write).expect("a batch has room for a block");
        &self.batch
    }
}
