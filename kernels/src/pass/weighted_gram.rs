//! Weighted Gram matrix A*(v) = sum_j v_j x_j x_j^T, the second of the two linear maps.

use std::ops::Range;

use pulp::Simd;

use super::upper_triangle::{Triangles, UpperTriangle};
use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::{Kernel, compiled};
use crate::backend::add_gram;
use crate::block::{GEMM_ROW_BLOCK, ROW_BLOCK};
use crate::element::{Element, lanes};
use crate::engine::epilogue::{AddTile, Ahead, load_lanes, store_lanes};
use crate::engine::pack::PanelLayout;
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::engine::{Engine, Panels};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatRef};
use crate::parallel::leaf_rows;
use crate::rows::{Rows, for_blocks};

/// sum_j v_j x_j x_j^T. x: n x d, v: n, result: d x d, symmetric. n d^2 flops: only the upper triangle is computed,
/// then mirrored.
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
    let triangles = Triangles::new(engine, x.cols());
    let leaf = |range: Range<usize>| {
        let mut gram = GramAccumulator::new(engine, x.cols(), triangles.zeros());
        let rows = gram.rows();
        for_blocks(x, range, rows, |block, x, next| gram.add(x, &v[block], next));
        gram.finish()
    };
    let combine = |left, right| triangles.add(left, right);
    Ok(x.spread().reduce(par, &|| triangles.zeros(), &leaf, &combine).into_symmetric())
}

/// Bytes that [`weighted_gram`] of n rows of width d takes at once on so many threads: the triangles that wait for
/// their neighbours in the tree over the rows, in the end one of them with the whole matrix.
pub fn weighted_gram_bytes<T: Element>(n: usize, d: usize, threads: usize) -> u64 {
    let leaves = n.div_ceil(leaf_rows(n)).max(1);
    // On its way down the tree each thread leaves one behind on every level.
    let levels = 1 + leaves.next_power_of_two().trailing_zeros() as usize;
    let triangles = leaves.min(threads.max(1).saturating_mul(levels)) as u64;
    let square = [d as u64, d as u64, size_of::<T>() as u64].into_iter().fold(1, u64::saturating_mul);
    (square / 2).saturating_mul(triangles).max(square.saturating_add(square / 2))
}

/// The upper triangle of a weighted Gram matrix, one block of rows after another.
pub(crate) struct GramAccumulator<'a, T: Element> {
    engine: &'a Engine,
    upper: UpperTriangle<T>,
    /// Native: the panel diag(v) X[:, c..c + width]. Plain products: the scaled rows of a block.
    scaled: AlignedVec<T>,
}

impl<'a, T: Element> GramAccumulator<'a, T> {
    /// Adds to `upper`.
    pub(crate) fn new(engine: &'a Engine, d: usize, upper: UpperTriangle<T>) -> Self {
        let scaled = match upper {
            UpperTriangle::Panels(_) => aligned_zeros(ROW_BLOCK * engine.isa.panel_width::<T>()),
            UpperTriangle::Plain(_) => aligned_zeros(GEMM_ROW_BLOCK * d),
        };
        Self { engine, upper, scaled }
    }

    /// Rows that a block has at most.
    pub(crate) fn rows(&self) -> usize {
        match self.upper {
            UpperTriangle::Panels(_) => ROW_BLOCK,
            UpperTriangle::Plain(_) => GEMM_ROW_BLOCK,
        }
    }

    /// Adds sum_j v_j x_j x_j^T over the rows of a block, and fetches the rows in `next` meanwhile.
    pub(crate) fn add(&mut self, x: MatRef<'_, T>, v: &[T], next: Option<MatRef<'_, T>>) {
        assert!(x.rows() == v.len() && x.rows() <= self.rows(), "a block of {} rows", x.rows());
        match &mut self.upper {
            UpperTriangle::Panels(upper) => {
                let ahead = Ahead::of(next);
                let block = GramBlock { x, v, upper, scaled: &mut self.scaled, ahead };
                block.run_on(self.engine.isa);
            }
            UpperTriangle::Plain(upper) => {
                add_gram(self.engine.backend, x, v, &mut self.scaled, upper.as_mut());
            }
        }
    }

    /// The sum.
    pub(crate) fn finish(self) -> UpperTriangle<T> {
        self.upper
    }
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
///
/// On the diagonal the sweep goes down in stairs: the coordinates beyond a register's last column need it no more. That
/// saves a third of the square on the diagonal where registers are as long as whole tiles are high. Where they are
/// shorter (NEON), a stair ends with the tile that holds its last column: no tile but a sweep's last has rows to spare,
/// and each is as narrow as can be. Where neither divides the other (AVX2) there is one stair, for six sums, a tile one
/// register wide, do not hide the latency of a multiply-add.
struct GramBlock<'a, T: Element> {
    x: MatRef<'a, T>,
    v: &'a [T],
    upper: &'a mut Panels<T>,
    scaled: &'a mut [T],
    ahead: Ahead<T>,
}

compiled!(GramBlock);

impl<T: Element> Kernel for GramBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, v, upper, scaled, mut ahead } = self;
        let lanes = lanes::<S, T>();
        for at in 0..upper.layout().len() {
            let (layout, out) = upper.panel_at(at);
            let PanelLayout { column, columns, vectors, width, .. } = layout;
            scale_panel(simd, x, v, &layout, scaled);
            let stairs = if lanes.is_multiple_of(NR) || NR.is_multiple_of(lanes) { vectors } else { 1 };
            let (mut from, end) = (0, column + columns);
            for first in 0..stairs {
                let last = column + (first + 1) * lanes;
                let to = if first + 1 == stairs { end } else { end.min(last.next_multiple_of(NR)) };
                if from == to {
                    continue;
                }
                let out = &mut out[from * width + first * lanes..];
                let mut add = AddTile { out, width, ahead: &mut ahead };
                let panel = PanelPart::from(scaled, vectors, first, lanes);
                sweep::<S, T, _, MV, NR>(simd, panel, Broadcast::columns(x, from..to), &mut add);
                from = to;
            }
        }
    }
}
