//! Quadratic forms A(S)_j = x_j^T S x_j, the first of the two linear maps that everything is built from.

use pulp::Simd;

use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::{Kernel, compiled};
use crate::backend::{dot, times_upper};
use crate::block::{GEMM_ROW_BLOCK, PIECE_ROWS, ROW_BLOCK};
use crate::element::{Element, lanes};
use crate::engine::epilogue::{Ahead, DotRows, load_lanes};
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::engine::{Engine, Packed, PackedSymmetric, Panels};
use crate::error::{KernelError, check_shape};
use crate::mat::{Mat, MatRef};
use crate::parallel::{LeafPlan, for_chunks, leaf_rows, piece_rows};
use crate::rows::{Rows, for_blocks};

/// q_j = x_j^T S x_j. x: n x d, s: S (d x d, symmetric) packed by [`Engine::pack_symmetric`], q: n. n d^2 flops: only
/// the upper triangle is multiplied, with off-diagonal elements doubled.
///
/// # Errors
/// [`KernelError::OtherEngine`] if S was packed for another engine; [`KernelError::Shape`] if S is not d x d or `q`
/// does not have n elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let engine = Engine::best();
/// let x = Mat::from_slice(1, 2, &[3.0f64, 4.0]);
/// let s = Mat::from_slice(2, 2, &[1.0, 0.5, 0.5, 2.0]);
/// let mut q = [0.0];
/// pass::quadratic_forms(&engine, &x, &engine.pack_symmetric(s.as_ref())?, &mut q)?;
/// assert_eq!(q, [9.0 + 12.0 + 32.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn quadratic_forms<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    s: &PackedSymmetric<T>,
    q: &mut [T],
) -> Result<(), KernelError> {
    check_shape("width of the samples and of S", s.order(), x.cols())?;
    let s = s.made_for("the matrix S", engine)?;
    check_shape("number of quadratic forms", x.rows(), q.len())?;
    let par = engine.par.for_work(x.rows() as f64 * (x.cols() * x.cols()) as f64);
    let piece = piece_rows(par, x.rows(), piece_unit(s), leaf_rows(x.rows()).next_multiple_of(ROW_BLOCK));
    for_chunks(par, q, piece, &|start, q| {
        let mut forms = QuadraticForms::new(engine, s);
        let rows = forms.rows();
        for_blocks(LeafPlan::ALONE, x, start..start + q.len(), rows, |block, x, next| {
            forms.apply(x, &mut q[block.start - start..block.end - start], next);
        });
    });
    Ok(())
}

/// The workspace for the quadratic forms of one block of rows after another.
pub(crate) struct QuadraticForms<'a, T: Element> {
    engine: &'a Engine,
    s: &'a Packed<T>,
    /// Native: a register per row. Plain products: X T, T the doubled upper triangle of S.
    partial: AlignedVec<T>,
    product: Mat<T>,
}

impl<'a, T: Element> QuadraticForms<'a, T> {
    pub(crate) fn new(engine: &'a Engine, s: &'a Packed<T>) -> Self {
        let rows = block_rows(s);
        match s {
            Packed::Panels(_) => {
                let partial = aligned_zeros(rows * engine.isa.lanes::<T>());
                Self { engine, s, partial, product: Mat::zeros(0, 0) }
            }
            Packed::Plain(t) => {
                let product = Mat::zeros(rows, t.mat.cols());
                Self { engine, s, partial: aligned_zeros(0), product }
            }
        }
    }

    /// Rows that a block has at most.
    pub(crate) fn rows(&self) -> usize {
        block_rows(self.s)
    }

    /// q_j = x_j^T S x_j for a block, or where threads share a leaf for any number of rows.
    pub(crate) fn apply_all(&mut self, plan: LeafPlan, x: MatRef<'_, T>, q: &mut [T]) {
        if plan == LeafPlan::ALONE {
            return self.apply(x, q, None);
        }
        let (engine, s) = (self.engine, self.s);
        let piece = plan.piece_rows(x.rows(), PIECE_ROWS, ROW_BLOCK);
        for_chunks(plan.par, q, piece, &|first, q| {
            QuadraticForms::new(engine, s).apply(x.rows_range(first..first + q.len()), q, None);
        });
    }

    /// q_j = x_j^T S x_j for a block, while the rows in `next` are fetched.
    pub(crate) fn apply(&mut self, x: MatRef<'_, T>, q: &mut [T], next: Option<MatRef<'_, T>>) {
        match self.s {
            Packed::Panels(s) => {
                self.partial.fill(T::ZERO);
                let block = QuadraticBlock { x, s, partial: &mut self.partial, q, ahead: Ahead::of(next) };
                block.run_on(self.engine.isa);
            }
            Packed::Plain(t) => {
                let (mut product, _) = self.product.as_mut().split_rows(x.rows());
                times_upper(t.backend, x, t.mat.as_ref(), product.reborrow());
                for (j, q) in q.iter_mut().enumerate() {
                    *q = dot(x.row(j), product.row(j));
                }
            }
        }
    }
}

/// Rows of a block for the backend that packed `s`.
pub(crate) fn block_rows<T: Element>(s: &Packed<T>) -> usize {
    match s {
        Packed::Panels(_) => ROW_BLOCK,
        Packed::Plain(_) => GEMM_ROW_BLOCK,
    }
}

/// What the rows of a piece are a multiple of: the native engine makes each row by itself, other products may not.
pub(crate) fn piece_unit<T: Element>(s: &Packed<T>) -> usize {
    match s {
        Packed::Panels(_) => PIECE_ROWS,
        Packed::Plain(_) => GEMM_ROW_BLOCK,
    }
}

/// A block of rows against all panels of the doubled upper triangle.
struct QuadraticBlock<'a, T: Element> {
    x: MatRef<'a, T>,
    s: &'a Panels<T>,
    partial: &'a mut [T],
    q: &'a mut [T],
    ahead: Ahead<T>,
}

compiled!(QuadraticBlock);

impl<T: Element> Kernel for QuadraticBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, s, partial, q, mut ahead } = self;
        for layout in s.layout() {
            let left = Broadcast::rows(x, layout.depth);
            let mut dot = DotRows { x, column: layout.column, columns: layout.columns, partial, ahead: &mut ahead };
            let panel = PanelPart::triangular(s.panel(layout), layout.vectors, layout.columns);
            sweep::<S, T, _, MV, NR>(simd, panel, left, &mut dot);
        }
        for j in 0..q.len() {
            q[j] = T::reduce_sum(simd, load_lanes(simd, &partial[j * lanes::<S, T>()..][..lanes::<S, T>()]));
        }
    }
}
