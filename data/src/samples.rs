//! The stages strung together: rows of a table, prepared block by block, kept in memory or made again on every pass.
//!
//! ```text
//! table -> divide by the row's norm -> project -> add noise -> a pass
//! ```

use std::ops::Range;
use std::sync::Arc;

use memorize_kernels::arch::Loops;
use memorize_kernels::{Element, Engine, GatherRows, Isa, Mat, MatMut, MatRef, PackedRows, Par, Rows, pass, rows};

use crate::error::DataError;
use crate::normalize::{row_norms, scale_row};
use crate::pca::Projection;
use crate::perturb::add_noise;
use crate::source::Table;

/// Gaussian noise added to every coordinate of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Standard deviation sigma1.
    pub sigma: f64,
    /// Seed of the streams (seed, noise, row).
    pub seed: u64,
}

/// How rows are prepared. Stages that are `None` or `false` are left out.
#[derive(Clone, Debug, Default)]
pub struct Preparation {
    /// Divide each row by its Euclidean norm.
    pub normalize: bool,
    /// Project onto principal components, after normalising.
    pub projection: Option<Arc<Projection>>,
    /// Add noise, last.
    pub noise: Option<Noise>,
}

/// Prepared rows of a table, made whenever they are asked for.
#[derive(Debug)]
pub struct Prepared<T: Element> {
    table: Arc<Table>,
    norms: Option<Vec<f64>>,
    projection: Option<Project<T>>,
    noise: Option<Noise>,
    isa: Isa,
}

/// A projection in the element type and layout of the passes.
#[derive(Debug)]
struct Project<T: Element> {
    engine: Engine,
    basis: PackedRows<T>,
    /// Taken off in f64, before a row is rounded to T.
    mean: Vec<f64>,
}

impl<T: Element> Prepared<T> {
    /// The rows of `table`, prepared.
    ///
    /// # Errors
    /// A row of norm zero if rows are to be normalised, a value that is not finite, or a projection of another width.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use memorize_data::{ElementType, Noise, Preparation, Prepared, Table};
    /// use memorize_kernels::{Engine, Mat, Rows};
    ///
    /// let table = Arc::new(Table::from_memory("t", ElementType::U8, &[2, 2], &[3.0, 4.0, 0.0, 2.0])?);
    /// let noise = Some(Noise { sigma: 0.01, seed: 1 });
    /// let preparation = Preparation { normalize: true, noise, ..Preparation::default() };
    /// let x = Prepared::<f64>::new(&Engine::best(), table, &preparation)?;
    /// // Made when a pass asks for them, and always the same.
    /// let (mut scratch, mut again) = (Mat::zeros(1, 2), Mat::zeros(2, 2));
    /// let row = x.block(0..1, &mut scratch).row(0).to_vec();
    /// assert!((row[0] - 0.6).abs() < 0.1 && row == x.block(0..2, &mut again).row(0));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn new(engine: &Engine, table: Arc<Table>, preparation: &Preparation) -> Result<Self, DataError> {
        table.check_finite_as::<T>()?;
        let norms = if preparation.normalize { Some(row_norms(&table)?) } else { None };
        let projection = match &preparation.projection {
            Some(projection) if projection.basis.cols() != table.row_len() => {
                return Err(DataError::ProjectionWidth {
                    path: table.path().to_owned(),
                    width: table.row_len(),
                    expected: projection.basis.cols(),
                });
            }
            Some(projection) => Some(Project {
                engine: Engine { par: Par::Seq, ..*engine },
                basis: engine.pack_rows(projection.basis_as::<T>().as_ref()),
                mean: projection.mean.clone(),
            }),
            None => None,
        };
        Ok(Self { table, norms, projection, noise: preparation.noise, isa: engine.isa })
    }

    /// All rows in memory.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use memorize_data::{ElementType, Preparation, Prepared, Table};
    /// use memorize_kernels::Engine;
    ///
    /// let table = Arc::new(Table::from_memory("t", ElementType::U8, &[2, 1], &[3.0, 4.0])?);
    /// let x = Prepared::<f32>::new(&Engine::best(), table, &Preparation::default())?.to_mat();
    /// assert_eq!((x.row(0), x.row(1)), (&[3.0][..], &[4.0][..]));
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn to_mat(&self) -> Mat<T> {
        rows::to_mat(Par::POOL, self)
    }

    /// Makes the rows with these numbers.
    fn make(&self, numbers: impl ExactSizeIterator<Item = usize> + Clone, mut out: MatMut<'_, T>) {
        match &self.projection {
            None => self.decode(numbers.clone(), out.reborrow()),
            Some(projection) => {
                let mut wide = Mat::zeros(numbers.len(), self.table.row_len());
                self.decode_centred(numbers.clone(), &projection.mean, wide.as_mut());
                let (narrow, _) = out.reborrow().split_rows(numbers.len());
                pass::features(&projection.engine, wide.as_ref(), &projection.basis, 1, narrow)
                    .expect("the projection's width was compared with the table's");
            }
        }
        if let Some(Noise { sigma, seed }) = self.noise {
            for (i, number) in numbers.enumerate() {
                let number = (self.table.first_row() + number) as u64;
                add_noise(self.isa, number, seed, sigma, out.row_mut(i));
            }
        }
    }

    /// Rows without a mean, rounded to T once it is off: beside a large mean T has no digits left for what differs.
    fn decode_centred(&self, numbers: impl Iterator<Item = usize>, mean: &[f64], mut out: MatMut<'_, T>) {
        let mut wide = vec![0.0f64; mean.len()];
        for (i, number) in numbers.enumerate() {
            let norm = self.norms.as_ref().map(|norms| norms[number]);
            self.isa.run_loops(Decode { table: &self.table, number, norm, row: &mut wide });
            self.isa.run_loops(Subtract { row: &wide, mean, out: out.row_mut(i) });
        }
    }

    fn decode(&self, numbers: impl Iterator<Item = usize>, mut out: MatMut<'_, T>) {
        for (i, number) in numbers.enumerate() {
            let norm = self.norms.as_ref().map(|norms| norms[number]);
            self.isa.run_loops(Decode { table: &self.table, number, norm, row: out.row_mut(i) });
        }
    }
}

/// A row of a table, divided by its norm.
struct Decode<'a, T> {
    table: &'a Table,
    number: usize,
    norm: Option<f64>,
    row: &'a mut [T],
}

impl<T: Element> Loops for Decode<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.table.decode_row(self.number, self.row);
        if let Some(norm) = self.norm {
            scale_row(self.row, norm);
        }
    }
}

/// row - mean, rounded to T.
struct Subtract<'a, T> {
    row: &'a [f64],
    mean: &'a [f64],
    out: &'a mut [T],
}

impl<T: Element> Loops for Subtract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((out, row), mean) in self.out.iter_mut().zip(self.row).zip(self.mean) {
            *out = T::from_f64(row - mean);
        }
    }
}

impl<T: Element> Rows<T> for Prepared<T> {
    fn rows(&self) -> usize {
        self.table.rows()
    }

    fn cols(&self) -> usize {
        self.projection.as_ref().map_or(self.table.row_len(), |projection| projection.basis.columns())
    }

    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        assert!(range.end <= self.rows(), "rows {range:?} of {}", self.rows());
        let rows = range.len();
        self.make(range, scratch.as_mut());
        scratch.as_ref().rows_range(0..rows)
    }

    fn needs_scratch(&self) -> bool {
        true
    }
}

impl<T: Element> GatherRows<T> for Prepared<T> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
        let rows = indices.iter().map(|&index| index as usize);
        self.table.read_soon(rows.clone());
        self.make(rows, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ElementType;

    fn table() -> Arc<Table> {
        let values: Vec<f64> = (0..300 * 6).map(|i| f64::from((i * 37) % 251 + 1)).collect();
        Arc::new(Table::from_memory("t", ElementType::U8, &[300, 2, 3], &values).unwrap())
    }

    fn prepared(preparation: &Preparation) -> Prepared<f64> {
        Prepared::new(&Engine::best(), table(), preparation).unwrap()
    }

    #[test]
    fn stages_follow_each_other_as_documented() {
        let noise = Noise { sigma: 0.1, seed: 4 };
        let plain = prepared(&Preparation { normalize: true, ..Preparation::default() });
        let unit = plain.to_mat();
        assert!((0..300).all(|i| (unit.row(i).iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-14));
        let projection = Arc::new(Projection::fit(&Engine::best(), &plain, 4).unwrap());
        let all = Preparation { normalize: true, projection: Some(projection.clone()), noise: Some(noise) };
        let rows = prepared(&all).to_mat();
        let mut expected: Vec<f64> = (0..4)
            .map(|c| (0..6).map(|k| projection.basis.row(c)[k] * (unit.row(7)[k] - projection.mean[k])).sum())
            .collect();
        add_noise(Isa::best(), 7, 4, 0.1, &mut expected);
        for (got, expected) in rows.row(7).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn blocks_gathers_and_memory_hold_the_same_bits() {
        let preparation = Preparation { normalize: true, projection: None, noise: Some(Noise { sigma: 0.1, seed: 4 }) };
        let prepared = prepared(&preparation);
        let all = prepared.to_mat();
        let mut scratch = Mat::zeros(128, 6);
        let block = prepared.block(100..200, &mut scratch);
        assert!((0..100).all(|i| block.row(i) == all.row(100 + i)));
        let mut gathered = Mat::zeros(3, 6);
        prepared.gather(&[299, 0, 17], gathered.as_mut());
        assert_eq!([gathered.row(0), gathered.row(1), gathered.row(2)], [all.row(299), all.row(0), all.row(17)]);
    }

    #[test]
    fn a_projection_of_another_width_is_refused() {
        let other = Mat::<f64>::from_fn(5, 4, |i, j| ((i * 3 + j * j) % 7) as f64);
        let projection = Some(Arc::new(Projection::fit(&Engine::best(), &other, 2).unwrap()));
        let preparation = Preparation { projection, ..Preparation::default() };
        let error = Prepared::<f32>::new(&Engine::best(), table(), &preparation).unwrap_err();
        assert!(matches!(error, DataError::ProjectionWidth { width: 6, expected: 4, .. }), "{error}");
    }

    #[test]
    fn a_projection_far_from_the_origin_has_the_digits_of_the_type() {
        // The same samples around 0 and around 2^24, where f32 has no digits below 2: every number is exact in f64.
        let near = |j: usize, k: usize| ((j * 37 + k * 11) % 29) as f64 / 8.0;
        let projected = |offset: f64, normalize| {
            let values: Vec<f64> = (0..40 * 5).map(|i| offset + near(i / 5, i % 5)).collect();
            let table = Arc::new(Table::from_memory("t", ElementType::F64, &[40, 5], &values).unwrap());
            let plain = Preparation { normalize, ..Preparation::default() };
            let wide = Prepared::<f64>::new(&Engine::best(), table.clone(), &plain).unwrap();
            let projection = Some(Arc::new(Projection::fit(&Engine::best(), &wide, 3).unwrap()));
            let preparation = Preparation { projection, ..plain };
            let narrow = Prepared::<f32>::new(&Engine::best(), table.clone(), &preparation).unwrap();
            let mut one = Mat::zeros(1, 3);
            narrow.gather(&[17], one.as_mut());
            let all = narrow.to_mat();
            assert_eq!(one.row(0), all.row(17));
            (all, Prepared::<f64>::new(&Engine::best(), table, &preparation).unwrap().to_mat())
        };
        let (around_zero, _) = projected(0.0, false);
        let (far, exact) = projected(16_777_216.0, false);
        let close = |a: f32, b: f64, scale: f64| assert!((f64::from(a) - b).abs() < 1e-6 * scale, "{a} against {b}");
        for j in 0..40 {
            for c in 0..3 {
                close(far.row(j)[c], exact.row(j)[c], 5.0);
                close(far.row(j)[c], f64::from(around_zero.row(j)[c]), 5.0);
            }
        }
        // Divided by their norms they differ in the eighth digit.
        let (far, exact) = projected(16_777_216.0, true);
        let scale = exact.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        assert!(scale < 1e-6);
        far.iter().zip(exact.iter()).for_each(|(&far, &exact)| close(far, exact, scale));
    }

    #[test]
    fn a_share_of_the_rows_has_the_bits_that_they_have_in_the_whole() {
        let noise = Some(Noise { sigma: 0.1, seed: 4 });
        let preparation = Preparation { normalize: true, projection: None, noise };
        let all = prepared(&preparation).to_mat();
        let mut part = Arc::into_inner(table()).unwrap();
        part.keep(100..250);
        part.keep(20..60);
        assert_eq!((part.first_row(), part.rows()), (120, 40));
        let part = Prepared::<f64>::new(&Engine::best(), Arc::new(part), &preparation).unwrap().to_mat();
        assert!((0..40).all(|i| part.row(i) == all.row(120 + i)));
        let mut nothing = Arc::into_inner(table()).unwrap();
        nothing.keep(300..300);
        assert_eq!(Prepared::<f64>::new(&Engine::best(), Arc::new(nothing), &preparation).unwrap().rows(), 0);
    }

    #[test]
    fn rows_beyond_a_truncation_are_not_looked_at() {
        let mut table = Table::from_memory("t", ElementType::F64, &[3, 1], &[2.0, 4.0, 0.0]).unwrap();
        table.truncate(2);
        let preparation = Preparation { normalize: true, ..Preparation::default() };
        let rows = Prepared::<f32>::new(&Engine::best(), Arc::new(table), &preparation).unwrap().to_mat();
        assert_eq!((rows.rows(), rows.row(1)), (2, &[1.0][..]));
    }
}
