//! The paper's seven experiments (section 5 and appendix A): their names, and what the paper says of them.

/// An experiment of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// Gradient descent on random data.
    Synthetic,
    /// Two layers on MNIST as it is.
    Mnist2Layer,
    /// Two layers on perturbed MNIST.
    Mnist2LayerNoise,
    /// Three layers on perturbed MNIST.
    Mnist3Layer,
    /// Two layers on MNIST as it is, random labels.
    Mnist2LayerRandom,
    /// Two layers on perturbed MNIST, random labels.
    Mnist2LayerNoiseRandom,
    /// Three layers on perturbed MNIST, random labels.
    Mnist3LayerRandom,
}

impl Experiment {
    /// All experiments, in the order of the paper's text.
    pub const ALL: [Self; 7] = [
        Self::Synthetic,
        Self::Mnist2Layer,
        Self::Mnist2LayerNoise,
        Self::Mnist3Layer,
        Self::Mnist2LayerRandom,
        Self::Mnist2LayerNoiseRandom,
        Self::Mnist3LayerRandom,
    ];

    /// The name on the command line, in `summary.json` and below `runs/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Mnist2Layer => "mnist-2layer",
            Self::Mnist2LayerNoise => "mnist-2layer-noise",
            Self::Mnist3Layer => "mnist-3layer",
            Self::Mnist2LayerRandom => "mnist-2layer-random",
            Self::Mnist2LayerNoiseRandom => "mnist-2layer-noise-random",
            Self::Mnist3LayerRandom => "mnist-3layer-random",
        }
    }

    /// The experiment of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|experiment| experiment.name() == name)
    }

    /// What is trained on what, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Synthetic => "Gradient descent on 300 random samples, two layers, r = 300",
            Self::Mnist2Layer => "Adam on MNIST as it is, two layers, r = 3000",
            Self::Mnist2LayerNoise => "Adam on MNIST with noise 0.01, two layers, r = 3000",
            Self::Mnist3Layer => "Adam on MNIST, PCA 100, noise 0.05, three layers, k = 750, r = 3000",
            Self::Mnist2LayerRandom => "As mnist-2layer, with random labels",
            Self::Mnist2LayerNoiseRandom => "As mnist-2layer-noise, with random labels",
            Self::Mnist3LayerRandom => "As mnist-3layer, with random labels",
        }
    }

    /// What the paper reports, with its figures.
    pub fn paper(self) -> String {
        format!("{} ({})", self.reports(), self.figures())
    }

    /// What the paper reports.
    pub fn reports(self) -> &'static str {
        match self {
            Self::Synthetic => "loss goes to 0 quickly",
            Self::Mnist2Layer => "training loss to about 0.1, then slow; test MSE 1.21",
            Self::Mnist2LayerNoise => "loss falls geometrically below 1e-5",
            Self::Mnist3Layer => "very low training error",
            Self::Mnist2LayerRandom => "does not fit well",
            Self::Mnist2LayerNoiseRandom => "fits to very high accuracy",
            Self::Mnist3LayerRandom => "similar to mnist-3layer",
        }
    }

    /// Where the paper reports it.
    pub fn figures(self) -> &'static str {
        match self {
            Self::Synthetic => "figures 2, 5",
            Self::Mnist2Layer => "figure 6",
            Self::Mnist2LayerNoise => "figures 3a, 7",
            Self::Mnist3Layer => "figures 3b, 8",
            Self::Mnist2LayerRandom => "text of section 5",
            Self::Mnist2LayerNoiseRandom => "figures 4a, 9",
            Self::Mnist3LayerRandom => "figures 4b, 10",
        }
    }

    /// Whether the experiment needs MNIST.
    pub fn uses_mnist(self) -> bool {
        self != Self::Synthetic
    }
}
