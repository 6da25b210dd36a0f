//! Which route a gradient takes: through the neurons (U = X W) or through the Gram matrices (S = W A W^T).

use std::fmt;
use std::str::FromStr;

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
    pub fn name(self) -> &'static str {
        match self {
            Route::Neuron => "neuron",
            Route::Gram => "gram",
        }
    }

    /// Flops of one loss and gradient over n samples of width d with r neurons.
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

/// A route with the reason for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The route taken.
    pub route: Route,
    /// Flops a gradient by the neuron route.
    pub neuron_flops: f64,
    /// Flops a gradient by the Gram route.
    pub gram_flops: f64,
    /// Whether the user chose instead of the planner.
    pub forced: bool,
}

impl Plan {
    /// The cheaper route for gradients over n samples (a batch, or the whole set) of width d with r neurons, unless
    /// `forced`.
    pub fn new(n: usize, d: usize, r: usize, forced: Option<Route>) -> Self {
        let (neuron_flops, gram_flops) = (Route::Neuron.flops(n, d, r), Route::Gram.flops(n, d, r));
        let cheaper = if gram_flops < neuron_flops { Route::Gram } else { Route::Neuron };
        Self { route: forced.unwrap_or(cheaper), neuron_flops, gram_flops, forced: forced.is_some() }
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
        let full = Plan::new(60_000, 784, 3000, None);
        assert_eq!(full.route, Route::Gram);
        assert!((full.neuron_flops / 1e9 - 564.48).abs() < 0.01 && (full.gram_flops / 1e9 - 79.29).abs() < 0.01);
        assert_eq!(Plan::new(128, 784, 3000, None).route, Route::Neuron);
        assert_eq!(Plan::new(128, 784, 3000, Some(Route::Gram)).route, Route::Gram);
    }
}
