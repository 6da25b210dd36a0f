//! Refuses sizes that memory is not large enough for, before an allocation that fails, or the system, ends the process.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memorize_kernels::Element;
use memorize_kernels::aligned::ALIGNMENT;
use memorize_kernels::pass::shared_samples_bytes;
use memorize_train::Route;

use super::machine::Machine;
use crate::allocator;
use crate::config::OptimizerKind;
use crate::error::{Error, WithHint};
use crate::ranks;
use crate::units::{ByteSize, mebibytes};

/// Makes sure that the system would hand out numbers of these dimensions, by asking for them and giving them back
/// untouched.
///
/// # Errors
/// Bad input, with the advice as its hint, if the system refuses or the number of bytes overflows.
pub fn ensure<T: Element>(what: &str, dims: &[usize], advice: &str) -> Result<(), Error> {
    let bytes = dims.iter().try_fold(size_of::<T>(), |bytes, &dim| bytes.checked_mul(dim));
    let granted = |bytes| {
        let mut probe = Vec::<u8>::new();
        let granted = probe.try_reserve_exact(bytes).is_ok();
        // Without this the compiler may leave out an allocation that nobody uses.
        std::hint::black_box(&probe);
        granted
    };
    if bytes.is_some_and(granted) {
        return Ok(());
    }
    let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
    let shape = dims.join(" x ");
    let error = anyhow::anyhow!("{what}, {shape} numbers of {}, need more memory than the system gives", T::NAME);
    Err(Error::BadInput(error.hint(advice)))
}

/// The sizes that determine the memory of a training run, the samples apart.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Samples of this rank.
    pub n: usize,
    /// Width of a sample.
    pub d: usize,
    /// Neurons.
    pub r: usize,
    /// Matrices as large as W that are there at once.
    pub copies: u64,
    /// Rows of a mini-batch; 0 where the whole set is one.
    pub batch: usize,
    /// Rows whose activations are there at once.
    pub activations: usize,
    /// Bytes that threads take which share samples by the neuron route.
    pub of_threads: u64,
    /// The d x d matrices of the Gram route, and of descent along negative curvature; none where there is neither.
    pub squares: Option<Squares>,
}

/// The numbers that determine how many d x d matrices there are at once.
#[derive(Clone, Copy, Debug)]
pub struct Squares {
    /// Threads.
    pub threads: usize,
    /// Whether a library multiplies matrices: it packs them for itself, each thread for its own.
    pub by_library: bool,
    /// Whether mini-batches go by the Gram route.
    pub of_batches: bool,
}

impl Squares {
    /// Of whole sets, on this machine.
    pub fn new(machine: &Machine) -> Self {
        let by_library = machine.engine.backend != memorize_kernels::Backend::Native;
        Self { threads: machine.threads, by_library, of_batches: false }
    }

    /// Bytes of so many d x d matrices: S and M with their layouts, and sums that threads have not added up yet. The
    /// numbers are counted, in quarters: what a thread has comes and goes.
    pub fn bytes<T: Element>(&self, d: usize) -> u64 {
        let (fixed, of_thread) = match (self.by_library, self.of_batches) {
            (false, false) => (9, 5),
            (false, true) => (8, 5),
            (true, false) => (12, 17),
            (true, true) => (0, 17),
        };
        // Several threads to a leaf finish more of its neighbours at the same time.
        let shared = if self.threads > 2 { 2 } else { 0 };
        let quarters = (self.threads as u64).saturating_mul(of_thread).saturating_add(fixed + shared);
        (d as u64).saturating_mul(d as u64).saturating_mul(size_of::<T>() as u64).saturating_mul(quarters) / 4
    }
}

/// Bytes that threads take which share n samples of width d by the neuron route of r neurons.
pub fn of_threads<T: Element>(machine: &Machine, [n, d, r]: [usize; 3]) -> u64 {
    shared_samples_bytes::<T>(&machine.engine, n, d, r, machine.threads)
}

/// Bytes of what n samples come to: targets, outputs and residuals, or the targets, and both again in f64.
pub fn of_outputs<T: Element>(n: usize) -> u64 {
    let (own, wide) = (size_of::<T>(), size_of::<f64>());
    (n as u64).saturating_mul((3 * own).max(own + 2 * wide) as u64)
}

/// Bytes of so many matrices of the shape of W, each neuron's row filled up to a whole cache line.
pub fn of_weights<T: Element>(copies: u64, r: usize, d: usize) -> u64 {
    let line = ALIGNMENT / size_of::<T>();
    let row = (d as u64).div_ceil(line as u64).saturating_mul(ALIGNMENT as u64);
    row.saturating_mul(r as u64).saturating_mul(copies)
}

/// Matrices as large as W that there are at once, at most: the start, what the optimiser goes by, as the kernels lay it
/// out, what is evaluated with its gradient, and a state on its way into a checkpoint. Counted in runs of each.
pub fn copies_of_weights(kind: OptimizerKind, training: Route) -> u64 {
    let (by_squares, by_neurons) = match kind {
        OptimizerKind::Gd => (5, 8),
        OptimizerKind::Pgd => (9, 11),
        OptimizerKind::Accelerated => (10, 12),
        OptimizerKind::NegativeCurvature => (8, 8),
        OptimizerKind::Sgd => (9, 8),
        OptimizerKind::Adam => (13, 13),
        // Its memory goes by other things.
        OptimizerKind::Solve => (0, 0),
    };
    match training {
        Route::Gram => by_squares,
        Route::Neuron => by_neurons,
    }
}

impl Training {
    /// Bytes that it takes besides the samples: the copies of W, the d x d matrices, activations, and three numbers a
    /// sample. The kernels' buffers of fixed size are left out.
    pub fn bytes<T: Element>(&self) -> u64 {
        self.parts::<T>().into_iter().fold(0, |all, (_, bytes)| all.saturating_add(bytes))
    }

    /// The same, for each part.
    pub fn parts<T: Element>(&self) -> [(&'static str, u64); 4] {
        let [d, r, batch, activations] = [self.d, self.r, self.batch, self.activations].map(|size| size as u64);
        let of = |count: u64| count.saturating_mul(size_of::<T>() as u64);
        let batches = batch.saturating_mul(d.saturating_mul(3));
        [
            ("copies of W", of_weights::<T>(self.copies, self.r, self.d)),
            ("matrices of the Gram route", self.squares.map_or(0, |squares| squares.bytes::<T>(self.d))),
            (
                "batches and activations",
                of(batches.saturating_add(activations.saturating_mul(r))).saturating_add(self.of_threads),
            ),
            ("targets, outputs and residuals", of_outputs::<T>(self.n)),
        ]
    }

    /// Makes sure that there is as much, and says how many bytes that is.
    ///
    /// # Errors
    /// Bad input with both numbers; the hint says what would fit.
    pub fn foresee<T: Element>(&self) -> Result<u64, Error> {
        const FEWER: &str = "train fewer neurons (--neurons), in f32, or on smaller batches";
        let needed = self.bytes::<T>();
        let without = Self { squares: None, ..*self }.bytes::<T>();
        let fits = available().is_some_and(|available| without <= available);
        let advice = if self.squares.is_some() && fits {
            format!(
                "nearly all of it is for matrices of {d} x {d}; where the optimiser lets you choose, the neuron route takes some {} \
                 (--route neuron); or make the samples narrower (--pca)",
                mebibytes(without),
                d = self.d
            )
        } else {
            FEWER.to_owned()
        };
        foresee("training this network", needed, &advice)?;
        Ok(needed)
    }
}

/// Makes sure that a workspace of so many bytes is within the budget, if one is given. A search is never cut to fit:
/// what it ends with would depend on the budget.
///
/// # Errors
/// Bad input with both numbers, and the advice as its hint.
pub fn within_budget(what: &str, bytes: u64, budget: Option<ByteSize>, advice: &str) -> Result<(), Error> {
    match budget {
        Some(budget) if bytes > budget.0 => {
            let error =
                anyhow::anyhow!("{what} takes {}, which is more than --memory-budget {budget}", mebibytes(bytes));
            let enough = bytes.div_ceil(1 << 20);
            Err(Error::BadInput(error.hint(format!("give --memory-budget {enough}MiB or more, or {advice}"))))
        }
        _ => Ok(()),
    }
}

/// Bytes of a process that nothing above counts: private pages of the program, buffers of a fixed size, names, lines
/// that wait to be written.
const PROGRAM: u64 = 5 << 20;
/// Free memory in pieces between the blocks in use, as measured: a part of what is foreseen, and no more than this.
const PIECES: (u64, u64) = (4, 23 << 20);
/// As [`PROGRAM`], for each thread: its stack as far as it is used.
const OF_THREAD: u64 = 64 << 10;
/// Bytes for drawing and storing a picture: its pixels, three times as many each way, before they are averaged.
const PICTURE: u64 = 28 << 20;

/// The most that was foreseen so far, in bytes, with everything that the process had then.
static PEAK: AtomicU64 = AtomicU64::new(0);

/// Makes sure that so many bytes more are available, as far as the system says what is.
///
/// # Errors
/// Bad input with both numbers, and the advice as its hint.
pub fn foresee(what: &str, bytes: u64, advice: &str) -> Result<(), Error> {
    foresee_with(what, bytes, 0, advice)
}

/// [`foresee`] with `whole` bytes more that lie in one piece.
fn foresee_with(what: &str, bytes: u64, whole: u64, advice: &str) -> Result<(), Error> {
    let (held, threads) = held();
    let (part, most) = PIECES;
    let pieces = (bytes / part).min(most);
    let bytes = bytes.saturating_add(whole);
    let all = [held, bytes, pieces, PROGRAM, OF_THREAD.saturating_mul(threads)];
    PEAK.fetch_max(all.into_iter().fold(0, u64::saturating_add), Ordering::Relaxed);
    match available() {
        Some(available) if bytes > available => {
            let (needed, there) = (mebibytes(bytes), mebibytes(available));
            let error = anyhow::anyhow!("{what} would need some {needed}, and {there} of memory are available");
            Err(Error::BadInput(error.hint(advice)))
        }
        _ => Ok(()),
    }
}

/// The same for the picture that is drawn at the end, when so many bytes of what was foreseen are still there.
///
/// # Errors
/// As for [`foresee`].
pub fn foresee_picture(left: u64) -> Result<(), Error> {
    foresee_with("the picture at the end", left, PICTURE, "stop other programs, or allow this one more")
}

/// Whether there is room for so many bytes more than were foreseen, with some to spare. Looked at once in a while only.
pub fn has_room(bytes: u64) -> bool {
    static UNSEEN: AtomicU64 = AtomicU64::new(0);
    let unseen = UNSEEN.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
    if unseen < LOOK_AGAIN {
        return true;
    }
    UNSEEN.store(0, Ordering::Relaxed);
    available().is_none_or(|available| available > bytes.saturating_add(SPARE))
}

/// Bytes after which one who grows looks again at what there is, and what is to be left then.
const LOOK_AGAIN: u64 = 4 << 20;
const SPARE: u64 = 16 << 20;

/// The estimate, in a line; samples that are read from mapped files make way and do not count.
pub fn announce() -> Option<String> {
    let peak = PEAK.load(Ordering::Relaxed);
    (peak > 0).then(|| format!("memory: some {} in all at most", mebibytes(peak)))
}

/// The largest size from 1 to `most` that takes no more than what is available; `None` if not even 1 does, or nothing
/// is known.
pub fn largest(most: usize, bytes: impl Fn(usize) -> u64) -> Option<usize> {
    let available = available()?;
    let fits = |size: usize| bytes(size) <= available;
    if !fits(1) {
        return None;
    }
    let (mut fitting, mut beyond) = (1, most.saturating_add(1));
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) { fitting = middle } else { beyond = middle }
    }
    Some(fitting)
}

/// Bytes that the process uses of its own at the moment (no pages of files, nothing that was freed), and its threads. 0
/// outside Linux.
fn held() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").trim().parse().ok()
    };
    let held = ["RssAnon:", "RssShmem:"].into_iter().filter_map(number).sum::<u64>() * 1024;
    (held.saturating_sub(allocator::kept()), number("Threads:").unwrap_or(0))
}

/// Memory that this process can have without swapping, in bytes: what the system has, within the limits of the control
/// groups (containers, batch jobs) that the process is in, divided by the ranks on this machine, and within the limits
/// of the process itself (`ulimit -v`, `ulimit -d`). Unknown outside Linux.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of_system = meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = read("/proc/self/cgroup");
    let limits = groups.lines().filter_map(group).filter_map(|(mount, group)| within_group(Path::new(mount), group));
    let shared = limits.fold(of_system, u64::min) / ranks::neighbours() as u64;
    let own = within_process(&read("/proc/self/limits"), &read("/proc/self/status"));
    Some(own.map_or(shared, |own| own.min(shared)))
}

/// What is left of the tightest limit of a process, by its files `limits` and `status` in `/proc`.
fn within_process(limits: &str, status: &str) -> Option<u64> {
    let left = |(limit, used): (&str, &str)| {
        let limit = limits.lines().find_map(|line| line.strip_prefix(limit))?.split_whitespace().next()?;
        let limit: u64 = limit.parse().ok()?;
        let used = status.lines().find_map(|line| line.strip_prefix(used))?;
        let used: u64 = used.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(limit.saturating_sub(used.saturating_mul(1024)))
    };
    [("Max address space", "VmSize:"), ("Max data size", "VmData:")].into_iter().filter_map(left).min()
}

fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Where the memory controller of a line of `/proc/self/cgroup` is mounted, and the group in it.
fn group(line: &str) -> Option<(&'static str, &str)> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, group) = (fields.next()?, fields.next()?);
    match controllers {
        "" => Some(("/sys/fs/cgroup", group)),
        _ if controllers.split(',').any(|controller| controller == "memory") => Some(("/sys/fs/cgroup/memory", group)),
        _ => None,
    }
}

/// What is left of the tightest limit of a group and those that it is in. Pages of files do not count as used: they
/// make way.
fn within_group(mount: &Path, group: &str) -> Option<u64> {
    let number = |folder: &Path, names: [&str; 2]| {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        names.iter().find_map(|name| read(name))
    };
    let files = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let count = |line: &str| line.strip_prefix("inactive_file ")?.trim().parse::<u64>().ok();
        text.lines().find_map(count).unwrap_or(0)
    };
    let left = |folder: &Path| {
        let limit = number(folder, ["memory.max", "memory.limit_in_bytes"])?;
        let used = number(folder, ["memory.current", "memory.usage_in_bytes"])?;
        Some(limit.saturating_sub(used.saturating_sub(files(folder))))
    };
    let inner = mount.join(group.trim_start_matches('/'));
    inner.ancestors().take_while(|folder| folder.starts_with(mount)).filter_map(left).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_granted_and_what_cannot_fit_is_refused() {
        assert!(ensure::<f32>("a little", &[3, 100, 10], "no advice").is_ok());
        assert!(ensure::<f32>("nothing", &[3, 0, usize::MAX], "no advice").is_ok());
        // Overflows; is larger than any allocation; is larger than any address space in use.
        for dims in [[3, usize::MAX, 2], [1, usize::MAX / 4, 1], [1, 1 << 60, 1]] {
            let error = ensure::<f32>("too much", &dims, "ask for less").unwrap_err();
            assert_eq!(error.code(), 2);
            assert!(error.to_string().contains("too much"), "{error}");
        }
    }

    #[test]
    fn more_than_there_is_is_refused_with_both_numbers() {
        assert!(foresee("a little", 1, "no advice").is_ok());
        if available().is_some() {
            let error = foresee("the weights", u64::MAX, "train fewer").unwrap_err();
            assert!(error.code() == 2 && error.to_string().contains("the weights would need some"), "{error}");
        }
        let squares = Some(Squares { threads: 1, by_library: false, of_batches: false });
        let endless = Training {
            n: usize::MAX,
            d: usize::MAX,
            r: 2,
            copies: 3,
            batch: 1,
            activations: 1,
            of_threads: 0,
            squares,
        };
        assert_eq!(endless.bytes::<f32>(), u64::MAX);
    }

    #[test]
    fn the_neuron_route_takes_no_squares_and_is_named_where_it_fits() {
        let (copies, activations) = (16, 16);
        let wide = Training { n: 50, d: 60_000, r: 4, copies, batch: 16, activations, of_threads: 0, squares: None };
        assert!(wide.bytes::<f32>() < 32 << 20);
        let squares = Some(Squares { threads: 3, by_library: false, of_batches: false });
        let squares = Training { squares, ..wide };
        assert_eq!(squares.bytes::<f32>() - wide.bytes::<f32>(), 26 * 60_000 * 60_000);
        if available().is_some_and(|available| available < squares.bytes::<f32>() && available > 32 << 20) {
            let error = squares.foresee::<f32>().unwrap_err();
            let mut printed = Vec::new();
            error.print(&mut printed, &|_| true).unwrap();
            assert!(String::from_utf8(printed).unwrap().contains("--route neuron"), "{error}");
        }
    }

    #[test]
    fn a_search_that_is_larger_than_the_budget_is_refused_and_not_cut() {
        let budget = Some(ByteSize(1 << 20));
        assert!(
            within_budget("it", 1 << 20, budget, "use less").is_ok() && within_budget("it", u64::MAX, None, "").is_ok()
        );
        let error = within_budget("it", 3 << 20, budget, "use less").unwrap_err();
        assert!(error.code() == 2 && error.to_string().contains("3.0 MiB"), "{error}");
    }

    #[test]
    fn limits_of_the_process_count() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         3072000              unlimited            bytes     \n";
        let status = "Name:\tmemorize\nVmSize:\t    1000 kB\nVmData:\t     100 kB\n";
        assert_eq!(within_process(limits, status), Some(3_072_000 - 1_024_000));
        assert_eq!(within_process("Max address space  unlimited  unlimited  bytes", status), None);
        assert_eq!(within_process("", ""), None);
    }

    #[test]
    fn the_tightest_limit_of_the_groups_counts() {
        assert_eq!(meminfo("MemTotal: 9 kB\nMemAvailable:       4 kB\n"), Some(4096));
        assert_eq!(group("0::/job/step"), Some(("/sys/fs/cgroup", "/job/step")));
        assert_eq!(group("4:cpu,memory:/a"), Some(("/sys/fs/cgroup/memory", "/a")));
        assert_eq!(group("5:devices:/"), None);
        let root = tempfile::tempdir().unwrap();
        let step = root.path().join("job/step");
        std::fs::create_dir_all(&step).unwrap();
        let write = |folder: &Path, name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(&step, "memory.max", "max\n");
        write(&step, "memory.current", "5\n");
        assert_eq!(within_group(root.path(), "/job/step"), None);
        write(step.parent().unwrap(), "memory.max", "100\n");
        write(step.parent().unwrap(), "memory.current", "70\n");
        write(step.parent().unwrap(), "memory.stat", "active_file 9\ninactive_file 20\n");
        assert_eq!(within_group(root.path(), "/job/step"), Some(50));
    }
}
