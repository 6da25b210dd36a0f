//! The commands: each resolves and checks its configuration, then runs it.

mod bench;
mod capacity;
mod certify;
mod condition;
mod config;
mod data;
mod eval;
mod race;
mod report;
mod reproduce;
mod resume;
mod runs;
mod shell;
mod solve;
mod stored;
mod sweep;
mod train;

pub use bench::bench;
pub use capacity::capacity;
pub use certify::certify;
pub use condition::condition;
pub use config::config;
pub use data::data;
pub use eval::eval;
pub use race::race;
pub use report::{compare, report};
pub use reproduce::reproduce;
pub use resume::resume;
pub use runs::runs;
pub use shell::{completions, man};
pub use solve::solve;
pub use sweep::sweep;
pub use train::train;
