//! The macro loop: one panel against all rows of the broadcast operand, tile by tile, each tile handed to an epilogue
//! while it is in registers.

use pulp::Simd;

use super::microkernel::{Tile, tile};
use crate::element::{Element, lanes};
use crate::mat::MatRef;

/// The operand whose elements are broadcast: `rows` rows, element k of row r at `base + r * row_step + k * depth_step`.
#[derive(Clone, Copy)]
pub(crate) struct Broadcast<T> {
    base: *const T,
    rows: usize,
    depth: usize,
    row_step: usize,
    depth_step: usize,
}

impl<T: Element> Broadcast<T> {
    /// The rows of `x`, of which the first `depth` columns are used.
    pub(crate) fn rows(x: MatRef<'_, T>, depth: usize) -> Self {
        assert!(depth <= x.cols());
        Self { base: x.as_ptr(), rows: x.rows(), depth, row_step: x.stride(), depth_step: 1 }
    }

    /// The first `columns` columns of `x` as rows; the depth is the number of rows of `x`.
    pub(crate) fn columns(x: MatRef<'_, T>, columns: usize) -> Self {
        assert!(columns <= x.cols());
        Self { base: x.as_ptr(), rows: columns, depth: x.rows(), row_step: 1, depth_step: x.stride() }
    }
}

/// What happens to a finished tile.
pub(crate) trait Epilogue<T: Element> {
    /// Consumes the tile of rows `row..row + valid` (`valid <= NR`; the tile's further rows repeat the last valid one).
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    );
}

/// Sweeps a panel of `vectors` registers (at most MV) over all rows of the broadcast operand.
///
/// # Panics
/// If the panel is shorter than the operand's depth.
#[inline(always)]
pub(crate) fn sweep<S: Simd, T: Element, E: Epilogue<T>, const MV: usize, const NR: usize>(
    simd: S,
    vectors: usize,
    panel: &[T],
    left: Broadcast<T>,
    epilogue: &mut E,
) {
    match vectors {
        1 => sweep_width::<S, T, E, 1, NR>(simd, panel, left, epilogue),
        2 => sweep_width::<S, T, E, 2, NR>(simd, panel, left, epilogue),
        _ => sweep_width::<S, T, E, MV, NR>(simd, panel, left, epilogue),
    }
}

#[inline(always)]
fn sweep_width<S: Simd, T: Element, E: Epilogue<T>, const MV: usize, const NR: usize>(
    simd: S,
    panel: &[T],
    left: Broadcast<T>,
    epilogue: &mut E,
) {
    assert!(panel.len() >= left.depth * MV * lanes::<S, T>(), "the panel is too short");
    let mut row = 0;
    while row < left.rows {
        let valid = (left.rows - row).min(NR);
        // SAFETY: the panel's length was asserted above. `Broadcast` was built from a matrix view that holds every
        // (row, depth) element, and row + min(r, valid - 1) < rows.
        let acc = unsafe {
            let rows = std::array::from_fn(|r| left.base.add((row + r.min(valid - 1)) * left.row_step));
            tile::<S, T, MV, NR>(simd, left.depth, panel.as_ptr(), rows, left.depth_step)
        };
        epilogue.finish(simd, acc, row, valid);
        row += NR;
    }
}
