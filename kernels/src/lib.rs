//! Fused, cache-blocked, SIMD-dispatched passes for networks with quadratic activations.

pub mod arch;
pub mod element;
pub mod error;
pub mod mat;
pub mod rows;
