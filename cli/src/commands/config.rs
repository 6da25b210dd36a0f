//! `memorize config`: a configuration as text.

use crate::args::ConfigArgs;
use crate::exit::CliError;
use crate::layer::template;
use crate::say::print_exact;

/// Prints the configuration that flags and a file amount to, or one that explains itself.
///
/// # Errors
/// Bad input if it cannot be run.
pub fn config(arguments: &ConfigArgs) -> Result<(), CliError> {
    let text = if arguments.default { template()? } else { arguments.config()?.to_toml()? };
    print_exact(&text)
}
