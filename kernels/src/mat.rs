//! Row-major matrices: an owning [`Mat`] with 64-byte-aligned rows, and the views [`MatRef`] and [`MatMut`].
//!
//! Views carry a row stride (in elements); the elements of one row are contiguous.
#![forbid(unsafe_code)]

use std::ops::Range;

use crate::aligned::{ALIGNMENT, AlignedVec, aligned_zeros};
use crate::block::FINITE_CHUNK;
use crate::element::Element;

/// An owning row-major matrix. Rows start on 64-byte boundaries; the padding between them holds zeros.
#[derive(Clone, Debug)]
pub struct Mat<T: Element> {
    data: AlignedVec<T>,
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<T: Element> Mat<T> {
    /// A `rows` x `cols` matrix of zeros.
    ///
    /// # Panics
    /// If the number of elements overflows `usize`.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        let stride = cols.checked_next_multiple_of(ALIGNMENT / size_of::<T>());
        let both = stride.and_then(|stride| Some((stride, rows.checked_mul(stride)?)));
        let (stride, len) = both.unwrap_or_else(|| panic!("a {rows} x {cols} matrix does not fit in memory"));
        Self { data: aligned_zeros(len), rows, cols, stride }
    }

    /// The matrix whose element (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> T) -> Self {
        let mut mat = Self::zeros(rows, cols);
        for i in 0..rows {
            for (j, value) in mat.row_mut(i).iter_mut().enumerate() {
                *value = f(i, j);
            }
        }
        mat
    }

    /// A copy of a dense row-major slice.
    ///
    /// # Panics
    /// If `values.len() != rows * cols`.
    pub fn from_slice(rows: usize, cols: usize, values: &[T]) -> Self {
        assert_eq!(values.len(), rows * cols, "a {rows} x {cols} matrix needs {} values", rows * cols);
        Self::from_fn(rows, cols, |i, j| values[i * cols + j])
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`, `cols` elements.
    pub fn row(&self, i: usize) -> &[T] {
        assert!(i < self.rows, "row {i} of a matrix with {} rows", self.rows);
        &self.data[i * self.stride..][..self.cols]
    }

    /// Row `i`, mutable.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row {i} of a matrix with {} rows", self.rows);
        &mut self.data[i * self.stride..][..self.cols]
    }

    /// A view of the whole matrix.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef { data: &self.data, rows: self.rows, cols: self.cols, stride: self.stride }
    }

    /// A mutable view of the whole matrix.
    pub fn as_mut(&mut self) -> MatMut<'_, T> {
        MatMut { data: &mut self.data, rows: self.rows, cols: self.cols, stride: self.stride }
    }

    /// The elements in row-major order without the padding.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.rows).flat_map(|i| self.row(i))
    }

    /// All elements including the padding of each row. Writers keep the padding at zero.
    pub fn padded_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// All elements including the (zero) padding of each row.
    pub fn padded(&self) -> &[T] {
        &self.data
    }

    /// The transpose, as a new matrix.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |i, j| self.row(j)[i])
    }

    /// Whether no element is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        all_finite(&self.data)
    }

    /// Frobenius norm, accumulated in f64.
    pub fn frobenius_norm(&self) -> f64 {
        self.iter().map(|v| v.to_f64() * v.to_f64()).sum::<f64>().sqrt()
    }
}

/// Whether no number is infinite or NaN. One pass at the speed of memory: there is no branch for an element.
pub fn all_finite<T: Element>(values: &[T]) -> bool {
    values.chunks(FINITE_CHUNK).all(|chunk| chunk.iter().fold(true, |all, value| all & value.is_finite()))
}

/// A read-only view of a row-major matrix.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T: Element> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T: Element> MatRef<'a, T> {
    /// A view of `rows` rows of `cols` elements, `stride` elements apart.
    ///
    /// # Panics
    /// If the slice is too short or `stride < cols`.
    pub fn new(data: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        assert_fits(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Distance between the starts of two rows, in elements.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [T] {
        assert!(i < self.rows, "row {i} of a matrix with {} rows", self.rows);
        &self.data[i * self.stride..][..self.cols]
    }

    /// The rows in `range`.
    pub fn rows_range(&self, range: Range<usize>) -> MatRef<'a, T> {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?} of {}", self.rows);
        let start = (range.start * self.stride).min(self.data.len());
        MatRef { data: &self.data[start..], rows: range.len(), cols: self.cols, stride: self.stride }
    }

    /// Pointer to element (0, 0).
    pub fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }

    /// An owning copy with aligned rows.
    pub fn to_owned(&self) -> Mat<T> {
        let mut out = Mat::zeros(self.rows, self.cols);
        for i in 0..self.rows {
            out.row_mut(i).copy_from_slice(self.row(i));
        }
        out
    }
}

/// A mutable view of a row-major matrix.
#[derive(Debug)]
pub struct MatMut<'a, T: Element> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a, T: Element> MatMut<'a, T> {
    /// A mutable view of `rows` rows of `cols` elements, `stride` elements apart.
    ///
    /// # Panics
    /// If the slice is too short or `stride < cols`.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize, stride: usize) -> Self {
        assert_fits(data.len(), rows, cols, stride);
        Self { data, rows, cols, stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Distance between the starts of two rows, in elements.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[T] {
        assert!(i < self.rows, "row {i} of a matrix with {} rows", self.rows);
        &self.data[i * self.stride..][..self.cols]
    }

    /// Row `i`, mutable.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row {i} of a matrix with {} rows", self.rows);
        &mut self.data[i * self.stride..][..self.cols]
    }

    /// A shorter-lived mutable view of the same matrix.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: self.data, rows: self.rows, cols: self.cols, stride: self.stride }
    }

    /// A read-only view of the same matrix.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef { data: self.data, rows: self.rows, cols: self.cols, stride: self.stride }
    }

    /// Splits into the first `at` rows and the rest.
    pub fn split_rows(self, at: usize) -> (MatMut<'a, T>, MatMut<'a, T>) {
        assert!(at <= self.rows, "split at row {at} of {}", self.rows);
        let (head, tail) = self.data.split_at_mut((at * self.stride).min(self.data.len()));
        (
            MatMut { data: head, rows: at, cols: self.cols, stride: self.stride },
            MatMut { data: tail, rows: self.rows - at, cols: self.cols, stride: self.stride },
        )
    }

    /// Pointer to element (0, 0).
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }

    /// Sets every element to `value`, leaving the padding alone.
    pub fn fill(&mut self, value: T) {
        for i in 0..self.rows {
            self.row_mut(i).fill(value);
        }
    }
}

/// Checks that `rows` rows of `cols` elements, `stride` apart, lie within `len` elements.
fn assert_fits(len: usize, rows: usize, cols: usize, stride: usize) {
    assert!(stride >= cols, "rows of {cols} elements cannot lie {stride} apart");
    let need = match rows {
        0 => Some(0),
        _ => (rows - 1).checked_mul(stride).and_then(|v| v.checked_add(cols)),
    };
    assert!(
        need.is_some_and(|need| need <= len),
        "a {rows} x {cols} matrix with stride {stride} does not fit in {len} elements"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_and_padding_is_zero() {
        let mat = Mat::<f32>::from_fn(3, 5, |i, j| (10 * i + j) as f32);
        for i in 0..3 {
            assert_eq!(mat.row(i).as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(mat.padded()[i * 16 + 5..(i + 1) * 16], [0.0; 11]);
        }
        assert_eq!(mat.transposed().row(4), [4.0, 14.0, 24.0]);
    }

    #[test]
    fn views_split_and_slice() {
        let mut mat = Mat::<f64>::from_fn(5, 3, |i, _| i as f64);
        assert_eq!(mat.as_ref().rows_range(2..4).row(1), [3.0; 3]);
        assert_eq!(mat.as_ref().rows_range(5..5).rows(), 0);
        let (mut head, tail) = mat.as_mut().split_rows(2);
        head.fill(7.0);
        assert_eq!(tail.row(0), [2.0; 3]);
        assert_eq!(mat.row(1), [7.0; 3]);
    }

    #[test]
    #[should_panic(expected = "does not fit in 5 elements")]
    fn a_view_larger_than_its_slice_is_refused() {
        MatRef::new(&[0.0f32; 5], 2, 3, 3);
    }
}
