//! What the page says: every text and number, ready for the template.

use askama::Template;
use memorize_run::config::{OptimizerKind, RunConfig};
use memorize_run::experiments::Experiment;
use memorize_run::run_folder::{SMOOTHING, StopReason, Summary};
use memorize_run::units::{number, thousands};

use super::chart::{self, Chart};
use super::{Focus, GENERATOR};
use crate::comparison::{Comparison, MEASURES, ORIGINS};
use crate::found::FoundRun;
use crate::plot::PlotError;
use crate::text::{NONE, epochs};
use crate::verdict::{self, Evidence, Finding, Judgement, Verdict, judge};

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    pub title: String,
    generator: &'static str,
    style: &'static str,
    script: &'static str,
    version: &'static str,
    lead: String,
    /// How many runs have which verdict: class and text.
    tally: Vec<(&'static str, String)>,
    problems: Vec<String>,
    judged: Vec<Judged>,
    smoothing: usize,
    names: Vec<String>,
    differences: Vec<Group>,
    /// All curves in one chart; none or one.
    overview: Vec<Chart>,
    /// Whether a curve in it is off from the start.
    off: bool,
    number_labels: Vec<&'static str>,
    runs: Vec<RunView>,
    choices: Vec<(&'static str, String)>,
    origin: Vec<(&'static str, String)>,
    /// A command line and the runs that it made.
    commands: Vec<(String, String)>,
    data: String,
}

/// An experiment beside what the paper reports.
struct Judged {
    id: usize,
    name: String,
    figures: &'static str,
    reports: &'static str,
    /// Parts that stay in one line.
    outcome: Vec<String>,
    class: &'static str,
    verdict: &'static str,
    why: String,
    findings: Vec<FindingView>,
}

struct FindingView {
    class: &'static str,
    mark: &'static str,
    word: &'static str,
    criterion: String,
    found: String,
}

/// A table of differences.
struct Group {
    title: String,
    rows: Vec<DifferenceRow>,
    none: &'static str,
}

struct DifferenceRow {
    label: String,
    values: Vec<String>,
}

/// One run.
struct RunView {
    id: usize,
    name: String,
    stem: String,
    subtitle: String,
    numbers: Vec<String>,
    /// None or one.
    chart: Vec<Chart>,
    config: String,
}

impl Page {
    /// The page about `runs`, whose pictures have these names.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub(super) fn of(
        runs: &[FoundRun],
        stems: &[String],
        problems: &[String],
        focus: Focus,
    ) -> Result<Self, PlotError> {
        let all: Vec<(usize, &FoundRun)> = runs.iter().enumerate().collect();
        let mut judged: Vec<Judged> = all.iter().filter_map(|&(id, run)| Judged::of(id, run, runs)).collect();
        if focus == Focus::Differences {
            judged.clear();
        }
        let title = match focus {
            Focus::Differences => "Runs compared".to_owned(),
            Focus::Results if judged.len() == runs.len() => {
                "Memorising training data: the paper\u{2019}s figures redrawn".to_owned()
            }
            Focus::Results => "Training runs".to_owned(),
        };
        let own = runs.iter().flat_map(|run| run.problems.iter().map(|problem| format!("{}: {problem}", run.name)));
        let measures: Vec<_> =
            MEASURES.iter().filter(|measure| runs.iter().any(|run| measure.value(run).is_some())).collect();
        let view = |(&(id, run), stem): (&(usize, &FoundRun), &String)| -> Result<RunView, PlotError> {
            let config = run.config.as_ref().and_then(|config| config.to_toml().ok());
            Ok(RunView {
                id,
                name: run.name.clone(),
                stem: stem.clone(),
                subtitle: subtitle(run),
                numbers: measures.iter().map(|measure| measure.text(run)).collect(),
                chart: Chart::of_one(id, run)?.into_iter().collect(),
                config: config.unwrap_or_else(|| NONE.to_owned()),
            })
        };
        let views = all.iter().zip(stems).map(view).collect::<Result<_, _>>()?;
        let overview = Chart::of_all(runs)?;
        Ok(Self {
            lead: lead(runs, !judged.is_empty()),
            title,
            generator: GENERATOR,
            style: include_str!("../../templates/page.css"),
            script: include_str!("../../templates/page.js"),
            version: env!("CARGO_PKG_VERSION"),
            tally: tally(&judged),
            problems: problems.iter().cloned().chain(own).collect(),
            smoothing: SMOOTHING,
            names: runs.iter().map(|run| run.name.clone()).collect(),
            differences: if focus == Focus::Differences { differences(runs) } else { Vec::new() },
            off: overview.iter().any(|chart| chart.lines.iter().any(|line| !line.shown)),
            overview: overview.into_iter().collect(),
            number_labels: measures.iter().map(|measure| measure.label).collect(),
            runs: views,
            choices: if judged.is_empty() { Vec::new() } else { choices(runs) },
            origin: origin(runs),
            commands: commands(runs),
            judged,
            data: chart::data(runs),
        })
    }
}

fn lead(runs: &[FoundRun], with_paper: bool) -> String {
    let count = if runs.len() == 1 { "One run".to_owned() } else { format!("{} runs", runs.len()) };
    let of = if with_paper {
        " of the experiments in \u{201c}Mildly Overparametrized Neural Nets Can Memorize Training Data Efficiently\u{201d} \
         (Ge, Wang, Zhao, 2019)"
    } else {
        ""
    };
    format!("{count}{of}: networks with quadratic activations, trained on CPUs.")
}

impl Judged {
    /// A run beside what the paper reports; none if it is no experiment of the paper or has no results.
    fn of(id: usize, run: &FoundRun, runs: &[FoundRun]) -> Option<Self> {
        let summary = run.summary.as_ref()?;
        let experiment = experiment_of(summary)?;
        let Judgement { verdict, findings } = judgement(run, summary, experiment, runs);
        let (class, word, why) = match verdict {
            Verdict::Agrees => ("agrees", "\u{2713} agrees", String::new()),
            Verdict::Differs => ("differs", "\u{2717} differs", String::new()),
            Verdict::Open(why) => ("open", "? open", why),
            Verdict::NotComparable(why) => ("other", "\u{2260} other settings", why),
        };
        let mut outcome =
            vec![format!("f(W) = {},", number(summary.train_loss)), format!("MSE = {}", number(summary.train_mse))];
        outcome.extend(summary.test_mse.map(|mse| format!("and test MSE = {}", number(mse))));
        outcome.push(format!("after {} passes", epochs(summary.epochs)));
        Some(Self {
            id,
            name: run.name.clone(),
            figures: experiment.figures(),
            reports: experiment.reports(),
            outcome,
            class,
            verdict: word,
            why,
            findings: findings.into_iter().map(FindingView::of).collect(),
        })
    }
}

impl FindingView {
    fn of(finding: Finding) -> Self {
        let (class, mark, word) = match finding.holds {
            Some(true) => ("yes", "\u{2713}", "holds"),
            Some(false) => ("no", "\u{2717}", "does not hold"),
            None => ("unknown", "?", "open"),
        };
        Self { class, mark, word, criterion: finding.criterion, found: finding.found }
    }
}

fn experiment_of(summary: &Summary) -> Option<Experiment> {
    Experiment::from_name(summary.experiment.as_deref()?)
}

/// In what a run's settings are not the paper's.
fn departures(run: &FoundRun, experiment: Experiment) -> Option<String> {
    match &run.config {
        Some(config) => verdict::departures(experiment, config),
        None => Some("its settings are not known".to_owned()),
    }
}

/// Why a run is shorter than the experiment.
fn shortfall(run: &FoundRun, summary: &Summary, experiment: Experiment) -> Option<String> {
    match summary.stopped {
        StopReason::Interrupted => Some(format!("interrupted after {} passes", epochs(summary.epochs))),
        _ => run.config.as_ref().and_then(|config| verdict::shortfall(experiment, config)),
    }
}

/// Whether a run agrees with the paper. Some experiments are compared with another of the runs, whole and with the
/// paper's settings.
fn judgement(run: &FoundRun, summary: &Summary, experiment: Experiment, runs: &[FoundRun]) -> Judgement {
    let short = shortfall(run, summary, experiment);
    let loss_of = |other: Experiment| {
        runs.iter().find_map(|run| {
            let summary = run.summary.as_ref().filter(|summary| experiment_of(summary) == Some(other))?;
            let whole = departures(run, other).is_none() && shortfall(run, summary, other).is_none();
            whole.then_some(summary.train_loss)
        })
    };
    let evidence = Evidence {
        loss: summary.train_loss,
        test_mse: summary.test_mse,
        trace: run.trace.as_ref(),
        short: short.as_deref(),
    };
    judge(experiment, evidence, departures(run, experiment), loss_of)
}

/// How many runs have which verdict.
fn tally(judged: &[Judged]) -> Vec<(&'static str, String)> {
    let classes = [
        ("agrees", "agree with the paper", "agrees with the paper"),
        ("differs", "differ from the paper", "differs from the paper"),
        ("open", "are open", "is open"),
        ("other", "have other settings than the paper", "has other settings than the paper"),
    ];
    let counted = classes.map(|(class, many, one)| {
        let count = judged.iter().filter(|row| row.class == class).count();
        (class, count, if count == 1 { one } else { many })
    });
    counted
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(class, count, says)| (class, format!("{count} {says}")))
        .collect()
}

fn differences(runs: &[FoundRun]) -> Vec<Group> {
    let groups = Comparison::of(runs).groups().map(|(title, rows, none)| {
        let mut letters = title.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let rows = rows.into_iter().map(|row| DifferenceRow {
            label: row.key,
            values: row.values.into_iter().map(|value| value.unwrap_or_else(|| NONE.to_owned())).collect(),
        });
        Group { title: first.into_iter().chain(letters).collect(), rows: rows.collect(), none }
    });
    groups.into()
}

/// A run's second line: what the paper reports, or its sizes; and how it ended, if not as it should.
fn subtitle(run: &FoundRun) -> String {
    if let Some(failure) = &run.failure {
        return format!("failed: {}", failure.error);
    }
    let Some(summary) = &run.summary else { return "no summary: the run is not finished, or was killed".to_owned() };
    let text = match &summary.paper {
        Some(paper) => format!("The paper: {paper}"),
        None => format!("n = {}, d = {}, r = {}", thousands(summary.n as u64), summary.d, summary.r),
    };
    match summary.stopped {
        StopReason::Interrupted => format!("{text}. Interrupted after {} passes", epochs(summary.epochs)),
        StopReason::Stalled => format!("{text}. Did not get anywhere: the loss is not below its start"),
        _ => text,
    }
}

/// The value that the runs have in common, or which run has which: `f32`, or `0.096 (a, b); 0.17 (c)`.
fn grouped<'a>(values: impl Iterator<Item = (&'a str, Option<String>)>) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, value) in values {
        let value = value.unwrap_or_else(|| "not known".to_owned());
        match groups.iter_mut().find(|group| group.0 == value) {
            Some(group) => group.1.push(name),
            None => groups.push((value, vec![name])),
        }
    }
    match &groups[..] {
        [] => NONE.to_owned(),
        [(value, _)] => value.clone(),
        several => several
            .iter()
            .map(|(value, names)| format!("{value} ({})", names.join(", ")))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// What the paper leaves open, and what the runs took.
fn choices(runs: &[FoundRun]) -> Vec<(&'static str, String)> {
    let of_summary = |of: &dyn Fn(&Summary) -> String| {
        grouped(runs.iter().map(|run| (run.name.as_str(), run.summary.as_ref().map(of))))
    };
    let of_config = |of: &dyn Fn(&RunConfig) -> Option<String>| {
        let known = runs.iter().filter_map(|run| Some((run.name.as_str(), Some(of(run.config.as_ref()?)?))));
        grouped(known)
    };
    let start = of_summary(&|summary| {
        let scale = number(summary.init_scale);
        if summary.init_scale > 0.0 {
            format!("{}, standard deviation {scale}", summary.init)
        } else {
            summary.init.clone()
        }
    });
    let length = of_config(&|config| match (config.run.epochs, config.run.iterations) {
        (Some(epochs), _) => Some(format!("{} passes", thousands(epochs))),
        (None, Some(iterations)) => Some(format!("{} iterations", thousands(iterations))),
        (None, None) => None,
    });
    let descent = of_config(&|config| {
        (config.optimizer.kind == OptimizerKind::Gd).then(|| number(config.optimizer.learning_rate))
    });
    let adam = of_config(&|config| {
        let optimizer = &config.optimizer;
        (optimizer.kind == OptimizerKind::Adam).then(|| {
            format!("beta1 = {}, beta2 = {}, epsilon = {:e}", optimizer.beta1, optimizer.beta2, optimizer.epsilon)
        })
    });
    let of_instead = grouped(runs.iter().filter_map(|run| {
        let instead = run.summary.as_ref()?.instead.clone()?;
        Some((run.name.as_str(), Some(instead)))
    }));
    let choices = [
        ("How W starts", start),
        ("How long to train", length),
        (
            "Whether the loss that is drawn is f or the MSE",
            "f on the samples of each iteration; the tables have f and MSE = 4f over the whole training set".to_owned(),
        ),
        ("Step size of gradient descent", descent),
        ("The parameters of synthetic", of_instead),
        ("Adam\u{2019}s other constants", adam),
        (
            "What happens to the test set",
            "normalised and projected as the training set is; no noise is added to it".to_owned(),
        ),
        ("Seed of the noise, the labels, the order and the weights", of_summary(&|summary| summary.seed.to_string())),
        ("Precision", of_summary(&|summary| summary.dtype.to_string())),
    ];
    choices.into_iter().filter(|(_, taken)| taken != NONE).collect()
}

fn origin(runs: &[FoundRun]) -> Vec<(&'static str, String)> {
    let rows = ORIGINS.iter().map(|(label, of)| {
        (*label, grouped(runs.iter().map(|run| (run.name.as_str(), run.summary.as_ref().and_then(of)))))
    });
    let seed = grouped(
        runs.iter().map(|run| (run.name.as_str(), run.summary.as_ref().map(|summary| summary.seed.to_string()))),
    );
    rows.chain([("seed", seed)]).collect()
}

fn commands(runs: &[FoundRun]) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for run in runs {
        let provenance = run.summary.as_ref().and_then(|summary| summary.provenance.as_ref());
        let command = provenance.map_or_else(|| "not known".to_owned(), |provenance| provenance.command.clone());
        match commands.iter_mut().find(|(known, _)| *known == command) {
            Some((_, names)) => names.push_str(&format!(", {}", run.name)),
            None => commands.push((command, run.name.clone())),
        }
    }
    commands
}
