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
use memorize_run::run_folder::{Existing, Summary};
use serde::Serialize;

use super::host;
use super::resume::{Rest, go_on};
use super::train::Ended;
use crate::args::{ReproduceArgs, Selection};
use crate::console::Mode;
use crate::exit::build_warning;
use crate::say;

/// Runs the selected experiments, one after the other, and prints what came out beside what the paper reports. Of all
/// experiments those that are complete already are skipped, those that were stopped go on, and a page about all of them
/// is written.
///
/// # Errors
/// Bad input if a flag or an output folder is wrong: all are checked before the first experiment runs. A run that
/// fails or is interrupted ends the command.
pub fn reproduce(arguments: &ReproduceArgs) -> Result<(), Error> {
    let existing = Existing::from_flag(arguments.output.overwrite);
    let (all, json) = (arguments.experiment == Selection::All, arguments.output.log.json);
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
                    if json {
                        voice.mode.tell(&line);
                    } else {
                        say::print(&format!("{line}\n"))?;
                    }
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
        if !json && (!all || interrupted) {
            let printed = say::print(&text::one(&summary, &path));
            if interrupted {
                // The terminal may be gone, which was the reason.
                return Err(Error::Interrupted);
            }
            printed?;
        }
        summaries.push(summary);
        folders.push(path);
        if interrupted {
            say::print_exact(&as_json(summaries, &folders, None))?;
            return Err(Error::Interrupted);
        }
        failures.extend(failure);
    }
    let index =
        all.then(|| write_page(&arguments.report_folder(), arguments.output.overwrite, &folders)).transpose()?;
    if json {
        say::print_exact(&as_json(summaries, &folders, index.as_deref()))?;
    } else if let Some(index) = index {
        let mut text = text::many(&summaries);
        if !skipped.is_empty() {
            text.push_str(&format!(
                "\ncomplete already, skipped (without their folders they are run again): {}\n",
                skipped.join(", ")
            ));
        }
        say::print(&format!("{text}\nreport: {}\n", index.shown()))?;
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// What came out, for programs. Where there are several runs, each says for itself what it was computed with.
fn as_json(summaries: Vec<Summary>, folders: &[PathBuf], report: Option<&Path>) -> String {
    #[derive(Serialize)]
    struct Reproduced {
        runs: Vec<Ended>,
        report: Option<String>,
    }
    let computed_with = match &summaries[..] {
        [one] => Some(one.computed_with()),
        _ => None,
    };
    let runs = summaries.into_iter().zip(folders).map(|(summary, folder)| Ended::new(summary, folder)).collect();
    let report = report.map(|report| report.display().to_string());
    say::json("reproduce", computed_with.as_ref(), &Reproduced { runs, report })
}

fn write_page(folder: &Path, overwrite: bool, runs: &[PathBuf]) -> Result<PathBuf, Error> {
    let runs: Vec<FoundRun> = runs.iter().map(|run| FoundRun::read(run)).collect::<Result<_, _>>()?;
    page::write(folder, overwrite, &runs, &[], Focus::Results)
}
