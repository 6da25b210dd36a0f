//! The commands: each resolves and checks its configuration, then runs it.

mod eval;
mod reproduce;
mod train;

pub use eval::eval;
pub use reproduce::reproduce;
pub use train::train;
