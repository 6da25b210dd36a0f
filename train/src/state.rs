//! The state of an optimiser between two iterations: enough to go on to the same bits.
//!
//! A state is named tensors. `W` is always there, as the paper writes it (d x r); what else there is belongs to the
//! optimiser:
//!
//! | optimiser | tensors |
//! |---|---|
//! | gradient descent, SGD | none |
//! | Adam | `first` = m / (1 - beta1) and `second` = v / (1 - beta2), d x r |
//! | perturbed gradient descent | `before` = the point before the last perturbation, d x r; `perturbed` (when), `values` (before, after), a row a perturbation |
//! | accelerated descent | `velocity`, d x r; `counts`, `passes` |
//! | descent along negative curvature | `residuals`, n; `direction` and the `gradient` it was made of, d x r; `counts`, `passes` |
//!
//! Everything else follows from the configuration and the iteration: step sizes, the order of samples and the random
//! numbers, which are addressed by (seed, purpose, row). Losses, residuals and gradients are computed again, to the
//! same bits.

use std::collections::BTreeMap;

use memorize_kernels::{Element, Mat, all_finite};
use safetensors::tensor::Dtype;

use crate::error::TrainError;

/// Name of the weights among the tensors of a state and in a file.
pub const WEIGHTS: &str = "W";

/// Numbers of one type with their shape, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    /// A matrix, row-major.
    ///
    /// ```
    /// use memorize_kernels::Mat;
    /// use memorize_train::state::Tensor;
    ///
    /// let (one, other) = (Mat::from_slice(1, 2, &[1.0f32, 2.0]), Mat::from_slice(2, 1, &[1.0f32, 2.0]));
    /// assert_ne!(Tensor::matrix(&one), Tensor::matrix(&other));
    /// ```
    pub fn matrix<T: Element>(mat: &Mat<T>) -> Self {
        let mut bytes = Vec::with_capacity(mat.rows() * mat.cols() * size_of::<T>());
        (0..mat.rows()).for_each(|i| bytes.extend_from_slice(bytemuck::cast_slice(mat.row(i))));
        Self { bytes, shape: vec![mat.rows(), mat.cols()], ..Self::vector::<T>(&[]) }
    }

    /// A vector.
    ///
    /// ```
    /// use memorize_train::state::Tensor;
    ///
    /// assert_ne!(Tensor::vector(&[1.0f32]), Tensor::vector(&[1.0f64]));
    /// ```
    pub fn vector<T: Element>(values: &[T]) -> Self {
        let dtype = if size_of::<T>() == 4 { Dtype::F32 } else { Dtype::F64 };
        Self { dtype, shape: vec![values.len()], bytes: bytemuck::cast_slice(values).to_vec() }
    }

    /// Whole numbers.
    ///
    /// ```
    /// use memorize_train::state::Tensor;
    ///
    /// assert_eq!(Tensor::counts(&[3, 4]), Tensor::counts(&[3, 4]));
    /// assert_ne!(Tensor::counts(&[3]), Tensor::counts(&[4]));
    /// ```
    pub fn counts(values: &[u64]) -> Self {
        Self { dtype: Dtype::U64, shape: vec![values.len()], bytes: bytemuck::cast_slice(values).to_vec() }
    }

    /// The bytes as numbers of a type that has been compared with `dtype`.
    pub(crate) fn read<V: bytemuck::AnyBitPattern>(&self) -> Vec<V> {
        numbers(&self.bytes)
    }

    /// Whether none of the numbers, of a type that has been compared with `dtype`, is infinite or NaN.
    fn is_finite<T: Element>(&self) -> bool {
        const CHUNK: usize = 1 << 16;
        self.bytes.chunks(CHUNK).all(|chunk| all_finite(&numbers::<T>(chunk)))
    }

    /// The numbers, if they are of type T.
    fn values<T: Element>(&self) -> Option<Vec<T>> {
        (self.dtype == Self::vector::<T>(&[]).dtype).then(|| self.read())
    }
}

fn numbers<V: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Vec<V> {
    bytes.chunks_exact(size_of::<V>()).map(bytemuck::pod_read_unaligned).collect()
}

/// The state of an optimiser at the head of an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The optimiser that can go on from it.
    pub optimizer: String,
    /// The iteration that is about to be done.
    pub iteration: u64,
    /// The numbers, by name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl State {
    /// The weights W^T (r x d) at the head of an iteration.
    pub(crate) fn new<T: Element>(optimizer: &str, iteration: u64, weights: &Mat<T>) -> Self {
        Self { optimizer: optimizer.to_owned(), iteration, tensors: BTreeMap::new() }.with_matrix(WEIGHTS, weights)
    }

    /// One more matrix of the shape of the weights, a neuron a row.
    pub(crate) fn with_matrix<T: Element>(self, name: &str, matrix: &Mat<T>) -> Self {
        self.with(name, Tensor::matrix(&matrix.transposed()))
    }

    /// One more tensor.
    pub(crate) fn with(mut self, name: &str, tensor: Tensor) -> Self {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    /// The state itself, if this optimiser has left it in a run of at most so many iterations.
    ///
    /// # Errors
    /// [`TrainError::State`].
    pub(crate) fn of(self, optimizer: &str, iterations: u64) -> Result<Self, TrainError> {
        if self.optimizer != optimizer {
            let found = self.optimizer;
            return Err(TrainError::State(format!("it was left by the optimiser {found}, not by {optimizer}")));
        }
        if self.iteration > iterations {
            let found = self.iteration;
            return Err(TrainError::State(format!("it was left at iteration {found} of a run that has {iterations}")));
        }
        Ok(self)
    }

    /// A matrix of the weights' shape: r x d, a neuron a row.
    ///
    /// # Errors
    /// [`TrainError::State`] if there is none of that name, shape and type, or it holds what is not finite.
    pub(crate) fn matrix<T: Element>(&self, name: &str, r: usize, d: usize) -> Result<Mat<T>, TrainError> {
        let tensor = self.tensor(name)?;
        let values = tensor.values::<T>().filter(|_| tensor.shape == [d, r]);
        let values = values.ok_or_else(|| {
            let Tensor { dtype, shape, .. } = tensor;
            TrainError::State(format!("`{name}` is {dtype:?} {shape:?} instead of {} [{d}, {r}]", T::NAME))
        })?;
        check_finite(name, &values)?;
        Ok(Mat::from_slice(d, r, &values).transposed())
    }

    /// The first matrix with an element that is infinite or NaN: there is nothing to go on with. Vectors may hold them
    /// where something does not apply.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use memorize_kernels::Mat;
    /// use memorize_train::State;
    /// use memorize_train::state::Tensor;
    ///
    /// let state = |value: f64| {
    ///     let tensors = BTreeMap::from([("W".to_owned(), Tensor::matrix(&Mat::from_slice(1, 1, &[value])))]);
    ///     State { optimizer: "mine".to_owned(), iteration: 3, tensors }
    /// };
    /// assert_eq!((state(1.0).not_finite(), state(f64::NAN).not_finite()), (None, Some("W")));
    /// ```
    pub fn not_finite(&self) -> Option<&str> {
        let is_finite = |tensor: &Tensor| match tensor.dtype {
            Dtype::F32 => tensor.is_finite::<f32>(),
            Dtype::F64 => tensor.is_finite::<f64>(),
            _ => true,
        };
        let mut matrices = self.tensors.iter().filter(|(_, tensor)| tensor.shape.len() == 2);
        matrices.find(|(_, tensor)| !is_finite(tensor)).map(|(name, _)| name.as_str())
    }

    /// Floating-point numbers.
    ///
    /// # Errors
    /// [`TrainError::State`] if there are none of that name.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, TrainError> {
        let values = self.tensor(name)?.values();
        values.ok_or_else(|| TrainError::State(format!("`{name}` does not hold numbers of type f64")))
    }

    /// Whole numbers.
    ///
    /// # Errors
    /// [`TrainError::State`] if there are none of that name.
    pub(crate) fn counts(&self, name: &str) -> Result<Vec<u64>, TrainError> {
        let tensor = self.tensor(name)?;
        if tensor.dtype != Dtype::U64 {
            return Err(TrainError::State(format!("`{name}` does not hold whole numbers")));
        }
        Ok(tensor.read())
    }

    /// As many whole numbers as are asked for, of things that happen at most once an iteration.
    ///
    /// # Errors
    /// [`TrainError::State`] if there are not exactly so many of that name, or one is larger than the iterations done.
    pub(crate) fn count_array<const N: usize>(&self, name: &str) -> Result<[u64; N], TrainError> {
        let found = self.counts(name)?;
        if let Some(large) = found.iter().find(|&&count| count > self.iteration) {
            return Err(TrainError::State(format!("`{name}` holds {large} after {} iterations", self.iteration)));
        }
        found.try_into().map_err(|found: Vec<u64>| {
            TrainError::State(format!("`{name}` holds {} whole numbers instead of {N}", found.len()))
        })
    }

    /// As many floating-point numbers as are asked for, which sum up work.
    ///
    /// # Errors
    /// [`TrainError::State`] if there are not exactly so many of that name, or one is negative or not finite.
    pub(crate) fn number_array<const N: usize>(&self, name: &str) -> Result<[f64; N], TrainError> {
        let found = self.numbers(name)?;
        if let Some(wrong) = found.iter().find(|number| !(number.is_finite() && **number >= 0.0)) {
            return Err(TrainError::State(format!("`{name}` holds {wrong}")));
        }
        found.try_into().map_err(|found: Vec<f64>| {
            TrainError::State(format!("`{name}` holds {} numbers instead of {N}", found.len()))
        })
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, TrainError> {
        let names = || self.tensors.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.tensors
            .get(name)
            .ok_or_else(|| TrainError::State(format!("there is no tensor `{name}` in it; there are: {}", names())))
    }
}

/// Refuses what no optimiser can go on with.
pub(crate) fn check_finite<T: Element>(name: &str, values: &[T]) -> Result<(), TrainError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(TrainError::State(format!(
            "`{name}` holds {} at element {at}: the run had diverged before it was left",
            values[at]
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says<V>(outcome: Result<V, TrainError>, words: &str) {
        let Err(error) = outcome else { panic!("accepted") };
        assert!(matches!(error, TrainError::State(_)) && error.to_string().contains(words), "{error}");
    }

    #[test]
    fn numbers_come_back_to_the_bit_and_nothing_is_taken_for_something_else() {
        let w = Mat::from_fn(4, 3, |i, j| -(i as f32) / 3.0 + j as f32 * 1e-40);
        let state = State::new("test", 7, &w)
            .with("counts", Tensor::counts(&[7, 1]))
            .with("large", Tensor::counts(&[u64::MAX, 8, 1]))
            .with("values", Tensor::vector(&[f64::NAN, -0.0]));
        assert_eq!(state.matrix::<f32>(WEIGHTS, 4, 3).unwrap().padded(), w.padded());
        assert_eq!(state.count_array("counts").unwrap(), [7, 1]);
        assert_eq!(state.counts("large").unwrap(), [u64::MAX, 8, 1]);
        says(state.count_array::<3>("large"), "`large` holds 18446744073709551615 after 7 iterations");
        says(state.number_array::<2>("values"), "`values` holds NaN");
        assert_eq!(state.numbers("values").unwrap()[1].to_bits(), (-0.0f64).to_bits());
        assert_eq!(state.not_finite(), None, "a vector may hold what does not apply");
        let second = Mat::from_slice(4, 3, &[&[0.0f32; 7][..], &[f32::INFINITY], &[0.0; 4]].concat());
        let diverged = state.clone().with_matrix("second", &second);
        assert_eq!(diverged.not_finite(), Some("second"));
        says(diverged.matrix::<f32>("second", 4, 3), "`second` holds inf at element 6: the run had diverged");
        says(state.matrix::<f64>(WEIGHTS, 4, 3), "is F32 [3, 4] instead of f64 [3, 4]");
        says(state.matrix::<f32>(WEIGHTS, 3, 4), "[3, 4] instead of f32 [4, 3]");
        says(state.matrix::<f32>("first", 4, 3), "no tensor `first` in it; there are: W, counts, large, values");
        says(state.counts("values"), "whole numbers");
        says(state.numbers("counts"), "type f64");
        says(state.count_array::<3>("counts"), "2 whole numbers instead of 3");
        assert_eq!(state.clone().of("test", 7).unwrap(), state);
        says(state.clone().of("test", 6), "left at iteration 7 of a run that has 6");
        says(state.of("another", 7), "left by the optimiser test, not by another");
    }
}
