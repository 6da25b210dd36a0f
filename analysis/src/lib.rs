//! Finished runs, looked at: found in their folders ([`found`]), compared ([`comparison`], [`verdict`]), listed
//! ([`list`]), drawn ([`plot`]), in words ([`text`]) and on a page ([`page`]). [`mod@bench`] compares and draws what
//! was measured of the kernels, [`threshold`] what share of training sets around the capacity was memorised.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod bench;
pub mod comparison;
pub mod found;
pub mod list;
pub mod page;
pub mod plot;
pub mod sweep;
pub mod text;
pub mod threshold;
pub mod trace;
pub mod verdict;
