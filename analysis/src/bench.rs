//! Benchmarks: two compared, one drawn.

pub mod compare;
pub mod roofline;
