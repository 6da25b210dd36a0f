//! Targets: those of a file, and the random labels of the paper's section 5.

use std::ops::Range;

use memorize_kernels::element::Element;

use crate::error::DataError;
use crate::random::{Purpose, Stream};
use crate::source::Table;

/// Number of different random labels: they are uniform in {0, ..., 9}.
pub const RANDOM_LABELS: u32 = 10;

/// n labels, uniform in {0, ..., 9}; label i is a function of (seed, i) alone.
///
/// ```
/// let labels = memorize_data::labels::random_labels(3, 100);
/// assert!(labels.iter().all(|label| (0.0..=9.0).contains(label) && label.fract() == 0.0));
/// // Fewer labels are the first of more.
/// assert_eq!(memorize_data::labels::random_labels(3, 5), labels[..5]);
/// ```
pub fn random_labels(seed: u64, n: usize) -> Vec<f64> {
    random_labels_of(seed, 0..n)
}

/// The random labels of these rows.
///
/// ```
/// use memorize_data::labels::{random_labels, random_labels_of};
///
/// assert_eq!(random_labels_of(3, 40..50), random_labels(3, 100)[40..50]);
/// ```
pub fn random_labels_of(seed: u64, rows: Range<usize>) -> Vec<f64> {
    let stream = Stream::new(seed, Purpose::RandomLabels);
    (rows.start as u64..rows.end as u64).map(|row| f64::from(stream.row(row).below(RANDOM_LABELS))).collect()
}

/// The targets in a table of one number a row, rounded to `T`.
///
/// # Errors
/// [`DataError::TargetsNotScalar`], or a value that is not finite in `T`.
///
/// ```
/// use memorize_data::{DataError, ElementType, Table, labels};
///
/// let table = Table::from_memory("y", ElementType::U8, &[3], &[5.0, 0.0, 4.0])?;
/// assert_eq!(labels::targets::<f32>(&table)?, [5.0, 0.0, 4.0]);
/// let wide = Table::from_memory("y", ElementType::U8, &[3, 2], &[0.0; 6])?;
/// assert!(matches!(labels::targets::<f32>(&wide), Err(DataError::TargetsNotScalar { row_len: 2, .. })));
/// # Ok::<(), DataError>(())
/// ```
pub fn targets<T: Element>(table: &Table) -> Result<Vec<T>, DataError> {
    check_scalar(table)?;
    table.check_finite_as::<T>()?;
    let mut targets = vec![T::ZERO; table.rows()];
    for (i, target) in targets.iter_mut().enumerate() {
        table.decode_row(i, std::slice::from_mut(target));
    }
    Ok(targets)
}

/// Checks that there is one target for each row of inputs.
///
/// # Errors
/// [`DataError::TargetsNotScalar`] or [`DataError::RowCountMismatch`].
///
/// ```
/// use memorize_data::{DataError, ElementType, Table, labels};
///
/// let table = |rows| Table::from_memory("t", ElementType::U8, &[rows], &vec![1.0; rows]);
/// assert!(labels::check_pair(&table(3)?, &table(3)?).is_ok());
/// let error = labels::check_pair(&table(3)?, &table(2)?).unwrap_err();
/// assert!(matches!(error, DataError::RowCountMismatch { input_rows: 3, target_rows: 2, .. }));
/// # Ok::<(), DataError>(())
/// ```
pub fn check_pair(inputs: &Table, targets: &Table) -> Result<(), DataError> {
    check_scalar(targets)?;
    if inputs.rows() == targets.rows() {
        return Ok(());
    }
    Err(DataError::RowCountMismatch {
        inputs: inputs.path().into(),
        input_rows: inputs.rows(),
        targets: targets.path().into(),
        target_rows: targets.rows(),
    })
}

fn check_scalar(table: &Table) -> Result<(), DataError> {
    match table.row_len() {
        1 => Ok(()),
        row_len => Err(DataError::TargetsNotScalar { path: table.path().into(), row_len, dims: table.dims().into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ElementType;

    fn table(name: &str, element: ElementType, dims: &[usize], values: &[f64]) -> Table {
        Table::from_memory(name, element, dims, values).unwrap()
    }

    #[test]
    fn random_labels_are_uniform_and_addressed_by_row() {
        let labels = random_labels(1, 60000);
        assert_eq!(labels[..100], random_labels(1, 100));
        assert_ne!(labels[..100], random_labels(2, 100));
        assert_eq!(labels[500..700], random_labels_of(1, 500..700));
        for digit in 0..10 {
            let count = labels.iter().filter(|&&label| label == f64::from(digit)).count();
            // 6000 expected, standard deviation 73.
            assert!(count.abs_diff(6000) < 300, "{digit}: {count}");
        }
    }

    #[test]
    fn golden_labels() {
        // From a second implementation, in Python; they must never change.
        assert_eq!(random_labels(1, 12), [0.0, 0.0, 9.0, 6.0, 4.0, 6.0, 5.0, 4.0, 0.0, 5.0, 4.0, 1.0]);
    }

    #[test]
    fn targets_are_read_as_they_are() {
        assert_eq!(
            targets::<f32>(&table("y", ElementType::I64, &[3, 1], &[-1.0, 7.0, 2.0])).unwrap(),
            [-1.0, 7.0, 2.0]
        );
    }

    #[test]
    fn targets_of_more_than_one_number_are_refused() {
        let error = targets::<f64>(&table("y", ElementType::U8, &[1, 2], &[1.0, 2.0])).unwrap_err();
        assert!(matches!(error, DataError::TargetsNotScalar { row_len: 2, .. }), "{error}");
    }

    #[test]
    fn targets_that_are_not_finite_in_the_type_asked_for_are_refused() {
        let error = targets::<f64>(&table("y", ElementType::F64, &[2], &[1.0, f64::NAN])).unwrap_err();
        assert!(matches!(error, DataError::NotFinite { row: 1, column: 0, .. }), "{error}");
        let large = table("y", ElementType::F64, &[2], &[1.0, 1e39]);
        assert_eq!(targets::<f64>(&large).unwrap()[1], 1e39);
        let error = targets::<f32>(&large).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { row: 1, element: "f32", .. }), "{error}");
    }

    #[test]
    fn pairs_of_different_length_are_refused_by_name() {
        let inputs = table("x", ElementType::U8, &[3, 2], &[0.0; 6]);
        assert!(check_pair(&inputs, &table("y", ElementType::U8, &[3], &[0.0; 3])).is_ok());
        let error = check_pair(&inputs, &table("y", ElementType::U8, &[2], &[0.0; 2])).unwrap_err();
        assert!(matches!(error, DataError::RowCountMismatch { input_rows: 3, target_rows: 2, .. }), "{error}");
        assert!(matches!(check_pair(&inputs, &inputs), Err(DataError::TargetsNotScalar { .. })));
    }
}
