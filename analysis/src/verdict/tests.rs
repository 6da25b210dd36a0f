//! Tests of [`super`].

use super::*;
use crate::trace::Point;

/// A curve through these losses at equal distances.
fn curve(losses: &[f64]) -> Trace {
    let smooth: Vec<Point> = losses.iter().zip(0..).map(|(&loss, i)| Point { iteration: 100 * i, loss }).collect();
    Trace { last_iteration: smooth.last().map_or(0, |point| point.iteration), smooth, ..Trace::default() }
}

fn nobody(_: Experiment) -> Option<f64> {
    None
}

fn verdict(experiment: Experiment, loss: f64, test_mse: Option<f64>, losses: &[f64]) -> Verdict {
    let trace = curve(losses);
    let evidence = Evidence { loss, test_mse, trace: Some(&trace), short: None };
    judge(experiment, evidence, None, nobody).verdict
}

#[test]
fn every_experiment_has_criteria_that_some_runs_meet_and_others_do_not() {
    use Experiment::*;
    let falling = [8.0, 0.1, 1e-3, 1e-6];
    let stuck = [8.0, 0.2, 0.1, 0.09];
    let cases = [
        (Synthetic, 1e-15, [0.2, 1e-7, 1e-14, 1e-15], 0.1, stuck),
        (Mnist2Layer, 0.05, stuck, 1e-6, falling),
        (Mnist2LayerNoise, 1e-6, falling, 0.1, stuck),
        (Mnist3Layer, 1e-4, falling, 0.1, stuck),
        (Mnist2LayerRandom, 0.8, stuck, 1e-3, falling),
        (Mnist2LayerNoiseRandom, 1e-5, falling, 0.1, stuck),
    ];
    for (experiment, good, good_curve, bad, bad_curve) in cases {
        assert_eq!(verdict(experiment, good, Some(1.25), &good_curve), Verdict::Agrees, "{experiment:?}");
        assert_eq!(verdict(experiment, bad, Some(1.25), &bad_curve), Verdict::Differs, "{experiment:?}");
        // A loss that is not known proves nothing.
        assert!(!matches!(verdict(experiment, f64::NAN, Some(1.25), &good_curve), Verdict::Agrees));
    }
}

#[test]
fn each_criterion_is_looked_at_by_itself() {
    let good = [8.0, 0.2, 0.1, 0.09];
    assert_eq!(verdict(Experiment::Mnist2Layer, 0.05, Some(2.0), &good), Verdict::Differs, "test MSE");
    assert_eq!(
        verdict(Experiment::Mnist2Layer, 0.05, Some(1.25), &[8.0, 0.2, 0.1, 0.02]),
        Verdict::Differs,
        "not slow"
    );
    assert_eq!(verdict(Experiment::Mnist2LayerNoise, 1e-6, None, &[8.0, 0.1, 0.05, 1e-6]), Verdict::Differs, "a step");
    assert_eq!(verdict(Experiment::Synthetic, 1e-15, None, &[0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 1e-9]), Verdict::Differs);
    assert!(matches!(verdict(Experiment::Mnist2Layer, 0.05, None, &good), Verdict::Open(_)), "no test set");
    assert!(matches!(verdict(Experiment::Mnist2LayerNoise, 1e-6, None, &[]), Verdict::Open(_)), "no curve");
}

#[test]
fn an_experiment_that_is_like_another_needs_the_other() {
    let evidence = Evidence { loss: 4e-4, test_mse: None, trace: None, short: None };
    let judged = |other: Option<f64>| {
        let loss_of = |experiment| other.filter(|_| experiment == Experiment::Mnist3Layer);
        judge(Experiment::Mnist3LayerRandom, evidence, None, loss_of).verdict
    };
    assert_eq!(judged(Some(1.6e-4)), Verdict::Agrees);
    assert_eq!(judged(Some(1e-6)), Verdict::Differs);
    assert_eq!(judged(None), Verdict::Open("no whole run of mnist-3layer to compare with".to_owned()));
}

#[test]
fn a_run_that_is_too_short_agrees_only_in_what_more_iterations_do_not_undo() {
    let judged = |experiment, loss| {
        let evidence = Evidence { loss, test_mse: None, trace: None, short: Some("3 of 90 epochs") };
        judge(experiment, evidence, None, nobody).verdict
    };
    let open = Verdict::Open("3 of 90 epochs".to_owned());
    assert_eq!(judged(Experiment::Mnist2LayerNoiseRandom, 1e-5), Verdict::Agrees);
    assert_eq!(judged(Experiment::Mnist2LayerNoiseRandom, 0.3), open);
    assert_eq!(judged(Experiment::Mnist2LayerRandom, 2.0), open, "not fitted yet is not: cannot be fitted");
}

#[test]
fn a_small_version_is_not_compared_and_says_where_it_is_small() {
    for experiment in Experiment::ALL {
        let full = experiment.config(Scale::Full);
        assert_eq!((departures(experiment, &full), shortfall(experiment, &full)), (None, None));
    }
    let mut quick = Experiment::Mnist3Layer.config(Scale::Quick);
    quick.run.threads = Some(3);
    quick.network.init_scale = Some(0.1);
    let departures = departures(Experiment::Mnist3Layer, &quick).unwrap();
    assert_eq!(
        departures,
        "data.limit = 2000 instead of none, network.features.k = 200 instead of 750, network.neurons = 256 instead of 3000"
    );
    assert_eq!(
        shortfall(Experiment::Mnist3Layer, &quick).as_deref(),
        Some("10 of the 90 epochs that the experiment takes")
    );
    let evidence = Evidence { loss: 1e-9, test_mse: None, trace: None, short: None };
    let judgement = judge(Experiment::Mnist3Layer, evidence, Some(departures.clone()), nobody);
    assert_eq!(judgement.verdict, Verdict::NotComparable(departures));
    assert_eq!(judgement.findings[0].holds, Some(true), "the numbers are there all the same");
}
