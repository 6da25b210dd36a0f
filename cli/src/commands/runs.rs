//! `memorize runs`: lists what there is.

use memorize_analysis::found::FoundRun;
use memorize_analysis::list::{Listing, find};
use memorize_data::Shown;
use memorize_run::error::{Error, WithHint};
use memorize_run::nearest;
use serde::Serialize;

use crate::args::RunsArgs;
use crate::say::{self, print, print_exact};

/// Lists the runs below some folders.
///
/// # Errors
/// Bad input if a folder cannot be read or no run has a key that is asked for. A folder that only looks like a run's is
/// warned of.
pub fn runs(arguments: &RunsArgs) -> Result<(), Error> {
    let mut found = Vec::new();
    for root in &arguments.folders {
        let folders = find(root).map_err(|error| {
            let error = anyhow::Error::new(error).context(format!("cannot look through {}", root.shown()));
            let otherwise = "name a folder with runs; `memorize train` and `reproduce` make them below runs/";
            Error::missing(error, nearest::path(root), Some(otherwise))
        })?;
        for folder in folders {
            match FoundRun::read(&folder) {
                Ok(run) => found.push(run),
                Err(error) => say::tell(&format!("warning: {error}")),
            }
        }
    }
    let mut listing = Listing::of(found);
    let unknown = |error: memorize_analysis::list::UnknownKey| {
        Error::BadInput(error.hint("`memorize runs --json` shows every field and setting"))
    };
    listing.filter(&arguments.filter).map_err(unknown)?;
    listing.sort(&arguments.sort, arguments.reverse).map_err(unknown)?;
    if arguments.json {
        #[derive(Serialize)]
        struct Runs<T: Serialize> {
            runs: T,
        }
        return print_exact(&say::json("runs", None, &Runs { runs: listing.lines() }));
    }
    if listing.is_empty() {
        say::tell("no runs");
        return Ok(());
    }
    print(&listing.text())
}
