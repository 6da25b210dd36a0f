//! The words that a person can choose between, spelled alike in flags, in `config.toml` and in `summary.json`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

choice! {
    /// Where samples come from.
    enum Source in "lowercase" {
        /// The 60,000 training and 10,000 test images of MNIST
        Mnist,
        /// Random samples and targets, uniform in [-1, 1]
        Synthetic,
        /// Files given with --inputs and --targets
        Files,
    }
}

choice! {
    /// The type that numbers are computed in.
    #[derive(Default)]
    enum Dtype in "lowercase" {
        /// 32-bit floats: half the memory, twice the speed
        #[default]
        F32,
        /// 64-bit floats
        F64,
    }
}

choice! {
    /// Which implementation runs the heavy passes.
    #[derive(Default)]
    enum Backend in "lowercase" {
        /// The fused kernels of this program
        #[default]
        Native,
        /// Plain matrix products from the matrixmultiply crate, to compare with
        Matrixmultiply,
        /// Plain matrix products from OpenBLAS; in builds with `--features blas`
        Blas,
    }
}

choice! {
    /// An instruction set by name; whether this CPU has it is found out when the run starts.
    enum IsaName in "lowercase" {
        /// AVX-512 (F, BW, CD, DQ, VL)
        Avx512,
        /// AVX2 with FMA
        Avx2,
        /// NEON, of 64-bit ARM
        Neon,
        /// No vector instructions beyond the baseline
        Scalar,
    }
}

choice! {
    /// How the network's output and gradient are computed.
    #[derive(Default)]
    enum Route in "lowercase" {
        /// The cheaper of the two for these sizes
        #[default]
        Auto,
        /// Through every neuron's output, 4ndr operations
        Neuron,
        /// Through the matrix W A W^T, 2nd^2 + 3d^2r operations
        Gram,
    }
}

impl Route {
    /// The route that was chosen instead of the planner's.
    pub fn forced(self) -> Option<memorize_train::Route> {
        match self {
            Self::Auto => None,
            Self::Neuron => Some(memorize_train::Route::Neuron),
            Self::Gram => Some(memorize_train::Route::Gram),
        }
    }
}

impl From<memorize_train::Route> for Route {
    fn from(route: memorize_train::Route) -> Self {
        match route {
            memorize_train::Route::Neuron => Self::Neuron,
            memorize_train::Route::Gram => Self::Gram,
        }
    }
}

choice! {
    /// The algorithm that changes the weights.
    #[derive(Default)]
    enum OptimizerKind in "kebab-case" {
        /// Gradient descent on the whole training set
        Gd,
        /// Stochastic gradient descent on mini-batches
        Sgd,
        /// Adam on mini-batches
        #[default]
        Adam,
        /// Perturbed gradient descent (the paper's Algorithm 1) on the whole training set
        Pgd,
        /// Gradient descent with momentum on the whole training set, perturbed at saddle points
        Accelerated,
        /// Conjugate gradients with exact line searches on the whole training set, no step size to choose; leaves
        /// saddle points along Lemma 3's direction and needs 2d+2 neurons, the default
        NegativeCurvature,
        /// No descent: the network is solved for as a linear system, which also decides how many neurons it has
        Solve,
    }
}

choice! {
    /// What the size of S = W A W^T, or of a step, is measured by.
    enum Metric in "lowercase" {
        /// The samples' second moments: what they have little of costs less
        Data,
        /// The sum of squares
        Frobenius,
    }
}

impl From<Metric> for memorize_train::metric::Norm {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Data => Self::Data,
            Metric::Frobenius => Self::Frobenius,
        }
    }
}

impl OptimizerKind {
    /// Whether every iteration sees the whole training set.
    pub fn is_full_batch(self) -> bool {
        !matches!(self, Self::Sgd | Self::Adam)
    }

    /// Whether it leaves the saddle point W = 0.
    pub fn leaves_saddles(self) -> bool {
        matches!(self, Self::Pgd | Self::Accelerated | Self::NegativeCurvature)
    }

    /// Whether steps, or solutions, may be measured in the metric of the samples.
    pub fn knows_metric(self) -> bool {
        matches!(self, Self::Gd | Self::Accelerated | Self::NegativeCurvature | Self::Solve)
    }

    /// Whether the algorithm decides how many neurons there are.
    pub fn decides_neurons(self) -> bool {
        self == Self::Solve
    }
}

/// How many samples one iteration sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All of them.
    Full,
    /// That many.
    Rows(usize),
}

impl Batch {
    /// The number of samples in a batch out of `n`.
    pub fn rows(self, n: usize) -> usize {
        match self {
            Self::Full => n,
            Self::Rows(rows) => rows.min(n),
        }
    }
}

impl std::str::FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            _ => text.parse().map(Self::Rows).map_err(|_| "expected a number of samples, or `full`".to_owned()),
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Full => serializer.serialize_str("full"),
            Self::Rows(rows) => rows.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BatchVisitor;
        impl Visitor<'_> for BatchVisitor {
            type Value = Batch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of samples, or \"full\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Batch, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, rows: i64) -> Result<Batch, E> {
                usize::try_from(rows)
                    .map(Batch::Rows)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(rows), &self))
            }
            fn visit_u64<E: de::Error>(self, rows: u64) -> Result<Batch, E> {
                usize::try_from(rows)
                    .map(Batch::Rows)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(rows), &self))
            }
        }
        deserializer.deserialize_any(BatchVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use strum::VariantArray;

    use super::*;

    #[test]
    fn a_choice_has_the_same_name_as_a_flag_in_a_file_and_on_the_screen() {
        fn check<T: VariantArray + Serialize + fmt::Display + FromStr + PartialEq + fmt::Debug>() {
            for choice in T::VARIANTS {
                assert_eq!(serde_json::to_value(choice).unwrap(), choice.to_string());
                assert_eq!(T::from_str(&choice.to_string()).ok().as_ref(), Some(choice));
            }
        }
        check::<Source>();
        check::<Dtype>();
        check::<Backend>();
        check::<IsaName>();
        check::<Route>();
        check::<OptimizerKind>();
        check::<Metric>();
    }

    #[test]
    fn a_batch_never_exceeds_the_training_set() {
        assert_eq!(Batch::Full.rows(10), 10);
        assert_eq!(Batch::Rows(128).rows(10), 10);
        assert_eq!(Batch::Rows(3).rows(10), 3);
    }

    #[test]
    fn batches_parse() {
        assert_eq!("full".parse(), Ok(Batch::Full));
        assert_eq!("128".parse(), Ok(Batch::Rows(128)));
        assert!("-1".parse::<Batch>().is_err());
        assert!("some".parse::<Batch>().is_err());
    }
}
