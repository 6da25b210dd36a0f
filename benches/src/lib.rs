//! What is measured, how, and against what it is checked first: the passes at the paper's shapes.
//!
//! `cargo bench` and `memorize bench` measure the same [`Workload`]s; the latter's figures are a [`report`].
#![forbid(unsafe_code)]

mod check;
pub mod machine;
pub mod peak;
pub mod report;
pub mod scaling;
mod schedule;
mod timing;
mod workload;

pub use check::{CHECKED, CHECKED_ADAM, Mismatch, check, compare, expected};
pub use schedule::fraction;
pub use timing::{Effort, Timing, median, time};
pub use workload::{AdamConstants, Shape, TIMED_ADAM, Workload, matrix, sample_weights, signs, symmetric};
