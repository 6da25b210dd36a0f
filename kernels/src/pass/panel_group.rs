//! The groups of neurons that the fused step hands to threads: panels of the native engine.

use std::ops::Range;

use pulp::Simd;

use super::batch::Batch;
use super::start::{Kept, Share, Start};
use super::update::{Accumulate, Backward, Descend, Rule, Update, Uses, Weights, update_lanes};
use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::{Isa, Kernel, compiled};
use crate::block::FLOPS_PER_MOVE;
use crate::element::{Element, lanes};
use crate::engine::Engine;
use crate::engine::epilogue::{load_lanes, store_lanes};
use crate::engine::microkernel::{Epilogue, Tile, prefetch};
use crate::engine::pack::{PanelLayout, pack_panel, panel_layout, unpack_panel};
use crate::engine::sweep::{Broadcast, PanelPart, sweep};
use crate::mat::{MatMut, MatRef, all_finite};
use crate::parallel::{Par, for_each, for_each_at_home};

/// A panel of neurons: everything of them that a step touches, in the order in which tiles touch it.
#[derive(Debug)]
pub(crate) struct PanelGroup<T: Element> {
    layout: PanelLayout,
    /// Signs, `width`; zero in the padding.
    a: AlignedVec<T>,
    /// W, `d` x `width`, and the rule's memory: empty where it keeps nothing.
    w: AlignedVec<T>,
    first: AlignedVec<T>,
    second: AlignedVec<T>,
    /// a_i u_ji of the last forward pass, `capacity` x `width`.
    u: AlignedVec<T>,
    /// A register per sample.
    partial: AlignedVec<T>,
    /// For each piece of the coordinates, a finished tile of the gradient whose update is still to be done.
    waiting: AlignedVec<T>,
    q: Vec<T>,
    /// Samples of the last forward pass.
    outputs: usize,
}

impl<T: Element> PanelGroup<T> {
    /// The panels of all neurons, of which a rank makes its share.
    pub(crate) fn all(engine: &Engine, start: Start<'_, T>, a: &[T], capacity: usize, share: Share) -> Vec<Self> {
        let (r, d, isa) = (start.w.rows(), start.w.cols(), engine.isa);
        let group = |layout: PanelLayout| {
            let width = layout.width;
            let zeros = |kept| aligned_zeros(if kept { width * layout.depth } else { 0 });
            let mut signs = aligned_zeros(width);
            signs[..layout.columns].copy_from_slice(&a[layout.column..][..layout.columns]);
            Self {
                layout,
                a: signs,
                w: zeros(true),
                first: zeros(start.first.is_kept()),
                second: zeros(start.second.is_kept()),
                u: aligned_zeros(capacity * width),
                partial: aligned_zeros(capacity * isa.lanes::<T>()),
                waiting: aligned_zeros(0),
                q: vec![T::ZERO; capacity],
                outputs: 0,
            }
        };
        let layouts = panel_layout::<T>(isa, r, d, false);
        let own = share.of(layouts.len());
        let mut groups: Vec<Self> = layouts.into_iter().skip(own.start).take(own.len()).map(group).collect();
        // By the threads that will work with them: the system gives memory where it is written to first.
        let par = engine.par.for_work(FLOPS_PER_MOVE * (3 * r * d) as f64);
        for_each_at_home(par, &mut groups, &|_, Self { layout, w, first, second, .. }| {
            for (kept, panel) in [(Kept::From(start.w), w), (start.first, first), (start.second, second)] {
                if let Kept::From(mat) = kept {
                    pack_panel(layout, mat, panel);
                }
            }
        });
        groups
    }

    /// Backward and update of one batch, then forward of the next. With more than one piece threads share the panel:
    /// its coordinates on the way back, the samples on the way forth.
    pub(crate) fn run(
        &mut self,
        isa: Isa,
        par: Par,
        pieces: usize,
        backward: Option<Backward<'_, T>>,
        forward: Option<&Batch<T>>,
    ) {
        let par = if pieces > 1 { par } else { Par::Seq };
        if let Some(backward) = backward {
            self.back(isa, par, pieces, backward);
        }
        self.outputs = forward.map_or(0, Batch::rows);
        if let Some(batch) = forward {
            self.forth(isa, par, pieces, batch.x());
        }
    }

    fn back(&mut self, isa: Isa, par: Par, pieces: usize, Backward { batch, delta, rule }: Backward<'_, T>) {
        let (PanelLayout { width, vectors, depth, .. }, nr) = (self.layout, isa.tile().1);
        let u = &mut self.u[..batch.rows() * width];
        ScaleRows { u, width, delta }.run_on(isa);
        // Whole strips, so that a piece begins where a tile does.
        let coordinates = depth.div_ceil(pieces).max(1).next_multiple_of(nr);
        let room = width * nr;
        let count = depth.div_ceil(coordinates).max(1);
        if self.waiting.len() < count * room {
            self.waiting = aligned_zeros(count * room);
        }
        let (u, strips) = (&*u, batch.strips());
        let [w, mut first, mut second] =
            [&mut self.w, &mut self.first, &mut self.second].map(|panel| panel.chunks_mut(coordinates * width));
        let piece = |(at, (w, waiting))| {
            let strips = &strips[at * coordinates * batch.rows()..];
            let (first, second) = (first.next().unwrap_or_default(), second.next().unwrap_or_default());
            PanelBack { strips, depth: batch.rows(), u, rule, width, vectors, w, first, second, waiting }
        };
        let mut pieces: Vec<_> = w.zip(self.waiting.chunks_mut(room)).enumerate().map(piece).collect();
        for_each(par, &mut pieces, &|_, piece| piece.reborrow().run_on(isa));
    }

    fn forth(&mut self, isa: Isa, par: Par, pieces: usize, x: MatRef<'_, T>) {
        let PanelLayout { width, vectors, .. } = self.layout;
        let samples = x.rows().div_ceil(pieces).max(1).next_multiple_of(isa.tile().1);
        let lanes = isa.lanes::<T>();
        let (w, a) = (&*self.w, &*self.a);
        let sums = self.partial.chunks_mut(samples * lanes).zip(self.q[..x.rows()].chunks_mut(samples));
        let mut pieces = Vec::with_capacity(pieces);
        for (at, (u, (partial, q))) in self.u.chunks_mut(samples * width).zip(sums).enumerate() {
            let x = x.rows_range(at * samples..at * samples + q.len());
            pieces.push(PanelForth { x, w, a, width, vectors, u, partial, q });
        }
        for_each(par, &mut pieces, &|_, piece| piece.reborrow().run_on(isa));
    }

    /// This group's share of the outputs of the last forward pass.
    pub(crate) fn outputs(&self) -> &[T] {
        &self.q[..self.outputs]
    }

    pub(crate) fn unpack(&self, weights: &mut Weights<T>) {
        let Weights { w, first, second } = weights;
        for (panel, mat) in [(&self.w, w), (&self.first, first), (&self.second, second)] {
            if !panel.is_empty() {
                unpack_panel(&self.layout, panel, mat.as_mut());
            }
        }
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

/// u_j *= delta_j for every row of a panel.
struct ScaleRows<'a, T> {
    u: &'a mut [T],
    width: usize,
    delta: &'a [T],
}

compiled!(ScaleRows);

impl<T: Element> Kernel for ScaleRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        for (row, &delta) in self.u.chunks_mut(self.width).zip(self.delta) {
            let delta = T::splat(simd, delta);
            for lanes in row.chunks_mut(lanes::<S, T>()) {
                let scaled = T::vmul(simd, load_lanes(simd, lanes), delta);
                store_lanes(simd, lanes, scaled);
            }
        }
    }
}

/// Backward and update of one batch for neighbouring coordinates of a panel.
struct PanelBack<'a, T: Element> {
    /// Of the batch, from these coordinates on.
    strips: &'a [T],
    /// Samples of the batch.
    depth: usize,
    /// delta_j a_i u_ji.
    u: &'a [T],
    rule: Rule<T>,
    width: usize,
    vectors: usize,
    /// W of these coordinates and the rule's memory.
    w: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    waiting: &'a mut [T],
}

compiled!(PanelBack);

impl<T: Element> PanelBack<'_, T> {
    fn reborrow(&mut self) -> PanelBack<'_, T> {
        let Self { strips, depth, u, rule, width, vectors, .. } = *self;
        let (w, first, second, waiting) = (&mut *self.w, &mut *self.first, &mut *self.second, &mut *self.waiting);
        PanelBack { strips, depth, u, rule, width, vectors, w, first, second, waiting }
    }

    #[inline(always)]
    fn apply<S: Simd, U: Update<T>, const MV: usize, const NR: usize>(self, simd: S, rule: U) {
        let Self { strips, depth, u, width, vectors, w, first, second, waiting, .. } = self;
        let left = Broadcast::strips::<NR>(strips, w.len() / width, depth);
        let mut apply = ApplyRule { rule, width, w, first, second, waiting, row: 0, valid: 0 };
        sweep::<S, T, _, MV, NR>(simd, PanelPart::whole(u, vectors), left, &mut apply);
    }
}

impl<T: Element> Kernel for PanelBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        match self.rule {
            Rule::Accumulate => self.apply::<S, _, MV, NR>(simd, Accumulate),
            Rule::Descend { rate, gamma } => self.apply::<S, _, MV, NR>(simd, Descend { rate, gamma }),
            Rule::Adam(step) => self.apply::<S, _, MV, NR>(simd, step),
        }
    }
}

/// Forward of neighbouring samples of a batch for a panel.
struct PanelForth<'a, T: Element> {
    x: MatRef<'a, T>,
    w: &'a [T],
    a: &'a [T],
    width: usize,
    vectors: usize,
    u: &'a mut [T],
    /// A register per sample.
    partial: &'a mut [T],
    q: &'a mut [T],
}

compiled!(PanelForth);

impl<T: Element> PanelForth<'_, T> {
    fn reborrow(&mut self) -> PanelForth<'_, T> {
        let Self { x, w, a, width, vectors, .. } = *self;
        PanelForth { x, w, a, width, vectors, u: self.u, partial: self.partial, q: self.q }
    }
}

impl<T: Element> Kernel for PanelForth<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const MV: usize, const NR: usize>(self, simd: S) {
        let Self { x, w, a, width, vectors, u, partial, q } = self;
        let lanes = lanes::<S, T>();
        let mut square = SignedSquare { a, width, u, partial: &mut *partial };
        let left = Broadcast::rows(x, w.len() / width);
        sweep::<S, T, _, MV, NR>(simd, PanelPart::whole(w, vectors), left, &mut square);
        // A plain loop: a closure handed to the standard library would be compiled without the instruction set.
        for j in 0..q.len() {
            let lanes = load_lanes(simd, &partial[j * lanes..][..lanes]);
            q[j] = T::reduce_sum(simd, lanes);
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
struct ApplyRule<'a, T: Element, U: Update<T>> {
    rule: U,
    width: usize,
    w: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    /// The tile that waits: rows `row..row + valid`, MV registers each.
    waiting: &'a mut [T],
    row: usize,
    valid: usize,
}

/// A register of what a rule uses, nothing of what it does not. Not by `map` over an array: that is left as a call
/// between the multiply-adds, around which all sums go to memory and come back, and the step took 1.4 times as long.
#[inline(always)]
fn lanes_of<T>(used: bool, panel: &mut [T], at: usize, lanes: usize) -> &mut [T] {
    if used { &mut panel[at..][..lanes] } else { &mut [] }
}

impl<T: Element, U: Update<T>> Epilogue<T> for ApplyRule<'_, T, U> {
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
        let Uses { w, first, second } = U::USES;
        let w = lanes_of(w, self.w, at, lanes);
        let (first, second) = (lanes_of(first, self.first, at, lanes), lanes_of(second, self.second, at, lanes));
        update_lanes(simd, self.rule, w, first, second, gradient);
        if U::USES.w {
            prefetch(self.w.as_ptr().wrapping_add(ahead));
        }
        if U::USES.first {
            prefetch(self.first.as_ptr().wrapping_add(ahead));
        }
        if U::USES.second {
            prefetch(self.second.as_ptr().wrapping_add(ahead));
        }
    }

    #[inline(always)]
    fn flush<S: Simd, const MV: usize, const NR: usize>(&mut self, simd: S) {
        for stage in 0..self.stages::<MV, NR>() {
            self.stage::<S, MV>(simd, stage, self.row);
        }
        self.valid = 0;
    }
}
