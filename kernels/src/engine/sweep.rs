//! The macro loop: one panel against all rows of the broadcast operand, tile by tile, each tile handed to an epilogue
//! while it is in registers.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::Simd;

use super::microkernel::{Epilogue, Operands, tile};
use crate::element::{Element, lanes};
use crate::mat::MatRef;

/// The operand whose elements are broadcast: `rows` rows. Element k of row r of the tile that begins at row t lies at
/// `base + t * tile_step + r * row_step + k * depth_step`.
#[derive(Clone, Copy)]
pub struct Broadcast<'a, T> {
    base: *const T,
    borrow: PhantomData<&'a [T]>,
    rows: usize,
    depth: usize,
    tile_step: usize,
    row_step: usize,
    depth_step: usize,
}

impl<'a, T: Element> Broadcast<'a, T> {
    /// The rows of `x`, of which the first `depth` columns are used.
    #[inline(always)]
    pub fn rows(x: MatRef<'a, T>, depth: usize) -> Self {
        assert!(depth <= x.cols());
        let step = x.stride();
        Self::new(x.as_ptr(), (x.rows(), depth), (step, step, 1))
    }

    /// Columns of `x` as rows; the depth is the number of rows of `x`.
    #[inline(always)]
    pub fn columns(x: MatRef<'a, T>, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= x.cols());
        // Wrapping, for a matrix without rows has no such element.
        let base = x.as_ptr().wrapping_add(columns.start);
        Self::new(base, (columns.len(), x.rows()), (1, 1, x.stride()))
    }

    /// Columns of a matrix as rows, read from strips of NR of them; the depth is the number of its rows.
    #[inline(always)]
    pub fn strips<const NR: usize>(strips: &'a [T], columns: usize, depth: usize) -> Self {
        assert!(strips.len() >= columns.next_multiple_of(NR) * depth, "the columns are not in strips");
        Self::new(strips.as_ptr(), (columns, depth), (depth, 1, NR))
    }

    #[inline(always)]
    fn new(base: *const T, (rows, depth): (usize, usize), steps: (usize, usize, usize)) -> Self {
        let (tile_step, row_step, depth_step) = steps;
        Self { base, borrow: PhantomData, rows, depth, tile_step, row_step, depth_step }
    }
}

/// The packed operand of a sweep: neighbouring registers of a panel.
#[derive(Clone, Copy)]
pub struct PanelPart<'a, T> {
    /// From the first of these registers in the panel's first row on.
    data: &'a [T],
    /// Registers across, at most MV.
    vectors: usize,
    /// Width of the panel, if it is wider than these registers.
    width: Option<usize>,
    /// Columns of a triangular panel: it ends at the row of its last one and is zero below its diagonal. 0 for others.
    diagonal: usize,
}

impl<'a, T: Element> PanelPart<'a, T> {
    /// All registers of a panel.
    #[inline(always)]
    pub fn whole(panel: &'a [T], vectors: usize) -> Self {
        Self { data: panel, vectors, width: None, diagonal: 0 }
    }

    /// The registers from `first` on, in a panel of `vectors` registers of `lanes` elements.
    #[inline(always)]
    pub fn from(panel: &'a [T], vectors: usize, first: usize, lanes: usize) -> Self {
        Self { data: &panel[first * lanes..], vectors: vectors - first, width: Some(vectors * lanes), diagonal: 0 }
    }

    /// All registers of a panel with so many columns that ends at the row of its last one and is zero below its
    /// diagonal.
    #[inline(always)]
    pub fn triangular(panel: &'a [T], vectors: usize, columns: usize) -> Self {
        Self { data: panel, vectors, width: None, diagonal: columns }
    }
}

/// Sweeps a panel over all rows of the broadcast operand.
///
/// # Panics
/// If the panel is shorter than the operand's depth.
#[inline(always)]
pub fn sweep<S: Simd, T: Element, E: Epilogue<T>, const MV: usize, const NR: usize>(
    simd: S,
    panel: PanelPart<'_, T>,
    left: Broadcast<'_, T>,
    epilogue: &mut E,
) {
    match panel.vectors {
        1 => sweep_width::<S, T, E, 1, NR>(simd, panel, left, epilogue),
        2 => sweep_width::<S, T, E, 2, NR>(simd, panel, left, epilogue),
        _ => sweep_width::<S, T, E, MV, NR>(simd, panel, left, epilogue),
    }
}

#[inline(always)]
fn sweep_width<S: Simd, T: Element, E: Epilogue<T>, const MV: usize, const NR: usize>(
    simd: S,
    panel: PanelPart<'_, T>,
    left: Broadcast<'_, T>,
    epilogue: &mut E,
) {
    let registers = MV * lanes::<S, T>();
    let width = panel.width.unwrap_or(registers);
    let last = left.depth.saturating_sub(1) * width;
    assert!(left.depth == 0 || panel.data.len() >= last + registers, "the panel is too short");
    let stairs = if E::TRIANGULAR { panel.diagonal.saturating_sub(lanes::<S, T>()) } else { 0 };
    let full = left.depth.saturating_sub(stairs);
    let mut row = 0;
    while row < left.rows {
        let valid = (left.rows - row).min(NR);
        // SAFETY: the panel's length was asserted above. `left` was made of a matrix view or a batch that holds every
        // (row, depth) element, and borrows it; row + min(r, valid - 1) < rows, and tiles begin at multiples of NR;
        // `full` is the depth or less.
        let acc = unsafe {
            // Wrapping, for with a depth of zero there may be nothing there to point to.
            let base = left.base.wrapping_add(row * left.tile_step);
            let mut rows = [base; NR];
            for r in 0..NR {
                rows[r] = base.wrapping_add(r.min(valid - 1) * left.row_step);
            }
            let operands =
                Operands { depth: left.depth, full, panel: panel.data.as_ptr(), width, rows, step: left.depth_step };
            tile::<S, T, E, MV, NR>(simd, operands, epilogue, row)
        };
        epilogue.finish(simd, acc, row, valid);
        row += NR;
    }
    epilogue.flush::<S, MV, NR>(simd);
}
