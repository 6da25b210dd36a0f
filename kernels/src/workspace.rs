//! Memory that passes use again instead of asking the system for it.
#![forbid(unsafe_code)]

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::block::KEPT_FROM;
use crate::element::Element;

/// Buffers that a caller keeps from pass to pass.
///
/// A pass allocates some megabytes and frees them at its end. The system gives fresh memory a page at a time, when it
/// is first touched, which can cost a small pass as much as its arithmetic: [`loss_and_gradient`] of 300 samples of
/// width 784 with 1570 neurons took 1.5 to 2.2 times as long without a workspace, of 3000 samples 1.3 times; passes of
/// the Gram route, whose buffers are fewer, gain nothing (`examples/workspace.rs` measures all of these). Within
/// [`Workspace::scope`] passes take their buffers from the workspace, on all threads that they use, and every matrix
/// made there goes back to it when it is dropped, whenever that is. Results have the same bits.
///
/// A workspace holds at most twice as much as its passes have had at once; [`Workspace::clear`] gives it back. A clone
/// is the same workspace.
///
/// ```
/// use memorize_kernels::{Engine, Mat, Workspace, pass};
///
/// let (engine, workspace) = (Engine::best(), Workspace::default());
/// let x = Mat::<f32>::from_fn(500, 200, |i, k| (i + k) as f32);
/// let mut trace = 0.0;
/// for step in 0..3 {
///     let gram = workspace.scope(|| pass::weighted_gram(&engine, &x, &vec![step as f32; 500]))?;
///     trace += gram.row(0)[0];
///     // Dropped here, `gram` is in the workspace again.
/// }
/// assert!(trace > 0.0 && workspace.bytes() > 0);
/// workspace.clear();
/// assert_eq!(workspace.bytes(), 0);
/// # Ok::<(), memorize_kernels::KernelError>(())
/// ```
///
/// [`loss_and_gradient`]: crate::pass::loss_and_gradient
#[derive(Clone, Default)]
pub struct Workspace(Arc<Mutex<Buffers>>);

#[derive(Default)]
struct Buffers {
    /// Those that nobody is using at the moment, the one first that has been waiting longest.
    idle: Vec<Idle>,
    /// Bytes of those in use, and the most that there were at once.
    used: usize,
    most: usize,
}

/// A buffer that nobody is using: a `Vec` of either type.
struct Idle {
    bytes: usize,
    buffer: Box<dyn Any + Send>,
}

impl Buffers {
    fn lend(&mut self, bytes: usize) {
        self.used = self.used.saturating_add(bytes);
        self.most = self.most.max(self.used);
    }
}

thread_local! {
    /// The workspace of the scope that this thread is in.
    static CURRENT: RefCell<Option<Workspace>> = const { RefCell::new(None) };
}

impl Workspace {
    /// Does `work` with the buffers of this workspace. Enter a pool of rayon's before the scope: what
    /// [`rayon::ThreadPool::install`] runs within a scope is on another thread, which does not know the scope.
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        within(Some(self.clone()), work)
    }

    /// Bytes of the buffers that nobody is using at the moment.
    pub fn bytes(&self) -> usize {
        self.buffers().idle.iter().map(|idle| idle.bytes).sum()
    }

    /// Gives the buffers that nobody is using back to the system.
    pub fn clear(&self) {
        self.buffers().idle.clear();
    }

    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `len` zeros in the smallest buffer that has room for them, and is not more than twice as large, or in a new one.
    fn take<T: Element>(&self, len: usize) -> Vec<T> {
        let fitting = len..=len.saturating_mul(2);
        let room = |idle: &Idle| {
            let capacity = idle.buffer.downcast_ref().map(Vec::<T>::capacity);
            capacity.filter(|capacity| fitting.contains(capacity))
        };
        let mut buffers = self.buffers();
        let best = (0..buffers.idle.len()).filter_map(|at| Some((room(&buffers.idle[at])?, at))).min();
        let found = best.map(|(_, at)| buffers.idle.remove(at));
        buffers.lend(found.as_ref().map_or(len.saturating_mul(size_of::<T>()), |idle| idle.bytes));
        drop(buffers);
        match found.and_then(|idle| idle.buffer.downcast::<Vec<T>>().ok()) {
            Some(mut buffer) => {
                buffer.clear();
                buffer.resize(len, T::ZERO);
                *buffer
            }
            // The system has zeros without writing them.
            None => vec![T::ZERO; len],
        }
    }

    /// Keeps a buffer for whoever takes it next, in the place of those that have been waiting longest where all are more
    /// than [`Workspace`] says.
    pub(crate) fn put<T: Element>(&self, buffer: Vec<T>) {
        let bytes = buffer.capacity() * size_of::<T>();
        let mut buffers = self.buffers();
        buffers.used = buffers.used.saturating_sub(bytes);
        buffers.idle.push(Idle { bytes, buffer: Box::new(buffer) });
        let surplus = buffers.idle.iter().map(|idle| idle.bytes).sum::<usize>().saturating_sub(2 * buffers.most);
        let mut released = 0;
        let count = buffers.idle.iter().take_while(|idle| {
            let more = released < surplus;
            released += idle.bytes;
            more
        });
        let count = count.count();
        let surplus: Vec<Idle> = buffers.idle.drain(..count).collect();
        drop(buffers);
        drop(surplus);
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("bytes", &self.bytes()).finish()
    }
}

/// The workspace of the scope that this thread is in, if it is in one.
pub(crate) fn current() -> Option<Workspace> {
    CURRENT.with_borrow(Clone::clone)
}

/// Does `work` with the buffers of a workspace, or of none.
pub(crate) fn within<R>(workspace: Option<Workspace>, work: impl FnOnce() -> R) -> R {
    /// A scope ends, however its work does.
    struct Before(Option<Workspace>);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }

    let _before = Before(CURRENT.replace(workspace));
    work()
}

/// `len` zeros, and the workspace that they go back to, if this thread is in the scope of one and they are many enough.
pub(crate) fn zeros<T: Element>(len: usize) -> (Vec<T>, Option<Workspace>) {
    let workspace = if len.saturating_mul(size_of::<T>()) < KEPT_FROM { None } else { current() };
    // The system has zeros without writing them.
    (workspace.as_ref().map_or_else(|| vec![T::ZERO; len], |workspace| workspace.take(len)), workspace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aligned::aligned_zeros;
    use crate::{Backend, Engine, Mat, Par, pass};

    /// What full-batch passes give, with enough in each matrix for a workspace to keep it.
    fn results(engine: &Engine) -> Vec<f64> {
        let value = |i: usize, k: usize| ((i * 31 + k * 17 + i * i % 7) % 23) as f64 / 11.0 - 1.0;
        let (n, d, r) = if cfg!(miri) { (60, 100, 90) } else { (1100, 140, 100) };
        let (x, w) = (Mat::from_fn(n, d, value), Mat::from_fn(r, d, |i, k| value(k, i)));
        let y: Vec<f64> = (0..n).map(|j| (j % 10) as f64).collect();
        let a: Vec<f64> = (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect();
        let gram = pass::weighted_gram(engine, &x, &y).unwrap();
        let s = pass::network_forms(engine, w.as_ref(), &a).unwrap();
        let moment = pass::loss_and_moment(engine, &x, &y, &s).unwrap().moment;
        let mut by_moment = Mat::zeros(r, d);
        pass::gradient_of_moment(engine, w.as_ref(), &a, &moment, 0.5, by_moment.as_mut()).unwrap();
        let by_neurons = pass::loss_and_gradient(engine, &x, &y, w.as_ref(), &a, 0.5).unwrap().gradient;
        [gram, moment.matrix(), by_moment, by_neurons].iter().flat_map(|mat| mat.padded().to_vec()).collect()
    }

    #[test]
    fn results_have_the_same_bits_and_the_second_time_takes_nothing_new() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for &backend in Backend::ALL {
            for par in [Par::Seq, Par::ALWAYS] {
                let engine = Engine { backend, par, ..Engine::best() };
                let workspace = Workspace::default();
                let expected = pool.install(|| results(&engine));
                let sizes = [(); 4].map(|()| {
                    assert!(pool.install(|| workspace.scope(|| results(&engine))) == expected, "{engine:?}");
                    workspace.bytes()
                });
                assert!(sizes[0] > 0);
                // How many threads are busy at once differs from time to time, but not on one.
                assert!(par != Par::Seq || sizes.iter().all(|&size| size == sizes[0]), "{sizes:?}");
            }
        }
    }

    #[test]
    fn a_buffer_comes_back_as_zeros_wherever_it_was_dropped() {
        let workspace = Workspace::default();
        let len = KEPT_FROM;
        let mut first = workspace.scope(|| aligned_zeros::<f32>(len));
        first.fill(7.0);
        let at = first.as_ptr();
        assert_eq!(workspace.bytes(), 0);
        std::thread::spawn(move || drop(first)).join().unwrap();
        let bytes = workspace.bytes();
        assert!(bytes >= len * 4);
        workspace.scope(|| {
            // Of the other type, and less than half as large.
            let others = (aligned_zeros::<f64>(len / 2), aligned_zeros::<f32>(len / 3));
            assert_eq!(workspace.bytes(), bytes);
            drop(others);
            let again = aligned_zeros::<f32>(len - 5);
            assert!(again.as_ptr() == at && again.len() == len - 5 && again.iter().all(|&value| value == 0.0));
        });
        assert!(current().is_none());
        let outside = aligned_zeros::<f32>(len);
        let before = workspace.bytes();
        drop(outside);
        assert_eq!(workspace.bytes(), before);
    }

    #[test]
    fn sizes_that_grow_leave_no_more_behind_than_twice_what_there_was_at_once() {
        let (workspace, len) = (Workspace::default(), KEPT_FROM);
        for step in 0..50 {
            workspace.scope(|| drop(aligned_zeros::<f32>(len + 16 * step)));
            assert!(workspace.bytes() <= 2 * 4 * (len + 16 * step + 16), "{workspace:?}");
        }
        // What is used at once is kept, whatever else there was.
        let both = || workspace.scope(|| (aligned_zeros::<f32>(3 * len), aligned_zeros::<f64>(len)));
        let places = [(); 3].map(|()| {
            let (first, second) = both();
            (first.as_ptr(), second.as_ptr())
        });
        assert!(places[1] == places[2], "{places:?}");
    }

    #[test]
    fn a_scope_ends_with_a_panic_and_inner_ones_hide_outer_ones() {
        let (outer, inner) = (Workspace::default(), Workspace::default());
        outer.scope(|| {
            let panics = || inner.scope(|| panic!("on purpose"));
            assert!(std::panic::catch_unwind(panics).is_err());
            inner.scope(|| drop(aligned_zeros::<f32>(KEPT_FROM)));
            assert!(outer.bytes() == 0 && inner.bytes() > 0);
            drop(aligned_zeros::<f32>(KEPT_FROM));
        });
        assert_eq!(outer.bytes(), inner.bytes());
    }
}
