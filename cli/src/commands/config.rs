//! `memorize config`: a configuration as text.

use memorize_run::error::Error;
use memorize_run::layer::template;

use crate::args::ConfigArgs;
use crate::say::print_exact;

/// Prints the configuration that flags and a file amount to, or one that explains itself.
///
/// # Errors
/// Bad input if it cannot be run.
pub fn config(arguments: &ConfigArgs) -> Result<(), Error> {
    let text = if arguments.default { template()? } else { arguments.config()?.to_toml()? };
    print_exact(&text)
}
