//! What a mistyped name or path may have been meant to be.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Jaro-Winkler similarity above which a name counts as mistyped and not as another one.
const NEAR: f64 = 0.75;
/// The same for files, by edits: `X.npy` is not `y.npy`, however much they share.
const NEAR_FILE: f64 = 0.65;
/// Files of a folder that are looked at.
const FILES: usize = 10_000;

/// The known name that is most like an unknown one, if it is like it.
pub fn name<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similar = known.into_iter().map(|name| (strsim::jaro_winkler(unknown, name), name));
    let near = similar.filter(|(similarity, _)| *similarity > NEAR);
    near.max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, name)| name)
}

/// The path that is there and most like one that is not, if it is like it; none for one that is there itself. The first
/// part of the path that is missing is taken for the mistyped one.
pub fn path(missing: &Path) -> Option<PathBuf> {
    // A name that exists was not mistyped, and helps nobody.
    if missing.symlink_metadata().is_ok() {
        return None;
    }
    let there = missing.ancestors().skip(1).find(|folder| here_if_empty(folder).is_dir())?;
    let rest = missing.strip_prefix(there).ok()?;
    let mut parts = rest.components();
    let typed = parts.next()?.as_os_str();
    let entries = fs::read_dir(here_if_empty(there)).ok()?.take(FILES).filter_map(Result::ok);
    let similar = entries.map(|entry| entry.file_name()).map(|name| (likeness(typed, &name), name));
    let near = similar.filter(|([stem, _], _)| *stem >= NEAR_FILE);
    let order = |left: [f64; 2], right: [f64; 2]| left[0].total_cmp(&right[0]).then(left[1].total_cmp(&right[1]));
    let (_, name) = near.max_by(|left, right| order(left.0, right.0))?;
    let found = there.join(name);
    let whole = found.join(parts.as_path());
    Some(if parts.as_path() != Path::new("") && whole.exists() { whole } else { found })
}

/// How alike the names of two files are without their endings, then with them.
fn likeness(typed: &OsStr, there: &OsStr) -> [f64; 2] {
    let text = |name: &OsStr| name.to_string_lossy().to_lowercase();
    let stem = |name: &OsStr| Path::new(name).file_stem().map(text).unwrap_or_default();
    [(stem(typed), stem(there)), (text(typed), text(there))]
        .map(|(typed, there)| strsim::normalized_damerau_levenshtein(&typed, &there))
}

/// The folder of a path without one.
fn here_if_empty(folder: &Path) -> &Path {
    if folder == Path::new("") { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_neighbour_and_another_one_does_not() {
        assert_eq!(name("leraning_rate", ["kind", "learning_rate", "batch"]), Some("learning_rate"));
        assert_eq!(name("xyzzy", ["kind", "batch"]), None);
        assert_eq!(name("kind", []), None);
    }

    #[test]
    fn a_mistyped_file_or_folder_finds_its_neighbour() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("runs/synthetic-quick")).unwrap();
        for file in ["samples.npy", "samples.csv", "X.npy", "runs/synthetic-quick/config.toml"] {
            fs::write(at(file), "").unwrap();
        }
        for (typed, meant) in [
            ("sample.npy", Some("samples.npy")),
            ("samples.npz", Some("samples.npy")),
            ("Samples.csv", Some("samples.csv")),
            ("runs/synthetic-quik", Some("runs/synthetic-quick")),
            ("run/synthetic-quick/config.toml", Some("runs/synthetic-quick/config.toml")),
            ("runs/synthetic-quik/config.toml", Some("runs/synthetic-quick/config.toml")),
            ("runs/synthetic-quik/other.toml", Some("runs/synthetic-quick")),
            ("y.npy", None),
            ("targets.npy", None),
            ("runs/mnist-2layer", None),
        ] {
            assert_eq!(path(&at(typed)), meant.map(&at), "{typed}");
        }
        assert_eq!(path(&at("X.npy")), None, "it is there");
        assert_eq!(path(Path::new("")), None);
        assert_eq!(path(Path::new("/")), None);
    }
}
