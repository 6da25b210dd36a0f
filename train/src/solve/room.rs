//! How large the preconditioner is, and the memory that a solution takes.

use memorize_kernels::Element;

use super::Settings;
use super::minimal_residual::{FEWEST_DIRECTIONS, directions_that_fit};
use crate::metric::{Metric, Norm};
use crate::span::Span;
use crate::theory::constants::capacity;
use crate::theory::low_rank::LowRank;
use crate::theory::{nystrom, pairs};

/// Landmarks a coordinate, for the least Frobenius norm. The preconditioner costs 3 n rank^2 flops, as much as 1.5
/// (rank/d)^2 products, and saves some: on MNIST with noise ranks of 1000, 2000, 3000 and 4000 take 102, 72, 56 and 47
/// products, and 3000 is the fastest.
pub const LANDMARKS_A_COORDINATE: usize = 4;
/// Products of coordinates a coordinate, for the norm that the samples give: n rank^2 flops, as much as (rank/d)^2/2
/// products. On MNIST with noise ranks of d, 2d, 3d and 4d take 31, 26, 23 and 22.
pub const PAIRS_A_COORDINATE: usize = 2;
/// Up to so many samples are all landmarks.
pub const SMALLEST_RANK: usize = 500;
/// Bytes that preconditioner and directions take at most, half each, where nobody says what they may: more would save
/// few products.
pub const WORKSPACE: u64 = 2 << 30;

/// A rank of the preconditioner for n samples of width d that makes the whole the fastest, within half of a workspace.
///
/// ```
/// use memorize_train::metric::Norm;
/// use memorize_train::solve::{SMALLEST_RANK, WORKSPACE, default_rank};
///
/// assert_eq!(default_rank::<f32>([30, 10], Norm::Data, WORKSPACE), 30);
/// assert_eq!(default_rank::<f32>([60_000, 10], Norm::Frobenius, WORKSPACE), SMALLEST_RANK);
/// ```
pub fn default_rank<T: Element>([n, d]: [usize; 2], norm: Norm, workspace: u64) -> usize {
    let a_coordinate = match norm {
        Norm::Data => PAIRS_A_COORDINATE,
        Norm::Frobenius => LANDMARKS_A_COORDINATE,
    };
    let wanted = d.saturating_mul(a_coordinate).max(SMALLEST_RANK).min(n);
    let affordable = workspace / 2 / LowRank::<T>::bytes(n, 1).max(1);
    wanted.min(usize::try_from(affordable).unwrap_or(usize::MAX)).max(1)
}

/// Bytes that [`super::solve`] takes at once, the samples apart: with `here` of n samples of width d on this rank, and
/// so many threads. For samples that are not random the search may take more, up to half of the workspace.
///
/// ```
/// use memorize_train::solve::{Settings, bytes};
///
/// let needed = |n| bytes::<f32>(n, n, 100, &Settings::new::<f32>([n, 100], 1e-8, 200, 1), 2);
/// assert!(needed(1000) < needed(4000));
/// ```
pub fn bytes<T: Element>(here: usize, n: usize, d: usize, settings: &Settings, threads: usize) -> u64 {
    let width = n.min(d);
    let (wide, own) = (size_of::<f64>(), size_of::<T>());
    let narrower = Span::is_narrower(n, d);
    let element = if narrower { wide } else { own };
    let here = if narrower { n } else { here };
    let product = |factors: &[usize]| factors.iter().fold(1u64, |all, &factor| all.saturating_mul(factor as u64));
    let (kept, made) = if element == wide {
        preconditioner_bytes::<f64>([here, n, width], settings, threads)
    } else {
        preconditioner_bytes::<T>([here, n, width], settings, threads)
    };
    // In exact arithmetic n directions are all that there are.
    let products = expected_products(n, width).min(n).min(settings.max_products);
    let directions = products.clamp(FEWEST_DIRECTIONS, directions_that_fit(n, settings.workspace / 2));
    let search = kept.saturating_add(search_bytes(here, directions));
    // The matrices of a product with K.
    let squares = product(&[width, width, 3 + threads, element]);
    // Up to 2 width neurons, as they are decomposed, and in T with a layout for the outputs; how many matrices there
    // are at once was measured.
    if narrower {
        let network = product(&[2 * width, d, 5 * wide / 2 + own]);
        // S with its decomposition, and the samples.
        let decomposed = product(&[width, width, 13 * wide / 2]).saturating_add(product(&[width, d, 5 * own / 2]));
        let searched = squares.max(decomposed).saturating_add(search);
        Span::with(n, d, made.max(searched).max(network))
    } else {
        let network = product(&[2 * width, d, wide + own]);
        let decomposed = product(&[width, width, 5 * wide]);
        made.max([search, squares, decomposed, network].into_iter().fold(0, u64::saturating_add))
    }
}

/// Bytes of the preconditioner, and what making it takes, with what the norm keeps in both.
fn preconditioner_bytes<E: Element>([here, n, width]: [usize; 3], settings: &Settings, threads: usize) -> (u64, u64) {
    let Settings { rank, norm, .. } = *settings;
    let rank = rank.min(n);
    let kept = LowRank::<E>::bytes(here, rank);
    let landmarks = nystrom::peak::<E>(here, n, width, rank, threads);
    let (metric, made) = match norm {
        Norm::Frobenius => (0, landmarks),
        Norm::Data if rank == n => (Metric::<E>::bytes(width), landmarks),
        Norm::Data => (Metric::<E>::bytes(width), pairs::peak::<E>(here, width, rank, threads)),
    };
    (kept.saturating_add(metric), made.saturating_add(metric))
}

/// Floating-point operations of what comes before the search: the preconditioner, and the norm's second moments.
/// Products of d x d matrices do not count.
///
/// ```
/// use memorize_train::metric::Norm;
/// use memorize_train::solve::{Settings, preparation};
///
/// let size = [10_000, 500];
/// let settings = Settings::new::<f32>(size, 1e-8, 200, 1);
/// assert!(preparation(size, &settings) < preparation(size, &settings.in_norm::<f32>(size, Norm::Frobenius)));
/// ```
pub fn preparation([n, d]: [usize; 2], settings: &Settings) -> f64 {
    let rank = settings.rank.min(n);
    let [wide, width, all] = [rank, d, n].map(|count| count as f64);
    let landmarks = all * wide * (3.0 * wide + 2.0 * width);
    match settings.norm {
        Norm::Frobenius => landmarks,
        Norm::Data if rank == n => all * width * width + landmarks,
        Norm::Data => all * (width * width + wide * wide + 2.0 * width * pairs::coordinates(d, rank) as f64),
    }
}

/// Products with K that a search among n samples of width d takes, if they are random, without its preconditioner: half
/// of sqrt(kappa) ln(2/epsilon) as for conjugate gradients (Saad, Iterative Methods for Sparse Linear Systems, 2003,
/// section 6.11), where the n samples x (x) x in their d(d+1)/2 dimensions have the kappa of the law of Marchenko and
/// Pastur (1967):
///
/// ```text
/// gamma = n/(d(d+1)/2),  sqrt(kappa) = (1 + sqrt(gamma))/|1 - sqrt(gamma)|
/// ```
fn expected_products(n: usize, d: usize) -> usize {
    const EPSILON: f64 = 1e-7;
    let gamma = n as f64 / capacity(d) as f64;
    let condition = (1.0 + gamma.sqrt()) / (1.0 - gamma.sqrt()).abs();
    // Numbers that are too large, and infinity, saturate.
    (condition * (2.0 / EPSILON).ln() / 2.0).ceil() as usize
}

/// Bytes of the directions that are kept whatever they take.
///
/// ```
/// use memorize_train::solve::least_search_bytes;
///
/// // So many vectors of n numbers.
/// assert_eq!(least_search_bytes(2000), 2 * least_search_bytes(1000));
/// ```
pub fn least_search_bytes(n: usize) -> u64 {
    search_bytes(n, FEWEST_DIRECTIONS)
}

/// Each product adds two vectors of n, up to half of the workspace.
fn search_bytes(n: usize, directions: usize) -> u64 {
    [2, size_of::<f64>(), n, directions].into_iter().fold(1, |all, factor| all.saturating_mul(factor as u64))
}
