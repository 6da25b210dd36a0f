//! Whether a run came to what the paper reports: by stated criteria, from the run's own numbers.
//!
//! The paper speaks of figures in words ("falls geometrically", "does not fit well"). Each [`Criterion`] makes one of
//! its words a number that a run meets or does not.

use memorize_run::config::RunConfig;
use memorize_run::differences::differences;
use memorize_run::experiments::{Experiment, Scale};
use memorize_run::units::{number, thousands};

use crate::trace::Trace;

/// One thing that must hold for a run to agree with the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// The loss f ends at most here.
    LossAtMost(f64),
    /// The loss f ends at least here.
    LossAtLeast(f64),
    /// f or 4f, the paper does not say which it draws, ends within this factor of the paper's value.
    LossNear {
        /// The paper's value.
        value: f64,
        /// How many times as large or as small it may be.
        factor: f64,
    },
    /// The mean squared error on the test set is within this part of the paper's value.
    TestMseNear {
        /// The paper's value.
        value: f64,
        /// The part of it by which it may differ.
        part: f64,
    },
    /// The smoothed loss is this low within so many iterations.
    LowWithin {
        /// The loss.
        loss: f64,
        /// The iterations.
        iterations: u64,
    },
    /// Each third of the run lowers the smoothed loss by at least this factor.
    EachThirdFalls(f64),
    /// The last third of the run lowers the smoothed loss by at most this factor.
    LastThirdSlow(f64),
    /// The loss f ends within this factor of another experiment's.
    LossLike {
        /// The other one.
        other: Experiment,
        /// How many times as large or as small it may be.
        factor: f64,
    },
}

/// What a run came to, as far as criteria look at it.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The loss f over the whole training set, at the end.
    pub loss: f64,
    /// The mean squared error on the test set.
    pub test_mse: Option<f64>,
    /// The curve.
    pub trace: Option<&'a Trace>,
    /// Why the run is shorter than the experiment; absent = it is not.
    pub short: Option<&'a str>,
}

/// What a criterion found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The criterion in words.
    pub criterion: String,
    /// The run's own number, in words.
    pub found: String,
    /// Whether it holds; absent = that cannot be said.
    pub holds: Option<bool>,
}

/// Whether a run agrees with the paper.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every criterion holds.
    Agrees,
    /// A criterion does not hold.
    Differs,
    /// That cannot be said, and why.
    Open(String),
    /// The run is another one than the paper's, in these settings.
    NotComparable(String),
}

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Whether the run agrees.
    pub verdict: Verdict,
    /// Criterion by criterion.
    pub findings: Vec<Finding>,
}

/// What the paper's report on the experiment means in numbers.
pub fn criteria(experiment: Experiment) -> &'static [Criterion] {
    use Criterion::{
        EachThirdFalls, LastThirdSlow, LossAtLeast, LossAtMost, LossLike, LossNear, LowWithin, TestMseNear,
    };
    match experiment {
        // "Goes to 0 quickly."
        Experiment::Synthetic => &[LossAtMost(1e-10), LowWithin { loss: 1e-6, iterations: 500 }],
        // "To about 0.1, then slow; test MSE 1.21."
        Experiment::Mnist2Layer => {
            &[LossNear { value: 0.1, factor: 2.5 }, LastThirdSlow(2.0), TestMseNear { value: 1.21, part: 0.1 }]
        }
        // "Falls geometrically below 1e-5": by about the same factor in equal times.
        Experiment::Mnist2LayerNoise => &[LossAtMost(1e-5), EachThirdFalls(10.0)],
        // "Very low training error": the digits' variance is about 8, and f is a quarter of the error.
        Experiment::Mnist3Layer => &[LossAtMost(1e-3)],
        // "Does not fit well": 4f is not even a twentieth of the digits' variance.
        Experiment::Mnist2LayerRandom => &[LossAtLeast(0.1)],
        // "Fits to very high accuracy."
        Experiment::Mnist2LayerNoiseRandom => &[LossAtMost(1e-4)],
        // "Similar to mnist-3layer."
        Experiment::Mnist3LayerRandom => &[LossAtMost(1e-3), LossLike { other: Experiment::Mnist3Layer, factor: 5.0 }],
    }
}

/// The settings of a run in which it differs from the experiment as the paper has it, as text; none if in none. What
/// the paper leaves open, and what changes no result, is not among them.
pub fn departures(experiment: Experiment, config: &RunConfig) -> Option<String> {
    let paper = experiment.config(Scale::Full);
    let stated = |key: &str| {
        let section = key.split('.').next().unwrap_or_default();
        section != "run" && !["data.dir", "network.init_scale"].contains(&key)
    };
    let absent = || "none".to_owned();
    let found = differences(&[Some(config), Some(&paper)]).into_iter().filter(|setting| stated(&setting.key));
    let texts = found.map(|setting| {
        let [own, paper] = [0, 1].map(|i| setting.values.get(i).cloned().flatten().unwrap_or_else(absent));
        format!("{} = {own} instead of {paper}", setting.key)
    });
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Why a run is shorter than the experiment, if it is: in epochs, or in iterations.
pub fn shortfall(experiment: Experiment, config: &RunConfig) -> Option<String> {
    let (own, full) = (&config.run, experiment.config(Scale::Full).run);
    let less = |own: Option<u64>, full: Option<u64>, unit: &str| match (own, full) {
        (Some(own), Some(full)) if own < full => {
            Some(format!("{} of the {} {unit} that the experiment takes", thousands(own), thousands(full)))
        }
        _ => None,
    };
    less(own.epochs, full.epochs, "epochs").or_else(|| less(own.iterations, full.iterations, "iterations"))
}

/// Judges a run of an experiment. `departures` are those of its configuration, `loss_of` finds the final loss of
/// another experiment that the run may have to be compared with.
pub fn judge(
    experiment: Experiment,
    evidence: Evidence,
    departures: Option<String>,
    loss_of: impl Fn(Experiment) -> Option<f64>,
) -> Judgement {
    let findings: Vec<Finding> =
        criteria(experiment).iter().map(|criterion| criterion.examine(evidence, &loss_of)).collect();
    let undecided = || findings.iter().find(|finding| finding.holds.is_none());
    let verdict = match (departures, evidence.short) {
        (Some(departures), _) => Verdict::NotComparable(departures),
        (None, _) if findings.iter().all(|finding| finding.holds == Some(true)) => Verdict::Agrees,
        (None, Some(short)) => Verdict::Open(short.to_owned()),
        (None, None) if findings.iter().any(|finding| finding.holds == Some(false)) => Verdict::Differs,
        (None, None) => Verdict::Open(undecided().map(|finding| finding.found.clone()).unwrap_or_default()),
    };
    Judgement { verdict, findings }
}

impl Criterion {
    fn examine(self, evidence: Evidence, loss_of: impl Fn(Experiment) -> Option<f64>) -> Finding {
        let (found, holds) = self.measure(evidence, loss_of);
        // A run that is too short may meet a criterion only because it was ended.
        let holds = if evidence.short.is_some() && !self.stays_met() { None } else { holds };
        Finding { criterion: self.to_string(), found, holds }
    }

    /// Whether a run that meets it would meet it after more iterations too.
    fn stays_met(self) -> bool {
        matches!(self, Self::LossAtMost(_) | Self::LowWithin { .. })
    }

    fn measure(self, evidence: Evidence, loss_of: impl Fn(Experiment) -> Option<f64>) -> (String, Option<bool>) {
        let loss = evidence.loss;
        let f = format!("f(W) = {}", number(loss));
        let ends = |holds: bool| loss.is_finite().then_some(holds);
        // The mean of the records so far, where that part of the run was done.
        let at = |part| evidence.trace.and_then(|trace| trace.smoothed_at(part));
        let no_curve = || ("no curve".to_owned(), None);
        match self {
            Self::LossAtMost(most) => (f, ends(loss <= most)),
            Self::LossAtLeast(least) => (f, ends(loss >= least)),
            Self::LossNear { value, factor } => (
                format!("{f}, 4f = {}", number(4.0 * loss)),
                ends([loss, 4.0 * loss].iter().any(|l| is_near(*l, value, factor))),
            ),
            Self::TestMseNear { value, part } => match evidence.test_mse.filter(|mse| mse.is_finite()) {
                Some(mse) => (format!("test MSE = {}", number(mse)), Some((mse - value).abs() <= part * value)),
                None => ("no test MSE".to_owned(), None),
            },
            Self::LowWithin { loss, iterations } => {
                let Some(trace) = evidence.trace else { return no_curve() };
                match trace.smooth.iter().find(|point| point.loss <= loss) {
                    Some(point) => (
                        format!("after {} iterations", thousands(point.iteration)),
                        Some(point.iteration <= iterations),
                    ),
                    None => ("never".to_owned(), Some(false)),
                }
            }
            Self::EachThirdFalls(factor) => {
                let [Some(start), Some(first), Some(second), Some(end)] = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0].map(at)
                else {
                    return no_curve();
                };
                let falls = [start / first, first / second, second / end];
                (format!("by {}", falls.map(number).join(", ")), Some(falls.iter().all(|fall| *fall >= factor)))
            }
            Self::LastThirdSlow(factor) => {
                let [Some(second), Some(end)] = [2.0 / 3.0, 1.0].map(at) else { return no_curve() };
                (format!("by {}", number(second / end)), Some(second / end <= factor))
            }
            Self::LossLike { other, factor } => match loss_of(other).filter(|loss| loss.is_finite()) {
                Some(theirs) => (format!("{f}, there {}", number(theirs)), ends(is_near(loss, theirs, factor))),
                None => (format!("no whole run of {} to compare with", other.name()), None),
            },
        }
    }
}

impl std::fmt::Display for Criterion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::LossAtMost(most) => write!(f, "f(W) ends at most at {most:e}"),
            Self::LossAtLeast(least) => write!(f, "f(W) ends at least at {least}"),
            Self::LossNear { value, factor } => write!(f, "f(W) or 4f ends within a factor of {factor} of {value}"),
            Self::TestMseNear { value, part } => write!(f, "test MSE within {} % of {value}", 100.0 * part),
            Self::LowWithin { loss, iterations } => {
                write!(f, "smoothed loss at {loss:e} within {} iterations", thousands(iterations))
            }
            Self::EachThirdFalls(factor) => {
                write!(f, "each third of the run lowers the smoothed loss by a factor of at least {factor}")
            }
            Self::LastThirdSlow(factor) => {
                write!(f, "the last third of the run lowers the smoothed loss by a factor of at most {factor}")
            }
            Self::LossLike { other, factor } => {
                write!(f, "f(W) ends within a factor of {factor} of that of {}", other.name())
            }
        }
    }
}

fn is_near(value: f64, target: f64, factor: f64) -> bool {
    value >= target / factor && value <= target * factor
}

#[cfg(test)]
mod tests;
