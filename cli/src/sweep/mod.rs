//! Sweeps: one file, many runs.

mod plan;

pub use plan::{MOST, Member, Plan, PlanError};
