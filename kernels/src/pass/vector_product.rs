//! Products of the samples with one vector, X s and X^T v: bound by memory, one trip over X each, the same on every
//! backend.

use std::ops::Range;

use pulp::Simd;

use crate::arch::{Kernel, compiled};
use crate::block::{COLUMNS_AT_ONCE, PIECE_ROWS, ROW_BLOCK, ROWS_AT_ONCE, WINDOW_ROWS};
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{load_lanes, store_lanes};
use crate::error::{KernelError, check_shape};
use crate::mat::MatRef;
use crate::parallel::{LeafPlan, for_chunks, leaf_rows, piece_rows};
use crate::rows::{Rows, for_blocks};

/// q = X s, q_j = x_j . s. x: n x d, s: d, q: n. 2 n d flops.
///
/// # Errors
/// [`KernelError::Shape`] if `s` does not have d elements or `q` not n.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let x = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 4.0]);
/// let mut q = [0.0; 2];
/// pass::times_vector(&Engine::best(), &x, &[10.0, 1.0], &mut q)?;
/// assert_eq!(q, [12.0, 34.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn times_vector<T: Element, X: Rows<T>>(engine: &Engine, x: &X, s: &[T], q: &mut [T]) -> Result<(), KernelError> {
    check_shape("length of the vector", x.cols(), s.len())?;
    check_shape("number of products", x.rows(), q.len())?;
    let par = engine.par.for_work(2.0 * x.rows() as f64 * x.cols() as f64);
    // Rows that are made are made in the same blocks for any number of threads.
    let unit = if x.needs_scratch() { ROW_BLOCK } else { PIECE_ROWS };
    let piece = piece_rows(par, x.rows(), unit, leaf_rows(x.rows()).next_multiple_of(ROW_BLOCK));
    for_chunks(par, q, piece, &|start, q| {
        for_blocks(LeafPlan::ALONE, x, start..start + q.len(), ROW_BLOCK, |block, x, _| {
            let q = &mut q[block.start - start..block.end - start];
            RowProducts { x, s, q }.run_on(engine.isa);
        });
    });
    Ok(())
}

/// X^T v = sum_j v_j x_j. x: n x d, v: n, result: d. 2 n d flops.
///
/// # Errors
/// [`KernelError::Shape`] if `v` does not have n elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let x = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 4.0]);
/// assert_eq!(pass::transposed_times_vector(&Engine::best(), &x, &[10.0, 1.0])?, [13.0, 24.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn transposed_times_vector<T: Element, X: Rows<T>>(engine: &Engine, x: &X, v: &[T]) -> Result<Vec<T>, KernelError> {
    check_shape("number of weights", x.rows(), v.len())?;
    let par = engine.par.for_work(2.0 * x.rows() as f64 * x.cols() as f64);
    let spread = x.spread();
    let plan = LeafPlan::new(par, x.rows(), leaf_rows(spread.whole()));
    let window = if plan == LeafPlan::ALONE { ROW_BLOCK } else { WINDOW_ROWS };
    let columns = plan.piece_rows(x.cols(), COLUMNS_AT_ONCE, usize::MAX);
    let leaf = |range: Range<usize>| {
        let mut sum = vec![T::ZERO; x.cols()];
        for_blocks(plan, x, range, window, |block, x, _| {
            let v = &v[block];
            for_chunks(plan.par, &mut sum, columns, &|column, sum| {
                for first in (0..v.len()).step_by(ROW_BLOCK) {
                    let rows = first..v.len().min(first + ROW_BLOCK);
                    WeightedRows { x: x.rows_range(rows.clone()), column, v: &v[rows], sum }.run_on(engine.isa);
                }
            });
        });
        sum
    };
    let combine = |mut left: Vec<T>, right: Vec<T>| {
        left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
        left
    };
    Ok(spread.reduce(par, &|| vec![T::ZERO; x.cols()], &leaf, &combine))
}

/// q_j = x_j . s for a block of rows.
struct RowProducts<'a, T: Element> {
    x: MatRef<'a, T>,
    s: &'a [T],
    q: &'a mut [T],
}

compiled!(RowProducts);

impl<T: Element> Kernel for RowProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, s, q } = self;
        let steps = q.len() / ROWS_AT_ONCE;
        for step in 0..steps {
            let sums = products::<S, T, ROWS_AT_ONCE>(simd, rows_of(x, step, steps), s);
            for place in 0..ROWS_AT_ONCE {
                q[place * steps + step] = T::reduce_sum(simd, sums[place]);
            }
        }
        for j in steps * ROWS_AT_ONCE..q.len() {
            let [sum] = products::<S, T, 1>(simd, [x.row(j)], s);
            q[j] = T::reduce_sum(simd, sum);
        }
    }
}

/// The rows of a step: one from each place.
#[inline(always)]
fn rows_of<T: Element>(x: MatRef<'_, T>, step: usize, steps: usize) -> [&[T]; ROWS_AT_ONCE] {
    let mut rows = [x.row(step); ROWS_AT_ONCE];
    for place in 0..ROWS_AT_ONCE {
        rows[place] = x.row(place * steps + step);
    }
    rows
}

/// The products of some rows with `s`, lane by lane: each row's sum has the same order, whatever rows are beside it.
#[inline(always)]
fn products<S: Simd, T: Element, const ROWS: usize>(simd: S, rows: [&[T]; ROWS], s: &[T]) -> [T::Vector<S>; ROWS] {
    let lanes = lanes::<S, T>();
    let mut sums = [T::splat(simd, T::ZERO); ROWS];
    for at in (0..s.len()).step_by(lanes) {
        let register = at..s.len().min(at + lanes);
        let factor = load_lanes(simd, &s[register.clone()]);
        for r in 0..ROWS {
            sums[r] = T::vfma(simd, load_lanes(simd, &rows[r][register.clone()]), factor, sums[r]);
        }
    }
    sums
}

/// sum += sum_j v_j x_j over a block of rows, in the columns from `column` on that `sum` has.
struct WeightedRows<'a, T: Element> {
    x: MatRef<'a, T>,
    column: usize,
    v: &'a [T],
    sum: &'a mut [T],
}

compiled!(WeightedRows);

impl<T: Element> Kernel for WeightedRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, column, v, sum } = self;
        let lanes = lanes::<S, T>();
        let steps = v.len() / ROWS_AT_ONCE;
        for step in 0..steps {
            let mut rows = rows_of(x, step, steps);
            let mut weights = [T::splat(simd, T::ZERO); ROWS_AT_ONCE];
            for place in 0..ROWS_AT_ONCE {
                weights[place] = T::splat(simd, v[place * steps + step]);
                rows[place] = &rows[place][column..][..sum.len()];
            }
            for at in (0..sum.len()).step_by(lanes) {
                let register = at..sum.len().min(at + lanes);
                let mut total = load_lanes(simd, &sum[register.clone()]);
                for r in 0..ROWS_AT_ONCE {
                    total = T::vfma(simd, weights[r], load_lanes(simd, &rows[r][register.clone()]), total);
                }
                store_lanes(simd, &mut sum[register], total);
            }
        }
        for j in steps * ROWS_AT_ONCE..v.len() {
            let (row, weight) = (&x.row(j)[column..][..sum.len()], T::splat(simd, v[j]));
            for at in (0..sum.len()).step_by(lanes) {
                let register = at..sum.len().min(at + lanes);
                let before = load_lanes(simd, &sum[register.clone()]);
                let total = T::vfma(simd, weight, load_lanes(simd, &row[register.clone()]), before);
                store_lanes(simd, &mut sum[register], total);
            }
        }
    }
}
