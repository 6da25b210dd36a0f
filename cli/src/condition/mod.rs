//! What `memorize condition` reports: the position of a training set, and what the paper's theorems say of it.

mod proved;
mod show;
mod theorem6;
mod theory;
mod words;

pub use proved::Proved;
pub use show::Report;
pub use theory::Theory;
