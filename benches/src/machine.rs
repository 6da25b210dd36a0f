//! What a measurement was made on. Read from the system where it tells, `unknown` where it does not.

use std::fs;
use std::path::Path;

use memorize_kernels::{Engine, Isa};
use memorize_run::blas::{self, Blas};
use memorize_run::provenance::{COMMIT, COMPILER, cores, cpu_name};
use serde::{Deserialize, Serialize};

/// Processor, threads, caches, compiler and commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// The processor's name.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// Threads that the passes could use.
    pub threads: usize,
    /// Instruction set of the best measurements.
    pub isa: String,
    /// Every instruction set of this processor, best first.
    pub isas: Vec<String>,
    /// Caches of one core, as in `L1 Data 48K`.
    pub caches: Vec<String>,
    /// The BLAS that the program is linked with, if it is with one.
    pub blas: Option<Blas>,
    /// The compiler that built the program.
    pub compiler: String,
    /// The commit that it was built from.
    pub commit: String,
    /// Version of the program.
    pub version: String,
}

impl MachineInfo {
    /// This machine, with the instruction set of `engine`.
    pub fn of(engine: &Engine) -> Self {
        Self {
            cpu: cpu_name(),
            cores: cores(),
            threads: rayon::current_num_threads(),
            isa: engine.isa.name().to_owned(),
            isas: Isa::available().into_iter().map(|isa| isa.name().to_owned()).collect(),
            caches: caches(),
            blas: blas::linked(),
            compiler: COMPILER.to_owned(),
            commit: COMMIT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn caches() -> Vec<String> {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let read = |index: usize, what: &str| {
        let text = fs::read_to_string(folder.join(format!("index{index}")).join(what)).ok()?;
        Some(text.trim().to_owned())
    };
    let cache = |index| Some(format!("L{} {} {}", read(index, "level")?, read(index, "type")?, read(index, "size")?));
    (0..).map_while(cache).collect()
}
