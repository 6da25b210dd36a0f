//! Configuration files.

use memorize_run::config::{ConfigError, RunConfig};
use memorize_run::layer::{LONGEST, Layer};

use super::memory;

/// Memory for messages, defaults and the parser's tables, whatever the text.
const SLACK: usize = 256 << 10;

/// Bytes that a byte of text may become: every dot in a key is a table, of which the smallest has a bit more than 1 kB.
/// Longer texts than [`LONGEST`] are refused unread.
const FACTOR: usize = 1536;

/// The text of a `config.toml`.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let limit = FACTOR * text.len().min(LONGEST) + SLACK;
    let Ok(layer) = memory::at_most(limit, || said(Layer::from_toml(text))) else { return };
    memory::at_most(limit, || match said(RunConfig::from_toml(text)) {
        Ok(config) => round_trips(&config),
        // What `train --config FILE` does with a file that leaves something to the flags.
        Err(()) => drop(said(layer.clone().over(layer))),
    });
}

/// The message of an error can be made and says something.
fn said<V>(outcome: Result<V, ConfigError>) -> Result<V, ()> {
    outcome.map_err(|error| assert!(!error.to_string().is_empty()))
}

/// What can be run can be written down and read back.
fn round_trips(config: &RunConfig) {
    config.validate().expect("it was validated when it was read");
    // A count above 2^63 has no form in TOML; the program says so before it trains.
    if let Ok(text) = said(config.to_toml()) {
        let again = RunConfig::from_toml(&text).expect("what the program writes it can read");
        assert_eq!(again, *config, "{text}");
        assert!(config.is_done_by(&again));
    }
}
