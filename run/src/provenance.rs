//! Where results are from: the machine, the compiler and the commit of the program, the command line.
//!
//! Read from the system where it tells, `unknown` where it does not.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::blas::Blas;
use crate::config::Dtype;
use crate::units;

/// The compiler that built the program.
pub const COMPILER: &str = env!("MEMORIZE_COMPILER");
/// The commit that it was built from.
pub const COMMIT: &str = env!("MEMORIZE_COMMIT");

/// What it takes to trust a result: who computed it, and how it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The processor's name.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// The compiler that built the program.
    pub compiler: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The command line, quoted for a shell.
    pub command: String,
}

impl Provenance {
    /// Of this process.
    pub fn here() -> Self {
        let mut arguments = std::env::args_os();
        let program = arguments.next();
        let program = program.as_deref().and_then(|path| Path::new(path).file_name()).unwrap_or("memorize".as_ref());
        let words = std::iter::once(quoted(program)).chain(arguments.map(|argument| quoted(&argument)));
        Self {
            cpu: cpu_name(),
            cores: cores(),
            compiler: COMPILER.to_owned(),
            commit: COMMIT.to_owned(),
            command: words.collect::<Vec<_>>().join(" "),
        }
    }
}

/// The processor's name.
pub fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// Cores that the process may use; as many as at first, for a thread that was kept on one core since is asked about that
/// one.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A word as a shell reads it back.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a result was computed with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComputedWith {
    /// Type of the numbers.
    pub dtype: Dtype,
    /// Whose matrix products.
    pub backend: String,
    /// The library behind the backend `blas`; null with another one.
    pub blas: Option<Blas>,
    /// Instruction set that ran.
    pub isa: String,
    /// How outputs and gradients were computed; null where that was not one way for all.
    pub route: Option<String>,
    /// Threads of each process.
    pub threads: usize,
    /// Processes that shared the work.
    pub ranks: usize,
}

impl fmt::Display for ComputedWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.dtype, self.backend)?;
        if let Some(blas) = &self.blas {
            write!(f, " ({blas})")?;
        }
        write!(f, ", {}", self.isa)?;
        if let Some(route) = &self.route {
            write!(f, ", {route} route")?;
        }
        write!(f, ", {}", units::threads(self.threads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        for (word, shown) in [
            ("--lr", "--lr"),
            ("runs/a-1", "runs/a-1"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("*", "'*'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), shown);
        }
    }

    #[test]
    fn this_process_has_a_machine_a_compiler_and_a_command() {
        let Provenance { cpu, cores, compiler, commit, command } = Provenance::here();
        assert!(cores > 0 && [cpu, compiler, commit, command].iter().all(|text| !text.is_empty()));
    }
}
