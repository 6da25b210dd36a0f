//! Counting, without an optimiser and with all of them.

use memorize_data::random::Purpose;
use memorize_kernels::Mat;

use super::*;
use crate::network::normal_rows;

/// Sees everything, and has the entrant stop after so many losses.
struct Counting(usize);

impl Spectator for Counting {
    fn see(&mut self, _: &Recorded) {
        self.0 -= 1;
    }

    fn goes_on(&mut self) -> bool {
        self.0 > 0
    }
}

fn rules() -> Rules {
    Rules { losses: vec![1e-2, 1e-4], passes: 10, route: None, seed: 0, norm: Norm::Data }
}

fn counted(count: impl FnOnce(&mut Runner<'_>)) -> (Vec<Recorded>, Vec<Option<f64>>) {
    let mut everything = Counting(usize::MAX);
    let mut runner = Runner::new(&rules(), &mut everything);
    count(&mut runner);
    let passes = runner.marks.iter().map(|mark| mark.reached.map(|reached| reached.passes)).collect();
    (runner.records, passes)
}

fn record(iteration: u64, loss: f64) -> Record {
    Record { iteration, loss, learning_rate: 0.1 }
}

#[test]
fn a_loss_is_reached_once() {
    let (records, passes) = counted(|runner| {
        for (t, loss) in [1.0, 0.5, 0.009, 0.02, 0.001].into_iter().enumerate() {
            runner.record(&record(t as u64, loss));
            assert!(runner.keep_going());
        }
    });
    assert_eq!((records.len(), records[4].passes), (5, 4.0));
    assert_eq!(passes, [Some(2.0), None]);
}

#[test]
fn what_an_iteration_costs_is_what_the_optimiser_says() {
    let (_, passes) = counted(|runner| {
        runner.spent(9.5);
        runner.record(&record(6, 1e-5));
        assert!(runner.keep_going());
        runner.spent(11.0);
        runner.record(&record(7, 1e-5));
        assert!(!runner.keep_going(), "the budget is 10");
    });
    assert_eq!(passes, [Some(9.5); 2]);
}

#[test]
fn batches_are_epochs_and_preconditioners_passes() {
    let (_, passes) = counted(|adam| {
        adam.batches(4);
        adam.record(&record(1, 1e-9));
        adam.whole(&record(8, 1e-3));
    });
    assert_eq!(passes, [Some(2.0), None], "the loss of a batch does not count");
    let (_, passes) = counted(|solver| {
        solver.begin_with(2.5);
        solver.record(&record(3, 1e-3));
    });
    assert_eq!(passes, [Some(5.5), None]);
}

fn training_set() -> (Mat<f64>, Vec<f64>) {
    let x: Mat<f64> = normal_rows(24, 8, 0.3, 3, Purpose::SyntheticInputs);
    (x, (0..24).map(|j| (j % 5) as f64 / 5.0).collect())
}

#[test]
fn every_entrant_arrives_on_every_route_and_ends_where_it_is_asked_to() {
    let (x, y) = training_set();
    for route in [None, Some(Route::Neuron), Some(Route::Gram)] {
        let rules = Rules { losses: vec![1e-2, 1e-3], passes: 20_000, route, seed: 1, norm: Norm::Data };
        let track = Track::new(Engine::best(), (&x, &y), 18, None, rules).unwrap();
        let eta = track.rate;
        let (theta, radius) = (0.1, 1e-3);
        let acceleration = Acceleration {
            eta,
            theta,
            gamma: theta * theta / eta,
            s: 10.0 * radius,
            radius,
            g_thres: 1e-7,
            t_thres: 1000,
        };
        let adam = |rows| Entrant::Batches { method: Method::ADAM, schedule: StepDecay::constant(0.003), rows };
        let thresholds = Thresholds { eta, radius, g_thres: 1e-6, f_thres: 1e-12, t_thres: 1000 };
        for entrant in [
            Entrant::Descent(track.rate),
            adam(None),
            adam(Some(7)),
            Entrant::Perturbed(thresholds),
            Entrant::Accelerated(acceleration),
            Entrant::NegativeCurvature(Escape { g_thres: 0.005, tolerance: 0.0 }),
            Entrant::Solver,
        ] {
            let lap = track.run(entrant, &mut Counting(usize::MAX)).unwrap();
            let loss = lap.loss.unwrap();
            assert!(loss <= 1e-3 * (1.0 + 1e-9), "{entrant:?}: {loss}");
            let passes: Vec<f64> = lap.marks.iter().map(|mark| mark.reached.unwrap().passes).collect();
            assert!(0.0 < passes[0] && passes[0] <= passes[1] && passes[1] < 20_000.0, "{entrant:?}: {passes:?}");
            assert!(lap.records.windows(2).all(|pair| pair[0].passes <= pair[1].passes));
            let stopped = track.run(entrant, &mut Counting(1)).unwrap();
            assert!(stopped.records.len() <= 2, "{entrant:?}: {}", stopped.records.len());
        }
    }
}

#[test]
fn a_step_that_is_too_long_is_a_lap_that_diverged() {
    let (x, y) = training_set();
    let track = Track::new(Engine::best(), (&x, &y), 18, Some(1e6), rules()).unwrap();
    let lap = track.run(Entrant::Descent(track.rate), &mut Counting(usize::MAX)).unwrap();
    assert_eq!((lap.loss, lap.share), (None, 1.0));
    let none = Mat::<f64>::zeros(0, 8);
    assert!(matches!(Track::new(Engine::best(), (&none, &[]), 18, None, rules()), Err(TrainError::NoSamples)));
    assert!(matches!(Track::new(Engine::best(), (&x, &y), 3, None, rules()), Err(TrainError::Neurons(3))));
}

#[test]
fn a_measured_step_that_is_too_long_is_halved_and_all_passes_count() {
    let (x, y) = training_set();
    let rules = Rules { passes: 20_000, ..rules() };
    let track = Track::new(Engine::best(), (&x, &y), 18, None, rules).unwrap();
    let rate = 256.0 * track.rate;
    let schedule = StepDecay::constant(rate);
    let thresholds = Thresholds { eta: rate, radius: 0.1, g_thres: 1e-6, f_thres: 1e-12, t_thres: 1000 };
    let (radius, theta) = (1e-3, 0.1);
    let gamma = theta * theta / rate;
    let acceleration = Acceleration { eta: rate, theta, gamma, s: 10.0 * radius, radius, g_thres: 1e-7, t_thres: 1000 };
    for entrant in [
        Entrant::Descent(rate),
        Entrant::Batches { method: Method::Descent, schedule, rows: None },
        Entrant::Perturbed(thresholds),
        Entrant::Accelerated(acceleration),
    ] {
        let lap = track.run(entrant, &mut Counting(usize::MAX)).unwrap();
        // A step may be short enough not to diverge, and still too long to arrive.
        let start = track.objective.evaluate(&track.start).unwrap().loss;
        assert!(lap.loss.is_some_and(|loss| loss < 0.5 * start), "{entrant:?}: {:?}", lap.loss);
        assert!(lap.share < 1.0 && (lap.share.log2() - lap.share.log2().round()).abs() < 1e-12, "{}", lap.share);
        assert!(lap.records.windows(2).all(|pair| pair[0].passes <= pair[1].passes));
        // The passes before the last start are among those of the last record.
        let last = lap.records.last().unwrap();
        assert!(last.passes > last.iteration as f64, "{entrant:?}: {last:?}");
    }
    // Adam's step is its own.
    let adam = Entrant::Batches { method: Method::ADAM, schedule: StepDecay::constant(1e300), rows: None };
    let lap = track.run(adam, &mut Counting(usize::MAX)).unwrap();
    assert_eq!((lap.loss, lap.share), (None, 1.0));
}
