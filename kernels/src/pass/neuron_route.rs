//! The neuron route over a whole set of samples, a batch at a time: U = X W, q = rowsum(a * U^2),
//! G = X^T diag(delta) U A / n + gamma W.

use std::ops::Range;

use super::batch::Batch;
use super::fused_step::{FusedStep, groups};
use super::start::Start;
use super::sums::add_scaled;
use super::update::{Backward, Memory, Rule};
use crate::block::{FLOPS_PER_MOVE, GROUP_PIECES_MAX, LEAVES_FROM, ROW_BLOCK};
use crate::element::Element;
use crate::engine::Engine;
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{Par, Shelf, for_chunks, for_row_blocks, leaf_rows, piece_rows};
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
    let shared = Shared::new(engine, x, w, a, Memory::Nothing)?;
    let (n, par) = (x.rows(), shared.of_samples);
    let piece = if par == Par::Seq { n.max(1) } else { piece_rows(par, n, ROW_BLOCK, leaf_rows(n)) };
    for_chunks(par, q, piece, &|start, q| {
        shared.with(|step, blocks| {
            for (i, q) in q.chunks_mut(ROW_BLOCK).enumerate() {
                let first = start + i * ROW_BLOCK;
                step.forward(blocks.load(first..first + q.len()), q).expect(CHECKED);
            }
        });
    });
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
    let shared = Shared::new(engine, x, w, a, Memory::First)?;
    let spare = Shelf::new();
    let leaf = |range: Range<usize>| {
        let mut gradient = spare.take().unwrap_or_else(|| Mat::zeros(r, d));
        let squares = shared.with(|step, blocks| {
            let mut squares = 0.0;
            let mut delta = [T::ZERO; ROW_BLOCK];
            for first in range.clone().step_by(ROW_BLOCK) {
                let rows = first..range.end.min(first + ROW_BLOCK);
                let batch = blocks.load(rows.clone());
                let delta = &mut delta[..rows.len()];
                let primed = step.forward(batch, delta).expect(CHECKED);
                for (delta, &y) in delta.iter_mut().zip(&y[rows]) {
                    let value = *delta - y;
                    squares += value.to_f64() * value.to_f64();
                    *delta = value * weight;
                }
                let backward = Backward { batch, delta, rule: Rule::Accumulate };
                step.step(primed, backward, None, &mut []).expect(CHECKED);
            }
            step.take_sum(&mut gradient);
            squares
        });
        (squares, gradient)
    };
    let moving = shared.of_neurons.for_work(FLOPS_PER_MOVE * (r * d) as f64);
    let combine = |mut left: Part<T>, right: Part<T>| {
        let engine = Engine { par: moving, ..*engine };
        add_scaled(&engine, left.1.padded_mut(), T::ONE, right.1.padded()).expect(CHECKED);
        spare.put(right.1);
        (left.0 + right.0, left.1)
    };
    let (squares, mut gradient) = spread.reduce(shared.of_samples, &|| (0.0, Mat::zeros(r, d)), &leaf, &combine);
    for_row_blocks(moving, gradient.as_mut(), ROW_BLOCK, &|first, mut gradient| {
        for i in 0..gradient.rows() {
            gradient.row_mut(i).iter_mut().zip(w.row(first + i)).for_each(|(g, &w)| *g += gamma * w);
        }
    });
    Ok(LossAndGradient { squares, gradient })
}

/// Sum of squared residuals and gradient of some of the samples.
type Part<T> = (f64, Mat<T>);

/// Whether so many threads share n samples, and not the neurons: there are few neurons and samples for more of them.
fn by_samples<T: Element>(engine: &Engine, n: usize, r: usize, threads: usize) -> bool {
    let groups = groups::<T>(engine, r);
    threads >= LEAVES_FROM.saturating_mul(groups) && leaves(n) >= threads.min(groups.saturating_mul(GROUP_PIECES_MAX))
}

/// Leaves of the tree over n samples, at least.
fn leaves(n: usize) -> usize {
    n.div_ceil(leaf_rows(n))
}

/// Bytes that [`loss_and_gradient`] or [`outputs`] of n samples takes on so many threads beyond what it does on one:
/// where threads share the samples, each has a layout of r neurons of width d, a gradient and a batch to itself.
pub fn shared_samples_bytes<T: Element>(engine: &Engine, n: usize, d: usize, r: usize, threads: usize) -> u64 {
    if !by_samples::<T>(engine, n, r, threads) {
        return 0;
    }
    // Halving makes as many as a power of two.
    let others = threads.min(leaves(n).next_power_of_two()).saturating_sub(1) as u64;
    let [d, laid_out, r] = [d, r.next_multiple_of(engine.isa.lanes::<T>()), r].map(|size| size as u64);
    let block = ROW_BLOCK as u64;
    // Panels of W and of the gradient's sum, and their activations; the gradient; a batch in two forms and its rows.
    // One such block more was measured: what a thread gives back is not always there for the next.
    let elements = [(2, laid_out, d), (block, laid_out, 1), (1, r, d), (4, block, d)];
    let sizes = elements.map(|(count, rows, columns)| [rows, columns].into_iter().fold(count, u64::saturating_mul));
    let each = sizes.into_iter().fold(0, u64::saturating_add).saturating_mul(size_of::<T>() as u64);
    each.saturating_mul(others)
}

/// What threads work with that share the neurons, or the samples where there are few neurons: then each has a layout of
/// the weights to itself.
struct Shared<'a, T: Element, X> {
    x: &'a X,
    w: MatRef<'a, T>,
    a: &'a [T],
    memory: Memory,
    engine: Engine,
    /// Who shares the neurons, and who the samples; one of them is nobody.
    of_neurons: Par,
    of_samples: Par,
    at_rest: Shelf<(FusedStep<T>, Blocks<'a, T, X>)>,
}

const CHECKED: &str = "the shapes were compared before";

impl<'a, T: Element, X: Rows<T>> Shared<'a, T, X> {
    fn new(engine: &Engine, x: &'a X, w: MatRef<'a, T>, a: &'a [T], memory: Memory) -> Result<Self, KernelError> {
        check_shape("width of the samples and of the network", w.cols(), x.cols())?;
        check_shape("number of signs", w.rows(), a.len())?;
        let par = engine.par.for_work(2.0 * x.rows() as f64 * (x.cols() * w.rows()) as f64);
        let share_samples = by_samples::<T>(engine, x.rows(), w.rows(), par.workers());
        let (of_neurons, of_samples) = if share_samples { (Par::Seq, par) } else { (engine.par, Par::Seq) };
        let engine = Engine { par: of_neurons, ..*engine };
        Ok(Self { x, w, a, memory, engine, of_neurons, of_samples, at_rest: Shelf::new() })
    }

    /// Does a part of the work, with the weights as nobody else changes them meanwhile.
    fn with<R>(&self, work: impl FnOnce(&mut FusedStep<T>, &mut Blocks<'a, T, X>) -> R) -> R {
        let (mut step, mut blocks) = self.at_rest.take().unwrap_or_else(|| {
            let start = Start::without_past(self.w, self.memory);
            let step = FusedStep::from_start(None, self.engine, start, self.a, ROW_BLOCK).expect(CHECKED);
            (step, Blocks::new(&self.engine, self.x))
        });
        let result = work(&mut step, &mut blocks);
        self.at_rest.put((step, blocks));
        result
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
