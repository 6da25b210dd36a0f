//! The parts that the passes of this crate are made of, for a pass of one's own: cargo feature `extend`.
//!
//! [`sweep`] multiplies a packed panel by the rows of another operand, a register tile at a time, and hands each tile
//! to an [`Epilogue`] while it is in registers. A pass is a [`Kernel`](crate::arch::Kernel) that sweeps its panels, run
//! by [`Isa::run`](crate::Isa::run) on blocks of rows that [`for_chunks`](crate::parallel::for_chunks) hands to the
//! threads; with a line [`compiled!`](crate::compiled)`(Name);` it is compiled once for each element type with the
//! crate that has it. `ENGINE.md` in this crate's folder explains the parts on a page.
//!
//! This is the whole of `examples/new_pass.rs`, a pass that the crate does not have:
//!
//! ```ignore
#![doc = include_str!("../examples/new_pass.rs")]
//! ```
//!
//! What is here follows the needs of the crate's own passes: a minor release may change it.

pub use crate::backend::Plain;
pub use crate::engine::epilogue::{load_lanes, store_lanes};
pub use crate::engine::microkernel::{Epilogue, Tile, prefetch};
pub use crate::engine::operand::Packed;
pub use crate::engine::pack::{PanelLayout, Panels};
pub use crate::engine::sum::{Sum, sum_of, value_of};
pub use crate::engine::sweep::{Broadcast, PanelPart, sweep};
