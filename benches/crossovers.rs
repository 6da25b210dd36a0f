//! Where one way of computing overtakes another: `cargo bench --bench crossovers`.
//!
//! Two tables. Routes: time of a full-batch gradient through the neurons over its time through the Gram matrices,
//! beside the ratio that the planner expects; where the two stand on different sides of 1 the planner chose the slower
//! route. Threads: what sharing a piece of work between two threads gains, for pieces around the size from which it is
//! shared.

use std::time::Duration;

use memorize_benches::{Effort, Shape, Workload, time};
use memorize_kernels::block::PARALLEL_FLOPS;
use memorize_kernels::{Engine, Mat, Par, pass};
use memorize_train::{Plan, Samples};

const EFFORT: Effort = Effort { time: Duration::from_millis(60), at_least: 5, at_most: 100_000 };

/// Flops of the dearest problem in the table of routes.
const DEAREST: usize = 100_000_000;

fn main() {
    // `cargo test --benches` runs this too, and has no use for timings.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    routes();
    threads();
}

fn routes() {
    let engine = Engine { par: Par::Seq, ..Engine::best() };
    println!("routes: time by neurons / time by Gram matrices, one thread, f32, {}", engine.isa);
    println!("{:>6} {:>5} {:>6} {:>9} {:>9}", "n", "d", "r", "measured", "expected");
    let (mut wrong, mut dear, mut all) = (0, 0.0f64, 0);
    for d in [20, 50, 100, 200, 784] {
        for n in [10, 32, 100, 300, 1000, 5000] {
            for r in [d / 4, d / 2, d, 2 * d + 2, 4 * d] {
                if n * d * r > DEAREST {
                    continue;
                }
                let shape = Shape { n, d, r };
                let by_neurons = time(EFFORT, gradient_by_neurons(engine, shape)).median;
                let by_gram = time(EFFORT, Workload::SmallGradient.prepare::<f32>(engine, shape)).median;
                let plan = Plan::new(Samples::All(n), d, r, None);
                let (measured, expected) = (by_neurons / by_gram, plan.neuron_flops / plan.gram_flops);
                let missed = (measured < 1.0) != (expected < 1.0);
                all += 1;
                if missed {
                    wrong += 1;
                    dear = dear.max(measured.max(1.0 / measured));
                }
                let mark = if missed { "  slower route" } else { "" };
                println!("{n:>6} {d:>5} {r:>6} {measured:>9.2} {expected:>9.2}{mark}");
            }
        }
    }
    println!("{wrong} of {all} on the slower route, at worst {dear:.2} times as slow as the other\n");
}

fn gradient_by_neurons(engine: Engine, Shape { n, d, r }: Shape) -> impl FnMut() + Send {
    let value = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 10_007) as f32 / 100_070.0 - 0.05;
    let (x, w) = (Mat::from_fn(n, d, value), Mat::from_fn(r, d, value));
    let (y, a) = (vec![1.0; n], vec![1.0; r]);
    move || drop(pass::loss_and_gradient(&engine, &x, &y, w.as_ref(), &a, 0.0).expect("shapes go together"))
}

fn threads() {
    let alone = Engine { par: Par::Seq, ..Engine::best() };
    let threads = rayon::current_num_threads();
    println!("threads: time of two halves one after the other / at once on {threads} threads");
    println!("(quadratic forms, d = 100; no thread is woken for less than {:.1} MFLOP)", PARALLEL_FLOPS as f64 / 1e6);
    println!("{:>9} {:>9} {:>6}", "MFLOP", "us", "ratio");
    for n in [32, 64, 128, 256, 512, 1024, 4096] {
        let half = Shape { n: n / 2, d: 100, r: 0 };
        let [mut left, mut right] = [(); 2].map(|()| Workload::QuadraticForms.prepare::<f32>(alone, half));
        let in_turn = time(EFFORT, || {
            left();
            right();
        });
        let at_once = time(EFFORT, || {
            rayon::join(&mut left, &mut right);
        });
        let flops = 2.0 * Workload::QuadraticForms.flops(half);
        let (seconds, ratio) = (in_turn.median, in_turn.median / at_once.median);
        println!("{:>9.2} {:>9.1} {ratio:>6.2}", flops / 1e6, seconds * 1e6);
    }
}
