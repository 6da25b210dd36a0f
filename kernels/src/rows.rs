//! Where a pass gets its samples from: a matrix in memory, or anything that can produce a block of rows on demand.
#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use crate::block::ROW_BLOCK;
use crate::element::Element;
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{LeafPlan, Par, for_chunks, for_row_blocks, leaf_rows};
use crate::team::Spread;

/// Samples, one a row, that a pass reads a block at a time.
///
/// A block must hold the same bits whoever asks for it, however often and in whatever order: passes ask from several
/// threads at once, and results must not depend on which thread asked.
///
/// ```
/// use std::ops::Range;
///
/// use memorize_kernels::{Engine, Mat, MatRef, Rows, pass};
///
/// /// Row i is (i, 1), made when it is asked for.
/// struct Line(usize);
///
/// impl Rows<f64> for Line {
///     fn rows(&self) -> usize {
///         self.0
///     }
///     fn cols(&self) -> usize {
///         2
///     }
///     fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<f64>) -> MatRef<'a, f64> {
///         for (at, i) in range.clone().enumerate() {
///             scratch.row_mut(at).copy_from_slice(&[i as f64, 1.0]);
///         }
///         scratch.as_ref().rows_range(0..range.len())
///     }
///     fn needs_scratch(&self) -> bool {
///         true
///     }
/// }
///
/// let gram = pass::weighted_gram(&Engine::best(), &Line(4), &[1.0; 4])?;
/// assert_eq!((gram.row(0), gram.row(1)), (&[14.0, 6.0][..], &[6.0, 4.0][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub trait Rows<T: Element>: Sync {
    /// Number of samples n.
    fn rows(&self) -> usize;

    /// Width of a sample d.
    fn cols(&self) -> usize;

    /// The rows in `range`: a view of memory where they are in memory already, else produced into `scratch`, which has
    /// at least `range.len()` rows and exactly `cols()` columns.
    ///
    /// # Panics
    /// If the range is not within `0..rows()` or `scratch` is too small.
    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T>;

    /// Whether `block` needs its scratch matrix; a pass allocates it only then.
    fn needs_scratch(&self) -> bool;

    /// Which of all samples these are, if they are spread over several ranks: a pass that sums over samples sums over
    /// those of every rank, and all ranks make it at the same time.
    fn spread(&self) -> Spread {
        Spread::alone(self.rows())
    }
}

/// Samples of which any may be picked: for mini-batches and for searches that look at some of them. No pass asks for
/// it.
///
/// ```
/// use memorize_kernels::{GatherRows, Mat};
///
/// let x = Mat::from_slice(3, 1, &[10.0f32, 20.0, 30.0]);
/// let mut picked = Mat::zeros(2, 1);
/// x.gather(&[2, 0], picked.as_mut());
/// assert_eq!((picked.row(0), picked.row(1)), (&[30.0][..], &[10.0][..]));
/// ```
pub trait GatherRows<T: Element>: Rows<T> {
    /// Copies row `indices[i]` to row i of `out`, for every i.
    ///
    /// # Panics
    /// If an index is not below `rows()`, or `out` has fewer rows than `indices` or other columns than `cols()`.
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>);
}

/// A rank's share of samples that are spread over several: see [`crate::team`].
#[derive(Clone, Debug)]
pub struct Part<X> {
    rows: X,
    spread: Spread,
}

impl<X> Part<X> {
    /// The rows that `spread` says.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn new<T: Element>(rows: X, spread: Spread) -> Self
    where
        X: Rows<T>,
    {
        assert_eq!(rows.rows(), spread.rows(), "a share of {} rows", spread.rows());
        Self { rows, spread }
    }
}

impl<T: Element, X: Rows<T>> Rows<T> for Part<X> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn cols(&self) -> usize {
        self.rows.cols()
    }

    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        self.rows.block(range, scratch)
    }

    fn needs_scratch(&self) -> bool {
        self.rows.needs_scratch()
    }

    fn spread(&self) -> Spread {
        self.spread.clone()
    }
}

impl<T: Element, X: GatherRows<T>> GatherRows<T> for Part<X> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
        self.rows.gather(indices, out);
    }
}

impl<T: Element> Rows<T> for MatRef<'_, T> {
    fn rows(&self) -> usize {
        MatRef::rows(self)
    }

    fn cols(&self) -> usize {
        MatRef::cols(self)
    }

    fn block<'a>(&'a self, range: Range<usize>, _: &'a mut Mat<T>) -> MatRef<'a, T> {
        self.rows_range(range)
    }

    fn needs_scratch(&self) -> bool {
        false
    }
}

impl<T: Element> GatherRows<T> for MatRef<'_, T> {
    fn gather(&self, indices: &[u32], mut out: MatMut<'_, T>) {
        for (i, &index) in indices.iter().enumerate() {
            out.row_mut(i).copy_from_slice(self.row(index as usize));
        }
    }
}

impl<T: Element> Rows<T> for Mat<T> {
    fn rows(&self) -> usize {
        Mat::rows(self)
    }

    fn cols(&self) -> usize {
        Mat::cols(self)
    }

    fn block<'a>(&'a self, range: Range<usize>, _: &'a mut Mat<T>) -> MatRef<'a, T> {
        self.as_ref().rows_range(range)
    }

    fn needs_scratch(&self) -> bool {
        false
    }
}

impl<T: Element> GatherRows<T> for Mat<T> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
        self.as_ref().gather(indices, out);
    }
}

/// Samples that are changed in place, each by itself, as they are read.
#[derive(Clone, Copy, Debug)]
pub struct Mapped<'a, X, F> {
    inner: &'a X,
    change: F,
}

impl<'a, X, F> Mapped<'a, X, F> {
    /// Every row of `inner` after `change`.
    pub fn new<T: Element>(inner: &'a X, change: F) -> Self
    where
        X: Rows<T>,
        F: Fn(&mut [T]) + Sync,
    {
        Self { inner, change }
    }

    fn apply<T: Element>(&self, mut out: MatMut<'_, T>, rows: usize)
    where
        F: Fn(&mut [T]),
    {
        (0..rows).for_each(|i| (self.change)(out.row_mut(i)));
    }
}

impl<T: Element, X: Rows<T>, F: Fn(&mut [T]) + Sync> Rows<T> for Mapped<'_, X, F> {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn cols(&self) -> usize {
        self.inner.cols()
    }

    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        let rows = range.len();
        if self.inner.needs_scratch() {
            self.inner.block(range, scratch);
        } else {
            let mut unused = Mat::zeros(0, self.cols());
            let block = self.inner.block(range, &mut unused);
            (0..rows).for_each(|i| scratch.row_mut(i).copy_from_slice(block.row(i)));
        }
        self.apply(scratch.as_mut(), rows);
        scratch.as_ref().rows_range(0..rows)
    }

    fn needs_scratch(&self) -> bool {
        true
    }

    fn spread(&self) -> Spread {
        self.inner.spread()
    }
}

impl<T: Element, X: GatherRows<T>, F: Fn(&mut [T]) + Sync> GatherRows<T> for Mapped<'_, X, F> {
    fn gather(&self, indices: &[u32], mut out: MatMut<'_, T>) {
        self.inner.gather(indices, out.reborrow());
        self.apply(out, indices.len());
    }
}

/// Samples in f64 as samples in f32, every number rounded to the nearest.
#[derive(Clone, Copy, Debug)]
pub struct Narrowed<'a, X>(pub &'a X);

impl<X: Rows<f64>> Rows<f32> for Narrowed<'_, X> {
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn cols(&self) -> usize {
        self.0.cols()
    }

    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<f32>) -> MatRef<'a, f32> {
        let len = range.len();
        let mut wide = Mat::zeros(if self.0.needs_scratch() { len } else { 0 }, self.cols());
        narrow(self.0.block(range, &mut wide), scratch.as_mut().split_rows(len).0);
        scratch.as_ref().rows_range(0..len)
    }

    fn needs_scratch(&self) -> bool {
        true
    }

    fn spread(&self) -> Spread {
        self.0.spread()
    }
}

impl<X: GatherRows<f64>> GatherRows<f32> for Narrowed<'_, X> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, f32>) {
        let mut wide = Mat::zeros(indices.len(), self.cols());
        self.0.gather(indices, wide.as_mut());
        narrow(wide.as_ref(), out);
    }
}

fn narrow(wide: MatRef<'_, f64>, mut out: MatMut<'_, f32>) {
    for i in 0..wide.rows() {
        out.row_mut(i).iter_mut().zip(wide.row(i)).for_each(|(out, &value)| *out = value as f32);
    }
}

/// Samples of either type as samples in f64, which holds every number of both.
#[derive(Clone, Copy, Debug)]
pub struct Widened<'a, T, X> {
    inner: &'a X,
    element: PhantomData<T>,
}

impl<'a, T: Element, X: Rows<T>> Widened<'a, T, X> {
    /// The same samples.
    pub fn new(inner: &'a X) -> Self {
        Self { inner, element: PhantomData }
    }
}

impl<T: Element, X: Rows<T>> Rows<f64> for Widened<'_, T, X> {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn cols(&self) -> usize {
        self.inner.cols()
    }

    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<f64>) -> MatRef<'a, f64> {
        let len = range.len();
        let mut narrow = Mat::zeros(if self.inner.needs_scratch() { len } else { 0 }, self.cols());
        widen(self.inner.block(range, &mut narrow), scratch.as_mut().split_rows(len).0);
        scratch.as_ref().rows_range(0..len)
    }

    fn needs_scratch(&self) -> bool {
        true
    }

    fn spread(&self) -> Spread {
        self.inner.spread()
    }
}

impl<T: Element, X: GatherRows<T>> GatherRows<f64> for Widened<'_, T, X> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, f64>) {
        let mut narrow = Mat::zeros(indices.len(), self.cols());
        self.inner.gather(indices, narrow.as_mut());
        widen(narrow.as_ref(), out);
    }
}

fn widen<T: Element>(narrow: MatRef<'_, T>, mut out: MatMut<'_, f64>) {
    for i in 0..narrow.rows() {
        out.row_mut(i).iter_mut().zip(narrow.row(i)).for_each(|(out, value)| *out = value.to_f64());
    }
}

/// Samples behind a pointer are samples.
macro_rules! forward_rows {
    ($($pointer:ty),*) => {$(
        impl<T: Element, R: Rows<T> + ?Sized> Rows<T> for $pointer {
            fn rows(&self) -> usize {
                (**self).rows()
            }
            fn cols(&self) -> usize {
                (**self).cols()
            }
            fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
                (**self).block(range, scratch)
            }
            fn needs_scratch(&self) -> bool {
                (**self).needs_scratch()
            }
            fn spread(&self) -> Spread {
                (**self).spread()
            }
        }

        impl<T: Element, R: GatherRows<T> + ?Sized> GatherRows<T> for $pointer {
            fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
                (**self).gather(indices, out);
            }
        }
    )*};
}

forward_rows!(&R, Box<R>);

/// Runs `work(block, its rows, the next block's rows if they are in memory)` on consecutive blocks of at most `rows`
/// rows. The rows of a block are produced by several threads if the plan says so.
pub(crate) fn for_blocks<T: Element, X: Rows<T>>(
    plan: LeafPlan,
    x: &X,
    range: Range<usize>,
    rows: usize,
    mut work: impl FnMut(Range<usize>, MatRef<'_, T>, Option<MatRef<'_, T>>),
) {
    let mut scratch = Mat::zeros(if x.needs_scratch() { rows.min(range.len()) } else { 0 }, x.cols());
    let mut unused = Mat::zeros(0, x.cols());
    for first in range.clone().step_by(rows) {
        let block = first..range.end.min(first + rows);
        let following = block.end..range.end.min(block.end + rows);
        let next = (!x.needs_scratch()).then(|| x.block(following, &mut unused));
        if plan == LeafPlan::ALONE || !x.needs_scratch() {
            work(block.clone(), x.block(block, &mut scratch), next);
        } else {
            let (out, _) = scratch.as_mut().split_rows(block.len());
            copy_block(plan.par, x, block.start, out);
            work(block.clone(), scratch.as_ref().rows_range(0..block.len()), next);
        }
    }
}

/// `f` of every row of `x`, by the threads of the current rayon pool if `par` says so.
pub fn map<T: Element, R: Clone + Default + Send>(
    par: Par,
    x: &(impl Rows<T> + ?Sized),
    f: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let mut all = vec![R::default(); x.rows()];
    for_chunks(par, &mut all, leaf_rows(x.rows()), &|start, values| {
        for_blocks(LeafPlan::ALONE, &x, start..start + values.len(), ROW_BLOCK, |block, x, _| {
            values[block.start - start..block.end - start]
                .iter_mut()
                .enumerate()
                .for_each(|(j, value)| *value = f(x.row(j)));
        });
    });
    all
}

/// Copies the rows with these numbers among those of all ranks, on every rank.
pub fn gather_whole<T: Element>(x: &(impl GatherRows<T> + ?Sized), numbers: &[u32], out: MatMut<'_, T>) {
    let spread = x.spread();
    if spread.team().is_none() {
        return x.gather(numbers, out);
    }
    let here = spread.own(numbers);
    let mut own = Mat::zeros(here.len(), x.cols());
    x.gather(&here, own.as_mut());
    spread.assemble(numbers, &own, out);
}

/// All rows of all ranks in memory, on every rank.
pub fn whole<T: Element>(par: Par, x: &(impl Rows<T> + ?Sized)) -> Mat<T> {
    let own = to_mat(par, x);
    let spread = x.spread();
    if spread.team().is_none() {
        return own;
    }
    Mat::from_slice(spread.whole(), own.cols(), &spread.gather(own.iter().copied().collect()))
}

/// All of `x` in memory, produced a block at a time by the threads of the current rayon pool if `par` says so.
pub fn to_mat<T: Element>(par: Par, x: &(impl Rows<T> + ?Sized)) -> Mat<T> {
    let mut all = Mat::zeros(x.rows(), x.cols());
    copy_block(par, x, 0, all.as_mut());
    all
}

/// Copies the rows from `first` on. The same blocks for any number of threads: rows may be products of a library whose
/// last bits depend on how many it makes at once.
fn copy_block<T: Element>(par: Par, x: &(impl Rows<T> + ?Sized), first: usize, out: MatMut<'_, T>) {
    for_row_blocks(par, out, ROW_BLOCK, &|from, mut out| {
        let mut scratch = Mat::zeros(if x.needs_scratch() { out.rows() } else { 0 }, x.cols());
        let block = x.block(first + from..first + from + out.rows(), &mut scratch);
        for i in 0..out.rows() {
            out.row_mut(i).copy_from_slice(block.row(i));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowed_samples_are_the_samples_rounded() {
        let x = Mat::from_fn(7, 3, |i, k| 1.0 / (1 + 3 * i + k) as f64);
        let narrowed = Narrowed(&x);
        assert_eq!((narrowed.rows(), narrowed.cols(), narrowed.needs_scratch()), (7, 3, true));
        let all = to_mat(Par::Seq, &narrowed);
        assert!((0..7).all(|i| all.row(i).iter().zip(x.row(i)).all(|(&narrow, &wide)| narrow == wide as f32)));
        // A scratch matrix that is larger than the block.
        let mut scratch = Mat::zeros(5, 3);
        assert_eq!(narrowed.block(2..4, &mut scratch).row(1), all.row(3));
        let mut picked = Mat::zeros(2, 3);
        narrowed.gather(&[6, 1], picked.as_mut());
        assert_eq!((picked.row(0), picked.row(1)), (all.row(6), all.row(1)));
    }

    #[test]
    fn widened_samples_are_the_samples() {
        let x = Mat::from_fn(7, 3, |i, k| 1.0 / (1 + 3 * i + k) as f32);
        let widened = Widened::new(&x);
        assert_eq!((widened.rows(), widened.cols(), widened.needs_scratch()), (7, 3, true));
        let all = to_mat(Par::Seq, &widened);
        assert!((0..7).all(|i| all.row(i).iter().zip(x.row(i)).all(|(&wide, &narrow)| wide == f64::from(narrow))));
        let mut scratch = Mat::zeros(5, 3);
        assert_eq!(widened.block(2..4, &mut scratch).row(1), all.row(3));
        let mut picked = Mat::zeros(2, 3);
        widened.gather(&[6, 1], picked.as_mut());
        assert_eq!((picked.row(0), picked.row(1)), (all.row(6), all.row(1)));
    }
}
