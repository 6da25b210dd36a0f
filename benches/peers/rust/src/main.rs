//! The passes in Rust crates for matrix products, compared with the reference before they are timed.
//!
//! Speaks the protocol of the Python peers: names of passes as arguments (all by default), a JSON list on standard
//! output. `RAYON_NUM_THREADS` says how many threads.

mod elementwise;
mod product;
mod work;

use std::time::Duration;

use anyhow::{Context, bail};
use memorize_benches::{CHECKED, Effort, Workload, compare, expected, time};
use serde::Serialize;

use product::{Faer, FaerProducts, GemmCrate, MatrixMultiply, Product};

/// As long as the Python peers measure.
const EFFORT: Effort = Effort { time: Duration::from_millis(500), at_least: 3, at_most: usize::MAX };

const PEERS: [&dyn Product; 4] = [
    &GemmCrate,
    &Faer { products: FaerProducts::General },
    &Faer { products: FaerProducts::Triangular },
    &MatrixMultiply,
];

/// A line of the table.
#[derive(Serialize)]
struct Measured {
    peer: &'static str,
    variant: &'static str,
    pass: &'static str,
    threads: usize,
    seconds: f64,
}

fn main() -> anyhow::Result<()> {
    let workloads = std::env::args().skip(1).map(|name| workload(&name)).collect::<anyhow::Result<Vec<_>>>()?;
    let workloads = if workloads.is_empty() { Workload::COMPARED.to_vec() } else { workloads };
    // On a thread of the pool, or every parallel loop would begin by handing over to one.
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let cases = workloads.iter().flat_map(|&workload| PEERS.map(|peer| (workload, peer)));
    let cases = cases.filter(|&(workload, peer)| peer.applies_to(workload));
    let measured =
        pool.install(|| cases.map(|(workload, peer)| measure(workload, peer)).collect::<Result<Vec<_>, _>>())?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn workload(name: &str) -> anyhow::Result<Workload> {
    let found = Workload::COMPARED.iter().copied().find(|workload| workload.name() == name);
    let known = || Workload::COMPARED.iter().map(|workload| workload.name()).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("`{name}` is not a pass that peers compute; known: {}", known()))
}

fn measure(workload: Workload, peer: &dyn Product) -> anyhow::Result<Measured> {
    check(workload, peer)?;
    let mut work = work::prepare(peer, workload, workload.shape(), work::TIMED);
    let seconds = time(EFFORT, || work.run()).median;
    let threads = rayon::current_num_threads();
    Ok(Measured { peer: peer.peer(), variant: peer.variant(), pass: workload.name(), threads, seconds })
}

/// Compares with the reference on a small problem.
fn check(workload: Workload, peer: &dyn Product) -> anyhow::Result<()> {
    let mut work = work::prepare(peer, workload, CHECKED, work::SMALL);
    work.run();
    if let Err(error) = compare::<f32>(&work.result(), &expected::<f32>(workload)) {
        let (pass, peer, variant) = (workload.name(), peer.peer(), peer.variant());
        bail!("{pass} made of {peer}, {variant}, is off by {error:.1e} of the largest element");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_computes_every_pass() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (workload, peer) in Workload::COMPARED.iter().flat_map(|&workload| PEERS.map(|peer| (workload, peer))) {
                pool.install(|| check(workload, peer)).unwrap();
            }
        }
    }
}
