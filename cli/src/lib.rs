//! The command line of `memorize`, from what a person typed to what they see.
//!
//! ```text
//! args ──> commands ──> say, console, exit
//! ```
//!
//! A command asks the libraries for something, `memorize_run` for a run and `memorize_analysis` for a look at finished
//! ones, and shows what came of it. [`console`] listens to runs; [`mod@bench`], [`mod@capacity`], [`mod@condition`] and
//! [`mod@race`] show what the command of that name has found, [`tables`] what is in data files.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod advice;
pub mod args;
pub mod bench;
pub mod capacity;
pub mod commands;
pub mod condition;
pub mod console;
pub mod exit;
pub mod race;
pub mod say;
pub mod session;
pub mod tables;
