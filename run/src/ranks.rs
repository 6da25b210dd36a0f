//! Several processes that work on one command, started by `mpirun`: the ranks of a team, each with its share of the
//! samples.
//!
//! Rank 0 speaks, reads and writes the run's folder; the others compute with it and are silent. All of them go the same
//! way: what only one knows (a signal, a full disk, the time) is asked for with [`any`], what only rank 0 reads with
//! [`from_first`]. A rank that fails says so in its place in the others' next exchange
//! ([`memorize_ranks::fail`]), and all end with its exit code. One that panics may be out of step with the
//! others, and ends them at once.
//!
//! What they exchange has the shape that programs, settings and files have given it. So these are compared first
//! ([`agree`]): see [`crate::run::alike`].
//!
//! Without the cargo feature `mpi`, and in a process that no launcher has started, there is one rank and nothing to
//! exchange.

#[cfg(feature = "mpi")]
mod mpi;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use memorize_data::digest::sha256;
use memorize_kernels::team::{Team, gather};
use memorize_kernels::{Backend, Spread};
use memorize_ranks::{Ranks, gather_text, meet};

use crate::error::{Error, WithHint};
use crate::provenance::{COMMIT, cores};

static TEAM: OnceLock<Crew> = OnceLock::new();

/// The team, and who is where.
#[derive(Debug)]
struct Crew {
    team: Arc<Ranks>,
    /// Ranks on this machine.
    neighbours: usize,
    /// Ranks that may use the same cores as this one.
    sharers: usize,
    /// Whether not all machines have the same processor.
    mixed: bool,
}

/// Number of ranks.
pub fn count() -> usize {
    TEAM.get().map_or(1, |crew| crew.team.ranks())
}

/// Whether this is the rank that speaks and writes.
pub fn is_first() -> bool {
    TEAM.get().is_none_or(|crew| crew.team.rank() == 0)
}

/// Ranks on this machine, which share its memory.
pub fn neighbours() -> usize {
    TEAM.get().map_or(1, |crew| crew.neighbours)
}

/// The other ranks, if there are any.
pub fn team() -> Option<&'static Ranks> {
    TEAM.get().map(|crew| &*crew.team)
}

/// This rank's share of so many rows.
pub fn spread(rows: usize) -> Spread {
    TEAM.get().map_or_else(|| Spread::alone(rows), |crew| Spread::over(&(crew.team.clone() as Arc<dyn Team>), rows))
}

/// Which of these is so on any rank. All ranks must ask at the same time.
pub fn any<const N: usize>(flags: [bool; N]) -> [bool; N] {
    let Some(team) = team() else { return flags };
    let all = gather(team, &flags.map(u8::from));
    std::array::from_fn(|i| all.iter().skip(i).step_by(N).any(|&flag| flag > 0))
}

/// What rank 0 reads, on every rank.
///
/// # Errors
/// On rank 0 those of `read`; the others then end with it.
pub fn from_first(read: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
    let bytes = if is_first() { read()? } else { Vec::new() };
    Ok(team().map_or_else(|| bytes.clone(), |team| gather(team, &bytes)))
}

/// Waits for the other ranks; a rank that has failed is found out here at the latest.
pub fn wait() {
    if let Some(team) = team() {
        meet(team);
    }
}

/// Makes sure that what has a name has the same value on all ranks, which must ask at the same time.
///
/// # Errors
/// Bad input that names the first rank that differs from rank 0, and in what, with `hint`.
pub fn agree(own: &BTreeMap<String, String>, hint: &str) -> Result<(), Error> {
    team().map_or(Ok(()), |team| agree_in(team, own, hint))
}

fn agree_in(team: &dyn Team, own: &BTreeMap<String, String>, hint: &str) -> Result<(), Error> {
    let text = serde_json::to_string(own).expect("a map of strings is always JSON");
    let digests = gather_text(team, &sha256(text.as_bytes()));
    let Some(rank) = digests.iter().position(|other| *other != digests[0]) else { return Ok(()) };
    let texts = gather_text(team, &text);
    let [first, other] =
        [0, rank].map(|rank| serde_json::from_str::<BTreeMap<String, String>>(&texts[rank]).unwrap_or_default());
    let names: BTreeSet<_> =
        first.keys().chain(other.keys()).filter(|&name| first.get(name) != other.get(name)).collect();
    let value = |values: &BTreeMap<String, String>, name| values.get(name).map_or("none", |value| value).to_owned();
    let differences = names.into_iter().enumerate().map(|(at, name)| {
        let (there, here) = (value(&other, name), value(&first, name));
        let who = if at == 0 { format!("rank {rank} has ") } else { String::new() };
        format!("{who}another {name}: {there}, rank 0 has {here}")
    });
    Err(Error::BadInput(anyhow::anyhow!("{}", differences.collect::<Vec<_>>().join("; ")).hint(hint)))
}

/// Refuses to do with several ranks what only one can do.
///
/// # Errors
/// Bad input if there are several.
pub fn one_only(what: &str) -> Result<(), Error> {
    if count() == 1 {
        return Ok(());
    }
    let error = anyhow::anyhow!("{what} works in one process, and mpirun has started {}", count());
    let hint = "start it without mpirun; train, resume, solve, condition and eval work with several ranks";
    Err(Error::BadInput(error.hint(hint)))
}

/// Threads for this process where nobody says how many, `None` for one on each core: its part of the cores that it may
/// use, and no more than Slurm has given to it. Slurm's number counts where the system does not hold the process to its
/// cores.
pub fn threads() -> Option<usize> {
    let own = TEAM.get().map(|crew| (cores() / crew.sharers).max(1));
    match (own, cores_of_task(std::env::var(CPUS_PER_TASK).ok().as_deref())) {
        (own, Some(given)) => Some(given.min(own.unwrap_or_else(cores))),
        (own, None) => own,
    }
}

/// The variable by which Slurm tells a process its number of cores.
const CPUS_PER_TASK: &str = "SLURM_CPUS_PER_TASK";

fn cores_of_task(value: Option<&str>) -> Option<usize> {
    value?.trim().parse().ok().filter(|&cores| cores > 0)
}

/// Whether a launcher of MPI jobs has started this process, as one of many or alone: what is to be told to it may be
/// told twice.
pub fn is_launched() -> bool {
    LAUNCHED.iter().any(|name| std::env::var_os(name).is_some())
}

/// Variables that launchers set for the processes of a job: Open MPI, and those that speak PMI or PMIx (MPICH, Slurm's
/// `srun --mpi`).
const LAUNCHED: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"];

/// What a person should know of ranks and cores, for `threads` a rank.
pub fn notes(threads: usize) -> Vec<String> {
    let Some(Crew { team, neighbours, sharers, mixed }) = TEAM.get() else { return Vec::new() };
    let each = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
    let mut notes = vec![format!("{} ranks, {neighbours} of them on this machine, {each} each", team.ranks())];
    let (allowed, online) = (cores(), online_cores());
    if threads * sharers > allowed {
        notes.push(format!(
            "warning: {sharers} ranks with {each} each share {allowed} cores; start fewer ranks or pass --threads N"
        ));
    }
    if allowed * neighbours < online {
        notes.push(format!(
            "warning: this rank may use {allowed} of the machine's {online} cores; pass `--bind-to none` to mpirun, or start more ranks"
        ));
    }
    if *mixed {
        notes.push(
            "warning: the ranks run on different processors: results agree with others to rounding only".to_owned(),
        );
    }
    notes
}

/// Cores of the machine, whether this process may use them or not.
fn online_cores() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

/// Holds the connection to the other ranks until it is dropped.
pub struct Connection {
    #[cfg(feature = "mpi")]
    _mpi: Option<mpi::Connection>,
}

/// Finds the other ranks, if a launcher has started this process as one of several, and what is to be told of it.
#[cfg(feature = "mpi")]
pub fn connect() -> (Connection, Option<String>) {
    let (connection, warning) = mpi::connect();
    (Connection { _mpi: connection }, warning)
}

/// There are no other ranks, and a warning where a launcher seems to think that there are.
#[cfg(not(feature = "mpi"))]
pub fn connect() -> (Connection, Option<String>) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    let warning = match (number("OMPI_COMM_WORLD_SIZE"), number("OMPI_COMM_WORLD_RANK")) {
        (Some(ranks @ 2..), Some(0)) => Some(format!(
            "warning: mpirun has started {ranks} processes, but this program was built without the feature `mpi`, so each \
             works alone;\n         build it with `cargo build --release --features mpi` (see docs/mpi.md)"
        )),
        _ => None,
    };
    (Connection {}, warning)
}

/// Ends this process, and the other ranks with it.
pub fn abort(code: u8) -> ! {
    #[cfg(feature = "mpi")]
    mpi::abort(code);
    #[cfg(not(feature = "mpi"))]
    std::process::exit(code.into());
}

/// Makes sure that all ranks run the same program, and were asked for the same.
///
/// # Errors
/// Bad input that says which rank differs, and in what.
pub fn meet_the_others() -> Result<(), Error> {
    let Some(team) = team() else { return Ok(()) };
    let backends: Vec<&str> = Backend::ALL.iter().map(|backend| backend.name()).collect();
    let program = [
        ("version of the program", env!("CARGO_PKG_VERSION")),
        ("commit that the program was built from", COMMIT),
        ("set of backends", &backends.join(" ")),
    ];
    let program = program.map(|(name, value)| (name.to_owned(), value.to_owned()));
    agree_in(team, &program.into(), "copy one program to all machines")?;
    let all = gather_text(team, &format!("{:?}", std::env::args_os().skip(1).collect::<Vec<_>>()));
    match all.iter().position(|other| *other != all[0]) {
        None => Ok(()),
        Some(rank) => {
            let error = anyhow::anyhow!(
                "the ranks were asked for different things: rank 0 for {}, rank {rank} for {}",
                all[0],
                all[rank]
            );
            let hint = "processes that mpirun starts work on one command together; start runs that have nothing to do with each \
                        other without it";
            Err(Error::BadInput(error.hint(hint)))
        }
    }
}

/// Takes the team for that of this process.
#[cfg(feature = "mpi")]
fn join(team: Arc<Ranks>) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap_or_default();
    let machine = read("/proc/sys/kernel/random/boot_id");
    let place = format!("{machine}\n{allowed}");
    let (machines, places) = (gather_text(&*team, &machine), gather_text(&*team, &place));
    let processors = gather_text(&*team, &crate::provenance::cpu_name());
    let same = |all: &[String], own: &str| all.iter().filter(|other| *other == own).count();
    let crew = Crew {
        neighbours: same(&machines, &machine),
        sharers: same(&places, &place),
        mixed: same(&processors, &processors[0]) < processors.len(),
        team,
    };
    TEAM.set(crew).expect("a process joins one team");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_that_differ_all_learn_which_does_and_in_what() {
        let of = |rank: usize| -> BTreeMap<String, String> {
            let seed = if rank == 1 { "4" } else { "3" };
            let mut own =
                BTreeMap::from([("run.seed".to_owned(), seed.to_owned()), ("same".to_owned(), "x".to_owned())]);
            if rank == 1 {
                own.insert("data.limit".to_owned(), "5".to_owned());
            }
            own
        };
        std::thread::scope(|scope| {
            for team in memorize_ranks::threads(3) {
                scope.spawn(move || {
                    assert!(agree_in(&*team, &of(0), "").is_ok());
                    let error = agree_in(&*team, &of(team.rank()), "do this").unwrap_err();
                    let said = "rank 1 has another data.limit: 5, rank 0 has none; another run.seed: 4, rank 0 has 3";
                    assert_eq!((error.to_string().as_str(), error.code()), (said, crate::error::BAD_INPUT));
                    assert_eq!(error.advice(&|_| true), Some("do this"));
                });
            }
        });
    }

    #[test]
    fn slurm_says_how_many_cores_a_process_has() {
        assert_eq!(
            [Some("4"), Some(" 12\n"), Some("0"), Some(""), Some("4,8"), None].map(cores_of_task),
            [Some(4), Some(12), None, None, None, None]
        );
    }
}
