//! A panic, on whichever thread, as the error of a run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use memorize_data::Shown;
use memorize_ranks::Failed;

use crate::error::{Error, Panicked, WithHint};
use crate::fault::message;

/// Runs `work`, whose results go to `folder`. A panic in it becomes an error: what it was computing is lost, what is on
/// the disk is not, because checkpoints are only written between steps.
///
/// # Errors
/// Those of `work`, and a failed run after a panic.
pub fn caught<R>(folder: &Path, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // Nothing of what `work` had a hold of is looked at after a panic, apart from files.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        // Not a mistake of this program, and not of this rank.
        if Failed::of(&*panic).is_some() {
            resume_unwind(panic);
        }
        let error = Panicked(message(&*panic).to_owned());
        let hint = format!(
            "this is a mistake in the program, please report it with the lines above; the run goes on from its newest \
             checkpoint, which is intact, with: memorize resume {}",
            folder.shown()
        );
        Err(Error::RunFailed(error.hint(hint)))
    })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicU64, Ordering};

    use memorize_kernels::{GatherRows, Mat, MatMut, MatRef, Rows};
    use memorize_train::checkpoint;

    use super::super::{Machine, Run, Target, execute, resume};
    use super::*;
    use crate::config::RunConfig;
    use crate::events::Host;
    use crate::run_folder::{CHECKPOINT, Existing, METRICS, SUMMARY};

    const CONFIG: &str = "[data]\nsource = \"synthetic\"\nsamples = 64\ndim = 10\nnormalize = true\n\
        [network]\nneurons = 20\n[optimizer]\nbatch = 16\n[run]\nepochs = 5\ncheckpoint_every = 1\nthreads = 2\n";

    /// Samples that are read only so often.
    struct Failing(Box<dyn GatherRows<f32>>, AtomicU64);

    impl Rows<f32> for Failing {
        fn rows(&self) -> usize {
            self.0.rows()
        }
        fn cols(&self) -> usize {
            self.0.cols()
        }
        fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<f32>) -> MatRef<'a, f32> {
            self.0.block(range, scratch)
        }
        fn needs_scratch(&self) -> bool {
            self.0.needs_scratch()
        }
    }

    impl GatherRows<f32> for Failing {
        fn gather(&self, indices: &[u32], out: MatMut<'_, f32>) {
            assert!(self.1.fetch_sub(1, Ordering::Relaxed) > 0, "no more samples");
            self.0.gather(indices, out);
        }
    }

    #[test]
    fn a_panic_of_a_worker_ends_the_run_and_the_rest_is_done_later_to_the_same_bits() {
        let root = tempfile::tempdir().unwrap();
        let [whole, failed] = ["whole", "failed"].map(|name| root.path().join(name));
        let config = RunConfig::from_toml(CONFIG).unwrap();
        let mut host = Host::default();
        let new = |path| Target::New { path, existing: Existing::Refuse, inputs: &[], held: None };
        execute(config.clone(), new(&whole), &mut host).unwrap();

        let machine = Machine::new(config.run.backend, None, Some(2)).unwrap();
        let error = caught(&failed, || {
            machine.install(|| {
                let mut run = Run::<f32>::prepare(config, &machine, new(&failed), &mut host)?;
                let nothing: Box<dyn GatherRows<f32>> = Box::new(Mat::<f32>::zeros(1, 1));
                let samples = std::mem::replace(&mut run.dataset.x, nothing);
                run.dataset.x = Box::new(Failing(samples, AtomicU64::new(9)));
                run.train(&mut host)
            })
        });
        let error = error.unwrap_err();
        let mut shown = Vec::new();
        error.print(&mut shown, &|_| true).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(
            error.is_panic()
                && error.code() == 1
                && shown.contains("no more samples")
                && shown.contains("memorize resume"),
            "{shown}"
        );
        assert!(!failed.join(SUMMARY).exists());

        let state = checkpoint::load_state(&failed.join(CHECKPOINT)).unwrap().state.unwrap();
        assert!((5..10).contains(&state.iteration), "{}", state.iteration);
        let resume::Found::Stopped(stopped) = resume::find(&failed).unwrap() else { panic!("no state") };
        execute(stopped.config.clone(), Target::Stopped { path: &failed, stopped }, &mut host).unwrap();
        let read = |folder: &Path, name| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&whole, CHECKPOINT) == read(&failed, CHECKPOINT));
        assert!(read(&failed, METRICS).ends_with(b"\n"));
    }
}
