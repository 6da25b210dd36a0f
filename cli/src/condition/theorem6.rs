//! Theorem 6 and its lemmas as `memorize condition --features-k` prints them.

use memorize_run::units::{number, thousands};
use memorize_train::theory::position::{Position, SingularValue};
use memorize_train::theory::theorem6::{self, Sizes, Unknown};
use serde::Serialize;

use super::words::counted;

/// Theorem 6 of these samples and features. A value that is not known is null, and a note says why.
#[derive(Clone, Debug, Serialize)]
pub struct Theorem6 {
    /// 2p.
    order: u32,
    /// D_d^p, the dimension of the symmetric tensors of order p.
    dimension: Option<u128>,
    /// D_d^2p.
    powers_dimension: Option<u128>,
    /// p D_d^p, which k has to be above.
    features_above: Option<u128>,
    /// p^2 D_d^p.
    features_of_order: Option<u128>,
    /// Whether k is above p D_d^p.
    is_above: bool,
    /// Whether k is at least p^2 D_d^p.
    is_of_order: bool,
    /// d^2p/(2p)!.
    samples_scale: f64,
    /// sigma_min(X_2p) of the samples before the features.
    powers_sigma_min: Option<f64>,
    powers_sigma_min_residual: Option<f64>,
    /// sigma_min(Q) on symmetric tensors (Lemma 18).
    q_sigma_min: Option<f64>,
    q_sigma_min_residual: Option<f64>,
    /// sigma_min(Q)^2 sigma_min(X_2p), which sigma_min is not below (Lemma 19).
    lemma19_bound: Option<f64>,
    /// Whether that is what was measured.
    lemma19_holds: Option<bool>,
    /// 2 sqrt n and D_d^2p/(D_d^p C(2p,p)), which Lemma 13 has k between.
    lemma13_least: f64,
    lemma13_most: f64,
    lemma13_holds: bool,
    /// An upper bound on max_j ||z_j||, which `input_bound` is.
    norm_bound: f64,
    /// 14 or 20.
    norm_lemma: u32,
    norm_probability: f64,
    /// Whether what was measured is below the bound.
    norm_holds: bool,
    #[serde(skip)]
    k: usize,
    #[serde(skip)]
    p: u32,
    #[serde(skip)]
    n: usize,
    #[serde(skip)]
    norm: f64,
    #[serde(skip)]
    measured: Option<f64>,
    #[serde(skip)]
    why_not: [Option<Unknown>; 2],
}

impl Theorem6 {
    /// Of k features of power p, whose position was found.
    pub fn new(said: theorem6::Theorem6, found: &Position, k: usize, p: u32) -> Self {
        let Sizes { lemma13: [lemma13_least, lemma13_most], .. } = said.sizes;
        let split = |value: Result<SingularValue, Unknown>| match value {
            Ok(SingularValue { value, error, .. }) => (Some(value), Some(error), None),
            Err(why) => (None, None, Some(why)),
        };
        let (powers, q) = (split(said.powers), split(said.features));
        Self {
            order: p.saturating_mul(2),
            dimension: said.sizes.dimension,
            powers_dimension: said.sizes.powers_dimension,
            features_above: said.sizes.above,
            features_of_order: said.sizes.order,
            is_above: said.sizes.is_above,
            is_of_order: said.sizes.is_of_order,
            samples_scale: said.sizes.samples,
            powers_sigma_min: powers.0,
            powers_sigma_min_residual: powers.1,
            q_sigma_min: q.0,
            q_sigma_min_residual: q.1,
            lemma19_bound: said.below,
            lemma19_holds: said.holds,
            lemma13_least,
            lemma13_most,
            lemma13_holds: said.sizes.lemma13_holds,
            norm_bound: said.norm_bound,
            norm_lemma: said.norm_lemma,
            norm_probability: said.norm_probability,
            norm_holds: found.input_bound <= said.norm_bound,
            k,
            p,
            n: found.samples,
            norm: found.input_bound,
            measured: found.min.map(|min| min.value),
            why_not: [powers.2, q.2],
        }
    }

    /// Names, values and meanings, as the report has them.
    pub(super) fn lines(&self) -> Vec<(&'static str, String, String)> {
        let Self { order, p, .. } = self;
        let line = |name, value: String| (name, value, String::new());
        let powers =
            format!("smallest singular value of X_{order} = [x_1^(tensor {order}), ..., x_n^(tensor {order})]");
        let q = format!(
            "smallest singular value of [r_1^(tensor {p}), ..., r_k^(tensor {p})]^T on symmetric tensors (Lemma 18)"
        );
        let [above, of_order] = self.widths();
        vec![
            line("Theorem 6", above),
            line("", of_order),
            line("n and d^2p/(2p)!", self.room()),
            singular_value("sigma_min(X_2p)", (self.powers_sigma_min, self.powers_sigma_min_residual), &powers),
            self.lemma18(&q),
            line("Lemma 19", self.lemma19()),
            line("Lemma 13", self.lemma13()),
            line(if self.norm_lemma == 14 { "Lemma 14" } else { "Lemma 20" }, self.norms()),
        ]
    }

    /// Which k the theorem takes, and whether this is one.
    fn widths(&self) -> [String; 2] {
        let (k, is) = (thousands(self.k as u64), |yes| if yes { "is" } else { "is not" });
        let above = counted(self.features_above);
        let of_order = counted(self.features_of_order);
        [
            format!("k = alpha p D_d^p with alpha > 1: above p D_d^p = {above}, and k = {k} {}", is(self.is_above)),
            format!(
                "for sigma_min(Z) of the order sigma_min(X_2p)/k, k of the order p^2 D_d^p = {of_order}, \
                 and k = {k} {} that large",
                is(self.is_of_order)
            ),
        ]
    }

    /// Where n stands.
    fn room(&self) -> String {
        let Self { order, n, .. } = self;
        let beside = if (*n as f64) < self.samples_scale { "below" } else { "not below" };
        format!(
            "n = {} is {beside} d^{order}/{order}! = {}; X_{order} has at most D_d^{order} = {} independent columns",
            thousands(*n as u64),
            number(self.samples_scale),
            counted(self.powers_dimension)
        )
    }

    fn lemma18(&self, of: &str) -> (&'static str, String, String) {
        let (k, p) = (thousands(self.k as u64), self.p);
        if self.q_sigma_min == Some(0.0) {
            let why = format!("{of}, exactly: k = {k} is less than D_d^{p} = {}", counted(self.dimension));
            return ("sigma_min(Q)", number(0.0), why);
        }
        singular_value("sigma_min(Q)", (self.q_sigma_min, self.q_sigma_min_residual), of)
    }

    fn lemma19(&self) -> String {
        let Some(bound) = self.lemma19_bound else {
            return "sigma_min(Z) >= sigma_min(Q)^2 sigma_min(X_2p), which is not known".to_owned();
        };
        let measured =
            self.measured.map_or_else(|| "sigma_min(Z)".to_owned(), |min| format!("sigma_min(Z) = {}", number(min)));
        let holds = if self.lemma19_holds == Some(true) { "it holds" } else { "VIOLATED, beyond its errors" };
        format!("{measured} >= sigma_min(Q)^2 sigma_min(X_2p) = {}: {holds}", number(bound))
    }

    fn lemma13(&self) -> String {
        let Self { order, p, .. } = self;
        let holds = if self.lemma13_holds { "its condition holds" } else { "its condition does not hold" };
        format!(
            "2 sqrt n = {} <= k = {} <= D_d^{order}/(D_d^{p} C({order}, {p})) = {}: {holds}",
            number(self.lemma13_least),
            thousands(self.k as u64),
            number(self.lemma13_most)
        )
    }

    fn norms(&self) -> String {
        let holds = if self.norm_holds { "" } else { ", and here it is above" };
        let over = if self.norm_lemma == 14 { "R and the noise" } else { "R" };
        format!(
            "max ||z_j|| = {} <= {} with probability {} over {over}{holds} (explicit constants of this program)",
            number(self.norm),
            number(self.norm_bound),
            self.norm_probability
        )
    }

    /// Why something is not known.
    pub(super) fn notes(&self) -> Vec<String> {
        let Self { order, p, .. } = self;
        let [powers, q] = &self.why_not;
        let powers = powers.as_ref().map(|why| match why {
            Unknown::Samples => format!(
                "sigma_min(X_{order}): so many samples are not decomposed on the way; without --features-k, \
                 --power {order} finds it by products"
            ),
            why => reason(&format!("sigma_min(X_{order})"), why),
        });
        let q = q.as_ref().map(|why| match why {
            Unknown::Size => format!(
                "sigma_min(Q): {} rows in D_d^{p} = {} dimensions are too much for a dense decomposition",
                thousands(self.k as u64),
                counted(self.dimension)
            ),
            why => reason("sigma_min(Q)", why),
        });
        powers.into_iter().chain(q).collect()
    }
}

fn singular_value(
    name: &'static str,
    (value, error): (Option<f64>, Option<f64>),
    of: &str,
) -> (&'static str, String, String) {
    match (value, error) {
        (Some(0.0), _) => (name, number(0.0), format!("{of}, exactly")),
        (Some(value), Some(error)) => (name, number(value), format!("{of}: error {}", number(error))),
        _ => (name, "not known".to_owned(), of.to_owned()),
    }
}

fn reason(what: &str, why: &Unknown) -> String {
    match why {
        Unknown::Samples | Unknown::Size => format!("{what}: too large for a dense decomposition"),
        Unknown::Order => format!("{what}: the order of the tensor powers is above what is computed"),
        Unknown::OutOfRange(error) => format!("{what}: {error}"),
        Unknown::Zero(below) => format!("{what} cannot be told from 0 in f64: it is at most {}", number(*below)),
    }
}
