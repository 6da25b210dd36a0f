//! Every number that tunes speed, with what it was derived from. None of them changes what is computed except where
//! it says so.

/// Rows of X that a full-batch pass handles at a time (the depth of a weighted-Gram tile).
///
/// A block of 128 x 784 f32 (400 KB) stays in a 1 MB L2 beside a panel of S (150 KB); the scaled panel of 128 x 48
/// (24 KB) and the strip of X that is broadcast (16 KB) share a 48 KB L1. Measured: 256 rows 4 % slower, 512 rows 8 %.
/// Part of the order of summation: changing it changes the last bits of M.
pub const ROW_BLOCK: usize = 128;

/// Rows a plain GEMM backend handles at a time: large enough to amortise its own packing.
pub const GEMM_ROW_BLOCK: usize = 512;

/// Rows in a leaf of the reduction tree, at most: the partial matrix of a leaf costs about 54 / rows of the leaf's own
/// work to add up (3 passes over d^2 numbers against 2 d^2 flops a row), 1.3 % here.
/// Part of the order of summation.
pub const LEAF_ROWS_MAX: usize = 4096;

/// Rows in a leaf of the reduction tree, at least: below this the leaf is too small to share.
/// Part of the order of summation.
pub const LEAF_ROWS_MIN: usize = 512;

/// Leaves that a problem between the two limits is cut into. Part of the order of summation.
pub const LEAVES: usize = 16;

/// Work below which no thread is woken, in flops: handing over to a sleeping worker and waiting for it costs about ten
/// microseconds, the time of a million flops.
pub const PARALLEL_FLOPS: f64 = 4e6;

const _: () = assert!(LEAF_ROWS_MIN.is_multiple_of(ROW_BLOCK) && LEAF_ROWS_MAX.is_multiple_of(LEAF_ROWS_MIN));
const _: () = assert!(GEMM_ROW_BLOCK.is_multiple_of(ROW_BLOCK));
