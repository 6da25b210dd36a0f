//! What `memorize condition` prints, as text and as JSON.

use std::time::Duration;

use memorize_run::config::{ConditionConfig, Dtype};
use memorize_run::provenance::ComputedWith;
use memorize_run::run::dataset::Inspected;
use memorize_run::run::machine::Machine;
use memorize_run::units::{duration, number, thousands};
use memorize_train::theory::davidson::Stop;
use memorize_train::theory::position::{Method, Position, Settings};
use memorize_train::theory::tensor_power::dimension;
use serde::Serialize;

use super::theorem6::Theorem6;
use super::theory::{Constants, RandomBound, Theorem1, Theorem5};
use super::words::{counted, explanation, name, position_notes};
use super::{Proved, Theory};
use crate::say;

/// The result. A value that does not apply or is not known is null, and `notes` says why.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    n: usize,
    /// Width of the samples, before random features.
    d: usize,
    /// Width of a sample as it comes from its source.
    input_width: usize,
    /// Random features; null with two layers. Where it is not, everything below is of them.
    k: Option<usize>,
    p: Option<u32>,
    /// Order q of the tensor powers that are looked at; 2 is general position, and what the theorems below are about.
    power: u32,
    /// C(d+q-1, q), d(d+1)/2 for q = 2, or the same of k; null if 128 bits do not hold it.
    capacity: Option<u128>,
    /// B = max_j ||x_j||.
    input_bound: f64,
    /// Y = max_j |y_j|.
    target_bound: Option<f64>,
    /// `general_position`, `degenerate`, `numerically_degenerate` or `undecided`.
    verdict: &'static str,
    /// The same in words.
    explanation: String,
    /// Smallest singular value of [x_1^(tensor q), ..., x_n^(tensor q)]; null where it cannot be told from zero.
    sigma_min: Option<f64>,
    /// A singular value lies within this distance.
    sigma_min_residual: Option<f64>,
    sigma_min_converged: bool,
    /// sigma_min is not above this.
    sigma_min_below: f64,
    sigma_max: f64,
    sigma_max_residual: f64,
    sigma_max_converged: bool,
    condition_number: Option<f64>,
    /// Singular values below this cannot be told from zero by this method.
    resolution: f64,
    /// `exact`, `dense`, `gram` or `iterative`.
    method: &'static str,
    /// Products with K.
    products: usize,
    /// Samples that the preconditioner is made of.
    rank: Option<usize>,
    /// A lower bound on sigma_min, or why there is none; null unless it was asked for.
    proved: Option<Proved>,
    /// min_i dist_i, the distance of x_i^(tensor q) from the span of the others.
    leave_one_out: Option<f64>,
    /// An upper bound on it.
    leave_one_out_below: Option<f64>,
    /// The sample that it belongs to.
    leave_one_out_row: Option<usize>,
    /// Lemma 8: min_i dist_i / sqrt(n) <= sigma_min <= min_i dist_i.
    lemma8_lower: Option<f64>,
    lemma8_upper: Option<f64>,
    theorem1: Option<Theorem1>,
    theorem5: Option<Theorem5>,
    theorem4: Option<Constants>,
    /// With random features.
    theorem6: Option<Theorem6>,
    random_bound: Option<RandomBound>,
    seed: u64,
    wall_seconds: f64,
    #[serde(skip)]
    computed_with: ComputedWith,
    notes: Vec<String>,
    #[serde(skip)]
    interrupted: bool,
}

impl Report {
    /// The report of a look at these samples.
    pub fn new(
        config: &ConditionConfig,
        machine: &Machine,
        samples: &Inspected,
        settings: &Settings,
        (found, proved): (&Position, Option<Proved>),
        theory: Theory,
        time: Duration,
    ) -> Self {
        let (k, p) = samples.features.as_ref().map(|layer| (layer.weights().rows(), layer.power())).unzip();
        let width = samples.features.as_ref().map_or(found.width, |layer| layer.weights().cols());
        let min = found.min;
        let nearest = found.nearest.filter(|nearest| nearest.exact);
        let mut notes = theory.notes;
        let bound = proved.as_ref().and_then(|proved| proved.bound);
        notes.extend(position_notes(found, config, bound.is_some()));
        let interrupted = found.stop == Some(Stop::Interrupted) || proved.as_ref().is_some_and(Proved::interrupted);
        Self {
            n: found.samples,
            d: width,
            input_width: samples.input_width,
            k,
            p,
            power: found.order,
            capacity: dimension(found.width, found.order),
            input_bound: found.input_bound,
            target_bound: theory.target_bound,
            verdict: name(found.verdict),
            explanation: explanation(found),
            sigma_min: min.map(|min| min.value),
            sigma_min_residual: min.map(|min| min.error),
            sigma_min_converged: min.is_some_and(|min| min.converged),
            sigma_min_below: found.min_below,
            sigma_max: found.max.value,
            sigma_max_residual: found.max.error,
            sigma_max_converged: found.max.converged,
            condition_number: min.filter(|min| min.value > 0.0).map(|min| found.max.value / min.value),
            resolution: found.resolution,
            method: match found.method {
                Method::Exact => "exact",
                Method::Dense => "dense",
                Method::Gram => "gram",
                Method::Iterative => "iterative",
            },
            products: found.products,
            rank: (found.method == Method::Iterative).then_some(settings.rank),
            proved,
            leave_one_out: nearest.map(|nearest| nearest.distance),
            leave_one_out_below: found.nearest.map(|nearest| nearest.distance),
            leave_one_out_row: found.nearest.map(|nearest| nearest.row),
            lemma8_lower: nearest.map(|nearest| nearest.distance / (found.samples as f64).sqrt()),
            lemma8_upper: nearest.map(|nearest| nearest.distance),
            theorem1: theory.theorem1,
            theorem5: theory.theorem5,
            theorem4: theory.theorem4,
            theorem6: theory.theorem6,
            random_bound: theory.random,
            seed: config.seed,
            wall_seconds: time.as_secs_f64(),
            computed_with: machine.computed_with(Dtype::F64, None),
            notes,
            interrupted,
        }
    }

    /// Whether a signal has ended the search.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// One JSON object on a line.
    pub fn json(&self) -> String {
        say::json("condition", Some(&self.computed_with), self)
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let mut lines = vec![("verdict", self.explanation.clone(), String::new())];
        lines.push(("samples", self.shape(), String::new()));
        lines.extend(self.singular_values());
        lines.extend(self.proved.as_ref().map(Proved::line));
        lines.extend(self.lemma8());
        lines.extend(self.theorems());
        lines.push(("computed with", self.effort(), String::new()));
        let line = |(name, value, meaning): &(&str, String, String)| {
            let line = format!("{name:<20} {value:<10} {meaning}");
            format!("{}\n", line.trim_end())
        };
        let mut text: String = lines.iter().map(line).collect();
        self.notes.iter().for_each(|note| text += &format!("note: {note}\n"));
        text
    }

    fn shape(&self) -> String {
        let features = match (self.k, self.p) {
            (Some(k), Some(p)) => format!(", k = {k} features z = (Rx)^{p}"),
            _ => String::new(),
        };
        let targets = self.target_bound.map_or_else(String::new, |bound| format!(", Y = {}", number(bound)));
        let n = thousands(self.n as u64);
        format!("n = {n}, d = {}{features}, B = {}{targets}", self.d, number(self.input_bound))
    }

    /// The tensor power of a sample.
    fn tensor(&self, row: &str) -> String {
        let x = if self.k.is_some() { "z" } else { "x" };
        if self.power == 2 { format!("{x}_{row} (x) {x}_{row}") } else { format!("{x}_{row}^(tensor {})", self.power) }
    }

    fn singular_values(&self) -> Vec<(&'static str, String, String)> {
        let of = format!("smallest singular value of [{}, ..., {}]", self.tensor("1"), self.tensor("n"));
        let min = match (self.sigma_min, self.sigma_min_residual) {
            (Some(value), _) if self.method == "exact" => (number(value), format!("{of}, exactly")),
            (Some(value), Some(error)) => {
                let open = if self.sigma_min_converged { "" } else { " (not converged: an upper bound)" };
                (number(value), format!("{of}: residual {}{open}", number(error)))
            }
            _ => (format!("< {}", number(self.sigma_min_below)), of),
        };
        let open = if self.sigma_max_converged { "" } else { " (not converged)" };
        let mut lines = vec![
            ("sigma_min", min.0, min.1),
            (
                "sigma_max",
                number(self.sigma_max),
                format!("the largest: residual {}{open}", number(self.sigma_max_residual)),
            ),
        ];
        if let Some(condition) = self.condition_number {
            lines.push(("condition number", number(condition), "sigma_max / sigma_min".to_owned()));
        }
        lines
    }

    fn lemma8(&self) -> Vec<(&'static str, String, String)> {
        let nearest = |row: usize| {
            let tensor = self.tensor(&row.to_string());
            format!("distance of {tensor} from the span of the others (rows count from 0)")
        };
        match (self.lemma8_lower, self.lemma8_upper, self.leave_one_out_below, self.leave_one_out_row) {
            (Some(lower), Some(upper), _, Some(row)) => vec![
                ("leave-one-out", number(upper), format!("the least {}", nearest(row))),
                ("Lemma 8", format!("{} <= sigma_min <= {}", number(lower), number(upper)), String::new()),
            ],
            (_, _, Some(below), Some(row)) => vec![("leave-one-out", format!("<= {}", number(below)), nearest(row))],
            _ => Vec::new(),
        }
    }

    fn theorems(&self) -> Vec<(&'static str, String, String)> {
        let width = if self.k.is_some() { "k" } else { "d" };
        let capacity = counted(self.capacity);
        let mut lines = Vec::new();
        if let Some(Theorem1 { neurons, .. }) = self.theorem1 {
            let neurons = thousands(neurons as u64);
            let sizes =
                format!("r = 2{width}+2 = {neurons} neurons for up to {width}({width}+1)/2 = {capacity} samples");
            lines.push(("Theorem 1", sizes, String::new()));
        } else {
            let q = self.power;
            let dimension = format!("C({width}+{q}-1, {q}) = {capacity} tensor powers of order {q} can be independent");
            lines.push(("dimension", dimension, String::new()));
        }
        lines.extend(self.theorem5.map(|sizes| ("Theorem 5", sizes.to_string(), String::new())));
        if let Some(constants) = &self.theorem4 {
            lines.push(("Theorem 4", constants.to_string(), String::new()));
        }
        if let Some(RandomBound { bound, probability, over }) = self.random_bound {
            let meaning = format!(
                "sigma_min is above it with probability {probability} over the {over} (in the part of Lemmas 2 and 13)"
            );
            lines.push(("proved bound", number(bound), meaning));
        }
        lines.extend(self.theorem6.iter().flat_map(Theorem6::lines));
        lines
    }

    fn effort(&self) -> String {
        let how = match (self.method, self.rank) {
            ("dense", _) => "a singular value decomposition".to_owned(),
            ("gram", _) => "an eigenvalue decomposition of the Gram matrix".to_owned(),
            (_, Some(rank)) => {
                format!(
                    "{} products, preconditioner of rank {}",
                    thousands(self.products as u64),
                    thousands(rank as u64)
                )
            }
            _ => format!("{} products", thousands(self.products as u64)),
        };
        let wall = duration(Duration::try_from_secs_f64(self.wall_seconds).unwrap_or_default());
        format!("{how}; {}, {wall}", self.computed_with)
    }
}

impl std::fmt::Display for Theorem5 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { features, neurons } = self;
        write!(
            f,
            "k = {} features, r = {} neurons for so many samples of any width",
            thousands(*features as u64),
            thousands(*neurons as u64)
        )
    }
}

impl std::fmt::Display for Constants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { epsilon, gamma, rho, l, algorithm_epsilon, iterations_order, .. } = self;
        let iterations =
            iterations_order.map_or_else(String::new, |order| format!(", iterations of the order {}", number(order)));
        write!(
            f,
            "for f <= {}: gamma = {}, rho = {}, l = {}, eps' = {}{iterations}",
            number(*epsilon),
            number(*gamma),
            number(*rho),
            number(*l),
            number(*algorithm_epsilon)
        )
    }
}
