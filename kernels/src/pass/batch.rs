//! A mini-batch in the two forms that a fused step reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::aligned::{AlignedVec, aligned_zeros};
use crate::backend::Backend;
use crate::block::{FLOPS_PER_MOVE, STRIPS};
use crate::element::Element;
use crate::engine::{Engine, other_engine};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::for_chunks;

/// Samples of a batch: as rows for the forward pass, and for the backward pass of the native backend in strips.
///
/// A strip holds NR columns of X, element (j, c) at `j * NR + c`: the backward pass broadcasts NR neighbouring
/// coordinates of one sample after another, which lie a row of X apart in X itself and next to each other here.
///
/// ```
/// use memorize_kernels::Engine;
/// use memorize_kernels::pass::Batch;
///
/// let mut batch = Batch::<f32>::new(&Engine::best(), 3, 2);
/// batch.fill(3, |mut x| x.fill(1.0))?;
/// // The last batch of an epoch may be shorter.
/// batch.fill(1, |mut x| x.row_mut(0).copy_from_slice(&[5.0, 6.0]))?;
/// assert_eq!((batch.rows(), batch.cols(), batch.x().row(0)), (1, 2, &[5.0, 6.0][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch<T: Element> {
    x: Mat<T>,
    rows: usize,
    strips: AlignedVec<T>,
    /// NR; zero if there are no strips.
    strip: usize,
    engine: Engine,
    /// Which samples these are, of all that batches have had.
    contents: u64,
}

impl<T: Element> Batch<T> {
    /// Room for `capacity` samples of width d, none in it yet.
    pub fn new(engine: &Engine, capacity: usize, d: usize) -> Self {
        let strip = if engine.backend == Backend::Native { engine.isa.tile().1 } else { 0 };
        let padded = if strip == 0 { 0 } else { d.next_multiple_of(strip) };
        Self {
            x: Mat::zeros(capacity, d),
            rows: 0,
            strips: aligned_zeros(capacity * padded),
            strip,
            engine: *engine,
            contents: unique(),
        }
    }

    /// Replaces the samples by `rows` new ones, which `write` puts into the matrix it is given (rows x d).
    ///
    /// # Errors
    /// [`KernelError::Shape`] if there is no room for so many.
    pub fn fill(&mut self, rows: usize, write: impl FnOnce(MatMut<'_, T>)) -> Result<(), KernelError> {
        check_shape("samples in a batch", rows.min(self.x.rows()), rows)?;
        self.contents = unique();
        write(self.x.as_mut().split_rows(rows).0);
        self.rows = rows;
        if self.strip == 0 || rows == 0 {
            return Ok(());
        }
        let (x, nr) = (&self.x, self.strip);
        let strips = &mut self.strips[..x.cols().next_multiple_of(nr) * rows];
        let par = self.engine.par.for_work(FLOPS_PER_MOVE * strips.len() as f64);
        for_chunks(par, strips, STRIPS * rows * nr, &|first, strips| {
            let column = first / rows;
            for j in 0..rows {
                let row = &x.row(j)[column..];
                for (strip, piece) in strips.chunks_mut(rows * nr).zip(row.chunks(nr)) {
                    strip[j * nr..][..piece.len()].copy_from_slice(piece);
                }
            }
        });
        Ok(())
    }

    /// Which samples these are: the same number for a copy, another one after each [`Batch::fill`].
    pub(crate) fn contents(&self) -> u64 {
        self.contents
    }

    /// Checks that the batch was made for `engine`.
    ///
    /// # Errors
    /// [`KernelError::OtherEngine`].
    pub(crate) fn check_made_for(&self, engine: &Engine) -> Result<(), KernelError> {
        let made = &self.engine;
        if made.backend == engine.backend && made.isa == engine.isa {
            return Ok(());
        }
        Err(other_engine("the batch", format!("{}, {}", made.backend, made.isa), engine))
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Width of a sample d.
    pub fn cols(&self) -> usize {
        self.x.cols()
    }

    /// The samples, a row each.
    pub fn x(&self) -> MatRef<'_, T> {
        self.x.as_ref().rows_range(0..self.rows)
    }

    /// The strips, each `rows` x NR.
    pub(crate) fn strips(&self) -> &[T] {
        &self.strips
    }
}

/// A number that nothing else in this process has.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_hold_the_columns_of_x() {
        let engine = Engine::best();
        let nr = engine.isa.tile().1;
        let mut batch = Batch::<f32>::new(&engine, 7, 2 * nr + 1);
        for rows in [7, 3] {
            let write = |mut x: MatMut<'_, f32>| {
                for j in 0..rows {
                    x.row_mut(j).iter_mut().enumerate().for_each(|(i, x)| *x = (100 * j + i) as f32);
                }
            };
            batch.fill(rows, write).unwrap();
            for (i, j) in (0..2 * nr + 1).flat_map(|i| (0..rows).map(move |j| (i, j))) {
                assert_eq!(batch.strips()[(i / nr * rows + j) * nr + i % nr], batch.x().row(j)[i]);
            }
        }
    }
}
