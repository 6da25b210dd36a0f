//! Sources of samples and targets (IDX, .npy, bundled MNIST, synthetic), and the stages that prepare them.
//!
//! ```text
//! Table (IDX / .npy / gzip of either / memory)  ->  row norms  ->  (pca)  ->  noise  ->  a pass
//! ```
//!
//! A [`Table`] is an opened file of n rows; it hands out rows as raw values and knows nothing about learning. The
//! stages ([`normalize`], [`perturb`], [`labels`]) are functions of one row, so that whoever strings them together is
//! free to keep the result or to produce it again on every pass: the bits are the same, because all random numbers
//! are addressed by (seed, purpose, row); see [`random`].

#![deny(unsafe_code)]

pub mod error;
pub mod labels;
pub mod mnist;
pub mod normalize;
pub mod perturb;
pub mod random;
pub mod source;
pub mod synthetic;

pub use error::DataError;
pub use mnist::Mnist;
pub use source::{Access, ElementType, Table};
