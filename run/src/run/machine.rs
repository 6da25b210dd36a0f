//! What a run computes with: instruction set, backend, threads.

use anyhow::anyhow;
use memorize_kernels::{Engine, Isa, KernelError, Par};

use super::alike;
use crate::blas::{self, Blas};
use crate::config::{Backend, Dtype, IsaName};
use crate::error::{Error, WithHint};
use crate::provenance::ComputedWith;
use crate::ranks;
use crate::threads::Threads;

/// An engine and the threads that it may use.
#[derive(Debug)]
pub struct Machine {
    /// How passes run.
    pub engine: Engine,
    /// Threads of the pool.
    pub threads: usize,
    /// Notes on several ranks.
    pub notes: Vec<String>,
    /// The library that the backend `blas` calls, if that is the backend.
    pub blas: Option<Blas>,
    threads_of_its_own: Threads,
}

impl Machine {
    /// The instruction set asked for, else the one that the environment names, else the best of this CPU; the number of
    /// threads asked for, else one for each core that the process may use and need not leave to other ranks, as many as
    /// Slurm gives to it.
    ///
    /// # Errors
    /// Bad input if the CPU lacks the instruction set, the build lacks the backend, or other ranks have another
    /// instruction set or BLAS.
    pub fn new(backend: Backend, isa: Option<IsaName>, threads: Option<usize>) -> Result<Self, Error> {
        let isa = match isa {
            Some(isa) => isa.to_string().parse::<Isa>(),
            None => Isa::from_environment(),
        };
        let isa = isa.map_err(Error::bad_input)?;
        let backend: memorize_kernels::Backend = backend.to_string().parse().map_err(without_backend)?;
        let blas = blas::linked().filter(|_| backend.name() == "blas");
        alike::machines(isa, backend, blas.as_ref())?;
        let asked = if blas::one_at_a_time(backend) { Some(1) } else { threads.or_else(ranks::threads) };
        let (own, note) = Threads::start(asked);
        let threads = own.count();
        let par = if threads == 1 { Par::Seq } else { Par::POOL };
        let notes = ranks::notes(threads).into_iter().chain(note).collect();
        Ok(Self { engine: Engine { isa, backend, par }, threads, notes, blas, threads_of_its_own: own })
    }

    /// Keeps each thread on a core of its own, for good.
    ///
    /// # Errors
    /// Bad input if there are not as many cores as threads, other ranks are on this machine, or the system refuses.
    pub fn pin(&self) -> Result<(), Error> {
        if ranks::neighbours() > 1 {
            let error = anyhow!("--pin would keep the ranks on this machine on the same cores");
            return Err(Error::BadInput(
                error.hint("leave it out, and give each rank cores of its own: mpirun --bind-to"),
            ));
        }
        let hint = "leave --pin out, or compute with fewer --threads";
        self.threads_of_its_own.pin().map_err(|error| Error::BadInput(error.hint(hint)))
    }

    /// The instruction set that the passes run with, as far as it is ours to choose.
    pub fn isa_name(&self) -> &'static str {
        match self.engine.backend {
            memorize_kernels::Backend::Native => self.engine.isa.name(),
            memorize_kernels::Backend::MatrixMultiply => "chosen by matrixmultiply",
            _ => "chosen by the BLAS",
        }
    }

    /// What it computes a result of this type with, and on which route if that is one for all.
    pub fn computed_with(&self, dtype: Dtype, route: Option<&str>) -> ComputedWith {
        let Self { engine, blas, threads, .. } = self;
        let (backend, isa) = (engine.backend.name().to_owned(), self.isa_name().to_owned());
        let route = route.map(str::to_owned);
        ComputedWith { dtype, backend, blas: blas.clone(), isa, route, threads: *threads, ranks: ranks::count() }
    }

    /// Runs `work` on this machine's threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.threads_of_its_own.install(work)
    }
}

fn without_backend(error: KernelError) -> Error {
    match error {
        KernelError::BackendNotBuilt { asked } => {
            let hint =
                format!("build the program with it: cargo build --release --features {asked} (see docs/openblas.md)");
            Error::BadInput(error.hint(hint))
        }
        error => Error::bad_input(error),
    }
}
