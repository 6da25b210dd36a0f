//! Between W and the d x d matrices of the Gram route: S = W A W^T going in, G = M W A + gamma W coming out.
//!
//! W is held as its transpose, a neuron a row, so that both are passes that exist already: S is a weighted Gram matrix
//! of the neurons, and G^T = A W^T M is a product with a packed matrix.

use pulp::Simd;

use super::moment::Moment;
use super::weighted_gram::{upper_gram, weighted_gram};
use crate::arch::{Kernel, compiled};
use crate::backend::{Accum, Factor, gemm};
use crate::block::{GEMM_ROW_BLOCK, PIECE_ROWS, ROW_BLOCK};
use crate::element::Element;
use crate::engine::epilogue::StoreScaled;
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::engine::{Engine, Packed, PackedSymmetric, Panels, other_engine};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{for_row_blocks, piece_rows};

/// S = W A W^T = sum_i a_i w_i w_i^T. w: W^T (r x d, a neuron a row), a: r, result: d x d. r d^2 flops.
///
/// # Errors
/// [`KernelError::Shape`] if `a` does not have r elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// // Neurons (1, 2) and (3, 1), the second with sign -1: [1 2; 2 4] - [9 3; 3 1].
/// let w = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 1.0]);
/// let s = pass::network_matrix(&Engine::best(), w.as_ref(), &[1.0, -1.0])?;
/// assert_eq!((s.row(0), s.row(1)), (&[-8.0, -1.0][..], &[-1.0, 3.0][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn network_matrix<T: Element>(engine: &Engine, w: MatRef<'_, T>, a: &[T]) -> Result<Mat<T>, KernelError> {
    weighted_gram(engine, &w, a)
}

/// S as the matrix of quadratic forms, which it becomes where it was summed up.
///
/// # Errors
/// [`KernelError::Shape`] if `a` does not have r elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let engine = Engine::best();
/// let w = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 1.0]);
/// let s = pass::network_forms(&engine, w.as_ref(), &[1.0, -1.0])?;
/// // The network's output: (1 + 2)^2 - (3 + 1)^2.
/// let mut q = [0.0];
/// pass::quadratic_forms(&engine, &Mat::from_slice(1, 2, &[1.0, 1.0]), &s, &mut q)?;
/// assert_eq!(q, [9.0 - 16.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn network_forms<T: Element>(
    engine: &Engine,
    w: MatRef<'_, T>,
    a: &[T],
) -> Result<PackedSymmetric<T>, KernelError> {
    Ok(upper_gram(engine, &w, a)?.0.into_forms(engine))
}

/// G^T = A W^T M + gamma W^T, the transposed gradient M W A + gamma W. w: W^T (r x d), a: r, m: M (d x d, symmetric),
/// out: r x d. 2 r d^2 flops.
///
/// # Errors
/// [`KernelError::Shape`] if the shapes do not go together.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let w = Mat::from_slice(2, 2, &[1.0f64, 2.0, 3.0, 1.0]);
/// let m = Mat::from_slice(2, 2, &[2.0, 0.0, 0.0, 1.0]);
/// let mut g = Mat::zeros(2, 2);
/// pass::gradient_from_moment(&Engine::best(), w.as_ref(), &[1.0, -1.0], m.as_ref(), 0.5, g.as_mut())?;
/// // M (1, 2) + (1, 2) / 2 and -M (3, 1) + (3, 1) / 2.
/// assert_eq!((g.row(0), g.row(1)), (&[2.5, 3.0][..], &[-4.5, -0.5][..]));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn gradient_from_moment<T: Element>(
    engine: &Engine,
    w: MatRef<'_, T>,
    a: &[T],
    m: MatRef<'_, T>,
    gamma: T,
    out: MatMut<'_, T>,
) -> Result<(), KernelError> {
    check_shape("rows of M", w.cols(), m.rows())?;
    check_shape("columns of M", w.cols(), m.cols())?;
    times_signed(engine, w, a, || engine.pack_columns(m), gamma, out)
}

/// The same with M as [`loss_and_moment`] has summed it up. 2 r d^2 flops.
///
/// # Errors
/// [`KernelError::Shape`] if the shapes do not go together; [`KernelError::OtherEngine`] if M was summed up by another
/// engine.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let engine = Engine::best();
/// let (x, w) = (Mat::from_slice(1, 1, &[2.0f64]), Mat::from_slice(1, 1, &[3.0]));
/// let s = pass::network_forms(&engine, w.as_ref(), &[1.0])?;
/// // q = 36, delta = 26, M = 104.
/// let out = pass::loss_and_moment(&engine, &x, &[10.0], &s)?;
/// let mut g = Mat::zeros(1, 1);
/// pass::gradient_of_moment(&engine, w.as_ref(), &[1.0], &out.moment, 0.0, g.as_mut())?;
/// assert_eq!(g.row(0), [104.0 * 3.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
///
/// [`loss_and_moment`]: super::loss_and_moment
pub fn gradient_of_moment<T: Element>(
    engine: &Engine,
    w: MatRef<'_, T>,
    a: &[T],
    m: &Moment<T>,
    gamma: T,
    out: MatMut<'_, T>,
) -> Result<(), KernelError> {
    check_shape("order of M", w.cols(), m.order())?;
    let Engine { isa, backend, .. } = *m.engine();
    if (isa, backend) != (engine.isa, engine.backend) {
        return Err(other_engine("the matrix M", format!("{backend}, {isa}"), engine));
    }
    times_signed(engine, w, a, || m.packed(), gamma, out)
}

/// A W^T M + gamma W^T with M packed once the other shapes are known to fit.
fn times_signed<T: Element>(
    engine: &Engine,
    w: MatRef<'_, T>,
    a: &[T],
    m: impl FnOnce() -> Packed<T>,
    gamma: T,
    out: MatMut<'_, T>,
) -> Result<(), KernelError> {
    check_shape("number of signs", w.rows(), a.len())?;
    check_shape("rows of the gradient", w.rows(), out.rows())?;
    check_shape("columns of the gradient", w.cols(), out.cols())?;
    let par = engine.par.for_work(2.0 * w.rows() as f64 * (w.cols() * w.cols()) as f64);
    match m() {
        Packed::Panels(m) => for_row_blocks(par, out, piece_rows(par, w.rows(), PIECE_ROWS, ROW_BLOCK), &|row, out| {
            let range = row..row + out.rows();
            let (w, a) = (w.rows_range(range.clone()), &a[range]);
            GradientBlock { w, a, m: &m, gamma, out }.run_on(engine.isa);
        }),
        Packed::Plain(m) => for_row_blocks(par, out, GEMM_ROW_BLOCK, &|row, mut out| {
            let w = w.rows_range(row..row + out.rows());
            gemm(m.backend, Factor::Plain(w), Factor::Plain(m.mat.as_ref()), Accum::Replace, out.reborrow());
            for i in 0..out.rows() {
                let sign = a[row + i];
                out.row_mut(i).iter_mut().zip(w.row(i)).for_each(|(g, &w)| *g = sign * *g + gamma * w);
            }
        }),
    }
    Ok(())
}

/// A block of neurons against all panels of M.
struct GradientBlock<'a, T: Element> {
    w: MatRef<'a, T>,
    a: &'a [T],
    m: &'a Panels<T>,
    gamma: T,
    out: MatMut<'a, T>,
}

compiled!(GradientBlock);

impl<T: Element> Kernel for GradientBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(mut self, simd: S) {
        for layout in self.m.layout() {
            let left = Broadcast::rows(self.w, layout.depth);
            let out = self.out.reborrow();
            let mut store = StoreScaled::new(out, layout.column, layout.columns, self.a, self.w, self.gamma);
            sweep::<S, T, _, MV, NR>(simd, PanelPart::whole(self.m.panel(layout), layout.vectors), left, &mut store);
        }
    }
}
