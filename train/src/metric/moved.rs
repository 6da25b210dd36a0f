//! Descent in the metric of some samples: descent for the samples T x.

use faer::Mat as Dense;
use memorize_data::dense;
use memorize_kernels::rows::Part;
use memorize_kernels::{Element, Engine, GatherRows, Mat, rows};

use super::Metric;
use crate::error::TrainError;
use crate::features::{FeatureLayer, Featured};
use crate::network::Network;
use crate::objective::Objective;
use crate::observe::{Observer, Record};
use crate::state::{State, WEIGHTS};

/// Name of W' among the tensors of a state, beside the W that it is.
const MOVED: &str = "moved";

/// The samples T x_j in memory, n x d.
///
/// A network with the weights W' has on them the outputs that one with W = T W' has on the samples themselves, and
/// -grad f(W') is -T grad f(W). So a step of size eta for W' is the step -eta T^2 grad f(W) for W: the steepest descent
/// where a change of W is as long as ||T^-1 dW||_F.
#[derive(Debug)]
pub struct Moved<T: Element> {
    /// T.
    pub metric: Metric<T>,
    /// T x_j.
    pub samples: Part<Mat<T>>,
    /// T, d x d.
    root: Dense<f64>,
}

impl<T: Element> Moved<T> {
    /// Moves the samples x, n x d, by their own metric. 3 n d^2 flops.
    ///
    /// # Errors
    /// Those of [`Metric::of`].
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat, Rows};
    /// use memorize_train::metric::{Metric, Moved};
    ///
    /// // What is long becomes shorter in comparison.
    /// let moved = Moved::new(Engine::best(), &Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]))?;
    /// let mut unused = Mat::zeros(0, 2);
    /// let x = moved.samples.block(0..2, &mut unused);
    /// assert!(x.row(1)[1] > x.row(0)[0] && x.row(1)[1] < 3.0 * x.row(0)[0]);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<X: GatherRows<T>>(engine: Engine, x: &X) -> Result<Self, TrainError> {
        let metric = Metric::of(&engine, x)?;
        let root = metric.root();
        let layer = FeatureLayer::new(Mat::from_fn(x.cols(), x.cols(), |i, k| T::from_f64(root[(i, k)])), 1)?;
        let samples = rows::to_mat(engine.par, &Featured::new(x, &layer, engine)?);
        Ok(Self { metric, samples: Part::new(samples, x.spread()), root })
    }

    /// The objective for W', from that for W = T W': g has no regulariser, or one that measures W'.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::metric::Moved;
    /// use memorize_train::{Network, Objective, Route};
    ///
    /// let (x, y) = (Mat::from_slice(2, 2, &[1.0f64, 0.0, 0.0, 3.0]), [1.0, -1.0]);
    /// let moved = Moved::new(Engine::best(), &x)?;
    /// let objective = Objective { engine: Engine::best(), x: &x, y: &y, gamma: 0.0, route: Route::Neuron };
    /// let network = Network::random(2, 2, 1.0, 1)?;
    /// let found = moved.objective(&objective).evaluate(&network)?.loss;
    /// assert!((found - objective.evaluate(&moved.outside(&network))?.loss).abs() < 1e-12);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn objective<'a, X>(&'a self, objective: &Objective<'a, T, X>) -> Objective<'a, T, Part<Mat<T>>> {
        let &Objective { engine, y, gamma, route, .. } = objective;
        Objective { engine, x: &self.samples, y, gamma, route }
    }

    /// The network on the samples themselves that one with the weights W' on T x is: W = T W'.
    ///
    /// # Panics
    /// If the network has another width than the samples.
    ///
    /// ```
    /// use memorize_kernels::{Engine, Mat};
    /// use memorize_train::Network;
    /// use memorize_train::metric::Moved;
    ///
    /// // T is 1 where there is one coordinate.
    /// let moved = Moved::new(Engine::best(), &Mat::from_slice(2, 1, &[1.0f64, -3.0]))?;
    /// let network = Network { weights: Mat::from_slice(2, 1, &[0.5, 2.0]), signs: vec![1.0, -1.0] };
    /// assert!((moved.outside(&network).weights.row(1)[0] - 2.0).abs() < 1e-15);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn outside(&self, network: &Network<T>) -> Network<T> {
        Network { weights: self.times_root(&network.weights), signs: network.signs.clone() }
    }

    /// Rows of W'^T times T, in f64.
    fn times_root(&self, weights: &Mat<T>) -> Mat<T> {
        let (r, d) = (weights.rows(), weights.cols());
        let wide = Dense::from_fn(r, d, |i, k| weights.row(i)[k].to_f64());
        let product = dense::product(wide.as_ref(), self.root.as_ref());
        Mat::from_fn(r, d, |i, k| T::from_f64(product[(i, k)]))
    }

    /// A state of W' as one that says W, too.
    fn state(&self, mut state: State) -> State {
        if let Some(inside) = state.tensors.remove(WEIGHTS) {
            let [d, r] = [0, 1].map(|at| inside.shape[at]);
            let weights = Mat::from_slice(d, r, &inside.read::<T>()).transposed();
            state = state.with_matrix(WEIGHTS, &self.times_root(&weights)).with(MOVED, inside);
        }
        state
    }

    /// An observer for a descent of W' who hands on what it sees: the states that it keeps have W as well, and those
    /// that it goes on from are of W' again, to the last bit.
    pub fn observed<'a>(&'a self, observer: &'a mut dyn Observer) -> impl Observer + 'a {
        Outside { moved: self, observer }
    }

    /// Bytes that they take, while they are moved, with `here` of the samples of width d on this rank, and what r
    /// neurons take besides where their weights are brought to the samples, 0 if they are not.
    ///
    /// ```
    /// use memorize_train::metric::Moved;
    ///
    /// assert!(Moved::<f32>::bytes([1000, 10], 0) >= 1000 * 10 * 4);
    /// assert!(Moved::<f32>::bytes([1000, 10], 500) > Moved::<f32>::bytes([1000, 10], 0));
    /// ```
    pub fn bytes([here, d]: [usize; 2], r: usize) -> u64 {
        let (own, wide) = (size_of::<T>() as u64, size_of::<f64>() as u64);
        let matrix = |rows: usize, bytes: u64| (rows as u64).saturating_mul(d as u64).saturating_mul(bytes);
        // W' for as long as it is trained; then as it is read, transposed, in f64 with the product, and as W with what
        // is written of it.
        let weights = matrix(r, 6 * own + 2 * wide);
        [matrix(here, own), matrix(d, wide), Metric::<T>::bytes(d), weights].into_iter().fold(0, u64::saturating_add)
    }
}

/// Between a descent of W' and whoever observes it.
struct Outside<'a, T: Element> {
    moved: &'a Moved<T>,
    observer: &'a mut dyn Observer,
}

impl<T: Element> Observer for Outside<'_, T> {
    fn record(&mut self, record: &Record) {
        self.observer.record(record);
    }

    fn spent(&mut self, passes: f64) {
        self.observer.spent(passes);
    }

    fn whole(&mut self, record: &Record) {
        self.observer.whole(record);
    }

    fn resume(&mut self) -> Option<State> {
        let mut state = self.observer.resume()?;
        // Without it nothing is there to go on from, and the descent says so.
        state.tensors.remove(WEIGHTS);
        if let Some(inside) = state.tensors.remove(MOVED) {
            state = state.with(WEIGHTS, inside);
        }
        Some(state)
    }

    fn keep_going(&mut self) -> bool {
        self.observer.keep_going()
    }

    fn checkpoint(&mut self, iteration: u64, state: &dyn Fn() -> State) {
        let moved = self.moved;
        self.observer.checkpoint(iteration, &|| moved.state(state()));
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        self.observer.has_room(bytes)
    }

    fn note(&mut self, text: &str) {
        self.observer.note(text);
    }

    fn busy(&mut self, busy: bool) {
        self.observer.busy(busy);
    }
}
