//! The fused passes, one a file. Each is tested against [`crate::reference`].
#![forbid(unsafe_code)]

mod batch;
mod features;
mod fused_step;
mod gemm_group;
mod gradient;
mod moment;
mod neuron_route;
mod panel_group;
mod quadratic_forms;
mod start;
mod sums;
mod update;
mod upper_triangle;
mod vector_product;
mod weighted_gram;

pub use batch::Batch;
pub use features::features;
pub use fused_step::{FusedStep, Primed};
pub use gradient::{gradient_from_moment, gradient_of_moment, network_forms, network_matrix};
pub use moment::{LossAndMoment, Moment, loss_and_moment};
pub use neuron_route::{LossAndGradient, loss_and_gradient, outputs, shared_samples_bytes};
pub use quadratic_forms::quadratic_forms;
pub use sums::{add_scaled, dot, norm};
pub use update::{AdamStep, Backward, Memory, Rule, Weights, update};
pub use vector_product::{times_vector, transposed_times_vector};
pub use weighted_gram::{weighted_gram, weighted_gram_bytes};
