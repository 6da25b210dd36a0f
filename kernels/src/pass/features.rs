//! Random features z_j = (R x_j)^p, elementwise power; with p = 1 a projection X R^T.

use pulp::Simd;

use crate::arch::{Kernel, compiled};
use crate::backend::{Accum, Factor, gemm};
use crate::block::{GEMM_ROW_BLOCK, PIECE_ROWS, ROW_BLOCK};
use crate::element::Element;
use crate::engine::epilogue::StorePower;
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::engine::{Engine, Packed, PackedRows, Panels};
use crate::error::{KernelError, check_shape};
use crate::mat::{MatMut, MatRef};
use crate::parallel::{for_row_blocks, piece_rows};

/// z_jk = (sum_i R_ki x_ji)^p: the random feature layer (the paper's section 4), x: n x d, r: R (k x d) packed by
/// [`Engine::pack_rows`], z: n x k. 2 n d k flops.
///
/// # Errors
/// [`KernelError::OtherEngine`] if R was packed for another engine; [`KernelError::Shape`] if the widths of `x` and R,
/// the rows of `x` and `z`, or k and the width of `z` differ.
///
/// # Panics
/// If p = 0.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let engine = Engine::best();
/// let x = Mat::from_slice(1, 2, &[3.0f64, 4.0]);
/// let r = Mat::from_slice(2, 2, &[1.0, 0.0, 1.0, -1.0]);
/// let mut z = Mat::zeros(1, 2);
/// pass::features(&engine, x.as_ref(), &engine.pack_rows(r.as_ref()), 2, z.as_mut())?;
/// assert_eq!(z.row(0), [9.0, 1.0]);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn features<T: Element>(
    engine: &Engine,
    x: MatRef<'_, T>,
    r: &PackedRows<T>,
    p: u32,
    z: MatMut<'_, T>,
) -> Result<(), KernelError> {
    assert!(p > 0, "the power of the features is at least 1");
    let packed = r.made_for("the matrix of feature weights", engine)?;
    check_shape("width of the samples and of the feature weights", r.depth(), x.cols())?;
    check_shape("rows of the features", x.rows(), z.rows())?;
    check_shape("columns of the features", r.columns(), z.cols())?;
    let par = engine.par.for_work(2.0 * x.rows() as f64 * x.cols() as f64 * r.columns() as f64);
    match packed {
        Packed::Panels(panels) => {
            for_row_blocks(par, z, piece_rows(par, x.rows(), PIECE_ROWS, ROW_BLOCK), &|row, z| {
                let x = x.rows_range(row..row + z.rows());
                FeatureBlock { x, panels, p, z }.run_on(engine.isa);
            })
        }
        Packed::Plain(r) => for_row_blocks(par, z, GEMM_ROW_BLOCK, &|row, mut z| {
            let x = x.rows_range(row..row + z.rows());
            gemm(r.backend, Factor::Plain(x), Factor::Transposed(r.mat.as_ref()), Accum::Replace, z.reborrow());
            for j in 0..z.rows() {
                z.row_mut(j).iter_mut().for_each(|value| *value = (1..p).fold(*value, |product, _| product * *value));
            }
        }),
    }
    Ok(())
}

/// A block of rows against all panels of R.
struct FeatureBlock<'a, T: Element> {
    x: MatRef<'a, T>,
    panels: &'a Panels<T>,
    p: u32,
    z: MatMut<'a, T>,
}

compiled!(FeatureBlock);

impl<T: Element> Kernel for FeatureBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(mut self, simd: S) {
        for layout in self.panels.layout() {
            let left = Broadcast::rows(self.x, layout.depth);
            let mut store = StorePower::new(self.z.reborrow(), layout.column, layout.columns, self.p);
            sweep::<S, T, _, MV, NR>(
                simd,
                PanelPart::whole(self.panels.panel(layout), layout.vectors),
                left,
                &mut store,
            );
        }
    }
}
