#![doc = include_str!("../README.md")]
//! # How samples are made
//!
//! Sources of samples and targets (IDX, .npy, MNIST, synthetic), and the stages that prepare them.
//!
//! ```text
//! Table (IDX, .npy, gzip of either, memory)  ->  divide by the norm  ->  (project)  ->  add noise  ->  a pass
//! ```
//!
//! A [`Table`] is an opened file of n rows; it hands out rows as raw values and knows nothing about learning. The
//! stages ([`normalize`], [`pca`], [`perturb`]) are functions of one row; [`samples`] strings them together and is
//! free to keep the result or to produce it again on every pass: the bits are the same, because all random numbers
//! are addressed by (seed, purpose, row); see [`random`].
//!
//! [`dense`] has the decompositions of small matrices, for the projection and for who builds on this crate.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![deny(unsafe_code)]

pub mod dense;
pub mod digest;
pub mod error;
pub mod format;
pub mod labels;
pub mod mnist;
pub mod normalize;
pub mod output;
pub mod pca;
pub mod perturb;
pub mod random;
pub mod samples;
pub mod shown;
pub mod small;
pub mod source;
pub mod statistics;
pub mod synthetic;

pub use error::DataError;
pub use format::ElementType;
pub use mnist::Mnist;
pub use output::{Output, OutputError};
pub use pca::Projection;
pub use samples::{Noise, Preparation, Prepared};
pub use shown::Shown;
pub use source::{Access, Table};
pub use statistics::Statistics;
