//! Descent on problems so small that calling the fused passes would cost more than the arithmetic: no allocation and no
//! engine, only loops over registers' worth of neurons and of samples.
//!
//! ```text
//! s_ab   = sum_i a_i W_ai W_bi                              d(d+1)/2 sums over r neurons
//! delta  = sum_{a<=b} c_ab s_ab P_ab - y                    P_ab,j = x_ja x_jb;  c_ab = 1 if a = b, else 2
//! M_ab   = 1/n sum_j delta_j P_ab,j
//! g_i    = (a_i M + gamma I) w_i
//! ```
//!
//! About d(d+1)/2 (2n + r) + d^2 r multiplications. W is held by groups of four neurons of one sign, all d coordinates
//! of a group together; what a group has too many are neurons that are zero and stay zero.

use memorize_kernels::arch::Loops;
use memorize_kernels::{Element, Isa, Mat, Rows, rows};

use super::pgd::{Landscape, Until};
use crate::error::TrainError;
use crate::network::Network;
use crate::objective::Evaluation;

/// Neurons, or samples, that are computed side by side: two registers of SSE2, one of AVX.
const LANES: usize = 4;

/// Widest samples that have loops of their own.
pub const MAX_WIDTH: usize = 16;

/// Narrowest samples whose loops are compiled for each instruction set: of width 2 a step takes a quarter longer by a
/// call that is not inlined, of width 4 a sixth less by longer registers.
const WORTH_A_CALL: usize = 4;

/// Most products x_ja x_jb, a <= b, that are kept: 64 kB. Above it the passes' kernels are faster.
pub const MAX_PRODUCTS: usize = 8192;

type Lanes = [f64; LANES];

/// The training objective on a tiny problem, in f64.
pub struct SmallTraining {
    problem: Box<dyn Problem>,
    /// Row of W^T that the neuron of each place stands in.
    places: Vec<Option<usize>>,
    neurons: usize,
}

impl std::fmt::Debug for SmallTraining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmallTraining").field("neurons", &self.neurons).finish_non_exhaustive()
    }
}

impl SmallTraining {
    /// Whether n samples of width d are few enough.
    ///
    /// ```
    /// use memorize_train::optim::small::SmallTraining;
    ///
    /// assert!(SmallTraining::fits(10, 4) && !SmallTraining::fits(60_000, 4) && !SmallTraining::fits(10, 784));
    /// ```
    pub fn fits(n: usize, d: usize) -> bool {
        (1..=MAX_WIDTH).contains(&d) && n > 0 && n.saturating_mul(d * (d + 1) / 2) <= MAX_PRODUCTS
    }

    /// By instruction set `isa`, the objective g with regulariser `gamma` of networks with the shape and the signs of
    /// `net`, or `None` if the problem is not small (see [`SmallTraining::fits`]), there is not one target a sample, or
    /// a sign is not +1 or -1.
    ///
    /// ```
    /// use memorize_kernels::{Isa, Mat};
    /// use memorize_train::Network;
    /// use memorize_train::optim::pgd::Landscape;
    /// use memorize_train::optim::small::SmallTraining;
    ///
    /// let network = Network { weights: Mat::from_slice(2, 1, &[3.0, 1.0]), signs: vec![1.0, -1.0] };
    /// let x = Mat::from_slice(1, 1, &[2.0]);
    /// let mut training = SmallTraining::new(Isa::best(), &x, &[30.0], 0.0, &network).unwrap();
    /// let mut gradient = Mat::zeros(2, 1);
    /// assert_eq!(training.evaluate(&network.weights, &mut gradient)?.loss, 1.0);
    /// assert_eq!((gradient.row(0)[0], gradient.row(1)[0]), (24.0, -8.0));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<T: Element, X: Rows<T>>(isa: Isa, x: &X, y: &[T], gamma: f64, net: &Network<T>) -> Option<Self> {
        let (n, d) = (x.rows(), x.cols());
        let of_modulus_one = net.signs.iter().all(|&a| a == T::ONE || a == -T::ONE);
        if !(Self::fits(n, d) && y.len() == n && net.width() == d && of_modulus_one) {
            return None;
        }
        let of_sign = |sign: T| {
            let mut places: Vec<_> = (0..net.neurons()).filter(|&i| net.signs[i] == sign).map(Some).collect();
            places.resize(places.len().next_multiple_of(LANES), None);
            places
        };
        let (mut places, negative) = (of_sign(T::ONE), of_sign(-T::ONE));
        let positive_groups = places.len() / LANES;
        places.extend(negative);
        let x = in_f64(x);
        let y: Vec<f64> = y.iter().map(|y| y.to_f64()).collect();
        let setup = Setup { isa, x: &x, y: &y, gamma, groups: places.len() / LANES, positive_groups };
        Some(Self { problem: setup.problem(d)?, places, neurons: net.neurons() })
    }

    fn load(&mut self, w: &Mat<f64>) {
        for (place, row) in self.places.iter().enumerate() {
            if let Some(i) = *row {
                self.problem.set_neuron(place, w.row(i));
            }
        }
    }
}

impl Landscape<f64> for SmallTraining {
    fn evaluate(&mut self, w: &Mat<f64>, gradient: &mut Mat<f64>) -> Result<Evaluation, TrainError> {
        self.load(w);
        let at = self.problem.evaluate();
        for (place, row) in self.places.iter().enumerate() {
            if let Some(i) = *row {
                self.problem.gradient_of(place, gradient.row_mut(i));
            }
        }
        Ok(at)
    }

    fn descend(&mut self, w: &mut Mat<f64>, eta: f64, steps: u64, until: &Until) -> Result<u64, TrainError> {
        self.load(w);
        let done = self.problem.descend(eta, steps, until);
        for (place, row) in self.places.iter().enumerate() {
            if let Some(i) = *row {
                self.problem.neuron(place, w.row_mut(i));
            }
        }
        Ok(done)
    }
}

/// All of `x` in memory, in f64.
pub(crate) fn in_f64<T: Element, X: Rows<T>>(x: &X) -> Mat<f64> {
    let x = rows::to_mat(memorize_kernels::Par::Seq, x);
    Mat::from_fn(x.rows(), x.cols(), |j, a| x.row(j)[a].to_f64())
}

/// A problem of a width that the compiler knows, with its current point and the gradient there.
trait Problem {
    fn set_neuron(&mut self, place: usize, w: &[f64]);
    fn neuron(&self, place: usize, w: &mut [f64]);
    fn gradient_of(&self, place: usize, g: &mut [f64]);
    fn evaluate(&mut self) -> Evaluation;
    fn descend(&mut self, eta: f64, steps: u64, until: &Until) -> u64;
}

/// Parts of a [`Problem`].
struct Setup<'a> {
    isa: Isa,
    x: &'a Mat<f64>,
    y: &'a [f64],
    gamma: f64,
    groups: usize,
    positive_groups: usize,
}

impl Setup<'_> {
    fn problem(&self, d: usize) -> Option<Box<dyn Problem>> {
        Some(match d {
            1 => self.of_width::<1>(),
            2 => self.of_width::<2>(),
            3 => self.of_width::<3>(),
            4 => self.of_width::<4>(),
            5 => self.of_width::<5>(),
            6 => self.of_width::<6>(),
            7 => self.of_width::<7>(),
            8 => self.of_width::<8>(),
            9 => self.of_width::<9>(),
            10 => self.of_width::<10>(),
            11 => self.of_width::<11>(),
            12 => self.of_width::<12>(),
            13 => self.of_width::<13>(),
            14 => self.of_width::<14>(),
            15 => self.of_width::<15>(),
            16 => self.of_width::<16>(),
            _ => return None,
        })
    }

    fn of_width<const D: usize>(&self) -> Box<dyn Problem> {
        let n = self.x.rows();
        // Samples beyond the last have zero products and zero targets: their residuals are zero.
        let by_lanes = |value: &dyn Fn(usize) -> f64| -> Vec<Lanes> {
            let lane = |j: usize| if j < n { value(j) } else { 0.0 };
            (0..n.div_ceil(LANES)).map(|at| std::array::from_fn(|l| lane(at * LANES + l))).collect()
        };
        let pairs = (0..D).flat_map(|a| (a..D).map(move |b| (a, b)));
        Box::new(OfWidth::<D> {
            isa: self.isa,
            products: pairs.flat_map(|(a, b)| by_lanes(&|j| self.x.row(j)[a] * self.x.row(j)[b])).collect(),
            targets: by_lanes(&|j| self.y[j]),
            residuals: by_lanes(&|_| 0.0),
            weights: vec![[[0.0; LANES]; D]; self.groups],
            gradient: vec![[[0.0; LANES]; D]; self.groups],
            positive_groups: self.positive_groups,
            samples: n as f64,
            gamma: self.gamma,
        })
    }
}

/// The neurons of a group: coordinate a of neuron l is [a][l].
type Group<const D: usize> = [Lanes; D];

struct OfWidth<const D: usize> {
    isa: Isa,
    /// P_ab for a <= b, one pair after the other, each of as many lanes as `targets`.
    products: Vec<Lanes>,
    targets: Vec<Lanes>,
    residuals: Vec<Lanes>,
    /// Neurons with a = +1, then those with a = -1.
    weights: Vec<Group<D>>,
    gradient: Vec<Group<D>>,
    positive_groups: usize,
    samples: f64,
    gamma: f64,
}

#[inline(always)]
fn sum(lanes: Lanes) -> f64 {
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

#[inline(always)]
fn add_product(sum: &mut Lanes, a: &Lanes, b: &Lanes) {
    for l in 0..LANES {
        sum[l] += a[l] * b[l];
    }
}

impl<const D: usize> OfWidth<D> {
    /// s_ab, a <= b, by neurons.
    #[inline(always)]
    fn network_entry(&self, a: usize, b: usize) -> f64 {
        let (positive, negative) = self.weights.split_at(self.positive_groups);
        let [mut plus, mut minus] = [[0.0; LANES]; 2];
        for group in positive {
            add_product(&mut plus, &group[a], &group[b]);
        }
        for group in negative {
            add_product(&mut minus, &group[a], &group[b]);
        }
        sum(plus) - sum(minus)
    }

    /// Residuals, M and the gradient at the current weights.
    #[inline(always)]
    fn differentiate(&mut self) {
        let lanes = self.targets.len();
        for (residual, target) in self.residuals.iter_mut().zip(&self.targets) {
            for l in 0..LANES {
                residual[l] = -target[l];
            }
        }
        let mut pair = 0;
        for a in 0..D {
            for b in a..D {
                let entry = self.network_entry(a, b);
                let factor = if a == b { entry } else { 2.0 * entry };
                let products = &self.products[pair * lanes..][..lanes];
                for (residual, product) in self.residuals.iter_mut().zip(products) {
                    for l in 0..LANES {
                        residual[l] += factor * product[l];
                    }
                }
                pair += 1;
            }
        }
        let mut moment = [[0.0; D]; D];
        let mut pair = 0;
        for a in 0..D {
            for b in a..D {
                let products = &self.products[pair * lanes..][..lanes];
                let mut all = [0.0; LANES];
                for (residual, product) in self.residuals.iter().zip(products) {
                    add_product(&mut all, residual, product);
                }
                moment[a][b] = sum(all) / self.samples;
                moment[b][a] = moment[a][b];
                pair += 1;
            }
        }
        let (positive, negative) = self.gradient.split_at_mut(self.positive_groups);
        let (w_positive, w_negative) = self.weights.split_at(self.positive_groups);
        multiply(&shifted(&moment, 1.0, self.gamma), w_positive, positive);
        multiply(&shifted(&moment, -1.0, self.gamma), w_negative, negative);
    }

    #[inline(always)]
    fn loss(&self) -> f64 {
        let mut squares = [0.0; LANES];
        for delta in &self.residuals {
            add_product(&mut squares, delta, delta);
        }
        sum(squares) / (4.0 * self.samples)
    }

    /// W -= eta G.
    #[inline(always)]
    fn update(&mut self, eta: f64) {
        for (w, g) in self.weights.iter_mut().zip(&self.gradient) {
            for (w, g) in w.iter_mut().zip(g) {
                for l in 0..LANES {
                    w[l] -= eta * g[l];
                }
            }
        }
    }
}

impl<const D: usize> OfWidth<D> {
    fn advance(&mut self, eta: Option<f64>, values: bool) -> Found {
        let isa = self.isa;
        let step = Advance { problem: self, eta, values };
        if D < WORTH_A_CALL { step.run() } else { isa.run_loops(step) }
    }
}

/// A step of descent with this rate, if there is one, and what is found where it leads.
struct Advance<'a, const D: usize> {
    problem: &'a mut OfWidth<D>,
    eta: Option<f64>,
    /// Whether the loss is asked for.
    values: bool,
}

/// The loss, or NaN, and ||G||_F^2.
struct Found {
    loss: f64,
    slope: f64,
}

impl<const D: usize> Loops for Advance<'_, D> {
    type Output = Found;

    #[inline(always)]
    fn run(self) -> Found {
        if let Some(eta) = self.eta {
            self.problem.update(eta);
        }
        self.problem.differentiate();
        let loss = if self.values { self.problem.loss() } else { f64::NAN };
        Found { loss, slope: squared_norm(&self.problem.gradient) }
    }
}

/// sign M + gamma I.
#[inline(always)]
fn shifted<const D: usize>(moment: &[[f64; D]; D], sign: f64, gamma: f64) -> [[f64; D]; D] {
    let mut all = *moment;
    for (a, row) in all.iter_mut().enumerate() {
        for value in row.iter_mut() {
            *value *= sign;
        }
        row[a] += gamma;
    }
    all
}

/// G = F W for the neurons of one sign.
#[inline(always)]
fn multiply<const D: usize>(factor: &[[f64; D]; D], weights: &[Group<D>], gradient: &mut [Group<D>]) {
    for (w, g) in weights.iter().zip(gradient) {
        for a in 0..D {
            let mut all = [0.0; LANES];
            for b in 0..D {
                for l in 0..LANES {
                    all[l] += factor[a][b] * w[b][l];
                }
            }
            g[a] = all;
        }
    }
}

/// ||G||_F^2.
#[inline(always)]
fn squared_norm<const D: usize>(groups: &[Group<D>]) -> f64 {
    let mut all = [0.0; LANES];
    for group in groups {
        for lanes in group {
            add_product(&mut all, lanes, lanes);
        }
    }
    sum(all)
}

impl<const D: usize> Problem for OfWidth<D> {
    fn set_neuron(&mut self, place: usize, w: &[f64]) {
        let group = &mut self.weights[place / LANES];
        group.iter_mut().zip(w).for_each(|(lanes, &w)| lanes[place % LANES] = w);
    }

    fn neuron(&self, place: usize, w: &mut [f64]) {
        w.iter_mut().zip(&self.weights[place / LANES]).for_each(|(w, lanes)| *w = lanes[place % LANES]);
    }

    fn gradient_of(&self, place: usize, g: &mut [f64]) {
        g.iter_mut().zip(&self.gradient[place / LANES]).for_each(|(g, lanes)| *g = lanes[place % LANES]);
    }

    fn evaluate(&mut self) -> Evaluation {
        let Found { loss, .. } = self.advance(None, true);
        Evaluation { loss, regularized: loss + self.gamma / 2.0 * squared_norm(&self.weights) }
    }

    fn descend(&mut self, eta: f64, steps: u64, until: &Until) -> u64 {
        let floor = until.gradient_norm.map_or(-1.0, |norm| norm * norm);
        let target = until.loss.unwrap_or(-1.0);
        for step in 0..steps {
            // The decisions stay out here: the loops have no branches on numbers.
            let eta = (step > 0).then_some(eta);
            let Found { loss, slope } = self.advance(eta, target >= 0.0);
            // Also true if the gradient is not a number.
            if !(slope > floor && slope < f64::INFINITY) || (target >= 0.0 && loss <= target) {
                return step;
            }
        }
        if steps > 0 {
            self.update(eta);
        }
        steps
    }
}

#[cfg(test)]
#[path = "small_tests.rs"]
mod tests;
