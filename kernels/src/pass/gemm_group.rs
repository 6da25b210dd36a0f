//! The groups of neurons that the fused step hands to threads where a backend brings its own matrix product: slices.

use std::ops::Range;

use super::batch::Batch;
use super::start::{Kept, Share, Start};
use super::update::{Backward, Weights, update};
use crate::backend::{Accum, Factor, gemm};
use crate::block::GEMM_NEURONS;
use crate::element::Element;
use crate::engine::Engine;
use crate::mat::{Mat, MatMut};
use crate::parallel::Par;

/// A slice of neurons for a backend that brings its own matrix product.
#[derive(Debug)]
pub(crate) struct GemmGroup<T: Element> {
    column: usize,
    a: Vec<T>,
    weights: Weights<T>,
    g: Mat<T>,
    u: Mat<T>,
    q: Vec<T>,
}

impl<T: Element> GemmGroup<T> {
    /// The slices of all neurons, of which a rank makes its share.
    pub(crate) fn all(start: Start<'_, T>, a: &[T], capacity: usize, share: Share) -> Vec<Self> {
        let (r, d) = (start.w.rows(), start.w.cols());
        let group = |column: usize| {
            let columns = GEMM_NEURONS.min(r - column);
            let part = |kept: Kept<'_, T>| kept.rows(column..column + columns, d);
            Self {
                column,
                a: a[column..column + columns].to_vec(),
                weights: Weights { w: part(Kept::From(start.w)), first: part(start.first), second: part(start.second) },
                g: Mat::zeros(columns, d),
                u: Mat::zeros(capacity, columns),
                q: Vec::with_capacity(capacity),
            }
        };
        let own = share.of(r.div_ceil(GEMM_NEURONS));
        own.map(|slice| group(slice * GEMM_NEURONS)).collect()
    }

    pub(crate) fn run(&mut self, engine: &Engine, backward: Option<Backward<'_, T>>, forward: Option<&Batch<T>>) {
        if let Some(Backward { batch, delta, rule }) = backward {
            let x = batch.x();
            for (j, &delta) in delta.iter().enumerate() {
                self.u.row_mut(j).iter_mut().for_each(|u| *u *= delta);
            }
            let u = self.u.as_ref().rows_range(0..x.rows());
            gemm(engine.backend, Factor::Transposed(u), Factor::Plain(x), Accum::Replace, self.g.as_mut());
            let Weights { w, first, second } = &mut self.weights;
            let alone = Engine { par: Par::Seq, ..*engine };
            let (first, second) = (first.padded_mut(), second.padded_mut());
            update(&alone, rule, w.padded_mut(), first, second, self.g.padded()).expect("all are of one shape");
        }
        self.q.clear();
        if let Some(batch) = forward {
            let x = batch.x();
            let (mut u, _) = self.u.as_mut().split_rows(x.rows());
            let w = Factor::Transposed(self.weights.w.as_ref());
            gemm(engine.backend, Factor::Plain(x), w, Accum::Replace, u.reborrow());
            for j in 0..x.rows() {
                let mut q = T::ZERO;
                for (u, &a) in u.row_mut(j).iter_mut().zip(&self.a) {
                    q += a * *u * *u;
                    *u = a * *u;
                }
                self.q.push(q);
            }
        }
    }

    pub(crate) fn outputs(&self) -> &[T] {
        &self.q
    }

    pub(crate) fn unpack(&self, weights: &mut Weights<T>) {
        let Weights { w, first, second } = &self.weights;
        for (own, all) in [(w, &mut weights.w), (first, &mut weights.first), (second, &mut weights.second)] {
            (0..own.rows()).for_each(|i| all.row_mut(self.column + i).copy_from_slice(own.row(i)));
        }
    }

    /// Whether the weights and the rule's memory hold numbers, neither infinite nor NaN.
    pub(crate) fn is_finite(&self) -> bool {
        let Weights { w, first, second } = &self.weights;
        [w, first, second].into_iter().all(Mat::is_finite)
    }

    /// The neurons of this group.
    pub(crate) fn neurons(&self) -> Range<usize> {
        self.column..self.column + self.weights.w.rows()
    }

    /// Moves the sum of gradients into the rows of these neurons.
    pub(crate) fn take_sum(&mut self, mut own: MatMut<'_, T>) {
        let sum = &mut self.weights.first;
        (0..sum.rows()).for_each(|i| own.row_mut(i).copy_from_slice(sum.row(i)));
        sum.padded_mut().fill(T::ZERO);
    }
}
