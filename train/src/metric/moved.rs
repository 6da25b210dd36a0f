//! Descent in the metric of some samples: descent for the samples T x.

use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, rows};

use super::Metric;
use crate::error::TrainError;
use crate::features::{FeatureLayer, Featured};

/// The samples T x_j in memory, n x d.
///
/// A network with the weights W' has on them the outputs that one with W = T W' has on the samples themselves, and
/// -grad f(W') is -T grad f(W). So a step of size eta for W' is the step -eta T^2 grad f(W) for W: the steepest descent
/// where a change of W is as long as ||T^-1 dW||_F.
#[derive(Debug)]
pub struct Moved<T: Element> {
    /// T.
    pub metric: Metric<T>,
    /// T x_j.
    pub samples: Part<Mat<T>>,
}

impl<T: Element> Moved<T> {
    /// Moves the samples x, n x d, by their own metric. 3 n d^2 flops.
    ///
    /// # Errors
    /// Those of [`Metric::of`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat, Rows};
    /// use memorize_train::metric::{Metric, Moved};
    ///
    /// // What is long becomes shorter in comparison.
    /// let moved = Moved::new(Engine::best(), &Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]))?;
    /// let mut unused = Mat::zeros(0, 2);
    /// let x = moved.samples.block(0..2, &mut unused);
    /// assert!(x.row(1)[1] > x.row(0)[0] && x.row(1)[1] < 3.0 * x.row(0)[0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<X: GatherRows<T>>(engine: Engine, x: &X) -> Result<Self, TrainError> {
        let metric = Metric::of(&engine, x)?;
        let root = metric.root();
        let layer = FeatureLayer::new(Mat::from_fn(x.cols(), x.cols(), |i, k| T::from_f64(root[(i, k)])), 1)?;
        let samples = rows::to_mat(engine.par, &Featured::new(x, &layer, engine)?);
        Ok(Self { metric, samples: Part::new(samples, x.spread()) })
    }

    /// Bytes that they take, while they are moved, with `here` of the samples of width d on this rank.
    ///
    /// ```
    /// use memorize_train::metric::Moved;
    ///
    /// assert!(Moved::<f32>::bytes(1000, 10) >= 1000 * 10 * 4);
    /// ```
    pub fn bytes(here: usize, d: usize) -> u64 {
        let samples = (here as u64).saturating_mul(d as u64).saturating_mul(size_of::<T>() as u64);
        samples.saturating_add(Metric::<T>::bytes(d))
    }
}
