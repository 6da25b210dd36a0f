//! The register tile: MV registers of a packed panel times NR broadcast elements, accumulated over the depth.
//!
//! ```text
//! acc[r][v] = 0                                        NR x MV registers, all live at once
//! for k in 0..depth:
//!     p[v] = panel[k][v]                               MV loads
//!     for r in 0..NR:
//!         acc[r][v] += p[v] * rows[r][k * step]        1 broadcast, MV fused multiply-adds
//! ```
//!
//! `step` is 1 where the broadcast operand is a row of X (forward, quadratic forms, features), and the row stride of X
//! where it is a column (weighted Gram, backward).

use pulp::Simd;

use crate::element::{Element, lanes};

/// The accumulators of a tile: element (r, v) holds row r, lanes `v * LANES..` of the panel.
pub(crate) type Tile<S, T, const MV: usize, const NR: usize> = [[<T as Element>::Vector<S>; MV]; NR];

/// Computes one tile.
///
/// # Safety
/// `panel` must be readable for `depth * MV * LANES` elements, and `rows[r].add(k * step)` for all r and k < depth.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, T: Element, const MV: usize, const NR: usize>(
    simd: S,
    depth: usize,
    panel: *const T,
    rows: [*const T; NR],
    step: usize,
) -> Tile<S, T, MV, NR> {
    let width = MV * lanes::<S, T>();
    let mut acc = [[T::splat(simd, T::ZERO); MV]; NR];
    for k in 0..depth {
        // SAFETY: k < depth, so the caller vouches for the panel's k-th row and for element k of every row.
        unsafe {
            let p: [T::Vector<S>; MV] = std::array::from_fn(|v| load(panel.add(k * width + v * lanes::<S, T>())));
            for r in 0..NR {
                let x = T::splat(simd, *rows[r].add(k * step));
                for v in 0..MV {
                    acc[r][v] = T::vfma(simd, p[v], x, acc[r][v]);
                }
            }
        }
    }
    acc
}

/// Reads a register.
///
/// # Safety
/// `at` must be readable for a register's worth of elements. It need not be aligned.
#[inline(always)]
pub(crate) unsafe fn load<V: Copy, T>(at: *const T) -> V {
    // SAFETY: the caller vouches for the memory.
    unsafe { at.cast::<V>().read_unaligned() }
}

/// Writes a register.
///
/// # Safety
/// `at` must be writable for a register's worth of elements. It need not be aligned.
#[inline(always)]
pub(crate) unsafe fn store<V: Copy, T>(at: *mut T, value: V) {
    // SAFETY: the caller vouches for the memory.
    unsafe { at.cast::<V>().write_unaligned(value) }
}
