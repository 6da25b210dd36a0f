//! The command line of `memorize`, from what a person typed to what they find in the run's folder.
//!
//! ```text
//! args  ──┐
//!         ├─> layer ──> config ──> commands ──> run ──> run_folder, plot, progress, report ──> say, exit
//! file  ──┘                ^
//!                    experiments
//! ```
//!
//! [`page`], [`comparison`] and [`runs`] read what runs have left. [`mod@bench`] stands apart: it measures the passes and trains
//! nothing; [`tables`] looks at data files. [`mod@capacity`] trains many small networks, [`mod@race`] one network with every optimiser.
//!
//! What was said ([`args`], [`layer`]) and what it means ([`config`]) are different types: a layer has holes, a
//! configuration has none, and only configurations are run and written to disk.

#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod advice;
pub mod allocator;
pub mod args;
pub mod bench;
pub mod blas;
pub mod capacity;
pub mod commands;
pub mod comparison;
pub mod condition;
pub mod config;
pub mod differences;
pub mod exit;
pub mod experiments;
pub mod fault;
pub mod layer;
pub mod nearest;
pub mod page;
pub mod plot;
pub mod progress;
pub mod provenance;
pub mod race;
pub mod ranks;
pub mod report;
pub mod run;
pub mod run_folder;
pub mod runs;
pub mod say;
pub mod sweep;
pub mod tables;
pub mod threads;
pub mod trace;
pub mod units;
