//! The command line of `memorize`, from what a person typed to what they find in the run's folder.

#![forbid(unsafe_code)]

pub mod config;
pub mod exit;
pub mod layer;
pub mod plot;
pub mod progress;
pub mod report;
pub mod run_folder;
pub mod units;
