//! A lower bound on sigma_min that is proved, as `memorize condition --prove` prints it.

use std::time::Duration;

use memorize_run::units::{duration, mebibytes, number, thousands};
use memorize_train::theory::proof::{Proof, Unproved};
use serde::Serialize;

/// The bound, or why there is none.
#[derive(Clone, Debug, Serialize)]
pub struct Proved {
    /// sigma_min is at least this.
    pub bound: Option<f64>,
    /// Why nothing is proved.
    reason: Option<String>,
    /// Factorisations of K that were begun.
    factorizations: usize,
    /// Bytes that one takes.
    bytes: u64,
    seconds: f64,
    #[serde(skip)]
    interrupted: bool,
}

impl Proved {
    /// What came of a proof that has taken so many bytes and so much time.
    pub fn new(proof: &Proof, bytes: u64, time: Duration) -> Self {
        Self {
            bound: proof.result.ok(),
            reason: proof.result.err().map(|why| words(&why)),
            factorizations: proof.factorizations,
            bytes,
            seconds: time.as_secs_f64(),
            interrupted: proof.result == Err(Unproved::Interrupted),
        }
    }

    /// A signal has ended the search before.
    pub fn interrupted_before() -> Self {
        let proof = Proof { result: Err(Unproved::Interrupted), factorizations: 0 };
        Self::new(&proof, 0, Duration::ZERO)
    }

    /// Whether a signal has ended it.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// Name, value and meaning.
    pub(super) fn line(&self) -> (&'static str, String, String) {
        match (self.bound, &self.reason) {
            (Some(bound), _) => {
                let time = duration(Duration::try_from_secs_f64(self.seconds).unwrap_or_default());
                let count = thousands(self.factorizations as u64);
                let meaning = format!(
                    "for the samples as they are in memory: Cholesky factorisation {count}, {}, {time}",
                    mebibytes(self.bytes)
                );
                ("proved", format!("sigma_min >= {}", rounded_down(bound)), meaning)
            }
            (None, reason) => ("not proved", reason.clone().unwrap_or_default(), String::new()),
        }
    }
}

fn words(why: &Unproved) -> String {
    match why {
        Unproved::Degenerate => "sigma_min is 0, exactly".to_owned(),
        Unproved::NotToldFromZero => "sigma_min cannot be told from 0".to_owned(),
        Unproved::BelowRounding { least } => {
            format!("the rounding errors of a proof hide what is below {}", number(*least))
        }
        Unproved::Indefinite { tried, row } => format!(
            "K - s^2 I has no Cholesky factor for s = {}: pivot {} (counted from 0) is not above 0",
            number(*tried),
            thousands(*row as u64)
        ),
        Unproved::Interrupted => "interrupted".to_owned(),
    }
}

/// Four digits that are no more than the value.
fn rounded_down(value: f64) -> String {
    let text = format!("{value:.3e}");
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let nearest = number(&text);
    // One in the last of the digits.
    let step = text.split_once('e').map_or(0.0, |(_, exponent)| number(&format!("1e{exponent}")) / 1e3);
    let below = if nearest > value { number(&format!("{:.3e}", nearest - step)) } else { nearest };
    if (1e-3..1e6).contains(&below) { below.to_string() } else { format!("{below:e}") }
}

#[cfg(test)]
mod tests {
    use super::rounded_down;

    #[test]
    fn what_is_printed_is_never_more_than_what_is_proved() {
        assert_eq!(rounded_down(0.080_659), "0.08065");
        assert_eq!([1.0, 0.999_99, 2.5e-9, 12.0].map(rounded_down), ["1", "0.999", "2.5e-9", "12"]);
        for i in 1..2000 {
            let value = f64::from(i).sqrt() * 10f64.powi(i % 30 - 15);
            let printed: f64 = rounded_down(value).parse().unwrap();
            assert!(printed <= value && printed > value * (1.0 - 1.1e-3), "{value} {printed}");
        }
    }
}
