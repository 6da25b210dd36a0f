//! Throughput of each pass at the paper's shapes: `cargo bench -p memorize-benches`, with a filter after `--`.
//!
//! Throughput is in flops that the pass needs (symmetry used), so that `Gelem/s` reads as GFLOP/s. `memorize bench`
//! shows the same beside the machine's limits. With the backend `blas` built in, set `OPENBLAS_NUM_THREADS=1`: here
//! nobody knows which BLAS it is, and nobody tells it to stay on one thread.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memorize_benches::{Workload, check};
use memorize_kernels::{Backend, Element, Engine, Par};

fn passes<T: Element>(criterion: &mut Criterion) {
    for workload in Workload::ALL {
        let shape = workload.shape();
        let mut group = criterion.benchmark_group(workload.name());
        group.sample_size(if shape.n > 1000 { 10 } else { 100 });
        group.throughput(Throughput::Elements(workload.flops(shape) as u64));
        for &backend in Backend::ALL {
            if backend != Backend::Native && !workload.multiplies() {
                continue;
            }
            // A problem of microseconds is one thread's.
            let par = if workload == Workload::SmallGradient { Par::Seq } else { Par::POOL };
            let engine = Engine { backend, par, ..Engine::best() };
            let id = BenchmarkId::new(format!("{backend}-{}-{}", engine.isa, T::NAME), shape);
            check::<T>(workload, &engine).expect("a pass is right before it is fast");
            group.bench_function(id, |bencher| bencher.iter(workload.prepare::<T>(engine, shape)));
        }
        group.finish();
    }
}

criterion_group!(benches, passes::<f32>, passes::<f64>);
criterion_main!(benches);
