//! The epilogues: what is done with a tile while it is in registers.

use std::marker::PhantomData;

use pulp::Simd;

use super::microkernel::{Epilogue, Tile, load, prefetch, store};
use crate::block::{CACHE_LINE, LINES_AHEAD};
use crate::element::{Element, lanes};
use crate::mat::{MatMut, MatRef};

/// Columns `column..column + columns` of a row-major matrix: the part of an output that one panel covers.
struct Window<'a, T: Element> {
    base: *mut T,
    stride: usize,
    rows: usize,
    columns: usize,
    borrow: PhantomData<&'a mut T>,
}

impl<'a, T: Element> Window<'a, T> {
    #[inline(always)]
    fn new(mut mat: MatMut<'a, T>, column: usize, columns: usize) -> Self {
        assert!(column + columns <= mat.cols(), "columns {column}..{} of {}", column + columns, mat.cols());
        // Derived from the whole matrix, for rows are reached through it. An empty matrix has no such element, and no
        // row of it will ever be asked for.
        let base = mat.as_mut_ptr().wrapping_add(column);
        Self { base, stride: mat.stride(), rows: mat.rows(), columns, borrow: PhantomData }
    }

    /// The window's part of a row, from lane `from` on.
    #[inline(always)]
    fn row(&mut self, row: usize, from: usize) -> &mut [T] {
        assert!(row < self.rows && from <= self.columns);
        // SAFETY: `new` checked that the columns lie within the matrix, the line above that the row does; `base` may
        // reach the whole matrix, which is borrowed mutably for as long as the window lives.
        unsafe { std::slice::from_raw_parts_mut(self.base.add(row * self.stride + from), self.columns - from) }
    }
}

/// Writes as many lanes as `out` has room for.
#[inline(always)]
pub fn store_lanes<S: Simd, T: Element>(simd: S, out: &mut [T], value: T::Vector<S>) {
    if out.len() >= lanes::<S, T>() {
        // SAFETY: the slice holds a register's worth of elements.
        unsafe { store(out.as_mut_ptr(), value) }
    } else {
        T::partial_store(simd, out, value);
    }
}

/// Reads as many lanes as `values` has, zeros after them.
#[inline(always)]
pub fn load_lanes<S: Simd, T: Element>(simd: S, values: &[T]) -> T::Vector<S> {
    if values.len() >= lanes::<S, T>() {
        // SAFETY: the slice holds a register's worth of elements.
        unsafe { load(values.as_ptr()) }
    } else {
        T::partial_load(simd, values)
    }
}

/// Raises each element to the power p >= 1 and stores it: z_jk = (R x_j)_k^p.
pub(crate) struct StorePower<'a, T: Element> {
    out: Window<'a, T>,
    power: u32,
}

impl<'a, T: Element> StorePower<'a, T> {
    #[inline(always)]
    pub(crate) fn new(out: MatMut<'a, T>, column: usize, columns: usize, power: u32) -> Self {
        Self { out: Window::new(out, column, columns), power }
    }
}

/// x^p by repeated multiplication from the left: p - 1 roundings, the same on every tier.
#[inline(always)]
fn power<S: Simd, T: Element>(simd: S, x: T::Vector<S>, p: u32) -> T::Vector<S> {
    (1..p).fold(x, |product, _| T::vmul(simd, product, x))
}

impl<T: Element> Epilogue<T> for StorePower<'_, T> {
    #[inline(always)]
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    ) {
        for r in 0..NR {
            if r < valid {
                for v in 0..MV {
                    let value = match self.power {
                        1 => tile[r][v],
                        2 => T::vmul(simd, tile[r][v], tile[r][v]),
                        p => power::<S, T>(simd, tile[r][v], p),
                    };
                    store_lanes(simd, self.out.row(row + r, v * lanes::<S, T>()), value);
                }
            }
        }
    }

    #[inline(always)]
    fn stages<const MV: usize, const NR: usize>(&self) -> usize {
        NR
    }

    /// Fetches a row of where the tile will go to: the sums are short, and stores that wait for memory would stop them.
    #[inline(always)]
    fn stage<S: Simd, const MV: usize>(&mut self, _: S, stage: usize, next: usize) {
        for v in 0..MV {
            prefetch(self.out.base.wrapping_add((next + stage) * self.out.stride + v * lanes::<S, T>()));
        }
    }
}

/// Stores `scale[row] * tile + gamma * add[row]`: a row of (M W A + gamma W)^T.
pub(crate) struct StoreScaled<'a, T: Element> {
    out: Window<'a, T>,
    column: usize,
    scale: &'a [T],
    add: MatRef<'a, T>,
    gamma: T,
}

impl<'a, T: Element> StoreScaled<'a, T> {
    #[inline(always)]
    pub(crate) fn new(
        out: MatMut<'a, T>,
        column: usize,
        columns: usize,
        scale: &'a [T],
        add: MatRef<'a, T>,
        gamma: T,
    ) -> Self {
        Self { out: Window::new(out, column, columns), column, scale, add, gamma }
    }
}

impl<T: Element> Epilogue<T> for StoreScaled<'_, T> {
    #[inline(always)]
    fn finish<S: Simd, const MV: usize, const NR: usize>(
        &mut self,
        simd: S,
        tile: Tile<S, T, MV, NR>,
        row: usize,
        valid: usize,
    ) {
        let gamma = T::splat(simd, self.gamma);
        for r in 0..NR {
            if r < valid {
                let scale = T::splat(simd, self.scale[row + r]);
                for v in 0..MV {
                    let from = v * lanes::<S, T>();
                    let out = self.out.row(row + r, from);
                    let add = load_lanes(simd, &self.add.row(row + r)[self.column + from..][..out.len()]);
                    store_lanes(simd, out, T::vfma(simd, gamma, add, T::vmul(simd, scale, tile[r][v])));
                }
            }
        }
    }
}

/// Multiplies the tile by the samples' own elements and adds it up: partial[j] += sum_v tile[j][v] * x_j[column..].
///
/// `partial` has one register per row; its lanes are summed when all panels are done. Samples in `ahead` are fetched
/// meanwhile.
pub(crate) struct DotRows<'a, T: Element> {
    pub(crate) x: MatRef<'a, T>,
    pub(crate) column: usize,
    pub(crate) columns: usize,
    pub(crate) partial: &'a mut [T],
    pub(crate) ahead: &'a mut Ahead<T>,
}

impl<T: Element> Epilogue<T> for DotRows<'_, T> {
    const TRIANGULAR: bool = true;

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
                let x = &self.x.row(row + r)[self.column..][..self.columns];
                let partial = &mut self.partial[(row + r) * lanes..][..lanes];
                let mut sum = load_lanes(simd, partial);
                if self.columns == MV * lanes {
                    for v in 0..MV {
                        sum = T::vfma(simd, tile[r][v], load_lanes(simd, &x[v * lanes..][..lanes]), sum);
                    }
                } else {
                    for v in 0..MV {
                        sum = T::vfma(simd, tile[r][v], load_lanes(simd, &x[v * lanes..]), sum);
                    }
                }
                store_lanes(simd, partial, sum);
            }
        }
    }

    #[inline(always)]
    fn stages<const MV: usize, const NR: usize>(&self) -> usize {
        NR
    }

    #[inline(always)]
    fn stage<S: Simd, const MV: usize>(&mut self, _: S, _: usize, _: usize) {
        self.ahead.fetch(LINES_AHEAD);
    }
}

/// Adds the tile to the rows of a panel, and fetches the samples that come next meanwhile.
///
/// Memory that is still zero is not read: fresh memory that is read first is the system's page of zeros, and each page
/// is faulted in a second time when it is written, with an interrupt of all other cores. A sum of products that are all
/// too small for T may be -0 for that, where an addition to zero would give 0.
pub(crate) struct AddTile<'a, T: Element> {
    /// The panel's rows that the sweep covers, from the first lane that the tile has.
    pub(crate) out: &'a mut [T],
    /// Width of the panel.
    pub(crate) width: usize,
    /// Whether the rows hold a sum. They are zero otherwise.
    pub(crate) begun: bool,
    pub(crate) ahead: &'a mut Ahead<T>,
}

impl<T: Element> Epilogue<T> for AddTile<'_, T> {
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
                let out = &mut self.out[(row + r) * self.width..][..MV * lanes];
                for v in 0..MV {
                    let out = &mut out[v * lanes..][..lanes];
                    let sum = if self.begun { T::vadd(simd, load_lanes(simd, out), tile[r][v]) } else { tile[r][v] };
                    store_lanes(simd, out, sum);
                }
            }
        }
        // What the next tile will be added to, and a few lines of the samples that come next. Not in stages: the tiles
        // of this pass are so short that leaving their loop costs more than the fetches do.
        for r in 0..NR {
            for v in 0..MV {
                prefetch(self.out.as_ptr().wrapping_add((row + NR + r) * self.width + v * lanes));
            }
        }
        self.ahead.fetch(NR);
    }
}

/// Samples that are wanted soon, fetched a few cache lines at a time while others are worked on: the pass that touches
/// them first would wait for memory, for it reads them a few columns at a time.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    at: *const T,
    lines: usize,
}

impl<T: Element> Ahead<T> {
    /// The rows of `x`, or nothing.
    pub(crate) fn of(x: Option<MatRef<'_, T>>) -> Self {
        let nothing = Self { at: std::ptr::null(), lines: 0 };
        x.map_or(nothing, |x| Self { at: x.as_ptr(), lines: (x.rows() * x.stride()).div_ceil(Self::LINE) })
    }

    /// Elements in a cache line.
    const LINE: usize = CACHE_LINE / size_of::<T>();

    /// Asks for the next `lines` cache lines.
    #[inline(always)]
    fn fetch(&mut self, lines: usize) {
        if self.lines == 0 {
            return;
        }
        for line in 0..lines {
            prefetch(self.at.wrapping_add(line * Self::LINE));
        }
        self.at = self.at.wrapping_add(lines * Self::LINE);
        self.lines = self.lines.saturating_sub(lines);
    }
}
