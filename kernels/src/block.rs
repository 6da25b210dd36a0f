//! Every number that tunes speed, with what it was derived from. None of them changes what is computed except where
//! it says so.
#![forbid(unsafe_code)]

/// Rows of X that a full-batch pass handles at a time (the depth of a weighted-Gram tile).
///
/// A block of 128 x 784 f32 (400 KB) stays in a 1 MB L2 beside a panel of S (150 KB); the scaled panel of 128 x 48
/// (24 KB) and the strip of X that is broadcast (16 KB) share a 48 KB L1. On a Xeon with 2 MB of
/// L2, 256 rows were 4 % slower and 512 rows 8 %.
/// Part of the order of summation: changing it changes the last bits of M.
pub const ROW_BLOCK: usize = 128;

/// Rows a plain GEMM backend handles at a time: large enough to amortise its own packing. Part of the order of
/// summation of that backend.
pub const GEMM_ROW_BLOCK: usize = 512;

/// Sums that a plain dot product keeps side by side: four registers of the baseline instruction set in f32, enough to
/// hide the latency of an addition. Part of the order of summation of the plain backends.
pub const DOT_SUMS: usize = 16;

/// Rows in a leaf of the reduction tree, at most: the partial matrix of a leaf costs about 54 / rows of the leaf's own
/// work to add up (3 passes over d^2 numbers against 2 d^2 flops a row), 1.3 % here.
/// Part of the order of summation.
pub const LEAF_ROWS_MAX: usize = 4096;

/// Rows in a leaf of the reduction tree, at least: below this the leaf is too small to share.
/// Part of the order of summation.
pub const LEAF_ROWS_MIN: usize = 512;

/// Leaves that a problem between the two limits is cut into. Part of the order of summation.
pub const LEAVES: usize = 16;

/// Numbers whose finiteness is looked at before it is decided whether to go on: a few cache lines, so that the loop has
/// no branch for each and still ends early where it can.
pub const FINITE_CHUNK: usize = 1024;

/// Work below which no thread is woken, in flops. Measured with `cargo bench --bench crossovers`: two threads are
/// slower than one at 1.3 MFLOP, 1.2 times as fast at 2.6 and 1.5 times at 5.1.
pub const PARALLEL_FLOPS: u64 = 4_000_000;

/// Flops of a pass in the time that it takes to move an element from one array to another: a core's 240 GFLOP/s against
/// some 30 GB/s, in f32. An estimate, good enough to tell what is worth a second thread.
pub const FLOPS_PER_MOVE: f64 = 32.0;

/// Pieces that independent rows are cut into for each thread, if there are rows enough: a thread that comes late, or a
/// core that is slower, costs a part of a piece.
pub const PIECES_PER_WORKER: usize = 4;

/// Leaves of a reduction for each thread from which on threads have leaves to themselves: halves of halves of the tree
/// have as many rows each, so that one, two and four threads are as busy as each other.
pub const LEAVES_PER_WORKER: usize = 4;

/// Parts that the matrix of a leaf is cut into for each thread beyond that, all leaves together. A leaf's blocks follow
/// each other, so it is the parts that keep threads busy until the largest leaf is done.
pub const PARTS_PER_WORKER: usize = 8;

/// Parts of a leaf's matrix at most: with d = 784 half a panel each, whose rows are scaled twice.
pub const LEAF_PARTS_MAX: usize = 32;

/// Rows of a leaf that several threads work on before they wait for each other: 1.6 MB of f32 with d = 784, which stay
/// in the cache that they share, and work of about a millisecond for six threads.
pub const WINDOW_ROWS: usize = 512;

/// Rows of the smallest piece, and what every piece is a multiple of: whole tiles of each instruction set (8, 6 and 4
/// rows). A panel that is fetched from L2 for 24 rows is used for as many multiply-adds as a load from there takes.
pub const PIECE_ROWS: usize = 24;

/// Elements of each array that a thread updates at a time, four arrays of 16 KB: L2-sized pieces of work.
pub const UPDATE_CHUNK: usize = 4096;

/// Elements that an inner product adds up by themselves: some microseconds of work, and two arrays of 64 KB in f32.
/// Part of the order of summation.
pub const SUM_CHUNK: usize = 1 << 14;

/// Sums side by side in an inner product: two registers of f64 on AVX-512, where one sum would wait for each of its
/// additions. Part of the order of summation.
pub const SUM_CHAINS: usize = 16;

/// Neurons that the fused step hands to a plain GEMM at a time: enough for its own packing to pay, few enough to share
/// the neurons of the paper's net among a dozen threads. Part of the order of summation of the outputs.
pub const GEMM_NEURONS: usize = 256;

/// Threads for each group of neurons from which on a pass over all samples shares the samples instead: each thread then
/// has the weights and a gradient to itself, and none waits for others after every block.
pub const LEAVES_FROM: usize = 4;

/// Pieces that a group of neurons is cut into at most, where there are more threads than groups.
pub const GROUP_PIECES_MAX: usize = 8;

/// Tiles of samples or coordinates that a piece of a group has at least.
pub const TILES_PER_PIECE: usize = 2;

/// How much busier than it must be the busiest thread may be, for fewer pieces.
pub const NEARLY: f64 = 1.03;

/// Strips of a batch that a thread writes at a time: 16 x 8 columns of a batch of 128 are 64 KB.
pub const STRIPS: usize = 16;

/// Samples of a batch that a thread gathers at a time.
pub const GATHERED_ROWS: usize = 16;

/// Flops of a pass in the time that it takes to make a number of a sample: to find it in memory, to decode and to
/// divide it. An estimate; with noise or features it takes longer.
pub const FLOPS_PER_NUMBER: f64 = 100.0;

/// Rows that X s and X^T v read at once, each from another place of a block of rows: a core asks memory for more at
/// once if it reads from several places. Reading eight neighbouring rows reached 0.75 to 0.8 of this throughput, one row
/// after the other 0.8, and asking ahead made it slower. The result of X^T v is loaded and stored an eighth as often as
/// X. Part of the order of summation of X^T v.
pub const ROWS_AT_ONCE: usize = 8;

/// Columns of X^T v that a thread adds up where several share a leaf are a multiple of this: whole cache lines.
pub const COLUMNS_AT_ONCE: usize = 64;

/// Bytes of a cache line.
pub const CACHE_LINE: usize = 64;

/// Cache lines of the next block that a tile of quadratic forms asks for at each of its NR stages: 128 x 784 f32 are
/// 6272 lines, and 272 tiles work on as many. Without it the first touch of X, a few columns of each row at a time,
/// cost the weighted Gram 12 % and the quadratic forms 1 to 2 %.
pub const LINES_AHEAD: usize = 3;

/// Bytes of the smallest buffer that a workspace keeps: half of what glibc maps by itself, from where on each use of
/// fresh memory is a page fault. Less is left to the allocator, which is as quick with it.
pub const KEPT_FROM: usize = 1 << 16;

/// Side of the squares in which a triangle is mirrored: two of 32 x 32 f64 are 16 KB, a third of L1.
pub const MIRROR_SQUARE: usize = 32;

/// The register tile for AVX-512: MV registers of the packed operand by NR broadcast elements. Of 32 registers 24 are
/// accumulators, 3 hold the panel, 1 the broadcast element (28 accumulators spill).
pub const TILE_AVX512: (usize, usize) = (3, 8);

/// The register tile for AVX2. Of 16 registers 12 are accumulators, 2 hold the panel, 1 the broadcast element (3 x 4
/// needs all 16, and the compiler spills: less than half the speed).
pub const TILE_AVX2: (usize, usize) = (2, 6);

/// The register tile for NEON. Of 32 registers 24 are accumulators, 3 hold the panel, 5 are left for what is broadcast:
/// `fmla` multiplies by an element as it was loaded. In the compiled loops a step is 3 loads of the panel, 8 of
/// elements and 24 multiply-adds, and nothing goes to the stack. Not timed, for want of such a machine.
pub const TILE_NEON: (usize, usize) = (3, 8);

/// The register tile without vector instructions to speak of: compiled to SSE2, 16 registers without a fused
/// multiply-add, where 8 accumulators leave room for the products.
pub const TILE_SCALAR: (usize, usize) = (2, 4);

const _: () = assert!(LEAF_ROWS_MIN.is_multiple_of(ROW_BLOCK) && LEAF_ROWS_MAX.is_multiple_of(LEAF_ROWS_MIN));
const _: () = assert!(GEMM_ROW_BLOCK.is_multiple_of(ROW_BLOCK) && WINDOW_ROWS.is_multiple_of(GEMM_ROW_BLOCK));

#[cfg(test)]
mod tests {
    /// Names of files, functions and numbers that the page speaks of.
    #[test]
    fn the_page_speaks_of_what_exists() {
        let page = include_str!("../ENGINE.md");
        let block = include_str!("block.rs");
        let constants = page.split('`').filter(|word| {
            word.len() > 3
                && word.contains('_')
                && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        });
        let mut named = 0;
        for constant in constants.filter(|&name| name != crate::arch::ISA_VARIABLE) {
            assert!(block.contains(&format!("pub const {constant}:")), "block.rs has no {constant}");
            named += 1;
        }
        assert!(named >= 5, "the page names the numbers that tune speed");
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        // The crate by itself has no other folders beside it.
        let alone = !folder.join("../benches").exists();
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(folder.join(link).exists() || alone && link.starts_with("../"), "{link}");
        }
    }
}
