//! The Gram route's heavy pass: loss and residual-weighted second moment in one trip over X.

use std::ops::Range;

use super::quadratic_forms::QuadraticForms;
use super::upper_triangle::{Triangles, UpperTriangle};
use super::weighted_gram::{GramAccumulator, gram_plan};
use crate::element::Element;
use crate::engine::{Engine, Packed, PackedSymmetric};
use crate::error::{KernelError, check_shape};
use crate::mat::Mat;
use crate::rows::{Rows, for_blocks};

/// Results of one pass over the samples.
#[derive(Debug)]
pub struct LossAndMoment<T: Element> {
    /// sum_j delta_j^2, accumulated in f64. f = squares / (4 n).
    pub squares: f64,
    /// M = 1/n sum_j delta_j x_j x_j^T, d x d, symmetric.
    pub moment: Moment<T>,
}

/// M as it was summed up: its upper triangle, from which [`gradient_of_moment`] goes on.
///
/// [`gradient_of_moment`]: super::gradient_of_moment
#[derive(Debug)]
pub struct Moment<T: Element> {
    upper: UpperTriangle<T>,
    engine: Engine,
}

impl<T: Element> Moment<T> {
    /// The whole matrix.
    pub fn matrix(&self) -> Mat<T> {
        self.upper.symmetric(self.engine.par)
    }

    /// The whole matrix as the right operand of a product.
    pub(crate) fn packed(&self) -> Packed<T> {
        self.upper.whole(&self.engine)
    }

    /// How it was computed, and so has to be used.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Width of the samples, d.
    pub(crate) fn order(&self) -> usize {
        self.upper.order()
    }
}

/// delta_j = x_j^T S x_j - y_j, its sum of squares and M, a block of rows at a time: while a block is in L2 it is used
/// for q, then delta, then M. x: n x d, y: n, s: S = W A W^T packed by [`Engine::pack_symmetric`]. 2 n d^2 flops,
/// whatever the number of neurons.
///
/// # Errors
/// [`KernelError::OtherEngine`] if S was packed for another engine; [`KernelError::Shape`] if S is not d x d or `y`
/// does not have n elements.
///
/// ```
/// use memorize_kernels::{Engine, Mat, pass};
///
/// let engine = Engine::best();
/// let (x, s) = (Mat::from_slice(1, 1, &[2.0f64]), Mat::from_slice(1, 1, &[3.0]));
/// let out = pass::loss_and_moment(&engine, &x, &[10.0], &engine.pack_symmetric(s.as_ref())?)?;
/// assert_eq!((out.squares, out.moment.matrix().row(0)[0]), (4.0, 8.0));
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
pub fn loss_and_moment<T: Element, X: Rows<T>>(
    engine: &Engine,
    x: &X,
    y: &[T],
    s: &PackedSymmetric<T>,
) -> Result<LossAndMoment<T>, KernelError> {
    check_shape("width of the samples and of S", s.order(), x.cols())?;
    let s = s.made_for("the matrix S", engine)?;
    check_shape("number of targets", x.rows(), y.len())?;
    let (n, d) = (x.rows(), x.cols());
    let spread = x.spread();
    let weight = T::from_f64(1.0 / spread.whole().max(1) as f64);
    let triangles = Triangles::new(engine, d);
    let par = engine.par.for_work(2.0 * n as f64 * (d * d) as f64);
    let plan = gram_plan(engine, par, n, spread.whole());
    let leaf = |range: Range<usize>| {
        let mut forms = QuadraticForms::new(engine, s);
        let mut upper = triangles.zeros();
        let mut gram = GramAccumulator::new(engine, plan, &mut upper);
        let mut residual = vec![T::ZERO; gram.rows()];
        let mut squares = 0.0;
        for_blocks(plan, x, range, gram.rows(), |block, x, next| {
            let residual = &mut residual[..block.len()];
            forms.apply_all(plan, x, residual);
            for (delta, &y) in residual.iter_mut().zip(&y[block]) {
                let value = *delta - y;
                squares += value.to_f64() * value.to_f64();
                *delta = value * weight;
            }
            gram.add(x, residual, next);
        });
        (squares, upper)
    };
    type Part<T> = (f64, UpperTriangle<T>);
    let combine = |left: Part<T>, right: Part<T>| (left.0 + right.0, triangles.add(plan, left.1, right.1));
    let (squares, upper) = spread.reduce(par, &|| (0.0, triangles.zeros()), &leaf, &combine);
    Ok(LossAndMoment { squares, moment: Moment { upper, engine: Engine { par, ..*engine } } })
}
