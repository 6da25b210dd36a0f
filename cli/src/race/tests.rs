//! Counting, without an optimiser.

use memorize_run::config::Batch;
use memorize_run::events::Plan as Shown;
use memorize_run::layer::Layer;
use memorize_train::{Observer, Record};

use super::runner::Runner;
use super::*;
use crate::console::Mode;

fn config() -> RaceConfig {
    let adam = "[data]\nsource = \"synthetic\"\n[network]\nneurons = 2\n[run]\nepochs = 10\n";
    RaceConfig {
        adam: Layer::from_toml(adam).unwrap().resolve().unwrap(),
        neurons: None,
        optimizers: vec![OptimizerKind::Gd],
        losses: vec![1e-2, 1e-4],
        learning_rate: None,
    }
}

fn runner(kind: OptimizerKind) -> Runner {
    Runner::new(kind, &config(), Progress::new(Mode::Quiet, Shown::default()), Interrupt::default())
}

fn record(iteration: u64, loss: f64) -> Record {
    Record { iteration, loss, learning_rate: 0.1 }
}

#[test]
fn a_loss_is_reached_once() {
    let mut runner = runner(OptimizerKind::Gd);
    for (t, loss) in [1.0, 0.5, 0.009, 0.02, 0.001].into_iter().enumerate() {
        runner.record(&record(t as u64, loss));
        assert!(runner.keep_going());
    }
    let (records, marks, _) = runner.finish();
    assert_eq!(records.len(), 5);
    assert_eq!(marks.iter().map(|mark| mark.passes).collect::<Vec<_>>(), [Some(2.0), None]);
    let entry = Entry::new(OptimizerKind::Gd, String::new(), &records, marks, Some(0.001));
    assert_eq!(entry.passes, 4.0);
}

#[test]
fn what_an_iteration_costs_is_what_the_optimiser_says() {
    let mut runner = runner(OptimizerKind::NegativeCurvature);
    runner.spent(9.5);
    runner.record(&record(6, 1e-5));
    assert!(runner.keep_going());
    runner.spent(11.0);
    runner.record(&record(7, 1e-5));
    assert!(!runner.keep_going(), "the budget is 10");
    assert_eq!(runner.finish().1.map_passes(), [Some(9.5); 2]);
}

#[test]
fn batches_are_epochs_and_preconditioners_passes() {
    let mut adam = runner(OptimizerKind::Adam);
    adam.batches(4);
    adam.record(&record(1, 1e-9));
    adam.whole(&record(8, 1e-3));
    assert_eq!(adam.finish().1.map_passes(), [Some(2.0), None], "the loss of a batch does not count");
    let mut solver = runner(OptimizerKind::Solve);
    solver.begin_with(2.5);
    solver.record(&record(3, 1e-3));
    assert_eq!(solver.finish().1.map_passes(), [Some(5.5), None]);
}

trait Passes {
    fn map_passes(&self) -> Vec<Option<f64>>;
}

impl Passes for Vec<Mark> {
    fn map_passes(&self) -> Vec<Option<f64>> {
        self.iter().map(|mark| mark.passes).collect()
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
