//! Throughput of the two hot passes at the paper's shapes, a figure to look at while tuning.

use std::time::Instant;

use memorize_kernels::pass::{self, AdamStep, Backward, FusedStep, Rule, Weights};
use memorize_kernels::{Engine, Mat};

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn time(runs: usize, mut work: impl FnMut()) -> f64 {
    work();
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    median((0..runs).map(once).collect())
}

fn main() {
    let engine = Engine::best();
    let (n, d, r, b) = (60_000, 784, 3000, 128);
    let value = |i: usize, j: usize| ((i * 31 + j * 17) % 101) as f32 / 2000.0 - 0.025;
    let x = Mat::from_fn(n, d, value);
    let (y, a) = (vec![1.0f32; n], vec![1.0f32; r]);
    let w = Mat::from_fn(r, d, value);

    let s = pass::network_matrix(&engine, w.as_ref(), &a).unwrap();
    let packed = engine.pack_symmetric(s.as_ref());
    let mut q = vec![0.0; n];
    let flops = n as f64 * (d * d) as f64 / 1e9;
    let report = |name: &str, flops: f64, seconds: f64| {
        println!("{name:24} {:9.3} ms  {:7.1} GFLOP/s", 1e3 * seconds, flops / seconds);
    };
    report("quadratic forms", flops, time(5, || pass::quadratic_forms(&engine, &x, &packed, &mut q).unwrap()));
    report("weighted gram", flops, time(5, || drop(pass::weighted_gram(&engine, &x, &y).unwrap())));
    report("loss and moment", 2.0 * flops, time(5, || drop(pass::loss_and_moment(&engine, &x, &y, &packed).unwrap())));
    let mut g = Mat::zeros(r, d);
    report(
        "loss and gradient",
        2.0 * flops + 3.0 * (d * d * r) as f64 / 1e9,
        time(5, || {
            let s = pass::network_matrix(&engine, w.as_ref(), &a).unwrap();
            let out = pass::loss_and_moment(&engine, &x, &y, &engine.pack_symmetric(s.as_ref())).unwrap();
            pass::gradient_from_moment(&engine, w.as_ref(), &a, out.moment.as_ref(), 0.0, g.as_mut()).unwrap();
        }),
    );
    let features = Mat::from_fn(750, 100, value);
    let inputs = Mat::from_fn(n, 100, value);
    let packed = engine.pack_rows(features.as_ref());
    let mut z = Mat::zeros(n, 750);
    report(
        "features",
        2.0 * (n * 100 * 750) as f64 / 1e9,
        time(9, || pass::features(&engine, inputs.as_ref(), &packed, 2, z.as_mut()).unwrap()),
    );
    let mut step = FusedStep::new(engine, &Weights::new(w), &a, b).unwrap();
    let batch = x.as_ref().rows_range(0..b);
    let (delta, mut q) = (vec![1e-3; b], vec![0.0; b]);
    step.forward(batch, &mut q).unwrap();
    let rule = Rule::Adam(AdamStep::new(10, 1e-3, 0.9, 0.999, 1e-8, 0.0));
    report(
        "adam step",
        4.0 * (b * d * r) as f64 / 1e9,
        time(100, || step.step(Backward { x: batch, delta: &delta, rule }, Some(batch), &mut q).unwrap()),
    );
}
