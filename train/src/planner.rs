//! Which route a gradient takes: through the neurons (U = X W) or through the Gram matrices (S = W A W^T).

use std::fmt;
use std::str::FromStr;

use memorize_kernels::Element;

use crate::network::Network;
use crate::span;

/// How loss and gradient are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// U = X W, q = rowsum(a * U^2), G = X^T diag(delta) U A: 4 n d r flops.
    Neuron,
    /// S = W A W^T, q_j = x_j^T S x_j, M, G = M W A: 2 n d^2 + 3 d^2 r flops.
    Gram,
}

impl Route {
    /// `neuron` or `gram`.
    ///
    /// ```
    /// assert_eq!(memorize_train::Route::Gram.name(), "gram");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Route::Neuron => "neuron",
            Route::Gram => "gram",
        }
    }

    /// Flops of one loss and gradient over n samples of width d with r neurons.
    ///
    /// ```
    /// use memorize_train::Route;
    ///
    /// assert_eq!(Route::Neuron.flops(100, 10, 5), 4.0 * 100.0 * 10.0 * 5.0);
    /// assert_eq!(Route::Gram.flops(100, 10, 5), 2.0 * 100.0 * 100.0 + 3.0 * 100.0 * 5.0);
    /// ```
    pub fn flops(self, n: usize, d: usize, r: usize) -> f64 {
        let (n, d, r) = (n as f64, d as f64, r as f64);
        match self {
            Route::Neuron => 4.0 * n * d * r,
            Route::Gram => 2.0 * n * d * d + 3.0 * d * d * r,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = [Route::Neuron, Route::Gram].into_iter().find(|route| route.name() == name);
        found.ok_or_else(|| format!("`{name}` is not a route; known: neuron, gram"))
    }
}

/// The samples that a gradient is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// n samples, by passes that begin with W as it is stored.
    All(usize),
    /// A batch of b, by steps that keep W in the layout of the neuron route from one to the next.
    Batch(usize),
}

/// Cost of laying out W for the neuron route, in flops a weight: 1.5 to 3 ns. Measured, as the next two, with
/// `cargo bench --bench crossovers`.
const LAYOUT_FLOPS: f64 = 300.0;

/// Cost of laying out S and M for the Gram route, in flops for each of their d^2 places.
const SYMMETRIC_FLOPS: f64 = 120.0;

/// The Gram route multiplies d (d + WASTE) instead of d^2 numbers for every sample: half a panel above the diagonal and
/// half a register beyond the last column. Measured in the same way.
const WASTE: f64 = 12.0;

/// Exponents of the largest weight, up or down, up to which S has entries well inside of the range of the type.
const SAFE_EXPONENT_F32: i32 = 48;
const SAFE_EXPONENT_F64: i32 = 480;

/// A route with the reason for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The route taken.
    pub route: Route,
    /// Cost of a gradient by the neuron route, in flops of its inner loop.
    pub neuron_flops: f64,
    /// Cost of a gradient by the Gram route, in the same unit.
    pub gram_flops: f64,
    /// Whether the user chose instead of the planner.
    pub forced: bool,
}

impl Plan {
    /// The cheaper route for gradients over `samples` of width d with r neurons, unless `forced`.
    ///
    /// ```
    /// use memorize_train::{Plan, Route, Samples};
    ///
    /// // Many neurons make the Gram route cheaper, few samples the neuron route.
    /// assert_eq!(Plan::new(Samples::All(60_000), 784, 3000, None).route, Route::Gram);
    /// assert_eq!(Plan::new(Samples::Batch(128), 784, 3000, None).route, Route::Neuron);
    /// let forced = Plan::new(Samples::All(60_000), 784, 3000, Some(Route::Neuron));
    /// assert!(forced.forced && forced.route == Route::Neuron);
    /// ```
    pub fn new(samples: Samples, d: usize, r: usize, forced: Option<Route>) -> Self {
        let (n, layout) = match samples {
            Samples::All(n) => (n, LAYOUT_FLOPS),
            Samples::Batch(b) => (b, 0.0),
        };
        let (rows, width, neurons) = (n as f64, d as f64, r as f64);
        let neuron_flops = Route::Neuron.flops(n, d, r) + layout * width * neurons;
        let gram_flops = Route::Gram.flops(n, d, r) + 2.0 * rows * width * WASTE + SYMMETRIC_FLOPS * width * width;
        let cheaper = if gram_flops < neuron_flops { Route::Gram } else { Route::Neuron };
        Self { route: forced.unwrap_or(cheaper), neuron_flops, gram_flops, forced: forced.is_some() }
    }
}

impl Plan {
    /// The same for one pass over `samples` with this network: the neuron route also where S = W A W^T would leave the
    /// range of T although W does not.
    ///
    /// ```
    /// use memorize_train::{Network, Plan, Route, Samples};
    ///
    /// let mut network = Network::<f32>::random(3000, 8, 0.1, 1)?;
    /// assert_eq!(Plan::of_network(Samples::All(60_000), &network, None).route, Route::Gram);
    /// // The squares of such weights are no numbers of f32.
    /// network.weights.row_mut(0)[0] = 1e30;
    /// assert_eq!(Plan::of_network(Samples::All(60_000), &network, None).route, Route::Neuron);
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn of_network<T: Element>(samples: Samples, network: &Network<T>, forced: Option<Route>) -> Self {
        let plan = Self::new(samples, network.width(), network.neurons(), forced);
        let largest = network.weights.iter().fold(0.0f64, |largest, w| largest.max(w.to_f64().abs()));
        let limit = if T::NAME == "f32" { SAFE_EXPONENT_F32 } else { SAFE_EXPONENT_F64 };
        let in_range = !largest.is_finite() || span::exponent(largest).abs() <= limit;
        if in_range || plan.forced { plan } else { Self { route: Route::Neuron, ..plan } }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (neuron, gram) = (self.neuron_flops / 1e6, self.gram_flops / 1e6);
        let reason = if self.forced { "as asked" } else { "the cheaper one" };
        write!(f, "{} route, {reason}: {neuron:.1} MFLOP a gradient by neurons, {gram:.1} by Gram matrices", self.route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_sizes_go_where_the_arithmetic_says() {
        let full = Plan::new(Samples::All(60_000), 784, 3000, None);
        assert_eq!(full.route, Route::Gram);
        // Within 2 % of the bare arithmetic, 4 n d r and 2 n d^2 + 3 d^2 r.
        assert!((full.neuron_flops / 564.48e9 - 1.0).abs() < 0.02 && (full.gram_flops / 79.29e9 - 1.0).abs() < 0.02);
        assert_eq!(Plan::new(Samples::Batch(128), 784, 3000, None).route, Route::Neuron);
        assert_eq!(Plan::new(Samples::Batch(128), 784, 3000, Some(Route::Gram)).route, Route::Gram);
    }

    #[test]
    fn weights_whose_squares_leave_the_range_go_by_the_neurons() {
        let route = |scale: f64, forced| {
            let network = Network::<f32>::random(40, 6, scale, 1).unwrap();
            Plan::of_network(Samples::All(1000), &network, forced).route
        };
        assert_eq!([1e-10, 1.0, 1e10].map(|scale| route(scale, None)), [Route::Gram; 3]);
        assert_eq!([1e-25, 1e25].map(|scale| route(scale, None)), [Route::Neuron; 2]);
        assert_eq!(route(1e25, Some(Route::Gram)), Route::Gram);
    }

    #[test]
    fn a_few_samples_do_not_pay_for_laying_out_many_neurons() {
        let (d, r) = (100, 400);
        assert!(Route::Neuron.flops(10, d, r) < Route::Gram.flops(10, d, r));
        assert_eq!(Plan::new(Samples::All(10), d, r, None).route, Route::Gram);
        assert_eq!(Plan::new(Samples::Batch(10), d, r, None).route, Route::Neuron);
    }
}
