#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod error;
pub mod features;
pub mod metric;
pub mod network;
pub mod objective;
pub mod observe;
pub mod optim;
pub mod planner;
pub mod race;
pub mod schedule;
pub mod solve;
pub mod span;
pub mod spectrum;
pub mod state;
pub mod theory;
pub mod trial;

pub use error::{Divergence, TrainError};
pub use features::{FeatureLayer, Featured};
pub use network::Network;
pub use objective::{Evaluation, Objective};
pub use observe::{Observer, Outcome, Record, StopReason};
pub use planner::{Plan, Route, Samples};
pub use state::State;
