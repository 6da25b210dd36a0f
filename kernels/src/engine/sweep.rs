//! The macro loop: one panel against all rows of the broadcast operand, tile by tile, each tile handed to an epilogue
//! while it is in registers.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Zeroable;
use pulp::Simd;

use super::microkernel::{Epilogue, Operands, Tile, load, steps, store, tile, zeros};
use crate::aligned::aligned_zeros;
use crate::block::{DEEP_PANEL, DEPTH_BLOCK, ROW_BLOCK};
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
    pub fn rows(x: MatRef<'a, T>, depth: usize) -> Self {
        assert!(depth <= x.cols());
        let step = x.stride();
        Self::new(x.as_ptr(), (x.rows(), depth), (step, step, 1))
    }

    /// Columns of `x` as rows; the depth is the number of rows of `x`.
    pub fn columns(x: MatRef<'a, T>, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= x.cols());
        // Wrapping, for a matrix without rows has no such element.
        let base = x.as_ptr().wrapping_add(columns.start);
        Self::new(base, (columns.len(), x.rows()), (1, 1, x.stride()))
    }

    /// Columns of a matrix as rows, read from strips of NR of them; the depth is the number of its rows.
    pub fn strips<const NR: usize>(strips: &'a [T], columns: usize, depth: usize) -> Self {
        assert!(strips.len() >= columns.next_multiple_of(NR) * depth, "the columns are not in strips");
        Self::new(strips.as_ptr(), (columns, depth), (depth, 1, NR))
    }

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
    pub fn whole(panel: &'a [T], vectors: usize) -> Self {
        Self { data: panel, vectors, width: None, diagonal: 0 }
    }

    /// The registers from `first` on, in a panel of `vectors` registers of `lanes` elements.
    pub fn from(panel: &'a [T], vectors: usize, first: usize, lanes: usize) -> Self {
        Self { data: &panel[first * lanes..], vectors: vectors - first, width: Some(vectors * lanes), diagonal: 0 }
    }

    /// All registers of a panel with so many columns that ends at the row of its last one and is zero below its
    /// diagonal.
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
    let deep = full * width * size_of::<T>() > DEEP_PANEL;
    // Rows whose tiles are in the making at once: whole tiles.
    let together = if deep { ROW_BLOCK / NR * NR } else { left.rows };
    let mut begun = aligned_zeros::<T>(if deep { together * registers } else { 0 });
    let mut first = 0;
    while first < left.rows {
        let end = left.rows.min(first + together);
        let mut from = 0;
        while deep && full - from > DEPTH_BLOCK {
            let mut row = first;
            while row < end {
                let tile = &mut begun[(row - first) * registers..][..NR * registers];
                let operands = operands::<T, NR>(panel, left, width, row, from..from + DEPTH_BLOCK, DEPTH_BLOCK);
                let sums = if from == 0 { zeros::<S, T, MV, NR>(simd) } else { load_tile::<S, T, MV, NR>(tile) };
                // SAFETY: as below, with fewer steps.
                let sums = unsafe { steps::<S, T, MV, NR>(simd, operands, sums) };
                store_tile::<S, T, MV, NR>(tile, sums);
                row += NR;
            }
            from += DEPTH_BLOCK;
        }
        let mut row = first;
        while row < end {
            let sums = if from == 0 {
                zeros::<S, T, MV, NR>(simd)
            } else {
                load_tile::<S, T, MV, NR>(&begun[(row - first) * registers..][..NR * registers])
            };
            let operands = operands::<T, NR>(panel, left, width, row, from..left.depth, full - from);
            // SAFETY: the panel's length was asserted above. `left` was made of a matrix view or a batch that holds
            // every (row, depth) element, and borrows it; tiles begin at multiples of NR, and `operands` points to
            // rows that there are; `full` is the depth or less.
            let tile = unsafe { tile::<S, T, E, MV, NR>(simd, operands, sums, epilogue, row) };
            epilogue.finish(simd, tile, row, (left.rows - row).min(NR));
            row += NR;
        }
        first = end;
    }
    epilogue.flush::<S, MV, NR>(simd);
}

/// The operands of the tile that begins at `row`, for some of its steps.
#[inline(always)]
fn operands<T: Element, const NR: usize>(
    panel: PanelPart<'_, T>,
    left: Broadcast<'_, T>,
    width: usize,
    row: usize,
    steps: Range<usize>,
    full: usize,
) -> Operands<T, NR> {
    let last = (left.rows - row).min(NR) - 1;
    // Wrapping, for with a depth of zero there may be nothing there to point to.
    let base = left.base.wrapping_add(row * left.tile_step + steps.start * left.depth_step);
    let mut rows = [base; NR];
    for r in 0..NR {
        rows[r] = base.wrapping_add(r.min(last) * left.row_step);
    }
    let panel = panel.data.as_ptr().wrapping_add(steps.start * width);
    Operands { depth: steps.end - steps.start, full, panel, width, rows, step: left.depth_step }
}

/// A tile as it was put aside.
#[inline(always)]
fn load_tile<S: Simd, T: Element, const MV: usize, const NR: usize>(from: &[T]) -> Tile<S, T, MV, NR> {
    let lanes = lanes::<S, T>();
    assert!(from.len() == NR * MV * lanes);
    let mut tile = [[<T::Vector<S> as Zeroable>::zeroed(); MV]; NR];
    for r in 0..NR {
        for v in 0..MV {
            // SAFETY: register r * MV + v of NR * MV is within the slice.
            tile[r][v] = unsafe { load(from.as_ptr().add((r * MV + v) * lanes)) };
        }
    }
    tile
}

/// Puts a tile aside.
#[inline(always)]
fn store_tile<S: Simd, T: Element, const MV: usize, const NR: usize>(to: &mut [T], tile: Tile<S, T, MV, NR>) {
    let lanes = lanes::<S, T>();
    assert!(to.len() == NR * MV * lanes);
    for r in 0..NR {
        for v in 0..MV {
            // SAFETY: as in [`load_tile`].
            unsafe { store(to.as_mut_ptr().add((r * MV + v) * lanes), tile[r][v]) };
        }
    }
}
