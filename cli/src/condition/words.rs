//! The verdict of `memorize condition` in words, and what is to be added to it.

use memorize_run::config::ConditionConfig;
use memorize_run::units::{number, thousands};
use memorize_train::theory::davidson::Stop;
use memorize_train::theory::position::{Degeneracy, Method, Position, Verdict};
use memorize_train::theory::tensor_power::dimension;

/// A count that may be beyond what 128 bits hold.
pub(super) fn counted(count: Option<u128>) -> String {
    match count.map(u64::try_from) {
        Some(Ok(count)) => thousands(count),
        Some(Err(_)) => count.map_or_else(String::new, |count| number(count as f64)),
        None => format!("more than {}", number(u128::MAX as f64)),
    }
}

pub(super) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GeneralPosition => "general_position",
        Verdict::Degenerate(_) => "degenerate",
        Verdict::NumericallyDegenerate => "numerically_degenerate",
        Verdict::DegenerateInSinglePrecision => "degenerate_in_f32",
        Verdict::Undecided => "undecided",
    }
}

/// The verdict in words, with what to do.
pub(super) fn explanation(found: &Position) -> String {
    let noise = "; perturb them with noise (--noise)";
    match found.verdict {
        Verdict::GeneralPosition if found.order == 2 => {
            "in general position: a network can memorise any targets".to_owned()
        }
        Verdict::GeneralPosition => format!("the tensor powers of order {} are linearly independent", found.order),
        Verdict::NumericallyDegenerate => {
            format!("numerically degenerate: sigma_min cannot be told from 0 in f64{noise}")
        }
        Verdict::DegenerateInSinglePrecision => {
            format!("numerically degenerate in f32: sigma_min^2 is below the rounding errors of sigma_max^2{noise}")
        }
        Verdict::Undecided => {
            "undecided: the search for sigma_min ended before its residual was small enough".to_owned()
        }
        Verdict::Degenerate(why) => {
            let why = match why {
                Degeneracy::BeyondCapacity => {
                    let (n, most) = (thousands(found.samples as u64), counted(dimension(found.width, found.order)));
                    let instead = if found.order == 2 { "random features (--features-k)" } else { "a higher --power" };
                    return format!(
                        "degenerate: {n} samples are more than the {most} that this width can hold; \
                         use fewer, or {instead}"
                    );
                }
                Degeneracy::ConstantZeros { width } => format!(
                    "all but {width} of {} coordinates are zero in every sample, and {width} can hold {} samples",
                    found.width,
                    counted(dimension(width, found.order))
                ),
                Degeneracy::Zero { row } => format!("sample {row} (counted from 0) is zero"),
                Degeneracy::Repeated { first, second, count } => format!(
                    "samples {first} and {second} (counted from 0) are equal up to their sign, {} in all repeat an earlier one",
                    thousands(count as u64)
                ),
            };
            format!("degenerate: {why}; remove them, or perturb the samples with noise (--noise)")
        }
    }
}

/// Notes on what was found; `proved` if a lower bound on sigma_min is.
pub(super) fn position_notes(found: &Position, config: &ConditionConfig, proved: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if found.stop == Some(Stop::Budget) {
        let residual = found.min.map_or_else(String::new, |min| format!(" with residual {}", number(min.error)));
        notes.push(format!(
            "the search for sigma_min ended after {} products{residual}: sigma_min is at most {}; allow more with --max-products, or \
             a higher --rank",
            config.max_products,
            number(found.min_below)
        ));
    }
    if found.method == Method::Iterative && found.verdict == Verdict::GeneralPosition && !proved {
        notes.push(
            "a singular value lies within the residual of sigma_min, and sigma_min is not above it; that no smaller one was missed is \
             likely and not proved"
                .to_owned(),
        );
    }
    if found.nearest.is_some_and(|nearest| !nearest.exact) {
        notes.push(
            "Lemma 8's distances take a dense decomposition; only an upper bound on the least is known".to_owned(),
        );
    }
    notes
}
