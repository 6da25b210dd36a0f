//! The preconditioner of a search for sigma_min among f64 samples: how many landmarks it has, and in which type it is
//! kept.

use memorize_kernels::rows::Narrowed;
use memorize_kernels::{Engine, GatherRows};

use super::low_rank::LowRank;
use super::nystrom;
use crate::error::TrainError;

/// Landmarks a coordinate of the preconditioner. On MNIST with noise 0.01 four leave a residual of 14 % of the
/// eigenvalue after 400 products, six a residual of 4 %.
pub const RANK_A_COORDINATE: usize = 8;
/// Up to so many samples are all landmarks.
pub const SMALLEST_RANK: usize = 500;
/// Bytes that preconditioner and basis take at most, three quarters and one, where nobody says what they may.
pub const WORKSPACE: u64 = 2 << 30;

/// Share of the workspace that the preconditioner takes if no rank is given. A preconditioner that needs more than that
/// in f64 is kept in f32.
fn share(workspace: u64) -> u64 {
    workspace / 4 * 3
}

/// A rank of the preconditioner for n samples of width d: eight landmarks a coordinate, within its share of a
/// workspace.
///
/// ```
/// use memorize_train::theory::preconditioner::{SMALLEST_RANK, WORKSPACE, default_rank};
///
/// // Eight a coordinate, at least five hundred, and no more than there are samples.
/// assert_eq!(default_rank(60_000, 784, WORKSPACE), 8 * 784);
/// assert_eq!((default_rank(60_000, 10, WORKSPACE), default_rank(30, 10, WORKSPACE)), (SMALLEST_RANK, 30));
/// ```
pub fn default_rank(n: usize, d: usize, workspace: u64) -> usize {
    let wanted = d.saturating_mul(RANK_A_COORDINATE).max(SMALLEST_RANK).min(n);
    let affordable = share(workspace) / LowRank::<f32>::bytes(n, 1).max(1);
    wanted.min(usize::try_from(affordable).unwrap_or(usize::MAX)).max(1)
}

/// Bytes that a preconditioner of this rank for n samples keeps.
///
/// ```
/// use memorize_train::theory::low_rank::LowRank;
/// use memorize_train::theory::preconditioner::{WORKSPACE, bytes};
///
/// assert_eq!(bytes(1000, 100, WORKSPACE), LowRank::<f64>::bytes(1000, 100));
/// // Where that is too much, in f32.
/// assert_eq!(bytes(1000, 100, 1 << 20), LowRank::<f32>::bytes(1000, 100));
/// ```
pub fn bytes(n: usize, rank: usize, workspace: u64) -> u64 {
    if is_wide(n, rank, workspace) { LowRank::<f64>::bytes(n, rank) } else { LowRank::<f32>::bytes(n, rank) }
}

/// Bytes that making it takes at once, the samples apart: see [`super::nystrom::peak`].
///
/// ```
/// use memorize_train::theory::preconditioner::{WORKSPACE, bytes, peak};
///
/// assert!(peak(1000, 1000, 50, 100, WORKSPACE, 2) > bytes(1000, 100, WORKSPACE));
/// ```
pub fn peak(here: usize, n: usize, d: usize, rank: usize, workspace: u64, threads: usize) -> u64 {
    if is_wide(n, rank, workspace) {
        nystrom::peak::<f64>(here, n, d, rank, threads)
    } else {
        nystrom::peak::<f32>(here, n, d, rank, threads)
    }
}

/// Whether a preconditioner of this rank for n samples is kept in f64.
///
/// ```
/// use memorize_train::theory::preconditioner::is_wide;
///
/// assert!(is_wide(1000, 100, 2 << 30) && !is_wide(1000, 100, 1 << 20));
/// ```
pub fn is_wide(n: usize, rank: usize, workspace: u64) -> bool {
    LowRank::<f64>::bytes(n, rank) <= share(workspace)
}

/// P, in f64 or, where that would not fit, in f32: the search corrects what P gets wrong.
#[derive(Debug)]
pub enum Preconditioner {
    /// In f64.
    Wide(LowRank<f64>),
    /// In f32.
    Narrow(LowRank<f32>),
}

impl Preconditioner {
    /// From `rank` landmarks drawn by the seed, as [`LowRank::nystrom`] does it.
    ///
    /// # Errors
    /// Those of [`LowRank::nystrom`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::preconditioner::{Preconditioner, WORKSPACE};
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
    /// assert!(matches!(Preconditioner::new(Engine::best(), &x, 2, 1, WORKSPACE)?, Preconditioner::Wide(_)));
    /// assert!(matches!(Preconditioner::new(Engine::best(), &x, 2, 1, 0)?, Preconditioner::Narrow(_)));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<X: GatherRows<f64>>(
        engine: Engine,
        x: &X,
        rank: usize,
        seed: u64,
        workspace: u64,
    ) -> Result<Self, TrainError> {
        Self::of_power(engine, x, (rank, seed, workspace), 2)
    }

    /// The same for K = (X X^T)^power elementwise, as [`LowRank::nystrom_of_power`] does it; `made_of` is the rank, the
    /// seed and the workspace.
    ///
    /// # Errors
    /// Those of [`LowRank::nystrom_of_power`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::preconditioner::{Preconditioner, WORKSPACE};
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
    /// let found = Preconditioner::of_power(Engine::best(), &x, (2, 1, WORKSPACE), 4)?.apply(&[1.0, -2.0])?;
    /// assert!((found[0] / found[1] + 0.5).abs() < 1e-6);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn of_power<X: GatherRows<f64>>(
        engine: Engine,
        x: &X,
        made_of: (usize, u64, u64),
        power: u32,
    ) -> Result<Self, TrainError> {
        let (rank, seed, workspace) = made_of;
        Ok(if is_wide(x.spread().whole(), rank, workspace) {
            Self::Wide(LowRank::nystrom_of_power(engine, x, rank, seed, power)?)
        } else {
            Self::Narrow(LowRank::nystrom_of_power(engine, &Narrowed(x), rank, seed, power)?)
        })
    }

    /// P v. v: n.
    ///
    /// # Errors
    /// If v does not have n elements.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::theory::preconditioner::{Preconditioner, WORKSPACE};
    ///
    /// let x = Mat::from_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
    /// let found = Preconditioner::new(Engine::best(), &x, 2, 1, WORKSPACE)?.apply(&[1.0, -2.0])?;
    /// assert!((found[0] / found[1] + 0.5).abs() < 1e-6);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn apply(&self, v: &[f64]) -> Result<Vec<f64>, TrainError> {
        match self {
            Self::Wide(nystrom) => nystrom.apply(v),
            Self::Narrow(nystrom) => nystrom.apply(v),
        }
    }
}
