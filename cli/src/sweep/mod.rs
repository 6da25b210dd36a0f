//! Sweeps: one file, many runs.

mod plan;
mod pool;
mod table;

pub use plan::{MOST, Member, Plan, PlanError};
pub use pool::{Ended, Job, run};
pub use table::{Row, TABLE_BEGINS, csv, text};
