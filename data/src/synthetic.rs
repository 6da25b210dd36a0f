//! The paper's synthetic set (figures 2 and 5): N x d inputs and N targets, all uniform in [-1, 1).
//!
//! Inputs are not normalised here; that is a stage of its own.

use memorize_kernels::element::Element;
use memorize_kernels::mat::Mat;

use crate::error::DataError;
use crate::format::ElementType;
use crate::random::{Purpose, Stream};
use crate::source::Table;

/// E y^2 of the targets: 1/3 for a uniform number in [-1, 1).
pub const TARGET_MEAN_SQUARE: f64 = 1.0 / 3.0;

/// Fills `out` with row `row` of the inputs: uniform values in [-1, 1), drawn in f64 and rounded to `T`.
///
/// ```
/// let mut row = [0.0f64; 4];
/// memorize_data::synthetic::input_row(1, 3, &mut row);
/// assert_eq!(row, memorize_data::synthetic::inputs::<f64>(1, 10, 4).row(3));
/// ```
pub fn input_row<T: Element>(seed: u64, row: u64, out: &mut [T]) {
    let mut stream = Stream::new(seed, Purpose::SyntheticInputs).row(row);
    for value in out {
        *value = T::from_f64(2.0 * stream.uniform_f64() - 1.0);
    }
}

/// Target `row`: uniform in [-1, 1), drawn in f64.
///
/// ```
/// use memorize_data::synthetic::{target, targets};
///
/// assert_eq!(target(1, 3), targets::<f64>(1, 10)[3]);
/// ```
pub fn target(seed: u64, row: u64) -> f64 {
    2.0 * Stream::new(seed, Purpose::SyntheticTargets).row(row).uniform_f64() - 1.0
}

/// The n x d matrix of inputs.
///
/// ```
/// let x = memorize_data::synthetic::inputs::<f32>(1, 20, 3);
/// assert!((x.rows(), x.cols()) == (20, 3) && x.iter().all(|value| (-1.0..1.0).contains(value)));
/// ```
pub fn inputs<T: Element>(seed: u64, n: usize, d: usize) -> Mat<T> {
    let mut inputs = Mat::zeros(n, d);
    for row in 0..n {
        input_row(seed, row as u64, inputs.row_mut(row));
    }
    inputs
}

/// The n targets, rounded to `T`.
///
/// ```
/// let y = memorize_data::synthetic::targets::<f64>(1, 20);
/// assert!(y.len() == 20 && y.iter().all(|value| (-1.0..1.0).contains(value)));
/// ```
pub fn targets<T: Element>(seed: u64, n: usize) -> Vec<T> {
    (0..n as u64).map(|row| T::from_f64(target(seed, row))).collect()
}

/// Bytes that [`tables`] takes at once.
///
/// ```
/// // 1000 rows of 8 numbers and targets that are there twice.
/// assert_eq!(memorize_data::synthetic::bytes(1000, 8), 1000 * (8 + 2) * 8);
/// ```
pub fn bytes(n: usize, d: usize) -> u64 {
    // The targets are there twice while they are encoded.
    [n as u64, (d as u64).saturating_add(2), 8].into_iter().fold(1, u64::saturating_mul)
}

/// Inputs (n x d) and targets (n) as f64 tables, for whatever takes its data from files. Their rows decode to the same
/// bits as [`inputs`] and [`targets`].
///
/// # Errors
/// [`DataError::NoRows`] or [`DataError::NoColumns`] if n or d is 0.
///
/// ```
/// use memorize_data::synthetic::{inputs, tables};
///
/// let (x, y) = tables(1, 10, 4)?;
/// assert_eq!((x.rows(), x.row_len(), y.row_len()), (10, 4, 1));
/// assert_eq!(x.value(3, 2), inputs::<f64>(1, 10, 4).row(3)[2]);
/// # Ok::<(), memorize_data::DataError>(())
/// ```
pub fn tables(seed: u64, n: usize, d: usize) -> Result<(Table, Table), DataError> {
    let inputs = Table::from_rows("synthetic inputs", ElementType::F64, &[n, d], |row, values| {
        input_row(seed, row as u64, values);
    })?;
    let targets = Table::from_memory("synthetic targets", ElementType::F64, &[n], &targets::<f64>(seed, n))?;
    Ok((inputs, targets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fill_the_interval() {
        let inputs = inputs::<f64>(3, 300, 100);
        let n = 30000.0;
        let mean = inputs.iter().sum::<f64>() / n;
        let variance = inputs.iter().map(|v| v * v).sum::<f64>() / n;
        assert!(inputs.iter().all(|v| (-1.0..1.0).contains(v)));
        // Standard deviations: mean 0.0033, variance 0.0017.
        assert!(mean.abs() < 0.015 && (variance - 1.0 / 3.0).abs() < 0.008, "{mean} {variance}");
        let square = targets::<f64>(3, 30_000).iter().map(|y| y * y).sum::<f64>() / n;
        assert!((square - TARGET_MEAN_SQUARE).abs() < 0.008, "{square}");
    }

    #[test]
    fn golden_inputs() {
        // From a second implementation, in Python; they must never change.
        let mut row = [0.0f64; 2];
        input_row(7, 0, &mut row);
        assert_eq!(row, [0.739715288411759, -0.892118385033632]);
    }

    #[test]
    fn precisions_and_tables_agree() {
        let (wide, narrow) = (inputs::<f64>(5, 7, 11), inputs::<f32>(5, 7, 11));
        let (table, target_table) = tables(5, 7, 11).unwrap();
        let mut row = [0.0f32; 11];
        for i in 0..7 {
            table.decode_row(i, &mut row);
            assert_eq!(row, narrow.row(i));
            assert!(narrow.row(i).iter().zip(wide.row(i)).all(|(&n, &w)| n == w as f32));
        }
        assert_eq!(crate::labels::targets::<f64>(&target_table).unwrap(), targets::<f64>(5, 7));
        assert!(matches!(tables(1, 0, 3), Err(DataError::NoRows { .. })));
        assert!(matches!(tables(1, 3, 0), Err(DataError::NoColumns { .. })));
    }
}
