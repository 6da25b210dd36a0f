//! A page about runs: the paper's figures redrawn, numbers, verdicts, settings, machine. One file that needs no
//! network, with each curve as SVG and PNG beside it.
//!
//! ```text
//! run folders ──> FoundRun ──> content (texts), chart (curves) ──> templates/page.html ──> index.html
//! ```
//!
//! Everything that comes from a file reaches the page through the template's escaping or, for the script, as JSON that
//! cannot end its element. The charts are there without the script; `templates/page.js` makes them answer.

mod chart;
mod content;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use askama::Template;
use memorize_data::{Shown, output, small};
use memorize_run::error::{Error, WithHint};
use memorize_run::run_folder::{FolderError, lock, remove_leftovers, write_atomically};

use crate::found::FoundRun;
use crate::plot::{self, Curve, Named, Overlay};

/// The page's file.
pub const INDEX: &str = "index.html";
/// The folder of its pictures.
const CURVES: &str = "curves";
/// The name of the picture with all curves.
const ALL: &str = "all";
/// A page that is longer than this is none of ours, in bytes.
const LONGEST_PAGE: u64 = 1 << 28;
/// Mark of the program on its pages, by which it knows them again.
const GENERATOR: &str = "memorize report";

/// Subject of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// What came out, beside what the paper reports.
    Results,
    /// In what the runs differ.
    Differences,
}

/// Makes sure that a page could be written to a folder, before hours are spent on what it is about. An earlier page is
/// replaced unasked, another's files only if `overwrite` says so.
///
/// # Errors
/// Bad input if the folder cannot be written to or made, or holds an `index.html`, or pictures, that are not ours.
pub fn check(folder: &Path, overwrite: bool) -> Result<(), Error> {
    let index = folder.join(INDEX);
    let unusable = |error: std::io::Error| {
        let error = anyhow::Error::new(error).context(format!("cannot write {}", index.shown()));
        Error::BadInput(error.hint("choose a folder that you may write to with --out DIR"))
    };
    let marked = |bytes: &[u8]| bytes.windows(GENERATOR.len()).any(|window| window == GENERATOR.as_bytes());
    let curves = folder.join(CURVES);
    match small::read(&index, LONGEST_PAGE) {
        Ok(bytes) if marked(&bytes) => {}
        Ok(_) if !overwrite => return Err(theirs(&index)),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        // Without a page of ours the pictures are another's, too.
        _ if !overwrite && fs::read_dir(&curves).is_ok_and(|mut entries| entries.next().is_some()) => {
            return Err(theirs(&curves));
        }
        _ => {}
    }
    output::check_folder(&curves).map_err(unusable)
}

/// Writes a page about runs into a folder, over an earlier one, and its pictures below. `problems` are about runs that
/// could not be read at all. Returns the page's path.
///
/// # Errors
/// As [`check`]; a failed run if a file cannot be written or drawn.
pub fn write(
    folder: &Path,
    overwrite: bool,
    runs: &[FoundRun],
    problems: &[String],
    focus: Focus,
) -> Result<PathBuf, Error> {
    check(folder, overwrite)?;
    let curves = folder.join(CURVES);
    fs::create_dir_all(&curves).map_err(|source| FolderError::Unusable { path: curves.clone(), source })?;
    let _lock = lock(folder)?;
    remove_leftovers(folder)?;
    let stems = stems(runs);
    if !overwrite {
        check_pictures(folder, runs, &stems)?;
    }
    let page = content::Page::of(runs, &stems, problems, focus).map_err(Error::run_failed)?;
    let text = page.render().context("cannot fill in the page's template").map_err(Error::RunFailed)?;
    // The page first: pictures that it links to are ours, also if the process is killed among them.
    let index = folder.join(INDEX);
    write_atomically(&index, text.as_bytes())?;
    write_pictures(&curves, runs, &stems, &page.title)?;
    Ok(index)
}

/// Makes sure that no picture of another's is replaced: ours are those that the page there links to.
///
/// # Errors
/// Bad input that names the first.
fn check_pictures(folder: &Path, runs: &[FoundRun], stems: &[String]) -> Result<(), Error> {
    let page = small::read(&folder.join(INDEX), LONGEST_PAGE).unwrap_or_default();
    let page = String::from_utf8_lossy(&page);
    let drawn = runs.iter().zip(stems).filter(|(run, _)| run.trace.is_some()).map(|(_, stem)| stem.as_str());
    let mut names = drawn.chain([ALL]).flat_map(|stem| ["svg", "png"].map(|end| format!("{CURVES}/{stem}.{end}")));
    let foreign = |name: &String| folder.join(name).exists() && !page.contains(&format!("\"{name}\""));
    match names.find(foreign) {
        Some(name) => Err(theirs(&folder.join(name))),
        None => Ok(()),
    }
}

fn theirs(path: &Path) -> Error {
    let error = anyhow!("{} is there already and was not made by memorize", path.shown());
    let hint = "choose another folder with --out DIR, or pass --overwrite to replace what is in it";
    Error::BadInput(error.hint(hint))
}

/// Draws each curve anew, from the records that the page shows, and all in one picture.
fn write_pictures(folder: &Path, runs: &[FoundRun], stems: &[String], title: &str) -> Result<(), Error> {
    let drawn: Vec<_> = runs
        .iter()
        .zip(stems)
        .enumerate()
        .filter_map(|(i, (run, stem))| Some((i, run, stem, run.trace.as_ref()?)))
        .collect();
    let write = |stem: &str, svg: &str, png: &[u8]| {
        write_atomically(&folder.join(format!("{stem}.svg")), svg.as_bytes())?;
        write_atomically(&folder.join(format!("{stem}.png")), png)
    };
    for (_, run, stem, trace) in &drawn {
        let subtitle = run.summary.as_ref().and_then(|summary| summary.paper.as_ref());
        let subtitle = subtitle.map(|paper| format!("the paper: {paper}")).unwrap_or_default();
        let loss = run.summary.as_ref().map(|summary| summary.train_loss).filter(|loss| loss.is_finite());
        let curve = Curve { title: &run.name, subtitle: &subtitle, loss, trace };
        let pictures = plot::render(&curve).map_err(Error::run_failed)?;
        write(stem, &pictures.svg, &pictures.png)?;
    }
    if drawn.len() > 1 {
        let results: Vec<String> = drawn.iter().map(|(_, run, ..)| chart::end(run)).collect();
        let named = drawn.iter().zip(&results);
        let named =
            named.map(|((place, run, _, trace), result)| Named { place: *place, name: &run.name, result, trace });
        let overlay = Overlay::of(title, &named.collect::<Vec<_>>());
        let (svg, png) = (plot::svg(&overlay), plot::png(&overlay));
        write(ALL, &svg.map_err(Error::run_failed)?, &png.map_err(Error::run_failed)?)?;
    }
    Ok(())
}

/// Names of files for the runs: letters, digits and dashes of their names, made different from each other.
fn stems(runs: &[FoundRun]) -> Vec<String> {
    let mut taken = HashSet::from([ALL.to_owned()]);
    let stem = |name: &str| {
        let kept = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80);
        let kept: String = kept.collect();
        let kept = kept.trim_matches('-');
        if kept.is_empty() { "run".to_owned() } else { kept.to_ascii_lowercase() }
    };
    let mut stems = Vec::with_capacity(runs.len());
    for run in runs {
        let stem = stem(&run.name);
        let numbered = (2_u64..).map(|i| format!("{stem}-{i}"));
        let free = std::iter::once(stem.clone()).chain(numbered).find(|stem| taken.insert(stem.clone()));
        stems.push(free.unwrap_or(stem));
    }
    stems
}

#[cfg(test)]
mod tests;
