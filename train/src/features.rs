//! The first layer of a three-layer net: fixed random features z = (R x)^p, which stand in X's place.

use std::ops::Range;

use memorize_data::random::Purpose;
use memorize_kernels::error::check_shape;
use memorize_kernels::{Element, Engine, GatherRows, Mat, MatMut, MatRef, PackedRows, Par, Rows, Spread, pass};

use crate::error::TrainError;
use crate::network::normal_rows;

/// Largest power of the features: by then (Rx)^p is nothing but overflow and zeros.
pub const MAX_POWER: u32 = 64;

/// Fixed first-layer weights R (k x d) and the power p.
#[derive(Clone, Debug)]
pub struct FeatureLayer<T: Element> {
    weights: Mat<T>,
    power: u32,
}

impl<T: Element> FeatureLayer<T> {
    /// Entries of R drawn from N(0, sigma2^2); feature k from the stream (seed, features, k).
    ///
    /// # Errors
    /// [`TrainError::Power`] if p is zero or above [`MAX_POWER`].
    ///
    /// ```
    /// use memorize_train::FeatureLayer;
    ///
    /// let layer = FeatureLayer::<f64>::random(5, 3, 2, 0.1, 1)?;
    /// assert_eq!((layer.weights().rows(), layer.weights().cols(), layer.power()), (5, 3, 2));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn random(k: usize, d: usize, power: u32, sigma2: f64, seed: u64) -> Result<Self, TrainError> {
        Self::new(normal_rows(k, d, sigma2, seed, Purpose::Features), power)
    }

    /// A layer with given weights.
    ///
    /// # Errors
    /// [`TrainError::Power`] if p is zero or above [`MAX_POWER`].
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::FeatureLayer;
    ///
    /// assert!(FeatureLayer::new(Mat::from_slice(1, 2, &[1.0, -1.0]), 2).is_ok());
    /// assert!(FeatureLayer::new(Mat::from_slice(1, 2, &[1.0, -1.0]), 0).is_err());
    /// ```
    pub fn new(weights: Mat<T>, power: u32) -> Result<Self, TrainError> {
        if (1..=MAX_POWER).contains(&power) {
            Ok(Self { weights, power })
        } else {
            Err(TrainError::Power { power, most: MAX_POWER })
        }
    }

    /// R, k x d.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::FeatureLayer;
    ///
    /// let layer = FeatureLayer::new(Mat::from_slice(1, 2, &[1.0f32, -1.0]), 2)?;
    /// assert_eq!(layer.weights().row(0), [1.0, -1.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn weights(&self) -> &Mat<T> {
        &self.weights
    }

    /// p.
    ///
    /// ```
    /// assert_eq!(memorize_train::FeatureLayer::<f32>::random(5, 3, 2, 0.1, 1)?.power(), 2);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn power(&self) -> u32 {
        self.power
    }
}

/// Samples seen through a feature layer: rows z_j = (R x_j)^p, computed whenever they are asked for.
#[derive(Debug)]
pub struct Featured<T: Element, X> {
    inner: X,
    engine: Engine,
    packed: PackedRows<T>,
    power: u32,
}

impl<T: Element, X: Rows<T>> Featured<T, X> {
    /// The features of `inner`'s rows. They are computed on the thread that asks for them.
    ///
    /// # Errors
    /// [`TrainError::Kernel`] if the layer's width is not that of the samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat, Par, rows};
    /// use memorize_train::{FeatureLayer, Featured};
    ///
    /// let layer = FeatureLayer::new(Mat::from_slice(1, 2, &[1.0f64, -1.0]), 2)?;
    /// let z = Featured::new(Mat::from_slice(1, 2, &[5.0, 2.0]), &layer, Engine::best())?;
    /// assert_eq!(rows::to_mat(Par::Seq, &z).row(0), [9.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new(inner: X, layer: &FeatureLayer<T>, engine: Engine) -> Result<Self, TrainError> {
        check_shape("width of the feature layer", inner.cols(), layer.weights.cols())?;
        let engine = Engine { par: Par::Seq, ..engine };
        Ok(Self { inner, engine, packed: engine.pack_rows(layer.weights.as_ref()), power: layer.power })
    }

    fn inner_scratch(&self, rows: usize) -> Mat<T> {
        Mat::zeros(if self.inner.needs_scratch() { rows } else { 0 }, self.inner.cols())
    }

    fn compute(&self, x: MatRef<'_, T>, out: MatMut<'_, T>) {
        pass::features(&self.engine, x, &self.packed, self.power, out).expect("widths were compared in `new`");
    }
}

impl<T: Element, X: Rows<T>> Rows<T> for Featured<T, X> {
    fn rows(&self) -> usize {
        self.inner.rows()
    }

    fn cols(&self) -> usize {
        self.packed.columns()
    }

    fn block<'b>(&'b self, range: Range<usize>, scratch: &'b mut Mat<T>) -> MatRef<'b, T> {
        let rows = range.len();
        let mut inner = self.inner_scratch(rows);
        let (out, _) = scratch.as_mut().split_rows(rows);
        self.compute(self.inner.block(range, &mut inner), out);
        scratch.as_ref().rows_range(0..rows)
    }

    fn needs_scratch(&self) -> bool {
        true
    }

    fn spread(&self) -> Spread {
        self.inner.spread()
    }
}

impl<T: Element, X: GatherRows<T>> GatherRows<T> for Featured<T, X> {
    fn gather(&self, indices: &[u32], out: MatMut<'_, T>) {
        let mut inner = Mat::zeros(indices.len(), self.inner.cols());
        self.inner.gather(indices, inner.as_mut());
        let (out, _) = out.split_rows(indices.len());
        self.compute(inner.as_ref(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_gathered_rows_and_the_whole_agree() {
        let x = Mat::<f64>::from_fn(300, 7, |i, j| ((i * 7 + j) % 13) as f64 - 6.0);
        let layer = FeatureLayer::random(20, 7, 3, 0.5, 1).unwrap();
        let features = Featured::new(&x, &layer, Engine::best()).unwrap();
        let all = memorize_kernels::rows::to_mat(Par::POOL, &features);
        let mut scratch = Mat::zeros(128, 20);
        assert_eq!(features.block(130..200, &mut scratch).row(5), all.row(135));
        let mut gathered = Mat::zeros(2, 20);
        features.gather(&[299, 4], gathered.as_mut());
        assert_eq!((gathered.row(0), gathered.row(1)), (all.row(299), all.row(4)));
        let direct: f64 = (0..7).map(|i| layer.weights().row(3)[i] * x.row(9)[i]).sum::<f64>().powi(3);
        assert!((all.row(9)[3] - direct).abs() < 1e-12 * direct.abs().max(1.0));
    }

    #[test]
    fn powers_out_of_range_are_refused() {
        for power in [0, MAX_POWER + 1, u32::MAX] {
            let layer = FeatureLayer::<f32>::random(2, 2, power, 1.0, 1);
            assert!(matches!(layer, Err(TrainError::Power { power: found, .. }) if found == power));
        }
    }
}
