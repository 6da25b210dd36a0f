//! Tests of [`super`].

use crate::config::{Batch, RunConfig};

/// An optimiser with the defaults that it has by itself.
fn by(kind: &str) -> RunConfig {
    let data = "[data]\nsource = \"mnist\"\n[network]\nneurons = 300\n[run]\nepochs = 2\n";
    RunConfig::from_toml(&format!("{data}[optimizer]\nkind = \"{kind}\"\n")).unwrap()
}

#[test]
fn other_ways_to_leave_saddle_points_need_no_more_than_their_name() {
    let config = by("accelerated");
    let section = config.optimizer.accelerated.clone().unwrap();
    assert_eq!((config.optimizer.learning_rate, section.theta, section.s), (0.1, 0.1, 0.01));
    assert!((section.gamma - 0.1).abs() < 1e-15, "theta^2/eta");
    assert_eq!((config.optimizer.batch, config.optimizer.negative_curvature.is_none()), (Batch::Full, true));
    let config = by("negative-curvature");
    let section = config.optimizer.negative_curvature.clone().unwrap();
    assert_eq!((config.optimizer.learning_rate, section.g_threshold, section.tolerance), (0.0, 0.005, 0.0));
    let text = config.to_toml().unwrap();
    assert!(!text.contains("learning_rate") && RunConfig::from_toml(&text).unwrap() == config, "{text}");
    // Lemma 3's 2d+2 neurons, when d is known.
    let mut config = config;
    config.network.neurons = None;
    assert!(config.validate().is_ok());

    type Change = fn(&mut RunConfig);
    let cases: [(&str, &str, Change); 11] = [
        ("accelerated", "--accelerated-theta", |c| c.optimizer.accelerated.as_mut().unwrap().theta = 0.0),
        ("accelerated", "--accelerated-gamma", |c| c.optimizer.accelerated.as_mut().unwrap().gamma = -1.0),
        ("accelerated", "--accelerated-s", |c| c.optimizer.accelerated.as_mut().unwrap().s = 0.0),
        ("accelerated", "--accelerated-radius", |c| c.optimizer.accelerated.as_mut().unwrap().radius = f64::NAN),
        ("accelerated", "--accelerated-g-threshold", |c| {
            c.optimizer.accelerated.as_mut().unwrap().g_threshold = -1.0;
        }),
        ("accelerated", "--accelerated-t-threshold", |c| c.optimizer.accelerated.as_mut().unwrap().t_threshold = 0),
        ("accelerated", "leave out --lr-decay-every", |c| c.optimizer.decay_every = Some(1)),
        ("negative-curvature", "--curvature-g-threshold", |c| {
            c.optimizer.negative_curvature.as_mut().unwrap().g_threshold = 1.5;
        }),
        ("negative-curvature", "--curvature-tolerance", |c| {
            c.optimizer.negative_curvature.as_mut().unwrap().tolerance = f64::INFINITY;
        }),
        ("negative-curvature", "leave out --lr", |c| c.optimizer.learning_rate = 0.1),
        ("negative-curvature", "read by --optimizer accelerated only, not by negative-curvature", |c| {
            c.optimizer.accelerated = by("accelerated").optimizer.accelerated;
        }),
    ];
    for (kind, advice, change) in cases {
        let mut config = by(kind);
        change(&mut config);
        let message = config.validate().unwrap_err().to_string();
        assert!(message.contains(advice), "{advice}: {message}");
    }
}

#[test]
fn only_what_leaves_saddle_points_may_start_at_one() {
    for kind in ["accelerated", "negative-curvature"] {
        let mut config = by(kind);
        config.network.init_scale = Some(0.0);
        assert!(config.validate().is_ok(), "{kind}");
        config.network.init_scale = Some(-1.0);
        assert!(config.validate().is_err(), "{kind}");
    }
    let mut config = by("gd");
    config.network.init_scale = Some(0.0);
    assert!(config.validate().unwrap_err().to_string().contains("saddle point"));
}
