//! Whether a floating-point Cholesky factorisation of a symmetric matrix A - c I runs to completion: left-looking, by
//! tiles of a packed lower triangle, in f64.
//!
//! ```text
//! for each block column j:
//!     A_jj - c I - sum_{k<j} L_jk L_jk^T = L_jj L_jj^T            an order that has no positive pivot ends it
//!     for each i > j, in parallel:
//!         L_ij = (A_ij - sum_{k<j} L_ik L_jk^T) L_jj^-T
//! ```
//!
//! A tile of A is asked for when its block column is reached, and L takes its place; a factorisation that ends early
//! has touched no more. A block row of L lies in one piece, so that the sum over k is one product of depth j. Every
//! tile is made by one thread, by the same operations in the same order whatever the number of threads.
//!
//! Each element of L is (a_ij - sum_k l_ik l_jk)/l_jj or the square root of a_jj - sum_k l_jk^2, with plain or fused
//! operations, one division and no reciprocal, the sum in some order: that is what bounds on its rounding errors ask
//! for (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, Lemma 8.4 and Theorem 10.3), see
//! [`super::proof`].

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut as DenseMut, MatRef as DenseRef};
use memorize_kernels::{MatMut, Par, parallel};

/// Rows and columns of a tile. A product of tiles reads 16 bytes for 256 multiply-adds.
const TILE: usize = 256;
/// Columns of a tile that are solved for one by one; the others come in as a product.
const STRIP: usize = 32;
/// Tiles of a block column between two looks at whether to go on: 2.5e11 flops in the middle of 60,000 rows.
const TILES_AT_ONCE: usize = 64;

/// Writes A[rows, columns] transposed, a row of the last for each of the columns.
pub type Tiles<'a> = dyn Fn(Range<usize>, Range<usize>, MatMut<'_, f64>) + Sync + 'a;

/// How a factorisation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to completion: every pivot was above zero.
    Complete,
    /// The pivot of this row was not above zero, or not a number.
    Pivot {
        /// The row, counted from 0.
        row: usize,
    },
    /// The caller said stop.
    Interrupted,
}

/// Bytes of the packed triangle of an n x n matrix, with what each of so many threads works with.
///
/// ```
/// use memorize_train::theory::definite::bytes;
///
/// // Half of the square, and half of the tiles on its diagonal.
/// assert_eq!(bytes(60_000, 0), 4 * 60_000 * (60_000 + 256));
/// ```
pub fn bytes(n: usize, threads: usize) -> u64 {
    let (n, tile) = (n as u64, TILE as u64);
    let triangle = n.saturating_mul(n.saturating_add(tile)).saturating_mul(4);
    triangle.saturating_add(8 * tile * tile * 4 * threads as u64)
}

/// A block row of L: its tiles one after the other, each by columns.
struct Panel {
    rows: Range<usize>,
    elements: Vec<f64>,
}

/// Factorises A - c I, A n x n. `tile(rows, columns, out)` writes A[rows, columns] transposed, a row of `out` for each
/// of the columns, and is asked for the lower triangle by tiles. `watch` gets the share of the work that is done and
/// says whether to go on. n^3/3 flops.
///
/// ```
/// use memorize_kernels::Par;
/// use memorize_train::theory::definite::{Outcome, factorize};
///
/// // diag(1, 2, 3): A - c I is definite for every c below 1.
/// let factorize = |shift| {
///     factorize(
///         Par::Seq,
///         3,
///         shift,
///         &|rows, columns, mut out| {
///             for (at, k) in columns.enumerate() {
///                 for (i, value) in rows.clone().zip(out.row_mut(at)) {
///                     *value = if i == k { 1.0 + i as f64 } else { 0.0 };
///                 }
///             }
///         },
///         &mut |_| true,
///     )
/// };
/// assert_eq!(factorize(0.99), Outcome::Complete);
/// assert_eq!(factorize(2.0), Outcome::Pivot { row: 0 });
/// ```
pub fn factorize(par: Par, n: usize, shift: f64, tile: &Tiles<'_>, watch: &mut dyn FnMut(f64) -> bool) -> Outcome {
    let blocks: Vec<Range<usize>> = (0..n).step_by(TILE).map(|first| first..n.min(first + TILE)).collect();
    let mut panels: Vec<Panel> = blocks.iter().map(|rows| Panel::zeros(rows.clone())).collect();
    let count = blocks.len();
    let work = |tiles: usize, column: usize| tiles as f64 * (column + 1) as f64;
    let whole: f64 = (0..count).map(|j| work(count - j, j)).sum();
    let mut done = 0.0;
    for (j, columns) in blocks.into_iter().enumerate() {
        let (above, below) = panels.split_at_mut(j + 1);
        let Some(own) = above.last_mut() else { break };
        if let Err(row) = own.pivot(columns.clone(), shift, tile) {
            return Outcome::Pivot { row };
        }
        done += work(1, j);
        let own = &*own;
        for chunk in below.chunks_mut(TILES_AT_ONCE) {
            if !watch(done / whole) {
                return Outcome::Interrupted;
            }
            done += work(chunk.len(), j);
            parallel::for_each(par, chunk, &|_, panel| panel.append(own, columns.clone(), tile));
        }
    }
    Outcome::Complete
}

impl Panel {
    fn zeros(rows: Range<usize>) -> Self {
        let elements = vec![0.0; rows.len() * rows.end];
        Self { rows, elements }
    }

    /// The tiles before a column, and the tile that begins with it.
    fn split(&mut self, columns: &Range<usize>) -> (&[f64], &mut [f64]) {
        let height = self.rows.len();
        let (before, rest) = self.elements.split_at_mut(columns.start * height);
        (before, &mut rest[..columns.len() * height])
    }

    /// The tile on the diagonal: L_jj in its lower triangle, or the row whose pivot is not above zero.
    fn pivot(&mut self, columns: Range<usize>, shift: f64, tile: &Tiles<'_>) -> Result<(), usize> {
        let (rows, size) = (self.rows.clone(), columns.len());
        let (before, own) = self.split(&columns);
        tile(rows.clone(), columns.clone(), MatMut::new(own, size, size, size));
        for i in 0..size {
            own[i * size + i] -= shift;
        }
        subtract(own, size, before, DenseRef::from_column_major_slice(before, size, columns.start));
        factorize_tile(own, size).map_err(|row| rows.start + row)
    }

    /// L_ij below the tile on the diagonal of `pivots`.
    fn append(&mut self, pivots: &Self, columns: Range<usize>, tile: &Tiles<'_>) {
        let (rows, width) = (self.rows.clone(), columns.len());
        let height = rows.len();
        let (before, own) = self.split(&columns);
        tile(rows, columns.clone(), MatMut::new(own, width, height, height));
        let (of_pivots, lower) = pivots.elements.split_at(columns.start * width);
        subtract(own, height, before, DenseRef::from_column_major_slice(of_pivots, width, columns.start));
        solve(own, height, lower, width);
    }
}

/// C - A B^T in place of C. C: height x k, A: height x depth by columns, B: k x depth.
fn subtract(c: &mut [f64], height: usize, a: &[f64], b: DenseRef<'_, f64>) {
    let (width, depth) = b.shape();
    if depth == 0 {
        return;
    }
    let a = DenseRef::from_column_major_slice(a, height, depth);
    let c = DenseMut::from_column_major_slice_mut(c, height, width);
    matmul(c, Accum::Add, a, b.transpose(), -1.0, faer::Par::Seq);
}

/// L L^T = A for a tile by columns, whose lower triangle is read and written; or the row whose pivot is not above zero.
fn factorize_tile(a: &mut [f64], size: usize) -> Result<(), usize> {
    for k in 0..size {
        let (before, rest) = a.split_at_mut(k * size);
        let own = &mut rest[k..size];
        for l in before.chunks_exact(size) {
            subtract_scaled(own, l[k], &l[k..]);
        }
        let pivot = own[0];
        // Of NaN, too.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(k);
        }
        own[0] = pivot.sqrt();
        divide(own, 1);
    }
    Ok(())
}

/// C L^-T in place of C. C: height x width by columns, L: width x width by columns.
fn solve(c: &mut [f64], height: usize, l: &[f64], width: usize) {
    for first in (0..width).step_by(STRIP) {
        let strip = STRIP.min(width - first);
        let (before, rest) = c.split_at_mut(first * height);
        let rows = DenseRef::from_column_major_slice(l, width, width).get(first..first + strip, ..first);
        subtract(&mut rest[..strip * height], height, before, rows);
        for k in first..first + strip {
            let (before, own) = rest.split_at_mut((k - first) * height);
            let own = &mut own[..height];
            for (column, solved) in (first..k).zip(before.chunks_exact(height)) {
                subtract_scaled(own, l[column * width + k], solved);
            }
            let pivot = l[k * width + k];
            own.iter_mut().for_each(|value| *value /= pivot);
        }
    }
}

/// x - s y in place of x.
fn subtract_scaled(x: &mut [f64], s: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x -= s * y;
    }
}

/// Divides what begins at `from` by the first element.
fn divide(x: &mut [f64], from: usize) {
    let (pivot, rest) = x.split_at_mut(from);
    rest.iter_mut().for_each(|value| *value /= pivot[0]);
}

#[cfg(test)]
mod tests;
