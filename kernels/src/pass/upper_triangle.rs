//! The upper triangle of a symmetric matrix while it is being summed: in panels for the native engine, so that a tile
//! is added to neighbouring memory and half of the matrix never exists.

use crate::backend::Plain;
use crate::block::MIRROR_SQUARE;
use crate::element::Element;
use crate::engine::{Engine, Packed, PackedSymmetric, Panels};
use crate::mat::Mat;
use crate::parallel::{LeafPlan, Par, Shelf, for_chunks};
use crate::team::Carried;

/// A d x d matrix of which only the upper triangle is meant.
#[derive(Debug)]
pub(crate) enum UpperTriangle<T: Element> {
    /// Triangular panels of the native backend.
    Panels(Panels<T>),
    /// A whole matrix, for plain GEMM.
    Plain(Mat<T>),
}

impl<T: Element> UpperTriangle<T> {
    fn zeros(engine: &Engine, d: usize) -> Self {
        if engine.backend == crate::backend::Backend::Native {
            Self::Panels(Panels::zero_triangle(engine.isa, d))
        } else {
            Self::Plain(Mat::zeros(d, d))
        }
    }

    /// Rows and columns, d.
    pub(crate) fn order(&self) -> usize {
        match self {
            Self::Panels(panels) => panels.columns(),
            Self::Plain(mat) => mat.cols(),
        }
    }

    pub(crate) fn elements(&mut self) -> &mut [T] {
        match self {
            Self::Panels(panels) => panels.elements_mut(),
            Self::Plain(mat) => mat.padded_mut(),
        }
    }

    /// The whole symmetric matrix, in the place of this where it can be.
    pub(crate) fn into_symmetric(self, par: Par) -> Mat<T> {
        match self {
            Self::Panels(panels) => panels.symmetric(par),
            Self::Plain(mat) => mirror(mat),
        }
    }

    /// The whole symmetric matrix.
    pub(crate) fn symmetric(&self, par: Par) -> Mat<T> {
        match self {
            Self::Panels(panels) => panels.symmetric(par),
            Self::Plain(mat) => mirror(mat.clone()),
        }
    }

    /// The whole symmetric matrix as the right operand of a product.
    pub(crate) fn whole(&self, engine: &Engine) -> Packed<T> {
        match self {
            Self::Panels(panels) => Packed::Panels(panels.whole(engine.par)),
            Self::Plain(mat) => Packed::Plain(Plain { backend: engine.backend, mat: mirror(mat.clone()) }),
        }
    }

    /// The matrix of quadratic forms.
    pub(crate) fn into_forms(self, engine: &Engine) -> PackedSymmetric<T> {
        PackedSymmetric::new(match self {
            Self::Panels(mut panels) => {
                panels.double_off_diagonal(engine.par);
                Packed::Panels(panels)
            }
            Self::Plain(mat) => Packed::Plain(Plain::doubled_upper(engine.backend, mat.as_ref())),
        })
    }
}

impl<T: Element> Carried for UpperTriangle<T> {
    fn bytes(&mut self, visit: &mut dyn FnMut(&mut [u8])) {
        visit(bytemuck::cast_slice_mut(self.elements()));
    }
}

/// Triangles of one size that are used again.
#[derive(Debug)]
pub(crate) struct Triangles<'a, T: Element> {
    engine: &'a Engine,
    d: usize,
    spare: Shelf<UpperTriangle<T>>,
}

impl<'a, T: Element> Triangles<'a, T> {
    pub(crate) fn new(engine: &'a Engine, d: usize) -> Self {
        Self { engine, d, spare: Shelf::new() }
    }

    /// A triangle of zeros.
    pub(crate) fn zeros(&self) -> UpperTriangle<T> {
        match self.spare.take() {
            Some(mut triangle) => {
                triangle.elements().fill(T::ZERO);
                triangle
            }
            None => UpperTriangle::zeros(self.engine, self.d),
        }
    }

    /// Adds the right triangle to the left.
    pub(crate) fn add(
        &self,
        plan: LeafPlan,
        mut left: UpperTriangle<T>,
        mut right: UpperTriangle<T>,
    ) -> UpperTriangle<T> {
        let values = &*right.elements();
        let chunk = values.len().div_ceil(plan.parts).max(1);
        for_chunks(plan.par, left.elements(), chunk, &|first, sums| {
            sums.iter_mut().zip(&values[first..]).for_each(|(sum, &value)| *sum += value);
        });
        self.spare.put(right);
        left
    }
}

/// Copies the upper triangle over the lower one, square by square so that both sides stay in cache.
fn mirror<T: Element>(mut m: Mat<T>) -> Mat<T> {
    let (d, stride) = (m.rows(), m.as_ref().stride());
    for i0 in (0..d).step_by(MIRROR_SQUARE) {
        for k0 in (0..=i0).step_by(MIRROR_SQUARE) {
            for i in i0..d.min(i0 + MIRROR_SQUARE) {
                let (above, row) = m.padded_mut().split_at_mut(i * stride);
                let columns = k0..i.min(k0 + MIRROR_SQUARE);
                let sources = above[k0.min(i) * stride..].iter().skip(i).step_by(stride);
                row[columns].iter_mut().zip(sources).for_each(|(value, &source)| *value = source);
            }
        }
    }
    m
}
