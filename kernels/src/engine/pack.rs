//! Panels: the packed operand of the register tile.
//!
//! A panel holds `width` consecutive columns, element (k, c) at `k * width + c`, so that the tile loads it from front
//! to back. Panels have the full width MV x LANES; the last ones are cut to the registers that their columns need and
//! filled with zeros. In a triangular set the panel of columns `c..c + width` has only the rows `0..c + width`.
#![forbid(unsafe_code)]

use std::ops::Range;

use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::Isa;
use crate::block::{FLOPS_PER_MOVE, MIRROR_SQUARE};
use crate::element::Element;
use crate::mat::{Mat, MatMut, MatRef};
use crate::parallel::{Par, for_each, for_row_blocks};

/// A matrix cut into panels.
#[derive(Clone, Debug)]
pub struct Panels<T: Element> {
    data: AlignedVec<T>,
    layout: Vec<PanelLayout>,
    columns: usize,
    depth: usize,
    isa: Isa,
}

/// Where a panel lies and what it covers.
#[derive(Clone, Copy, Debug)]
pub struct PanelLayout {
    /// First element within the packed data.
    offset: usize,
    /// First column.
    pub column: usize,
    /// Columns that are not padding.
    pub columns: usize,
    /// Registers across.
    pub vectors: usize,
    /// Elements across: `vectors` x LANES.
    pub width: usize,
    /// Rows.
    pub depth: usize,
}

/// Neighbouring rows of a panel.
#[derive(Clone, Debug)]
pub(crate) struct PanelRows {
    pub(crate) layout: PanelLayout,
    pub(crate) rows: Range<usize>,
}

impl PanelRows {
    /// Elements that they have.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.rows.len() * self.layout.width
    }
}

/// A part of a set of panels: rows of neighbouring ones.
#[derive(Debug)]
pub(crate) struct PanelsPart<'a, T> {
    pub(crate) rows: Vec<PanelRows>,
    /// Their elements, one panel's after the other's.
    pub(crate) elements: &'a mut [T],
}

impl PanelLayout {
    /// The same panel as all that there is.
    pub(crate) fn alone(&self) -> Self {
        Self { offset: 0, column: 0, ..*self }
    }
}

/// The panels of a `depth` x `columns` matrix for one instruction set; triangular ones end at their last column's row.
pub(crate) fn panel_layout<T: Element>(isa: Isa, columns: usize, depth: usize, triangular: bool) -> Vec<PanelLayout> {
    let (lanes, registers) = (isa.lanes::<T>(), columns.div_ceil(isa.lanes::<T>()));
    let (mut offset, mut first) = (0, 0);
    let mut layout = Vec::with_capacity(registers.div_ceil(isa.tile().0));
    while first < registers {
        let vectors = panel_registers(registers - first, isa.tile().0);
        let (column, width) = (first * lanes, vectors * lanes);
        let columns = width.min(columns - column);
        let depth = if triangular { column + columns } else { depth };
        layout.push(PanelLayout { offset, column, columns, vectors, width, depth });
        offset += width * depth;
        first += vectors;
    }
    layout
}

/// Registers of the next panel when `left` are left: all MV, but no panel of one register if two of two will do, for a
/// tile one register wide waits for its loads.
fn panel_registers(left: usize, mv: usize) -> usize {
    if left == mv + 1 && mv > 2 { mv - 1 } else { left.min(mv) }
}

/// Row c of `m` becomes column c of the panels: fills the panel that `layout` describes, but not its padding.
pub(crate) fn pack_panel<T: Element>(layout: &PanelLayout, m: MatRef<'_, T>, panel: &mut [T]) {
    for c in 0..layout.columns {
        m.row(layout.column + c).iter().enumerate().for_each(|(k, &value)| panel[k * layout.width + c] = value);
    }
}

/// The inverse of [`pack_panel`].
pub(crate) fn unpack_panel<T: Element>(layout: &PanelLayout, panel: &[T], mut m: MatMut<'_, T>) {
    for c in 0..layout.columns {
        let row = m.row_mut(layout.column + c);
        row.iter_mut().enumerate().for_each(|(k, value)| *value = panel[k * layout.width + c]);
    }
}

impl<T: Element> Panels<T> {
    /// Packs `m` (columns x depth) so that row c of `m` becomes column c of the panels: the operand of X m^T.
    pub fn from_rows(isa: Isa, par: Par, m: MatRef<'_, T>) -> Self {
        let mut panels = Self::zeros(isa, panel_layout::<T>(isa, m.rows(), m.cols(), false), m.rows(), m.cols());
        panels.fill(par, &|layout, panel| pack_panel(layout, m, panel));
        panels
    }

    /// Packs `m` (depth x columns) as it stands: the operand of X m.
    pub fn from_columns(isa: Isa, par: Par, m: MatRef<'_, T>) -> Self {
        let mut panels = Self::zeros(isa, panel_layout::<T>(isa, m.cols(), m.rows(), false), m.cols(), m.rows());
        panels.fill(par, &|&PanelLayout { column, columns, width, .. }, panel| {
            for (k, target) in panel.chunks_exact_mut(width).enumerate() {
                target[..columns].copy_from_slice(&m.row(k)[column..][..columns]);
            }
        });
        panels
    }

    /// Packs the upper triangle of a symmetric matrix with the off-diagonal elements doubled, so that
    /// x^T S x = sum_c x_c sum_{k <= c} S'_kc x_k.
    ///
    /// # Panics
    /// If `s` is not square.
    pub fn from_upper_triangle(isa: Isa, par: Par, s: MatRef<'_, T>) -> Self {
        assert_eq!(s.rows(), s.cols(), "a symmetric matrix is square");
        let d = s.rows();
        let mut panels = Self::zeros(isa, panel_layout::<T>(isa, d, d, true), d, d);
        let two = T::ONE + T::ONE;
        panels.fill(par, &|&PanelLayout { column, columns, width, .. }, panel| {
            for (k, target) in panel.chunks_exact_mut(width).enumerate() {
                let source = &s.row(k)[column..column + columns];
                for c in k.saturating_sub(column)..columns {
                    target[c] = if column + c == k { source[c] } else { two * source[c] };
                }
            }
        });
        panels
    }

    /// The upper triangle of a d x d matrix, all zeros.
    pub(crate) fn zero_triangle(isa: Isa, d: usize) -> Self {
        Self::zeros(isa, panel_layout::<T>(isa, d, d, true), d, d)
    }

    /// All panels in about as many parts of about as much work: whole panels, and rows of them.
    pub(crate) fn parts(&mut self, parts: usize) -> Vec<PanelsPart<'_, T>> {
        let unit = self.isa.tile().1;
        let work = |layout: &PanelLayout, rows: usize| rows * layout.vectors;
        let share = self.layout.iter().map(|layout| work(layout, layout.depth)).sum::<usize>().div_ceil(parts).max(1);
        let mut cut = vec![Vec::new()];
        let mut room = share;
        for &layout in &self.layout {
            let mut from = 0;
            while from < layout.depth {
                let fits = room.div_ceil(layout.vectors).next_multiple_of(unit);
                // What is left of a panel is not worth a part if it is no more than a tile.
                let to = if from + fits + unit >= layout.depth { layout.depth } else { from + fits };
                cut.last_mut().expect("there is a first one").push(PanelRows { layout, rows: from..to });
                room = room.saturating_sub(work(&layout, to - from));
                from = to;
                if room < work(&layout, unit) {
                    cut.push(Vec::new());
                    room = share;
                }
            }
        }
        cut.retain(|rows| !rows.is_empty());
        let mut rest = &mut self.data[..];
        let part = |rows: Vec<PanelRows>| {
            let (elements, others) = std::mem::take(&mut rest).split_at_mut(rows.iter().map(PanelRows::len).sum());
            rest = others;
            PanelsPart { rows, elements }
        };
        cut.into_iter().map(part).collect()
    }

    /// The symmetric matrix whose upper triangle these triangular panels hold; what lies below it in them is left over
    /// from tiles on the diagonal.
    pub(crate) fn symmetric(&self, par: Par) -> Mat<T> {
        let mut m = Mat::zeros(self.depth, self.columns);
        for_row_blocks(self.moving(par), m.as_mut(), MIRROR_SQUARE, &|first, mut out| {
            for i in 0..out.rows() {
                self.upper_row(first + i, out.row_mut(i));
            }
            // Square by square, so that both sides stay in cache.
            for square in (0..first + out.rows()).step_by(MIRROR_SQUARE) {
                for i in 0..out.rows() {
                    let below = square.min(first + i)..(first + i).min(square + MIRROR_SQUARE);
                    self.lower_row(first + i, below.clone(), &mut out.row_mut(i)[below]);
                }
            }
        });
        m
    }

    /// All panels of the symmetric matrix whose upper triangle these hold: the operand of X M.
    pub(crate) fn whole(&self, par: Par) -> Self {
        let d = self.depth;
        let mut whole = Self::zeros(self.isa, panel_layout::<T>(self.isa, d, d, false), d, d);
        whole.fill(par, &|&PanelLayout { column, columns, width, .. }, panel| {
            let source = |k: usize| self.layout.iter().rfind(|layout| layout.column <= k).expect("a panel begins at 0");
            let above = self.panel(source(column));
            for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                // On the diagonal and above it as it stands, below it from the panel that has column k.
                let below = k.saturating_sub(column).min(columns);
                if below < columns {
                    row[below..columns].copy_from_slice(&above[k * width..][below..columns]);
                }
                let layout = source(k);
                let other = self.panel(layout);
                for (c, value) in row[..below].iter_mut().enumerate() {
                    *value = other[(column + c) * layout.width + (k - layout.column)];
                }
            }
        });
        whole
    }

    /// Makes the upper triangle of S that these panels hold that of its quadratic forms: off-diagonal elements doubled,
    /// zeros below the diagonal.
    pub(crate) fn double_off_diagonal(&mut self, par: Par) {
        let two = T::ONE + T::ONE;
        self.fill(par, &|&PanelLayout { column, columns, width, .. }, panel| {
            for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                let diagonal = k.saturating_sub(column);
                row[..diagonal].fill(T::ZERO);
                let off = if k < column { 0 } else { diagonal + 1 };
                row[off..columns].iter_mut().for_each(|value| *value *= two);
            }
        });
    }

    /// Elements (i, c) with c >= i into row i.
    fn upper_row(&self, i: usize, row: &mut [T]) {
        for layout in self.layout.iter().filter(|layout| layout.column + layout.columns > i) {
            let from = i.saturating_sub(layout.column);
            let source = &self.panel(layout)[i * layout.width..][from..layout.columns];
            row[layout.column + from..][..source.len()].copy_from_slice(source);
        }
    }

    /// Elements (i, c) with c < i, which are (c, i) above the diagonal.
    fn lower_row(&self, i: usize, columns: Range<usize>, values: &mut [T]) {
        let holds = |layout: &&PanelLayout| (layout.column..layout.column + layout.columns).contains(&i);
        let layout = self.layout.iter().find(holds).expect("every column is in a panel");
        let panel = self.panel(layout);
        for (value, c) in values.iter_mut().zip(columns) {
            *value = panel[c * layout.width + (i - layout.column)];
        }
    }

    fn zeros(isa: Isa, layout: Vec<PanelLayout>, columns: usize, depth: usize) -> Self {
        let len = layout.last().map_or(0, |last| last.offset + last.width * last.depth);
        Self { data: aligned_zeros(len), layout, columns, depth, isa }
    }

    /// Columns of the packed matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The instruction set whose registers the panels are made for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows of the packed matrix.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The panels' places, in order of their columns.
    pub fn layout(&self) -> &[PanelLayout] {
        &self.layout
    }

    /// The elements of a panel.
    #[inline(always)]
    pub fn panel(&self, layout: &PanelLayout) -> &[T] {
        &self.data[layout.offset..][..layout.width * layout.depth]
    }

    /// All panels, one after another.
    pub(crate) fn elements_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Has every panel written by itself.
    fn fill(&mut self, par: Par, write: &(dyn Fn(&PanelLayout, &mut [T]) + Sync)) {
        let par = self.moving(par);
        let mut rest = &mut self.data[..];
        let mut panels = Vec::with_capacity(self.layout.len());
        for layout in &self.layout {
            let (panel, others) = rest.split_at_mut(layout.width * layout.depth);
            rest = others;
            panels.push((layout, panel));
        }
        for_each(par, &mut panels, &|_, (layout, panel)| write(layout, panel));
    }

    /// Whether it is worth a second thread to move all elements.
    fn moving(&self, par: Par) -> Par {
        par.for_work(FLOPS_PER_MOVE * self.data.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_are_found_again() {
        for isa in Isa::available() {
            for columns in [1, 47, 48, 49, 100] {
                let m = Mat::<f32>::from_fn(columns, 5, |i, j| (10 * i + j) as f32);
                let panels = Panels::from_rows(isa, Par::Seq, m.as_ref());
                for layout in panels.layout() {
                    let data = panels.panel(layout);
                    for k in 0..5 {
                        for c in 0..layout.width {
                            let expected = if c < layout.columns { m.row(layout.column + c)[k] } else { 0.0 };
                            assert_eq!(data[k * layout.width + c], expected);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn triangular_panels_sum_to_the_quadratic_form() {
        for isa in Isa::available() {
            let s = Mat::<f64>::from_fn(50, 50, |i, j| (i * j + i + j) as f64);
            let panels = Panels::from_upper_triangle(isa, Par::Seq, s.as_ref());
            let total: f64 = panels.layout().iter().flat_map(|layout| panels.panel(layout)).sum();
            assert_eq!(total, s.iter().sum::<f64>());
        }
    }
}
