//! The commands: each resolves and checks its configuration, then runs it.

mod bench;
mod eval;
mod reproduce;
mod train;

pub use bench::bench;
pub use eval::eval;
pub use reproduce::reproduce;
pub use train::train;
