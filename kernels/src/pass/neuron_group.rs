//! The groups of neurons that the fused step hands to threads: a panel of the native engine, or a slice for plain GEMM.

use std::ops::Range;

use pulp::Simd;

use super::batch::Batch;
use super::update::{Backward, Parameters, Rule, Weights, update};
use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::{Isa, Kernel, compiled};
use crate::backend::{Accum, Factor, gemm};
use crate::block::GEMM_NEURONS;
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{load_lanes, store_lanes};
use crate::engine::microkernel::{Epilogue, Tile, prefetch};
use crate::engine::pack::{PanelLayout, pack_panel, panel_layout, unpack_panel};
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::mat::{Mat, MatMut, all_finite};
use crate::parallel::Par;

/// Which of the groups a rank has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub rank: usize,
    pub ranks: usize,
}

impl Share {
    /// All of them.
    pub(crate) const WHOLE: Self = Self { rank: 0, ranks: 1 };

    fn of(self, groups: usize) -> Range<usize> {
        groups * self.rank / self.ranks..groups * (self.rank + 1) / self.ranks
    }
}

/// A panel of neurons: everything of them that a step touches, in the order in which tiles touch it.
#[derive(Debug)]
pub(crate) struct PanelGroup<T: Element> {
    layout: PanelLayout,
    /// Signs, `width`; zero in the padding.
    a: AlignedVec<T>,
    /// W, `d` x `width`, and the rule's memory.
    w: AlignedVec<T>,
    first: AlignedVec<T>,
    second: AlignedVec<T>,
    /// a_i u_ji of the last forward pass, `capacity` x `width`.
    u: AlignedVec<T>,
    /// A register per sample.
    partial: AlignedVec<T>,
    /// A finished tile of the gradient whose update is still to be done.
    waiting: AlignedVec<T>,
    q: Vec<T>,
    /// Samples of the last forward pass.
    outputs: usize,
}

impl<T: Element> PanelGroup<T> {
    /// The panels of all neurons, of which a rank makes its share.
    pub(crate) fn all(isa: Isa, weights: &Weights<T>, a: &[T], capacity: usize, share: Share) -> Vec<Self> {
        let (r, d) = (weights.w.rows(), weights.w.cols());
        let group = |layout: PanelLayout| {
            let width = layout.width;
            let packed = |m: &Mat<T>| {
                let mut panel = aligned_zeros(width * layout.depth);
                pack_panel(&layout, m.as_ref(), &mut panel);
                panel
            };
            let mut signs = aligned_zeros(width);
            signs[..layout.columns].copy_from_slice(&a[layout.column..][..layout.columns]);
            Self {
                layout,
                a: signs,
                w: packed(&weights.w),
                first: packed(&weights.first),
                second: packed(&weights.second),
                u: aligned_zeros(capacity * width),
                partial: aligned_zeros(capacity * isa.lanes::<T>()),
                waiting: aligned_zeros(width * isa.tile().1),
                q: vec![T::ZERO; capacity],
                outputs: 0,
            }
        };
        let layouts = panel_layout::<T>(isa, r, d, false);
        let own = share.of(layouts.len());
        layouts.into_iter().skip(own.start).take(own.len()).map(group).collect()
    }

    pub(crate) fn run(&mut self, isa: Isa, backward: Option<Backward<'_, T>>, forward: Option<&Batch<T>>) {
        PanelStep { group: self, backward, forward }.run_on(isa);
    }

    /// This group's share of the outputs of the last forward pass.
    pub(crate) fn outputs(&self) -> &[T] {
        &self.q[..self.outputs]
    }

    pub(crate) fn unpack(&self, weights: &mut Weights<T>) {
        unpack_panel(&self.layout, &self.w, weights.w.as_mut());
        unpack_panel(&self.layout, &self.first, weights.first.as_mut());
        unpack_panel(&self.layout, &self.second, weights.second.as_mut());
    }

    /// Whether the weights and the rule's memory hold numbers, neither infinite nor NaN.
    pub(crate) fn is_finite(&self) -> bool {
        [&self.w, &self.first, &self.second].into_iter().all(|values| all_finite(values))
    }

    /// The neurons of this group.
    pub(crate) fn neurons(&self) -> Range<usize> {
        self.layout.column..self.layout.column + self.layout.columns
    }

    /// Moves the sum of gradients into the rows of these neurons.
    pub(crate) fn take_sum(&mut self, own: MatMut<'_, T>) {
        unpack_panel(&self.layout.alone(), &self.first, own);
        self.first.fill(T::ZERO);
    }
}

/// Backward and update of one batch, then forward of the next, for one panel.
struct PanelStep<'a, T: Element> {
    group: &'a mut PanelGroup<T>,
    backward: Option<Backward<'a, T>>,
    forward: Option<&'a Batch<T>>,
}

compiled!(PanelStep);

impl<T: Element> Kernel for PanelStep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { group, backward, forward } = self;
        let PanelLayout { width, vectors, depth, .. } = group.layout;
        if let Some(Backward { batch, delta, rule }) = backward {
            let u = &mut group.u[..batch.rows() * width];
            scale_rows(simd, u, width, delta);
            let left = Broadcast::strips::<NR>(batch.strips(), batch.cols(), batch.rows());
            let mut apply = ApplyRule {
                rule,
                width,
                w: &mut group.w,
                first: &mut group.first,
                second: &mut group.second,
                waiting: &mut group.waiting,
                row: 0,
                valid: 0,
            };
            sweep::<S, T, _, MV, NR>(simd, PanelPart::whole(u, vectors), left, &mut apply);
        }
        group.outputs = forward.map_or(0, Batch::rows);
        if let Some(batch) = forward {
            let x = batch.x();
            let partial = &mut group.partial[..x.rows() * lanes::<S, T>()];
            let u = &mut group.u[..x.rows() * width];
            let mut square = SignedSquare { a: &group.a, width, u, partial };
            sweep::<S, T, _, MV, NR>(simd, PanelPart::whole(&group.w, vectors), Broadcast::rows(x, depth), &mut square);
            // A plain loop: a closure handed to the standard library would be compiled without the instruction set.
            for j in 0..x.rows() {
                let lanes = load_lanes(simd, &partial[j * lanes::<S, T>()..][..lanes::<S, T>()]);
                group.q[j] = T::reduce_sum(simd, lanes);
            }
        }
    }
}

/// u_j *= delta_j for every row of a panel.
#[inline(always)]
fn scale_rows<S: Simd, T: Element>(simd: S, u: &mut [T], width: usize, delta: &[T]) {
    for (row, &delta) in u.chunks_mut(width).zip(delta) {
        let delta = T::splat(simd, delta);
        for lanes in row.chunks_mut(lanes::<S, T>()) {
            let scaled = T::vmul(simd, load_lanes(simd, lanes), delta);
            store_lanes(simd, lanes, scaled);
        }
    }
}

/// Keeps a_i u_ji for the backward pass and adds a_i u_ji^2 to the sample's partial sum.
struct SignedSquare<'a, T: Element> {
    a: &'a [T],
    width: usize,
    u: &'a mut [T],
    partial: &'a mut [T],
}

impl<T: Element> Epilogue<T> for SignedSquare<'_, T> {
    #[inline(always)]
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    ) {
        let lanes = lanes::<S, T>();
        for r in 0..NR {
            if r < valid {
                let u = &mut self.u[(row + r) * self.width..][..MV * lanes];
                let mut sum = T::splat(simd, T::ZERO);
                for v in 0..MV {
                    let signed = T::vmul(simd, tile[r][v], load_lanes(simd, &self.a[v * lanes..]));
                    sum = T::vfma(simd, signed, tile[r][v], sum);
                    store_lanes(simd, &mut u[v * lanes..][..lanes], signed);
                }
                store_lanes(simd, &mut self.partial[(row + r) * lanes..][..lanes], sum);
            }
        }
    }
}

/// Applies the rule to a tile of the gradient: rows are coordinates of the input, lanes are neurons.
///
/// Late: the update of a tile waits for memory and divides, so it is done register by register between the
/// multiply-adds of the next tile, whose own weights are fetched meanwhile.
struct ApplyRule<'a, T: Element> {
    rule: Rule<T>,
    width: usize,
    w: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    /// The tile that waits: rows `row..row + valid`, MV registers each.
    waiting: &'a mut [T],
    row: usize,
    valid: usize,
}

impl<T: Element> Epilogue<T> for ApplyRule<'_, T> {
    #[inline(always)]
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    ) {
        let lanes = lanes::<S, T>();
        let waiting = &mut self.waiting[..NR * MV * lanes];
        for r in 0..NR {
            for v in 0..MV {
                store_lanes(simd, &mut waiting[(r * MV + v) * lanes..][..lanes], tile[r][v]);
            }
        }
        (self.row, self.valid) = (row, valid);
    }

    #[inline(always)]
    fn stages<const MV: usize, const NR: usize>(&self) -> usize {
        self.valid * MV
    }

    #[inline(always)]
    fn stage<S: Simd, const MV: usize>(&mut self, simd: S, stage: usize, next: usize) {
        let lanes = lanes::<S, T>();
        let (r, v) = (stage / MV, stage % MV);
        let at = (self.row + r) * self.width + v * lanes;
        let ahead = (next + r) * self.width + v * lanes;
        let gradient = load_lanes(simd, &self.waiting[stage * lanes..][..lanes]);
        let w = &mut self.w[at..][..lanes];
        let first = &mut self.first[at..][..lanes];
        let second = &mut self.second[at..][..lanes];
        let old =
            Parameters { w: load_lanes(simd, w), first: load_lanes(simd, first), second: load_lanes(simd, second) };
        let new = self.rule.apply(simd, old, gradient);
        store_lanes(simd, w, new.w);
        store_lanes(simd, first, new.first);
        store_lanes(simd, second, new.second);
        prefetch(self.w.as_ptr().wrapping_add(ahead));
        prefetch(self.first.as_ptr().wrapping_add(ahead));
        prefetch(self.second.as_ptr().wrapping_add(ahead));
    }

    #[inline(always)]
    fn flush<S: Simd, const MV: usize, const NR: usize>(&mut self, simd: S) {
        for stage in 0..self.stages::<MV, NR>() {
            self.stage::<S, MV>(simd, stage, self.row);
        }
        self.valid = 0;
    }
}

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
    pub(crate) fn all(weights: &Weights<T>, a: &[T], capacity: usize, share: Share) -> Vec<Self> {
        let (r, d) = (weights.w.rows(), weights.w.cols());
        let group = |column: usize| {
            let columns = GEMM_NEURONS.min(r - column);
            let part = |m: &Mat<T>| m.as_ref().rows_range(column..column + columns).to_owned();
            Self {
                column,
                a: a[column..column + columns].to_vec(),
                weights: Weights { w: part(&weights.w), first: part(&weights.first), second: part(&weights.second) },
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
        for i in 0..self.weights.w.rows() {
            weights.w.row_mut(self.column + i).copy_from_slice(self.weights.w.row(i));
            weights.first.row_mut(self.column + i).copy_from_slice(self.weights.first.row(i));
            weights.second.row_mut(self.column + i).copy_from_slice(self.weights.second.row(i));
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
