//! What may take part.

use memorize_run::config::Batch;
use memorize_run::layer::Layer;

use super::*;

fn config() -> RaceConfig {
    let adam = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 2\n[run]\nepochs = 10\n";
    RaceConfig {
        adam: Layer::from_toml(adam).unwrap().resolve().unwrap(),
        neurons: None,
        optimizers: vec![OptimizerKind::Gd],
        losses: vec![1e-2, 1e-4],
        learning_rate: None,
        metric: None,
    }
}

#[test]
fn an_optimiser_takes_part_once_and_losses_are_numbers() {
    let refused = |change: fn(&mut RaceConfig), words: &str| {
        let mut config = config();
        change(&mut config);
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    assert!(config().validate().is_ok());
    refused(|c| c.optimizers = vec![OptimizerKind::Gd; 2], "takes part once");
    refused(|c| c.losses = vec![0.0], "--losses");
    refused(|c| c.losses.clear(), "--losses");
    refused(|c| c.learning_rate = Some(-1.0), "--lr");
    refused(|c| c.adam.run.epochs = Some(0), "--epochs");
    refused(|c| c.adam.optimizer.batch = Batch::Rows(0), "--batch");
}
