//! What is said about the optimisers that leave saddle points by momentum and along negative curvature, and what they do
//! when nothing is said.

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::config::defaults::*;
use crate::config::{AcceleratedSection, NegativeCurvatureSection, OptimizerKind};

/// What is said about perturbed accelerated gradient descent.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcceleratedLayer {
    /// Accelerated: theta, the share of the velocity that is lost in a step [default: 0.1]
    #[arg(long = "accelerated-theta", value_name = "X")]
    pub theta: Option<f64>,
    /// Accelerated: give the velocity up where the loss is more concave along it than this [default: theta^2/lr]
    #[arg(id = "accelerated_gamma", long = "accelerated-gamma", value_name = "X")]
    pub gamma: Option<f64>,
    /// Accelerated: length of the step that is taken along it then [default: 10 radii]
    #[arg(long = "accelerated-s", value_name = "X")]
    pub s: Option<f64>,
    /// Accelerated: radius of the perturbations [default: 0.001]
    #[arg(id = "accelerated_radius", long = "accelerated-radius", value_name = "X")]
    pub radius: Option<f64>,
    /// Accelerated: perturb when the gradient is shorter than this [default: 1e-7]
    #[arg(id = "accelerated_g_threshold", long = "accelerated-g-threshold", value_name = "X")]
    pub g_threshold: Option<f64>,
    /// Accelerated: fewest iterations between two perturbations [default: 1000]
    #[arg(id = "accelerated_t_threshold", long = "accelerated-t-threshold", value_name = "N")]
    pub t_threshold: Option<u64>,
}

impl AcceleratedLayer {
    pub(super) fn resolve(self, kind: OptimizerKind, learning_rate: f64) -> Option<AcceleratedSection> {
        if self == Self::default() && kind != OptimizerKind::Accelerated {
            return None;
        }
        Some(self.settle(learning_rate))
    }

    /// Fills every hole with its default, for the step size eta.
    pub fn settle(self, learning_rate: f64) -> AcceleratedSection {
        let theta = self.theta.unwrap_or(DEFAULT_THETA);
        let radius = self.radius.unwrap_or(DEFAULT_RADIUS);
        AcceleratedSection {
            theta,
            gamma: self.gamma.unwrap_or(theta * theta / learning_rate),
            s: self.s.unwrap_or(DEFAULT_S_RADII * radius),
            radius,
            g_threshold: self.g_threshold.unwrap_or(DEFAULT_G_THRESHOLD),
            t_threshold: self.t_threshold.unwrap_or(DEFAULT_T_THRESHOLD),
        }
    }
}

/// What is said about descent along negative curvature.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NegativeCurvatureLayer {
    /// Negative curvature: take Lemma 3's direction where the gradient is shorter than this share of ||M|| ||W|| [default: 0.005]
    #[arg(id = "curvature_g_threshold", long = "curvature-g-threshold", value_name = "X")]
    pub g_threshold: Option<f64>,
    /// Negative curvature: return where no curvature is below minus this [default: 0]
    #[arg(id = "curvature_tolerance", long = "curvature-tolerance", value_name = "X")]
    pub tolerance: Option<f64>,
}

impl NegativeCurvatureLayer {
    pub(super) fn resolve(self, kind: OptimizerKind) -> Option<NegativeCurvatureSection> {
        if self == Self::default() && kind != OptimizerKind::NegativeCurvature {
            return None;
        }
        Some(self.settle())
    }

    /// Fills every hole with its default.
    pub fn settle(self) -> NegativeCurvatureSection {
        NegativeCurvatureSection {
            g_threshold: self.g_threshold.unwrap_or(DEFAULT_SHARE),
            tolerance: self.tolerance.unwrap_or(0.0),
        }
    }
}
