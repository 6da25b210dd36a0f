//! Rows of unit length: x_j / ||x_j||, which is what the paper's B = max ||x_j|| = 1 stands for.

use memorize_kernels::element::Element;
use rayon::prelude::*;

use crate::error::DataError;
use crate::format::ElementType;
use crate::source::Table;

/// The smallest norm that rows are divided by. Well inside the range of f32, so that f32 and f64 runs accept the same
/// data and no quotient loses bits to subnormal numbers.
pub const MIN_NORM: f64 = 1e-30;

/// The largest norm that rows are divided by.
pub const MAX_NORM: f64 = 1e30;

/// The Euclidean norm of every row, in f64.
///
/// Rows of u8, i8 and i16 are summed exactly in integers and rounded once, by the square root. Others are summed in f64
/// in an order fixed by the length of the row. Rows are shared among rayon's threads; the result does not depend on
/// how.
///
/// # Errors
/// [`DataError::ZeroRow`], [`DataError::NotFinite`], or [`DataError::NormOutOfRange`] for a norm outside
/// [[`MIN_NORM`], [`MAX_NORM`]]; the first row in file order is named.
///
/// ```
/// use memorize_data::normalize::row_norms;
/// use memorize_data::{DataError, ElementType, Table};
///
/// let table = Table::from_memory("t", ElementType::U8, &[2, 2], &[3.0, 4.0, 0.0, 2.0])?;
/// assert_eq!(row_norms(&table)?, [5.0, 2.0]);
/// let zero = Table::from_memory("t", ElementType::U8, &[1, 2], &[0.0, 0.0])?;
/// assert!(matches!(row_norms(&zero), Err(DataError::ZeroRow { row: 0, .. })));
/// # Ok::<(), DataError>(())
/// ```
pub fn row_norms(table: &Table) -> Result<Vec<f64>, DataError> {
    let norms: Vec<f64> = (0..table.rows()).into_par_iter().with_min_len(64).map(|i| row_norm(table, i)).collect();
    // Written so that NaN, too, is outside.
    match norms.iter().position(|norm| !(MIN_NORM..=MAX_NORM).contains(norm)) {
        None => Ok(norms),
        Some(row) => Err(refusal(table, row, norms[row])),
    }
}

#[cold]
fn refusal(table: &Table, row: usize, norm: f64) -> DataError {
    if let Some(error) = table.first_not_finite::<f64>(row) {
        return error;
    }
    let path = table.path().to_path_buf();
    let is_zero = (0..table.row_len()).all(|j| table.value(row, j) == 0.0);
    let row = table.first_row() + row;
    if is_zero {
        DataError::ZeroRow { path, row }
    } else {
        DataError::NormOutOfRange { path, row, norm, low: MIN_NORM, high: MAX_NORM }
    }
}

fn row_norm(table: &Table, i: usize) -> f64 {
    let bytes = table.row_bytes(i);
    match table.element_type() {
        // 66051 squares of 255 fit in a u32; u64 sums of the pieces cannot overflow in a row that fits in memory.
        ElementType::U8 => {
            let piece = |piece: &[u8]| u64::from(piece.iter().map(|&byte| u32::from(byte).pow(2)).sum::<u32>());
            (bytes.chunks(4096).map(piece).sum::<u64>() as f64).sqrt()
        }
        ElementType::I8 | ElementType::I16 => {
            let squares = (0..table.row_len()).map(|j| (table.value(i, j) as i64).pow(2));
            (squares.sum::<i64>() as f64).sqrt()
        }
        _ => {
            let mut row = vec![0.0f64; table.row_len()];
            table.decode_row(i, &mut row);
            norm(&row)
        }
    }
}

/// Sum of squares in eight interleaved partial sums, which vectorises without the order depending on the register
/// width.
fn norm(row: &[f64]) -> f64 {
    let (chunks, tail) = row.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * value;
        }
    }
    for (sum, value) in sums.iter_mut().zip(tail) {
        *sum += value * value;
    }
    let halves = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
    ((halves[0] + halves[2]) + (halves[1] + halves[3])).sqrt()
}

/// Divides a row by its norm: the norm is rounded to `T`, each quotient is correctly rounded in `T`.
///
/// ```
/// let mut row = [3.0f32, 4.0];
/// memorize_data::normalize::scale_row(&mut row, 5.0);
/// assert_eq!(row, [0.6, 0.8]);
/// ```
#[inline(always)]
pub fn scale_row<T: Element>(row: &mut [T], norm: f64) {
    let norm = T::from_f64(norm);
    for value in row {
        *value = *value / norm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(element: ElementType, dims: &[usize], values: &[f64]) -> Table {
        Table::from_memory("t", element, dims, values).unwrap()
    }

    #[test]
    fn norms_of_every_type_agree() {
        let values: Vec<f64> = (0..3 * 37).map(|i| f64::from((i * 29) % 127 + 1)).collect();
        let reference: Vec<f64> = values.chunks(37).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
        for element in ElementType::ALL.into_iter().filter(|&element| element != ElementType::Bool) {
            assert_eq!(row_norms(&table(element, &[3, 37], &values)).unwrap(), reference, "{element}");
        }
        assert_eq!(row_norms(&table(ElementType::Bool, &[1, 4], &[1.0; 4])).unwrap(), [2.0]);
    }

    #[test]
    fn a_long_row_of_bytes_does_not_overflow() {
        let n = 1 << 18;
        let norms = row_norms(&table(ElementType::U8, &[1, n], &vec![255.0; n])).unwrap();
        assert_eq!(norms, [255.0 * 512.0]);
    }

    #[test]
    fn rows_of_zeros_are_named() {
        for element in ElementType::ALL {
            let error = row_norms(&table(element, &[3, 2], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0])).unwrap_err();
            assert!(matches!(error, DataError::ZeroRow { row: 1, .. }), "{error}");
        }
    }

    #[test]
    fn rows_that_are_not_finite_are_named() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = row_norms(&table(ElementType::F64, &[2, 2], &[1.0, 2.0, 3.0, bad])).unwrap_err();
            assert!(matches!(error, DataError::NotFinite { row: 1, column: 1, .. }), "{error}");
        }
    }

    #[test]
    fn norms_that_single_precision_cannot_divide_by_are_refused() {
        for bad in [1e-31, 1e-200, 1e31, 1e200] {
            let error = row_norms(&table(ElementType::F64, &[2, 2], &[1.0, 2.0, 0.0, bad])).unwrap_err();
            assert!(matches!(error, DataError::NormOutOfRange { row: 1, .. }), "{error}");
        }
    }

    #[test]
    fn scaled_rows_have_norm_one() {
        let mut row = [3.0f32, 0.0, -4.0];
        scale_row(&mut row, 5.0);
        assert_eq!(row, [0.6, 0.0, -0.8]);
        let mut row: Vec<f64> = (0..1000).map(f64::from).collect();
        let before = norm(&row);
        scale_row(&mut row, before);
        assert!((norm(&row) - 1.0).abs() < 1e-14);
    }
}
