//! Statistics of the numbers of a table, for a look at a file before training on it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use rayon::prelude::*;

use crate::source::Table;

/// Most rows that are compared with each other, by 8 bytes each.
pub const MOST_COMPARED: usize = 1 << 26;

/// Pieces that are looked at before they are joined to what was there.
const AT_ONCE: usize = 256;

/// Rows that one thread looks at in a piece; pieces are put together in their order, so that sums do not depend on
/// threads.
const PIECE: usize = 1024;

/// Most different values that are counted each.
pub const MOST_VALUES: usize = 32;

/// The numbers of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Smallest finite number; infinite if there is none.
    pub min: f64,
    /// Largest finite number; minus infinity if there is none.
    pub max: f64,
    /// Mean of the finite numbers; NaN if there is none.
    pub mean: f64,
    /// Standard deviation of the finite numbers (of the population: divided by their count); NaN if there is none.
    pub deviation: f64,
    /// Numbers that are 0.
    pub zeros: u64,
    /// Numbers that are NaN or infinite.
    pub not_finite: u64,
    /// Rows in which every number is 0: they have no direction and cannot be normalised.
    pub zero_rows: u64,
    /// Rows that are the same as one before them. Samples that repeat are not in general position. Absent = not
    /// counted, for there are more than [`MOST_COMPARED`].
    pub repeated_rows: Option<u64>,
    /// Each different number with how often it occurs, if a row is one number and there are at most [`MOST_VALUES`].
    pub values: Option<Vec<(f64, u64)>>,
}

impl Statistics {
    /// Looks at every number of a table. Takes 8 bytes a row of memory, but no more than for [`MOST_COMPARED`] rows.
    ///
    /// ```
    /// use memorize_data::{ElementType, Statistics, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[3, 2], &[1.0, 2.0, 0.0, 0.0, 1.0, 2.0])?;
    /// let statistics = Statistics::of(&table);
    /// assert_eq!((statistics.zero_rows, statistics.repeated_rows), (1, Some(1)));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn of(table: &Table) -> Self {
        let compare = table.rows() <= MOST_COMPARED;
        let starts: Vec<usize> = (0..table.rows()).step_by(PIECE).collect();
        let mut whole = Piece::default();
        for starts in starts.chunks(AT_ONCE) {
            let of = |&start: &usize| Piece::of(table, start..table.rows().min(start + PIECE), compare);
            let pieces: Vec<Piece> = starts.par_iter().map(of).collect();
            pieces.into_iter().for_each(|piece| whole.add(piece));
        }
        let count = whole.count as f64;
        let mean = whole.sum / count;
        whole.hashes.par_sort_unstable();
        let repeated_rows = compare.then(|| whole.hashes.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64);
        let values = whole.values.filter(|_| table.row_len() == 1);
        Self {
            min: whole.min,
            max: whole.max,
            mean,
            deviation: (whole.spread.squares / count).sqrt(),
            zeros: whole.zeros,
            not_finite: whole.not_finite,
            zero_rows: whole.zero_rows,
            repeated_rows,
            values: values.map(|values| values.into_values().collect()),
        }
    }
}

/// Share of a range of rows.
struct Piece {
    min: f64,
    max: f64,
    sum: f64,
    spread: Spread,
    count: u64,
    zeros: u64,
    not_finite: u64,
    zero_rows: u64,
    /// A hash of each row: that of two different rows is the same with probability 2^-64.
    hashes: Vec<u64>,
    /// Numbers and their counts by a key that sorts as they do; `None` once there are too many.
    values: Option<BTreeMap<u64, (f64, u64)>>,
}

impl Default for Piece {
    fn default() -> Self {
        Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            spread: Spread::default(),
            count: 0,
            zeros: 0,
            not_finite: 0,
            zero_rows: 0,
            hashes: Vec::new(),
            values: Some(BTreeMap::new()),
        }
    }
}

impl Piece {
    fn of(table: &Table, rows: Range<usize>, compare: bool) -> Self {
        let mut piece = Self::default();
        let mut numbers = vec![0.0f64; table.row_len()];
        for row in rows {
            table.decode_row(row, &mut numbers);
            piece.look_at(&numbers);
            if !compare {
                piece.hashes.clear();
            }
        }
        piece
    }

    fn look_at(&mut self, row: &[f64]) {
        let mut hasher = DefaultHasher::new();
        let zeros = self.zeros;
        for &value in row {
            hasher.write_u64(value.to_bits());
            if !value.is_finite() {
                self.not_finite += 1;
                continue;
            }
            (self.min, self.max) = (self.min.min(value), self.max.max(value));
            self.sum += value;
            (self.count, self.zeros) = (self.count + 1, self.zeros + u64::from(value == 0.0));
        }
        self.spread.add(Spread::of(row));
        self.zero_rows += u64::from(self.zeros - zeros == row.len() as u64);
        self.hashes.push(hasher.finish());
        if let (&[value], true) = (row, self.values.is_some()) {
            self.add_value(value, 1);
        }
    }

    fn add_value(&mut self, value: f64, count: u64) {
        if let Some(values) = &mut self.values {
            values.entry(order(value)).or_insert((value, 0)).1 += count;
            if values.len() > MOST_VALUES {
                self.values = None;
            }
        }
    }

    fn add(&mut self, other: Self) {
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
        self.sum += other.sum;
        self.spread.add(other.spread);
        (self.count, self.zeros) = (self.count + other.count, self.zeros + other.zeros);
        self.not_finite += other.not_finite;
        self.zero_rows += other.zero_rows;
        self.hashes.extend(other.hashes);
        match other.values {
            Some(values) => values.into_values().for_each(|(value, count)| self.add_value(value, count)),
            None => self.values = None,
        }
    }
}

/// How far numbers are from their mean. Two sets are put together by the means' distance (Chan, Golub and LeVeque,
/// 1979): the difference of the mean square and the squared mean has no digits left where the mean is large.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    count: f64,
    /// One of the numbers, and the mean less it: beside a large number the mean would lose its last digits.
    origin: f64,
    mean: f64,
    /// sum (value - origin - mean)^2.
    squares: f64,
}

impl Spread {
    /// Of the finite numbers of a row.
    fn of(row: &[f64]) -> Self {
        let finite = || row.iter().filter(|value| value.is_finite());
        let count = finite().count() as f64;
        let Some(&origin) = finite().next() else { return Self::default() };
        let mean = finite().map(|value| (value - origin) / count).sum();
        Self { count, origin, mean, squares: finite().map(|value| (value - origin - mean).powi(2)).sum() }
    }

    fn add(&mut self, other: Self) {
        if self.count == 0.0 || other.count == 0.0 {
            *self = if self.count == 0.0 { other } else { *self };
            return;
        }
        let count = self.count + other.count;
        let apart = other.origin - self.origin + (other.mean - self.mean);
        self.squares += other.squares + apart.powi(2) * (self.count * (other.count / count));
        self.mean += apart * (other.count / count);
        self.count = count;
    }
}

/// A key that sorts as the numbers do, NaN last.
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ElementType;

    fn statistics(element: ElementType, dims: &[usize], values: &[f64]) -> Statistics {
        Statistics::of(&Table::from_memory("t", element, dims, values).unwrap())
    }

    #[test]
    fn a_small_table_is_as_counted_by_hand() {
        let found = statistics(ElementType::I16, &[4, 2], &[1.0, -3.0, 0.0, 0.0, 1.0, -3.0, 0.0, 4.0]);
        assert_eq!((found.min, found.max, found.mean), (-3.0, 4.0, 0.0));
        assert!((found.deviation - (36.0f64 / 8.0).sqrt()).abs() < 1e-15);
        assert_eq!((found.zeros, found.not_finite, found.zero_rows, found.repeated_rows), (3, 0, 1, Some(1)));
        assert_eq!(found.values, None);
    }

    #[test]
    fn the_deviation_of_numbers_far_from_zero_is_that_of_the_same_numbers_near_it() {
        for offset in [0.0, 1e6, 1e8, -1e12] {
            let values: Vec<f64> = (0..3000 * 2).map(|i| offset + f64::from(i % 2)).collect();
            for dims in [&[3000, 2][..], &[6000], &[1, 6000]] {
                let found = statistics(ElementType::F64, dims, &values);
                assert!((found.deviation - 0.5).abs() < 1e-12, "{offset} {dims:?}: {}", found.deviation);
                assert_eq!(found.mean, offset + 0.5);
            }
        }
        // The first number, or one row, is not like the others.
        let found = statistics(ElementType::F64, &[2, 2], &[1e8, 0.0, 1.0, 0.0]);
        assert!((found.deviation / (1e8f64 * 3f64.sqrt() / 4.0) - 1.0).abs() < 1e-8, "{}", found.deviation);
        assert_eq!(statistics(ElementType::F64, &[2, 2], &[7.25e9; 4]).deviation, 0.0);
    }

    #[test]
    fn labels_are_counted_each_and_in_order_across_pieces() {
        let labels: Vec<f64> = (0..3 * PIECE).map(|i| (i % 3) as f64 - 1.0).collect();
        let found = statistics(ElementType::I8, &[3 * PIECE], &labels);
        let each = PIECE as u64;
        assert_eq!(found.values, Some(vec![(-1.0, each), (0.0, each), (1.0, each)]));
        let many: Vec<f64> = (0..2 * PIECE).map(|i| (i % 33) as f64).collect();
        assert_eq!(statistics(ElementType::F32, &[2 * PIECE, 1], &many).values, None);
    }

    #[test]
    fn numbers_that_are_not_finite_are_counted_and_left_out() {
        let found = statistics(ElementType::F64, &[2, 2], &[f64::NAN, 2.0, f64::INFINITY, 4.0]);
        assert_eq!((found.not_finite, found.min, found.max, found.mean, found.deviation), (2, 2.0, 4.0, 3.0, 1.0));
        assert!(statistics(ElementType::F64, &[1], &[f64::NAN]).mean.is_nan());
    }
}
