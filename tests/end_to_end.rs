//! The program from end to end, a module for each command and for what all of them have in common. Apart are `memory`,
//! which wants a small process to measure from, `corpus`, which counts what it allocates, and `faults`, which has long
//! forms.

mod common;

mod bad_input;
mod bad_settings;
mod bench;
mod blas;
mod capacity;
mod certify;
mod condition;
mod data;
mod documents;
mod eval;
mod extremes;
mod help;
#[cfg(feature = "mpi")]
mod mpi;
mod named;
mod no_network;
mod nowhere;
mod outputs;
mod progress;
mod race;
mod report;
mod reproduce;
mod resume;
mod rooms;
mod saddles;
mod scarce;
mod signals;
mod solve;
mod sweep;
mod theory_mode;
