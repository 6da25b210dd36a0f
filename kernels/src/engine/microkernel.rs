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
//! An epilogue may have work left over from the tile before (an update that waits for memory and divides): it is cut
//! into stages that run between the steps of this loop, where the multiply-adds hide it.
//!
//! Where the panel is triangular, its last rows are zero but for the last registers: the loop goes down in stairs
//! there, with a register less every `LANES` steps. Each stair is compiled by itself, for accumulators chosen by a
//! variable would live in memory.
//!
//! `step` is 1 where the broadcast operand is a row of X (forward, quadratic forms, features), the row stride of X
//! where it is a column (weighted Gram), and NR where columns were packed into strips (backward).

use bytemuck::Pod;
use pulp::Simd;

use super::sum::{Sum, sum_of, value_of, values_of};
use crate::element::{Element, lanes};

/// The accumulators of a tile: element (r, v) holds row r, lanes `v * LANES..` of the panel.
pub type Tile<S, T, const MV: usize, const NR: usize> = [[<T as Element>::Vector<S>; MV]; NR];

/// A tile in the making.
type Sums<S, T, const MV: usize, const NR: usize> = [[Sum<<T as Element>::Vector<S>>; MV]; NR];

/// Use of a finished tile.
///
/// An epilogue may do its work late: `finish` puts the tile aside, `stages` says how many pieces of work wait, `stage`
/// does one of them between the multiply-adds of the next tile, and `flush` does what waits when there is no next tile.
pub trait Epilogue<T: Element> {
    /// Whether panels may be triangular: only then the stairs along a diagonal are compiled.
    const TRIANGULAR: bool = false;

    /// Consumes the tile of rows `row..row + valid` (`valid <= NR`; the tile's further rows repeat the last valid one).
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    );

    /// Pieces of work that wait for the next tile.
    #[inline(always)]
    fn stages<const MV: usize, const NR: usize>(&self) -> usize {
        0
    }

    /// Does one of them. `next` is the row that the tile in the making begins at.
    #[inline(always)]
    fn stage<S: Simd, const MV: usize>(&mut self, _simd: S, _stage: usize, _next: usize) {}

    /// Does all that waits.
    #[inline(always)]
    fn flush<S: Simd, const MV: usize, const NR: usize>(&mut self, _simd: S) {}
}

/// The operands of a tile.
#[derive(Clone, Copy)]
pub(crate) struct Operands<T, const NR: usize> {
    /// Length of the sums.
    pub(crate) depth: usize,
    /// Steps with all registers: the depth, or less in a triangular panel.
    pub(crate) full: usize,
    /// The first of MV neighbouring registers of the packed panel.
    pub(crate) panel: *const T,
    /// Distance between two steps of the panel: its width.
    pub(crate) width: usize,
    /// The first broadcast element of each row.
    pub(crate) rows: [*const T; NR],
    /// Distance between two broadcast elements of a row.
    pub(crate) step: usize,
}

/// Computes the tile that begins at row `next`, with the stages of `waiting` spread evenly over the depth.
///
/// The epilogue itself is handed in and not a closure that calls it: the compiler may leave a closure by itself, and
/// then compiles it without the instruction set.
///
/// # Safety
/// For all k < depth, `panel.add(k * width)` must be readable for MV registers, and `rows[r].add(k * step)` for all r;
/// `full` must not exceed `depth`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, T: Element, E: Epilogue<T>, const MV: usize, const NR: usize>(
    simd: S,
    operands: Operands<T, NR>,
    waiting: &mut E,
    next: usize,
) -> Tile<S, T, MV, NR> {
    let (full, stages) = (operands.full, waiting.stages::<MV, NR>());
    let mut acc = [[sum_of(T::splat(simd, T::ZERO)); MV]; NR];
    let mut k = 0;
    let between_stages = full / (stages + 1);
    for stage in 0..stages {
        let end = k + between_stages;
        while k < end {
            // SAFETY: k < full <= depth, and the caller vouches for the memory.
            unsafe { rank_one::<S, T, MV, NR, 0>(simd, operands, k, &mut acc) };
            k += 1;
        }
        waiting.stage::<S, MV>(simd, stage, next);
    }
    while k < full {
        // SAFETY: as above.
        unsafe { rank_one::<S, T, MV, NR, 0>(simd, operands, k, &mut acc) };
        k += 1;
    }
    if E::TRIANGULAR {
        const { assert!(MV <= 3, "a stair for each register but the first") };
        // SAFETY: as above.
        unsafe {
            stair::<S, T, MV, NR, 1>(simd, operands, &mut acc);
            stair::<S, T, MV, NR, 2>(simd, operands, &mut acc);
        }
    }
    values_of(acc)
}

/// The steps of a triangular panel in which its first `FIRST` registers are zero and the next is not.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn stair<S: Simd, T: Element, const MV: usize, const NR: usize, const FIRST: usize>(
    simd: S,
    operands: Operands<T, NR>,
    acc: &mut Sums<S, T, MV, NR>,
) {
    if FIRST < MV {
        let from = operands.full + (FIRST - 1) * lanes::<S, T>();
        let to = operands.depth.min(from + lanes::<S, T>());
        for k in from..to {
            // SAFETY: k < depth, and the caller vouches for the memory.
            unsafe { rank_one::<S, T, MV, NR, FIRST>(simd, operands, k, acc) };
        }
    }
}

/// acc += p_k x_k^T, in the registers from `FIRST` on.
///
/// # Safety
/// As [`tile`], with k < depth.
#[inline(always)]
unsafe fn rank_one<S: Simd, T: Element, const MV: usize, const NR: usize, const FIRST: usize>(
    simd: S,
    Operands { panel, width, rows, step, .. }: Operands<T, NR>,
    k: usize,
    acc: &mut Sums<S, T, MV, NR>,
) {
    // SAFETY: the caller vouches for the panel's k-th row and for element k of every row.
    unsafe {
        let from = panel.add(k * width);
        let mut p = [T::splat(simd, T::ZERO); MV];
        for v in FIRST..MV {
            p[v] = load(from.add(v * lanes::<S, T>()));
        }
        for r in 0..NR {
            let x = T::splat(simd, *rows[r].add(k * step));
            for v in FIRST..MV {
                acc[r][v] = sum_of(T::vfma(simd, p[v], x, value_of(acc[r][v])));
            }
        }
    }
}

/// Asks for the cache line at `at`, to be read and written soon. A hint: any address is fine.
#[inline(always)]
pub fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address has no effect but on the caches.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast())
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch of any address has no effect but on the caches; it leaves the stack and the flags alone.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}

/// Reads a register.
///
/// # Safety
/// `at` must be readable for a register's worth of elements. It need not be aligned.
#[inline(always)]
pub(crate) unsafe fn load<V: Pod, T>(at: *const T) -> V {
    // SAFETY: the caller vouches for the memory, and any bytes are a V.
    unsafe { at.cast::<V>().read_unaligned() }
}

/// Writes a register.
///
/// # Safety
/// `at` must be writable for a register's worth of elements. It need not be aligned.
#[inline(always)]
pub(crate) unsafe fn store<V: Pod, T: Pod>(at: *mut T, value: V) {
    // SAFETY: the caller vouches for the memory, and any bytes are elements.
    unsafe { at.cast::<V>().write_unaligned(value) }
}
