//! Weighted Gram matrix A*(v) = sum_j v_j x_j x_j^T, the second of the two linear maps.

use std::ops::Range;

use pulp::Simd;

use super::upper_triangle::{Triangles, UpperTriangle};
use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::{Kernel, compiled};
use crate::backend::{Backend, add_gram};
use crate::block::{GEMM_ROW_BLOCK, ROW_BLOCK, WINDOW_ROWS};
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{AddTile, Ahead, load_lanes, store_lanes};
use crate::engine::pack::{PanelLayout, PanelRows, PanelsPart};
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{LeafPlan, Par, for_each, leaf_rows};
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
    let (upper, par) = upper_gram(engine, x, v)?;
    Ok(upper.into_symmetric(par))
}

/// Its upper triangle, and whether the work was worth several threads.
pub(crate) fn upper_gram<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    v: &[T],
) -> Result<(UpperTriangle<T>, Par), KernelError> {
    check_shape("number of weights", x.rows(), v.len())?;
    let par = engine.par.for_work(x.rows() as f64 * (x.cols() * x.cols()) as f64);
    let triangles = Triangles::new(engine, x.cols());
    let spread = x.spread();
    let plan = gram_plan(engine, par, x.rows(), spread.whole());
    let leaf = |range: Range<usize>| {
        let mut upper = triangles.zeros();
        let mut gram = GramAccumulator::new(engine, plan, &mut upper);
        let rows = gram.rows();
        for_blocks(plan, x, range, rows, |block, x, next| gram.add(x, &v[block], next));
        upper
    };
    let combine = |left, right| triangles.add(plan, left, right);
    Ok((spread.reduce(par, &|| triangles.zeros(), &leaf, &combine), par))
}

/// How the leaves of a Gram matrix are summed up: plain products cannot share one.
pub(crate) fn gram_plan(engine: &Engine, par: Par, rows: usize, whole: usize) -> LeafPlan {
    match engine.backend {
        Backend::Native => LeafPlan::new(par, rows, leaf_rows(whole)),
        _ => LeafPlan::ALONE,
    }
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

/// Adds to the upper triangle of a weighted Gram matrix, one block of rows after another.
pub(crate) struct GramAccumulator<'a, T: Element> {
    engine: &'a Engine,
    plan: LeafPlan,
    sum: Sum<'a, T>,
    /// Whether something was added.
    begun: bool,
}

enum Sum<'a, T: Element> {
    /// Native: each part with its panel diag(v) X[:, c..c + width].
    Panels(Vec<(PanelsPart<'a, T>, AlignedVec<T>)>),
    /// Plain products: the whole, with the scaled rows of a block.
    Plain(MatMut<'a, T>, AlignedVec<T>),
}

impl<'a, T: Element> GramAccumulator<'a, T> {
    /// Adds to zeros, on several threads if the plan says so.
    pub(crate) fn new(engine: &'a Engine, plan: LeafPlan, zeros: &'a mut UpperTriangle<T>) -> Self {
        debug_assert!(zeros.elements().iter().all(|&value| value == T::ZERO), "what was there would be lost");
        let sum = match zeros {
            UpperTriangle::Panels(panels) => {
                let scaled = || aligned_zeros(ROW_BLOCK * engine.isa.panel_width::<T>());
                Sum::Panels(panels.parts(plan.parts).into_iter().map(|part| (part, scaled())).collect())
            }
            UpperTriangle::Plain(mat) => {
                let scaled = aligned_zeros(GEMM_ROW_BLOCK * mat.cols());
                Sum::Plain(mat.as_mut(), scaled)
            }
        };
        Self { engine, plan, sum, begun: false }
    }

    /// Rows that a block has at most.
    pub(crate) fn rows(&self) -> usize {
        match self.sum {
            Sum::Panels(_) if self.plan.par != Par::Seq => WINDOW_ROWS,
            Sum::Panels(_) => ROW_BLOCK,
            Sum::Plain(..) => GEMM_ROW_BLOCK,
        }
    }

    /// Adds sum_j v_j x_j x_j^T over the rows of a block, and fetches the rows in `next` meanwhile.
    pub(crate) fn add(&mut self, x: MatRef<'_, T>, v: &[T], next: Option<MatRef<'_, T>>) {
        assert!(x.rows() == v.len() && x.rows() <= self.rows(), "a block of {} rows", x.rows());
        let engine = self.engine;
        let begun = self.begun;
        self.begun |= x.rows() > 0;
        match &mut self.sum {
            Sum::Panels(parts) => for_each(self.plan.par, parts, &|_, (part, scaled)| {
                for first in (0..x.rows()).step_by(ROW_BLOCK) {
                    let begun = begun || first > 0;
                    let rows = first..x.rows().min(first + ROW_BLOCK);
                    let following = rows.end..x.rows().min(rows.end + ROW_BLOCK);
                    let ahead = Ahead::of(if following.is_empty() { next } else { Some(x.rows_range(following)) });
                    let (x, v) = (x.rows_range(rows.clone()), &v[rows]);
                    GramBlock { x, v, rows: &part.rows, upper: part.elements, begun, scaled, ahead }.run_on(engine.isa);
                }
            }),
            Sum::Plain(upper, scaled) => add_gram(engine.backend, x, v, scaled, upper.reborrow()),
        }
    }
}

/// scaled_j = v_j x_j[column..column + columns] for every row of a block, zeros in the surplus lanes.
#[inline(always)]
fn scale_panel<S: Simd, T: Element>(simd: S, x: MatRef<'_, T>, v: &[T], panel: &PanelLayout, scaled: &mut [T]) {
    let lanes = lanes::<S, T>();
    let whole = panel.columns / lanes * lanes;
    for j in 0..v.len() {
        let target = &mut scaled[j * panel.width..][..panel.width];
        let source = &x.row(j)[panel.column..][..panel.columns];
        let weight = T::splat(simd, v[j]);
        for at in (0..whole).step_by(lanes) {
            let product = T::vmul(simd, load_lanes(simd, &source[at..][..lanes]), weight);
            store_lanes(simd, &mut target[at..][..lanes], product);
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
    rows: &'a [PanelRows],
    upper: &'a mut [T],
    begun: bool,
    scaled: &'a mut [T],
    ahead: Ahead<T>,
}

compiled!(GramBlock);

impl<T: Element> Kernel for GramBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, v, rows, upper, begun, scaled, mut ahead } = self;
        let lanes = lanes::<S, T>();
        let mut begin = 0;
        for part in rows {
            let PanelRows { layout, rows } = part;
            let PanelLayout { column, columns, vectors, width, .. } = *layout;
            let own = &mut upper[begin..][..part.len()];
            begin += part.len();
            scale_panel(simd, x, v, layout, scaled);
            let stairs = if lanes.is_multiple_of(NR) || NR.is_multiple_of(lanes) { vectors } else { 1 };
            let (mut from, end) = (0, column + columns);
            for first in 0..stairs {
                let last = column + (first + 1) * lanes;
                let to = if first + 1 == stairs { end } else { end.min(last.next_multiple_of(NR)) };
                let stair = from.max(rows.start)..to.min(rows.end);
                if stair.start < stair.end {
                    let out = &mut own[(stair.start - rows.start) * width + first * lanes..];
                    let mut add = AddTile { out, width, begun, ahead: &mut ahead };
                    let panel = PanelPart::from(scaled, vectors, first, lanes);
                    sweep::<S, T, _, MV, NR>(simd, panel, Broadcast::columns(x, stair), &mut add);
                }
                from = to;
            }
        }
    }
}
