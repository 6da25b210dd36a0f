//! The trained layer: q_j = sum_i a_i (w_i . x_j)^2.

use memorize_data::random::{Purpose, Stream};
use memorize_kernels::{Element, Mat};

use crate::error::TrainError;

/// A layer of r neurons with quadratic activations and fixed signs.
#[derive(Clone, Debug)]
pub struct Network<T: Element> {
    /// W^T, r x d: a neuron a row.
    pub weights: Mat<T>,
    /// a: +1 for the first r/2 neurons, -1 for the rest.
    pub signs: Vec<T>,
}

/// The paper's output signs: +1 for the first r/2 neurons, -1 for the rest.
///
/// # Errors
/// [`TrainError::Neurons`] if r is odd or zero.
///
/// ```
/// use memorize_train::network::signs;
///
/// assert_eq!(signs::<f32>(4)?, [1.0, 1.0, -1.0, -1.0]);
/// assert!(signs::<f32>(3).is_err());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn signs<T: Element>(r: usize) -> Result<Vec<T>, TrainError> {
    if r == 0 || !r.is_multiple_of(2) {
        return Err(TrainError::Neurons(r));
    }
    Ok((0..r).map(|i| if i < r / 2 { T::ONE } else { -T::ONE }).collect())
}

/// Standard deviation of the initial entries of W that makes the outputs of a fresh network on unit rows have variance
/// one half: u = w . x is N(0, scale^2), u^2 has variance 2 scale^4, and r of them with signs add up to 2 r scale^4.
///
/// The paper does not state its initialisation.
///
/// ```
/// // 2 r scale^4 = 1/2.
/// let scale = memorize_train::network::default_init_scale(100);
/// assert!((2.0 * 100.0 * scale.powi(4) - 0.5).abs() < 1e-12);
/// ```
pub fn default_init_scale(r: usize) -> f64 {
    (4.0 * r.max(1) as f64).sqrt().sqrt().recip()
}

impl<T: Element> Network<T> {
    /// W = 0: where the paper's Algorithm 1 starts.
    ///
    /// # Errors
    /// [`TrainError::Neurons`] if r is odd or zero.
    ///
    /// ```
    /// use memorize_train::Network;
    ///
    /// let network = Network::<f64>::zeros(4, 3)?;
    /// assert!(network.weights.frobenius_norm() == 0.0 && network.signs == [1.0, 1.0, -1.0, -1.0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn zeros(r: usize, d: usize) -> Result<Self, TrainError> {
        Ok(Self { signs: signs(r)?, weights: Mat::zeros(r, d) })
    }

    /// Entries of W drawn from N(0, scale^2); neuron i from the stream (seed, weights, i).
    ///
    /// # Errors
    /// [`TrainError::Neurons`] if r is odd or zero.
    ///
    /// ```
    /// use memorize_train::Network;
    ///
    /// let network = Network::<f64>::random(4, 3, 0.1, 7)?;
    /// // A wider network of the same seed begins with the same neurons.
    /// assert_eq!(network.weights.row(3), Network::<f64>::random(6, 3, 0.1, 7)?.weights.row(3));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn random(r: usize, d: usize, scale: f64, seed: u64) -> Result<Self, TrainError> {
        Ok(Self { signs: signs(r)?, weights: normal_rows(r, d, scale, seed, Purpose::Weights) })
    }

    /// Number of neurons r.
    ///
    /// ```
    /// assert_eq!(memorize_train::Network::<f32>::zeros(4, 3)?.neurons(), 4);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn neurons(&self) -> usize {
        self.weights.rows()
    }

    /// Width of the input d.
    ///
    /// ```
    /// assert_eq!(memorize_train::Network::<f32>::zeros(4, 3)?.width(), 3);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn width(&self) -> usize {
        self.weights.cols()
    }

    /// Number of trained parameters r d.
    ///
    /// ```
    /// assert_eq!(memorize_train::Network::<f32>::zeros(4, 3)?.parameters(), 12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn parameters(&self) -> usize {
        self.neurons() * self.width()
    }

    /// The same network in f64, which holds every number of either type.
    ///
    /// ```
    /// let network = memorize_train::Network::<f32>::random(4, 3, 0.1, 7)?;
    /// assert_eq!(network.in_f64().weights.row(2)[1], f64::from(network.weights.row(2)[1]));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn in_f64(&self) -> Network<f64> {
        let weights = Mat::from_fn(self.neurons(), self.width(), |i, a| self.weights.row(i)[a].to_f64());
        Network { weights, signs: self.signs.iter().map(|sign| sign.to_f64()).collect() }
    }
}

/// A rows x cols matrix with entries N(0, scale^2), row i from the stream (seed, purpose, i).
pub(crate) fn normal_rows<T: Element>(rows: usize, cols: usize, scale: f64, seed: u64, purpose: Purpose) -> Mat<T> {
    let stream = Stream::new(seed, purpose);
    let mut mat = Mat::zeros(rows, cols);
    let mut normals = vec![0.0f64; cols];
    for i in 0..rows {
        stream.row(i as u64).fill_normal_f64(&mut normals);
        mat.row_mut(i).iter_mut().zip(&normals).for_each(|(w, normal)| *w = T::from_f64(scale * normal));
    }
    mat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_and_zero_widths_are_refused() {
        for r in [0, 1, 7] {
            assert!(matches!(Network::<f32>::zeros(r, 3), Err(TrainError::Neurons(found)) if found == r));
        }
    }

    #[test]
    fn weights_have_the_scale_asked_for_and_depend_on_the_seed() {
        let net = Network::<f64>::random(200, 50, 0.1, 7).unwrap();
        let deviation = net.weights.frobenius_norm() / 100.0;
        assert!((deviation - 0.1).abs() < 0.003, "{deviation}");
        let other = Network::<f64>::random(200, 50, 0.1, 8).unwrap();
        assert_ne!(net.weights.row(0), other.weights.row(0));
        // A wider network begins with the same neurons.
        let wider = Network::<f64>::random(300, 50, 0.1, 7).unwrap();
        assert_eq!(net.weights.row(99), wider.weights.row(99));
    }
}
