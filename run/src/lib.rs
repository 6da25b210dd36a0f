//! From a configuration to the folder that a run leaves.
//!
//! ```text
//! settings ──> layer ──> config ──> run ──> run_folder
//!                          ^         │
//!                     experiments    └──> events, to whoever listens
//! ```
//!
//! Each of the [`settings`] is declared once. The values that were given ([`layer`]) and their meaning ([`config`]) are
//! different types: a layer has holes, a configuration has none, and only configurations are run and written to disk.
//! [`sweep`] makes many of one file; [`capacity`] trains many small networks around d(d+1)/2 samples; [`race`],
//! [`condition`] and [`certify`] ask `memorize-train` for theirs. [`ranks`] are the processes that share a run's work;
//! [`threads`], [`blas`], [`allocator`] and [`fault`] are what a process computes with and survives.
//!
//! Nothing here prints or draws: who wants to see a run listens to its [`events`].

#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

#[macro_use]
pub mod settings;

pub mod allocator;
pub mod blas;
pub mod capacity;
pub mod certify;
pub mod condition;
pub mod config;
pub mod differences;
pub mod error;
pub mod events;
pub mod experiments;
pub mod fault;
pub mod interrupt;
pub mod layer;
pub mod nearest;
pub mod provenance;
pub mod race;
pub mod ranks;
pub mod run;
pub mod run_folder;
pub mod sweep;
pub mod threads;
pub mod units;
