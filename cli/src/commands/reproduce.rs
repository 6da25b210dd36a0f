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
    let (mut ended, mut skipped, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let count = plans.len();
    for (at, (config, path, there)) in plans.into_iter().enumerate() {
        if all && !matches!(there, Already::Over(_)) && voice.mode != Mode::Json {
            // Programs have it in every event.
            voice.mode.tell(&format!("{} ({} of {count})", config.run.name, at + 1));
        }
        let finished = match there {
            Already::Over(summary) => {
                skipped.push(summary.name.clone());
                ended.push((*summary, path));
                continue;
            }
            Already::Stopped => go_on(find(&path)?, &path, &arguments.layer.run, voice.mode, &mut host),
            Already::Nothing => {
                run::execute(config, Target::New { path: &path, existing, inputs: &[], held: None }, &mut host)
                    .map(|finished| Rest::Done(Box::new(finished)))
            }
        };
        let finished = match finished {
            Ok(Rest::Done(finished)) => *finished,
            Ok(Rest::Nothing { line, summary }) => {
                if json {
                    voice.mode.tell(&line);
                } else {
                    say::print(&format!("{line}\n"))?;
                }
                ended.extend(summary.map(|summary| (*summary, path)));
                continue;
            }
            // The runs that have ended are printed all the same.
            Err(error) if json && !ended.is_empty() => {
                let _ = say::print_exact(&as_json(ended, None));
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        failures.extend(finished.failure());
        let Finished { summary, interrupted, .. } = finished;
        let printed = if json || (all && !interrupted) { Ok(()) } else { say::print(&text::one(&summary, &path)) };
        ended.push((summary, path));
        if interrupted {
            // The terminal may be gone, which was the reason.
            let _ = if json { say::print_exact(&as_json(ended, None)) } else { printed };
            return Err(Error::Interrupted);
        }
        printed?;
    }
    let folders: Vec<&Path> = ended.iter().map(|(_, folder)| folder.as_path()).collect();
    let index = all.then(|| write_page(&arguments.report_folder(), arguments.output.overwrite, &folders)).transpose();
    match (json, index) {
        (true, index) => {
            let page = index.as_ref().ok().and_then(Option::as_deref);
            say::print_exact(&as_json(ended, page))?;
            index?;
        }
        (false, index) => {
            if let Some(index) = index? {
                let summaries: Vec<Summary> = ended.into_iter().map(|(summary, _)| summary).collect();
                let mut text = text::many(&summaries);
                if !skipped.is_empty() {
                    text.push_str(&format!(
                        "\ncomplete already, skipped (without their folders they are run again): {}\n",
                        skipped.join(", ")
                    ));
                }
                say::print(&format!("{text}\nreport: {}\n", index.shown()))?;
            }
        }
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// The results, for programs. Where there are several runs, each says for itself what it was computed with.
fn as_json(runs: Vec<(Summary, PathBuf)>, report: Option<&Path>) -> String {
    #[derive(Serialize)]
    struct Reproduced {
        runs: Vec<Ended>,
        report: Option<String>,
    }
    let computed_with = match &runs[..] {
        [(one, _)] => Some(one.computed_with()),
        _ => None,
    };
    let runs = runs.into_iter().map(|(summary, folder)| Ended::new(summary, &folder)).collect();
    let report = report.map(|report| report.display().to_string());
    say::json("reproduce", computed_with.as_ref(), &Reproduced { runs, report })
}

fn write_page(folder: &Path, overwrite: bool, runs: &[&Path]) -> Result<PathBuf, Error> {
    let runs: Vec<FoundRun> = runs.iter().map(|run| FoundRun::read(run)).collect::<Result<_, _>>()?;
    page::write(folder, overwrite, &runs, &[], Focus::Results)
}
