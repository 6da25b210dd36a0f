//! `memorize reproduce`: the paper's experiments.

use std::path::{Path, PathBuf};

use memorize_analysis::found::FoundRun;
use memorize_analysis::page::{self, Focus};
use memorize_analysis::text;
use memorize_data::Shown;
use memorize_run::error::Error;
use memorize_run::interrupt::Interrupt;
use memorize_run::run::already::Already;
use memorize_run::run::resume::find;
use memorize_run::run::{self, Finished, Target};
use memorize_run::run_folder::Existing;

use super::host;
use super::resume::{Rest, go_on};
use crate::args::{ReproduceArgs, Selection};
use crate::console::Mode;
use crate::exit::build_warning;
use crate::say;

/// Runs the selected experiments, one after the other, and prints what came out beside what the paper reports. Of all
/// experiments those that are complete already are skipped, those that were stopped go on, and a page about all of them is
/// written.
///
/// # Errors
/// Bad input if a flag or an output folder is wrong: all are checked before the first experiment runs. A run that
/// fails or is interrupted ends the command.
pub fn reproduce(arguments: &ReproduceArgs) -> Result<(), Error> {
    let existing = Existing::from_flag(arguments.output.overwrite);
    let all = arguments.experiment == Selection::All;
    let voice = arguments.output.log.voice();
    let mut plans = Vec::new();
    for experiment in arguments.experiment.experiments() {
        let mut config = arguments.config(experiment)?;
        run::note_environment(&mut config);
        let folder = arguments.folder(&config);
        let there = Already::of(&config, &folder, existing, all, arguments.resume, &[], &|line| voice.mode.tell(line))?;
        plans.push((config, folder, there));
    }
    if all {
        page::check(&arguments.report_folder(), arguments.output.overwrite)?;
    }
    if let Some(warning) = build_warning(!arguments.quick) {
        voice.mode.tell(warning);
    }
    voice.mode.announce_blas(Some(arguments.layer.run.backend.unwrap_or_default()))?;
    let interrupt = Interrupt::listen().map_err(Error::run_failed)?;
    let mut host = host(voice.clone(), &interrupt);
    let (mut summaries, mut folders, mut skipped, mut failures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let count = plans.len();
    for (at, (config, path, there)) in plans.into_iter().enumerate() {
        if all && !matches!(there, Already::Over(_)) && voice.mode != Mode::Json {
            // Programs have it in every event.
            voice.mode.tell(&format!("{} ({} of {count})", config.run.name, at + 1));
        }
        let finished = match there {
            Already::Over(summary) => {
                skipped.push(summary.name.clone());
                summaries.push(*summary);
                folders.push(path);
                continue;
            }
            Already::Stopped => match go_on(find(&path)?, &path, &arguments.layer.run, voice.mode, &mut host)? {
                Rest::Nothing { line, summary } => {
                    say::print(&format!("{line}\n"))?;
                    summaries.extend(summary.map(|summary| *summary));
                    folders.push(path);
                    continue;
                }
                Rest::Done(finished) => *finished,
            },
            Already::Nothing => {
                run::execute(config, Target::New { path: &path, existing, inputs: &[], held: None }, &mut host)?
            }
        };
        let failure = finished.failure();
        let Finished { summary, interrupted, .. } = finished;
        if !all || interrupted {
            let printed = say::print(&text::one(&summary, &path));
            if interrupted {
                // The terminal may be gone, which was the reason.
                return Err(Error::Interrupted);
            }
            printed?;
        }
        match failure {
            Some(failure) if !all => return Err(failure),
            failure => failures.extend(failure),
        }
        summaries.push(summary);
        folders.push(path);
    }
    if !all {
        return Ok(());
    }
    let index = write_page(&arguments.report_folder(), arguments.output.overwrite, &folders)?;
    let mut text = text::many(&summaries);
    if !skipped.is_empty() {
        text.push_str(&format!(
            "\ncomplete already, skipped (without their folders they are run again): {}\n",
            skipped.join(", ")
        ));
    }
    say::print(&format!("{text}\nreport: {}\n", index.shown()))?;
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn write_page(folder: &Path, overwrite: bool, runs: &[PathBuf]) -> Result<PathBuf, Error> {
    let runs: Vec<FoundRun> = runs.iter().map(|run| FoundRun::read(run)).collect::<Result<_, _>>()?;
    page::write(folder, overwrite, &runs, &[], Focus::Results)
}
