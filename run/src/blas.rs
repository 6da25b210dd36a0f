//! The BLAS behind the backend `blas`: what it is, whether it suits this processor, and keeping it to one thread a
//! call.
//!
//! The crates below do not know which BLAS they get; this program chooses the system's OpenBLAS, with the cargo feature
//! `blas`. Without the feature there is none, and [`linked`] says so.

#[cfg(feature = "blas")]
#[expect(unsafe_code, reason = "OpenBLAS is a C library")]
mod openblas;

use std::fmt;

use memorize_kernels::Isa;
use serde::{Deserialize, Serialize};

use crate::config::Backend;
use crate::error::{Error, WithHint};

/// The variable by which OpenBLAS is told the processor type. The library reads it while it loads.
const CORETYPE: &str = "OPENBLAS_CORETYPE";

/// A BLAS, as it describes itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blas {
    /// Name of the library.
    pub library: String,
    /// Its version.
    pub version: String,
    /// The processor type whose kernels it runs, as in `SkylakeX`.
    pub core: String,
    /// How it was built to use threads.
    pub threading: Threading,
    /// Threads that a call uses.
    pub threads: usize,
    /// Its own line on version and build options.
    pub config: String,
}

/// How a BLAS was built to use threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Threading {
    /// Not at all.
    None,
    /// Threads of its own.
    Pthread,
    /// OpenMP.
    Openmp,
}

impl fmt::Display for Blas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        write!(f, "{} {}, {} kernels, {threads} a call", self.library, self.version, self.core)
    }
}

/// The BLAS that the program is linked with, if it is with one.
pub fn linked() -> Option<Blas> {
    #[cfg(feature = "blas")]
    return Some(openblas::linked());
    #[cfg(not(feature = "blas"))]
    None
}

/// Keeps the BLAS to the calling thread in what that thread asks of it: the passes are shared out among threads
/// already. To be called once by every thread that computes.
pub fn one_thread() {
    #[cfg(feature = "blas")]
    openblas::one_thread();
}

/// Whether products of this backend may run on one thread at a time only.
pub fn one_at_a_time(backend: memorize_kernels::Backend) -> bool {
    // An OpenBLAS built without threads shares its buffers among callers, unless it was built with locks, of which it
    // does not tell.
    backend.name() == "blas" && linked().is_some_and(|blas| blas.threading == Threading::None)
}

/// What is to be known of the BLAS before a command uses it. `backend`: the one that the command uses, none if it uses
/// all of them.
///
/// # Errors
/// Bad input if the linked BLAS cannot be called.
pub fn warnings(backend: Option<Backend>) -> Result<Vec<String>, Error> {
    let used = backend.is_none_or(|backend| backend == Backend::Blas);
    let Some(blas) = linked().filter(|_| used) else { return Ok(Vec::new()) };
    blas.check()?;
    let forced = std::env::var(CORETYPE).ok();
    Ok(blas.warnings(Isa::best(), forced.as_deref()).iter().map(|warning| format!("warning: {warning}")).collect())
}

impl Blas {
    /// Whether it can be called at all.
    fn check(&self) -> Result<(), Error> {
        if !self.has("USE64BITINT") {
            return Ok(());
        }
        let error = anyhow::anyhow!(
            "the backend `blas` calls with 32-bit integers, but {} {} was built for 64-bit ones",
            self.library,
            self.version
        );
        let hint = "build the program with an OpenBLAS without USE64BITINT, or take another --backend";
        Err(Error::BadInput(error.hint(hint)))
    }

    /// What keeps it below its best on a processor with `isa`, and the remedy. `forced`: the value of [`CORETYPE`].
    fn warnings(&self, isa: Isa, forced: Option<&str>) -> Vec<String> {
        let Self { library, version, core, threads, .. } = self;
        let mut warnings = Vec::new();
        if let (Some(runs), Some((has, fitting))) = (vectors_of(core), fitting_core(isa))
            && runs < has
        {
            let remedy = if !self.has("DYNAMIC_ARCH") {
                "it was built for that processor type alone: install one that was built for all (DYNAMIC_ARCH)"
                    .to_owned()
            } else if forced.is_some_and(|forced| forced.eq_ignore_ascii_case(fitting)) {
                format!("{CORETYPE}={fitting} is set, but it has no such kernels: install a newer one")
            } else {
                format!(
                    "set {CORETYPE}={fitting} before the program starts (the library reads it while it loads), as in\n         \
                     {CORETYPE}={fitting} memorize ..."
                )
            };
            warnings.push(format!(
                "{library} {version} runs its {core} kernels ({runs}) on a processor with {has}, at a fraction of its \
                 speed;\n         {remedy}"
            ));
        }
        if self.threading == Threading::None {
            warnings.push(format!(
                "{library} {version} was built without threads and is safe for one caller at a time: the backend `blas` \
                 runs on one thread;\n         install one that was built with threads (Debian: libopenblas0-pthread)"
            ));
        }
        if *threads > 1 {
            warnings.push(format!(
                "{library} {version} insists on {threads} threads a call, beside the threads of the program;\n         \
                 set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1 before the program starts"
            ));
        }
        warnings
    }

    /// Whether a word stands in the library's own line.
    fn has(&self, word: &str) -> bool {
        self.config.split_whitespace().any(|found| found == word)
    }
}

/// Vector instructions, narrow to wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Vectors {
    Sse,
    Avx,
    Avx2,
    Avx512,
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sse => "SSE",
            Self::Avx => "AVX",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// What the kernels for one of OpenBLAS's processor types are made of; none for a type that is not known here, such as
/// one that is newer than this list.
fn vectors_of(core: &str) -> Option<Vectors> {
    Some(match core.to_ascii_lowercase().as_str() {
        "unknown" | "generic" | "katmai" | "coppermine" | "northwood" | "prescott" | "banias" | "atom" | "core2"
        | "penryn" | "dunnington" | "nehalem" | "athlon" | "opteron" | "opteron_sse3" | "barcelona" | "bobcat"
        | "nano" => Vectors::Sse,
        "sandybridge" | "bulldozer" | "piledriver" | "steamroller" => Vectors::Avx,
        "excavator" | "haswell" | "zen" => Vectors::Avx2,
        "skylakex" | "cooperlake" | "sapphirerapids" => Vectors::Avx512,
        _ => return None,
    })
}

/// What a processor has, and OpenBLAS's name for the oldest type that has the same: old versions know it too, and its
/// kernels run on processors of every make.
fn fitting_core(best: Isa) -> Option<(Vectors, &'static str)> {
    match best.name() {
        "avx512" => Some((Vectors::Avx512, "SkylakeX")),
        "avx2" => Some((Vectors::Avx2, "Haswell")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blas(core: &str, threading: Threading, config: &str) -> Blas {
        Blas {
            library: "OpenBLAS".to_owned(),
            version: "0.3.21".to_owned(),
            core: core.to_owned(),
            threading,
            threads: 1,
            config: config.to_owned(),
        }
    }

    const DEBIAN: &str = "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Prescott MAX_THREADS=64";

    fn isa(name: &str) -> Option<Isa> {
        // Only what this processor has can be had.
        name.parse().ok()
    }

    #[test]
    fn kernels_older_than_the_processor_are_warned_of_with_the_remedy() {
        for (has, fitting, old, fine) in [
            ("avx512", "SkylakeX", ["Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"].as_slice(), "Cooperlake"),
            ("avx2", "Haswell", &["Prescott", "Core2", "GENERIC", "Piledriver"], "Zen"),
        ] {
            let Some(isa) = isa(has) else { continue };
            for core in old {
                let [warning] = &blas(core, Threading::Pthread, DEBIAN).warnings(isa, None)[..] else {
                    panic!("{core}")
                };
                assert!(
                    warning.contains(core) && warning.contains(&format!("OPENBLAS_CORETYPE={fitting} ")),
                    "{warning}"
                );
            }
            for core in [fine, fitting, "ZenOfTheFuture"] {
                assert!(blas(core, Threading::Pthread, DEBIAN).warnings(isa, None).is_empty(), "{core}");
            }
            let old = blas("Prescott", Threading::Pthread, DEBIAN);
            assert!(old.warnings(isa, Some(&fitting.to_lowercase()))[0].contains("install a newer one"));
            let fixed = blas("PRESCOTT", Threading::Pthread, "OpenBLAS 0.3.21 PRESCOTT MAX_THREADS=64");
            assert!(fixed.warnings(isa, None)[0].contains("DYNAMIC_ARCH"));
        }
        let scalar = isa("scalar").unwrap();
        assert!(blas("Prescott", Threading::Pthread, DEBIAN).warnings(scalar, None).is_empty());
    }

    #[test]
    fn threads_are_accounted_for() {
        let scalar = isa("scalar").unwrap();
        assert!(blas("Zen", Threading::None, DEBIAN).warnings(scalar, None)[0].contains("one thread"));
        assert!(blas("Zen", Threading::Openmp, DEBIAN).warnings(scalar, None).is_empty());
        let stubborn = Blas { threads: 4, ..blas("Zen", Threading::Openmp, DEBIAN) };
        assert!(stubborn.warnings(scalar, None)[0].contains("insists on 4 threads"));
    }

    #[test]
    fn integers_of_another_width_are_refused() {
        assert!(blas("Zen", Threading::Pthread, DEBIAN).check().is_ok());
        let wide = blas("Zen", Threading::Pthread, "OpenBLAS 0.3.21 USE64BITINT DYNAMIC_ARCH Zen MAX_THREADS=64");
        assert!(wide.check().unwrap_err().to_string().contains("64-bit"));
    }

    #[test]
    fn a_blas_describes_itself() {
        let text = blas("SkylakeX", Threading::Pthread, DEBIAN).to_string();
        assert_eq!(text, "OpenBLAS 0.3.21, SkylakeX kernels, 1 thread a call");
    }
}
