//! Weighted Gram matrix A*(v) = sum_j v_j x_j x_j^T, the second of the two linear maps.

use pulp::Simd;

use crate::arch::Kernel;
use crate::backend::{Backend, add_gram};
use crate::block::{GEMM_ROW_BLOCK, MIRROR_SQUARE, ROW_BLOCK};
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{AddTile, load_lanes, store_lanes};
use crate::engine::pack::{PanelLayout, panel_layout};
use crate::engine::sweep::{Broadcast, sweep};
use crate::error::{KernelError, check_shape};
use crate::mat::{AlignedVec, Mat, MatMut, MatRef, aligned_zeros};
use crate::parallel::reduce_rows;
use crate::rows::Rows;

/// sum_j v_j x_j x_j^T. x: n x d, v: n, result: d x d, symmetric. n d^2 flops: only the upper triangle is computed, then
/// mirrored.
///
/// # Errors
/// [`KernelError::Shape`] if `v` does not have n elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let x = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 4.0]);
/// let m = pass::weighted_gram(&Engine::best(), &x, &[1.0, -1.0])?;
/// assert_eq!((m.row(0), m.row(1)), (&[-8.0, -10.0][..], &[-10.0, -12.0][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn weighted_gram<T: Element, X: Rows<T>>(engine: &Engine, x: &X, v: &[T]) -> Result<Mat<T>, KernelError> {
    check_shape("number of weights", x.rows(), v.len())?;
    let par = engine.par.for_work(x.rows() as f64 * (x.cols() * x.cols()) as f64);
    let leaf = |range: std::ops::Range<usize>| {
        let mut gram = GramAccumulator::new(engine, x.cols());
        let rows = gram.rows();
        let mut scratch = Mat::zeros(if x.needs_scratch() { rows } else { 0 }, x.cols());
        for first in range.clone().step_by(rows) {
            let block = first..range.end.min(first + rows);
            gram.add(x.block(block.clone(), &mut scratch), &v[block]);
        }
        gram.finish()
    };
    Ok(mirror(reduce_rows(par, x.rows(), &leaf, &add_upper)))
}

/// The upper triangle of a weighted Gram matrix, one block of rows after another.
pub(crate) struct GramAccumulator<'a, T: Element> {
    engine: &'a Engine,
    layout: Vec<PanelLayout>,
    upper: Mat<T>,
    /// Native: the panel diag(v) X[:, c..c + width]. Plain products: the scaled rows of a block.
    scaled: AlignedVec<T>,
}

impl<'a, T: Element> GramAccumulator<'a, T> {
    pub(crate) fn new(engine: &'a Engine, d: usize) -> Self {
        let upper = Mat::zeros(d, d);
        let layout = panel_layout::<T>(engine.isa, d, ROW_BLOCK, false);
        let scaled = match engine.backend {
            Backend::Native => aligned_zeros(ROW_BLOCK * engine.isa.panel_width::<T>()),
            _ => aligned_zeros(GEMM_ROW_BLOCK * d),
        };
        Self { engine, layout, upper, scaled }
    }

    /// Rows that a block has at most.
    pub(crate) fn rows(&self) -> usize {
        match self.engine.backend {
            Backend::Native => ROW_BLOCK,
            _ => GEMM_ROW_BLOCK,
        }
    }

    /// Adds sum_j v_j x_j x_j^T over the rows of a block.
    pub(crate) fn add(&mut self, x: MatRef<'_, T>, v: &[T]) {
        assert!(x.rows() == v.len() && x.rows() <= self.rows(), "a block of {} rows", x.rows());
        match self.engine.backend {
            Backend::Native => {
                let (layout, upper) = (&self.layout, self.upper.as_mut());
                self.engine.isa.run(GramBlock { x, v, layout, upper, scaled: &mut self.scaled });
            }
            plain => add_gram(plain, x, v, &mut self.scaled, self.upper.as_mut()),
        }
    }

    /// The matrix, of which only the upper triangle is meant.
    pub(crate) fn finish(self) -> Mat<T> {
        self.upper
    }
}

/// Adds the right upper triangle to the left.
pub(crate) fn add_upper<T: Element>(mut left: Mat<T>, right: Mat<T>) -> Mat<T> {
    for i in 0..left.rows() {
        left.row_mut(i)[i..].iter_mut().zip(&right.row(i)[i..]).for_each(|(sum, &value)| *sum += value);
    }
    left
}

/// Copies the upper triangle over the lower one, square by square so that both sides stay in cache.
pub(crate) fn mirror<T: Element>(mut m: Mat<T>) -> Mat<T> {
    let d = m.rows();
    for i0 in (0..d).step_by(MIRROR_SQUARE) {
        for k0 in (0..=i0).step_by(MIRROR_SQUARE) {
            for i in i0..d.min(i0 + MIRROR_SQUARE) {
                for k in k0..i.min(k0 + MIRROR_SQUARE) {
                    let value = m.row(k)[i];
                    m.row_mut(i)[k] = value;
                }
            }
        }
    }
    m
}

/// scaled_j = v_j x_j[column..column + columns] for every row of a block, zeros in the surplus lanes.
#[inline(always)]
fn scale_panel<S: Simd, T: Element>(simd: S, x: MatRef<'_, T>, v: &[T], panel: &PanelLayout, scaled: &mut [T]) {
    let lanes = lanes::<S, T>();
    let whole = panel.columns / lanes * lanes;
    for (j, target) in scaled.chunks_exact_mut(panel.width).take(v.len()).enumerate() {
        let source = &x.row(j)[panel.column..][..panel.columns];
        let weight = T::splat(simd, v[j]);
        for (target, source) in target.chunks_exact_mut(lanes).zip(source.chunks_exact(lanes)) {
            store_lanes(simd, target, T::vmul(simd, load_lanes(simd, source), weight));
        }
        if whole < panel.width {
            let tail = load_lanes(simd, &source[whole..]);
            store_lanes(simd, &mut target[whole..], T::vmul(simd, tail, weight));
        }
    }
}

/// A block of rows into the upper triangle, panel by panel: scale a panel of X by v, then sweep it over the columns of
/// X up to its own last one.
struct GramBlock<'a, T: Element> {
    x: MatRef<'a, T>,
    v: &'a [T],
    layout: &'a [PanelLayout],
    upper: MatMut<'a, T>,
    scaled: &'a mut [T],
}

impl<T: Element> Kernel for GramBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, v, layout, mut upper, scaled } = self;
        for panel in layout {
            scale_panel(simd, x, v, panel, scaled);
            let left = Broadcast::columns(x, panel.column + panel.columns);
            // The surplus lanes of the last panel go to the padding of the output's rows.
            let mut add = AddTile::new(upper.reborrow().padded(), panel.column, panel.width);
            sweep::<S, T, _, MV, NR>(simd, panel.vectors, scaled, left, &mut add);
        }
    }
}
