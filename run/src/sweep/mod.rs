//! Sweeps: one file, many runs.

mod log;
mod plan;
mod pool;

pub use log::Log;
pub use plan::{MOST, Member, Plan, PlanError};
pub use pool::{Ended, Job, run};
