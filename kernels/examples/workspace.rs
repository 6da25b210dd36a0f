//! What a workspace saves: passes with fresh memory and with one that is kept, in turn, each checked to have the same
//! bits.
//!
//! ```text
//! cargo run --release -p memorize-kernels --example workspace
//! ```

use std::time::Instant;

use memorize_kernels::{Element, Engine, KernelError, Mat, Workspace, pass};

/// Runs of each kind, of which the median is taken.
const RUNS: usize = 31;

/// Numbers from -1 to 1.
fn scattered<T: Element>(rows: usize, cols: usize) -> Mat<T> {
    Mat::from_fn(rows, cols, |i, j| T::from_f64(((i * 7919 + j * 104_729) % 2003) as f64 / 1001.0 - 1.0))
}

/// Medians in milliseconds of `work` without a workspace and in one.
fn compare<R: PartialEq>(work: impl Fn() -> Result<R, KernelError>) -> Result<[f64; 2], KernelError> {
    let workspace = Workspace::default();
    let expected = work()?;
    let mut times = [Vec::new(), Vec::new()];
    for run in 0..2 * RUNS {
        let start = Instant::now();
        let found = if run % 2 == 0 { work()? } else { workspace.scope(&work)? };
        times[run % 2].push(1e3 * start.elapsed().as_secs_f64());
        assert!(found == expected, "a workspace has changed the result");
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[RUNS / 2]
    }))
}

fn main() -> Result<(), KernelError> {
    let engine = Engine::best();
    println!("{:<34} {:>9} {:>9} {:>6}", "ms, f32", "fresh", "kept", "ratio");
    let show = |what: &str, [fresh, kept]: [f64; 2]| {
        println!("{what:<34} {fresh:>9.3} {kept:>9.3} {:>6.2}", fresh / kept);
    };
    for (n, d, r) in [(300, 784, 1570), (300, 100, 300), (3000, 784, 1570)] {
        let (x, w) = (scattered::<f32>(n, d), scattered::<f32>(r, d));
        let y: Vec<f32> = (0..n).map(|j| (j % 10) as f32).collect();
        let a: Vec<f32> = (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect();
        let gradient = || Ok(pass::loss_and_gradient(&engine, &x, &y, w.as_ref(), &a, 0.0)?.squares);
        show(&format!("gradient by neurons {n} x {d} x {r}"), compare(gradient)?);
        let gradient = || {
            let s = pass::network_forms(&engine, w.as_ref(), &a)?;
            let out = pass::loss_and_moment(&engine, &x, &y, &s)?;
            let mut g = Mat::zeros(r, d);
            pass::gradient_of_moment(&engine, w.as_ref(), &a, &out.moment, 0.0, g.as_mut())?;
            Ok(out.squares)
        };
        show(&format!("gradient by Gram {n} x {d} x {r}"), compare(gradient)?);
        let gram = || Ok(pass::weighted_gram(&engine, &x, &y)?.row(0)[0]);
        show(&format!("weighted Gram {n} x {d}"), compare(gram)?);
    }
    Ok(())
}
