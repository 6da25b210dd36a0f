#![doc = include_str!("../README.md")]
//! # Conventions
//!
//! The mathematics stands once, as naive loops, in [`mod@reference`]; everything else makes it fast. Two linear maps
//! carry the theory: [`pass::quadratic_forms`], A(S)_j = x_j^T S x_j, and its adjoint [`pass::weighted_gram`], A*(v) =
//! sum_j v_j x_j x_j^T. Weights are held as W^T (r x d, a neuron a row); the paper's W is d x r.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "matrixmultiply", feature = "blas")),
    allow(unreachable_patterns, reason = "where the native backend is the only one, no arm is for the others")
)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod aligned;
pub mod arch;
pub mod backend;
pub mod block;
pub mod element;
pub mod engine;
pub mod error;
#[cfg(feature = "extend")]
pub mod extend;
pub mod mat;
pub mod parallel;
pub mod pass;
pub mod reference;
pub mod rows;
pub mod team;
mod workspace;

pub use arch::Isa;
pub use backend::Backend;
pub use element::Element;
pub use engine::{Engine, PackedRows, PackedSymmetric};
pub use error::KernelError;
pub use mat::{Mat, MatMut, MatRef, all_finite};
pub use parallel::Par;
pub use pulp;
pub use rows::{GatherRows, Rows};
pub use team::Spread;
pub use workspace::Workspace;
