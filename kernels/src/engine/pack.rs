//! Panels: the packed operand of the register tile.
//!
//! A panel holds `width` consecutive columns, element (k, c) at `k * width + c`, so that the tile loads it from front
//! to back. Panels have the full width MV x LANES; the last ones are cut to the registers that their columns need and
//! filled with zeros. In a triangular set the panel of columns `c..c + width` has only the rows `0..c + width`.
#![forbid(unsafe_code)]

use crate::aligned::{AlignedVec, aligned_zeros};
use crate::arch::Isa;
use crate::element::Element;
use crate::mat::{Mat, MatMut, MatRef};

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
pub(crate) struct PanelLayout {
    /// First element within the packed data.
    offset: usize,
    /// First column.
    pub(crate) column: usize,
    /// Columns that are not padding.
    pub(crate) columns: usize,
    /// Registers across.
    pub(crate) vectors: usize,
    /// Elements across: `vectors` x LANES.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) depth: usize,
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
    pub fn from_rows(isa: Isa, m: MatRef<'_, T>) -> Self {
        let mut panels = Self::zeros(isa, panel_layout::<T>(isa, m.rows(), m.cols(), false), m.rows(), m.cols());
        for at in 0..panels.layout.len() {
            let layout = panels.layout[at];
            pack_panel(&layout, m, panels.panel_mut(at));
        }
        panels
    }

    /// Packs the upper triangle of a symmetric matrix with the off-diagonal elements doubled, so that
    /// x^T S x = sum_c x_c sum_{k <= c} S'_kc x_k.
    ///
    /// # Panics
    /// If `s` is not square.
    pub fn from_upper_triangle(isa: Isa, s: MatRef<'_, T>) -> Self {
        assert_eq!(s.rows(), s.cols(), "a symmetric matrix is square");
        let d = s.rows();
        let mut panels = Self::zeros(isa, panel_layout::<T>(isa, d, d, true), d, d);
        let two = T::ONE + T::ONE;
        for at in 0..panels.layout.len() {
            let PanelLayout { column, columns, width, depth, .. } = panels.layout[at];
            let data = panels.panel_mut(at);
            for k in 0..depth {
                let source = &s.row(k)[column..column + columns];
                let target = &mut data[k * width..][..columns];
                for c in k.saturating_sub(column)..columns {
                    target[c] = if column + c == k { source[c] } else { two * source[c] };
                }
            }
        }
        panels
    }

    /// The upper triangle of a d x d matrix, all zeros.
    pub(crate) fn zero_triangle(isa: Isa, d: usize) -> Self {
        Self::zeros(isa, panel_layout::<T>(isa, d, d, true), d, d)
    }

    /// The upper triangle of triangular panels; what lies below it is left over from tiles on the diagonal.
    pub(crate) fn upper_triangle(&self) -> Mat<T> {
        let mut m = Mat::zeros(self.depth, self.columns);
        for layout in &self.layout {
            let rows = self.panel(layout).chunks_exact(layout.width);
            for (k, source) in rows.enumerate() {
                m.row_mut(k)[layout.column..][..layout.columns].copy_from_slice(&source[..layout.columns]);
            }
        }
        m
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
    pub(crate) fn layout(&self) -> &[PanelLayout] {
        &self.layout
    }

    /// The elements of a panel.
    pub(crate) fn panel(&self, layout: &PanelLayout) -> &[T] {
        &self.data[layout.offset..][..layout.width * layout.depth]
    }

    /// All panels, one after another.
    pub(crate) fn elements_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The layout of panel number `at` and its elements.
    pub(crate) fn panel_at(&mut self, at: usize) -> (PanelLayout, &mut [T]) {
        let layout = self.layout[at];
        (layout, self.panel_mut(at))
    }

    fn panel_mut(&mut self, at: usize) -> &mut [T] {
        let PanelLayout { offset, width, depth, .. } = self.layout[at];
        &mut self.data[offset..][..width * depth]
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
                let panels = Panels::from_rows(isa, m.as_ref());
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
            let panels = Panels::from_upper_triangle(isa, s.as_ref());
            let total: f64 = panels.layout().iter().flat_map(|layout| panels.panel(layout)).sum();
            assert_eq!(total, s.iter().sum::<f64>());
        }
    }
}
